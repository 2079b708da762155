import { ObjectId } from 'mongodb'
import type { SentQuery, SentRange, SentStore } from '#store/sent.ts'
import { formatRuns, parseRuns } from '../runs.ts'
import type { MongoOptions } from './connection.ts'
import { openDisclosed } from './disclosed.ts'

type SentDocument = Omit<SentRange, 'withheld'> & { _id: ObjectId; withheld: string }

/**
 * Who was sent what by all servers of a database, in its collection `sent`, over connections of its own.
 *
 * @throws StoreError
 */
export async function openMongoSent(options: MongoOptions): Promise<SentStore> {
  const { rows, asking, purge, close } = await openDisclosed<SentDocument>(options, 'sent')
  /** The documents of ranges, also of one whose answer was lost. */
  const ids = new WeakMap<SentRange, ObjectId>()

  return {
    put: ranges =>
      asking(async () => {
        const operations = ranges.map(range => {
          const _id = ids.get(range) ?? new ObjectId()
          ids.set(range, _id)
          const replacement = { ...range, withheld: formatRuns(range.withheld) }
          return { replaceOne: { filter: { _id }, replacement, upsert: true } }
        })
        if (operations.length > 0) await rows.bulkWrite(operations, { ordered: false })
      }),
    purge,
    find: ({ places, subscriber, since, limit }: SentQuery) =>
      asking(async () => {
        const shared = {
          ...(subscriber === undefined ? {} : { subscriber }),
          ...(since === undefined ? {} : { until: { $gte: since } }),
        }
        const find = async (place: Partial<Pick<SentDocument, 'kind' | 'topic'>> & { position?: number } = {}) => {
          const { position, ...topic } = place
          const covers = position === undefined ? {} : { first: { $lte: position }, last: { $gte: position } }
          return rows
            .find({ ...topic, ...covers, ...shared })
            .sort({ from: 1, _id: 1 })
            .limit(limit)
            .allowDiskUse()
            .toArray()
        }
        // A query for each place, as each walks an index of its own; a range may cover several.
        const found = new Map(
          (await Promise.all(places?.map(find) ?? [find()])).flat().map(row => [String(row._id), row]),
        )
        return [...found.values()]
          .sort((a, b) => a.from - b.from || (String(a._id) < String(b._id) ? -1 : 1))
          .slice(0, limit)
          .map(({ _id, ...row }) => ({ ...row, withheld: parseRuns(row.withheld) }))
      }),
    close,
  }
}
