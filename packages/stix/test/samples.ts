/** Objects made from the table, for tests: valid ones, and values that no property of a kind may have. */
import type { Format, Kind, ObjectType, Structure } from '../types/kinds.ts'
import { deterministicId } from '../deterministic-id.ts'
import { objectTypes } from '../table.ts'

const UUID4 = '8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f'
const UUID5 = '4527e5de-8572-546a-a57a-706f15467461'

type Sample = Record<string, unknown>

/** A valid identifier of a type. */
export const idOf = (type: string): string => `${type}--${objectTypes.get(type)?.class === 'sco' ? UUID5 : UUID4}`

const CLASS_EXAMPLE: Record<string, string> = {
  sdo: 'malware',
  sro: 'relationship',
  sco: 'file',
  meta: 'language-content',
}

/** For each form a text that has it, and one that has not. */
const FORMATTED: Record<Format, [good: string, bad: string]> = {
  ipv4: ['198.51.100.0/24', '198.51.100.256'],
  ipv6: ['2001:db8::/32', '2001:db8:::1'],
  mac: ['d2:fb:49:24:37:18', 'D2:FB:49:24:37:18'],
  'domain-name': ['www.example.com', 'www..example.com'],
  email: ['jane.smith@example.com', 'Jane <jane.smith@example.com>'],
  url: ['https://example.com/?q=1#a', 'example.com'],
  cpe: ['cpe:2.3:a:microsoft:word:2000:*:*:*:*:*:*:*', 'cpe:/a:microsoft:word:2000'],
  'media-type': ['application/zip', 'zip'],
  'character-set': ['windows-1251', 'cp1251'],
}

/** Times one after the other in the order of the table's `timestamp_order` rules. */
const LATER = new Set(['modified', 'last_seen', 'last_observed', 'valid_until', 'stop_time', 'end'])

export function sampleOf(kind: Kind, name: string, type: string): unknown {
  switch (kind.kind) {
    case 'own-type':
      return type
    case 'own-id':
      // Not `idOf`: no object refers to itself.
      return idOf(type).replace('8e2e2d2b', 'ac0debe8').replace('4527e5de', 'b5a3a8c1')
    case 'own-spec-version':
      return '2.1'
    case 'string':
      if (kind.format !== undefined) return FORMATTED[kind.format][0]
      return name === 'pattern_type' ? 'stix' : 'text'
    case 'relationship-type':
      return 'related-to'
    case 'boolean':
      // Defanged content is excused from the form of addresses.
      return name !== 'defanged'
    case 'integer':
      return kind.max ?? kind.min ?? 7
    case 'integer-or-string':
      return 'seven'
    case 'float':
      return kind.max ?? 1.5
    case 'timestamp':
      return LATER.has(name) ? '2024-02-29T23:59:59.123456Z' : '2024-02-29T00:00:00.000Z'
    case 'hex':
      return '00ff'
    case 'binary':
      return 'AAECAw=='
    case 'language':
      return 'de-CH-1996'
    case 'selector':
      return 'type'
    case 'enum':
    case 'open-vocab':
      return kind.vocabulary.terms[0]
    case 'identifier':
      return idOf(CLASS_EXAMPLE[kind.targets[0] ?? ''] ?? kind.targets[0] ?? '')
    case 'list':
      return [sampleOf(kind.of, name, type)]
    case 'dictionary': {
      if (kind.keys === 'language') return { fr: { name: 'texte', aliases: ['un', ''] } }
      const value = kind.values === undefined ? { 'Any-key_1': ['x', 1, true] } : sampleOf(kind.values, name, type)
      return { 'Key-1': value }
    }
    case 'hashes':
      return { 'SHA-256': 'a'.repeat(64), x_own: 'b' }
    case 'structure':
      return complete(kind.structure, type)
    case 'extensions':
      return {
        'extension-definition--3de9ff00-174d-4d41-87c9-05a27a7e117c': { extension_type: 'property-extension', rank: 5 },
      }
    case 'observable-container':
      return {
        '0': { type: 'ipv4-addr', value: '198.51.100.2' },
        '1': { type: 'network-traffic', src_ref: '0', protocols: ['ipv4'] },
      }
    case 'stix-object':
      return minimal(objectTypes.get('url') as ObjectType)
    case 'marking':
      return { statement: 'Copyright' }
    case 'reserved':
      return undefined
  }
}

/** The constraints decide which properties cannot stand together, and which must be added. */
function settle(object: Sample, of: Structure, type: string): Sample {
  const add = (name: string | undefined): void => {
    const property = name === undefined ? undefined : of.properties[name]
    if (name !== undefined && property !== undefined) object[name] ??= sampleOf(property.kind, name, type)
  }
  for (const constraint of of.constraints) {
    if (constraint.rule === 'at_least_one' && !constraint.of.some(name => name in object)) add(constraint.of[0])
    if (constraint.rule === 'exactly_one') {
      const [keep = '', ...rest] = constraint.of.filter(name => name in object)
      if (keep === '') add(constraint.of[0])
      for (const name of rest) delete object[name]
    }
    if (constraint.rule === 'forbidden_when' && object[constraint.flag] === constraint.value)
      delete object[constraint.name]
  }
  for (const constraint of of.constraints) {
    if (constraint.rule === 'needs' && constraint.name in object) add(constraint.other)
    if (constraint.rule === 'needs_without' && !(constraint.name in object)) add(constraint.other)
    if (constraint.rule === 'required_when' && object[constraint.flag] === constraint.value) add(constraint.name)
  }
  if ('pattern' in object) object.pattern = '[file:size = 7]'
  // The id of section 2.9, or a random one where nothing contributes to it.
  if ('id' in object && objectTypes.get(type)?.class === 'sco') {
    object.id = deterministicId(object) ?? `${type}--${UUID4}`
  }
  if ('definition' in object) object.definition_type ??= 'statement'
  if (object.definition_type === 'text') object.definition_type = 'statement'
  if ('extension_properties' in object) object.extension_types = ['toplevel-property-extension']
  return object
}

/** Only what must be there. */
export function minimal(of: Structure, type: string = of.name): Sample {
  const object: Sample = {}
  for (const [name, property] of Object.entries(of.properties)) {
    if (property.required) object[name] = sampleOf(property.kind, name, type)
  }
  return settle(object, of, type)
}

/** All that may be there together. */
export function complete(of: Structure, type: string = of.name): Sample {
  const object: Sample = {}
  for (const [name, property] of Object.entries(of.properties)) {
    const value = sampleOf(property.kind, name, type)
    if (value !== undefined) object[name] = value
  }
  return settle(object, of, type)
}

/** Values that a property of this kind must not have. Each differs from a good one in one respect. */
export function brokenOf(kind: Kind): unknown[] {
  const notText = [7, true, null, ['text'], { text: 1 }]
  switch (kind.kind) {
    case 'own-type':
      return [7, null, '', 'ab', 'Malware', 'mal_ware', 'a--b', '1st-type', 'a'.repeat(251)]
    case 'own-id':
      return [7, null, '', UUID4, `other-type--${UUID4}`, 'malware--8e2e2d2b', `--${UUID4}`, `malware-${UUID4}`]
    case 'own-spec-version':
      return ['2.0', '2.2', 2.1, null]
    case 'string':
      // What only should have a form is no error.
      return kind.format === undefined || kind.should ? notText : [...notText, FORMATTED[kind.format][1]]
    case 'open-vocab':
      return notText
    case 'relationship-type':
      return [...notText, 'Uses', 'is used', '', 'a_b']
    case 'boolean':
      return ['true', 1, null, []]
    case 'integer':
      return [
        '7',
        1.5,
        null,
        2 ** 53,
        ...(kind.min === undefined ? [] : [kind.min - 1]),
        ...(kind.max === undefined ? [] : [kind.max + 1]),
      ]
    case 'integer-or-string':
      return [1.5, true, null, ['x']]
    case 'float':
      return [
        '1.5',
        null,
        ...(kind.min === undefined ? [] : [kind.min - 0.5]),
        ...(kind.max === undefined ? [] : [kind.max + 0.5]),
      ]
    case 'timestamp': {
      const bad = [
        '2023-02-29T00:00:00.000Z',
        '2024-01-01T00:00:00.000+00:00',
        '2024-01-01 00:00:00.000Z',
        '2024-01-01T00:00:00.Z',
      ]
      return [
        ...notText,
        ...bad,
        ...(kind.precision === 'milliseconds' ? ['2024-01-01T00:00:00Z', '2024-01-01T00:00:00.12Z'] : []),
      ]
    }
    case 'hex':
      return [...notText, 'abc', 'AB', 'zz', '']
    case 'binary':
      return [...notText, 'AAE', 'AAEC=', 'AA-_', '']
    case 'language':
      return [...notText, '', 'englishlanguage', 'e', 'de_CH', '12', 'de--ch']
    case 'selector':
      return [...notText, '', 'no_such_property', 'type.[0]', 'type.name', '[0]', 'type.', 'labels.[01]']
    case 'enum':
      return [...notText, 'no-such-term', kind.vocabulary.terms[0]?.toUpperCase().concat('X')]
    case 'identifier':
      return [
        ...notText,
        '',
        UUID4,
        'identity',
        `bundle--${UUID4}`,
        `malware--${UUID4.toUpperCase().replaceAll('-', '')}`,
      ]
    case 'list':
      return ['text', null, {}, [], ...brokenOf(kind.of).map(item => [item])]
    case 'dictionary': {
      const values = kind.values === undefined ? [null, [], {}] : brokenOf(kind.values)
      const key = kind.keys === 'language' ? 'fr' : 'key'
      return ['text', [], {}, { 'a key': 'x' }, { ['k'.repeat(251)]: 'x' }, ...values.map(value => ({ [key]: value }))]
    }
    case 'hashes':
      return [
        'text',
        [],
        {},
        { 'SHA-256': 'abc' },
        { MD5: 'g'.repeat(32) },
        { ab: 'x' },
        { 'SHA-1': 7 },
        { 'my hash': 'x' },
      ]
    case 'structure':
      return ['text', [], {}, null]
    case 'extensions':
      return ['text', [], {}, { 'x-a-ext': 'text' }, { [`extension-definition--${UUID4}`]: { rank: 5 } }]
    case 'observable-container':
      return [
        'text',
        [],
        {},
        { '0': 'text' },
        { '0': { type: 'malware' } },
        { '0': { type: 'url' } },
        { '0': { type: 'file', name: 'x', content_ref: '9' } },
      ]
    case 'stix-object':
      return ['text', null, {}, { type: 'bundle', id: idOf('bundle') }]
    case 'marking':
      return ['text', [], {}, { statement: 7 }]
    case 'reserved':
      return ['text', {}]
  }
}
