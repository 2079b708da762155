import type { LeaseStore } from '#store/lease.ts'
import { connect, type MongoOptions, toStoreError } from './connection.ts'

type Shared = { _id: 'lease' | 'barrier'; text?: string; asked?: number }

const DUPLICATE_KEY = 11_000

/**
 * The lease of a store in MongoDB, over connections of its own: it must not wait behind what the store is busy with.
 *
 * @throws StoreError
 */
export async function openMongoLease(options: MongoOptions): Promise<LeaseStore> {
  const connection = await connect(options)
  const { db, name } = connection
  const meta = db.collection<Shared>('meta')
  const asking = async <T>(ask: () => Promise<T>): Promise<T> => {
    try {
      return await ask()
    } catch (error) {
      throw toStoreError(error, name)
    }
  }
  return {
    read: () =>
      asking(async () => {
        const text: unknown = (await meta.findOne({ _id: 'lease' }))?.text
        return typeof text === 'string' ? text : undefined
      }),
    swap: (expected, next) =>
      asking(async () => {
        const change = { $set: { text: next } }
        if (expected !== undefined)
          return (await meta.updateOne({ _id: 'lease', text: expected }, change)).matchedCount === 1
        try {
          await meta.updateOne({ _id: 'lease', text: { $not: { $type: 'string' } } }, change, { upsert: true })
          return true
        } catch (error) {
          if ((error as { code?: number }).code === DUPLICATE_KEY) return false // somebody has put one there
          throw error
        }
      }),
    settle: () => asking(() => connection.settle(0)),
    // What a majority has taken, it has taken after all that came before.
    barrier: () =>
      asking(async () => {
        await meta.updateOne({ _id: 'barrier' }, { $inc: { asked: 1 } }, { upsert: true })
      }),
    close: connection.close,
  }
}
