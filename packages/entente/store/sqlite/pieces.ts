import type { StatementSync } from 'node:sqlite'
import type { Piece, Store } from '#store/store.ts'
import {
  fromRecordRow,
  fromStatusRow,
  RECORD_COLUMNS,
  STATUS_COLUMNS,
  toAnchorRow,
  toRecordRow,
  toStatusRow,
} from './rows.ts'

type Access = {
  sql: (text: string, arrays?: boolean) => StatementSync
  reading: <T>(read: () => T) => Promise<T>
  /** One transaction. */
  changing: <T>(change: () => T) => Promise<T>
}

const ROWS = 500
const BYTES = 8 * 1024 * 1024

type Row = Record<string, unknown>
/** How each part of a piece is read, and a list of one of it made. */
const PARTS: { query: string; arrays?: boolean; toPiece(rows: unknown[]): Piece }[] = [
  {
    query: `select ${RECORD_COLUMNS}, text from record order by leaf`,
    arrays: true,
    toPiece: rows => ({ records: rows.map(toRecordRow) }),
  },
  {
    query: 'select tree, level, idx as "index", data from tile',
    toPiece: rows => ({ tiles: rows as Piece['tiles'] }),
  },
  {
    query: 'select idx as "index", data from bundle',
    toPiece: rows => ({ entryBundles: rows as Piece['entryBundles'] }),
  },
  {
    query: 'select number, api_root as apiRoot, id, count, last_added as lastAdded, root from collection',
    toPiece: rows => ({ collections: rows as Piece['collections'] }),
  },
  { query: 'select size, note from checkpoint', toPiece: rows => ({ checkpoints: rows as Piece['checkpoints'] }) },
  {
    query: 'select size, witness, line from cosignature',
    toPiece: rows => ({ cosignatures: rows as Piece['cosignatures'] }),
  },
  { query: 'select * from status order by rowid', toPiece: rows => ({ statuses: (rows as Row[]).map(toStatusRow) }) },
  { query: 'select submitter, opening, name from opening', toPiece: rows => ({ openings: rows as Piece['openings'] }) },
  {
    query: 'select tag from erased',
    toPiece: rows => ({ erasedTags: (rows as { tag: Uint8Array }[]).map(r => r.tag) }),
  },
  { query: 'select channel, leaf from route', toPiece: rows => ({ routes: rows as Piece['routes'] }) },
  { query: 'select name, position from cursor', toPiece: rows => ({ cursors: rows as Piece['cursors'] }) },
  { query: 'select * from anchor', toPiece: rows => ({ anchors: (rows as Row[]).map(toAnchorRow) }) },
]

/** All that a store keeps, out of it and into it. */
export function createPieces({ sql, reading, changing }: Access): Pick<Store, 'pieces' | 'take'> {
  return {
    async *pieces() {
      for (const { query, arrays, toPiece } of PARTS) {
        const found = await reading(() => sql(query, arrays).iterate())
        for (let isOpen = true; isOpen; ) {
          const rows: unknown[] = []
          await reading(() => {
            for (let bytes = 0; rows.length < ROWS && bytes < BYTES; ) {
              const next = found.next()
              if (next.done) {
                isOpen = false
                return
              }
              rows.push(next.value)
              bytes += bytesIn(next.value)
            }
          })
          if (rows.length > 0) yield toPiece(rows)
        }
      }
      const head = await reading(() => sql('select size, note from head').get())
      if (head) yield { head } as Piece
    },
    take: piece =>
      changing(() => {
        const put = (table: string, columns: string, values: (number | string | null | Uint8Array)[][]) => {
          const marks = columns.split(', ').map(() => '?')
          const insert = sql(`insert or replace into ${table}(${columns}) values(${marks.join()})`)
          for (const row of values) insert.run(...row)
        }
        const {
          records = [],
          tiles = [],
          entryBundles = [],
          collections = [],
          checkpoints = [],
          cosignatures = [],
        } = piece
        put('record', RECORD, records.map(fromRecordRow))
        put(
          'tile',
          'tree, level, idx, data',
          tiles.map(t => [t.tree, t.level, t.index, t.data]),
        )
        put(
          'bundle',
          'idx, data',
          entryBundles.map(b => [b.index, b.data]),
        )
        put(
          'collection',
          'number, api_root, id, count, last_added, root',
          collections.map(c => [c.number, c.apiRoot, c.id, c.count, c.lastAdded, c.root]),
        )
        put(
          'checkpoint',
          'size, note',
          checkpoints.map(c => [c.size, c.note]),
        )
        put(
          'cosignature',
          'size, witness, line',
          cosignatures.map(c => [c.size, c.witness, c.line]),
        )
        const { statuses = [], openings = [], erasedTags = [], routes = [], cursors = [], anchors = [], head } = piece
        put('status', STATUS_COLUMNS, statuses.map(fromStatusRow))
        put(
          'opening',
          'submitter, opening, name',
          openings.map(o => [o.submitter, o.opening, o.name]),
        )
        put(
          'erased',
          'tag',
          erasedTags.map(tag => [tag]),
        )
        put(
          'route',
          'channel, leaf',
          routes.map(r => [r.channel, r.leaf]),
        )
        put(
          'cursor',
          'name, position',
          cursors.map(c => [c.name, c.position]),
        )
        put(
          'anchor',
          'ledger, size, root, tx, block, block_hash, final, at',
          anchors.map(a => [a.ledger, a.size, a.root, a.transaction, a.block, a.blockHash, a.final ? 1 : 0, a.at]),
        )
        if (head) put('head', 'one, size, note', [[1, head.size, head.note]])
      }),
  }
}

const RECORD =
  'leaf, coll, seq, kind, added, imported, id, type, version, digits, spec, superseded, refused, invalid, text'

function bytesIn(row: unknown): number {
  let bytes = 0
  for (const value of Object.values(row as object))
    if (value instanceof Uint8Array || typeof value === 'string') bytes += value.length
  return bytes
}
