import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import fc from 'fast-check'
import type { ReadQuery, ReadStore } from '#store/reads.ts'
import { openSqliteReads } from '#store/sqlite/reads.ts'
import { createReadLog } from './reads.ts'
import { indicator, startTestServer } from './test/server.ts'

const SECOND = 1_000_000
const READER = { user: 'soc', address: '192.0.2.1', collection: 'c', via: 'objects' as const }
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

describe('who read what', () => {
  const folder = mkdtempSync(join(tmpdir(), 'entente-reads-'))
  after(() => rmSync(folder, { recursive: true }))
  let files = 0
  const time = { now: 1_000_000 * SECOND }
  function open(values: { keepMs?: number; mostRuns?: number; wrap?: (store: ReadStore) => ReadStore } = {}) {
    const path = join(folder, `${++files}.db`)
    const logged: { message: string; lost: unknown }[] = []
    const { keepMs = 86_400_000, wrap = store => store, ...options } = values
    const log = createReadLog({
      store: wrap(openSqliteReads({ path })),
      keepMs,
      clock: () => time.now,
      flushMs: 3_600_000,
      log: (_level, message, { lost }) => logged.push({ message, lost }),
      ...options,
    })
    const find = async (query: Partial<ReadQuery> = {}) => {
      const file = openSqliteReads({ path, readOnly: true })
      try {
        return await file.find({ limit: 1000, ...query })
      } finally {
        await file.close()
      }
    }
    return { path, log, find, logged }
  }

  test('a page is one small row, and so are pages that follow each other', async () => {
    const { log, find, path } = open()
    const from = time.now
    log.note(READER, range(0, 999))
    time.now += SECOND
    log.note(READER, range(1000, 1999))
    log.note(READER, [5, 7])
    log.note(READER, [])
    log.note({ ...READER, collection: 'd' }, [])
    await log.flush()
    assert.deepEqual(await find(), [{ ...READER, from, until: time.now, runs: [[0, 1999]] }])
    await log.flush()
    assert.equal((await find()).length, 1, 'nothing is written twice')
    assert.equal(statSync(path).mode & 0o777, 0o600)
    await log.close()
  })

  test('readers, places, resources and collections are told apart; a record is found by its place, user and time', async () => {
    const { log, find } = open()
    const begin = time.now
    log.note(READER, [1, 2, 9])
    log.note({ ...READER, user: 'other' }, [3])
    log.note({ ...READER, address: '192.0.2.2' }, [3])
    log.note({ ...READER, via: 'object' }, [3])
    log.note({ ...READER, collection: 'd' }, [3])
    await log.close()
    assert.equal((await find()).length, 5)
    const at = async (seq: number) => (await find({ collection: 'c', seqs: [seq] })).map(e => `${e.user} ${e.via}`)
    assert.deepEqual(await at(2), ['soc objects'])
    assert.deepEqual(await at(3), ['other objects', 'soc objects', 'soc object'])
    assert.deepEqual(await at(5), [])
    assert.equal((await find({ user: 'other' })).length, 1)
    assert.equal((await find({ since: begin + SECOND })).length, 0)
    assert.equal((await find({ limit: 2 })).length, 2)
  })

  test('any reads in any order: exactly what was read is found', async () => {
    const pages = fc.array(fc.uniqueArray(fc.nat(60), { maxLength: 30 }).map(seqs => seqs.sort((a, b) => a - b)))
    await fc.assert(
      fc.asyncProperty(pages, async all => {
        const { log, find } = open()
        for (const seqs of all) log.note(READER, seqs)
        await log.close()
        const read = new Set(all.flat())
        const found = (await find()).flatMap(e => e.runs.flatMap(([first, last]) => range(first, last)))
        assert.deepEqual(
          found,
          [...read].sort((a, b) => a - b),
        )
      }),
      { seed: 27, numRuns: 40 },
    )
  })

  test('what cannot be written is held and tried again, within bounds; then the oldest are lost, and that is said', async () => {
    const state = { isFull: true }
    const { log, find, logged } = open({
      mostRuns: 1000,
      wrap: store => ({
        ...store,
        add: async entries => {
          if (state.isFull) throw new Error('the disk is full')
          await store.add(entries)
        },
      }),
    })
    for (let i = 0; i < 400; i++) log.note(READER, [2 * i])
    await log.flush()
    await log.flush()
    assert.equal(logged.length, 1)
    for (let i = 0; i < 900; i++) log.note({ ...READER, user: 'late' }, [2 * i])
    await log.flush()
    assert.deepEqual(
      logged.map(l => l.lost),
      [undefined, 1],
    )
    state.isFull = false
    await log.flush()
    assert.deepEqual([...new Set((await find()).map(e => e.user))], ['late'])
    await log.close()
  })

  test('many reads are written before their time, so that memory stays bounded', async () => {
    let largest = 0
    const { log, find } = open({
      mostRuns: 1000,
      wrap: store => ({
        ...store,
        add: async entries => {
          largest = Math.max(
            largest,
            entries.reduce((sum, e) => sum + e.runs.length, 0),
          )
          await store.add(entries)
        },
      }),
    })
    for (let i = 0; i < 5000; i++) {
      log.note(READER, [2 * i])
      if (i % 10 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    await log.close()
    assert.equal(
      (await find()).reduce((sum, e) => sum + e.runs.length, 0),
      5000,
    )
    assert.ok(largest <= 600, `${largest} at a time`)
  })

  test('it is forgotten when its time is over', async () => {
    const { log, find, path } = open({ keepMs: 1000 })
    log.note(READER, [1])
    await log.close()
    time.now += 2 * SECOND
    const again = createReadLog({
      store: openSqliteReads({ path }),
      keepMs: 1000,
      clock: () => time.now,
      log: () => {},
    })
    again.note(READER, [2])
    await again.close()
    assert.deepEqual(
      (await find()).map(e => e.runs),
      [[[2, 2]]],
    )
  })
})

test('a server keeps what it gave, by which resource; what shows no content is not kept, nor what was withheld', async () => {
  const RED = 'marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1'
  const server = await startTestServer({ markings: {} })
  const path = join(server.data, 'reads.db')
  try {
    const objects = [indicator(), indicator({ object_marking_refs: [RED] }), indicator()]
    await server.add(objects)
    const get = (path: string, user = 'both') => server.get(path, { user, headers: { accept: '*/*' } })
    const id = objects[0]?.id
    for (const path of ['objects/', `objects/${id}/`, 'records/', `objects/${id}/proof/`, 'records/2/proof/'])
      assert.equal((await get(path)).status, 200)
    for (const path of ['manifest/', `objects/${id}/versions/`, `objects/${id}/receipt/`, 'proof/', 'records/1/proof/'])
      assert.equal((await get(path, 'reader')).status, 200)
    assert.equal((await get(`objects/${objects[1]?.id}/`, 'reader')).status, 404)
    await server.ask('HEAD', '/api/collections/default/objects/', { user: 'reader' })
  } finally {
    await server.close()
  }
  const file = openSqliteReads({ path, readOnly: true })
  const found = (await file.find({ limit: 100 })).map(({ user, via, runs }) => `${user} ${via} ${JSON.stringify(runs)}`)
  await file.close()
  await server.stop()
  assert.deepEqual(found.sort(), [
    'both object [[0,0]]',
    'both objects [[0,0],[2,2]]',
    'both proof [[0,0],[2,2]]',
    'both records [[0,0],[2,2]]',
  ])
})
