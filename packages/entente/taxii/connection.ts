import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import { type BodyPace, DEFAULT_PACE } from './body.ts'
import { TaxiiError, toErrorMessage } from './errors.ts'
import { TAXII } from './media.ts'
import { clientKey } from './rate.ts'

/** Milliseconds: to send the head of a request, the whole of it, and to begin the next one on a connection that is kept; and how slow a body may be. */
export type Timeouts = { headersMs: number; requestMs: number; keepAliveMs: number } & BodyPace
export const DEFAULT_TIMEOUTS: Timeouts = {
  headersMs: 15_000,
  requestMs: 300_000,
  keepAliveMs: 65_000,
  ...DEFAULT_PACE,
}
/** Connections at a time, of all and of one client; more are closed at once. */
export const DEFAULT_CONNECTIONS = 1000
export const DEFAULT_CONNECTIONS_PER_CLIENT = 100

/** Bytes and header fields of one request's head. */
export const MAX_HEAD_BYTES = 16_384
const MAX_FIELDS = 100
/** What a refused client may go on sending, and for how long, before its connection is cut. */
const DISCARD_BYTES = 16_777_216
const DISCARD_MS = 10_000
/** How long a client has to read the answer that ends its connection. */
const CLOSE_MS = 1000

/** What Node would answer by itself, and bare, is answered as everything else is. */
export function createConnections(newId: () => string) {
  const { isAnswering, track } = trackAnswers()
  const silent = new Set<Socket>()
  return {
    /** An expectation, and a CONNECT. */
    takeOver: (server: Server): void => {
      server.prependListener('request', track)
      server.on(server instanceof TlsServer ? 'secureConnection' : 'connection', (socket: Socket) => {
        silent.add(socket)
        socket.once('close', () => silent.delete(socket))
      })
      server.prependListener('request', (request: IncomingMessage) => silent.delete(request.socket))
      const pass = (request: IncomingMessage, response: ServerResponse) => server.emit('request', request, response)
      server.on('checkContinue', pass) // the reader of bodies says 100 (Continue), once the request is welcome
      server.on('checkExpectation', pass)
      server.on('connect', (_request, socket: Socket) =>
        endWith(socket, new TaxiiError(405, 'method', 'this is no proxy'), newId()),
      )
    },
    /** Connections on which nothing was asked yet: Node takes them for busy, and a server that ends would wait for their time to be over. */
    closeSilent: (): void => {
      for (const socket of silent) socket.destroy()
    },
    /** What Node's parser refuses, or what took too long. */
    refuse: (error: NodeJS.ErrnoException, socket: Socket): void => {
      // An answer that is still due would have to come first, and after it nothing can be told apart any more.
      if (error.code === 'ECONNRESET' || !socket.writable || isAnswering(socket)) return void socket.destroy()
      endWith(socket, fromParser(error), newId())
    },
  }
}

/** Connections with requests that were received whole and not answered yet. */
function trackAnswers() {
  const due = new WeakMap<Socket, Set<ServerResponse>>()
  return {
    isAnswering: (socket: Socket) => [...(due.get(socket) ?? [])].some(r => r.req.complete || r.headersSent),
    track: (request: IncomingMessage, response: ServerResponse) => {
      const { socket } = request
      const responses = due.get(socket) ?? new Set()
      due.set(socket, responses.add(response))
      response.once('close', () => responses.delete(response))
    },
  }
}

/** Closes what one client opens beyond `most` connections at a time, before TLS costs anything: one client must not take all places. */
export function limitPerClient(server: Server, most: number): void {
  const open = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const client = clientKey(socket.remoteAddress ?? '') // absent where the client is gone already
    const count = open.get(client) ?? 0
    if (count >= most) return void socket.destroy()
    open.set(client, count + 1)
    socket.once('close', () => {
      const left = (open.get(client) as number) - 1
      if (left === 0) open.delete(client)
      else open.set(client, left)
    })
  })
}

/** Without a request that could be answered, the error message goes to the socket as it is. */
function endWith(socket: Socket, error: TaxiiError, errorId: string): void {
  const body = JSON.stringify(toErrorMessage(error, errorId))
  const head = `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}\r\nContent-Type: ${TAXII}\r\nContent-Length: ${Buffer.byteLength(body)}`
  // Ended is not closed: a client that stays would keep its place among the connections.
  socket.end(`${head}\r\nConnection: close\r\n\r\n${body}`)
  setTimeout(() => socket.destroy(), CLOSE_MS).unref()
}

function fromParser({ code }: NodeJS.ErrnoException): TaxiiError {
  if (code === 'HPE_HEADER_OVERFLOW') return new TaxiiError(431, 'too-large', 'the header of the request is too large')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new TaxiiError(408, 'timeout', 'the request was not sent in time')
  return new TaxiiError(400, 'path', 'this is not HTTP as it was expected')
}

/**
 * What can be said of a head before it is known whose it is (RFC 9112 section 3.2).
 *
 * @throws TaxiiError 400 without exactly one Host in HTTP/1.1, 431 for more fields than any client needs
 */
export function checkHead(request: IncomingMessage): void {
  const { rawHeaders } = request
  if (rawHeaders.length > MAX_FIELDS * 2)
    throw new TaxiiError(
      431,
      'too-large',
      `the request has ${rawHeaders.length / 2} header fields, at most ${MAX_FIELDS} are taken`,
    )
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) if (rawHeaders[i]?.toLowerCase() === 'host') hosts++
  if (hosts > 1 || (hosts === 0 && request.httpVersion === '1.1'))
    throw new TaxiiError(400, 'path', `the request has ${hosts} Host header fields, HTTP/1.1 has one`)
}

/**
 * After an answer that did not wait for the body: a client that is still sending would not read the answer if the connection were reset at
 * once (RFC 9112 section 9.6), so what it sends is thrown away, up to a bound.
 */
export function discardRest(request: IncomingMessage): void {
  let left = DISCARD_BYTES
  const cut = () => void request.socket.destroy()
  const timer = setTimeout(cut, DISCARD_MS).unref()
  request
    .on('data', (chunk: Buffer) => {
      left -= chunk.length
      if (left < 0) cut()
    })
    .once('close', () => clearTimeout(timer))
    .resume()
}
