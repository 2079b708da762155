import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Received, Subscriber } from '#channel/channel.ts'
import { readBroker, readBrokerMessages } from './broker-messages.ts'

test('brokers by URL or by a file that holds it; what has their names has no password', t => {
  const folder = mkdtempSync(join(tmpdir(), 'entente-broker-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'broker.url')
  writeFileSync(file, 'amqps://soc:secret@mq.example:5671/share\n')
  const named = (given: string) => {
    const { kind, name } = readBroker(given, undefined)
    return [kind, name]
  }
  assert.deepEqual(named(file), ['rabbitmq', 'amqps://mq.example:5671/share'])
  assert.deepEqual(named('amqp://127.0.0.1'), ['rabbitmq', 'amqp://127.0.0.1'])
  assert.deepEqual(named('kafka://a.example:9092,b.example:9093'), ['kafka', 'kafka://a.example:9092,b.example:9093'])
  assert.deepEqual(named('kafka://soc:se%3Acret@a.example:9092/?mechanism=PLAIN'), ['kafka', 'kafka://a.example:9092'])
  for (const strange of [
    'http://a.example',
    'kafka://a.example',
    'kafka://a:secret@',
    'kafka://a:secret%@b.example:1',
    'amqp://[',
    '',
    './none',
  ])
    assert.throws(
      () => readBroker(strange, undefined),
      (error: Error & { code?: string }) => error.code === 'usage' && !error.message.includes('secret'),
      strange,
    )
  assert.throws(() => readBroker('kafka://a:b@c.example:1?mechanism=OAUTHBEARER', undefined), { code: 'usage' })
  assert.throws(() => readBroker('amqps://a.example', join(folder, 'none.pem')), { code: 'usage' })
})

test('messages in groups of what is there; the broker is left with the iteration', async () => {
  let isClosed = false
  let given = 0
  let goOn = () => {}
  const arrivals = [3, 1, 100]
  async function* messages(signal: AbortSignal | undefined): AsyncIterableIterator<Received> {
    for (const count of arrivals) {
      for (let i = 0; i < count; i++)
        yield {
          body: Buffer.from(String(given++)),
          position: undefined,
          redelivered: i === 0,
          acknowledge: async () => {},
        }
      // Nothing more until all of it was taken.
      await new Promise<void>(resolve => {
        goOn = resolve
      })
    }
    await sleep(60_000, undefined, { signal }).catch(() => {})
  }
  const subscriber: Subscriber = {
    kind: 'test',
    subscribe: async (_channel, options) => messages(options?.signal),
    close: async () => void (isClosed = true),
  }
  const sizes: number[] = []
  const texts: string[] = []
  for await (const group of readBrokerMessages(subscriber, 'EVENTS', {})) {
    sizes.push(group.length)
    texts.push(...group.map(m => String(m.data)))
    if (texts.length === given) goOn()
    if (texts.length === 104) break
  }
  assert.deepEqual(sizes, [3, 1, 64, 36])
  assert.deepEqual(
    texts,
    Array.from({ length: 104 }, (_, i) => String(i)),
  )
  assert.ok(isClosed)
})
