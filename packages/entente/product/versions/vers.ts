import { ProductError } from '../error.ts'
import { compareVersions, type VersionType } from './order.ts'

/** VERS (version range specifier, clause 5): a type and constraints, ascending; none stands for all versions. */
export type Vers = { type: VersionType; constraints: readonly Constraint[] }
export type Comparator = '=' | '!=' | '<' | '<=' | '>' | '>='
export type Constraint = { comparator: Comparator; version: string }

const MAX_CONSTRAINTS = 1_000
const TYPE = /^[a-z][a-z0-9.-]{0,63}$/
const COMPARATORS: readonly Comparator[] = ['!=', '<=', '>=', '<', '>']

/**
 * A range as VERS writes it.
 *
 * @throws ProductError `syntax`; `unsupported` where the order of its versions isn't known here; `too-big`
 * @example
 * isInVers(parseVers('vers:npm/1.2.3|>=2.0.0|<5.0.0'), '3.1.0') // true
 */
export function parseVers(text: string): Vers {
  const slash = text.indexOf('/')
  const type = text.slice(5, slash).toLowerCase()
  if (!text.startsWith('vers:') || slash < 0 || !TYPE.test(type)) throw notThat(text)
  const parts = text.slice(slash + 1).split('|')
  if (parts.length > MAX_CONSTRAINTS) throw new ProductError('too-big', `more than ${MAX_CONSTRAINTS} constraints`)
  if (parts.length === 1 && parts[0] === '*') return { type, constraints: [] }
  const constraints = parts.map(part => parseConstraint(part, text))
  // Of one constraint too: a version that is none of the type must not wait until something is compared with it.
  for (const { version } of constraints) compareVersions(type, version, version)
  // 5.4 has all in order. Single versions mean the same wherever they stand; bounds in another order are somebody's mistake.
  const bounds = constraints.filter(isBound)
  if (bounds.some((bound, i) => i > 0 && compareVersions(type, bounds[i - 1]?.version ?? '', bound.version) > 0)) {
    throw notThat(text)
  }
  const range = { type, constraints: constraints.toSorted((a, b) => compareVersions(type, a.version, b.version)) }
  checkSequence(range, text)
  return range
}

export function formatVers({ type, constraints }: Vers): string {
  const parts = constraints.map(({ comparator, version }) => {
    const encoded = version.replaceAll(/[><=!*|% ]/g, character =>
      encodeURIComponent(character).replace('!', '%21').replace('*', '%2A'),
    )
    return comparator === '=' ? encoded : comparator + encoded
  })
  return `vers:${type}/${parts.length === 0 ? '*' : parts.join('|')}`
}

/**
 * Whether a version is in a range.
 *
 * @throws ProductError `unsupported` where it can't be told: the version is not of the range's type
 */
export function isInVers({ type, constraints }: Vers, version: string): boolean {
  if (constraints.length === 0) return true
  const order = (constraint: Constraint): number => compareVersions(type, version, constraint.version)
  const named = constraints.find(constraint => !isBound(constraint) && order(constraint) === 0)
  if (named !== undefined) return named.comparator === '='
  const bounds = constraints.filter(isBound)
  // Only exclusions: all else is in.
  if (bounds.length === 0) return constraints.every(({ comparator }) => comparator === '!=')
  let below: Constraint | undefined
  for (const bound of bounds) {
    if (bound.comparator.startsWith('>')) {
      below = bound
      continue
    }
    if ((below === undefined || satisfies(below, order(below))) && satisfies(bound, order(bound))) return true
    below = undefined
  }
  return below !== undefined && satisfies(below, order(below))
}

const isBound = ({ comparator }: Constraint): boolean => comparator !== '=' && comparator !== '!='

/** @param order of the version that is looked at, beside that of the constraint */
function satisfies({ comparator }: Constraint, order: number): boolean {
  if (order === 0) return comparator.endsWith('=')
  return comparator.startsWith('<') ? order < 0 : order > 0
}

function parseConstraint(part: string, whole: string): Constraint {
  const comparator = COMPARATORS.find(each => part.startsWith(each)) ?? '='
  const encoded = comparator === '=' ? part : part.slice(comparator.length)
  if (encoded === '' || !/^[\x21-\x7e]+$/.test(encoded) || /[><=!*]/.test(encoded)) throw notThat(whole)
  try {
    return { comparator, version: decodeURIComponent(encoded) }
  } catch (cause) {
    throw new ProductError('syntax', notThat(whole).message, { cause })
  }
}

/** 5.4: no version twice; an exact version is followed by no upper bound, lower and upper bounds take turns. */
function checkSequence({ type, constraints }: Vers, text: string): void {
  let before: Constraint | undefined
  let lastBound: Constraint | undefined
  let last: Constraint | undefined
  for (const constraint of constraints) {
    if (before !== undefined && compareVersions(type, before.version, constraint.version) === 0) throw notThat(text)
    before = constraint
    if (constraint.comparator === '!=') continue
    const isUpper = constraint.comparator.startsWith('<')
    if (isUpper && last?.comparator === '=') throw notThat(text)
    last = constraint
    if (!isBound(constraint)) continue
    if (lastBound !== undefined && lastBound.comparator.startsWith('<') === isUpper) throw notThat(text)
    lastBound = constraint
  }
}

const notThat = (text: string): ProductError =>
  new ProductError(
    'syntax',
    `${JSON.stringify(text.slice(0, 200))} is no version range: vers:TYPE/CONSTRAINT|… (VERS 5.3, 5.4)`,
  )
