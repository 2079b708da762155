import { type MongoBulkWriteError, ObjectId } from 'mongodb'
import type { ReadEntry, ReadQuery, ReadStore } from '#store/reads.ts'
import { formatRuns, holdsOneOf, parseRuns } from '../runs.ts'
import type { MongoOptions } from './connection.ts'
import { openDisclosed } from './disclosed.ts'

type ReadDocument = Omit<ReadEntry, 'runs'> & { _id: ObjectId; first: number; last: number; runs: string }

const DUPLICATE_KEY = 11_000

/**
 * Who read what of all servers of a database, in its collection `reads`, over connections of its own.
 *
 * @throws StoreError
 */
export async function openMongoReads(options: MongoOptions): Promise<ReadStore> {
  const { rows, asking, purge, close } = await openDisclosed<ReadDocument>(options, 'reads')
  /** The documents of entries, so that one whose answer was lost is known again. */
  const ids = new WeakMap<ReadEntry, ObjectId>()

  function toDocument(entry: ReadEntry): ReadDocument {
    const { runs, ...reader } = entry
    const _id = ids.get(entry) ?? new ObjectId()
    ids.set(entry, _id)
    return { _id, ...reader, first: runs[0]?.[0] ?? 0, last: runs.at(-1)?.[1] ?? 0, runs: formatRuns(runs) }
  }

  return {
    add: entries =>
      asking(async () => {
        if (entries.length === 0) return
        try {
          await rows.insertMany(entries.map(toDocument), { ordered: false })
        } catch (error) {
          const { writeErrors, code } = error as MongoBulkWriteError
          const errors = [writeErrors ?? []].flat()
          if (code !== DUPLICATE_KEY || errors.some(e => e.code !== DUPLICATE_KEY)) throw error
        }
      }),
    purge,
    find: ({ collection, seqs, user, since, limit }: ReadQuery) =>
      asking(async () => {
        const filter = {
          ...(collection === undefined ? {} : { collection }),
          ...(seqs ? { first: { $lte: Math.max(...seqs) }, last: { $gte: Math.min(...seqs) } } : {}),
          ...(user === undefined ? {} : { user }),
          ...(since === undefined ? {} : { until: { $gte: since } }),
        }
        const found: ReadEntry[] = []
        const rest = { projection: { _id: 0, first: 0, last: 0 } }
        const sorted = rows.find(filter, rest).sort({ from: 1, _id: 1 }).allowDiskUse()
        for await (const { runs: text, ...row } of sorted) {
          const runs = parseRuns(text)
          if (seqs && !holdsOneOf(runs, seqs)) continue
          found.push({ ...row, runs })
          if (found.length === limit) break
        }
        return found
      }),
    close,
  }
}
