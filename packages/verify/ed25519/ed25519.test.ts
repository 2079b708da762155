// Both verifiers decide alike, on all that verifiers of Ed25519 are known to disagree on: points of small order, points that have a part of small order,
// encodings that are not canonical, S that is not reduced (Chalkias, Garillot, Nikolaenko: "Taming the many EdDSAs", 2020). Built here of a fixed seed.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { ed25519 } from '@noble/curves/ed25519.js'
import * as node from './node.ts'
import * as web from './web.ts'

const { Point } = ed25519
const L = Point.Fn.ORDER
const P = Point.Fp.ORDER
type P25519 = typeof Point.BASE

const sha512 = (...parts: Uint8Array[]) => createHash('sha512').update(Buffer.concat(parts)).digest()
const scalar = (name: string) => toNumber(sha512(Buffer.from(`TEST SCALAR ${name}`))) % L
function toNumber(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
}
function toBytes(n: bigint): Buffer {
  return Buffer.from(n.toString(16).padStart(64, '0'), 'hex').reverse()
}

/** The eight points of small order: multiples of one of order 8, found by taking the rest of a point away. */
const torsion = (() => {
  for (let y = 2; ; y++) {
    const point = decode(toBytes(BigInt(y)))
    const small = point && multiply(point, L)
    if (!small || small.double().double().is0()) continue
    const all = [Point.ZERO]
    for (let i = 1; i < 8; i++) all.push((all[i - 1] as P25519).add(small))
    return all
  }
})()
function decode(bytes: Uint8Array): P25519 | undefined {
  try {
    return Point.fromBytes(bytes, false)
  } catch {
    return undefined
  }
}
function multiply(point: P25519, by: bigint): P25519 {
  let sum = Point.ZERO
  for (const bit of by.toString(2)) sum = bit === '1' ? sum.double().add(point) : sum.double()
  return sum
}

/** A signature that holds under the equation with the cofactor, whatever parts of small order its points have. */
function sign(message: Buffer, a: bigint, r: bigint, key: Uint8Array, R: Uint8Array): Buffer {
  const k = toNumber(sha512(R, key, message)) % L
  return Buffer.concat([R, toBytes((r + k * a) % L)])
}

function decideAlike(signature: Uint8Array, message: Uint8Array, key: Uint8Array, expected: boolean, what: string) {
  assert.equal(web.verifyEd25519(signature, message, key), expected, `${what}: in JavaScript`)
  assert.equal(node.verifyEd25519(signature, message, key), expected, `${what}: in Node`)
}

test('points with a part of small order: any, of key and R', () => {
  const [a, r, message] = [scalar('a'), scalar('r'), Buffer.from('message')]
  for (const [i, t] of torsion.entries())
    for (const [j, u] of torsion.entries()) {
      const key = Point.BASE.multiply(a).add(t).toBytes()
      const R = Point.BASE.multiply(r).add(u).toBytes()
      decideAlike(sign(message, a, r, key, R), message, key, true, `key + ${i}T, R + ${j}T`)
    }
})

test('points of small order: as a key never, as R where the key is none', () => {
  const [a, message] = [scalar('a'), Buffer.from('message')]
  const plain = Point.BASE.multiply(a).toBytes()
  for (const [i, t] of torsion.entries()) {
    const R = t.toBytes()
    decideAlike(sign(message, a, 0n, plain, R), message, plain, true, `R is ${i}T`)
    for (const [j, key] of torsion.entries())
      for (const r of [0n, scalar('r')]) {
        const own = (r === 0n ? Point.ZERO : Point.BASE.multiply(r)).add(t).toBytes()
        const signature = sign(message, 0n, r, key.toBytes(), own)
        decideAlike(signature, message, key.toBytes(), false, `key is ${j}T, R is ${r} + ${i}T`)
      }
  }
})

test('encodings that are not canonical: of R, of the key, and of S', () => {
  const [a, r, message] = [scalar('a'), scalar('r'), Buffer.from('message')]
  const plain = Point.BASE.multiply(a).toBytes()
  let encodings = 0
  for (let y = 0n; y < 19n; y++)
    for (const sign_ of [0, 0x80]) {
      // y + p, the only ones that fit; and x = 0 with a sign, which only y = 1 and -1 have
      for (const encoded of [toBytes(y + P), ...(y <= 1n ? [toBytes(y === 0n ? P - 1n : 1n)] : [])]) {
        encoded.writeUInt8(encoded.readUInt8(31) | sign_, 31)
        if (decode(encoded)) continue
        encodings++
        const what = encoded.toString('hex')
        decideAlike(sign(message, a, 0n, plain, encoded), message, plain, false, `R ${what}`)
        const R = Point.BASE.multiply(r).toBytes()
        decideAlike(sign(message, 0n, r, encoded, R), message, encoded, false, `key ${what}`)
      }
    }
  assert.ok(encodings >= 38, `${encodings}`)

  const good = sign(message, a, r, plain, Point.BASE.multiply(r).toBytes())
  decideAlike(good, message, plain, true, 'S as it is')
  for (let more = L; toNumber(good.subarray(32)) + more < 2n ** 256n; more += L) {
    const S = toBytes(toNumber(good.subarray(32)) + more)
    decideAlike(Buffer.concat([good.subarray(0, 32), S]), message, plain, false, `S + ${more / L} L`)
  }
})

test('what is no signature, and what is no point', () => {
  const [a, r, message] = [scalar('a'), scalar('r'), Buffer.from('message')]
  const plain = Point.BASE.multiply(a).toBytes()
  const good = sign(message, a, r, plain, Point.BASE.multiply(r).toBytes())
  for (let byte = 0; byte < 64; byte += 7) {
    const bad = Buffer.from(good)
    bad.writeUInt8(bad.readUInt8(byte) ^ 0x10, byte)
    decideAlike(bad, message, plain, false, `byte ${byte}`)
  }
  decideAlike(good, Buffer.from('massage'), plain, false, 'another message')
  for (let y = 2n; y < 12n; y++)
    if (!decode(toBytes(y))) decideAlike(good, message, toBytes(y), false, `y = ${y} is of no point`)
})
