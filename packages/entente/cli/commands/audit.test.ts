import assert from 'node:assert/strict'
import { cpSync, existsSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { createTaxiiClient } from '@entente/client'
import { entente, runScript } from './test/script.ts'
import { adminPassword, indicators, startSite } from './test/site.ts'

const WITH_LEDGER = 'server: { port: 0 }\nanchoring: { intervalMs: 50 }\n'
const WITHOUT = 'server: { port: 0 }\nledgers: []\n'

async function setUp(t: TestContext, configuration: string) {
  const site = await startSite(t, configuration)
  const client = createTaxiiClient({
    url: site.url,
    auth: { kind: 'basic', user: 'admin', password: adminPassword(site) },
  })
  const collection = client.collection(site.url)
  const add = async (from: number) => {
    const [status] = await collection.add(indicators(3, from))
    await collection.waitFor(status!)
  }
  await add(0)
  const variables = { ORIGIN: site.server.notary.log.origin, VKEY: site.server.context.vkey }
  const store = (sql: string) => {
    const db = new DatabaseSync(join(site.data, 'store.db'))
    db.exec(sql)
    db.close()
  }
  return { ...site, add, store, collection, run: (s: string) => runScript(s, { cwd: site.folder, variables }) }
}

test('beside a running server, its embedded ledger included, and after it stopped', async t => {
  const { run, server } = await setUp(t, WITH_LEDGER)
  await run(`
    $ entente audit
    $ORIGIN: 5 entries
      /api/collections/…/: 3 records (3 objects, 0 deletions, 0 equivocations)
      ledger local: agrees up to size 5
    no problem found
  `)
  await server.close()
  await run(`
    $ entente audit --key $VKEY
    $ORIGIN: 5 entries
      /api/collections/…/: 3 records (3 objects, 0 deletions, 0 equivocations)
      ledger local: agrees up to size 5
    no problem found
    $ entente audit --json
    {"ok":true,"pinned":false,"origin":"$ORIGIN","size":5,"collections":[…],"ledgers":[{"ledger":"local","size":5,"ok":true}],"witnesses":[],"problems":[],"not_compared":[]}
  `)
})

test('what was changed behind the back of the server is named, each with its place', async t => {
  const { run, store } = await setUp(t, WITHOUT)
  store(`update record set text = replace(text, 'indicator 1', 'indicator 9') where text like '%indicator 1%';
         delete from record where text like '%indicator 2%'`)
  await run(`
    $ entente audit --config entente.yaml
    $ORIGIN: 5 entries
      …
    PROBLEM record: the content of record 1 (indicator--…1) is not what was logged [collection …, seq 1, entry …, indicator--…1]
    PROBLEM missing: record 2 of collection … is missing [collection …, seq 2]
    2 problems found
    [exit 4]
    $ entente audit --config entente.yaml --json
    {"ok":false,…"problems":[{"kind":"record","collection":"…","seq":1,"logIndex":…,"id":"indicator--…1","message":"…
    [exit 4]
    $ entente audit --config entente.yaml --key example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k
    …
    PROBLEM checkpoint: the checkpoint is not signed by the log's key: …
    …
    [exit 4]
  `)
})

test('while others write it sees one moment: no false alarm', async t => {
  const { folder: cwd, collection } = await setUp(t, WITHOUT)
  let isDone = false
  const writing = (async () => {
    for (let from = 1000; !isDone; from += 20) await collection.add(indicators(20, from), { batch: 2 })
  })()
  try {
    const sizes: number[] = []
    for (let i = 0; i < 3; i++) {
      const { code, out } = await entente(['audit', '--json', '--config', 'entente.yaml'], { cwd })
      assert.equal(code, 0, out)
      sizes.push((JSON.parse(out) as { size: number }).size)
    }
    assert.ok(sizes[0]! < sizes[2]!, `${sizes}`)
  } finally {
    isDone = true
    await writing
  }
})

test('an older copy of the store is found by the ledger', async t => {
  const { run, server, data, add, store } = await setUp(t, WITH_LEDGER)
  store('pragma wal_checkpoint(truncate)')
  cpSync(join(data, 'store.db'), join(data, 'old.db'))
  await add(10)
  await server.close()
  for (const end of ['', '-wal', '-shm']) rmSync(join(data, `store.db${end}`), { force: true })
  renameSync(join(data, 'old.db'), join(data, 'store.db'))
  await run(`
    $ entente audit
    …
    PROBLEM ledger: ledger "local" has this log at size 9, the store only at 5: the store is an older copy, or lost its end
    1 problem found
    [exit 4]
  `)
})

test('nothing is made where nothing is', async t => {
  const { run, folder, server, data } = await setUp(t, WITHOUT)
  await server.close()
  // Without --config the default one counts, which has a ledger in the data folder.
  await run(`
    $ entente audit --data nowhere
    entente audit: …/nowhere is not the data folder of a server: …
    [exit 2]
    $ entente audit
    …
      ledger local: not compared: …/ledger holds no ledger
    no problem found
  `)
  assert.equal(existsSync(join(data, 'ledger')), false)
  rmSync(join(data, 'log.key'))
  const { code, err } = await entente(['audit'], { cwd: folder })
  assert.equal(code, 4)
  assert.match(err, /log\.key: the log's key is missing/)
})
