import type { RecordRow } from '#store/store.ts'
import type { Collection } from './log.ts'
import type { Notary } from './notary.ts'
import type { Invalid } from './reader.ts'

/**
 * What is known to be wrong in the store, so that "not found" is only said where it is true. A row that was deleted behind our back
 * leaves a hole in the collection's sequence; a row that lost its id shows when it is read. While a collection has either, an
 * object that can't be found may be the one that is gone.
 */
export type Damage = {
  /** Rows that failed verification in this process, by log index, for as long as they do. */
  note(row: RecordRow, reason: string): void
  cleared(row: RecordRow): void
  /** Rows of the collection that are missing; looks again when others wrote to the store. */
  missing(collection: Collection): Promise<number>
  /** Those, and the rows that are known to be invalid. */
  count(collection: Collection): Promise<number>
  /** Integrity failures seen since the start (a metric). */
  readonly failures: number
}

/** A record that is not what was logged; without a log index where its row is gone. */
export type Damaged = { collection: Collection; seq: number; leaf?: number; reason: Invalid['reason'] }

/** @param found told of each record as it is found, and of the first that is missing of several */
export function createDamage(
  notary: Notary,
  alert: (message: string, details: Record<string, unknown>) => void,
  found: (damaged: Damaged) => void = () => {},
): Damage {
  const invalid = new Map<number, number>() // log index -> collection
  const missing = new Map<number, { count: number; writes: number }>() // by collection
  let failures = 0

  async function countMissing(collection: Collection): Promise<number> {
    const writes = await notary.store.foreignWrites()
    const known = missing.get(collection.number)
    if (known?.writes === writes) return known.count
    const { present, firstMissing } = await notary.store.gaps(collection.number, collection.count)
    const count = collection.count - present
    missing.set(collection.number, { count, writes })
    if (count > 0 && count !== known?.count) {
      failures += count
      alert('records are missing from the store', {
        collection: collection.id,
        missing: count,
        first_missing_seq: firstMissing,
      })
      if (firstMissing !== undefined) found({ collection, seq: firstMissing, reason: 'missing' })
    }
    return count
  }

  return {
    get failures() {
      return failures
    },
    note: (row, reason) => {
      failures++
      if (invalid.has(row.leaf)) return
      invalid.set(row.leaf, row.collection)
      const collection = notary.log.collections.get(row.collection)
      alert('a stored record fails verification and is withheld', {
        collection: collection?.id,
        seq: row.seq,
        log_index: row.leaf,
        reason,
      })
      if (collection) found({ collection, seq: row.seq, leaf: row.leaf, reason: isReason(reason) ? reason : 'columns' })
      notary.store.label(row.leaf, true).catch(() => {})
    },
    cleared: row => {
      if (invalid.delete(row.leaf)) notary.store.label(row.leaf, false).catch(() => {})
    },
    missing: countMissing,
    count: async collection => {
      let bad = await countMissing(collection)
      for (const number of invalid.values()) if (number === collection.number) bad++
      return bad
    },
  }
}

const isReason = (reason: string): reason is Invalid['reason'] => ['missing', 'hash', 'columns'].includes(reason)
