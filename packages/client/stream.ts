import { ClientError } from './error.ts'
import { createEventStreamParser, type StreamMessage } from './eventstream.ts'
import type { Http } from './http.ts'
import { EVENT_STREAM } from './media.ts'
import type { Clock } from './status.ts'

export type StreamOptions = {
  /** Where to begin: what `?from=` takes (docs/formats.md 15). */
  from?: string | undefined
  /** Nothing at all for so long, not even a sign of life, means that the connection is dead. */
  idleMs: number
  /** Characters of a message at most. */
  maxLength: number
  /** In [0, 1): spreads clients that lost their server together. */
  random: () => number
  /** The connection is gone, and why; it is made again after `pauseMs`. */
  onAway?: ((error: ClientError, pauseMs: number) => void) | undefined
  signal?: AbortSignal | undefined
}

/** First pause before connecting again, where the server has not said otherwise; it doubles with each try that brings nothing. */
const FIRST_PAUSE_MS = 1000
const MAX_PAUSE_MS = 30_000
/** Whatever a server asks for: neither is it asked without a pause, nor is it waited for without end. */
const ASKED_MS = { least: 100, most: 600_000 }
/** A connection that lasted so long was a good one. */
const GOOD_MS = 5000
/** Worth another try; everything else would be answered in the same way again. */
const PASSING = new Set(['unreachable', 'timeout', 'unavailable', 'rate-limited'])

/**
 * The messages of an event stream, in groups as they arrive, over as many connections as it takes (WHATWG HTML section 9.2.3). It ends where the signal
 * aborts, or the server says that there is no more (204). The first connection is tried as often as any request; once there was one, for ever.
 *
 * Nothing is read ahead: while the consumer does not ask for the next group, the socket fills, and the server waits.
 *
 * @throws ClientError
 */
export async function* readEventStream(
  http: Http,
  url: string,
  clock: Clock,
  options: StreamOptions,
): AsyncGenerator<StreamMessage[], void, void> {
  const { from, signal, random } = options
  let lastId: string | undefined
  let retryMs: number | undefined
  let wasConnected = false
  let failures = 0
  while (!signal?.aborted) {
    const began = clock.now()
    let away: ClientError
    try {
      const response = await connect()
      if (!response) return
      wasConnected = true
      const parser = createEventStreamParser(options.maxLength, lastId)
      for await (const chunk of readChunks(response, options.idleMs, signal)) {
        const messages = parser.push(chunk)
        lastId = parser.lastId()
        retryMs = parser.retryMs() ?? retryMs
        if (messages.some(m => m.data !== undefined)) failures = 0
        if (messages.length > 0) yield messages
      }
      away = new ClientError('unreachable', `${url} ended the stream`, { url })
    } catch (error) {
      if (signal?.aborted) return
      if (!(error instanceof ClientError) || !wasConnected || !PASSING.has(error.code)) throw error
      away = error
    }
    if (clock.now() - began > GOOD_MS) failures = 0
    const wanted = Math.max(retryMs ?? 0, (away as { retryAfterMs?: number }).retryAfterMs ?? 0)
    const asked = Math.min(ASKED_MS.most, Math.max(ASKED_MS.least, wanted))
    const grown = Math.min(MAX_PAUSE_MS, Math.max(ASKED_MS.least, retryMs ?? FIRST_PAUSE_MS) * 2 ** failures++)
    const pauseMs = Math.max(asked, grown * (0.5 + random() / 2))
    options.onAway?.(away, pauseMs)
    await clock.sleep(pauseMs, signal)
  }

  async function connect(): Promise<Response | undefined> {
    const asked = lastId === undefined && from !== undefined ? `${url}?${new URLSearchParams({ from })}` : url
    const headers: Record<string, string> = lastId === undefined ? {} : { 'last-event-id': lastId }
    const request = { accept: EVENT_STREAM, answer: 'stream', headers, signal } as const
    const answer = await http(asked, wasConnected ? { ...request, retries: 0 } : request)
    if (answer.status === 204) return undefined
    const response = answer.json as Response
    const type = answer.headers.get('content-type') ?? ''
    if (/^text\/event-stream(?:\s*;|$)/i.test(type)) return response
    await response.body?.cancel()
    const found = type === '' ? 'no media type' : type.slice(0, 100)
    throw new ClientError('malformed', `${url} answers with ${found}, not with a stream of events`, {
      url,
      status: answer.status,
    })
  }
}

async function* readChunks(
  response: Response,
  idleMs: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const reader = response.body?.getReader()
  let isIdle = false
  const giveUp = () => {
    isIdle = true
    reader?.cancel().catch(() => {})
  }
  try {
    for (;;) {
      const timer = setTimeout(giveUp, idleMs)
      const read = await reader?.read().finally(() => clearTimeout(timer))
      if (isIdle) {
        const message = `${response.url} has sent nothing for ${idleMs / 1000} s, no sign of life either`
        throw new ClientError('timeout', message, { url: response.url })
      }
      if (!read || read.done || signal?.aborted) return
      yield read.value as Uint8Array
    }
  } catch (cause) {
    if (cause instanceof ClientError) throw cause
    const message = `the connection to ${new URL(response.url).host} broke: ${(cause as Error).message}`
    throw new ClientError('unreachable', message, { url: response.url, cause })
  } finally {
    reader?.cancel().catch(() => {})
  }
}
