import type { DatabaseSync } from 'node:sqlite'
import type { SentQuery, SentRange, SentStore } from '#store/sent.ts'
import { formatRuns, parseRuns } from '../runs.ts'
import { openSideFile } from './side-file.ts'

const SCHEMA = `
  create table if not exists sight(id integer primary key, collections text not null unique);
  create table if not exists sent(id integer primary key, connection text not null, via text not null, kind text not null, topic text not null,
    subscriber text not null, address text not null, sight integer not null, first integer not null, last integer not null, whole integer not null,
    refs integer not null, began integer not null, ended integer not null, withheld text not null default '');
  create index if not exists sent_place on sent(kind, topic, last);
  create index if not exists sent_ended on sent(ended);`

const COLUMNS = `connection, via, kind, topic, subscriber, address, collections, first, last, whole, refs as "references", began as "from", ended as "until"`
/** Files that were made before there were markings do not have it. */
const hasWithheld = (db: DatabaseSync): boolean =>
  db.prepare("select 1 from pragma_table_info('sent') where name = 'withheld'").get() !== undefined

/**
 * Who was sent what, in one SQLite file (mode 0600). A power cut may cost the last entries.
 *
 * @throws StoreError `corrupt`, `io`, `full`
 */
export function openSqliteSent({ path, readOnly = false }: { path: string; readOnly?: boolean }): SentStore {
  const { db, doing, together } = openSideFile(path, readOnly, opened => {
    opened.exec(`pragma journal_mode = wal; pragma synchronous = normal; ${SCHEMA}`)
    if (!hasWithheld(opened)) opened.exec("alter table sent add column withheld text not null default ''")
  })
  const columns = `${COLUMNS}, ${doing(() => hasWithheld(db)) ? 'withheld' : "'' as withheld"}`

  const prepare = () => ({
    sight: db.prepare('insert or ignore into sight(collections) values(?)'),
    sightId: db.prepare('select id from sight where collections = ?'),
    range: db.prepare(
      `insert or replace into sent(id, connection, via, kind, topic, subscriber, address, sight, first, last, whole, refs, began, ended, withheld)
       values(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
    ),
  })
  const statements = readOnly ? undefined : prepare()

  /** Rows of the ranges that were written. */
  const ids = new WeakMap<SentRange, number>()

  /** @param sights ids that this transaction has looked up */
  function put(
    range: SentRange,
    sights: Map<string, number>,
    { sight, sightId, range: insert }: ReturnType<typeof prepare>,
  ): number {
    const { connection, via, kind, topic, subscriber, address, first, last, whole, references, from, until } = range
    const collections = range.collections.join()
    let seen = sights.get(collections)
    if (seen === undefined) {
      sight.run(collections)
      seen = (sightId.get(collections) as { id: number }).id
      sights.set(collections, seen)
    }
    const { lastInsertRowid } = insert.run(
      ids.get(range) ?? null,
      connection,
      via,
      kind,
      topic,
      subscriber,
      address,
      seen,
      first,
      last,
      whole,
      references,
      from,
      until,
      formatRuns(range.withheld),
    )
    return Number(lastInsertRowid)
  }

  return {
    put: async (ranges: readonly SentRange[]): Promise<void> => {
      const written = together(() => {
        const sights = new Map<string, number>()
        return ranges.map(range => put(range, sights, statements as ReturnType<typeof prepare>))
      })
      for (const [i, range] of ranges.entries()) ids.set(range, written[i] as number)
    },
    purge: async (before: number): Promise<number> =>
      doing(() => {
        const { changes } = db.prepare('delete from sent where ended < ?').run(before)
        db.exec('delete from sight where id not in (select sight from sent)')
        return Number(changes)
      }),
    find: async ({ places, subscriber, since, limit }: SentQuery): Promise<SentRange[]> =>
      doing(() => {
        const wheres = ['1']
        const values: (string | number)[] = []
        if (places) {
          wheres.push(
            `(${places.map(() => '(kind = ? and topic = ? and first <= ? and last >= ?)').join(' or ') || '0'})`,
          )
          for (const { kind, topic, position } of places) values.push(kind, topic, position, position)
        }
        if (subscriber !== undefined) {
          wheres.push('subscriber = ?')
          values.push(subscriber)
        }
        if (since !== undefined) {
          wheres.push('ended >= ?')
          values.push(since)
        }
        const rows = db
          .prepare(
            `select ${columns} from sent join sight on sight.id = sent.sight where ${wheres.join(' and ')} order by began, sent.id limit ?`,
          )
          .all(...values, limit) as (Omit<SentRange, 'collections' | 'withheld'> & {
          collections: string
          withheld: string
        })[]
        return rows.map(row => ({
          ...row,
          collections: row.collections === '' ? [] : row.collections.split(','),
          withheld: parseRuns(row.withheld),
        }))
      }),
    close: async (): Promise<void> => db.close(),
  }
}
