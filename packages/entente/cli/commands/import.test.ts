import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createTaxiiClient, readVerified } from '@entente/client'
import { COLLECTIONS, medallionData } from '../../../../test/support/medallion-data.ts'
import { loadConfig } from '../config.ts'
import { startServer } from '../serve.ts'
import { entente, runScript } from './test/script.ts'

const REQUESTED = '2026-11-20T08:00:00.000000Z'

/** A folder with a data file `medallion.json`, changed as the test wants it. */
function setUp(t: TestContext, change: (data: any) => void = () => {}) {
  const folder = mkdtempSync(join(tmpdir(), 'entente-import-'))
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  const data: any = medallionData(REQUESTED)
  change(data)
  const save = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value))
  save('medallion.json', data)
  const start = async () => {
    const { config, paths } = loadConfig({
      file: join(folder, 'data', 'entente.yaml'),
      data: join(folder, 'data'),
      port: '0',
      env: {},
    })
    const server = await startServer(config, paths, () => {})
    const password = readFileSync(paths.adminPassword, 'utf8').trim()
    const client = createTaxiiClient({ url: server.url, auth: { kind: 'basic', user: 'admin', password } })
    return { server, client, collection: client.collection(`${server.url}/first/collections/${COLLECTIONS.pages}/`) }
  }
  return {
    folder,
    data,
    save,
    start,
    run: (script: string) => runScript(script, { cwd: folder, variables: { ...COLLECTIONS } }),
  }
}
const json = async (folder: string, ...args: string[]) => {
  const { code, out, err } = await entente(['import', 'medallion', ...args, '--json'], { cwd: folder })
  return { code, err, ...JSON.parse(out) }
}
const totals = (summary: any) =>
  summary.collections.reduce(
    (sum: any, c: any) => ({
      imported: sum.imported + c.imported,
      present: sum.present + c.present,
      refused: sum.refused + c.refused,
    }),
    { imported: 0, present: 0, refused: 0 },
  )

test('dry run, import, import again: nothing, everything, nothing more', async t => {
  const { folder, run, start } = setUp(t)
  await run(`
    $ entente import medallion medallion.json --dry-run
    2 API roots, 4 collections
      /first/collections/$pages/ "Pages": 30 objects: 30 would be imported, 0 there before, 0 refused
      /first/collections/$mixed/ "Mixed": 9 objects: 9 would be imported, 0 there before, 0 refused
      …
      statuses: 1 would be imported, 0 there before
      remark: users are not in it: …
    nothing was written; the configuration would be written to data/entente.yaml
  `)
  assert.equal(existsSync(join(folder, 'data')), false)
  assert.deepEqual(totals(await json(folder, 'medallion.json')), { imported: 39, present: 0, refused: 0 })
  const files = ['entente.yaml', 'log.key'].map(name => readFileSync(join(folder, 'data', name), 'utf8'))
  const again = await json(folder, 'medallion.json')
  assert.deepEqual([again.code, totals(again)], [0, { imported: 0, present: 39, refused: 0 }])
  assert.deepEqual([again.statuses, again.config.changed], [{ imported: 0, present: 1 }, false])
  assert.deepEqual(
    files,
    ['entente.yaml', 'log.key'].map(name => readFileSync(join(folder, 'data', name), 'utf8')),
  )

  // The records prove themselves as imported, and what is added now comes after them.
  const { server, client, collection } = await start()
  const trust = { vkeys: [await client.logKey()] }
  const [status] = await collection.add([
    {
      ...(await collection.object('indicator--00000000-0000-4000-8000-000000000001'))[0]!,
      modified: '2026-11-01T00:00:00.000Z',
    },
  ])
  await collection.waitFor(status!)
  const { verified } = await readVerified(collection, trust)
  const imported = verified.records.map(r => 'record' in r && 'imported' in r.record)
  assert.deepEqual(imported, [...Array.from({ length: 30 }, () => true), false])
  await run(`
    $ entente import medallion medallion.json
    entente import: a server runs on …/data: stop it first, and start it again afterwards
    [exit 1]
  `)
  await server.close()
})

test('what can not be taken is named with its reason, the rest is taken: exit 1', async t => {
  const { folder } = setUp(t, data => {
    const [pages, mixed] = data.first.collections
    pages.objects[1].created = 'yesterday'
    pages.manifest[2].date_added = 'never'
    pages.manifest.push({
      id: 'indicator--00000000-0000-4000-8000-00000000ffff',
      version: '2026-01-01T00:00:00.000Z',
      date_added: REQUESTED,
      media_type: 'x',
    })
    pages.objects.push({ ...pages.objects[3], modified: '2026-05-05T00:00:00.000Z' })
    mixed.manifest[0].date_added = '2100-01-01T00:00:00.000000Z'
    mixed.objects.push({ ...mixed.objects[1], name: 'another content' })
    data.first.collections.push({ id: 'not-a-uuid', title: 'no id' })
    data.first.status.push({ id: 'nothing' })
    // A version that is no text would give a record that fails every verifier, under the permissive policy too.
    const odd = { type: 'ipv4-addr', spec_version: '2.1', value: '192.0.2.1', modified: 7 }
    mixed.objects.push({ ...odd, id: 'ipv4-addr--00000000-0000-4000-8000-000000000007' })
    mixed.manifest.push({
      id: 'ipv4-addr--00000000-0000-4000-8000-000000000007',
      date_added: REQUESTED,
      media_type: 'x',
    })
    data['bad root!'] = { information: { title: 'x' }, collections: [] }
    data.stray = []
  })
  for (const isDry of [true, false]) {
    const summary = await json(folder, 'medallion.json', ...(isDry ? ['--dry-run'] : []))
    assert.equal(summary.code, 1)
    const reasons = summary.refused.map((r: any) => `${r.id.slice(0, 9)}…${r.id.slice(-4)}: ${r.reason}`)
    for (const expected of [
      /^indicator…0000: .*created/,
      /^indicator…0001: its manifest record has the date_added "never"/,
      /^indicator…0001: no manifest record/,
      /^indicator…ffff: the manifest names it, and there is no such object/,
      /^indicator…0002: no manifest record/,
      /^malware--…0001: its date_added 2100-.* lies in the future/,
      /^malware--…0001: equivocation/,
      /^ipv4-addr…0007: modified, or created without it, is the version of an object and must be a timestamp/,
      /^not-a-uui…uuid: a collection of which the id is no UUID/,
      /^nothing…hing: a status without/,
      /^bad root!…oot!: its name can be no path/,
      /^stray…tray: it is no API root/,
    ])
      assert.ok(
        reasons.some((r: string) => expected.test(r)),
        `${expected}\n${reasons.join('\n')}`,
      )
    assert.equal(reasons.length, 12)
  }
})

test('an import that was cut off goes on; what is older than what came since is refused', async t => {
  const { folder, data, save, start } = setUp(t)
  const whole = structuredClone(data)
  const { objects, manifest } = data.first.collections[0]
  // It goes by the dates, so what it has is what was added first.
  const first = [...manifest.keys()]
    .sort((a, b) => (manifest[a].date_added < manifest[b].date_added ? -1 : 1))
    .slice(0, 11)
  data.first.collections[0].objects = first.map(i => objects[i])
  data.first.collections[0].manifest = first.map(i => manifest[i])
  save('part.json', data)
  assert.deepEqual(totals(await json(folder, 'part.json')), { imported: 20, present: 0, refused: 0 })
  assert.deepEqual(totals(await json(folder, 'medallion.json')), { imported: 19, present: 20, refused: 0 })

  const { server, collection } = await start()
  await collection.add([{ ...whole.first.collections[0].objects[0], modified: '2026-11-01T00:00:00.000Z' }])
  await server.close()
  whole.first.collections[0].objects.push({ ...objects[0], modified: '2026-10-01T00:00:00.000Z' })
  whole.first.collections[0].manifest.push({
    ...manifest[0],
    version: '2026-10-01T00:00:00.000Z',
    date_added: '2024-04-01T00:00:00.000000Z',
  })
  save('late.json', whole)
  const late = await json(folder, 'late.json')
  assert.deepEqual([late.code, totals(late)], [1, { imported: 0, present: 39, refused: 1 }])
  assert.match(late.refused[0].reason, /added 2024-04-01T00:00:00.000000Z, the newest record of the collection 20/)
})

test('a configuration that is there keeps what it says', async t => {
  const { folder, run } = setUp(t)
  const before = `# ours
discovery: { title: Ours }
ledgers: []
apiRoots:
  - path: /first/ # taken over
    title: Our title
    collections:
      - { id: ${COLLECTIONS.pages}, title: Our pages, read: [soc], write: [] }
`
  writeFileSync(join(folder, 'ours.yaml'), before)
  assert.equal((await json(folder, 'medallion.json', '--config', 'ours.yaml')).code, 0)
  const text = readFileSync(join(folder, 'ours.yaml'), 'utf8')
  for (const kept of ['# ours', '# taken over', 'title: Ours', 'Our title', 'read: [ soc ]'])
    assert.ok(text.includes(kept), `${kept}\n${text}`)
  const { config } = loadConfig({ file: join(folder, 'ours.yaml'), data: 'data', env: {} })
  assert.deepEqual(
    config.apiRoots.map(r => [r.path, r.collections.map(c => [c.id, c.read, c.write, c.validation])]),
    [
      [
        '/first/',
        [
          [COLLECTIONS.pages, ['soc'], [], 'standard'],
          [COLLECTIONS.mixed, ['taxii-read'], ['taxii-write'], 'permissive'],
          [COLLECTIONS.writeOnly, [], ['taxii-write'], 'standard'],
          [COLLECTIONS.readOnly, ['taxii-read'], [], 'standard'],
        ],
      ],
      ['/empty/', []],
    ],
  )
  writeFileSync(join(folder, 'list.yaml'), '- a list\n')
  writeFileSync(join(folder, 'broken.json'), '{"/discovery": {}')
  writeFileSync(join(folder, 'bundle.json'), '{"type": "bundle"}')
  await run(`
    $ entente import medallion medallion.json --config list.yaml
    entente import: the configuration is no mapping of keys
    [exit 2]
    $ entente import medallion broken.json
    entente import: broken.json: …
    [exit 2]
    $ entente import medallion bundle.json
    entente import: bundle.json is no data file of medallion: …
    [exit 2]
    $ entente import opentaxii bundle.json
    entente import: "opentaxii": medallion is known
    …
    [exit 2]
    $ entente import medallion
    entente import: FILE|URL is missing
    …
    [exit 2]
  `)
})

test('under another policy more is refused', async t => {
  const { folder } = setUp(t)
  const summary = await json(folder, 'medallion.json', '--validation', 'strict', '--dry-run')
  assert.equal(summary.code, 1)
  assert.ok(summary.refused.some((r: any) => r.id.startsWith('x-test-custom--')))
  assert.ok(totals(summary).imported > 0)
})
