// `record: full`: the objects themselves on a private ledger, and what of them is left when the store is gone.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createTaxiiClient } from '@entente/client'
import { loadConfig } from '../config.ts'
import { runScript } from './test/script.ts'
import { adminPassword, indicators, startSite } from './test/site.ts'

const CONFIGURATION = `
server: { port: 0 }
ledgers: [ { id: local, kind: embedded, records: true }, { id: other, kind: embedded, path: ./other, chainId: 6101 } ]
anchoring: { intervalMs: 20 }
apiRoots:
  - path: /api/
    title: Tests
    collections:
      - { alias: default, title: Recorded in full, record: full }
      - { alias: plain, title: Checkpoints only }
`

async function setUp(t: TestContext) {
  const site = await startSite(t, CONFIGURATION)
  const auth = { kind: 'basic' as const, user: 'admin', password: adminPassword(site) }
  const client = createTaxiiClient({ url: site.url, auth })
  const collection = client.collection(site.url)
  const objects = indicators(3)
  const [status] = await collection.add(objects)
  const complete: any = await collection.waitFor(status!)
  const [first, second, third] = objects.map(o => o.id)
  const variables = { FIRST: first!, SECOND: second!, THIRD: third!, URL: site.url }
  const run = (script: string) => runScript(script, { cwd: site.folder, variables })
  return { ...site, client, collection, complete, objects, run }
}

test('the status says what is recorded; the objects come back from the ledger with the keys alone', async t => {
  const { complete, run, server, data, objects } = await setUp(t)
  const [local, other] = complete.x_entente.ledgers
  assert.deepEqual([local.ledger, local.recorded, local.final], ['local', true, true])
  assert.deepEqual([other.ledger, other.recorded, other.final], ['other', undefined, true])
  // Beside the server, which goes on.
  await run(`
    $ entente get $URL --from-ledger local --data data --config entente.yaml --out there.json
    3 objects of ledger local in there.json, each as it was logged
  `)
  await server.close()
  for (const name of readdirSync(data)) if (name.startsWith('store.db')) rmSync(join(data, name))
  await run(`
    $ entente get default --from-ledger local --data data --config entente.yaml --format lines
    {…"id":"$FIRST"…}
    {…"id":"$SECOND"…}
    {…"id":"$THIRD"…}
    $ entente get /api/collections/default/objects/$SECOND/ --from-ledger local --data data --config entente.yaml --format lines
    {…"id":"$SECOND"…}
    $ entente get default --from-ledger local --data data --config entente.yaml --out all.json --format envelope --json
    {"ledger":"local","objects":3,"out":"all.json"}
    $ entente get default --from-ledger other --data data --config entente.yaml
    entente get: --from-ledger other: ledgers with records: true are local
    [exit 2]
  `)
  const saved = JSON.parse(readFileSync(join(data, '..', 'all.json'), 'utf8'))
  assert.deepEqual(saved.objects, objects)
  rmSync(join(data, 'record-keys.db'))
  await run(`
    $ entente get default --from-ledger local --data data --config entente.yaml
    entente get: …record-keys.db is missing: the records on a ledger open only with the keys of the data folder (--data DIR)
    [exit 2]
  `)
})

test('what is erased is gone from the ledger as well: nobody has its key', async t => {
  const { run, data } = await setUp(t)
  await run(`
    $ entente erase $URL $SECOND --prove --data data --config entente.yaml
    erased …
      record 1  object  deleted by record 3: …
      searched …
      ledgers keep 1 record of it encrypted; the search was for the keys as well
      proven: nothing of it was found, and the log says that it was deleted
  `)
  await run(`
    $ entente get default --from-ledger local --data data --config entente.yaml --format lines
    {…"id":"$FIRST"…}
    {…"id":"$THIRD"…}
  `)
  for (const folder of [data, join(data, 'ledger')])
    for (const name of readdirSync(folder).filter(n => n.includes('.db')))
      assert.ok(!readFileSync(join(folder, name)).includes('indicator 1'), name)
})

test('a backup has the keys, and they open what the ledger has', async t => {
  const { run } = await setUp(t)
  await run(`
    $ entente backup --to backup --data data --config entente.yaml
    …
    $ entente restore --from backup --data again --config entente.yaml
    …
    $ entente get default --from-ledger local --data again --config entente.yaml --format lines --id $THIRD
    {…"id":"$THIRD"…}
  `)
})

test('a collection in full without a ledger that takes it is refused', t => {
  const folder = mkdtempSync(join(tmpdir(), 'entente-full-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'entente.yaml')
  const load = (text: string) => {
    writeFileSync(file, text)
    return loadConfig({ file, data: folder, env: {} }).config
  }
  const root = (more: string) =>
    `apiRoots: [ { path: /api/, title: T, collections: [ { alias: a, title: A, record: full ${more}} ] } ]`
  const ledgers =
    'ledgers: [ { id: local, kind: embedded, records: true }, { id: other, kind: embedded, path: ./o } ]\n'
  assert.equal(load(ledgers + root('')).apiRoots[0]?.collections[0]?.record, 'full')
  for (const text of [root(''), ledgers + root(', ledgers: [other] ')])
    assert.throws(() => load(text), { code: 'usage', message: /record of the collection "A" is full/ })
})
