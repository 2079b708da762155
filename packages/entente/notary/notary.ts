import type { NoteSigner } from '@entente/verify/tlog'
import { emptyBatch, type Journal, type StatusRow, type Store, StoreError, type StoredHead } from '#store/store.ts'
import type { ErasedTags } from './erased.ts'
import { type ClockBounds, type ClockGuard, createClockGuard, DEFAULT_CLOCK_BOUNDS } from './clock.ts'
import { isContradiction, NotaryError } from './errors.ts'
import type { Growth } from './growth.ts'
import { type Collection, type Log, openLog } from './log.ts'
import { createReader, type Reader } from './reader.ts'
import { readMarkings } from './route.ts'
import { type Request, sequence, type Sequencer, systemRandom } from './sequence.ts'
import { type Clock, systemClock } from './time.ts'

export type NotaryOptions = {
  store: Store & Journal
  origin: string
  vkey: string
  /** Statements by which that key followed others (docs/formats.md 16), the oldest first. */
  successions?: readonly string[]
  signer: NoteSigner
  clock?: Clock
  clockBounds?: ClockBounds
  random?: (bytes: number) => Buffer
  /** Needed where a collection refuses re-posting. */
  erased?: ErasedTags
  /** The channels that there are; none by default. */
  channels?: readonly string[]
  /** Told what an operator should look at. */
  alert?: (message: string, details: Record<string, unknown>) => void
  /** Objects that may wait for the sequencer before a request is refused as `overloaded`. */
  maxWaiting?: number
  /** Where other processes serve the same log: one of them writes, and this one only once {@link Notary.lead} was called. */
  others?: Others
}

/** What a notary needs of the others that serve its log. */
export type Others = {
  /**
   * Puts a request through whoever writes now.
   *
   * @param isBegun it was under way here: where its status is there already, that is the answer
   */
  submit(request: Request, isBegun?: boolean): Promise<StatusRow>
  /** Another process has written while this one did: it has stopped. */
  conflict(): void
  /**
   * Shows what this process has stored.
   *
   * @param show makes it visible here: called once no other process may answer without it
   */
  show?<T>(show: () => T | Promise<T>): Promise<T>
  /** Resolves once no other process may answer without what this one has read up to this size, and is about to show. */
  agree?(size: number): Promise<void>
}

/** A hundred batches of a large import: some ten seconds of work. */
export const DEFAULT_MAX_WAITING = 100_000
/**
 * Objects after which a batch is closed and the rest waits: keeps one commit under about 50 ms, in which nobody else is heard, the
 * ledgers included. A request is never split.
 */
export const BATCH_OBJECTS = 1000

/** The log and the one who appends to it. Everything that is written goes through {@link Notary.submit}. */
export type Notary = {
  readonly log: Log
  readonly reader: Reader
  readonly store: Store & Journal
  readonly clock: Clock
  readonly clockGuard: ClockGuard
  /** Why nothing is written any more, once that is so. Reading may go on. */
  readonly halted: NotaryError | undefined
  /**
   * Puts a request through the sequencer: resolves when it is durable and sequenced.
   *
   * @throws NotaryError `overloaded`, `unavailable`; the reason in {@link Notary.halted} while that is set
   */
  submit(request: Request): Promise<StatusRow>
  /** Enters the configured collections; the log knows them, empty, from its next checkpoint on. */
  found(wanted: { apiRoot: string; id: string }[]): Promise<void>
  collection(apiRoot: string, id: string): Collection | undefined
  /**
   * This process writes from now on: goes on to what others have stored, enters the configured collections, and reads anew what the
   * sequencer keeps of it all.
   *
   * @throws NotaryError `rolled-back`, `forked`, `integrity`, StoreError
   */
  lead(wanted: { apiRoot: string; id: string }[]): Promise<void>
  /** Another one writes from now on: what waits here goes there. Resolves once nothing is under way here. */
  follow(): Promise<void>
  /**
   * Goes on to the head that the store has now: what was stored before it was called is in the log when it resolves.
   *
   * @throws NotaryError `rolled-back`, `forked`, which stop all writing; `integrity`, StoreError
   */
  advance(): Promise<boolean>
  /** As {@link Notary.advance}, by what {@link Log.extend} takes. @throws NotaryError `integrity` */
  extend(growth: Growth, head: StoredHead): void
  /** Stops all writing, for good: the reason is answered to every request from now on. */
  halt(reason: NotaryError): void
  /**
   * Called after every new checkpoint, with the channels that something under it goes to.
   *
   * @returns what ends that
   */
  onCheckpoint(listener: (channels: ReadonlySet<string>) => void): () => void
  /** Called when objects were erased, before whoever asked for it is answered: what holds copies of objects lets go of them. */
  onErased(listener: () => void): void
  /** Waits for what is under way and takes nothing more. */
  close(): Promise<void>
}

/** Another process writes now, and nothing was done about this request. */
export class Moved extends NotaryError {
  constructor() {
    super('unavailable', 'another server has begun to write: try again')
  }
}

/** @throws NotaryError `integrity` where the store contradicts itself */
export async function openNotary(options: NotaryOptions): Promise<Notary> {
  const { store, signer, clock = systemClock, random = systemRandom, maxWaiting = DEFAULT_MAX_WAITING } = options
  const { erased, alert, others } = options
  let leads = others === undefined
  const log = await openLog(store, options.origin, options.vkey, options.successions, async size => {
    if (!leads) await others?.agree?.(size)
  })
  const reader = createReader(store, log, advance)
  const routing = { known: new Set(options.channels), markings: await readMarkings(store, reader, log) }
  const show = others?.show
  const sequencer: Sequencer = { store, log, reader, signer, clock, random, erased, routing, alert, show }

  const newestRecord = () => Math.max(0, ...[...log.collections.values()].map(c => c.lastAdded))
  const clockGuard = createClockGuard(clock, newestRecord, options.clockBounds ?? DEFAULT_CLOCK_BOUNDS)

  type Waiting = { request: Request; resolve: (s: StatusRow) => void; reject: (e: unknown) => void }
  const waiting: Waiting[] = []
  const listeners = new Set<(channels: ReadonlySet<string>) => void>()
  const erasedListeners: (() => void)[] = []
  let objects = 0
  let running: Promise<void> | undefined
  let halted: NotaryError | undefined
  let closed = false

  function halt(reason: NotaryError): void {
    halted ??= reason
    for (const w of waiting.splice(0)) w.reject(halted)
    objects = 0
  }

  /** An idle sequencer starts at once; what arrives meanwhile shares the next batch. */
  async function run(): Promise<void> {
    // Requests that came in the same turn of the event loop are taken together.
    await new Promise(resolve => setImmediate(resolve))
    while (waiting.length > 0) {
      const batch = takeBatch()
      const before = log.size
      try {
        const wrongClock = clockGuard.check()
        if (wrongClock) throw wrongClock
        const { statuses, channels } = await sequence(
          sequencer,
          batch.map(w => w.request),
        )
        if (batch.some(w => w.request.erase)) for (const listener of erasedListeners) listener()
        batch.forEach((w, i) => w.resolve(statuses[i] as StatusRow))
        if (log.size !== before) for (const listener of listeners) listener(channels)
      } catch (error) {
        const isConflict = (error instanceof StoreError && error.code === 'conflict') || (await isLate(error, before))
        if (isConflict && others) {
          // Nothing of it is stored: whoever writes now takes it.
          leads = false
          waiting.unshift(...batch)
          others.conflict()
          handOver(others)
          return
        }
        for (const w of batch) w.reject(error)
        if (isConflict) {
          halt(
            new NotaryError(
              'forked',
              `another process wrote to this store: ${(error as Error).message}. Stop it, then restart this server`,
              { cause: error },
            ),
          )
        }
      }
      await new Promise(resolve => setImmediate(resolve)) // reads get their turn between two batches
    }
  }

  /**
   * Rows that another process has stored since lie beyond the end of the log that the batch began with: they look damaged, and it has lost.
   * Somebody else here may have gone on to them meanwhile.
   */
  const isLate = async (error: unknown, before: number): Promise<boolean> =>
    others !== undefined &&
    error instanceof NotaryError &&
    error.code === 'integrity' &&
    ((await advance().catch(() => false)) || log.size > before)

  /** A deletion is asked for again by who knows what it is of. */
  function handOver(to: Others): void {
    for (const { request, resolve, reject } of waiting.splice(0)) {
      if (request.erase) reject(new Moved())
      else to.submit(request, true).then(resolve, reject)
    }
    objects = 0
  }

  // Which channels it goes to is not told: whoever follows them looks.
  function moved(): void {
    for (const listener of listeners) listener(routing.known)
  }

  async function advance(): Promise<boolean> {
    try {
      // While this process writes, that is a commit of its own whose answer is on its way, or one of who writes next.
      const isMoved = await (leads && show ? show(log.advance) : log.advance())
      if (isMoved) moved()
      return isMoved
    } catch (error) {
      if (isContradiction(error)) halt(error)
      throw error
    }
  }

  async function found(wanted: { apiRoot: string; id: string }[]): Promise<void> {
    const known = new Set([...log.collections.values()].map(c => `${c.apiRoot} ${c.id}`))
    const missing = wanted.filter(w => !known.has(`${w.apiRoot} ${w.id}`))
    if (missing.length === 0 && log.head) return
    const stage = log.stage()
    for (const { apiRoot, id } of missing) stage.found(apiRoot, id)
    const head = stage.seal(signer)
    await store.commit(stage.base, { ...emptyBatch(head), ...stage.writes() })
    log.publish(stage)
    for (const listener of listeners) listener(new Set())
  }

  /** A deletion goes alone: which versions it takes, and which is the newest after it, depends on all that came before. */
  function takeBatch(): Waiting[] {
    let count = 0
    let n = 0
    while (n < waiting.length) {
      const next = waiting[n] as Waiting
      if (n > 0 && (next.request.erase || count + size(next) > BATCH_OBJECTS)) break
      count += size(next)
      n++
      if (next.request.erase) break
    }
    objects -= count
    return waiting.splice(0, n)
  }
  const size = (w: Waiting) => w.request.objects.length + 1

  return {
    log,
    reader,
    store,
    clock,
    clockGuard,
    halt,
    get halted() {
      return halted
    },
    submit: request =>
      new Promise((resolve, reject) => {
        if (halted) return reject(halted)
        if (closed) return reject(new NotaryError('closed', 'the server is shutting down'))
        if (!leads && others) return request.erase ? reject(new Moved()) : resolve(others.submit(request))
        const w = { request, resolve, reject }
        if (waiting.length > 0 && objects + size(w) > maxWaiting) {
          return reject(new NotaryError('overloaded', `${objects} objects wait to be logged: try again in a moment`))
        }
        waiting.push(w)
        objects += size(w)
        running ??= run().finally(() => {
          running = undefined
        })
      }),
    found,
    collection: (apiRoot, id) => {
      for (const c of log.collections.values()) if (c.apiRoot === apiRoot && c.id === id) return c
      return undefined
    },
    onCheckpoint: listener => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    onErased: listener => {
      erasedListeners.push(listener)
    },
    advance,
    extend: (growth, head) => {
      if (log.extend(growth, head)) moved()
    },
    lead: async wanted => {
      await advance()
      await found(wanted)
      sequencer.routing.markings = await readMarkings(store, reader, log)
      leads = true
    },
    follow: async () => {
      if (!others) throw new TypeError('this process alone writes')
      leads = false
      handOver(others)
      await running
    },
    close: async () => {
      closed = true
      await running
    },
  }
}
