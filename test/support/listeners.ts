// Consumers of channels as anybody would write them, with nothing of Entente: plain HTTP, amqplib, kafkajs.
import { request as httpRequest } from 'node:http'

/** `position` and `redelivered` as the headers, or the id of a server-sent event, have them. */
export type Heard = { position: number; id: string | undefined; redelivered: boolean; event: any }
export type Listener = { heard: Heard[]; close(): Promise<void> }

const heardOf = (text: string, position: unknown, redelivered: unknown): Heard => {
  const event = JSON.parse(text)
  return { position: Number(position), id: event.record?.object?.id, redelivered: redelivered !== undefined, event }
}

/** Hears everything that a durable queue has, which is bound here if it was not. */
export async function listenRabbit(url: string, exchange: string, queue: string): Promise<Listener> {
  const { connect } = await import('amqplib')
  const connection = await connect(url)
  const channel = await connection.createChannel()
  await channel.assertExchange(exchange, 'fanout', { durable: true })
  await channel.assertQueue(queue, { durable: true })
  await channel.bindQueue(queue, exchange, '')
  const heard: Heard[] = []
  await channel.consume(queue, message => {
    if (!message) return
    const { headers = {} } = message.properties
    heard.push(heardOf(message.content.toString(), headers['x-entente-position'], headers['x-entente-redelivered']))
    channel.ack(message)
  })
  return { heard, close: () => connection.close() }
}

/** Hears everything that a topic has, from its beginning; makes it where it is missing, as who comes before the publisher does. */
export async function listenKafka(broker: string, topic: string): Promise<Listener> {
  const { Kafka, logLevel } = (await import('kafkajs')).default
  const kafka = new Kafka({ brokers: [broker], clientId: 'plain', logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true })
  await admin.disconnect()
  const consumer = kafka.consumer({ groupId: `plain-${Date.now()}`, maxWaitTimeInMs: 50 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const heard: Heard[] = []
  await consumer.run({
    eachMessage: async ({ message }) => {
      const { headers = {} } = message
      const position = headers['x-entente-position']?.toString()
      heard.push(heardOf(message.value?.toString() ?? '', position, headers['x-entente-redelivered']))
    },
  })
  return { heard, close: () => consumer.disconnect() }
}

/** Hears server-sent events; connects again, where it is told that the server is, behind the last one that it got. */
export function listenEvents(path: string): Listener & { connect(url: string, authorization: string): void } {
  const heard: Heard[] = []
  let stop = () => {}
  let last: string | undefined
  let isClosed = false
  const connect = (url: string, authorization: string): void => {
    stop()
    let isStopped = false
    const { hostname, port } = new URL(url)
    const headers = {
      authorization,
      accept: 'text/event-stream',
      ...(last === undefined ? {} : { 'last-event-id': last }),
    }
    const options = { hostname, port, path: last === undefined ? `${path}?from=start` : path, headers, agent: false }
    const again = () => void setTimeout(() => !isStopped && !isClosed && connect(url, authorization), 50)
    const request = httpRequest(options, response => {
      let rest = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        const blocks = (rest + chunk).split('\n\n')
        rest = blocks.pop() ?? ''
        for (const block of blocks) {
          const field = (name: string) =>
            block
              .split('\n')
              .find(l => l.startsWith(`${name}: `))
              ?.slice(name.length + 2)
          const data = field('data')
          if (data === undefined) continue
          last = field('id') ?? last
          heard.push(heardOf(data, last, undefined))
        }
      })
      response.on('error', () => {})
      response.on('close', again)
    })
    request.on('error', again)
    request.end()
    stop = () => {
      isStopped = true
      request.destroy()
    }
  }
  return {
    heard,
    connect,
    close: async () => {
      isClosed = true
      stop()
    },
  }
}
