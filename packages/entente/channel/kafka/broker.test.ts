// The conformance suite on a real Kafka.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { Kafka as PlainKafka, logLevel } from 'kafkajs'
import { installKafka, type Kafka, startKafka } from '../../../../test/support/kafka.ts'
import { channelConformance } from '../conformance.ts'
import { openKafkaPublisher } from './publisher.ts'
import { openKafkaSubscriber } from './subscriber.ts'

const folder = mkdtempSync(join(tmpdir(), 'entente-kafka-'))
const installed = installKafka()
let starting: Promise<Kafka> | undefined
const start = () => {
  if ('reason' in installed) return undefined
  starting ??= startKafka(installed.path, folder)
  return starting
}
after(async () => {
  await (await starting)?.stop()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

channelConformance('kafka', async () => {
  const kafka = await start()
  if (!kafka) return (installed as { reason: string }).reason
  const brokers = [kafka.broker]
  const { stop, kill, start: again } = kafka
  return {
    publisher: (channels, prefix) => openKafkaPublisher({ brokers, prefix, channels, now: Date.now, patienceMs: 1500 }),
    subscriber: prefix => openKafkaSubscriber({ brokers, prefix }),
    broker: { stop, kill, start: again },
    async putForeign(topic, value) {
      const producer = new PlainKafka({ brokers, logLevel: logLevel.NOTHING }).producer()
      await producer.connect()
      await producer.send({ topic, messages: [{ value: Buffer.from(value) }] })
      await producer.disconnect()
    },
    dispose: async () => {},
  }
})
