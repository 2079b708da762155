import assert from 'node:assert/strict'
import { test } from 'node:test'
import { policies, type Policy, severityOf } from './policy.ts'
import { type Rule, rules } from './rules.ts'
import { objectTypes } from './table.ts'
import { idOf, minimal } from './test/samples.ts'
import type { ObjectType } from './types/kinds.ts'
import { validateObject, type ValidateOptions } from './validate.ts'

const of = (type: string, changes: Record<string, unknown> = {}) => ({
  ...minimal(objectTypes.get(type) as ObjectType),
  ...changes,
})
const told = (object: unknown, policy: Policy, options?: ValidateOptions) =>
  validateObject(object, { ...options, policy }).findings.map(({ rule, severity }) => `${severity} ${rule}`)

test('strict lets through no more than standard, and permissive no less, for every rule', () => {
  const rank = (rule: Rule, policy: Policy) => [undefined, 'warning', 'error'].indexOf(severityOf(rule, policy))
  for (const rule of Object.keys(rules) as Rule[]) {
    assert.equal(severityOf(rule, 'standard'), rules[rule])
    assert.ok(
      rank(rule, 'strict') >= rank(rule, 'standard') && rank(rule, 'standard') >= rank(rule, 'permissive'),
      rule,
    )
  }
  assert.deepEqual(policies, ['strict', 'standard', 'permissive'])
})

test('what is unknown or does not resolve: refused, told, or passed over', () => {
  const options = { isKnown: () => false }
  const unknown = [
    ['custom_type', { type: 'x-thing', id: 'x-thing--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f' }],
    ['custom_property', of('malware', { x_own: 1 })],
    ['unresolved_reference', of('malware', { created_by_ref: idOf('identity') })],
    [
      'unknown_extension',
      of('mutex', {
        extensions: { [idOf('extension-definition')]: { extension_type: 'property-extension' } },
      }),
    ],
    ['custom_extension', of('url', { extensions: { 'x-own-ext': { some: 1 } } })],
  ] as const
  for (const [rule, object] of unknown) {
    assert.ok(told(object, 'strict', options).includes(`error ${rule}`), rule)
    assert.ok(told(object, 'strict', { ...options, warnings: false }).includes(`error ${rule}`), rule)
    assert.ok(told(object, 'standard', options).includes(`warning ${rule}`), rule)
    assert.deepEqual(told(object, 'standard', { ...options, warnings: false }), [])
    assert.deepEqual(told(object, 'permissive', options), [], rule)
    assert.ok(!validateObject(object, { ...options, policy: 'strict' }).valid)
    assert.ok(validateObject(object, options).valid)
  }
})

test('untold rules do not warn, and are errors all the same', () => {
  const object = of('malware', { x_own: 1, created_by_ref: idOf('identity') })
  const options: ValidateOptions = { isKnown: () => false, untold: new Set<Rule>(['custom_property']) }
  assert.deepEqual(told(object, 'standard', options), ['warning unresolved_reference'])
  assert.ok(told(object, 'strict', options).includes('error custom_property'))
})

test('permissive: what breaks the specification warns, what has no type, id or version is refused', () => {
  const bad = of('malware', { name: 7, is_family: 'x', confidence: 101, first_seen: 'yesterday' })
  const { valid, findings } = validateObject(bad, { policy: 'permissive' })
  assert.ok(valid)
  assert.deepEqual(new Set(findings.map(({ rule }) => rule)), new Set(['kind', 'range', 'timestamp']))
  assert.ok(validateObject(of('malware', { spec_version: '2.0' }), { policy: 'permissive' }).valid)
  const refused: [string, unknown][] = [
    ['not_an_object', 7],
    ['type', of('malware', { type: 7 })],
    ['id', of('malware', { id: 'malware--1' })],
    ['id_type', of('malware', { id: idOf('tool') })],
    ['required', of('malware', { id: undefined })],
    ['kind', of('malware', { id: null })],
    ['kind', of('malware', { created: 7 })],
    ['timestamp', of('malware', { modified: 'now' })],
    ['bundle', of('bundle')],
  ]
  const member = of('bundle', { objects: [of('malware', { name: 7 }), of('malware', { created: 7 })] })
  assert.deepEqual(told(member, 'permissive', { bundle: true }), ['warning kind', 'error kind'])
  for (const [rule, object] of refused) {
    assert.ok(told(object, 'permissive', { warnings: false }).includes(`error ${rule}`), rule)
  }
})

test('a finding about a pattern has the place in it', () => {
  const pattern = "[file:name = 'x'\n AND file:sise > 7]"
  const [finding, ...rest] = validateObject(of('indicator', { pattern })).findings
  assert.deepEqual(rest, [])
  assert.deepEqual(finding, {
    severity: 'warning',
    object: of('indicator').id,
    path: '$.pattern',
    rule: 'pattern_path',
    section: '9.7',
    message: 'line 2, column 11: file has no property sise in STIX 2.1',
    position: { offset: 27, line: 2, column: 11 },
  })
  const broken = validateObject(of('indicator', { pattern: '[file:size = 7' })).findings
  assert.deepEqual(broken[0]?.position, { offset: 14, line: 1, column: 15 })
  // Other languages, and other versions of this one, are not read.
  for (const other of [{ pattern_type: 'yara' }, { pattern_version: '2.0' }]) {
    assert.deepEqual(told(of('indicator', { pattern: '[', ...other }), 'strict'), [])
  }
})
