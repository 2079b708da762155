import { NotaryError } from './errors.ts'
import { type Clock, formatMicros } from './time.ts'

/**
 * Dates that were given can't be taken back, and every later one is after them: a record that is dated a year ahead spoils its
 * collection for a year. So a clock is held against what is known of the time before it dates anything.
 */
export type ClockGuard = {
  /** It was at least this late, says a ledger. */
  witness(ledger: string, micros: number): void
  /** Why nothing may be dated by this clock now; it may again as soon as the clock is right. Only a look: nothing is learned from it. */
  look(): NotaryError | undefined
  /** The same, of who is about to date something: the time that it takes is known from then on. */
  check(): NotaryError | undefined
}

export type ClockBounds = {
  /** How far the clock may be behind the newest record or ledger, milliseconds. */
  behindMs: number
  /** How far it may be ahead of when this server or a ledger last knew the time. */
  aheadMs: number
  /** The operator says that the clock is right, whatever records and ledgers say. */
  accept?: boolean
}
export const DEFAULT_CLOCK_BOUNDS: ClockBounds = { behindMs: 5 * 60_000, aheadMs: 90 * 86_400_000 }

/**
 * @param newestRecord date of the newest record of any collection, microseconds; 0 where there is none
 * @param running milliseconds of a clock that nobody sets: what passed on it since a time was known is not ahead of it
 */
export function createClockGuard(
  clock: Clock,
  newestRecord: () => number,
  bounds: ClockBounds,
  running: () => number = () => performance.now(),
): ClockGuard {
  let known: { micros: number; who: string; since: number } | undefined
  const know = (micros: number, who: string) => {
    if (!known || micros > known.micros) known = { micros, who, since: running() }
  }
  const stopped = (now: number, what: string) =>
    new NotaryError(
      'clock',
      `this machine's clock says ${formatMicros(now)}, ${what}: nothing is stored until the clock is right. If it is right now, start with --accept-clock`,
    )
  function problem(now: number): NotaryError | undefined {
    if (bounds.accept) return undefined
    const record = newestRecord()
    if (now < record - bounds.behindMs * 1000)
      return stopped(now, `before the newest record, which is dated ${formatMicros(record)}`)
    if (known && now < known.micros - bounds.behindMs * 1000)
      return stopped(now, `before ${known.who}, which is at ${formatMicros(known.micros)}`)
    if (known && now > known.micros + (running() - known.since + bounds.aheadMs) * 1000)
      return stopped(now, `long after ${known.who}, which is at ${formatMicros(known.micros)}`)
    return undefined
  }
  return {
    witness: (ledger, micros) => know(micros, `ledger "${ledger}"`),
    look: () => problem(clock()),
    check: () => {
      const now = clock()
      const wrong = problem(now)
      if (!wrong) know(now, 'this server when it last stored something')
      return wrong
    },
  }
}
