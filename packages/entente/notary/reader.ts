import { hash } from 'node:crypto'
import type { RecordRow, Store } from '#store/store.ts'
import type { Log } from './log.ts'
import { deletedSeq, objectSpan } from './record.ts'
import { type EntryBundle, entryOf } from './tiles.ts'

/** Why a row is not served: its text is gone, its hash is not the log's, or its index columns say something else than its text. */
export type Invalid = { ok: false; reason: 'missing' | 'hash' | 'columns' }
/** A row that is what was logged. `object` is a slice of `text`, the canonical JSON of the STIX object. */
export type Opened = { ok: true; object: Buffer; text: Buffer; commitment: Buffer }

/**
 * Reads rows against the log: each text is hashed as it came from the store now, and compared with its entry under the
 * published head. One hash call a row; no verdict is remembered.
 */
export type Reader = {
  /** @throws NotaryError `integrity` where the log itself does not verify */
  open(row: RecordRow): Promise<Opened | Invalid>
  /** As {@link Reader.open} for neighbours: a bundle of the log is looked up once for all its rows. */
  openAll(rows: RecordRow[]): Promise<(Opened | Invalid)[]>
  /** The erased row is covered by a `deleted` record that names it. */
  isErased(row: RecordRow): Promise<boolean>
}

/** @param advance goes on to what is stored by now */
export function createReader(store: Store, log: Log, advance: () => Promise<unknown> = log.advance): Reader {
  async function openAll(rows: RecordRow[]): Promise<(Opened | Invalid)[]> {
    const results: (Opened | Invalid)[] = []
    let bundle: EntryBundle | undefined
    let bundleIndex = -1
    for (const row of rows) {
      const index = Math.floor(row.leaf / 256)
      if (!bundle || index !== bundleIndex) {
        bundle = await log.tiles.bundle(index)
        bundleIndex = index
      }
      results.push(check(log, row, bundle))
    }
    return results
  }
  const open = async (row: RecordRow) => check(log, row, await log.tiles.bundle(Math.floor(row.leaf / 256)))

  return {
    open,
    openAll,
    isErased: async row => {
      const event = row.superseded === null ? undefined : await store.recordAt(row.superseded)
      if (event?.kind !== 'deleted' || event.collection !== row.collection) return false
      // Erased since this process last looked: by another server, or by a commit whose answer is still on its way.
      if (event.leaf >= log.size) await advance()
      if (event.leaf >= log.size) return false
      const opened = await open(event)
      if (!opened.ok) return false
      return deletedSeq(opened.text) === row.seq
    },
  }
}

const MISSING: Invalid = { ok: false, reason: 'missing' }
const BAD_HASH: Invalid = { ok: false, reason: 'hash' }
const BAD_COLUMNS: Invalid = { ok: false, reason: 'columns' }

function check(log: Log, row: RecordRow, bundle: EntryBundle): Opened | Invalid {
  if (!row.text) return MISSING
  const collection = log.collections.get(row.collection)
  if (!collection) return BAD_COLUMNS
  const i = row.leaf % 256
  if (i >= bundle.count) return BAD_HASH
  const commitment = entryOf(bundle, i)
  // An entry of 32 bytes is a record's; the heads entries between them are longer, and no hash. As strings of one byte a character: a
  // Buffer for every hash costs half as much as the hash (bench/run.ts, read).
  if (hash('sha256', row.text, 'binary') !== commitment.toString('latin1')) return BAD_HASH
  const text = Buffer.from(row.text.buffer, row.text.byteOffset, row.text.byteLength)
  const span = objectSpan(collection.frame, row, text)
  if (!span) return BAD_COLUMNS
  return { ok: true, object: text.subarray(span.start, span.end), text, commitment }
}
