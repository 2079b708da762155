import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { originHash } from './http.ts'
import { WitnessError } from './error.ts'

/** The newest checkpoint of a log that this witness has cosigned, with the signature of the log and its own. */
export type Cosigned = { origin: string; size: number; root: Uint8Array; note: string; at: number }

/** A log that is witnessed: one of its keys. */
export type WitnessedLog = { origin: string; vkey: string }

const SCHEMA = `
  create table log(origin text not null, vkey text not null, primary key(origin, vkey)) without rowid;
  create table cosigned(origin text primary key, hash text not null unique, size integer not null, root blob not null,
    note text not null, at integer not null) without rowid;
  pragma user_version = 1`

/** How long a statement waits for another process, milliseconds. */
const BUSY_MS = 5000

/**
 * What a witness must never forget: how far it has cosigned each log. It lies apart from the store, on purpose: a witness whose state was put
 * back to yesterday would cosign another history of today.
 *
 * Several processes may use one state ("entente witness add-log" beside a server): every change is one transaction, durable when it returns.
 */
export type WitnessState = {
  logs(): WitnessedLog[]
  addLog(log: WitnessedLog): void
  latest(origin: string): Cosigned | undefined
  /** By the SHA-256 of the origin, in hex. */
  byHash(hash: string): Cosigned | undefined
  all(): Cosigned[]
  /**
   * Puts a checkpoint in the place of the one of `oldSize` and `oldRoot` (undefined: of none), if that is still the newest. Durable when it returns true.
   */
  advance(old: Pick<Cosigned, 'size' | 'root'> | undefined, next: Cosigned): boolean
  close(): void
}

/**
 * @param create make it where there is none
 * @throws WitnessError `state`
 */
export function openWitnessState(folder: string, create: boolean): WitnessState {
  const path = join(folder, 'witness.db')
  if (!create && !existsSync(path)) throw missing(path)
  let db: DatabaseSync
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    db = new DatabaseSync(path, { timeout: BUSY_MS })
    db.exec('pragma journal_mode = wal; pragma synchronous = full')
    const { user_version: version } = db.prepare('pragma user_version').get() as { user_version: number }
    if (version > 1) throw new Error(`it has schema ${version}, this program knows 1: run the newer version of Entente`)
    if (version === 0) db.exec(`begin immediate; ${SCHEMA}; commit`)
  } catch (cause) {
    throw new WitnessError('state', `${path}: ${(cause as Error).message}`, { cause })
  }
  const columns = 'select origin, size, root, note, at from cosigned'
  const latest = db.prepare(`${columns} where origin = ?`)
  const byHash = db.prepare(`${columns} where hash = ?`)
  const put = db.prepare('insert or replace into cosigned(origin, hash, size, root, note, at) values(?,?,?,?,?,?)')

  const get = (origin: string) => latest.get(origin) as Cosigned | undefined
  return {
    logs: () => db.prepare('select origin, vkey from log order by origin, vkey').all() as unknown as WitnessedLog[],
    addLog: ({ origin, vkey }) =>
      void db.prepare('insert or ignore into log(origin, vkey) values(?,?)').run(origin, vkey),
    latest: get,
    byHash: hash => byHash.get(hash) as Cosigned | undefined,
    all: () => db.prepare(`${columns} order by origin`).all() as unknown as Cosigned[],
    advance: (old, next) => {
      // Compared and written in one transaction: two requests, or two processes, can never both go on from one checkpoint.
      db.exec('begin immediate')
      try {
        const now = get(next.origin)
        const isSame = now === undefined || old === undefined ? now === old : isEqual(now, old)
        if (isSame) put.run(next.origin, originHash(next.origin), next.size, next.root, next.note, next.at)
        db.exec('commit')
        return isSame
      } catch (error) {
        if (db.isTransaction) db.exec('rollback')
        throw error
      }
    },
    close: () => {
      if (db.isOpen) db.close()
    },
  }
}

const isEqual = (a: Pick<Cosigned, 'size' | 'root'>, b: Pick<Cosigned, 'size' | 'root'>): boolean =>
  a.size === b.size && Buffer.compare(a.root, b.root) === 0

const missing = (path: string) =>
  new WitnessError(
    'state',
    `${path} is missing: without it this witness would cosign another history of a log that it has cosigned. Put the newest state back; if it is lost for good, start a new witness with a new key, and tell the logs so`,
  )
