import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RecordRow } from '#store/store.ts'
import { row } from '#store/conformance.ts'
import { selectVersions, withReplaced } from './pages.ts'
import type { VersionFilter } from './query.ts'

const version = (day: number) => `2026-01-0${day}T00:00:00.000000Z`
/** Rows in the order in which they were added. */
const rows = (...days: number[]): RecordRow[] =>
  days.map((day, seq) => row({ leaf: seq, seq, version: version(day), versionDigits: 3 }))
const filter = (values: Partial<VersionFilter>): VersionFilter => ({
  last: false,
  first: false,
  all: false,
  exact: [],
  ...values,
})
const days = (selected: RecordRow[]) => selected.map(r => Number(r.version?.slice(9, 10)))

test('T42 last, first, all, exact versions, and several at once', () => {
  const some = rows(3, 1, 4, 2)
  assert.deepEqual(days(selectVersions(some, filter({ last: true }))), [4])
  assert.deepEqual(days(selectVersions(some, filter({ first: true }))), [1])
  assert.deepEqual(days(selectVersions(some, filter({ all: true }))), [3, 1, 4, 2])
  assert.deepEqual(days(selectVersions(some, filter({ exact: [version(2), version(9)] }))), [2])
  assert.deepEqual(days(selectVersions(some, filter({ last: true, first: true, exact: [version(3)] }))), [3, 1, 4])
})

test('one version is first and last, and is given once; none gives none', () => {
  assert.deepEqual(days(selectVersions(rows(3), filter({ last: true, first: true, exact: [version(3)] }))), [3])
  assert.deepEqual(selectVersions([], filter({ last: true, first: true })), [])
})

test('of one instant in two precisions the later row is the last, the earlier the first', () => {
  const twins = rows(1, 1).map((r, i) => ({ ...r, versionDigits: i === 0 ? 3 : 6 }))
  assert.deepEqual(selectVersions(twins, filter({ last: true })), [twins[1]])
  assert.deepEqual(selectVersions(twins, filter({ first: true })), [twins[0]])
  assert.deepEqual(selectVersions(twins, filter({ exact: [version(1)] })), twins)
})

test('T51 T54 of several contents of one version the last is served; all of them go together', () => {
  const kept = rows(1, 2, 1, 2, 3)
  const served = [kept[2], kept[3], kept[4]] as RecordRow[]
  assert.deepEqual(selectVersions(kept, filter({ all: true })), served)
  assert.deepEqual(selectVersions(kept, filter({ first: true })), [kept[2]])
  assert.deepEqual(selectVersions(kept, filter({ exact: [version(2)] })), [kept[3]])
  assert.deepEqual(withReplaced(kept, [kept[3] as RecordRow]), [kept[1], kept[3]])
  assert.deepEqual(withReplaced(kept, served), kept)
})

test('T44 with match[spec_version] first and last are those of the versions that are left', () => {
  const mixed = rows(1, 2, 3).map((r, i) => ({ ...r, spec: i === 2 ? '2.1' : '2.0' }))
  assert.deepEqual(days(selectVersions(mixed, filter({ last: true }), ['2.0'])), [2])
  assert.deepEqual(days(selectVersions(mixed, filter({ all: true }), ['2.1'])), [3])
  assert.deepEqual(days(selectVersions(mixed, filter({ last: true }), ['2.0', '2.1'])), [3])
})

test('T44 without match[spec_version] only the latest STIX counts in which what is asked for is there', () => {
  const mixed = rows(3, 1, 2).map((r, i) => ({ ...r, spec: i === 0 ? '2.0' : '2.1' }))
  assert.deepEqual(days(selectVersions(mixed, filter({ last: true }))), [2])
  assert.deepEqual(days(selectVersions(mixed, filter({ first: true }))), [1])
  assert.deepEqual(days(selectVersions(mixed, filter({ all: true }))), [1, 2])
  assert.deepEqual(days(selectVersions(mixed, filter({ exact: [version(3)] }))), [3])
  assert.deepEqual(days(selectVersions(mixed, filter({ exact: [version(3), version(1)] }))), [1])
})

test('the selection keeps the order of date_added and neither adds nor repeats', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ day: fc.integer({ min: 1, max: 9 }), digits: fc.constantFrom(3, 6) }), { maxLength: 12 }),
      fc.boolean(),
      fc.boolean(),
      fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }),
      (list, last, first, exact) => {
        const stored = rows(...list.map(l => l.day)).map((r, i) => ({ ...r, versionDigits: list[i]?.digits ?? 3 }))
        const all = stored.filter(r => !stored.some(o => isSame(o, r) && o.seq > r.seq))
        const selected = selectVersions(stored, filter({ last, first, exact: exact.map(version) }))
        const seqs = selected.map(r => r.seq)
        assert.deepEqual(
          seqs,
          [...new Set(seqs)].sort((a, b) => a - b),
        )
        for (const r of stored) {
          if (!all.includes(r)) assert.equal(selected.includes(r), false)
        }
        for (const r of all) {
          const is =
            (last && !all.some(o => isLater(o, r))) ||
            (first && !all.some(o => isLater(r, o))) ||
            exact.map(version).includes(r.version as string)
          assert.equal(selected.includes(r), is)
        }
      },
    ),
    { seed: 7, numRuns: 500 },
  )
})
const isSame = (a: RecordRow, b: RecordRow) => a.version === b.version && a.versionDigits === b.versionDigits
const isLater = (a: RecordRow, b: RecordRow) =>
  (a.version as string) > (b.version as string) || (a.version === b.version && a.seq > b.seq)
