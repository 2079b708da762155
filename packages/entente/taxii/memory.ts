import { overloaded } from './errors.ts'
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

/** What one body has of the bytes that all bodies share. */
export type Claim = {
  /** Whether the bytes are its own now; if not, it waits, and `granted` is called when they are. One call at a time. */
  take(bytes: number, granted: () => void): boolean
  /** Gives everything back and waits no more. MAY be called twice. */
  release(): void
}

/**
 * Bytes for bodies as they come. Who finds none left waits, in the order in which they asked; and one body at a time goes on whatever
 * there is, so that many that are half there can't wait for each other: together they hold `total` bytes and one largest body.
 */
export type Bodies = {
  claim(): Claim
  left(): number
}

/** What bounds the memory of a server whatever its clients do. */
export type Memory = {
  bodies: Bodies
  answers: Budget
  pageBytes(): number
  /** What takes much memory, one after the other. */
  inTurn<T>(work: () => Promise<T>): Promise<T>
}

/** Large requests that wait for their turn. */
const MAX_WAITING = 100

/** @param largestBody bytes of `limits.bodies` that are kept for the one body that goes on when the rest is spent */
export function createMemory(limits: MemoryLimits = DEFAULT_MEMORY, largestBody = 0): Memory {
  const bodies = createBodies(limits.bodies - largestBody)
  const answers = createAnswers(limits.answers)
  return {
    bodies,
    answers,
    inTurn: createTurns(1, MAX_WAITING, 'too many large requests are under way'),
    pageBytes: () => Math.max(MIN_PAGE_BYTES, Math.min(MAX_PAGE_BYTES, answers.left() / 2)),
  }
}

function createBodies(total: number): Bodies {
  type Waiting = { claim: Claim; bytes: number; granted: () => void }
  const waiting: Waiting[] = []
  let held = 0
  let ahead: Claim | undefined
  const give = (claim: Claim, bytes: number): boolean => {
    if (held + bytes > total && (ahead ?? claim) !== claim) return false
    if (held + bytes > total) ahead = claim
    held += bytes
    return true
  }
  return {
    claim: () => {
      let own = 0
      const claim: Claim = {
        take: (bytes, granted) => {
          const mine = () => {
            own += bytes
            granted()
          }
          const isNext = waiting.length === 0 || ahead === claim
          if (!isNext || !give(claim, bytes)) {
            waiting.push({ claim, bytes, granted: mine })
            return false
          }
          own += bytes
          return true
        },
        release: () => {
          const at = waiting.findIndex(w => w.claim === claim)
          if (at !== -1) waiting.splice(at, 1)
          if (ahead === claim) ahead = undefined
          held -= own
          own = 0
          for (let next = waiting[0]; next && give(next.claim, next.bytes); next = waiting[0]) {
            waiting.shift()
            next.granted()
          }
        },
      }
      return claim
    },
    left: () => Math.max(0, total - held),
  }
}

function createAnswers(total: number): Budget {
  let held = 0
  return {
    take: bytes => {
      if (held + bytes > total && held > 0) throw overloaded('too many answers are under way')
      held += bytes
    },
    giveBack: bytes => {
      held -= bytes
    },
    left: () => Math.max(0, total - held),
  }
}
