/** Common properties (section 3.2), and the types used inside all kinds of object (section 2, 7.2.3). */
import {
  advised,
  at,
  atLeastOne,
  type Bare,
  boolean,
  type Constraint,
  type Draft,
  exactlyOne,
  hashes,
  integerBetween,
  language,
  list,
  nested,
  type ObjectType,
  ordered,
  properties,
  ref,
  refs,
  required,
  string,
  structure,
  withDefault,
  withSection,
} from './kinds.ts'

export const externalReference = nested(
  structure(
    'external-reference',
    '2.5.1',
    { source_name: required(string), description: string, url: advised('url', '2.5.1'), hashes, external_id: string },
    [at('2.5.2', atLeastOne('description', 'url', 'external_id')), { rule: 'external_id' }],
  ),
)

export const killChainPhase = nested(
  structure('kill-chain-phase', '2.11', { kill_chain_name: required(string), phase_name: required(string) }),
)

export const granularMarking = nested(
  structure(
    'granular-marking',
    '7.2.3.1',
    { lang: language, marking_ref: ref('marking-definition'), selectors: required(list({ kind: 'selector' })) },
    [exactlyOne('lang', 'marking_ref')],
  ),
)

const type = required({ kind: 'own-type' })
const id = required({ kind: 'own-id' })
const specVersion = { kind: 'own-spec-version' } as const
const timestampToMilliseconds = { kind: 'timestamp', precision: 'milliseconds' } as const

const marked: Record<string, Draft> = {
  object_marking_refs: refs('marking-definition'),
  granular_markings: list(granularMarking),
}
const versioned: Record<string, Draft> = {
  type,
  spec_version: required(specVersion),
  id,
  created: required(timestampToMilliseconds),
  modified: required(timestampToMilliseconds),
  created_by_ref: ref('identity'),
  revoked: withDefault(boolean, false),
  labels: list(string),
  external_references: list(externalReference),
  ...marked,
}

/**
 * The table at the end of section 3.2, one record a column. `lang` absent means `en` (section 3.2), so an explicit
 * `en` says nothing new.
 */
export const commonProperties = {
  sdo: properties('3.2', {
    ...versioned,
    confidence: integerBetween(0, 100),
    lang: withDefault(language, 'en'),
    extensions: { kind: 'extensions' },
  }),
  sco: properties('3.2', {
    type,
    spec_version: withDefault(specVersion, '2.1'),
    id,
    ...marked,
    defanged: withDefault(boolean, false),
    extensions: { kind: 'extensions' },
  }),
  languageContent: properties('3.2', {
    ...versioned,
    confidence: integerBetween(0, 100),
    extensions: { kind: 'extensions' },
  }),
  markingDefinition: properties('3.2', {
    type,
    spec_version: required(specVersion),
    id,
    created: required(timestampToMilliseconds),
    created_by_ref: ref('identity'),
    external_references: list(externalReference),
    ...marked,
    extensions: { kind: 'extensions' },
  }),
  extensionDefinition: properties('3.2', { ...versioned, created_by_ref: required(ref('identity')) }),
} as const

/** Every name of section 3.2: on a type that does not list it, it is "not applicable" rather than custom. */
export const commonPropertyNames: ReadonlySet<string> = new Set([
  ...Object.keys(commonProperties.sdo),
  ...Object.keys(commonProperties.sco),
])

/** Property names that no STIX content may use (section 3.8). */
export const reservedNames: ReadonlySet<string> = new Set(['severity', 'username', 'phone_number', 'action'])

/** "The modified time MUST NOT be earlier than the created time" (section 3.6.1). */
export const versionOrder: readonly Constraint[] = withSection('3.6.1', [ordered('created', 'modified')])

/** Compose an object type: class-wide properties first, then its own. */
export function objectType(
  objectClass: ObjectType['class'],
  name: string,
  section: string,
  common: ObjectType['properties'],
  drafts: Readonly<Record<string, Draft>>,
  constraints: readonly Bare<Constraint>[] = [],
): ObjectType {
  const versionRule = common.created !== undefined && common.modified !== undefined ? versionOrder : []
  return {
    name,
    section,
    class: objectClass,
    properties: { ...common, ...properties(section, drafts) },
    constraints: [...versionRule, ...withSection(section, constraints)],
  }
}
