/**
 * STIX 2.1: the typed table of all object types, the walker that checks an object against it, patterns, validation
 * policies, versions, timestamps, equality of meaning, identifiers and markings. Depends on nothing. Specification: OASIS Standard "STIX Version 2.1".
 *
 * @example
 * import { objectVersion, validateObject } from '@entente/stix'
 *
 * const object = JSON.parse(text)
 * const { valid, findings } = validateObject(object)
 * for (const { severity, path, rule, section, message } of findings) console.log(severity, path, rule, section, message)
 * if (valid) console.log(object.id, objectVersion(object))
 */
export { contributingProperties, deterministicId, SCO_NAMESPACE } from './deterministic-id.ts'
export { ICT_NAMESPACE, ictExtensionDefinitions, ictIdentity, namedId } from './ict.ts'
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
export type {
  ComparisonExpression,
  ComparisonOperator,
  Constant,
  ObjectPath,
  ObservationExpression,
  PathStep,
  Pattern,
  Qualifier,
  Spelling,
} from './pattern/ast.ts'
export { checkPattern, type PatternReporter, type PatternRule } from './pattern/check.ts'
export { PatternError, type PatternErrorCode, type Position, positionAt } from './pattern/error.ts'
export { formatPath, formatPattern } from './pattern/format.ts'
export { MAX_PATTERN_DEPTH, MAX_PATTERN_LENGTH, parsePattern, type PatternLimits } from './pattern/parse.ts'
export { DEFAULT_POLICY, policies, type Policy, severityOf } from './policy.ts'
export { type Rule, rules, type Severity } from './rules.ts'
export { extensions, objectTypes } from './table.ts'
export { compareTimestamps, parseTimestamp, scanTimestamp, type Timestamp } from './timestamp.ts'
export {
  ASSURANCE_LEVELS,
  ICT_ARTIFACT,
  ICT_CERTIFICATE,
  ICT_COMMITMENT,
  ICT_SCHEME,
  type IctArtifact,
  type IctCertificate,
  type IctCommitment,
  type IctDocument,
  type IctDue,
  type IctMapping,
  type IctPublication,
  type IctScheme,
  type IctStatus,
  type IctSupport,
} from './types/ict.ts'
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
