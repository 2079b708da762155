import { ClientError } from './error.ts'
import type { Http } from './http.ts'
import type { Status, StatusDetail } from './resources.ts'

export type WaitOptions = {
  /** Default: {@link DEFAULT_WAIT_MS}. */
  timeoutMs?: number
  onProgress?: (status: Status) => void
  signal?: AbortSignal
}

/** What waiting needs from outside. */
export type Clock = { now: () => number; sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void> }

export const DEFAULT_WAIT_MS = 120_000
/** Between two looks at a status: from this, by half more each time, up to that. The first look is at once. */
const FIRST_POLL_MS = 200
const MAX_POLL_MS = 5000

/**
 * Asks for a status until it is complete.
 *
 * @throws ClientError `timeout`: it is pending still, which is no failure of any object
 */
export async function waitForStatus(
  http: Http,
  url: string,
  first: Status,
  { now, sleep }: Clock,
  options: WaitOptions = {},
): Promise<Status> {
  const { timeoutMs = DEFAULT_WAIT_MS, onProgress, signal } = options
  const until = now() + timeoutMs
  let poll = 0
  for (let status = first; ; ) {
    onProgress?.(status)
    if (status.status === 'complete') return status
    const left = until - now()
    signal?.throwIfAborted()
    if (left <= 0) {
      const ledgers = (status.x_entente?.ledgers ?? []).filter(l => l.error !== undefined)
      const said = ledgers.map(l => `; ledger ${l.ledger} says: ${l.error}`).join('')
      throw new ClientError(
        'timeout',
        `status ${status.id} has ${status.pending_count} objects pending after ${timeoutMs / 1000} s${said}`,
        { url },
      )
    }
    if (poll > 0) await sleep(Math.min(poll, left), signal)
    poll = Math.min(MAX_POLL_MS, Math.max(FIRST_POLL_MS, poll * 1.5))
    status = readStatus((await http(url, { signal })).json, url)
  }
}

/**
 * A status resource in the form of section 4.3.1. Counts that a server leaves out are those of its lists.
 *
 * @throws ClientError `malformed`
 */
export function readStatus(json: unknown, url: string): Status {
  const members = (typeof json === 'object' && json !== null ? json : {}) as Record<string, unknown>
  const { id, status } = members
  if (typeof id !== 'string' || (status !== 'complete' && status !== 'pending'))
    throw new ClientError('malformed', `${url} answers without a status resource (TAXII 2.1 section 4.3)`, { url })
  const list = (name: string): StatusDetail[] => {
    const value = members[name] ?? []
    if (!Array.isArray(value)) throw new ClientError('malformed', `${url}: "${name}" is no list`, { url })
    return value as StatusDetail[]
  }
  const count = (name: string, among: number) => {
    const value = members[name] ?? among
    if (!Number.isSafeInteger(value) || (value as number) < 0)
      throw new ClientError('malformed', `${url}: "${name}" is ${JSON.stringify(value)?.slice(0, 40)}, no count`, {
        url,
      })
    return value as number
  }
  const counts = {
    success_count: count('success_count', list('successes').length),
    failure_count: count('failure_count', list('failures').length),
    pending_count: count('pending_count', list('pendings').length),
  }
  const total = counts.success_count + counts.failure_count + counts.pending_count
  return { ...(members as unknown as Status), ...counts, total_count: count('total_count', total) }
}
