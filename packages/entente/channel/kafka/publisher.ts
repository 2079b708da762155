import type { Message, Publisher } from '../channel.ts'
import { ChannelError } from '../error.ts'
import type { KafkaConnection } from './client.ts'
import { openLink } from './link.ts'
import { Producer } from './producer.ts'
import { DEFAULT_KEEP_MS, topicOf } from './topic.ts'

export type KafkaPublisherOptions = KafkaConnection & {
  channels: readonly string[]
  /** Milliseconds since 1970. */
  now: () => number
  /** How long a topic that is made here keeps messages, in milliseconds. */
  keepMs?: number
  /** How long a `publish` tries before it rejects, besides the time of one request. */
  patienceMs?: number
}

const DEFAULT_PATIENCE_MS = 4_000

/**
 * A publisher on Apache Kafka (3.5 or later) or what speaks its protocol: one topic a channel, key = STIX id, confirmed by all replicas in sync. It opens
 * while the brokers are away, and connects by itself.
 *
 * In a topic of several partitions the order holds for each key, and so for the versions of an object, but not for the channel.
 */
export function openKafkaPublisher(options: KafkaPublisherOptions): Publisher {
  const { channels, now, keepMs = DEFAULT_KEEP_MS, patienceMs = DEFAULT_PATIENCE_MS } = options
  const address = (channel: string) => topicOf(options, channel)
  const producers = new Map(channels.map(c => [c, new Producer(options, address(c), keepMs, now)]))
  const link = openLink(
    options,
    async client => {
      await client.metadata({ topics: [] })
      // A channel that is refused tells so when something is published to it; the others go on.
      for (const producer of producers.values())
        await producer.prepare(client).catch((error: unknown) => {
          if (!(error instanceof ChannelError && error.code === 'refused')) throw error
        })
    },
    now,
  )
  const busy = new Set<string>()

  return {
    kind: 'kafka',
    address,
    state: link.state,
    close: link.close,
    async publish(channel: string, messages: readonly Message[]): Promise<void> {
      if (link.closed.aborted) throw link.closed.reason
      const producer = producers.get(channel)
      if (!producer) throw new ChannelError('invalid', `this publisher was not opened for the channel ${channel}`)
      if (busy.has(channel)) throw new ChannelError('invalid', `a publish to ${channel} is under way`)
      if (messages.length === 0) return
      busy.add(channel)
      const closed = Promise.withResolvers<never>()
      const onClose = () => closed.reject(link.closed.reason)
      link.closed.addEventListener('abort', onClose)
      const sending = producer.send(link, messages, patienceMs).finally(() => busy.delete(channel))
      try {
        await Promise.race([sending, closed.promise])
      } finally {
        link.closed.removeEventListener('abort', onClose)
      }
    },
  }
}
