// The vectors of docs/formats.md: what is committed is what the code writes, and what Node's own cryptography says it should be.
import assert from 'node:assert/strict'
import { createHash, createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { verifyCoseReceipt } from '../cose/index.ts'
import { canonicalize } from '#json/index.ts'
import { decodeBase64, parseNote, parseVkey, verifyNote } from '#tlog/index.ts'
import { formatVectors } from '../test/vectors.ts'
import {
  collectionKey,
  formatHeadsEntry,
  formatReceipt,
  formatRecord,
  headsMapRoot,
  parseHeadsEntry,
  parseReceipt,
  parseRecord,
  recordCommitment,
  submitterCommitment,
  verifyCollection,
  verifyDisagreement,
  verifyHeadsMapPath,
  verifyObject,
  verifyReceipt,
  verifyWithheld,
} from './index.ts'

const file = readFileSync(path.join(import.meta.dirname, '../../../test/vectors/formats.json'), 'utf8')
const vectors = JSON.parse(file)
const sha256 = (...parts: (string | Uint8Array)[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
const u64 = (n: number): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(n))
  return bytes
}

test('the committed vectors are those that the code writes, byte for byte within each value', () => {
  // A formatter may break the lines of the file in another way
  assert.equal(JSON.stringify(vectors), JSON.stringify(JSON.parse(formatVectors())))
})

test('1 and 3: records, their texts and their commitments', () => {
  const kinds = vectors.records.map(({ text, commitment }: { text: string; commitment: string }) => {
    assert.equal(sha256(text).toString('base64'), commitment)
    assert.deepEqual(recordCommitment(text), decodeBase64(commitment))
    assert.deepEqual(recordCommitment(Buffer.from(text)), decodeBase64(commitment))
    const record = parseRecord(text)
    assert.deepEqual(parseRecord(Buffer.from(text)), record)
    assert.equal(formatRecord(record), text)
    assert.equal(text, `entente/record/v1:${canonicalize(record)}`)
    return 'object' in record ? 'object' : 'deleted' in record ? 'deleted' : 'equivocation'
  })
  assert.deepEqual(kinds, ['object', 'object', 'object', 'equivocation', 'deleted'])
})

test('2: submitter', () => {
  const { opening, name, submitter } = vectors.submitter
  const bytes = Buffer.from(opening, 'hex')
  assert.equal(sha256('entente/submitter/v1\n', bytes, name).toString('base64url'), submitter)
  assert.equal(submitterCommitment(bytes, name), submitter)
  assert.throws(() => submitterCommitment(bytes.subarray(1), name), { code: 'malformed' })
})

test('4: heads entry, heads map and its paths', () => {
  const { map, map_root, entry } = vectors.heads
  const heads = map.map((head: { key: string; count: number; root: string }) => ({
    key: Uint8Array.from(Buffer.from(head.key, 'hex')),
    count: head.count,
    root: decodeBase64(head.root),
  }))
  const { api_root, collection } = vectors.saved_read.proof
  assert.equal(sha256(`entente/collection/v1\n${api_root}\n${collection}\n`).toString('hex'), map[0].key)
  assert.deepEqual(collectionKey(api_root, collection), heads[0].key)
  assert.deepEqual(headsMapRoot(heads), decodeBase64(map_root))
  // by hand: every head from its leaf up its path
  for (const [i, head] of heads.entries()) {
    const siblings = map[i].path.map((text: string) => Buffer.from(text, 'base64'))
    let hash = sha256(Uint8Array.of(0), head.key, u64(head.count), head.root)
    for (const [k, sibling] of siblings.entries()) {
      const bit = siblings.length - 1 - k
      const isRight = (head.key[bit >> 3] >> (7 - (bit % 8))) & 1
      hash = isRight ? sha256(Uint8Array.of(1), sibling, hash) : sha256(Uint8Array.of(1), hash, sibling)
    }
    assert.equal(hash.toString('base64'), map_root)
    verifyHeadsMapPath(head, siblings, decodeBase64(map_root))
  }
  assert.equal(entry, `entente/heads/v1\n3\n${map_root}\n`)
  assert.equal(formatHeadsEntry(parseHeadsEntry(entry)), entry)
  for (const bad of ['', entry.slice(0, -1), entry.replace('3', '03'), `${entry}\n`, entry.replace('heads', 'Heads')]) {
    assert.throws(() => parseHeadsEntry(bad), { name: 'ProofError', code: 'heads' })
  }
})

test('5: the checkpoint is signed by the log key, as Node sees it', () => {
  const key = parseVkey(vectors.keys.log.vkey)
  const { text, signatures } = parseNote(vectors.checkpoint)
  const publicKey = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(key.publicKey).toString('base64url') },
    format: 'jwk',
  })
  assert.ok(verify(null, Buffer.from(text), publicKey, signatures[0]!.signature))
  assert.equal(parseNote(vectors.checkpoint_cosigned).text, text)
  const witnesses = vectors.keys.witnesses.map(({ vkey }: { vkey: string }) => parseVkey(vkey))
  assert.equal(verifyNote(vectors.checkpoint_cosigned, [key, ...witnesses]).signatures.length, 3)
})

test('6: receipt', () => {
  const receipt = verifyReceipt(vectors.receipt, [vectors.keys.log.vkey])
  assert.equal(receipt.origin, 'entente.example/log')
  assert.deepEqual(
    receipt.entries.map(entry => entry.index),
    [3, 4, 5],
  )
  assert.deepEqual(receipt.entries[0]!.commitment, decodeBase64(vectors.records[0].commitment))
  const { text } = parseNote(vectors.receipt)
  assert.equal(formatReceipt(parseReceipt(text)), text)
  assert.equal(formatReceipt({ ...receipt, entries: [] }).split('\n').length, 4)
  assert.throws(() => verifyReceipt(vectors.receipt.replace('\n3 ', '\n4 '), [vectors.keys.log.vkey]), { code: 'log' })
  assert.throws(() => verifyReceipt(vectors.checkpoint, [vectors.keys.log.vkey]), { code: 'malformed' })
  for (const bad of ['', text.slice(0, -1), `${text}\n`, text.replace('\n3 ', '\n03 '), text.replace('v1', 'v2')]) {
    assert.throws(() => parseReceipt(bad), { name: 'ProofError', code: 'malformed' })
  }
  assert.throws(() => formatReceipt({ ...receipt, status: 'a\nb' }), { code: 'malformed' })
})

test('7 to 10: the proofs verify, at their levels', () => {
  const { trust } = vectors
  const plain = verifyObject(vectors.object_proof, trust)
  assert.deepEqual([plain.level, plain.index, plain.checkpoint.size], ['logged', 3, 9])
  assert.deepEqual(plain.commitment, decodeBase64(vectors.records[0].commitment))
  const claimed = verifyObject(vectors.object_proof_claimed, trust)
  assert.deepEqual([claimed.level, claimed.witnesses], ['witnessed', { cosigned: 2, known: 2 }])
  assert.equal(claimed.anchors[0]!.sealed, undefined)
  const sealed = verifyObject(JSON.stringify(vectors.object_proof_sealed, null, 1), trust)
  assert.deepEqual([sealed.level, sealed.anchors[0]!.sealed!.number], ['sealed', 300])
  assert.equal(sealed.anchors[0]!.sealed!.signers.length, 3)
  const withheld = verifyWithheld(JSON.stringify(vectors.withheld_proof), trust)
  assert.deepEqual([withheld.level, withheld.index, withheld.seq, withheld.withheld], ['logged', 3, 0, 'access'])
  const other = { ...vectors.withheld_proof.record, commitment: vectors.records[1].commitment }
  assert.throws(() => verifyWithheld({ ...vectors.withheld_proof, record: other }, trust), { code: 'log' })
  const erased = { ...vectors.withheld_proof.record, reason: 'deleted' }
  assert.throws(() => verifyWithheld({ ...vectors.withheld_proof, record: erased }, trust), { code: 'malformed' })
  assert.throws(() => verifyWithheld(vectors.object_proof, trust), { code: 'malformed' })
  assert.throws(() => verifyObject(vectors.withheld_proof, trust), { code: 'malformed' })
  const read = verifyCollection(JSON.stringify(vectors.saved_read), trust)
  assert.deepEqual([read.level, read.count, read.records.length], ['logged', 5, 5])
  assert.deepEqual(read.records[1], {
    seq: 1,
    commitment: decodeBase64(vectors.records[1].commitment),
    withheld: 'deleted',
  })
})

test('12: evidence of each kind', () => {
  const { evidence, trust } = vectors
  const conclusive = Object.keys(evidence).filter(name => verifyDisagreement(evidence[name], trust).isConclusive)
  assert.deepEqual(conclusive, ['fork_same_size', 'fork', 'receipt'])
})

test('13: COSE receipt', () => {
  const receipt = decodeBase64(vectors.cose_receipt)
  const entry = decodeBase64(vectors.records[0].commitment)
  const { index, size } = verifyCoseReceipt(receipt, entry, [parseVkey(vectors.keys.log.vkey)])
  assert.deepEqual([index, size], [3, 9])
  const other = decodeBase64(vectors.records[1].commitment)
  assert.throws(() => verifyCoseReceipt(receipt, other, [parseVkey(vectors.keys.log.vkey)]), { code: 'log' })
})
