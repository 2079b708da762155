import { type ChildProcess, fork } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { installKafka, startKafka } from '../test/support/kafka.ts'
import { installRabbitmq, startRabbitmq } from '../test/support/rabbitmq.ts'
import type { Bench } from './figures.ts'
import { authorization, type Server, startServer } from './processes.ts'
import { publishPaced } from './publisher.ts'
import type { Figure } from './report.ts'
import { alternate, median, quantile } from './statistics.ts'
import type { Ask, Report, SubscribeTask } from './subscribers.ts'

const ms = (n: number) => `${n.toFixed(2)} ms`
const count = (n: number) => Math.round(n).toLocaleString('en-US')
const PATH = '/api/channels/EVENTS/'
const ROOTS = [
  {
    path: '/api/',
    title: 'Bench',
    collections: [{ alias: 'default', title: 'All to one channel', forward: { default: ['EVENTS'] } }],
  },
]
const LIMITS = { maxConnections: 5000, maxConnectionsPerClient: 0 }

type Subscribers = { ask(what: Ask): Promise<Report>; stop(): Promise<void> }
function startSubscribers(): Subscribers {
  const child: ChildProcess = fork(join(import.meta.dirname, 'subscribers.ts'), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
  return {
    ask: what =>
      new Promise((resolve, reject) => {
        child.once('message', (message: { result: Report } | { error: string }) => {
          if ('result' in message) resolve(message.result)
          else reject(new Error(message.error))
        })
        child.send(what)
      }),
    stop: async () => {
      child.kill()
      await exited
    },
  }
}

/** A server of which everything goes to one channel, or whose channels are `channels`. */
async function startChannels(
  folder: string,
  name: string,
  channels: Record<string, unknown>,
  profile?: string,
): Promise<Server> {
  const data = join(folder, name)
  mkdirSync(data, { recursive: true })
  const file = join(data, 'entente.yaml')
  const isOff = Array.isArray(channels['names']) && channels['names'].length === 0
  const apiRoots = isOff ? ROOTS.map(r => ({ ...r, collections: [{ alias: 'default', title: 'Off' }] })) : ROOTS
  writeFileSync(file, JSON.stringify({ server: LIMITS, channels, apiRoots }))
  return startServer('entente', data, profile, {}, file)
}

const sse = (server: Server, connections: number, slow = 0): SubscribeTask => ({
  do: 'sse',
  url: server.side.url,
  path: PATH,
  authorization,
  connections,
  slow,
})

const memoryOf = async (server: Server): Promise<number> => {
  const status = await readFile(`/proc/${server.child.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
}

/** Waits until what was counted stands still. */
async function settle(subscribers: Subscribers[], expected: number): Promise<Report[]> {
  let before = -1
  for (let i = 0; i < 120; i++) {
    const reports = await Promise.all(subscribers.map(s => s.ask({ do: 'report' })))
    const events = reports.reduce((sum, r) => sum + r.events, 0)
    if (events >= expected || (events === before && i > 20)) return reports
    before = events
    await sleep(250)
  }
  throw new Error('events kept coming for half a minute')
}

/** Channels without a broker: from the POST to many subscribers, and what it costs who publishes. */
export const channels: Bench = async (run, started) => {
  const seconds = run.quick ? 3 : 10
  const server = started.add(await startChannels(run.folder, 'channels', {}, run.profile))
  await publishPaced(server.side, { rate: 200, objects: 2, seconds: run.quick ? 2 : 5 })
  const figures: Figure[] = []

  // 1,000 subscribers in two processes; ten POSTs of one object a second.
  const two = [started.add(startSubscribers()), started.add(startSubscribers())]
  for (const s of two) await s.ask(sse(server, 500))
  await publishPaced(server.side, { rate: 10, objects: 1, seconds: 2 })
  for (const s of two) await s.ask({ do: 'count' })
  const rate = 10
  await publishPaced(server.side, { rate, objects: 1, seconds })
  const reports = await settle(two, rate * seconds * 1000)
  const events = reports.reduce((sum, r) => sum + r.events, 0)
  const times = reports.flatMap(r => r.times)
  figures.push({
    figure: '11',
    what: 'POST to subscriber, 1,000 of them by server-sent events, 99th percentile',
    value: quantile(times, 0.99),
    unit: 'ms',
    goal: { most: 50 },
    details: `median ${ms(median(times))}; ${count(events)} of ${count(rate * seconds * 1000)} events, ${rate} POSTs/s`,
  })

  // One of them slow, against all fast: what publishing takes, and the server's memory.
  const crowd = started.add(await startChannels(run.folder, 'crowd', {}, run.profile))
  const mixed = [started.add(startSubscribers()), started.add(startSubscribers())]
  await mixed[0]?.ask(sse(crowd, 500, 1))
  await mixed[1]?.ask(sse(crowd, 500))
  const pace = { rate: 20, objects: 1, seconds: run.quick ? 2 : 5 }
  for (const side of [server.side, crowd.side]) await publishPaced(side, pace)
  const pairs = await alternate(
    run.quick ? 2 : 6,
    () => publishPaced(crowd.side, pace),
    () => publishPaced(server.side, pace),
  )
  figures.push({
    figure: '12',
    what: 'POST, with one slow subscriber among 1,000 : without',
    value: median(pairs.map(([a, b]) => median(a.times) / median(b.times))),
    unit: '×',
    goal: { most: 1.1 },
    details: `median ${ms(median(pairs.flatMap(([a]) => a.times)))} : ${ms(median(pairs.flatMap(([, b]) => b.times)))}; server's memory ${count(await memoryOf(crowd))} : ${count(await memoryOf(server))} MB`,
  })
  for (const s of [...two, ...mixed]) await s.stop()

  // 1,000 events a second to 100 subscribers.
  const hundred = started.add(startSubscribers())
  await hundred.ask(sse(server, 100))
  const load = { rate: 1000, objects: 20, seconds }
  await publishPaced(server.side, { ...load, seconds: 2 })
  await settle([hundred], 200_000)
  await hundred.ask({ do: 'count' })
  await publishPaced(server.side, load)
  const [report] = (await settle([hundred], load.rate * seconds * 100)) as [Report]
  figures.push({
    figure: '13',
    what: '1,000 events/s to 100 subscribers, deliveries',
    value: (report.events / (report.last - report.first)) * 1000,
    unit: '/s',
    goal: { least: 99_000 },
    details: `${count(report.events)} of ${count(load.rate * seconds * 100)}; POST to subscriber median ${ms(median(report.times))}, 99th percentile ${ms(quantile(report.times, 0.99))}; the subscribers used ${(report.cpu * 100).toFixed(0)} % of a core`,
  })
  await hundred.stop()

  // What channels cost who publishes: with a subscriber, against a server that has none.
  const off = started.add(await startChannels(run.folder, 'off', { names: [] }, run.profile))
  const one = started.add(startSubscribers())
  await one.ask(sse(server, 1))
  figures.push(await compareLatency('server-sent events and a subscriber', server, off, run.quick))
  return figures
}

/** The latency of POSTs one after the other, with channels against without. */
export async function compareLatency(what: string, on: Server, off: Server, quick: boolean): Promise<Figure> {
  const pace = { rate: 400, objects: 2, seconds: 1 }
  for (const { side } of [on, off]) for (let i = 0; i < 5; i++) await publishPaced(side, pace)
  const pairs = await alternate(
    quick ? 4 : 15,
    () => publishPaced(on.side, pace),
    () => publishPaced(off.side, pace),
  )
  const all = (at: 0 | 1, q: number) =>
    quantile(
      pairs.flatMap(pair => pair[at].times),
      q,
    )
  return {
    figure: '14',
    what: `POST of 2 objects, with ${what} : without channels`,
    value: median(pairs.map(([a, b]) => median(a.times) / median(b.times))),
    unit: '×',
    goal: { most: 1.1 },
    details: `median ${ms(all(0, 0.5))} : ${ms(all(1, 0.5))}; 99th percentile ${ms(all(0, 0.99))} : ${ms(all(1, 0.99))}`,
  }
}

/** Channels by real brokers: from the POST to a consumer that is not ours, and what it costs who publishes. */
export const brokers: Bench = async (run, started) => {
  const figures: Figure[] = []
  const kinds = [
    { kind: 'rabbitmq', name: 'RabbitMQ', find: () => openRabbit(run.folder) },
    { kind: 'kafka', name: 'Kafka', find: () => openKafka(run.folder) },
  ] as const
  const off = started.add(await startChannels(run.folder, 'brokers-off', { names: [] }, run.profile))
  for (const { kind, name, find } of kinds) {
    const broker = await find()
    if ('reason' in broker) {
      run.say(`skipped ${name}: ${broker.reason}`)
      continue
    }
    started.add(broker)
    const server = started.add(await startChannels(run.folder, kind, { kind, ...broker.config }, run.profile))
    const consumer = started.add(startSubscribers())
    await consumer.ask(broker.task)
    const load = { rate: 200, objects: 2, seconds: run.quick ? 3 : 10 }
    await publishPaced(server.side, load)
    await settle([consumer], load.rate * load.seconds)
    await consumer.ask({ do: 'count' })
    await publishPaced(server.side, load)
    const [report] = (await settle([consumer], load.rate * load.seconds)) as [Report]
    figures.push({
      figure: '15',
      what: `POST to a consumer by ${name}, 99th percentile`,
      value: quantile(report.times, 0.99),
      unit: 'ms',
      goal: { most: 100 },
      details: `median ${ms(median(report.times))}; ${count(report.events)} of ${count(load.rate * load.seconds)} events, ${load.rate / load.objects} POSTs/s`,
    })
    figures.push(await compareLatency(`${name} and a consumer`, server, off, run.quick))
    await consumer.stop()
    await server.stop()
  }
  return figures
}

type Broker = { config: Record<string, unknown>; task: SubscribeTask; stop(): Promise<void> } | { reason: string }

async function openRabbit(folder: string): Promise<Broker> {
  const found = installRabbitmq()
  if ('reason' in found) return found
  const { url, stop } = await startRabbitmq(found.path, join(folder, 'rabbitmq-broker'))
  return { config: { url }, task: { do: 'rabbitmq', url, exchange: 'EVENTS' }, stop }
}

async function openKafka(folder: string): Promise<Broker> {
  const found = installKafka()
  if ('reason' in found) return found
  const { broker, stop } = await startKafka(found.path, join(folder, 'kafka-broker'))
  return { config: { brokers: [broker] }, task: { do: 'kafka', broker, topic: 'EVENTS' }, stop }
}
