/**
 * Whether two objects say the same thing. "If a property has the same value as the default, it MAY be omitted from a
 * representation, and this does not represent a change to the object" (section 3.6); and a timestamp is an instant,
 * however many zeros end it (section 2.16).
 */
import { parseTimestamp } from './timestamp.ts'
import { extensions, objectTypes } from './table.ts'
import { commonProperties } from './types/common.ts'
import type { Kind, Property } from './types/kinds.ts'
import { isObject, type Json } from './walk.ts'

type Properties = Readonly<Record<string, Property>>

/** Objects nested deeper are held to be different. */
const MAX_DEPTH = 500

const customVersioned: Properties = commonProperties.sdo
const customObservable: Properties = commonProperties.sco

/**
 * Whether `a` and `b` differ in nothing but the precision of timestamps (`…:00Z`, `…:00.000Z`) and in defaults that one
 * of them spells out: `revoked` and `defanged` false, `lang` `en`, `spec_version` `2.1` of a cyber-observable, `summary`
 * false of a sighting, `pattern_version` `2.1` of a STIX pattern. Only properties that the table knows as timestamps are
 * compared as such; custom content must be equal. Order counts in lists, not in objects.
 *
 * @example
 * sameMeaning({ ...object, modified: '2024-01-01T00:00:00.000Z' }, { ...object, modified: '2024-01-01T00:00:00.000000Z', revoked: false }) // true
 */
export function sameMeaning(a: unknown, b: unknown): boolean {
  if (!isObject(a) || !isObject(b)) return sameValue(a, b, 0)
  return a.type === b.type && sameProperties(a, b, propertiesOf(a), 0)
}

function propertiesOf(object: Json): Properties {
  const known = typeof object.type === 'string' ? objectTypes.get(object.type)?.properties : undefined
  if (known !== undefined) return known
  return 'created' in object || 'modified' in object ? customVersioned : customObservable
}

const property = (properties: Properties | undefined, name: string): Property | undefined =>
  properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined

function sameProperties(a: Json, b: Json, properties: Properties | undefined, depth: number): boolean {
  for (const name in a) {
    const known = property(properties, name)
    if (Object.hasOwn(b, name)) {
      if (!sameOfKind(a[name], b[name], known?.kind, depth + 1)) return false
    } else if (!isDefault(a[name], known, a)) return false
  }
  for (const name in b) {
    if (!Object.hasOwn(a, name) && !isDefault(b[name], property(properties, name), b)) return false
  }
  return true
}

function isDefault(value: unknown, known: Property | undefined, object: Json): boolean {
  if (known?.default === undefined || value !== known.default) return false
  return known.defaultWhen === undefined || object[known.defaultWhen[0]] === known.defaultWhen[1]
}

function sameOfKind(a: unknown, b: unknown, kind: Kind | undefined, depth: number): boolean {
  if (a === b) return true
  if (depth > MAX_DEPTH || kind === undefined) return sameValue(a, b, depth)
  switch (kind.kind) {
    case 'timestamp':
      return typeof a === 'string' && typeof b === 'string' && sameInstant(a, b)
    case 'list':
      return sameList(a, b, kind.of, depth)
    case 'structure':
      if (!isObject(a) || !isObject(b)) return sameValue(a, b, depth)
      return sameProperties(a, b, kind.structure.properties, depth)
    case 'extensions':
      return sameMembers(a, b, depth, key => extensions.get(key)?.properties)
    case 'observable-container':
      return sameMembers(a, b, depth, (_, member) => propertiesOf(member))
    case 'stix-object':
      return sameMeaning(a, b)
    default:
      return sameValue(a, b, depth)
  }
}

function sameInstant(a: string, b: string): boolean {
  const left = parseTimestamp(a)
  return left !== undefined && left.normalized === parseTimestamp(b)?.normalized
}

function sameList(a: unknown, b: unknown, of: Kind | undefined, depth: number): boolean {
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
  return a.every((item, at) => sameOfKind(item, b[at], of, depth + 1))
}

/** Dictionaries whose members have properties of their own. */
function sameMembers(a: unknown, b: unknown, depth: number, of: (key: string, member: Json) => Properties | undefined) {
  if (!isObject(a) || !isObject(b)) return sameValue(a, b, depth)
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every(key => {
    const left = a[key]
    const right = b[key]
    if (!Object.hasOwn(b, key)) return false
    if (!isObject(left) || !isObject(right)) return sameValue(left, right, depth + 1)
    return sameProperties(left, right, of(key, left), depth + 1)
  })
}

/** Equality of JSON values. */
function sameValue(a: unknown, b: unknown, depth: number): boolean {
  if (a === b) return true
  if (depth > MAX_DEPTH) return false
  if (Array.isArray(a)) return sameList(a, b, undefined, depth)
  return isObject(a) && isObject(b) && sameProperties(a, b, undefined, depth)
}
