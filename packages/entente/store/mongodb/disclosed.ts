import type { Collection, Document, Filter } from 'mongodb'
import { connect, type MongoOptions, toStoreError } from './connection.ts'
import { DISCLOSED } from './schema.ts'

/**
 * A collection of who was given what, with its indexes, over connections of its own: nothing of the log waits for it.
 *
 * @throws StoreError
 */
export async function openDisclosed<D extends Document & { until: number }>(
  options: MongoOptions,
  name: keyof typeof DISCLOSED,
): Promise<{
  rows: Collection<D>
  asking<T>(ask: () => Promise<T>): Promise<T>
  purge(before: number): Promise<number>
  close(): Promise<void>
}> {
  const connection = await connect({ ...options, isShared: true })
  const rows = connection.db.collection<D>(name)
  const asking = async <T>(ask: () => Promise<T>): Promise<T> => {
    try {
      return await ask()
    } catch (error) {
      throw toStoreError(error, connection.name)
    }
  }
  try {
    if (!options.readOnly) await asking(() => rows.createIndexes(DISCLOSED[name]))
  } catch (error) {
    await connection.close()
    throw error
  }
  return {
    rows,
    asking,
    purge: before => asking(async () => (await rows.deleteMany({ until: { $lt: before } } as Filter<D>)).deletedCount),
    close: connection.close,
  }
}
