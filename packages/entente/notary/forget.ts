import type { Notary } from './notary.ts'
import { createRounds } from './rounds.ts'

export type ForgettingOptions = {
  notary: Pick<Notary, 'log' | 'store' | 'clock'>
  /** For how long it is kept which records went to which channel. */
  hours: number
  /** Cursors of who has to read the routes yet (notary/outbox.ts): none above any of them is forgotten. */
  cursors: readonly string[]
  log: (level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown>) => void
  intervalMs?: number
}

/** Forgets which records went to which channel once that is old; the records stay. Who comes back later is told of a gap (docs/formats.md 15). */
export type Forgetting = {
  /** @returns the log index below which routes are forgotten */
  run(): Promise<number>
  /** Now and from time to time. */
  start(): void
  close(): Promise<void>
}

const HOUR_MS = 3_600_000
const DEFAULT_INTERVAL_MS = 60_000
/**
 * How many marks of the time are in use: a mark says how large the log was when. Dates of records would not do, imported ones are those of another server.
 * What is kept is kept for so much longer at most: one part in {@link MARKS}.
 */
const MARKS = 24
/** Log indexes that are gone through in one transaction: others get their turn between two. */
const STEP = 5000

type Mark = { slot: number; at: number; size: number }

export function createForgetting(options: ForgettingOptions): Forgetting {
  const { notary, hours, cursors, log, intervalMs = DEFAULT_INTERVAL_MS } = options
  const { store } = notary
  const keepMs = hours * HOUR_MS

  async function readMarks(): Promise<Mark[]> {
    const marks: Mark[] = []
    for (let slot = 0; slot <= MARKS; slot++) {
      const [at, size] = [await store.cursor(`${name(slot)}:at`), await store.cursor(`${name(slot)}:size`)]
      if (at !== undefined && size !== undefined) marks.push({ slot, at, size })
    }
    return marks.sort((a, b) => a.at - b.at)
  }

  /** A crash between the two leaves a mark that is too small for its time: what is forgotten by it is older than it must be. */
  async function mark(slot: number, at: number): Promise<void> {
    if ((await store.cursor(`${name(slot)}:size`)) === undefined) await store.putCursor(`${name(slot)}:size`, 0)
    await store.putCursor(`${name(slot)}:at`, at)
    await store.putCursor(`${name(slot)}:size`, notary.log.size)
  }

  async function run(): Promise<number> {
    const now = Math.floor(notary.clock() / 1000)
    const marks = await readMarks()
    const due = marks.filter(m => m.at + keepMs <= now)
    const positions = await Promise.all(cursors.map(cursor => store.cursor(cursor)))
    const below = Math.min(Math.max(0, ...due.map(m => m.size)), ...positions.map(position => position ?? 0))
    const before = await store.routesFrom()
    for (let at = before; at < below && !rounds.isClosed; ) {
      at = Math.min(below, at + STEP)
      await store.forgetRoutes(at)
      await new Promise(resolve => setImmediate(resolve))
    }
    if (below > before) log('info', 'old routes to channels were forgotten', { below, before })
    const newest = marks.at(-1)
    if (!newest || now - newest.at >= keepMs / MARKS || newest.at > now) {
      const free = marks.length <= MARKS ? marks.length : (marks[0] as Mark).slot
      await mark(free, now)
    }
    return Math.max(below, before)
  }

  const rounds = createRounds(run, intervalMs, error =>
    log('warn', 'old routes to channels could not be forgotten; it is tried again', { error: error.message }),
  )
  return { run, start: rounds.start, close: rounds.close }
}

const name = (slot: number): string => `routes:${slot}`
