// Whatever a file holds, a reader gets a verified value or a ProofError: no other error, no endless work.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createSample } from '../test/sample.ts'
import { ProofError, verifyCollection, verifyObject, verifyReceipt } from './index.ts'

const sample = createSample()
const { trust } = sample
const SEED = 20261122

function refuses(verify: () => unknown): ProofError {
  try {
    verify()
  } catch (error) {
    if (error instanceof ProofError) return error
    throw new Error('not a ProofError', { cause: error })
  }
  throw new Error('it was taken')
}

/** Every place in a JSON value, as the path of keys that leads there. */
function places(value: unknown, at: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [at]
  return [at, ...Object.entries(value).flatMap(([key, member]) => places(member, [...at, key]))]
}

function replaceAt(value: unknown, at: readonly string[], replacement: unknown): unknown {
  const [key, ...rest] = at
  if (key === undefined) return replacement
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string, unknown>
  copy[key] = replaceAt(copy[key], rest, replacement)
  return copy
}

function read(value: unknown, at: readonly string[]): unknown {
  return at.reduce((inner, key) => (inner as Record<string, unknown>)[key], value)
}

const junk = fc.oneof(
  fc.jsonValue(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom(null, -1, 2 ** 53, '', '\n\n', [], {}, '0x', undefined),
)

test('any value in any place of a proof or a saved read: refused by a ProofError', () => {
  const files = [
    [sample.sealedProof, verifyObject],
    [sample.savedRead, verifyCollection],
  ] as const
  for (const [file, verify] of files) {
    const everywhere = places(file).filter(at => at.length > 0)
    fc.assert(
      fc.property(fc.constantFrom(...everywhere), junk, (at, value) => {
        // some members of an anchor are claims that nothing here depends on
        fc.pre(!(at[0] === 'anchors' && ['ledger', 'transaction'].includes(at[2] ?? '')))
        fc.pre(JSON.stringify(read(file, at)) !== JSON.stringify(value))
        // a checked-out anchor is a weaker proof, not a wrong one
        fc.pre(!(at.join() === 'anchors' && Array.isArray(value) && value.length === 0))
        refuses(() => verify(replaceAt(file, at, value) as object, trust))
      }),
      { seed: SEED, numRuns: 300 },
    )
  }
})

test('a proof without one of its members is refused', () => {
  for (const file of [sample.objectProof, sample.collectionProof, sample.savedRead]) {
    for (const name of Object.keys(file)) {
      const { [name as keyof typeof file]: gone, ...rest } = file
      assert.ok(gone !== undefined)
      refuses(() => ('records' in file ? verifyCollection(rest, trust) : verifyObject(rest, trust)))
    }
  }
})

test('any text or bytes: refused by a ProofError', () => {
  for (const value of [
    '',
    'null',
    '[]',
    '{',
    '0',
    '"x"',
    new Uint8Array(0),
    new Uint8Array(9).fill(0xff),
    null,
    undefined,
    7,
    [],
  ]) {
    refuses(() => verifyObject(value as string, trust))
    refuses(() => verifyCollection(value as string, trust))
  }
  for (const note of ['', '\n\n', sample.checkpoint, sample.receipt.slice(1), sample.receipt.repeat(2)]) {
    refuses(() => verifyReceipt(note, trust.vkeys))
  }
  assert.equal(refuses(() => verifyReceipt(sample.receipt, [])).code, 'log')
  assert.equal(refuses(() => verifyReceipt(sample.receipt, ['log'])).code, 'trust')
})

test('what is as large or as deep as one likes is refused in no time', () => {
  const start = performance.now()
  const deep = `{"format":"entente/proof/v1","record":${'['.repeat(1_000_000)}`
  assert.equal(refuses(() => verifyObject(deep, trust)).code, 'malformed')
  const nested: unknown[] = []
  let inner = nested
  for (let i = 0; i < 100_000; i++) inner.push((inner = []))
  refuses(() =>
    verifyObject(
      { ...sample.objectProof, record: { ...sample.records[0], object: { id: sample.records[0], nested } } },
      trust,
    ),
  )
  refuses(() => verifyObject({ ...sample.objectProof, log: 'x\n'.repeat(2_000_000) }, trust))
  refuses(() =>
    verifyObject(
      { ...sample.objectProof, log: `${sample.objectProof.log}${'\u2014 a AAAAAAA=\n'.repeat(50_000)}` },
      trust,
    ),
  )
  const header = `0x${'f9'.repeat(3_000_000)}`
  const anchor = sample.sealedProof.anchors[0]!
  const sealed = { ...anchor, sealed: { ...anchor.sealed!, header } }
  assert.equal(refuses(() => verifyObject({ ...sample.sealedProof, anchors: [sealed] }, trust)).code, 'seal')
  assert.ok(performance.now() - start < 5000)
})
