// What only RabbitMQ has: exchanges of another kind, rights, queues that refuse, brokers that stand still, TLS.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { type ChannelModel, connect } from 'amqplib'
import { startFlakyProxy } from '../../../../test/support/flaky-proxy.ts'
import { installRabbitmq, type Rabbitmq, startRabbitmq } from '../../../../test/support/rabbitmq.ts'
import { testOrganization } from '../../../../test/support/x509.ts'
import type { Message, Publisher, Received, Subscriber } from '../channel.ts'
import { publishUntilConfirmed } from '../conformance.ts'
import { ChannelError, type ChannelErrorCode } from '../error.ts'
import { inspectRabbit } from './inspect.ts'
import { openRabbitPublisher, type RabbitPublisherOptions } from './publisher.ts'
import { openRabbitSubscriber, type RabbitSubscriberOptions } from './subscriber.ts'
import { until } from '../../../../test/support/until.ts'

const MAX_MESSAGE_BYTES = 2_000_000
/** How soon a publisher of these tests gives up on a broker that says nothing. */
const SILENCE_MS = 1000

const folder = mkdtempSync(join(tmpdir(), 'entente-rabbitmq-'))
const organization = testOrganization('Test')
let tlsPort = 0
const started = start()
after(async () => {
  const broker = await started
  if (typeof broker !== 'string') await broker.stop()
  rmSync(folder, { recursive: true })
})

async function start(): Promise<Rabbitmq | string> {
  const found = installRabbitmq()
  if ('reason' in found) return found.reason
  const server = organization.issue('server', 'broker', ['localhost'])
  const files = { ca: organization.ca.cert, cert: server.cert, key: server.key.pem }
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, `${name}.pem`), text)
  return startRabbitmq(found.path, folder, port => {
    tlsPort = port
    return {
      max_message_size: String(MAX_MESSAGE_BYTES),
      'listeners.ssl.1': `127.0.0.1:${port}`,
      'ssl_options.cacertfile': join(folder, 'ca.pem'),
      'ssl_options.certfile': join(folder, 'cert.pem'),
      'ssl_options.keyfile': join(folder, 'key.pem'),
      'ssl_options.verify': 'verify_peer',
      'ssl_options.fail_if_no_peer_cert': 'true',
    }
  })
}

type Tools = {
  broker: Rabbitmq
  publisher(options: Partial<RabbitPublisherOptions> & { channels: string[] }): Publisher
  subscriber(options?: Partial<RabbitSubscriberOptions>): Subscriber
  /** A connection without our code. */
  plain(): Promise<ChannelModel>
}

/** Exchanges of each test have its own prefix; what is opened is closed. */
const rabbit = (title: string, run: (tools: Tools) => Promise<void>) =>
  test(title, async (t: TestContext) => {
    const broker = await started
    if (typeof broker === 'string') return t.skip(broker)
    const opened: { close(): Promise<unknown> }[] = []
    const keep = <T extends { close(): Promise<unknown> }>(one: T): T => {
      opened.push(one)
      return one
    }
    try {
      await run({
        broker,
        publisher: options =>
          keep(openRabbitPublisher({ url: broker.url, now: Date.now, silenceMs: SILENCE_MS, ...options })),
        subscriber: options => keep(openRabbitSubscriber({ url: broker.url, ...options })),
        plain: async () => keep(await connect(broker.url)),
      })
    } finally {
      for (const one of opened.reverse()) await one.close().catch(() => {})
    }
  })

rabbit('what is there of another kind is refused, stays as it is, and no other channel is held up', async on => {
  const channel = await (await on.plain()).createChannel()
  await channel.assertExchange('kind.DIRECT', 'direct', { durable: true })
  await channel.assertExchange('kind.TRANSIENT', 'fanout', { durable: false })
  await channel.assertQueue('kind.queue')
  await channel.bindQueue('kind.queue', 'kind.DIRECT', 'key')
  const publisher = on.publisher({ prefix: 'kind.', channels: ['DIRECT', 'TRANSIENT', 'GOOD'] })
  for (const name of ['DIRECT', 'TRANSIENT']) {
    const error = await rejects(publisher.publish(name, [message(1)]), 'refused')
    assert.match(error.message, new RegExp(`exchange "kind.${name}".*(type|durable).*not durable and fanout`))
    await rejects(on.subscriber({ prefix: 'kind.' }).subscribe(name), 'refused')
  }
  await publisher.publish('GOOD', [message(1)])
  assert.equal(publisher.state().connected, true)
  channel.publish('kind.DIRECT', 'key', Buffer.from('as before'))
  await until(async () => (await channel.checkQueue('kind.queue')).messageCount === 1)
})

rabbit('an inspection says what is there, what is missing and what is of another kind, and makes nothing', async on => {
  const channel = await (await on.plain()).createChannel()
  await channel.assertExchange('look.DIRECT', 'direct', { durable: true })
  await channel.assertExchange('look.GOOD', 'fanout', { durable: true })
  const found = await inspectRabbit({ url: on.broker.url, prefix: 'look.', channels: ['DIRECT', 'GOOD', 'NONE'] })
  assert.deepEqual(
    found.map(s => [s.address, s.is]),
    [
      ['look.DIRECT', 'refused'],
      ['look.GOOD', 'ready'],
      ['look.NONE', 'missing'],
    ],
  )
  assert.doesNotMatch(await exchanges(on.broker), /look\.NONE/)
  await assert.rejects(inspectRabbit({ url: 'amqp://a:b@127.0.0.1:1/', channels: ['A'] }), { code: 'unreachable' })
})

rabbit('the exchanges are made at once, for those who may only read', async on => {
  on.publisher({ prefix: 'early.', channels: ['A', 'B'] })
  await until(async () => /early\.A\tfanout\ttrue\n/.test(await exchanges(on.broker)))
  assert.match(await exchanges(on.broker), /early\.B\tfanout\ttrue\n/)
})

rabbit('no user, password, virtual host or right: refused, and the password is in no message', async on => {
  const { port } = new URL(on.broker.url)
  const wrong = [`amqp://guest:S3cret!@127.0.0.1:${port}/`, `amqp://guest:guest@127.0.0.1:${port}/nowhere`]
  for (const url of wrong) {
    const publisher = on.publisher({ url, channels: [] })
    const started = performance.now()
    for (const error of [
      await rejects(publisher.publish('A', [message(1)]), 'refused'),
      await rejects(publisher.publish('A', [message(1)]), 'refused'),
      await rejects(on.subscriber({ url }).subscribe('A'), 'refused'),
    ]) {
      assert.match(error.message, /docs\/operating.md/)
      assert.doesNotMatch(inspect(error, { depth: 20, showHidden: true }), /S3cret/)
    }
    assert.doesNotMatch(JSON.stringify(publisher.state()), /S3cret/)
    assert.equal(publisher.state().connected, false)
    assert.ok(performance.now() - started < 10_000)
  }
  const invalid = [
    'amqp://guest:S3cret@[',
    'http://guest:S3cret@h/',
    'amqp://:S3cret@h/',
    'amqp://guest:S3cret@h/?heartbeat=1',
    'amqp://guest:S3cret%@h/',
    'amqp://guest:S3cret@/',
    'amqp://guest@h/',
    'amqp://h/',
    'S3cret',
  ]
  for (const url of invalid) {
    for (const open of [() => on.publisher({ url, channels: [] }), () => on.subscriber({ url })]) {
      assert.throws(open, error => {
        assert.ok(error instanceof ChannelError)
        assert.equal(error.code, 'invalid', url)
        assert.doesNotMatch(inspect(error, { depth: 20, showHidden: true }), /S3cret/)
        return true
      })
    }
  }
})

rabbit('an account needs no more than docs/operating.md says', async on => {
  const urls = await addAccounts(on.broker, {
    server: ['^rights\\..*', '^rights\\..*', '^$'],
    writer: ['^$', '^rights\\..*', '^$'],
    reader: ['^amq\\.gen-.*', '^amq\\.gen-.*', '^(amq\\.gen-|rights\\.).*'],
    keeper: ['^rights\\.[^:]+:desk$', '^rights\\.[^:]+:desk$', '^rights\\.([^:]+|[^:]+:desk)$'],
  })
  const { server, writer, reader, keeper } = urls
  const options = { prefix: 'rights.', channels: ['A'] }

  const missing = await rejects(on.publisher({ ...options, url: writer }).publish('A', [message(0)]), 'refused')
  assert.match(missing.message, /It is not there/)
  await on.publisher({ ...options, url: server }).publish('A', [message(0)])

  const hears = await on.subscriber({ url: reader, prefix: 'rights.' }).subscribe('A')
  const kept = await on.subscriber({ url: keeper, prefix: 'rights.' }).subscribe('A', { durable: 'desk' })
  await on.publisher({ ...options, url: writer }).publish('A', [message(1)])
  assert.equal((await next(hears)).position, 1)
  assert.equal((await next(kept)).position, 1)

  const noWrite = await rejects(on.publisher({ ...options, url: reader }).publish('A', [message(2)]), 'refused')
  assert.match(noWrite.message, /403/)
  const noQueue = on.subscriber({ url: reader, prefix: 'rights.' }).subscribe('A', { durable: 'desk2' })
  await rejects(noQueue, 'refused')
})

rabbit('a subscriber whose right is taken away is told, once it lasts', async on => {
  const { leaver: url } = await addAccounts(on.broker, { leaver: ['.*', '.*', '.*'] })
  const hears = await on.subscriber({ url }).subscribe('right', { durable: 'desk' })
  await on.broker.control('clear_permissions', 'leaver')
  await on.broker.control('close_all_connections', 'test')
  await rejects(next(hears), 'refused')
  assert.equal((await hears.next()).done, true)
})

rabbit('a message that is too large says so, and the next is taken', async on => {
  const hears = await on.subscriber().subscribe('large')
  const publisher = on.publisher({ channels: ['large'] })
  await publisher.publish('large', [{ ...message(1), body: Buffer.alloc(MAX_MESSAGE_BYTES) }])
  const tooLarge = { ...message(2), body: Buffer.alloc(MAX_MESSAGE_BYTES + 1) }
  const error = await rejects(publisher.publish('large', [tooLarge]), 'too-large')
  assert.match(error.message, new RegExp(`exchange "large".*${MAX_MESSAGE_BYTES + 1}.*${MAX_MESSAGE_BYTES}`))
  assert.equal(publisher.state().connected, true)
  await publisher.publish('large', [message(3)])
  assert.deepEqual([(await next(hears)).position, (await next(hears)).position], [1, 3])
})

rabbit('a queue that is full and refuses: the publish is refused', async on => {
  const publisher = on.publisher({ channels: ['full'] })
  await publisher.publish('full', [message(0)])
  const channel = await (await on.plain()).createChannel()
  await channel.assertQueue('full-queue', { arguments: { 'x-max-length': 3, 'x-overflow': 'reject-publish' } })
  await channel.bindQueue('full-queue', 'full', '')
  await publisher.publish('full', [1, 2, 3].map(message))
  const error = await rejects(publisher.publish('full', [4, 5].map(message)), 'refused')
  assert.match(error.message, /exchange "full".*full or failed/)
  await channel.purgeQueue('full-queue')
  await publishUntilConfirmed(publisher, 'full', [message(4)], { redelivered: true })
})

rabbit('an exchange that somebody took away is made again', async on => {
  const publisher = on.publisher({ channels: ['gone'] })
  await publisher.publish('gone', [message(0)])
  const channel = await (await on.plain()).createChannel()
  await channel.deleteExchange('gone')
  await rejects(publisher.publish('gone', [message(1)]), 'unreachable')
  const hears = await on.subscriber().subscribe('gone')
  await publishUntilConfirmed(publisher, 'gone', [message(1)], { redelivered: true })
  const { position, redelivered } = await next(hears)
  assert.deepEqual({ position, redelivered }, { position: 1, redelivered: true })
})

rabbit('a durable queue that somebody took away is made again', async on => {
  const hears = await on.subscriber().subscribe('taken', { durable: 'desk' })
  const channel = await (await on.plain()).createChannel()
  assert.equal((await channel.checkQueue('taken:desk')).consumerCount, 1)
  await channel.deleteQueue('taken:desk')
  const isBack = async () => {
    const channel = await (await on.plain()).createChannel()
    channel.on('error', () => {})
    return channel.checkQueue('taken:desk').then(
      ({ consumerCount }) => consumerCount === 1,
      () => false,
    )
  }
  await until(isBack)
  await on.publisher({ channels: ['taken'] }).publish('taken', [message(7)])
  assert.equal((await next(hears)).position, 7)
})

rabbit('a queue that is there is used as it is: a quorum queue, with a length of its own', async on => {
  const channel = await (await on.plain()).createChannel()
  await channel.assertQueue('there:desk', { arguments: { 'x-queue-type': 'quorum', 'x-max-length': 100 } })
  const hears = await on.subscriber().subscribe('there', { durable: 'desk' })
  await on.publisher({ channels: ['there'] }).publish('there', [1, 2].map(message))
  assert.deepEqual([(await next(hears)).position, (await next(hears)).position], [1, 2])
  await hears.return?.()
  const again = await on.subscriber().subscribe('there', { durable: 'desk' })
  const { position, redelivered } = await next(again)
  assert.deepEqual({ position, redelivered }, { position: 1, redelivered: true })
})

rabbit('a temporary queue goes with its subscriber, a durable one stays', async on => {
  const subscriber = on.subscriber()
  await subscriber.subscribe('leaves')
  await subscriber.subscribe('leaves', { durable: 'desk' })
  assert.match(await queues(on.broker), /amq\.gen-/)
  await subscriber.close()
  const left = await queues(on.broker)
  assert.doesNotMatch(left, /amq\.gen-/)
  assert.match(left, /^leaves:desk\ttrue\t0$/m)
})

rabbit('nothing from before can be had, and names of queues are bounded', async on => {
  const subscriber = on.subscriber()
  await rejects(subscriber.subscribe('start', { from: 'start' }), 'invalid')
  await rejects(subscriber.subscribe('start', { from: 'start', durable: 'desk' }), 'invalid')
  await (await subscriber.subscribe('start', { durable: 'desk' })).return?.()
  await on.publisher({ channels: ['start'] }).publish('start', [message(3)])
  const again = await subscriber.subscribe('start', { from: 'start', durable: 'desk' })
  assert.equal((await next(again)).position, 3)
  for (const durable of ['', 'a:b', 'a b', 'x'.repeat(201)])
    await rejects(subscriber.subscribe('start', { durable }), 'invalid')
  await rejects(subscriber.subscribe('c'.repeat(200), { durable: 'x'.repeat(55) }), 'invalid')
})

rabbit('headers that Entente does not write say nothing', async on => {
  const hears = await on.subscriber().subscribe('headers')
  const channel = await (await on.plain()).createConfirmChannel()
  const foreign = ['-1', '01', '1.5', '9007199254740992', '', '1'.repeat(1000), 'x', 7, true, null, { a: 1 }, ['1']]
  for (const value of foreign) {
    const headers = { 'x-entente-position': value, 'x-entente-redelivered': value }
    channel.publish('headers', '', Buffer.from('{}'), { headers })
  }
  channel.publish('headers', '', Buffer.from('{}'), { headers: { 'x-entente-position': '9007199254740991' } })
  await channel.waitForConfirms()
  for (const value of foreign) {
    const { position, redelivered } = await next(hears)
    assert.deepEqual({ position, redelivered }, { position: undefined, redelivered: false }, inspect(value))
  }
  assert.equal((await next(hears)).position, 2 ** 53 - 1)
})

rabbit('while the broker is low on memory nothing is taken, and afterwards nothing is out of order', async on => {
  const hears = await on.subscriber().subscribe('low', { durable: 'desk' })
  const publisher = on.publisher({ channels: ['low'] })
  await publisher.publish('low', [message(0)])
  await on.broker.control('set_vm_memory_high_watermark', 'absolute', '1MB')
  try {
    await rejects(publisher.publish('low', [1, 2].map(message)), 'unreachable')
    assert.match((await rejects(publisher.publish('low', [1, 2].map(message)), 'unreachable')).message, /memory/)
    assert.equal(publisher.state().connected, false)
    assert.match(publisher.state().error ?? '', /takes no messages now: .*memory/)
  } finally {
    await on.broker.control('set_vm_memory_high_watermark', 'absolute', '512MB')
  }
  await until(async () => publisher.state().connected)
  await publishUntilConfirmed(publisher, 'low', [1, 2].map(message), { redelivered: true })
  await publisher.publish('low', [message(3)])
  assertMarked(await upTo(hears, 3))
})

rabbit('a broker that stands still for a while: the same again, behind what it had not read yet', async on => {
  const hears = await on.subscriber().subscribe('still', { durable: 'desk' })
  const publisher = on.publisher({ channels: ['still'] })
  await publisher.publish('still', [message(0)])
  const batch = Array.from({ length: 2000 }, (_, i) => message(i + 1))
  on.broker.pause()
  try {
    for (const redelivered of [false, true, true]) {
      const started = performance.now()
      const tried = publisher.publish('still', redelivered ? batch.map(m => ({ ...m, redelivered })) : batch)
      assert.match((await rejects(tried, 'unreachable')).message, /nothing was confirmed/)
      assert.ok(performance.now() - started < 5 * SILENCE_MS)
      assert.match(publisher.state().error ?? '', /nothing was confirmed/)
    }
  } finally {
    on.broker.resume()
  }
  await publishUntilConfirmed(publisher, 'still', batch, { redelivered: true })
  await publisher.publish('still', [message(2001)])
  assert.equal(publisher.state().connected, true)
  assertMarked(await upTo(hears, 2001))
})

rabbit('answers that are lost: what was taken comes again, marked', async on => {
  const proxy = await startFlakyProxy(() => on.broker.port)
  try {
    const url = on.broker.url.replace(/:\d+\/$/, `:${proxy.port}/`)
    const hears = await on.subscriber().subscribe('lost', { durable: 'desk' })
    const publisher = on.publisher({ url, channels: ['lost'] })
    await publisher.publish('lost', [message(0)])
    proxy.loseAnswers(true)
    await rejects(publisher.publish('lost', [1, 2, 3].map(message)), 'unreachable')
    proxy.loseAnswers(false)
    proxy.cut()
    await publishUntilConfirmed(publisher, 'lost', [1, 2, 3].map(message), { redelivered: true })
    await publisher.publish('lost', [message(4)])
    const received = await upTo(hears, 4)
    assertMarked(received)
    assert.equal(received.length, 8, 'each was taken once before')
  } finally {
    proxy.close()
  }
})

rabbit('connections that break again and again lose nothing', async on => {
  const proxy = await startFlakyProxy(() => on.broker.port)
  const url = on.broker.url.replace(/:\d+\/$/, `:${proxy.port}/`)
  const publisher = on.publisher({ url, channels: ['shaky'] })
  const hears = await on.subscriber({ url }).subscribe('shaky', { durable: 'desk' })
  const cutting = new AbortController()
  const cuts = (async () => {
    while (!cutting.signal.aborted) {
      await sleep(300, undefined, { signal: cutting.signal }).catch(() => {})
      proxy.cut()
    }
  })()
  try {
    const reading = upTo(hears, 2999)
    for (let from = 0; from < 3000; from += 10) {
      const batch = Array.from({ length: 10 }, (_, i) => message(from + i))
      await publishUntilConfirmed(publisher, 'shaky', batch)
      if (from === 1500) cutting.abort()
    }
    assertMarked(await reading)
  } finally {
    cutting.abort()
    await cuts
    proxy.close()
  }
})

rabbit('one that takes the connection and says nothing is away, and holds up no close', async on => {
  const sockets: { destroy(): void }[] = []
  const silent = createServer(socket => {
    sockets.push(socket)
    socket.on('error', () => {})
  })
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as { port: number }
  const url = `amqp://guest:guest@127.0.0.1:${port}/`
  try {
    const publisher = on.publisher({ url, channels: ['A'] })
    const started = performance.now()
    await Promise.all([
      rejects(publisher.publish('A', [message(1)]), 'unreachable'),
      rejects(on.subscriber({ url }).subscribe('A'), 'unreachable'),
    ])
    await publisher.close()
    assert.ok(performance.now() - started < 12_000)
  } finally {
    for (const socket of sockets) socket.destroy()
    silent.close()
  }
})

rabbit('amqps: by a certificate of the named authority, and with one of our own where the broker asks', async on => {
  const url = `amqps://guest:guest@localhost:${tlsPort}/`
  const client = organization.issue('client', 'server')
  const ca = Buffer.from(organization.ca.cert)
  const tls = { ca, cert: Buffer.from(client.cert), key: Buffer.from(client.key.pem) }
  const hears = await on.subscriber({ url, tls }).subscribe('sealed')
  await on.publisher({ url, tls, channels: ['sealed'] }).publish('sealed', [message(5)])
  assert.equal((await next(hears)).position, 5)

  const stranger = testOrganization('Stranger').issue('client', 'server')
  const others = [
    { cert: tls.cert, key: tls.key }, // signed by nobody whom we know
    { ca },
    { ca, cert: Buffer.from(stranger.cert), key: Buffer.from(stranger.key.pem) },
  ]
  for (const tls of others) {
    await rejects(on.publisher({ url, tls, channels: [] }).publish('sealed', [message(6)]), 'unreachable')
    await rejects(on.subscriber({ url, tls }).subscribe('sealed'), 'unreachable')
  }
  assert.throws(() => on.publisher({ tls, channels: [] }), { code: 'invalid' })
})

type Rights = [configure: string, write: string, read: string]

/** @returns the URL of each */
async function addAccounts<Name extends string>(
  broker: Rabbitmq,
  accounts: Record<Name, Rights>,
): Promise<Record<Name, string>> {
  const file = join(folder, 'accounts.json')
  const password = 'p%:/@'
  const entries = Object.entries<Rights>(accounts)
  const definitions = {
    users: entries.map(([name]) => ({ name, password, tags: '' })),
    permissions: entries.map(([user, [configure, write, read]]) => ({ user, vhost: '/', configure, write, read })),
  }
  writeFileSync(file, JSON.stringify(definitions))
  await broker.control('import_definitions', file)
  const urls = entries.map(([name]) => [
    name,
    `amqp://${name}:${encodeURIComponent(password)}@127.0.0.1:${broker.port}/`,
  ])
  return Object.fromEntries(urls) as Record<Name, string>
}

const message = (position: number): Message => ({
  position,
  collection: 0,
  key: 'identity--00000000-0000-4000-8000-000000000000',
  event: 'added',
  body: Buffer.from(`{"log_index":${position}}`),
  redelivered: false,
})

async function next(subscription: AsyncIterableIterator<Received>): Promise<Received> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error('nothing came for 30 s')), 30_000)
  try {
    const { value, done } = await Promise.race([subscription.next(), late])
    assert.notEqual(done, true, 'the subscription ended')
    return value
  } finally {
    clearTimeout(timer)
  }
}

async function upTo(subscription: AsyncIterableIterator<Received>, last: number): Promise<Received[]> {
  const received: Received[] = []
  while (received.at(-1)?.position !== last) {
    const one = await next(subscription)
    received.push(one)
    await one.acknowledge()
  }
  return received
}

/** Everything is there in order; a repetition is marked, and no first sending comes after one. */
function assertMarked(received: readonly Received[]): void {
  let newest = -1
  for (const { position = -1, redelivered } of received) {
    if (position > newest) assert.equal(position, ++newest, 'one is missing')
    else assert.ok(redelivered, `${position} came after ${newest}, unmarked`)
  }
}

async function rejects(promise: Promise<unknown>, code: ChannelErrorCode): Promise<ChannelError> {
  try {
    await promise
  } catch (error) {
    assert.ok(error instanceof ChannelError, String(error))
    assert.equal(error.code, code, error.message)
    return error
  }
  throw new Error(`resolved, and should be ${code}`)
}

const exchanges = (broker: Rabbitmq) => broker.control('-q', 'list_exchanges', 'name', 'type', 'durable')
const queues = (broker: Rabbitmq) => broker.control('-q', 'list_queues', 'name', 'durable', 'consumers')
