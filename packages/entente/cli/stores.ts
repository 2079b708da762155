import { existsSync } from 'node:fs'
import type { LeaseStore } from '#store/lease.ts'
import type { MongoOptions } from '#store/mongodb/mongodb.ts'
import type { ReadStore } from '#store/reads.ts'
import type { SentStore } from '#store/sent.ts'
import { openSqliteReads } from '#store/sqlite/reads.ts'
import { openSqliteSent } from '#store/sqlite/sent.ts'
import { openSqliteStore, type SqliteOptions } from '#store/sqlite/sqlite.ts'
import type { Journal, Store } from '#store/store.ts'
import type { Config, Paths } from './config.ts'
import { readConfigured } from './configured-file.ts'

type Options = Pick<SqliteOptions, 'create' | 'readOnly' | 'fault'> & Pick<MongoOptions, 'isShared'>

/**
 * Opens the store that the configuration names. Whoever has another kind of store writes an adapter of store/store.ts, runs `storeConformance` over it, and
 * adds a case here.
 *
 * @throws CliError `usage`, StoreError
 */
export async function openStore(
  { store }: Pick<Config, 'store'>,
  paths: Pick<Paths, 'store' | 'base'>,
  options: Options,
): Promise<Store & Journal> {
  if (store.kind === 'sqlite') return openSqliteStore({ path: paths.store, ...options })
  const where = mongoOptions({ store }, paths)
  // Only who has such a store loads its driver.
  const { openMongoStore } = await import('#store/mongodb/mongodb.ts')
  return openMongoStore({ ...where, ...options })
}

/** Where the database is, and who we are to it. @throws CliError `usage` where a file can't be read */
export function mongoOptions(
  { store }: Pick<Config, 'store'>,
  paths: Pick<Paths, 'base'>,
): Pick<MongoOptions, 'url' | 'database' | 'tls'> {
  const read = (file: string, key: string) => readConfigured(paths, file, key)
  const url =
    store.url ??
    read(store.urlFile as string, 'store.urlFile')
      .toString()
      .trim()
  const tls = store.tls && {
    ca: store.tls.ca === undefined ? undefined : read(store.tls.ca, 'store.tls.ca'),
    cert: store.tls.cert === undefined ? undefined : read(store.tls.cert, 'store.tls.cert'),
    key: store.tls.key === undefined ? undefined : read(store.tls.key, 'store.tls.key'),
  }
  return { url, database: store.database, tls }
}

/** What says which of several servers writes. @throws CliError `usage`, StoreError */
export async function openLease(config: Pick<Config, 'store'>, paths: Pick<Paths, 'base'>): Promise<LeaseStore> {
  const { openMongoLease } = await import('#store/mongodb/lease.ts')
  return openMongoLease(mongoOptions(config, paths))
}

type Place = { config: Pick<Config, 'store'>; paths: Pick<Paths, 'reads' | 'sent' | 'base'>; readOnly: boolean }

/** Who read what. @returns undefined where only a file would have it, is only to be read, and is not there. @throws CliError `usage`, StoreError */
export async function openReads({ config, paths, readOnly }: Place): Promise<ReadStore | undefined> {
  const file = { path: paths.reads, readOnly }
  if (config.store.kind === 'sqlite') return readOnly && !existsSync(file.path) ? undefined : openSqliteReads(file)
  const { openMongoReads } = await import('#store/mongodb/reads.ts')
  const database = await openMongoReads({ ...mongoOptions(config, paths), readOnly })
  return existsSync(file.path) ? withOlder(database, () => openSqliteReads(file)) : database
}

/** Who was sent what. @returns undefined where only a file would have it, is only to be read, and is not there. @throws CliError `usage`, StoreError */
export async function openSent({ config, paths, readOnly }: Place): Promise<SentStore | undefined> {
  const file = { path: paths.sent, readOnly }
  if (config.store.kind === 'sqlite') return readOnly && !existsSync(file.path) ? undefined : openSqliteSent(file)
  const { openMongoSent } = await import('#store/mongodb/sent.ts')
  const database = await openMongoSent({ ...mongoOptions(config, paths), readOnly })
  return existsSync(file.path) ? withOlder(database, () => openSqliteSent(file)) : database
}

type Disclosed<Query, Found> = {
  find(query: Query): Promise<Found[]>
  purge(before: number): Promise<number>
  close(): Promise<void>
}

/** With what a file of this folder has from before the store was moved into a database: it is asked and forgotten like the rest, and nothing is added to it. */
async function withOlder<Q extends { limit: number }, F extends { from: number }, S extends Disclosed<Q, F>>(
  store: S & Disclosed<Q, F>,
  open: () => Disclosed<Q, F>,
): Promise<S> {
  let older: Disclosed<Q, F>
  try {
    older = open()
  } catch (error) {
    await store.close()
    throw error
  }
  return {
    ...store,
    find: async (query: Q) =>
      [...(await older.find(query)), ...(await store.find(query))]
        .sort((a, b) => a.from - b.from)
        .slice(0, query.limit),
    purge: async (before: number) => (await older.purge(before)) + (await store.purge(before)),
    close: async () => {
      await older.close()
      await store.close()
    },
  }
}

/** Whether a server ran here before: it has made its key, and where the store is a file, that. */
export const isServed = ({ store }: Pick<Config, 'store'>, paths: Pick<Paths, 'store' | 'logKey'>): boolean =>
  existsSync(store.kind === 'sqlite' ? paths.store : paths.logKey)
