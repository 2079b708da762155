/** From the parts of a pattern back to a text: one line, parentheses only where they are needed. */
import type { ComparisonExpression, Constant, ObjectPath, ObservationExpression, Qualifier } from './ast.ts'
import { KEYWORDS } from './lexer.ts'

/** How tightly an operator binds (section 9.5.3). */
const TIGHTNESS = { FOLLOWEDBY: 0, OR: 1, AND: 2 } as const

/** The text of a pattern; `parsePattern` gives the same parts for it. */
export function formatPattern(expression: ObservationExpression): string {
  switch (expression.kind) {
    case 'observation':
      return `[${formatComparison(expression.comparison)}]`
    case 'qualified': {
      const inner = formatPattern(expression.expression)
      const whole = expression.expression.kind === 'observation' ? inner : `(${inner})`
      return `${whole} ${expression.qualifiers.map(formatQualifier).join(' ')}`
    }
    case 'combined': {
      const own = TIGHTNESS[expression.operator]
      return expression.operands
        .map(operand => {
          const text = formatPattern(operand)
          return operand.kind === 'combined' && TIGHTNESS[operand.operator] <= own ? `(${text})` : text
        })
        .join(` ${expression.operator} `)
    }
  }
}

function formatQualifier(qualifier: Qualifier): string {
  switch (qualifier.kind) {
    case 'repeats':
      return `REPEATS ${qualifier.times} TIMES`
    case 'within':
      return `WITHIN ${decimal(qualifier.seconds)} SECONDS`
    case 'start-stop':
      return `START t'${qualifier.start}' STOP t'${qualifier.stop}'`
  }
}

function formatComparison(expression: ComparisonExpression): string {
  switch (expression.kind) {
    case 'exists':
      return `${expression.negated ? 'NOT ' : ''}EXISTS ${formatPath(expression.path)}`
    case 'comparison': {
      const { path, negated, operator, values } = expression
      const constants = values.map(formatConstant).join(', ')
      const value = operator === 'IN' ? `(${constants})` : constants
      return `${formatPath(path)} ${negated ? 'NOT ' : ''}${operator} ${value}`
    }
    case 'boolean': {
      const own = TIGHTNESS[expression.operator]
      return expression.operands
        .map(operand => {
          const text = formatComparison(operand)
          return operand.kind === 'boolean' && TIGHTNESS[operand.operator] <= own ? `(${text})` : text
        })
        .join(` ${expression.operator} `)
    }
  }
}

/** An object path as a pattern spells it. */
export function formatPath(path: ObjectPath): string {
  let text = `${path.objectType}:`
  for (const [at, step] of path.steps.entries()) {
    if ('index' in step) text += `[${step.index}]`
    else text += `${at === 0 ? '' : '.'}${isPlain(step.name) ? step.name : quoted(step.name)}`
  }
  return text
}

const keywords: ReadonlySet<string> = new Set(KEYWORDS)

/** Whether a name needs no apostrophes: letters, digits and underscores, no digit first, no keyword. */
const isPlain = (name: string): boolean => /^[A-Za-z_]\w*$/.test(name) && !keywords.has(name)

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

function formatConstant(constant: Constant): string {
  switch (constant.type) {
    case 'string':
      return quoted(constant.value)
    case 'boolean':
      return String(constant.value)
    case 'integer':
      return String(constant.value)
    case 'float':
      return decimal(constant.value, true)
    case 'hex':
      return `h'${constant.value}'`
    case 'binary':
      return `b'${constant.value}'`
    case 'timestamp':
      return `t'${constant.value}'`
  }
}

/** A number without an exponent, which a pattern cannot have; `point` demands digits after the point. */
function decimal(value: number, point = false): string {
  const sign = value < 0 ? '-' : ''
  const [mantissa = '', exponent = '0'] = Math.abs(value).toExponential().split('e')
  const digits = mantissa.replace('.', '')
  const before = Number(exponent) + 1
  if (before <= 0) return `${sign}0.${'0'.repeat(-before)}${digits}`
  const whole = digits.slice(0, before).padEnd(before, '0')
  const fraction = digits.slice(before)
  if (fraction === '') return `${sign}${whole}${point ? '.0' : ''}`
  return `${sign}${whole}.${fraction}`
}
