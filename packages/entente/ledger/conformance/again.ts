import type { TestContext } from 'node:test'
import type { Finality } from '../chain.ts'

type Subject = { dispose(): unknown }
/** Runs of one test on a ledger whose newest blocks may be reorganised away: an answer of a moment ago may then be another. */
const TRIES = 3

/** Runs a test on a ledger that is opened for it; where blocks are final only under others, again on a new one if it fails, and says so. */
export async function onLedger<S extends Subject>(
  t: TestContext,
  create: () => Promise<S | string>,
  finalityOf: (subject: S) => Promise<Finality>,
  run: (subject: S) => Promise<void>,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const subject = await create()
    if (typeof subject === 'string') return t.skip(subject)
    let isSettled = true
    try {
      isSettled = typeof (await finalityOf(subject)) === 'string'
      return await run(subject)
    } catch (error) {
      if (isSettled || tries === TRIES) throw error
      t.diagnostic(`run again, a block may have been reorganised away: ${String(error).slice(0, 200)}`)
    } finally {
      await subject.dispose()
    }
  }
}
