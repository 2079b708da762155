// What only Kafka does, on a real one: topics, accounts, numbers of producers, offsets.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { inspect } from 'node:util'
import {
  type CreateRecordsBatchOptions,
  type MessageRecord,
  NumericMap,
  type Admin as PlatformaticAdmin,
  ProduceAcks,
  type RecordsBatch,
} from '@platformatic/kafka'
import kafkajs, { type Admin, type AclOperationTypes, type AclResourceTypes } from 'kafkajs'
import { type FlakyProxy, startFlakyProxy } from '../../../../test/support/flaky-proxy.ts'
import { installKafka, type Kafka, startKafka } from '../../../../test/support/kafka.ts'
import { testOrganization } from '../../../../test/support/x509.ts'
import type { Message, Publisher, Received, Subscriber } from '../channel.ts'
import { ChannelError, type ChannelErrorCode } from '../error.ts'
import { closeClient, createAdmin, createReader, getApi, type KafkaConnection } from './client.ts'
import { inspectKafka } from './inspect.ts'
import { type KafkaPublisherOptions, openKafkaPublisher } from './publisher.ts'
import { openKafkaSubscriber } from './subscriber.ts'

const { AclOperationTypes: Operation, AclResourceTypes: Resource, logLevel, Kafka: PlainKafka } = kafkajs
const USER = 'entente'
/** TEST PASSWORD. */
const PASSWORD = 'a-test-password-7f3a'
const organization = testOrganization('Kafka')
const server = organization.issue('peer', 'broker', ['localhost'])

const folder = mkdtempSync(join(tmpdir(), 'entente-kafka-'))
const installed = installKafka()
const reason = 'reason' in installed ? installed.reason : undefined
type Bench = { kafka: Kafka; proxy: FlakyProxy; admin: Admin }
let bench: Promise<Bench> | undefined

async function start(): Promise<Bench> {
  let port = 0
  const proxy = await startFlakyProxy(() => port)
  const kafka = await startKafka((installed as { path: string }).path, folder, {
    proxy: proxy.port,
    secure: { key: server.key.pem, certificate: server.cert, username: USER, password: PASSWORD },
  })
  port = kafka.proxiedPort
  const admin = new PlainKafka({ brokers: [kafka.broker], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  return { kafka, proxy, admin }
}

after(async () => {
  const started = await bench
  await started?.admin.disconnect()
  started?.proxy.close()
  await started?.kafka.stop()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

type Opened = Bench & {
  /** What goes through the proxy. */
  proxied: { brokers: string[] }
  publisher(options?: Partial<KafkaPublisherOptions>): Publisher
  subscriber(options?: Partial<KafkaConnection>): Subscriber
  channel: string
}

let count = 0
/** A test with a channel of its own, that closes what it opened. */
function kafkaTest(title: string, body: (on: Opened, t: TestContext) => Promise<void>): void {
  void test(title, { skip: reason, timeout: 60_000 }, async t => {
    bench ??= start()
    const started = await bench
    const opened: { close(): Promise<void> }[] = []
    const keep = <T extends { close(): Promise<void> }>(it: T): T => {
      opened.push(it)
      return it
    }
    const brokers = [started.kafka.broker]
    const channel = `kafka-${++count}`
    try {
      await body(
        {
          ...started,
          channel,
          proxied: { brokers: [`127.0.0.1:${started.proxy.port}`] },
          publisher: options =>
            keep(openKafkaPublisher({ brokers, channels: [channel], now: Date.now, patienceMs: 10_000, ...options })),
          subscriber: options => keep(openKafkaSubscriber({ brokers, ...options })),
        },
        t,
      )
    } finally {
      for (const it of opened.reverse()) await it.close()
    }
  })
}

describe('topics', () => {
  kafkaTest('an inspection says what is there, what is missing and what is compacted, and makes nothing', async on => {
    const [there, compact, missing] = ['there', 'compact', 'missing'].map(name => `${on.channel}-${name}`) as [
      string,
      string,
      string,
    ]
    await on.admin.createTopics({
      waitForLeaders: true,
      topics: [
        { topic: there, numPartitions: 1 },
        { topic: compact, numPartitions: 1, configEntries: [{ name: 'cleanup.policy', value: 'compact' }] },
      ],
    })
    const found = await inspectKafka({ brokers: [on.kafka.broker], channels: [there, compact, missing] })
    assert.deepEqual(
      found.map(s => s.is),
      ['ready', 'refused', 'missing'],
    )
    assert.ok(!(await on.admin.listTopics()).includes(missing))
    await assert.rejects(inspectKafka({ brokers: ['127.0.0.1:1'], channels: ['A'] }), { code: 'unreachable' })
  })

  kafkaTest(
    'a topic that is missing is made with one partition, and keeps everything for the time that is asked for',
    async on => {
      const publisher = on.publisher({ keepMs: 86_400_000 })
      await publisher.publish(on.channel, [message(1)])
      const { topics } = await on.admin.fetchTopicMetadata({ topics: [on.channel] })
      assert.equal(topics[0]?.partitions.length, 1)
      assert.deepEqual(await configOf(on.admin, on.channel), { 'cleanup.policy': 'delete', 'retention.ms': '86400000' })
    },
  )

  kafkaTest(
    'a topic that is there stays as it is; of several partitions each keeps the order of its keys',
    async on => {
      const configEntries = [{ name: 'retention.ms', value: '123456789' }]
      await on.admin.createTopics({ topics: [{ topic: on.channel, numPartitions: 4, configEntries }] })
      const before = await configOf(on.admin, on.channel)
      const publisher = on.publisher()
      const late = await on.subscriber().subscribe(on.channel, { durable: 'all' })
      const sent = Array.from({ length: 400 }, (_, i) => ({ ...message(i), key: `indicator--${i % 40}` }))
      for (let i = 0; i < sent.length; i += 100) await publisher.publish(on.channel, sent.slice(i, i + 100))
      const received = await take(late, 400)
      assert.deepEqual(positions(received).toSorted(ascending), positions(sent))
      for (let key = 0; key < 40; key++) {
        const own = received.map(r => r.position as number).filter(p => p % 40 === key)
        assert.deepEqual(own, own.toSorted(ascending))
      }
      // All of it is acknowledged with the last.
      await received.at(-1)?.acknowledge()
      const offsets = await on.admin.fetchOffsets({ groupId: `all.${on.channel}`, topics: [on.channel] })
      const ends = await on.admin.fetchTopicOffsets(on.channel)
      const byPartition = (all: { partition: number; offset: string }[]) =>
        all.map(({ partition, offset }) => `${partition}:${offset}`).toSorted()
      assert.deepEqual(byPartition(offsets[0]?.partitions ?? []), byPartition(ends))
      assert.equal(ends.length, 4)
      assert.ok(
        ends.every(({ offset }) => Number(offset) > 0),
        'each partition got something',
      )
      assert.deepEqual(await configOf(on.admin, on.channel), before)
    },
  )

  kafkaTest('keys go where the clients of others put them', async on => {
    await on.admin.createTopics({ topics: [{ topic: on.channel, numPartitions: 7 }] })
    const publisher = on.publisher()
    const plain = new PlainKafka({ brokers: [on.kafka.broker], logLevel: logLevel.NOTHING })
    const producer = plain.producer()
    await producer.connect()
    const sent = Array.from({ length: 20 }, (_, i) => message(i))
    await publisher.publish(on.channel, sent)
    await producer.send({ topic: on.channel, messages: sent.map(({ key }) => ({ key, value: 'theirs' })) })
    await producer.disconnect()
    const consumer = plain.consumer({ groupId: `${on.channel}-keys` })
    await consumer.connect()
    await consumer.subscribe({ topic: on.channel, fromBeginning: true })
    const places = new Map<string, Set<number>>()
    const done = Promise.withResolvers<void>()
    let seen = 0
    await consumer.run({
      eachMessage: async ({ partition, message: { key } }) => {
        const name = String(key)
        places.set(name, (places.get(name) ?? new Set()).add(partition))
        if (++seen === 40) done.resolve()
      },
    })
    await done.promise
    await consumer.disconnect()
    assert.equal(places.size, 20)
    for (const [key, partitions] of places)
      assert.equal(partitions.size, 1, `${key} is in ${[...partitions].join(', ')}`)
  })

  kafkaTest('a topic that somebody deletes is made again, and both sides go on', async on => {
    const publisher = on.publisher()
    const subscription = await on.subscriber().subscribe(on.channel)
    await publisher.publish(on.channel, [message(1), message(2)])
    assert.deepEqual(positions(await take(subscription, 2)), [1, 2])
    await on.admin.deleteTopics({ topics: [on.channel] })
    await publisher.publish(on.channel, [message(3)])
    await publisher.publish(on.channel, [message(4)])
    assert.deepEqual(positions(await take(subscription, 2)), [3, 4])
  })

  kafkaTest(
    'a message that the topic does not take is refused with the way out; smaller ones are put in smaller requests',
    async on => {
      const configEntries = [{ name: 'max.message.bytes', value: '20000' }]
      await on.admin.createTopics({ topics: [{ topic: on.channel, configEntries }] })
      const publisher = on.publisher()
      const subscription = await on.subscriber().subscribe(on.channel)
      const fitting = Array.from({ length: 300 }, (_, i) => ({ ...message(i), body: Buffer.alloc(1000, i) }))
      await publisher.publish(on.channel, fitting)
      const large = { ...message(300), body: Buffer.alloc(30_000) }
      const error = await rejects(publisher.publish(on.channel, [large]), 'too-large')
      assert.match(error.message, /30000 bytes on kafka-[0-9]+: raise its max\.message\.bytes/)
      await publisher.publish(on.channel, [message(301)])
      const received = await take(subscription, 301)
      assert.deepEqual(positions(received), [...positions(fitting), 301])
      assert.ok(received.every(r => !r.redelivered))
      assert.deepEqual(received[299]?.body, fitting[299]?.body)
    },
  )
})

describe('what a producer sends again', () => {
  kafkaTest('an answer that is lost within one publish repeats nothing', async on => {
    const publisher = on.publisher(on.proxied)
    const subscription = await on.subscriber().subscribe(on.channel, { from: 'start' })
    await publisher.publish(on.channel, [message(0)])
    for (let i = 1; i <= 5; i++) {
      on.proxy.loseAnswers(true)
      const publishing = publisher.publish(on.channel, [message(2 * i - 1), message(2 * i)])
      await ends(on.admin, on.channel, 2 * i + 1)
      on.proxy.loseAnswers(false)
      on.proxy.cut()
      await publishing
    }
    await publisher.publish(on.channel, [message(11)])
    const received = await take(subscription, 12)
    assert.deepEqual(
      positions(received),
      Array.from({ length: 12 }, (_, i) => i),
    )
    assert.ok(received.every(r => !r.redelivered))
    assert.equal(await endOf(on.admin, on.channel), 12)
  })

  kafkaTest('after a rejection what the caller marks is new to the broker, and comes again', async on => {
    const publisher = on.publisher({ ...on.proxied, patienceMs: 300 })
    const subscription = await on.subscriber().subscribe(on.channel)
    await publisher.publish(on.channel, [message(0)])
    on.proxy.loseAnswers(true)
    const rejected = rejects(publisher.publish(on.channel, [message(1), message(2)]), 'unreachable')
    await ends(on.admin, on.channel, 3)
    on.proxy.cut()
    await rejected
    on.proxy.loseAnswers(false)
    on.proxy.cut()
    // The caller may put it together otherwise.
    const again = [message(1), message(2), message(3)].map(m => ({ ...m, redelivered: true }))
    await untilConfirmed(() => publisher.publish(on.channel, again))
    await publisher.publish(on.channel, [message(4)])
    const received = await take(subscription, 7)
    assert.deepEqual(positions(received), [0, 1, 2, 1, 2, 3, 4])
    assert.deepEqual(
      received.map(r => r.redelivered),
      [false, false, false, true, true, true, false],
    )
  })

  kafkaTest('a request that arrives after its rejection is not taken any more', async on => {
    const publisher = on.publisher({ ...on.proxied, patienceMs: 300 })
    const subscription = await on.subscriber().subscribe(on.channel)
    await publisher.publish(on.channel, [message(0)])
    const late = on.proxy.hold()
    await rejects(publisher.publish(on.channel, [message(1), message(2)]), 'unreachable')
    const again = [message(1), message(2)].map(m => ({ ...m, redelivered: true }))
    await untilConfirmed(() => publisher.publish(on.channel, again))
    late.release()
    await publisher.publish(on.channel, [message(3)])
    await setTimeout(500)
    assert.equal(await endOf(on.admin, on.channel), 4)
    const received = await take(subscription, 4)
    assert.deepEqual(positions(received), [0, 1, 2, 3])
    assert.deepEqual(
      received.map(r => r.redelivered),
      [false, true, true, false],
    )
  })

  kafkaTest('a producer whose numbers the broker does not take any more goes on under another id', async on => {
    const publisher = on.publisher()
    const subscription = await on.subscriber().subscribe(on.channel)
    await publisher.publish(on.channel, [message(0)])
    const connection = { brokers: [on.kafka.broker] }
    const { producerId, producerEpoch } = await firstBatch(connection, on.channel)
    assert.ok(producerId >= 0n)
    const other = createAdmin(connection)
    try {
      const produce = await getApi<Produce, unknown>(other, 'Produce')
      const records = [{ topic: on.channel, partition: 0, value: Buffer.from('theirs'), timestamp: 0n }]
      const numbers = { producerId, producerEpoch: producerEpoch + 7, sequences: new NumericMap() }
      await produce.async(await leader(other), ProduceAcks.ALL, 5000, records, numbers)
    } finally {
      await closeClient(other)
    }
    await rejects(publisher.publish(on.channel, [message(1)]), 'unreachable')
    await publisher.publish(on.channel, [{ ...message(1), redelivered: true }])
    await publisher.publish(on.channel, [message(2)])
    assert.deepEqual(positions(await take(subscription, 4)), [0, undefined, 1, 2])
  })

  kafkaTest('a broker that answers nobody is given up in bounded time, and used again when it does', async on => {
    const publisher = on.publisher({ ...on.proxied, patienceMs: 300 })
    await publisher.publish(on.channel, [message(0)])
    on.proxy.loseAnswers(true)
    const started = performance.now()
    await rejects(publisher.publish(on.channel, [message(1)]), 'unreachable')
    assert.ok(performance.now() - started < 10_000, 'the time of one request and a little')
    assert.equal(publisher.state().connected, false)
    on.proxy.loseAnswers(false)
    await untilConfirmed(() => publisher.publish(on.channel, [{ ...message(1), redelivered: true }]))
    assert.deepEqual({ ...publisher.state(), since: 0 }, { connected: true, error: undefined, since: 0 })
  })

  kafkaTest('one publish of a channel at a time, and only of channels that it was opened for', async on => {
    const publisher = on.publisher()
    const first = publisher.publish(on.channel, [message(0)])
    await rejects(publisher.publish(on.channel, [message(1)]), 'invalid')
    await first
    await publisher.publish(on.channel, [message(1)])
    await rejects(publisher.publish('unknown', [message(2)]), 'invalid')
  })
})

describe('subscribers', () => {
  kafkaTest('begin with the oldest that is there on request, with a name and without one', async on => {
    const publisher = on.publisher()
    await publisher.publish(on.channel, [message(0), message(1)])
    const subscriber = on.subscriber()
    for (const durable of [undefined, 'from-start']) {
      const subscription = await subscriber.subscribe(on.channel, { from: 'start', durable })
      assert.deepEqual(positions(await take(subscription, 2)), [0, 1])
      await subscription.return?.()
    }
  })

  kafkaTest('without a name leave nothing on the broker, with one a group', async on => {
    await on.publisher().publish(on.channel, [message(0)])
    const subscriber = on.subscriber()
    const named = await subscriber.subscribe(on.channel, { durable: 'mine', from: 'start' })
    const nameless = await subscriber.subscribe(on.channel, { from: 'start' })
    await take(nameless, 1)
    await (await take(named, 1))[0]?.acknowledge()
    const { groups } = await on.admin.listGroups()
    const own = groups.map(({ groupId }) => groupId).filter(id => id === 'none' || id.endsWith(on.channel))
    assert.deepEqual(own, [`mine.${on.channel}`])
  })

  kafkaTest('go on with the oldest where retention has passed them', async on => {
    const publisher = on.publisher()
    await publisher.publish(on.channel, [message(0)])
    const subscriber = on.subscriber()
    const before = await subscriber.subscribe(on.channel, { durable: 'slow' })
    await before.return?.()
    await publisher.publish(
      on.channel,
      Array.from({ length: 10 }, (_, i) => message(i + 1)),
    )
    assert.equal(await endOf(on.admin, on.channel), 11)
    await on.admin.deleteTopicRecords({ topic: on.channel, partitions: [{ partition: 0, offset: '8' }] })
    const after = await subscriber.subscribe(on.channel, { durable: 'slow' })
    assert.deepEqual(positions(await take(after, 3)), [8, 9, 10])
  })

  kafkaTest('read over what others put between: transactions and headers that make no sense', async on => {
    const publisher = on.publisher()
    const subscription = await on.subscriber().subscribe(on.channel)
    await publisher.publish(on.channel, [message(0)])
    const plain = new PlainKafka({ brokers: [on.kafka.broker], logLevel: logLevel.NOTHING })
    const producer = plain.producer({ transactionalId: on.channel, maxInFlightRequests: 1, idempotent: true })
    await producer.connect()
    for (const commits of [false, true]) {
      const transaction = await producer.transaction()
      const headers = { 'x-entente-position': commits ? '-1' : '5', 'x-entente-redelivered': 'no' }
      await transaction.send({ topic: on.channel, messages: [{ value: null, headers }] })
      await (commits ? transaction.commit() : transaction.abort())
    }
    await producer.disconnect()
    await publisher.publish(on.channel, [message(1)])
    const received = await take(subscription, 3)
    assert.deepEqual(positions(received), [0, undefined, 1])
    assert.equal(received[1]?.body.length, 0)
    assert.equal(received[1]?.redelivered, false)
  })
})

describe('accounts', () => {
  const tls = { ca: organization.ca.cert }
  const sasl = { mechanism: 'SCRAM-SHA-512' as const, username: USER, password: PASSWORD }
  const allow = (admin: Admin, what: [AclResourceTypes, string, AclOperationTypes][]) =>
    admin.createAcls({
      acl: what.map(([resourceType, resourceName, operation]) => ({
        resourceType,
        resourceName,
        resourcePatternType: kafkajs.ResourcePatternTypes.PREFIXED,
        principal: `User:${USER}`,
        host: '*',
        operation,
        permissionType: kafkajs.AclPermissionTypes.ALLOW,
      })),
    })

  kafkaTest('a publisher that may nothing is refused, and told what it needs; with it, it publishes', async on => {
    const brokers = [on.kafka.secureBroker]
    const publisher = on.publisher({ brokers, tls, sasl })
    const error = await rejects(publisher.publish(on.channel, [message(0)]), 'refused')
    assert.match(error.message, /allow the account CREATE/)
    assert.equal(publisher.state().connected, true)
    // As docs/operating.md has it for the server.
    const { CREATE, WRITE, READ } = Operation
    await allow(
      on.admin,
      [CREATE, WRITE].map(operation => [Resource.TOPIC, on.channel, operation]),
    )
    await untilConfirmed(() => publisher.publish(on.channel, [message(0)]), 'refused')

    const subscriber = on.subscriber({ brokers, tls, sasl })
    await rejects(
      subscriber.subscribe(on.channel, { from: 'start' }).then(async s => await s.next()),
      'refused',
    )
    await allow(on.admin, [[Resource.TOPIC, on.channel, READ]])
    const nameless = await subscriber.subscribe(on.channel, { from: 'start' })
    assert.deepEqual(positions(await take(nameless, 1)), [0])
    await rejects(subscriber.subscribe(on.channel, { durable: `${on.channel}-a` }), 'refused')
    await allow(on.admin, [[Resource.GROUP, `${on.channel}-a`, READ]])
    const named = await subscriber.subscribe(on.channel, { durable: `${on.channel}-a` })
    await publisher.publish(on.channel, [message(1)])
    assert.deepEqual(positions(await take(named, 1)), [1])
  })

  for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
    kafkaTest(`${mechanism}: the right password is taken, a wrong one refused and told nobody`, async on => {
      await allow(on.admin, [[Resource.TOPIC, on.channel, Operation.ALL]])
      const brokers = [on.kafka.secureBroker]
      const publisher = on.publisher({ brokers, tls, sasl: { ...sasl, mechanism } })
      await publisher.publish(on.channel, [message(0)])
      const password = `wrong-${PASSWORD}`
      const wrong = on.publisher({ brokers, tls, sasl: { ...sasl, mechanism, password } })
      const error = await rejects(wrong.publish(on.channel, [message(1)]), 'refused')
      assert.match(error.message, /channels\.sasl/)
      const everything = inspect([error, wrong.state()], { depth: Number.POSITIVE_INFINITY, showHidden: true })
      assert.ok(!everything.includes(PASSWORD), 'a password is in the error')
      assert.ok(!everything.includes(Buffer.from(password).toString('base64')))
    })
  }

  kafkaTest(
    'a certificate that nobody vouches for, and a broker that wants TLS or an account, are refused',
    async on => {
      const brokers = [on.kafka.secureBroker]
      const untrusted = on.publisher({ brokers, sasl, tls: { ca: testOrganization('Else').ca.cert } })
      assert.match((await rejects(untrusted.publish(on.channel, [message(0)]), 'refused')).message, /channels\.tls/)
      const address = on.publisher({ brokers: [brokers[0]?.replace('localhost', '127.0.0.1') ?? ''], sasl, tls })
      assert.match((await rejects(address.publish(on.channel, [message(0)]), 'refused')).message, /channels\.tls/)
      for (const options of [{ tls }, { sasl }, {}]) {
        const publisher = on.publisher({ brokers, ...options, patienceMs: 500 })
        await assert.rejects(publisher.publish(on.channel, [message(0)]), ChannelError)
      }
    },
  )
})

const message = (position: number): Message => ({
  position,
  collection: 0,
  key: `indicator--${position}`,
  event: 'added',
  body: Buffer.from(`{"event":"added","log_index":${position}}`),
  redelivered: false,
})

const positions = (all: readonly { position: number | undefined }[]) => all.map(m => m.position)
const ascending = (a: number | undefined, b: number | undefined) => (a as number) - (b as number)

async function take(subscription: AsyncIterableIterator<Received>, count: number): Promise<Received[]> {
  const received: Received[] = []
  while (received.length < count) {
    const { value, done } = await subscription.next()
    assert.notEqual(done, true, 'the subscription ended')
    received.push(value)
  }
  return received
}

async function rejects(promise: Promise<unknown>, code: ChannelErrorCode): Promise<ChannelError> {
  const error = await promise.then(
    () => assert.fail(`it should be rejected as ${code}`),
    (e: unknown) => e,
  )
  assert.ok(error instanceof ChannelError, String(error))
  assert.equal(error.code, code, error.message)
  return error
}

async function untilConfirmed(publish: () => Promise<void>, accepted: ChannelErrorCode = 'unreachable'): Promise<void> {
  for (const until = Date.now() + 20_000; ; ) {
    try {
      return await publish()
    } catch (error) {
      if ((error as ChannelError).code !== accepted || Date.now() > until) throw error
      await setTimeout(50)
    }
  }
}

type Produce = [acks: number, timeout: number, records: MessageRecord[], options: Partial<CreateRecordsBatchOptions>]

async function leader(client: PlatformaticAdmin) {
  const { brokers } = await client.metadata({ topics: [] })
  const [broker] = brokers.values()
  assert.ok(broker)
  return client.connections.get(broker)
}

/** The oldest batch of a topic as it lies on the broker. */
async function firstBatch(connection: KafkaConnection, topic: string): Promise<RecordsBatch> {
  const reader = createReader(connection, topic)
  try {
    const { topics, brokers } = await reader.metadata({ topics: [topic] })
    const partition = {
      partition: 0,
      fetchOffset: 0n,
      partitionMaxBytes: 1e6,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
    }
    const [node = 0] = brokers.keys()
    const topicId = topics.get(topic)?.id ?? ''
    const { responses } = await reader.fetch({ node, topics: [{ topicId, partitions: [partition] }], maxBytes: 1e6 })
    const batch = responses[0]?.partitions[0]?.records?.[0]
    assert.ok(batch)
    return batch
  } finally {
    await closeClient(reader)
  }
}

const endOf = async (admin: Admin, topic: string) => Number((await admin.fetchTopicOffsets(topic))[0]?.offset)

/** Waits until the topic has so many messages. */
async function ends(admin: Admin, topic: string, offset: number): Promise<void> {
  for (const until = Date.now() + 20_000; (await endOf(admin, topic)) < offset; )
    assert.ok(Date.now() < until, `${topic} does not reach ${offset}`)
}

async function configOf(admin: Admin, topic: string): Promise<Record<string, string>> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [
      { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ['cleanup.policy', 'retention.ms'] },
    ],
  })
  return Object.fromEntries((resources[0]?.configEntries ?? []).map(e => [e.configName, e.configValue]))
}
