import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Sight, Sink, Topic } from '#channel/stream.ts'
import type { Principal } from './auth/auth.ts'
import { isUntrusted, type TaxiiContext } from './context.ts'
import { TaxiiError } from './errors.ts'
import { EVENT_STREAM } from './media.ts'

/** {@link TaxiiContext.channels} `stalledMs` by default: a slow client's kernel takes megabytes at once, and then nothing for a while. */
export const DEFAULT_STALLED_MS = 900_000
/** How long it may stay unknown whether a subscriber still has its rights, while too many log in at once. */
const UNCHECKED_MS = 120_000
/** How long an ended connection has to take what was written to it. */
const CLOSE_MS = 1000
/** When somebody for whom there was no room asks again. */
const RETRY_AFTER_S = 10
/** The operating system looks whether the other side is still there. */
const KEEP_ALIVE_MS = 60_000

export type StreamRequest = {
  topic: Topic
  /** The place that it begins with. */
  from: number
  /** What this caller may see now; undefined where nothing. */
  sight: (principal: Principal) => Sight | undefined
  gap: (principal: Principal, after: number, next: number) => Promise<string>
}

/**
 * Answers with an event stream (WHATWG HTML section 9.2), for as long as the client stays and has its rights: they are looked at again with every
 * sign of life. The answer has no length and ends with its connection (RFC 9112 section 6.3, rule 8): what goes to many is the same bytes for all of them.
 *
 * @throws TaxiiError 503 where there are as many as there may be
 */
export function sendStream(context: TaxiiContext, request: FastifyRequest, reply: FastifyReply, asked: StreamRequest) {
  const { streams, channels } = context
  const { principal } = request
  const sight = asked.sight(principal)
  if (!sight) throw new TaxiiError(403, 'forbidden', 'you may read nothing of it')
  if (request.method === 'HEAD') return reply.headers(HEADERS).send()
  if (streams.count >= channels.maxSubscribers)
    throw new TaxiiError(503, 'overloaded', `${streams.count} subscribers are connected, as many as there may be`, {
      headers: { 'retry-after': String(RETRY_AFTER_S) },
    })

  const { socket } = request.raw
  // Node gives the connection to one answer at a time, and this one has no end.
  if (reply.raw.socket !== socket)
    throw new TaxiiError(400, 'path', 'an event stream was asked for behind another request on the same connection')
  reply.hijack()
  openAnswer(reply, socket)
  const { address, authorization } = { address: request.ip, authorization: request.headers.authorization }
  const started = performance.now()
  const { topic, from } = asked
  let now = principal
  let checked = started
  const stream = streams.subscribe(topic, {
    user: principal.name,
    address,
    from,
    sight,
    sink: toSink(socket),
    gap: (after, next) => asked.gap(now, after, next),
  })
  const details = { [topic.kind]: topic.name, user: principal.name, address, connection: stream.connection }
  context.log('info', 'a subscriber came', details)

  /** Who lost the right to read is cut off at once; so is everybody where nothing is to be believed any more. */
  async function check(): Promise<void> {
    if (isUntrusted(context.notary)) return cut('this server has stopped')
    let found: Principal | undefined
    try {
      found = authorization === undefined ? context.identify?.(socket) : await context.authenticate(authorization)
      checked = performance.now()
    } catch {
      if (performance.now() - checked < UNCHECKED_MS) return
    }
    const seen = found && asked.sight(found)
    if (!found || !seen) return cut('it may not read this any more')
    now = found
    stream.look(seen)
  }
  function cut(reason: string): void {
    if (socket.destroyed) return
    context.log('info', 'a subscriber was cut off', { ...details, reason })
    stream.close()
    socket.destroy()
  }
  const beat = async () => {
    if (stream.stalledMs > channels.stalledMs) return cut('it has taken nothing for too long')
    await check()
    if (!socket.destroyed) stream.beat()
  }
  const timer = setInterval(() => void beat(), channels.heartbeatMs)
  timer.unref()

  socket.on('drain', stream.drained)
  // Nothing that a client sends after its request means anything here; who sends is no client of this.
  socket.on('data', () => cut('it sent something'))
  const left = () => {
    clearInterval(timer)
    stream.close()
    context.log('info', 'a subscriber left', { ...details, ms: Math.round(performance.now() - started) })
  }
  if (socket.destroyed) left()
  else socket.once('close', left)
  return reply
}

const HEADERS = {
  'content-type': EVENT_STREAM,
  'cache-control': 'no-store',
  'x-accel-buffering': 'no', // a proxy that collects answers would hold events back
  connection: 'close',
}

/** Writes the head. What follows goes to the socket itself: as long as the answer is open, nothing else does. */
function openAnswer({ raw }: FastifyReply, socket: Socket): void {
  raw.useChunkedEncodingByDefault = false
  raw.shouldKeepAlive = false
  raw.writeHead(200, HEADERS)
  raw.flushHeaders()
  socket.setKeepAlive(true, KEEP_ALIVE_MS)
  socket.setNoDelay(true)
}

const toSink = (socket: Socket): Sink => ({
  write: bytes => socket.destroyed || socket.write(bytes),
  end: () => {
    socket.end()
    setTimeout(() => socket.destroy(), CLOSE_MS)
  },
})
