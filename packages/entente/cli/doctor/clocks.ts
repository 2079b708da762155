import { createClockGuard } from '#notary/clock.ts'
import { formatMicros } from '#notary/time.ts'
import { ok, type Patient, problem, type Seen, warning } from './check.ts'

const SECOND = 1_000_000
/** Machines that ask a time server are within a second of each other. */
const OFF = 10 * SECOND
const MEND = 'Have this machine ask a time server (NTP), and the other one too.'

/** Whether this machine may date records, by what a record or a ledger says of the time: the rule that the server itself goes by. */
export function heldAgainst(what: string, micros: number, { config, machine }: Patient): Seen {
  const now = machine.clock()
  const guard = createClockGuard(
    () => now,
    () => micros,
    config.clock,
  )
  guard.witness(what, micros)
  const wrong = guard.look()
  const seen = `this machine's clock says ${formatMicros(now)}, ${what} is at ${formatMicros(micros)}`
  if (wrong)
    return problem(what, seen, 'Set the clock right; if it is, start the server once with --accept-clock.', 'clocks')
  if (now < micros - OFF) return warning(what, seen, MEND, 'clocks')
  return ok(what, seen, 'clocks')
}

/**
 * Whether another machine has the same time.
 *
 * @param most microseconds from which on something fails for it
 */
export function comparedWith(what: string, micros: number, most: number, { machine }: Patient): Seen {
  const off = machine.clock() - micros
  const seen = `this machine's clock is ${Math.abs(off / SECOND).toFixed(1)} s ${off < 0 ? 'behind' : 'ahead of'} it`
  if (Math.abs(off) > most) return problem(what, seen, MEND, 'clocks')
  return Math.abs(off) > Math.min(most, OFF) ? warning(what, seen, MEND, 'clocks') : ok(what, seen, 'clocks')
}
