import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ComparisonExpression, Constant, ObservationExpression, PathStep, Qualifier } from './ast.ts'
import { PatternError, type PatternErrorCode, positionAt } from './error.ts'
import { formatPattern } from './format.ts'
import { MAX_PATTERN_DEPTH, MAX_PATTERN_LENGTH, parsePattern } from './parse.ts'

/** Parts without their offsets. */
const bare = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(bare)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== 'at')
      .map(([key, item]) => [key, bare(item)]),
  )
}
const read = (text: string) => parsePattern(text).expression
const comparison = (text: string): ComparisonExpression => {
  const expression = read(`[${text}]`)
  assert.equal(expression.kind, 'observation')
  return expression.kind === 'observation' ? expression.comparison : assert.fail()
}
const constant = (text: string): Constant | undefined => {
  const expression = comparison(`x:y = ${text}`)
  return expression.kind === 'comparison' ? expression.values[0] : undefined
}
const refused = (text: string): PatternError => {
  try {
    parsePattern(text)
  } catch (error) {
    assert.ok(error instanceof PatternError, String(error))
    return error
  }
  return assert.fail(`${text.slice(0, 80)} was read`)
}

/** Made for these tests after the tables of sections 9.2 to 9.7, each with the same pattern in our spelling. */
const spelled: [written: string, formatted: string][] = [
  ["[file:name='a']", "[file:name = 'a']"],
  ['  [ \t\r\nfile:size\u00a0>\u30007 ]\u2028', '[file:size > 7]'],
  ["[file:name MATCHES'^a.*$']", "[file:name MATCHES '^a.*$']"],
  ['[file:size IN(1,2 ,-3)]', '[file:size IN (1, 2, -3)]'],
  ["[file:name = 'it\\'s C:\\\\x']", "[file:name = 'it\\'s C:\\\\x']"],
  ["[artifact:payload_bin = b'AB\nI=']", "[artifact:payload_bin = b'ABI=']"],
  ["[file:magic_number_hex NOT = h'ffd8']", "[file:magic_number_hex NOT = h'ffd8']"],
  ['[process:is_hidden = true]', '[process:is_hidden = true]'],
  ['[file:x_a > -0.5 AND file:x_a < 7.0]', '[file:x_a > -0.5 AND file:x_a < 7.0]'],
  ['[EXISTS windows-registry-key:values]', '[EXISTS windows-registry-key:values]'],
  ['[NOT EXISTS file:name]', '[NOT EXISTS file:name]'],
  [
    "[file:extensions.'ntfs-ext'.alternate_data_streams[*].name = 'x']",
    "[file:extensions.'ntfs-ext'.alternate_data_streams[*].name = 'x']",
  ],
  ["[network-traffic:protocols[0] = 'tcp']", "[network-traffic:protocols[0] = 'tcp']"],
  ["[file:'name' = 'x']", "[file:name = 'x']"],
  ["[process:environment_variables.'IN' = 'x']", "[process:environment_variables.'IN' = 'x']"],
  // Parentheses that say nothing go; the others stay (section 9.5.3).
  ['([file:size = 1])', '[file:size = 1]'],
  ['[(file:size = 1)]', '[file:size = 1]'],
  ['[(file:size = 1 AND file:size = 2) OR file:size = 3]', '[file:size = 1 AND file:size = 2 OR file:size = 3]'],
  ['[file:size = 1 AND (file:size = 2 OR file:size = 3)]', '[file:size = 1 AND (file:size = 2 OR file:size = 3)]'],
  [
    '[a:b = 1] FOLLOWEDBY [a:b = 2] OR [a:b = 3] AND [a:b = 4]',
    '[a:b = 1] FOLLOWEDBY [a:b = 2] OR [a:b = 3] AND [a:b = 4]',
  ],
  [
    '([a:b = 1] AND [a:b = 2] REPEATS 5 TIMES) WITHIN 5.50 SECONDS',
    '([a:b = 1] AND [a:b = 2] REPEATS 5 TIMES) WITHIN 5.5 SECONDS',
  ],
  ['(([a:b = 1])) REPEATS 2 TIMES', '[a:b = 1] REPEATS 2 TIMES'],
  ['([a:b = 1] REPEATS 2 TIMES) REPEATS 2 TIMES', '([a:b = 1] REPEATS 2 TIMES) REPEATS 2 TIMES'],
  [
    "[a:b = 1] START t'2016-06-01T00:00:00Z' STOP t'2016-07-01T00:00:00.5Z' WITHIN 1 SECONDS",
    "[a:b = 1] START t'2016-06-01T00:00:00Z' STOP t'2016-07-01T00:00:00.5Z' WITHIN 1 SECONDS",
  ],
]

test('every construct is read, and written in one spelling', () => {
  for (const [written, formatted] of spelled) {
    assert.equal(formatPattern(read(written)), formatted)
    assert.deepEqual(bare(read(formatted)), bare(read(written)))
    assert.deepEqual(parsePattern(written).spellings, [])
  }
})

test('precedence: AND before OR before FOLLOWEDBY, a qualifier before all (9.5.3)', () => {
  const kinds = (expression: ObservationExpression): unknown => {
    if (expression.kind === 'combined') return [expression.operator, ...expression.operands.map(kinds)]
    return expression.kind === 'qualified' ? [expression.qualifiers[0]?.kind, kinds(expression.expression)] : 0
  }
  assert.deepEqual(kinds(read('[a:b=1] FOLLOWEDBY [a:b=1] OR [a:b=1] AND [a:b=1] REPEATS 2 TIMES')), [
    'FOLLOWEDBY',
    0,
    ['OR', 0, ['AND', 0, ['repeats', 0]]],
  ])
  assert.deepEqual(kinds(read('[a:b=1] OR [a:b=1] OR [a:b=1]')), ['OR', 0, 0, 0])
  assert.deepEqual(kinds(read('[a:b=1] OR ([a:b=1] OR [a:b=1])')), ['OR', 0, ['OR', 0, 0]])
})

test('constants (9.2)', () => {
  assert.deepEqual(constant('-0'), { type: 'integer', value: 0, at: 7 })
  assert.deepEqual(constant('9007199254740991'), { type: 'integer', value: 9_007_199_254_740_991, at: 7 })
  assert.deepEqual(constant('.5'), { type: 'float', value: 0.5, at: 7 })
  assert.deepEqual(constant("''"), { type: 'string', value: '', at: 7 })
  assert.deepEqual(constant("'\\\\\\''"), { type: 'string', value: "\\'", at: 7 })
  assert.deepEqual(constant("t'2014-01-13T07:03:17Z'"), { type: 'timestamp', value: '2014-01-13T07:03:17Z', at: 7 })
})

/** What is refused: where, why. The caret stands under the place that the error must name. */
const wrong: [code: PatternErrorCode, section: string, text: string, caret: string][] = [
  ['syntax', '9.5', '', '^'],
  ['syntax', '9.5', 'file:size = 1280', '^'],
  ['syntax', '9.5', '[a:b = 1', '        ^'],
  ['syntax', '9.5', '[a:b = 1]]', '         ^'],
  ['syntax', '9.5', '[a:b = 1] [a:b = 2]', '          ^'],
  ['syntax', '9.5', '([a:b = 1]', '          ^'],
  ['syntax', '9.7', '[]', ' ^'],
  ['syntax', '9.7', '[file.size = 1]', '     ^'],
  ['syntax', '9.7', '[file: = 1]', '       ^'],
  ['syntax', '9.7', '[file:a-b = 1]', '      ^'],
  ['syntax', '9.7.2', '[file:a[-1] = 1]', '        ^'],
  ['syntax', '9.7.2', '[file:a[x] = 1]', '        ^'],
  ['syntax', '9.7.2', '[file:a[1 = 1]', '          ^'],
  ['syntax', '9.2', '[file:size = ]', '             ^'],
  ['syntax', '9.2', '[file:hashes.MD5 = cead3f]', '                   ^'],
  ['syntax', '9.6.1', '[file:size 7]', '           ^'],
  ['syntax', '9.6.1', '[file:size > true]', '             ^'],
  ['syntax', '9.6.1', '[file:name LIKE 7]', '                ^'],
  ['syntax', '9.6.1', '[file:name IN ]', '              ^'],
  ['syntax', '9.2', '[file:name IN ()]', '               ^'],
  ['syntax', '9.6.1', '[NOT file:size = 7]', '     ^'],
  ['syntax', '9.5', '[a:b = 1] within 2 SECONDS', '          ^'],
  ['syntax', '9.5.1', '[a:b = 1] WITHIN 2 HOURS', '                   ^'],
  ['syntax', '9.5.1', "[a:b = 1] START '2016-06-01T00:00:00Z' STOP 1", '                ^'],
  ['syntax', '9.5.1', '[a:b = 1] REPEATS 1.5 TIMES', '                  ^'],
  ['qualifier', '9.5.1', '[a:b = 1] REPEATS 0 TIMES', '                  ^'],
  ['qualifier', '9.5.1', '[a:b = 1] WITHIN -5 SECONDS', '                 ^'],
  ['qualifier', '9.5.1', '[a:b = 1] WITHIN 1 SECONDS WITHIN 2 SECONDS', '                           ^'],
  ['constant', '9.2', "[a:b = 'x]", '       ^'],
  ['constant', '9.2', "[a:b = 'C:\\x']", '          ^'],
  ['constant', '9.2', '[a:b = +1]', '       ^'],
  ['constant', '9.2', '[a:b = 007]', '       ^'],
  ['constant', '9.2', '[a:b = 1e5]', '       ^'],
  ['constant', '9.2', '[a:b = 1.]', '       ^'],
  ['constant', '2.10', '[a:b = 9007199254740992]', '       ^'],
  ['constant', '9.2', "[a:b = h'FF']", '       ^'],
  ['constant', '9.2', "[a:b = h'fff']", '       ^'],
  ['constant', '9.2', "[a:b = b'====']", '       ^'],
  ['constant', '9.2', "[a:b = t'2023-02-29T00:00:00Z']", '       ^'],
  ['character', '9.4', '[a:b = "x"]', '       ^'],
  ['character', '9.4', '[a:b =? 1]', '      ^'],
  ['character', '9.4', '[a:b MATCHES /x/]', '             ^'],
]

test('what is wrong is refused at its place, with its section', () => {
  for (const [code, section, text, caret] of wrong) {
    const error = refused(text)
    assert.deepEqual([error.code, error.section, error.position.offset], [code, section, caret.length - 1], text)
    assert.equal(error.message, `line 1, column ${caret.length}: ${error.reason}`)
    assert.ok(error.reason.length < 200)
  }
})

test('lines and columns: LF, CR LF, CR, and characters beyond the basic plane', () => {
  assert.deepEqual(refused("[a:b = '\u{1f512}\n\u{1f512}'\r\n  AND x]").position, { offset: 23, line: 3, column: 8 })
  assert.deepEqual(positionAt('\r\r\nx', 3), { offset: 3, line: 3, column: 1 })
})

test('spellings of the OASIS grammar that the specification lacks are read and told', () => {
  const { expression, spellings } = parsePattern('[a:b == 1 /* x */ AND a:b <> 2] // end')
  assert.equal(formatPattern(expression), '[a:b = 1 AND a:b != 2]')
  assert.deepEqual(
    spellings.map(spelling => spelling.at),
    [5, 10, 26, 32],
  )
})

test("the specification's patterns: all are read, and come back the same", t => {
  const file = join(import.meta.dirname, '../../../../shared/data/stix-examples/patterns.txt')
  if (!existsSync(file)) return t.skip('no data: stix-examples/ is not beside the project')
  const patterns = readFileSync(file, 'utf8').split('\n').filter(Boolean)
  assert.equal(patterns.length, 23)
  for (const pattern of patterns) {
    const { expression, spellings } = parsePattern(pattern)
    assert.deepEqual(bare(read(formatPattern(expression))), bare(expression), pattern)
    assert.deepEqual(spellings, [])
  }
})

const at = fc.constant(0)
const timestamps = fc
  .date({ min: new Date('1600-01-01'), max: new Date('9999-01-01'), noInvalidDate: true })
  .map(date => date.toISOString())
const number = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -9, max: 9 })).map(value => (value === 0 ? 0 : value))
const float = fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => (value === 0 ? 0 : value))
const positive = fc.oneof(
  fc.integer({ min: 1 }),
  fc.double({ min: 1e-9, max: 1e9, noNaN: true }).filter(value => value > 0),
)
const text = fc.string({ unit: 'grapheme', maxLength: 12 })
const string = fc.record({ type: fc.constant('string' as const), value: text, at })
const constants: fc.Arbitrary<Constant> = fc.oneof(
  string,
  fc.record({ type: fc.constant('integer' as const), value: number, at }),
  fc.record({ type: fc.constant('float' as const), value: float, at }),
  fc.record({ type: fc.constant('boolean' as const), value: fc.boolean(), at }),
  fc.record({ type: fc.constant('timestamp' as const), value: timestamps, at }),
  fc.record({
    type: fc.constant('hex' as const),
    value: fc.uint8Array().map(octets => Buffer.from(octets).toString('hex')),
    at,
  }),
  fc.record({
    type: fc.constant('binary' as const),
    value: fc.uint8Array().map(octets => Buffer.from(octets).toString('base64')),
    at,
  }),
)
const names = fc.oneof(fc.constantFrom('value', 'hashes', 'SHA-256', 'IN', 'true', 't', 'h', 'x_1'), text)
const steps: fc.Arbitrary<PathStep> = fc.oneof(
  fc.record({ name: names, at }),
  fc.record({ index: fc.oneof(fc.constant('*' as const), fc.nat()), at }),
)
const path = fc.record({
  objectType: fc.constantFrom('file', 'ipv4-addr', 'x-own-thing', 't'),
  steps: fc
    .tuple(fc.record({ name: names, at }), fc.array(steps, { maxLength: 3 }))
    .map(([first, rest]): PathStep[] => [first, ...rest]),
  at,
})
const negated = fc.boolean()
const { comparisons } = fc.letrec<{ comparisons: ComparisonExpression }>(tie => ({
  comparisons: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(
      fc.record({ kind: fc.constant('exists' as const), path, negated, at }),
      fc.record({
        kind: fc.constant('comparison' as const),
        path,
        negated,
        operator: fc.constantFrom('=' as const, '!=' as const),
        values: fc.tuple(constants),
        at,
      }),
      fc.record({
        kind: fc.constant('comparison' as const),
        path,
        negated,
        operator: fc.constantFrom('<' as const, '>' as const, '<=' as const, '>=' as const),
        values: fc.tuple(constants.filter(each => each.type !== 'boolean')),
        at,
      }),
      fc.record({
        kind: fc.constant('comparison' as const),
        path,
        negated,
        operator: fc.constantFrom('LIKE' as const, 'MATCHES' as const, 'ISSUBSET' as const, 'ISSUPERSET' as const),
        values: fc.tuple(string),
        at,
      }),
      fc.record({
        kind: fc.constant('comparison' as const),
        path,
        negated,
        operator: fc.constant('IN' as const),
        values: fc.array(constants, { minLength: 1, maxLength: 3 }),
        at,
      }),
    ),
    fc.record({
      kind: fc.constant('boolean' as const),
      operator: fc.constantFrom('AND' as const, 'OR' as const),
      operands: fc.array(tie('comparisons'), { minLength: 2, maxLength: 3 }),
      at,
    }),
  ),
}))
const qualifier: fc.Arbitrary<Qualifier> = fc.oneof(
  fc.record({ kind: fc.constant('repeats' as const), times: fc.integer({ min: 1 }), at }),
  fc.record({ kind: fc.constant('within' as const), seconds: positive, at }),
  fc.record({ kind: fc.constant('start-stop' as const), start: timestamps, stop: timestamps, at }),
)
const { observations } = fc.letrec<{ observations: ObservationExpression }>(tie => ({
  observations: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.record({ kind: fc.constant('observation' as const), comparison: comparisons, at }),
    fc.record({
      kind: fc.constant('qualified' as const),
      expression: tie('observations'),
      qualifiers: fc.uniqueArray(qualifier, { minLength: 1, maxLength: 3, selector: each => each.kind }),
      at,
    }),
    fc.record({
      kind: fc.constant('combined' as const),
      operator: fc.constantFrom('AND' as const, 'OR' as const, 'FOLLOWEDBY' as const),
      operands: fc.array(tie('observations'), { minLength: 2, maxLength: 3 }),
      at,
    }),
  ),
}))

test('property: parse(format(pattern)) is the pattern', () => {
  fc.assert(
    fc.property(observations, expression => {
      assert.deepEqual(bare(read(formatPattern(expression))), bare(expression))
    }),
    { seed: 9, numRuns: 600 },
  )
})

test('property: any text is read or refused with a PatternError, and each part begins where it says', () => {
  const pieces = fc.constantFrom(
    '[',
    ']',
    '(',
    ')',
    'file',
    ':',
    '.',
    'name',
    ' ',
    '=',
    "'",
    "'x'",
    'AND',
    'NOT',
    '7',
    '-',
    '\\',
    "h'",
    '/*',
    '*',
    '\n',
    '\u{1f512}',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(pieces, { maxLength: 30 }).map(all => all.join('')),
        fc.string(),
      ),
      source => {
        try {
          parsePattern(source)
        } catch (error) {
          assert.ok(error instanceof PatternError, String(error))
          assert.ok(error.position.offset <= source.length)
        }
      },
    ),
    { seed: 9, numRuns: 2_000 },
  )
  fc.assert(
    fc.property(observations, expression => {
      const source = formatPattern(expression)
      const walk = (part: unknown): void => {
        if (typeof part !== 'object' || part === null) return
        if ('objectType' in part && 'at' in part) assert.ok(source.startsWith(`${part.objectType}:`, part.at as number))
        if ('index' in part && 'at' in part) assert.equal(source[part.at as number], '[')
        if ('times' in part && 'at' in part) assert.ok(source.startsWith('REPEATS', part.at as number))
        for (const value of Object.values(part)) walk(value)
      }
      walk(read(source))
    }),
    { seed: 10, numRuns: 200 },
  )
})

test('hostile patterns take bounded time and memory', () => {
  const started = performance.now()
  const big = MAX_PATTERN_LENGTH
  assert.equal(refused('['.repeat(big)).code, 'syntax')
  assert.equal(refused('('.repeat(big)).code, 'depth')
  assert.equal(refused(`[${'('.repeat(big - 1)}`).code, 'depth')
  assert.equal(refused(' '.repeat(big + 1)).code, 'length')
  assert.equal(refused(`[a:b = '${'\\\\'.repeat(big / 2 - 10)}`).code, 'constant')
  assert.equal(refused(`[a:b = ${'9'.repeat(big - 10)}`).code, 'constant')
  assert.equal(refused(`[a:b = b'${'A'.repeat(big - 10)}`).code, 'constant')
  assert.equal(refused(`[a:b${'.c'.repeat(big / 2 - 4)} `).code, 'syntax')
  assert.equal(refused('/*'.repeat(big / 2)).code, 'syntax')
  assert.equal(refused('/**/'.repeat(big / 4)).code, 'syntax')
  assert.equal(refused(`${'\n'.repeat(big - 1)}x`).position.line, big)
  const wide = Array.from({ length: 10_000 }, (_, index) => `[a:b = ${index}]`).join(' OR ')
  const read = parsePattern(wide).expression
  assert.equal(read.kind === 'combined' ? read.operands.length : 0, 10_000)
  const deepest = `${'('.repeat(MAX_PATTERN_DEPTH)}[a:b = 1]${')'.repeat(MAX_PATTERN_DEPTH)}`
  assert.equal(formatPattern(parsePattern(deepest).expression), '[a:b = 1]')
  assert.equal(refused(`(${deepest})`).code, 'depth')
  const elapsed = performance.now() - started
  assert.ok(elapsed < 2_000, `${elapsed} ms`)
})
