/** From the table to checks: each kind of value becomes one closure, once, when the package is loaded. */
import { hashFault, isBase64, isHex } from './encoding.ts'
import { isIdentifierOf, NOT_AN_IDENTIFIER, scanIdentifier } from './identifier.ts'
import { isDictionaryKey, isLanguageTag, isPropertyName, isRelationshipType } from './names.ts'
import { selectorFault } from './selectors.ts'
import { compareTimestamps, scanTimestamp } from './timestamp.ts'
import type { Constraint, Kind, ObjectType, Structure, Target, Vocabulary } from './types/kinds.ts'
import { isObject, type Json, show, type Walk } from './walk.ts'

/** Look at a value where the walk stands, and report what is wrong. */
export type Check = (value: unknown, walk: Walk) => void

/** Checks that need to know more than their own value: `validate.ts` brings them. */
export interface Hooks {
  readonly objectTypes: ReadonlyMap<string, ObjectType>
  readonly extensions: Check
  readonly observableContainer: Check
  readonly stixObject: Check
  readonly marking: Check
}

const nothing: Check = () => undefined

function textCheck(what: string, section: string, then?: (value: string, walk: Walk) => void): Check {
  return (value, walk) => {
    if (typeof value !== 'string') walk.report('kind', section, `expected ${what}, got ${show(value)}`)
    else then?.(value, walk)
  }
}

const timestampCheck = (precision: 'milliseconds' | 'seconds' | undefined): Check =>
  textCheck('a timestamp', '2.16', (value, walk) => {
    const digits = scanTimestamp(value)
    if (digits < 0) {
      walk.report('timestamp', '2.16.1', `${show(value)} is no date and time YYYY-MM-DDTHH:MM:SS[.s+]Z of the calendar`)
    } else if (precision === 'milliseconds' && digits < 3) {
      walk.report(
        'timestamp_precision',
        '3.2',
        `${show(value)} has ${digits} digits after the point, at least 3 are due`,
      )
    }
  })

function numberCheck(whole: boolean, min: number | undefined, max: number | undefined): Check {
  const what = whole ? 'an integer within ±(2^53-1)' : 'a number'
  const section = whole ? '2.10' : '2.6'
  return (value, walk) => {
    if (typeof value !== 'number' || !(whole ? Number.isSafeInteger(value) : Number.isFinite(value))) {
      walk.report('kind', section, `expected ${what}, got ${show(value)}`)
    } else if ((min !== undefined && value < min) || (max !== undefined && value > max)) {
      walk.report('range', section, `expected ${min ?? '-∞'} to ${max ?? '∞'}, got ${value}`)
    }
  }
}

const enumCheck = (vocabulary: Vocabulary): Check => {
  const terms: ReadonlySet<string> = new Set(vocabulary.terms)
  return textCheck(`a term of ${vocabulary.name}`, '2.4', (value, walk) => {
    if (terms.has(value)) return
    walk.report(
      'enum',
      vocabulary.section,
      `${show(value)} is not in ${vocabulary.name}: ${vocabulary.terms.join(', ')}`,
    )
  })
}

const CLASSES: ReadonlySet<string> = new Set(['sdo', 'sro', 'sco', 'meta'])

function identifierCheck(targets: readonly Target[], objectTypes: ReadonlyMap<string, ObjectType>): Check {
  const classes: ReadonlySet<string> = new Set(targets.filter(target => CLASSES.has(target)))
  const types = targets.filter(target => !CLASSES.has(target))
  const allowed = (value: string): boolean => {
    for (const type of types) if (isIdentifierOf(value, type)) return true
    if (classes.size === 0) return false
    const known = objectTypes.get(value.slice(0, value.length - 38))
    // A type that the table does not know may be of any class but meta.
    return known === undefined ? classes.size > 1 || !classes.has('meta') : classes.has(known.class)
  }
  return textCheck('an identifier', '2.9', (value, walk) => {
    if (walk.container !== undefined) {
      if (Object.hasOwn(walk.container, value)) return
      walk.report('container_ref', '2.13', `${show(value)} is no key of the container that this object is in`)
    } else if (scanIdentifier(value) === NOT_AN_IDENTIFIER) {
      walk.report('identifier', '2.9', `${show(value)} is not of the form type--UUID (RFC 4122)`)
    } else if (!allowed(value)) {
      walk.report('ref_target', '3.3', `${show(value)} must refer to ${targets.join(', ')}`)
    }
  })
}

function listCheck(item: Check): Check {
  return (value, walk) => {
    if (!Array.isArray(value)) return walk.report('kind', '2.12', `expected a list, got ${show(value)}`)
    if (value.length === 0) return walk.report('empty_list', '2.12', 'an empty list: leave the property out')
    if (walk.tooDeep()) return
    for (let at = 0; at < value.length && !walk.full; at++) {
      walk.enter(at)
      item(value[at], walk)
      walk.leave()
    }
  }
}

function dictionaryCheck(keys: 'language' | undefined, values: Check): Check {
  return (value, walk) => {
    if (!isObject(value)) return walk.report('kind', '2.3', `expected a dictionary, got ${show(value)}`)
    if (walk.tooDeep()) return
    let empty = true
    for (const key in value) {
      if (walk.full) return
      empty = false
      walk.enter(key)
      if (keys === 'language') {
        if (!isLanguageTag(key)) walk.report('language', '7.1.1', `the key ${show(key)} is no language code (RFC 5646)`)
      } else if (!isDictionaryKey(key)) {
        walk.report('dictionary_key', '2.3', `the key ${show(key)} is not 1 to 250 of A-Z, a-z, 0-9, - and _`)
      }
      values(value[key], walk)
      walk.leave()
    }
    if (empty) walk.report('empty_dictionary', '2.3', 'an empty dictionary: leave the property out')
  }
}

/** Any STIX value inside a dictionary: no null, no empty list or dictionary, keys as in section 2.3. */
const dictionaryValue: Check = (value, walk) => {
  if (Array.isArray(value)) anyList(value, walk)
  else if (isObject(value)) anyDictionary(value, walk)
  else if (value === null || value === undefined) walk.report('kind', '2.3', 'null is no STIX value')
}
const anyList = listCheck(dictionaryValue)
const anyDictionary = dictionaryCheck(undefined, dictionaryValue)

/** Content that the table does not know: walked for its depth, and for what no STIX value may be. */
export const customValue: Check = (value, walk) => {
  if (Array.isArray(value)) {
    if (value.length === 0) walk.report('custom_value', '2.12', 'an empty list: leave the property out')
    if (walk.tooDeep()) return
    for (let at = 0; at < value.length && !walk.full; at++) {
      const item: unknown = value[at]
      if (typeof item === 'string' || typeof item === 'number') continue
      walk.enter(at)
      customValue(item, walk)
      walk.leave()
    }
  } else if (isObject(value)) {
    if (walk.tooDeep()) return
    let empty = true
    for (const key in value) {
      if (walk.full) return
      empty = false
      walk.enter(key)
      customValue(value[key], walk)
      walk.leave()
    }
    if (empty) walk.report('custom_value', '2.3', 'an empty dictionary: leave the property out')
  } else if (value === null || value === undefined) {
    walk.report('custom_value', '2', 'null is no STIX value: leave the property out')
  }
}

const hashesCheck: Check = (value, walk) => {
  if (!isObject(value)) return walk.report('kind', '2.7', `expected hashes, got ${show(value)}`)
  let empty = true
  for (const algorithm in value) {
    if (walk.full) return
    empty = false
    const hash = value[algorithm]
    walk.enter(algorithm)
    if (!isDictionaryKey(algorithm, 3)) {
      walk.report('hash_key', '2.7', `the key ${show(algorithm)} is not 3 to 250 of A-Z, a-z, 0-9, - and _`)
    }
    if (typeof hash !== 'string') walk.report('kind', '2.7', `expected a string, got ${show(hash)}`)
    else {
      const fault = hashFault(algorithm, hash)
      if (fault !== undefined) walk.report('hash_value', '2.7', `${show(hash)}: ${fault}`)
    }
    walk.leave()
  }
  if (empty) walk.report('empty_dictionary', '2.3', 'empty hashes: leave the property out')
}

const booleanCheck: Check = (value, walk) => {
  if (typeof value !== 'boolean') walk.report('kind', '2.2', `expected true or false, got ${show(value)}`)
}

const integerOrStringCheck: Check = (value, walk) => {
  if (typeof value === 'string' || Number.isSafeInteger(value)) return
  walk.report('kind', '2.3', `expected an integer or a string, got ${show(value)}`)
}

const languageCheck = textCheck('a language code', '2.15', (value, walk) => {
  if (!isLanguageTag(value)) walk.report('language', '3.2', `${show(value)} is no language code (RFC 5646)`)
})

const hexCheck = textCheck('hex', '2.8', (value, walk) => {
  if (!isHex(value)) walk.report('hex', '2.8', `${show(value)} is not an even number of 0-9 and a-f`)
})

const binaryCheck = textCheck('binary', '2.1', (value, walk) => {
  if (!isBase64(value)) walk.report('binary', '2.1', `${show(value)} is not base64 with padding (RFC 4648)`)
})

const selectorCheck = textCheck('a selector', '7.2.3.1', (value, walk) => {
  const fault = selectorFault(value, walk.object)
  if (fault !== undefined) walk.report('selector', '7.2.3.1', `${show(value)} selects nothing: ${fault}`)
})

const relationshipTypeCheck = textCheck('a relationship type', '5.1.2', (value, walk) => {
  if (isRelationshipType(value)) return
  walk.report('relationship_type', '5.1.2', `${show(value)} is not 3 to 250 of a-z, 0-9 and -`)
})

const ownIdCheck = textCheck('an identifier', '2.9', (value, walk) => {
  if (walk.container !== undefined) return
  const version = scanIdentifier(value)
  if (version === NOT_AN_IDENTIFIER) {
    walk.report('id', '2.9', `${show(value)} is not of the form type--UUID (RFC 4122)`)
  } else if (!isIdentifierOf(value, walk.type)) {
    walk.report('id_type', '2.9', `${show(value)} must begin with the object's type: ${show(walk.type)}`)
  }
})

const specVersionCheck: Check = (value, walk) => {
  if (value !== '2.1') walk.report('spec_version', '3.2', `expected "2.1", got ${show(value)}`)
}

/** A function that gives the check for a kind of value. */
export function compiler(hooks: Hooks): { kind(kind: Kind): Check; structure(structure: Structure): Check } {
  const structures = new Map<Structure, Check>()
  const compileKind = (kind: Kind): Check => {
    switch (kind.kind) {
      case 'string':
        return textCheck('a string', '2.15')
      case 'open-vocab':
        return textCheck('a string', '2.14')
      case 'boolean':
        return booleanCheck
      case 'integer':
        return numberCheck(true, kind.min, kind.max)
      case 'float':
        return numberCheck(false, kind.min, kind.max)
      case 'timestamp':
        return timestampCheck(kind.precision)
      case 'hex':
        return hexCheck
      case 'binary':
        return binaryCheck
      case 'language':
        return languageCheck
      case 'selector':
        return selectorCheck
      case 'relationship-type':
        return relationshipTypeCheck
      case 'enum':
        return enumCheck(kind.vocabulary)
      case 'identifier':
        return identifierCheck(kind.targets, hooks.objectTypes)
      case 'list':
        return listCheck(compileKind(kind.of))
      case 'dictionary':
        return dictionaryCheck(kind.keys, kind.values === undefined ? dictionaryValue : compileKind(kind.values))
      case 'integer-or-string':
        return integerOrStringCheck
      case 'hashes':
        return hashesCheck
      case 'structure':
        return compileStructure(kind.structure)
      case 'extensions':
        return hooks.extensions
      case 'observable-container':
        return hooks.observableContainer
      case 'stix-object':
        return hooks.stixObject
      case 'marking':
        return hooks.marking
      case 'reserved':
        return (_, walk) => walk.report('reserved_name', '3.8', 'reserved for a future version: leave it out')
      case 'own-type':
        return nothing
      case 'own-id':
        return ownIdCheck
      case 'own-spec-version':
        return specVersionCheck
    }
  }
  const compileStructure = (structure: Structure): Check => {
    const done = structures.get(structure)
    if (done !== undefined) return done
    const members = compileMembers(structure, compileKind, unknownMember)
    const check: Check = (value, walk) => {
      if (!isObject(value))
        return walk.report('kind', structure.section, `expected ${structure.name}, got ${show(value)}`)
      if (walk.tooDeep()) return
      if (members(value, walk) === 0) walk.report('empty_dictionary', '2.3', `an empty ${structure.name}: leave it out`)
    }
    structures.set(structure, check)
    return check
  }
  return { kind: compileKind, structure: compileStructure }
}

/** A property that a type inside an object does not have. */
const unknownMember = (name: string, value: unknown, walk: Walk): void => {
  if (!isPropertyName(name)) walk.report('property_name', '3.1', propertyNameMessage(name))
  else if (walk.bounds.warnings) walk.report('custom_property', '11.1', 'a custom property: not checked')
  customValue(value, walk)
}

export const propertyNameMessage = (name: string): string =>
  `${show(name)} is no property name: 3 to 250 of a-z, 0-9 and _, a letter first`

/**
 * Check the properties of an object: each one that is there by its kind, `unknown` for those that the table does not
 * have, then the required ones and the constraints. Gives the number of properties.
 */
export function compileMembers(
  structure: Structure,
  compileKind: (kind: Kind) => Check,
  unknown: (name: string, value: unknown, walk: Walk) => void,
): (object: Json, walk: Walk) => number {
  const checks = new Map<string, Check>()
  const required: { readonly name: string; readonly section: string }[] = []
  for (const [name, property] of Object.entries(structure.properties)) {
    checks.set(name, compileKind(property.kind))
    const own = property.kind.kind
    if (property.required && own !== 'own-type') required.push({ name, section: property.section })
  }
  const constraints = structure.constraints.map(compileConstraint)
  return (object, walk) => {
    let count = 0
    for (const name in object) {
      if (walk.full) return count + 1
      count++
      const check = checks.get(name)
      walk.enter(name)
      if (check === undefined) unknown(name, object[name], walk)
      else check(object[name], walk)
      walk.leave()
    }
    for (let at = 0; at < required.length; at++) {
      const { name, section } = required[at] as (typeof required)[number]
      if (object[name] !== undefined || (walk.container !== undefined && (name === 'id' || name === 'spec_version')))
        continue
      if (name === 'spec_version') {
        walk.reportAt(
          name,
          'spec_version',
          section,
          `a ${structure.name} needs spec_version "2.1"; without one it is STIX 2.0`,
        )
      } else walk.reportAt(name, 'required', section, `a ${structure.name} needs ${name}`)
    }
    for (let at = 0; at < constraints.length; at++) (constraints[at] as (typeof constraints)[number])(object, walk)
    return count
  }
}

const has = (object: Json, name: string): boolean => object[name] !== undefined

function compileConstraint(constraint: Constraint): (object: Json, walk: Walk) => void {
  const { section } = constraint
  switch (constraint.rule) {
    case 'at_least_one': {
      const { of } = constraint
      return (object, walk) => {
        for (const name of of) if (has(object, name)) return
        walk.report('at_least_one', section, `at least one of these must be there: ${of.join(', ')}`)
      }
    }
    case 'exactly_one': {
      const { of } = constraint
      return (object, walk) => {
        let found = 0
        for (const name of of) if (has(object, name)) found++
        if (found !== 1)
          walk.report('exactly_one', section, `one of these must be there, ${found} are: ${of.join(', ')}`)
      }
    }
    case 'needs':
    case 'needs_without': {
      const { name, other } = constraint
      const present = constraint.rule === 'needs'
      return (object, walk) => {
        if (has(object, name) !== present || has(object, other)) return
        walk.reportAt(other, 'needs', section, `must be there ${present ? 'with' : 'without'} ${name}`)
      }
    }
    case 'required_when':
    case 'forbidden_when': {
      const { flag, value, name } = constraint
      const wanted = constraint.rule === 'required_when'
      return (object, walk) => {
        if (object[flag] !== value || has(object, name) === wanted) return
        walk.reportAt(
          name,
          wanted ? 'needs' : 'forbidden',
          section,
          `must ${wanted ? '' : 'not '}be there: ${flag} is ${value}`,
        )
      }
    }
    case 'timestamp_order': {
      const { first, second, strict } = constraint
      return (object, walk) => {
        const early = object[first]
        const late = object[second]
        if (typeof early !== 'string' || typeof late !== 'string') return
        if (early === late ? !strict : scanTimestamp(early) < 0 || scanTimestamp(late) < 0) return
        const order = compareTimestamps(early, late)
        if (order < 0 || (order === 0 && !strict)) return
        const message = `${show(late)} must be ${strict ? 'later than' : 'no earlier than'} ${first} ${show(early)}`
        walk.reportAt(second, 'timestamp_order', section, message)
      }
    }
  }
}
