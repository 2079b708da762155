import { accessSync, constants, existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type {
  Batch,
  CollectionHead,
  CosignatureRow,
  Journal,
  Lookup,
  Mending,
  RecordRow,
  RecordSelection,
  Sought,
  Store,
  StoredHead,
  TileWrite,
} from '#store/store.ts'
import { StoreError, type StoreErrorCode } from '#store/store.ts'
import { migrate } from './schema.ts'
import { createPieces } from './pieces.ts'
import { createRoutes } from './routes.ts'
import {
  fromRecordRow,
  fromStatusRow,
  RECORD_COLUMNS,
  STATUS_COLUMNS,
  toAnchorRow,
  toRecordRow,
  toStatusRow,
} from './rows.ts'

export type SqliteOptions = {
  /** The database file. Created where `create` is set, else its absence is an error. */
  path: string
  create?: boolean
  /** For auditors: no write, no lock, works beside a running server, and shows the store as it is at the first read. */
  readOnly?: boolean
  /** For tests: called with a name around the commit (notary/sequence.ts lists the points). */
  fault?: (point: 'before-commit' | 'after-commit') => void
  /** For tests: the file may not grow beyond this many pages of 4096 bytes, as if the disk were full. */
  maxPages?: number
  /** For tests: called with every statement as it is prepared. */
  observe?: (sql: string) => void
}

// SQLite's primary result codes (sqlite.org/rescode.html).
const CODES: Record<number, StoreErrorCode> = {
  5: 'locked',
  8: 'readonly',
  10: 'io',
  11: 'corrupt',
  13: 'full',
  26: 'corrupt',
}

/** Each may hold details of a thousand objects and more. */
const STATUSES_AT_ONCE = 50

/** Others get their turn between two pieces. */
const LOOKUPS_AT_ONCE = 1000

/** How long a statement waits for another connection. */
const BUSY_MS = 5000

/** What SQLite threw, as a {@link StoreError} that names the file. */
export function toStoreError(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error
  const primary = ((error as { errcode?: number }).errcode ?? 10) & 0xff
  const code = CODES[primary] ?? 'io'
  const wayOut =
    code === 'corrupt'
      ? '. Its pages are damaged: stop the server, and "entente repair" brings back what its log and copies of it have (docs/operating.md)'
      : ''
  return new StoreError(code, `${path}: ${(error as Error).message}${wayOut}`, { cause: error })
}

/**
 * A store in one SQLite file: WAL, `synchronous=FULL`, `secure_delete`, one process that writes.
 * A second writer gets `locked`: an exclusive lock on `<path>.lock` is held while the store is open, which the operating system drops when the process dies.
 *
 * @throws StoreError `locked`, `newer`, `corrupt`, `readonly`, `io`
 */
export function openSqliteStore(options: SqliteOptions): Store & Journal {
  const { path, readOnly = false, fault, maxPages, observe } = options
  if (!options.create && !existsSync(path)) {
    throw new StoreError('io', `${path} does not exist: is this the data folder of a server that ran before?`)
  }
  if (!readOnly) checkWritable(path)
  const lock = readOnly ? undefined : takeLock(path)
  let db: DatabaseSync
  try {
    db = new DatabaseSync(path, { readOnly, timeout: BUSY_MS })
    if (readOnly)
      db.exec('begin') // one snapshot for all reads: of what is committed meanwhile an auditor would see a part
    else {
      // Nothing is mapped into memory (mmap_size): a read error would end the process, and the pages would count as its own.
      db.exec('pragma journal_mode = wal; pragma synchronous = full; pragma secure_delete = on')
      db.exec('pragma cache_size = -16384; pragma wal_autocheckpoint = 4000')
      migrate(db)
      wipe(db) // what a crash after an erasure left behind
      if (maxPages !== undefined) db.exec(`pragma max_page_count = ${maxPages}`)
    }
  } catch (error) {
    lock?.close()
    throw toStoreError(error, path)
  }

  const statements = new Map<string, StatementSync>()
  const sql = (text: string, arrays = false): StatementSync => {
    let statement = statements.get(text)
    if (!statement) {
      observe?.(text)
      statement = db.prepare(text)
      if (arrays) statement.setReturnArrays(true)
      statements.set(text, statement)
    }
    return statement
  }
  // node:sqlite is synchronous; the port is not. A read is a promise that is already settled.
  const reading = async <T>(read: () => T): Promise<T> => {
    try {
      return read()
    } catch (error) {
      throw toStoreError(error, path)
    }
  }
  const readHead = () => sql('select size, note from head').get() as StoredHead | undefined

  const selectRecord = `select ${RECORD_COLUMNS}, text from record`
  const selections: Record<RecordSelection['text'], string> = {
    // A row is left out only where a newer version of the same object stands at the place that it names; the order is strict, so
    // that rows can't vouch for each other in a circle. A text that is gone without that is given as empty: what isn't there can't verify.
    last: `select ${RECORD_COLUMNS}, case when superseded is null or not exists (select 1 from record n where n.leaf = record.superseded
      and n.coll = record.coll and n.id = record.id and n.kind = 0 and record.kind = 0
      and (n.version > record.version or (n.version = record.version and n.leaf > record.leaf)))
      then coalesce(text, case when id is not null then x'' end) end from record`,
    versions: `select ${RECORD_COLUMNS}, case when superseded is null or not exists (select 1 from record n where n.leaf = record.superseded
      and n.coll = record.coll and n.id = record.id and n.kind = 0 and record.kind = 0
      and n.version = record.version and n.digits = record.digits and n.leaf > record.leaf)
      then coalesce(text, case when id is not null then x'' end) end from record`,
    all: selectRecord,
    none: `select ${RECORD_COLUMNS}, null from record`,
  }

  /**
   * Log indexes of the rows that a filter selects, in order of `seq`. Each combination of wanted values has a place in an index where its
   * rows lie in that order; these walks are merged. One query for all of them would read every row of the collection.
   */
  function filtered(collection: number, { from, limit, types, specs, versions }: RecordSelection): number[] {
    const places: [number, number][] = []
    const walk = (index: string, where: string, ...values: string[]) => {
      const found = sql(
        `select seq, leaf from record indexed by ${index} where type is not null and coll = ? and ${where} and seq >= ? order by seq limit ?`,
        true,
      ).all(collection, ...values, from, limit)
      for (const place of found as unknown as [number, number][]) places.push(place)
    }
    if (versions) {
      // Few rows share a version, so those of other types are passed over one by one.
      const among = (column: string, wanted: string[] | undefined) =>
        wanted ? ` and ${column} in (select value from json_each(?))` : ''
      const where = `version = ?${among('type', types)}${among('spec', specs)}`
      const lists = [types, specs].filter(list => list !== undefined).map(list => JSON.stringify(list))
      for (const version of new Set(versions)) walk('record_version', where, version, ...lists)
    } else {
      for (const spec of new Set(specs ?? specsOf(collection))) {
        if (!types) walk('record_spec', 'spec = ?', spec)
        else for (const type of new Set(types)) walk('record_type', 'type = ? and spec = ?', type, spec)
      }
    }
    places.sort((a, b) => a[0] - b[0])
    return places.slice(0, limit).map(([, leaf]) => leaf)
  }

  /** The versions of STIX that a collection holds: a step in the index for each. */
  function specsOf(collection: number): string[] {
    const after = sql(
      'select min(spec) from record indexed by record_spec where type is not null and coll = ? and spec > ?',
      true,
    )
    const specs: string[] = []
    for (;;) {
      const [spec] = after.get(collection, specs.at(-1) ?? '') as unknown as [string | null]
      if (spec === null) return specs
      specs.push(spec)
    }
  }

  function lookup(collection: number, { id, version }: Sought): Lookup {
    const newest = sql(
      'select leaf, version from record where coll = ? and id = ? and kind = 0 order by version desc, leaf desc limit 1',
      true,
    ).get(collection, id) as unknown as [number, string] | undefined
    if (!newest) return { same: [], refused: [] }
    const [leaf, newestVersion] = newest
    const found = { newest: { leaf, version: newestVersion }, refused: [] }
    if (version === undefined)
      return { ...found, same: sql(`${selectRecord} where leaf = ?`, true).all(leaf).map(toRecordRow) }
    const at = [collection, id, version] as const
    const same = sql(`${selectRecord} where coll = ? and id = ? and version = ? and kind = 0 order by leaf`, true)
      .all(...at)
      .map(toRecordRow)
    if (same.length === 0) return { ...found, same }
    const refused = sql('select refused from record where coll = ? and id = ? and version = ? and kind = 2', true).all(
      ...at,
    )
    return { ...found, same, refused: (refused as unknown as [string][]).map(r => r[0]) }
  }

  /** Set while erased text may still lie in the write-ahead log. */
  let hasResidue = false

  function writeTiles({ tiles, entryBundles }: { tiles: TileWrite[]; entryBundles: Batch['entryBundles'] }): void {
    for (const t of tiles) {
      sql(
        'insert into tile(tree, level, idx, data) values(?,?,?,?) on conflict(tree, level, idx) do update set data = excluded.data',
      ).run(t.tree, t.level, t.index, t.data)
    }
    for (const b of entryBundles) sql('insert or replace into bundle(idx, data) values(?,?)').run(b.index, b.data)
  }

  function write(batch: Batch): void {
    const insert =
      sql(`insert into record(leaf, coll, seq, kind, added, imported, id, type, version, digits, spec, superseded, refused, invalid, text)
      values(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`)
    for (const row of batch.records) insert.run(...fromRecordRow(row))
    for (const { leaf, by } of batch.supersede) sql('update record set superseded = ? where leaf = ?').run(by, leaf)
    for (const { leaf, by } of batch.erase) {
      sql(
        'update record set superseded = ?, text = null, id = null, type = null, version = null, refused = null where leaf = ?',
      ).run(by, leaf)
    }
    for (const tag of batch.erasedTags) sql('insert or ignore into erased(tag) values(?)').run(tag)
    writeTiles(batch)
    for (const c of batch.collections) {
      // Not `or replace`: that would write the index on (api_root, id) again as well.
      sql(
        'insert into collection(number, api_root, id, count, last_added, root) values(?,?,?,?,?,?) on conflict(number) do update set count = excluded.count, last_added = excluded.last_added, root = excluded.root',
      ).run(c.number, c.apiRoot, c.id, c.count, c.lastAdded, c.root)
    }
    for (const s of batch.statuses)
      sql(`insert into status(${STATUS_COLUMNS}) values(?,?,?,?,?,?,?,?,?,?,?)`).run(...fromStatusRow(s))
    for (const o of batch.openings)
      sql('insert into opening(submitter, opening, name) values(?,?,?)').run(o.submitter, o.opening, o.name)
    for (const r of batch.routes) sql('insert into route(channel, leaf) values(?,?)').run(r.channel, r.leaf)
    sql('insert or ignore into checkpoint(size, note) values(?,?)').run(batch.head.size, batch.head.note)
    sql('insert or replace into head(one, size, note) values(1,?,?)').run(batch.head.size, batch.head.note)
  }

  function writeMending({ head, rows, remove, supersede, tiles, entryBundles, collections }: Mending): void {
    for (const leaf of remove) sql('delete from record where leaf = ?').run(leaf)
    for (const row of rows) {
      // Below zero no place is claimed, and none twice.
      sql('update record set seq = -1 - leaf where coll = ? and seq = ? and leaf <> ?').run(
        row.collection,
        row.seq,
        row.leaf,
      )
      sql(`insert into record(leaf, coll, seq, kind, added, imported, id, type, version, digits, spec, superseded, refused, invalid, text)
        values(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) on conflict(leaf) do update set coll = excluded.coll, seq = excluded.seq, kind = excluded.kind,
        added = excluded.added, imported = excluded.imported, id = excluded.id, type = excluded.type, version = excluded.version,
        digits = excluded.digits, spec = excluded.spec, superseded = excluded.superseded, refused = excluded.refused,
        invalid = excluded.invalid, text = excluded.text`).run(...fromRecordRow(row))
    }
    for (const { leaf, by } of supersede) sql('update record set superseded = ? where leaf = ?').run(by, leaf)
    writeTiles({ tiles, entryBundles })
    if (collections.length > 0) sql('delete from collection').run()
    for (const c of collections) {
      sql('insert into collection(number, api_root, id, count, last_added, root) values(?,?,?,?,?,?)').run(
        c.number,
        c.apiRoot,
        c.id,
        c.count,
        c.lastAdded,
        c.root,
      )
    }
    if (head) {
      sql('insert or replace into checkpoint(size, note) values(?,?)').run(head.size, head.note)
      sql('insert or replace into head(one, size, note) values(1,?,?)').run(head.size, head.note)
    }
  }

  function expectHead(expected: StoredHead | undefined): void {
    const head = readHead()
    if (head?.note === expected?.note) return
    throw new StoreError(
      'conflict',
      `the store's head is at size ${head?.size ?? 0}, this commit builds on ${expected?.size ?? 0}: another process writes here`,
    )
  }

  /** A durable change of its own that isn't part of the log. What it overwrites is wiped with it, or by the next commit. */
  const changing = async <T>(change: () => T): Promise<T> =>
    reading(() => {
      db.exec('begin immediate')
      try {
        const result = change()
        db.exec('commit')
        hasResidue = true
        return result
      } catch (error) {
        if (db.isTransaction) db.exec('rollback')
        throw error
      }
    })

  return {
    kind: 'sqlite',
    head: () => reading(readHead),
    commit: async (expected, batch) => {
      try {
        if (readOnly) throw new StoreError('readonly', `${path} was opened to read only`)
        fault?.('before-commit')
        db.exec('begin immediate')
        try {
          expectHead(expected)
          write(batch)
          db.exec('commit')
        } catch (error) {
          if (db.isTransaction) db.exec('rollback')
          throw error
        }
        fault?.('after-commit')
        hasResidue ||= batch.erase.length > 0
        if (hasResidue) hasResidue = !wipe(db)
      } catch (error) {
        throw toStoreError(error, path)
      }
    },
    collections: () =>
      reading(
        () =>
          sql(
            'select number, api_root as apiRoot, id, count, last_added as lastAdded, root from collection',
          ).all() as unknown as CollectionHead[],
      ),
    recordAt: leaf =>
      reading(() => {
        const row = sql(`${selectRecord} where leaf = ?`, true).get(leaf)
        return row && toRecordRow(row)
      }),
    records: (collection, selection) =>
      reading(() => {
        const { from, limit, maxBytes = Number.POSITIVE_INFINITY, types, specs, versions, text } = selection
        const rows: RecordRow[] = []
        let bytes = 0
        /** @returns whether another row may follow */
        const take = (columns: unknown): boolean => {
          const row = toRecordRow(columns)
          bytes += row.text?.length ?? 0
          return rows.push(row) < limit && bytes <= maxBytes
        }
        if (types || specs || versions) {
          const row = sql(`${selections[text]} where leaf = ?`, true)
          for (const leaf of filtered(collection, selection)) if (!take(row.get(leaf))) break
        } else {
          const all = sql(`${selections[text]} where coll = ? and seq >= ? order by seq limit ?`, true)
          for (const row of all.iterate(collection, from, limit)) if (!take(row)) break
        }
        return rows
      }),
    versions: (collection, id) =>
      reading(() =>
        // Named, or the planner walks the whole collection for the order.
        sql(`${selectRecord} indexed by record_id where coll = ? and id = ? and kind = 0 order by seq`, true)
          .all(collection, id)
          .map(toRecordRow),
      ),
    versionsOf: (collection, ids) =>
      reading(() => {
        const one = sql(`${selections.none} indexed by record_id where coll = ? and id = ? and kind = 0`, true)
        return [...new Set(ids)].flatMap(id => one.all(collection, id).map(toRecordRow))
      }),
    async *lookups(collection, objects, maxBytes) {
      for (let at = 0; at < objects.length; ) {
        const found = await reading(() => {
          const some: Lookup[] = []
          for (let bytes = 0; at < objects.length && some.length < LOOKUPS_AT_ONCE && bytes <= maxBytes; at++) {
            const one = lookup(collection, objects[at] as Sought)
            for (const { text } of one.same) bytes += text?.length ?? 0
            some.push(one)
          }
          return some
        })
        yield found
      }
    },
    equivocations: (collection, id) =>
      reading(() =>
        sql(`${selectRecord} indexed by record_id where coll = ? and id = ? and kind = 2 order by seq`, true)
          .all(collection, id)
          .map(toRecordRow),
      ),
    known: (collection, ids) =>
      reading(() => {
        const rows = sql(
          'select value from json_each(?) where exists (select 1 from record indexed by record_id where coll = ? and id = value and kind = 0)',
          true,
        ).all(JSON.stringify(ids), collection)
        return new Set((rows as unknown as [string][]).map(r => r[0]))
      }),
    wereErased: tags =>
      reading(() => tags.map(tag => sql('select 1 from erased where tag = ?').get(tag) !== undefined)),
    hasErased: () => reading(() => sql('select 1 from erased limit 1').get() !== undefined),
    misfiled: (collection, { from, limit }) =>
      reading(() =>
        (
          sql(
            `select seq from record where coll = ? and seq >= ? and seq < ? and (type is not
             case when kind = 0 and id is not null then substr(id, 1, instr(id, '--') - 1) end
             or (id is not null and not exists (select 1 from record n indexed by record_id where n.id is not null and n.coll = record.coll
               and n.id = record.id and n.version = record.version and n.leaf = record.leaf))
             or (type is not null and (not exists (select 1 from record n indexed by record_type where n.type is not null
               and n.coll = record.coll and n.type = record.type and n.spec = record.spec and n.seq = record.seq and n.leaf = record.leaf)
             or not exists (select 1 from record n indexed by record_spec where n.type is not null
               and n.coll = record.coll and n.spec = record.spec and n.seq = record.seq and n.leaf = record.leaf)
             or not exists (select 1 from record n indexed by record_version where n.type is not null
               and n.coll = record.coll and n.version = record.version and n.seq = record.seq and n.leaf = record.leaf)))) order by seq`,
            true,
          ).all(collection, from, from + limit) as unknown as [number][]
        ).map(([seq]) => seq),
      ),
    gaps: (collection, count) =>
      reading(() => {
        const present = (
          sql('select count(*) as n from record where coll = ? and seq < ?').get(collection, count) as { n: number }
        ).n
        if (present === count) return { present, firstMissing: undefined }
        let expected = 0
        for (const row of sql('select seq from record where coll = ? order by seq').iterate(collection)) {
          if ((row as { seq: number }).seq !== expected) break
          expected++
        }
        return { present, firstMissing: expected }
      }),
    ...createRoutes({ sql, reading, changing }),
    ...createPieces({ sql, reading, changing }),
    tile: (tree, level, index) =>
      reading(
        () =>
          (
            sql('select data from tile where tree = ? and level = ? and idx = ?').get(tree, level, index) as
              | { data: Uint8Array }
              | undefined
          )?.data,
      ),
    entryBundle: index =>
      reading(
        () => (sql('select data from bundle where idx = ?').get(index) as { data: Uint8Array } | undefined)?.data,
      ),
    checkpoint: size =>
      reading(
        () => (sql('select note from checkpoint where size = ?').get(size) as { note: string } | undefined)?.note,
      ),
    checkpointFrom: size =>
      reading(
        () =>
          sql('select size, note from checkpoint where size >= ? order by size limit 1').get(size) as
            | StoredHead
            | undefined,
      ),
    cosignatures: size =>
      reading(
        () =>
          sql('select size, witness, line from cosignature where size = ? order by witness').all(
            size,
          ) as unknown as CosignatureRow[],
      ),
    putCosignature: ({ size, witness, line }) =>
      reading(() => {
        sql('insert or replace into cosignature(size, witness, line) values(?,?,?)').run(size, witness, line)
      }),
    cosignedSize: (witnesses, quorum) =>
      reading(() => {
        const row = sql(
          `select size from cosignature where witness in (select value from json_each(?))
           group by size having count(*) >= ? order by size desc limit 1`,
        ).get(JSON.stringify(witnesses), quorum)
        return (row as { size: number } | undefined)?.size ?? 0
      }),
    status: id =>
      reading(() => {
        const row = sql('select * from status where id = ?').get(id)
        return row && toStatusRow(row)
      }),
    rewriteStatuses: async (collection, naming, rewrite) => {
      const found = await reading(
        () =>
          sql('select rowid from status where coll = ? and (instr(accepted, ?) or instr(failed, ?))', true).all(
            collection,
            naming,
            naming,
          ) as unknown as [number][],
      )
      for (let at = 0; at < found.length; at += STATUSES_AT_ONCE) {
        await changing(() => {
          for (const [rowid] of found.slice(at, at + STATUSES_AT_ONCE)) {
            const row = sql('select * from status where rowid = ?').get(rowid)
            if (!row) continue
            const { accepted, failed, gone } = rewrite(toStatusRow(row))
            sql('update status set accepted = ?, failed = ?, gone_accepted = ?, gone_failed = ? where rowid = ?').run(
              JSON.stringify(accepted),
              JSON.stringify(failed),
              gone?.accepted ?? 0,
              gone?.failed ?? 0,
              rowid,
            )
          }
        })
        await new Promise(resolve => setImmediate(resolve)) // others get their turn
      }
    },
    purgeStatuses: async (before, sizes, limit) => {
      const purged = await reading(() => {
        // In order of arrival, which is that of `requested` but for requests that waited for each other.
        const old: number[] = []
        for (const row of sql('select rowid, coll, requested, size from status order by rowid', true).iterate()) {
          const [rowid, collection, requested, size] = row as unknown as [number, number, number, number]
          if (requested > before || old.length === limit) break
          if (size <= (sizes.get(collection) ?? -1)) old.push(rowid)
        }
        return old
      })
      if (purged.length === 0) return 0
      await changing(() => {
        for (const rowid of purged) sql('delete from status where rowid = ?').run(rowid)
      })
      hasResidue = !wipe(db)
      return purged.length
    },
    opening: submitter =>
      reading(
        () =>
          sql('select opening, name from opening where submitter = ?').get(submitter) as
            | { opening: Uint8Array; name: string }
            | undefined,
      ),
    scan: (from, limit) =>
      reading(() =>
        sql(`${selectRecord} where leaf >= ? order by leaf limit ?`, true).all(from, limit).map(toRecordRow),
      ),
    mend: (expected, mending) =>
      changing(() => {
        if (expected) expectHead(expected)
        writeMending(mending)
      }),
    integrity: (isQuick = false) =>
      reading(() => {
        const found = sql(`pragma ${isQuick ? 'quick_check' : 'integrity_check'}(100)`, true).all() as unknown as [
          string,
        ][]
        return found.map(([text]) => text).filter(text => text !== 'ok')
      }),
    rebuildIndexes: () => reading(() => db.exec('reindex')),
    foreignWrites: () => reading(() => (sql('pragma data_version').get() as { data_version: number }).data_version),

    anchors: query =>
      reading(() => {
        const rows = query
          ? sql(
              `select * from anchor where ledger = ? ${query.final ? 'and final' : ''} order by size desc limit ?`,
            ).all(query.ledger, query.limit)
          : sql('select * from anchor order by ledger, size').all()
        return (rows as Record<string, unknown>[]).map(toAnchorRow)
      }),
    putAnchor: a =>
      reading(() => {
        sql(
          'insert or replace into anchor(ledger, size, root, tx, block, block_hash, final, at) values(?,?,?,?,?,?,?,?)',
        ).run(a.ledger, a.size, a.root, a.transaction, a.block, a.blockHash, a.final ? 1 : 0, a.at)
        if (hasResidue) hasResidue = !wipe(db) // a reader was in the way after an erasure
      }),
    anchorCovering: (ledger, size, final) =>
      reading(() => {
        const row = sql(
          `select * from anchor where ledger = ? and size >= ? ${final ? 'and final' : ''} order by size limit 1`,
        ).get(ledger, size)
        return row && toAnchorRow(row as Record<string, unknown>)
      }),
    finalSizeAt: (ledger, at) =>
      reading(() => {
        const row = sql(
          'select size from anchor where ledger = ? and final = 1 and at <= ? order by size desc limit 1',
        ).get(ledger, at)
        return (row as { size: number } | undefined)?.size ?? 0
      }),
    label: (leaf, invalid) =>
      reading(() => {
        sql('update record set invalid = ? where leaf = ?').run(invalid ? 1 : 0, leaf)
      }),
    close: async () => {
      if (!db.isOpen) return
      statements.clear()
      db.close()
      lock?.close()
    },
  }
}

/** Said at the start: a server that takes requests and can store none of them helps nobody. */
function checkWritable(path: string): void {
  const files = [dirname(path), path].filter(file => existsSync(file))
  for (const file of files) {
    try {
      accessSync(file, constants.W_OK)
    } catch (cause) {
      throw new StoreError(
        'readonly',
        `${file} can't be written: give this process the right to, or open it read-only`,
        {
          cause,
        },
      )
    }
  }
}

/**
 * `secure_delete` overwrites what is erased in the database's pages; the pages as they were before lie on in the
 * write-ahead log until it is emptied. Not waiting: while somebody reads it can't be emptied, and the next commit tries again.
 *
 * @returns whether it was emptied
 */
export function wipe(db: DatabaseSync): boolean {
  try {
    db.exec('pragma busy_timeout = 0')
    const { busy } = db.prepare('pragma wal_checkpoint(truncate)').get() as { busy: number }
    return busy === 0
  } catch {
    return false // the commit before it holds all the same
  } finally {
    db.exec(`pragma busy_timeout = ${BUSY_MS}`)
  }
}

/**
 * Keeps every other process from writing to the store, while it is closed.
 *
 * @throws StoreError `locked`, `io`
 */
export function takeLock(path: string): { close(): void } {
  let lock: DatabaseSync
  try {
    lock = new DatabaseSync(`${path}.lock`)
  } catch (error) {
    throw toStoreError(error, `${path}.lock`)
  }
  try {
    lock.exec('pragma locking_mode = exclusive; begin exclusive')
    return lock
  } catch (error) {
    lock.close()
    throw new StoreError(
      'locked',
      `${path} is open in another process: stop that server first, or give this one its own --data folder`,
      { cause: error },
    )
  }
}
