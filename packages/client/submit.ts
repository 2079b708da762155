import { canonicalize } from '@entente/verify/json'
import { ClientError } from './error.ts'
import type { Http } from './http.ts'
import type { Status } from './resources.ts'
import { readStatus } from './status.ts'

export type AddOptions = {
  /** Objects in a request. Default: {@link DEFAULT_BATCH}. */
  batch?: number
  /** Requests at a time. Default: {@link DEFAULT_IN_FLIGHT}. */
  inFlight?: number
  signal?: AbortSignal
}

/** One request that the server took: `from` is the place of its first object in the input. */
export type Added = { from: number; count: number; status: Status }

export const DEFAULT_BATCH = 500
export const DEFAULT_IN_FLIGHT = 3
/** A request is no larger than this, whatever the server would take. */
const MAX_REQUEST_BYTES = 16_777_216
const HEAD = '{"objects":['
const TAIL = ']}'
const FRAME_BYTES = HEAD.length + TAIL.length

const encoder = new TextEncoder()

type Request = { from: number; texts: Uint8Array[] }

/**
 * Adds objects (section 5.5) in requests of at most `batch` objects and less than `maxBytes`, a few at a time, and gives each answer
 * as it comes. To send an object again is safe: what is there already is a success. After an error no further request begins; those
 * under way are waited for.
 *
 * @throws ClientError; `too-large` where one object alone is larger than the server takes
 * @throws JsonError for a value that JSON cannot say
 */
export async function* submit(
  http: Http,
  url: string,
  objects: Iterable<object> | AsyncIterable<object>,
  maxBytes: number,
  { batch = DEFAULT_BATCH, inFlight = DEFAULT_IN_FLIGHT, signal }: AddOptions = {},
): AsyncGenerator<Added, void, void> {
  if (!Number.isSafeInteger(batch) || batch < 1 || !Number.isSafeInteger(inFlight) || inFlight < 1)
    throw new ClientError('usage', `batch is ${batch}, inFlight ${inFlight}: both are whole numbers of at least 1`)
  const done: Added[] = []
  const running = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined
  const start = (request: Request) => {
    const run: Promise<void> = send(http, url, request, signal, added => done.push(added))
      .catch(error => void (failure ??= { error }))
      .then(() => void running.delete(run))
    running.add(run)
  }
  try {
    for await (const request of toRequests(objects, batch, Math.min(maxBytes, MAX_REQUEST_BYTES))) {
      while (running.size >= inFlight) await Promise.race(running)
      yield* done.splice(0)
      if (failure) break
      start(request)
    }
    while (running.size > 0) {
      await Promise.race(running)
      yield* done.splice(0)
    }
  } finally {
    await Promise.all(running)
  }
  if (failure) throw failure.error
}

async function* toRequests(
  objects: Iterable<object> | AsyncIterable<object>,
  batch: number,
  maxBytes: number,
): AsyncGenerator<Request, void, void> {
  let request: Request = { from: 0, texts: [] }
  let bytes = FRAME_BYTES
  let place = 0
  for await (const object of objects) {
    const text = encoder.encode(canonicalize(object))
    if (request.texts.length > 0 && (request.texts.length >= batch || bytes + text.length + 1 > maxBytes)) {
      yield request
      request = { from: place, texts: [] }
      bytes = FRAME_BYTES
    }
    request.texts.push(text)
    bytes += text.length + 1
    place++
  }
  if (request.texts.length > 0) yield request
}

/** A server that finds a request too large, although its API root says otherwise, gets it in halves. */
async function send(
  http: Http,
  url: string,
  { from, texts }: Request,
  signal: AbortSignal | undefined,
  take: (added: Added) => void,
): Promise<void> {
  try {
    const { json } = await http(url, { method: 'POST', body: toEnvelope(texts), signal })
    take({ from, count: texts.length, status: readStatus(json, url) })
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== 'too-large' || texts.length === 1) throw error
    const half = texts.length >> 1
    await send(http, url, { from, texts: texts.slice(0, half) }, signal, take)
    await send(http, url, { from: from + half, texts: texts.slice(half) }, signal, take)
  }
}

/** The envelope of section 3.7. */
function toEnvelope(texts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(texts.reduce((sum, text) => sum + text.length + 1, FRAME_BYTES - 1))
  let at = encoder.encodeInto(HEAD, bytes).written
  for (let i = 0; i < texts.length; i++) {
    if (i > 0) bytes[at++] = 0x2c // ,
    bytes.set(texts[i] as Uint8Array, at)
    at += (texts[i] as Uint8Array).length
  }
  encoder.encodeInto(TAIL, bytes.subarray(at))
  return bytes
}
