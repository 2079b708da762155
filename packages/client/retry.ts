import type { ClientError } from './error.ts'

/** How often and how long a client tries again. */
export type RetryPolicy = {
  /** Further tries after the first. */
  retries: number
  /** In [0, 1): spreads clients that failed together. */
  random: () => number
  sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>
}

/** First wait; it doubles with each try. */
const BASE_MS = 250
const MAX_DELAY_MS = 15_000
/** A server that asks for more patience than this is not waited for. */
export const MAX_RETRY_AFTER_MS = 60_000

/**
 * Runs `attempt` until it succeeds, fails for good, or was tried often enough: exponential backoff, half of it random, and never
 * sooner than the server asked (`Retry-After`).
 *
 * @param isWorthIt whether the request may be sent again after this error
 * @throws what the last attempt threw
 */
export async function withRetries<T>(
  { retries, random, sleep }: RetryPolicy,
  attempt: () => Promise<T>,
  isWorthIt: (error: unknown) => error is ClientError & { retryAfterMs?: number },
  signal?: AbortSignal,
): Promise<T> {
  for (let tried = 0; ; tried++) {
    try {
      return await attempt()
    } catch (error) {
      if (tried >= retries || signal?.aborted || !isWorthIt(error)) throw error
      const asked = error.retryAfterMs ?? 0
      if (asked > MAX_RETRY_AFTER_MS) throw error
      const delay = Math.min(MAX_DELAY_MS, BASE_MS * 2 ** tried) * (0.5 + random() / 2)
      await sleep(Math.max(delay, asked), signal)
    }
  }
}

/** RFC 9110 section 10.2.3: seconds, or a date. Undefined where it is neither. */
export function parseRetryAfter(text: string | null, now: number): number | undefined {
  if (text === null) return undefined
  if (/^\d{1,9}$/.test(text.trim())) return Number(text) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

/** Waits; ends early where `signal` aborts. */
export function sleepFor(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    if (signal?.aborted) done()
    else signal?.addEventListener('abort', done)
  })
}
