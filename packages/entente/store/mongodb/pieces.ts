import type { AnyBulkWriteOperation, Document } from 'mongodb'
import type { Piece, Store } from '#store/store.ts'
import type { Connection } from './connection.ts'
import {
  fromCollectionHead,
  fromRecordRow,
  fromStatusRow,
  toAnchorRow,
  toCollectionHead,
  toRecordRow,
  toStatusRow,
} from './rows.ts'
import { meta } from './schema.ts'
import { put, tileId, tileOf, toTagId } from './write.ts'

type Access = Pick<Connection, 'db' | 'reads'> & {
  reading: <T>(read: () => Promise<T>) => Promise<T>
  writing: <T>(write: () => Promise<T>) => Promise<T>
}
type Keyed = Document & { _id: number | string }

const ROWS = 500
const BYTES = 8 * 1024 * 1024

/** How each collection becomes parts of pieces. */
const PARTS: [collection: string, toPiece: (documents: Document[]) => Piece][] = [
  ['records', documents => ({ records: documents.map(toRecordRow) })],
  ['tiles', documents => ({ tiles: documents.map(tileOf) })],
  ['bundles', documents => ({ entryBundles: documents.map(d => ({ index: d['_id'], data: d['data'] })) })],
  ['collections', documents => ({ collections: documents.map(toCollectionHead) })],
  ['checkpoints', documents => ({ checkpoints: documents.map(d => ({ size: d['_id'], note: d['note'] })) })],
  [
    'cosignatures',
    documents => ({ cosignatures: documents.map(({ size, witness, line }) => ({ size, witness, line })) }),
  ],
  ['statuses', documents => ({ statuses: documents.map(toStatusRow) })],
  [
    'openings',
    documents => ({ openings: documents.map(({ _id, opening, name }) => ({ submitter: _id, opening, name })) }),
  ],
  ['erased', documents => ({ erasedTags: documents.map(d => Buffer.from(String(d['_id']), 'base64')) })],
  ['routes', documents => ({ routes: documents.map(({ channel, leaf }) => ({ channel, leaf })) })],
  ['cursors', documents => ({ cursors: documents.map(d => ({ name: d['_id'], position: d['position'] })) })],
  ['anchors', documents => ({ anchors: documents.map(toAnchorRow) })],
]

/** All that a store keeps, out of it and into it. */
export function createPieces({ db, reads, reading, writing }: Access): Pick<Store, 'pieces' | 'take'> {
  return {
    async *pieces() {
      for (const [collection, toPiece] of PARTS) {
        const cursor = db.collection(collection).find({}, { ...reads, sort: { _id: 1 } })
        try {
          for (let isOpen = true; isOpen; ) {
            const documents: Document[] = []
            for (let bytes = 0; documents.length < ROWS && bytes < BYTES; ) {
              const next = await reading(() => cursor.next())
              if (!next) {
                isOpen = false
                break
              }
              documents.push(next)
              bytes += ((next['text'] ?? next['packed'] ?? next['data']) as Uint8Array | undefined)?.length ?? 0
            }
            if (documents.length > 0) yield toPiece(documents)
          }
        } finally {
          await cursor.close()
        }
      }
      const head = await reading(() => meta(db).findOne({ _id: 'head' }, reads))
      if (typeof head?.note === 'string') yield { head: { size: head.size ?? 0, note: head.note } }
    },
    take: piece =>
      writing(async () => {
        const bulk = async (collection: string, operations: AnyBulkWriteOperation<Keyed>[]) => {
          if (operations.length > 0) await db.collection<Keyed>(collection).bulkWrite(operations, { ordered: false })
        }
        const by = (filter: Document, replacement: Document) => ({ replaceOne: { filter, replacement, upsert: true } })
        const {
          records = [],
          tiles = [],
          entryBundles = [],
          collections = [],
          checkpoints = [],
          cosignatures = [],
        } = piece
        await bulk('records', records.map(fromRecordRow).map(put))
        await bulk(
          'tiles',
          tiles.map(({ tree, level, index, data }) => put({ _id: tileId(tree, level, index), data })),
        )
        await bulk(
          'bundles',
          entryBundles.map(({ index, data }) => put({ _id: index, data })),
        )
        await bulk('collections', collections.map(fromCollectionHead).map(put))
        await bulk(
          'checkpoints',
          checkpoints.map(({ size, note }) => put({ _id: size, note })),
        )
        await bulk(
          'cosignatures',
          cosignatures.map(({ size, witness, line }) => by({ size, witness }, { size, witness, line })),
        )
        const { statuses = [], openings = [], erasedTags = [], routes = [], cursors = [], anchors = [], head } = piece
        await bulk('statuses', statuses.map(fromStatusRow).map(put))
        await bulk(
          'openings',
          openings.map(({ submitter, opening, name }) => put({ _id: submitter, opening, name })),
        )
        await bulk(
          'erased',
          erasedTags.map(tag => put({ _id: toTagId(tag) })),
        )
        await bulk(
          'routes',
          routes.map(({ channel, leaf }) => by({ channel, leaf }, { channel, leaf })),
        )
        await bulk(
          'cursors',
          cursors.map(({ name, position }) => put({ _id: name, position })),
        )
        await bulk(
          'anchors',
          anchors.map(row => by({ ledger: row.ledger, size: row.size }, row)),
        )
        if (head) await meta(db).updateOne({ _id: 'head' }, { $set: head, $inc: { writes: 1 } })
      }),
  }
}
