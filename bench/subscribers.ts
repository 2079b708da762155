// Subscribers in a process of their own: they connect, parse each event and count it, and say how long each took from the POST that brought it. Plain
// HTTP, amqplib and kafkajs: nothing of Entente's own clients.
import { request as httpRequest } from 'node:http'
import { type PublishedObject, readStamp } from './publisher.ts'

export type SubscribeTask =
  /** `slow`: how many of the connections read one event a second. */
  | { do: 'sse'; url: string; path: string; authorization: string; connections: number; slow: number }
  | { do: 'rabbitmq'; url: string; exchange: string }
  | { do: 'kafka'; broker: string; topic: string }
/** `count`: counts from now on. `report`: what was counted. */
export type Ask = SubscribeTask | { do: 'count' } | { do: 'report' }
export type Report = {
  events: number
  /** Milliseconds from before the POST, of every event, or of every `sampled`-th. */
  times: number[]
  sampled: number
  /** When the first and the last event came, milliseconds since 1970. */
  first: number
  last: number
  /** Share of one core that this process used meanwhile. */
  cpu: number
}

const MOST_TIMES = 200_000
let counted: Report
let since: { cpu: NodeJS.CpuUsage; at: number }
const now = () => performance.timeOrigin + performance.now()
function reset(): void {
  counted = { events: 0, times: [], sampled: 1, first: 0, last: 0, cpu: 0 }
  since = { cpu: process.cpuUsage(), at: performance.now() }
}
reset()

function take(text: string): void {
  const event = JSON.parse(text) as { record?: { object: PublishedObject } }
  const stamp = event.record && readStamp(event.record.object)
  if (stamp === undefined) return
  const at = now()
  counted.first ||= at
  counted.last = at
  if (counted.events++ % counted.sampled !== 0) return
  counted.times.push(at - stamp)
  if (counted.times.length < MOST_TIMES) return
  counted.times = counted.times.filter((_, i) => i % 2 === 0)
  counted.sampled *= 2
}

const DATA = '\ndata: '

function connect(task: SubscribeTask & { do: 'sse' }, isSlow: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(task.url)
    const headers = { authorization: task.authorization, accept: 'text/event-stream' }
    const request = httpRequest({ hostname, port, path: task.path, headers, agent: false }, response => {
      if (response.statusCode !== 200) return reject(new Error(`${task.path}: ${response.statusCode}`))
      let rest = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        const text = rest + chunk
        let at = 0
        let events = 0
        for (;;) {
          const end = text.indexOf('\n\n', at)
          if (end < 0) break
          const data = text.indexOf(DATA, at)
          if (data >= 0 && data < end) {
            take(text.slice(data + DATA.length, end))
            events++
          }
          at = end + 2
        }
        rest = text.slice(at)
        if (isSlow && events > 0) {
          response.pause()
          setTimeout(() => response.resume(), events * 1000)
        }
      })
      resolve()
    })
    request.on('error', reject)
    request.end()
  })
}

async function subscribe(task: SubscribeTask): Promise<void> {
  if (task.do === 'sse') {
    for (let i = 0; i < task.connections; i++) await connect(task, i < task.slow)
  } else if (task.do === 'rabbitmq') {
    const { connect: dial } = await import('amqplib')
    const channel = await (await dial(task.url)).createChannel()
    const { queue } = await channel.assertQueue('', { exclusive: true })
    await channel.bindQueue(queue, task.exchange, '')
    await channel.consume(queue, message => message && take(message.content.toString()), { noAck: true })
  } else {
    const { Kafka, logLevel } = (await import('kafkajs')).default
    const kafka = new Kafka({ brokers: [task.broker], clientId: 'bench', logLevel: logLevel.NOTHING })
    const consumer = kafka.consumer({ groupId: `bench-${process.pid}-${Date.now()}`, maxWaitTimeInMs: 20 })
    await consumer.connect()
    await consumer.subscribe({ topic: task.topic })
    const joined = new Promise<void>(resolve => consumer.on('consumer.fetch', () => resolve()))
    await consumer.run({ eachMessage: async ({ message }) => take(message.value?.toString() ?? '{}') })
    await joined
  }
}

process.on('message', async (ask: Ask) => {
  try {
    if (ask.do === 'count') reset()
    else if (ask.do !== 'report') await subscribe(ask)
    const { user, system } = process.cpuUsage(since.cpu)
    const cpu = (user + system) / 1000 / Math.max(1, performance.now() - since.at)
    process.send?.({ result: { ...counted, cpu } })
  } catch (error) {
    process.send?.({ error: (error as Error).stack })
  }
})
process.on('disconnect', () => process.exit(0))
