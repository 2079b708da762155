// The fault matrix: the process dies before or after it wrote its journal, or after it sent; then something happens to the node or on the network;
// then the process starts again. Each ends with one anchor of each size, and nothing lost.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { BTCD_USER } from '../../../../test/support/btcd.ts'
import type { Anchor, AnchorReceipt } from '../anchor.ts'
import { append, assertCheckpoint, rejects } from '../conformance/anchor.ts'
import { TestTree } from '../conformance/tree.ts'
import { LedgerError } from '../error.ts'
import { createMemoryJournal, type SubmitJournal } from '../journal.ts'
import type { BitcoinAccount } from './account.ts'
import { openBitcoinAnchor } from './anchor.ts'
import { BITCOIN_NETWORKS } from './network.ts'
import type { Rpc } from './node.ts'
import { createBitcoinRpc } from './rpc.ts'
import type { FaultPoint } from './submit.ts'
import { type Simnet, simnetAccount, spend, startSimnet } from './test/simnet.ts'

let simnet: Simnet
let reason: string | undefined
before(async () => {
  const started = await startSimnet()
  if (typeof started === 'string') {
    reason = started
    return
  }
  simnet = started
})
after(() => simnet?.stop())

const origin = 'log.example/faults'
const DEPTH = 2

/** The process and the node that it talks to, with what can go wrong between them. */
interface World {
  readonly tree: TestTree
  readonly account: BitcoinAccount
  readonly key: string
  readonly journal: SubmitJournal
  /** What happens to calls on their way. */
  intercept: Rpc | undefined
  /** The newest anchor before the fault, of size 5. */
  readonly first: AnchorReceipt
}

class Crash extends Error {}

/** What happens while the process is away; gives what heals it, if it does not pass by itself. */
type Fault = (world: World, point: FaultPoint) => Promise<(() => void) | undefined>

const faults: Record<string, Fault> = {
  'a transaction dropped from the mempool': async (world, point) => {
    if (point === 'after-send') await simnet.restart() // btcd keeps no mempool
    let dropped = 0
    world.intercept = async (method, ...params) => {
      if (method === 'sendrawtransaction' && dropped++ < 2) return 'taken'
      return direct(method, ...params)
    }
    return undefined
  },

  'mined, but the answer lost': async (world, point) => {
    if (point === 'after-send') {
      await simnet.node.mine()
      return undefined
    }
    let isLost = false
    world.intercept = async (method, ...params) => {
      const answer = await direct(method, ...params)
      if (method !== 'sendrawtransaction' || isLost) return answer
      isLost = true
      await simnet.node.mine()
      throw new LedgerError('unreachable', 'connection reset')
    }
    return undefined
  },

  'the node restarted': async () => {
    await simnet.restart()
    return undefined
  },

  'the node wiped and synchronised again': async world => {
    const { first } = world
    const blocks = await simnet.blocks()
    await simnet.wipe()
    const again = async (from: number, to: number) => {
      for (const block of blocks.slice(from, to)) await simnet.node.rpc('submitblock', block)
    }
    // It lacks the anchor, or even its coin. That must not look like a log without anchors, nor like a coin that somebody spent.
    for (const [from, to] of [
      [0, 0],
      [1, 100],
      [100, first.block],
    ] as const) {
      await again(from, to)
      const anchor = await open(world)
      await rejects(anchor.latest(), 'unreachable')
      await rejects(append(anchor, world.tree, 7), 'unreachable')
      await anchor.close()
    }
    await again(first.block, blocks.length)
    return undefined
  },

  'the block of an anchor reorganised away': async ({ first }, point) => {
    if (point === 'after-send') await simnet.node.mine()
    await simnet.node.rpc('invalidateblock', first.blockHash)
    // The other branch grows without the transactions, which the node forgot.
    await simnet.restart()
    await simnet.node.mine(3)
    return undefined
  },

  'the coin spent by another sender': async ({ account, key, first }) => {
    const coin = await coinOf(first.transaction)
    await simnet.node.rpc('sendrawtransaction', spend(key, account, coin, 50_000))
    await simnet.node.mine()
    await simnet.fund(account)
    return undefined
  },

  'an endpoint that lies about a block: a header of another': async world => {
    const other = (await simnet.node.rpc('getblockhash', 7)) as string
    let asked = 0 // the first time when the ledger is opened
    return lie(world, (method, params) =>
      method === 'getblockheader' && params[1] === false && asked++ > 0 ? [other, false] : params,
    )
  },

  'an endpoint that lies about a block: a Merkle tree that does not lead to the root': async world => {
    world.intercept = async (method, ...params) => {
      const answer = await direct(method, ...params)
      if (method !== 'getblock') return answer
      const { tx, ...rest } = answer as { tx: string[] }
      return { ...rest, tx: [...tx, 'ab'.repeat(32)] }
    }
    return () => (world.intercept = undefined)
  },
}

function lie(world: World, change: (method: string, params: unknown[]) => unknown[]) {
  world.intercept = (method, ...params) => direct(method, ...change(method, params))
  return () => (world.intercept = undefined)
}

/** The node keeps its address, whatever happens to it. */
let connection: Rpc | undefined
const direct: Rpc = (method, ...params) => {
  connection ??= createBitcoinRpc(simnet.node.url, BTCD_USER)
  return connection(method, ...params)
}

const open = (
  world: Pick<World, 'account' | 'journal'> & { intercept?: Rpc | undefined },
  fault?: (point: FaultPoint) => void,
) =>
  openBitcoinAnchor({
    id: 'btc',
    rpc: (method, ...params) => (world.intercept ?? direct)(method, ...params),
    network: BITCOIN_NETWORKS.simnet,
    account: world.account,
    origin,
    journal: world.journal,
    depth: DEPTH,
    waitMs: 0,
    pollMs: 20,
    ...(fault === undefined ? {} : { fault }),
  })

async function coinOf(txid: string) {
  const { value } = (await simnet.node.rpc('gettxout', txid, 1, false)) as { value: number }
  return { txid, vout: 1, value: Math.round(value * 1e8) }
}

/** Appends again and again while blocks are mined, as the server does, until it is done. Only errors that ask for that are taken. */
async function bring(anchor: Anchor, tree: TestTree, size: number, heal?: () => void): Promise<AnchorReceipt> {
  for (let tries = 0; tries < 40; tries++) {
    if (tries === 3) heal?.()
    try {
      return await append(anchor, tree, size)
    } catch (error) {
      const allowed = heal === undefined ? ['pending', 'unreachable'] : ['pending', 'unreachable', 'corrupt']
      assert.ok(error instanceof LedgerError && allowed.includes(error.code), String(error))
    }
    await simnet.node.mine()
  }
  throw new Error(`size ${size} is not anchored after 40 tries`)
}

let worlds = 0
async function createWorld(name: string): Promise<World> {
  const key = `faults ${worlds++}`
  const account = simnetAccount(key)
  await simnet.fund(account)
  const journal = createMemoryJournal()
  const tree = new TestTree(name)
  const anchor = await open({ account, journal })
  const first = await bring(anchor, tree, 5)
  await anchor.close()
  return { tree, account, key, journal, intercept: undefined, first }
}

describe('fault matrix', () => {
  for (const [name, inject] of Object.entries(faults)) {
    for (const point of ['before-journal', 'after-journal', 'after-send'] as const) {
      test(`${name}; the process died ${point.replace('-', ' the ')}`.replace('the send', 'it sent'), async t => {
        if (reason !== undefined) return t.skip(reason)
        const world = await createWorld(`${name} ${point}`)
        const { tree, account } = world
        const dying = await open(world, at => {
          if (at === point) throw new Crash()
        })
        await assert.rejects(append(dying, tree, 7), Crash)
        await dying.close()

        const heal = await inject(world, point)

        const anchor = await open(world)
        t.after(() => anchor.close())
        const receipt = await bring(anchor, tree, 7, heal)
        assertCheckpoint(receipt, tree, 7)
        world.intercept = undefined
        await bring(anchor, tree, 9)
        await simnet.node.mine(DEPTH)
        assert.equal((await anchor.finality((await anchor.find(7)) as AnchorReceipt)).final, true)
        for (const size of [5, 7, 9]) {
          assertCheckpoint(await anchor.find(size), tree, size)
          assertCheckpoint(await anchor.proveMined?.(size), tree, size)
        }
        const found = await simnet.anchors(account, origin)
        assert.deepEqual(
          found.map(({ size, block }) => [size, block !== undefined]).sort(([a], [b]) => Number(a) - Number(b)),
          [5, 7, 9].map(size => [size, true]),
          'each is anchored once, and nothing waits',
        )
      })
    }
  }
})
