import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalize } from '@entente/verify/json'
import { formatRecord, parseRecord } from '@entente/verify/proof'
import type { RecordRow } from '../store/store.ts'
import { deletedRecord, equivocationRecord, objectRecord, objectSpan, recordFrame, writtenVersion } from './record.ts'
import { formatMicros, parseMicros } from './time.ts'

const frame = recordFrame('/api/', '11111111-1111-4111-8111-111111111111')
const sealed = { salt: 'A'.repeat(43), submitter: 'B'.repeat(42) + 'E' }
const id = 'url--22222222-2222-5222-8222-222222222222'
const object = { type: 'url', id, value: 'https://example.org/ünïcode/"quoted"' }
const row: RecordRow = {
  leaf: 4,
  collection: 1,
  seq: 3,
  kind: 'object',
  added: 1_767_225_600_000_000,
  imported: false,
  id,
  version: '2026-01-01T00:00:00.000000Z',
  versionDigits: 6,
  spec: '2.1',
  superseded: null,
  refused: null,
  invalid: false,
  text: null,
}

test('every kind of record is written as docs/formats.md 1 has it: packages/verify reads and writes the same bytes', () => {
  const event = { ...row, id: null, version: null }
  const texts = [
    objectRecord(frame, row, canonicalize(object), sealed),
    objectRecord(frame, { ...row, imported: true }, canonicalize(object), sealed),
    deletedRecord(frame, { ...event, kind: 'deleted' }, 1, sealed),
    equivocationRecord(frame, { ...row, kind: 'equivocation' }, 'a'.repeat(64), 'b'.repeat(64), sealed),
  ]
  for (const text of texts) assert.equal(formatRecord(parseRecord(text)), text.toString())
})

test('the object is found where it lies, and only if every column is that of the text', () => {
  const text = objectRecord(frame, row, canonicalize(object), sealed)
  const span = objectSpan(frame, row, text)
  assert.deepEqual(JSON.parse(text.toString('utf8', span?.start, span?.end)), object)
  const others: Partial<RecordRow>[] = [
    { seq: 4 },
    { added: row.added + 1 },
    { imported: true },
    { id: id.replace('2', '3') },
    { version: '2026-01-01T00:00:00.000001Z' },
    { versionDigits: 3 },
    { kind: 'deleted' },
    { kind: 'equivocation' },
    { id: null },
    { version: null },
  ]
  for (const other of others)
    assert.equal(objectSpan(frame, { ...row, ...other }, text), undefined, JSON.stringify(other))
  assert.equal(objectSpan(recordFrame('/api2/', '11111111-1111-4111-8111-111111111111'), row, text), undefined)
})

test('the columns of events are held against their text', () => {
  const deleted: RecordRow = { ...row, kind: 'deleted', id: null, version: null }
  const text = deletedRecord(frame, deleted, 1, sealed)
  assert.deepEqual(objectSpan(frame, deleted, text), { start: text.length, end: text.length })
  assert.equal(objectSpan(frame, { ...deleted, seq: 9 }, text), undefined)
  const refused: RecordRow = { ...row, kind: 'equivocation', refused: 'b'.repeat(64) }
  const other = equivocationRecord(frame, refused, 'a'.repeat(64), 'b'.repeat(64), sealed)
  assert.ok(objectSpan(frame, refused, other))
  assert.equal(objectSpan(frame, { ...refused, refused: 'c'.repeat(64) }, other), undefined)
  assert.equal(objectSpan(frame, refused, Buffer.from('entente/record/v1:{')), undefined)
})

test('versions keep the digits they were written with', () => {
  const version = '2026-01-01T00:00:00.120000Z'
  assert.equal(writtenVersion({ version, versionDigits: 0 }), '2026-01-01T00:00:00Z')
  assert.equal(writtenVersion({ version, versionDigits: 3 }), '2026-01-01T00:00:00.120Z')
  assert.equal(writtenVersion({ version, versionDigits: 6 }), version)
})

test('microseconds: text and back, and what is no timestamp', () => {
  for (const micros of [0, 1, 999_999, 1_767_225_600_123_456, 4_102_444_800_000_000])
    assert.equal(parseMicros(formatMicros(micros)), micros)
  assert.equal(formatMicros(1_767_225_600_000_001), '2026-01-01T00:00:00.000001Z')
  assert.equal(parseMicros('2026-01-01T00:00:00Z'), 1_767_225_600_000_000)
  assert.equal(parseMicros('2026-01-01T00:00:00.1234567Z'), 1_767_225_600_123_456)
  for (const bad of [
    '',
    '2026-01-01',
    '2026-13-01T00:00:00Z',
    '2026-02-30T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:00:00+00:00',
    '9999-01-01T00:00:00Z x',
  ]) {
    assert.equal(parseMicros(bad), undefined, bad)
  }
})
