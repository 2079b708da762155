import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createTaxiiClient, readVerified } from '@entente/client'
import { formatRecord, recordCommitment } from '@entente/verify/proof'
import { openEmbeddedAnchor } from '#ledger/evm/embedded/anchor.ts'
import { runScript } from './test/script.ts'
import { adminPassword, indicators, type Site, startSite } from './test/site.ts'

const OTHER = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'

async function setUp(t: TestContext, configuration?: string) {
  const site = await startSite(t, configuration)
  const client = createTaxiiClient({
    url: site.url,
    auth: { kind: 'basic', user: 'admin', password: adminPassword(site) },
  })
  const collection = client.collection(site.url)
  const objects = indicators(3)
  const [status] = await collection.add(objects)
  await collection.waitFor(status!)
  const save = (name: string, value: unknown) => writeFileSync(join(site.folder, name), JSON.stringify(value))
  const trust = { vkeys: [site.server.context.vkey] }
  save('object.json', await collection.proof(objects[1]!.id))
  save('collection.json', await collection.collectionProof())
  save('read.json', (await readVerified(collection, trust)).read)
  writeFileSync(join(site.folder, 'receipt.txt'), status!.x_entente_receipt!)
  writeFileSync(join(site.folder, 'log.vkey'), `${trust.vkeys[0]}\n`)
  const variables = { VKEY: trust.vkeys[0]!, ORIGIN: site.server.notary.log.origin, OTHER, ID: objects[1]!.id }
  return { ...site, save, run: (script: string) => runScript(script, { cwd: site.folder, variables }) }
}
const load = (site: Site, name: string) => JSON.parse(readFileSync(join(site.folder, name), 'utf8'))

test('what each kind of file proves, offline', async t => {
  const site = await setUp(t)
  await site.server.close()
  const proof = load(site, 'object.json')
  const commitment = Buffer.from(recordCommitment(formatRecord(proof.record))).toString('base64')
  site.save('withheld.json', { ...proof, kind: 'withheld', record: { seq: 1, commitment, reason: 'access' } })
  await site.run(`
    $ entente verify object.json --key log.vkey
    object.json: logged
      object $ID
      version 2026-01-01T00:00:00.000Z
      record 1 of /api/collections/…/, added …Z
      entry … of the log; checkpoint of size 5 signed by $ORIGIN
      no ledger has been named: only the signature stands for it
    $ entente verify withheld.json collection.json read.json receipt.txt --key $VKEY
    withheld.json: logged
      a record that whoever asked may not see: the server says that it is number 1 of its collection
      entry … of the log is its commitment, …; checkpoint of size 5 signed by $ORIGIN
      no ledger has been named: only the signature stands for it
    collection.json: logged
      /api/collections/…/ has 3 records
      checkpoint of size 5 signed by $ORIGIN
      no ledger has been named: only the signature stands for it
    read.json: logged
      /api/collections/…/ with all of its 3 records: nothing changed, moved or left out
      3 objects, 0 deletions, 0 equivocations
      checkpoint of size 5 signed by $ORIGIN
      no ledger has been named: only the signature stands for it
    receipt.txt: stored
      1 receipt for 3 objects, signed by the log $ORIGIN
      …
    $ entente verify object.json --key $VKEY --json
    {"ok":true,"results":[{"file":"object.json","ok":true,"kind":"object","level":"logged","id":"$ID","version":"2026-01-01T00:00:00.000Z","date_added":…
    $ entente verify - --key $VKEY < object.json
    -: logged
      …
  `)
})

test('without a key nothing is proven, and it says how to come by one', async t => {
  const { run } = await setUp(t)
  await run(`
    $ entente verify object.json
    entente verify: verify proves nothing without the log's key that you believe: give it with --key VKEY|FILE.
    A server tells its own at /log/key (curl …): compare it with what the operator publishes elsewhere,
    …
    [exit 2]
    $ entente verify object.json --key nonsense
    entente verify: nonsense is neither a file nor a verifier key (name+id+key): …
    [exit 2]
    $ entente verify --key $VKEY
    entente verify: FILE is missing: a proof, a saved read, or receipts
    [exit 2]
    $ entente verify nothing.json --key $VKEY
    entente verify: …no such file…
    [exit 2]
  `)
})

test('everything that was changed is refused: exit 4', async t => {
  const site = await setUp(t)
  const changed = (from: string, to: string, change: (value: any) => void) => {
    const value = load(site, from)
    change(value)
    site.save(to, value)
  }
  changed('object.json', 'name.json', v => (v.record.object.name = 'changed'))
  changed('object.json', 'date.json', v => (v.record.date_added = v.record.date_added.replace('2026', '2025')))
  changed('read.json', 'left-out.json', v => v.records.pop())
  changed('read.json', 'swapped.json', v => v.records.reverse())
  changed('read.json', 'withheld.json', v => (v.records[1] = { seq: 1, commitment: v.proof.root, reason: 'access' }))
  changed('collection.json', 'fewer.json', v => v.count--)
  writeFileSync(
    join(site.folder, 'receipt2.txt'),
    readFileSync(join(site.folder, 'receipt.txt'), 'utf8').replace('1 ', '2 '),
  )
  writeFileSync(join(site.folder, 'strange.json'), '{"format":"other"}')
  writeFileSync(join(site.folder, 'twice.json'), '{"format":"entente/proof/v1","format":"entente/read/v1"}')
  await site.run(`
    $ entente verify object.json name.json date.json left-out.json swapped.json withheld.json fewer.json receipt2.txt strange.json twice.json --key log.vkey
    object.json: logged
      …
    name.json: NOT PROVEN: …
    date.json: NOT PROVEN: …
    left-out.json: NOT PROVEN: the saved read has 2 records, the collection 3 (collection)
    swapped.json: NOT PROVEN: …(collection)
    withheld.json: NOT PROVEN: …(collection)
    fewer.json: NOT PROVEN: …
    receipt2.txt: NOT PROVEN: …
    strange.json: NOT PROVEN: its format is "other": …(malformed)
    twice.json: NOT PROVEN: …twice…
    [exit 4]
    $ entente verify object.json read.json receipt.txt --key $OTHER --json
    {"ok":false,"results":[{"file":"object.json","ok":false,…},{"file":"read.json","ok":false,…},{"file":"receipt.txt","ok":false,…}]}
    [exit 4]
  `)
})

test('an anchor is a claim until its ledger is pinned; then it is sealed, or refused', async t => {
  const site = await setUp(t, 'server: { port: 0 }\nanchoring: { intervalMs: 50 }\n')
  const { contract, log_id, chain_id } = load(site, 'object.json').anchors[0]
  await site.server.close()
  const origin = site.server.notary.log.origin
  const anchor = await openEmbeddedAnchor({ id: 'local', folder: join(site.data, 'ledger'), origin, now: Date.now })
  const { validators = [] } = await anchor.describe()
  await anchor.close()
  const pin = { chain_id, contract, log_id, validators }
  site.save('ledger.json', pin)
  site.save('strangers.json', [
    { ...pin, validators: validators.map(v => v.replace(/.$/, d => (d === '0' ? '1' : '0'))) },
  ])
  site.save('no-pin.json', { chain_id })
  await site.run(`
    $ entente verify object.json --key $VKEY
    object.json: logged
      …
      ledger local: block … is claimed; pin the ledger with --ledger-pin to prove it, or ask it with --ledger
    $ entente verify object.json read.json --key $VKEY --ledger-pin ledger.json
    object.json: sealed
      …
      ledger local: block … sealed by the validators that you pinned, and it holds this checkpoint
    read.json: sealed
      …
    $ entente verify object.json --key $VKEY --ledger-pin strangers.json
    object.json: NOT PROVEN: …(seal)
    [exit 4]
    $ entente verify object.json --key $VKEY --ledger-pin no-pin.json
    entente verify: no-pin.json: a pin has chain_id, contract, log_id and a list of validators
    [exit 2]
    $ entente verify object.json --key $VKEY --quorum 1
    entente verify: --quorum is 1, and --witness names 0
    [exit 2]
  `)
  assert.equal(validators.length, 4)
})
