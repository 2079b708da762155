// Promise 2 and 3 against somebody who writes to the database or puts an older copy back (docs/security.md): nothing that was
// changed is served as good, and the audit names it. Every case runs on the real server and its real store.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { before, suite, test } from 'node:test'
import {
  complete,
  OBJECTS,
  root,
  said,
  sampleObjects,
  startEntente,
  temporaryFolder,
  type TestServer,
} from '../support/server.ts'

type Report = {
  problems: { kind: string; message: string; seq?: number; id?: string; collection?: string }[]
  size: number
}
const objects = sampleObjects(20)
const idOf = (i: number) => (objects[i] as { id: string }).id

/** Runs `entente audit` on a folder whose server is down. */
function audit(data: string): { code: number | null; report: Report } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'packages/entente/cli/main.ts'), 'audit', '--data', data, '--json'],
    { encoding: 'utf8' },
  )
  assert.ok(stdout.trim() !== '', `the audit printed nothing: ${stderr}`)
  return { code: status, report: JSON.parse(stdout) as Report }
}

function change(data: string, sql: (db: DatabaseSync) => void): void {
  const db = new DatabaseSync(join(data, 'store.db'), { timeout: 5000 })
  sql(db)
  db.close()
}

const problemsOf = (report: Report, kind: string) => report.problems.filter(p => p.kind === kind)

async function publishAndAnchor(server: TestServer, list: unknown[]): Promise<void> {
  const { status, json } = await server.request('POST', OBJECTS, { objects: list })
  assert.equal(status, 202)
  await complete(server, json.id)
}

suite('a store that somebody changed', { concurrency: false }, () => {
  let original: string
  // One published and anchored folder; every test works on a copy of it.
  before(async () => {
    const t = { after: (f: () => void) => process.once('exit', f) }
    original = join(temporaryFolder(t), 'data')
    const server = await startEntente(original)
    await publishAndAnchor(server, objects)
    await server.stop()
    const { code, report } = audit(original)
    assert.deepEqual(report.problems, [])
    assert.equal(code, 0)
  })
  const copy = (t: { after(f: () => void): void }): string => {
    const data = join(temporaryFolder(t), 'data')
    cpSync(original, data, { recursive: true })
    return data
  }

  /** Not served by id, withheld and counted in the list, and everything else is. */
  async function expectWithheld(data: string, bad: number[], t: { after(f: () => void): void }): Promise<void> {
    const server = await startEntente(data)
    t.after(() => server.kill())
    const list = await server.request('GET', OBJECTS)
    assert.equal(list.status, 200)
    assert.equal(list.headers.get('x-entente-withheld'), String(bad.length))
    const ids = (list.json.objects as { id: string }[]).map(o => o.id)
    assert.deepEqual(
      ids,
      objects.map(o => o['id']).filter((_, i) => !bad.includes(i)),
    )
    for (const i of bad) {
      const { status, json } = await server.request('GET', `${OBJECTS}${idOf(i)}/`)
      assert.equal(status, 500, `object ${i} was answered`)
      assert.equal(json.error_code, 'integrity')
    }
    const good = objects.findIndex((_, i) => !bad.includes(i))
    assert.equal((await server.request('GET', `${OBJECTS}${idOf(good)}/`)).status, 200)
    await server.stop()
  }

  test('one byte of an object changed', async t => {
    const data = copy(t)
    change(data, db =>
      db.exec(
        `update record set text = cast(replace(text, 'test indicator 7"', 'test indicator 8"') as blob) where seq = 7`,
      ),
    )
    const { code, report } = audit(data)
    assert.equal(code, 4)
    assert.deepEqual(
      report.problems.map(p => [p.kind, p.seq, p.id]),
      [['record', 7, idOf(7)]],
    )
    await expectWithheld(data, [7], t)
  })

  test('two rows swapped: their texts', async t => {
    const data = copy(t)
    change(data, db => {
      const [a, b] = [3, 11].map(
        seq => (db.prepare('select text from record where seq = ?').get(seq) as { text: Uint8Array }).text,
      )
      db.prepare('update record set text = ? where seq = 3').run(b as Uint8Array)
      db.prepare('update record set text = ? where seq = 11').run(a as Uint8Array)
    })
    const { code, report } = audit(data)
    assert.equal(code, 4)
    assert.deepEqual(
      problemsOf(report, 'record').map(p => p.seq),
      [3, 11],
    )
    await expectWithheld(data, [3, 11], t)
  })

  test('two rows swapped: ids, so that each is found under the other', async t => {
    const data = copy(t)
    change(data, db => {
      db.prepare('update record set id = ? where seq = 3').run(idOf(11))
      db.prepare('update record set id = ? where seq = 11 and id = ?').run(idOf(3), idOf(11))
    })
    const { code, report } = audit(data)
    assert.equal(code, 4)
    assert.deepEqual(
      problemsOf(report, 'columns').map(p => p.seq),
      [3, 11],
    )
    await expectWithheld(data, [3, 11], t)
  })

  test('two rows swapped whole: each claims the place of the other', async t => {
    const data = copy(t)
    change(data, db =>
      db.exec(
        'update record set seq = 1000 where seq = 3; update record set seq = 3 where seq = 11; update record set seq = 11 where seq = 1000',
      ),
    )
    const { code, report } = audit(data)
    assert.equal(code, 4)
    assert.deepEqual(
      problemsOf(report, 'columns')
        .map(p => p.seq)
        .filter(s => s === 3 || s === 11)
        .sort((a, b) => Number(a) - Number(b))
        .at(0),
      3,
    )
    await expectWithheld(data, [3, 11], t)
  })

  test('a row deleted', async t => {
    const data = copy(t)
    change(data, db => db.exec('delete from record where seq = 5'))
    const { code, report } = audit(data)
    assert.equal(code, 4)
    assert.deepEqual(
      problemsOf(report, 'missing').map(p => p.seq),
      [5],
    )
    await expectWithheld(data, [5], t)
  })

  test('a row blanked as if it had been erased', async t => {
    const data = copy(t)
    change(data, db =>
      db.exec('update record set text = null, id = null, type = null, version = null, superseded = 1 where seq = 6'),
    )
    const { code, report } = audit(data)
    assert.equal(code, 4)
    assert.deepEqual(
      problemsOf(report, 'erased').map(p => p.seq),
      [6],
    )
    await expectWithheld(data, [6], t)
  })

  test('a date changed', async t => {
    const data = copy(t)
    change(data, db => db.exec('update record set added = added - 86400000000 where seq = 9'))
    const { code, report } = audit(data)
    assert.equal(code, 4)
    assert.ok(problemsOf(report, 'columns').some(p => p.seq === 9))
    await expectWithheld(data, [9], t)
  })

  test('a row flagged as superseded, to hide it', async t => {
    const data = copy(t)
    change(data, db => db.exec('update record set superseded = 2 where seq = 8'))
    const server = await startEntente(data)
    t.after(() => server.kill())
    const { json } = await server.request('GET', OBJECTS)
    assert.equal(json.objects.length, 20)
    await server.stop()
  })

  test('the row of an object that was read before, changed while the server runs', async t => {
    const data = copy(t)
    const server = await startEntente(data)
    t.after(() => server.kill())
    assert.equal((await server.request('GET', `${OBJECTS}${idOf(4)}/`)).status, 200)
    assert.equal((await server.request('GET', OBJECTS)).headers.get('x-entente-withheld'), null)
    change(data, db =>
      db.exec(`update record set text = cast(replace(text, 'indicator 4"', 'indicator 5"') as blob) where seq = 4`),
    )
    assert.equal((await server.request('GET', `${OBJECTS}${idOf(4)}/`)).status, 500)
    const list = await server.request('GET', OBJECTS)
    assert.equal(list.headers.get('x-entente-withheld'), '1')
    assert.equal(list.json.objects.length, 19)
    // Put back, it is served again: no verdict is remembered.
    change(data, db =>
      db.exec(`update record set text = cast(replace(text, 'indicator 5"', 'indicator 4"') as blob) where seq = 4`),
    )
    assert.equal((await server.request('GET', `${OBJECTS}${idOf(4)}/`)).status, 200)
    await server.stop()
    assert.equal(audit(data).code, 0)
  })

  test('a row deleted while the server runs: the object is not said to be unknown', async t => {
    const data = copy(t)
    const server = await startEntente(data)
    t.after(() => server.kill())
    assert.equal((await server.request('GET', `${OBJECTS}${idOf(4)}/`)).status, 200)
    change(data, db => db.exec('delete from record where seq = 4'))
    const { status, json } = await server.request('GET', `${OBJECTS}${idOf(4)}/`)
    assert.deepEqual([status, json.error_code], [500, 'integrity'])
    await server.stop()
  })

  test('record, entry and tile changed together: the log does not verify', async t => {
    const data = copy(t)
    change(data, db => {
      db.exec(`update record set text = cast(replace(text, 'indicator 7"', 'indicator 8"') as blob) where seq = 7`)
      const { data: bundle } = db.prepare('select data from bundle where idx = 0').get() as { data: Uint8Array }
      bundle[300] = (bundle[300] as number) ^ 1
      db.prepare('update bundle set data = ? where idx = 0').run(bundle)
    })
    const { code, report } = audit(data)
    assert.equal(code, 4)
    assert.ok(problemsOf(report, 'log').length > 0)
    // The server refuses to start on it: it would have nothing to check reads against.
    await assert.rejects(startEntente(data), /contradicts itself/)
  })

  test("yesterday's copy of the store put back while the ledger went on", async t => {
    const data = copy(t)
    const old = join(temporaryFolder(t), 'old')
    mkdirSync(old)
    copyFileSync(join(data, 'store.db'), join(old, 'store.db'))
    const server = await startEntente(data)
    t.after(() => server.kill())
    await publishAndAnchor(server, sampleObjects(5, 100))
    await server.stop()
    for (const name of ['store.db', 'store.db-wal', 'store.db-shm']) rmSync(join(data, name), { force: true })
    copyFileSync(join(old, 'store.db'), join(data, 'store.db'))

    const { code, report } = audit(data)
    assert.equal(code, 4)
    assert.match(
      problemsOf(report, 'ledger')[0]?.message ?? '',
      /ledger "local" has this log at size \d+, the store only at \d+/,
    )

    const restored = await startEntente(data)
    t.after(() => restored.kill())
    await said(restored, /WRITING HAS STOPPED: ledger "local" has this log at size \d+, the store only at \d+/)
    const post = await restored.request('POST', OBJECTS, { objects: sampleObjects(1, 200) })
    assert.equal(post.status, 503)
    assert.match(post.json.description, /put back to an older copy/)
    const get = await restored.request('GET', OBJECTS)
    assert.deepEqual([get.status, get.json.error_code], [503, 'rolled-back'])
    const ready = await restored.request('GET', '/readyz')
    assert.deepEqual([ready.status, ready.json.code], [503, 'rolled-back'])
    await restored.stop()
  })

  test('the store gone, with key and ledger still there', async t => {
    const data = copy(t)
    rmSync(join(data, 'store.db'))
    const server = await startEntente(data)
    t.after(() => server.kill())
    await said(server, /WRITING HAS STOPPED/)
    await server.stop()
  })

  test('the log key gone: a new one is not made for a store that exists', async t => {
    const data = copy(t)
    rmSync(join(data, 'log.key'))
    await assert.rejects(startEntente(data), /the log's key is missing/)
  })
})
