import {
  type ClientSession,
  type Db,
  type Document,
  MongoClient,
  type MongoClientOptions,
  MongoServerSelectionError,
  ReadPreference,
  UUID,
} from 'mongodb'
import { StoreError, type StoreErrorCode } from '#store/store.ts'
import { meta } from './schema.ts'

export type MongoOptions = {
  /** `mongodb://` or `mongodb+srv://`, of a replica set. What it says of read and write concerns and of the read preference does not count. */
  url: string
  database: string
  /** PEM. */
  tls?: { ca?: Buffer | undefined; cert?: Buffer | undefined; key?: Buffer | undefined } | undefined
  /** Makes what a new store needs, else its absence is an error. */
  create?: boolean
  /** For auditors: no write, and the store as it is when it is opened, for as long as the database keeps that. */
  readOnly?: boolean
  /** Other servers write here: nothing is settled when it is opened, but by who begins to write (store/lease.ts). */
  isShared?: boolean
  /** How long a server that does not answer is waited for. */
  patienceMs?: number
  /** For tests: called with a name around the commit (notary/sequence.ts lists the points). */
  fault?: (point: 'before-commit' | 'after-commit') => void
  /** For tests: called with every command as it is sent. */
  observe?: (command: Document) => void
}

/** Options of reads that see the same moment. The level stands here too: with a client that has another, the driver would read the newest. */
export type Snapshot = { session: ClientSession; readConcern: { level: 'snapshot' } }

/** A database, and what makes several of its operations one. */
export type Connection = {
  db: Db
  /** Its hosts and the database: for messages. Without a login. */
  name: string
  /** For a read of one document. */
  reads: Partial<Snapshot>
  /** Reads that see one moment, also beside commits. */
  together<T>(read: (options: Snapshot) => Promise<T>): Promise<T>
  /** As {@link Connection.together}, until it is ended. */
  snapshot(): { options: Snapshot; end(): Promise<void> }
  /**
   * One transaction, that is tried once. The driver asks again only what became of a commit whose answer it did not get, under the
   * transaction's number, so that nothing is done twice.
   */
  transact(change: (options: { session: ClientSession }) => Promise<void>): Promise<void>
  /**
   * Once it resolves, no commit that was under way before can take effect any more, and what was committed is kept by a majority.
   *
   * @param stillMs for so long a transaction must have stood still to be ended: 0 for who knows that nobody else may write any more
   */
  settle(stillMs?: number): Promise<void>
  /** Set while a commit may still be under way whose end nobody knows. */
  readonly isUnsettled: boolean
  close(): Promise<void>
}

const DURABLE = { w: 'majority', journal: true } as const
/** A transaction ends after 60 seconds (`transactionLifetimeLimitSeconds`), so nothing takes longer but `validate`. */
const SILENCE_MS = 120_000
/** For so long no transaction of a server that is alive stands still between two statements. */
const ABANDONED_MS = 500
const LIFETIME_MS = 65_000
/** How long settling waits for whoever has written the head before it looks again for who stands still. */
const SETTLE_MS = 250

/** @throws StoreError `io` */
export async function connect(options: MongoOptions): Promise<Connection> {
  const { url, database, tls, readOnly = false, patienceMs = 5000, observe } = options
  const settings: MongoClientOptions = {
    appName: `entente ${database}`.slice(0, 128),
    readPreference: ReadPreference.primary,
    readConcern: { level: 'majority' },
    writeConcern: DURABLE,
    serverSelectionTimeoutMS: patienceMs,
    connectTimeoutMS: patienceMs,
    socketTimeoutMS: SILENCE_MS,
    ignoreUndefined: true,
    promoteBuffers: true,
    monitorCommands: observe !== undefined,
    ...(tls ? { tls: true, ...tls } : {}),
  }
  let client: MongoClient
  try {
    client = new MongoClient(url, settings)
  } catch {
    // What the driver says repeats the URL, with its password.
    throw new StoreError(
      'io',
      "the store's URL is none of MongoDB: mongodb://HOST:PORT/?replicaSet=NAME, or mongodb+srv://HOST/",
    )
  }
  if (observe) client.on('commandStarted', event => observe(event.command))
  const { hosts, srvHost } = client.options
  const name = `mongodb://${srvHost ?? hosts.map(String).join(',')}/${database}`
  const db = client.db(database)
  const toSnapshot = (): Snapshot => ({
    session: client.startSession({ snapshot: true }),
    readConcern: { level: 'snapshot' },
  })
  let pinned: Snapshot | undefined
  try {
    await client.connect()
    await checkReplicaSet(db, name)
    if (readOnly) {
      pinned = toSnapshot()
      await meta(db).findOne({ _id: 'schema' }, pinned) // from now on this moment
    }
  } catch (error) {
    await client.close()
    throw toStoreError(error, name)
  }

  // A process that was here before may have sent a commit that is still under way.
  let isUnsettled = !readOnly && options.isShared !== true

  /**
   * Ends transactions of servers that are gone, or were cut off: nothing else would for a minute. One that is at work is never still for so long, and
   * would lose no more than a batch that its clients send again.
   */
  async function endAbandoned(stillMs: number): Promise<void> {
    const still = {
      desc: 'inactive transaction',
      appName: settings.appName,
      'transaction.timeInactiveMicros': { $gte: stillMs * 1000 },
    }
    try {
      const found = client
        .db('admin')
        .aggregate([{ $currentOp: { idleSessions: true, allUsers: false } }, { $match: still }], {
          readConcern: { level: 'local' },
        })
      const sessions = (await found.toArray()).map(operation => ({ id: new UUID(operation['lsid'].id as Uint8Array) }))
      if (sessions.length > 0) await db.admin().command({ killSessions: sessions })
    } catch (error) {
      if (isNetwork(error)) throw error // else they end by themselves, later
    }
  }

  const snapshot = () => {
    if (pinned) return { options: pinned, end: async () => {} }
    const options = toSnapshot()
    return { options, end: () => options.session.endSession() }
  }

  return {
    db,
    name,
    reads: pinned ?? {},
    snapshot,
    together: async read => {
      const { options, end } = snapshot()
      try {
        return await read(options)
      } finally {
        await end()
      }
    },
    transact: async change => {
      if (readOnly) throw new StoreError('readonly', `${name} was opened to read only`)
      const session = client.startSession()
      try {
        session.startTransaction({ readConcern: { level: 'snapshot' }, writeConcern: DURABLE })
        try {
          await change({ session })
        } catch (error) {
          await session.abortTransaction()
          if (isNetwork(error)) isUnsettled = true
          throw error
        }
        try {
          await session.commitTransaction()
        } catch (error) {
          isUnsettled = true
          throw error
        }
      } finally {
        await session.endSession()
      }
    },
    settle: async (stillMs = ABANDONED_MS) => {
      for (const until = performance.now() + LIFETIME_MS; ; ) {
        await endAbandoned(stillMs)
        try {
          // Waits for whoever has written the head and not committed, and for a majority.
          await meta(db).updateOne(
            { _id: 'head' },
            { $inc: { writes: 1 } },
            { maxTimeMS: Math.max(stillMs, SETTLE_MS) },
          )
          break
        } catch (error) {
          if ((error as { code?: number }).code !== MAX_TIME_EXPIRED || performance.now() > until) throw error
        }
      }
      isUnsettled = false
    },
    get isUnsettled() {
      return isUnsettled
    },
    close: async () => {
      await pinned?.session.endSession()
      await client.close()
    },
  }
}

/** MongoDB 6.0, the first long-supported version with `$documents` (routes.ts). */
const OLDEST_WIRE = 17

async function checkReplicaSet(db: Db, name: string): Promise<void> {
  const hello = await db.command({ hello: 1 })
  if (hello['setName'] === undefined && hello['msg'] !== 'isdbgrid')
    throw new StoreError(
      'io',
      `${name} is a single server, and transactions need a replica set, be it of one: start it with --replSet and run rs.initiate()`,
    )
  if (hello['maxWireVersion'] < OLDEST_WIRE)
    throw new StoreError(
      'io',
      `${name} speaks version ${hello['maxWireVersion']} of the protocol: MongoDB 6.0 or later is needed`,
    )
}

// MongoDB's error codes (src/mongo/base/error_codes.yml).
const CODES: Record<number, StoreErrorCode> = { 13: 'readonly', 14031: 'full' }
const SNAPSHOT_TOO_OLD = 239
const MAX_TIME_EXPIRED = 50
const TOO_LARGE_FOR_CACHE = 388
const AUTHENTICATION_FAILED = 18

const WAYS_OUT: Record<number, string> = {
  [SNAPSHOT_TOO_OLD]:
    '. It no longer keeps the moment that is read: raise minSnapshotHistoryWindowInSeconds, or stop the server meanwhile',
  [TOO_LARGE_FOR_CACHE]:
    '. Give it a larger cache (storage.wiredTiger.engineConfig.cacheSizeGB), or lower server.memory.bodies',
  [AUTHENTICATION_FAILED]: ' The user or the password in the URL of the store is wrong.',
}

/** Where the driver found no server to ask: its message has the last thing that it met, if any. */
function wayToServer(error: unknown): string {
  if (!(error instanceof MongoServerSelectionError)) return ''
  const { setName, servers } = error.reason ?? {}
  if (setName && servers && [...servers.values()].every(server => !server.error))
    return `. No server there is the primary of a replica set "${setName}": see replicaSet in the URL of the store, and whether a majority of the members is up`
  return '. See whether MongoDB runs there, and whether the URL of the store is right'
}

const isNetwork = (error: unknown) => (error as Error).name.startsWith('MongoNetwork')

/** What the driver threw, as a {@link StoreError} that names the hosts and the database. */
export function toStoreError(error: unknown, name: string): StoreError {
  if (error instanceof StoreError) return error
  const { code = 0, message } = error as { code?: number; message: string }
  const wayOut = WAYS_OUT[code] ?? wayToServer(error)
  return new StoreError(CODES[code] ?? 'io', `${name}: ${message}${wayOut}`, { cause: error })
}
