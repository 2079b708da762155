import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ed25519 } from '@noble/curves/ed25519.js'
import * as fc from 'fast-check'
import {
  COSIGNATURE_V1,
  type CheckpointPolicy,
  createCosigner,
  createVerifierKey,
  decodeBase64,
  decodeEntryBundle,
  ED25519,
  EMPTY_ROOT,
  encodeBase64,
  encodeEntryBundle,
  formatCheckpoint,
  formatNote,
  formatTilePath,
  formatTlogProof,
  formatVkey,
  hashLeaf,
  type NoteAlgorithm,
  type NoteSigner,
  parseCheckpoint,
  parseNote,
  parseTilePath,
  parseTlogProof,
  parseVkey,
  signNote,
  TlogError,
  type VerifierKey,
  verifyCheckpoint,
  verifyNote,
} from './index.ts'

// signed-note.md, "Example"
const VKEY = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'
const NOTE = `This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
`

/** A test key: its seed is the SHA-256 of its name, so anybody can sign with it. */
function testKey(name: string, algorithm: NoteAlgorithm): { key: VerifierKey; signer: NoteSigner } {
  const seed = hashLeaf(new TextEncoder().encode(`entente test key ${name}`))
  const key = createVerifierKey(name, algorithm, ed25519.getPublicKey(seed))
  return { key, signer: { name, keyId: key.keyId, sign: message => ed25519.sign(message, seed) } }
}

const code = (expected: string) => (error: unknown) => error instanceof TlogError && error.code === expected

test('the published note verifies with the published key', () => {
  const key = parseVkey(VKEY)
  assert.equal(formatVkey(key), VKEY)
  const note = verifyNote(NOTE, [key])
  assert.equal(note.text, 'This is an example message.\n')
  assert.deepEqual(note.signatures, [{ key }])
  assert.equal(formatNote(parseNote(NOTE)), NOTE)
  assert.throws(() => verifyNote(NOTE.replace('example message', 'exemple message'), [key]), code('unverified'))
})

test('a flipped bit anywhere in a signed note is refused', () => {
  const key = parseVkey(VKEY)
  const bytes = new TextEncoder().encode(NOTE)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    assert.throws(() => verifyNote(new TextDecoder().decode(bytes), [key]), TlogError, `bit ${bit}`)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
  }
})

test('signed-note: unknown keys are ignored, a bad signature of a known key refuses the note', () => {
  const [a, b, c] = [testKey('a.example', ED25519), testKey('b.example', ED25519), testKey('c.example', ED25519)]
  const text = 'first\n\nlast, after an empty line\n'
  const line = (by: { signer: NoteSigner }, over = text) => signNote(over, by.signer).slice(over.length + 1)
  const note = `${text}\n${line(a)}${line(b)}`
  assert.deepEqual(verifyNote(note, [a.key, b.key]).signatures, [{ key: a.key }, { key: b.key }])
  assert.deepEqual(verifyNote(note, [b.key, c.key]), { text, signatures: [{ key: b.key }] })
  assert.throws(() => verifyNote(note, [c.key]), code('unverified'))
  assert.throws(() => verifyNote(note, []), code('unverified'))
  // the same key twice is one signature
  assert.equal(verifyNote(`${text}\n${line(a)}${line(a)}`, [a.key]).signatures.length, 1)
  // bad for b: refused by who knows b, taken by who does not
  const half = `${text}\n${line(a)}${line(b, 'another text\n')}`
  assert.throws(() => verifyNote(half, [a.key, b.key]), code('unverified'))
  assert.equal(verifyNote(half, [a.key]).signatures.length, 1)
  // a name that is known with an id that is not, and the other way round
  const impostor = { signer: { ...c.signer, name: 'a.example' } }
  assert.equal(verifyNote(`${text}\n${line(impostor)}${line(a)}`, [a.key]).signatures.length, 1)
  assert.throws(
    () => verifyNote(`${text}\n${line({ signer: { ...c.signer, keyId: a.key.keyId } })}`, [a.key]),
    code('unverified'),
  )
  assert.throws(() => verifyNote(note, [a.key, { ...b.key, name: a.key.name, keyId: a.key.keyId }]), code('policy'))
})

test('signed-note: what is no note', () => {
  const line = NOTE.slice(NOTE.indexOf('\u2014'))
  const many = (n: number) => `text\n\n${line.repeat(n)}`
  assert.equal(parseNote(many(100)).signatures.length, 100)
  for (const [note, why] of [
    ['', 'empty'],
    ['text\n', 'no signature'],
    ['text\n\n', 'no signature line'],
    [`text\n${line}`, 'no empty line'],
    [`text\n\n${line}\n`, 'an empty line at the end'],
    [`text\n\n${line.trimEnd()}`, 'no final line feed'],
    [`text\t\n\n${line}`, 'a control character'],
    [`text\r\n\n${line}`, 'a carriage return'],
    [`text\ud800\n\n${line}`, 'half a surrogate pair'],
    [`text\n\n${line.replace('\u2014', '-')}`, 'a hyphen'],
    [`text\n\n${line.replace('example.com/foo', 'example.com+foo')}`, 'a plus in the name'],
    [`text\n\n${line.replace('example.com/foo', '')}`, 'no name'],
    [`text\n\n${line.replace('example.com/foo', 'example\u00a0foo')}`, 'a Unicode space in the name'],
    [`text\n\n${line.replace('=\n', '\n')}`, 'no padding'],
    [`text\n\n\u2014 example.com/foo ${encodeBase64(new Uint8Array(4))}\n`, 'no signature behind the id'],
    [many(101), 'too many signatures'],
    [`${'x'.repeat(33_554_432)}\n\n${line}`, 'too long'],
  ] as const) {
    assert.throws(() => parseNote(note), code('malformed'), why)
  }
  const { signer } = testKey('a.example', ED25519)
  assert.throws(() => signNote('no line feed', signer), code('malformed'))
  assert.throws(() => signNote('text\n', { ...signer, name: 'a b' }), code('malformed'))
})

test('verifier keys: other ids, lengths and types are refused', () => {
  for (const vkey of [
    '',
    'example.com/foo',
    VKEY.replace('530d903a', '530d903b'),
    VKEY.replace('530d903a', '530D903A'),
    VKEY.slice(0, -4),
    VKEY.replace('example.com/foo', 'example.com/fop'),
    VKEY.replace('example.com/foo', 'example com'),
  ]) {
    assert.throws(() => parseVkey(vkey), code('malformed'), vkey)
  }
  const mldsa = `x+00000000+${encodeBase64(new Uint8Array([6, 1, 2]))}`
  assert.throws(() => parseVkey(mldsa), code('unsupported'))
})

const log = testKey('log.example/1', ED25519)
const witnesses = ['w1.example', 'w2.example', 'w3.example'].map(name => testKey(name, COSIGNATURE_V1))
const policy: CheckpointPolicy = { logs: [log.key], witnesses: witnesses.map(w => w.key), quorum: 2 }
const text = formatCheckpoint({
  origin: 'log.example/1',
  size: 20852163,
  root: hashLeaf(new Uint8Array(1)),
  extensions: [],
})
const signedCheckpoint = (cosigners: { signer: NoteSigner }[], over = text) =>
  signNote(over, log.signer) +
  cosigners.map(w => signNote(over, createCosigner(w.signer, 1679315147n)).slice(over.length + 1)).join('')

test('a checkpoint with a quorum of cosignatures verifies, and tells who cosigned when', () => {
  const checkpoint = verifyCheckpoint(signedCheckpoint(witnesses.slice(1)), policy)
  assert.equal(checkpoint.size, 20852163)
  assert.equal(checkpoint.log, log.key)
  assert.deepEqual(
    checkpoint.cosignatures.map(({ key, timestamp }) => [key.name, timestamp]),
    [
      ['w2.example', 1679315147n],
      ['w3.example', 1679315147n],
    ],
  )
  assert.equal(formatCheckpoint(checkpoint), checkpoint.text)
})

test('too few witnesses, a witness twice, or an unknown or foreign log do not make a checkpoint', () => {
  const [one, two] = witnesses as [typeof log, typeof log, typeof log]
  assert.throws(() => verifyCheckpoint(signedCheckpoint([one]), policy), code('quorum'))
  assert.throws(() => verifyCheckpoint(signedCheckpoint([one, one]), policy), code('quorum'))
  assert.equal(verifyCheckpoint(signedCheckpoint([one]), { ...policy, quorum: 1 }).cosignatures.length, 1)
  const outsider = testKey('w4.example', COSIGNATURE_V1)
  assert.throws(() => verifyCheckpoint(signedCheckpoint([one, outsider]), policy), code('quorum'))
  assert.throws(
    () => verifyCheckpoint(signedCheckpoint([one, two]), { ...policy, logs: [outsider.key] }),
    code('unverified'),
  )
  // signed by a log that we know, for the origin of another one
  const other = text.replace('log.example/1', 'log.example/2')
  assert.throws(() => verifyCheckpoint(signedCheckpoint([one, two], other), policy), code('unverified'))
  // witnesses alone are no log
  const bare = signedCheckpoint([one, two])
    .split('\n')
    .filter(line => !line.startsWith('\u2014 log'))
    .join('\n')
  assert.throws(() => verifyCheckpoint(bare, policy), code('unverified'))
  // one key under two names must not count twice; an ordinary signature is no cosignature
  const alias = createVerifierKey('alias.example', COSIGNATURE_V1, one.key.publicKey)
  assert.throws(() => verifyCheckpoint(text, { ...policy, witnesses: [one.key, alias] }), code('policy'))
  assert.throws(() => verifyCheckpoint(text, { ...policy, witnesses: [log.key], quorum: 1 }), code('policy'))
  assert.throws(() => verifyCheckpoint(text, { ...policy, quorum: 4 }), code('policy'))
})

test('a cosignature covers its time', () => {
  const [one] = witnesses as [typeof log]
  const good = signedCheckpoint([one])
  const note = parseNote(good)
  const cosignature = note.signatures[1]!.signature
  const once = { ...policy, quorum: 1 }
  verifyCheckpoint(formatNote(note), once)
  // every third, which meets each of the eight bits of a byte
  for (let bit = 0; bit < 72 * 8; bit += 3) {
    cosignature[bit >> 3]! ^= 1 << (bit & 7)
    assert.throws(() => verifyCheckpoint(formatNote(note), once), code('unverified'), `bit ${bit}`)
    cosignature[bit >> 3]! ^= 1 << (bit & 7)
  }
  note.signatures[1]!.signature = cosignature.slice(8)
  assert.throws(() => verifyCheckpoint(formatNote(note), once), code('unverified'))
  assert.throws(() => createCosigner(one.signer, 2n ** 63n), code('argument'))
})

test('tlog-checkpoint: what is no checkpoint', () => {
  const root = encodeBase64(hashLeaf(new Uint8Array(0)))
  assert.deepEqual(parseCheckpoint(`o\n5\n${root}\nan extension\n`).extensions, ['an extension'])
  assert.equal(parseCheckpoint(`o\n0\n${encodeBase64(EMPTY_ROOT)}\n`).size, 0)
  for (const bad of [
    `o\n5\n${root}`,
    `\n5\n${root}\n`,
    `o\n05\n${root}\n`,
    `o\n-5\n${root}\n`,
    `o\n5.0\n${root}\n`,
    `o\n9007199254740992\n${root}\n`,
    `o\n5\n${root.slice(4)}\n`,
    `o\n5\n${root}\n\n`,
    `o\n5\n`,
    `o\n0\n${root}\n`,
  ]) {
    assert.throws(() => parseCheckpoint(bad), code('malformed'), bad)
  }
  const fine = { origin: 'o', size: 5, root: hashLeaf(new Uint8Array(0)), extensions: [] }
  assert.throws(() => formatCheckpoint({ ...fine, origin: 'o\np' }), code('malformed'))
  assert.throws(() => formatCheckpoint({ ...fine, extensions: ['a\nb'] }), code('malformed'))
  assert.throws(() => formatCheckpoint({ ...fine, size: 0.5 }), code('malformed'))
})

test('tlog-proof: format and parse', () => {
  const proof = { index: 7, proof: [EMPTY_ROOT, hashLeaf(EMPTY_ROOT)], checkpoint: signedCheckpoint([]) }
  assert.deepEqual(parseTlogProof(formatTlogProof(proof)), proof)
  const extra = { ...proof, extra: new Uint8Array([1, 2, 3]), proof: [] }
  assert.deepEqual(parseTlogProof(formatTlogProof(extra)), extra)
  const fine = formatTlogProof(proof)
  for (const bad of [
    fine.replace('@v1', '@v2'),
    fine.replace('index 7', 'index 07'),
    fine.replace('index 7\n', ''),
    fine.replace('index 7', 'indexes 7'),
    fine.replace('\n\n', '\n'),
    fine.replace('index 7', `index 7${`\n${encodeBase64(EMPTY_ROOT)}`.repeat(65)}`),
    fine.replace(encodeBase64(EMPTY_ROOT), encodeBase64(EMPTY_ROOT).slice(4)),
  ]) {
    assert.throws(
      () => {
        const parsed = parseTlogProof(bad)
        verifyCheckpoint(parsed.checkpoint, { logs: [log.key] })
      },
      code('malformed'),
      bad,
    )
  }
})

test('tlog-tiles: paths, one for each tile', () => {
  assert.equal(formatTilePath({ level: 0, index: 1234067, width: 256 }), 'tile/0/x001/x234/067')
  assert.equal(formatTilePath({ level: 'entries', index: 0, width: 1 }), 'tile/entries/000.p/1')
  fc.assert(
    fc.property(
      fc.oneof(fc.nat({ max: 63 }), fc.constant('entries' as const)),
      fc.maxSafeNat(),
      fc.integer({ min: 1, max: 256 }),
      (level, index, width) => {
        assert.deepEqual(parseTilePath(formatTilePath({ level, index, width })), { level, index, width })
      },
    ),
    { seed: 20261122 },
  )
  for (const bad of [
    'tile/0/0',
    'tile/0/1234',
    'tile/00/000',
    'tile/64/000',
    'tile/-1/000',
    'tile/0/x000/000',
    'tile/0/x001/x234/067.p/0',
    'tile/0/000.p/256',
    'tile/0/000.p/01',
    'tile/0/001/000',
    'tile/0/../000',
    'tile/0/000/',
    'tile/0/000\n',
    `tile/0/${'x999/'.repeat(7)}999`,
    `tile/0/${'x000/'.repeat(100_000)}`,
  ]) {
    assert.throws(() => parseTilePath(bad), code('malformed'), bad.slice(0, 60))
  }
  for (const bad of [
    { level: 64, index: 0, width: 1 },
    { level: 0, index: -1, width: 1 },
    { level: 0, index: 0, width: 257 },
  ]) {
    assert.throws(() => formatTilePath(bad), code('argument'))
  }
})

test('tlog-tiles: entry bundles', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 256 }), entries => {
      assert.deepEqual(decodeEntryBundle(encodeEntryBundle(entries)), entries)
    }),
    { seed: 20261122, numRuns: 30 },
  )
  assert.deepEqual(encodeEntryBundle([new Uint8Array([9, 8])]), new Uint8Array([0, 2, 9, 8]))
  assert.equal(decodeEntryBundle(encodeEntryBundle([new Uint8Array(65_535)]))[0]!.length, 65_535)
  assert.throws(() => encodeEntryBundle([new Uint8Array(65_536)]), code('argument'))
  assert.throws(() => encodeEntryBundle([]), code('argument'))
  for (const bad of [[0], [0, 1], [0, 2, 9], [0, 0, 0]]) {
    assert.throws(() => decodeEntryBundle(new Uint8Array(bad)), code('malformed'), String(bad))
  }
  assert.throws(() => decodeEntryBundle(new Uint8Array(2 * 257)), code('malformed'))
})

test('RFC 4648 section 4: base64 as Node writes it, and only that', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
      assert.equal(encodeBase64(bytes), Buffer.from(bytes).toString('base64'))
      assert.deepEqual(decodeBase64(encodeBase64(bytes)), bytes)
    }),
    { seed: 20261122 },
  )
  for (const bad of [
    'A',
    'AA',
    'AAA',
    'AA=',
    'AB==',
    'AAB=',
    'A===',
    '====',
    'AA==AAAA',
    'AA\nA',
    'AA-A',
    'AAA\u0100',
    'A=AA',
  ]) {
    assert.throws(() => decodeBase64(bad), code('malformed'), bad)
  }
  assert.throws(() => decodeBase64('AAAA', 4), code('malformed'))
})
