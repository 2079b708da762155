import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createVerifierKey, ED25519, EMPTY_ROOT, formatCheckpoint, formatVkey, signNote } from '../tlog/index.ts'
import { testNoteKey } from '../test/sample.ts'
import { verifySignedCheckpoint } from './evidence.ts'
import { signReceipt, verifyReceipt } from './receipt.ts'
import {
  formatSuccession,
  readLogKeys,
  signSuccession,
  type Succession,
  verifyLogCheckpoint,
  verifySuccession,
} from './succession.ts'

const ORIGIN = 'entente.example/log'
/** TEST KEYS. */
const [a, b, c] = [testNoteKey(ORIGIN, ED25519), testNoteKey(ORIGIN, ED25519, 'b'), testNoteKey(ORIGIN, ED25519, 'c')]
const other = testNoteKey('other.example/log', ED25519)
const time = '2026-11-22T12:00:00Z'
const ab = signSuccession({ from: a.vkey, to: b.vkey, index: 7, time }, a.signer, b.signer)
const bc = signSuccession({ from: b.vkey, to: c.vkey, index: 20, time }, b.signer, c.signer)
const checkpoint = (size: number, ...signers: { signer: typeof a.signer }[]) => {
  const [first, second] = signers
  if (!first) throw new TypeError('a signer')
  const text = formatCheckpoint({ origin: ORIGIN, size, root: new Uint8Array(32).fill(size), extensions: [] })
  return signNote(text, { ...first.signer, also: second?.signer })
}
const code = (wanted: string) => ({ code: wanted })

test('a statement is signed by both keys, and by no other', () => {
  assert.deepEqual(verifySuccession(ab), { from: a.vkey, to: b.vkey, index: 7, time })
  const text = formatSuccession({ from: a.vkey, to: b.vkey, index: 7, time })
  for (const one of [a, b, c]) assert.throws(() => verifySuccession(signNote(text, one.signer)), code('succession'))
  assert.throws(() => verifySuccession(signNote(text, { ...a.signer, also: c.signer })), code('succession'))
  assert.throws(() => verifySuccession(ab.replace('\n7\n', '\n8\n')), code('succession'), 'changed afterwards')
})

test('what is no statement is refused', () => {
  const good: Succession = { from: a.vkey, to: b.vkey, index: 7, time }
  for (const wrong of [
    { ...good, to: a.vkey },
    { ...good, to: other.vkey },
    { ...good, index: -1 },
    { ...good, index: 1.5 },
    { ...good, time: 'today' },
    { ...good, to: formatVkey(createVerifierKey(ORIGIN, 4, new Uint8Array(32))) },
  ])
    assert.throws(() => formatSuccession(wrong), code('malformed'), JSON.stringify(wrong))
  for (const text of ['', ab.slice(0, -1), `x${ab}`, ab.replace(time, `${time}\nmore`), `${ab}${'x'.repeat(20_000)}`])
    assert.throws(() => verifySuccession(text), code('malformed'), text.slice(0, 40))
  assert.throws(() => verifySignedCheckpoint(ab, [], { vkeys: [a.vkey] }), code('log'), 'and it is no checkpoint')
})

test('statements lead forth and back from any of the keys, and each signs the sizes of its time', () => {
  for (const one of [a, b, c]) {
    const keys = readLogKeys(one.vkey, [ab, bc])
    assert.deepEqual(keys.vkeys, [a.vkey, b.vkey, c.vkey])
    for (const [size, by] of [
      [1, a],
      [7, a],
      [8, b],
      [20, b],
      [21, c],
      [1000, c],
    ] as const) {
      assert.equal(formatVkey(keys.at(size)), by.vkey)
      assert.equal(verifyLogCheckpoint(checkpoint(size, by), keys).size, size)
      for (const wrong of [a, b, c].filter(k => k !== by))
        assert.throws(() => verifyLogCheckpoint(checkpoint(size, wrong), keys), code('unverified'))
    }
    verifyLogCheckpoint(checkpoint(9, a, b), keys) // both, while the old one goes on
  }
  assert.deepEqual(readLogKeys(a.vkey).vkeys, [a.vkey])
})

test('statements that do not follow each other lead nowhere', () => {
  const ac = signSuccession({ from: a.vkey, to: c.vkey, index: 9, time }, a.signer, c.signer)
  const back = signSuccession({ from: b.vkey, to: a.vkey, index: 30, time }, b.signer, a.signer)
  const early = signSuccession({ from: b.vkey, to: c.vkey, index: 7, time }, b.signer, c.signer)
  for (const notes of [
    [bc, ab],
    [ab, ac],
    [ab, early],
    [ab, back],
    [ab, ab],
  ])
    assert.throws(() => readLogKeys(a.vkey, notes), code('succession'))
  assert.throws(() => readLogKeys(c.vkey, [ab]), code('succession'), 'not by the key that is believed')
  assert.throws(() => readLogKeys(other.vkey, [ab]), code('succession'))
})

test('a reader who believes the old key follows by the statements: proofs, and what the old key can no longer sign', () => {
  const trust = { vkeys: [a.vkey], successions: [ab] }
  assert.equal(verifySignedCheckpoint(checkpoint(9, b), [], trust).checkpoint.size, 9)
  assert.equal(verifySignedCheckpoint(checkpoint(5, a), [], trust).checkpoint.size, 5)
  assert.equal(verifySignedCheckpoint(checkpoint(5, a), [], { vkeys: [b.vkey], successions: [ab] }).checkpoint.size, 5)
  assert.throws(() => verifySignedCheckpoint(checkpoint(9, b), [], { vkeys: [a.vkey] }), code('log'))
  assert.throws(() => verifySignedCheckpoint(checkpoint(9, a), [], trust), code('log'), 'whoever stole the old key')
  assert.throws(() => verifySignedCheckpoint(checkpoint(5, b), [], trust), code('log'))
  assert.throws(() => verifySignedCheckpoint(checkpoint(9, b), [], { vkeys: [c.vkey], successions: [ab] }), {
    name: 'ProofError',
  })
})

test('receipts hold under the key that signed them; a key that gave way promises nothing new', () => {
  const entries = (...indexes: number[]) => indexes.map(index => ({ index, commitment: EMPTY_ROOT }))
  const receipt = (signer: typeof a.signer, ...indexes: number[]) =>
    signReceipt({ origin: ORIGIN, status: 's', entries: entries(...indexes) }, signer)
  for (const note of [receipt(a.signer, 3, 6), receipt(b.signer, 3, 12), receipt({ ...b.signer, also: a.signer }, 12)])
    verifyReceipt(note, [a.vkey], [ab])
  assert.throws(() => verifyReceipt(receipt(a.signer, 3, 12), [a.vkey], [ab]), code('log'))
  assert.throws(() => verifyReceipt(receipt(b.signer, 3), [a.vkey]), code('log'))
})

test('vectors of docs/formats.md 16', () => {
  const file = join(import.meta.dirname, '../../../test/vectors/formats.json')
  const { succession } = JSON.parse(readFileSync(file, 'utf8'))
  const keys = readLogKeys(succession.from.vkey, [succession.statement])
  assert.deepEqual(keys.vkeys, [succession.from.vkey, succession.to.vkey])
  assert.equal(verifyLogCheckpoint(succession.checkpoint, keys).size, succession.size)
  assert.equal(verifyLogCheckpoint(succession.checkpoint_both, keys).size, succession.size)
})
