import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { encodeBase64 } from '#tlog/index.ts'
import { createSample } from '../test/sample.ts'
import {
  compareLevels,
  EVIDENCE_LEVELS,
  formatLevel,
  formatRecord,
  type Head,
  headsMapPath,
  headsMapRoot,
  isAtLeast,
  pageTiles,
  parseRecord,
  ProofError,
  verifyCollection,
  verifyCollectionProof,
  verifyHeadsMapPath,
  verifyObject,
  verifyPage,
} from './index.ts'

const sample = createSample()
const { trust } = sample
const only = { vkeys: trust.vkeys }
const refused = { name: 'ProofError' }
const copy = <T>(value: T): T => structuredClone(value)

function* flipBits(bytes: Uint8Array): Generator<number> {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    yield bit
    bytes[bit >> 3]! ^= 1 << (bit & 7)
  }
}

test('verifyObject: every flipped bit of the whole file is refused', () => {
  // The record (salt included), the index, the path, the checkpoint, its signature, and the names around them
  const bytes = new TextEncoder().encode(JSON.stringify(sample.objectProof))
  assert.equal(verifyObject(bytes, only).level, 'logged')
  for (const bit of flipBits(bytes)) {
    assert.throws(() => verifyObject(bytes, only), refused, `bit ${bit}: ${new TextDecoder().decode(bytes)}`)
  }
  assert.equal(verifyObject(bytes, only).record.seq, 0)
})

test('verifyObject: a flipped bit in a cosignature that is needed is refused', () => {
  const quorum = { ...trust, witnessQuorum: 2, ledgers: [] }
  const log = new TextEncoder().encode(sample.claimedProof.log)
  const from = sample.claimedProof.log.indexOf('\u2014 w1.example')
  assert.equal(verifyObject(sample.claimedProof, quorum).level, 'witnessed')
  // three bytes for each em dash
  const lines = log.subarray(from + 2)
  for (const bit of flipBits(lines)) {
    if (bit % 11 !== 0) continue
    const proof = { ...sample.claimedProof, log: new TextDecoder().decode(log) }
    assert.throws(() => verifyObject(proof, quorum), refused, `bit ${bit}`)
  }
})

test('verifyObject: a witness policy says who must have cosigned, and which logs are believed', () => {
  const [w1, w2] = trust.witnesses as [string, string]
  const lines = [`log ${trust.vkeys[0]}`, `witness A ${w1}`, `witness B ${w2}`, 'group G all A B']
  const witnessPolicy = [...lines, 'quorum G'].join('\n')
  for (const vkeys of [[], trust.vkeys]) {
    const { level, witnesses } = verifyObject(sample.claimedProof, { vkeys, witnessPolicy })
    assert.deepEqual([level, witnesses], ['witnessed', { cosigned: 2, known: 2 }])
  }
  const alone = { ...sample.claimedProof, log: sample.claimedProof.log.replace(/\u2014 w2.example .*\n/, '') }
  assert.throws(() => verifyObject(alone, { vkeys: [], witnessPolicy }), {
    code: 'log',
    message: /1 of 2 witnesses cosigned: w1.example/,
  })
  const any = witnessPolicy.replace(' all ', ' any ')
  assert.equal(verifyObject(alone, { vkeys: [], witnessPolicy: any }).witnesses.cosigned, 1)
  const none = lines.concat('quorum none').join('\n')
  assert.equal(verifyObject(sample.objectProof, { vkeys: [], witnessPolicy: none }).level, 'logged')
  assert.throws(() => verifyObject(sample.objectProof, { vkeys: [], witnessPolicy }), { code: 'log' })
  for (const bad of [
    { vkeys: [], witnessPolicy: 'quorum none' },
    { vkeys: trust.vkeys, witnessPolicy: 'quorum A' },
    { ...trust, witnessPolicy },
    { vkeys: trust.vkeys, witnessPolicy, witnessQuorum: 1 },
  ])
    assert.throws(() => verifyObject(sample.claimedProof, bad), { code: 'trust' })
})

test('verifyObject: what is not the format, and what is not trusted', () => {
  const proof = sample.objectProof
  const { log, ...withoutLog } = proof
  for (const bad of [
    { ...proof, format: 'entente/proof/v2' },
    { ...proof, kind: 'collection' },
    { ...proof, more: true },
    withoutLog,
    { ...proof, anchors: {} },
    { ...proof, record: null },
    { ...proof, log: log.replace('index ', 'extra AAAA\nindex ') },
    { ...proof, log: log.replace('index 3', 'index 4') },
    { ...proof, log: log.replace('index 3', 'index 9007199254740991') },
    [],
    sample.collectionProof,
  ]) {
    assert.throws(() => verifyObject(bad, trust), refused)
  }
  assert.throws(() => verifyObject('{"format":"entente/proof/v1","format":"entente/proof/v1"}', trust), {
    code: 'malformed',
  })
  assert.throws(() => verifyObject(proof, { vkeys: [] }), { code: 'trust' })
  assert.throws(() => verifyObject(proof, { vkeys: trust.witnesses! }), { code: 'trust' })
  assert.throws(() => verifyObject(proof, { vkeys: ['nonsense'] }), { code: 'trust' })
  const stranger = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'
  assert.throws(() => verifyObject(proof, { vkeys: [stranger] }), { code: 'log', message: /entente.example\/log/ })
  assert.throws(() => verifyObject(proof, { ...trust, witnessQuorum: 1 }), { code: 'log', message: /0 of 2/ })
})

test('records: each member in its form, and no other', () => {
  const good = sample.records[0]! as unknown as Record<string, unknown>
  const text = formatRecord(sample.records[0]!)
  const changed = (change: Record<string, unknown>) => formatRecord({ ...good, ...change } as never)
  for (const change of [
    { api_root: 'api/' },
    { api_root: '/api' },
    { api_root: '/\u00e4/' },
    { collection: good['collection']!.toString().toUpperCase() },
    { date_added: '2026-05-01T09:00:00.000Z' },
    { date_added: '2026-02-30T09:00:00.000000Z' },
    { date_added: '2026-05-01T24:00:00.000000Z' },
    { salt: 'AAAA' },
    { salt: `${'A'.repeat(42)}B` },
    { submitter: `${'+'.repeat(43)}` },
    { seq: -1 },
    { seq: 0.5 },
    { seq: '0' },
    { id: 'indicator--other' },
    { version: '2026-05-01T08:00:01Z' },
    { imported: false },
    { object: [] },
    { deleted: { seq: 0 } },
    { note: 'more' },
  ]) {
    assert.throws(() => changed(change), { code: 'record' }, JSON.stringify(change))
  }
  for (const name of Object.keys(good)) {
    const { [name]: gone, ...rest } = good
    if (name !== 'imported') assert.throws(() => formatRecord(rest as never), { code: 'record' }, name)
    else assert.notEqual(formatRecord(rest as never), text, String(gone))
  }
  const deleted = sample.records[4]! as unknown as Record<string, unknown>
  assert.throws(() => formatRecord({ ...deleted, deleted: { seq: 4 } } as never), { code: 'record' })
  assert.throws(() => formatRecord({ ...deleted, deleted: { seq: 1, id: 'x' } } as never), { code: 'record' })
  const equivocation = sample.records[3]! as unknown as Record<string, unknown>
  assert.throws(() => formatRecord({ ...equivocation, equivocation: { refused: 'AB', stored: 'CD' } } as never), {
    code: 'record',
  })
  for (const bad of [
    text.slice(1),
    text.replace(':{', ': {'),
    text.replace('/v1:', '/v2:'),
    `${text}\n`,
    text.replace('"seq":0', '"seq":0.0'),
  ]) {
    assert.throws(() => parseRecord(bad), { code: 'malformed' }, bad)
  }
  assert.throws(() => parseRecord(Uint8Array.of(0xff)), { code: 'malformed' })
})

test('verifyCollection: removed, reordered, repeated, truncated, replaced or re-dated records are refused', () => {
  const read = sample.savedRead
  assert.equal(verifyCollection(read, trust).records.length, 5)
  assert.equal(verifyCollection(new TextEncoder().encode(JSON.stringify(read)), trust).records.length, 5)
  const { records } = read
  const variants: [string, unknown[]][] = [
    ['empty', []],
    ['truncated', records.slice(0, -1)],
    ['beheaded', records.slice(1)],
    ['one more', [...records, records[4]]],
  ]
  for (let i = 0; i < records.length; i++) {
    variants.push([`without ${i}`, records.toSpliced(i, 1)])
    variants.push([`${i} twice`, records.toSpliced(i, 0, records[i])])
    variants.push([`${i} in place of its neighbour`, records.with((i + 1) % 5, records[i])])
    for (let k = 0; k < i; k++)
      variants.push([`${k} and ${i} swapped`, records.with(i, records[k]).with(k, records[i])])
  }
  for (const [name, changed] of variants) {
    assert.throws(() => verifyCollection({ ...read, records: changed }, trust), { code: 'collection' }, name)
  }
  // swapped, with the numbers made to fit
  const renumbered = copy(records) as { seq: number }[]
  renumbered[0]!.seq = 2
  renumbered[2]!.seq = 0
  assert.throws(
    () =>
      verifyCollection(
        { ...read, records: [renumbered[2], renumbered[1], renumbered[0], ...renumbered.slice(3)] },
        trust,
      ),
    refused,
  )
  const redated = copy(records) as { date_added: string }[]
  redated[2]!.date_added = '2026-05-01T09:00:00.002001Z'
  assert.throws(() => verifyCollection({ ...read, records: redated }, trust), refused)
})

test('verifyCollection: every flipped bit of a record, a commitment or the proof is refused', () => {
  const { records, proof } = sample.savedRead
  const parts = [records[0], records[1], records[4], proof].map(part => JSON.stringify(part))
  const whole = JSON.stringify(sample.savedRead)
  for (const part of parts) {
    const at = Buffer.from(whole.slice(0, whole.indexOf(part))).length
    const bytes = new Uint8Array(Buffer.from(whole))
    const window = bytes.subarray(at, at + Buffer.from(part).length)
    for (const bit of flipBits(window)) {
      // every 37th, which meets each of the eight bits of a byte: behind the proof each costs a signature
      if (bit % 37 !== 0) continue
      assert.throws(() => verifyCollection(bytes, only), refused, `bit ${bit}: ${new TextDecoder().decode(window)}`)
    }
  }
})

test('verifyCollection: a commitment stands for a record, for a reason', () => {
  const read = sample.savedRead
  const stub = (seq: number, reason: string) => ({ seq, commitment: encodeBase64(sample.commitments[seq]!), reason })
  const withStub = (seq: number, reason: string) => ({ ...read, records: read.records.with(seq, stub(seq, reason)) })
  assert.deepEqual(verifyCollection(withStub(0, 'access'), trust).records[0], {
    seq: 0,
    commitment: sample.commitments[0],
    withheld: 'access',
  })
  verifyCollection(withStub(2, 'integrity'), trust)
  assert.throws(() => verifyCollection(withStub(2, 'lost'), trust), { code: 'malformed' })
  // nothing says that record 0 was deleted
  assert.throws(() => verifyCollection(withStub(0, 'deleted'), trust), {
    code: 'collection',
    message: /no record says so/,
  })
  // ... unless that may be in a record which the reader may not see
  const hidden = withStub(4, 'access')
  verifyCollection(hidden, trust)
})

test('verifyCollectionProof: another count, root, collection or entry is refused', () => {
  const proof = sample.collectionProof
  assert.equal(verifyCollectionProof(proof, trust).count, 5)
  const root = encodeBase64(new Uint8Array(32))
  for (const [change, code] of [
    [{ count: 4 }, 'heads'],
    [{ count: 6 }, 'heads'],
    [{ root }, 'heads'],
    [{ api_root: '/eu/' }, 'heads'],
    [{ collection: '52892447-4d7e-4f70-b94d-d7f22742ff63' }, 'heads'],
    [{ map_path: proof.map_path.slice(1) }, 'heads'],
    [{ map_path: [...proof.map_path, root] }, 'heads'],
    [{ map_path: proof.map_path.toReversed() }, 'heads'],
    [{ map_path: Array.from({ length: 257 }, () => root) }, 'malformed'],
    [{ heads: proof.heads.replace('\n3\n', '\n2\n') }, 'log'],
    [{ log: sample.objectProof.log }, 'log'],
  ] as const) {
    assert.throws(() => verifyCollectionProof({ ...proof, ...change }, trust), { code }, JSON.stringify(change))
  }
})

test('verifyCollection: a collection without records is complete, and one with records is not empty', () => {
  const [, , empty] = sample.heads as [Head, Head, Head]
  const proof = {
    ...sample.collectionProof,
    api_root: '/eu/',
    count: 0,
    root: encodeBase64(empty.root),
    map_path: headsMapPath(sample.heads, empty.key).map(encodeBase64),
  }
  assert.deepEqual(verifyCollection({ ...sample.savedRead, proof, records: [] }, trust).records, [])
  assert.throws(() => verifyCollection({ ...sample.savedRead, proof }, trust), { code: 'collection' })
  assert.throws(() => verifyCollection({ ...sample.savedRead, records: [] }, trust), { code: 'collection' })
})

test('heads map: any set of keys has one root, and each of its paths leads there', () => {
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
  // keys with long common beginnings, too
  const near = key.map(bytes => Uint8Array.from(bytes, (byte, i) => (i < 30 ? 0xaa : byte)))
  const keys = fc.uniqueArray(fc.oneof(key, near), { minLength: 1, maxLength: 20, selector: bytes => bytes.join() })
  fc.assert(
    fc.property(keys, fc.nat(), (all, count) => {
      const heads: Head[] = all.map((k, i) => ({ key: k, count: count + i, root: all[all.length - 1 - i]! }))
      const root = headsMapRoot(heads)
      assert.deepEqual(headsMapRoot(heads.toReversed()), root)
      for (const head of heads) {
        const path = headsMapPath(heads, head.key)
        verifyHeadsMapPath(head, path, root)
        assert.throws(() => verifyHeadsMapPath({ ...head, count: head.count + 1 }, path, root), { code: 'heads' })
        if (path.length > 0) assert.throws(() => verifyHeadsMapPath(head, path.slice(1), root), { code: 'heads' })
      }
    }),
    { seed: 20261122, numRuns: 40 },
  )
  assert.deepEqual(headsMapRoot([]), new Uint8Array(32))
  const head: Head = { key: new Uint8Array(32), count: 1, root: new Uint8Array(32) }
  assert.throws(() => headsMapRoot([head, head]), { code: 'heads' })
  assert.throws(() => headsMapPath([head], new Uint8Array(32).fill(1)), { code: 'heads' })
})

test('verifyPage: many records under one checkpoint, with tiles from anybody', () => {
  const records = sample.records.map((record, seq) => ({ record, index: sample.firstIndex + seq }))
  const indexes = records.map(({ index }) => index)
  const needed = new Set(pageTiles(indexes, sample.size).map(({ level, index }) => `${level}/${index}`))
  const readTile = (level: number, index: number) => {
    assert.ok(needed.has(`${level}/${index}`))
    return sample.readTile(level, index)
  }
  const page = { checkpoint: sample.cosigned, records, readTile }
  const verified = verifyPage(page, trust)
  assert.deepEqual([verified.level, verified.records.length], ['witnessed', 5])
  assert.deepEqual(verified.records[2]!.commitment, sample.commitments[2])
  const moved = records.map(({ record, index }) => ({ record, index: index === 3 ? 4 : index }))
  assert.throws(() => verifyPage({ ...page, records: moved }, trust), { code: 'collection' })
  assert.throws(() => verifyPage({ ...page, records: [{ record: sample.records[0], index: 9 }] }, trust), {
    code: 'collection',
  })
  const tile = sample.readTile(0, 0).slice()
  for (const bit of flipBits(tile)) {
    assert.throws(() => verifyPage({ ...page, readTile: () => tile }, only), { code: 'log' }, `bit ${bit}`)
    if (bit > 200) break
  }
  assert.deepEqual(
    pageTiles([0, 69_999], 70_000)
      .map(({ level, index, width }) => `${level}/${index}.p/${width}`)
      .sort(),
    ['0/0.p/256', '0/273.p/112', '1/0.p/256', '1/1.p/17', '2/0.p/1'],
  )
})

test('levels are in order', () => {
  assert.deepEqual([...EVIDENCE_LEVELS].sort(compareLevels), EVIDENCE_LEVELS)
  assert.ok(isAtLeast('sealed', 'anchored') && isAtLeast('anchored', 'sealed') && isAtLeast('final', 'sealed'))
  assert.equal(formatLevel('witnessed', { cosigned: 2, known: 3 }), 'witnessed 2/3')
  assert.equal(formatLevel('sealed', { cosigned: 2, known: 3 }), 'sealed')
  assert.ok(!isAtLeast('logged', 'witnessed') && !isAtLeast('attested', 'anchored'))
  assert.ok(new ProofError('log', 'x') instanceof Error)
})
