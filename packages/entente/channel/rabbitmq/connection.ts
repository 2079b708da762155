import { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Channel, type ChannelModel, connect } from 'amqplib'
import { ChannelError } from '../error.ts'

export type RabbitTls = { ca?: Buffer | undefined; cert?: Buffer | undefined; key?: Buffer | undefined }

/** A broker by its URL. Nothing that it says, and no error, has the password. */
export type Broker = {
  /** As messages show it: without user and password. */
  name: string
  connect(): Promise<ChannelModel>
  /** @param at what was being done: `exchange "EVENTS"` */
  error(cause: unknown, at?: string): ChannelError
}

/** How long a broker may take for one step of connecting, or for an answer to a question. */
export const ANSWER_MS = 5000
/** Seconds between signs of life: after two without one, at most three, the connection is given up (AMQP 0-9-1, 4.2.7). */
const HEARTBEAT_S = 10
/** How long is waited for a farewell. */
export const CLOSE_MS = 1000
/** Milliseconds to the next try to connect: doubled each time, up to the last. */
const PAUSES = { first: 100, last: 2000 }

/**
 * @param url `amqp://user:password@host:port/vhost`, or `amqps:`
 * @throws ChannelError `invalid`
 */
export function parseBroker(url: string, tls: RabbitTls | undefined): Broker {
  // The error of the parser quotes the URL, password and all: it is not kept.
  const invalid = (why: string) =>
    new ChannelError('invalid', `the URL of RabbitMQ ${why}: it has to be amqp[s]://user:password@host:port/vhost`)
  if (!URL.canParse(url)) throw invalid('is none')
  const { protocol, hostname, port, pathname, username, password, search, hash } = new URL(url)
  if (protocol !== 'amqp:' && protocol !== 'amqps:') throw invalid(`begins with ${protocol}`)
  if (hostname === '') throw invalid('names no host')
  if (username === '' || password === '') throw invalid('has no user and password')
  if (search !== '' || hash !== '') throw invalid('has something behind the virtual host')
  if (tls && protocol === 'amqp:') throw new ChannelError('invalid', 'tls means nothing for amqp://: write amqps://')
  const decode = (text: string) => {
    try {
      return decodeURIComponent(text)
    } catch {
      throw invalid('has a % that encodes nothing')
    }
  }
  const options = {
    protocol: protocol.slice(0, -1),
    hostname: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? (protocol === 'amqps:' ? 5671 : 5672) : Number(port),
    username: decode(username),
    password: decode(password),
    vhost: pathname.length <= 1 ? '%2F' : pathname.slice(1), // amqplib decodes it
    heartbeat: HEARTBEAT_S,
  }
  decode(options.vhost)
  const name = `${protocol}//${hostname}:${options.port}${pathname}`
  return {
    name,
    connect: async () => {
      const connection = await connect(options, {
        noDelay: true,
        keepAlive: true,
        timeout: ANSWER_MS,
        ...(tls?.ca ? { ca: tls.ca } : {}),
        ...(tls?.cert ? { cert: tls.cert } : {}),
        ...(tls?.key ? { key: tls.key } : {}),
      })
      connection.on('error', () => {}) // 'close' follows, with the same
      return connection
    },
    error: (cause, at) => {
      if (cause instanceof ChannelError) return cause
      const message = cause instanceof Error ? cause.message : 'the connection was closed'
      const what = `RabbitMQ at ${name}${at === undefined ? '' : `, ${at}`}: ${message}`
      if (TOO_LARGE.test(message)) return new ChannelError('too-large', what, { cause })
      const noHost = NOT_OPENED.test(message) ? '; is there such a virtual host, for this account?' : ''
      if (!noHost && !REFUSED.test(message)) return new ChannelError('unreachable', what, { cause })
      return new ChannelError('refused', `${what}${noHost}; docs/operating.md, RabbitMQ, says what an account needs`, {
        cause,
      })
    },
  }
}

// The client has the reply code (AMQP 0-9-1, 1.2) in the message alone where the broker ends the handshake, and none where it does so at the virtual host.
/** ACCESS_REFUSED, RESOURCE_LOCKED, PRECONDITION_FAILED, NOT_ALLOWED: what stays the same however often one asks. */
const REFUSED =
  /\b(?:403 \(ACCESS[_-]REFUSED|405 \(RESOURCE[_-]LOCKED|406 \(PRECONDITION[_-]FAILED|530 \(NOT[_-]ALLOWED)/
const NOT_OPENED = /^Expected ConnectionOpenOk; got <ConnectionClose /
const TOO_LARGE = /message size \d+ is larger than/

/** One connection, made again whenever it breaks. */
export type Kept<T> = {
  /**
   * What was prepared on the connection that there is; where one is being made, that is waited for.
   *
   * @throws ChannelError why there is none
   */
  current(): Promise<T>
  close(): Promise<void>
}

/**
 * Not the client's own recovery: that one makes connections again, and nothing on them.
 *
 * @param prepare Makes ready what is needed on a new connection. Where it fails, the connection is closed.
 * @param changed Told of each change: why there is no connection, or undefined when there is one. Where it returns `stop`, no other is made.
 */
export function keepConnection<T>(
  broker: Broker,
  prepare: (connection: ChannelModel) => Promise<T>,
  changed: (error: ChannelError | undefined) => 'stop' | undefined,
): Kept<T> {
  const abort = new AbortController()
  const { signal } = abort
  const closed = new ChannelError('closed', `the connection to RabbitMQ at ${broker.name} was closed here`)
  let connection: ChannelModel | undefined
  let latest: Promise<T>

  const once = async (): Promise<{ value: T; broken: Promise<unknown> }> => {
    const made = await broker.connect()
    connection = made
    const broken = new Promise<unknown>(resolve => void made.once('close', resolve)).finally(() => disconnect(made))
    try {
      if (signal.aborted) throw closed
      return { value: await within(ANSWER_MS, broker, prepare(made)), broken }
    } catch (error) {
      await disconnect(made)
      throw error
    }
  }
  const run = async (): Promise<void> => {
    for (let pause = PAUSES.first; !signal.aborted; pause = Math.min(2 * pause, PAUSES.last)) {
      const attempt = once()
      latest = attempt.then(
        ({ value }) => value,
        error => Promise.reject(broker.error(error)),
      )
      latest.catch(() => {})
      let reason: unknown
      try {
        const { broken } = await attempt
        changed(undefined)
        reason = await broken
        pause = PAUSES.first
      } catch (error) {
        reason = error
      }
      const error = signal.aborted ? closed : broker.error(reason)
      latest = Promise.reject(error)
      latest.catch(() => {})
      if (changed(error) === 'stop') return
      await sleep(pause, undefined, { signal }).catch(() => {})
    }
  }
  latest = Promise.reject(closed)
  latest.catch(() => {})
  const running = run()
  return {
    current: () => latest,
    close: async () => {
      abort.abort()
      if (connection) await disconnect(connection)
      await running
    },
  }
}

/** Ends a connection: with a farewell, or without where none is answered. */
async function disconnect(connection: ChannelModel): Promise<void> {
  const patience = new AbortController()
  const patient = sleep(CLOSE_MS, undefined, { signal: patience.signal }).catch(() => {})
  await Promise.race([connection.close().catch(() => {}), patient])
  patience.abort()
  // The client has no way to let go of a socket whose broker is silent: it would stay open, and the process with it.
  const { stream } = connection.connection as { stream?: unknown }
  if (stream instanceof Duplex) stream.destroy(new Error('closed'))
}

/** @throws ChannelError `unreachable` after `ms`, and what the promise rejects with, as one */
export async function within<T>(ms: number, broker: Broker, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  try {
    return await Promise.race([promise, late])
  } catch (error) {
    throw broker.error(error)
  } finally {
    clearTimeout(timer)
  }
}

/** Runs something on an AMQP channel of its own: a broker that says no closes the channel on which it was asked. */
export async function onChannel<T>(connection: ChannelModel, run: (channel: Channel) => Promise<T>): Promise<T> {
  const channel = await connection.createChannel()
  let isOpen = true
  channel.on('error', () => {}) // what runs rejects with the same
  channel.on('close', () => {
    isOpen = false
  })
  try {
    return await run(channel)
  } finally {
    if (isOpen) await channel.close()
  }
}

/** The reply code (AMQP 0-9-1, 1.2) of a broker's no. */
export const replyCode = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined
