import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Waits for a condition, not for a time; but not for ever: a test that does holds up all others.
 *
 * @param why what to say where it does not come true
 * @throws AssertionError where it has not come true after `ms` milliseconds
 */
export async function until(
  isSo: () => unknown,
  why: () => unknown = () => isSo,
  { ms = 30_000, everyMs = 10 }: { ms?: number; everyMs?: number } = {},
): Promise<void> {
  for (const end = performance.now() + ms; !(await isSo()); await sleep(everyMs))
    assert.ok(performance.now() < end, `not within ${ms / 1000} s: ${why()}`)
}
