// A consumer as somebody who knows nothing of Entente would write it, with kafkajs: prints a line of JSON for each message.
//   node plain-kafka-consumer.ts BROKER TOPIC
import { Kafka, logLevel } from 'kafkajs'

const [broker = '', topic = ''] = process.argv.slice(2)
const retry = { retries: 1000, initialRetryTime: 100, maxRetryTime: 500 }
const consumer = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING, retry }).consumer({
  groupId: `plain-${process.pid}`,
  sessionTimeout: 10_000,
  heartbeatInterval: 1000,
  maxWaitTimeInMs: 1000,
})
await consumer.connect()
await consumer.subscribe({ topic, fromBeginning: true })
consumer.on(consumer.events.GROUP_JOIN, () => process.stdout.write('{"ready":true}\n'))
await consumer.run({
  eachMessage: async ({ partition, message: { offset, key, value, headers, timestamp } }) => {
    const received = {
      partition,
      offset: Number(offset),
      key: key?.toString(),
      value: value?.toString(),
      headers: Object.fromEntries(Object.entries(headers ?? {}).map(([name, text]) => [name, String(text)])),
      timestamp: Number(timestamp),
      at: Date.now(),
    }
    process.stdout.write(`${JSON.stringify(received)}\n`)
  },
})
process.stdin.on('end', () => process.exit()).resume()
