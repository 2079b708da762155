/** How long is served before everything else in the process has its turn, milliseconds. */
const SLICE_MS = 3

/** Serves what is queued, in the order in which it came, in slices. */
export type Slices<T> = {
  queue(item: T): void
  /** Resolves when everything that is queued now was served once. */
  round(): Promise<void>
  /** What serving one takes, milliseconds, on average of late. */
  readonly averageMs: number
}

/** @param now milliseconds of a clock that never goes back */
export function createSlices<T extends object>(now: () => number, serve: (item: T) => void): Slices<T> {
  let queue: (T | (() => void))[] = []
  let isTurning = false
  let averageMs = 0.02

  function turn(): void {
    const started = now()
    const slice = queue
    queue = []
    let served = 0
    let elapsed = 0
    while (served < slice.length && elapsed < SLICE_MS) {
      const next = slice[served++] as T | (() => void)
      if (typeof next === 'function') next()
      else serve(next)
      elapsed = now() - started
    }
    averageMs += 0.1 * (elapsed / Math.max(1, served) - averageMs)
    if (served < slice.length) queue = slice.slice(served).concat(queue)
    isTurning = queue.length > 0
    if (isTurning) setImmediate(turn)
  }

  function add(next: T | (() => void)): void {
    queue.push(next)
    if (isTurning) return
    isTurning = true
    setImmediate(turn)
  }

  return {
    queue: add,
    round: () => new Promise(resolve => add(resolve)),
    get averageMs() {
      return averageMs
    },
  }
}
