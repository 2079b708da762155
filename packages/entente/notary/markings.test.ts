import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalize } from '@entente/verify/json'
import fc from 'fast-check'
import { objectMarkings } from './markings.ts'

const scan = (object: unknown) => [...objectMarkings(Buffer.from(canonicalize(object)))]
const TLP_RED = 'marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed'
const STATEMENT = 'marking-definition--11111111-1111-4111-8111-111111111111'

test('object markings and granular markings, and nothing of what looks like them in a string', () => {
  const part = (marking: object) => ({ selectors: ['name'], ...marking })
  assert.deepEqual(scan({ type: 'url', value: 'marking_ref' }), [])
  assert.deepEqual(scan({ object_marking_refs: [TLP_RED, STATEMENT] }), [TLP_RED, STATEMENT])
  assert.deepEqual(scan({ granular_markings: [part({ lang: 'fr' }), part({ marking_ref: TLP_RED })] }), [TLP_RED])
  assert.deepEqual(scan({ object_marking_refs: [] }), [])
  const inText = `"object_marking_refs":["${TLP_RED}"],"marking_ref":"${TLP_RED}"`
  assert.deepEqual(scan({ name: inText, pattern: `\\${inText}` }), [])
  assert.deepEqual(scan({ object_marking_refs: [STATEMENT], name: inText }), [STATEMENT])
  assert.deepEqual(scan({ x_object_marking_refs: [TLP_RED], object_marking_refs_x: [TLP_RED] }), [])
})

test('of custom content too much counts, never too little', () => {
  assert.deepEqual(scan({ x_inner: { object_marking_refs: [TLP_RED] } }), [TLP_RED])
  assert.deepEqual(scan({ object_marking_refs: TLP_RED }), [TLP_RED])
  assert.deepEqual(scan({ object_marking_refs: [[TLP_RED]] }), [TLP_RED])
  assert.deepEqual(scan({ object_marking_refs: { a: [TLP_RED] } }), [TLP_RED])
  assert.deepEqual(scan({ object_marking_refs: ['"', '\\', TLP_RED] }), ['"', '\\', TLP_RED])
  assert.deepEqual(scan({ object_marking_refs: null, marking_ref: 7 }), [])
})

/** What is under these names, wherever they are, as a parser sees it. */
function collect(value: unknown, isMarking = false): string[] {
  if (typeof value === 'string') return isMarking ? [value] : []
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, part]) =>
    collect(part, isMarking || name === 'object_marking_refs' || name === 'marking_ref'),
  )
}

test('any object: the markings that a parser finds', () => {
  const name = fc.constantFrom('object_marking_refs', 'marking_ref', 'granular_markings', 'name', '"marking_ref":', 'é')
  const text = fc.oneof(
    fc.constantFrom(TLP_RED, '"marking_ref":"x"', '\\"object_marking_refs":["', 'object_marking_refs', 'marking_ref\\'),
    fc.string({ unit: fc.constantFrom('"', '\\', ':', '[', 'a', 'é', '\n') }),
  )
  const value = fc.letrec(tie => ({
    value: fc.oneof(
      { depthSize: 'small' },
      text,
      fc.constantFrom(null, 1, true),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(name, tie('value'), { maxKeys: 3 }),
    ),
  })).value
  const toAscii = (found: string[]) => [...new Set(found.map(f => f.replaceAll(/[^ -~]+/g, '?')))].sort()
  fc.assert(
    fc.property(fc.dictionary(name, value, { maxKeys: 4 }), object => {
      assert.deepEqual(toAscii(scan(object)), toAscii(collect(object)))
    }),
    { seed: 27, numRuns: 3000 },
  )
})
