/** Validation policies: which rules are errors, which warn, and which say nothing. */
import { type Rule, rules, type Severity } from './rules.ts'

/**
 * `standard`: what the specification demands is an error; what it advises, and what it lets a consumer ignore, warns.
 * `strict`: besides, what the table does not know, what does not resolve and odd spellings are errors.
 * `permissive`: only what makes an object impossible to keep is an error, the rest warns; unknown content says nothing.
 */
export type Policy = 'strict' | 'standard' | 'permissive'

/** Policies by name, from the one that lets least through. */
export const policies: readonly Policy[] = ['strict', 'standard', 'permissive']
export const DEFAULT_POLICY: Policy = 'standard'

/** Warnings that are errors under `strict`. Advice on UUID versions and deprecated properties stays advice. */
const STRICT: ReadonlySet<Rule> = new Set<Rule>([
  'unresolved_reference',
  'unknown_extension',
  'custom_type',
  'custom_property',
  'custom_extension',
  'custom_value',
  'not_applicable',
  'deterministic_id',
  'pattern_path',
  'pattern_spelling',
  // The specification says MUST in one place and SHOULD in another, or other validators refuse it.
  'recommended_format',
  'hash_algorithm',
])

/** Errors that are errors under `permissive` too: no type, no id, no version, or no bound. */
const INDISPENSABLE: ReadonlySet<Rule> = new Set<Rule>(['not_an_object', 'depth', 'type', 'bundle', 'id', 'id_type'])

/** Warnings that `permissive` leaves out. */
const TOLERATED: ReadonlySet<Rule> = new Set<Rule>([
  'unknown_extension',
  'custom_type',
  'custom_property',
  'custom_extension',
  'custom_value',
  'unresolved_reference',
])

/** Under `permissive`, where the version of an object (or of a member of a bundle) comes from: a timestamp or nothing. */
const VERSION = /^\$(?:\.objects\[\d+\])?\.(?:created|modified)$/
const ID = /^\$(?:\.objects\[\d+\])?\.id$/
const PLACED: ReadonlySet<Rule> = new Set<Rule>(['kind', 'timestamp', 'required'])

/** The severity of a rule under a policy; `undefined`: it says nothing. */
export function severityOf(rule: Rule, policy: Policy): Severity | undefined {
  if (policy === 'strict') return STRICT.has(rule) ? 'error' : rules[rule]
  if (policy === 'standard') return rules[rule]
  if (TOLERATED.has(rule)) return undefined
  return INDISPENSABLE.has(rule) ? 'error' : 'warning'
}

/** A finding of such a rule is an error under `permissive` too where it is about the id or the version. */
export const isPlaced = (rule: Rule): boolean => PLACED.has(rule)
export const isIndispensableAt = (rule: Rule, path: string): boolean =>
  (rule !== 'timestamp' && ID.test(path)) || (rule !== 'required' && VERSION.test(path))

export type Severities = Readonly<Record<Rule, Severity | undefined>>

const severitiesOf = (policy: Policy): Severities =>
  Object.freeze(
    Object.fromEntries(Object.keys(rules).map(rule => [rule, severityOf(rule as Rule, policy)])) as Severities,
  )

/** `severityOf` as a table for each policy. */
export const severities: Readonly<Record<Policy, Severities>> = {
  strict: severitiesOf('strict'),
  standard: severitiesOf('standard'),
  permissive: severitiesOf('permissive'),
}
