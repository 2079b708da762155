import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Message } from '../channel.ts'
import type { SentEntry } from '../sent.ts'
import type { Label, Labelled, Sight, Stream, Topic } from '../stream.ts'
import { createHub, type HubOptions } from './hub.ts'

const seed = Number(process.env['ENTENTE_TEST_SEED'] ?? 6)
const turn = () => new Promise<void>(resolve => setImmediate(resolve))
const sightOf = (...collections: number[]): Sight => ({
  key: collections.join(),
  collections: collections.map(String),
  has: n => collections.includes(n),
  clears: () => true,
})
const ALL = sightOf(1, 2, 3)

/** A topic over an array, which counts what is read, and whose messages can be erased. */
function createHistory(name = 'EVENTS') {
  const messages: Labelled[] = []
  let next = 0
  const history = {
    reads: 0,
    kept: 0,
    fails: 0,
    /** Called in the middle of each read. */
    amid: async () => {},
    add: (collection = 1, bytes = 10, label?: Label, reference?: string) => {
      const body = Buffer.from(JSON.stringify({ n: next, fill: 'x'.repeat(bytes) }))
      const instead = reference ? { event: 'reference' as const, body: Buffer.from(reference) } : undefined
      messages.push({
        position: next,
        collection,
        key: '',
        event: 'added',
        body,
        redelivered: false,
        label,
        reference: instead,
      })
      return next++
    },
    /** A place of another channel. */
    skip: () => next++,
    erase: (position: number) =>
      void messages.splice(
        messages.findIndex(m => m.position === position),
        1,
      ),
    end: () => next,
    positions: (...collections: number[]) =>
      messages.filter(m => collections.includes(m.collection)).map(m => m.position),
  }
  const topic: Topic = {
    kind: 'channel',
    name,
    read: async (from, limit) => {
      history.reads++
      if (history.fails > 0) {
        history.fails--
        throw new Error('the log does not verify')
      }
      const end = next
      const found = messages.filter(m => m.position >= from).slice(0, limit)
      await history.amid()
      return { messages: found, next: found.length < limit ? end : (found.at(-1) as Message).position + 1 }
    },
    end: () => next,
    start: async () => history.kept,
    count: async (from, most) => Math.min(most, messages.filter(m => m.position >= from).length),
  }
  return Object.assign(history, { topic })
}

/** A connection that takes `room` bytes and no more until it is drained. */
function createConnection(room = Number.POSITIVE_INFINITY) {
  const state = { text: '', writes: 0, largest: 0, held: 0, isEnded: false, room }
  return {
    state,
    sink: {
      write: (bytes: Buffer) => {
        assert.ok(state.held <= state.room, 'something was written although it takes nothing')
        state.text += bytes.toString()
        state.writes++
        state.largest = Math.max(state.largest, bytes.length)
        state.held += bytes.length
        return state.held <= state.room
      },
      end: () => {
        state.isEnded = true
      },
    },
    drain: (stream: Stream) => {
      state.held = 0
      stream.drained()
    },
    ids: () => [...state.text.matchAll(/^id: (\d+)\nevent: (?!gap)/gm)].map(m => Number(m[1])),
    gaps: () => [...state.text.matchAll(/^id: (?:\d+|start)\nevent: gap\ndata: (.*)$/gm)].map(m => m[1]),
  }
}

function setUp(options: Partial<HubOptions> = {}) {
  const logged: string[] = []
  const history = createHistory()
  const hub = createHub({ now: () => performance.now(), log: (_l, m) => void logged.push(m), ...options })
  const join = (from: number, connection = createConnection(), sight = ALL, topic = history.topic) => {
    const gap = async (after: number, next: number) => `${after} to ${next}`
    const stream = hub.subscribe(topic, {
      user: 'soc',
      address: '192.0.2.1',
      from,
      sight,
      sink: connection.sink,
      gap,
    })
    return { ...connection, stream }
  }
  /** Until nothing more happens. */
  const settle = async () => {
    for (let i = 0; i < 300; i++) await turn()
    await new Promise(resolve => setTimeout(resolve, 25))
    for (let i = 0; i < 300; i++) await turn()
  }
  return { hub, history, join, settle, logged }
}

describe('the hub of event streams', () => {
  test('publishing costs nothing while nobody is subscribed', async () => {
    const { hub, history, settle } = setUp()
    history.add()
    hub.wake()
    await settle()
    assert.equal(history.reads, 0)
  })

  test('many subscribers cost one read, and what is new goes to each in one write', async () => {
    const { hub, history, join, settle } = setUp()
    const all = Array.from({ length: 50 }, () => join(0))
    await settle()
    for (let i = 0; i < 20; i++) history.add()
    hub.wake()
    hub.wake()
    await settle()
    assert.equal(history.reads, 1)
    for (const { ids, state } of all) {
      assert.deepEqual(ids(), history.positions(1))
      assert.equal(state.writes, 2, 'the opening, and one for twenty')
    }
    assert.equal(hub.totals.deliveries, 50 * 20)
  })

  test('who is not cleared for a label gets the reference, or nothing; it is asked once for all who see the same', async () => {
    const noted: SentEntry[] = []
    const { hub, history, join, settle } = setUp({ sent: { note: entry => void noted.push(entry), end: () => {} } })
    const secret = { level: 'secret' }
    let asked = 0
    const clearing = (key: string, cleared: boolean): Sight => ({
      ...ALL,
      key,
      clears: label => {
        assert.equal(label, secret)
        asked++
        return cleared
      },
    })
    const low = Array.from({ length: 20 }, () => join(0, undefined, clearing('low', false)))
    const [high, behind] = [
      join(0, undefined, clearing('high', true)),
      join(0, createConnection(1), clearing('low', false)),
    ]
    await settle()
    history.add(1, 10, secret)
    history.add(1, 10, secret)
    hub.wake()
    await settle() // a round in which most get nothing
    for (const kind of ['open', 'secret', 'secret with a reference', 'open', 'secret']) {
      const label = kind === 'open' ? undefined : secret
      history.add(1, 10, label, kind === 'secret with a reference' ? '{"where":4}' : undefined)
    }
    hub.wake()
    await settle()
    for (const { ids, state } of low) {
      assert.deepEqual(ids(), [2, 4, 5])
      assert.match(state.text, /^id: 4\nevent: reference\ndata: \{"where":4\}$/m)
    }
    assert.deepEqual(high.ids(), [0, 1, 2, 3, 4, 5, 6])
    // Six labels, two sights; those who took nothing read for themselves.
    assert.ok(asked <= 2 * 6 + 6, `it was asked ${asked} times`)
    behind.state.room = Number.POSITIVE_INFINITY
    behind.drain(behind.stream)
    await settle()
    assert.deepEqual(behind.ids(), [2, 4, 5])
    const [one] = noted.filter(e => e.connection === `sse ${low[0]?.stream.connection}`)
    assert.deepEqual(
      [one?.first, one?.last, one?.whole, one?.references, one?.withheld],
      [
        2,
        5,
        2,
        1,
        [
          [0, 1],
          [3, 4],
          [6, 6],
        ],
      ],
    )
    const all = noted.filter(e => e.connection === `sse ${high.stream.connection}`)
    assert.ok(all.every(e => e.references === 0 && e.withheld.length === 0))
  })

  test('each gets what it may see, and its place moves over the rest', async () => {
    const { hub, history, join, settle } = setUp()
    const [one, two, none] = [
      join(0, undefined, sightOf(1)),
      join(0, undefined, sightOf(2, 3)),
      join(0, undefined, sightOf(9)),
    ]
    for (let i = 0; i < 30; i++) {
      if (i % 5 === 0) history.skip()
      else history.add((i % 3) + 1)
    }
    hub.wake()
    await settle()
    assert.deepEqual(one.ids(), history.positions(1))
    assert.deepEqual(two.ids(), history.positions(2, 3))
    assert.deepEqual(none.ids(), [])
    none.stream.beat()
    assert.match(none.state.text, new RegExp(`id: ${history.end() - 1}\n\n$`))
    one.stream.look(sightOf(3))
    const next = history.add(3)
    hub.wake()
    await settle()
    assert.equal(one.ids().at(-1), next)
    assert.equal(two.ids().at(-1), next)
  })

  test('who takes nothing holds a chunk, stops nobody, and gets everything when it does', async () => {
    const { hub, history, join, settle } = setUp({ ringBytes: 200_000 })
    const slow = join(0, createConnection(1000))
    const fast = join(0)
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 100; i++) history.add(1, 400)
      hub.wake()
      await settle()
    }
    assert.deepEqual(fast.ids(), history.positions(1))
    assert.ok(slow.state.text.length < 100_000, `${slow.state.text.length} bytes`)
    assert.ok(slow.stream.stalledMs > 0)
    const [state] = hub.states()
    assert.equal(await state?.behind(), history.positions(1).length - slow.ids().length)
    const before = hub.totals.catchUps
    for (let i = 0; i < 1000 && slow.ids().length < 4000; i++) {
      slow.drain(slow.stream)
      await turn()
      await turn()
    }
    await settle()
    assert.deepEqual(slow.ids(), history.positions(1))
    assert.ok(hub.totals.catchUps > before, 'by reading for itself')
    assert.ok(slow.state.largest <= 66_000, `${slow.state.largest} bytes at once`)
    assert.equal(hub.totals.drops, 0)
  })

  test('who comes with an old id reads up to what is new, and then goes on with all', async () => {
    const { hub, history, join, settle } = setUp()
    for (let i = 0; i < 1000; i++) history.add(1, 200)
    const first = join(history.end())
    const old = join(250)
    history.add()
    hub.wake()
    await settle()
    assert.deepEqual(old.ids(), history.positions(1).slice(250))
    assert.deepEqual(first.ids(), [1000])
    history.add()
    hub.wake()
    await settle()
    assert.deepEqual([old.ids().at(-1), first.ids().at(-1)], [1001, 1001])
  })

  test('what is no longer kept is a gap, at the start and while somebody is behind', async () => {
    const { hub, history, join, settle } = setUp()
    for (let i = 0; i < 50; i++) history.add(1, 20_000)
    history.kept = 10
    const late = join(5)
    await settle()
    assert.deepEqual(late.gaps(), ['4 to 10'])
    assert.deepEqual(late.ids(), history.positions(1).slice(10))
    const beyond = join(99)
    await settle()
    assert.deepEqual(beyond.gaps(), ['98 to 50'])
    const slow = join(10, createConnection(1000))
    await settle()
    history.kept = 40
    slow.state.room = Number.POSITIVE_INFINITY
    slow.drain(slow.stream)
    await settle()
    assert.equal(slow.gaps().length, 1)
    const ids = slow.ids()
    assert.deepEqual(
      ids.filter(id => id >= 40),
      history.positions(1).slice(40),
    )
    assert.equal(slow.gaps()[0], `${ids.findLast(id => id < 40)} to 40`)
    assert.equal(hub.totals.gaps, 3)
  })

  test('what was erased goes to nobody any more: not from memory, not from a read that was under way', async () => {
    const { hub, history, join, settle } = setUp()
    const fast = join(0)
    const slow = join(0, createConnection(10))
    for (let i = 0; i < 10; i++) history.add()
    hub.wake()
    await settle()
    assert.equal(fast.ids().length, 10)
    history.erase(5)
    hub.forget()
    slow.state.room = Number.POSITIVE_INFINITY
    slow.drain(slow.stream)
    await settle()
    assert.deepEqual(slow.ids(), history.positions(1))
    const erased = history.add()
    history.amid = async () => {
      history.amid = async () => {}
      history.erase(erased)
      hub.forget()
    }
    history.add()
    hub.wake()
    await settle()
    assert.deepEqual(fast.ids().slice(-1), [11])
    assert.ok(!fast.ids().includes(erased))
  })

  test('while nothing can be read nothing is sent; it is tried again', async () => {
    const { hub, history, join, settle, logged } = setUp()
    history.add()
    const one = join(1)
    history.fails = 2
    history.add()
    const old = join(0) // reads for itself
    hub.wake()
    await settle()
    for (let i = 0; i < 10; i++) {
      hub.wake()
      await settle()
    }
    assert.deepEqual([one.ids(), old.ids()], [[], []])
    assert.equal(history.reads, 2, 'not at once')
    assert.equal(logged.length, 2)
    await new Promise(resolve => setTimeout(resolve, 1100))
    await settle()
    assert.deepEqual([one.ids(), old.ids()], [[1], [0, 1]])
  })

  test('thousands are served in slices: others have their turn in between', async () => {
    let slept = 0
    const now = () => performance.now() + slept
    const { hub, history, join, settle } = setUp({ now })
    const connections = Array.from({ length: 2000 }, () => createConnection())
    for (const c of connections) {
      const write = c.sink.write
      c.sink.write = bytes => {
        slept += 0.05 // each write takes this clock a while
        return write(bytes)
      }
      join(0, c)
    }
    await settle()
    history.add()
    hub.wake()
    const done = () => connections.filter(c => c.ids().length > 0).length
    const steps: number[] = []
    while (done() < 2000) {
      const before = done()
      await turn()
      steps.push(done() - before)
    }
    assert.ok(Math.max(...steps) <= 62, `${Math.max(...steps)} at once`)
  })

  test('an alert reaches whoever is there, a slow one when it takes something again', async () => {
    const { hub, history, join } = setUp()
    const [fast, slow] = [join(0), join(0, createConnection(10))]
    const body = Buffer.from('{"seq":7}')
    hub.alert('channel', 'EVENTS', { event: 'integrity', body })
    hub.alert('channel', 'OTHER', { event: 'integrity', body })
    assert.equal(fast.state.text.split('event: integrity\ndata: {"seq":7}\n\n').length, 2)
    assert.doesNotMatch(slow.state.text, /integrity/)
    for (let i = 0; i < 200; i++) hub.alert('channel', 'EVENTS', { event: 'integrity', body })
    slow.state.room = Number.POSITIVE_INFINITY
    slow.drain(slow.stream)
    assert.equal(slow.state.text.split('event: integrity').length - 1, 100)
    assert.equal(hub.totals.drops, 101, 'what was not kept for it is counted')
    assert.equal(history.reads, 0)
  })

  test('who leaves is sent nothing more; closing ends all', async () => {
    const { hub, history, join, settle } = setUp()
    const [left, stays] = [join(0), join(0)]
    left.stream.close()
    left.stream.close()
    assert.equal(hub.count, 1)
    history.add()
    hub.wake()
    await settle()
    assert.deepEqual([left.ids(), stays.ids()], [[], [0]])
    hub.close()
    assert.deepEqual([left.state.isEnded, stays.state.isEnded, hub.count], [false, true, 0])
    history.add()
    hub.wake()
    const late = join(0)
    await settle()
    assert.deepEqual(stays.ids(), [0])
    assert.deepEqual([late.state.isEnded, late.state.text, hub.count], [true, '', 0])
  })

  test('whatever happens in whatever order, each gets all it may see, once, in order', async () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constant('add' as const),
          collection: fc.integer({ min: 1, max: 3 }),
          bytes: fc.integer({ min: 0, max: 30_000 }),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          do: fc.constant('join' as const),
          back: fc.nat(20),
          room: fc.constantFrom(100, 40_000, 1e9),
          sight: fc.subarray([1, 2, 3]),
        }),
      },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('drain' as const), which: fc.nat(10) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), which: fc.nat(10) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('beat' as const), which: fc.nat(10) }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant('turn' as const), turns: fc.nat(6) }) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async steps => {
        const { hub, history, join, settle } = setUp({ ringBytes: 60_000 })
        const all: (ReturnType<typeof join> & { from: number; sight: number[]; isGone?: boolean })[] = []
        for (const s of steps) {
          if (s.do === 'add') {
            history.add(s.collection, s.bytes)
            hub.wake()
          } else if (s.do === 'join') {
            const from = Math.max(0, history.end() - s.back)
            all.push({ ...join(from, createConnection(s.room), sightOf(...s.sight)), from, sight: s.sight })
          } else if (s.do === 'turn') {
            for (let i = 0; i < s.turns; i++) await turn()
          } else {
            const one = all[s.which % Math.max(1, all.length)]
            if (!one || one.isGone) continue
            if (s.do === 'drain') one.drain(one.stream)
            else if (s.do === 'beat') one.stream.beat()
            else {
              one.stream.close()
              one.isGone = true
            }
          }
        }
        for (const one of all) {
          one.state.room = Number.POSITIVE_INFINITY
          if (!one.isGone) one.drain(one.stream)
        }
        await settle()
        for (const { ids, from, sight, isGone } of all) {
          const expected = history.positions(...sight).filter(p => p >= from)
          assert.deepEqual(ids(), isGone ? expected.slice(0, ids().length) : expected)
        }
        assert.equal(hub.totals.drops, 0)
        hub.close()
      }),
      { seed, numRuns: 60 },
    )
  })
})
