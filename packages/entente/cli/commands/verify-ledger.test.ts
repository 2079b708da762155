// What a proof is worth when nothing of Entente is left: the ledger itself is asked.
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createTaxiiClient } from '@entente/client'
import { type Anvil, startAnvil } from '#ledger/conformance/anvil.ts'
import { runScript } from './test/script.ts'
import { adminPassword, indicators, startSite } from './test/site.ts'

/** TEST KEY: the first account of every development chain, published with anvil. */
const KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'

async function anvilFor(t: TestContext, ...args: string[]): Promise<Anvil | undefined> {
  const anvil = await startAnvil(...args)
  if (typeof anvil === 'string') {
    t.skip(anvil)
    return undefined
  }
  t.after(() => anvil.stop())
  return anvil
}

/** A proof that is anchored on the chain; the server and its folder are gone. */
async function savedProof(t: TestContext, anvil: Anvil, chainId = 31337) {
  const site = await startSite(
    t,
    `
server: { port: 0 }
ledgers: [ { id: dev, kind: evm, urls: ["${anvil.url}"], chainId: ${chainId}, keyFile: dev.key, finality: 1 } ]
anchoring: { intervalMs: 50 }
apiRoots: [ { path: /api/, title: Tests, collections: [ { alias: default, title: Default collection } ] } ]
`,
    { 'dev.key': KEY },
  )
  const auth = { kind: 'basic' as const, user: 'admin', password: adminPassword(site) }
  const collection = createTaxiiClient({ url: site.url, auth }).collection(site.url)
  const objects = indicators(2)
  const [status] = await collection.add(objects)
  const mining = setInterval(() => void rpc(anvil, 'anvil_mine', '0x1'), 200)
  await collection.waitFor(status!).finally(() => clearInterval(mining))
  const proof: any = await collection.proof(objects[1]!.id)
  const save = (name: string, value: unknown) => writeFileSync(join(site.folder, name), JSON.stringify(value))
  save('object.json', proof)
  const vkey = site.server.context.vkey
  await site.server.close()
  rmSync(site.data, { recursive: true })
  const variables = { VKEY: vkey, URL: anvil.url, ID: objects[1]!.id }
  return { proof, save, run: (script: string) => runScript(script, { cwd: site.folder, variables }) }
}

async function rpc(anvil: Anvil, method: string, ...params: unknown[]): Promise<unknown> {
  const response = await fetch(anvil.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  return ((await response.json()) as { result: unknown }).result
}

test('a proof outlives server and database: the ledger alone stands for it', async t => {
  const anvil = await anvilFor(t)
  if (!anvil) return
  const { proof, run, save } = await savedProof(t, anvil)
  await rpc(anvil, 'anvil_mine', '0x8')
  await run(`
    $ entente verify object.json --key $VKEY --ledger $URL --ledger-depth 6
    object.json: final
      object $ID
      …
      ledger dev, asked at …: size 4 is there since block … of …, … on top: final
    $ entente verify object.json --key $VKEY --ledger evm:$URL --ledger-depth 1000
    object.json: anchored
      …
    $ entente verify object.json --key $VKEY --ledger $URL --json
    {"ok":true,"results":[{"file":"object.json","ok":true,"kind":"object","level":"…"ledgers":[{"ledger":"dev","url":"$URL/","level":…
  `)

  // Whatever the file claims of the ledger, the ledger says what is so.
  const [anchor] = proof.anchors
  const other = `0x${'ab'.repeat(32)}`
  save('transaction.json', { ...proof, anchors: [{ ...anchor, transaction: other }] })
  save('log.json', { ...proof, anchors: [{ ...anchor, log_id: other }] })
  save('contract.json', { ...proof, anchors: [{ ...anchor, contract: `0x${'ab'.repeat(20)}` }] })
  save('chain.json', { ...proof, anchors: [{ ...anchor, chain_id: 1 }] })
  save('none.json', { ...proof, anchors: [] })
  await run(`
    $ entente verify transaction.json --key $VKEY --ledger $URL
    transaction.json: NOT PROVEN: … does not stand for it: transaction ${other} is in no block of chain 31337 (anchor)
    [exit 4]
    $ entente verify log.json --key $VKEY --ledger $URL
    log.json: NOT PROVEN: … did not anchor size 4 with the root of the proof: it anchored no such size (anchor)
    [exit 4]
    $ entente verify contract.json --key $VKEY --ledger $URL
    contract.json: NOT PROVEN: … (anchor)
    [exit 4]
    $ entente verify chain.json none.json --key $VKEY --ledger $URL
    chain.json: NOT PROVEN: no anchor on chain 31337 (…) is named: save the proof again once its status is complete there (anchor)
    none.json: NOT PROVEN: no anchor on chain 31337 (…) is named: save the proof again once its status is complete there (anchor)
    [exit 4]
  `)
})

test('a contract that only says what the right one would say proves nothing', async t => {
  const anvil = await anvilFor(t)
  if (!anvil) return
  const { proof, run } = await savedProof(t, anvil)
  // The same storage and the same old events, under code that answers everything with yes.
  await rpc(anvil, 'anvil_setCode', proof.anchors[0].contract, '0x600160005260206000f3')
  await run(`
    $ entente verify object.json --key $VKEY --ledger $URL
    object.json: NOT PROVEN: … is not the CheckpointAnchor of this version …: what it says proves nothing (anchor)
    [exit 4]
  `)
})

test('a ledger that is away is 3, an address that is none is 2', async t => {
  const anvil = await anvilFor(t)
  if (!anvil) return
  const { run } = await savedProof(t, anvil)
  anvil.stop()
  await run(`
    $ entente verify object.json --key $VKEY --ledger http://127.0.0.1:1
    entente verify: http://127.0.0.1:1/: no node answered eth_chainId …
    [exit 3]
    $ entente verify object.json --key $VKEY --ledger ftp://127.0.0.1
    entente verify: --ledger ftp://127.0.0.1: it is [KIND:]URL, such as http://127.0.0.1:8545; …
    [exit 2]
    $ entente verify object.json --key $VKEY --ledger abc:http://127.0.0.1
    entente verify: --ledger abc:http://127.0.0.1: it is [KIND:]URL, …
    [exit 2]
    $ entente verify object.json --key $VKEY
    object.json: logged
      …
  `)
})
