// A collection on three real ledgers of two kinds at once: a development chain (anvil), a Clique network of go-ethereum, and Bitcoin (btcd), of which
// two are required. One network is killed while publishing goes on. With ENTENTE_TEST_LONG it is away for ten minutes.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { privateKeyToAccount } from 'viem/accounts'
import { keccak256, toHex } from 'viem/utils'
import { verifyObject } from '@entente/verify/proof'
import { runScript } from '../../packages/entente/cli/commands/test/script.ts'
import { simnetAccount, startSimnet, testKey as bitcoinKey } from '../../packages/entente/ledger/bitcoin/test/simnet.ts'
import { startAnvil } from '../../packages/entente/ledger/conformance/anvil.ts'
import { BTCD_USER } from '../support/btcd.ts'
import { installGeth, startClique } from '../support/geth.ts'
import { complete, OBJECTS, sampleObjects, startEntente, type TestServer } from '../support/server.ts'

const AWAY_MS = process.env['ENTENTE_TEST_LONG'] ? 600_000 : 6_000
const ORIGIN = 'taxii.example/test-log'
const BITCOIN = 'e2e ledgers'
/** TEST KEY: SHA-256 of a name. */
const KEY = `0x${createHash('sha256').update('entente test key: e2e ledgers').digest('hex')}` as const
const ANCHORED = keccak256(toHex('CheckpointAnchored(bytes32,uint64,bytes32)'))

async function startNetworks(t: TestContext) {
  const geth = installGeth()
  if ('reason' in geth) return geth.reason
  const { address } = privateKeyToAccount(KEY)
  const folder = mkdtempSync(join(tmpdir(), 'entente-ledgers-'))
  const closers: (() => unknown)[] = []
  t.after(async () => {
    for (const close of closers.reverse()) await close()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  const anvil = await startAnvil()
  if (typeof anvil === 'string') return anvil
  closers.push(() => anvil.stop())
  const simnet = await startSimnet()
  if (typeof simnet === 'string') return simnet
  closers.push(() => simnet.stop())
  const account = simnetAccount(BITCOIN)
  await simnet.fund(account, 50_000_000)
  const clique = await startClique(geth.path, join(folder, 'clique'), { funded: [address] })
  closers.push(() => clique.stop())
  await rpc(anvil.url, 'anvil_setBalance', address, '0x56bc75e2d63100000')
  const mining = setInterval(() => void simnet.node.mine(1).catch(() => undefined), 500)
  closers.push(() => clearInterval(mining))

  const data = join(folder, 'data')
  const config = join(folder, 'entente.yaml')
  writeFileSync(join(folder, 'evm.key'), KEY, { mode: 0o600 })
  writeFileSync(join(folder, 'btc.key'), bitcoinKey(BITCOIN), { mode: 0o600 })
  writeFileSync(join(folder, 'rpc'), BTCD_USER, { mode: 0o600 })
  writeFileSync(
    config,
    `
log: { origin: ${ORIGIN} }
ledgers:
  - { id: dev, kind: evm, urls: ["${anvil.url}"], chainId: 31337, keyFile: evm.key, finality: instant }
  - { id: clique, kind: evm, urls: ${JSON.stringify(clique.nodes.map(n => n.url))}, chainId: ${clique.chainId}, keyFile: evm.key, finality: clique }
  - { id: btc, kind: bitcoin, url: "${simnet.node.url}", userFile: rpc, network: simnet, keyFile: btc.key, finality: 2, intervalMs: 2000 }
anchoring: { intervalMs: 500, require: 2 }
apiRoots: [ { path: /api/, title: Three ledgers, collections: [ { alias: default, title: On three ledgers } ] } ]
`,
  )
  const server = await startEntente(data, { args: ['--config', config] })
  closers.push(() => server.stop())
  return { folder, data, config, anvil, clique, simnet, account, server }
}

async function rpc(url: string, method: string, ...params: unknown[]): Promise<any> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  return ((await response.json()) as { result: unknown }).result
}

/** Sizes that were anchored on an EVM chain, one for each event. */
async function anchoredSizes(url: string): Promise<number[]> {
  const logs = await rpc(url, 'eth_getLogs', { fromBlock: '0x0', toBlock: 'latest', topics: [ANCHORED] })
  return logs.map((log: { topics: string[] }) => Number(log.topics[2]))
}

async function until(what: string, isSo: () => Promise<boolean>, seconds = 60): Promise<void> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(200)) if (await isSo()) return
  assert.fail(`${what}: not within ${seconds} s`)
}

const ledgersOf = async (server: TestServer): Promise<Map<string, { final_size: number; error?: string }>> => {
  const { json } = await server.request('GET', '/readyz')
  return new Map(json.ledgers.map((l: { ledger: string }) => [l.ledger, l]))
}

test('on three ledgers of two kinds, two required: one away delays nobody, catches up, and nothing is lost or anchored twice', async t => {
  const started = await startNetworks(t)
  if (typeof started === 'string') return t.skip(started)
  const { folder, anvil, clique, simnet, account, server } = started

  let published = 0
  const publish = async (count: number) => {
    const answer = await server.request('POST', OBJECTS, { objects: sampleObjects(count, published) })
    assert.equal(answer.status, 202, answer.text)
    published += count
    return answer.json
  }
  const first = await publish(10)
  await until('final on all three', async () => {
    const { json } = await server.request('GET', `/api/status/${first.id}/`)
    return json.x_entente.ledgers.every((l: { level: string }) => l.level === 'final')
  })

  await Promise.all(clique.nodes.map(node => node.kill()))
  const statuses: string[] = []
  const began = Date.now()
  while (Date.now() - began < AWAY_MS) {
    statuses.push((await publish(5)).id)
    await sleep(200)
  }
  for (const status of statuses) await complete(server, status, 300)
  const { json: away } = await server.request('GET', `/api/status/${statuses.at(-1)}/`)
  const levels = Object.fromEntries(away.x_entente.ledgers.map((l: any) => [l.ledger, l]))
  assert.deepEqual([away.status, away.x_entente.level], ['complete', 'final'])
  assert.deepEqual(
    [levels.dev.level, levels.btc.level, levels.clique.level, levels.clique.final],
    ['final', 'final', 'logged', false],
  )
  assert.match(levels.clique.error, /no node answered/)

  const isBack = async () => ((await ledgersOf(server)).get('clique')?.final_size ?? 0) >= away.x_entente.size
  for (let tries = 1; ; tries++) {
    // Clique can come to a stand where all sealers begin at once (test/support/geth.ts): then one after the other.
    if (tries === 1) await Promise.all(clique.nodes.map(node => node.start()))
    else
      for (const node of clique.nodes) {
        await node.start()
        await sleep(2000)
      }
    try {
      await until('the third has caught up', isBack, 45)
      break
    } catch (error) {
      if (tries === 4) throw error
      await Promise.all(clique.nodes.map(node => node.kill()))
    }
  }
  const { json: after } = await server.request('GET', `/api/status/${statuses.at(-1)}/`)
  assert.ok(after.x_entente.ledgers.every((l: { level: string }) => l.level === 'final'))

  // Nothing twice, on any of them; and far fewer anchors than requests where time was short.
  const sizes = {
    dev: await anchoredSizes(anvil.url),
    clique: await anchoredSizes((clique.nodes[0] as { url: string }).url),
    btc: (await simnet.anchors(account, ORIGIN)).map(a => a.size),
  }
  for (const [ledger, list] of Object.entries(sizes)) assert.equal(new Set(list).size, list.length, ledger)
  console.log(
    `measured ${published} objects in ${statuses.length + 1} requests: ${sizes.dev.length} anchors on anvil, ${sizes.clique.length} on Clique, ${sizes.btc.length} on Bitcoin`,
  )

  // Nothing lost.
  let read = 0
  for (let query = 'limit=1000'; ; ) {
    const { json } = await server.request('GET', `${OBJECTS}?${query}`)
    assert.deepEqual(json.objects, sampleObjects(json.objects.length, read))
    read += json.objects.length
    if (!json.more) break
    query = `limit=1000&next=${json.next}`
  }
  assert.equal(read, published)

  // One proof, for all three; each ledger says so itself once the server is gone.
  const [object] = sampleObjects(1, published - 1)
  const vkey = (await server.request('GET', '/log/key')).text.trim()
  await until('an anchor of it on each', async () => {
    const { json } = await server.request('GET', `${OBJECTS}${object?.['id']}/proof/`)
    return json.anchors.length === 3
  })
  const proof = await server.request('GET', `${OBJECTS}${object?.['id']}/proof/`)
  assert.equal(verifyObject(proof.json, { vkeys: [vkey] }).anchors.length, 3)
  writeFileSync(join(folder, 'object.json'), proof.text)
  await server.stop()
  await rpc(anvil.url, 'anvil_mine', '0x2')
  rmSync(started.data, { recursive: true })
  const bitcoin = simnet.node.url.replace('://', `://${BTCD_USER}@`)
  await runScript(
    `
    $ entente verify object.json --key $VKEY --ledger $DEV --ledger $CLIQUE --ledger bitcoin:$BTC --ledger-depth 1
    object.json: final
      …
      ledger dev, asked at …: size … is there since block …: final
      ledger clique, asked at …: size … is there since block …: final
      ledger btc, asked at …: size … is there since block …: final
    `,
    {
      cwd: folder,
      variables: { VKEY: vkey, DEV: anvil.url, CLIQUE: (clique.nodes[0] as { url: string }).url, BTC: bitcoin },
    },
  )
})
