// A consumer that is none of ours, and a broker that is away while publishing goes on. With ENTENTE_TEST_LONG it is away for five minutes, at 1,000 messages a second.
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createRandom } from '../../../../test/support/random.ts'
import { installRabbitmq, type Rabbitmq, startRabbitmq } from '../../../../test/support/rabbitmq.ts'
import type { Message } from '../channel.ts'
import { ChannelError } from '../error.ts'
import { openRabbitPublisher } from './publisher.ts'
import { until } from '../../../../test/support/until.ts'

const LONG = process.env['ENTENTE_TEST_LONG'] !== undefined
const SEED = Number(process.env['ENTENTE_TEST_SEED'] ?? 20261122)
const [RATE, AWAY_MS] = LONG ? [1000, 300_000] : [400, 3000]
/** As the server's outbox sends at once. */
const AT_ONCE = 500

const PLAIN = join(import.meta.dirname, '../../../../test/support/plain-amqp.ts')
const folder = mkdtempSync(join(tmpdir(), 'entente-rabbitmq-'))
const found = installRabbitmq()
const broker = 'reason' in found ? found.reason : await startRabbitmq(found.path, folder)
after(async () => {
  if (typeof broker !== 'string') await broker.stop()
  rmSync(folder, { recursive: true })
})

/** What the plain consumer prints of a message. */
type Printed = {
  headers: Record<string, unknown>
  contentType: unknown
  deliveryMode: unknown
  messageId: unknown
  sha256: string
}

test('a plain amqplib consumer receives what was published', async t => {
  if (typeof broker === 'string') return t.skip(broker)
  const consumer = await consume(broker, 'EVENTS', 'plain')
  const publisher = openRabbitPublisher({ url: broker.url, channels: ['EVENTS'], now: Date.now })
  try {
    const sent = Array.from({ length: 300 }, (_, i) => message(3 * i, { redelivered: i % 7 === 0 }))
    await publisher.publish('EVENTS', sent)
    const printed = await consumer.take(sent.length)
    assert.deepEqual(
      printed,
      sent.map(({ position, event, body, redelivered }) => ({
        headers: {
          'x-entente-position': String(position),
          'x-entente-event': event,
          ...(redelivered ? { 'x-entente-redelivered': '1' } : {}),
        },
        contentType: 'application/vnd.entente.event+json;version=1',
        deliveryMode: 2,
        messageId: String(position),
        sha256: createHash('sha256').update(body).digest('hex'),
      })),
    )
  } finally {
    await publisher.close()
    consumer.end()
  }
})

test('the broker is killed and away: everything arrives at a queue bound before, in order', async (t: TestContext) => {
  if (typeof broker === 'string') return t.skip(broker)
  await promisify(execFile)(process.execPath, [PLAIN, 'bind', broker.url, 'ATTACKS', 'bound'])
  const publisher = openRabbitPublisher({ url: broker.url, channels: ['ATTACKS'], now: Date.now })
  /** Positions below are stored, below `confirmed` the broker has them, and below `unsure` they may have been sent. */
  const log = { stored: 0, confirmed: 0, unsure: 0, isComplete: false, latestMs: 0 }
  const storing = store(log)
  const sending = send(log, async (from, to) => {
    const batch = Array.from({ length: to - from }, (_, i) => message(from + i, { redelivered: from + i < log.unsure }))
    await publisher.publish('ATTACKS', batch)
  })
  try {
    await until(() => log.confirmed > RATE, undefined, { ms: 120_000 })
    await broker.kill()
    const before = log.stored
    await sleep(AWAY_MS)
    const meanwhile = log.stored - before
    assert.ok(meanwhile > (RATE * AWAY_MS) / 2000, `${meanwhile} stored while it was away`)
    await broker.start()
    const waited = log.stored - log.confirmed
    const back = performance.now()
    await until(() => log.stored - log.confirmed < RATE / 4, undefined, { ms: 120_000 })
    const caughtUp = performance.now() - back
    log.isComplete = true
    await Promise.all([storing, sending])

    const consumer = await consume(broker, 'ATTACKS', 'bound')
    const expected = Array.from({ length: log.stored }, (_, position) => position)
    let newest = -1
    let repeated = 0
    while (newest < expected.length - 1) {
      const [{ headers, sha256 }] = (await consumer.take(1)) as [Printed]
      const position = Number(headers['x-entente-position'])
      assert.equal(sha256, createHash('sha256').update(message(position).body).digest('hex'))
      if (position > newest) assert.equal(position, ++newest, 'one is missing')
      else {
        assert.equal(headers['x-entente-redelivered'], '1', `${position} came again, unmarked`)
        repeated++
      }
    }
    consumer.end()
    t.diagnostic(
      `seed ${SEED}, commit ${commit()}, ${availableParallelism()} x ${cpus()[0]?.model}, Node ${process.version}`,
    )
    t.diagnostic(
      `${log.stored} messages at ${RATE}/s, away ${AWAY_MS / 1000} s and a start; ${waited} waited and were there ${(caughtUp / 1000).toFixed(1)} s later; ${repeated} came twice, marked; none missing; latest tick ${log.latestMs.toFixed(0)} ms`,
    )
  } finally {
    log.isComplete = true
    await publisher.close()
  }
})

type Log = { stored: number; confirmed: number; unsure: number; isComplete: boolean; latestMs: number }

/** Something is stored all the time, whatever the broker does. */
async function store(log: Log): Promise<void> {
  const started = performance.now()
  while (!log.isComplete) {
    const due = Math.floor(((performance.now() - started) * RATE) / 1000)
    log.latestMs = Math.max(log.latestMs, ((due - log.stored) * 1000) / RATE)
    log.stored = due
    await sleep(5)
  }
}

/** The caller's rule: the same again until it is confirmed, marked from what was tried before. */
async function send(log: Log, publish: (from: number, to: number) => Promise<void>): Promise<void> {
  while (!log.isComplete || log.confirmed < log.stored) {
    const to = Math.min(log.stored, log.confirmed + AT_ONCE)
    if (to === log.confirmed) await sleep(2)
    else {
      try {
        await publish(log.confirmed, to)
        log.confirmed = to
      } catch (error) {
        if (!(error instanceof ChannelError) || error.code !== 'unreachable') throw error
        log.unsure = Math.max(log.unsure, to)
        await sleep(50)
      }
    }
  }
}

/** Bytes of a position: the same each time, of lengths that differ. */
function message(position: number, { redelivered = false } = {}): Message {
  const random = createRandom(SEED + position)
  const text = random.text(20, 'abcdef 0123456789').repeat(random.int(150))
  return {
    position,
    collection: 0,
    key: `indicator--${position}`,
    event: 'added',
    body: Buffer.from(`{"log_index":${position},"record":"${text}"}`),
    redelivered,
  }
}

async function consume({ url }: Rabbitmq, exchange: string, queue: string) {
  const child: ChildProcess = spawn(process.execPath, [PLAIN, 'consume', url, exchange, queue], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  assert.equal((await lines.next()).value, 'ready')
  return {
    take: async (count: number): Promise<Printed[]> => {
      const printed: Printed[] = []
      while (printed.length < count) {
        const { value, done } = await lines.next()
        assert.notEqual(done, true, 'the consumer ended')
        const { at: _, ...one } = JSON.parse(value as string)
        printed.push(one)
      }
      return printed
    },
    end: () => child.kill(),
  }
}

const commit = () => execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
