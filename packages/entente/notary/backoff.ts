/** The longest pause between two tries. */
const MAX_BACKOFF_MS = 60_000

/** How long to wait before something that has failed so many times in a row is tried again: twice as long each time, milliseconds. */
export const backoff = (intervalMs: number, failures: number): number =>
  Math.min(intervalMs * 2 ** Math.min(failures, 16), MAX_BACKOFF_MS)
