/** From the table to checks: each kind of value becomes one closure, once, when the package is loaded. */
import {
  binaryCheck,
  booleanCheck,
  enumCheck,
  hashesCheck,
  hexCheck,
  identifierCheck,
  integerOrStringCheck,
  languageCheck,
  nothing,
  numberCheck,
  ownIdCheck,
  relationshipTypeCheck,
  selectorCheck,
  specVersionCheck,
  textCheck,
  timestampCheck,
} from './checks.ts'
import { compileConstraint } from './constraints.ts'
import { customValue, dictionaryCheck, dictionaryValue, listCheck } from './containers.ts'
import { formatCheck } from './formats.ts'
import { isPropertyName } from './names.ts'
import type { Kind, ObjectType, Structure } from './types/kinds.ts'
import { type Check, isObject, type Json, show, type Walk } from './walk.ts'

/** Checks that need to know more than their own value: `validate.ts` brings them. */
export interface Hooks {
  readonly objectTypes: ReadonlyMap<string, ObjectType>
  readonly extensions: Check
  readonly observableContainer: Check
  readonly stixObject: Check
  readonly marking: Check
}

/** A function that gives the check for a kind of value. */
export function compiler(hooks: Hooks): { kind(kind: Kind): Check; structure(structure: Structure): Check } {
  const structures = new Map<Structure, Check>()
  const compileKind = (kind: Kind): Check => {
    switch (kind.kind) {
      case 'string':
        if (kind.format === undefined) return textCheck('a string', '2.15')
        return formatCheck(kind.format, kind.section ?? '2.15', kind.should === true)
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
        return languageCheck(kind.section ?? '3.2')
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
  else if (walk.tells('custom_property')) walk.report('custom_property', '11.1', 'a custom property: not checked')
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
