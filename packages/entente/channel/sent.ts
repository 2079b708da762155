import type { Runs } from './stream.ts'

/** What went to one subscriber, or was confirmed by a broker, at once: everything of a topic from `first` to `last` that it may see. */
export type SentEntry = {
  /** Tells this subscriber from all others that are there at the same time. */
  connection: string
  /** `sse`, or the kind of the broker. */
  via: string
  kind: 'channel' | 'feed'
  /** Name of the channel; id of the collection. */
  topic: string
  /** User; of a broker, where it has the channel. */
  subscriber: string
  /** Where the subscriber is connected from; nothing of a broker. */
  address: string
  /** Ids of the collections whose objects it was sent as they are. */
  collections: readonly string[]
  /** Places: log indexes of a channel, `seq` of a feed. */
  first: number
  last: number
  /** Messages that held what they are about, and messages that only said where it is. */
  whole: number
  references: number
  /** Places of those collections of which it was sent nothing, or a reference, because of their markings; places outside `first` to `last` too. */
  withheld: Runs
}

/** Entries that follow each other, as one. Microseconds since 1970. */
export type SentRange = SentEntry & { from: number; until: number }

/** Where ranges are kept: store/sent.ts, without what nobody asks here. */
export type SentStore = {
  /** A range that was given before (the same object) replaces what was written of it, also where that call has rejected. */
  put(ranges: readonly SentRange[]): Promise<void>
  /** Forgets ranges that ended before this. @returns how many */
  purge(before: number): Promise<number>
  close(): Promise<void>
}

/**
 * Who was sent what, so that it can be told who has what was erased, or sent to the wrong channel. It says that something was given to a connection or
 * confirmed by a broker, not that anybody read it. What was erased or damaged when its turn came was not sent, although it lies in a range.
 *
 * Ranges are written every few seconds and when a subscriber leaves: a crash loses the last seconds, and says who was there before.
 */
export type SentLog = {
  /** Cheap: called for each write to each subscriber. */
  note(entry: SentEntry): void
  /** The subscriber is gone, or what comes next does not follow on what it was sent. */
  end(connection: string): void
  /** Something was erased: what is sent from now on is told from what was sent before. */
  cut(): void
  /** Writes what is new. */
  flush(): Promise<void>
  close(): Promise<void>
}

export type SentLogOptions = {
  store: SentStore
  /** How long ranges are kept, milliseconds. */
  keepMs: number
  /** Microseconds since 1970. */
  clock: () => number
  log: (level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown>) => void
  flushMs?: number
}

const FLUSH_MS = 5000
/** A range ends after this, microseconds, so that it can be told when something in it was sent. */
const LONGEST_RANGE = 3_600_000_000
/** From one erasure to the next that ends all ranges, microseconds. */
const SHORTEST_CUT = 10_000_000
const PURGE_EVERY_MS = 3_600_000
/** Ranges that are held while the disk is full; the oldest go then. */
const MOST_UNWRITTEN = 100_000
/** A range ends before it has more places that were withheld than this, but for what one entry brings. */
const MOST_WITHHELD = 200
/** Ranges that are written at once. */
const AT_ONCE = 100

type Open = { range: SentRange; isChanged: boolean }

export function createSentLog({ store, keepMs, clock, log, flushMs = FLUSH_MS }: SentLogOptions): SentLog {
  const open = new Map<string, Open>()
  /** Ended, and not written since they changed. */
  const ended = new Set<Open>()
  let isClosed = false
  let writing: Promise<void> | undefined
  let cutAt = Number.NEGATIVE_INFINITY

  function begin(entry: SentEntry, at: number): void {
    end(entry.connection)
    open.set(entry.connection, { range: { ...entry, from: at, until: at }, isChanged: true })
  }

  function end(connection: string): void {
    const known = open.get(connection)
    if (!known) return
    open.delete(connection)
    if (known.isChanged) keep(known)
  }

  function keep(one: Open): void {
    ended.add(one)
    const [oldest] = ended.size > MOST_UNWRITTEN ? ended : []
    if (oldest) ended.delete(oldest)
  }

  /** In pieces: others get their turn between two. What was changed meanwhile is written next time. */
  async function write(): Promise<void> {
    const all = [...ended, ...[...open.values()].filter(o => o.isChanged)]
    for (let at = 0; at < all.length; at += AT_ONCE) {
      const some = all.slice(at, at + AT_ONCE)
      for (const one of some) one.isChanged = false
      try {
        await store.put(some.map(o => o.range))
        for (const one of some) if (!one.isChanged) ended.delete(one)
      } catch (error) {
        for (const one of some) {
          one.isChanged = true
          if (open.get(one.range.connection) !== one) keep(one)
        }
        log('error', 'who was sent what could not be written; it is tried again', { error: (error as Error).message })
        return
      }
      if (!isClosed) await new Promise(resolve => setImmediate(resolve))
    }
  }

  /** One at a time, as ranges are written in the order in which they changed. */
  async function flush(): Promise<void> {
    await writing
    writing ??= write().finally(() => {
      writing = undefined
    })
    await writing
  }

  async function purge(): Promise<void> {
    try {
      await store.purge(clock() - keepMs * 1000)
    } catch (error) {
      log('warn', 'old entries of who was sent what could not be removed', { error: (error as Error).message })
    }
  }

  let purging = purge()
  const look = () => {
    purging = purge()
  }
  const timers = [setInterval(() => void flush(), flushMs), setInterval(look, PURGE_EVERY_MS)]
  for (const timer of timers) timer.unref()
  return {
    note: entry => {
      const at = clock()
      const known = open.get(entry.connection)
      const range = known?.range
      if (
        !known ||
        !range ||
        !isSame(range.collections, entry.collections) ||
        at - range.from > LONGEST_RANGE ||
        range.withheld.length + entry.withheld.length > MOST_WITHHELD
      )
        return begin(entry, at)
      range.first = Math.min(range.first, entry.first)
      range.last = Math.max(range.last, entry.last)
      range.whole += entry.whole
      range.references += entry.references
      if (entry.withheld.length > 0) range.withheld = [...range.withheld, ...entry.withheld]
      range.until = at
      range.collections = entry.collections // mostly the same array the next time
      known.isChanged = true
    },
    end,
    cut: () => {
      // Of many that are erased together, each would begin a range for everybody.
      if (clock() - cutAt < SHORTEST_CUT) return
      cutAt = clock()
      for (const connection of open.keys()) end(connection)
    },
    flush,
    close: async () => {
      isClosed = true
      for (const timer of timers) clearInterval(timer)
      for (const connection of open.keys()) end(connection)
      await flush()
      await purging
      await store.close()
    },
  }
}

const isSame = (a: readonly string[], b: readonly string[]): boolean =>
  a === b || (a.length === b.length && a.every((id, i) => id === b[i]))
