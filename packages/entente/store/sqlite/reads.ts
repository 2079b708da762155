import type { ReadEntry, ReadQuery, ReadStore } from '#store/reads.ts'
import { formatRuns, holdsOneOf, parseRuns } from '../runs.ts'
import { openSideFile } from './side-file.ts'

const SCHEMA = `
  create table if not exists read(id integer primary key, user text not null, address text not null, collection text not null, via text not null,
    first integer not null, last integer not null, runs text not null, began integer not null, ended integer not null);
  create index if not exists read_place on read(collection, last);
  create index if not exists read_ended on read(ended);`

/**
 * Who read what, in one SQLite file (mode 0600). A power cut may cost the last entries.
 *
 * @throws StoreError `corrupt`, `io`, `full`
 */
export function openSqliteReads({ path, readOnly = false }: { path: string; readOnly?: boolean }): ReadStore {
  const { db, doing, together } = openSideFile(path, readOnly, opened =>
    opened.exec(`pragma journal_mode = wal; pragma synchronous = normal; ${SCHEMA}`),
  )

  return {
    add: async (entries: readonly ReadEntry[]): Promise<void> =>
      together(() => {
        const insert = db.prepare(
          'insert into read(user, address, collection, via, first, last, runs, began, ended) values(?,?,?,?,?,?,?,?,?)',
        )
        for (const { user, address, collection, via, from, until, runs } of entries) {
          const [first, last] = [runs[0]?.[0] ?? 0, runs.at(-1)?.[1] ?? 0]
          insert.run(user, address, collection, via, first, last, formatRuns(runs), from, until)
        }
      }),
    purge: async (before: number): Promise<number> =>
      doing(() => Number(db.prepare('delete from read where ended < ?').run(before).changes)),
    find: async ({ collection, seqs, user, since, limit }: ReadQuery): Promise<ReadEntry[]> =>
      doing(() => {
        const wheres = ['1']
        const values: (string | number)[] = []
        const where = (sql: string, ...given: (string | number)[]) => {
          wheres.push(sql)
          values.push(...given)
        }
        if (collection !== undefined) where('collection = ?', collection)
        if (seqs) where('first <= ? and last >= ?', Math.max(...seqs), Math.min(...seqs))
        if (user !== undefined) where('user = ?', user)
        if (since !== undefined) where('ended >= ?', since)
        const rows = db
          .prepare(
            `select user, address, collection, via, runs, began as "from", ended as "until" from read where ${wheres.join(' and ')} order by began, id`,
          )
          .iterate(...values) as Iterable<Omit<ReadEntry, 'runs'> & { runs: string }>
        const found: ReadEntry[] = []
        for (const row of rows) {
          const runs = parseRuns(row.runs)
          if (seqs && !holdsOneOf(runs, seqs)) continue
          found.push({ ...row, runs })
          if (found.length === limit) break
        }
        return found
      }),
    close: async (): Promise<void> => db.close(),
  }
}
