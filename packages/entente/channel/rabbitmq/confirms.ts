import type { ChannelModel } from 'amqplib'
import { EVENT_HEADER, EVENT_MEDIA_TYPE, type Message, POSITION_HEADER, REDELIVERED_HEADER } from '../channel.ts'
import { ChannelError } from '../error.ts'
import type { Broker } from './connection.ts'

/** The way of one channel's messages to its exchange: an AMQP channel on which the broker confirms each (RabbitMQ, publisher confirms). */
export type Confirms = {
  /**
   * Resolves when the broker has confirmed all. After a rejection that did not close the AMQP channel, the next call waits until the broker has answered
   * for everything before it: so what is sent again can't arrive before what was sent first, not even behind a broker that stood still.
   *
   * @throws ChannelError
   */
  publish(messages: readonly Message[]): Promise<void>
  /** Rejects what is under way. */
  fail(error: ChannelError): void
}

/** Frames that may wait for the socket: of up to 128 KiB each. */
const WAITING_FRAMES = 256

/**
 * @param silenceMs how long the broker may confirm nothing while it has something to confirm
 * @param ended called when the AMQP channel was closed
 */
export async function openConfirms(
  broker: Broker,
  connection: ChannelModel,
  exchange: string,
  silenceMs: number,
  ended: () => void,
): Promise<Confirms> {
  const at = `exchange "${exchange}"`
  const channel = await connection.createConfirmChannel({ highWaterMark: WAITING_FRAMES })
  let unconfirmed = 0
  let isFull = false
  let failure: ChannelError | undefined
  let gone: ChannelError | undefined
  let waiting: { isMet: () => boolean; resolve: () => void; reject: (error: ChannelError) => void } | undefined
  let timer: NodeJS.Timeout | undefined

  const fail = (error: ChannelError) => {
    failure ??= error
    waiting?.reject(failure)
  }
  const look = () => {
    if (!waiting) return
    if (waiting.isMet()) waiting.resolve()
    else timer?.refresh()
  }
  const until = async (isMet: () => boolean): Promise<void> => {
    if (failure) throw failure
    if (isMet()) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    waiting = { isMet, resolve, reject }
    const silent = new Error(`nothing was confirmed for ${silenceMs} ms, ${unconfirmed} messages wait`)
    timer = setTimeout(() => fail(broker.error(silent, at)), silenceMs)
    try {
      await promise
    } finally {
      clearTimeout(timer)
      waiting = undefined
    }
  }
  channel.on('drain', () => {
    isFull = false
    look()
  })
  channel.on('error', (error: Error) => {
    gone = broker.error(error, at)
  })
  channel.on('close', () => {
    gone ??= broker.error(new Error('the connection broke'), at)
    fail(gone)
    ended()
  })
  channel.on('nack', () => fail(notTaken(broker, at)))
  const answered = (error: Error | null) => {
    unconfirmed--
    if (!error) look() // else an event follows that says why
  }

  return {
    fail,
    publish: async messages => {
      if (waiting) throw new ChannelError('invalid', `${at}: one publish at a time`)
      failure = gone
      await until(() => unconfirmed === 0)
      for (const message of messages) {
        const body = Buffer.from(message.body.buffer, message.body.byteOffset, message.body.byteLength)
        unconfirmed++
        isFull = !channel.publish(exchange, '', body, properties(message), answered)
        if (isFull) await until(() => !isFull)
      }
      await until(() => unconfirmed === 0)
    },
  }
}

/** docs/formats.md 15. */
const properties = ({ position, event, redelivered }: Message) => ({
  deliveryMode: 2,
  contentType: EVENT_MEDIA_TYPE,
  messageId: String(position),
  headers: {
    [POSITION_HEADER]: String(position),
    [EVENT_HEADER]: event,
    ...(redelivered ? { [REDELIVERED_HEADER]: '1' } : {}),
  },
})

/** `basic.nack`: a queue that is full and set to refuse, or one that failed. */
const notTaken = (broker: Broker, at: string): ChannelError =>
  new ChannelError(
    'refused',
    `RabbitMQ at ${broker.name}, ${at}: a queue behind it did not take a message: look for one that is full or failed`,
  )
