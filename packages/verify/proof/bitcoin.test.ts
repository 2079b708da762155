import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { bitcoinVectors, createTestBlock, testHeader, testTransaction } from '../test/bitcoin-vectors.ts'
import { testSeed } from '../test/sample.ts'
import { doubleSha256 } from './bitcoin-transaction.ts'
import {
  type BitcoinProof,
  bitcoinMerkleBranch,
  bitcoinMerkleRoot,
  coinbaseHeight,
  displayHash,
  findBitcoinAnchor,
  formatBitcoinAnchor,
  parseBitcoinTransaction,
  ProofError,
  type Trust,
  verifyBitcoinHeader,
  verifyBitcoinProof,
  verifyObject,
} from './index.ts'

const vectors = JSON.parse(readFileSync(path.join(import.meta.dirname, '../../../test/vectors/bitcoin.json'), 'utf8'))
const { object_proof: file, payload } = vectors
const [anchor] = file.anchors
const proof: BitcoinProof = anchor.bitcoin
const checkpoint = { origin: payload.origin, size: payload.size, root: bytes(payload.root) }
const { depth, min_work: work } = vectors.trust.pin
const pin = { chainId: 'simnet', depth, minWork: BigInt(work) }
const trust: Trust = { vkeys: vectors.trust.vkeys, bitcoin: [pin] }
const with_ = (changed: object) => ({ ...file, anchors: [{ ...anchor, ...changed }] })

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}
const hex = (of: Uint8Array) => Buffer.from(of).toString('hex')
const hash = (shown: string) => bytes(shown).reverse()
const refuses = (run: () => unknown, code = 'seal', message = /./) =>
  assert.throws(run, { name: 'ProofError', code, message })

test('the committed vectors are those that the code writes', () => {
  assert.equal(JSON.stringify(vectors), JSON.stringify(JSON.parse(bitcoinVectors())))
})

// Bitcoin itself: blocks 0 and 100000, as every node has them.
const BLOCK_0 = `01000000${'00'.repeat(32)}3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c`
const BLOCK_100000 =
  '0100000050120119172a610421a6c3011dd330d9df07b63616c2cc1f1cd00200000000006657a9252aacd5c0b2940996ecff952228c3067cc38d4885efb5a4ac4247e9f337221b4d4c86041b0f2b5710'
const TRANSACTIONS_100000 = [
  '8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87',
  'fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4',
  '6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4',
  'e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d',
]
const GENESIS_COINBASE =
  '01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000'

test("Bitcoin's own blocks: hashes, work, transactions, Merkle paths", () => {
  const genesis = verifyBitcoinHeader(bytes(BLOCK_0))
  assert.equal(displayHash(genesis.hash), '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f')
  assert.equal(genesis.timestamp, 1231006505)
  assert.equal(genesis.work, 0x100010001n) // chainwork of block 0
  const coinbase = parseBitcoinTransaction(bytes(GENESIS_COINBASE))
  assert.deepEqual(coinbase.txid, genesis.merkleRoot)
  assert.equal(coinbase.outputs[0]?.value, 5_000_000_000n)
  const later = verifyBitcoinHeader(bytes(BLOCK_100000))
  assert.equal(displayHash(later.hash), '000000000003ba27aa200b1cecaad478d2b00432346c3f1f3986da1afd33e506')
  const txids = TRANSACTIONS_100000.map(hash)
  for (const [i, txid] of txids.entries())
    assert.deepEqual(bitcoinMerkleRoot(txid, i, bitcoinMerkleBranch(txids, i)), later.merkleRoot)
  refuses(() => verifyBitcoinHeader(bytes(BLOCK_100000.replace(/10$/, '11'))), 'seal', /no proof of work/)
})

test('a proof with work raises the level; without a pin, or without the evidence, it is a claim', () => {
  const { level, anchors } = verifyObject(file, trust)
  assert.equal(level, 'sealed')
  assert.deepEqual(
    { ...anchors[0]?.mined, hash: displayHash(anchors[0]?.mined?.hash as Uint8Array) },
    { height: 500, timestamp: 1_780_000_000, depth: 6, work: pin.minWork, hash: anchor.block_hash },
  )
  const { bitcoin: _, ...claim } = anchor
  for (const [value, reader] of [
    [file, { vkeys: trust.vkeys }],
    [file, { ...trust, bitcoin: [{ ...pin, chainId: 'mainnet' }] }],
    [{ ...file, anchors: [claim] }, trust],
  ] as const) {
    const { level: weaker, anchors: claims } = verifyObject(value, reader)
    assert.equal(weaker, 'logged')
    assert.equal(claims[0]?.mined, undefined)
  }
})

test('every byte of the evidence counts: any other one is refused', () => {
  const { coinbase } = proof
  const flips: [string, string, (changed: string) => BitcoinProof][] = [
    ['transaction', proof.transaction, transaction => ({ ...proof, transaction })],
    ['headers', proof.headers, headers => ({ ...proof, headers })],
    ['coinbase', coinbase.transaction, transaction => ({ ...proof, coinbase: { ...coinbase, transaction } })],
    ...proof.branch.map((text, i): (typeof flips)[number] => [
      `branch ${i}`,
      text,
      changed => ({ ...proof, branch: proof.branch.with(i, changed) }),
    ]),
    ...coinbase.branch.map((text, i): (typeof flips)[number] => [
      `branch ${i} of the coinbase`,
      text,
      changed => ({ ...proof, coinbase: { ...coinbase, branch: coinbase.branch.with(i, changed) } }),
    ]),
  ]
  let tried = 0
  for (const [what, text, change] of flips) {
    const original = bytes(text)
    for (const [at, byte] of original.entries()) {
      const changed = change(hex(original.with(at, byte ^ (1 << (at % 8)))))
      assert.throws(() => verifyBitcoinProof(changed, checkpoint, pin), ProofError, `${what}, byte ${at}`)
      tried++
    }
  }
  assert.ok(tried > 900, `${tried}`)
  for (const index of [0, 3, 5, 6, 7, 8, 12, 2 ** 40])
    refuses(() => verifyObject(with_({ bitcoin: { ...proof, index } }), trust))
})

test('evidence of something else, or not enough of it', () => {
  const headers = proof.headers.match(/.{160}/g) as string[]
  refuses(() => verifyObject(with_({ block: 501 }), trust), 'seal', /block 500/)
  refuses(() => verifyObject(with_({ block_hash: '00'.repeat(32) }), trust))
  refuses(() => verifyObject(with_({ transaction: 'ab'.repeat(32) }), trust))
  refuses(
    () => verifyObject(with_({ bitcoin: { ...proof, headers: headers.slice(0, -1).join('') } }), trust),
    'seal',
    /5 blocks on top/,
  )
  refuses(
    () => verifyObject(with_({ bitcoin: { ...proof, headers: headers.toSpliced(2, 1).join('') } }), trust),
    'seal',
    /does not follow/,
  )
  refuses(
    () => verifyObject(with_({ bitcoin: { ...proof, headers: headers.slice(1).join('') } }), trust),
    'seal',
    /is not in block/,
  )
  refuses(() => verifyObject(file, { ...trust, bitcoin: [{ ...pin, minWork: pin.minWork + 1n }] }), 'seal', /\bwork\b/)
  refuses(() => verifyObject(file, { ...trust, bitcoin: [{ ...pin, depth: -1 }] }), 'trust')
  for (const other of [
    { ...checkpoint, origin: 'other.example/log' },
    { ...checkpoint, size: checkpoint.size + 1 },
    { ...checkpoint, root: testSeed('another root') },
  ])
    refuses(() => verifyBitcoinProof(proof, other, pin), 'seal', /does not carry the checkpoint/)
  assert.equal(verifyBitcoinProof(proof, checkpoint, pin).height, 500)
  for (const malformed of [
    with_({ bitcoin: { ...proof, headers: '' } }),
    with_({ bitcoin: { ...proof, headers: `${proof.headers}00` } }),
    with_({ bitcoin: { ...proof, extra: 1 } }),
    with_({ bitcoin: { ...proof, branch: Array.from({ length: 18 }, () => proof.branch[0]) } }),
    with_({ chain_id: 6100 }),
    with_({ sealed: {} }),
    with_({ transaction: `0x${anchor.transaction}` }),
  ])
    refuses(() => verifyObject(malformed, trust), 'malformed')
})

test('an inner node taken for a transaction, or the other way round, is refused (CVE-2017-12842)', () => {
  // 64 bytes that stand in the block as a transaction: the first half is the id of an anchor that nobody ever sent.
  const script = formatBitcoinAnchor(checkpoint.origin, checkpoint)
  const forged = testTransaction({ txid: testSeed('nothing'), index: 0 }, [{ value: 0, script }])
  const pair = new Uint8Array(64)
  pair.set(parseBitcoinTransaction(forged).txid)
  pair.set(testSeed('the other half'), 32)
  refuses(() => parseBitcoinTransaction(pair))
  const { transactions, txids, index } = createTestBlock(script)
  const hashes = txids.with(index, doubleSha256(pair))
  const branch = [testSeed('the other half'), ...bitcoinMerkleBranch(hashes, index)]
  const root = bitcoinMerkleRoot(parseBitcoinTransaction(forged).txid, 2 * index, branch)
  assert.deepEqual(
    root,
    bitcoinMerkleRoot(hashes[0] as Uint8Array, 0, bitcoinMerkleBranch(hashes, 0)),
    'the path alone is convincing',
  )
  const attack: BitcoinProof = {
    transaction: hex(forged),
    index: 2 * index,
    branch: branch.map(hex),
    coinbase: { transaction: hex(transactions[0] as Uint8Array), branch: bitcoinMerkleBranch(hashes, 0).map(hex) },
    headers: hex(testHeader(testSeed('block before'), root, 1_780_000_000)),
  }
  refuses(() => verifyBitcoinProof(attack, checkpoint, { depth: 0, minWork: 0n }), 'seal', /equally deep/)
})

test('the copy of an odd last transaction is no place in a block (CVE-2012-2459)', () => {
  const { txids } = createTestBlock(formatBitcoinAnchor(checkpoint.origin, checkpoint))
  const last = txids.length - 1
  const branch = bitcoinMerkleBranch(txids, last)
  const txid = txids[last] as Uint8Array
  assert.deepEqual(branch[0], txid)
  bitcoinMerkleRoot(txid, last, branch)
  refuses(() => bitcoinMerkleRoot(txid, last + 1, branch), 'seal', /copy/)
})

test('the payload: 60 bytes behind OP_RETURN, in the first output and nowhere else', () => {
  const script = formatBitcoinAnchor(checkpoint.origin, checkpoint)
  assert.equal(hex(script), payload.script)
  assert.equal(script.length, 62)
  const output = { value: 0n, script }
  assert.deepEqual(findBitcoinAnchor({ outputs: [output] }, checkpoint.origin), {
    size: checkpoint.size,
    root: checkpoint.root,
  })
  assert.equal(
    findBitcoinAnchor({ outputs: [{ value: 1n, script: testSeed('x') }, output] }, checkpoint.origin),
    undefined,
  )
  assert.equal(findBitcoinAnchor({ outputs: [output] }, 'other.example/log'), undefined)
  for (let at = 0; at < 30; at++) {
    const changed = script.with(at, (script[at] as number) ^ 1)
    const found = findBitcoinAnchor({ outputs: [{ value: 0n, script: changed }] }, checkpoint.origin)
    if (at < 22) assert.equal(found, undefined, `byte ${at}`)
    else assert.notEqual(found?.size, checkpoint.size)
  }
  for (const size of [0n, 2n ** 53n, 2n ** 64n - 1n]) {
    const odd = Uint8Array.from(script)
    new DataView(odd.buffer).setBigUint64(22, size)
    assert.equal(findBitcoinAnchor({ outputs: [{ value: 0n, script: odd }] }, checkpoint.origin), undefined)
  }
})

test('the height in a coinbase (BIP 34)', () => {
  const of = (...script: number[]) => ({
    inputs: [{ txid: new Uint8Array(32), index: 0xffffffff, script: Uint8Array.from(script) }],
  })
  assert.equal(coinbaseHeight(of(0x51)), 1)
  assert.equal(coinbaseHeight(of(0x60, 9)), 16)
  assert.equal(coinbaseHeight(of(1, 17)), 17)
  assert.equal(coinbaseHeight(of(3, 0xa0, 0xbb, 0x0d, 7)), 900_000)
  for (const script of [[], [0], [5, 1, 1, 1, 1, 1], [3, 1, 1]]) refuses(() => coinbaseHeight(of(...script)))
  refuses(() => coinbaseHeight({ inputs: [{ txid: testSeed('spent'), index: 0, script: Uint8Array.of(1, 17) }] }))
})

test('whatever stands in the evidence, the answer is a verdict or a ProofError', () => {
  const transaction = bytes(proof.transaction)
  fc.assert(
    fc.property(fc.nat(transaction.length - 1), fc.uint8Array({ maxLength: 12 }), fc.nat(8), (at, junk, cut) => {
      const changed = new Uint8Array([...transaction.subarray(0, at), ...junk, ...transaction.subarray(at + cut)])
      try {
        parseBitcoinTransaction(changed)
      } catch (error) {
        assert.ok(error instanceof ProofError, String(error))
      }
    }),
    { seed: 20261122, numRuns: 2000 },
  )
})

test('whatever stands in place of a member of the anchor, it is refused, or proves nothing', () => {
  const junk = [null, true, -1, 0.5, 2 ** 53, '', '0', 'zz', `${'ff'.repeat(70_000)}`, [], [''], {}, [[]]]
  let tried = 0
  for (const member of Object.keys(anchor).filter(name => name !== 'ledger'))
    for (const value of junk) tried += refused(with_({ [member]: value }))
  for (const member of Object.keys(proof))
    for (const value of junk) tried += refused(with_({ bitcoin: { ...proof, [member]: value } }))
  for (const member of Object.keys(proof.coinbase))
    for (const value of junk)
      tried += refused(with_({ bitcoin: { ...proof, coinbase: { ...proof.coinbase, [member]: value } } }))
  assert.ok(tried > 150, `${tried}`)
})

/** Of another kind or network it is a claim, which raises nothing. */
function refused(changed: object): number {
  try {
    const { level, anchors } = verifyObject(changed, trust)
    assert.deepEqual([level, anchors[0]?.mined], ['logged', undefined])
    assert.ok(
      anchors[0]?.anchor.kind !== 'bitcoin' || anchors[0].anchor.chain_id !== 'simnet',
      JSON.stringify(anchors[0]),
    )
    return 0
  } catch (error) {
    assert.ok(error instanceof ProofError, String(error))
    return 1
  }
}
