import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { canonicalize, JsonError, parseObjects, parseStrict, scanJson } from './index.ts'

const SEED = 20261122
const code = (expected: string) => (error: unknown) => error instanceof JsonError && error.code === expected
const bytes = (text: string) => new TextEncoder().encode(text)

/** RFC 8785 as its appendix A has it: slow, and obviously that. */
function reference(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(reference).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${reference(member)}`).join(',')}}`
}

/** Any JSON that I-JSON allows, with the keys that JavaScript treats in its own way. */
const json = fc.letrec(tie => ({
  key: fc.oneof(
    fc.string({ unit: 'binary', maxLength: 6 }),
    fc.constantFrom('__proto__', 'constructor', 'toString', '10', '9', '-0', '', '\ue000', '\u{1f600}', 'length'),
  ),
  leaf: fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.maxSafeInteger(),
    fc.double({ noDefaultInfinity: true, noNaN: true }).filter(n => !Number.isInteger(n) || Number.isSafeInteger(n)),
    fc.boolean(),
    fc.constantFrom(null, -0, 5e-324, 1.5e300 / 7e299, 'quote " backslash \\ control \u0001\u001f del \u007f \u2028'),
  ),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.uniqueArray(fc.tuple(tie('key'), tie('value')), { maxLength: 6, selector: entry => entry[0] }).map(entries => {
      const object: Record<string, unknown> = {}
      for (const [key, value] of entries) {
        // an ordinary assignment would set the prototype
        Object.defineProperty(object, key as string, { value, enumerable: true, writable: true, configurable: true })
      }
      return object
    }),
  ),
})).value

test('RFC 8785 section 3.2.2: the sample object', () => {
  const text = `{
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\"\\/",
    "literals": [null, true, false]
  }`
  // 1E30 is an integer beyond 2^53 - 1, which we refuse; the rest is as in the RFC
  assert.throws(() => parseStrict(text), code('number'))
  assert.equal(
    canonicalize(JSON.parse(text.replace('1E30, ', ''))),
    String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
  )
})

test('RFC 8785 section 3.2.3: keys in order of their UTF-16 code units', () => {
  const value = {
    '\u20ac': 'Euro Sign',
    '\r': 'Carriage Return',
    '\ufb33': 'Hebrew Letter Dalet With Dagesh',
    '1': 'One',
    '\u{1f600}': 'Emoji: Grinning Face',
    '\u0080': 'Control',
    '\u00f6': 'Latin Small Letter O With Diaeresis',
  }
  const order = [...canonicalize(value).matchAll(/":"([^"]*)"/g)].map(match => match[1])
  assert.deepEqual(order, [
    'Carriage Return',
    'One',
    'Control',
    'Latin Small Letter O With Diaeresis',
    'Euro Sign',
    'Emoji: Grinning Face',
    'Hebrew Letter Dalet With Dagesh',
  ])
})

test('RFC 8785 appendix B: numbers', () => {
  const double = (hex: string) => new DataView(Uint8Array.from(Buffer.from(hex, 'hex')).buffer).getFloat64(0)
  for (const [hex, text] of [
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['433fffffffffffff', '9007199254740991'],
    ['c33fffffffffffff', '-9007199254740991'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['41b3de4355555553', '333333333.3333332'],
    ['41b3de4355555554', '333333333.33333325'],
    ['41b3de4355555555', '333333333.3333333'],
    ['41b3de4355555556', '333333333.3333334'],
    ['41b3de4355555557', '333333333.33333343'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['43143ff3c1cb0959', '1424953923781206.2'],
  ] as const) {
    assert.equal(canonicalize(double(hex)), text, hex)
  }
  // Integers beyond 2^53 - 1: the RFC writes them and warns; we refuse, since two texts would be one number
  for (const hex of [
    '7fefffffffffffff',
    'ffefffffffffffff',
    '4340000000000000',
    'c340000000000000',
    '4430000000000000',
  ]) {
    assert.throws(() => canonicalize(double(hex)), code('number'), hex)
  }
  for (const hex of [
    '44b52d02c7e14af5',
    '44b52d02c7e14af6',
    '444b1ae4d6e2ef4f',
    '444b1ae4d6e2ef50',
    '7fffffffffffffff',
  ]) {
    assert.throws(() => canonicalize(double(hex)), code('number'), hex)
  }
  assert.throws(() => canonicalize(double('7ff0000000000000')), code('number'))
})

test('canonical text: as the reference writes it, stable, in order, and the same value', () => {
  fc.assert(
    fc.property(json, value => {
      const text = canonicalize(value)
      assert.equal(text, reference(value))
      assert.equal(canonicalize(parseStrict(text)), text)
      assert.equal(canonicalize(parseStrict(JSON.stringify(value, null, 2))), text)
    }),
    { seed: SEED, numRuns: 400 },
  )
})

test('a large random body: every object as the reference writes it', () => {
  const bodies = fc.sample(fc.array(json, { minLength: 200, maxLength: 300 }), { seed: SEED, numRuns: 20 })
  for (const objects of bodies) {
    const envelope = { more: false, objects, x_note: ['a:b', { 'c:d': '\\":' }] }
    const parsed = parseObjects(bytes(JSON.stringify(envelope)))
    assert.deepEqual(parsed.canonical, objects.map(reference))
    assert.equal(canonicalize(parsed.envelope), reference(envelope))
  }
})

test('real objects: as the reference writes them', t => {
  const file = path.join(import.meta.dirname, '../../../../shared/data/attack/ics-attack-18.1.json')
  if (!existsSync(file)) return t.skip('no ATT&CK data at ../shared/data/attack')
  const body = readFileSync(file)
  const { envelope, canonical } = parseObjects(body)
  assert.deepEqual(canonical, (JSON.parse(body.toString()).objects as unknown[]).map(reference))
  assert.equal(envelope['type'], 'bundle')
})

test('duplicate keys are refused wherever they are, and named with their place', () => {
  for (const [text, key, offset] of [
    ['{"a":1,"a":1}', 'a', 7],
    ['{"a":1,"b":{"c":1,"c":2}}', 'c', 18],
    ['[{"a":1},{"a":1,"\\u0061":2}]', 'a', 16],
    ['{"__proto__":1,"__proto__":2}', '__proto__', 15],
    ['{"é:\\"{":1,"é:\\"{":2}', 'é:"{', 12],
    ['{"objects":[],"objects":[]}', 'objects', 14],
    ['{"":1,"":2}', '', 6],
    ['{"1":[{}],"1":[]}', '1', 10],
  ] as const) {
    const expected = { name: 'JsonError', code: 'duplicate-key', offset, message: new RegExp(`byte ${offset}`) }
    assert.throws(() => parseStrict(text), expected, text)
    assert.throws(() => parseStrict(bytes(`{"objects":[${text}]}`)), {
      ...expected,
      offset: offset + 12,
      message: /twice/,
    })
    assert.throws(() => parseObjects(bytes(`{"objects":[${text}]}`)), { code: 'duplicate-key' }, key)
  }
  // the same key in different objects, and colons in strings
  for (const text of [
    '[{"a":1},{"a":1}]',
    '{"a":{"a":{"a":1}}}',
    '{"a":"\\"a\\":1,:::","b":"\\\\"}',
    '{"a":1,"A":2}',
  ]) {
    assert.equal(canonicalize(parseStrict(text)), canonicalize(JSON.parse(text)))
  }
})

test('any duplicated member of any JSON is found', () => {
  fc.assert(
    fc.property(fc.array(json, { minLength: 1, maxLength: 4 }), fc.string(), (values, key) => {
      const member = `${JSON.stringify(key)}:${reference(values[0])}`
      const rest = values.slice(1).map(reference)
      const text = `[${[...rest, `{${member},"${key.length}x":[${rest.join(',')}],${member}}`].join(',')}]`
      assert.throws(() => parseStrict(text), code('duplicate-key'))
    }),
    { seed: SEED, numRuns: 200 },
  )
})

test('numbers that JSON.parse would change are refused', () => {
  for (const text of [
    '9007199254740993',
    '9007199254740992',
    '-9007199254740993',
    '9007199254740993.0',
    '1e400',
    '-1e400',
    '1e21',
    '90071992547409930e-1',
    '1E30',
  ]) {
    assert.throws(() => parseStrict(`{"n":[${text}]}`), code('number'), text)
    assert.throws(() => parseObjects(bytes(`{"objects":[{"n":${text}}]}`)), code('number'), text)
    assert.throws(() => parseObjects(bytes(`{"n":${text},"objects":[]}`)), code('number'), text)
  }
  for (const [text, canonical] of [
    ['1.0', '1'],
    ['-0', '0'],
    ['-0.0e7', '0'],
    ['9007199254740991', '9007199254740991'],
    ['1e2', '100'],
    ['1e-7', '1e-7'],
    ['0.1', '0.1'],
  ] as const) {
    assert.equal(canonicalize(parseStrict(text)), canonical)
  }
})

test('halves of surrogate pairs are refused, raw, escaped, in keys and in values', () => {
  for (const text of [
    '"\\ud800"',
    '"\\udc00"',
    '{"\\uD83D":1}',
    '["\\ude00\\ud83d"]',
    '"a\\ud83dx\\ude00"',
    '"\ud800"',
    '{"\udfff":1}',
  ]) {
    assert.throws(() => parseStrict(text), code('surrogate'), JSON.stringify(text))
  }
  assert.throws(() => parseObjects(bytes('{"\\ud800":1,"objects":[]}')), code('surrogate'))
  assert.throws(() => parseObjects(bytes('{"objects":[{"a":"\\ud800"}]}')), /objects\[0\]/)
  assert.equal(canonicalize(parseStrict('"\\ud83d\\ude00"')), '"😀"')
})

test('what is no UTF-8 is refused', () => {
  for (const bad of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf4, 0x90, 0x80, 0x80]]) {
    assert.throws(() => parseStrict(Uint8Array.from([0x22, ...bad, 0x22])), code('utf8'), String(bad))
  }
  assert.throws(() => parseStrict(Uint8Array.from([0xef, 0xbb, 0xbf, 0x31])), code('syntax'), 'a byte order mark')
})

test('what is no JSON is refused', () => {
  for (const text of [
    '',
    ' ',
    '{',
    '}',
    '[1,]',
    '{"a":}',
    '{"a" 1}',
    '{a:1}',
    "{'a':1}",
    '01',
    '+1',
    '.5',
    '1.',
    'NaN',
    'Infinity',
    '"',
    '"\\"',
    '"\\',
    '"\t"',
    '1 2',
    '[1]]',
    '"\\x41"',
    'nul',
    '/* */1',
    '{"a":1,}',
    ':',
    '"a":1',
  ]) {
    assert.throws(() => parseStrict(text), code('syntax'), text)
  }
})

test('limits hold before anything is parsed', () => {
  const deep = (n: number) => '['.repeat(n) + ']'.repeat(n)
  assert.deepEqual(parseStrict(deep(3), { maxDepth: 3 }), [[[]]])
  assert.throws(() => parseStrict(deep(4), { maxDepth: 3 }), { code: 'too-deep', offset: 3 })
  assert.throws(() => parseStrict(deep(1_000_000)), code('too-deep'))
  assert.throws(() => parseStrict('{"a":'.repeat(1_000_000)), code('too-deep'))
  assert.equal(parseStrict('"12345678"', { maxBytes: 10 }), '12345678')
  assert.throws(() => parseStrict('"123456789"', { maxBytes: 10 }), code('too-big'))
  assert.throws(() => parseStrict('"€€€€"', { maxBytes: 10 }), code('too-big'))
  assert.deepEqual(parseStrict('{"a":1,"b":2}', { maxKeys: 2 }), { a: 1, b: 2 })
  assert.throws(() => parseStrict('{"a":1,"b":[{"c":2}]}', { maxKeys: 2 }), code('too-many-keys'))
  assert.throws(() => parseStrict('[[],{},1,"a,b"]', { maxValues: 6 }), code('too-many-values'))
  parseStrict('[[],{},1,"a,b,[{"]', { maxValues: 7 })
  assert.deepEqual(scanJson(bytes('{"a:":[1,{"b":"\\\\"}]}'), { maxBytes: 99, maxDepth: 9 }), { colons: 2, depth: 3 })
})

test('a string of backslashes and quotes is scanned in linear time', () => {
  const text = `"${'\\\\'.repeat(500_000)}${'\\"'.repeat(500_000)}"`
  const start = performance.now()
  parseStrict(text)
  assert.ok(performance.now() - start < 2000)
})

test('values that are no JSON are refused', () => {
  for (const value of [
    undefined,
    () => 1,
    Symbol('a'),
    1n,
    new Date(0),
    new Map(),
    [undefined],
    { a: undefined },
    Object.create({ a: 1 }),
  ]) {
    assert.throws(() => canonicalize(value), code('type'))
  }
  const sparse: unknown[] = []
  sparse[2] = 1
  assert.throws(() => canonicalize(sparse), code('type'))
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])
    assert.throws(() => canonicalize(value), code('number'))
  const cycle: unknown[] = []
  cycle.push(cycle)
  assert.throws(() => canonicalize(cycle), code('too-deep'))
  assert.equal(canonicalize(Object.assign(Object.create(null), { b: 1, a: [] })), '{"a":[],"b":1}')
})

test('a member called __proto__ is data', () => {
  const text = '{"__proto__":{"admin":true},"a":1}'
  const value = parseStrict(text) as Record<string, unknown>
  assert.equal(canonicalize(value), text)
  assert.equal(value['admin'], undefined)
  assert.equal(canonicalize(JSON.parse('{"10":1,"9":2,"a":3}')), '{"10":1,"9":2,"a":3}')
})

test('parseObjects: what is no envelope is refused', () => {
  for (const text of ['[]', '1', 'null', '{}', '{"objects":{}}', '{"objects":null}', '{"Objects":[]}']) {
    assert.throws(() => parseObjects(bytes(text)), code('member'), text)
  }
  assert.deepEqual(parseObjects(bytes('{"records":[1,"a",null]}'), 'records').canonical, ['1', '"a"', 'null'])
  assert.deepEqual(parseObjects(bytes('{"objects":[]}')).canonical, [])
  assert.throws(() => parseObjects(bytes('{"objects":[1,{"a":[9007199254740993]}]}')), /objects\[1\]/)
})
