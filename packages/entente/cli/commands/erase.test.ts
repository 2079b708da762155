import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createMatcher } from '../search.ts'
import { tracesOf } from '../traces.ts'
import { entente, runScript } from './test/script.ts'
import { adminPassword, indicators, type Site, startSite } from './test/site.ts'

const SECRET = 'Jane Roe, Elm Street 5, was the target'

/** Three objects: the second, which names a person, has two versions and a refused content; the third refers to it. */
async function setUp(t: TestContext) {
  const site = await startSite(t)
  const [first, second] = indicators(2) as unknown as [{ id: string }, { id: string }]
  const secret = { ...second, description: SECRET, name: 'a name that only this one has' }
  const newer = { ...secret, modified: '2026-02-01T00:00:00.000Z', description: `${SECRET} again` }
  const note = {
    type: 'note',
    spec_version: '2.1',
    id: 'note--00000000-0000-4000-8000-000000000009',
    created: '2026-01-01T00:00:00.000Z',
    modified: '2026-01-01T00:00:00.000Z',
    content: 'see there',
    object_refs: [second.id],
  }
  await publish(site, [first, secret, newer, { ...secret, description: `${SECRET} changed` }])
  return { ...site, id: second.id, note, variables: { URL: site.url, ID: second.id, DATA: site.data } }
}

async function publish(site: Site, objects: unknown[]): Promise<void> {
  const file = join(site.folder, 'objects.json')
  writeFileSync(file, JSON.stringify({ objects }))
  await entente(['publish', file, '--to', site.url, '--data', site.data], { cwd: site.folder })
  rmSync(file)
}

test('erase --prove: all that the object was is gone, and the log says so', async t => {
  const { folder, variables, server, data, id, url } = await setUp(t)
  await runScript(
    `
    $ entente erase $URL $ID --version all --prove --data $DATA --no-memory
    erased $ID (all) from …
      record 1  object        deleted by record 4: logged, entry … of the log
      record 2  object        deleted by record 5: logged, entry … of the log
      record 3  equivocation  deleted by record 6: logged, entry … of the log
      searched … files of $DATA, … bytes, for … traces (… left out that other records have as well)
      proven: nothing of it was found, and the log says that it was deleted
    $ entente erase $URL $ID --version all --prove --data $DATA --no-memory
    entente erase: the collection has no object $ID
    [exit 1]
  `,
    { cwd: folder, variables },
  )
  assert.equal(server.context.damage.failures, 0)
  const audit = await entente(['audit', '--data', data, '--json'], { cwd: folder })
  assert.equal(audit.code, 0, audit.out)
  const saved = await entente(['get', url, '--records', '--out', 'read.json', '--data', data, '--no-memory'], {
    cwd: folder,
  })
  assert.equal(saved.code, 0, saved.err)
  assert.equal(JSON.stringify(saved.out).includes(id), false)
})

test('erase --prove finds what was left in a stray file, says where, and never what', async t => {
  const { folder, data, id, url } = await setUp(t)
  writeFileSync(join(data, 'export.txt'), `a list that somebody made: ${SECRET}`)
  writeFileSync(join(data, 'mail.eml'), Buffer.from(`to whom it may concern: ${id} is it`).toString('base64'))
  const args = ['erase', url, id, '--version', 'all', '--prove', '--data', data, '--no-memory', '--json']
  const { code, out, err } = await entente([...args, '--needle', 'somebody made'], { cwd: folder })
  assert.equal(code, 4, out + err)
  const { proven, search, records } = JSON.parse(out)
  assert.equal(proven, false)
  assert.deepEqual(
    records.map((r: any) => r.error),
    [undefined, undefined, undefined],
  )
  const found = search.found.map((f: any) => `${f.file}: ${f.what}`).sort()
  assert.ok(found.includes('export.txt: text of description'), found.join('\n'))
  assert.ok(found.includes('export.txt: --needle 1'), found.join('\n'))
  assert.ok(found.includes('mail.eml: the id, in base64'), found.join('\n'))
  assert.deepEqual([...new Set(search.found.map((f: any) => f.file))].sort(), ['export.txt', 'mail.eml'])
  assert.equal((out + err).includes(SECRET.slice(0, 8)), false)
})

test('erase of one version leaves the others', async t => {
  const { folder, variables } = await setUp(t)
  await runScript(
    `
    $ entente erase $URL $ID --prove --data $DATA --no-memory
    erased $ID (last) from …
      1 version of it left: "--version all" erases all of them
      record 2  object  deleted by record 4: logged, entry … of the log
      searched …
      proven: …
    $ entente erase $URL $ID --data $DATA --json
    {"url":…,"versions":["last"],"versions_left":0,"proven":null}
    $ entente erase $URL $ID --data $DATA
    entente erase: …
    [exit 1]
  `,
    { cwd: folder, variables },
  )
})

test('erase --prove says how many other objects still name it', async t => {
  const { note, ...site } = await setUp(t)
  const { folder, id, url, data } = site
  await publish(site, [note])
  const { code, out } = await entente(
    ['erase', url, id, '--version', 'all', '--prove', '--data', data, '--no-memory', '--json'],
    { cwd: folder },
  )
  assert.equal(code, 0, out)
  assert.equal(JSON.parse(out).named_by, 1)
})

test('erase --prove wants the folder of that server, and deletes nothing before it has it', async t => {
  const [here, elsewhere] = [await setUp(t), await startSite(t)]
  const args = ['erase', here.url, here.id, '--prove', '--user', 'admin', '--no-memory']
  const password = adminPassword(here)
  for (const [data, code, message] of [
    [elsewhere.data, 2, /not the data folder of that server/],
    [join(here.folder, 'nowhere'), 2, /not the data folder of a server/],
  ] as const) {
    const { code: got, err } = await entente([...args, '--data', data, '--password', password], { cwd: here.folder })
    assert.match(err, message)
    assert.equal(got, code)
  }
  const strange = ['--data', here.data, '--password', password, '--key', elsewhere.server.context.vkey]
  assert.equal((await entente([...args, ...strange], { cwd: here.folder })).code, 4, 'a log of another key')
  const other = ['--data', here.data, '--needle', 'abc']
  assert.equal((await entente([...args, ...other], { cwd: here.folder })).code, 2)
  const withoutProve = ['erase', here.url, here.id, '--needle', 'abcdef', '--data', here.data]
  assert.equal((await entente(withoutProve, { cwd: here.folder })).code, 2)
  const left = await entente(['get', here.url, '--id', here.id, '--data', here.data], { cwd: here.folder })
  assert.match(left.out, /Jane Roe/)
})

test('the traces of a record cover its object: whatever 95 bytes of it are left, one shows', () => {
  const object = {
    description: 'a long text of "words" with\nlines and ümlauts, which goes on for some time, so that it has pieces',
    id: 'note--1',
    list: [{ deep: ['one more text in a list'] }],
  }
  const record = { id: object.id, object, salt: Buffer.alloc(32, 7).toString('base64url'), seq: 1 }
  const text = Buffer.from(`entente/record/v1:${JSON.stringify(record)}`)
  const matcher = createMatcher(tracesOf(text))
  const body = Buffer.from(JSON.stringify(object))
  for (let at = 0; at + 95 <= body.length; at++) {
    let found = 0
    matcher.match(body.subarray(at, at + 95), () => found++)
    assert.ok(found > 0, `from ${at} on`)
  }
})
