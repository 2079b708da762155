import type { ReadEntry, ReadStore } from '#store/reads.ts'

type Reader = Pick<ReadEntry, 'user' | 'address' | 'collection' | 'via'>

/**
 * Who read what over TAXII, so that it can be told who has an object that was erased, or marked as it should not have been. Only what was given as it is
 * counts: a manifest shows no content, and a record that is withheld is not read. Entries are written every few seconds, so a crash loses the last of
 * them; no request waits for it.
 */
export type ReadLog = {
  /** Cheap: called for each answer. @param seqs ascending */
  note(reader: Reader, seqs: Iterable<number>): void
  /** Writes what is new. */
  flush(): Promise<void>
  close(): Promise<void>
}

export type ReadLogOptions = {
  store: ReadStore
  /** How long entries are kept, milliseconds. */
  keepMs: number
  /** Microseconds since 1970. */
  clock: () => number
  log: (level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown>) => void
  flushMs?: number
  /** Runs that are held in memory at most, while they can't be written: then the oldest are lost. */
  mostRuns?: number
}

const FLUSH_MS = 5000
const PURGE_EVERY_MS = 3_600_000
const MOST_RUNS = 200_000
/** Runs that are written before their time: more at once would hold up requests. */
const AT_ONCE = 20_000
/** Runs of one entry that is written: whoever reads one object after the other has as many as objects. */
const RUNS_OF_ENTRY = 500

type Open = Reader & { from: number; until: number; runs: [number, number][] }

export function createReadLog(options: ReadLogOptions): ReadLog {
  const { store, keepMs, clock, log, flushMs = FLUSH_MS, mostRuns = MOST_RUNS } = options
  let open = new Map<string, Open>()
  /** How many there are in `open`, and in what is being written. */
  let held = 0
  let writing: Promise<void> | undefined
  let isFailing = false
  let unwritten: ReadEntry[] = []

  function note(reader: Reader, seqs: Iterable<number>): void {
    const key = `${reader.collection} ${reader.via} ${reader.address} ${reader.user}`
    let one = open.get(key)
    for (const seq of seqs) {
      if (!one) {
        const at = clock()
        one = { ...reader, from: at, until: at, runs: [] }
        open.set(key, one)
      }
      const last = one.runs.at(-1)
      if (last && last[1] + 1 === seq) last[1] = seq
      else if (last?.[0] !== seq || last[1] !== seq) {
        one.runs.push([seq, seq])
        held++
      }
    }
    if (one) one.until = clock()
    if (held > Math.min(AT_ONCE, mostRuns / 2) && !isFailing) void flush()
  }

  async function write(): Promise<void> {
    const entries = [...unwritten, ...[...open.values()].flatMap(toEntries)]
    open = new Map()
    unwritten = entries
    if (entries.length === 0) return
    try {
      await store.add(entries)
      unwritten = []
      isFailing = false
    } catch (error) {
      const lost = forget()
      if (!isFailing || lost > 0)
        log('error', 'who read what could not be written; it is tried again', {
          error: (error as Error).message,
          ...(lost > 0 ? { lost } : {}),
        })
      isFailing = true
    }
    held = count(unwritten) + count([...open.values()])
  }

  /** @returns how many entries are lost: the oldest, beyond what may be held */
  function forget(): number {
    let runs = count(unwritten)
    let lost = 0
    for (; runs > mostRuns; lost++) runs -= (unwritten[lost] as ReadEntry).runs.length
    unwritten = unwritten.slice(lost)
    return lost
  }

  /** One at a time; who calls while one is under way waits for it, and what came meanwhile is written next time. */
  function flush(): Promise<void> {
    writing ??= write().finally(() => {
      writing = undefined
    })
    return writing
  }

  async function purge(): Promise<void> {
    try {
      await store.purge(clock() - keepMs * 1000)
    } catch (error) {
      log('warn', 'old entries of who read what could not be removed', { error: (error as Error).message })
    }
  }

  let purging = purge()
  const look = () => {
    purging = purge()
  }
  const timers = [setInterval(() => void flush(), flushMs), setInterval(look, PURGE_EVERY_MS)]
  for (const timer of timers) timer.unref()
  return {
    note,
    flush,
    close: async () => {
      for (const timer of timers) clearInterval(timer)
      await writing
      await flush()
      await purging
      await store.close()
    },
  }
}

const count = (some: readonly { runs: readonly unknown[] }[]): number => some.reduce((sum, e) => sum + e.runs.length, 0)

function toEntries({ runs, ...reader }: Open): ReadEntry[] {
  const joined: [number, number][] = []
  for (const [first, last] of runs.sort((a, b) => a[0] - b[0])) {
    const before = joined.at(-1)
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last)
    else joined.push([first, last])
  }
  return Array.from({ length: Math.ceil(joined.length / RUNS_OF_ENTRY) }, (_, i) => ({
    ...reader,
    runs: joined.slice(i * RUNS_OF_ENTRY, (i + 1) * RUNS_OF_ENTRY),
  }))
}
