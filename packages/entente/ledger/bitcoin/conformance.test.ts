import { after, before } from 'node:test'
import { type AnchorSubject, anchorConformance } from '../conformance/anchor.ts'
import { LedgerError } from '../error.ts'
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

async function create(): Promise<AnchorSubject | string> {
  if (typeof simnet === 'string') return simnet
  const { node, fund, anchors, mineAlways } = simnet
  const account = simnetAccount(`subject ${subjects++}`)
  await fund(account)
  const stopMining = mineAlways()
  const journal = createMemoryJournal()
  const plain = createBitcoinRpc(node.url, BTCD_USER)
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
      await plain.close()
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

anchorConformance('btcd', create)
