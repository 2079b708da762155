/**
 * A publisher to RabbitMQ by itself, without a server: confirmed messages/s of 1,000 bytes into no queue and into a durable queue that a plain consumer
 * in another process empties, and at 1,000 messages/s the time from `publish` to that consumer.
 *
 *     node bench/rabbitmq.ts
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Message } from '../packages/entente/channel/channel.ts'
import { openRabbitPublisher } from '../packages/entente/channel/rabbitmq/publisher.ts'
import { installRabbitmq, startRabbitmq } from '../test/support/rabbitmq.ts'
import { quantile } from './statistics.ts'

const PACED = 20_000
const found = installRabbitmq()
if ('reason' in found) throw new Error(found.reason)
const folder = mkdtempSync(join(tmpdir(), 'entente-bench-'))
const broker = await startRabbitmq(found.path, folder)
const publisher = openRabbitPublisher({ url: broker.url, channels: ['NOBODY', 'QUEUE'], now: Date.now })

const now = () => performance.timeOrigin + performance.now()
const body = Buffer.alloc(1000, 'a')
const message = (position: number): Message => ({
  position,
  collection: 0,
  key: 'indicator--00000000-0000-4000-8000-000000000000',
  event: 'added',
  body,
  redelivered: false,
})
const batch = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => message(from + i))

await publisher.publish('QUEUE', [message(0)])
const plain = join(import.meta.dirname, '../test/support/plain-amqp.ts')
const consumer = spawn(process.execPath, [plain, 'consume', broker.url, 'QUEUE', 'bench'], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
const lines = createInterface({ input: consumer.stdout })[Symbol.asyncIterator]()
await lines.next() // ready

async function rate(channel: string, size: number): Promise<string> {
  const count = size === 1 ? 1000 : 20_000
  const started = performance.now()
  for (let from = 0; from < count; from += size) await publisher.publish(channel, batch(from, from + size))
  const perSecond = Math.round((count * 1000) / (performance.now() - started))
  if (channel === 'QUEUE') for (let i = 0; i < count; i++) await lines.next()
  return `${perSecond}/s`
}

for (const size of [1, 50, 500])
  console.log(`batches of ${size}: no queue ${await rate('NOBODY', size)}, durable queue ${await rate('QUEUE', size)}`)

const sent: number[] = []
const times: number[] = []
const reading = (async () => {
  for (let i = 0; i < PACED; i++) {
    const { at, messageId } = JSON.parse((await lines.next()).value as string) as { at: number; messageId: string }
    times.push(at - (sent[Number(messageId)] as number))
  }
})()
const started = performance.now()
for (let done = 0; done < PACED; ) {
  const due = Math.min(PACED, Math.floor(performance.now() - started))
  while (sent.length < due) sent.push(now())
  const to = Math.min(due, done + 500)
  if (to === done) await sleep(1)
  else await publisher.publish('QUEUE', batch(done, to))
  done = to
}
await reading
const [half, most] = [0.5, 0.99].map(q => quantile(times, q).toFixed(1))
console.log(`at 1,000/s, to the consumer: median ${half} ms, 99th percentile ${most} ms of ${PACED}`)

consumer.kill()
await publisher.close()
await broker.stop()
rmSync(folder, { recursive: true })
