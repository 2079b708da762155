/**
 * Every rule that a finding can name, with its severity. What the specification says with MUST is an error; what it
 * says with SHOULD, and what it lets a consumer ignore (custom and unknown content), is a warning.
 */

export type Severity = 'error' | 'warning'

const severities = {
  /** The input is not a JSON object, or an object is nested deeper than `maxDepth`. */
  not_an_object: 'error',
  depth: 'error',
  /** `type` is absent or no type name (3.1, 7.3.2.2). */
  type: 'error',
  /** A bundle where a STIX Object is expected (8). */
  bundle: 'error',
  /** `spec_version` is absent where it is required, or is not `2.1` (3.2). */
  spec_version: 'error',
  /** `id` is no identifier (2.9); `id_type`: its type part is not the object's type. */
  id: 'error',
  id_type: 'error',
  /** A SHOULD of 2.9: UUIDv4, or v5 for cyber-observables. */
  uuid_version: 'warning',
  /** A cyber-observable without contributing properties needs a UUIDv4 (2.9, 6.13). */
  random_id: 'error',
  /** A UUIDv5 that is not the one of the contributing properties (a SHOULD of 2.9). */
  deterministic_id: 'warning',
  required: 'error',
  /** The JSON type or the range of the value (2). */
  kind: 'error',
  range: 'error',
  timestamp: 'error',
  timestamp_precision: 'error',
  timestamp_order: 'error',
  /** An identifier property is no identifier (2.9), or refers to a type that it must not. */
  identifier: 'error',
  ref_target: 'error',
  /** A reference to an object that `isKnown` does not know (3.3). */
  unresolved_reference: 'warning',
  /** A reference inside an observable container to no member of it (2.13). */
  container_ref: 'error',
  empty_list: 'error',
  empty_dictionary: 'error',
  dictionary_key: 'error',
  enum: 'error',
  hash_key: 'error',
  hash_value: 'error',
  /** A name outside hash-algorithm-ov (a SHOULD of 2.7). */
  hash_algorithm: 'warning',
  hex: 'error',
  binary: 'error',
  language: 'error',
  /** A selector's syntax, or it selects nothing on this object (7.2.3.1). */
  selector: 'error',
  relationship_type: 'error',
  /** A text that must have the form of another standard: addresses, URLs, CPE, character sets (6). */
  format: 'error',
  /** A text that should have one: media types (6.1, 6.7), URLs of external references (2.5.1). */
  recommended_format: 'warning',
  /** A CVE or CAPEC identifier without its `source_name`, or the other way round (4.1.1, 4.19.1). */
  external_id: 'error',
  /** An abbreviated hive in the key of a registry key (6.17.1). */
  registry_hive: 'error',
  /** `object_refs` of observed data without a cyber-observable (4.14.1). */
  observed_data: 'error',
  /** A pattern of type `stix`: `pattern` is no pattern (9), the others hold it against what the specification says. */
  pattern: 'error',
  pattern_name: 'error',
  pattern_operands: 'error',
  pattern_constant: 'error',
  pattern_path: 'warning',
  pattern_kind: 'warning',
  /** A spelling of the OASIS grammar that section 9 does not have. */
  pattern_spelling: 'warning',
  at_least_one: 'error',
  exactly_one: 'error',
  needs: 'error',
  forbidden: 'error',
  /** The name of a property (3.1, 11.1.1), or one of the reserved names (3.8). */
  property_name: 'error',
  reserved_name: 'error',
  /** A translation whose form is not that of what it translates, where that is given (7.1.1). */
  translation: 'error',
  /** `defanged` on anything but a cyber-observable (3.2). */
  defanged: 'error',
  /** The content of a marking definition (7.2.1). */
  marking: 'error',
  tlp: 'error',
  circular_marking: 'error',
  /** `extension_type` is absent or unknown (3.2, 7.3), or an extension stands on a type that it is not defined for. */
  extension_type: 'error',
  extension_target: 'error',
  extension_properties: 'error',
  /** A custom extension's key has other characters than it may (11.3.1). */
  extension_name: 'error',
  /** A common property that this type does not use (3.2). */
  not_applicable: 'warning',
  custom_type: 'warning',
  custom_property: 'warning',
  custom_extension: 'warning',
  /** null, an empty list or an empty dictionary inside content that the table does not know. */
  custom_value: 'warning',
  /** An extension definition that the table does not know: its content is not checked. */
  unknown_extension: 'warning',
  deprecated: 'warning',
} as const satisfies Record<string, Severity>

export type Rule = keyof typeof severities

/** Severity of each rule under the policy `standard` (`policy.ts`). */
export const rules: Readonly<Record<Rule, Severity>> = severities
