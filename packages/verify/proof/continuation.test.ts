import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeBase64, hashLeaf, parseCheckpoint, parseNote, signNote, TreeEdge } from '../tlog/index.ts'
import { ED25519 } from '../tlog/index.ts'
import { testNoteKey } from '../test/sample.ts'
import { type Continuation, formatContinuation, signContinuation, verifyContinuation } from './continuation.ts'
import { verifySignedCheckpoint } from './evidence.ts'
import { verifySuccession } from './succession.ts'

/** TEST KEYS. */
const [old, older] = [testNoteKey('a.example/log', ED25519), testNoteKey('a.example/log', ED25519, 'first')]
const [next, other] = [testNoteKey('a.example/log/2', ED25519), testNoteKey('b.example/log', ED25519)]
const good: Continuation = {
  first: older.vkey,
  from: old.vkey,
  to: next.vkey,
  size: 100,
  root: new Uint8Array(32).fill(7),
  last: 150,
  time: '2026-11-22T12:00:00Z',
}
const note = signContinuation(good, old.signer, next.signer)
const code = (wanted: string) => ({ code: wanted })

test('a statement is signed by the keys of both logs, and by no other', () => {
  assert.deepEqual(verifyContinuation(note), good)
  const text = formatContinuation(good)
  for (const one of [old, older, next, other])
    assert.throws(() => verifyContinuation(signNote(text, one.signer)), code('continuation'))
  assert.throws(() => verifyContinuation(signContinuation(good, older.signer, next.signer)), code('continuation'))
  assert.throws(
    () => verifyContinuation(note.replace('\n150\n', '\n151\n')),
    code('continuation'),
    'changed afterwards',
  )
})

test('what is no statement is refused, and a statement is nothing else', () => {
  for (const wrong of [
    { ...good, to: old.vkey },
    { ...good, first: other.vkey },
    { ...good, from: other.vkey },
    { ...good, size: 0, last: 0 },
    { ...good, size: 151 },
    { ...good, size: 1.5 },
    { ...good, root: new Uint8Array(31) },
    { ...good, time: 'today' },
  ])
    assert.throws(() => formatContinuation(wrong), code('malformed'), JSON.stringify(wrong))
  const more = note.replace(good.time, `${good.time}\nmore`)
  for (const text of ['', note.slice(0, -1), `x${note}`, more, `${note}${'x'.repeat(20_000)}`])
    assert.throws(() => verifyContinuation(text), code('malformed'), text.slice(0, 40))
  assert.throws(() => verifySuccession(note), code('malformed'))
  assert.throws(() => verifySignedCheckpoint(note, [], { vkeys: [old.vkey] }), code('log'), 'and it is no checkpoint')
})

test('the vector of docs/formats.md 18: the statement is the entry at its size, behind the entries of the old log', () => {
  const file = join(import.meta.dirname, '../../../test/vectors/formats.json')
  const { continuation, records, heads, keys } = JSON.parse(readFileSync(file, 'utf8'))
  const { from, to, size, root, last } = verifyContinuation(continuation.statement)
  assert.deepEqual([from, to, size, last], [keys.log.vkey, continuation.to.vkey, 1, 8])
  const tree = TreeEdge.empty()
  tree.append(hashLeaf(Buffer.from(records[0].commitment, 'base64')))
  assert.equal(encodeBase64(tree.root()), encodeBase64(root))
  for (const text of [continuation.statement, heads.entry]) tree.append(hashLeaf(Buffer.from(text)))
  const checkpoint = parseCheckpoint(parseNote(continuation.checkpoint).text)
  assert.deepEqual([checkpoint.size, encodeBase64(checkpoint.root)], [continuation.size, encodeBase64(tree.root())])
})
