import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createTaxiiClient } from '@entente/client'
import { runScript } from './test/script.ts'
import { adminPassword, indicators, type Site, startSite } from './test/site.ts'

/** Three indicators, one of them in two versions, and an identity. */
async function setUp(
  t: TestContext,
  configuration?: string,
): Promise<Site & { run: (script: string) => Promise<void> }> {
  const site = await startSite(t, configuration)
  const [first] = indicators(1)
  const client = createTaxiiClient({
    url: site.url,
    auth: { kind: 'basic', user: 'admin', password: adminPassword(site) },
  })
  await client.collection(site.url).add([
    ...indicators(3),
    { ...first, modified: '2026-02-01T00:00:00.000Z', name: 'newer' },
    {
      type: 'identity',
      spec_version: '2.1',
      id: 'identity--00000000-0000-4000-8000-000000000001',
      created: '2026-01-01T00:00:00.000Z',
      modified: '2026-01-01T00:00:00.000Z',
      name: 'Ünïcode "quoted"',
    },
  ])
  const variables = {
    URL: site.url,
    SERVER: site.server.url,
    FIRST: first!.id,
    VKEY: site.server.context.vkey,
    ORIGIN: site.server.notary.log.origin,
  }
  return { ...site, run: script => runScript(script, { cwd: site.folder, variables }) }
}
const read = (site: Site, name: string) => JSON.parse(readFileSync(join(site.folder, name), 'utf8'))

test('a bundle, an envelope, lines; to a file or standard output; filters', async t => {
  const site = await setUp(t)
  await site.run(`
    $ entente get $URL --format lines --type identity
    {"created":…"id":"identity--00000000-0000-4000-8000-000000000001",…"name":"Ünïcode \\"quoted\\"",…}
    $ entente get $URL --out all.json
    4 objects in all.json
    $ entente get $URL --type identity,malware --out some.json --json
    {"url":"$URL","objects":1,"withheld":0,"out":"some.json"}
    $ entente get $URL --id $FIRST --version all --format envelope --out versions.json
    2 objects in versions.json
    $ entente get $SERVER/api/collections/default/objects/$FIRST/ --out one.json
    1 object in one.json
    $ entente get $URL --limit 2 --out two.json
    2 objects in two.json
    $ entente get $URL --type malware --out none.json
    0 objects in none.json
    $ entente get $URL --added-after 2100-01-01T00:00:00Z --format envelope
    {}
  `)
  const all = read(site, 'all.json')
  assert.match(all.id, /^bundle--[0-9a-f-]{36}$/)
  assert.deepEqual(all.objects.map((o: { name: string }) => o.name).sort(), [
    'indicator 1',
    'indicator 2',
    'newer',
    'Ünïcode "quoted"',
  ])
  assert.deepEqual(Object.keys(read(site, 'versions.json')), ['objects'])
  assert.equal(read(site, 'one.json').objects[0].name, 'newer')
  assert.deepEqual(Object.keys(read(site, 'none.json')), ['type', 'id'])
})

test('what was got can be published elsewhere as it is', async t => {
  const { run } = await setUp(t)
  await run(`
    $ entente get $URL --version all --format lines > objects.jsonl
    $ entente publish objects.jsonl --to $SERVER/api/collections/other/
    …
      5 objects in 1 request: 5 accepted, 0 refused
      5 objects stored, 0 there before
      …
  `)
})

test('what is not there, not for you, or makes no sense', async t => {
  const site = await setUp(t)
  await site.run(`
    $ entente get $URL --id indicator--none --out x.json
    entente get: the collection has no such object: indicator--none
    [exit 1]
    $ entente get $SERVER/api/collections/inbox/
    entente get: you may not read $SERVER/api/collections/inbox/ ("Write only")
    [exit 1]
    $ entente get
    entente get: URL is missing
    Usage: …
    [exit 2]
    $ entente get $URL $URL
    entente get: "$URL" is too much
    …
    [exit 2]
    $ entente get $URL --format xml
    entente get: --format is "xml": bundle, envelope, lines are known
    [exit 2]
    $ entente get $URL --proof
    entente get: --proof needs one object: --id ID, or the URL of the object
    [exit 2]
    $ entente get $URL --added-after yesterday
    entente get: The request was not understood: added_after is "yesterday": …
    [exit 1]
    $ entente get $URL --out no/such/folder.json
    entente get: no/such/folder.json can't be written: …
    [exit 2]
  `)
  assert.deepEqual(
    readdirSync(site.folder).filter(name => name.includes('x.json')),
    [],
    'nothing is left of a read that failed',
  )
})

test('proofs and whole reads, checked while they are made', async t => {
  const site = await setUp(t)
  writeFileSync(join(site.folder, 'log.vkey'), `# of the log\n${site.server.context.vkey}\n`)
  await site.run(`
    $ entente get $URL --id $FIRST --version 2026-01-01T00:00:00.000Z --proof --out old.json --key log.vkey
    proof of $FIRST in old.json: logged, against the key that you gave
    $ entente get $URL --id $FIRST --proof --out new.json
    proof of $FIRST in new.json, not checked: "entente verify new.json --key VKEY" does
    $ entente get $URL --records --out read.json --key log.vkey
    5 records in read.json: logged, nothing left out up to size 7 of $ORIGIN
    $ entente get $URL --records --out read.json --json
    {"url":"$URL","out":"read.json","records":5,"verified":true,"pinned":false,"level":"logged",…}
    $ entente get $URL --records --out read.json
    5 records in read.json: logged, nothing left out up to size 7 of $ORIGIN
    Checked against the key that the server itself gave, …
    …
    $ entente get $URL --records --no-verify --out read.json
    5 records in read.json, not checked (--no-verify)
    $ entente get $URL --records --out read.json --key example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k
    entente get: …
    [exit 4]
  `)
  assert.equal(read(site, 'old.json').record.object.name, 'indicator 0')
  assert.equal(read(site, 'new.json').record.object.name, 'newer')
  assert.equal(read(site, 'read.json').format, 'entente/read/v1')
})

test('records that the server withholds make a read that is not whole: exit 4', async t => {
  const site = await setUp(t)
  const { DatabaseSync } = await import('node:sqlite')
  const db = new DatabaseSync(join(site.data, 'store.db'))
  db.exec(`update record set text = replace(text, 'indicator 1', 'indicator 9') where text like '%indicator 1%'`)
  db.close()
  await site.run(`
    $ entente get $URL --out all.json
    3 objects in all.json
    entente get: the server withheld 1 record that does not match its log: this is not all
    [exit 4]
    $ entente get $URL --id indicator--00000000-0000-4000-8000-000000000001 --proof
    entente get: Internal error: the stored record does not match the log: there is no proof of it (500, …)
    [exit 4]
    $ entente get $URL --records --out read.json --json
    {…"verified":true,…"withheld":1}
    entente get: the server withheld 1 record that does not match its log: …
    [exit 4]
    $ entente verify read.json --key $VKEY
    read.json: logged
      …
      1 record only as commitment: integrity
      …
  `)
})
