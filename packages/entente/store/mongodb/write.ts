import type { AnyBulkWriteOperation, ClientSession, Db, Document } from 'mongodb'
import { type Batch, type Mending, StoreError, type StoredHead, type TileWrite } from '#store/store.ts'
import { fromCollectionHead, fromRecordRow, fromStatusRow, type RecordDocument } from './rows.ts'
import { meta } from './schema.ts'

type Options = { session: ClientSession }
/** A document whose `_id` is a number or a text of ours. */
type Keyed = Document & { _id: number | string }
type Tiles = Pick<Batch, 'tiles' | 'entryBundles'>

/** The `_id` of a tile, and back. */
export const tileId = (tree: number, level: number, index: number): string => `${tree}/${level}/${index}`

export function tileOf(document: Document): TileWrite {
  const [tree = NaN, level = NaN, index = NaN] = String(document['_id']).split('/').map(Number)
  return { tree, level, index, data: document['data'] as Uint8Array }
}

/** The `_id` of the tag of something erased. */
export const toTagId = (tag: Uint8Array): string => Buffer.from(tag).toString('base64')

/**
 * Writes a batch in a transaction; the head last, and only over the expected one. Until then nobody else waits for this transaction.
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
  await writeTiles(batch, bulk)
  await bulk(
    'collections',
    batch.collections.map(fromCollectionHead).map(({ _id, apiRoot, id, ...rest }) => ({
      updateOne: { filter: { _id }, update: { $set: rest, $setOnInsert: { apiRoot, id } }, upsert: true },
    })),
  )
  await insert('statuses', batch.statuses.map(fromStatusRow))
  await insert(
    'openings',
    batch.openings.map(({ submitter, ...rest }) => ({ _id: submitter, ...rest })),
  )
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
  await writeTiles({ tiles, entryBundles }, bulk)
  if (collections.length > 0)
    await bulk('collections', [
      { deleteMany: { filter: {} } },
      ...collections.map(c => ({ insertOne: { document: fromCollectionHead(c) } })),
    ])
  if (head) await bulk('checkpoints', [put({ _id: head.size, note: head.note })])
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

const supersede = ({ leaf, by }: { leaf: number; by: number | null }) => ({
  updateOne: {
    filter: { _id: leaf },
    update: by === null ? { $unset: { superseded: 1 } } : { $set: { superseded: by } },
  },
})

async function writeTiles({ tiles, entryBundles }: Tiles, bulk: ReturnType<typeof bulkOf>): Promise<void> {
  await bulk(
    'tiles',
    tiles.map(({ tree, level, index, data }) => put({ _id: tileId(tree, level, index), data })),
  )
  await bulk(
    'bundles',
    entryBundles.map(({ index, data }) => put({ _id: index, data })),
  )
}

/** The swap: over the head that was expected, and nothing else. A transaction that wrote it makes every other wait or fail. */
async function writeHead(
  db: Db,
  { size, note }: StoredHead,
  expected: { note?: string | null },
  options: Options,
): Promise<void> {
  await db
    .collection<Keyed>('checkpoints')
    .updateOne({ _id: size }, { $setOnInsert: { note } }, { ...options, upsert: true })
  const change = { $set: { size, note }, $inc: { writes: 1 } }
  checkMatched(await meta(db).updateOne({ _id: 'head', ...expected }, change, options))
}

function checkMatched({ matchedCount }: { matchedCount: number }): void {
  if (matchedCount === 0)
    throw new StoreError('conflict', 'the head of the store has moved: another process writes here')
}
