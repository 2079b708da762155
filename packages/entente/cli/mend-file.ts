import { existsSync, linkSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { openSqliteStore, takeLock } from '#store/sqlite/sqlite.ts'
import { removeDatabase, salvageSqlite } from '#store/sqlite/salvage.ts'
import { type Journal, type Store, StoreError } from '#store/store.ts'
import { sync } from './sync.ts'

/** A store whose file can be read throughout, and what was done to it. */
export type MendedFile = {
  store: Store & Journal
  /** What SQLite found wrong, at most a hundred sentences. */
  found: string[]
  action: 'none' | 'indexes' | 'salvaged'
  /**
   * Closes it. A salvaged file takes the place of the damaged one, or with `keep` false goes, and nothing has changed.
   *
   * @returns where the damaged file lies now
   */
  finish(keep: boolean): Promise<string | undefined>
}

/** Indexes that say something else than their table; then the table can be believed. Anything else may be anywhere. */
const INDEX_ONLY =
  /^(row \d+ missing from index|wrong # of entries in index|non-unique entry in index|row \d+ values differ from index)/

/**
 * Opens a store so that every row of it can be read: indexes that are wrong are built anew, and of a file with damaged pages all that can be read is copied
 * into a new one beside it.
 *
 * @throws StoreError `locked` where the server runs
 */
export async function openMended(path: string, isDry: boolean): Promise<MendedFile> {
  const fresh = `${path}.salvaged`
  removeDatabase(fresh) // of a repair that was cut off
  const found = await examine(path, isDry)
  if (found === undefined || !found.every(text => INDEX_ONLY.test(text))) {
    const lock = takeLock(path)
    try {
      checkpoint(path)
      await salvageSqlite(path, fresh)
      const store = openSqliteStore({ path: fresh })
      return {
        store,
        found: found ?? ["the file can't be opened as a database"],
        action: 'salvaged',
        finish: async keep => {
          try {
            await store.close()
            return keep ? swap(path, fresh) : undefined
          } finally {
            removeDatabase(fresh)
            lock.close()
          }
        },
      }
    } catch (error) {
      removeDatabase(fresh)
      lock.close()
      throw error
    }
  }
  const store = openSqliteStore({ path, readOnly: isDry })
  if (found.length > 0 && !isDry) await store.rebuildIndexes()
  return {
    store,
    found,
    action: found.length > 0 ? 'indexes' : 'none',
    finish: () => store.close().then(() => undefined),
  }
}

/** As {@link openMended}, of a store that keeps its own files. */
export async function openIndexed(store: Store & Journal, isDry: boolean): Promise<MendedFile> {
  try {
    const found = await store.integrity()
    if (found.length > 0 && !isDry) await store.rebuildIndexes()
    return {
      store,
      found,
      action: found.length > 0 ? 'indexes' : 'none',
      finish: () => store.close().then(() => undefined),
    }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Undefined where it can't even be looked at. */
async function examine(path: string, readOnly: boolean): Promise<string[] | undefined> {
  let store: (Store & Journal) | undefined
  try {
    store = openSqliteStore({ path, readOnly })
    return await store.integrity()
  } catch (error) {
    if (error instanceof StoreError && error.code === 'corrupt') return undefined
    throw error
  } finally {
    await store?.close()
  }
}

/** What lies in the write-ahead log belongs to the file. */
function checkpoint(path: string): void {
  try {
    const db = new DatabaseSync(path)
    db.exec('pragma wal_checkpoint(truncate)')
    db.close()
  } catch {} // then it is read through the log, as far as it can be
}

/** @returns where the damaged file lies now */
function swap(path: string, fresh: string): string {
  let damaged = `${path}.damaged`
  for (let n = 2; existsSync(damaged); n++) damaged = `${path}.damaged-${n}`
  sync(fresh)
  linkSync(path, damaged)
  // A crash up to here leaves the damaged store where it was; from the next line on the mended one is there.
  for (const end of ['-wal', '-shm']) rmSync(`${path}${end}`, { force: true })
  renameSync(fresh, path)
  sync(dirname(path))
  return damaged
}
