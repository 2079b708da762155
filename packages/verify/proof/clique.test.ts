import assert from 'node:assert/strict'
import { test } from 'node:test'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { cliqueQuorum, verifyCliqueHeader } from './clique.ts'
import { ProofError } from './error.ts'
import { encodeRlp, type RlpItem } from './rlp.ts'

/** TEST KEYS: from a fixed seed. */
const keys = Array.from({ length: 6 }, (_, i) => sha256(utf8ToBytes(`clique test signer ${i}`)))
const addressOf = (key: Uint8Array) =>
  `0x${bytesToHex(keccak_256(secp256k1.getPublicKey(key, false).subarray(1)).subarray(12))}`
const addresses = keys.map(addressOf)
const signers = addresses.slice(0, 4)

const number = (n: number) =>
  n === 0
    ? new Uint8Array(0)
    : Uint8Array.from(Buffer.from(n.toString(16).padStart(4, '0'), 'hex')).subarray(n < 256 ? 1 : 0)
const bytes = (length: number, value = 0) => new Uint8Array(length).fill(value)

/** A header of London's 16 items, sealed by the nth signer. */
function sealed(n: number, parent: Uint8Array, block: number, extra = bytes(32)): Uint8Array {
  const items: RlpItem[] = [
    parent,
    bytes(32, 1),
    bytes(20),
    bytes(32, block),
    bytes(32, 2),
    bytes(32, 3),
    bytes(256),
    number(1),
    number(block),
    number(30_000),
    bytes(0),
    number(50_000),
    extra,
    bytes(32),
    bytes(8),
    number(7),
  ]
  const signature = secp256k1.sign(keccak_256(encodeRlp(items)), keys[n]!, { prehash: false, format: 'recovered' })
  const seal = Uint8Array.from([...signature.subarray(1), signature[0]!])
  return encodeRlp(items.with(12, Uint8Array.from([...extra, ...seal])))
}

/** A branch: the first header by the first of `by`, and so on. */
function branch(by: readonly number[], from = 100): Uint8Array[] {
  let parent = bytes(32, 9)
  return by.map((n, i) => {
    const header = sealed(n, parent, from + i)
    parent = keccak_256(header)
    return header
  })
}
const verify = ([header, ...following]: Uint8Array[], pinned: readonly string[] = signers) =>
  verifyCliqueHeader(header!, following, pinned)
const refused = (headers: Uint8Array[], message: RegExp, pinned?: readonly string[]) =>
  assert.throws(
    () => verify(headers, pinned),
    error => error instanceof ProofError && error.code === 'seal' && message.test(error.message),
  )

test('more than half of the signers on top of a block', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 10].map(cliqueQuorum), [1, 2, 2, 3, 3, 6])
  const headers = branch([0, 1, 2, 3])
  const { number: block, hash, stateRoot, signers: by } = verify(headers)
  assert.equal(block, 100)
  assert.deepEqual(hash, keccak_256(headers[0]!))
  assert.deepEqual(stateRoot, bytes(32, 100))
  assert.deepEqual(by, addresses.slice(1, 4))
  verify(branch([0, 1, 2, 3, 0, 1])) // more than are needed
  verify(branch([0, 0]), [addresses[0]!]) // a network of one
  // A block that lists the signers (EIP-225, a checkpoint) has them between vanity and seal.
  const listing = sealed(0, bytes(32, 9), 100, bytes(32 + 80, 5))
  const rest: Uint8Array[] = []
  for (const n of [1, 2, 3]) rest.push(sealed(n, keccak_256(rest.at(-1) ?? listing), 101 + rest.length))
  verify([listing, ...rest])
})

test('too few, the same ones, strangers: refused', () => {
  refused(branch([0, 1, 2]), /2 of 4 pinned signers sealed on top of block 100, 3 are needed/)
  refused(branch([0]), /0 of 4/)
  refused(branch([0, 1, 2, 1, 2, 1, 2]), /2 of 4/)
  refused(branch([0, 1, 2, 4]), /none of the pinned signers/)
  refused(branch([5, 1, 2, 3]), /none of the pinned signers/)
  refused(branch([0, 1, 2, 3]), /none of the pinned signers/, [])
  refused(branch(Array.from({ length: 514 }, (_, i) => i % 4)), /513 headers/)
})

test('headers that do not follow each other, or are changed: refused', () => {
  const headers = branch([0, 1, 2, 3])
  refused([headers[0]!, headers[2]!, headers[1]!, headers[3]!], /does not follow/)
  refused([headers[0]!, ...branch([1, 2, 3], 101)], /does not follow/)
  refused([headers[0]!, sealed(1, keccak_256(headers[0]!), 102)], /does not follow/)
  refused([sealed(0, bytes(32), 100, bytes(0))], /holds no seal/)
  refused([encodeRlp([])], /items/)
  refused([bytes(70_000)], /bytes/)
  for (let at = 0; at < headers[1]!.length; at += 7) {
    const changed = headers[1]!.slice()
    changed[at]! ^= 1
    assert.throws(() => verify([headers[0]!, changed, ...headers.slice(2)]), ProofError)
  }
})
