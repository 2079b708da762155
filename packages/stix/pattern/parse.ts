/** From a text to the parts of a pattern (sections 9.4 to 9.7): recursive descent, one token ahead. */
import type {
  ComparisonExpression,
  ComparisonOperator,
  Constant,
  ObjectPath,
  ObservationExpression,
  PathStep,
  Pattern,
  Qualifier,
} from './ast.ts'
import { PatternError } from './error.ts'
import { Lexer, type TokenKind } from './lexer.ts'

/** A pattern has at most so many UTF-16 code units: some 5,000 comparisons. */
export const MAX_PATTERN_LENGTH = 262_144
/** Parentheses in each other at most. */
export const MAX_PATTERN_DEPTH = 64

export interface PatternLimits {
  /** UTF-16 code units; default `MAX_PATTERN_LENGTH`. */
  readonly maxLength?: number
  /** Parentheses in each other; default and most: `MAX_PATTERN_DEPTH`. */
  readonly maxDepth?: number
}

/**
 * Read a STIX pattern (section 9). Time and memory are linear in the length, which is bounded.
 *
 * @throws PatternError with the position, at the first thing that is wrong
 * @example
 * const { expression } = parsePattern("[file:size > 7] WITHIN 5 SECONDS")
 * // expression.kind: 'qualified', .expression.comparison.path.objectType: 'file'
 */
export function parsePattern(text: string, limits?: PatternLimits): Pattern {
  const maxLength = limits?.maxLength ?? MAX_PATTERN_LENGTH
  if (text.length > maxLength) {
    const reason = `the pattern has ${text.length} characters, at most ${maxLength} are read`
    throw new PatternError('length', text, 0, '9.4', reason)
  }
  return new Parser(text, Math.min(limits?.maxDepth ?? MAX_PATTERN_DEPTH, MAX_PATTERN_DEPTH)).pattern()
}

/** Operators between observation expressions, from the one that binds least (section 9.5.3). */
const OBSERVATION_OPERATORS = ['FOLLOWEDBY', 'OR', 'AND'] as const
const COMPARISON_OPERATORS = ['OR', 'AND'] as const
const OPERATORS: ReadonlySet<TokenKind> = new Set<ComparisonOperator>([
  '=',
  '!=',
  '<',
  '>',
  '<=',
  '>=',
  'IN',
  'LIKE',
  'MATCHES',
  'ISSUBSET',
  'ISSUPERSET',
])
const TEXT_OPERATORS: ReadonlySet<string> = new Set(['LIKE', 'MATCHES', 'ISSUBSET', 'ISSUPERSET'])
const QUALIFIERS: ReadonlySet<TokenKind> = new Set(['START', 'WITHIN', 'REPEATS'])

class Parser {
  readonly #lexer: Lexer
  readonly #maxDepth: number
  #depth = 0

  constructor(text: string, maxDepth: number) {
    this.#lexer = new Lexer(text)
    this.#maxDepth = maxDepth
  }

  pattern(): Pattern {
    const expression = this.#observations(0)
    if (this.#lexer.kind !== 'end') this.#expected('an observation operator, a qualifier or the end', '9.5')
    return { expression, spellings: this.#lexer.spellings ?? [] }
  }

  /** Not `lexer.kind === kind`: the compiler would believe the comparison before `next()`. */
  #is(kind: TokenKind): boolean {
    return this.#lexer.kind === kind
  }

  #expected(what: string, section: string): never {
    const lexer = this.#lexer
    return lexer.fail('syntax', section, `expected ${what}, got ${lexer.shown()}`)
  }

  #need(kind: TokenKind, section: string, shown: string = kind): void {
    if (this.#lexer.kind !== kind) this.#expected(shown, section)
    this.#lexer.next()
  }

  #deeper(): void {
    if (++this.#depth <= this.#maxDepth) return
    this.#lexer.fail('depth', '9.5.3', `parentheses deeper than ${this.#maxDepth}: leave out those that say nothing`)
  }

  #observations(level: number): ObservationExpression {
    const operator = OBSERVATION_OPERATORS[level]
    if (operator === undefined) return this.#qualified()
    const at = this.#lexer.start
    const first = this.#observations(level + 1)
    if (this.#lexer.kind !== operator) return first
    const operands = [first]
    while (this.#lexer.kind === operator) {
      this.#lexer.next()
      operands.push(this.#observations(level + 1))
    }
    return { kind: 'combined', operator, operands, at }
  }

  #qualified(): ObservationExpression {
    const lexer = this.#lexer
    const at = lexer.start
    let expression: ObservationExpression
    if (lexer.kind === '[') {
      lexer.next()
      const comparison = this.#comparisons(0)
      this.#need(']', '9.5', 'AND, OR or ]')
      expression = { kind: 'observation', comparison, at }
    } else if (lexer.kind === '(') {
      this.#deeper()
      lexer.next()
      expression = this.#observations(0)
      this.#need(')', '9.5', 'an observation operator, a qualifier or )')
      this.#depth--
    } else return this.#expected('[ or (', '9.5')
    if (!QUALIFIERS.has(lexer.kind)) return expression
    const qualifiers: Qualifier[] = []
    while (QUALIFIERS.has(lexer.kind)) {
      const { start } = lexer
      const qualifier = this.#qualifier()
      if (qualifiers.some(other => other.kind === qualifier.kind)) {
        lexer.fail('qualifier', '9.5.1', `a second ${qualifier.kind} on one observation expression`, start)
      }
      qualifiers.push(qualifier)
    }
    return { kind: 'qualified', expression, qualifiers, at }
  }

  #qualifier(): Qualifier {
    const lexer = this.#lexer
    const { kind, start: at } = lexer
    lexer.next()
    if (kind === 'START') {
      const start = this.#timestamp()
      this.#need('STOP', '9.5.1')
      return { kind: 'start-stop', start, stop: this.#timestamp(), at }
    }
    const repeats = kind === 'REPEATS'
    if (lexer.kind !== 'integer' && (repeats || lexer.kind !== 'float')) {
      this.#expected(repeats ? 'a positive integer' : 'a positive number', '9.5.1')
    }
    const { number } = lexer
    if (number <= 0) lexer.fail('qualifier', '9.5.1', `expected a positive number, got ${number}`)
    lexer.next()
    this.#need(repeats ? 'TIMES' : 'SECONDS', '9.5.1')
    return repeats ? { kind: 'repeats', times: number, at } : { kind: 'within', seconds: number, at }
  }

  #timestamp(): string {
    const { value } = this.#lexer
    this.#need('timestamp', '9.5.1', "a timestamp t'…'")
    return value
  }

  #comparisons(level: number): ComparisonExpression {
    const operator = COMPARISON_OPERATORS[level]
    if (operator === undefined) return this.#comparison()
    const at = this.#lexer.start
    const first = this.#comparisons(level + 1)
    if (this.#lexer.kind !== operator) return first
    const operands = [first]
    while (this.#lexer.kind === operator) {
      this.#lexer.next()
      operands.push(this.#comparisons(level + 1))
    }
    return { kind: 'boolean', operator, operands, at }
  }

  #comparison(): ComparisonExpression {
    const lexer = this.#lexer
    const at = lexer.start
    if (lexer.kind === '(') {
      this.#deeper()
      lexer.next()
      const inner = this.#comparisons(0)
      this.#need(')', '9.6', 'AND, OR or )')
      this.#depth--
      return inner
    }
    if (lexer.kind === 'EXISTS' || lexer.kind === 'NOT') {
      const negated = lexer.kind === 'NOT'
      if (negated) lexer.next()
      this.#need('EXISTS', '9.6.1')
      return { kind: 'exists', path: this.#path(), negated, at }
    }
    const path = this.#path()
    const negated = this.#is('NOT')
    if (negated) lexer.next()
    const operator = lexer.kind as ComparisonOperator
    if (!OPERATORS.has(operator)) this.#expected('a comparison operator', '9.6.1')
    lexer.next()
    if (operator === 'IN') return { kind: 'comparison', path, negated, operator, values: this.#set(), at }
    if (TEXT_OPERATORS.has(operator) && lexer.kind !== 'string') this.#expected("a string '…'", '9.6.1')
    const ordered = operator !== '=' && operator !== '!='
    if (ordered && (lexer.kind === 'true' || lexer.kind === 'false')) {
      this.#expected('a constant that has an order', '9.6.1')
    }
    return { kind: 'comparison', path, negated, operator, values: [this.#constant()], at }
  }

  #set(): Constant[] {
    const lexer = this.#lexer
    this.#need('(', '9.6.1')
    const values = [this.#constant()]
    while (lexer.kind === ',') {
      lexer.next()
      values.push(this.#constant())
    }
    this.#need(')', '9.6.1', ', or )')
    return values
  }

  #constant(): Constant {
    const lexer = this.#lexer
    const { kind, start: at, value, number } = lexer
    let constant: Constant
    switch (kind) {
      case 'integer':
      case 'float':
        constant = { type: kind, value: number, at }
        break
      case 'string':
      case 'hex':
      case 'binary':
      case 'timestamp':
        constant = { type: kind, value, at }
        break
      case 'true':
      case 'false':
        constant = { type: 'boolean', value: kind === 'true', at }
        break
      default:
        return this.#expected('a constant', '9.2')
    }
    lexer.next()
    return constant
  }

  #path(): ObjectPath {
    const lexer = this.#lexer
    const { start: at, value: objectType } = lexer
    if (lexer.kind !== 'name' && lexer.kind !== 'hyphenated name') this.#expected('an object path', '9.7')
    lexer.next()
    this.#need(':', '9.7')
    const steps = [this.#name()]
    for (;;) {
      if (this.#is('.')) {
        lexer.next()
        steps.push(this.#name())
      } else if (this.#is('[')) steps.push(this.#index())
      else return { objectType, steps, at }
    }
  }

  #name(): PathStep {
    const lexer = this.#lexer
    const { start: at, value: name } = lexer
    if (lexer.kind === 'hyphenated name') {
      lexer.fail('syntax', '9.7', `a name with a hyphen stands in apostrophes: '${lexer.shown()}'`)
    }
    if (lexer.kind !== 'name' && lexer.kind !== 'string') this.#expected('the name of a property', '9.7')
    lexer.next()
    return { name, at }
  }

  #index(): PathStep {
    const lexer = this.#lexer
    const at = lexer.start
    lexer.next()
    const index = lexer.kind === '*' ? '*' : lexer.number
    if (lexer.kind !== '*' && (lexer.kind !== 'integer' || lexer.number < 0)) {
      this.#expected('* or an index from 0', '9.7.2')
    }
    lexer.next()
    this.#need(']', '9.7.2')
    return { index, at }
  }
}
