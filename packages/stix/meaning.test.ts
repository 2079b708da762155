import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { sameMeaning } from './meaning.ts'
import { objectTypes } from './table.ts'
import { complete, minimal } from './test/samples.ts'
import type { ObjectType } from './types/kinds.ts'
import { objectVersion, specVersion } from './version.ts'

const type = (name: string): ObjectType => objectTypes.get(name) as ObjectType
const malware = minimal(type('malware'))

test('objectVersion: modified, else created, else nothing', () => {
  assert.equal(objectVersion(malware), malware.modified)
  assert.equal(objectVersion(minimal(type('marking-definition'))), '2024-02-29T00:00:00.000Z')
  assert.equal(objectVersion(minimal(type('url'))), undefined)
  assert.equal(objectVersion({ modified: 7, created: '2024-01-01T00:00:00Z' }), '2024-01-01T00:00:00Z')
})

test('specVersion: 2.1 for a cyber-observable without spec_version, 2.0 for others', () => {
  const without = (name: string) => {
    const { spec_version: _, ...object } = minimal(type(name))
    return specVersion(object)
  }
  assert.equal(specVersion(malware), '2.1')
  assert.deepEqual(
    [without('url'), without('bundle'), without('malware'), without('relationship')],
    ['2.1', '2.1', '2.0', '2.0'],
  )
  assert.equal(without('marking-definition'), '2.0')
  assert.equal(specVersion({ type: 'x-thing', created: '2024-01-01T00:00:00.000Z' }), '2.0')
  assert.equal(specVersion({ type: 'x-thing' }), '2.1')
  assert.equal(specVersion({ type: 'indicator', spec_version: '2.0' }), '2.0')
})

test('every complete object means the same as itself with its keys reversed', () => {
  for (const each of objectTypes.values()) {
    const object = complete(each)
    assert.ok(sameMeaning(object, Object.fromEntries(Object.entries(structuredClone(object)).reverse())), each.name)
  }
})

test('zeros at the end of any timestamp, at any depth, mean nothing; another digit does', () => {
  const respell = (value: unknown, tail: string): unknown => {
    if (typeof value === 'string' && /^\d{4}-.*Z$/.test(value)) return value.replace('Z', tail)
    if (Array.isArray(value)) return value.map(item => respell(item, tail))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, respell(member, tail)]))
  }
  let stamps = 0
  for (const each of objectTypes.values()) {
    const object = complete(each)
    const stamped = JSON.stringify(object).includes('T00:00:00')
    if (stamped) stamps++
    assert.ok(sameMeaning(object, respell(object, '0000Z')), each.name)
    assert.equal(sameMeaning(object, respell(object, '0001Z')), !stamped, each.name)
  }
  assert.ok(stamps > 25)
  const pe = (time: string) => ({
    ...minimal(type('file')),
    extensions: { 'windows-pebinary-ext': { pe_type: 'exe', time_date_stamp: time } },
  })
  assert.ok(sameMeaning(pe('2020-01-01T00:00:00Z'), pe('2020-01-01T00:00:00.0Z')))
})

test('explicit defaults mean nothing (section 3.6); other values do', () => {
  const indicator = minimal(type('indicator'))
  const cases: [Record<string, unknown>, string, unknown, unknown][] = [
    [malware, 'revoked', false, true],
    [malware, 'lang', 'en', 'de'],
    [minimal(type('sighting')), 'summary', false, true],
    [minimal(type('url')), 'defanged', false, true],
    [indicator, 'pattern_version', '2.1', '2.0'],
    [{ type: 'x-thing', created: '2024-01-01T00:00:00.000Z' }, 'revoked', false, true],
    [{ type: 'x-observable' }, 'defanged', false, true],
  ]
  for (const [object, name, byDefault, other] of cases) {
    const plain = { ...object, pattern_type: 'stix' }
    assert.ok(sameMeaning(plain, { ...plain, [name]: byDefault }), name)
    assert.ok(sameMeaning({ ...plain, [name]: byDefault }, plain), name)
    assert.ok(!sameMeaning(plain, { ...plain, [name]: other }), name)
    assert.ok(!sameMeaning({ ...plain, [name]: byDefault }, { ...plain, [name]: other }), name)
  }
  const { spec_version: _, ...url } = minimal(type('url'))
  assert.ok(sameMeaning(url, { ...url, spec_version: '2.1' }))
  const { spec_version: __, ...noVersion } = malware
  assert.ok(!sameMeaning(noVersion, malware))
  const yara = { ...indicator, pattern_type: 'yara' }
  assert.ok(!sameMeaning(yara, { ...yara, pattern_version: '2.1' }))
  // `revoked` is nothing of a cyber-observable, `defanged` nothing of a malware.
  assert.ok(!sameMeaning(url, { ...url, revoked: false }))
  assert.ok(!sameMeaning(malware, { ...malware, defanged: false }))
})

test('what looks like a timestamp in custom content, or is none, must be equal', () => {
  const custom = (value: unknown) => ({ ...malware, x_seen: value })
  assert.ok(!sameMeaning(custom('2020-01-01T00:00:00Z'), custom('2020-01-01T00:00:00.0Z')))
  assert.ok(sameMeaning({ ...malware, modified: 'soon' }, { ...malware, modified: 'soon' }))
  assert.ok(!sameMeaning({ ...malware, modified: 'soon' }, { ...malware, modified: 'later' }))
  const unknown = (created: string) => ({ type: 'x-thing', created, x_created: created })
  assert.ok(!sameMeaning(unknown('2020-01-01T00:00:00Z'), unknown('2020-01-01T00:00:00.0Z')))
})

test('order counts in lists, types count, nothing throws', () => {
  assert.ok(!sameMeaning({ ...malware, labels: ['a', 'b'] }, { ...malware, labels: ['b', 'a'] }))
  assert.ok(!sameMeaning({ ...malware, labels: ['a'] }, { ...malware, labels: 'a' }))
  assert.ok(!sameMeaning({ ...malware, labels: ['a'] }, { ...malware, labels: ['a', 'a'] }))
  assert.ok(!sameMeaning({ type: 'a' }, { type: 'b' }))
  assert.ok(!sameMeaning(JSON.parse('{"type":"url","__proto__":{}}'), { type: 'url' }))
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
      assert.ok(sameMeaning(a, structuredClone(a)))
      assert.equal(sameMeaning(a, b), sameMeaning(b, a))
    }),
    { seed: 6, numRuns: 500 },
  )
})
