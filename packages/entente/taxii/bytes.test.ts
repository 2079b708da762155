// Bytes in are bytes out: the same JSON value, and what is hashed is what is served.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { canonicalize } from '@entente/verify/json'
import { verifyObject } from '@entente/verify/proof'
import fc from 'fast-check'
import { newId, startTestServer, type TestServer } from './test/server.ts'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.stop())

const sha256 = (bytes: string) => createHash('sha256').update(bytes).digest()
/** Any JSON value that I-JSON has (RFC 7493): no half surrogate, no integer that a double can't hold. */
const text = fc.string({ unit: 'binary', maxLength: 12 })
const number = fc.oneof(
  fc.maxSafeInteger(),
  fc.double({ noDefaultInfinity: true, noNaN: true, min: -1e15, max: 1e15 }).map(n => (Object.is(n, -0) ? 0 : n)),
  fc.constantFrom(5e-324, 1e-7, 0.1 + 0.2, 1.7976931348623157e-300, -1.5, 9007199254740991),
)
const value = fc.letrec(tie => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    text,
    number,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(text, fc.constantFrom('__proto__', 'constructor', 'toString', '')), tie('value'), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
  ),
})).value
const properties = fc.dictionary(fc.stringMatching(/^x_[a-z0-9_]{1,12}$/), value, { minKeys: 1, maxKeys: 4 })

/** The body as a client might write it: with its own order of keys, white space, and escapes. */
function write(object: unknown, style: number): string {
  const json = JSON.stringify(object, null, style % 3)
  return style < 3
    ? json
    : json.replaceAll(/[\u0080-\uffff]/g, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

test('any valid custom object is read back as the same JSON value, and hashes to the logged commitment', async () => {
  await fc.assert(
    fc.asyncProperty(properties, fc.integer({ min: 0, max: 5 }), async (own, style) => {
      const id = newId('x-custom')
      const object = { ...own, type: 'x-custom', spec_version: '2.1', id }
      const canonical = canonicalize(JSON.parse(JSON.stringify(object)))
      const body = `{"objects":[${write(object, style)}]}`
      const posted = await server.ask('POST', '/api/collections/default/objects/', { body })
      assert.equal(posted.json?.success_count, 1, posted.text)

      const read = await server.get(`objects/${id}/`)
      assert.equal(read.text, `{"objects":[${canonical}]}`)
      assert.deepEqual(JSON.parse(read.text).objects[0], JSON.parse(JSON.stringify(object)))

      const proof = await server.get(`objects/${id}/proof/`)
      const record = /"record":(.*),"log":/s.exec(proof.text)?.[1] as string
      assert.ok(record.includes(`"object":${canonical},`), 'the served bytes are a slice of the record')
      const verified = verifyObject(proof.text, { vkeys: [server.context.vkey] })
      assert.deepEqual(Buffer.from(verified.commitment), sha256(`entente/record/v1:${record}`))
    }),
    { seed: 7, numRuns: 150 },
  )
})
