import { after, before } from 'node:test'
import { type AnchorSubject, anchorConformance } from '../conformance/anchor.ts'
import { LedgerError } from '../error.ts'
import { RpcError } from '../evm/provider.ts'
import { createMemoryJournal } from '../journal.ts'
import { openBitcoinAnchor } from './anchor.ts'
import { BITCOIN_NETWORKS } from './network.ts'
import type { Rpc } from './node.ts'
import { createBitcoinRpc } from './rpc.ts'
import { type Simnet, simnetAccount, startSimnet } from './test/simnet.ts'
import { BTCD_USER } from '../../../../test/support/btcd.ts'

let simnet: Simnet | string
before(async () => {
  simnet = await startSimnet()
})
after(async () => {
  if (typeof simnet !== 'string') await simnet.stop()
})

const origin = 'log.example/test'
let subjects = 0

const create = (dialect: (rpc: Rpc) => Rpc) => async (): Promise<AnchorSubject | string> => {
  if (typeof simnet === 'string') return simnet
  const { node, fund, anchors, mineAlways } = simnet
  const account = simnetAccount(`subject ${subjects++}`)
  await fund(account)
  const stopMining = mineAlways()
  const journal = createMemoryJournal()
  const connection = createBitcoinRpc(node.url, BTCD_USER)
  const plain = dialect(connection)
  const faulty = withFaults(plain)
  const open = (rpc: Rpc) =>
    openBitcoinAnchor({
      id: 'test',
      rpc,
      network: BITCOIN_NETWORKS.simnet,
      account,
      origin,
      journal,
      depth: 2,
      waitMs: 3000,
      pollMs: 20,
    })
  const opened = [await open(faulty.rpc)]
  return {
    anchor: opened[0] as (typeof opened)[number],
    fault: faulty.fault,
    heal: faulty.heal,
    async reopen() {
      const again = await open((method, ...params) => plain(method, ...params))
      opened.push(again)
      return again
    },
    countAnchors: async size =>
      (await anchors(account, origin)).filter(anchor => anchor.size === size && anchor.block).length,
    async dispose() {
      for (const each of opened) await each.close()
      await stopMining()
      await connection.close()
    },
  }
}

/** A connection whose next transaction is lost on the way, or whose answer is. */
function withFaults(rpc: Rpc) {
  let next: 'dropped' | 'answer-lost' | undefined
  let outage = false
  let down = false
  return {
    fault(kind: 'dropped' | 'answer-lost', withOutage: boolean) {
      next = kind
      outage = withOutage
    },
    heal() {
      down = false
    },
    rpc: (async (method, ...params) => {
      if (down) throw lost()
      if (next === undefined || method !== 'sendrawtransaction') return rpc(method, ...params)
      const kind = next
      next = undefined
      down = outage
      if (kind === 'answer-lost') await rpc(method, ...params)
      throw lost()
    }) satisfies Rpc,
  }
}
const lost = () => new LedgerError('unreachable', 'connection reset')

/**
 * btcd behind the methods that Bitcoin Core has in place of its own: no index of addresses, but a search through all coins; estimates in an object. What Core
 * itself answers is not shown by that.
 */
const asCore =
  (rpc: Rpc): Rpc =>
  async (method, ...params) => {
    if (method === 'searchrawtransactions' || method === 'estimatefee') throw new RpcError(-32601, 'Method not found')
    if (method === 'getindexinfo') return { txindex: { synced: true, best_block_height: 1 } }
    if (method === 'estimatesmartfee') return { errors: ['Insufficient data or no feerate found'], blocks: 6 }
    if (method !== 'scantxoutset') return rpc(method, ...params)
    const [, [descriptor]] = params as [string, [string]]
    const address = descriptor.slice('addr('.length, -1)
    // As of one block
    for (;;) {
      const tip = await rpc('getbestblockhash')
      const unspents = await unspentOf(rpc, address)
      if ((await rpc('getbestblockhash')) === tip) return { success: true, unspents }
    }
  }

async function unspentOf(rpc: Rpc, address: string): Promise<object[]> {
  const history = (await rpc('searchrawtransactions', address, 1, 0, 1000).catch(() => [])) as {
    txid: string
    confirmations?: number
    vout: { n: number; value: number; scriptPubKey: { addresses?: string[] } }[]
  }[]
  const unspents: object[] = []
  for (const { txid, confirmations, vout } of history)
    for (const { n, value, scriptPubKey } of vout)
      if (confirmations && scriptPubKey.addresses?.includes(address) && (await rpc('gettxout', txid, n, false)))
        unspents.push({ txid, vout: n, amount: value })
  return unspents
}

anchorConformance(
  'btcd',
  create(rpc => rpc),
)
anchorConformance('btcd in the dialect of Bitcoin Core', create(asCore))
