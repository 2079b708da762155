import {
  type Checkpoint,
  consistencyProof,
  encodeBase64,
  equalHashes,
  runOnTiles,
  type TileFetcher,
  tileHashReader,
  TlogError,
  treeRoot,
  verifyConsistency,
} from '@entente/verify/tlog'

/**
 * How two checkpoints of one log stand to each other: `consistent`, the tree of the newer begins with that of the older; `fork`, it does not, which
 * is proven where `root` and `consistency` show what it begins with instead; `unbacked`, the tiles are not those of the newer.
 */
export type Comparison =
  | { is: 'consistent' }
  | { is: 'fork'; root?: string; consistency?: string[] }
  | { is: 'unbacked'; answer: string }

/**
 * Compares two checkpoints by tiles of the newer tree, which may come from anybody: a consistency proof (RFC 9162 section 2.1.4) is made of
 * them and verified here.
 *
 * @throws what `fetchTile` throws, but for a TlogError: that is an answer that is no tile
 */
export async function compareCheckpoints(
  older: Checkpoint,
  newer: Checkpoint,
  fetchTile: TileFetcher,
): Promise<Comparison> {
  if (older.size === newer.size) return { is: equalHashes(older.root, newer.root) ? 'consistent' : 'fork' }
  if (older.size === 0) return { is: 'consistent' }
  try {
    const { root, proof } = await runOnTiles(fetchTile, read => {
      const reader = tileHashReader(newer.size, read)
      return { root: treeRoot(older.size, reader), proof: consistencyProof(older.size, newer.size, reader) }
    })
    verifyConsistency(older.size, newer.size, proof, root, newer.root)
    if (equalHashes(root, older.root)) return { is: 'consistent' }
    return { is: 'fork', root: encodeBase64(root), consistency: proof.map(encodeBase64) }
  } catch (error) {
    if (!(error instanceof TlogError)) throw error
    return { is: 'unbacked', answer: error.message }
  }
}
