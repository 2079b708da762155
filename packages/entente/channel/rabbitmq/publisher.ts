import type { ChannelModel } from 'amqplib'
import type { BrokerState, Publisher } from '../channel.ts'
import { ChannelError } from '../error.ts'
import { type Confirms, openConfirms } from './confirms.ts'
import { ANSWER_MS, keepConnection, parseBroker, type RabbitTls, within } from './connection.ts'
import { ensureExchange } from './exchange.ts'

export type RabbitPublisherOptions = {
  /** `amqp://user:password@host:port/vhost`, or `amqps:` */
  url: string
  tls?: RabbitTls | undefined
  /** Before the name of each channel: the two are the name of its exchange. */
  prefix?: string | undefined
  /** Their exchanges are made as soon as there is a connection, so that subscribers find them. */
  channels: readonly string[]
  /** Milliseconds since 1970. */
  now: () => number
  /** How long the broker may confirm nothing of what it was sent before it counts as away, milliseconds. */
  silenceMs?: number | undefined
}

const DEFAULT_SILENCE_MS = 8000

/**
 * Channels on RabbitMQ, one durable fanout exchange each. Connects at once and again whenever the connection breaks; between two tries `publish` rejects
 * right away.
 *
 * @throws ChannelError `invalid`: the URL
 */
export function openRabbitPublisher(options: RabbitPublisherOptions): Publisher {
  const { prefix = '', channels, now, silenceMs = DEFAULT_SILENCE_MS } = options
  const broker = parseBroker(options.url, options.tls)
  const address = (channel: string) => `${prefix}${channel}`
  let state: BrokerState = { connected: false, error: 'not connected yet', since: now() }
  let isClosed = false
  /** Of the connection that there is. */
  let open = new Map<string, Promise<Confirms>>()
  let blocked: ChannelError | undefined

  const become = (error: ChannelError | undefined): undefined => {
    const connected = error === undefined
    state = { connected, error: error?.message, since: connected === state.connected ? state.since : now() }
  }
  const failAll = (error: ChannelError) => {
    for (const opening of open.values()) opening.then(confirms => confirms.fail(error)).catch(() => {})
  }

  const prepare = async (connection: ChannelModel) => {
    const own = new Map<string, Promise<Confirms>>()
    open = own
    blocked = undefined
    // A broker that is low on memory or disk says so, and reads nothing more (RabbitMQ, blocked connections). What it has not read stays in this connection.
    connection.on('blocked', reason => {
      blocked = new ChannelError('unreachable', `RabbitMQ at ${broker.name} takes no messages now: ${reason}`)
      become(blocked)
      failAll(blocked)
    })
    connection.on('unblocked', () => {
      blocked = undefined
      become(undefined)
    })
    const confirmsOf = (channel: string): Promise<Confirms> => {
      const there = own.get(channel)
      if (there) return there
      const forget = () => void own.delete(channel)
      const opening = ensureExchange(broker, connection, address(channel)).then(() =>
        openConfirms(broker, connection, address(channel), silenceMs, forget),
      )
      own.set(channel, opening)
      opening.catch(forget)
      return opening
    }
    for (const channel of channels) confirmsOf(channel).catch(() => {})
    return confirmsOf
  }
  const kept = keepConnection(broker, prepare, become)

  const closed = () => new ChannelError('closed', `the publisher to RabbitMQ at ${broker.name} was closed here`)
  return {
    kind: 'rabbitmq',
    address,
    state: () => state,
    publish: async (channel, messages) => {
      try {
        if (isClosed) throw closed()
        if (messages.length === 0) return
        const confirmsOf = await kept.current()
        const confirms = await within(ANSWER_MS, broker, confirmsOf(channel))
        if (isClosed) throw closed()
        if (blocked) throw blocked
        await confirms.publish(messages)
        if (!state.connected && !blocked) become(undefined)
      } catch (cause) {
        if (isClosed) throw closed()
        const error = broker.error(cause)
        // A broker that says nothing any more has a connection, and is away all the same.
        if (error.code === 'unreachable' && state.connected) become(error)
        throw error
      }
    },
    close: async () => {
      isClosed = true
      failAll(closed())
      await kept.close()
    },
  }
}
