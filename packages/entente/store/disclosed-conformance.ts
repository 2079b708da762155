import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { ReadEntry, ReadQuery, ReadStore } from './reads.ts'
import type { SentQuery, SentRange, SentStore } from './sent.ts'

/** Two servers that write to one place, or that place twice; a returned text is why it can't be had here. */
type Open<S> = (t: TestContext) => Promise<[S, S] | string>

function subjects<S extends { close(): Promise<void> }>(name: string, open: Open<S>) {
  return (what: string, run: (a: S, b: S) => Promise<void>): void =>
    void test(`${name}: ${what}`, async t => {
      const opened = await open(t)
      if (typeof opened === 'string') return t.skip(opened)
      t.after(() => Promise.all(opened.map(store => store.close())))
      await run(...opened)
    })
}

const read = (values: Partial<ReadEntry>): ReadEntry => ({
  user: 'soc',
  address: '192.0.2.1',
  collection: 'c',
  via: 'objects',
  from: 1000,
  until: 2000,
  runs: [[0, 9]],
  ...values,
})

/** What every {@link ReadStore} must do. */
export function readsConformance(name: string, open: Open<ReadStore>): void {
  const subject = subjects(name, open)

  subject('what each adds is found by all, as it was, ascending by when it began', async (a, b) => {
    const [one, two] = [
      read({
        from: 5,
        user: `o'brien $where`,
        runs: [
          [0, 3],
          [7, 7],
          [9, 4000],
        ],
      }),
      read({ from: 4 }),
    ]
    await a.add([])
    await a.add([one])
    await b.add([two])
    for (const store of [a, b]) assert.deepEqual(await store.find({ limit: 10 }), [two, one])
  })

  subject('entries are found by collection, record, user and time, and in any combination', async a => {
    const entries = [
      read({
        from: 1,
        runs: [
          [0, 3],
          [8, 8],
        ],
        until: 10,
      }),
      read({ from: 2, collection: 'd', until: 20 }),
      read({ from: 3, user: 'noc', runs: [[4, 7]], until: 30 }),
      read({ from: 4, user: 'noc', via: 'object', runs: [[8, 8]], until: 40 }),
    ]
    await a.add(entries)
    const at = async (query: Partial<ReadQuery>) => (await a.find({ limit: 10, ...query })).map(e => e.from)
    assert.deepEqual(await at({ collection: 'c' }), [1, 3, 4])
    assert.deepEqual(await at({ collection: 'c', seqs: [8] }), [1, 4])
    assert.deepEqual(await at({ collection: 'c', seqs: [5] }), [3], 'what lies between two runs was not read')
    assert.deepEqual(await at({ collection: 'c', seqs: [7, 0] }), [1, 3])
    assert.deepEqual(await at({ collection: 'c', seqs: [10] }), [])
    assert.deepEqual(await at({ user: 'noc' }), [3, 4])
    assert.deepEqual(await at({ user: 'noc', since: 31 }), [4])
    assert.deepEqual(await at({ since: 20 }), [2, 3, 4])
    assert.deepEqual(await at({ collection: 'c', user: 'soc', seqs: [8], since: 10 }), [1])
    assert.deepEqual(await at({ limit: 2 }), [1, 2])
    assert.deepEqual(await at({ collection: 'c', seqs: [8], limit: 1 }), [1])
    assert.deepEqual(await at({ collection: 'none' }), [])
  })

  subject('what ended before a time is forgotten, and counted', async (a, b) => {
    await a.add([read({ until: 10 }), read({ until: 20 }), read({ until: 30 })])
    assert.equal(await b.purge(20), 1)
    assert.equal(await a.purge(20), 0)
    assert.deepEqual(
      (await a.find({ limit: 9 })).map(e => e.until),
      [20, 30],
    )
  })

  subject('many are added at once', async a => {
    await a.add(Array.from({ length: 5000 }, (_, i) => read({ from: i, user: `u${i % 50}` })))
    assert.equal((await a.find({ user: 'u7', limit: 1000 })).length, 100)
  })
}

const sent = (values: Partial<SentRange>): SentRange => ({
  connection: 'sse 1',
  via: 'sse',
  kind: 'channel',
  topic: 'EVENTS',
  subscriber: 'soc',
  address: '192.0.2.1',
  collections: ['a', 'b'],
  first: 1,
  last: 3,
  whole: 2,
  references: 0,
  withheld: [],
  from: 1000,
  until: 2000,
  ...values,
})

/** What every {@link SentStore} must do. */
export function sentConformance(name: string, open: Open<SentStore>): void {
  const subject = subjects(name, open)

  subject('what each puts is found by all, as it was, ascending by when it began', async (a, b) => {
    const one = sent({
      from: 5,
      subscriber: `o'brien $where`,
      withheld: [
        [2, 2],
        [7, 90],
      ],
    })
    const two = sent({ from: 4, collections: [], topic: 'a.b-c_d', kind: 'feed', address: '::1' })
    await a.put([])
    await a.put([one])
    await b.put([two])
    for (const store of [a, b]) assert.deepEqual(await store.find({ limit: 10 }), [two, one])
  })

  subject('a range that has grown takes the place of what was written of it, and of nothing else', async (a, b) => {
    const [mine, other] = [sent({ from: 1 }), sent({ from: 2 })]
    await a.put([mine])
    await b.put([other])
    Object.assign(mine, { last: 9, whole: 5, until: 3000, withheld: [[4, 5]] })
    await a.put([mine, sent({ from: 3 })])
    assert.deepEqual(await b.find({ limit: 10 }), [mine, other, sent({ from: 3 })])
  })

  subject('ranges are found by place, subscriber and time', async a => {
    await a.put([
      sent({ from: 1, until: 10 }),
      sent({ from: 2, until: 20, subscriber: 'noc', kind: 'feed', topic: 'a', first: 0, last: 5 }),
      sent({ from: 3, until: 30, first: 8, last: 12 }),
    ])
    const at = async (query: Partial<SentQuery>) => (await a.find({ limit: 10, ...query })).map(r => r.from)
    const [event, feed] = [
      (position: number) => ({ kind: 'channel' as const, topic: 'EVENTS', position }),
      { kind: 'feed' as const, topic: 'a', position: 0 },
    ]
    assert.deepEqual(await at({ places: [event(3)] }), [1])
    assert.deepEqual(await at({ places: [event(4)] }), [])
    assert.deepEqual(await at({ places: [event(12), feed] }), [2, 3])
    assert.deepEqual(await at({ places: [event(1), event(3)] }), [1], 'a range that covers two places is one')
    assert.deepEqual(await at({ places: [event(12), feed], subscriber: 'noc' }), [2])
    assert.deepEqual(await at({ places: [event(12), event(2)], limit: 1 }), [1])
    assert.deepEqual(await at({ places: [] }), [])
    assert.deepEqual(await at({ subscriber: 'soc', since: 11 }), [3])
    assert.deepEqual(await at({ since: 20 }), [2, 3])
    assert.deepEqual(await at({ limit: 2 }), [1, 2])
  })

  subject('what ended before a time is forgotten, and counted; what grows afterwards is there again', async (a, b) => {
    const old = sent({ from: 1, until: 10 })
    await a.put([old, sent({ from: 2, until: 20, collections: ['z'] })])
    assert.equal(await b.purge(20), 1)
    Object.assign(old, { until: 30 })
    await a.put([old])
    assert.deepEqual(
      (await b.find({ limit: 9 })).map(r => [r.from, r.collections.join()]),
      [
        [1, 'a,b'],
        [2, 'z'],
      ],
    )
  })
}
