import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Rule, rules } from './rules.ts'
import { objectTypes } from './table.ts'
import { idOf, minimal } from './test/samples.ts'
import type { ObjectType } from './types/kinds.ts'
import { validateObject, type ValidateOptions } from './validate.ts'

const of = (type: string, changes: Record<string, unknown> = {}) => {
  const object: Record<string, unknown> = { ...minimal(objectTypes.get(type) as ObjectType), ...changes }
  for (const name of Object.keys(object)) if (object[name] === undefined) delete object[name]
  return object
}
const UUID = '8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f'
const EXTENSION = `extension-definition--${UUID}`
const extended = (content: object, changes: object = {}) =>
  of('file', { extensions: { [EXTENSION]: content }, ...changes })
const container = (objects: object) => of('observed-data', { objects, object_refs: undefined })
const nest = (depth: number): unknown => (depth === 0 ? 'deep' : [nest(depth - 1)])
const marking = (changes: object) => of('marking-definition', { id: `marking-definition--${UUID}`, ...changes })
const custom = (changes: object = {}) => ({ type: 'x-thing', id: `x-thing--${UUID}`, ...changes })
const customSdo = { spec_version: '2.1', created: '2024-01-01T00:00:00.000Z', modified: '2024-01-01T00:00:00.000Z' }

const cve = (id: string) => ({ source_name: 'cve', external_id: id })
const references = (reference: object) => ({
  external_references: [{ source_name: 'acme', external_id: 'x', ...reference }],
})
const noAccount = { user_id: undefined, account_type: undefined, account_login: undefined, display_name: 'x' }

const target = of('malware', { aliases: ['a', 'b'] })
const translation = (de: object, changes: object = {}) =>
  of('language-content', { object_ref: target['id'], contents: { de }, ...changes })

/** One or more inputs for each rule; where the first finding of that rule must be, and its section. */
const cases: [Rule, unknown, path: string, section: string, options?: ValidateOptions][] = [
  ['not_an_object', ['a list'], '$', '3'],
  ['depth', of('malware', { x_deep: nest(40) }), `$.x_deep${'[0]'.repeat(32)}`, '2'],
  ['type', { id: 'x' }, '$.type', '3.1'],
  ['type', container({ 0: { type: 'malware' } }), '$.objects["0"]', '2.13'],
  ['bundle', of('bundle'), '$', '8'],
  ['spec_version', of('malware', { spec_version: undefined }), '$.spec_version', '3.2'],
  ['spec_version', of('malware', { spec_version: '2.0' }), '$.spec_version', '3.2'],
  ['spec_version', of('url', { spec_version: '2.0' }), '$.spec_version', '3.2'],
  ['spec_version', custom({ created: customSdo.created }), '$.spec_version', '3.2'],
  ['id', of('url', { id: 'url--1' }), '$.id', '2.9'],
  ['id_type', of('url', { id: `urls--${UUID}` }), '$.id', '2.9'],
  ['uuid_version', of('malware', { id: 'malware--019a8c3e-0000-7000-8000-000000000000' }), '$.id', '2.9'],
  ['uuid_version', of('url', { id: 'url--019a8c3e-0000-1000-8000-000000000000' }), '$.id', '2.9'],
  ['random_id', of('process', { id: `process--${UUID.replace('-4', '-5')}` }), '$.id', '6.13.1'],
  ['random_id', of('user-account', { ...noAccount, id: `user-account--${UUID.replace('-4', '-5')}` }), '$.id', '2.9'],
  ['deterministic_id', of('url', { value: 'https://example.org/other', id: idOf('url') }), '$.id', '2.9'],
  ['required', of('malware', { is_family: undefined }), '$.is_family', '4.11.1'],
  ['required', { ...custom(), ...customSdo, modified: undefined }, '$.modified', '3.2'],
  ['kind', of('malware', { name: 7 }), '$.name', '2.15'],
  ['range', of('malware', { confidence: 101 }), '$.confidence', '2.10'],
  ['timestamp', of('malware', { first_seen: 'yesterday' }), '$.first_seen', '2.16.1'],
  ['timestamp_precision', of('malware', { created: '2020-01-01T00:00:00Z' }), '$.created', '3.2'],
  ['timestamp_order', of('malware', { created: '2025-01-01T00:00:00.000Z' }), '$.modified', '3.6.1'],
  ['timestamp_order', of('indicator', { valid_until: '2024-02-29T00:00:00Z' }), '$.valid_until', '4.7.1'],
  ['identifier', of('malware', { created_by_ref: 'me' }), '$.created_by_ref', '2.9'],
  ['ref_target', of('malware', { created_by_ref: idOf('tool') }), '$.created_by_ref', '3.3'],
  [
    'ref_target',
    container({ 0: { type: 'file', name: 'x', content_ref: '1' }, 1: { type: 'url', value: 'https://example.org/' } }),
    '$.objects["0"].content_ref',
    '2.13',
  ],
  ['ref_target', of('relationship', { target_ref: idOf('sighting') }), '$.target_ref', '3.3'],
  [
    'container_ref',
    container({ 0: { type: 'file', name: 'x', content_ref: '1' } }),
    '$.objects["0"].content_ref',
    '2.13',
  ],
  [
    'unresolved_reference',
    of('malware', { created_by_ref: idOf('identity') }),
    '$.created_by_ref',
    '3.3',
    { isKnown: id => id !== idOf('identity') },
  ],
  ['empty_list', of('malware', { labels: [] }), '$.labels', '2.12'],
  ['empty_dictionary', of('file', { hashes: {} }), '$.hashes', '2.3'],
  ['dictionary_key', of('process', { environment_variables: { 'A B': 'x' } }), '$.environment_variables["A B"]', '2.3'],
  ['enum', of('opinion', { opinion: 'maybe' }), '$.opinion', '10.18'],
  ['hash_key', of('file', { hashes: { ab: 'x' } }), '$.hashes.ab', '2.7'],
  ['hash_value', of('file', { hashes: { MD5: 'x' } }), '$.hashes.MD5', '2.7'],
  ['hash_algorithm', of('file', { hashes: { x_own: 'x' } }), '$.hashes.x_own', '2.7'],
  ['format', of('url', { value: 'example.org' }), '$.value', '6.15.1'],
  ['format', of('software', { cpe: 'cpe:/a:x' }), '$.cpe', '6.14.1'],
  ['format', of('file', { name_enc: 'utf8' }), '$.name_enc', '3.9.1'],
  ['recommended_format', of('file', { mime_type: 'pdf' }), '$.mime_type', '6.7.1'],
  ['recommended_format', of('tool', references({ url: 'www.x.org' })), '$.external_references[0].url', '2.5.1'],
  ['external_id', of('tool', references(cve('cve-2021-1'))), '$.external_references[0].external_id', '4.19.1'],
  [
    'external_id',
    of('vulnerability', references({ source_name: 'nist', external_id: 'CVE-2021-44228' })),
    '$.external_references[0].source_name',
    '4.19.1',
  ],
  [
    'external_id',
    of('attack-pattern', references({ source_name: 'CAPEC', external_id: 'CAPEC-1' })),
    '$.external_references[0].source_name',
    '4.1.1',
  ],
  ['registry_hive', of('windows-registry-key', { key: 'hklm\\Software' }), '$.key', '6.17.1'],
  ['observed_data', of('observed-data', { object_refs: [idOf('relationship')] }), '$.object_refs', '4.14.1'],
  ['property_name', of('language-content', { contents: { de: { Name: 'x' } } }), '$.contents.de.Name', '7.1.1'],
  ['pattern', of('indicator', { pattern: '[file:size = ]' }), '$.pattern', '9.2'],
  ['pattern_name', of('indicator', { pattern: '[F:size = 7]' }), '$.pattern', '9.7'],
  ['pattern_name', of('indicator', { pattern: "[file:'a b' = 7]" }), '$.pattern', '9.7'],
  ['pattern_operands', of('indicator', { pattern: "[file:size = 7 AND url:value = 'x']" }), '$.pattern', '9.5'],
  ['pattern_constant', of('indicator', { pattern: "[file:hashes.'md5' = 'x']" }), '$.pattern', '2.7'],
  ['pattern_constant', of('indicator', { pattern: "[file:size IN (7, 'x')]" }), '$.pattern', '9.6.1'],
  ['pattern_constant', of('indicator', { pattern: "[ipv4-addr:value ISSUBSET 'x']" }), '$.pattern', '9.6.1'],
  ['pattern_path', of('indicator', { pattern: '[file:created = 7]' }), '$.pattern', '9.7'],
  ['pattern_path', of('indicator', { pattern: '[x-own:thing = 7]' }), '$.pattern', '9.7'],
  ['pattern_path', of('indicator', { pattern: '[malware:is_family = true]' }), '$.pattern', '9.7'],
  ['pattern_path', of('indicator', { pattern: '[file:contains_refs.name = 7]' }), '$.pattern', '9.7.2'],
  ['pattern_path', of('indicator', { pattern: '[file:size.x = 7]' }), '$.pattern', '9.7'],
  ['pattern_kind', of('indicator', { pattern: "[file:size = '7']" }), '$.pattern', '9.6.1'],
  ['pattern_spelling', of('indicator', { pattern: '[file:size == 7]' }), '$.pattern', '9'],
  ['hex', of('file', { magic_number_hex: 'FF' }), '$.magic_number_hex', '2.8'],
  ['binary', of('artifact', { payload_bin: '***' }), '$.payload_bin', '2.1'],
  ['language', of('malware', { lang: 'en_US' }), '$.lang', '3.2'],
  [
    'selector',
    of('malware', { granular_markings: [{ lang: 'de', selectors: ['none'] }] }),
    '$.granular_markings[0].selectors[0]',
    '7.2.3.1',
  ],
  ['relationship_type', of('relationship', { relationship_type: 'Uses' }), '$.relationship_type', '5.1.2'],
  ['at_least_one', of('malware', { external_references: [{ source_name: 'x' }] }), '$.external_references[0]', '2.5.2'],
  ['at_least_one', of('location', { region: undefined }), '$', '4.10'],
  ['exactly_one', of('artifact', { url: 'https://example.org/' }), '$', '6.1.1'],
  ['exactly_one', of('observed-data', { objects: undefined, object_refs: undefined }), '$', '4.14'],
  ['needs', of('location', { latitude: 1 }), '$.longitude', '4.10.1'],
  ['needs', of('malware', { is_family: true, name: undefined }), '$.name', '4.11.1'],
  ['needs', of('marking-definition', { definition: undefined }), '$.definition', '7.2.1.1'],
  ['forbidden', of('email-message', { is_multipart: true, body: 'x' }), '$.body', '6.6.1'],
  ['translation', translation({ name: 1 }), '$.contents.de.name', '7.1.1', { target }],
  ['translation', translation({ aliases: ['', 'x', 'x'] }), '$.contents.de.aliases', '7.1.1', { target }],
  ['translation', translation({ aliases: [{ a: 'x' }, ''] }), '$.contents.de.aliases[0]', '7.1.1', { target }],
  ['property_name', of('malware', { 'X-Y': 'x' }), '$["X-Y"]', '3.1'],
  ['property_name', JSON.parse(`{"type":"url","id":"${idOf('url')}","value":"x","__proto__":1}`), '$.__proto__', '3.1'],
  ['reserved_name', of('malware', { severity: 'high' }), '$.severity', '3.8'],
  ['reserved_name', of('course-of-action', { action: 'x' }), '$.action', '3.8'],
  ['defanged', of('malware', { defanged: false }), '$.defanged', '3.2'],
  ['marking', of('marking-definition', { definition: { statement: 7 } }), '$.definition', '7.2.1.3'],
  ['marking', marking({ definition_type: 'tlp', definition: { tlp: 7 } }), '$.definition', '7.2.1.4'],
  ['tlp', marking({ definition_type: 'tlp', definition: { tlp: 'red' } }), '$.id', '7.2.1.4'],
  ['tlp', marking({ definition_type: 'tlp', definition: { tlp: 'pink' } }), '$.id', '7.2.1.4'],
  [
    'circular_marking',
    marking({ object_marking_refs: [`marking-definition--${UUID}`] }),
    '$.object_marking_refs',
    '3.2',
  ],
  ['extension_type', extended({ rank: 1 }), `$.extensions["${EXTENSION}"].extension_type`, '7.3'],
  ['extension_type', of('file', { extensions: { foo: { extension_type: 'new-sdo' } } }), '$.extensions.foo', '7.3'],
  ['extension_target', of('url', { extensions: { 'ntfs-ext': { sid: '1' } } }), '$.extensions["ntfs-ext"]', '6.7.3'],
  [
    'extension_properties',
    of('extension-definition', { extension_types: ['new-sdo'], extension_properties: ['rank'] }),
    '$.extension_properties',
    '7.3.1',
  ],
  ['extension_name', of('file', { extensions: { 'X_own-ext': { some: 1 } } }), '$.extensions["X_own-ext"]', '11.3.1'],
  ['not_applicable', of('url', { labels: ['x'] }), '$.labels', '3.2'],
  ['custom_type', custom(), '$.type', '11.2'],
  ['custom_property', of('malware', { x_own: 1 }), '$.x_own', '11.1'],
  ['custom_extension', of('file', { extensions: { 'x-own-ext': { some: 1 } } }), '$.extensions["x-own-ext"]', '11.3'],
  ['custom_value', of('malware', { x_own: [null] }), '$.x_own[0]', '2'],
  ['unknown_extension', extended({ extension_type: 'property-extension' }), `$.extensions["${EXTENSION}"]`, '7.3'],
  ['deprecated', container({ 0: { type: 'url', value: 'x' } }), '$.objects', '2.13'],
]

test('every rule is reported where it is broken, with its severity and section, and breaks validity if it is an error', () => {
  for (const [rule, object, path, section, options] of cases) {
    const { valid, findings, truncated } = validateObject(object, options)
    const found = findings.find(finding => finding.rule === rule)
    assert.ok(found !== undefined, `${rule}: ${JSON.stringify(findings)}`)
    assert.deepEqual([found.path, found.section, found.severity], [path, section, rules[rule]], rule)
    assert.equal(
      valid,
      findings.every(finding => finding.severity === 'warning'),
      rule,
    )
    assert.equal(truncated, false)
    const id = typeof object === 'object' && object !== null && 'id' in object ? object.id : ''
    assert.equal(found.object, id, rule)
    assert.ok(found.message.length > 5 && found.message.length < 400)
  }
  const covered = new Set(cases.map(([rule]) => rule))
  assert.deepEqual(
    Object.keys(rules).filter(rule => !covered.has(rule as Rule)),
    [],
  )
})

test('without warnings only errors are there, and validity is the same', () => {
  for (const [rule, object, , , options] of cases) {
    const all = validateObject(object, options)
    const errors = validateObject(object, { ...options, warnings: false })
    assert.equal(errors.valid, all.valid, rule)
    assert.deepEqual(
      errors.findings,
      all.findings.filter(finding => finding.severity === 'error'),
      rule,
    )
  }
})

test('an object without findings gives the one frozen result', () => {
  const result = validateObject(of('malware'))
  assert.equal(result, validateObject(of('url')))
  assert.ok(Object.isFrozen(result) && Object.isFrozen(result.findings) && result.valid)
})

test('a cyber-observable without spec_version is a 2.1 object (3.2), another object is not', () => {
  assert.deepEqual(validateObject(of('url', { spec_version: undefined })).findings, [])
  const [finding, ...rest] = validateObject(of('indicator', { spec_version: undefined })).findings
  assert.equal(finding?.rule, 'spec_version')
  assert.match(finding.message, /STIX 2\.0/)
  assert.deepEqual(rest, [])
})

test('the extension says what a type is, and accounts for properties at the top level (7.3)', () => {
  const declared = (extensionType: string) => ({ extensions: { [EXTENSION]: { extension_type: extensionType } } })
  const rulesOf = (object: unknown) => validateObject(object).findings.map(finding => finding.rule)
  assert.deepEqual(rulesOf(custom({ ...customSdo, ...declared('new-sdo'), rank: 1 })), ['unknown_extension'])
  assert.ok(rulesOf(custom({ ...declared('new-sdo') })).includes('required'))
  const observable = `x-thing--${idOf('url').slice(5)}`
  assert.deepEqual(rulesOf(custom({ id: observable, ...declared('new-sco'), rank: 1 })), ['unknown_extension'])
  assert.deepEqual(rulesOf(of('malware', { rank: 1, ...declared('toplevel-property-extension') })), [
    'unknown_extension',
  ])
  const property = rulesOf(of('malware', { rank: 1, ...declared('property-extension') }))
  assert.deepEqual(property.toSorted(), ['custom_property', 'unknown_extension'])
})

test('a custom type may be referred to where any object of a class may be, not where a type is named (3.3)', () => {
  const errors = (object: unknown) => validateObject(object).findings.filter(finding => finding.severity === 'error')
  assert.deepEqual(errors(of('relationship', { source_ref: `x-thing--${UUID}` })), [])
  assert.deepEqual(errors(of('sighting', { sighting_of_ref: `x-thing--${UUID}` })), [])
  assert.equal(errors(of('malware', { created_by_ref: `x-thing--${UUID}` })).length, 1)
})

test('a translation mirrors the object that it names, in the version that it names, and no other (7.1.1)', () => {
  const isRefused = (de: object, options?: ValidateOptions, changes?: object) =>
    validateObject(translation(de, changes), options).findings.some(({ rule }) => rule === 'translation')
  const good = { name: 'Name', aliases: ['', 'x'], is_family: 'not translatable', x_unknown: { a: ['x'] } }
  assert.ok(!isRefused(good, { target }))
  assert.ok(isRefused({ name: ['x'] }, { target }))
  assert.ok(!isRefused({ name: ['x'] }), 'nothing to hold it against')
  assert.ok(!isRefused({ name: ['x'] }, { target: { ...target, id: idOf('tool') } }))
  const other = { object_modified: '2030-01-01T00:00:00.000Z' }
  assert.ok(!isRefused({ name: ['x'] }, { target }, other), 'another version of it')
  assert.ok(isRefused({ name: ['x'] }, { target }, { object_modified: target['modified'] }))
})

test('a bundle is taken where it is asked for: each object by itself, none inside another bundle (8)', () => {
  const options: ValidateOptions = { bundle: true }
  const url = of('url')
  const bad = of('malware', { name: 7, granular_markings: [{ lang: 'de', selectors: ['name'] }] })
  assert.deepEqual(validateObject(of('bundle', { objects: [url, of('malware')] }), options).findings, [])
  const { findings } = validateObject(of('bundle', { objects: [url, bad, of('bundle'), 7] }), options)
  assert.deepEqual(
    findings.map(({ object, path, rule }) => [object, path, rule]),
    [
      [bad.id, '$.objects[1].name', 'kind'],
      [of('bundle').id, '$.objects[2]', 'bundle'],
      [of('bundle').id, '$.objects[3]', 'kind'],
    ],
  )
})

test('selectors see the object they stand on (7.2.3.1)', () => {
  const marked = (selector: string) => {
    const granular = [{ marking_ref: idOf('marking-definition'), selectors: [selector] }]
    const reference = { source_name: 'acme', external_id: 'x' }
    return validateObject(of('malware', { external_references: [reference], granular_markings: granular })).valid
  }
  for (const good of ['external_references', 'external_references.[0]', 'external_references.[0].source_name', 'id']) {
    assert.ok(marked(good), good)
  }
  const bad = [
    'external_references.[1]',
    'external_references[0]',
    'external_references.0',
    '$.id',
    'id.[0]',
    'constructor',
    'external_references.[00]',
    'external_references.length',
    'external_references.[999999999999999]',
  ]
  for (const selector of bad) assert.ok(!marked(selector), selector)
})

test('bounds: findings, depth', () => {
  const labels = Array.from({ length: 1_000 }, () => 7)
  const limited = validateObject(of('malware', { labels }), { maxFindings: 10 })
  assert.deepEqual([limited.findings.length, limited.truncated, limited.valid], [10, true, false])
  assert.ok(validateObject(of('malware', { x_deep: nest(31) })).valid)
  // Warnings are cut too, but never hide an error behind them.
  const noise = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`x_${at}`, 1]))
  const hidden = validateObject({ ...noise, ...of('malware', { name: 7 }), ...noise })
  assert.deepEqual([hidden.findings.length, hidden.truncated, hidden.valid], [101, true, false])
  const custom = validateObject(of('malware', noise))
  assert.deepEqual([custom.findings.length, custom.truncated, custom.valid], [100, true, true])
  assert.ok(!validateObject(of('malware', { name: 7 }), { maxFindings: 0 }).valid)
  assert.ok(!validateObject(of('malware', { x_deep: nest(31) }), { maxDepth: 30 }).valid)
  // However deep the input and the wish: no stack overflow.
  assert.ok(!validateObject(of('malware', { x_deep: nest(5_000) }), { maxDepth: Number.POSITIVE_INFINITY }).valid)
})
