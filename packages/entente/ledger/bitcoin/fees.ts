import type { BitcoinNode } from './node.ts'

/** What anchors may cost. Rates in satoshis a vbyte; an anchor has 181 vbytes (one coin). */
export interface FeePolicy {
  /** Lowest rate: what nodes relay. */
  readonly min: number
  /** Highest rate. At this one a transaction waits, however long. */
  readonly max: number
  /** Blocks within which a transaction should be mined: what the node is asked for. */
  readonly target: number
  /** After so long without a block the transaction is replaced by one that pays more (BIP 125). */
  readonly bumpMs: number
}

export const DEFAULT_FEES: FeePolicy = { min: 1, max: 100, target: 6, bumpMs: 3_600_000 }

/** The rate for a first attempt: the node's estimate, within the bounds. */
export async function firstRate(node: BitcoinNode, { min, max, target }: FeePolicy): Promise<number> {
  return Math.min(max, Math.max(min, (await node.feeRate(target)) ?? min))
}

/**
 * The fee of a replacement: a quarter more than before and no less than the estimate; at least one satoshi a vbyte on top of the old fee, or no node
 * takes it (BIP 125, rule 4). Undefined above the highest rate.
 */
export function higherFee(before: number, size: number, estimate: number, { max }: FeePolicy): number | undefined {
  const most = Math.floor(max * size)
  const least = before + size
  return least > most
    ? undefined
    : Math.min(most, Math.max(least, Math.ceil(before * 1.25), Math.ceil(estimate * size)))
}
