import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Anchor } from '#ledger/anchor.ts'
import { LedgerError } from '#ledger/error.ts'
import { openEmbeddedAnchor } from '#ledger/evm/embedded/anchor.ts'
import type { RecordKeeper } from '#ledger/records.ts'
import { openSqliteRecordKeys } from '#store/sqlite/record-keys.ts'
import { openSqliteStore } from '#store/sqlite/sqlite.ts'
import { toLogKey } from './key.ts'
import { openNotary } from './notary.ts'
import { FOLLOWER, openSealedRecord, sealRecord } from './record-keys.ts'
import { createRecording, type Recording } from './recording.ts'
import { recordJson } from './record.ts'
import { testObject, testRequest } from './test/request.ts'

const FULL = '11111111-1111-4111-8111-111111111111'
const PLAIN = '22222222-2222-4222-8222-222222222222'
const NAME = `/api/ ${FULL}`
const key = toLogKey('test.example/log', generateKeyPairSync('ed25519').privateKey)

/** A log with two collections, one of which wants its records on a ledger that takes them. */
async function open(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'entente-recording-'))
  const store = openSqliteStore({ path: join(folder, 'store.db'), create: true })
  const notary = await openNotary({ store, origin: 'test.example/log', vkey: key.vkey, signer: key.signer })
  await notary.found([FULL, PLAIN].map(id => ({ apiRoot: '/api/', id })))
  const anchor = await openEmbeddedAnchor({
    id: 'local',
    folder: join(folder, 'ledger'),
    origin: 'test.example/log',
    now: Date.now,
    worker: false,
    records: true,
  })
  const real = anchor.records as RecordKeeper
  const puts: number[] = []
  const control: { away?: string; lose?: boolean } = {}
  const keeper: RecordKeeper = {
    get: id => real.get(id),
    put: async records => {
      if (control.away) throw new LedgerError('unreachable', control.away)
      await real.put(records)
      puts.push(records.length)
      if (control.lose) {
        control.lose = false
        throw new LedgerError('unreachable', 'test: the answer was lost')
      }
    },
  }
  const path = join(folder, 'record-keys.db')
  const running: Recording[] = []
  const start = async () => {
    const keys = openSqliteRecordKeys({ path })
    const recording = createRecording({
      notary,
      keys,
      anchors: [{ ...anchor, records: keeper } as Anchor],
      collections: [{ apiRoot: '/api/', id: FULL, ledgers: ['local'] }],
      intervalMs: 5,
      random: randomBytes,
      log: () => undefined,
    })
    running.push(recording)
    await recording.start()
    return { keys, recording }
  }
  t.after(async () => {
    for (const recording of running.splice(0)) await recording.close()
    await notary.close()
    await anchor.close()
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const submit = (objects: Record<string, unknown>[], collection: number, erase?: string) =>
    notary.submit(
      testRequest(notary, objects, {
        collection,
        ...(erase === undefined ? {} : { erase: { id: erase, versions: rows => rows } }),
      }),
    )
  const objectOf = (length = 10) => testObject('x'.repeat(length))
  return { folder, path, notary, store, real, puts, control, start, running, submit, objectOf }
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await isSo()) return
    await sleep(10)
  }
  assert.fail(`not so after 5 s: ${isSo.toString()}`)
}
const reached = (recording: Recording, size: number) => () =>
  (recording.states().get('local')?.recordedSize ?? 0) >= size

test('records of the collection that wants it are on the ledger, sealed, and open with their keys; others are not there', async t => {
  const { notary, store, real, start, submit, objectOf } = await open(t)
  const { keys, recording } = await start()
  const objects = [objectOf(), objectOf(100_000)]
  await submit(objects, 1)
  const { size } = await submit([objectOf()], 2)
  await until(reached(recording, size))
  const found = keys.list(NAME, 0, 10)
  assert.equal(found.length, 2)
  for (const [i, one] of found.entries()) {
    const [sealed, ...more] = await real.get(one.commitment)
    assert.equal(more.length, 0)
    assert.ok(!Buffer.from(sealed as Uint8Array).includes('xxxxx'))
    const record = JSON.parse(recordJson(openSealedRecord(one, sealed as Uint8Array)))
    assert.deepEqual(record.object, objects[i])
  }
  const [plain] = await store.records(2, { from: 0, limit: 1, text: 'all' })
  const opened = await notary.reader.open(plain as never)
  assert.ok(opened.ok)
  assert.deepEqual(await real.get(opened.commitment), [])
})

test('what is erased loses its key at once, also while the ledger is away; what was erased before it came there never comes', async t => {
  const { path, real, control, start, submit, objectOf } = await open(t)
  const { keys, recording } = await start()
  const [there, never] = [objectOf(), objectOf()]
  await until(reached(recording, (await submit([there], 1)).size))
  const [kept] = keys.list(NAME, 0, 1)
  control.away = 'test: connection refused'
  await submit([never], 1)
  await until(() => keys.list(NAME, 1, 1).length === 1)
  const [second] = keys.list(NAME, 1, 1)
  await submit([], 1, there.id)
  const { size } = await submit([], 1, never.id)
  await until(() => keys.list(NAME, 0, 10).length === 0)
  assert.equal((await real.get((kept as { commitment: Uint8Array }).commitment)).length, 1, 'nobody can open it')
  delete control.away
  await until(reached(recording, size))
  assert.deepEqual(await real.get((second as { commitment: Uint8Array }).commitment), [])
  // Overwritten, not only forgotten.
  for (const name of readdirSync(join(path, '..')).filter(n => n.startsWith('record-keys.db')))
    for (const one of [kept, second])
      assert.ok(!readFileSync(join(path, '..', name)).includes(Buffer.from(one?.key ?? [])), name)
})

test('a lost answer, and a restart before the place was kept: nothing is put twice', async t => {
  const { real, control, start, running, submit, objectOf, puts } = await open(t)
  const first = await start()
  control.lose = true
  const { size } = await submit([objectOf(), objectOf()], 1)
  await until(reached(first.recording, size))
  first.keys.move('local', NAME, 0) // as if the process had been killed at R2
  const ids = first.keys.list(NAME, 0, 9)
  await first.recording.close()
  running.length = 0
  const second = await start()
  await until(reached(second.recording, size))
  assert.ok(puts.length >= 3)
  for (const { commitment } of ids) assert.equal((await real.get(commitment)).length, 1)
})

test('a ledger away holds nobody up: the state says so, and it catches up', async t => {
  const { control, start, submit, objectOf } = await open(t)
  const { recording } = await start()
  control.away = 'test: connection refused'
  let size = 0
  for (let i = 0; i < 20; i++) size = (await submit([objectOf()], 1)).size
  await until(() => recording.states().get('local')?.error === 'test: connection refused')
  assert.ok((recording.states().get('local')?.recordedSize ?? 0) < size)
  delete control.away
  await until(reached(recording, size))
  assert.equal(recording.states().get('local')?.error, undefined)
})

test('keys put back to an older copy forget again what was erased since', async t => {
  const { path, start, running, submit, objectOf } = await open(t)
  const first = await start()
  const object = objectOf()
  await until(reached(first.recording, (await submit([object], 1)).size))
  await first.recording.close()
  running.length = 0
  copyFileSync(path, `${path}.backup`)
  const second = await start()
  const { size } = await submit([], 1, object.id)
  await until(reached(second.recording, size))
  await second.recording.close()
  running.length = 0
  copyFileSync(`${path}.backup`, path)
  const { keys } = await start() // before it returns, what was erased is erased
  assert.deepEqual(keys.list(NAME, 0, 10), [])
  assert.equal(keys.place(FOLLOWER, NAME), 2)
})

test('a collection that is recorded no more still loses the keys of what is erased, and gets no new ones', async t => {
  const { path, start, running, notary, submit, objectOf } = await open(t)
  const first = await start()
  const [gone, stays] = [objectOf(), objectOf()]
  await until(reached(first.recording, (await submit([gone, stays], 1)).size))
  await first.recording.close()
  running.length = 0
  const keys = openSqliteRecordKeys({ path })
  const recording = createRecording({
    notary,
    keys,
    anchors: [],
    collections: [],
    intervalMs: 5,
    random: randomBytes,
    log: () => undefined,
  })
  running.push(recording)
  await recording.start()
  await submit([objectOf()], 1)
  await submit([], 1, gone.id)
  await until(() => keys.place(FOLLOWER, NAME) === 4)
  assert.deepEqual(
    keys.list(NAME, 0, 9).map(k => k.seq),
    [1],
  )
})

test('keys of another store are refused', async t => {
  const { path, start, submit, objectOf } = await open(t)
  const keys = openSqliteRecordKeys({ path })
  keys.follow(NAME, [{ seq: 0, commitment: randomBytes(32), key: randomBytes(32) }], [], 0)
  keys.close()
  await submit([objectOf()], 1)
  await assert.rejects(start(), { code: 'corrupt', message: /another record 0/ })
})

test('a sealed record opens with its own key only, and as it was logged', () => {
  const text = Buffer.from('entente/record/v1\n{"a":1}')
  const one = { seq: 3, commitment: randomBytes(32), key: randomBytes(32) }
  const sealed = sealRecord(one, text)
  const integrity = { code: 'integrity' }
  assert.throws(() => openSealedRecord(one, sealed), integrity, 'the commitment is not that of the text')
  assert.throws(() => openSealedRecord({ ...one, key: randomBytes(32) }, sealed), integrity)
  assert.throws(() => openSealedRecord({ ...one, commitment: randomBytes(32) }, sealed), integrity)
  for (let i = 0; i < sealed.length; i++) {
    const bad = Buffer.from(sealed)
    bad[i] = (bad[i] as number) ^ 1
    assert.throws(() => openSealedRecord(one, bad), integrity, `byte ${i}`)
  }
  assert.throws(() => openSealedRecord(one, new Uint8Array(0)), integrity)
})
