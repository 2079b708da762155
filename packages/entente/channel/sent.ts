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

/** Where ranges are kept. */
export type SentStore = {
  /**
   * Writes them all or none; a range that has an `id` replaces the one that was written under it.
   *
   * @returns their ids, in order
   */
  put(ranges: readonly { id: number | undefined; range: SentRange }[]): number[]
  /** Forgets ranges that ended before this. @returns how many */
  purge(before: number): number
  close(): void
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
  flush(): void
  close(): void
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
/** Ranges that are written in one transaction. */
const AT_ONCE = 100

type Open = { id: number | undefined; range: SentRange; isChanged: boolean }

export function createSentLog({ store, keepMs, clock, log, flushMs = FLUSH_MS }: SentLogOptions): SentLog {
  const open = new Map<string, Open>()
  /** Ended, and not written since they changed. */
  let ended: Open[] = []
  let isClosed = false
  let cutAt = Number.NEGATIVE_INFINITY

  function begin(entry: SentEntry, at: number): void {
    end(entry.connection)
    open.set(entry.connection, { id: undefined, range: { ...entry, from: at, until: at }, isChanged: true })
  }

  function end(connection: string): void {
    const known = open.get(connection)
    if (!known) return
    open.delete(connection)
    if (known.isChanged) ended.push(known)
    if (ended.length > MOST_UNWRITTEN) ended.splice(0, ended.length - MOST_UNWRITTEN)
  }

  const changed = (): Open[] => [...ended, ...[...open.values()].filter(o => o.isChanged)]

  function write(some: Open[]): void {
    try {
      const ids = store.put(some)
      for (const [i, one] of some.entries()) Object.assign(one, { id: ids[i], isChanged: false })
      ended = ended.filter(o => o.isChanged)
    } catch (error) {
      log('error', 'who was sent what could not be written; it is tried again', { error: (error as Error).message })
    }
  }

  function flush(): void {
    const all = changed()
    if (all.length > 0) write(all)
  }

  /** Many are written in pieces: others get their turn between two. */
  async function flushSlowly(): Promise<void> {
    const all = changed()
    for (let at = 0; at < all.length && !isClosed; at += AT_ONCE) {
      write(all.slice(at, at + AT_ONCE))
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  function purge(): void {
    try {
      store.purge(clock() - keepMs * 1000)
    } catch (error) {
      log('warn', 'old entries of who was sent what could not be removed', { error: (error as Error).message })
    }
  }

  purge()
  const timers = [setInterval(() => void flushSlowly(), flushMs), setInterval(purge, PURGE_EVERY_MS)]
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
    close: () => {
      isClosed = true
      for (const timer of timers) clearInterval(timer)
      for (const connection of open.keys()) end(connection)
      flush()
      store.close()
    },
  }
}

const isSame = (a: readonly string[], b: readonly string[]): boolean =>
  a === b || (a.length === b.length && a.every((id, i) => id === b[i]))
