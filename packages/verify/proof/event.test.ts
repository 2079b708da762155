// docs/formats.md 15: events against the vectors, and against everything that is none.
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatRecord, type LogEvent, parseEvent, ProofError, type RecordEvent, verifyEventContent } from './index.ts'

const vectors = JSON.parse(readFileSync(join(import.meta.dirname, '../../../test/vectors/formats.json'), 'utf8'))
const texts: string[] = vectors.events
const SEED = 20261122
const change = (text: string, members: object): string => JSON.stringify({ ...JSON.parse(text), ...members })

function refuse(text: string, code: string, message?: RegExp): void {
  const take = (event: LogEvent) => ('record' in event ? verifyEventContent(event) : event)
  assert.throws(
    () => take(parseEvent(text)),
    (error: unknown) => {
      assert.ok(error instanceof ProofError, `${error}`)
      assert.equal(error.code, code, error.message)
      if (message) assert.match(error.message, message)
      return true
    },
    text,
  )
}

test('15: events parse, and those that carry a record carry what they name', () => {
  const seen = texts.map(text => {
    const event = parseEvent(text)
    assert.deepEqual(parseEvent(Buffer.from(text)), event)
    assert.equal(JSON.stringify(event), text)
    if (!('record' in event)) return event.event
    const record = verifyEventContent(event)
    assert.equal(event.commitment, vectors.records[event.seq].commitment)
    assert.equal(formatRecord(record), vectors.records[event.seq].text)
    return event.event
  })
  assert.deepEqual(seen, ['added', 'version', 'reference', 'equivocation', 'withdrawn', 'integrity'])
})

test('changed content is refused with both hashes, and so is whatever the record does not bear out', () => {
  const [added = '', version = '', , , withdrawn = ''] = texts
  const other = vectors.records[1].commitment as string
  const own = vectors.records[0].commitment as string
  const hashes = new RegExp(`${other}.*${own}`.replaceAll(/[+/]/g, '\\$&'))
  refuse(change(added, { commitment: other }), 'event', hashes)
  refuse(added.replace('evil.example', 'good.example'), 'event', /names the commitment .{44}, and the record in it has/)
  refuse(change(added, { seq: 1 }), 'event', /says seq 1, and the record in it 0/)
  refuse(change(added, { api_root: '/eu/' }), 'event')
  refuse(change(added, { collection: '52892447-4d7e-4f70-b94d-d7f22742ff63' }), 'event')
  refuse(change(added, { event: 'withdrawn' }), 'event', /another kind/)
  refuse(change(withdrawn, { event: 'added' }), 'event', /another kind/)
  refuse(change(version, { event: 'revoked' }), 'event', /its object is revoked: false/)
})

test('a revoked object is called so', () => {
  const event = parseEvent(texts[0] as string) as RecordEvent
  const record = { ...event.record, object: { ...(event.record as { object: object }).object, revoked: true } }
  const text = formatRecord(record as never)
  const commitment = hash('sha256', text, 'base64')
  const revoked = { ...event, commitment, record } as RecordEvent
  assert.throws(() => verifyEventContent(revoked), { code: 'event', message: /called added.*revoked: true/ })
  assert.equal(verifyEventContent({ ...revoked, event: 'revoked' }), record)
})

test('of a record that is not even known, an integrity event has no log index', () => {
  const { log_index, ...rest } = JSON.parse(texts[5] as string)
  assert.equal(log_index, 5)
  assert.equal('log_index' in parseEvent(JSON.stringify(rest)), false)
  refuse(change(texts[0] as string, { log_index: undefined }), 'malformed')
})

test('another form is refused', () => {
  const [added = '', , reference = '', , , integrity = ''] = texts
  const { record } = JSON.parse(added)
  for (const text of ['', 'null', '[]', '"x"', '{}', `${added}x`, `\ufeff${added}`, added.slice(0, -1)])
    refuse(text, 'malformed')
  refuse(added.replace('{"event":"added"', '{"event":"added","event":"added"'), 'malformed', /twice/)
  for (const [text, members] of [
    [added, { more: 1 }],
    [added, { reason: 'hash' }],
    [added, { event: 'deleted' }],
    [added, { event: 'constructor' }],
    [added, { log_index: -1 }],
    [added, { log_index: 1.5 }],
    [added, { log_index: '3' }],
    [added, { seq: 2 ** 53 }],
    [added, { origin: 'two words' }],
    [added, { api_root: 'api' }],
    [added, { collection: 'default' }],
    [added, { commitment: 'AAAA' }],
    [added, { proof: '' }],
    [added, { proof: `/${'a'.repeat(5000)}` }],
    [added, { record: undefined }],
    [reference, { record }],
    [reference, { commitment: undefined }],
    [integrity, { reason: 'other' }],
    [integrity, { commitment: vectors.records[2].commitment }],
  ] as const)
    refuse(change(text, members), 'malformed')
  refuse(change(added, { record: { ...record, more: 1 } }), 'record')
  assert.throws(() => parseEvent(added, { maxBytes: 100 }), { code: 'malformed' })
})

test('with any byte changed, what is taken is the record that was logged', () => {
  fc.assert(
    fc.property(fc.constantFrom(...texts.slice(0, 2)), fc.nat(), fc.integer({ min: 1, max: 127 }), (text, at, flip) => {
      const bytes = Buffer.from(text)
      const i = at % bytes.length
      bytes[i] = (bytes[i] as number) ^ flip
      try {
        const event = parseEvent(bytes) as RecordEvent
        const record = verifyEventContent(event)
        assert.equal(formatRecord(record), vectors.records[record.seq].text)
      } catch (error) {
        assert.ok(error instanceof ProofError, `${error}`)
      }
    }),
    { seed: SEED, numRuns: 1500 },
  )
})
