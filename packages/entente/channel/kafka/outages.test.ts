// A real Kafka that is away, or killed, amid publishing; who receives it is a plain kafkajs consumer in a process of its own.
//   ENTENTE_TEST_LONG=1   away for five minutes at 1,000 messages a second, and killed twenty times
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { installKafka, type Kafka, startKafka } from '../../../../test/support/kafka.ts'
import { createRandom } from '../../../../test/support/random.ts'
import type { Message, Publisher } from '../channel.ts'
import { ChannelError } from '../error.ts'
import { openKafkaPublisher } from './publisher.ts'

const long = process.env['ENTENTE_TEST_LONG'] === '1'
const PER_SECOND = long ? 1000 : 300
const AWAY_MS = long ? 300_000 : 6_000
const KILLS = long ? 20 : 3
const plainConsumer = join(import.meta.dirname, '../../../../test/support/plain-kafka-consumer.ts')

const folder = mkdtempSync(join(tmpdir(), 'entente-kafka-outages-'))
const installed = installKafka()
const skip = 'reason' in installed ? installed.reason : undefined
let starting: Promise<Kafka> | undefined
const start = () => (starting ??= startKafka((installed as { path: string }).path, folder))
after(async () => {
  await (await starting)?.stop()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

test('a broker that is away for a time gets everything after it, in order and once', { skip }, async t => {
  const kafka = await start()
  const topic = 'AWAY'
  const publisher = open(kafka, topic)
  await publisher.publish(topic, [message(0)])
  const plain = await listen(t, kafka, topic)
  const source = produce(1)
  const sending = deliver(publisher, topic, source)
  await sleep(1000)
  await kafka.stop()
  await sleep(AWAY_MS)
  assert.equal(publisher.state().connected, false)
  const waiting = source.waiting()
  await kafka.start()
  await sleep(1000)
  const count = source.stop()
  await sending
  assert.ok(waiting >= (AWAY_MS / 1000) * PER_SECOND * 0.8, `only ${waiting} were published while it was away`)
  const offsets = await plain.until(count)
  t.diagnostic(`${waiting} of ${count} messages waited for the broker; ${offsets.repeated} repeated`)
})

test(`a broker that is killed ${KILLS} times amid publishing loses nothing`, { skip }, async t => {
  const kafka = await start()
  const random = createRandom(7)
  const topic = 'KILLED'
  const publisher = open(kafka, topic)
  await publisher.publish(topic, [message(0)])
  const plain = await listen(t, kafka, topic)
  const source = produce(1)
  const sending = deliver(publisher, topic, source)
  for (let i = 0; i < KILLS; i++) {
    await sleep(300 + random.int(1000))
    await kafka.kill()
    await kafka.start()
  }
  await sleep(500)
  const count = source.stop()
  await sending
  const { repeated } = await plain.until(count)
  t.diagnostic(`${count} messages, ${repeated} repeated and marked`)
})

const open = ({ broker }: Kafka, topic: string): Publisher =>
  openKafkaPublisher({ brokers: [broker], channels: [topic], now: Date.now })

const message = (position: number): Message => ({
  position,
  collection: 0,
  key: `indicator--${position % 1000}`,
  event: 'added',
  body: Buffer.from(JSON.stringify({ event: 'added', log_index: position, filler: 'x'.repeat(500) })),
  redelivered: false,
})

/** PER_SECOND messages a second from `next` on, whoever takes them. */
function produce(next: number) {
  const queue: Message[] = []
  const started = performance.now()
  const first = next
  const timer = setInterval(() => {
    for (const due = first + ((performance.now() - started) / 1000) * PER_SECOND; next < due; next++)
      queue.push(message(next))
  }, 10)
  let stopped = false
  return {
    waiting: () => queue.length,
    isOver: () => stopped && queue.length === 0,
    take: () => queue.splice(0, 500),
    stop(): number {
      clearInterval(timer)
      stopped = true
      return next
    },
  }
}

/** As a server does: the same again, marked, until it is confirmed. */
async function deliver(publisher: Publisher, topic: string, source: ReturnType<typeof produce>): Promise<void> {
  let batch: Message[] = []
  while (batch.length > 0 || !source.isOver()) {
    if (batch.length === 0) batch = source.take()
    if (batch.length === 0) await sleep(5)
    try {
      await publisher.publish(topic, batch)
      batch = []
    } catch (error) {
      if (!(error instanceof ChannelError) || error.code !== 'unreachable') throw error
      batch = batch.map(m => ({ ...m, redelivered: true }))
    }
  }
  await publisher.close()
}

type Line = { ready?: true; offset: number; key: string; value: string; headers: Record<string, string> }

/** Starts the consumer, and holds what it gets against what was published: all positions from 0 on, ascending; what comes twice is marked. */
async function listen(t: TestContext, { broker }: Kafka, topic: string) {
  const child = spawn(process.execPath, ['--disable-warning=TimeoutNegativeWarning', plainConsumer, broker, topic], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const ready = Promise.withResolvers<void>()
  let lastOffset = -1
  let newest = -1
  let repeated = 0
  let problem: Error | undefined
  createInterface({ input: child.stdout }).on('line', text => {
    const { ready: isReady, offset, key, value, headers } = JSON.parse(text) as Line
    if (isReady) return ready.resolve()
    // kafkajs itself begins again at its last commit when it was thrown out of its group.
    if (offset <= lastOffset) return
    lastOffset = offset
    const position = Number(headers['x-entente-position'])
    const isMarked = headers['x-entente-redelivered'] === '1'
    try {
      assert.equal((JSON.parse(value) as { log_index: number }).log_index, position)
      assert.equal(key, `indicator--${position % 1000}`)
      assert.equal(headers['x-entente-event'], 'added')
      if (position <= newest) assert.ok(isMarked, `${position} came after ${newest} and is not marked`)
      else assert.equal(position, newest + 1)
    } catch (error) {
      problem ??= error as Error
    }
    if (position <= newest) repeated++
    newest = Math.max(newest, position)
  })
  await ready.promise
  return {
    async until(count: number): Promise<{ repeated: number }> {
      for (const until = Date.now() + 60_000; newest < count - 1 && !problem; await sleep(50))
        assert.ok(Date.now() < until, `it has ${newest + 1} of ${count} messages`)
      if (problem) throw problem
      return { repeated }
    },
  }
}
