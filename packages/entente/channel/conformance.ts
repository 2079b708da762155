// What every adapter of the ports Publisher and Subscriber has to do (channel.ts), as tests: call `channelConformance` in a test file of the adapter.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Message, Publisher, Received, Subscriber } from './channel.ts'
import { ChannelError, type ChannelErrorCode } from './error.ts'

/** A broker that publishers and subscribers can be opened on. The suite closes what it opens; tests may share a broker: each has channels of its own. */
export type ChannelSubject = {
  /** Of these channels. It MUST open while the broker is away, too. */
  publisher(channels: readonly string[], prefix?: string): Publisher
  subscriber(prefix?: string): Subscriber
  /** The broker, where it is a process that can be ended; `start` brings it back at the same address with what it kept. */
  broker: { stop(): Promise<void>; kill(): Promise<void>; start(): Promise<void> } | undefined
  /** Puts a message on an exchange or topic without Entente's headers. */
  putForeign: ((address: string, body: Uint8Array) => Promise<void>) | undefined
  dispose(): Promise<void>
}

/** What a test works with: it closes everything that was opened. */
type Opened = Pick<ChannelSubject, 'publisher' | 'subscriber' | 'putForeign'> & { channel: string; other: string }
type Broker = NonNullable<ChannelSubject['broker']>
type Subscription = AsyncIterableIterator<Received>

/** How long anything may take that is to happen: a broker starts again in some seconds on a busy machine. */
const PATIENCE_MS = 60_000
/** How soon a `publish` has to say that the broker is away. */
const AWAY_MS = 10_000
/** What an adapter has to deliver without an acknowledgement. */
const UNACKNOWLEDGED = 100

/** @param create Gives a subject for each test, or the reason why there can be none here. */
export function channelConformance(name: string, create: () => Promise<ChannelSubject | string>): void {
  let tests = 0
  const run = async (
    t: { skip(reason: string): void },
    body: (opened: Opened, broker: Broker | undefined) => Promise<void>,
  ): Promise<void> => {
    const subject = await create()
    if (typeof subject === 'string') return t.skip(subject)
    const all: { close(): Promise<void> }[] = []
    const keep = <T extends { close(): Promise<void> }>(opened: T): T => {
      all.push(opened)
      return opened
    }
    tests++
    // A name that no earlier run used either: a broker may outlive the test.
    const channel = `conformance-${process.pid}-${Date.now()}-${tests}`
    try {
      await body(
        {
          publisher: (channels, prefix) => keep(subject.publisher(channels, prefix)),
          subscriber: prefix => keep(subject.subscriber(prefix)),
          putForeign: subject.putForeign,
          channel,
          other: `${channel}.other`,
        },
        subject.broker,
      )
    } finally {
      for (const opened of all.reverse()) await opened.close()
      await subject.dispose()
    }
  }
  const conforms = (title: string, body: (opened: Opened) => Promise<void>) => void test(title, t => run(t, body))
  /** Tests that end the broker: where there is no process that can be ended, there is nothing to test. */
  const outlives = (title: string, body: (opened: Opened, broker: Broker) => Promise<void>) =>
    void test(title, t => run(t, async (opened, broker) => broker && (await body(opened, broker))))

  describe(`Channel: ${name}`, () => {
    conforms('a channel that nobody hears takes messages, and a subscriber then begins with what comes', async on => {
      const publisher = on.publisher([on.channel])
      await publisher.publish(on.channel, [])
      await publisher.publish(on.channel, messages(0, 10))
      const subscription = await on.subscriber().subscribe(on.channel)
      await publisher.publish(on.channel, messages(10, 15))
      assertSame(await take(subscription, 5), messages(10, 15))
    })

    conforms('a subscriber gets all in order: body, position, redelivered as sent', async on => {
      const subscription = await on.subscriber().subscribe(on.channel)
      const publisher = on.publisher([on.channel])
      const sent = [
        ...messages(0, 3),
        { ...message(5), event: 'reference' as const, key: 'q'.repeat(43) },
        { ...message(2 ** 40), body: Buffer.from('{"record":{"\u00fc":"\u{1f9a2}\\u0000"}}') },
        { ...message(2 ** 53 - 1), event: 'integrity' as const, body: Buffer.alloc(0), redelivered: true },
      ]
      await publisher.publish(on.channel, sent)
      assertSame(await take(subscription, sent.length), sent)
      assert.deepEqual({ connected: publisher.state().connected, error: publisher.state().error }, UP)
    })

    conforms('several subscribers each get everything', async on => {
      const subscriber = on.subscriber()
      const subscriptions = await Promise.all([
        ...[1, 2, 3].map(() => subscriber.subscribe(on.channel)),
        on.subscriber().subscribe(on.channel),
        on.subscriber().subscribe(on.channel, { durable: `${on.channel}-d` }),
      ])
      const publisher = on.publisher([on.channel])
      for (let from = 0; from < 100; from += 20) await publisher.publish(on.channel, messages(from, from + 20))
      const got = await Promise.all(subscriptions.map(s => take(s, 100)))
      for (const received of got) assertSame(received, messages(0, 100))
    })

    conforms('one that leaves takes nothing from the others', async on => {
      const subscriber = on.subscriber()
      const [left, stays] = await Promise.all([subscriber.subscribe(on.channel), subscriber.subscribe(on.channel)])
      const publisher = on.publisher([on.channel])
      await publisher.publish(on.channel, messages(0, 5))
      await take(left, 2)
      assert.equal((await left.return?.())?.done, true)
      assert.equal((await left.next()).done, true)
      await publisher.publish(on.channel, messages(5, 10))
      assertSame(await take(stays, 10), messages(0, 10))
    })

    conforms('channels do not mix, and each has its own publish under way', async on => {
      const subscriber = on.subscriber()
      const first = await subscriber.subscribe(on.channel)
      const second = await subscriber.subscribe(on.other)
      const publisher = on.publisher([on.channel, on.other])
      const publishAll = async (channel: string, start: number) => {
        for (let from = start; from < start + 300; from += 50)
          await publisher.publish(channel, messages(from, from + 50))
      }
      await Promise.all([publishAll(on.channel, 0), publishAll(on.other, 1000)])
      assertSame(await take(first, 300), messages(0, 300))
      assertSame(await take(second, 300), messages(1000, 1300))
    })

    conforms('a prefix is part of the name, and another prefix another channel', async on => {
      const prefixed = on.publisher([on.channel], 'pre.')
      const plain = on.publisher([on.channel])
      assert.equal(prefixed.address(on.channel), `pre.${on.channel}`)
      assert.equal(plain.address(on.channel), on.channel)
      const hears = await on.subscriber('pre.').subscribe(on.channel)
      await plain.publish(on.channel, messages(0, 1))
      await prefixed.publish(on.channel, messages(1, 2))
      assertSame(await take(hears, 1), messages(1, 2))
    })

    conforms('large messages, and many', async on => {
      const large = Array.from({ length: 8 }, (_, i) => ({ ...message(i), body: Buffer.alloc(1_000_000, i + 1) }))
      const many = messages(100, 5100)
      const subscription = await on.subscriber().subscribe(on.channel)
      const publisher = on.publisher([on.channel])
      const all = [...large, ...many]
      const [received] = await Promise.all([
        take(subscription, all.length),
        publisher.publish(on.channel, large).then(() => publisher.publish(on.channel, many)),
      ])
      assertSame(received, all)
    })

    conforms(
      'what is not acknowledged comes again to the next of the durable name, and nothing is missed',
      async on => {
        const durable = `${on.channel}-group`
        const publisher = on.publisher([on.channel])
        const before = await on.subscriber().subscribe(on.channel, { durable })
        await publisher.publish(on.channel, messages(0, 20))
        const first = await take(before, 15, { acknowledge: false })
        assertSame(first, messages(0, 15))
        await first[9]?.acknowledge()
        await first[4]?.acknowledge()
        await before.return?.()
        await publisher.publish(on.channel, messages(20, 30))
        const again = await on.subscriber().subscribe(on.channel, { durable })
        const rest = await take(again, 20)
        assert.deepEqual(positionsOf(rest), range(10, 30))
        assert.deepEqual(bodiesOf(rest), bodiesOf(messages(10, 30)))
        for (const r of rest.slice(0, 5)) assert.equal(r.redelivered, true, `${r.position} was delivered before`)
        await again.return?.()
        await publisher.publish(on.channel, messages(30, 31))
        const third = await on.subscriber().subscribe(on.channel, { durable })
        assert.deepEqual(positionsOf(await take(third, 1)), [30], 'what was acknowledged does not come again')
      },
    )

    conforms('a durable name is one of its channel', async on => {
      const subscriber = on.subscriber()
      const first = await subscriber.subscribe(on.channel, { durable: 'same' })
      const second = await subscriber.subscribe(on.other, { durable: 'same' })
      const publisher = on.publisher([on.channel, on.other])
      await Promise.all([publisher.publish(on.channel, messages(0, 5)), publisher.publish(on.other, messages(5, 10))])
      assertSame(await take(first, 5), messages(0, 5))
      assertSame(await take(second, 5), messages(5, 10))
    })

    conforms('of two with one durable name the second goes on where the first leaves', async on => {
      const durable = `${on.channel}-two`
      const publisher = on.publisher([on.channel])
      const first = await on.subscriber().subscribe(on.channel, { durable })
      await publisher.publish(on.channel, messages(0, 5))
      assertSame(await take(first, 5), messages(0, 5))
      const second = await on.subscriber().subscribe(on.channel, { durable })
      await first.return?.()
      await publisher.publish(on.channel, messages(5, 10))
      // What was there when the second took over may be marked: not every broker knows what it has handed out.
      const rest = once(await until(second, () => 9)).slice(-5)
      assert.deepEqual(bodiesOf(rest), bodiesOf(messages(5, 10)))
    })

    conforms(`${UNACKNOWLEDGED} messages come without an acknowledgement`, async on => {
      const subscription = await on.subscriber().subscribe(on.channel, { durable: `${on.channel}-late` })
      const publisher = on.publisher([on.channel])
      await publisher.publish(on.channel, messages(0, 3 * UNACKNOWLEDGED))
      for (let from = 0; from < 3 * UNACKNOWLEDGED; from += UNACKNOWLEDGED) {
        const received = await take(subscription, UNACKNOWLEDGED, { acknowledge: false })
        assertSame(received, messages(from, from + UNACKNOWLEDGED))
        await received.at(-1)?.acknowledge()
      }
    })

    conforms('one that does not ask holds little, slows nobody, and has everything when it does ask', async on => {
      const [idle, quick] = await Promise.all([
        on.subscriber().subscribe(on.channel),
        on.subscriber().subscribe(on.channel),
      ])
      const publisher = on.publisher([on.channel])
      const count = 1500
      const size = 65_536
      const body = Buffer.alloc(size, 7)
      const bytesBefore = bytesHeld()
      const reading = (async () => {
        for (let next = 0; next < count; next++) assert.equal((await take(quick, 1))[0]?.position, next)
      })()
      for (let from = 0; from < count; from += 50) {
        await publisher.publish(
          on.channel,
          range(from, from + 50).map(position => ({ ...message(position), body })),
        )
      }
      await within(reading, 'the quick subscriber to have all')
      const held = bytesHeld() - bytesBefore
      assert.ok(held < (count * size) / 2, `${held} bytes held of ${count * size} published`)
      for (let next = 0; next < count; next++) {
        const [received] = await take(idle, 1)
        assert.equal(received?.position, next)
        assert.equal(received.body.length, size)
      }
    })

    conforms('what somebody else sent has no position', async on => {
      if (on.putForeign === undefined) return
      const publisher = on.publisher([on.channel])
      const subscription = await on.subscriber().subscribe(on.channel)
      await publisher.publish(on.channel, messages(0, 1))
      const foreign = Buffer.from([0xff, 0x00, 0x7b])
      await on.putForeign(publisher.address(on.channel), foreign)
      const [ours, theirs] = await take(subscription, 2)
      assert.equal(ours?.position, 0)
      assert.deepEqual(Buffer.from(theirs?.body ?? []), foreign)
      assert.equal(theirs?.position, undefined)
      assert.equal(theirs?.redelivered, false)
    })

    conforms('a subscription ends with its signal, and with the subscriber', async on => {
      const subscriber = on.subscriber()
      const stop = new AbortController()
      const signalled = await subscriber.subscribe(on.channel, { signal: stop.signal })
      const waiting = signalled.next()
      const other = await subscriber.subscribe(on.channel)
      const otherWaits = other.next()
      stop.abort()
      assert.equal((await within(waiting, 'the signal to end the iteration')).done, true)
      await subscriber.close()
      await subscriber.close()
      assert.equal((await within(otherWaits, 'close to end the iteration')).done, true)
      await rejects(subscriber.subscribe(on.channel), 'closed')
    })

    conforms('close rejects the publish under way, and closing again does nothing', async on => {
      const publisher = on.publisher([on.channel])
      await publisher.publish(on.channel, messages(0, 1))
      const underWay = rejects(publisher.publish(on.channel, messages(1, 20_000)), 'closed')
      await within(publisher.close(), 'close')
      await within(underWay, 'the publish under way to reject')
      await publisher.close()
      await rejects(publisher.publish(on.channel, messages(20_000, 20_001)), 'closed')
      assert.equal(publisher.state().connected, false)
    })

    outlives('publish rejects while the broker is away, and the same publisher goes on after', async (on, broker) => {
      const durable = `${on.channel}-kept`
      const publisher = on.publisher([on.channel])
      const subscription = await on.subscriber().subscribe(on.channel, { durable })
      await publisher.publish(on.channel, messages(0, 5))
      assertSame(await take(subscription, 5), messages(0, 5))
      await subscription.return?.()
      await broker.stop()
      try {
        for (let tries = 0; tries < 3; tries++) {
          const started = performance.now()
          await rejects(publisher.publish(on.channel, messages(5, 10)), 'unreachable')
          assert.ok(performance.now() - started < AWAY_MS, 'it has to say so soon')
        }
        assert.equal(publisher.state().connected, false)
        assert.notEqual(publisher.state().error, undefined)
        await rejects(on.subscriber().subscribe(on.channel), 'unreachable')
        await rejects(on.publisher([on.channel]).publish(on.channel, messages(5, 10)), 'unreachable')
      } finally {
        await broker.start()
      }
      await publishUntilConfirmed(publisher, on.channel, messages(5, 10), { redelivered: true })
      await publisher.publish(on.channel, messages(10, 20))
      assert.deepEqual({ connected: publisher.state().connected, error: publisher.state().error }, UP)
      const after = await on.subscriber().subscribe(on.channel, { durable })
      assertWhole(await until(after, () => 19), 5, 20)
    })

    outlives(
      'a broker that is killed amid publishing loses nothing and repeats nothing unmarked',
      async (on, broker) => {
        const publisher = on.publisher([on.channel])
        const subscriber = on.subscriber()
        const bound = await subscriber.subscribe(on.channel, { durable: `${on.channel}-bound` })
        await bound.return?.()
        const live = await subscriber.subscribe(on.channel, { durable: `${on.channel}-live` })
        const temporary = await subscriber.subscribe(on.channel)
        let published = 0
        let wanted = Number.POSITIVE_INFINITY
        const publishing = (async () => {
          while (published < wanted) {
            await publishUntilConfirmed(publisher, on.channel, messages(published, published + 20))
            published += 20
          }
        })()
        const hears = until(live, () => wanted - 1)
        let newest = -1
        const hearing = (async () => {
          for await (const received of temporary) {
            newest = received.position ?? newest
            await received.acknowledge()
          }
        })()
        // They are waited for below: what fails before is told once.
        for (const background of [publishing, hears, hearing]) (background as Promise<unknown>).catch(() => {})
        await reach(() => published >= 200)
        await broker.kill()
        await broker.start()
        const before = published
        await reach(() => published >= before + 200)
        wanted = published + 200
        await within(publishing, 'everything to be confirmed')
        assertWhole(await hears, 0, published)
        const kept = await on.subscriber().subscribe(on.channel, { durable: `${on.channel}-bound` })
        assertWhole(await until(kept, () => published - 1), 0, published)
        // What was published while it was not connected is lost to a subscriber without a durable name; but it connects again by itself.
        for (const stop = Date.now() + PATIENCE_MS, first = published; newest < first; published++) {
          assert.ok(Date.now() < stop, 'the temporary subscription does not go on')
          await publisher.publish(on.channel, messages(published, published + 1))
          await sleep(50)
        }
        await subscriber.close()
        await within(hearing, 'close to end the iteration')
      },
    )
  })
}

const UP = { connected: true, error: undefined }

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

const message = (position: number): Message => ({
  position,
  collection: position % 3,
  key: `indicator--00000000-0000-4000-8000-${position.toString(16).padStart(12, '0').slice(-12)}`,
  event: 'added',
  body: Buffer.from(`{"event":"added","log_index":${position}}`),
  redelivered: false,
})

/** Messages of the positions from `from` up to, not including, `to`. */
const messages = (from: number, to: number): Message[] => range(from, to).map(message)

const positionsOf = (all: readonly { position: number | undefined }[]) => all.map(m => m.position)
const bodiesOf = (all: readonly { body: Uint8Array }[]) => all.map(m => Buffer.from(m.body).toString('base64'))

type Seen = Pick<Received, 'position' | 'redelivered' | 'body'>
function assertSame(received: readonly Seen[], sent: readonly Message[]): void {
  assert.deepEqual(positionsOf(received), positionsOf(sent))
  assert.deepEqual(bodiesOf(received), bodiesOf(sent))
  assert.deepEqual(
    received.map(m => m.redelivered),
    sent.map(m => m.redelivered),
  )
}

/** Everything from `from` up to `to` is there, in order but for repetitions, and what is repeated says so. */
function assertWhole(received: readonly Seen[], from: number, to: number): void {
  assert.deepEqual(positionsOf(once(received)), range(from, to))
}

/** Without the repetitions: they have to be marked. */
function once(received: readonly Seen[]): Seen[] {
  let newest = -1
  return received.filter(m => {
    assert.ok(m.position !== undefined)
    if (m.position > newest) {
      newest = m.position
      return true
    }
    assert.equal(m.redelivered, true, `${m.position} came after ${newest} and is not marked`)
    return false
  })
}

/** The next `count` messages. */
async function take(subscription: Subscription, count: number, { acknowledge = true } = {}): Promise<Received[]> {
  const received: Received[] = []
  while (received.length < count) {
    const { value, done } = await within(subscription.next(), `message ${received.length} of ${count}`)
    assert.notEqual(done, true, 'the subscription ended')
    received.push(value)
    if (acknowledge) await value.acknowledge()
  }
  return received
}

/** All messages up to that of a position, which may not be known at first. */
async function until(subscription: Subscription, last: () => number): Promise<Received[]> {
  const received: Received[] = []
  for (let newest = -1; newest < last(); newest = received.at(-1)?.position ?? newest)
    received.push(...(await take(subscription, 1)))
  return received
}

/** The rule for the caller of `publish`: the same again, marked, until it is confirmed. */
export async function publishUntilConfirmed(
  publisher: Publisher,
  channel: string,
  batch: readonly Message[],
  { redelivered = false } = {},
): Promise<void> {
  const again = batch.map(m => ({ ...m, redelivered: true }))
  for (const stop = Date.now() + PATIENCE_MS; ; redelivered = true) {
    try {
      return await publisher.publish(channel, redelivered ? again : batch)
    } catch (error) {
      if (!(error instanceof ChannelError) || error.code !== 'unreachable' || Date.now() > stop) throw error
      await sleep(50)
    }
  }
}

async function reach(condition: () => boolean): Promise<void> {
  for (const stop = Date.now() + PATIENCE_MS; !condition(); await sleep(20))
    assert.ok(Date.now() < stop, `not within ${PATIENCE_MS} ms: ${condition.toString()}`)
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`waited ${PATIENCE_MS} ms for ${what}`)), PATIENCE_MS)
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

async function rejects(promise: Promise<unknown>, code: ChannelErrorCode): Promise<void> {
  await assert.rejects(within(promise, `a rejection as ${code}`), error => {
    assert.ok(error instanceof ChannelError, String(error))
    assert.equal(error.code, code, error.message)
    return true
  })
}

/** Bytes that live in buffers, after what nobody holds was collected. */
function bytesHeld(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
  const { external, heapUsed } = process.memoryUsage()
  return external + heapUsed
}
