import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { sameMeaning } from './meaning.ts'
import { statementChannels } from './marking.ts'
import { extensions, objectTypes } from './table.ts'
import { complete } from './test/samples.ts'
import { validateObject } from './validate.ts'
import { objectVersion, specVersion } from './version.ts'

/** Names that the walker treats specially, and those that JavaScript does. */
const names = fc.oneof(
  fc.constantFrom(...new Set([...objectTypes.values()].flatMap(type => Object.keys(type.properties)))),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'length', 'x_own', 'X-Own', '', '0', ...extensions.keys()),
  fc.string({ maxLength: 5 }),
)
const words = fc.oneof(
  fc.constantFrom(...objectTypes.keys(), '2.1', '2024-01-01T00:00:00.000Z', 'tlp', 'statement', 'pubsub:A', 'new-sdo'),
  fc.constantFrom(...[...objectTypes.keys()].map(type => `${type}--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f`)),
  fc.string({ unit: 'binary', maxLength: 40 }),
)
const { value } = fc.letrec(tie => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    words,
    fc.constantFrom(null, true, false, 0, -1, 1.5, 1e308, 2 ** 53),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.array(fc.tuple(names, tie('value')), { maxLength: 8 }).map(entries => JSON.parse(textOf(entries))),
  ),
}))
/** An object as `JSON.parse` makes it: `__proto__` is a property of its own. */
const textOf = (entries: [string, unknown][]): string =>
  `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${JSON.stringify(member)}`).join(',')}}`

test('whatever JSON comes, the walker returns, its findings are well formed, and errors decide', () => {
  fc.assert(
    fc.property(value, fc.constantFrom(...objectTypes.keys(), undefined), (input, type) => {
      const object = type === undefined || typeof input !== 'object' ? input : Object.assign(input ?? {}, { type })
      const { valid, findings } = validateObject(object, { bundle: true })
      for (const finding of findings) {
        assert.ok(finding.path.startsWith('$') && finding.message.length < 1_000 && finding.section !== '')
      }
      assert.equal(
        valid,
        findings.every(finding => finding.severity === 'warning'),
      )
      sameMeaning(object, object)
      statementChannels(object)
    }),
    { seed: 6, numRuns: 3_000 },
  )
})

test('a complete object with any one property replaced by anything never throws', () => {
  const types = [...objectTypes.values()]
  fc.assert(
    fc.property(fc.nat({ max: types.length - 1 }), fc.nat(), value, (at, pick, replacement) => {
      const object = complete(types[at] as (typeof types)[number])
      const keys = Object.keys(object)
      object[keys[pick % keys.length] as string] = replacement
      validateObject(object, { bundle: true })
      sameMeaning(object, { ...object })
      objectVersion(object)
      specVersion(object)
    }),
    { seed: 6, numRuns: 3_000 },
  )
})

test('validation leaves its input alone', () => {
  for (const type of objectTypes.values()) {
    const object = complete(type)
    const before = JSON.stringify(object)
    validateObject(object, { bundle: true })
    assert.equal(JSON.stringify(object), before)
  }
})

test('hostile sizes take time linear in them', () => {
  const base = complete(objectTypes.get('malware') as NonNullable<ReturnType<typeof objectTypes.get>>)
  const deep = JSON.parse('['.repeat(5_000) + ']'.repeat(5_000)) as unknown
  const deepObject = JSON.parse('{"a":'.repeat(5_000) + '1' + '}'.repeat(5_000)) as unknown
  const many = Array.from({ length: 50_000 }, (_, at) => at)
  const wide = Object.fromEntries(Array.from({ length: 30_000 }, (_, at) => [`x_${at}`, at]))
  const long = 'a'.repeat(2_000_000)
  const selector = 'a.'.repeat(900)
  const inputs: Record<string, unknown>[] = [
    { ...base, x_deep: deep },
    { ...base, x_deep: deepObject },
    { ...base, labels: many },
    { ...base, labels: many.map(String) },
    { ...base, x_many: many.map(() => []) },
    { ...base, ...wide },
    { ...base, name: long, lang: long, created: long, id: long, [long]: long },
    { ...base, created_by_ref: `${long}--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f` },
    { ...base, created: `2024-01-01T00:00:00.${'0'.repeat(1_000_000)}Z` },
    { ...base, type: long },
    { ...base, granular_markings: [{ lang: 'de', selectors: many.map(() => selector) }] },
    { ...base, extensions: Object.fromEntries(Object.keys(wide).map(key => [key, { a: 1 }])) },
    { ...base, ...wide, extensions: Object.fromEntries(Object.keys(wide).map(key => [key, { a: 1 }])) },
    { type: 'file', hashes: Object.fromEntries(Object.keys(wide).map(key => [key, 'a'])) },
    { type: 'observed-data', objects: wide },
    { type: 'bundle', objects: many },
    // Patterns: as long as they may be, with as many findings as possible.
    ...[
      `[${many
        .slice(0, 9_000)
        .map(at => `file:sise${at} == 1`)
        .join(' OR ')}]`,
      `[${many
        .slice(0, 9_000)
        .map(at => `x-${at}:size = 1`)
        .join(' AND ')}]`,
      many
        .slice(0, 9_000)
        .map(at => `[A:b${at} = 1]`)
        .join('\n OR '),
      `[file:hashes.MD5 IN (${many
        .slice(0, 30_000)
        .map(() => "'x'")
        .join(',')})]`,
      `[${'a'.repeat(100_000)}:b = 1 AND ${'b'.repeat(100_000)}:c = 1]`,
      `[file:name${'.x'.repeat(100_000)} = 1]`,
      '['.repeat(250_000),
      long,
    ].map(pattern => ({ ...base, type: 'indicator', pattern_type: 'stix', pattern })),
    { type: 'language-content', contents: { de: wide, fr: { [long]: long } } },
    { type: 'observed-data', object_refs: many.map(() => `malware--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f`) },
    {
      type: 'windows-registry-key',
      id: `windows-registry-key--8e2e2d2b-17d4-5cbf-938f-98ee46b3cd3f`,
      key: long,
      values: deep,
    },
    { type: 'url', value: long, id: 'url--8e2e2d2b-17d4-5cbf-938f-98ee46b3cd3f' },
    {
      type: 'file',
      id: 'file--8e2e2d2b-17d4-5cbf-938f-98ee46b3cd3f',
      name: 'x',
      name_enc: long,
      extensions: { a: wide },
    },
  ]
  for (const [at, input] of inputs.entries()) {
    for (const options of [{ bundle: true }, { bundle: true, maxFindings: 1_000_000, maxDepth: 1_000_000 }]) {
      const started = performance.now()
      const { findings } = validateObject(input, options)
      const took = performance.now() - started
      // Measured: well under 200 ms on one slow core; an exponential or quadratic walk takes minutes.
      assert.ok(took < 2_000, `input ${at}: ${took} ms`)
      assert.ok(
        findings.every(finding => finding.message.length < 1_000 && finding.object.length <= 300),
        `input ${at}`,
      )
    }
  }
})

test('comparison of hostile input is bounded too', () => {
  const deep = () => JSON.parse('['.repeat(5_000) + ']'.repeat(5_000)) as unknown
  const started = performance.now()
  assert.equal(sameMeaning({ type: 'malware', x_deep: deep() }, { type: 'malware', x_deep: deep() }), false)
  const many = () => Array.from({ length: 200_000 }, (_, at) => ({ at }))
  assert.equal(sameMeaning({ type: 'malware', x_many: many() }, { type: 'malware', x_many: many() }), true)
  assert.ok(performance.now() - started < 2_000)
})
