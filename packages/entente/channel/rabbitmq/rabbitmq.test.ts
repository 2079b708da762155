import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { connect } from 'amqplib'
import { installRabbitmq, type Rabbitmq, startRabbitmq } from '../../../../test/support/rabbitmq.ts'
import { channelConformance } from '../conformance.ts'
import { openRabbitPublisher } from './publisher.ts'
import { openRabbitSubscriber } from './subscriber.ts'

const folder = mkdtempSync(join(tmpdir(), 'entente-rabbitmq-'))
const found = installRabbitmq()
const broker = 'reason' in found ? found.reason : await startRabbitmq(found.path, folder)
after(async () => {
  if (typeof broker !== 'string') await broker.stop()
  rmSync(folder, { recursive: true })
})

channelConformance('RabbitMQ', async () => (typeof broker === 'string' ? broker : subjectOf(broker)))

const subjectOf = ({ url, stop, kill, start }: Rabbitmq) => ({
  publisher: (channels: readonly string[], prefix?: string) =>
    openRabbitPublisher({ url, prefix, channels, now: Date.now }),
  subscriber: (prefix?: string) => openRabbitSubscriber({ url, prefix }),
  broker: { stop, kill, start },
  putForeign: async (address: string, body: Uint8Array) => {
    const connection = await connect(url)
    const channel = await connection.createConfirmChannel()
    channel.publish(address, '', Buffer.from(body))
    await channel.waitForConfirms()
    await connection.close()
  },
  dispose: async () => {},
})
