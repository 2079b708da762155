import { readBitcoinAnchor } from '@entente/verify/proof'
import { LedgerError } from '../error.ts'
import type { AnchorClaim, AnchorReader, AnchorReading } from '../reader.ts'
import { createBlocks } from './blocks.ts'
import { BITCOIN_NETWORKS } from './network.ts'
import { createBitcoinNode } from './node.ts'
import { createBitcoinRpc } from './rpc.ts'

/**
 * Opens Bitcoin for reading anchors, by a node that the reader chooses; user and password are in the URL. Whether an anchor is final, Bitcoin does not
 * say: the reader decides by the blocks on top. Throws LedgerError `unreachable`, `mismatch` for a network that we do not know.
 */
export async function openBitcoinReader({ url }: { url: string }): Promise<AnchorReader> {
  const rpc = createBitcoinRpc(url)
  const node = await createBitcoinNode(rpc)
  const genesis = await node.blockHash(0)
  const network = Object.values(BITCOIN_NETWORKS).find(known => known.genesis === genesis)
  if (network === undefined)
    throw new LedgerError('mismatch', `the node's block 0 is ${genesis}: of no network that is known`)
  const { name } = network
  const blocks = createBlocks(node, network)

  async function read({ transaction, size, root }: AnchorClaim): Promise<AnchorReading> {
    const mined = /^[0-9a-f]{64}$/.test(transaction) ? await blocks.mined(transaction) : undefined
    if (mined === undefined)
      throw new LedgerError('mismatch', `transaction ${transaction} is in no block of ${name}`, { transaction })
    const anchored = readBitcoinAnchor(mined.transaction)
    if (anchored?.size !== size || Buffer.compare(anchored.root, root) !== 0)
      throw new LedgerError(
        'mismatch',
        `transaction ${transaction} did not anchor size ${size} with the root of the proof: ${anchored ? `it anchored size ${anchored.size} with the root ${hex(anchored.root)}` : 'it anchored nothing'}`,
        { transaction },
      )
    const { height, blockHash, time } = mined
    return {
      block: height,
      blockHash,
      time,
      confirmations: await blocks.depth({ height, blockHash }, CHECKED),
      final: undefined,
      originHash: hex(anchored.originHash),
    }
  }
  return { kind: 'bitcoin', chainId: name, read, close: () => rpc.close() }
}

/** Blocks on top whose headers are checked; that there are more is the node's word. */
const CHECKED = 6
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
