/** The walker: one STIX object in, what is wrong with it out. */
import { type Check, compileMembers, compiler, customValue, type Hooks, propertyNameMessage } from './compile.ts'
import { isIdentifierOf, scanIdentifier, NOT_AN_IDENTIFIER } from './identifier.ts'
import { markingCheck, markingDefinitionCheck } from './marking-content.ts'
import { isCustomExtensionName, isPropertyName, isTypeName } from './names.ts'
import { extensions as knownExtensions, objectTypes } from './table.ts'
import { commonProperties, commonPropertyNames, objectType, reservedNames } from './types/common.ts'
import type { ObjectType } from './types/kinds.ts'
import { extensionType } from './types/vocabularies.ts'
import { type Finding, isObject, type Json, show, Walk } from './walk.ts'

export interface ValidateOptions {
  /** Take a bundle with its objects too; by default it is refused (rule `bundle`), since a collection holds STIX Objects. */
  readonly bundle?: boolean
  /** Report warnings (default). Without, custom content costs nothing and `findings` holds errors only. */
  readonly warnings?: boolean
  /** Levels of nesting at most; default `DEFAULT_MAX_DEPTH`. */
  readonly maxDepth?: number
  /** The walk stops after so many errors, and tells so many warnings at most; default `DEFAULT_MAX_FINDINGS`. */
  readonly maxFindings?: number
}

/** What a validation found. */
export interface ValidationResult {
  /** No finding is an error. */
  readonly valid: boolean
  readonly findings: readonly Finding[]
  /** There may be more: the walk stopped at `maxFindings` errors, or left out warnings beyond as many. */
  readonly truncated: boolean
}

/** Deeper than any STIX content in use; a language-content of a deep object has about 12. */
export const DEFAULT_MAX_DEPTH = 32
/** `maxDepth` is never more: the walk is recursive. */
export const MAX_DEPTH = 500
/** Enough to see what is wrong; bounds the memory of an answer. */
export const DEFAULT_MAX_FINDINGS = 100

const NOTHING_FOUND: ValidationResult = Object.freeze({ valid: true, findings: Object.freeze([]), truncated: false })

/**
 * Check one STIX 2.1 object: names, kinds, ranges, references, required properties and the rules between properties
 * (sections 2 to 8). Custom and unknown content is a warning. `object` is a JSON value, as `JSON.parse` gives it, from
 * anywhere: whatever it is, this returns, in time linear in its size.
 *
 * @example
 * const { valid, findings } = validateObject({ type: 'url', id: 'url--5', value: 'https://example.org/' })
 * // valid: false; findings[0].path: '$.id', .rule: 'id', .section: '2.9'
 */
export function validateObject(object: unknown, options?: ValidateOptions): ValidationResult {
  const bounds = {
    maxDepth: Math.min(options?.maxDepth ?? DEFAULT_MAX_DEPTH, MAX_DEPTH),
    maxFindings: Math.max(1, options?.maxFindings ?? DEFAULT_MAX_FINDINGS),
    warnings: options?.warnings ?? true,
  }
  const walk = new Walk(isObject(object) ? object : {}, bounds)
  if (!isObject(object)) walk.report('not_an_object', '3', `a STIX object is a JSON object, got ${show(object)}`)
  else if (object.type === 'bundle' && options?.bundle !== true) {
    walk.report('bundle', '8', 'a bundle is no STIX Object: send the objects in it')
  } else checkObject(object, walk)
  if (walk.findings === undefined) return NOTHING_FOUND
  return { valid: walk.errors === 0, findings: walk.findings, truncated: walk.truncated }
}

/** Check the object that the walk stands at, whatever its type. */
function checkObject(object: Json, walk: Walk): void {
  const { type } = object
  if (typeof type !== 'string' || !isTypeName(type)) {
    const message = `${show(type)} is no type name: 3 to 250 of a-z, 0-9 and -, a letter first, no two - in a row`
    walk.reportAt('type', 'type', '3.1', message)
    return
  }
  const outer = walk.object
  const outerType = walk.type
  const outerExtends = walk.extendsTopLevel
  walk.object = object
  walk.type = type
  walk.extendsTopLevel = undefined
  const check = checks.get(type)
  if (check === undefined) checkCustomObject(object, walk)
  else check(object, walk)
  walk.object = outer
  walk.type = outerType
  walk.extendsTopLevel = outerExtends
}

/**
 * A type that the table does not know. Its extension says what it is (`new-sdo`, `new-sro`, `new-sco`, section 7.3);
 * without one (section 11.2), it is a versioned object if it has `created` or `modified`, else a cyber-observable.
 */
function checkCustomObject(object: Json, walk: Walk): void {
  const declared = declaredType(object)
  if (declared === undefined && walk.bounds.warnings) {
    walk.reportAt(
      'type',
      'custom_type',
      '11.2',
      `${show(walk.type)} is no type of STIX 2.1: its own properties are not checked`,
    )
  }
  const observable =
    declared === 'new-sco' || (declared === undefined && !('created' in object) && !('modified' in object))
  ;(observable ? customObservable : customVersioned)(object, walk)
}

/** The `new-…` extension type that an object declares, if any. */
function declaredType(object: Json): string | undefined {
  if (!isObject(object.extensions)) return undefined
  for (const key in object.extensions) {
    const extension = object.extensions[key]
    if (!isObject(extension)) continue
    const type = extension.extension_type
    if (type === 'new-sdo' || type === 'new-sro' || type === 'new-sco') return type
  }
  return undefined
}

/** Whether an extension of the object accounts for top-level properties that the table does not know (section 7.3). */
function extendsTopLevel(object: Json): boolean {
  if (!isObject(object.extensions)) return false
  for (const key in object.extensions) {
    const extension = object.extensions[key]
    if (isObject(extension) && extension.extension_type === 'toplevel-property-extension') return true
  }
  return declaredType(object) !== undefined
}

/** A top-level property that the type does not have. */
function unknownProperty(name: string, value: unknown, walk: Walk): void {
  if (name === 'defanged') walk.report('defanged', '3.2', 'only cyber-observables may have it')
  else if (commonPropertyNames.has(name)) {
    if (walk.bounds.warnings) walk.report('not_applicable', '3.2', `a ${walk.type} does not use this common property`)
  } else if (reservedNames.has(name)) walk.report('reserved_name', '3.8', 'reserved for a future version: rename it')
  else if (!isPropertyName(name)) walk.report('property_name', '3.1', propertyNameMessage(name))
  else if (walk.bounds.warnings) {
    walk.extendsTopLevel ??= extendsTopLevel(walk.object)
    if (!walk.extendsTopLevel) walk.report('custom_property', '11.1', 'a custom property: not checked')
  }
  customValue(value, walk)
}

const extensionTypes: ReadonlySet<unknown> = new Set(extensionType.terms)

/** The `extensions` property (sections 3.2, 3.10, 7.3, 11.3). */
const extensionsCheck: Check = (value, walk) => {
  if (!isObject(value)) return walk.report('kind', '3.2', `expected a dictionary, got ${show(value)}`)
  if (walk.tooDeep()) return
  let empty = true
  for (const key in value) {
    if (walk.full) return
    empty = false
    walk.enter(key)
    const known = knownExtensions.get(key)
    if (known === undefined) unknownExtension(key, value[key], walk)
    else if (known.on !== undefined && !known.on.includes(walk.type)) {
      walk.report('extension_target', known.section, `${key} is for ${known.on.join(', ')}, this is a ${walk.type}`)
    } else extensionChecks.get(key)?.(value[key], walk)
    walk.leave()
  }
  if (empty) walk.report('empty_dictionary', '2.3', 'an empty dictionary: leave the property out')
}

function unknownExtension(key: string, value: unknown, walk: Walk): void {
  if (!isObject(value)) return walk.report('kind', '3.2', `expected the content of the extension, got ${show(value)}`)
  if (scanIdentifier(key) !== NOT_AN_IDENTIFIER && isIdentifierOf(key, 'extension-definition')) {
    if (!extensionTypes.has(value.extension_type)) {
      const message = `expected one of ${extensionType.terms.join(', ')}, got ${show(value.extension_type)}`
      walk.reportAt('extension_type', 'extension_type', '7.3', message)
    }
    if (walk.bounds.warnings) walk.report('unknown_extension', '7.3', 'an extension that we do not know: not checked')
  } else if (value.extension_type !== undefined) {
    walk.report('extension_type', '7.3', `the key must be the id of an extension-definition, got ${show(key)}`)
  } else if (walk.bounds.warnings) {
    const name = isCustomExtensionName(key) ? '' : '; its name should be a-z, 0-9 and -, and end in -ext'
    walk.report('custom_extension', '11.3', `a custom extension: not checked${name}`)
  }
  customValue(value, walk)
}

/** An observable container (section 2.13): objects by key, in the STIX 2.0 way, whose references are keys. */
const observableContainerCheck: Check = (value, walk) => {
  if (!isObject(value)) return walk.report('kind', '2.13', `expected objects by key, got ${show(value)}`)
  if (walk.tooDeep()) return
  if (walk.bounds.warnings) walk.report('deprecated', '2.13', 'an observable container: use object_refs')
  const outer = walk.container
  walk.container = value
  let empty = true
  for (const key in value) {
    if (walk.full) break
    empty = false
    const object = value[key]
    walk.enter(key)
    if (!isObject(object)) walk.report('kind', '2.13', `expected an object, got ${show(object)}`)
    else if (classOf(object.type) !== 'sco') {
      walk.report('type', '2.13', `a container holds cyber-observables, not ${show(object.type)}`)
    } else checkObject(object, walk)
    walk.leave()
  }
  walk.container = outer
  if (empty) walk.report('empty_dictionary', '2.13', 'an empty container')
}

const classOf = (type: unknown): ObjectType['class'] =>
  (typeof type === 'string' ? objectTypes.get(type)?.class : undefined) ?? 'sco'

/** A member of a bundle (section 8.1). */
const stixObjectCheck: Check = (value, walk) => {
  if (!isObject(value)) walk.report('kind', '8.1', `expected a STIX Object, got ${show(value)}`)
  else if (value.type === 'bundle') walk.report('bundle', '8.1', 'a bundle in a bundle')
  else if (!walk.tooDeep()) checkObject(value, walk)
}

const hooks: Hooks = {
  objectTypes,
  extensions: extensionsCheck,
  observableContainer: observableContainerCheck,
  stixObject: stixObjectCheck,
  marking: markingCheck,
}
const { kind: compileKind, structure: compileStructure } = compiler(hooks)

/** Checks that look at a whole object of a type, after its properties. The place for rules that the table cannot say. */
const objectRules: Readonly<Record<string, (object: Json, walk: Walk) => void>> = {
  'marking-definition': markingDefinitionCheck,
  'extension-definition': (object, walk) => {
    const types = object.extension_types
    if (object.extension_properties === undefined || !Array.isArray(types)) return
    if (types.includes('toplevel-property-extension')) return
    const message = 'only with toplevel-property-extension among extension_types'
    walk.reportAt('extension_properties', 'extension_properties', '7.3.1', message)
  },
}

function compileObject(type: ObjectType): (object: Json, walk: Walk) => void {
  const members = compileMembers(type, compileKind, unknownProperty)
  const rule = objectRules[type.name]
  const expected = type.class === 'sco' ? 5 : 4
  return (object, walk) => {
    members(object, walk)
    if (rule !== undefined) rule(object, walk)
    if (walk.bounds.warnings && walk.container === undefined) uuidVersion(object.id, expected, walk)
  }
}

/** "SHOULD use UUIDv4", and cyber-observables v5, or v4 where nothing contributes to the id (section 2.9). */
function uuidVersion(id: unknown, expected: 4 | 5, walk: Walk): void {
  if (typeof id !== 'string') return
  const version = scanIdentifier(id)
  if (version === expected || version === NOT_AN_IDENTIFIER || (expected === 5 && version === 4)) return
  walk.reportAt('id', 'uuid_version', '2.9', `UUID version ${version}, expected ${expected}`)
}

const checks: ReadonlyMap<string, (object: Json, walk: Walk) => void> = new Map(
  [...objectTypes.values()].map(type => [type.name, compileObject(type)]),
)
const extensionChecks: ReadonlyMap<string, Check> = new Map(
  [...knownExtensions.values()].map(extension => [extension.name, compileStructure(extension)]),
)
const customVersioned = compileObject(objectType('sdo', 'custom object', '11.2', commonProperties.sdo, {}))
const customObservable = compileObject(objectType('sco', 'custom object', '11.2', commonProperties.sco, {}))
