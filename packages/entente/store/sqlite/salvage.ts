import { rmSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { openSqliteStore } from './sqlite.ts'

/** Tables whose rows have a number, and those that have a key only. */
const NUMBERED = ['head', 'checkpoint', 'collection', 'record', 'tile', 'bundle', 'status']
const KEYED = { opening: 'submitter', anchor: 'ledger, size', erased: 'tag', cosignature: 'size, witness' }

/** Rows read at a time. */
const CHUNK = 200
/** Row numbers that are tried one by one behind a place that can't be read, before the steps double. */
const CLOSE = 2000
const MOST = 2 ** 45

/**
 * Copies every row that can be read of a damaged database into a new one, without writing to the damaged one. Where a page can't be read, the rows on
 * it are left out and those behind it are looked for. What was copied is as doubtful as before: notary/repair.ts holds it against the log.
 *
 * @param to made anew; what is there goes
 * @returns how many rows were copied of each table
 * @throws StoreError `full`, `readonly`, `io`
 */
export async function salvageSqlite(from: string, to: string): Promise<Record<string, number>> {
  removeDatabase(to)
  await openSqliteStore({ path: to, create: true }).close()
  const source = new DatabaseSync(from, { readOnly: true, timeout: 5000 })
  const target = new DatabaseSync(to)
  const copied: Record<string, number> = {}
  try {
    target.exec('pragma synchronous = off; pragma secure_delete = on') // the caller syncs it: until then it is no store
    const insertInto = (table: string): ((row: unknown) => void) => {
      const columns = target.prepare(`select name from pragma_table_info('${table}')`).all() as { name: string }[]
      const names = columns.map(c => c.name)
      const insert = target.prepare(
        `insert or ignore into ${table}(${names.join(', ')}) values(${names.map(() => '?').join(', ')})`,
      )
      return row => {
        // A value that a damaged page gave a column may break its rule: the row is lost then.
        try {
          const { changes } = insert.run(...names.map(name => (row as Record<string, null>)[name] ?? null))
          copied[table] = (copied[table] ?? 0) + Number(changes)
        } catch {}
      }
    }
    target.exec('begin')
    for (const table of NUMBERED) copyNumbered(source, table, insertInto(table))
    for (const [table, key] of Object.entries(KEYED)) copyKeyed(source, table, key, insertInto(table))
    target.exec('commit; pragma wal_checkpoint(truncate)')
    return copied
  } finally {
    source.close()
    target.close()
  }
}

/** The file and what SQLite keeps beside it. */
export function removeDatabase(path: string): void {
  for (const end of ['', '-wal', '-shm', '-journal', '.lock']) rmSync(`${path}${end}`, { force: true })
}

function copyNumbered(source: DatabaseSync, table: string, insert: (row: unknown) => void): void {
  const read = attempt(() =>
    source.prepare(`select rowid as row_number, * from ${table} where rowid >= ? order by rowid limit ?`),
  )
  if (!read) return
  let next = -1
  for (let skipped = 0; next < MOST; ) {
    const limit = skipped === 0 ? CHUNK : 1
    const rows = attempt(() => read.all(next, limit) as { row_number: number }[])
    if (rows) {
      for (const row of rows) insert(row)
      if (rows.length < limit) return
      next = (rows.at(-1) as { row_number: number }).row_number + 1
      skipped = 0
      continue
    }
    if (skipped === 0) {
      // Some of the chunk can be read: up to the row that can't.
      for (;;) {
        const [row] = attempt(() => read.all(next, 1) as { row_number: number }[]) ?? []
        if (!row) break
        insert(row)
        next = row.row_number + 1
      }
    }
    skipped++
    next += skipped < CLOSE ? 1 : 2 ** Math.min(40, Math.floor((skipped - CLOSE) / 100))
  }
}

/** From both ends, as far as each can be read. */
function copyKeyed(source: DatabaseSync, table: string, key: string, insert: (row: unknown) => void): void {
  for (const order of [
    key,
    key
      .split(', ')
      .map(k => `${k} desc`)
      .join(', '),
  ]) {
    const read: StatementSync | undefined = attempt(() => source.prepare(`select * from ${table} order by ${order}`))
    attempt(() => {
      for (const row of read?.iterate() ?? []) insert(row)
    })
  }
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
