import type { TLSSocket } from 'node:tls'
import { createWriter, NO_BODY, readFrames } from './frames.ts'
import { connectSecurely, createSecureServer } from './secure.ts'

/** Why nothing came back. `refused`: no process of that name is there. `lost`: what was asked may have been done. */
export class LinkError extends Error {
  override name = 'LinkError'
  readonly code: 'refused' | 'lost' | 'away'
  constructor(code: LinkError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** An error as it goes over a link: of the code, and what else can be said in JSON. */
export type Fault = { code: string; message: string }
/** What the other side threw. */
export class RemoteError extends Error {
  override name = 'RemoteError'
  readonly fault: Fault
  constructor(fault: Fault) {
    super(fault.message)
    this.fault = fault
  }
}

/** A question, and what is answered. */
export type Question = { kind: string; data: Record<string, unknown>; body: Buffer }
export type Answer = { data: Record<string, unknown>; body: Buffer }
export type News = Record<string, unknown>

/** A connection to another server. */
export type Link = {
  readonly isOpen: boolean
  /** @throws LinkError `lost`, RemoteError */
  ask(kind: string, data?: Record<string, unknown>, body?: Buffer): Promise<Answer>
  /** Says what needs no answer. */
  say(kind: string, data: Record<string, unknown>): void
  close(): void
}

/** How long a server that took the connection may take to say who it is. */
const HELLO_MS = 1000
/** How often who was asked is asked whether it is still there, and how often without any answer until the connection has died without a word. */
const LOOK_MS = 1000
const MOST_UNHEARD = 5

/**
 * Connects to a server.
 *
 * @param wanted the run of the server that should be there
 * @throws LinkError `refused` where it is gone: nobody listens there, or another with the key; `away` where that is not known
 */
export async function openLink(options: {
  address: string
  psk: Buffer
  wanted: string
  maxBytes: number
  news: (news: News) => void
  closed: () => void
}): Promise<Link> {
  const { address, wanted } = options
  const socket = await connectSecurely(address, options.psk).catch((cause: NodeJS.ErrnoException) => {
    const code = cause.code === 'ECONNREFUSED' ? 'refused' : 'away'
    throw new LinkError(code, `${address} can't be reached: ${cause.message}`, { cause })
  })
  const write = createWriter(socket)
  const waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>()
  let count = 0
  let isOpen = true
  let unheard = 0
  socket.on('error', () => {})
  socket.on('data', () => (unheard = 0))
  // The system would try for a quarter of an hour to send what was asked, and all that time it could not be asked of anybody else.
  const looking = setInterval(() => {
    if (waiting.size === 0) unheard = 0
    else if (unheard++ === MOST_UNHEARD) socket.destroy()
    else link.say('hello', { id: 0 })
  }, LOOK_MS)
  socket.once('close', () => {
    isOpen = false
    clearInterval(looking)
    for (const { reject } of waiting.values()) reject(new LinkError('lost', `the connection to ${address} was lost`))
    waiting.clear()
    options.closed()
  })
  readFrames(socket, options.maxBytes, ({ head: { id, news, fault, ...data }, body }) => {
    if (news !== undefined) return options.news(news as News)
    const asked = waiting.get(id as number)
    waiting.delete(id as number)
    if (fault === undefined) asked?.resolve({ data, body })
    else asked?.reject(new RemoteError(fault as Fault))
  })
  const link: Link = {
    get isOpen() {
      return isOpen
    },
    ask: (kind, data = {}, body = NO_BODY) =>
      new Promise((resolve, reject) => {
        if (!isOpen) return reject(new LinkError('away', `there is no connection to ${address}`))
        const id = ++count
        waiting.set(id, { resolve, reject })
        write({ head: { ...data, id, kind }, body })
      }),
    say: (kind, data) => {
      if (isOpen) write({ head: { ...data, kind }, body: NO_BODY })
    },
    close: () => socket.destroy(),
  }
  const late = setTimeout(link.close, HELLO_MS)
  const { data } = await link
    .ask('hello')
    .catch(cause => {
      throw new LinkError('away', `${address} does not answer`, { cause })
    })
    .finally(() => clearTimeout(late))
  if (data['server'] === wanted) return link
  link.close()
  throw new LinkError('refused', `at ${address} there is another server by now`)
}

/** A connection from another server. */
export type Peer = { tell(news: News): void }

/** How long what was said last may take to arrive. */
const CLOSE_MS = 250

/** What takes the connections of other servers. */
export type Listener = {
  /** Who is connected. */
  peers(): Peer[]
  close(): Promise<void>
}

/** @throws what the system says where the address can't be listened on */
export async function listen(options: {
  host: string
  port: number
  psk: Buffer
  id: string
  maxBytes: number
  answer: (question: Question, peer: Peer) => Promise<Answer>
  /** What was said that needs no answer. */
  heard: (said: Omit<Question, 'body'>, peer: Peer) => void
  toFault: (error: unknown) => Fault
}): Promise<Listener> {
  const { host, port, psk, id: own, maxBytes, answer, heard, toFault } = options
  const peers = new Map<TLSSocket, Peer>()
  const server = createSecureServer(psk, socket => {
    const peer: Peer = { tell: news => send({ news }) }
    peers.set(socket, peer)
    socket.on('error', () => {})
    socket.once('close', () => peers.delete(socket))
    const write = createWriter(socket)
    const send = (head: Record<string, unknown>, body = NO_BODY) => {
      if (socket.writable) write({ head, body })
    }
    readFrames(socket, maxBytes, ({ head: { id, kind, ...data }, body }) => {
      if (kind === 'hello') return send({ id, server: own })
      if (id === undefined) return heard({ kind: String(kind), data }, peer)
      answer({ kind: String(kind), data, body }, peer).then(
        given => send({ ...given.data, id }, given.body),
        (error: unknown) => send({ id, fault: toFault(error) }),
      )
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => resolve())
  })
  return {
    peers: () => [...peers.values()],
    close: async () => {
      const closed = new Promise(resolve => server.close(resolve))
      for (const socket of peers.keys()) socket.destroySoon()
      const timer = setTimeout(() => peers.forEach((_, socket) => socket.destroy()), CLOSE_MS)
      await closed
      clearTimeout(timer)
    },
  }
}
