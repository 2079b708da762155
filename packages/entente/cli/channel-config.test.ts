import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { stringify } from 'yaml'
import { toChannels } from './channel-config.ts'
import { loadConfig } from './config.ts'
import { CliError } from './errors.ts'

describe('configuration of channels', () => {
  const folder = mkdtempSync(join(tmpdir(), 'entente-config-'))
  after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'entente.yaml')
  const load = (text: string) => {
    writeFileSync(file, text)
    return loadConfig({ file, data: folder, env: {} }).config
  }
  const channels = (value: unknown, collection: Record<string, unknown> = {}) =>
    load(
      stringify({
        channels: value,
        apiRoots: [{ path: '/api/', title: 'R', collections: [{ alias: 'a', title: 'A', ...collection }] }],
      }),
    )
  const refuses = (what: string, message: RegExp, value: unknown, collection?: Record<string, unknown>) =>
    test(what, () => {
      assert.throws(
        () => channels(value, collection),
        (error: unknown) => {
          assert.ok(error instanceof CliError)
          assert.equal(error.code, 'usage')
          assert.match(error.message, message)
          return true
        },
      )
    })

  test('without a word of it there are four channels by server-sent events', () => {
    const config = load('{}')
    assert.equal(config.channels.kind, 'embedded')
    assert.deepEqual(
      toChannels(config.channels).map(c => c.name),
      ['EVENTS', 'ATTACKS', 'MITIGATIONS', 'UNSPECIFIED'],
    )
    assert.equal(config.channels.keepHours, 720)
  })

  test('a channel has the audience of all, or its own', () => {
    const { channels: configured } = channels({
      names: ['A', { name: 'B', title: 'Bee', audience: ['few'] }],
      audience: ['many'],
    })
    assert.deepEqual(toChannels(configured), [
      { name: 'A', title: undefined, audience: ['many'] },
      { name: 'B', title: 'Bee', audience: ['few'] },
    ])
  })

  test('no channels at all', () => {
    assert.deepEqual(toChannels(channels({ names: [] }).channels), [])
  })

  test('the example of docs/operating.md is valid, and says what the defaults are', () => {
    const text = readFileSync(join(import.meta.dirname, '../../../docs/operating.md'), 'utf8')
    const example = text.split('```yaml\n')[1]?.split('```')[0] as string
    assert.deepEqual(load(example).channels, load('{}').channels)
  })

  refuses('two of one name', /two channels are called "A"/, { names: ['A', { name: 'A' }] })
  refuses('a name that no marking can name', /names/, { names: ['a b'] })
  refuses('an unknown key', /unknown key retain/, { retain: 5 })
  refuses('RabbitMQ without a URL', /need url, amqp:\/\/…, or urlFile/, { kind: 'rabbitmq' })
  refuses('RabbitMQ with two', /need url/, { kind: 'rabbitmq', url: 'amqp://a', urlFile: 'b' })
  refuses('a URL of something else', /url/, { kind: 'rabbitmq', url: 'http://a' })
  refuses('Kafka without brokers', /need brokers/, { kind: 'kafka' })
  refuses('what another kind has: a URL', /channels\.url means nothing for the kind embedded/, { url: 'amqp://a' })
  refuses('what another kind has: brokers', /channels\.brokers means nothing for the kind rabbitmq/, {
    kind: 'rabbitmq',
    url: 'amqp://a',
    brokers: ['a:9092'],
  })
  refuses(
    'forwarding by default to what is not there',
    /forwards to the channel "X"/,
    {},
    { forward: { default: ['X'] } },
  )
  refuses(
    'forwarding a type to what is not there',
    /forwards to the channel "X"/,
    {},
    { forward: { types: { indicator: ['EVENTS', 'X'] } } },
  )

  test('single keys come from the environment', () => {
    const env = { ENTENTE_CHANNELS_KEEP_HOURS: '5', ENTENTE_CHANNELS_SENT_DAYS: '0' }
    const { config } = loadConfig({ data: folder, env })
    assert.deepEqual([config.channels.keepHours, config.channels.sentDays], [5, 0])
  })
})
