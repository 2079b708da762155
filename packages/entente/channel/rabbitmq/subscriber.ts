import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib'
import {
  POSITION_HEADER,
  type Received,
  REDELIVERED_HEADER,
  type SubscribeOptions,
  type Subscriber,
} from '../channel.ts'
import { ChannelError } from '../error.ts'
import {
  CLOSE_MS,
  type Broker,
  keepConnection,
  onChannel,
  parseBroker,
  type RabbitTls,
  replyCode,
  within,
} from './connection.ts'
import { ensureExchange, NOT_FOUND } from './exchange.ts'
import { createInbox } from './inbox.ts'

export type RabbitSubscriberOptions = {
  /** `amqp://user:password@host:port/vhost`, or `amqps:` */
  url: string
  tls?: RabbitTls | undefined
  /** As the publisher's. */
  prefix?: string | undefined
}

/** Messages that the broker sends before the first of them is acknowledged. */
const PREFETCH = 128
/** So often in a row a broker may refuse what it gave before: it may be on its way down or up. */
const MOST_REFUSALS = 6
/** Of the name of a queue (AMQP 0-9-1, shortstr). */
const MAX_NAME_BYTES = 255
/** Without the colon, so that no two channels and durable names make the same queue. */
const DURABLE_NAME = /^[A-Za-z0-9._-]{1,200}$/

/**
 * Subscriptions, each with a connection of its own. Without `durable` the queue is the broker's (`amq.gen-…`), exclusive, and gone with the connection;
 * what was given to the consumer is acknowledged. With it the queue is durable and called `<exchange>:<durable>`; of several consumers one is
 * active and the others wait (RabbitMQ, single active consumer), and it stays until somebody deletes it.
 *
 * @throws ChannelError `invalid`: the URL
 */
export function openRabbitSubscriber({ url, tls, prefix = '' }: RabbitSubscriberOptions): Subscriber {
  const broker = parseBroker(url, tls)
  const open = new Set<() => Promise<void>>()
  let isClosed = false

  async function subscribe(channel: string, options: SubscribeOptions = {}) {
    const { durable, from = 'now', signal } = options
    if (isClosed) throw new ChannelError('closed', `the subscriber of RabbitMQ at ${broker.name} was closed here`)
    const exchange = `${prefix}${channel}`
    const source = { exchange, queue: durable === undefined ? undefined : queueName(exchange, durable), from }
    if (from === 'start' && durable === undefined) throw nothingKept(broker, exchange)

    const stop = async () => {
      signal?.removeEventListener('abort', stopped)
      open.delete(stop)
      inbox.end()
      await within(CLOSE_MS, broker, leave()).catch(() => {})
      await kept.close()
    }
    const stopped = () => void stop()
    const inbox = createInbox(received => {
      if (durable === undefined) void received.acknowledge()
    }, stop)
    let isSubscribed = false
    let refusals = 0
    let leave = async () => {}
    const kept = keepConnection(
      broker,
      async connection => {
        leave = await consume(broker, connection, source, inbox)
      },
      error => {
        if (error === undefined) {
          isSubscribed = true
          refusals = 0
          return undefined
        }
        if (isSubscribed && (error.code === 'unreachable' || ++refusals < MOST_REFUSALS)) return undefined
        inbox.end(error)
        void stop()
        return 'stop'
      },
    )
    open.add(stop)
    signal?.addEventListener('abort', stopped)
    if (signal?.aborted) stopped()
    try {
      await kept.current()
    } catch (error) {
      await stop()
      if (!signal?.aborted) throw error
    }
    return inbox.iterator
  }

  return {
    kind: 'rabbitmq',
    subscribe,
    close: async () => {
      isClosed = true
      await Promise.all([...open].map(stop => stop()))
    },
  }
}

type Source = { exchange: string; queue: string | undefined; from: 'now' | 'start' }

/**
 * What is asked of one connection. A lost AMQP channel ends it: another is made, and the same is asked again.
 *
 * @returns to end it after all acknowledgements: the connection's farewell may overtake them
 */
async function consume(
  broker: Broker,
  connection: ChannelModel,
  { exchange, queue, from }: Source,
  inbox: ReturnType<typeof createInbox>,
): Promise<() => Promise<void>> {
  await ensureExchange(broker, connection, exchange)
  if (queue !== undefined) await ensureQueue(broker, connection, exchange, queue, from)
  const channel = await connection.createChannel()
  let isOpen = true
  const giveUp = () => {
    isOpen = false
    connection.close().catch(() => {})
  }
  channel.on('error', () => {}) // 'close' follows
  channel.on('close', giveUp)
  const name = queue ?? (await channel.assertQueue('', { exclusive: true, durable: false })).queue
  await channel.bindQueue(name, exchange, '')
  await channel.prefetch(PREFETCH)
  // What the connection before had brought and nobody took comes again, if the broker keeps it.
  if (queue !== undefined) inbox.empty()
  const acknowledge = acknowledger(channel, () => isOpen)
  await channel.consume(name, message => {
    if (message) inbox.put(toReceived(message, () => acknowledge(message)))
    else giveUp() // the queue was deleted
  })
  return async () => {
    if (!isOpen) return
    isOpen = false
    channel.off('close', giveUp)
    await channel.close()
  }
}

/** Acknowledges everything up to a message, once: a second time is an error that closes the AMQP channel. */
function acknowledger(channel: Channel, isOpen: () => boolean): (message: ConsumeMessage) => void {
  let newest = 0
  return message => {
    // Of a connection that was lost: it comes again.
    if (!isOpen() || message.fields.deliveryTag <= newest) return
    newest = message.fields.deliveryTag
    channel.ack(message, true)
  }
}

function toReceived({ content, fields, properties }: ConsumeMessage, acknowledge: () => void): Received {
  const { [POSITION_HEADER]: position, [REDELIVERED_HEADER]: redelivered } = properties.headers ?? {}
  return {
    body: content,
    position: parsePosition(position),
    redelivered: redelivered === '1' || fields.redelivered,
    acknowledge: async () => acknowledge(),
  }
}

function parsePosition(header: unknown): number | undefined {
  if (typeof header !== 'string' || !/^(?:0|[1-9][0-9]{0,15})$/.test(header)) return undefined
  const position = Number(header)
  return Number.isSafeInteger(position) ? position : undefined
}

/** @throws ChannelError `invalid` */
function queueName(exchange: string, durable: string): string {
  const name = `${exchange}:${durable}`
  if (!DURABLE_NAME.test(durable) || Buffer.byteLength(name) > MAX_NAME_BYTES)
    throw new ChannelError(
      'invalid',
      `"${durable}" can't be the name of a durable subscription: 1 to 200 letters, digits, ".", "_" or "-", and with the exchange before it, "${exchange}:", at most ${MAX_NAME_BYTES}`,
    )
  return name
}

/** A durable queue: made where it is missing, used as it is where it is there. */
async function ensureQueue(
  broker: Broker,
  connection: ChannelModel,
  exchange: string,
  queue: string,
  from: Source['from'],
): Promise<void> {
  try {
    await onChannel(connection, channel => channel.checkQueue(queue))
    return
  } catch (error) {
    if (replyCode(error) !== NOT_FOUND) throw broker.error(error, `queue "${queue}"`)
  }
  if (from === 'start') throw nothingKept(broker, exchange)
  try {
    await onChannel(connection, channel =>
      channel.assertQueue(queue, { durable: true, arguments: { 'x-single-active-consumer': true } }),
    )
  } catch (error) {
    throw broker.error(error, `queue "${queue}"`)
  }
}

const nothingKept = (broker: Broker, exchange: string): ChannelError =>
  new ChannelError(
    'invalid',
    `RabbitMQ at ${broker.name} keeps nothing of "${exchange}" for who was not there: a subscription begins with what comes`,
  )
