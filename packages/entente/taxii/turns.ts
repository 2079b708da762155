import { overloaded } from './errors.ts'

/** Runs at most `atOnce` at a time, the others in the order in which they came; more than `most` that wait are refused with 503 `overloaded`. */
export function createTurns(atOnce: number, most: number, what: string) {
  const waiting: (() => void)[] = []
  let running = 0
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= atOnce) {
      if (waiting.length >= most) throw overloaded(what)
      await new Promise<void>(resolve => waiting.push(resolve))
    } else running++
    try {
      return await work()
    } finally {
      // The turn goes to whoever waits longest, or is free again.
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
}
