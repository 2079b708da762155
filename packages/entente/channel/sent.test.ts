import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import type { SentQuery } from '#store/sent.ts'
import { openSqliteSent } from '#store/sqlite/sent.ts'
import { createSentLog, type SentEntry, type SentStore } from './sent.ts'
import { until } from '../../../test/support/until.ts'

const SECOND = 1_000_000
const HOUR = 3600 * SECOND
const entry = (values: Partial<SentEntry> = {}): SentEntry => ({
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
  ...values,
})

describe('who was sent what', () => {
  const folder = mkdtempSync(join(tmpdir(), 'entente-sent-'))
  after(() => rmSync(folder, { recursive: true }))
  let files = 0
  const time = { now: 1000 * HOUR }
  const logged: string[] = []
  function open(keepMs = 86_400_000, wrap = (store: SentStore) => store) {
    const path = join(folder, `${++files}.db`)
    const make = () =>
      createSentLog({
        store: wrap(openSqliteSent({ path })),
        keepMs,
        clock: () => time.now,
        flushMs: 200,
        log: (_level, message) => logged.push(message),
      })
    const find = async (query: Partial<SentQuery> = {}) => {
      const file = openSqliteSent({ path, readOnly: true })
      try {
        return await file.find({ limit: 100, ...query })
      } finally {
        await file.close()
      }
    }
    return { path, make, find, log: make() }
  }
  before(() => logged.splice(0))

  test('what was withheld is kept with the range; a range ends before it has too much of that', async () => {
    const { log, find } = open()
    log.note(entry({ withheld: [[2, 2]] }))
    log.note(
      entry({
        first: 5,
        last: 9,
        withheld: [
          [6, 7],
          [11, 11],
        ],
      }),
    )
    log.note(
      entry({
        first: 12,
        last: 900,
        withheld: Array.from({ length: 199 }, (_, i) => [20 + 4 * i, 21 + 4 * i] as const),
      }),
    )
    await log.close()
    const [one, two, ...none] = await find()
    assert.deepEqual(
      [one?.last, one?.withheld],
      [
        9,
        [
          [2, 2],
          [6, 7],
          [11, 11],
        ],
      ],
    )
    assert.deepEqual([two?.first, two?.withheld.length, two?.withheld[198]], [12, 199, [812, 813]])
    assert.deepEqual(none, [])
  })

  test('a file from before there were markings is read, and goes on', async () => {
    const path = join(folder, 'before.db')
    const db = new DatabaseSync(path)
    db.exec(`create table sight(id integer primary key, collections text not null unique);
      create table sent(id integer primary key, connection text not null, via text not null, kind text not null, topic text not null,
        subscriber text not null, address text not null, sight integer not null, first integer not null, last integer not null, whole integer not null,
        refs integer not null, began integer not null, ended integer not null);
      insert into sight values(1, 'c');
      insert into sent values(1, 'x', 'sse', 'feed', 'c', 'soc', '', 1, 0, 9, 10, 0, ${time.now}, ${time.now});`)
    db.close()
    const before = openSqliteSent({ path, readOnly: true })
    assert.deepEqual((await before.find({ limit: 9 }))[0]?.withheld, [])
    await before.close()
    const after = openSqliteSent({ path })
    await after.put([{ ...entry({ withheld: [[1, 2]] }), from: time.now, until: time.now }])
    assert.deepEqual(
      (await after.find({ limit: 9 })).map(r => r.withheld),
      [[], [[1, 2]]],
    )
    await after.close()
  })

  test('what follows is one range, which grows in its place', async () => {
    const { log, find, path } = open()
    const from = time.now
    log.note(entry())
    await log.flush()
    time.now += SECOND
    log.note(entry({ first: 4, last: 9, whole: 3, collections: ['a', 'b'] }))
    await log.flush()
    assert.deepEqual({ ...(await find())[0] }, { ...entry({ last: 9, whole: 5 }), from, until: from + SECOND })
    assert.equal((await find()).length, 1)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    await log.close()
  })

  test('other rights, another hour, an end and another connection begin another range', async () => {
    const { log, find } = open()
    log.note(entry())
    log.note(entry({ first: 4, last: 4, collections: ['a'] }))
    time.now += HOUR + 1
    log.note(entry({ first: 5, last: 5, collections: ['a'] }))
    log.end('sse 1')
    log.note(entry({ first: 9, last: 9, collections: ['a'] }))
    log.note(entry({ connection: 'sse 2', first: 9, last: 9, collections: ['a'] }))
    await log.close()
    assert.deepEqual(
      (await find()).map(r => [r.connection, r.first, r.last, r.collections.join()]),
      [
        ['sse 1', 1, 3, 'a,b'],
        ['sse 1', 4, 4, 'a'],
        ['sse 1', 5, 5, 'a'],
        ['sse 1', 9, 9, 'a'],
        ['sse 2', 9, 9, 'a'],
      ],
    )
  })

  test('an erasure ends all ranges; many at once do so once', async () => {
    const { log, find } = open()
    log.note(entry())
    log.note(entry({ connection: 'sse 2' }))
    log.cut()
    time.now += SECOND
    log.note(entry({ first: 4, last: 4 }))
    log.cut()
    log.note(entry({ first: 5, last: 5 }))
    await log.close()
    assert.deepEqual(
      (await find()).map(r => [r.connection, r.first, r.last]),
      [
        ['sse 1', 1, 3],
        ['sse 2', 1, 3],
        ['sse 1', 4, 5],
      ],
    )
  })

  test('it is found by place, subscriber and time', async () => {
    const { log, find } = open()
    const began = time.now
    log.note(entry())
    log.note(entry({ connection: 'sse 2', subscriber: 'noc', kind: 'feed', topic: 'a', first: 0, last: 5 }))
    time.now += HOUR
    log.note(entry({ connection: 'sse 3', first: 8, last: 12 }))
    await log.close()
    const who = async (query: Partial<SentQuery>) => (await find(query)).map(r => r.connection)
    assert.deepEqual(await who({ places: [{ kind: 'channel', topic: 'EVENTS', position: 3 }] }), ['sse 1'])
    assert.deepEqual(await who({ places: [{ kind: 'channel', topic: 'EVENTS', position: 4 }] }), [])
    assert.deepEqual(
      await who({
        places: [
          { kind: 'channel', topic: 'EVENTS', position: 12 },
          { kind: 'feed', topic: 'a', position: 0 },
        ],
      }),
      ['sse 2', 'sse 3'],
    )
    assert.deepEqual(await who({ places: [] }), [])
    assert.deepEqual(await who({ subscriber: 'noc' }), ['sse 2'])
    assert.deepEqual(await who({ since: began + 1 }), ['sse 3'])
    assert.deepEqual(await who({ limit: 1 }), ['sse 1'])
  })

  test('what is old is forgotten, with the rights that only it named', async () => {
    const { log, make, find } = open(3_600_000)
    log.note(entry())
    await log.close()
    time.now += 2 * HOUR
    const later = make()
    later.note(entry({ collections: ['c'] }))
    await later.close()
    assert.deepEqual(
      (await find()).map(r => r.collections),
      [['c']],
    )
  })

  test('many are written in pieces, by themselves', async () => {
    const sizes: number[] = []
    const { log, find } = open(86_400_000, store => ({
      ...store,
      put: async ranges => {
        sizes.push(ranges.length)
        await store.put(ranges)
      },
    }))
    for (let i = 0; i < 250; i++) log.note(entry({ connection: `sse ${i}` }))
    await until(() => sizes.length >= 3)
    assert.deepEqual(sizes, [100, 100, 50])
    log.note(entry({ connection: 'sse 7', first: 4, last: 4 }))
    await log.close()
    assert.deepEqual(sizes, [100, 100, 50, 1])
    assert.equal((await find({ limit: 1000 })).length, 250)
    assert.equal((await find({ limit: 1000 })).find(r => r.connection === 'sse 7')?.last, 4)
  })

  test('what could not be written is written later', async () => {
    let isFull = true
    const { log, find } = open(86_400_000, store => ({
      ...store,
      put: async ranges => {
        if (isFull) throw new Error('the disk is full')
        await store.put(ranges)
      },
    }))
    log.note(entry())
    log.end('sse 1')
    log.note(entry({ first: 4, last: 4 }))
    await log.flush()
    assert.deepEqual(logged, ['who was sent what could not be written; it is tried again'])
    isFull = false
    await log.flush()
    log.note(entry({ first: 5, last: 5 }))
    await log.close()
    assert.deepEqual(
      (await find()).map(r => [r.first, r.last]),
      [
        [1, 3],
        [4, 5],
      ],
    )
  })

  test('a list of names that holds quotes and commas stays what it is', async () => {
    const { log, find } = open()
    const odd = entry({ subscriber: `o'brien; drop table sent; --`, address: '::1', topic: 'a.b-c_d' })
    log.note(odd)
    await log.close()
    assert.equal((await find({ subscriber: odd.subscriber }))[0]?.topic, odd.topic)
  })
})
