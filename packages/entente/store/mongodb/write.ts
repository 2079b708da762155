import type { AnyBulkWriteOperation, ClientSession, Db, Document } from 'mongodb'
import { type Batch, type Mending, StoreError, type StoredHead } from '#store/store.ts'
import { allOf, fromBundle, fromCheckpoint, fromCollection, fromOpening, fromTile } from './parts.ts'
import { fromRecordRow, fromStatusRow, type RecordDocument } from './rows.ts'
import { meta } from './schema.ts'

type Options = { session: ClientSession }
/** A document whose `_id` is a number or a text of ours. */
type Keyed = Document & { _id: number | string }

/** The `_id` of the tag of something erased. */
export const toTagId = (tag: Uint8Array): string => Buffer.from(tag).toString('base64')

/**
 * Writes a batch in a transaction, in as few commands as there are collections, since each is a round trip; the head last, and only over the expected one. Until then nobody else waits for this transaction.
 *
 * @throws StoreError `conflict`
 */
export async function writeBatch(
  db: Db,
  expected: StoredHead | undefined,
  batch: Batch,
  options: Options,
): Promise<void> {
  const insert = async (name: string, documents: Document[]) => {
    if (documents.length > 0) await db.collection(name).insertMany(documents, options)
  }
  const bulk = bulkOf(db, options)
  await insert('records', batch.records.map(fromRecordRow))
  await bulk('records', [
    ...batch.supersede.map(supersede),
    ...batch.erase.map(({ leaf, by }) => ({
      updateOne: { filter: { _id: leaf }, update: { $set: { superseded: by }, $unset: ERASED } },
    })),
  ])
  await bulk(
    'erased',
    batch.erasedTags.map(tag => put({ _id: toTagId(tag) })),
  )
  await bulk('parts', [
    ...batch.tiles.map(fromTile).map(put),
    ...batch.entryBundles.map(fromBundle).map(put),
    ...batch.collections.map(fromCollection).map(put),
    ...batch.openings.map(fromOpening).map(put),
    keep(fromCheckpoint(batch.head)),
  ])
  await insert('statuses', batch.statuses.map(fromStatusRow))
  await insert('routes', batch.routes)
  await writeHead(db, batch.head, { note: expected?.note ?? null }, options)
}

const ERASED = { text: 1, packed: 1, id: 1, type: 1, version: 1, refused: 1 } as const

/** As {@link writeBatch}, of what repairs. */
export async function writeMending(
  db: Db,
  expected: StoredHead | undefined,
  { head, rows, remove, supersede: superseding, tiles, entryBundles, collections }: Mending,
  options: Options,
): Promise<void> {
  const bulk = bulkOf(db, options)
  await bulk('records', [
    ...remove.map(leaf => ({ deleteOne: { filter: { _id: leaf } } })),
    ...rows.flatMap(row => [
      {
        // Below zero no place is claimed, and none twice.
        updateOne: {
          filter: { coll: row.collection, seq: row.seq, _id: { $ne: row.leaf } },
          update: [{ $set: { seq: { $subtract: [-1, '$_id'] } } }],
        },
      },
      put(fromRecordRow(row)),
    ]),
    ...superseding.map(supersede),
  ])
  await bulk('parts', [
    ...(collections.length > 0 ? [{ deleteMany: { filter: allOf('collection') } }] : []),
    ...collections.map(fromCollection).map(put),
    ...tiles.map(fromTile).map(put),
    ...entryBundles.map(fromBundle).map(put),
    ...(head ? [put(fromCheckpoint(head))] : []),
  ])
  const found = expected ? { note: expected.note } : {}
  if (head) await writeHead(db, head, found, options)
  else checkMatched(await meta(db).updateOne({ _id: 'head', ...found }, { $inc: { writes: 1 } }, options))
}

function bulkOf(db: Db, options: Options) {
  return async (name: string, operations: AnyBulkWriteOperation<Keyed>[]): Promise<void> => {
    if (operations.length > 0) await db.collection<Keyed>(name).bulkWrite(operations, options)
  }
}

/** In the place of what has this `_id`. */
export const put = <T extends Keyed | RecordDocument>(document: T) => ({
  replaceOne: { filter: { _id: document._id }, replacement: document as Document, upsert: true },
})

/** Unless there is one with this `_id`. */
const keep = ({ _id, ...rest }: Keyed) => ({
  updateOne: { filter: { _id }, update: { $setOnInsert: rest }, upsert: true },
})

const supersede = ({ leaf, by }: { leaf: number; by: number | null }) => ({
  updateOne: {
    filter: { _id: leaf },
    update: by === null ? { $unset: { superseded: 1 } } : { $set: { superseded: by } },
  },
})

/** The swap: over the head that was expected, and nothing else. A transaction that wrote it makes every other wait or fail. */
async function writeHead(
  db: Db,
  { size, note }: StoredHead,
  expected: { note?: string | null },
  options: Options,
): Promise<void> {
  const change = { $set: { size, note }, $inc: { writes: 1 } }
  checkMatched(await meta(db).updateOne({ _id: 'head', ...expected }, change, options))
}

function checkMatched({ matchedCount }: { matchedCount: number }): void {
  if (matchedCount === 0)
    throw new StoreError('conflict', 'the head of the store has moved: another process writes here')
}
