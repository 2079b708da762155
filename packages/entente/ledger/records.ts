/**
 * Port: a ledger that keeps the records of a log as well, for collections with `record: full`. What it gets is encrypted; it is kept for good,
 * and erasing a record means to destroy its key. Every method MAY be called concurrently and MUST throw only LedgerError.
 */
export interface RecordKeeper {
  /**
   * Puts records. MUST resolve only once all of them are in blocks. One that was put already MUST NOT be put again, also not after a
   * crash or a lost answer. Throws `unreachable` when it does not know the outcome; the caller calls again with the same.
   */
  put(records: readonly StoredRecord[]): Promise<void>
  /**
   * Bytes that were put under an id, whole ones only, at most {@link MAX_CANDIDATES}: anybody may have put something, and the caller knows by his
   * key which is right.
   */
  get(id: Uint8Array): Promise<Uint8Array[]>
}

export interface StoredRecord {
  /** 32 bytes: the record's commitment. */
  readonly id: Uint8Array
  readonly bytes: Uint8Array
}

export const MAX_CANDIDATES = 8

/** Most bytes of a piece, and of all pieces that go at once: nodes take transactions of 128 KiB. */
const CHUNK_BYTES = 32_768
const BATCH_BYTES = 98_304

export interface RecordChunk {
  readonly id: Uint8Array
  readonly index: number
  readonly count: number
  readonly data: Uint8Array
}

/** Records in pieces, and the pieces in batches that a ledger takes at once. */
export function* toBatches(records: readonly StoredRecord[]): Generator<RecordChunk[]> {
  let batch: RecordChunk[] = []
  let length = 0
  for (const { id, bytes } of records) {
    const count = Math.max(1, Math.ceil(bytes.length / CHUNK_BYTES))
    for (let index = 0; index < count; index++) {
      const data = bytes.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES)
      if (length + data.length > BATCH_BYTES && batch.length > 0) {
        yield batch
        batch = []
        length = 0
      }
      batch.push({ id, index, count, data })
      length += data.length
    }
  }
  if (batch.length > 0) yield batch
}

/** Puts the pieces of one record together that one author put; undefined while one is missing. The first of two for one place counts. */
export function joinChunks(chunks: readonly Omit<RecordChunk, 'id'>[]): Uint8Array | undefined {
  const [first] = chunks
  if (!first) return undefined
  const parts: Uint8Array[] = []
  for (let index = 0; index < first.count; index++) {
    const part = chunks.find(chunk => chunk.index === index && chunk.count === first.count)
    if (!part) return undefined
    parts.push(part.data)
  }
  return Buffer.concat(parts)
}
