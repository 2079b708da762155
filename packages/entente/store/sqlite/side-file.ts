import { closeSync, existsSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { StoreError } from '../store.ts'
import { toStoreError } from './sqlite.ts'

/** An SQLite file of its own beside the store (mode 0600). */
export type SideFile = {
  db: DatabaseSync
  /** @throws StoreError for whatever goes wrong in it */
  doing<T>(work: () => T): T
  /** As {@link SideFile.doing}, in one transaction. */
  together<T>(work: () => T): T
}

/**
 * Opens such a file; makes it where it may write.
 *
 * @param prepare makes what is missing in a file that may be written
 * @throws StoreError `corrupt`, `io`, `full`
 */
export function openSideFile(path: string, readOnly: boolean, prepare: (db: DatabaseSync) => void): SideFile {
  if (!readOnly && !existsSync(path)) closeSync(openSync(path, 'a', 0o600))
  const doing = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw error instanceof StoreError ? error : toStoreError(error, path)
    }
  }
  const db = doing(() => {
    const opened = new DatabaseSync(path, { readOnly, timeout: 5000 })
    if (!readOnly) prepare(opened)
    return opened
  })
  const together = <T>(work: () => T): T =>
    doing(() => {
      db.exec('begin immediate')
      try {
        const result = work()
        db.exec('commit')
        return result
      } catch (error) {
        db.exec('rollback')
        throw error
      }
    })
  return { db, doing, together }
}
