import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  encodeBase64,
  formatAddCheckpoint,
  formatNote,
  hashLeaf,
  parseNote,
  parseVkey,
  readCosignature,
  signNote,
  verifyCheckpoint,
} from '@entente/verify/tlog'
import { ed25519 } from '@noble/curves/ed25519.js'
import fc from 'fast-check'
import { originHash } from './http.ts'
import { openWitnessState } from './state.ts'
import { createTestLog, testSeed } from './test/log.ts'
import { createWitness, type Misconduct, type WitnessAnswer, type WitnessOptions } from './witness.ts'

const NAME = 'witness.example/w'
const TIME = 1_790_000_000_000
const log = createTestLog('log.example/one')

function setUp(t: TestContext, options: Partial<WitnessOptions> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'entente-witness-'))
  const state = openWitnessState(folder, true)
  t.after(() => {
    state.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const seed = testSeed(NAME)
  const accused: Misconduct[] = []
  const witness = createWitness({
    name: NAME,
    publicKey: ed25519.getPublicKey(seed),
    sign: message => ed25519.sign(message, seed),
    state,
    logs: [{ origin: log.origin, vkey: log.vkey }],
    now: () => TIME,
    alert: (_message, misconduct) => accused.push(misconduct),
    ...options,
  })
  const add = (body: string) => witness.add(Buffer.from(body))
  /** A 200 whose line cosigns the checkpoint that was sent, with the time of the clock. */
  const assertCosigned = (answer: WitnessAnswer, note: string) => {
    assert.equal(answer.status, 200, answer.body)
    assert.equal(answer.type, 'text/plain; charset=utf-8')
    const { line, timestamp } = readCosignature(note, answer.body, parseVkey(witness.vkey))
    assert.equal(line, answer.body, 'one line, and nothing besides')
    assert.equal(timestamp, BigInt(TIME / 1000))
  }
  return { folder, state, witness, add, accused, assertCosigned }
}

const isConflict = (answer: WitnessAnswer, size: number) =>
  assert.deepEqual(answer, { status: 409, type: 'text/x.tlog.size', body: `${size}\n` })
const isRefused = (answer: WitnessAnswer, status: number, message?: RegExp) => {
  assert.equal(answer.status, status, answer.body)
  assert.doesNotMatch(answer.body, /^\u2014/m, 'no signature')
  if (message) assert.match(answer.body, message)
}

test('the statuses of a sequence: new, wrong signature, unknown, no proof, wrong proof, right, stale, replayed', t => {
  const { add, assertCosigned, witness } = setUp(t)
  assertCosigned(add(log.request(0, 1)), log.checkpoint(1))

  const good = log.request(1, 3)
  const note = parseNote(log.checkpoint(3))
  note.signatures[0]!.signature[5]! ^= 1
  isRefused(add(good.slice(0, good.indexOf('\n\n') + 2) + formatNote(note)), 403, /invalid signature/)
  isRefused(add(createTestLog('log.example/two').request(1, 3)), 404, /unknown log/)
  const checkpoint = log.checkpoint(3)
  isRefused(add(formatAddCheckpoint({ oldSize: 1, proof: [], checkpoint })), 422, /consistency proof/)
  const wrong = [hashLeaf(Buffer.from('a')), hashLeaf(Buffer.from('b'))]
  isRefused(add(formatAddCheckpoint({ oldSize: 1, proof: wrong, checkpoint })), 422, /consistency proof/)

  assertCosigned(add(good), checkpoint)
  isConflict(add(log.request(1, 5)), 3)
  assertCosigned(add(log.request(3, 5)), log.checkpoint(5))
  isConflict(add(log.request(0, 5)), 5)
  // The same once more is cosigned again: an answer may have been lost.
  assertCosigned(add(log.request(5, 5)), log.checkpoint(5))
  assert.deepEqual(
    witness.logs().map(l => [l.origin, l.size, l.at]),
    [[log.origin, 5, TIME]],
  )
})

test('sizes: an older one than the old size, zero with its root or another, a proof where none is due', t => {
  const { add, assertCosigned } = setUp(t)
  assertCosigned(add(log.request(0, 0)), log.checkpoint(0))
  const empty = signNote(`${log.origin}\n0\n${encodeBase64(log.root(1))}\n`, log.signer)
  isRefused(add(`old 0\n\n${empty}`), 422, /empty tree/)
  const proof = [log.root(1)]
  isRefused(add(formatAddCheckpoint({ oldSize: 0, proof, checkpoint: log.checkpoint(2) })), 422)
  isConflict(add(log.request(2, 2)), 0)
  isRefused(add(formatAddCheckpoint({ oldSize: 3, proof: [], checkpoint: log.checkpoint(2) })), 400, /beyond the size/)
  assertCosigned(add(log.request(0, 2)), log.checkpoint(2))
  isRefused(add(formatAddCheckpoint({ oldSize: 2, proof, checkpoint: log.checkpoint(2) })), 422)
  // Back to the beginning: the witness knows better.
  isConflict(add(log.request(0, 1)), 2)
  isRefused(add(formatAddCheckpoint({ oldSize: 2, proof: [], checkpoint: log.checkpoint(1) })), 400)
})

test('a fork is never cosigned, and convicted where it shows itself', t => {
  const { add, accused, assertCosigned } = setUp(t)
  assertCosigned(add(log.request(0, 6)), log.checkpoint(6))
  isRefused(add(log.request(6, 6, 4)), 422)
  assert.deepEqual(accused.at(-1)?.fork, {}, 'two roots of one size')
  isRefused(add(log.request(6, 9, 4)), 422)
  const { fork, shown, remembered } = accused.at(-1) as Misconduct
  assert.deepEqual(fork?.root, log.root(6, 4), 'its own proof says from where it continues')
  assert.equal(verifyCheckpoint(shown, { logs: [parseVkey(log.vkey)] }).size, 9)
  assert.equal(verifyCheckpoint(remembered, { logs: [parseVkey(log.vkey)] }).size, 6)
  // From a complete tree the proof names no other root: this is no proof of a fork, and refused all the same.
  assertCosigned(add(log.request(6, 8)), log.checkpoint(8))
  isRefused(add(log.request(8, 9, 4)), 422)
  assert.equal(accused.at(-1)?.fork, undefined)
  isRefused(add(formatAddCheckpoint({ oldSize: 8, proof: [log.root(1)], checkpoint: log.checkpoint(9) })), 422)
  assert.equal(accused.at(-1)?.fork, undefined, 'a bad proof convicts nobody')
  assertCosigned(add(log.request(8, 9)), log.checkpoint(9))
  assert.equal(accused.length, 4)
})

test('what is no request', t => {
  const { witness, add } = setUp(t)
  const good = log.request(0, 3)
  for (const bad of [
    '',
    '\n\n',
    'old 0\n\n',
    'old 0\n\nnonsense',
    good.slice(0, -1),
    good.replace('old 0', 'old 00'),
    good.replace('old 0', 'old -1'),
    good.replace('old 0', 'old 0 '),
    good.replace('old 0\n', 'old 0\r\n'),
    good.replace('\n3\n', '\n03\n'),
    good.replace('\n3\n', '\n9007199254740992\n'),
    good.replace('old 0', 'old 9007199254740992'),
    `old 0${`\n${encodeBase64(log.root(1))}`.repeat(64)}\n\n${log.checkpoint(3)}`,
    good + '\u2014 x \n',
    good + parseNote(log.checkpoint(3)).text.repeat(2000),
  ])
    isRefused(add(bad), 400)
  isRefused(witness.add(Buffer.from(good, 'utf16le')), 400)
  isRefused(witness.add(Buffer.concat([Buffer.from(good), Buffer.of(0xff)])), 400)
  isRefused(add(good.replace('\n3\n', '\n4\n')), 403)
})

test('hostile bytes: any request is answered, none with a cosignature but the good one', t => {
  const { witness } = setUp(t)
  const good = Buffer.from(log.request(0, 5))
  const changed = fc.record({
    at: fc.nat({ max: good.length - 1 }),
    bytes: fc.uint8Array({ maxLength: 6 }),
    cut: fc.nat({ max: 5 }),
  })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), changed), bytes => {
      const body =
        bytes instanceof Uint8Array
          ? bytes
          : Buffer.concat([good.subarray(0, bytes.at), bytes.bytes, good.subarray(bytes.at + bytes.cut)])
      fc.pre(!good.equals(Buffer.from(body)))
      const answer = witness.add(body)
      assert.ok([400, 403, 404, 409, 422].includes(answer.status), answer.body)
      isRefused(answer, answer.status)
    }),
    { seed: 6962, numRuns: 2000 },
  )
})

test('a line that is repeated a hundred times costs one verification, and only verified lines are kept', t => {
  const { add, witness } = setUp(t)
  const note = log.checkpoint(3)
  const own = note.slice(note.lastIndexOf('\u2014'))
  const stranger = createTestLog('log.example/stranger')
  const strange = signNote(parseNote(note).text, stranger.signer)
  const foreign = strange.slice(strange.lastIndexOf('\u2014'))
  const started = performance.now()
  const answer = add(`old 0\n\n${note}${own.repeat(98)}${foreign}`)
  const ms = performance.now() - started
  assert.equal(answer.status, 200, answer.body)
  assert.ok(ms < 500, `${ms} ms`)
  const shown = witness.checkpoint(originHash(log.origin)) as string
  assert.deepEqual(
    parseNote(shown).signatures.map(s => s.name),
    [log.origin, NAME],
  )
  const policy = { logs: [parseVkey(log.vkey)], witnesses: [parseVkey(witness.vkey)], quorum: 1 }
  assert.equal(verifyCheckpoint(shown, policy).size, 3)
  assert.equal(witness.checkpoint(originHash('log.example/none')), undefined)
})

test('several logs, a log with two keys, and an origin that is not the name of the key', t => {
  const { state, witness, add, assertCosigned } = setUp(t)
  const two = createTestLog('log.example/two')
  isRefused(add(two.request(0, 2)), 404)
  state.addLog({ origin: two.origin, vkey: two.vkey })
  state.addLog({ origin: two.origin, vkey: two.vkey })
  assertCosigned(add(two.request(0, 2)), two.checkpoint(2))
  assertCosigned(add(log.request(0, 4)), log.checkpoint(4))
  assert.deepEqual(
    witness.logs().map(l => [l.origin, l.size]),
    [
      [log.origin, 4],
      [two.origin, 2],
    ],
  )
  // The new key of a log signs under its own name for the old origin.
  const renamed = createTestLog('log.example/two+new'.replace('+', '-'))
  state.addLog({ origin: two.origin, vkey: renamed.vkey })
  const note = signNote(parseNote(two.checkpoint(3)).text, renamed.signer)
  const request = two.request(2, 3)
  assertCosigned(add(request.slice(0, request.indexOf('\n\n') + 2) + note), note)
  // A key of one log signs nothing for another.
  const foreign = signNote(parseNote(two.checkpoint(3)).text, log.signer)
  isRefused(add(`old 3\n\n${foreign}`), 403)
  assert.throws(() => setUp(t, { logs: [{ origin: 'x', vkey: witness.vkey }] }), { code: 'log' })
})

test('two requests, or two processes, at once: the one that comes late goes on from nothing old', t => {
  const { folder, state, add } = setUp(t)
  add(log.request(0, 3))
  const other = openWitnessState(folder, false)
  t.after(() => other.close())
  const old = state.latest(log.origin)
  const to = (size: number) => ({ origin: log.origin, size, root: log.root(size), note: log.checkpoint(size), at: 1 })
  assert.equal(other.advance(old, to(9)), true)
  assert.equal(state.advance(old, to(5)), false, 'back from 9 to 5')
  assert.equal(state.latest(log.origin)?.size, 9)
  assert.equal(state.advance(undefined, to(1)), false)
  assert.equal(state.advance({ size: 9, root: log.root(9, 2) }, to(10)), false)
  assert.equal(state.advance({ size: 9, root: log.root(9) }, to(10)), true)

  // Between comparing and writing another process went on: the answer is where it is now.
  const {
    add: race,
    state: raced,
    folder: place,
  } = setUp(t, {
    fault: point => {
      if (point !== 'before-persist') return
      const second = openWitnessState(place, false)
      second.advance(second.latest(log.origin), to(7))
      second.close()
    },
  })
  isConflict(race(log.request(0, 5)), 7)
  assert.equal(raced.latest(log.origin)?.size, 7)
})

test('no state is made where one is missed', t => {
  const { folder } = setUp(t)
  assert.throws(() => openWitnessState(join(folder, 'other'), false), {
    code: 'state',
    message: /would cosign another history/,
  })
})
