import { connect, type MongoOptions, toStoreError } from './connection.ts'

/** What a database says of itself; what its user may not ask is left out. */
export type MongoState = {
  version: string
  members: { name: string; state: string; isUp: boolean }[] | undefined
  cacheBytes: number | undefined
  /** Microseconds since 1970, by the primary's clock. */
  time: number
}

/**
 * Asks the database how it is. Nothing is written.
 *
 * @throws StoreError `io`
 */
export async function readMongoState(options: MongoOptions): Promise<MongoState> {
  const connection = await connect({ ...options, readOnly: true })
  const { db, name } = connection
  const admin = db.admin()
  const allowed = <T>(asking: Promise<T>): Promise<T | undefined> => asking.catch(() => undefined)
  try {
    const { localTime } = await db.command({ hello: 1 })
    const { version } = await admin.command({ buildInfo: 1 })
    const set = await allowed(admin.command({ replSetGetStatus: 1 }))
    const status = await allowed(admin.command({ serverStatus: 1 }))
    const members = set?.['members'] as { name: string; stateStr: string; health: number }[] | undefined
    const cache = status?.['wiredTiger']?.cache?.['maximum bytes configured']
    return {
      version: String(version),
      members: members?.map(m => ({ name: m.name, state: m.stateStr, isUp: m.health === 1 })),
      cacheBytes: typeof cache === 'number' ? cache : undefined,
      time: (localTime as Date).getTime() * 1000,
    }
  } catch (error) {
    throw toStoreError(error, name)
  } finally {
    await connection.close()
  }
}
