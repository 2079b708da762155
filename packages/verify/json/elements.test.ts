import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { JsonError, openLongArray, parseStrict } from './index.ts'

const SEED = Number(process.env['ENTENTE_TEST_SEED'] ?? 20260101)
const encoder = new TextEncoder()
const LIMITS = { maxBytes: 10_000 }

async function* cut(text: string | Uint8Array, sizes: number[]): AsyncGenerator<Uint8Array> {
  const bytes = typeof text === 'string' ? encoder.encode(text) : text
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] as number
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function read(text: string | Uint8Array, sizes = [7]): Promise<{ envelope: unknown; elements: unknown[] }> {
  const { envelope, elements } = await openLongArray(cut(text, sizes), 'records', LIMITS)
  const all: unknown[] = []
  for await (const group of elements) for (const element of group) all.push(JSON.parse(element))
  return { envelope, elements: all }
}

/** jsonValue has integers that I-JSON has not. */
function isStrict(value: unknown): boolean {
  try {
    parseStrict(JSON.stringify(value))
    return true
  } catch {
    return false
  }
}

const refused = (text: string | Uint8Array, code: string) =>
  assert.rejects(read(text), (error: JsonError) => error instanceof JsonError && error.code === code)

suite('a JSON text that is too long to be held', () => {
  test('gives what JSON.parse gives, however it is cut', async () => {
    const json = fc.jsonValue({ maxDepth: 3 }).filter(isStrict)
    const object = fc.dictionary(fc.string({ unit: 'grapheme' }), json)
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.constantFrom('a', 'records ', 'b":[{'), json),
        fc.array(object, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
        fc.constantFrom(undefined, 1, '\t'),
        async (before, records, sizes, indent) => {
          const value = JSON.parse(JSON.stringify({ ...before, records }))
          const { envelope, elements } = await read(JSON.stringify(value, null, indent), sizes)
          assert.deepEqual({ ...(envelope as object), records: elements }, value)
        },
      ),
      { seed: SEED, numRuns: 300 },
    )
  })

  test('is refused where it is something else', async () => {
    for (const text of [
      '',
      '{}',
      '[]',
      '{"records":{}}',
      '{"records":[{}],"more":1}',
      '{"records":[{}]',
      '{"records":[{}',
      '{"records":[{}]}}',
      '{"records":[{}{}]}',
      '{"records":[{},,{}]}',
      '{"records":[,{}]}',
      '{"records":[{},]}',
      '{"records":[1]}',
      '{"records":["{"]}',
      '{"a":{"records":[{}]}}',
    ])
      await refused(text, 'member')
    await refused('{"a":1,"a":2,"records":[]}', 'duplicate-key')
    await refused(Uint8Array.of(...encoder.encode('{"records":[{"a":"'), 0xff, ...encoder.encode('"}]}')), 'utf8')
  })

  test('is refused where an element, or what stands before them, is too long', async () => {
    const long = 'x'.repeat(LIMITS.maxBytes)
    await refused(`{"records":[{"a":"${long}"}]}`, 'too-big')
    await refused(`{"a":"${long}","records":[]}`, 'too-big')
    await refused(`{"records":[${' '.repeat(LIMITS.maxBytes + 100)}]}`, 'too-big')
    const many = Array.from({ length: 3 * LIMITS.maxBytes }, (_, i) => `{"i":${i}}`).join()
    assert.equal((await read(`{"records":[${many}]}`, [1000])).elements.length, 3 * LIMITS.maxBytes)
  })
})
