import { TaxiiError } from './errors.ts'
import { createTurns } from './turns.ts'

/** Bytes that all clients together may have this process hold. */
export type MemoryLimits = {
  /** Bodies of requests that were not answered yet. */
  bodies: number
  /** Answers that were not fetched yet; pages get smaller before this is reached. */
  answers: number
}
export const DEFAULT_MEMORY: MemoryLimits = { bodies: 20_971_520, answers: 12_582_912 }

/** A page ends early rather than grow beyond this, and is never cut below the other. */
const MAX_PAGE_BYTES = 4_194_304
const MIN_PAGE_BYTES = 524_288

/** A number of bytes that is shared. */
export type Budget = {
  /** @throws TaxiiError 503 `overloaded` where that much is not left */
  take(bytes: number): void
  giveBack(bytes: number): void
  left(): number
}

/** What bounds the memory of a server whatever its clients do. */
export type Memory = {
  bodies: Budget
  answers: Budget
  pageBytes(): number
  /** What takes much memory, one after the other. */
  inTurn<T>(work: () => Promise<T>): Promise<T>
}

/** Large requests that wait for their turn. */
const MAX_WAITING = 100

export function createMemory(limits: MemoryLimits = DEFAULT_MEMORY): Memory {
  const bodies = createBudget(limits.bodies, 'requests')
  const answers = createBudget(limits.answers, 'answers')
  return {
    bodies,
    answers,
    inTurn: createTurns(1, MAX_WAITING, 'too many large requests are under way'),
    pageBytes: () => Math.max(MIN_PAGE_BYTES, Math.min(MAX_PAGE_BYTES, answers.left() / 2)),
  }
}

function createBudget(total: number, what: string): Budget {
  let held = 0
  return {
    take: bytes => {
      if (held + bytes > total && held > 0) {
        throw new TaxiiError(503, 'overloaded', `too many ${what} are under way: try again in a moment`, {
          headers: { 'retry-after': '2' },
        })
      }
      held += bytes
    },
    giveBack: bytes => {
      held -= bytes
    },
    left: () => Math.max(0, total - held),
  }
}
