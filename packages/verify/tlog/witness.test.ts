import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testNoteKey } from '../test/sample.ts'
import {
  COSIGNATURE_V1,
  createCosigner,
  ED25519,
  encodeBase64,
  formatAddCheckpoint,
  formatCheckpoint,
  hashLeaf,
  parseAddCheckpoint,
  parseVkey,
  readCosignature,
  signNote,
  TlogError,
} from './index.ts'

const code = (expected: string) => (error: unknown) => error instanceof TlogError && error.code === expected
const hash = hashLeaf(Uint8Array.of(1))

test('add-checkpoint is read as it is written, and nothing else is', () => {
  const request = { oldSize: 20852014, proof: [hash, hashLeaf(hash)], checkpoint: 'a\n1\nb\n\n\u2014 a c\n' }
  const body = formatAddCheckpoint(request)
  assert.equal(body.slice(0, 13), 'old 20852014\n')
  assert.deepEqual(parseAddCheckpoint(body), request)
  assert.deepEqual(parseAddCheckpoint('old 0\n\nx'), { oldSize: 0, proof: [], checkpoint: 'x' })
  const line = encodeBase64(hash)
  for (const bad of [
    '',
    'old 0\n',
    'old 0',
    '\nold 0\n\nx',
    'old 00\n\nx',
    'old -1\n\nx',
    'old  1\n\nx',
    'old 9007199254740992\n\nx',
    'Old 1\n\nx',
    'old 1\r\n\r\nx',
    `old 1\n${line.slice(4)}\n\nx`,
    `old 1\n${line} \n\nx`,
    `old 1${`\n${line}`.repeat(64)}\n\nx`,
  ])
    assert.throws(() => parseAddCheckpoint(bad), code('malformed'), JSON.stringify(bad.slice(0, 40)))
  assert.equal(parseAddCheckpoint(`old 1${`\n${line}`.repeat(63)}\n\nx`).proof.length, 63)
})

test("a witness's answer: its own line counts, verified; others are ignored", () => {
  const log = testNoteKey('log.example', ED25519)
  const one = testNoteKey('w1.example', COSIGNATURE_V1)
  const two = testNoteKey('w2.example', COSIGNATURE_V1)
  const text = formatCheckpoint({ origin: 'log.example', size: 5, root: hash, extensions: [] })
  const note = signNote(text, log.signer)
  const lineOf = (witness: typeof one, time: bigint, over = text) =>
    signNote(over, createCosigner(witness.signer, time)).slice(over.length + 1)
  const key = parseVkey(one.vkey)
  const own = lineOf(one, 1679315147n)
  assert.deepEqual(readCosignature(note, lineOf(two, 5n) + own, key), { line: own, timestamp: 1679315147n })
  assert.deepEqual(readCosignature(note, own + lineOf(one, 1679315148n), key).line, own)

  const other = text.replace('\n5\n', '\n6\n')
  for (const bad of [lineOf(two, 5n), lineOf(one, 0n), lineOf(one, 5n, other), own + lineOf(one, 5n, other)])
    assert.throws(() => readCosignature(note, bad, key), code('unverified'), bad)
  for (const bad of ['', 'no line\n', own.trimEnd(), `${own}\n`, own.repeat(101)])
    assert.throws(() => readCosignature(note, bad, key), code('malformed'), JSON.stringify(bad.slice(0, 50)))
})
