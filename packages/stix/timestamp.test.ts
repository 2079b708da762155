import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { compareTimestamps, parseTimestamp, scanTimestamp } from './timestamp.ts'

test('scanTimestamp takes the form of section 2.16.1 and dates of the calendar, and nothing else', () => {
  const good: [string, number][] = [
    ['2016-01-20T12:31:12Z', 0],
    ['2016-01-20T12:31:12.1Z', 1],
    ['2016-01-20T12:31:12.123456789012Z', 12],
    ['2000-02-29T00:00:00.000Z', 3],
    ['2024-02-29T23:59:59.999Z', 3],
    ['0000-01-01T00:00:00Z', 0],
    ['9999-12-31T23:59:59Z', 0],
    // The leap second of 2016 (RFC 3339 section 5.7).
    ['2016-12-31T23:59:60Z', 0],
    ['2015-06-30T23:59:60.5Z', 1],
  ]
  for (const [text, digits] of good) assert.equal(scanTimestamp(text), digits, text)
  const bad = [
    '',
    'Z',
    '2016-01-20',
    '2016-01-20T12:31:12',
    '2016-01-20T12:31Z',
    '2016-01-20T12:31:12.Z',
    '2016-01-20T12:31:12,5Z',
    '2016-01-20T12:31:12.5',
    '2016-01-20t12:31:12z',
    '2016-01-20 12:31:12Z',
    '2016-01-20T12:31:12+00:00',
    '2016-01-20T12:31:12.000+01:00Z',
    '2016-00-20T12:31:12Z',
    '2016-13-20T12:31:12Z',
    '2016-04-31T12:31:12Z',
    '2016-01-00T12:31:12Z',
    '2015-02-29T12:31:12Z',
    '1900-02-29T12:31:12Z',
    '2016-01-20T24:00:00Z',
    '2016-01-20T12:60:12Z',
    '2016-01-20T12:31:61Z',
    '2016-01-20T12:31:60Z',
    '2016-12-30T23:59:60Z',
    '2016-1-20T12:31:12.0Z',
    '+2016-01-20T12:31:12Z',
    '２016-01-20T12:31:12Z',
    '2016-01-20T12:31:12.١Z',
  ]
  for (const text of bad) {
    assert.equal(scanTimestamp(text), -1, text)
    assert.equal(parseTimestamp(text), undefined)
  }
})

test('scanTimestamp agrees with the calendar of Date on every day of 500 years', () => {
  for (let year = 1700; year < 2200; year++) {
    for (const month of [2, 4, 12]) {
      for (const day of [28, 29, 30, 31]) {
        const text = `${year}-${String(month).padStart(2, '0')}-${day}T00:00:00.000Z`
        const date = new Date(text)
        const real = !Number.isNaN(date.getTime()) && date.toISOString() === text
        assert.equal(scanTimestamp(text) >= 0, real, text)
      }
    }
  }
})

test('normalized: 6 digits, or 9, or what it takes', () => {
  const normalized = (fraction: string) => parseTimestamp(`2020-01-02T03:04:05${fraction}Z`)?.normalized.slice(19)
  assert.equal(normalized(''), '.000000Z')
  assert.equal(normalized('.1'), '.100000Z')
  assert.equal(normalized('.123000000'), '.123000Z')
  assert.equal(normalized('.1234567'), '.123456700Z')
  assert.equal(normalized('.12345678901'), '.12345678901Z')
  assert.deepEqual(parseTimestamp('2020-01-02T03:04:05.10Z'), {
    text: '2020-01-02T03:04:05.10Z',
    normalized: '2020-01-02T03:04:05.100000Z',
    fractionDigits: 2,
  })
})

const fraction = fc.string({ unit: fc.constantFrom(...'0123456789'), maxLength: 12 })
const stamp = fc
  .record({ date: fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true }), fraction })
  .map(({ date, fraction }) => ({
    text: `${date.toISOString().slice(0, 19)}${fraction === '' ? '' : `.${fraction}`}Z`,
    instant: BigInt(Math.floor(date.getTime() / 1_000)) * 10n ** 12n + BigInt(fraction.padEnd(12, '0')),
  }))

test('compareTimestamps orders as the instants do, whatever the digits; normalized texts too', () => {
  fc.assert(
    fc.property(stamp, stamp, (a, b) => {
      const expected = a.instant < b.instant ? -1 : a.instant > b.instant ? 1 : 0
      assert.equal(Math.sign(compareTimestamps(a.text, b.text)), expected)
      const left = parseTimestamp(a.text)?.normalized ?? ''
      const right = parseTimestamp(b.text)?.normalized ?? ''
      assert.equal(Math.sign(compareTimestamps(left, right)), expected)
      assert.equal(left === right, expected === 0)
    }),
    { seed: 6, numRuns: 2_000 },
  )
  assert.equal(compareTimestamps('2020-01-01T00:00:00Z', '2020-01-01T00:00:00.000000Z'), 0)
  assert.ok(compareTimestamps('2020-01-01T00:00:00.12Z', '2020-01-01T00:00:00.1Z') > 0)
})
