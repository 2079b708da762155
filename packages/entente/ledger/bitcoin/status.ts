import { parseBitcoinTransaction } from '@entente/verify/proof'
import { anchorSize, CHANGE, DUST } from './account.ts'
import type { BitcoinAnchorOptions } from './anchor.ts'
import { createBlocks } from './blocks.ts'
import { createAnchorChain } from './chain.ts'
import { DEFAULT_FEES, firstRate } from './fees.ts'
import { createBitcoinNode } from './node.ts'
import { readPending } from './pending.ts'

/** Satoshis. */
export interface BitcoinStatus {
  readonly address: string
  /** What the next anchors can be paid with: the change of the newest, be it in no block yet, or all confirmed coins where that is spent. */
  readonly balance: number
  /** What an anchor costs by the node's estimate, and at the highest rate that is allowed. */
  readonly fee: number
  readonly highestFee: number
  /** How many anchors that pays, at each. */
  readonly anchors: number
  readonly fewestAnchors: number
}

/** What is there to pay for anchors; nothing is sent. Throws LedgerError. */
export async function readBitcoinStatus(
  options: Pick<BitcoinAnchorOptions, 'id' | 'rpc' | 'network' | 'account' | 'origin' | 'journal' | 'fees'>,
): Promise<BitcoinStatus> {
  const { id, rpc, network, account, origin, journal } = options
  const policy = { ...DEFAULT_FEES, ...options.fees }
  try {
    const node = await createBitcoinNode(rpc)
    const chain = createAnchorChain({ node, blocks: createBlocks(node, network), id, origin, account })
    const pending = await readPending(journal)
    const hints = pending.flatMap(({ attempts }) => attempts.map(({ txid }) => txid)).reverse()
    const coins = await chain.coins(hints.length > 0 ? await chain.newest(hints) : undefined)
    const waiting = pending.filter(p => p.block === undefined)
    const spent = new Set(waiting.flatMap(p => p.coins.map(c => `${c.txid} ${c.vout}`)))
    const left = coins.filter(c => !spent.has(`${c.txid} ${c.vout}`))
    const raw = waiting.at(-1)?.attempts.at(-1)?.raw
    const change = raw === undefined ? 0 : parseBitcoinTransaction(Buffer.from(raw, 'hex')).outputs[CHANGE]?.value
    const balance = sum(left.map(c => c.value)) + Number(change ?? 0)
    const [fee, highestFee] = [await firstRate(node, policy), policy.max].map(rate => Math.ceil(rate * anchorSize(1)))
    const paidAt = (cost: number) => Math.max(0, Math.floor((balance - DUST) / cost))
    const [cost, most] = [fee as number, highestFee as number]
    const counts = { anchors: paidAt(cost), fewestAnchors: paidAt(most) }
    return { address: account.address, balance, fee: cost, highestFee: most, ...counts }
  } finally {
    await rpc.close?.()
  }
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
