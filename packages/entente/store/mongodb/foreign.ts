import { type Document, MongoClient, ReadPreference } from 'mongodb'
import { StoreError } from '#store/store.ts'
import { toStoreError } from './connection.ts'

/** Databases of another program, which are only read. */
export type ForeignDatabases = {
  /** The hosts; for messages. Without a login. */
  readonly name: string
  count(database: string, collection: string, filter: Document): Promise<number>
  /** Documents as they come; sorted on disk where they are many. */
  find(
    database: string,
    collection: string,
    filter: Document,
    options?: { sort?: Record<string, 1 | -1>; projection?: Document },
  ): AsyncIterable<Document>
  close(): Promise<void>
}

const PATIENCE_MS = 5000

/** @throws StoreError `io` */
export async function openForeignDatabases(url: string, patienceMs = PATIENCE_MS): Promise<ForeignDatabases> {
  let client: MongoClient
  try {
    client = new MongoClient(url, {
      appName: 'entente import',
      readPreference: ReadPreference.primaryPreferred,
      serverSelectionTimeoutMS: patienceMs,
      connectTimeoutMS: patienceMs,
    })
  } catch {
    // What the driver says repeats the URL, with its password.
    throw new StoreError('io', 'the URL is none of MongoDB: mongodb://HOST:PORT/, or mongodb+srv://HOST/')
  }
  const { hosts, srvHost } = client.options
  const name = `mongodb://${srvHost ?? hosts.map(String).join(',')}`
  const reading = async <T>(read: () => Promise<T>): Promise<T> => {
    try {
      return await read()
    } catch (error) {
      throw toStoreError(error, name)
    }
  }
  try {
    await reading(() => client.connect())
  } catch (error) {
    await client.close()
    throw error
  }
  return {
    name,
    count: (database, collection, filter) =>
      reading(() => client.db(database).collection(collection).countDocuments(filter)),
    async *find(database, collection, filter, { sort, projection } = {}) {
      const options = { allowDiskUse: true, ...(sort ? { sort } : {}), ...(projection ? { projection } : {}) }
      const cursor = client.db(database).collection(collection).find(filter, options)
      try {
        for (;;) {
          const document = await reading(() => cursor.next())
          if (!document) return
          yield document
        }
      } finally {
        await cursor.close()
      }
    },
    close: () => client.close(),
  }
}
