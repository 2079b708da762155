// A server that anchors on Fabric (a double of its gateway, ledger/fabric/test/double.ts), what its proofs are worth, and the chaincode's package.
import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createTaxiiClient } from '@entente/client'
import { startDouble } from '#ledger/fabric/test/double.ts'
import { runScript } from './test/script.ts'
import { adminPassword, indicators, startSite } from './test/site.ts'

test('publish, anchor on Fabric, verify offline by what two organisations signed', async t => {
  const double = await startDouble(Date.now, { tls: true })
  t.after(() => double.stop())
  const [own, other] = double.organizations
  const { cert, key } = own!.issue('client', 'user1')
  const ledger = {
    id: 'fabric',
    kind: 'fabric',
    endpoint: 'localhost:1', // away
    endpoints: [double.endpoint],
    tlsCert: 'tls.pem',
    mspId: own!.mspId,
    cert: 'user.pem',
    key: 'user.key',
    fabricChannel: double.fabricChannel,
    chaincode: double.chaincode,
    endorsers: double.organizations.map(({ mspId }) => mspId),
    records: true,
  }
  const configuration = (changed: object = {}) =>
    JSON.stringify({
      server: { port: 0 },
      log: { origin: 'log.example/fabric' },
      ledgers: [{ ...ledger, ...changed }],
      anchoring: { intervalMs: 50 },
      apiRoots: [
        { path: '/api/', title: 'Tests', collections: [{ alias: 'default', title: 'Default', record: 'full' }] },
      ],
    })
  const files = { 'tls.pem': double.tlsCert!, 'user.pem': cert, 'user.key': key.pem }
  const site = await startSite(t, configuration(), files, 0o600)
  const auth = { kind: 'basic' as const, user: 'admin', password: adminPassword(site) }
  const collection = createTaxiiClient({ url: site.url, auth }).collection(site.url)
  const objects = indicators(2)
  const [status] = await collection.add(objects)
  const done = await collection.waitFor(status!)
  assert.equal(done.status, 'complete')

  const proof: any = await collection.proof(objects[1]!.id)
  const [pin] = (await (await fetch(new URL('/log/ledgers', site.url))).json()) as any[]
  const save = (name: string, value: unknown) => writeFileSync(join(site.folder, name), JSON.stringify(value))
  const [anchor] = proof.anchors
  save('object.json', proof)
  save('pin.json', pin)
  save('three.json', { ...pin, quorum: 3 })
  save('swapped.json', { ...pin, organizations: [{ msp_id: own!.mspId, certificates: [other!.ca.cert] }] })
  save('bad.json', { ...pin, organizations: ['Org1MSP'] })
  save('moved.json', { ...proof, anchors: [{ ...anchor, block: anchor.block + 1 }] })
  assert.deepEqual([pin.kind, pin.chain_id, pin.contract, pin.enforces], ['fabric', 'notary', 'entente', true])
  assert.deepEqual(
    pin.organizations.map((o: any) => o.msp_id),
    ['Org1MSP', 'Org2MSP'],
  )
  save('nowhere.json', { ...proof, anchors: [{ ...anchor, transaction: 'ab'.repeat(32) }] })
  save('none.yaml', { ledgers: [] })
  writeFileSync(join(site.folder, 'open.yaml'), configuration({ key: 'open.key' }))
  writeFileSync(join(site.folder, 'open.key'), key.pem, { mode: 0o644 })
  writeFileSync(join(site.folder, 'unknown.yaml'), configuration({ channel: 'notary' }))
  const vkey = site.server.context.vkey
  const run = (script: string) =>
    runScript(script, {
      cwd: site.folder,
      variables: { VKEY: vkey, ID: objects[1]!.id, LOG: pin.log_id, SERVER: new URL(site.url).origin },
    })
  await run(`
    $ entente ledger status --config entente.yaml --data data
    log.example/fabric
    …
      contract   entente
    …
    $ entente ledger verify --config entente.yaml --data data
    …
    $ entente verify object.json --key $VKEY --ledger fabric:entente.yaml
    object.json: final
      …
      ledger fabric, asked at localhost:1: size … is there since block … of …, … on top: final
    $ entente verify nowhere.json --key $VKEY --ledger fabric:entente.yaml
    nowhere.json: NOT PROVEN: localhost:1 does not stand for it: entente on notary: transaction … anchored no size … of log $LOG (anchor)
    [exit 4]
    $ entente audit --url $SERVER --key $VKEY --ledger fabric:entente.yaml --no-memory
    …
    $ entente verify object.json --key $VKEY --ledger fabric:none.yaml
    entente verify: --ledger fabric:none.yaml: it configures no ledger of kind fabric
    [exit 2]
    $ entente ledger status --config open.yaml --data data
    …open.key can be read by others: chmod 600 …
    [exit 2]
    $ entente ledger status --config unknown.yaml --data data
    …
    [exit 2]
  `)
  await site.server.close()
  rmSync(site.data, { recursive: true })
  await double.stop()

  await run(`
    $ entente verify object.json --key $VKEY --ledger-pin pin.json
    object.json: attested
      object $ID
      …
      ledger fabric: block … of …: peers of Org1MSP and Org2MSP, which you pinned, signed that they hold this checkpoint
    $ entente verify object.json --key $VKEY --ledger-pin pin.json --json
    {"ok":true,"results":[{…"anchors":[{"ledger":"fabric","kind":"fabric",…"proven":true,"endorsed":{"block":…,"time":"…","organizations":["Org1MSP","Org2MSP"]}}]…
    $ entente verify object.json --key $VKEY
    object.json: logged
      …
      ledger fabric: block … is claimed; pin the ledger with --ledger-pin to prove it, or ask it with --ledger
    $ entente verify object.json --key $VKEY --ledger-pin three.json
    …
    [exit 2]
    $ entente verify object.json --key $VKEY --ledger-pin swapped.json
    object.json: NOT PROVEN: the certificate of Org1MSP's peer is neither pinned nor issued by what is pinned (seal)
    [exit 4]
    $ entente verify moved.json --key $VKEY --ledger-pin pin.json
    moved.json: NOT PROVEN: signed is transaction … in block …, the anchor names … in block … (seal)
    [exit 4]
    $ entente verify object.json --key $VKEY --ledger-pin bad.json
    entente verify: bad.json: an organisation has msp_id and certificates, a list of PEM texts
    [exit 2]
  `)
})

test('the package of the chaincode', async t => {
  const site = await startSite(t, undefined, { 'ca.pem': (await startedCa()).cert })
  await runScript(
    `
    $ entente ledger package fabric --address chaincode.org1.example:9999
    entente_1.tar.gz: package entente_1:3f0cb718c10b6c906a9cfd3b00086d5205e7ac50fd9e8596a575c067da5ff268
    …
      peer lifecycle chaincode install entente_1.tar.gz
    …
      CHAINCODE_ID=entente_1:3f0c… CHAINCODE_SERVER_ADDRESS=0.0.0.0:9999 node chaincode/server.ts
    …
    $ entente ledger package fabric --address 127.0.0.1:9999 --label entente_2 --tls-ca ca.pem --out p.tgz --json
    {"file":"p.tgz","package_id":"entente_2:…","label":"entente_2","address":"127.0.0.1:9999","tls":true,"environment":{…}}
    $ entente ledger package fabric
    entente ledger: where do peers find the chaincode? --address HOST:PORT, as they reach it
    [exit 2]
    $ entente ledger package fabric --address chaincode.org1.example
    entente ledger: where do peers find the chaincode? --address HOST:PORT, as they reach it
    [exit 2]
    $ entente ledger package fabric --address a:1 --label a/b
    entente ledger: --label a/b: letters, digits and _ . + - are taken
    [exit 2]
    $ entente ledger package fabric --address a:1 --tls-ca entente.yaml
    entente ledger: --tls-ca entente.yaml holds no certificate in PEM
    [exit 2]
    $ entente ledger package fabric --address a:1 --out nowhere/p.tgz
    entente ledger: --out nowhere/p.tgz: …
    [exit 2]
    $ entente ledger package solidity
    entente ledger: "solidity" has no package: fabric is known
    [exit 2]
  `,
    { cwd: site.folder },
  )
  assert.deepEqual([...readFileSync(join(site.folder, 'entente_1.tar.gz')).subarray(0, 2)], [0x1f, 0x8b])
})

async function startedCa() {
  const { testOrganization } = await import('../../../../test/support/x509.ts')
  return testOrganization('TLS').ca
}
