// From a real RabbitMQ and a real Kafka, honest and with somebody between publisher and subscriber who changes what passes.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createTaxiiClient } from '@entente/client'
import type { Message, Publisher, Subscriber } from '#channel/channel.ts'
import { openKafkaPublisher } from '#channel/kafka/publisher.ts'
import { openKafkaSubscriber } from '#channel/kafka/subscriber.ts'
import { openRabbitPublisher } from '#channel/rabbitmq/publisher.ts'
import { openRabbitSubscriber } from '#channel/rabbitmq/subscriber.ts'
import { installKafka, startKafka } from '../../../../test/support/kafka.ts'
import { installRabbitmq, startRabbitmq } from '../../../../test/support/rabbitmq.ts'
import { until } from '../../../../test/support/until.ts'
import { forgeEvent } from '../../../client/test/events.ts'
import { entente, startCommand } from './test/script.ts'
import { adminPassword, indicators, startSite } from './test/site.ts'

/** A broker that runs, and our own adapters to put something else on it. */
type Tools = {
  /** For `--broker`, and for `channels:` of a server. */
  url: string
  config: string
  /** Where one begins that the broker does not know: RabbitMQ keeps nothing for who was never there. */
  from: 'now' | 'start'
  publisher(prefix: string): Publisher
  subscriber(prefix: string): Subscriber
  stop(): Promise<void>
}

const BROKERS: Record<string, (folder: string) => Promise<Tools | string>> = {
  async rabbitmq(folder) {
    const found = installRabbitmq()
    if ('reason' in found) return found.reason
    const { url, stop } = await startRabbitmq(found.path, folder)
    return {
      url,
      from: 'now',
      config: `kind: rabbitmq, url: "${url}"`,
      publisher: prefix => openRabbitPublisher({ url, prefix, channels: ['EVENTS'], now: Date.now }),
      subscriber: prefix => openRabbitSubscriber({ url, prefix }),
      stop,
    }
  },
  async kafka(folder) {
    const found = installKafka()
    if ('reason' in found) return found.reason
    const { broker, stop } = await startKafka(found.path, folder)
    const brokers = [broker]
    return {
      url: `kafka://${broker}`,
      from: 'start',
      config: `kind: kafka, brokers: ["${broker}"]`,
      publisher: prefix => openKafkaPublisher({ brokers, prefix, channels: ['EVENTS'], now: Date.now }),
      subscriber: prefix => openKafkaSubscriber({ brokers, prefix }),
      stop,
    }
  },
}

/** Writes the seq and the object's id of each event to a file. */
const HANDLER = `
import { appendFileSync, readFileSync } from 'node:fs'
const event = JSON.parse(readFileSync(0, 'utf8'))
appendFileSync('handled', [event.event, event.seq, event.record?.id].join(' ') + '\\n')
`

async function open(t: TestContext, { config, subscriber, url, from }: Tools) {
  const site = await startSite(
    t,
    `
server: { port: 0 }
ledgers: []
channels: { ${config}, prefix: "genuine.", names: [EVENTS] }
apiRoots:
  - path: /api/
    title: Tests
    collections:
      - { alias: default, title: Everybody's, forward: { default: [EVENTS] } }
      - { alias: secret, title: Not for all who listen, read: [admin], forward: { default: [EVENTS] } }
`,
  )
  const cwd = site.folder
  writeFileSync(join(cwd, 'handle.mjs'), HANDLER)
  writeFileSync(join(cwd, 'broker.url'), `${url}\n`)
  const handled = () => {
    const file = join(cwd, 'handled')
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
  }
  const client = createTaxiiClient({
    url: site.server.url,
    auth: { kind: 'basic', user: 'admin', password: adminPassword(site) },
  })
  const { server } = site
  const args = ['subscribe', 'EVENTS', server.url, '--broker', 'broker.url', '--durable', 'soc', '--from', from]
  const exec = ['--exec', `${process.execPath} handle.mjs`]
  const options = { cwd, env: { ENTENTE_DATA: site.data } }
  const run = (...more: string[]) => entente([...args, ...more], options)
  /** The broker keeps what comes for the subscriber "soc" from here on. */
  const bind = async (prefix: string) => {
    const reader = subscriber(prefix)
    const messages = await reader.subscribe('EVENTS', { durable: 'soc', from })
    await messages.return?.()
    await reader.close()
  }
  return { ...site, cwd, client, args, exec, options, run, bind, handled }
}

for (const [kind, start] of Object.entries(BROKERS)) {
  describe(kind, async () => {
    let tools: Tools | string = 'not started'
    let folder = ''
    test('starts', { timeout: 90_000 }, async t => {
      folder = mkdtempSync(join(tmpdir(), `entente-subscribe-${kind}-`))
      tools = await start(folder)
      if (typeof tools === 'string') t.skip(tools)
    })

    test('what comes from the broker is held against the log of the server, and acknowledged when it was dealt with', async t => {
      if (typeof tools === 'string') return t.skip(tools)
      const { client, args, exec, options, run, bind, handled, server } = await open(t, tools)
      await bind('genuine.')
      await client.collection('/api/collections/default/').add(indicators(30))
      await client.collection('/api/collections/secret/').add(indicators(2, 100))

      const verify = ['--verify', '--key', server.context.vkey, '--state', 'state.json', ...exec]
      const first = startCommand([...args, ...verify], options)
      await until(
        () => handled().length >= 10,
        () => first.written.err,
      )
      first.child.kill('SIGKILL')
      await first.ended
      const rest = startCommand([...args, ...verify, '--fetch'], options)
      await until(
        () => new Set(handled()).size >= 32,
        () => `${handled().length} of 32: ${rest.written.err}`,
      )
      rest.child.kill('SIGINT')
      assert.equal((await rest.ended).code, 0, rest.written.err)
      const lines = handled()
      assert.deepEqual(
        [...new Set(lines)],
        [
          ...indicators(30).map((o, i) => `added ${i} ${o.id}`),
          ...indicators(2, 100).map((o, i) => `added ${i} ${o.id}`),
        ],
        'in order; what not all who listen may read was fetched',
      )
      assert.ok(lines.length <= 33, 'what was under way when it was killed came again, and no more')

      await client.collection('/api/collections/secret/').add(indicators(1, 200))
      const reference = await run('--verify', '--json', '--count', '1')
      assert.deepEqual([reference.code, JSON.parse(reference.out).event], [0, 'reference'], reference.err)
      assert.doesNotMatch(reference.out, /indicator--/)
    })

    test('somebody in the middle: nothing of what was changed reaches the handler, exit 4, both hashes', async t => {
      if (typeof tools === 'string') return t.skip(tools)
      const { publisher, subscriber } = tools
      const { client, exec, run, bind, handled, server, cwd } = await open(t, tools)
      const { log } = server.notary
      const reader = subscriber('genuine.')
      const messages = await reader.subscribe('EVENTS', { durable: 'middle', from: tools.from })
      await client.collection('/api/collections/default/').add(indicators(6))
      // A topic has what servers before this one have sent as well
      const genuine: string[] = []
      for await (const received of messages) {
        const text = Buffer.from(received.body).toString()
        await received.acknowledge()
        if (JSON.parse(text).origin === log.origin) genuine.push(text)
        if (genuine.length === 6) break
      }
      await reader.close()
      const hash = (text: string) => JSON.parse(text).commitment as string
      const [, , one = '', two = ''] = genuine
      const index = JSON.parse(two).log_index as number
      const changes: [string, string, string[]][] = [
        ['nothing', one, []],
        ['repetitions', one, []],
        ['content', one.replace('indicator 2', 'indicator 9'), [hash(one)]],
        ['content and commitment', forgeEvent(one), [hash(one), hash(forgeEvent(one))]],
        ['place', one.replace(/"log_index":\d+/, `"log_index":${index}`), [hash(one), hash(two)]],
        ['log', one.replace(/"origin":"[^"]+"/, '"origin":"other.example/log"'), ['other.example/log', log.origin]],
        ['form', one.replace('{', '{"more":1,'), ['"more"']],
      ]
      for (const [what, changed, words] of changes) {
        const prefix = `changed-${changes.findIndex(c => c[0] === what)}.`
        await bind(prefix)
        const sender = publisher(prefix)
        // More than a broker gives before the first of them is acknowledged
        const again = what === 'repetitions' ? Array<string>(300).fill(genuine[0] as string) : []
        const bodies = [...genuine.slice(0, 2), ...again, changed, ...genuine.slice(3)]
        await publishAll(sender, bodies)
        await sender.close()
        rmSync(join(cwd, 'handled'), { force: true })
        const ran = await run('--prefix', prefix, '--verify', '--key', server.context.vkey, '--count', '6', ...exec)
        assert.equal(ran.code, changed === one ? 0 : 4, `${what}: ${ran.err}`)
        for (const word of words) assert.ok(ran.err.includes(word), `${what}: ${word} is not in ${ran.err}`)
        if (changed === one) assert.equal(handled().length, 6)
        else
          assert.ok(
            handled().every(line => /^(?:added [01] .*)?$/.test(line)),
            `${what}: ${handled().join('; ')}`,
          )
      }
    })

    test('ends', async () => {
      if (typeof tools !== 'string') await tools.stop()
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    })
  })
}

/** A new topic may need a moment. */
async function publishAll(sender: Publisher, bodies: string[]): Promise<void> {
  const messages = bodies.map(
    (body, position): Message => ({
      position,
      collection: 1,
      key: String(position),
      event: 'added',
      body: Buffer.from(body),
      redelivered: false,
    }),
  )
  for (let tries = 1; ; tries++) {
    try {
      return await sender.publish('EVENTS', messages)
    } catch (error) {
      if (tries === 50) throw error
      await sleep(200)
    }
  }
}
