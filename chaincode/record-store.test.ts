import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_CHUNK, Refusal, type RefusalCode } from './index.ts'
import { createTestLedger, identity } from './test/ledger.ts'

const OWNER = identity('owner')
const STRANGER = identity('stranger')
const ID = 'ab'.repeat(32)
const base64 = (text: string) => Buffer.from(text).toString('base64')
const refuses = (call: Promise<unknown>, code: RefusalCode) =>
  assert.rejects(call, error => error instanceof Refusal && error.code === code)

test('records are put once, by the owner of a log, and read by everybody', async () => {
  const ledger = createTestLedger()
  const logId = (await ledger.transact(OWNER, 'register', '01'.repeat(32))) as string
  const put = (index: number, count: number, chunk: string, caller = OWNER) =>
    ledger.transact(caller, 'putRecords', logId, ID, index, count, chunk)
  assert.equal(await put(0, 2, base64('one')), true)
  assert.equal(await put(1, 2, base64('two')), true)
  const before = new Map(ledger.state)
  assert.equal(await put(0, 2, base64('one')), false)
  assert.deepEqual(new Map(ledger.state), before)
  await refuses(put(0, 2, base64('other')), 'Conflict')
  await refuses(put(0, 3, base64('one')), 'Conflict')
  await refuses(put(2, 2, base64('three')), 'Invalid')
  await refuses(put(0, 0, base64('one')), 'Invalid')
  await refuses(put(0, 4097, base64('one')), 'Invalid')
  await refuses(put(0, 2, 'not base64!'), 'Invalid')
  await refuses(put(1, 2, base64('two'), STRANGER), 'NotOwner')
  const twice = [ID, 0, 2, base64('one'), ID, 1, 2, base64('other')]
  await refuses(ledger.transact(OWNER, 'putRecords', logId, ...twice), 'Conflict')
  const many = Array.from({ length: 65 }, (_, n) => [ID, n, 65, base64('one')]).flat()
  await refuses(ledger.transact(OWNER, 'putRecords', logId, ...many), 'Invalid')
  await refuses(ledger.transact(OWNER, 'putRecords', logId, ID, 0, 2), 'Invalid')
  assert.deepEqual(new Map(ledger.state), before)
  assert.deepEqual(await ledger.transact(STRANGER, 'getRecord', logId, ID, 1), { chunk: base64('two'), count: 2 })
  assert.equal(await ledger.transact(STRANGER, 'getRecord', logId, ID, 2), undefined)
})

test('a chunk has a largest size, and an anchor touches no key of a record', async () => {
  const ledger = createTestLedger()
  const logId = (await ledger.transact(OWNER, 'register', '01'.repeat(32))) as string
  const chunk = Buffer.alloc(MAX_CHUNK, 7)
  await ledger.transact(OWNER, 'putRecords', logId, ID, 0, 1, chunk.toString('base64'))
  const larger = Buffer.concat([chunk, Buffer.of(7)]).toString('base64')
  await refuses(ledger.transact(OWNER, 'putRecords', logId, ID, 1, 2, larger), 'Invalid')
  const before = new Set(ledger.state.keys())
  const owned = ledger.state.get(`log/${logId}`)
  await ledger.transact(OWNER, 'anchor', logId, 3, '12'.repeat(32))
  const added = [...ledger.state.keys()].filter(key => !before.has(key))
  assert.deepEqual(added, [`latest/${logId}`, `root/${logId}/3`])
  assert.equal(ledger.state.get(`log/${logId}`), owned) // which is all of a log that putRecord reads
})
