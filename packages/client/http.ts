import { JsonError, parseStrict } from '@entente/verify/json'
import { readBody } from './body.ts'
import { ClientError, type ClientErrorCode } from './error.ts'
import { TAXII } from './media.ts'
import type { TaxiiErrorMessage } from './resources.ts'
import { parseRetryAfter, type RetryPolicy, withRetries } from './retry.ts'

/** HTTP Basic (section 8.2.2: every client can) or a token, sent as `Bearer` unless the server wants another scheme. */
export type Auth =
  | { kind: 'basic'; user: string; password: string }
  | { kind: 'token'; token: string; scheme?: 'Bearer' | 'Token' }

export type HttpOptions = RetryPolicy & {
  fetch: typeof fetch
  /** The only origin that gets the credentials. */
  origin: string
  auth: Auth | undefined
  timeoutMs: number
  maxResponseBytes: number
  /** Milliseconds since 1970, for a `Retry-After` that is a date. */
  now: () => number
}

export type HttpRequest = {
  method?: 'GET' | 'POST' | 'DELETE'
  accept?: string
  body?: Uint8Array | undefined
  signal?: AbortSignal | undefined
  /** What the answer is, where it is not JSON: a text of the log (a note, a key), bytes of it (a tile), or a stream of events, unread. */
  answer?: 'text' | 'bytes' | 'stream'
  /** Besides `accept` and the credentials. */
  headers?: Record<string, string>
  /** Whether it may be sent again when it is not known if the server had it. */
  repeatable?: boolean
  /** Tries after the first, where they are other than the client's. */
  retries?: number
}

/** `json` is undefined where the answer has no body; a text is a string there, bytes are a Uint8Array, a stream is the Response. */
export type HttpAnswer = { status: number; headers: Headers; json: unknown }

/**
 * Port of everything below: sends one request, tries again where that is safe, and parses a bounded answer strictly.
 *
 * @throws ClientError
 */
export type Http = (url: string, request?: HttpRequest) => Promise<HttpAnswer>

/** Nesting of an answer: an object as deep as a server takes it, within a page. */
const MAX_DEPTH = 100
const MAX_ERROR_BYTES = 65_536
/** Of a text: a checkpoint with many cosignatures. Of bytes: a full bundle of the largest entries (C2SP tlog-tiles). */
const MAX_BYTES: Record<string, number | undefined> = { text: 1_048_576, bytes: 16_777_728 }

export function createHttp(options: HttpOptions): Http {
  const { auth, origin } = options
  const authorization = auth && formatAuth(auth)
  return (url, request = {}) => {
    const headers: Record<string, string> = { accept: request.accept ?? TAXII, ...request.headers }
    if (authorization !== undefined && new URL(url).origin === origin) headers['authorization'] = authorization
    if (request.body) headers['content-type'] = TAXII
    const isRepeatable = request.repeatable ?? request.method !== 'DELETE'
    const isWorthIt = (error: unknown): error is HttpFailure =>
      error instanceof HttpFailure && (error.neverHandled || (isRepeatable && error.transient))
    const policy = request.retries === undefined ? options : { ...options, retries: request.retries }
    return withRetries(policy, () => send(options, url, request, headers), isWorthIt, request.signal)
  }
}

/** A failure that may pass. `neverHandled`: the server said that it did nothing. */
class HttpFailure extends ClientError {
  transient = false
  neverHandled = false
  retryAfterMs = 0
}

async function send(
  options: HttpOptions,
  url: string,
  request: HttpRequest,
  headers: Record<string, string>,
): Promise<HttpAnswer> {
  const timeout = new AbortController()
  const timer = setTimeout(() => timeout.abort(), options.timeoutMs)
  const signal = request.signal ? AbortSignal.any([request.signal, timeout.signal]) : timeout.signal
  let response: Response
  let bytes: Uint8Array
  try {
    response = await options.fetch(url, {
      method: request.method ?? 'GET',
      headers,
      signal,
      // A browser would add its own cookies, or ask for a password in a window of its own.
      credentials: 'omit',
      // What changes something goes where it was sent, or nowhere.
      redirect: (request.method ?? 'GET') === 'GET' ? 'follow' : 'manual',
      ...(request.body ? { body: request.body as Uint8Array<ArrayBuffer> } : {}),
      ...(request.answer === 'stream' ? { cache: 'no-store' as const } : {}),
    })
    // Time is for the answer to begin: a stream of events has no end.
    if (request.answer === 'stream' && response.ok)
      return { status: response.status, headers: response.headers, json: response }
    bytes = response.ok
      ? await readBody(response, MAX_BYTES[request.answer ?? 'json'] ?? options.maxResponseBytes)
      : await readBody(response, MAX_ERROR_BYTES).catch(() => new Uint8Array(0))
  } catch (cause) {
    if (cause instanceof ClientError) throw cause
    request.signal?.throwIfAborted()
    throw toConnectionError(cause, url, timeout.signal.aborted, options.timeoutMs)
  } finally {
    clearTimeout(timer)
  }
  if (!response.ok) throw toAnswerError(options, response, bytes, url, headers)
  const toJson = () => parseBody(response, bytes, url, options)
  const json =
    request.answer === 'bytes' ? bytes : request.answer === 'text' ? new TextDecoder().decode(bytes) : toJson()
  return { status: response.status, headers: response.headers, json }
}

function parseBody(response: Response, bytes: Uint8Array, url: string, { maxResponseBytes }: HttpOptions): unknown {
  if (bytes.length === 0) return undefined
  const type = response.headers.get('content-type') ?? ''
  if (!/json/i.test(type) && type !== '') {
    throw new ClientError('malformed', `${url} answers with ${type.slice(0, 100)}: is this a TAXII 2.1 server?`, {
      url,
      status: response.status,
    })
  }
  try {
    // Section 1.6.7: I-JSON. A number that would be rounded or a name that is there twice is refused, not guessed.
    return parseStrict(bytes, { maxBytes: maxResponseBytes, maxDepth: MAX_DEPTH })
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause
    throw new ClientError('malformed', `${url} answers with what is not I-JSON: ${cause.message}`, {
      url,
      status: response.status,
      cause,
    })
  }
}

function toConnectionError(cause: unknown, url: string, isTimeout: boolean, timeoutMs: number): ClientError {
  const { host } = new URL(url)
  const error = isTimeout
    ? new HttpFailure('timeout', `${host} did not answer within ${timeoutMs / 1000} s (${url})`, { url, cause })
    : new HttpFailure('unreachable', `can't reach ${host}: ${reasonOf(cause)} (${url})`, { url, cause })
  error.transient = true
  return error
}

/** What fetch hides in `cause`; with several addresses the first failure stands for all. */
function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: { message?: string; code?: string; errors?: { message?: string }[] } }
  const message = cause?.message || cause?.errors?.[0]?.message || (error as Error).message
  return cause?.code !== undefined && !message.includes(cause.code) ? `${message} (${cause.code})` : message
}

const CODES: Record<number, ClientErrorCode> = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not-found',
  413: 'too-large',
  429: 'rate-limited',
}
/** 500 is not among them: the same request would fail again. */
const TRANSIENT = new Set([429, 502, 503, 504])

function toAnswerError(
  options: HttpOptions,
  response: Response,
  bytes: Uint8Array,
  url: string,
  headers: Record<string, string>,
): ClientError {
  const { status } = response
  const answer = readErrorMessage(bytes)
  const said = answer?.error_code
  const code =
    said === 'integrity' || said === 'rolled-back'
      ? said
      : (CODES[status] ?? (status >= 500 ? 'unavailable' : 'refused'))
  const withheld =
    status === 401 && options.auth !== undefined && headers['authorization'] === undefined
      ? ` (the credentials are for ${options.origin} only)`
      : ''
  if (status < 400) {
    // Where a browser hides the answer, its status is 0.
    const to = response.headers.get('location')
    const message = `${url} is elsewhere${to === null ? '' : `: ${to.slice(0, 200)}`} (${status}): use the URL that it has now`
    return new ClientError('refused', message, { status, url })
  }
  const words = [answer?.title, answer?.description].filter(t => t !== undefined).join(': ')
  const error = new HttpFailure(code, `${words === '' ? `HTTP ${status}` : words}${withheld} (${status}, ${url})`, {
    status,
    url,
    answer,
  })
  error.transient = TRANSIENT.has(status) && code !== 'rolled-back'
  error.neverHandled = error.transient && (status === 429 || status === 503)
  error.retryAfterMs = parseRetryAfter(response.headers.get('retry-after'), options.now()) ?? 0
  return error
}

/** Section 3.6.1, and what other servers send in its place: whatever has a title, a name or a description. */
function readErrorMessage(bytes: Uint8Array): TaxiiErrorMessage | undefined {
  let value: unknown
  try {
    value = parseStrict(bytes, { maxDepth: MAX_DEPTH })
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const members = value as Record<string, unknown>
  const text = (name: string) =>
    typeof members[name] === 'string' ? (members[name] as string).slice(0, 4000) : undefined
  const title = text('title') ?? text('name') ?? text('description') ?? text('message')
  if (title === undefined) return undefined
  const optional = ['description', 'error_id', 'error_code', 'http_status', 'external_details']
    .map(name => [name, text(name)] as const)
    .filter(([, value]) => value !== undefined && value !== title)
  return { title, ...Object.fromEntries(optional) } as TaxiiErrorMessage
}

function formatAuth(auth: Auth): string {
  if (auth.kind === 'token') return `${auth.scheme ?? 'Bearer'} ${auth.token}`
  if (auth.user.includes(':')) throw new ClientError('usage', 'a user name has no colon (RFC 7617 section 2)')
  // RFC 7617 section 2.1: UTF-8
  const bytes = new TextEncoder().encode(`${auth.user}:${auth.password}`)
  return `Basic ${btoa(String.fromCodePoint(...bytes))}`
}
