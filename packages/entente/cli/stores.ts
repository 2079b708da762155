import { existsSync } from 'node:fs'
import type { LeaseStore } from '#store/lease.ts'
import type { MongoOptions } from '#store/mongodb/mongodb.ts'
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

/** Whether a server ran here before: it has made its key, and where the store is a file, that. */
export const isServed = ({ store }: Pick<Config, 'store'>, paths: Pick<Paths, 'store' | 'logKey'>): boolean =>
  existsSync(store.kind === 'sqlite' ? paths.store : paths.logKey)
