import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { formatRecord, type LogRecord, recordCommitment } from '@entente/verify/proof'
import { hashLeaf } from '@entente/verify/tlog'
import type { RepairSource } from '#notary/repair.ts'
import { openSqliteStore } from '#store/sqlite/sqlite.ts'
import type { Store } from '#store/store.ts'
import { connect } from './connect.ts'
import { CliError } from './errors.ts'
import { findMongoUrl } from './mongodb-url.ts'

/** `keyFile`: the log's key, where the copy is a folder that has it. */
export type OpenSource = RepairSource & { keyFile?: string; close(): Promise<void> }

/**
 * A copy to bring records back from: a data folder or a store's file, a saved read (docs/formats.md 10), a database of
 * MongoDB, or the URL of a collection.
 *
 * @param values the command's options, for a login
 * @throws CliError `usage` where it is none of these; ClientError
 */
export async function openRepairSource(name: string, values: Record<string, unknown>): Promise<OpenSource> {
  if (/^https?:\/\//.test(name)) return fromRecords(name, await download(name, values))
  const url = findMongoUrl(name)
  if (url !== undefined) return fromDatabase(url)
  if (!existsSync(name)) throw new CliError('usage', `${name}: there is no such file or folder`)
  if (statSync(name).isDirectory()) {
    const keyFile = join(name, 'log.key')
    if (existsSync(join(name, 'store.db')))
      return { ...fromFile(join(name, 'store.db')), ...(existsSync(keyFile) ? { keyFile } : {}) }
    throw new CliError('usage', `${name} holds no store.db: name a data folder, or a backup`)
  }
  return isSqlite(name) ? fromFile(name) : fromRecords(name, readSaved(name))
}

const fromFile = (path: string): OpenSource => fromStore(path, openSqliteStore({ path, readOnly: true }))

/** `mongodb://HOST/DATABASE?…` */
async function fromDatabase(url: string): Promise<OpenSource> {
  const { groups } = /^[^/]+\/\/[^/]+\/(?<database>[A-Za-z0-9_-]+)(?:\?|$)/.exec(url) ?? {}
  const database = groups?.['database']
  if (database === undefined) throw new CliError('usage', 'the URL names no database: mongodb://HOST:PORT/DATABASE')
  const { openMongoStore } = await import('#store/mongodb/mongodb.ts')
  const store = await openMongoStore({ url, database, readOnly: true })
  return fromStore(`the database "${database}"`, store)
}

function fromStore(path: string, store: Store): OpenSource {
  // A copy may be damaged as well: what can't be read of it isn't there.
  const reading = async <T>(read: () => Promise<T>): Promise<T | undefined> => read().catch(() => undefined)
  return {
    name: path,
    texts: async leaf => {
      const text = (await reading(() => store.recordAt(leaf)))?.text
      return text ? [text] : []
    },
    log: {
      head: () => reading(() => store.head()),
      collections: async () => (await reading(() => store.collections())) ?? [],
      tile: (tree, level, index) => reading(async () => store.tile(tree, level, index)),
      entryBundle: index => reading(async () => store.entryBundle(index)),
    },
    close: () => store.close(),
  }
}

/** Records as JSON: they have one text only, so each is made again and found by its leaf. */
function fromRecords(name: string, records: unknown[]): OpenSource {
  const texts = new Map<string, Uint8Array>()
  for (const record of records) {
    try {
      const text = Buffer.from(formatRecord(record as LogRecord))
      texts.set(Buffer.from(hashLeaf(recordCommitment(text))).toString('hex'), text)
    } catch {} // withheld there, or no record
  }
  return {
    name,
    texts: async (_, leafHash) => {
      const text = texts.get(Buffer.from(leafHash).toString('hex'))
      return text ? [text] : []
    },
    close: async () => {},
  }
}

async function download(url: string, values: Record<string, unknown>): Promise<unknown[]> {
  const { collection } = await connect(url, values)
  const { count = 0 } = (await collection.collectionProof()) as { count?: number }
  const records: unknown[] = []
  for await (const page of collection.records(0, { end: count })) for (const record of page) records.push(record)
  return records
}

function readSaved(file: string): unknown[] {
  let saved: { format?: unknown; records?: unknown }
  try {
    saved = JSON.parse(readFileSync(file, 'utf8')) as typeof saved
  } catch (cause) {
    throw new CliError('usage', `${file}: neither a store nor JSON: ${(cause as Error).message}`, { cause })
  }
  if (saved?.format === 'entente/read/v1' && Array.isArray(saved.records)) return saved.records
  throw new CliError('usage', `${file} is no saved read: "entente get COLLECTION --records --out FILE" writes one`)
}

function isSqlite(file: string): boolean {
  const start = Buffer.alloc(16)
  const fd = openSync(file, 'r')
  try {
    readSync(fd, start, 0, 16, 0)
  } finally {
    closeSync(fd)
  }
  return start.toString('latin1') === 'SQLite format 3\0'
}
