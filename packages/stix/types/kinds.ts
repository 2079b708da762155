/**
 * The vocabulary of the table: which kinds of value a STIX 2.1 property can have, and which rules tie properties
 * together. Everything here is data; `compile.ts` turns it into checks, `meaning.ts` into comparisons.
 */

/** The classes of STIX Object (section 1.4), `meta` for STIX Meta Objects (section 7); a bundle is none of them (section 8). */
export type ObjectClass = 'sdo' | 'sro' | 'sco' | 'meta'

/** What an identifier property may point at: names of types, and classes that also admit types unknown to the table. */
export type Target = string

/** A closed list of terms (enum, section 2.4) or a suggested one (open-vocab, section 2.14). */
export interface Vocabulary {
  readonly name: string
  readonly section: string
  readonly terms: readonly string[]
}

/** Forms of texts that other standards define. */
export type Format = 'ipv4' | 'ipv6' | 'mac' | 'domain-name' | 'email' | 'url' | 'cpe' | 'media-type' | 'character-set'

/** The kind of a value. The names are those of section 2 where the specification has one. */
export type Kind =
  /** With `format`: a text that must have the form of another standard; with `should`, better has. */
  | { readonly kind: 'string'; readonly format?: Format; readonly section?: string; readonly should?: true }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'integer'; readonly min?: number; readonly max?: number }
  | { readonly kind: 'float'; readonly min?: number; readonly max?: number }
  | { readonly kind: 'timestamp'; readonly precision?: 'milliseconds' | 'seconds' }
  | { readonly kind: 'hex' }
  | { readonly kind: 'binary' }
  | { readonly kind: 'language'; readonly section?: string }
  | { readonly kind: 'selector' }
  | { readonly kind: 'relationship-type' }
  | { readonly kind: 'enum'; readonly vocabulary: Vocabulary }
  | { readonly kind: 'open-vocab'; readonly vocabulary: Vocabulary }
  | { readonly kind: 'identifier'; readonly targets: readonly Target[] }
  | { readonly kind: 'list'; readonly of: Kind }
  | { readonly kind: 'dictionary'; readonly keys?: 'language'; readonly values?: Kind }
  /** A value of `exif_tags` and `ipfix`. */
  | { readonly kind: 'integer-or-string' }
  | { readonly kind: 'hashes' }
  | { readonly kind: 'structure'; readonly structure: Structure }
  | { readonly kind: 'extensions' }
  | { readonly kind: 'observable-container' }
  | { readonly kind: 'stix-object' }
  | { readonly kind: 'marking' }
  | { readonly kind: 'reserved' }
  /** The three properties that every check begins with: the walker reads them before it knows the type. */
  | { readonly kind: 'own-type' }
  | { readonly kind: 'own-id' }
  | { readonly kind: 'own-spec-version' }

export interface Property {
  readonly kind: Kind
  readonly required: boolean
  /** Where the property is defined. */
  readonly section: string
  /** The value that an absent property stands for: leaving it out is no change to the object (section 3.6). */
  readonly default?: string | boolean
  /** The default holds only while this property has this value. */
  readonly defaultWhen?: readonly [name: string, value: string]
  readonly deprecated?: true
}

/** Rules between the properties of one structure; each is a MUST of the section beside it. */
export type Constraint = { readonly section: string } & (
  | { readonly rule: 'at_least_one'; readonly of: readonly string[] }
  | { readonly rule: 'exactly_one'; readonly of: readonly string[] }
  /** `name` present demands `other`. */
  | { readonly rule: 'needs'; readonly name: string; readonly other: string }
  /** `name` absent demands `other`. */
  | { readonly rule: 'needs_without'; readonly name: string; readonly other: string }
  /** `flag` with this value demands, or excludes, `name`. */
  | { readonly rule: 'required_when'; readonly flag: string; readonly value: boolean; readonly name: string }
  | { readonly rule: 'forbidden_when'; readonly flag: string; readonly value: boolean; readonly name: string }
  /** CVE and CAPEC identifiers stand beside their `source_name` (4.1.1, 4.19.1). */
  | { readonly rule: 'external_id' }
  /** Two timestamps: `first` no later than `second`; with `strict`, earlier. */
  | { readonly rule: 'timestamp_order'; readonly first: string; readonly second: string; readonly strict: boolean }
)

/** A JSON object with named properties: an object type, an extension, or a type inside one (kill-chain-phase, …). */
export interface Structure {
  readonly name: string
  readonly section: string
  readonly properties: Readonly<Record<string, Property>>
  readonly constraints: readonly Constraint[]
}

/** An object type of STIX 2.1. */
export interface ObjectType extends Structure {
  readonly class: ObjectClass | 'bundle'
}

/** An entry that the `extensions` property may hold and that the table knows. */
export interface Extension extends Structure {
  /** The types that it may be used on; absent: any. */
  readonly on?: readonly string[]
}

export const string: Kind = { kind: 'string' }
/** A string that must have a form, as the section says. */
export const formatted = (format: Format, section: string): Kind => ({ kind: 'string', format, section })
/** A string that should have a form. */
export const advised = (format: Format, section: string): Kind => ({ kind: 'string', format, section, should: true })
export const boolean: Kind = { kind: 'boolean' }
export const integer: Kind = { kind: 'integer' }
export const nonNegative: Kind = { kind: 'integer', min: 0 }
export const float: Kind = { kind: 'float' }
export const timestamp: Kind = { kind: 'timestamp' }
export const hex: Kind = { kind: 'hex' }
export const binary: Kind = { kind: 'binary' }
export const hashes: Kind = { kind: 'hashes' }
export const integerOrString: Kind = { kind: 'integer-or-string' }
export const language: Kind = { kind: 'language' }
export const dictionary: Kind = { kind: 'dictionary' }

export const integerBetween = (min: number, max: number): Kind => ({ kind: 'integer', min, max })
export const floatBetween = (min: number, max: number): Kind => ({ kind: 'float', min, max })
export const list = (of: Kind): Kind => ({ kind: 'list', of })
export const ref = (...targets: Target[]): Kind => ({ kind: 'identifier', targets })
export const refs = (...targets: Target[]): Kind => list(ref(...targets))
export const dictionaryOf = (values: Kind): Kind => ({ kind: 'dictionary', values })
export const oneOf = (vocabulary: Vocabulary): Kind => ({ kind: 'enum', vocabulary })
export const openVocab = (vocabulary: Vocabulary): Kind => ({ kind: 'open-vocab', vocabulary })
export const nested = (structure: Structure): Kind => ({ kind: 'structure', structure })

/** A property in a definition: a kind alone is optional; `required(kind)` is not; `withDefault` says what absence means. */
export type Draft = Kind | (Omit<Property, 'section'> & { readonly section?: string })

export const required = (kind: Kind): Draft => ({ kind, required: true })
export const deprecated = (kind: Kind): Draft => ({ kind, required: false, deprecated: true })
export const withDefault = (kind: Kind, value: string | boolean, when?: readonly [string, string]): Draft =>
  when === undefined
    ? { kind, required: false, default: value }
    : { kind, required: false, default: value, defaultWhen: when }

/** Give every draft of a structure its section. */
export function properties(section: string, drafts: Readonly<Record<string, Draft>>): Record<string, Property> {
  const result: Record<string, Property> = {}
  for (const [name, draft] of Object.entries(drafts)) {
    result[name] =
      typeof draft.kind === 'string'
        ? { kind: draft as Kind, required: false, section }
        : { section, ...(draft as Omit<Property, 'section'>) }
  }
  return result
}

/** A type inside an object, or (with `on`) a predefined extension. */
export function structure(
  name: string,
  section: string,
  drafts: Readonly<Record<string, Draft>>,
  constraints: readonly Bare<Constraint>[] = [],
): Structure {
  return { name, section, properties: properties(section, drafts), constraints: withSection(section, constraints) }
}

/** A constraint whose section is that of the structure it stands in. */
export type Bare<C> = C extends Constraint ? Omit<C, 'section'> & { readonly section?: string } : never

export const withSection = (section: string, constraints: readonly Bare<Constraint>[]): readonly Constraint[] =>
  constraints.map(constraint => ({ section, ...constraint }) as Constraint)

export const atLeastOne = (...of: string[]): Bare<Constraint> => ({ rule: 'at_least_one', of })
export const exactlyOne = (...of: string[]): Bare<Constraint> => ({ rule: 'exactly_one', of })
export const needs = (name: string, other: string): Bare<Constraint> => ({ rule: 'needs', name, other })
export const needsWithout = (name: string, other: string): Bare<Constraint> => ({ rule: 'needs_without', name, other })
export const requiredWhen = (flag: string, value: boolean, name: string): Bare<Constraint> => ({
  rule: 'required_when',
  flag,
  value,
  name,
})
export const forbiddenWhen = (flag: string, value: boolean, name: string): Bare<Constraint> => ({
  rule: 'forbidden_when',
  flag,
  value,
  name,
})
export const ordered = (first: string, second: string): Bare<Constraint> => ({
  rule: 'timestamp_order',
  first,
  second,
  strict: false,
})
export const before = (first: string, second: string): Bare<Constraint> => ({
  rule: 'timestamp_order',
  first,
  second,
  strict: true,
})

/** Cite another section than the structure's own. */
export const at = (section: string, constraint: Bare<Constraint>): Bare<Constraint> => ({ ...constraint, section })
