/** The walker: one STIX object in, what is wrong with it out. */
import { compileMembers, compiler, type Hooks, propertyNameMessage } from './compile.ts'
import { customValue } from './containers.ts'
import { declaredType, extendsTopLevel, extensionsCheck } from './extension-content.ts'
import { checkUuid } from './identifier-rules.ts'
import { markingCheck } from './marking-content.ts'
import { isPropertyName, isTypeName } from './names.ts'
import { objectRules } from './object-rules.ts'
import { DEFAULT_POLICY, type Policy, severities } from './policy.ts'
import type { Rule } from './rules.ts'
import { extensions as knownExtensions, objectTypes } from './table.ts'
import { commonProperties, commonPropertyNames, objectType, reservedNames } from './types/common.ts'
import type { ObjectType } from './types/kinds.ts'
import { type Check, type Finding, isObject, type Json, show, Walk } from './walk.ts'

export interface ValidateOptions {
  /** Which rules are errors and which warn (`policy.ts`); default `standard`. */
  readonly policy?: Policy
  /**
   * Whether an object of this id is known to the reader: where it is given, each reference is asked about, and one that
   * is not known is a finding (rule `unresolved_reference`; section 3.3 lets references lead nowhere).
   */
  readonly isKnown?: (id: string) => boolean
  /** The object that a language-content names: its translations are held against it (rule `translation`; section 7.1.1). */
  readonly target?: unknown
  /** Take a bundle with its objects too; by default it is refused (rule `bundle`), since a collection holds STIX Objects. */
  readonly bundle?: boolean
  /** Report warnings (default). Without, custom content costs nothing and `findings` holds errors only. */
  readonly warnings?: boolean
  /** Rules whose warnings are left out, before their texts are made. Where one is an error under the policy it is told. */
  readonly untold?: ReadonlySet<Rule>
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
    untold: options?.untold,
    severities: severities[options?.policy ?? DEFAULT_POLICY],
    isKnown: options?.isKnown,
    target: options?.target,
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
  const outerOwner = walk.owner
  const outerType = walk.type
  const outerExtends = walk.extendsTopLevel
  walk.object = object
  if (walk.container === undefined) walk.owner = object
  walk.type = type
  walk.extendsTopLevel = undefined
  const check = checks.get(type)
  if (check === undefined) checkCustomObject(object, walk)
  else check(object, walk)
  walk.object = outer
  walk.owner = outerOwner
  walk.type = outerType
  walk.extendsTopLevel = outerExtends
}

/**
 * A type that the table does not know. Its extension says what it is (`new-sdo`, `new-sro`, `new-sco`, section 7.3);
 * without one (section 11.2), it is a versioned object if it has `created` or `modified`, else a cyber-observable.
 */
function checkCustomObject(object: Json, walk: Walk): void {
  const declared = declaredType(object)
  if (declared === undefined && walk.tells('custom_type')) {
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

/** A top-level property that the type does not have. */
function unknownProperty(name: string, value: unknown, walk: Walk): void {
  if (name === 'defanged') walk.report('defanged', '3.2', 'only cyber-observables may have it')
  else if (commonPropertyNames.has(name)) {
    if (walk.tells('not_applicable'))
      walk.report('not_applicable', '3.2', `a ${walk.type} does not use this common property`)
  } else if (reservedNames.has(name)) walk.report('reserved_name', '3.8', 'reserved for a future version: rename it')
  else if (!isPropertyName(name)) walk.report('property_name', '3.1', propertyNameMessage(name))
  else if (walk.tells('custom_property')) {
    walk.extendsTopLevel ??= extendsTopLevel(walk.object)
    if (!walk.extendsTopLevel) walk.report('custom_property', '11.1', 'a custom property: not checked')
  }
  customValue(value, walk)
}

/** An observable container (section 2.13): objects by key, in the STIX 2.0 way, whose references are keys. */
const observableContainerCheck: Check = (value, walk) => {
  if (!isObject(value)) return walk.report('kind', '2.13', `expected objects by key, got ${show(value)}`)
  if (walk.tooDeep()) return
  if (walk.tells('deprecated')) walk.report('deprecated', '2.13', 'an observable container: use object_refs')
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

/** Filled below: what an extension holds is compiled with the hooks that need it. */
const extensionContents = new Map<string, Check>()
const hooks: Hooks = {
  objectTypes,
  extensions: extensionsCheck(extensionContents),
  observableContainer: observableContainerCheck,
  stixObject: stixObjectCheck,
  marking: markingCheck,
}
const { kind: compileKind, structure: compileStructure } = compiler(hooks)

function compileObject(type: ObjectType): (object: Json, walk: Walk) => void {
  const members = compileMembers(type, compileKind, unknownProperty)
  const rule = objectRules[type.name]
  const isObservable = type.class === 'sco'
  return (object, walk) => {
    members(object, walk)
    if (rule !== undefined) rule(object, walk)
    if (walk.container === undefined && (isObservable || walk.tells('uuid_version'))) {
      checkUuid(object, type.name, isObservable, walk)
    }
  }
}

const checks: ReadonlyMap<string, (object: Json, walk: Walk) => void> = new Map(
  [...objectTypes.values()].map(type => [type.name, compileObject(type)]),
)
for (const extension of knownExtensions.values()) extensionContents.set(extension.name, compileStructure(extension))
const customVersioned = compileObject(objectType('sdo', 'custom object', '11.2', commonProperties.sdo, {}))
const customObservable = compileObject(objectType('sco', 'custom object', '11.2', commonProperties.sco, {}))
