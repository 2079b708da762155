import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  consistencyProof,
  formatAddCheckpoint,
  formatCheckpoint,
  hashLeaf,
  parseVkey,
  signNote,
  verifyCheckpoint,
} from '@entente/verify/tlog'
import { salvageSqlite } from '#store/sqlite/salvage.ts'
import { openSqliteStore } from '#store/sqlite/sqlite.ts'
import type { CosignatureRow, StoredHead } from '#store/store.ts'
import { openWitnessState } from '#witness/state.ts'
import { originHash } from '#witness/http.ts'
import { createWitness } from '#witness/witness.ts'
import { audit } from './audit.ts'
import { createCosigned } from './cosigned.ts'
import { type LogKey, toLogKey } from './key.ts'
import { type Notary, openNotary } from './notary.ts'
import { createWitnessing, type Witnessing, type WitnessLink } from './witnessing.ts'
import { testObject, testRequest } from './test/request.ts'

const COLLECTION = '11111111-1111-4111-8111-111111111111'
const ORIGIN = 'test.example/log'
const logKey = toLogKey(ORIGIN, generateKeyPairSync('ed25519').privateKey)

type Fate = 'works' | 'away' | 'answer lost'
type TestWitness = WitnessLink & {
  name: string
  /** What becomes of requests from now on. */
  fate: Fate
  delayMs: number
  asked: number
  /** In place of what it would answer. */
  answer: { status: number; body: string } | undefined
  shown: string | undefined
  size(): number
  real: ReturnType<typeof createWitness>
}

/** A real witness, spoken to without a network that can fail. */
function startWitness(t: TestContext, name: string): TestWitness {
  const folder = mkdtempSync(join(tmpdir(), 'entente-witness-'))
  const state = openWitnessState(folder, true)
  t.after(() => {
    state.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const { signer, vkey } = toLogKey(name, generateKeyPairSync('ed25519').privateKey)
  const real = createWitness({
    name,
    publicKey: parseVkey(vkey).publicKey,
    sign: signer.sign,
    state,
    logs: [{ origin: ORIGIN, vkey: logKey.vkey }],
  })
  const witness: TestWitness = {
    vkey: real.vkey,
    name,
    fate: 'works',
    delayMs: 0,
    asked: 0,
    answer: undefined,
    shown: undefined,
    real,
    size: () => state.latest(ORIGIN)?.size ?? 0,
    add: async body => {
      witness.asked++
      await new Promise(resolve => setTimeout(resolve, witness.delayMs))
      if (witness.fate === 'away') throw new Error('test: nobody is there')
      const { status, body: text } = real.add(Buffer.from(body))
      if (witness.fate === 'answer lost') throw new Error('test: the answer was lost')
      return witness.answer ?? { status, body: text }
    },
    latest: async origin => {
      if (witness.fate === 'away') throw new Error('test: nobody is there')
      return witness.shown ?? real.checkpoint(originHash(origin))
    },
  }
  return witness
}

type Logged = { level: string; message: string; details: Record<string, unknown> }
type SetUp = { folder: string; notary: Notary; store: ReturnType<typeof openSqliteStore>; logged: Logged[] }

async function openLogIn(t: TestContext, folder: string, key: LogKey = logKey): Promise<SetUp> {
  const store = openSqliteStore({ path: join(folder, 'store.db'), create: true })
  const notary = await openNotary({ store, origin: ORIGIN, vkey: key.vkey, signer: key.signer })
  await notary.found([{ apiRoot: '/api/', id: COLLECTION }])
  t.after(async () => {
    await notary.close()
    await store.close()
  })
  return { folder, notary, store, logged: [] }
}

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'entente-witnessing-'))
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

async function begin(t: TestContext, set: SetUp, witnesses: WitnessLink[], quorum: number): Promise<Witnessing> {
  const witnessing = createWitnessing({
    notary: set.notary,
    vkey: logKey.vkey,
    witnesses,
    quorum,
    intervalMs: 10,
    log: (level, message, details) => set.logged.push({ level, message, details }),
  })
  t.after(() => witnessing.close())
  await witnessing.start()
  return witnessing
}

const publish = async (notary: Notary): Promise<number> =>
  (await notary.submit(testRequest(notary, [testObject()]))).size

async function until(is: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 1000 && !is(); i++) await new Promise(resolve => setTimeout(resolve, 10))
  assert.ok(is(), `not within 10 s: ${what}`)
}
const reaches = (witnessing: Witnessing, size: number) =>
  until(() => (witnessing.head()?.size ?? 0) >= size, `size ${size} is witnessed`)

/** What a reader with this policy sees in the newest witnessed checkpoint. */
function readHead(witnessing: Witnessing, witnesses: WitnessLink[], quorum: number) {
  const keys = witnesses.map(w => parseVkey(w.vkey))
  const { size, cosignatures } = verifyCheckpoint(witnessing.head()?.note as string, {
    logs: [parseVkey(logKey.vkey)],
    witnesses: keys,
    quorum,
  })
  return { size, by: cosignatures.map(c => c.key.name).sort() }
}

test('each new checkpoint gets its quorum, and listeners hear of it once', async t => {
  const set = await openLogIn(t, newFolder(t))
  const witnesses = ['w1', 'w2', 'w3'].map(name => startWitness(t, name))
  const witnessing = await begin(t, set, witnesses, 2)
  const heard: number[] = []
  witnessing.onHead(() => heard.push(witnessing.head()?.size ?? 0))
  for (let i = 0; i < 5; i++) await reaches(witnessing, await publish(set.notary))
  await until(() => witnessing.states().every(s => s.cosignedSize === set.notary.log.size), 'all three')
  assert.deepEqual(readHead(witnessing, witnesses, 2), { size: set.notary.log.size, by: ['w1', 'w2', 'w3'] })
  assert.deepEqual(heard, [...new Set(heard)])
  assert.equal(heard.at(-1), set.notary.log.size)
  assert.deepEqual(
    witnesses.map(w => w.size()),
    [set.notary.log.size, set.notary.log.size, set.notary.log.size],
  )
  const { by } = await createCosigned(set.store)(set.notary.log.head as { size: number; note: string })
  assert.deepEqual([...by].sort(), witnesses.map(w => w.vkey).sort())
})

test('a witness that is away holds up neither publishing nor the others, and catches up', async t => {
  const set = await openLogIn(t, newFolder(t))
  const witnesses = ['w1', 'w2', 'w3'].map(name => startWitness(t, name))
  const [, , third] = witnesses as [TestWitness, TestWitness, TestWitness]
  const witnessing = await begin(t, set, witnesses, 2)
  await reaches(witnessing, set.notary.log.size)
  third.fate = 'away'
  for (let i = 0; i < 3; i++) await reaches(witnessing, await publish(set.notary))
  assert.match(witnessing.states()[2]?.error ?? '', /nobody is there/)
  assert.ok((witnessing.states()[2]?.failures ?? 0) > 0)
  assert.ok(set.logged.some(l => l.level === 'warn' && l.message === 'a witness is away'))
  third.fate = 'works'
  await until(() => third.size() === set.notary.log.size, 'the third has caught up')
  await until(() => witnessing.states()[2]?.error === undefined, 'and is no longer said to be away')
})

test('below the quorum publishing goes on and levels wait; with the witness back they follow at once', async t => {
  const set = await openLogIn(t, newFolder(t))
  const witnesses = ['w1', 'w2', 'w3'].map(name => startWitness(t, name))
  const [, second, third] = witnesses as [TestWitness, TestWitness, TestWitness]
  const witnessing = await begin(t, set, witnesses, 2)
  await reaches(witnessing, set.notary.log.size)
  const before = witnessing.head()?.size
  second.fate = third.fate = 'away'
  let size = 0
  for (let i = 0; i < 10; i++) size = await publish(set.notary)
  await until(() => witnessing.states()[0]?.cosignedSize === size, 'the first goes on')
  assert.equal(witnessing.head()?.size, before)
  third.fate = 'works'
  await reaches(witnessing, size)
  assert.deepEqual(readHead(witnessing, witnesses, 2).by, ['w1', 'w3'])
})

test('witnesses that are slow, each in its own way, still agree on one checkpoint', async t => {
  const set = await openLogIn(t, newFolder(t))
  const witnesses = ['w1', 'w2', 'w3'].map(name => startWitness(t, name))
  witnesses.forEach((w, i) => (w.delayMs = [0, 35, 90][i] as number))
  const witnessing = await begin(t, set, witnesses, 3)
  const isOver = { is: false }
  const writing = (async () => {
    while (!isOver.is) {
      await publish(set.notary)
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  })()
  const heard = new Set<number>()
  witnessing.onHead(() => heard.add(witnessing.head()?.size ?? 0))
  const { asked } = witnesses[2] as TestWitness
  await until(() => (witnesses[2] as TestWitness).asked >= asked + 8, 'the slowest is asked eight times')
  isOver.is = true
  await writing
  await reaches(witnessing, set.notary.log.size)
  const shown = (witnesses[2] as TestWitness).asked - asked
  assert.ok(heard.size >= shown - 1, `${shown} checkpoints were shown to the slowest, and ${heard.size} got all three`)
})

test('an answer that was lost costs a round: the witness says where it is', async t => {
  const set = await openLogIn(t, newFolder(t))
  const witness = startWitness(t, 'w1')
  const witnessing = await begin(t, set, [witness], 1)
  await reaches(witnessing, set.notary.log.size)
  witness.fate = 'answer lost'
  const lost = await publish(set.notary)
  await until(() => witness.size() === lost, 'the witness has it')
  await until(() => (witnessing.states()[0]?.failures ?? 0) > 0, 'we do not')
  // With a newer checkpoint, and with none: it is asked from where it says that it is.
  witness.fate = 'works'
  await reaches(witnessing, lost)
  witness.fate = 'answer lost'
  const next = await publish(set.notary)
  await until(() => witness.size() === next, 'the witness has the next')
  const size = await publish(set.notary)
  witness.fate = 'works'
  await reaches(witnessing, size)
})

test('a cosignature that could not be kept is asked for again', async t => {
  const set = await openLogIn(t, newFolder(t))
  const { store } = set
  let fails = 2
  const put = store.putCosignature
  store.putCosignature = async row => {
    if (fails-- > 0) throw new Error('test: the disk is full')
    await put(row)
  }
  const witnessing = await begin(t, set, [startWitness(t, 'w1')], 1)
  await reaches(witnessing, set.notary.log.size)
  assert.equal((await store.cosignatures(set.notary.log.size)).length, 1)
  assert.equal(witnessing.states()[0]?.failures, 2)
})

test('a restart knows what was cosigned, with no witness there', async t => {
  const folder = newFolder(t)
  const witnesses = ['w1', 'w2', 'w3'].map(name => startWitness(t, name))
  const first = await openLogIn(t, folder)
  const before = await begin(t, first, witnesses, 2)
  const size = await publish(first.notary)
  await until(() => before.states().every(s => s.cosignedSize === size), 'all three')
  await before.close()
  await first.notary.close()
  await first.store.close()

  for (const w of witnesses) w.fate = 'away'
  const second = await openLogIn(t, folder)
  const after = await begin(t, second, witnesses, 2)
  assert.equal(after.head()?.note, before.head()?.note)
  assert.deepEqual(
    after.states().map(s => s.cosignedSize),
    [size, size, size],
  )
  // Nothing is new: nobody is asked to cosign it again.
  const asked = witnesses.map(w => w.asked)
  for (const w of witnesses) w.fate = 'works'
  await new Promise(resolve => setTimeout(resolve, 100))
  assert.deepEqual(
    witnesses.map(w => w.asked),
    asked,
  )
  await reaches(after, await publish(second.notary))
})

test('what is stored of cosignatures counts only where it verifies', async t => {
  const set = await openLogIn(t, newFolder(t))
  const witnesses = ['w1', 'w2'].map(name => startWitness(t, name))
  const [one, two] = witnesses as [TestWitness, TestWitness]
  const head = set.notary.log.head as { size: number; note: string }
  const line = one.real.add(Buffer.from(formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: head.note }))).body
  await set.store.putCosignature({ size: head.size, witness: one.vkey, line })
  await set.store.putCosignature({ size: head.size, witness: two.vkey, line })
  await set.store.putCosignature({ size: head.size, witness: 'nonsense', line: 'nonsense' })
  assert.deepEqual(await createCosigned(set.store)(head), { size: head.size, note: head.note + line, by: [one.vkey] })
  for (const w of witnesses) w.fate = 'away'
  const witnessing = await begin(t, set, witnesses, 2)
  assert.equal(witnessing.head(), undefined, 'two rows, one cosignature')
  for (const w of witnesses) w.fate = 'works'
  await reaches(witnessing, head.size)
})

/** The log of another folder with the same key: a copy that went its own way. */
async function growTo(t: TestContext, entries: number): Promise<SetUp> {
  const set = await openLogIn(t, newFolder(t))
  for (let i = 0; i < entries; i++) await publish(set.notary)
  return set
}

test('a store that is behind a witness is a rollback: proven by its own key it halts, before anything is written', async t => {
  const witness = startWitness(t, 'w1')
  const ahead = await growTo(t, 4)
  await reaches(await begin(t, ahead, [witness], 1), ahead.notary.log.size)
  const behind = await growTo(t, 1)
  await begin(t, behind, [witness], 1)
  assert.equal(behind.notary.halted?.code, 'rolled-back')
  assert.match(behind.notary.halted?.message ?? '', /w1 has this log at size 9.* the store only at 3/)
  await assert.rejects(publish(behind.notary), { code: 'rolled-back' })
  assert.ok(behind.logged.some(l => l.level === 'error' && l.message === 'writing has stopped'))
})

test('a store with another history is a fork: the witness refuses, and its checkpoint halts the log', async t => {
  const witness = startWitness(t, 'w1')
  const one = await growTo(t, 2)
  await reaches(await begin(t, one, [witness], 1), one.notary.log.size)
  const other = await growTo(t, 4)
  await begin(t, other, [witness], 1)
  assert.equal(other.notary.halted?.code, 'forked')
  // The same of a witness that shows nothing at the start: its refusal makes us ask again.
  const third = await growTo(t, 4)
  let isHidden = true
  await begin(t, third, [{ ...witness, latest: async origin => (isHidden ? undefined : witness.latest(origin)) }], 1)
  await until(() => witness.asked > 1, 'it was asked')
  isHidden = false
  await until(() => third.notary.halted?.code === 'forked', 'halted')
  assert.equal(witness.size(), one.notary.log.size, 'nothing of the others was cosigned')
})

test('a witness that lies or refuses stops nothing: an error that says what to do', async t => {
  const set = await openLogIn(t, newFolder(t))
  const liar = startWitness(t, 'liar')
  const honest = startWitness(t, 'honest')
  const witnessing = await begin(t, set, [liar, honest], 1)
  await reaches(witnessing, set.notary.log.size)
  const foreign = (over: string) => signNote(over, { ...logKey.signer, name: 'liar' }).slice(over.length + 1)
  const cases: [Partial<TestWitness>, RegExp][] = [
    [{ answer: { status: 409, body: '999999\n' } }, /409 "999999\\n": it has another size/],
    [{ answer: { status: 409, body: 'nonsense' } }, /409 "nonsense"/],
    [{ answer: { status: 409, body: '1\n' } }, /409/],
    [{ answer: { status: 403, body: 'no' } }, new RegExp(`the key is ${ORIGIN}`)],
    [{ answer: { status: 404, body: 'no' } }, /entente witness add-log/],
    [{ answer: { status: 422, body: 'no' } }, /does not continue the one that it saw at size \d+/],
    [{ answer: { status: 500, body: '<html>' } }, /is its URL right/],
    [{ answer: { status: 200, body: '' } }, /does not verify/],
    [{ answer: { status: 200, body: 'nonsense\n' } }, /does not verify/],
    [{ answer: { status: 200, body: foreign('x\n1\n') } }, /does not verify/],
  ]
  // A checkpoint of a larger size that somebody else signed is no proof of anything.
  const other = toLogKey(ORIGIN, generateKeyPairSync('ed25519').privateKey)
  const root = hashLeaf(Buffer.from('other'))
  const unsigned = signNote(formatCheckpoint({ origin: ORIGIN, size: 99, root, extensions: [] }), other.signer)
  cases.push([{ answer: { status: 422, body: 'no' }, shown: unsigned }, /422/])
  for (const [lie, message] of cases) {
    Object.assign(liar, { answer: undefined, shown: undefined }, lie)
    const size = await publish(set.notary)
    await reaches(witnessing, size)
    await until(() => message.test(witnessing.states()[0]?.error ?? ''), String(message))
    assert.equal(set.notary.halted, undefined)
    assert.ok(set.logged.some(l => l.level === 'error' && message.test(String(l.details['error']))))
    Object.assign(liar, { answer: undefined, shown: undefined })
    await until(() => witnessing.states()[0]?.cosignedSize === size, 'it cosigns again')
  }
})

test('consistency proofs from any size that a witness has to the head are those that it takes', async t => {
  const set = await openLogIn(t, newFolder(t))
  const sizes = [set.notary.log.size]
  for (let i = 0; i < 8; i++) sizes.push(await publish(set.notary))
  const { head, tiles, size } = set.notary.log
  for (const old of sizes) {
    const witness = startWitness(t, `w${old}`)
    const note = (await set.store.checkpoint(old)) as string
    assert.equal(
      witness.real.add(Buffer.from(formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: note }))).status,
      200,
    )
    const proof = await tiles.prove(reader => consistencyProof(old, size, reader))
    const body = formatAddCheckpoint({ oldSize: old, proof, checkpoint: head?.note as string })
    assert.equal(witness.real.add(Buffer.from(body)).status, 200, `from ${old}`)
  }
})

test('a store whose pages are damaged keeps the cosignatures that can be read', async t => {
  const folder = newFolder(t)
  const set = await openLogIn(t, folder)
  const size = await publish(set.notary)
  await reaches(await begin(t, set, [startWitness(t, 'w1')], 1), size)
  const copy = join(folder, 'salvaged.db')
  await salvageSqlite(join(folder, 'store.db'), copy)
  const salvaged = openSqliteStore({ path: copy })
  t.after(() => salvaged.close())
  assert.deepEqual(await salvaged.cosignatures(size), await set.store.cosignatures(size))
  assert.equal((await salvaged.cosignatures(size)).length, 1)
})

test('the audit holds the store against what witnesses have cosigned', async t => {
  const set = await openLogIn(t, newFolder(t))
  const witness = startWitness(t, 'w1')
  const size = await publish(set.notary)
  await reaches(await begin(t, set, [witness], 1), size)
  const report = () => audit({ store: set.store, vkey: logKey.vkey, anchors: [], witnesses: [witness.vkey] })
  assert.deepEqual(await report().then(r => [r.witnesses, r.problems]), [[{ witness: 'w1', size, ok: true }], []])

  const [row] = await set.store.cosignatures(size)
  await set.store.putCosignature({ ...(row as CosignatureRow), line: '\u2014 w1 AAAAAAAA\n' })
  const [problem] = (await report()).problems
  assert.match(problem?.message ?? '', /witness "w1" can't be compared: what is kept as its cosignature is none/)

  // A cosignature of a later size than the store has: somebody put an older head in its place.
  const ahead = await growTo(t, 5)
  await reaches(await begin(t, ahead, [startWitness(t, 'w1')], 1), ahead.notary.log.size)
  const other = startWitness(t, 'w2')
  const later = ahead.notary.log.head as StoredHead
  const line = other.real.add(Buffer.from(formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: later.note }))).body
  const store = {
    ...set.store,
    checkpoint: async (at: number) => (at === later.size ? later.note : set.store.checkpoint(at)),
    cosignedSize: async () => later.size,
    cosignatures: async () => [{ size: later.size, witness: other.vkey, line }],
  }
  const { problems } = await audit({ store, vkey: logKey.vkey, anchors: [], witnesses: [other.vkey] })
  assert.match(problems[0]?.message ?? '', /witness "w2" has this log at size \d+, the store only at \d+/)
  // And one of the same size with another root.
  const another = await growTo(t, 1)
  const fork = another.notary.log.head as StoredHead
  assert.equal(fork.size, size)
  const third = startWitness(t, 'w3')
  const forked = third.real.add(Buffer.from(formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: fork.note }))).body
  const swapped = {
    ...set.store,
    checkpoint: async () => fork.note,
    cosignedSize: async () => size,
    cosignatures: async () => [{ size, witness: third.vkey, line: forked }],
  }
  const found = await audit({ store: swapped, vkey: logKey.vkey, anchors: [], witnesses: [third.vkey] })
  assert.match(found.problems[0]?.message ?? '', /this is not the log that was witnessed/)
})
