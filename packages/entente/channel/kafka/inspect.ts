import type { ChannelState } from '../channel.ts'
import { closeClient, createAdmin, isRefusal, type KafkaConnection, toChannelError } from './client.ts'
import { isTopicThere, topicOf } from './topic.ts'

/** ConfigResource TOPIC (Kafka protocol). */
const TOPIC = 2

/**
 * Looks at what there is of each channel's topic, and makes nothing.
 *
 * @throws ChannelError `unreachable`, `refused`: of the cluster
 */
export async function inspectKafka(
  connection: KafkaConnection & { channels: readonly string[] },
): Promise<ChannelState[]> {
  const admin = createAdmin(connection)
  try {
    await admin.metadata({ topics: [] })
    const states: ChannelState[] = []
    for (const channel of connection.channels) {
      const address = topicOf(connection, channel)
      try {
        if (!(await isTopicThere(admin, address))) {
          states.push({ channel, address, is: 'missing' })
          continue
        }
        const policy = await cleanupPolicy(admin, address)
        if (policy?.split(',').includes('compact'))
          states.push({
            channel,
            address,
            is: 'refused',
            error: `cleanup.policy is ${policy}: it leaves one event of each object`,
          })
        else states.push({ channel, address, is: 'ready' })
      } catch (error) {
        if (!isRefusal(error)) throw error
        states.push({ channel, address, is: 'refused', error: toChannelError(error, connection).message })
      }
    }
    return states
  } catch (error) {
    throw toChannelError(error, connection)
  } finally {
    await closeClient(admin)
  }
}

/** @returns undefined where this account may not ask */
async function cleanupPolicy(admin: ReturnType<typeof createAdmin>, topic: string): Promise<string | undefined> {
  try {
    const [described] = await admin.describeConfigs({
      resources: [{ resourceType: TOPIC, resourceName: topic, configurationKeys: ['cleanup.policy'] }],
    })
    return described?.configs.find(c => c.name === 'cleanup.policy')?.value ?? undefined
  } catch (error) {
    if (isRefusal(error)) return undefined
    throw error
  }
}
