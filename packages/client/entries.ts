import {
  type Checkpoint,
  decodeEntryBundle,
  equalHashes,
  HASH_SIZE,
  hashLeaf,
  inclusionProof,
  runOnTiles,
  TILE_WIDTH,
  tileHashReader,
  TlogError,
  tileWidth,
  verifiedTileReader,
} from '@entente/verify/tlog'
import { type LogSource, readTile } from './watch.ts'

/** Entries of a log, verified a bundle at a time. Asked for in order, so the last bundle is all that is kept. */
export function createEntries(source: LogSource, { size, root }: Checkpoint) {
  const cache = new Map<string, Uint8Array>()
  const fetchTile = (level: number, index: number, width: number) => readTile(source, { level, index, width })
  let last: { index: number; entries: Uint8Array[] } | undefined

  async function load(index: number): Promise<Uint8Array[]> {
    const width = tileWidth(0, index, size)
    const leaves = await runOnTiles(fetchTile, read => verifiedTileReader(size, root, read, cache)(0, index, width))
    const entries = decodeEntryBundle(await readTile(source, { level: 'entries', index, width }))
    for (let i = 0; i < width; i++) {
      const entry = entries[i]
      if (!entry || !equalHashes(hashLeaf(entry), leaves.subarray(i * HASH_SIZE, (i + 1) * HASH_SIZE)))
        throw new TlogError('tile', `entry ${index * TILE_WIDTH + i} does not hash to its leaf`)
    }
    return entries
  }

  return {
    async entry(at: number): Promise<Uint8Array> {
      const index = Math.floor(at / TILE_WIDTH)
      if (last?.index !== index) last = { index, entries: await load(index) }
      return last.entries[at % TILE_WIDTH] as Uint8Array
    },
    prove: (index: number) => runOnTiles(fetchTile, read => inclusionProof(index, size, tileHashReader(size, read))),
  }
}
