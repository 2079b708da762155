import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { LedgerError } from './error.ts'

/**
 * Port: one durable cell, in which an adapter writes what it is about to send, before it sends it. After a crash the cell says what may
 * be under way, so that nothing is anchored twice. What the bytes mean is the adapter's business; they may hold no secret.
 */
export interface SubmitJournal {
  /** What was written last; undefined when nothing is under way. @throws LedgerError `corrupt` */
  read(): Promise<Uint8Array | undefined>
  /** MUST be durable when it resolves, and MUST leave either the old value or the new one, whatever happens. `undefined` empties it. */
  write(bytes: Uint8Array | undefined): Promise<void>
}

/** For chains that end with this process, and for tests. */
export function createMemoryJournal(value?: Uint8Array): SubmitJournal {
  return {
    read: async () => value,
    write: async bytes => {
      value = bytes
    },
  }
}

const DIGEST_BYTES = 32

/** A cell in a file: SHA-256 of the value, then the value. The folder is made where it is missing. */
export function openFileJournal(file: string): SubmitJournal {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  return {
    read: async () => {
      let stored: Buffer
      try {
        stored = readFileSync(file)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw new LedgerError('corrupt', `${file}: ${(error as Error).message}`, { cause: error })
      }
      const value = stored.subarray(DIGEST_BYTES)
      if (!digest(value).equals(stored.subarray(0, DIGEST_BYTES)))
        throw new LedgerError(
          'corrupt',
          `${file} does not match its checksum: see on the ledger whether a transaction of this account is under way, then remove the file`,
        )
      return value
    },
    write: async bytes => {
      if (bytes === undefined) rmSync(file, { force: true })
      else {
        const temporary = `${file}.new`
        const fd = openSync(temporary, 'w', 0o600)
        try {
          writeSync(fd, Buffer.concat([digest(bytes), bytes]))
          fsyncSync(fd)
        } finally {
          closeSync(fd)
        }
        renameSync(temporary, file)
      }
      syncFolder(dirname(file))
    },
  }
}

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()

/** Or a crash of the machine could undo the rename. */
function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
