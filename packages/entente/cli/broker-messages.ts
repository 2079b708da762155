import { existsSync, readFileSync } from 'node:fs'
import type { RawEvent } from '@entente/client'
import type { Received, SubscribeOptions, Subscriber } from '#channel/channel.ts'
import { CliError } from './errors.ts'

/** A broker by its URL: `amqp[s]://[user:password@]host[:port][/vhost]`, `kafka://[user:password@]host:port[,host:port]`. */
export type BrokerAddress = {
  /** Without credentials. */
  name: string
  kind: 'rabbitmq' | 'kafka'
  open(prefix: string): Promise<Subscriber>
}

/** What a broker gives, as a message of a subscription. */
export type BrokerMessage = RawEvent & Pick<Received, 'acknowledge'>

const KAFKA = /^kafka:\/\/(?:([^/@]{1,500})@)?([^/@?#]{1,2000}:\d{1,5})\/?(?:\?mechanism=([A-Z0-9-]{1,40}))?$/
const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const

/**
 * Reads --broker and --broker-ca. No driver is loaded before the broker is opened.
 *
 * @param given a URL, or a file that holds it, so that a password is in no list of processes
 * @throws CliError `usage`
 */
export function readBroker(given: string, caFile: string | undefined): BrokerAddress {
  const url = existsSync(given) ? readFileSync(given, 'utf8').trim() : given
  const ca = caFile === undefined ? undefined : readCa(caFile)
  if (/^amqps?:\/\//.test(url)) {
    if (!URL.canParse(url)) throw strange(given)
    const { protocol, host, pathname } = new URL(url)
    return {
      name: `${protocol}//${host}${pathname === '/' ? '' : pathname}`,
      kind: 'rabbitmq',
      open: async prefix => {
        const { openRabbitSubscriber } = await import('#channel/rabbitmq/subscriber.ts')
        return openRabbitSubscriber({ url, prefix, ...(ca ? { tls: { ca } } : {}) })
      },
    }
  }
  const [, login, brokers, mechanism = 'SCRAM-SHA-512'] = KAFKA.exec(url) ?? []
  if (brokers === undefined) throw strange(given)
  const known = MECHANISMS.find(m => m === mechanism)
  if (!known) throw new CliError('usage', `--broker: the mechanism ${mechanism} is none of ${MECHANISMS.join(', ')}`)
  const [username = '', ...password] = readLogin(login ?? '', given)
  const sasl = login === undefined ? undefined : { mechanism: known, username, password: password.join(':') }
  return {
    name: `kafka://${brokers}`,
    kind: 'kafka',
    open: async prefix => {
      const { openKafkaSubscriber } = await import('#channel/kafka/subscriber.ts')
      return openKafkaSubscriber({ brokers: brokers.split(','), prefix, sasl, ...(ca ? { tls: { ca } } : {}) })
    },
  }
}

/** RFC 3986 section 3.2.1: percent-encoded. */
function readLogin(login: string, given: string): string[] {
  try {
    return login.split(':').map(decodeURIComponent)
  } catch {
    throw strange(given)
  }
}

function readCa(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new CliError('usage', `--broker-ca: ${(cause as Error).message}`, { cause })
  }
}

const strange = (given: string) =>
  new CliError(
    'usage',
    `--broker is neither a file nor amqp://HOST[:PORT][/VHOST] nor kafka://HOST:PORT[,HOST:PORT]: "${given.replace(/\/\/[^/]*@/, '//…@').slice(0, 200)}"`,
  )

/** Messages that are verified together. Fewer than a broker gives before the first of them is acknowledged. */
const MAX_GROUP = 64

/**
 * The messages of a channel on a broker, in groups of what is there: nothing waits for what comes later.
 *
 * @throws ChannelError
 */
export async function* readBrokerMessages(
  subscriber: Subscriber,
  channel: string,
  options: SubscribeOptions,
): AsyncGenerator<BrokerMessage[], void, void> {
  const ending = new AbortController()
  const { signal = ending.signal } = options
  try {
    const messages = await subscriber.subscribe(channel, {
      ...options,
      signal: AbortSignal.any([signal, ending.signal]),
    })
    let pending = messages.next()
    for (;;) {
      const first = await pending
      if (first.done) return
      const group = [toRaw(first.value)]
      pending = messages.next()
      while (group.length < MAX_GROUP) {
        const next = await Promise.race([pending, new Promise<undefined>(resolve => setImmediate(resolve, undefined))])
        if (!next || next.done) break
        group.push(toRaw(next.value))
        pending = messages.next()
      }
      pending.catch(() => {}) // it is looked at when the next group is asked for
      yield group
    }
  } finally {
    ending.abort() // whoever waits for the next message waits no more
    await subscriber.close()
  }
}

/** Whatever headers say: only what stands in an event can be verified. */
const toRaw = (received: Received): BrokerMessage => ({
  data: received.body,
  redelivered: received.redelivered,
  acknowledge: () => received.acknowledge(),
})
