import { compare as comparePep440, valid as isPep440 } from '@renovatebot/pep440'
import semver from 'semver'
import { ProductError } from '../error.ts'
import { compareDeb, compareDigits } from './deb.ts'
import { compareMaven } from './maven.ts'
import { compareRpm } from './rpm.ts'

/** An order of versions, by the type that a VERS or a package URL has. */
export type VersionType = string

type Order = {
  isValid(version: string): boolean
  compare(a: string, b: string): number
}

/** Longer ones are nobody's; every comparison takes time linear in this. */
const MAX_LENGTH = 256

const isPrintable = (version: string): boolean => /^[\x21-\x7e]+$/.test(version)

const semantic: Order = {
  isValid: version => semver.valid(version, { loose: true }) !== null,
  compare: (a, b) => semver.compare(a, b, { loose: true }),
}
const EPOCH = /^(?:[0-9]+:)?[^:]+$/
const native = (compare: Order['compare'], isValid: Order['isValid'] = isPrintable): Order => ({ isValid, compare })

/** Numbers between dots, with a `v` before them or not: what many write, and the only thing that has one order whoever reads it. */
const DOTTED = /^v?[0-9]+(?:\.[0-9]+)*$/i
function compareDotted(a: string, b: string): number {
  const [x = [], y = []] = [a, b].map(version => version.replace(/^v/i, '').split('.'))
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    const order = compareDigits(x[i] ?? '0', y[i] ?? '0')
    if (order !== 0) return order
  }
  return 0
}

const ORDERS: ReadonlyMap<VersionType, Order> = new Map([
  ['semver', semantic],
  ['npm', semantic],
  ['cargo', semantic],
  ['golang', semantic],
  ['hex', semantic],
  ['pypi', native(comparePep440, version => isPep440(version) !== null)],
  ['deb', native(compareDeb, version => isPrintable(version) && EPOCH.test(version))],
  ['rpm', native(compareRpm, version => isPrintable(version) && EPOCH.test(version))],
  ['maven', native(compareMaven)],
  ['intdot', native(compareDotted, version => DOTTED.test(version))],
  ['generic', native(compareDotted, version => DOTTED.test(version))],
])

/** Types whose order is known here. */
export const VERSION_TYPES: readonly VersionType[] = [...ORDERS.keys()]

/**
 * Which of two versions comes first.
 *
 * @returns below 0, 0, above 0
 * @throws ProductError `unsupported` where the order of this type isn't known, or one of the two is not of it
 */
export function compareVersions(type: VersionType, a: string, b: string): number {
  const order = ORDERS.get(type)
  if (order === undefined) {
    throw new ProductError(
      'unsupported',
      `the order of ${type.slice(0, 40)} versions; known are ${VERSION_TYPES.join(', ')}`,
    )
  }
  for (const version of [a, b]) {
    if (version.length > MAX_LENGTH || !order.isValid(version)) {
      throw new ProductError('unsupported', `${JSON.stringify(version.slice(0, 80))} is no version of type ${type}`)
    }
  }
  return order.compare(a, b)
}
