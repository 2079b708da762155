import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { modulesOf } from '../../../test/support/modules.ts'

const loadedBy = (file: string) => modulesOf(join(import.meta.dirname, file))

test('loading the ports loads no driver', () => {
  for (const port of ['channel.ts', 'stream.ts', 'error.ts']) {
    const urls = loadedBy(port)
    assert.ok(urls.some(url => url.endsWith(`/channel/${port}`)))
    for (const url of urls) assert.match(url, /^node:|\/channel\/(channel|stream|error)\.ts$/, `${port} loads ${url}`)
  }
})

test('a broker loads its own client and no other', () => {
  for (const [file, own, other] of [
    ['rabbitmq/publisher.ts', '/amqplib/', '/@platformatic/kafka/'],
    ['rabbitmq/subscriber.ts', '/amqplib/', '/@platformatic/kafka/'],
    ['kafka/publisher.ts', '/@platformatic/kafka/', '/amqplib/'],
    ['kafka/subscriber.ts', '/@platformatic/kafka/', '/amqplib/'],
  ] as const) {
    const urls = loadedBy(file)
    assert.ok(urls.some(url => url.includes(own)))
    assert.ok(!urls.some(url => url.includes(other)))
  }
})
