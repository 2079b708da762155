/** What the specification says about a pattern beyond its grammar: types, paths and constants (sections 9.5 to 9.7). */
import { hashFault } from '../encoding.ts'
import { isIpv4, isIpv6 } from '../internet.ts'
import { isPropertyName, isTypeName } from '../names.ts'
import { extensions, objectTypes } from '../table.ts'
import type { Kind, Property } from '../types/kinds.ts'
import type { ComparisonExpression, Constant, ObjectPath, ObservationExpression } from './ast.ts'

/**
 * `pattern_name`: an object type or property that no object can have. `pattern_operands`: `AND` between object types.
 * `pattern_constant`: a constant that the operator or a hash does not allow. `pattern_path`: a type or property that
 * section 6 does not have. `pattern_kind`: a constant that the property never equals.
 */
export type PatternRule = 'pattern_name' | 'pattern_operands' | 'pattern_constant' | 'pattern_path' | 'pattern_kind'

export interface PatternReporter {
  /** Whether this rule is worth looking at. */
  tells(rule: PatternRule): boolean
  report(rule: PatternRule, section: string, at: number, message: string): void
}

/** Check an expression; each finding has the offset of the part that it is about. */
export function checkPattern(expression: ObservationExpression, reporter: PatternReporter): void {
  switch (expression.kind) {
    case 'observation':
      checkComparison(expression.comparison, reporter)
      return
    case 'qualified':
      return checkPattern(expression.expression, reporter)
    case 'combined':
      for (const operand of expression.operands) checkPattern(operand, reporter)
  }
}

/** Check, and say with which object types the expression can be true: what `AND` joins must be true of one object (9.5). */
function checkComparison(expression: ComparisonExpression, reporter: PatternReporter): ReadonlySet<string> {
  if (expression.kind !== 'boolean') {
    const kind = checkPath(expression.path, reporter)
    if (expression.kind === 'comparison') checkConstants(expression, kind, reporter)
    return new Set([expression.path.objectType])
  }
  let types: Set<string> | undefined
  for (const operand of expression.operands) {
    const own = checkComparison(operand, reporter)
    if (types === undefined) types = new Set(own)
    else if (expression.operator === 'OR') for (const type of own) types.add(type)
    else {
      const before = [...types]
      for (const type of before) if (!own.has(type)) types.delete(type)
      if (types.size > 0) continue
      const shown = (all: Iterable<string>): string =>
        [...all]
          .slice(0, 3)
          .map(type => type.slice(0, 60))
          .join(', ')
      const message = `AND joins ${shown(before)} and ${shown(own)}: no object is of both types; use OR, or AND between [ ]`
      reporter.report('pattern_operands', '9.5', operand.at, message)
      // Said once; what follows is held against the rest.
      for (const type of own) types.add(type)
    }
  }
  return types ?? new Set()
}

/** What a path leads to, as far as the table knows: a kind, or `undefined`. */
function checkPath(path: ObjectPath, reporter: PatternReporter): Kind | undefined {
  const { objectType, steps, at } = path
  if (!isTypeName(objectType)) {
    const message = `${objectType.slice(0, 60)} is no type name: 3 to 250 of a-z, 0-9 and -, a letter first`
    reporter.report('pattern_name', '9.7', at, message)
    return undefined
  }
  const first = steps[0]
  const type = objectTypes.get(objectType)
  const known =
    first !== undefined && 'name' in first && type !== undefined && Object.hasOwn(type.properties, first.name)
  if (first !== undefined && 'name' in first && !known && first.name !== 'id' && !isPropertyName(first.name)) {
    const message = `${JSON.stringify(first.name.slice(0, 60))} is no property name: 3 to 250 of a-z, 0-9 and _, a letter first`
    reporter.report('pattern_name', '9.7', first.at, message)
    return undefined
  }
  if (type?.class !== 'sco') {
    const what = type === undefined ? 'no object type of STIX 2.1' : 'no cyber-observable'
    if (reporter.tells('pattern_path')) reporter.report('pattern_path', '9.7', at, `${objectType} is ${what}`)
    return undefined
  }
  return reporter.tells('pattern_path') ? follow(path, type.properties, reporter) : undefined
}

type Properties = Readonly<Record<string, Property>>

/** Follow the steps through the table. References lead to each type that they may point at. */
function follow(path: ObjectPath, properties: Properties, reporter: PatternReporter): Kind | undefined {
  let holders: readonly Properties[] = [properties]
  let kind: Kind | undefined
  let where = path.objectType
  for (const step of path.steps) {
    if (holders.length > 0 && 'name' in step) {
      const holder: Properties | undefined = holders.find(each => Object.hasOwn(each, step.name))
      if (holder === undefined) {
        const message = `${where.slice(0, 60)} has no property ${step.name.slice(0, 60)} in STIX 2.1`
        reporter.report('pattern_path', '9.7', step.at, message)
        return undefined
      }
      kind = (holder[step.name] as Property).kind
      where = step.name
    } else if (kind?.kind === 'list') {
      if (!('index' in step)) {
        reporter.report('pattern_path', '9.7.2', step.at, `${where.slice(0, 60)} is a list: write [*] or an index`)
        return undefined
      }
      kind = kind.of
    } else if (kind?.kind === 'dictionary') kind = kind.values
    else if (kind?.kind === 'hashes') kind = { kind: 'string' }
    else if (kind?.kind === 'extensions') {
      const extension = 'name' in step ? extensions.get(step.name) : undefined
      if (extension === undefined) return undefined
      holders = [extension.properties]
      kind = undefined
      where = extension.name
      continue
    } else if (kind !== undefined) {
      reporter.report('pattern_path', '9.7', step.at, `${where.slice(0, 60)} has nothing in it`)
      return undefined
    }
    if (kind === undefined) return undefined
    if (kind.kind === 'structure') holders = [kind.structure.properties]
    else if (kind.kind === 'identifier') {
      const types = kind.targets.map(target => objectTypes.get(target))
      holders = types.flatMap(type => (type === undefined ? [] : [type.properties]))
      // A class of objects: any property may be meant.
      if (holders.length < types.length) kind = undefined
    } else holders = []
    if (kind === undefined) return undefined
  }
  return kind
}

/** Which constants a kind may be compared with (section 9.2). */
function isComparable(kind: Kind, constant: Constant): boolean {
  switch (kind.kind) {
    case 'boolean':
      return constant.type === 'boolean'
    case 'integer':
    case 'float':
      return constant.type === 'integer' || constant.type === 'float'
    case 'timestamp':
      return constant.type === 'timestamp'
    case 'hex':
    case 'binary':
    case 'string':
    case 'open-vocab':
    case 'enum':
    case 'language':
    case 'identifier':
    case 'own-type':
    case 'own-id':
      return constant.type === 'string' || constant.type === 'hex' || constant.type === 'binary'
    case 'integer-or-string':
      return constant.type !== 'boolean' && constant.type !== 'timestamp'
    default:
      return true
  }
}

const numeric = (type: Constant['type']): string => (type === 'integer' || type === 'float' ? 'number' : type)

type Comparison = Extract<ComparisonExpression, { kind: 'comparison' }>

function checkConstants(comparison: Comparison, kind: Kind | undefined, reporter: PatternReporter): void {
  const { operator, path, values } = comparison
  const [first] = values
  if (first === undefined) return
  for (const value of values) {
    if (numeric(value.type) !== numeric(first.type)) {
      const message = `a set of ${first.type} holds a ${value.type}: its constants are of one type`
      reporter.report('pattern_constant', '9.6.1', value.at, message)
      return
    }
  }
  if (operator === 'ISSUBSET' || operator === 'ISSUPERSET') {
    if (typeof first.value === 'string' && !isIpv4(first.value) && !isIpv6(first.value)) {
      const message = `${operator} compares with an IPv4 or IPv6 address or CIDR block`
      reporter.report('pattern_constant', '9.6.1', first.at, message)
    }
    return
  }
  if (operator === '=' || operator === '!=' || operator === 'IN') checkHash(path, values, reporter)
  if (kind === undefined || !reporter.tells('pattern_kind')) return
  for (const value of values) {
    if (isComparable(kind, value)) continue
    reporter.report(
      'pattern_kind',
      '9.6.1',
      value.at,
      `the property is of kind ${kind.kind}, which never equals a ${value.type} constant`,
    )
    return
  }
}

const HASH_NAMES: ReadonlyMap<string, string> = new Map(
  ['MD5', 'SHA-1', 'SHA-256', 'SHA-512', 'SHA3-256', 'SHA3-512'].map(name => [name.toLowerCase(), name]),
)

/** `hashes.X`, in any spelling of X: a text of another length is the hash of nothing (section 2.7). */
function checkHash(path: ObjectPath, values: readonly Constant[], reporter: PatternReporter): void {
  const last = path.steps.at(-1)
  const before = path.steps.at(-2)
  if (last === undefined || before === undefined || !('name' in last) || !('name' in before)) return
  const algorithm = before.name === 'hashes' ? HASH_NAMES.get(last.name.toLowerCase()) : undefined
  if (algorithm === undefined) return
  for (const value of values) {
    const fault = value.type === 'string' ? hashFault(algorithm, value.value) : undefined
    if (fault !== undefined) reporter.report('pattern_constant', '2.7', value.at, fault)
  }
}
