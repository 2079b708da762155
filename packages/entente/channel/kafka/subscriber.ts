import type { Received, SubscribeOptions, Subscriber } from '../channel.ts'
import { ChannelError } from '../error.ts'
import { closeClient, createAdmin, type KafkaConnection, toChannelError } from './client.ts'
import { openSubscription, type Subscription } from './subscription.ts'
import { DEFAULT_KEEP_MS, ensureTopic, topicOf } from './topic.ts'

export type KafkaSubscriberOptions = KafkaConnection & {
  /** How long a topic that is made here keeps messages, in milliseconds. */
  keepMs?: number
}

/**
 * Subscribers of channels on Apache Kafka. A `durable` name is the consumer group `<durable>.<topic>`: offsets are committed when messages are
 * acknowledged, and of two with one name the second waits. Without one nothing is kept on the broker, and nothing is lost while the connection is: the
 * subscriber knows itself how far it was.
 *
 * An acknowledgement is a request of its own (1 to 3 ms): who reads much acknowledges the last of many.
 *
 * Kafka does not say what it has delivered before. To one that takes up an existing group everything that was there at that moment is `redelivered`.
 */
export function openKafkaSubscriber(options: KafkaSubscriberOptions): Subscriber {
  const open = new Set<Subscription>()
  let closed = false
  const refuseClosed = () => {
    if (closed) throw new ChannelError('closed', 'this subscriber was closed')
  }

  async function prepare(topic: string): Promise<void> {
    const admin = createAdmin(options)
    try {
      await ensureTopic(admin, topic, options.keepMs ?? DEFAULT_KEEP_MS)
    } finally {
      await closeClient(admin)
    }
  }

  return {
    kind: 'kafka',
    async subscribe(channel: string, how: SubscribeOptions = {}): Promise<AsyncIterableIterator<Received>> {
      refuseClosed()
      const topic = topicOf(options, channel)
      try {
        await prepare(topic)
        const subscription = await openSubscription(options, topic, how)
        open.add(subscription)
        subscription.ended.addEventListener('abort', () => open.delete(subscription))
        if (closed) await subscription.end()
        refuseClosed()
        return subscription.messages
      } catch (error) {
        throw toChannelError(error, options)
      }
    },
    async close() {
      closed = true
      await Promise.all([...open].map(subscription => subscription.end()))
    },
  }
}
