import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Hex, numberToHex } from 'viem'
import { startRpcProxy } from '../../../../test/support/rpc-proxy.ts'
import { append, rejects } from '../conformance/anchor.ts'
import { startAnvil } from '../conformance/anvil.ts'
import { testAccount } from '../conformance/evm.ts'
import { TestTree } from '../conformance/tree.ts'
import { LedgerError } from '../error.ts'
import { createEvmAnchor, openEvmAnchor } from './anchor.ts'
import { openEvmChain } from './chain.ts'
import { anchoredTopics } from './contract.ts'
import { createEmbeddedProvider } from './embedded/provider.ts'
import { type EndpointState, createEndpoints } from './endpoints.ts'
import { createHttpProvider } from './http.ts'
import type { Eip1193Provider } from './provider.ts'
import { askOf } from './rpc.ts'

const tree = new TestTree('endpoints')
const ORIGIN = 'log.example/endpoints'
const anvils = [startAnvil('--hardfork', 'cancun', '--timestamp', '1700000000'), startAnvil('--hardfork', 'cancun')]
after(async () => {
  for (const started of await Promise.all(anvils)) if (typeof started === 'object') started.stop()
})

/** Answers of a made-up node, by method; a function sees the parameters. */
type Answers = Record<string, unknown>
const hashOf = (block: number, branch = 0): string =>
  `0x${branch.toString(16).padStart(2, '0')}${block.toString(16).padStart(62, '0')}`
const node = (name: string, answers: Answers = {}, head = 10, branch = 0) => ({
  name,
  ask: askOf({
    async request({ method, params = [] }) {
      if (method in answers) {
        const answer = answers[method]
        if (answer instanceof Error) throw answer
        return typeof answer === 'function' ? answer(...params) : answer
      }
      if (method === 'eth_chainId') return '0x1'
      if (method === 'eth_blockNumber') return numberToHex(head)
      const block = Number(params[0])
      return block > head ? null : { hash: hashOf(block, block > 5 ? branch : 0) }
    },
  }),
})
const over = (...endpoints: ReturnType<typeof node>[]) =>
  createEndpoints({ endpoints, chainId: 1, finality: { depth: 2 } })
const AWAY = { eth_chainId: new Error('connection refused') }

test('what is final at two nodes must be the same; one that is away or behind says nothing', async () => {
  const states = await over(node('a'), node('b', {}, 7), node('c', AWAY), node('d', {}, 0)).compare()
  const shown = states.map((state: EndpointState) =>
    'error' in state ? state.name : [state.name, state.head, state.final],
  )
  assert.deepEqual(shown, [['a', 10, 8], ['b', 7, 5], 'c', ['d', 0, 0]])
  // Branches that are not final may differ.
  await over(node('a', {}, 7), node('b', {}, 7, 1)).compare()
  await rejects(over(node('a', AWAY), node('b', AWAY)).compare(), 'unreachable')
  for (const endpoints of [over(node('a'), node('b', {}, 9, 1)), over(node('b', {}, 9, 1), node('a'))]) {
    await assert.rejects(endpoints.compare(), error => {
      assert.ok(error instanceof LedgerError && error.code === 'mismatch')
      assert.match(error.message, new RegExp(`disagree at block 7.*a has ${hashOf(7)}.*b has ${hashOf(7, 1)}`))
      return true
    })
  }
  const otherGenesis = node('b', { eth_getBlockByNumber: () => ({ hash: hashOf(0, 2) }) })
  await assert.rejects(over(node('a'), otherGenesis).compare(), /disagree at block 0/)
  await assert.rejects(over(node('a'), node('b', { eth_chainId: '0x2' })).compare(), /b is on chain 2, configured is 1/)
})

test('compared again only when the last time is long ago, and every time while they disagree', async () => {
  let time = 0
  let asked = 0
  let branch = 0
  const block = (number: Hex) => ({ hash: hashOf(Number(number), Number(number) > 5 ? branch : 0) })
  const changing = node('b', { eth_getBlockByNumber: block, eth_chainId: () => (asked++, '0x1') })
  const endpoints = createEndpoints({
    endpoints: [node('a'), changing],
    chainId: 1,
    finality: { depth: 2 },
    everyMs: 1000,
    now: () => time,
  })
  await endpoints.ensure()
  branch = 1
  time = 999
  await endpoints.ensure()
  assert.equal(asked, 1)
  time = 1000
  await rejects(endpoints.ensure(), 'mismatch')
  await rejects(endpoints.ensure(), 'mismatch')
  branch = 0
  await endpoints.ensure()
  await endpoints.ensure()
  assert.equal(asked, 4)
})

test('a transaction is believed only if no node has that block without it', async () => {
  const receipt = (blockHash: string) => ({ eth_getTransactionReceipt: { blockHash } })
  const honest = () => node('a', receipt(hashOf(6)))
  await over(honest()).confirm('0x01', 6, hashOf(6, 1)) // alone it is believed
  await over(honest(), honest()).confirm('0x01', 6, hashOf(6))
  await over(honest(), node('b', {}, 3)).confirm('0x01', 6, hashOf(6))
  await over(honest(), node('b', { eth_getBlockByNumber: new Error('reset') })).confirm('0x01', 6, hashOf(6))
  await rejects(over(honest(), node('b', receipt(hashOf(6, 1)), 10, 1)).confirm('0x01', 6, hashOf(6)), 'mismatch')
  await rejects(
    over(honest(), node('b', { eth_getTransactionReceipt: null })).confirm('0x01', 6, hashOf(6)),
    'mismatch',
  )
})

test('two chains with one chain id: the anchor is not opened, and says which node has what', async t => {
  const [one, other] = await Promise.all(anvils)
  if (typeof one === 'string' || typeof other === 'string') return t.skip(String(one))
  const opened = openEvmAnchor({
    id: 'a',
    urls: [one?.url ?? '', other?.url ?? ''],
    chainId: 31337,
    account: testAccount(),
    finality: 'instant',
    origin: ORIGIN,
  })
  await assert.rejects(opened, error => {
    assert.ok(error instanceof LedgerError && error.code === 'mismatch', String(error))
    for (const started of [one, other]) assert.match(error.message, new RegExp(`${started?.url} has 0x[0-9a-f]{64}`))
    return true
  })
})

test('a node that begins to lie stops anchoring and finality until it is gone', async t => {
  const [started] = await Promise.all(anvils)
  if (started === undefined || typeof started === 'string') return t.skip(String(started))
  const account = testAccount()
  const plain = createHttpProvider({ urls: [started.url] })
  await plain.request({ method: 'anvil_setBalance', params: [account.address, numberToHex(10n ** 20n)] })
  let lies = false
  const liar = await startRpcProxy(t, started.url, async ({ method, params }, forward) => {
    const answer = (await forward()) as Record<string, unknown>
    return lies && method === 'eth_getBlockByNumber' && params[0] !== '0x0' ? { ...answer, hash: hashOf(1, 7) } : answer
  })
  const provider = createHttpProvider({ urls: [started.url] })
  const chain = await openEvmChain({ provider, account, chainId: 31337, finality: 'instant', pollMs: 5 })
  const nodes = [started.url, liar].map(name => ({ name, ask: askOf(createHttpProvider({ urls: [name] })) }))
  const endpoints = createEndpoints({ endpoints: nodes, chainId: 31337, finality: 'instant', everyMs: 0 })
  const anchor = await createEvmAnchor(chain, { id: 'a', origin: ORIGIN, endpoints })
  const receipt = await append(anchor, tree, 3)
  assert.equal((await anchor.finality(receipt)).final, true)
  lies = true
  await rejects(append(anchor, tree, 5), 'mismatch')
  await rejects(anchor.finality(receipt), 'mismatch')
  await rejects(anchor.latest(), 'mismatch')
  lies = false
  await append(anchor, tree, 5)
  await anchor.close()
})

test('with pinned validators a single node cannot make anything final by a lie', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'entente-endpoints-'))
  const embedded = await createEmbeddedProvider({ folder, chainId: 6100, now: Date.now, worker: false })
  t.after(async () => {
    await embedded.close()
    rmSync(folder, { recursive: true })
  })
  const account = testAccount()
  let lie: ((method: string, params: readonly unknown[], answer: unknown) => unknown) | undefined
  const provider: Eip1193Provider = {
    async request({ method, params = [] }) {
      const answer = await embedded.request({ method, params })
      return lie === undefined ? answer : lie(method, params, answer)
    },
  }
  const options = { account, chainId: 6100, finality: 'instant', gasLimit: 5_000_000, pollMs: 5 } as const
  const chain = await openEvmChain({ ...options, provider })
  const { validators = [] } = await chain.identity()
  const anchor = await createEvmAnchor(chain, { id: 'a', origin: ORIGIN, validators })
  const receipt = await append(anchor, tree, 3)
  assert.deepEqual(await anchor.finality(receipt), { final: true, confirmations: 0 })

  // It claims that the transaction anchored size 5, and that the contract has it; the sealed state says otherwise.
  const forged = { ...receipt, size: 5, root: tree.root(5) }
  const { logId = '' } = await anchor.describe()
  lie = (method, params, answer) => {
    if (method === 'eth_call') return `0x${Buffer.from(tree.root(5)).toString('hex')}`
    if (method !== 'eth_getTransactionReceipt') return answer
    const found = answer as { logs: object[] }
    const data = `0x${Buffer.from(tree.root(5)).toString('hex')}`
    return { ...found, logs: [{ ...found.logs[0], topics: anchoredTopics(logId as Hex, 5), data }] }
  }
  assert.equal((await anchor.read(receipt.transaction))?.size, 5) // by itself it is believed
  await rejects(anchor.finality(forged), 'corrupt')

  // Other validators than those that seal; and a node that gives no proofs.
  lie = undefined
  const pinned = await createEvmAnchor(chain, { id: 'a', origin: ORIGIN, validators: [`0x${'12'.repeat(20)}`] })
  await assert.rejects(pinned.finality(receipt), /0 of 1 pinned validators sealed the block/)
  lie = (method, _, answer) =>
    method === 'eth_getBlockByNumber' ? { ...(answer as object), mixHash: `0x${'00'.repeat(32)}` } : answer
  await rejects(anchor.finality(receipt), 'unsupported')
})
