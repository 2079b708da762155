import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { test } from 'node:test'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { decode, encode } from 'cborg'
import { testNoteKey } from '../test/sample.ts'
import { ED25519, type HashReader, hashChildren, hashLeaf, inclusionProof, parseVkey, treeRoot } from '../tlog/index.ts'
import { coseKeyThumbprint, formatCoseReceipt, verifyCoseReceipt } from './index.ts'

const log = testNoteKey('cose.example/log', ED25519)
const key = parseVkey(log.vkey)
const entry = (i: number) => new TextEncoder().encode(`entry ${i}`)
const reader: HashReader = (level, index) =>
  level === 0 ? hashLeaf(entry(index)) : hashChildren(reader(level - 1, index * 2), reader(level - 1, index * 2 + 1))
const receiptOf = (index: number, size: number) =>
  formatCoseReceipt(
    { key, index, size, path: inclusionProof(index, size, reader), root: treeRoot(size, reader) },
    message => log.signer.sign(message),
  )

test('a receipt proves its entry, at every index of every size from 2 to 20', () => {
  for (let size = 2; size <= 20; size++) {
    for (let index = 0; index < size; index += size > 8 ? 3 : 1) {
      const verified = verifyCoseReceipt(receiptOf(index, size), entry(index), [key])
      assert.deepEqual(verified, { key, index, size, root: treeRoot(size, reader) })
    }
  }
  assert.throws(() => receiptOf(0, 1), { code: 'malformed', message: /no COSE receipt in a tree of size 1/ })
})

test('the bytes are those of the draft: tag 18, labels 1, 4, 15, 395, 396, a detached payload, and the proof as a byte string', () => {
  const receipt = receiptOf(3, 5)
  assert.equal(receipt[0], 0xd2)
  const [header, unprotected, payload, signature] = decode(receipt.subarray(1), { useMaps: true }) as [
    Uint8Array,
    Map<number, Map<number, Uint8Array[]>>,
    null,
    Uint8Array,
  ]
  const labels = decode(header, { useMaps: true }) as Map<number, unknown>
  assert.deepEqual([...labels.keys()], [1, 4, 15, 395])
  assert.deepEqual([labels.get(1), labels.get(395)], [-8, 1])
  assert.deepEqual(labels.get(15), new Map([[1, 'cose.example/log']]))
  assert.equal(payload, null)
  const [size, index, path] = decode(unprotected.get(396)?.get(-1)?.[0] as Uint8Array) as [number, number, Uint8Array[]]
  assert.deepEqual([size, index, path], [5, 3, inclusionProof(3, 5, reader)])
  // Another implementation of Ed25519, over Sig_structure (RFC 9052 section 4.4) put together by hand.
  const message = Buffer.concat([
    Buffer.from('846a5369676e61747572653158', 'hex'),
    Buffer.of(header.length),
    header,
    Buffer.from('405820', 'hex'),
    treeRoot(5, reader),
  ])
  const x = Buffer.from(key.publicKey).toString('base64url')
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  assert.ok(header.length > 23 && header.length < 256)
  assert.ok(verify(null, message, publicKey, signature))
})

test('RFC 9679: the thumbprint is over kty, crv and x in their order', () => {
  const hand = Buffer.concat([Buffer.from('a3010120062158', 'hex'), Buffer.of(32), key.publicKey])
  const bytes = encode(
    new Map<number, unknown>([
      [-2, key.publicKey],
      [1, 1],
      [-1, 6],
    ]),
  )
  assert.equal(bytesToHex(bytes), hand.toString('hex'), 'sorted, whatever the order')
  assert.equal(coseKeyThumbprint(key).length, 32)
})

test('every flipped bit of a receipt is refused, as are another entry, key and origin', () => {
  const receipt = receiptOf(3, 5)
  const refused = { name: 'ProofError' }
  for (let bit = 0; bit < receipt.length * 8; bit++) {
    const changed = receipt.slice()
    changed[bit >> 3]! ^= 1 << (bit & 7)
    try {
      const verified = verifyCoseReceipt(changed, entry(3), [key])
      // The draft signs the root, which binds no size: 6, 7 or 8 entries would have a path of this shape.
      assert.deepEqual({ ...verified, size: 5 }, verifyCoseReceipt(receipt, entry(3), [key]), `bit ${bit}`)
      assert.ok([6, 7, 8].includes(verified.size), `bit ${bit} makes the size ${verified.size}`)
    } catch (error) {
      assert.equal((error as Error).name, 'ProofError', String(error))
    }
  }
  assert.throws(() => verifyCoseReceipt(receipt, entry(2), [key]), { code: 'log' })
  const other = parseVkey(testNoteKey('other.example/log', ED25519).vkey)
  assert.throws(() => verifyCoseReceipt(receipt, entry(3), [other]), { code: 'trust' })
  assert.throws(() => verifyCoseReceipt(receipt, entry(3), []), { code: 'trust' })
  assert.throws(() => verifyCoseReceipt(receipt, entry(3), [{ ...key, name: 'x' }]), { code: 'trust' })
  for (let end = 0; end < receipt.length; end++)
    assert.throws(() => verifyCoseReceipt(receipt.subarray(0, end), entry(3), [key]), refused)
  assert.throws(() => verifyCoseReceipt(Buffer.concat([receipt, Buffer.of(0)]), entry(3), [key]), refused)
})

test('what is no receipt of ours: other algorithms and trees, critical headers, several proofs, an attached payload', () => {
  const parts = () => {
    const [header, unprotected, payload, signature] = decode(receiptOf(3, 5).subarray(1), { useMaps: true }) as [
      Uint8Array,
      Map<number, Map<number, unknown[]>>,
      unknown,
      Uint8Array,
    ]
    return { labels: decode(header, { useMaps: true }) as Map<number, unknown>, unprotected, payload, signature }
  }
  const join = ({ labels, unprotected, payload, signature }: ReturnType<typeof parts>) =>
    Buffer.concat([Buffer.of(0xd2), encode([encode(labels), unprotected, payload, signature])])
  verifyCoseReceipt(join(parts()), entry(3), [key])
  const changes: ((p: ReturnType<typeof parts>) => void)[] = [
    p => p.labels.set(1, -7),
    p => p.labels.set(395, 2),
    p => p.labels.set(2, [395]),
    p => p.labels.delete(4),
    p => p.labels.delete(15),
    p => p.labels.set(15, new Map([[1, 7]])),
    p => (p.payload = treeRoot(5, reader)),
    p => p.unprotected.delete(396),
    p =>
      p.unprotected
        .get(396)
        ?.get(-1)
        ?.push(encode([5, 3, inclusionProof(3, 5, reader)])),
    p => p.unprotected.get(396)?.set(-1, [encode([5, 3, []])]),
    p => p.unprotected.get(396)?.set(-1, [encode([5, 3, inclusionProof(3, 5, reader), 0])]),
    p => p.unprotected.get(396)?.set(-1, [encode([5, 3.5, inclusionProof(3, 5, reader)])]),
    p => p.unprotected.get(396)?.set(-1, [encode([5, -3, inclusionProof(3, 5, reader)])]),
    p => p.unprotected.get(396)?.set(-1, [encode([5, 3, Array.from({ length: 65 }, () => treeRoot(1, reader))])]),
    p => (p.signature = p.signature.subarray(1)),
  ]
  for (const change of changes) {
    const p = parts()
    change(p)
    assert.throws(() => verifyCoseReceipt(join(p), entry(3), [key]), { name: 'ProofError' }, String(change))
  }
  // Not deterministic CBOR: a length in more bytes than it needs, an indefinite list, a key twice.
  for (const hex of ['d29f40a0f640ff', 'd2980440a0f640', 'd28444a1010100a0f640', `d284${'81'.repeat(60_000)}`])
    assert.throws(() => verifyCoseReceipt(hexToBytes(hex), entry(3), [key]), { name: 'ProofError' }, hex.slice(0, 20))
})
