/**
 * STIX 2.1: the typed table of all object types, the walker that checks an object against it, versions, timestamps,
 * equality of meaning, identifiers and markings. Depends on nothing. Specification: OASIS Standard "STIX Version 2.1".
 *
 * @example
 * import { objectVersion, validateObject } from '@entente/stix'
 *
 * const object = JSON.parse(text)
 * const { valid, findings } = validateObject(object)
 * for (const { severity, path, rule, section, message } of findings) console.log(severity, path, rule, section, message)
 * if (valid) console.log(object.id, objectVersion(object))
 */
export { identifierType, isIdentifierOf, NOT_AN_IDENTIFIER, scanIdentifier } from './identifier.ts'
export {
  granularMarkings,
  objectMarkings,
  statementChannels,
  type TlpLevel,
  type TlpMarking,
  tlpMarkings,
} from './marking.ts'
export { sameMeaning } from './meaning.ts'
export { isLanguageTag, isPropertyName, isTypeName } from './names.ts'
export { type Rule, rules, type Severity } from './rules.ts'
export { extensions, objectTypes } from './table.ts'
export { compareTimestamps, parseTimestamp, scanTimestamp, type Timestamp } from './timestamp.ts'
export type { Extension, Kind, ObjectClass, ObjectType, Property, Structure, Vocabulary } from './types/kinds.ts'
export {
  DEFAULT_MAX_DEPTH,
  DEFAULT_MAX_FINDINGS,
  validateObject,
  type ValidateOptions,
  type ValidationResult,
} from './validate.ts'
export { objectVersion, specVersion } from './version.ts'
export type { Finding, Json } from './walk.ts'
