// The libraries in WebAssembly against those in JavaScript: the same bytes, and no where those say no.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bigIntToUnpaddedBytes, ecrecover as ecrecoverInJs, SECP256K1_ORDER } from '@ethereumjs/util'
import fc from 'fast-check'
import { bytesToHex, hexToBytes, keccak256 as keccakInJs } from 'viem/utils'
import { privateKeyToAddress, sign as signInJs } from 'viem/accounts'
import { ecrecover, keccak256, sign } from './crypto.ts'

const FIELD_PRIME = 2n ** 256n - 2n ** 32n - 977n
const bytes = (min: number, max = min) => fc.uint8Array({ minLength: min, maxLength: max })
/** TEST KEYS: whatever 32 bytes come that are one. */
const key = bytes(32).filter(one => isScalar(BigInt(bytesToHex(one))))
const isScalar = (value: bigint) => value > 0n && value < SECP256K1_ORDER

test('keccak of anything', () => {
  const lengths = [0, 1, 55, 135, 136, 137, 271, 272, 20_000]
  for (const length of lengths)
    assert.equal(bytesToHex(keccak256(new Uint8Array(length))), keccakInJs(new Uint8Array(length)))
  const check = (message: Uint8Array) => assert.equal(bytesToHex(keccak256(message)), keccakInJs(message))
  fc.assert(fc.property(bytes(0, 700), check), { seed: 38, numRuns: 300 })
})

test('a signature is the same bytes, with the lower s, and gives the key back', async () => {
  await fc.assert(
    fc.asyncProperty(bytes(32), key, async (hash, privateKey) => {
      const signature = sign(hash, privateKey)
      const { r, s, yParity } = await signInJs({ hash: bytesToHex(hash), privateKey: bytesToHex(privateKey) })
      assert.equal(bytesToHex(signature), `${r}${s.slice(2)}0${yParity}`)
      const [half1, half2] = [signature.subarray(0, 32), signature.subarray(32, 64)]
      const found = ecrecover(hash, BigInt(signature[64] ?? 9), half1, half2)
      const address = `0x${bytesToHex(keccak256(found)).slice(26)}`
      assert.equal(address, privateKeyToAddress(bytesToHex(privateKey)).toLowerCase())
    }),
    { seed: 38, numRuns: 40 },
  )
})

test('of whatever is given as a signature the same key is found, or none', () => {
  const edges = [0n, 1n, 2n, SECP256K1_ORDER / 2n, SECP256K1_ORDER / 2n + 1n, SECP256K1_ORDER - 1n, SECP256K1_ORDER]
  const beyond = [SECP256K1_ORDER + 1n, FIELD_PRIME - SECP256K1_ORDER, FIELD_PRIME - 1n, FIELD_PRIME, 2n ** 256n - 1n]
  const scalar = fc.oneof(fc.constantFrom(...edges, ...beyond), fc.bigInt(0n, 2n ** 256n - 1n))
  const hash = fc.oneof(bytes(32), fc.constantFrom(new Uint8Array(32), new Uint8Array(32).fill(255)))
  const chain = fc.constantFrom(undefined, 1n, 6100n, 2n ** 53n)
  const v = fc.constantFrom(0n, 1n, 2n, 26n, 27n, 28n, 29n, 35n, 37n, 38n, 12_235n, 12_236n, 12_237n, 2n ** 54n + 36n)
  const seen = { keys: 0, refusals: 0 }
  const answer = (find: typeof ecrecover, ...given: Parameters<typeof ecrecover>) => {
    try {
      return bytesToHex(find(...given))
    } catch {
      return 'none'
    }
  }
  fc.assert(
    fc.property(hash, v, scalar, scalar, chain, (digest, v, r, s, chainId) => {
      const given = [digest, v, bigIntToUnpaddedBytes(r), bigIntToUnpaddedBytes(s), chainId] as const
      const found = answer(ecrecover, ...given)
      assert.equal(found, answer(ecrecoverInJs, ...given))
      seen[found === 'none' ? 'refusals' : 'keys']++
    }),
    { seed: 38, numRuns: 500 },
  )
  assert.ok(seen.keys > 20 && seen.refusals > 100, JSON.stringify(seen))
})

test('the point at infinity is no key', () => {
  // R = G and s = hash: then s R - hash G is nothing.
  const r = hexToBytes('0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798')
  assert.throws(() => ecrecover(r, 0n, r, r), /of no key/)
  assert.throws(() => ecrecoverInJs(r, 0n, r, r))
})
