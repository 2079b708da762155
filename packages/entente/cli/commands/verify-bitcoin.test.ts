// A server that anchors on Bitcoin, and what its proofs are worth: offline by the work on top, and when a node is asked.
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTaxiiClient } from '@entente/client'
import { simnetAccount, startSimnet, testKey, until } from '#ledger/bitcoin/test/simnet.ts'
import { BTCD_USER } from '../../../../test/support/btcd.ts'
import { loadConfig } from '../config.ts'
import { startServer } from '../serve.ts'
import { entente, runScript } from './test/script.ts'
import { adminPassword, indicators, startSite } from './test/site.ts'

test('publish, anchor on Bitcoin, verify offline and by a node', async t => {
  const simnet = await startSimnet()
  if (typeof simnet === 'string') return t.skip(simnet)
  t.after(() => simnet.stop())
  const account = simnetAccount('site')
  const site = await startSite(
    t,
    `
server: { port: 0 }
ledgers: [ { id: btc, kind: bitcoin, url: "${simnet.node.url}", userFile: rpc, network: simnet, keyFile: btc.key, finality: 3, intervalMs: 50 } ]
anchoring: { intervalMs: 50 }
apiRoots: [ { path: /api/, title: Tests, collections: [ { alias: default, title: Default collection } ] } ]
`,
    { rpc: `${BTCD_USER}\n`, 'btc.key': `${testKey('site')}\n` },
    0o600,
  )
  const auth = { kind: 'basic' as const, user: 'admin', password: adminPassword(site) }
  const collection = createTaxiiClient({ url: site.url, auth }).collection(site.url)
  const objects = indicators(2)
  const [status] = await collection.add(objects)
  const state = () => site.server.context.ledgers()[0]
  // Nobody has paid yet: the status says what to do, and to whom.
  const unfunded = await until(async () => state()?.error)
  assert.ok(unfunded.includes(account.address) && unfunded.includes('pay to'), unfunded)
  await simnet.fund(account)
  const sent = await until(async () => state()?.sent)
  assert.deepEqual(await simnet.node.rpc('getrawmempool'), [sent.transaction])
  // The server goes down while its transaction waits, and the node forgets it; the journal doesn't.
  await site.server.close()
  await simnet.restart()
  assert.deepEqual(await simnet.node.rpc('getrawmempool'), [])
  const { config, paths } = loadConfig({ file: site.config, data: site.data, env: {} })
  config.server.port = Number(new URL(site.url).port)
  site.server = await startServer(config, paths, () => {})
  assert.deepEqual(await until(async () => state()?.sent), sent)
  assert.deepEqual(await simnet.node.rpc('getrawmempool'), [sent.transaction])
  const stopMining = mineSlowly(simnet)
  await collection.waitFor(status!)
  await stopMining()

  const proof: any = await until(async () => {
    const saved: any = await collection.proof(objects[1]!.id)
    return saved.anchors[0]?.bitcoin && saved
  })
  const { out } = await entente(['doctor', '--data', 'data', '--config', 'entente.yaml', '--json'], {
    cwd: site.folder,
  })
  const { findings } = JSON.parse(out) as { findings: { level: string; seen: string }[] }
  const paying = findings.find(f => f.seen.startsWith(`${account.address} has `))
  assert.match(
    paying?.seen ?? out,
    /has \d+ satoshis: enough for [1-9]\d* anchors at \d+ each, \d+ at fee\.max \(18100 each\)/,
  )
  const [pin] = (await (await fetch(new URL('/log/ledgers', site.url))).json()) as any[]
  const save = (name: string, value: unknown) => writeFileSync(join(site.folder, name), JSON.stringify(value))
  save('object.json', proof)
  save('pin.json', pin)
  save('more.json', { ...pin, min_work: `0x${(BigInt(pin.min_work) * 1000n).toString(16)}` })
  save('deeper.json', { ...pin, depth: 500 })
  save('main.json', { ...pin, chain_id: 'mainnet' })
  save('bad.json', { ...pin, min_work: 12 })
  const [anchor] = proof.anchors
  save('other.json', {
    ...proof,
    anchors: [{ ...anchor, bitcoin: { ...anchor.bitcoin, index: 0 } }],
  })
  save('elsewhere.json', { ...proof, anchors: [{ ...anchor, transaction: 'ab'.repeat(32) }] })
  assert.deepEqual([pin.kind, pin.chain_id, pin.enforces, pin.depth], ['bitcoin', 'simnet', false, 3])
  const vkey = site.server.context.vkey
  await site.server.close()
  rmSync(site.data, { recursive: true })
  const url = new URL(simnet.node.url)
  ;[url.username, url.password] = BTCD_USER.split(':') as [string, string]
  const run = (script: string) =>
    runScript(script, { cwd: site.folder, variables: { VKEY: vkey, URL: url.href, ID: objects[1]!.id } })

  await run(`
    $ entente verify object.json --key $VKEY --ledger bitcoin:$URL --ledger-depth 3
    object.json: final
      object $ID
      …
      ledger btc, asked at …: size 4 is there since block … of …, … on top: final
    $ entente verify elsewhere.json --key $VKEY --ledger bitcoin:$URL
    elsewhere.json: NOT PROVEN: … does not stand for it: transaction … is in no block of simnet (anchor)
    [exit 4]
  `)
  await simnet.node.kill()
  await run(`
    $ entente verify object.json --key $VKEY --ledger-pin pin.json
    object.json: sealed
      object $ID
      …
      ledger btc: Bitcoin simnet, block … of … with 3 on top, holds this checkpoint; it shows since when, and cannot refuse a fork
    $ entente verify object.json --key $VKEY --ledger-pin pin.json --json
    {"ok":true,"results":[{…"anchors":[{"ledger":"btc","kind":"bitcoin",…"proven":true,"mined":{"block":…,"time":"…","blocks_on_top":3,"work":"0x…"}}]…
    $ entente verify object.json --key $VKEY --ledger-pin main.json
    object.json: logged
      …
      ledger btc: block … is claimed; pin the ledger with --ledger-pin to prove it, or ask it with --ledger
    $ entente verify object.json --key $VKEY --ledger-pin more.json
    object.json: NOT PROVEN: 3 blocks on top and work of … in all, pinned are 3 and … (seal)
    [exit 4]
    $ entente verify object.json --key $VKEY --ledger-pin deeper.json
    object.json: NOT PROVEN: 3 blocks on top … (seal)
    [exit 4]
    $ entente verify other.json --key $VKEY --ledger-pin pin.json
    other.json: NOT PROVEN: transaction … is not in block … (seal)
    [exit 4]
    $ entente verify object.json --key $VKEY --ledger-pin bad.json
    entente verify: bad.json: a pin of Bitcoin has chain_id, depth and min_work (0x and hexadecimal digits)
    [exit 2]
    $ entente verify object.json --key $VKEY --ledger bitcoin:http://127.0.0.1:1
    entente verify: http://127.0.0.1:1/: no node answered …
    [exit 3]
  `)
})

/** A block now and then, with or without transactions. */
function mineSlowly(simnet: { node: { mine(): Promise<unknown> } }): () => Promise<void> {
  let mining = Promise.resolve()
  const timer = setInterval(() => (mining = mining.then(async () => void (await simnet.node.mine()))), 300)
  return async () => {
    clearInterval(timer)
    await mining
  }
}
