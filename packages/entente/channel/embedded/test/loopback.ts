// The hub behind the ports of a broker, so that the suite of all adapters runs over it: messages lie in arrays in place of a log, and go out over HTTP on
// loopback. What server-sent events leave to the client (where it was, what it has seen) is kept here by durable name.
import { createServer, type IncomingMessage, request as httpRequest } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Message, Publisher, Received, Subscriber } from '../../channel.ts'
import type { ChannelSubject } from '../../conformance.ts'
import { ChannelError } from '../../error.ts'
import type { Sight, Topic } from '../../stream.ts'
import { createHub } from '../hub.ts'

const ALL: Sight = { key: '', collections: [], has: () => true, clears: () => true }

export async function openLoopback(): Promise<ChannelSubject> {
  const histories = new Map<string, Message[]>()
  const historyOf = (name: string): Message[] => {
    const known = histories.get(name) ?? []
    histories.set(name, known)
    return known
  }
  const durables = new Map<string, { next: number; delivered: number }>()
  const hub = createHub({ now: () => performance.now(), log: () => {} })
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    const url = new URL(request.url as string, 'http://localhost')
    const name = url.pathname.slice(1)
    const socket = response.socket as Socket
    response.useChunkedEncodingByDefault = false
    response.writeHead(200, { 'content-type': 'text/event-stream', connection: 'close' }).flushHeaders()
    const topic = toTopic(name, historyOf(name))
    const given = url.searchParams.get('from')
    const stream = hub.subscribe(topic, {
      user: 'test',
      address: '127.0.0.1',
      from: given === null ? topic.end() : Number(given),
      sight: ALL,
      sink: { write: bytes => socket.write(bytes), end: () => void socket.destroy() },
      gap: async () => '{}',
    })
    socket.on('drain', stream.drained)
    socket.on('close', stream.close)
  })
  server.on('connection', socket => sockets.add(socket))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  return {
    publisher: (_channels, prefix = '') => {
      const closing = new AbortController()
      const publisher: Publisher = {
        kind: 'loopback',
        publish: async (channel, messages) => {
          await new Promise(resolve => setImmediate(resolve)) // as the commit takes its time
          if (closing.signal.aborted) throw new ChannelError('closed', 'the publisher was closed')
          historyOf(prefix + channel).push(...messages)
          hub.wake()
        },
        address: channel => prefix + channel,
        state: () => ({ connected: !closing.signal.aborted, error: undefined, since: 0 }),
        close: async () => closing.abort(),
      }
      return publisher
    },
    subscriber: (prefix = '') => openSubscriber(port, prefix, durables, historyOf),
    broker: undefined,
    putForeign: undefined,
    dispose: async () => {
      hub.close()
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

function toTopic(name: string, history: Message[]): Topic {
  const end = () => (history.at(-1)?.position ?? -1) + 1
  return {
    kind: 'channel',
    name,
    read: async (from, limit) => {
      const messages = history.filter(m => m.position >= from).slice(0, limit)
      return { messages, next: messages.length < limit ? end() : (messages.at(-1) as Message).position + 1 }
    },
    end,
    start: async () => 0,
    count: async (from, most) => Math.min(most, history.filter(m => m.position >= from).length),
  }
}

function openSubscriber(
  port: number,
  prefix: string,
  durables: Map<string, { next: number; delivered: number }>,
  historyOf: (name: string) => Message[],
): Subscriber {
  const closing = new AbortController()
  return {
    kind: 'loopback',
    subscribe: async (channel, { durable, signal } = {}) => {
      if (closing.signal.aborted) throw new ChannelError('closed', 'the subscriber was closed')
      const name = prefix + channel
      const history = historyOf(name)
      const key = durable === undefined ? undefined : `${name} ${durable}`
      const kept = key === undefined ? undefined : durables.get(key)
      const own = kept ?? { next: (history.at(-1)?.position ?? -1) + 1, delivered: -1 }
      if (key !== undefined) durables.set(key, own)
      const response = await connect(port, `/${name}?from=${own.next}`)
      const stop = () => void response.destroy()
      for (const one of [closing.signal, signal]) one?.addEventListener('abort', stop)
      return receive(response, own, history)
    },
    close: async () => closing.abort(),
  }
}

/** Resolves once the hub has begun: it says where it is before anything else. */
function connect(port: number, path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, path, agent: false }, response => {
      response.on('error', () => {})
      response.once('readable', () => resolve(response))
    })
    request.on('error', reject).end()
  })
}

async function* receive(
  response: IncomingMessage,
  own: { next: number; delivered: number },
  history: Message[],
): AsyncIterableIterator<Received> {
  let rest = Buffer.alloc(0)
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      rest = Buffer.concat([rest, chunk])
      for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
        const frame = rest.subarray(0, end)
        rest = rest.subarray(end + 2)
        const data = frame.indexOf('\ndata: ')
        if (data < 0) continue
        const position = Number(/^id: (\d+)\n/.exec(frame.toString('latin1', 0, 40))?.[1])
        // The stream has no mark of its own: whoever has seen a place before knows by its number.
        const wasSent = history.find(m => m.position === position)?.redelivered === true
        const redelivered = wasSent || position <= own.delivered
        own.delivered = Math.max(own.delivered, position)
        const acknowledge = async () => {
          own.next = Math.max(own.next, position + 1)
        }
        yield { body: frame.subarray(data + 7), position, redelivered, acknowledge }
      }
    }
  } catch (error) {
    if (!response.destroyed) throw error
  } finally {
    response.destroy()
  }
}
