import {
  equalHashes,
  HASH_SIZE,
  hashLeaf,
  TILE_WIDTH,
  type TilePath,
  type TileReader,
  tileWidth,
  verifiedTileReader,
} from '#tlog/index.ts'
import { asProofError, ProofError } from './error.ts'
import { type Evidence, verifySignedCheckpoint } from './evidence.ts'
import { readCount } from './fields.ts'
import { formatRecord, type LogRecord, readRecord, recordCommitment } from './record.ts'
import type { Trust } from './trust.ts'

/** Several records with their indexes in the log, under one signed checkpoint, and the log's tiles ({@link pageTiles}). */
export type Page = {
  checkpoint: string
  records: readonly { record: unknown; index: number }[]
  /** gives tiles that were fetched before; they are checked, so they may come from anybody */
  readTile: TileReader
  anchors?: unknown[]
}

/** Evidence for the whole page, and the records in its order. */
export type VerifiedPage = Evidence & { records: { record: LogRecord; index: number; commitment: Uint8Array }[] }

/**
 * Verify many records under one checkpoint: one signature and each tile once, then one comparison a record.
 *
 * @throws ProofError; `collection` where a record is not at its index
 */
export function verifyPage(page: Page, trust: Trust): VerifiedPage {
  const evidence = verifySignedCheckpoint(page.checkpoint, page.anchors ?? [], trust)
  const { size, root } = evidence.checkpoint
  const read = asProofError(() => verifiedTileReader(size, root, page.readTile))
  const records = page.records.map(item => {
    const record = readRecord(item.record)
    const index = readCount(item.index, 'the index of a record')
    if (index >= size)
      throw new ProofError('collection', `the checkpoint of size ${size} does not cover index ${index}`)
    const commitment = recordCommitment(formatRecord(record))
    const at = index % TILE_WIDTH
    const tile = asProofError(() => read(0, Math.floor(index / TILE_WIDTH), at + 1))
    if (!equalHashes(hashLeaf(commitment), tile.subarray(at * HASH_SIZE, (at + 1) * HASH_SIZE))) {
      throw new ProofError('collection', `record ${record.seq} is not what the log has at index ${index}`)
    }
    return { record, index, commitment }
  })
  return { ...evidence, records }
}

/** Which tiles {@link verifyPage} needs for these indexes in a log of `size`: theirs, those above, and the edge. Each once. */
export function pageTiles(indexes: readonly number[], size: number): TilePath[] {
  const tiles = new Map<string, TilePath>()
  const add = (level: number, index: number) => {
    const width = tileWidth(level, index, size)
    if (width > 0) tiles.set(`${level}/${index}`, { level, index, width })
  }
  for (let level = 0; Math.floor(size / TILE_WIDTH ** level) > 0; level++) {
    for (const index of indexes) add(level, Math.floor(index / TILE_WIDTH ** (level + 1)))
    add(level, Math.floor(size / TILE_WIDTH ** (level + 1)))
  }
  return [...tiles.values()]
}
