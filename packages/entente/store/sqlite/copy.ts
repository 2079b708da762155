import { closeSync, fsyncSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { toStoreError } from './sqlite.ts'

/**
 * Copies a database as it is at one moment, beside whoever writes to it: durable, mode 0600, and without what lies in its free pages.
 *
 * @param to must not exist
 * @throws StoreError
 */
export function copySqlite(from: string, to: string): void {
  closeSync(openSync(to, 'wx', 0o600))
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(from, { readOnly: true, timeout: 5000 })
    db.prepare('vacuum into ?').run(to)
  } catch (error) {
    throw toStoreError(error, from)
  } finally {
    db?.close()
  }
  const fd = openSync(to, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
