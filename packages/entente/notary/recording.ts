import type { Anchor } from '#ledger/anchor.ts'
import type { RecordKeeper, StoredRecord } from '#ledger/records.ts'
import type { RecordRow } from '#store/store.ts'
import { backoff } from './backoff.ts'
import { NotaryError } from './errors.ts'
import type { Collection } from './log.ts'
import type { Notary } from './notary.ts'
import { collectionName, FOLLOWER, type RecordKey, type RecordKeys, sealRecord } from './record-keys.ts'
import { deletedSeq } from './record.ts'

export type RecordingOptions = {
  notary: Notary
  keys: RecordKeys
  /** Those with `records` get the records. */
  anchors: readonly Anchor[]
  /** Collections with `record: full`, and the ledgers that they ask for. */
  collections: readonly { apiRoot: string; id: string; ledgers: readonly string[] }[]
  /** Least time between two looks at a ledger, milliseconds. */
  intervalMs: number
  random: (bytes: number) => Buffer
  log: (level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown>) => void
}

/** Brings the records of some collections to ledgers, encrypted, and destroys the keys of what is erased. */
export type Recording = {
  /** Makes and destroys keys up to the present end of the log, then begins. */
  start(): Promise<void>
  /** Of each ledger that takes records: the log size up to which it has them all, and what holds it up. */
  states(): ReadonlyMap<string, { recordedSize: number; error: string | undefined }>
  close(): Promise<void>
}

const MAX_ROWS = 64
const MAX_BYTES = 1_048_576
/** Keys are made and destroyed at least so soon. */
const KEYS_MS = 100

type Ledger = {
  id: string
  keeper: RecordKeeper
  state: { recordedSize: number; error: string | undefined }
}

/**
 * Each collection is followed record by record. One follower makes the keys of new records and destroys those of erased ones, whether or not a
 * ledger answers; one for each ledger brings there what has a key. Every place is durable, and every step may be repeated:
 *   R0 a crash before keys are kept: they are made again
 *   R1 a crash after the keys, before the ledger: the records are sealed again, to the same bytes
 *   R2 a crash after the ledger, before the place: the ledger is asked, and gets nothing twice
 */
export function createRecording(options: RecordingOptions): Recording {
  const { notary, keys, intervalMs, random, log } = options
  const ledgers: Ledger[] = options.anchors.flatMap(({ ledger, records }) =>
    records ? [{ id: ledger, keeper: records, state: { recordedSize: 0, error: undefined } }] : [],
  )
  // What is recorded no more may still be erased.
  const recorded = new Set(options.collections.map(collectionName))
  const former = keys.collections().flatMap(name => {
    const [apiRoot = '', id = ''] = name.split(' ')
    return recorded.has(name) ? [] : [{ apiRoot, id }]
  })
  let closed = false

  const known = (of: { apiRoot: string; id: string }): Collection | undefined => notary.collection(of.apiRoot, of.id)

  async function* readFrom({ number, count }: Collection, from: number, end = count): AsyncGenerator<RecordRow[]> {
    for (let seq = from; seq < end && !closed; ) {
      const limit = Math.min(MAX_ROWS, end - seq)
      const rows = await notary.store.records(number, { from: seq, limit, maxBytes: MAX_BYTES, text: 'all' })
      const last = rows.at(-1)
      if (!last || rows.some((row, i) => row.seq !== seq + i))
        throw new NotaryError(
          'integrity',
          `record ${seq} or one behind it is missing from the store: entente audit, then repair`,
        )
      yield rows
      seq = last.seq + 1
    }
  }

  /** Keys for what is new, none for what is gone. */
  async function followKeys(of: { apiRoot: string; id: string }, isRecorded: boolean): Promise<void> {
    const collection = known(of)
    if (!collection) return
    const name = collectionName(of)
    const from = Math.min(keys.place(FOLLOWER, name), collection.count)
    for await (const rows of readFrom(collection, from)) {
      const made: RecordKey[] = []
      const gone: number[] = []
      for (const row of rows) {
        if (row.text === null && (await notary.reader.isErased(row))) continue
        const opened = await notary.reader.open(row)
        if (!opened.ok)
          throw new NotaryError(
            'integrity',
            `record ${row.seq} does not match the log (${opened.reason}): entente audit, then repair`,
          )
        if (row.kind === 'object' && isRecorded)
          made.push({ seq: row.seq, commitment: opened.commitment, key: random(32) })
        else if (row.kind === 'deleted') gone.push(deletedSeq(opened.text))
      }
      // R0
      keys.follow(name, made, gone, (rows.at(-1) as RecordRow).seq + 1)
    }
  }

  async function recordOn({ id, keeper }: Ledger, of: { apiRoot: string; id: string }): Promise<void> {
    const collection = known(of)
    if (!collection) return
    const name = collectionName(of)
    const end = Math.min(keys.place(FOLLOWER, name), collection.count)
    for await (const rows of readFrom(collection, Math.min(keys.place(id, name), end), end)) {
      const [first, last] = [rows[0] as RecordRow, rows.at(-1) as RecordRow]
      const found = new Map(keys.list(name, first.seq, rows.length).map(key => [key.seq, key]))
      const records: StoredRecord[] = []
      for (const row of rows) {
        const key = found.get(row.seq)
        const opened = key && (await notary.reader.open(row))
        if (key && opened?.ok) records.push({ id: key.commitment, bytes: sealRecord(key, opened.text) })
        // Erased since its key was made: the key goes with the record that says so. What is damaged waits for repair.
        else if (key && !(await notary.reader.isErased(row)))
          throw new NotaryError('integrity', `record ${row.seq} does not match the log: entente audit, then repair`)
      }
      // R1
      if (records.length > 0) await keeper.put(records)
      // R2
      keys.move(id, name, last.seq + 1)
    }
  }

  async function followAll(): Promise<void> {
    for (const of of options.collections) await followKeys(of, true)
    for (const of of former) await followKeys(of, false)
  }

  async function recordAll(ledger: Ledger): Promise<void> {
    const { size } = followed
    for (const of of options.collections) if (of.ledgers.includes(ledger.id)) await recordOn(ledger, of)
    if (!closed) ledger.state = { recordedSize: size, error: undefined }
  }

  /** Up to which size of the log keys were made and destroyed. */
  const followed = { size: 0 }
  const ledgerLoops = ledgers.map(ledger =>
    createLoop(
      () => recordAll(ledger),
      intervalMs,
      (error, tries) => {
        ledger.state.error = error.message
        log('warn', 'ledger does not take records', { ledger: ledger.id, error: error.message, tries })
      },
    ),
  )
  // Erasing waits for no ledger: the keys are followed on their own.
  const keyLoop = createLoop(
    async () => {
      const { size } = notary.log
      await followAll()
      followed.size = size
      for (const loop of ledgerLoops) loop.trigger()
    },
    Math.min(intervalMs, KEYS_MS),
    (error, tries) => log('error', 'keys of records are not kept', { error: error.message, tries }),
  )

  return {
    start: async () => {
      await followAll()
      notary.onCheckpoint(keyLoop.trigger)
      keyLoop.trigger()
    },
    states: () => new Map(ledgers.map(({ id, state }) => [id, { ...state }])),
    close: async () => {
      closed = true
      for (const loop of [keyLoop, ...ledgerLoops]) await loop.close()
      keys.close()
    },
  }
}

/** Runs work again and again as it is asked for, never twice at once; after a failure by itself, after longer and longer pauses. */
function createLoop(work: () => Promise<void>, intervalMs: number, failed: (error: Error, tries: number) => void) {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let isAsked = false
  let isClosed = false
  let failures = 0

  async function run(): Promise<void> {
    timer = undefined
    isAsked = false
    try {
      await work()
      failures = 0
    } catch (error) {
      isAsked = true
      failed(error as Error, ++failures)
    }
    running = undefined
    if (isAsked) trigger()
  }

  function trigger(): void {
    isAsked = true
    if (isClosed || timer || running) return
    timer = setTimeout(
      () => {
        running = run()
      },
      backoff(intervalMs, failures),
    )
    timer.unref()
  }

  return {
    trigger,
    close: async () => {
      isClosed = true
      clearTimeout(timer)
      await running
    },
  }
}
