// The fault matrix of the evm adapter: what goes wrong, times where the process dies. Whatever happens, a checkpoint is anchored once and nothing is lost.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type Hex, numberToHex } from 'viem'
import { startRpcProxy } from '../../../../test/support/rpc-proxy.ts'
import type { Anchor } from '../anchor.ts'
import { append, assertCheckpoint, rejects } from '../conformance/anchor.ts'
import { startAnvil } from '../conformance/anvil.ts'
import { testAccount } from '../conformance/evm.ts'
import { TestTree } from '../conformance/tree.ts'
import { type SubmitJournal, createMemoryJournal } from '../journal.ts'
import type { SigningAccount } from './account.ts'
import { createEvmAnchor, openEvmAnchor } from './anchor.ts'
import { openEvmChain } from './chain.ts'
import { anchoredTopics } from './contract.ts'
import { createHttpProvider } from './http.ts'
import type { ClosableProvider, Eip1193Provider } from './provider.ts'

const CHAIN_ID = 31337
const tree = new TestTree('faults.test')
const anvil = startAnvil('--hardfork', 'cancun')
after(async () => {
  const started = await anvil
  if (typeof started === 'object') started.stop()
})

/** Where the process dies while it anchors size 7. */
const POINTS = ['before the journal write', 'after the journal write', 'after the send'] as const
type Point = (typeof POINTS)[number]

type World = {
  url: string
  node: ClosableProvider
  account: SigningAccount
  journal: SubmitJournal
  /** What the process that comes next asks. */
  next: Eip1193Provider
  ask<T>(method: string, ...params: unknown[]): Promise<T>
}

type Fault = {
  /** No blocks while the process dies: what it sent waits in the pool. */
  holdsBlocks?: boolean
  before?(world: World): Promise<void>
  /** What happens between the death and the next start. */
  strike(world: World): Promise<void>
  /** What the next process meets before all is well. */
  meet?(world: World, open: () => Promise<Anchor>): Promise<void>
}

const resets = (node: Eip1193Provider, times: number): Eip1193Provider => ({
  async request(request) {
    if (times-- > 0) throw new Error('connection reset')
    return node.request(request)
  },
})

let snapshot: unknown
const FAULTS: Record<string, Fault> = {
  'transaction dropped': {
    holdsBlocks: true,
    strike: async ({ ask }) => void (await ask('anvil_dropAllTransactions')),
  },
  'mined but the answer lost': { strike: async () => {} },
  'node restarted': {
    holdsBlocks: true,
    async strike(world) {
      await world.ask('anvil_dropAllTransactions')
      world.next = resets(world.node, 1)
    },
    meet: async (_, open) => rejects(open(), 'unreachable'),
  },
  'node wiped and resynced': {
    async strike(world) {
      // A node without the chain, that catches up: it has no contract, no receipts, no nonces.
      const head = await world.ask<Hex>('eth_blockNumber')
      const empty: Record<string, unknown> = {
        eth_blockNumber: '0x0',
        eth_getCode: '0x',
        eth_call: '0x',
        eth_getTransactionReceipt: null,
        eth_getTransactionCount: '0x0',
        eth_syncing: { startingBlock: '0x0', currentBlock: '0x1', highestBlock: head },
      }
      const sent: string[] = []
      world.next = {
        async request(request) {
          if (request.method.startsWith('eth_send')) sent.push(request.method)
          return request.method in empty ? empty[request.method] : world.node.request(request)
        },
      }
      world.journal = notWhile(world.journal, () => assert.deepEqual(sent, []))
    },
    async meet(world, open) {
      await rejects(open(), 'unreachable')
      world.next = world.node
    },
  },
  'reorg of the anchoring block': {
    before: async ({ ask }) => void (snapshot = await ask('evm_snapshot')),
    async strike({ ask }) {
      await ask('evm_revert', snapshot)
      await ask('anvil_mine', '0x3')
    },
  },
  'nonce taken by another sender': {
    holdsBlocks: true,
    async strike({ ask, account }) {
      const nonce = Number(await ask<Hex>('eth_getTransactionCount', account.address, 'latest'))
      const fees = { maxFeePerGas: 10n ** 12n, maxPriorityFeePerGas: 10n ** 11n }
      const { raw } = await account.sign({
        chainId: CHAIN_ID,
        nonce,
        gas: 21_000n,
        to: account.address,
        data: '0x',
        fees,
      })
      await ask('eth_sendRawTransaction', raw)
      await ask('anvil_mine', '0x1')
    },
  },
}

for (const [name, fault] of Object.entries(FAULTS)) {
  for (const point of POINTS) {
    test(`${name}, the process dying ${point}: anchored once`, async t => {
      const world = await createWorld()
      if (typeof world === 'string') return t.skip(world)
      const { ask, journal } = world
      const first = await open(world, world.node)
      const { contract = '', logId = '' } = await first.describe()
      await append(first, tree, 3)
      await fault.before?.(world)
      if (fault.holdsBlocks === true) await ask('evm_setAutomine', false)
      const dying = await open(world, dyingAfterSend(world.node, point), dyingAtJournal(journal, point), contract, 150)
      await assert.rejects(append(dying, tree, 7))
      assert.equal((await journal.read()) === undefined, point === 'before the journal write')

      await fault.strike(world)
      if (fault.holdsBlocks === true) await ask('evm_setAutomine', true)
      const reopen = () => open(world, world.next, world.journal, contract)
      await fault.meet?.(world, reopen)
      const next = await reopen()
      const receipt = await append(next, tree, 7)
      assertCheckpoint(receipt, tree, 7)
      assert.deepEqual(await append(next, tree, 7), receipt)
      assertCheckpoint(await next.latest(), tree, 7)
      await append(next, tree, 8)
      for (const size of [3, 7, 8]) {
        const filter = { address: contract, topics: anchoredTopics(logId as Hex, size), fromBlock: '0x0' }
        assert.equal((await ask<unknown[]>('eth_getLogs', filter)).length, 1, `anchors of size ${size}`)
      }
      assert.equal(await journal.read(), undefined)
    })
  }
}

for (const point of POINTS) {
  test(`lying endpoint, the process dying ${point}: nothing is final by a lie, anchored once`, async t => {
    const world = await createWorld()
    if (typeof world === 'string') return t.skip(world)
    const { url, account, journal, ask } = world
    const first = await open(world, world.node)
    const { contract = '', logId = '' } = await first.describe()
    await append(first, tree, 3)
    await ask('evm_setAutomine', false)
    const dying = await open(world, dyingAfterSend(world.node, point), dyingAtJournal(journal, point), contract, 150)
    await assert.rejects(append(dying, tree, 7))
    await ask('anvil_dropAllTransactions')
    await ask('evm_setAutomine', true)

    // Takes the transaction and keeps it; says that it is in the newest block.
    const hidden = new Set<unknown>()
    const liar = await startRpcProxy(t, url, async ({ method, params }, forward) => {
      if (method === 'eth_sendRawTransaction') {
        hidden.add(params[0])
        return `0x${'11'.repeat(32)}`
      }
      if (method !== 'eth_getTransactionReceipt' || hidden.size === 0) return forward()
      const head = await ask<{ hash: Hex; number: Hex }>('eth_getBlockByNumber', 'latest', false)
      const at = { transactionHash: params[0], blockNumber: head.number, blockHash: head.hash }
      const topics = anchoredTopics(logId as Hex, 7)
      const data = `0x${Buffer.from(tree.root(7)).toString('hex')}`
      return { ...at, status: '0x1', logs: [{ ...at, address: contract, topics, data, logIndex: '0x0' }] }
    })
    const opened = (...urls: string[]) =>
      openEvmAnchor({
        id: 'faults',
        urls,
        chainId: CHAIN_ID,
        account,
        finality: 'instant',
        origin: 'log.example/faults',
        contract,
        journal,
        pollMs: 5,
      })
    const deceived = await opened(liar, url)
    const claimed = await append(deceived, tree, 7)
    await rejects(deceived.finality(claimed), 'mismatch')
    await deceived.close()
    const honest = await opened(url)
    assert.deepEqual(await honest.finality(claimed), { final: false, confirmations: 0 })
    const receipt = await append(honest, tree, 7)
    assert.equal((await honest.finality(receipt)).final, true)
    const filter = { address: contract, topics: anchoredTopics(logId as Hex, 7), fromBlock: '0x0' }
    assert.equal((await ask<unknown[]>('eth_getLogs', filter)).length, 1)
    await honest.close()
  })
}

async function createWorld(): Promise<World | string> {
  const started = await anvil
  if (typeof started === 'string') return started
  const node = createHttpProvider({ urls: [started.url] })
  const ask = <T>(method: string, ...params: unknown[]) => node.request({ method, params }) as Promise<T>
  const account = testAccount()
  await ask('anvil_setBalance', account.address, numberToHex(10n ** 20n))
  return { url: started.url, node, account, journal: createMemoryJournal(), next: node, ask }
}

async function open(
  { account, journal: own }: World,
  provider: Eip1193Provider,
  journal: SubmitJournal = own,
  contract?: string,
  timeoutMs = 10_000,
): Promise<Anchor> {
  const timing = { timeoutMs, pollMs: 5 }
  const chain = await openEvmChain({ provider, account, chainId: CHAIN_ID, finality: 'instant', journal, ...timing })
  return createEvmAnchor(chain, {
    id: 'faults',
    origin: 'log.example/faults',
    ...(contract === undefined ? {} : { contract }),
  })
}

/** A journal at whose first write the process dies. */
function dyingAtJournal(journal: SubmitJournal, point: Point): SubmitJournal {
  if (point === 'after the send') return journal
  return {
    read: () => journal.read(),
    async write(bytes) {
      if (point === 'after the journal write') await journal.write(bytes)
      throw new Error('killed')
    },
  }
}

/** A connection that is gone once something was sent. */
function dyingAfterSend(node: Eip1193Provider, point: Point): Eip1193Provider {
  let isDead = false
  return {
    async request(request) {
      if (isDead) throw new Error('killed')
      if (point !== 'after the send' || request.method !== 'eth_sendRawTransaction') return node.request(request)
      isDead = true
      await node.request(request)
      throw new Error('killed')
    },
  }
}

/** A journal that checks something at each use. */
const notWhile = (journal: SubmitJournal, check: () => void): SubmitJournal => ({
  async read() {
    check()
    return journal.read()
  },
  async write(bytes) {
    check()
    await journal.write(bytes)
  },
})
