// Faults of the fault matrix with real nodes: a Clique network of four go-ethereum sealers, one of which dies, forgets and returns.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Hex } from 'viem'
import { type EvmNetwork, waitFor } from '../../../../test/support/evm-network.ts'
import { installGeth, startClique } from '../../../../test/support/geth.ts'
import { temporaryFolder } from '../../../../test/support/server.ts'
import type { Anchor, AnchorReceipt } from '../anchor.ts'
import { append, assertCheckpoint, rejects } from '../conformance/anchor.ts'
import { testAccount } from '../conformance/evm.ts'
import { TestTree } from '../conformance/tree.ts'
import { LedgerError } from '../error.ts'
import { createMemoryJournal } from '../journal.ts'
import { type Account, accountOfNode } from './account.ts'
import { createEvmAnchor, openEvmAnchor } from './anchor.ts'
import { openEvmChain } from './chain.ts'
import { anchoredTopics } from './contract.ts'
import { createHttpProvider } from './http.ts'
import type { Eip1193Provider } from './provider.ts'

const tree = new TestTree('clique')
const ORIGIN = 'log.example/clique'

/** As anchoring does it: again while the ledger is away. */
async function eventually(anchor: Anchor, size: number): Promise<AnchorReceipt> {
  for (let tries = 1; ; tries++) {
    try {
      return await append(anchor, tree, size)
    } catch (error) {
      if (tries === 60 || !(error instanceof LedgerError) || error.code !== 'unreachable') throw error
      await sleep(500)
    }
  }
}

async function assertOnce(network: EvmNetwork, anchor: Anchor, node: number, ...sizes: number[]): Promise<void> {
  const { contract, logId } = await anchor.describe()
  for (const size of sizes) {
    const filter = {
      address: contract,
      topics: anchoredTopics(logId as Hex, size),
      fromBlock: '0x0',
      toBlock: 'latest',
    }
    const logs = (await network.rpc('eth_getLogs', [filter], node)) as unknown[]
    assert.equal(logs.length, 1, `anchors of size ${size}`)
  }
}

test('a real node is killed, started again, and set up anew: anchored once, nothing lost', async t => {
  const geth = installGeth()
  if ('reason' in geth) return t.skip(geth.reason)
  const account = testAccount(0)
  const network = await startClique(geth.path, temporaryFolder(t), { funded: [account.address] })
  t.after(() => network.stop())
  const { chainId, nodes } = network
  const [node] = nodes
  if (node === undefined) assert.fail()
  await killed(t, network, account)

  // The node's own account: what is under way when the node dies is in its pool only.
  const journal = createMemoryJournal()
  const open = () =>
    openEvmAnchor({
      id: 'node',
      urls: [node.url],
      chainId,
      account: accountOfNode(node.address),
      finality: 'clique',
      origin: ORIGIN,
      journal,
      timeoutMs: 4000,
    })
  let first: Anchor | undefined
  await waitFor('the log', async () => {
    first = await open()
    return true
  })
  const anchor = first ?? assert.fail()
  assert.deepEqual((await anchor.describe()).finality, { depth: 3 })
  const receipt = await eventually(anchor, 3)
  await waitFor('final', async () => (await anchor.finality(receipt)).final)

  const appended = append(anchor, tree, 7).catch(() => undefined)
  await waitFor('a journal', async () => (await journal.read()) !== undefined)
  await node.kill()
  await appended
  await rejects(append(anchor, tree, 7), 'unreachable')
  await anchor.close()
  await node.wipe()
  await node.start()
  await waitFor('the node', async () => Number(await network.rpc('eth_blockNumber')) >= 0)
  // It begins without the chain, or behind the others, and may be asked all the same.
  let again: Anchor | undefined
  await waitFor('the chain at the node that was wiped', async () => ((again = await open()), true))
  if (again === undefined) assert.fail()
  await eventually(again, 7)
  await eventually(again, 9)
  assertCheckpoint(await again.latest(), tree, 9)
  await waitFor('the same at another node', async () => (await assertOnce(network, again as Anchor, 1, 3, 7, 9), true))
  await assertOnce(network, again, 0, 3, 7, 9)
  await again.close()
})

/** kill -9 of the node right after it took a transaction, then a start on what it had. */
async function killed(t: TestContext, network: EvmNetwork, account: Account): Promise<void> {
  const { chainId, nodes } = network
  const [node] = nodes
  if (node === undefined) assert.fail()
  const http = createHttpProvider({ urls: [node.url] })
  t.after(() => http.close())
  let isArmed = false
  const provider: Eip1193Provider = {
    async request(request) {
      const answer = await http.request(request)
      if (isArmed && request.method === 'eth_sendRawTransaction') {
        isArmed = false
        await node.kill()
      }
      return answer
    },
  }
  const chain = await openEvmChain({ provider, account, chainId, finality: 'clique', timeoutMs: 5000, pollMs: 50 })
  let opened: Anchor | undefined
  // The block that created the contract may be reorganised away at once.
  await waitFor('the contract', async () => {
    opened = await createEvmAnchor(chain, { id: 'killed', origin: ORIGIN })
    return true
  })
  const anchor = opened ?? assert.fail()
  await eventually(anchor, 3)
  isArmed = true
  await rejects(append(anchor, tree, 7), 'unreachable')
  await node.start()
  const receipt = await eventually(anchor, 7)
  await eventually(anchor, 8)
  await waitFor('final', async () => (await anchor.finality((await anchor.find(7)) ?? receipt)).final)
  await assertOnce(network, anchor, 0, 3, 7, 8)
}
