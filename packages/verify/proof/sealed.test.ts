import assert from 'node:assert/strict'
import { test } from 'node:test'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import * as fc from 'fast-check'
import { createSample, proveStoredRoot, sealHeader, testSeed, testValidator } from '../test/sample.ts'
import { buildTrie } from '../test/trie.ts'
import {
  type Anchor,
  decodeRlp,
  decodeTrieNode,
  encodeRlp,
  type PinnedLedger,
  ROOT_AT_SLOT,
  type RlpItem,
  rootAtSlot,
  sealQuorum,
  verifyObject,
  verifySealedHeader,
  readTrie,
  verifyTrieProof,
} from './index.ts'

const sample = createSample()
const { trust } = sample
const seal = { name: 'ProofError', code: 'seal' }
const text = (value: string) => new TextEncoder().encode(value)
const anchorOf = (proof: { anchors: Anchor[] }) => proof.anchors[0]!

/** The sealed proof with its anchor, or the header and nodes within, changed. */
function changed(change: Partial<Anchor>, sealed: Partial<NonNullable<Anchor['sealed']>> = {}) {
  const anchor = anchorOf(sample.sealedProof)
  return { ...sample.sealedProof, anchors: [{ ...anchor, sealed: { ...anchor.sealed!, ...sealed }, ...change }] }
}

test('a sealed anchor raises the level, one without `sealed` or on another ledger does not', () => {
  assert.equal(verifyObject(sample.sealedProof, trust).level, 'sealed')
  assert.equal(verifyObject(sample.claimedProof, trust).level, 'witnessed')
  assert.equal(verifyObject(sample.sealedProof, { vkeys: trust.vkeys }).level, 'logged')
  const pinned = trust.ledgers![0]!
  for (const other of [{ chainId: 1 }, { contract: `0x${'11'.repeat(20)}` }, { logId: `0x${'22'.repeat(32)}` }]) {
    const result = verifyObject(sample.sealedProof, { ...trust, ledgers: [{ ...pinned, ...other }] })
    assert.deepEqual([result.level, result.anchors[0]!.sealed], ['witnessed', undefined])
  }
  // addresses may be written in any case
  const loud: PinnedLedger = {
    ...pinned,
    contract: `0x${'C0'.repeat(20)}`,
    validators: pinned.validators.map(v => `0x${v.slice(2).toUpperCase()}`),
  }
  assert.equal(verifyObject(sample.sealedProof, { ...trust, ledgers: [loud] }).level, 'sealed')
  // anchors of other kinds are claims
  const { size, root } = anchorOf(sample.sealedProof)
  const unknown = { ledger: 'new', kind: 'another', size, root, txid: 'ab', height: 7 }
  assert.equal(verifyObject({ ...sample.objectProof, anchors: [unknown] }, trust).level, 'logged')
})

test('an anchor of another checkpoint, or that breaks the format, is refused even as a claim', () => {
  const { sealed, ...claim } = anchorOf(sample.sealedProof)
  const { transaction, ...incomplete } = claim
  for (const [anchor, code] of [
    [{ ...claim, size: 8 }, 'anchor'],
    [{ ...claim, root: Buffer.from(testSeed('x')).toString('base64') }, 'anchor'],
    [{ ...claim, root: 'AAAA' }, 'malformed'],
    [{ ...claim, block: -1 }, 'malformed'],
    [{ ...claim, block_hash: '0x00' }, 'malformed'],
    [{ ...claim, contract: 'local' }, 'malformed'],
    [{ ...claim, extra: 1 }, 'malformed'],
    [{ ...claim, sealed: { ...sealed, header: '0x0' } }, 'malformed'],
    [{ ...claim, sealed: { ...sealed, account_proof: ['0xzz'] } }, 'malformed'],
    [{ ...claim, kind: 7 }, 'malformed'],
    [incomplete, 'malformed'],
    ['local', 'malformed'],
  ] as const) {
    assert.throws(
      () => verifyObject({ ...sample.objectProof, anchors: [anchor] }, trust),
      { code },
      JSON.stringify(anchor),
    )
  }
  assert.ok(transaction)
  const many = Array.from({ length: 65 }, () => claim)
  assert.throws(() => verifyObject({ ...sample.objectProof, anchors: many }, trust), { code: 'malformed' })
})

test('an anchor of a larger checkpoint counts with the proof that its tree continues ours, and not without', () => {
  const anchor = anchorOf(sample.laterProof)
  const consistency = anchor.consistency as string[]
  const check = (change: Partial<Anchor>) =>
    verifyObject({ ...sample.laterProof, anchors: [{ ...anchor, ...change }] }, trust)
  assert.equal(check({}).level, 'sealed')
  const { sealed: _, ...claim } = anchor
  assert.equal(verifyObject({ ...sample.laterProof, anchors: [claim] }, trust).level, 'witnessed')
  const other = Buffer.from(testSeed('another root')).toString('base64')
  for (const change of [
    { size: sample.size },
    { size: 1 },
    { root: other },
    { consistency: [] },
    { consistency: consistency.toReversed() },
    { consistency: consistency.with(0, other) },
    { consistency: [...consistency, other] },
  ])
    assert.throws(() => check(change), { name: 'ProofError', code: 'anchor' }, JSON.stringify(change))
  // A root does not bind its size: the proof fits 12 as well, what the contract holds does not.
  assert.throws(() => check({ size: anchor.size + 1 }), seal)
  assert.throws(() => check({ consistency: ['AA=='] }), { code: 'malformed' })
  assert.throws(() => check({ consistency: [7] as never }), { code: 'malformed' })
  const { consistency: __, ...bare } = anchor
  assert.throws(() => verifyObject({ ...sample.laterProof, anchors: [bare] }, trust), { code: 'anchor' })
  // Of another ledger, and another kind, it is a claim, and has to continue ours as well.
  const elsewhere = { ledger: 'else', kind: 'another', size: anchor.size, root: anchor.root }
  assert.throws(() => verifyObject({ ...sample.laterProof, anchors: [elsewhere] }, trust), { code: 'anchor' })
  assert.equal(
    verifyObject({ ...sample.laterProof, anchors: [{ ...elsewhere, consistency }] }, trust).level,
    'witnessed',
  )
})

test('every flipped bit of the sealed header, its hash or the state proofs is refused', () => {
  const anchor = anchorOf(sample.sealedProof)
  const sealedProof = anchor.sealed!
  const flip = (hex: string, bit: number) => {
    const bytes = hexToBytes(hex.slice(2))
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    return `0x${bytesToHex(bytes)}`
  }
  const refused = (proof: object, what: string) => assert.throws(() => verifyObject(proof, trust), seal, what)
  const bits = (hex: string) => (hex.length / 2 - 1) * 8
  // Coprime to 8, so each position in a byte has its turn; every run costs three signatures
  for (let bit = 0; bit < bits(sealedProof.header); bit += 131) {
    // GoQuorum and Besu do not sign the seals themselves: a fourth one would be as good, but here three are all that is needed
    refused(changed({}, { header: flip(sealedProof.header, bit) }), `header bit ${bit}`)
  }
  for (const name of ['account_proof', 'storage_proof'] as const) {
    for (const [i, node] of sealedProof[name].entries()) {
      for (let bit = 0; bit < bits(node); bit += 331) {
        refused(changed({}, { [name]: sealedProof[name].with(i, flip(node, bit)) }), `${name} ${i} bit ${bit}`)
      }
      refused(changed({}, { [name]: sealedProof[name].toSpliced(i, 1) }), `${name} without ${i}`)
    }
    refused(changed({}, { [name]: [...sealedProof[name], sealedProof[name][0]!] }), `${name} and more`)
  }
  refused(changed({ block: 301 }), 'a header from before the anchor')
  assert.equal(
    verifyObject(changed({ block: 299 }), trust).level,
    'sealed',
    'state of a later block holds what was anchored before',
  )
  refused(changed({ block_hash: flip(anchor.block_hash!, 5) }), 'another hash')
})

test('ceil(2N/3) distinct pinned validators must have sealed', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7, 10].map(sealQuorum), [1, 2, 2, 3, 4, 4, 5, 7])
  const all = Array.from({ length: 7 }, (_, i) => testValidator(`validator ${i + 1}`))
  const pinned = all.slice(0, 4).map(v => v.address)
  const block = (sealers: readonly { secret: Uint8Array }[], listed = pinned) =>
    sealHeader({ number: 9, stateRoot: testSeed('state'), listed, sealers }).header
  const [a, b, c, d, stranger] = all as [
    (typeof all)[0],
    (typeof all)[0],
    (typeof all)[0],
    (typeof all)[0],
    (typeof all)[0],
  ]
  assert.deepEqual(verifySealedHeader(block([d, a, b]), pinned).signers, [a.address, b.address, d.address])
  assert.equal(verifySealedHeader(block([a, b, c, d, stranger]), pinned).signers.length, 4)
  for (const [name, sealers] of [
    ['two', [a, b]],
    ['none', []],
    ['two, one of them twice', [a, b, b]],
    ['two and a stranger', [a, b, stranger]],
  ] as const) {
    assert.throws(() => verifySealedHeader(block(sealers), pinned), { ...seal, message: /3 are needed/ }, name)
  }
  // those that the header lists as its validators count for nothing
  const strangers = all.slice(4)
  assert.throws(
    () =>
      verifySealedHeader(
        block(
          strangers,
          strangers.map(v => v.address),
        ),
        pinned,
      ),
    seal,
  )
  assert.throws(() => verifySealedHeader(block([a]), []), seal)
})

test('seals: s in the upper half, other recovery ids and other lengths are refused', () => {
  const validators = [testValidator('validator 1')]
  const pinned = validators.map(v => v.address)
  const { header } = sealHeader({ number: 9, stateRoot: testSeed('state'), listed: pinned, sealers: validators })
  assert.equal(verifySealedHeader(header, pinned).number, 9)
  const withExtra = (
    change: (extra: RlpItem[]) => RlpItem[],
    further: (items: RlpItem[]) => RlpItem[] = items => items,
  ) => {
    const items = decodeRlp(header) as RlpItem[]
    items[12] = encodeRlp(change(decodeRlp(items[12] as Uint8Array) as RlpItem[]))
    return encodeRlp(further(items))
  }
  const original = (decodeRlp((decodeRlp(header) as RlpItem[])[12] as Uint8Array) as RlpItem[])[4] as Uint8Array[]
  const twin = original[0]!.slice()
  const s = secp256k1.Point.Fn.ORDER - BigInt(`0x${bytesToHex(twin.subarray(32, 64))}`)
  twin.set(hexToBytes(s.toString(16).padStart(64, '0')), 32)
  twin[64]! ^= 1
  const later = original[0]!.slice()
  later[64]! += 27
  const seals = (list: RlpItem) => withExtra(extra => extra.with(4, list))
  assert.throws(() => verifySealedHeader(seals([twin]), pinned), { ...seal, message: /upper half/ })
  assert.throws(() => verifySealedHeader(seals([later]), pinned), { ...seal, message: /recovery id/ })
  assert.throws(() => verifySealedHeader(seals([original[0]!.subarray(1)]), pinned), seal)
  assert.throws(() => verifySealedHeader(seals([new Uint8Array(65)]), pinned), seal)
  assert.throws(() => verifySealedHeader(seals(Array.from({ length: 257 }, () => original[0]!)), pinned), seal)
  assert.throws(
    () =>
      verifySealedHeader(
        withExtra(extra => extra.slice(0, 4)),
        pinned,
      ),
    seal,
  )
  assert.throws(
    () =>
      verifySealedHeader(
        withExtra(extra => [...extra, []]),
        pinned,
      ),
    seal,
  )
  assert.throws(
    () =>
      verifySealedHeader(
        withExtra(
          extra => extra,
          items => items.with(13, testSeed('mix')),
        ),
        pinned,
      ),
    seal,
  )
  assert.throws(
    () =>
      verifySealedHeader(
        withExtra(
          extra => extra,
          items => items.slice(0, 14),
        ),
        pinned,
      ),
    seal,
  )
  assert.throws(
    () =>
      verifySealedHeader(
        withExtra(
          extra => extra,
          items => items.with(0, []),
        ),
        pinned,
      ),
    seal,
  )
  assert.throws(() => verifySealedHeader(new Uint8Array(70_000), pinned), seal)
})

test('headers with the items of later forks keep them in the hash', () => {
  const validators = [testValidator('validator 1')]
  const options = {
    number: 1,
    stateRoot: testSeed('state'),
    listed: validators.map(v => v.address),
    sealers: validators,
  }
  const berlin = sealHeader(options)
  const later = sealHeader({ ...options, further: [Uint8Array.of(7), testSeed('withdrawals')] })
  const verified = verifySealedHeader(later.header, options.listed)
  assert.deepEqual(verified.hash, later.hash)
  assert.notDeepEqual(verified.hash, verifySealedHeader(berlin.header, options.listed).hash)
})

test('a root with leading zeros is stored without them', () => {
  const root = testSeed('root')
  root.set([0, 0, 0])
  const place = { contract: `0x${'c0'.repeat(20)}`, logId: `0x${'0a'.repeat(32)}`, size: 77 }
  const proof = proveStoredRoot({ ...place, root })
  const account = decodeRlp(
    verifyTrieProof(proof.stateRoot, hexToBytes('c0'.repeat(20)), proof.accountProof),
  ) as RlpItem[]
  const slot = rootAtSlot(hexToBytes('0a'.repeat(32)), 77)
  const value = decodeRlp(verifyTrieProof(account[2] as Uint8Array, slot, proof.storageProof)) as Uint8Array
  assert.deepEqual(value, root.slice(3))
})

test('Solidity, "Layout of Mappings": the slot of a nested mapping', () => {
  const word = (n: number) => Uint8Array.from({ length: 32 }, (_, i) => (i === 31 ? n : 0))
  const outer = keccak_256(Uint8Array.of(...word(1), ...word(Number(ROOT_AT_SLOT))))
  assert.deepEqual(rootAtSlot(word(1), 2), keccak_256(Uint8Array.of(...word(2), ...outer)))
})

test('RLP: the examples of the Yellow Paper, and only the shortest form', () => {
  const hex = (item: RlpItem) => bytesToHex(encodeRlp(item))
  assert.equal(hex(text('dog')), '83646f67')
  assert.equal(hex([text('cat'), text('dog')]), 'c88363617483646f67')
  assert.equal(hex(new Uint8Array(0)), '80')
  assert.equal(hex([]), 'c0')
  assert.equal(hex(Uint8Array.of(0x0f)), '0f')
  assert.equal(hex(Uint8Array.of(4, 0)), '820400')
  assert.equal(hex([[], [[]], [[], [[]]]]), 'c7c0c1c0c3c0c1c0')
  assert.match(hex(text('Lorem ipsum dolor sit amet, consectetur adipisicing elit')), /^b8384c6f72656d/)
  const item = fc.letrec<{ item: RlpItem }>(tie => ({
    item: fc.oneof({ maxDepth: 5 }, fc.uint8Array({ maxLength: 70 }), fc.array(tie('item'), { maxLength: 6 })),
  })).item
  fc.assert(
    fc.property(item, value => assert.deepEqual(decodeRlp(encodeRlp(value)), value)),
    { seed: 20261122 },
  )
  for (const bad of [
    '',
    '8100',
    '817f',
    'b800',
    'b90000',
    'b83700',
    'c1',
    '83aabb',
    '8080',
    'f800',
    'bfffffffffffffffff',
    'c180ff',
    `${'c1'.repeat(9)}c0`,
  ]) {
    assert.throws(() => decodeRlp(hexToBytes(bad)), seal, bad)
  }
})

test('trie proofs: every key of random tries, and no other', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 })
  const entries = fc.uniqueArray(fc.tuple(bytes, bytes), {
    minLength: 1,
    maxLength: 60,
    selector: ([key]) => key.join(),
  })
  fc.assert(
    fc.property(entries, bytes, (all, absent) => {
      const trie = buildTrie(all)
      for (const [key, value] of all) {
        const proof = trie.prove(key)
        assert.deepEqual(verifyTrieProof(trie.root, key, proof), value)
        assert.throws(() => verifyTrieProof(testSeed('root'), key, proof), seal)
        assert.throws(() => verifyTrieProof(trie.root, key, proof.slice(0, -1)), seal)
        if (all.some(([other]) => other.join() === absent.join())) continue
        assert.throws(() => verifyTrieProof(trie.root, absent, proof), seal)
      }
      // That a key is not there is shown by the nodes on its way.
      const nodes = new Map(all.flatMap(([key]) => trie.prove(key)).map(node => [String(keccak_256(node)), node]))
      const found = all.find(([key]) => key.join() === absent.join())?.[1]
      const nodeOf = (hash: Uint8Array) => decodeTrieNode(hash, nodes.get(String(hash)), 0)
      assert.deepEqual(readTrie(trie.root, absent, nodeOf), found)
      assert.throws(() => readTrie(trie.root, absent, hash => decodeTrieNode(hash, testSeed('node'), 0)), seal)
    }),
    { seed: 20261122, numRuns: 25 },
  )
})

test('trie proofs as @ethereumjs/mpt makes them', async t => {
  // A dependency of the server, not of this package
  const mpt = await import('@ethereumjs/mpt' as string).catch(() => undefined)
  if (mpt === undefined) return t.skip('@ethereumjs/mpt is not installed')
  const trie = await mpt.createMPT({ useKeyHashing: true })
  const entries = Array.from(
    { length: 200 },
    (_, i) => [testSeed(`key ${i}`), testSeed(`value ${i}`).subarray(0, 1 + (i % 32))] as const,
  )
  for (const [key, value] of entries) await trie.put(key, value)
  assert.deepEqual(buildTrie(entries).root, Uint8Array.from(trie.root()))
  for (const [key, value] of entries) {
    const proof: Uint8Array[] = await mpt.createMerkleProof(trie, key)
    // ethereumjs lists nodes of less than 32 bytes as well, which lie in their parents
    const hashed = proof.filter((node, i) => i === 0 || node.length >= 32)
    assert.deepEqual(verifyTrieProof(trie.root(), key, hashed), value)
  }
})
