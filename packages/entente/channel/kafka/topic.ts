import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin } from '@platformatic/kafka'
import { ChannelError } from '../error.ts'
import { answered, isRefusal, type KafkaConnection } from './client.ts'

/** A month: what the configuration has for `channels.keepHours`. */
export const DEFAULT_KEEP_MS = 2_592_000_000
/** How long the brokers of a cluster may take to tell each other of a new topic. */
const SPREAD_MS = 5_000

export const topicOf = ({ prefix = '' }: KafkaConnection, channel: string): string => `${prefix}${channel}`

/**
 * Makes a topic where it is missing: one partition, so that all of a channel is in order, and as many copies as the cluster's own default. One that is
 * there stays as it is.
 *
 * @throws ChannelError `refused` where it is missing and the account may not make it
 */
export async function ensureTopic(admin: Admin, topic: string, keepMs: number): Promise<void> {
  const refuse = (error: unknown): never => {
    if (!isRefusal(error) || answered(error, 'SASL_AUTHENTICATION_FAILED')) throw error
    throw new ChannelError(
      'refused',
      `Kafka has no topic ${topic} for this account: make it, or allow the account CREATE, DESCRIBE and WRITE on it; docs/operating.md, Kafka`,
      { cause: error },
    )
  }
  if (await isTopicThere(admin, topic).catch(refuse)) return
  const configs = [
    // By key only the last event of an object would be left.
    { name: 'cleanup.policy', value: 'delete' },
    { name: 'retention.ms', value: String(keepMs) },
  ]
  try {
    await admin.createTopics({ topics: [topic], partitions: 1, configs })
  } catch (error) {
    if (!answered(error, 'TOPIC_ALREADY_EXISTS')) refuse(error)
  }
  for (const until = performance.now() + SPREAD_MS; !(await isTopicThere(admin, topic)); await sleep(50))
    if (performance.now() > until) throw new ChannelError('unreachable', `Kafka has made ${topic} and does not show it`)
}

/** Whether a topic is there, with somebody to write to. */
export async function isTopicThere(admin: Admin, topic: string): Promise<boolean> {
  try {
    const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true })
    return topics.get(topic)?.partitions.every(({ leader }) => leader >= 0) ?? false
  } catch (error) {
    // Code 3 comes as an error of the user, without its code.
    if (answered(error, 'LEADER_NOT_AVAILABLE')) return false
    if ((error as { code?: unknown }).code === 'PLT_KFK_USER' && (error as Error).message.includes(topic)) return false
    throw error
  }
}
