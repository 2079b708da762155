import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TaxiiError } from './errors.ts'
import { type Allowed, formatNext, parseQuery, type Query } from './query.ts'

const ALL: Allowed = { fields: ['id', 'type', 'version', 'spec_version'], paging: true }
const LIMITS = { page: 100, maxPage: 1000 }
const parse = (raw: string, allowed = ALL): Query => parseQuery(raw, allowed, LIMITS)
const refused = (raw: string, message: RegExp, allowed = ALL) =>
  assert.throws(
    () => parse(raw, allowed),
    (e: unknown) => e instanceof TaxiiError && e.status === 400 && e.code === 'query' && message.test(e.message),
    raw,
  )

const LAST = { last: true, first: false, all: false, exact: [] }

test('without parameters: the standard page, newest versions, no filter', () => {
  const expected = {
    limit: 100,
    addedAfter: undefined,
    next: undefined,
    ids: undefined,
    types: undefined,
    specs: undefined,
    versions: LAST,
    byLedger: false,
  }
  assert.deepEqual(parse(''), expected)
})

test('T34 B4 B12 added_after: a timestamp with or without fraction; anything else is 400', () => {
  const micros = Date.UTC(2026, 0, 31, 12) * 1000
  assert.equal(parse('added_after=2026-01-31T12:00:00Z').addedAfter, micros)
  assert.equal(parse('added_after=2026-01-31T12:00:00.5Z').addedAfter, micros + 500_000)
  assert.equal(parse('added_after=2026-01-31T12:00:00.000001Z').addedAfter, micros + 1)
  assert.equal(parse('added_after=2026-01-31T12%3A00%3A00.123456Z').addedAfter, micros + 123_456)
  assert.equal(parse('added_after=2026-01-31t12:00:00z').addedAfter, micros)
  for (const text of [
    '',
    'yesterday',
    '2026-01-31',
    '2026-01-31T12:00:00',
    '2026-01-31 12:00:00Z',
    '2026-01-31T12:00:00+01:00',
    '2026-02-30T12:00:00Z',
    '2026-01-31T24:00:00Z',
    '2026-01-31T12:60:00Z',
    '2026-01-31T12:00:00.Z',
    `2026-01-31T12:00:00.${'1'.repeat(99)}Z`,
    '1738324800',
    '9999-12-31T23:59:59Z ',
  ])
    refused(`added_after=${encodeURIComponent(text)}`, /added_after/)
})

test('T34 T39 a parameter that is given twice is 400', () => {
  refused('added_after=2026-01-31T12:00:00Z&added_after=2026-01-31T12:00:00Z', /added_after is given 2 times/)
  refused('limit=1&limit=1', /limit/)
  refused('next=a&next=b', /next/)
  for (const field of ALL.fields) refused(`match[${field}]=a&match[${field}]=a`, /given 2 times/)
})

test('T36 B11 limit is a positive integer, cut to what the server gives', () => {
  assert.equal(parse('limit=1').limit, 1)
  assert.equal(parse('limit=999999999').limit, 1000)
  for (const text of ['0', '-1', '1.5', '1e3', '', ' 1', '0x10', 'ten', '00', '9'.repeat(16), '٣'])
    refused(`limit=${encodeURIComponent(text)}`, /limit is/)
})

test('T38 B5 B6 next is what a page gave, needs no limit and no memory of the server', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 999_999_999_999_999 }), seq => {
      assert.equal(parse(`next=${formatNext(seq)}`).next, seq)
    }),
    { seed: 7, numRuns: 200 },
  )
  for (const text of ['', 'x', '5', formatNext(-1), formatNext(1.5), formatNext(1e21), 'A'.repeat(5000)])
    refused(`next=${encodeURIComponent(text)}`, /next is/)
})

test('T39 values of one field are separated by commas, repeats are one', () => {
  const { ids, types } = parse('match[id]=a--1,b--2,a--1&match[type]=tool')
  assert.deepEqual(ids, ['a--1', 'b--2'])
  assert.deepEqual(types, ['tool'])
  assert.deepEqual(parse('match%5Btype%5D=tool%2Cmalware').types, ['tool', 'malware'])
  for (const text of ['', ',', 'a,', ',a', 'a,,b']) refused(`match[id]=${text}`, /empty value/)
  refused(`match[id]=${Array.from({ length: 1001 }, (_, i) => i).join()}`, /1001 values/)
})

test('T40 T41 unknown match fields and types are no error', () => {
  assert.deepEqual(parse('match[confidence]=5&match=1&x=1&match[]=2&match[id=3&x=2'), parse(''))
  assert.deepEqual(parse('match[type]=x-unknown').types, ['x-unknown'])
})

test('T42 match[version]: last, first, all and exact versions', () => {
  const exact = (text: string) => parse(`match[version]=${text}`).versions
  assert.deepEqual(exact('last'), LAST)
  assert.deepEqual(exact('first'), { ...LAST, last: false, first: true })
  assert.deepEqual(exact('all'), { ...LAST, last: false, all: true })
  assert.deepEqual(exact('first,last'), { ...LAST, first: true })
  assert.deepEqual(exact('last,last'), LAST)
  assert.deepEqual(exact('2026-01-01T00:00:00.123Z,2026-01-01T00:00:00Z,last').exact, [
    '2026-01-01T00:00:00.123000Z',
    '2026-01-01T00:00:00.000000Z',
  ])
  for (const text of ['all,last', 'first,all', 'all,2026-01-01T00:00:00Z']) refused(`match[version]=${text}`, /alone/)
  for (const text of ['LAST', 'newest', '2026-01-01', '2026-01-01T00:00:00.1234567Z', '1', '*'])
    refused(`match[version]=${text}`, /match\[version\] holds/)
})

test('T44 match[spec_version] takes STIX versions', () => {
  assert.deepEqual(parse('match[spec_version]=2.0,2.1').specs, ['2.0', '2.1'])
  refused('match[spec_version]=2.2', /2\.0 and 2\.1/)
})

test('T45 fields and paging that a resource does not have are ignored', () => {
  const versions: Allowed = { fields: ['spec_version'], paging: true }
  assert.deepEqual(parse('match[id]=a&match[type]=&match[version]=nonsense', versions), parse(''))
  const erase: Allowed = { fields: ['version', 'spec_version'], paging: false }
  const query = parse('limit=0&added_after=x&next=y', erase)
  assert.deepEqual([query.limit, query.addedAfter, query.next], [1000, undefined, undefined])
})

test('whatever a query string is, it is read or refused with 400', () => {
  const parts = fc.constantFrom('match[', 'id', ']', '=', '&', ',', '%', '%5B', 'limit', 'next', 'added_after', '2026-')
  fc.assert(
    fc.property(fc.array(fc.oneof(parts, fc.string({ maxLength: 4 })), { maxLength: 12 }), list => {
      try {
        const query = parse(list.join(''))
        assert.ok(query.limit >= 1 && query.limit <= 1000)
      } catch (error) {
        assert.ok(error instanceof TaxiiError && error.status === 400, String(error))
      }
    }),
    { seed: 7, numRuns: 2000 },
  )
})

test('a message quotes what was sent, cut to a length', () => {
  assert.throws(
    () => parse(`added_after=${'x'.repeat(10_000)}`),
    (e: Error) => e.message.length < 300,
  )
})
