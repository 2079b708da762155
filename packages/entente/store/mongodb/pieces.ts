import type { AnyBulkWriteOperation, Document } from 'mongodb'
import type { Piece, Store } from '#store/store.ts'
import type { Connection } from './connection.ts'
import {
  allOf,
  fromBundle,
  fromCheckpoint,
  fromCollection,
  fromOpening,
  fromTile,
  type Part,
  type PartKind,
  toBundle,
  toCheckpoint,
  toCollection,
  toOpening,
  toTile,
} from './parts.ts'
import { fromRecordRow, fromStatusRow, toAnchorRow, toRecordRow, toStatusRow } from './rows.ts'
import { meta } from './schema.ts'
import { put, toTagId } from './write.ts'

type Access = Pick<Connection, 'db' | 'reads'> & {
  reading: <T>(read: () => Promise<T>) => Promise<T>
  writing: <T>(write: () => Promise<T>) => Promise<T>
}
type Keyed = Document & { _id: number | string }

const ROWS = 500
const BYTES = 8 * 1024 * 1024

/** How the documents of each collection, or of a kind in `parts`, become parts of pieces. */
const PARTS: [collection: string, toPiece: (documents: Document[]) => Piece, kind?: PartKind][] = [
  ['records', documents => ({ records: documents.map(toRecordRow) })],
  ['parts', documents => ({ tiles: documents.map(toTile) }), 'tile'],
  ['parts', documents => ({ entryBundles: documents.map(toBundle) }), 'bundle'],
  ['parts', documents => ({ collections: documents.map(toCollection) }), 'collection'],
  ['parts', documents => ({ checkpoints: documents.map(toCheckpoint) }), 'checkpoint'],
  [
    'cosignatures',
    documents => ({ cosignatures: documents.map(({ size, witness, line }) => ({ size, witness, line })) }),
  ],
  ['statuses', documents => ({ statuses: documents.map(toStatusRow) })],
  ['parts', documents => ({ openings: documents.map(toOpening) }), 'opening'],
  ['erased', documents => ({ erasedTags: documents.map(d => Buffer.from(String(d['_id']), 'base64')) })],
  ['routes', documents => ({ routes: documents.map(({ channel, leaf }) => ({ channel, leaf })) })],
  ['cursors', documents => ({ cursors: documents.map(d => ({ name: d['_id'], position: d['position'] })) })],
  ['anchors', documents => ({ anchors: documents.map(toAnchorRow) })],
]

/** All that a store keeps, out of it and into it. */
export function createPieces({ db, reads, reading, writing }: Access): Pick<Store, 'pieces' | 'take'> {
  return {
    async *pieces() {
      for (const [collection, toPiece, kind] of PARTS) {
        const cursor = db.collection<Part>(collection).find(kind ? allOf(kind) : {}, { ...reads, sort: { _id: 1 } })
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
          'cosignatures',
          cosignatures.map(({ size, witness, line }) => by({ size, witness }, { size, witness, line })),
        )
        const { statuses = [], openings = [], erasedTags = [], routes = [], cursors = [], anchors = [], head } = piece
        await bulk('statuses', statuses.map(fromStatusRow).map(put))
        await bulk('parts', [
          ...tiles.map(fromTile).map(put),
          ...entryBundles.map(fromBundle).map(put),
          ...collections.map(fromCollection).map(put),
          ...checkpoints.map(fromCheckpoint).map(put),
          ...openings.map(fromOpening).map(put),
        ])
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
