// Schemas and checks are TypeBox's, in as far as our schemas use it: held against it here, on the configuration as a whole and on values that are nearly right.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import TypeBox, { type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import Value from 'typebox/value'
import { ConfigSchema } from '#cli/config.ts'
import { isValid, problemsOf, withDefaults } from './check.ts'
import Type from './type.ts'

const SEED = Number(process.env['ENTENTE_TEST_SEED'] ?? 20260122)

/** One of each, as either makes it. */
const everything = (T: typeof Type) =>
  T.Object(
    {
      word: T.String({ minLength: 1, maxLength: 3, pattern: '^[a-zé𝄞]*$' }),
      count: T.Optional(T.Integer({ minimum: -1, maximum: 3 })),
      part: T.Number({ minimum: 0, maximum: 1, default: 0.5 }),
      isOn: T.Boolean({ default: false }),
      kind: T.Union([T.Literal('all'), T.Literal(2), T.Literal(true), T.Integer({ minimum: 5 })], { default: 'all' }),
      list: T.Array(T.Object({ id: T.String(), n: T.Integer({ default: 7 }) }, { additionalProperties: false }), {
        minItems: 1,
        maxItems: 2,
        uniqueItems: true,
        default: [{ id: 'a' }],
      }),
      names: T.Optional(T.Record(T.String({ pattern: '^[a-z]{1,2}$' }), T.Array(T.String()), { default: {} })),
      any: T.Optional(T.Record(T.String(), T.Unknown())),
      level: T.Optional(T.Unsafe<'x'>({ ...T.Union([T.Literal('x'), T.Literal('y')]), default: 'x' })),
      choice: T.Optional(
        T.Union([
          T.Object({ a: T.String(), also: T.Integer({ default: 1 }) }, { additionalProperties: false }),
          T.Object({ b: T.String(), more: T.Object({}, { default: {} }) }, { additionalProperties: false }),
        ]),
      ),
    },
    { additionalProperties: false, default: {}, description: 'one of each' },
  )

/** Hidden members as well. */
function whole(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(whole)
  if (typeof schema !== 'object' || schema === null) return schema
  const members = Object.entries(Object.getOwnPropertyDescriptors(schema))
  return Object.fromEntries(
    members.map(([key, { value, enumerable }]) => [`${enumerable ? '' : 'hidden '}${key}`, whole(value)]),
  )
}

/** That it is right as it is, and with which defaults, and that something is wrong where it is not. */
function assertSame(schema: TSchema, isTheirs: (value: unknown) => boolean, value: unknown): boolean {
  assert.equal(isValid(schema, value), isTheirs(value))
  const theirs = Value.Default(schema, structuredClone(value))
  const ours = withDefaults(schema, structuredClone(value))
  const isRight = isTheirs(theirs)
  assert.equal(isValid(schema, ours), isRight)
  if (isRight) assert.deepEqual(ours, theirs)
  assert.equal(problemsOf(schema, ours).length === 0, isRight)
  return isRight
}

test('schemas are those that TypeBox makes', () => {
  assert.deepEqual(whole(everything(Type)), whole(everything(TypeBox as typeof Type)))
})

/** A value that is right, with one or two places changed or taken out, or one more put in. */
const nearly = (right: fc.Arbitrary<unknown>) => {
  const leaf = fc.oneof(
    fc.constantFrom(undefined, null, '', 'a', 'all', 'x', 'ab', 'abcd', 'é𝄞𝄞', '𝄞𝄞𝄞𝄞', 'A', true, false),
    fc.constantFrom(-2, -1, 0, 0.5, 1, 2, 3, 4, 5, 1e9, Number.NaN, Number.POSITIVE_INFINITY, 6100, 70_000),
    fc.constantFrom(
      {},
      [],
      [{ id: 'a' }],
      ['a'],
      [{ id: 'a' }, { id: 'a' }],
      { a: 'b' },
      { b: 'c' },
      { a: ['b'] },
      { zzz: [] },
    ),
  )
  const change = fc.record({ at: fc.array(fc.nat(30), { minLength: 1, maxLength: 4 }), leaf, how: fc.nat(2) })
  return fc.tuple(right, fc.array(change, { maxLength: 2 })).map(([value, changes]) => {
    const changed = structuredClone(value)
    for (const { at, leaf: to, how } of changes) put(changed, at, to, how)
    return changed
  })
}

function put(value: unknown, [at = 0, ...rest]: number[], leaf: unknown, how: number): void {
  if (typeof value !== 'object' || value === null) return
  const object = value as Record<string, unknown>
  const keys = Object.keys(object)
  const key = keys[at % Math.max(keys.length, 1)] ?? 'a'
  if (rest.length > 0 && typeof object[key] === 'object' && object[key] !== null)
    return put(object[key], rest, leaf, how)
  if (how === 0 && !Array.isArray(object)) delete object[key]
  else if (how === 1 && !Array.isArray(object)) object[`more${at}`] = structuredClone(leaf)
  else object[key] = structuredClone(leaf)
}

test('values are as right as TypeBox says, and get its defaults', () => {
  const right = fc.record(
    {
      word: fc.constantFrom('a', 'é𝄞𝄞'),
      count: fc.integer({ min: -1, max: 3 }),
      part: fc.constantFrom(0, 1),
      isOn: fc.boolean(),
      kind: fc.constantFrom('all', 2, true, 5),
      list: fc.constantFrom([{ id: 'a' }], [{ id: 'a' }, { id: 'b', n: 1 }]),
      names: fc.constantFrom({}, { ab: ['c'] }),
      any: fc.constantFrom({}, { a: null, b: [1] }),
      level: fc.constantFrom('x', 'y'),
      choice: fc.constantFrom({ a: 'b' }, { b: 'c' }, { b: 'c', more: {} }),
    },
    { requiredKeys: ['word'] },
  )
  let [rights, wrongs] = [0, 0]
  const schema = everything(Type)
  const theirs = Compile(everything(TypeBox as typeof Type))
  const check = (value: unknown) => void (assertSame(schema, v => theirs.Check(v), value) ? rights++ : wrongs++)
  fc.assert(fc.property(nearly(right), check), { seed: SEED, numRuns: 500 })
  assert.ok(rights > 50 && wrongs > 50, `${rights} were right, ${wrongs} wrong`)
})

test('the configuration as well', () => {
  const right = fc.constantFrom(
    {},
    {
      server: { port: 0, tls: { cert: 'a', key: 'b' }, rateLimit: { failures: 3 }, metrics: { port: 1 } },
      log: { origin: 'a/b', witnesses: [{ vkey: 'k', url: 'https://w' }], witnessQuorum: 1 },
      store: { kind: 'mongodb', url: 'mongodb://a', tls: { ca: 'x' } },
      cluster: { listen: '127.0.0.1:1' },
      ledgers: [
        { id: 'a', kind: 'embedded', records: true },
        { id: 'b', kind: 'evm', urls: ['http://a'], chainId: 1, finality: 3, account: { node: `0x${'1'.repeat(40)}` } },
        { id: 'c', kind: 'bitcoin', url: 'http://a', keyFile: 'k', fee: { min: 2 } },
        {
          id: 'd',
          kind: 'fabric',
          endpoint: 'a:1',
          tlsCert: 't',
          mspId: 'm',
          cert: 'c',
          key: 'k',
          fabricChannel: 'f',
          chaincode: 'c',
        },
      ],
    },
    {
      channels: {
        kind: 'kafka',
        names: ['A', { name: 'B', audience: ['x'] }],
        brokers: ['a:1'],
        sasl: { username: 'u', passwordFile: 'p' },
      },
      markings: { rights: { admin: ['TLP:RED'] }, everyone: ['TLP:CLEAR'] },
      auth: { kind: 'local' },
      apiRoots: [
        {
          path: '/a/',
          title: 't',
          collections: [
            { alias: 'x', title: 'y', require: 2, forward: { types: { indicator: ['A'] } }, ledgers: ['a'] },
          ],
        },
      ],
    },
  )
  let [rights, wrongs] = [0, 0]
  const theirs = Compile(ConfigSchema)
  const check = (value: unknown) => void (assertSame(ConfigSchema, v => theirs.Check(v), value) ? rights++ : wrongs++)
  fc.assert(fc.property(nearly(right), check), { seed: SEED, numRuns: 100 })
  assert.ok(rights > 20 && wrongs > 20, `${rights} were right, ${wrongs} wrong`)
})

test('a keyword that is not checked here is refused', () => {
  assert.throws(() => isValid(Type.Integer({ multipleOf: 2 }), 4), /does not check "multipleOf"/)
})
