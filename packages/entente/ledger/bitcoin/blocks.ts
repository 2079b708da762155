import {
  type BitcoinHeader,
  type BitcoinTransaction,
  bitcoinMerkleBranch,
  bitcoinMerkleRoot,
  displayHash,
} from '@entente/verify/proof'
import { equalHashes } from '@entente/verify/tlog'
import { LedgerError } from '../error.ts'
import type { BitcoinNetwork } from './network.ts'
import type { BitcoinNode } from './node.ts'

/** A transaction in a block of the present chain: header, proof of work and Merkle path are checked, only the height is the node's word. */
export interface Mined {
  readonly transaction: BitcoinTransaction
  readonly height: number
  readonly blockHash: string
  /** Seconds since 1970, as the miner set it. */
  readonly time: number
  readonly index: number
  readonly branch: readonly Uint8Array[]
  readonly coinbase: { readonly txid: string; readonly branch: readonly Uint8Array[] }
}

/** What a node says of blocks, held against their hashes. Throws LedgerError `corrupt` where they say something else. */
export interface Blocks {
  header(block: string): Promise<BitcoinHeader & { bytes: Uint8Array }>
  mined(txid: string): Promise<Mined | undefined>
  /** Headers of the blocks on top of one, at most `depth`, each with proof of work and linked to the one before. */
  onTop(block: BlockPlace, depth: number): Promise<Uint8Array[]>
  /** How many blocks lie on top of one, 0 where it is not in the present chain; checked up to `depth`. */
  depth(block: BlockPlace, depth: number): Promise<number>
}
export type BlockPlace = Pick<Mined, 'height' | 'blockHash'>

/** Most transactions that are remembered as verified. */
const MAX_KNOWN = 64

export function createBlocks(node: BitcoinNode, { name, minWork }: Pick<BitcoinNetwork, 'name' | 'minWork'>): Blocks {
  async function header(block: string) {
    const found = await node.header(block)
    if (found.work < minWork)
      throw new LedgerError(
        'corrupt',
        `the node says that block ${block} is one of ${name}: it took ${found.work} hashes, the least there is ${minWork}. Use another node`,
      )
    return found
  }

  /** What was verified stays so; only whether its block is in the present chain is asked each time. */
  const known = new Map<string, Mined>()
  async function mined(txid: string): Promise<Mined | undefined> {
    const before = known.get(txid)
    if (before && (await node.blockHash(before.height)) === before.blockHash) return before
    known.delete(txid)
    const found = await verifyMined(txid)
    if (found) known.set(txid, found)
    for (const oldest of known.keys()) if (known.size > MAX_KNOWN) known.delete(oldest)
    return found
  }

  async function verifyMined(txid: string): Promise<Mined | undefined> {
    const transaction = await node.transaction(txid)
    const blockHash = transaction?.block
    if (transaction === undefined || blockHash === undefined) return undefined
    const height = await node.height(blockHash)
    if ((await node.blockHash(height)) !== blockHash) return undefined // no longer in the chain
    const { merkleRoot, timestamp: time } = await header(blockHash)
    const txids = await node.block(blockHash)
    const [hashes, index] = [txids.map(toBytes), txids.indexOf(txid)]
    const branch = bitcoinMerkleBranch(hashes, Math.max(0, index))
    if (index === -1 || !equalHashes(bitcoinMerkleRoot(toBytes(txid), index, branch), merkleRoot))
      throw new LedgerError(
        'corrupt',
        `the node says that transaction ${txid} is in block ${blockHash}, whose Merkle root says no: use another node`,
        { transaction: txid },
      )
    const coinbase = { txid: txids[0] as string, branch: bitcoinMerkleBranch(hashes, 0) }
    return { transaction, height, blockHash, time, index, branch, coinbase }
  }

  async function onTop({ height, blockHash }: BlockPlace, depth: number) {
    const headers: Uint8Array[] = []
    let before = blockHash
    while (headers.length < depth) {
      const hash = await node.blockHash(height + headers.length + 1)
      if (hash === undefined) break
      const { previous, bytes } = await header(hash)
      if (displayHash(previous) !== before)
        throw new LedgerError(
          'corrupt',
          `the node says that block ${hash} follows ${before}; its header names ${displayHash(previous)}`,
        )
      headers.push(bytes)
      before = hash
    }
    return headers
  }

  return {
    header,
    mined,
    onTop,
    async depth(block, depth) {
      if ((await node.blockHash(block.height)) !== block.blockHash) return 0
      const { length } = await onTop(block, depth)
      return length < depth ? length : Math.max(length, (await node.tip()).height - block.height)
    },
  }
}

/** A hash as people write it, in the order of the bytes. */
const toBytes = (hash: string): Uint8Array => Uint8Array.from(Buffer.from(hash, 'hex')).reverse()
