// The mandatory checks of PyPI's stix2-validator, each by an object that breaks it, beside the table in the README.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Rule } from './rules.ts'
import { objectTypes } from './table.ts'
import { idOf, minimal } from './test/samples.ts'
import type { ObjectType } from './types/kinds.ts'
import { validateObject } from './validate.ts'

const of = (type: string, changes: Record<string, unknown>) => ({
  ...minimal(objectTypes.get(type) as ObjectType),
  ...changes,
})
const UUID_5 = '8e2e2d2b-17d4-5cbf-938f-98ee46b3cd3f'
const LATER = { start: '2024-01-02T00:00:00Z', end: '2024-01-01T00:00:00Z' }
const marking = idOf('marking-definition')
const contained = (objects: object) => {
  const { object_refs: _, ...object } = of('observed-data', { objects }) as Record<string, unknown>
  return object
}

/** Name of the check -> rule and section that we give, of objects that break it. */
const checks: Record<string, [Rule, section: string, unknown][]> = {
  timestamp: [['timestamp', '2.16.1', of('malware', { first_seen: '2024-13-01T00:00:00Z' })]],
  timestamp_compare: [
    ['timestamp_order', '3.6.1', of('malware', { created: '2025-01-01T00:00:00.000Z' })],
    ['timestamp_order', '4.7.1', of('indicator', { valid_until: '2000-01-01T00:00:00Z' })],
  ],
  observable_timestamp_compare: [
    ['timestamp_order', '6.12.1', of('network-traffic', { start: LATER.start, end: LATER.end })],
  ],
  object_marking_circular_refs: [
    ['circular_marking', '3.2', of('marking-definition', { id: marking, object_marking_refs: [marking] })],
  ],
  granular_markings_circular_refs: [
    [
      'circular_marking',
      '3.2',
      of('marking-definition', {
        id: marking,
        granular_markings: [{ marking_ref: marking, selectors: ['definition_type'] }],
      }),
    ],
  ],
  marking_selector_syntax: [
    ['selector', '7.2.3.1', of('malware', { granular_markings: [{ marking_ref: marking, selectors: ['not_there'] }] })],
  ],
  observable_object_references: [
    ['container_ref', '2.13', contained({ 0: { type: 'file', name: 'x', content_ref: '1' } })],
    [
      'ref_target',
      '2.13',
      contained({
        0: { type: 'file', name: 'x', content_ref: '1' },
        1: { type: 'url', value: 'https://example.org/' },
      }),
    ],
  ],
  artifact_mime_type: [['recommended_format', '6.1.1', of('artifact', { mime_type: 'no media type' })]],
  character_set: [['format', '3.9.1', of('file', { name_enc: 'no-such-set' })]],
  language: [['language', '3.2', of('malware', { lang: 'no_language' })]],
  software_language: [['language', '6.14.1', of('software', { languages: ['no_language'] })]],
  patterns: [
    ['pattern', '9.2', of('indicator', { pattern: '[file:size = ]' })],
    ['pattern_name', '9.7', of('indicator', { pattern: '[F:size = 7]' })],
    ['pattern_operands', '9.5', of('indicator', { pattern: "[file:size = 7 AND url:value = 'x']" })],
    ['pattern_constant', '2.7', of('indicator', { pattern: "[file:hashes.'MD5' = 'x']" })],
  ],
  cpe_check: [['format', '6.14.1', of('software', { cpe: 'cpe:2.3:x' })]],
  language_contents: [
    ['language', '7.1.1', of('language-content', { contents: { no_language: { name: 'x' } } })],
    ['property_name', '7.1.1', of('language-content', { contents: { de: { Name: 'x' } } })],
  ],
  uuid_version_check: [
    [
      'random_id',
      '2.9',
      { type: 'email-message', spec_version: '2.1', id: `email-message--${UUID_5}`, is_multipart: false },
    ],
  ],
  process: [['random_id', '6.13.1', of('process', { id: `process--${UUID_5}` })]],
}

test('each mandatory check of stix2-validator has its rule here: an error, but for the one that the specification advises', () => {
  for (const [check, broken] of Object.entries(checks)) {
    for (const [rule, section, object] of broken) {
      const found = validateObject(object).findings.find(finding => finding.rule === rule)
      assert.deepEqual([found?.rule, found?.section], [rule, section], check)
      const policy = rule === 'recommended_format' ? 'strict' : 'standard'
      assert.equal(validateObject(object, { policy }).valid, false, check)
    }
  }
})

test('the README names these checks and rules', () => {
  const text = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8')
  const table = text.split('| stix2-validator 3.2.0 |')[1]?.split('\n\n')[0] as string
  const rows = table.split('\n').slice(2)
  assert.deepEqual(
    rows.map(row => row.split('|')[1]?.trim()),
    Object.keys(checks),
  )
  for (const [i, [check, broken]] of Object.entries(checks).entries())
    for (const [rule] of broken) assert.ok(rows[i]?.includes(`\`${rule}\``), `${check}: ${rule}`)
})
