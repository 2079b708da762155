/** Checks of single values: one for each kind of section 2 that holds no others. */
import { hashFault, isBase64, isHex } from './encoding.ts'
import { isIdentifierOf, NOT_AN_IDENTIFIER, scanIdentifier } from './identifier.ts'
import { isDictionaryKey, isLanguageTag, isRelationshipType } from './names.ts'
import { selectorFault } from './selectors.ts'
import { scanTimestamp } from './timestamp.ts'
import type { ObjectType, Target, Vocabulary } from './types/kinds.ts'
import { hashAlgorithm } from './types/vocabularies.ts'
import { type Check, isObject, type Json, show, type Walk } from './walk.ts'

export const nothing: Check = () => undefined

export function textCheck(what: string, section: string, then?: (value: string, walk: Walk) => void): Check {
  return (value, walk) => {
    if (typeof value !== 'string') walk.report('kind', section, `expected ${what}, got ${show(value)}`)
    else then?.(value, walk)
  }
}

export const timestampCheck = (precision: 'milliseconds' | 'seconds' | undefined): Check =>
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

export function numberCheck(whole: boolean, min: number | undefined, max: number | undefined): Check {
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

export const enumCheck = (vocabulary: Vocabulary): Check => {
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

export function identifierCheck(targets: readonly Target[], objectTypes: ReadonlyMap<string, ObjectType>): Check {
  const classes: ReadonlySet<string> = new Set(targets.filter(target => CLASSES.has(target)))
  const types = targets.filter(target => !CLASSES.has(target))
  const ofClass = (type: string): boolean => {
    if (classes.size === 0) return false
    const known = objectTypes.get(type)
    // A type that the table does not know may be of any class but meta.
    return known === undefined ? classes.size > 1 || !classes.has('meta') : classes.has(known.class)
  }
  const allowed = (value: string): boolean => {
    for (const type of types) if (isIdentifierOf(value, type)) return true
    return ofClass(value.slice(0, value.length - 38))
  }
  const containerRef = (key: string, container: Json, walk: Walk): void => {
    if (!Object.hasOwn(container, key)) {
      return walk.report('container_ref', '2.13', `${show(key)} is no key of the container that this object is in`)
    }
    const member = container[key]
    const type = isObject(member) ? member.type : undefined
    if (typeof type !== 'string' || types.includes(type) || ofClass(type)) return
    walk.report('ref_target', '2.13', `${show(key)} is a ${show(type)}, it must be one of ${targets.join(', ')}`)
  }
  return textCheck('an identifier', '2.9', (value, walk) => {
    if (walk.container !== undefined) containerRef(value, walk.container, walk)
    else if (scanIdentifier(value) === NOT_AN_IDENTIFIER) {
      walk.report('identifier', '2.9', `${show(value)} is not of the form type--UUID (RFC 4122)`)
    } else if (!allowed(value)) {
      walk.report('ref_target', '3.3', `${show(value)} must refer to ${targets.join(', ')}`)
    } else if (walk.bounds.isKnown !== undefined && !walk.bounds.isKnown(value)) {
      walk.report('unresolved_reference', '3.3', `${show(value)} is not known here`)
    }
  })
}

const HASH_ALGORITHMS: ReadonlySet<string> = new Set(hashAlgorithm.terms)

export const hashesCheck: Check = (value, walk) => {
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
      else if (!HASH_ALGORITHMS.has(algorithm) && walk.tells('hash_algorithm')) {
        walk.report('hash_algorithm', '2.7', `${show(algorithm)} is not in hash-algorithm-ov`)
      }
    }
    walk.leave()
  }
  if (empty) walk.report('empty_dictionary', '2.3', 'empty hashes: leave the property out')
}

export const booleanCheck: Check = (value, walk) => {
  if (typeof value !== 'boolean') walk.report('kind', '2.2', `expected true or false, got ${show(value)}`)
}

export const integerOrStringCheck: Check = (value, walk) => {
  if (typeof value === 'string' || Number.isSafeInteger(value)) return
  walk.report('kind', '2.3', `expected an integer or a string, got ${show(value)}`)
}

export const languageCheck = (section: string): Check =>
  textCheck('a language code', '2.15', (value, walk) => {
    if (!isLanguageTag(value)) walk.report('language', section, `${show(value)} is no language code (RFC 5646)`)
  })

export const hexCheck = textCheck('hex', '2.8', (value, walk) => {
  if (!isHex(value)) walk.report('hex', '2.8', `${show(value)} is not an even number of 0-9 and a-f`)
})

export const binaryCheck = textCheck('binary', '2.1', (value, walk) => {
  if (!isBase64(value)) walk.report('binary', '2.1', `${show(value)} is not base64 with padding (RFC 4648)`)
})

export const selectorCheck = textCheck('a selector', '7.2.3.1', (value, walk) => {
  const fault = selectorFault(value, walk.object)
  if (fault !== undefined) walk.report('selector', '7.2.3.1', `${show(value)} selects nothing: ${fault}`)
})

export const relationshipTypeCheck = textCheck('a relationship type', '5.1.2', (value, walk) => {
  if (isRelationshipType(value)) return
  walk.report('relationship_type', '5.1.2', `${show(value)} is not 3 to 250 of a-z, 0-9 and -`)
})

export const ownIdCheck = textCheck('an identifier', '2.9', (value, walk) => {
  if (walk.container !== undefined) return
  const version = scanIdentifier(value)
  if (version === NOT_AN_IDENTIFIER) {
    walk.report('id', '2.9', `${show(value)} is not of the form type--UUID (RFC 4122)`)
  } else if (!isIdentifierOf(value, walk.type)) {
    walk.report('id_type', '2.9', `${show(value)} must begin with the object's type: ${show(walk.type)}`)
  }
})

export const specVersionCheck: Check = (value, walk) => {
  if (value !== '2.1') walk.report('spec_version', '3.2', `expected "2.1", got ${show(value)}`)
}
