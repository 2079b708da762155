import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { verifyLogCheckpoint, verifySuccession } from '@entente/verify/proof'
import { parseNote } from '@entente/verify/tlog'
import { openSqliteStore } from '#store/sqlite/sqlite.ts'
import { emptyBatch, type Store } from '#store/store.ts'
import { audit } from './audit.ts'
import { openLogKey } from './key.ts'
import { openLog } from './log.ts'
import { openNotary } from './notary.ts'
import { finishRotation, retireKey, rotateKey } from './rotate.ts'

const ORIGIN = 'test.example/log'
const COLLECTION = { apiRoot: '/api/', id: '91a7b528-80eb-42ed-a74d-c6fbd5a26116' }
const NOW = Date.parse('2026-11-22T12:00:00Z') * 1000

/** A log of some entries, in a folder of its own. */
async function newLog(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'entente-rotate-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'log.key')
  const { vkey } = openLogKey(file, ORIGIN, true)
  const open = () => openSqliteStore({ path: join(folder, 'store.db'), create: true })
  const site = { folder, file, first: vkey, open }
  await write(site)
  return site
}
type Site = Awaited<ReturnType<typeof newLog>>

/** What a server does when it starts, and one checkpoint more. */
async function write({ file, open }: Pick<Site, 'file' | 'open'>): Promise<string> {
  const store = open()
  try {
    finishRotation(file, ORIGIN, await store.head())
    const { signer, vkey, keys } = openLogKey(file, ORIGIN, false)
    const notary = await openNotary({ store, origin: ORIGIN, vkey, successions: keys.successions, signer })
    await notary.found([COLLECTION])
    const stage = notary.log.stage()
    stage.found('/api/', `00000000-0000-4000-8000-${String(notary.log.size).padStart(12, '0')}`)
    const head = stage.seal(signer)
    await store.commit(stage.base, { ...emptyBatch(head), ...stage.writes() })
    await notary.close()
    return vkey
  } finally {
    await store.close()
  }
}

async function rotate({ file, open }: Site, fault?: (point: string) => void) {
  const store = open()
  try {
    return await rotateKey({ store, file, origin: ORIGIN, now: NOW, fault })
  } finally {
    await store.close()
  }
}

async function problems({ open }: Site, vkey: string) {
  const store = open()
  try {
    return (await audit({ store, vkey, anchors: [] })).problems
  } finally {
    await store.close()
  }
}

async function head({ open }: Site): Promise<string> {
  const store = open()
  try {
    return (await store.head())?.note ?? ''
  } finally {
    await store.close()
  }
}

const signatures = (note: string) => parseNote(note).signatures.length

test('a new key follows: the log has the statement, both sign, then the new one alone', async t => {
  const site = await newLog(t)
  const { from, to, index } = await rotate(site)
  assert.deepEqual([from, index], [site.first, 2])
  const { keys, vkey, first, signer } = openLogKey(site.file, ORIGIN, false)
  assert.deepEqual([vkey, first, keys.vkeys], [to, site.first, [from, to]])
  assert.deepEqual(verifySuccession(keys.successions[0] ?? ''), { from, to, index, time: '2026-11-22T12:00:00Z' })
  assert.equal(statSync(site.file).mode & 0o777, 0o600)
  assert.ok(signer.also, 'the old key goes on beside the new one')
  assert.equal(await write(site), to)
  const both = await head(site)
  assert.equal(signatures(both), 2)
  assert.equal(verifyLogCheckpoint(both, keys).size, 5)
  for (const believed of [from, to]) assert.deepEqual(await problems(site, believed), [])
  await assert.rejects(rotate(site), { code: 'key' })

  assert.equal(retireKey(site.file, ORIGIN), from)
  assert.equal(retireKey(site.file, ORIGIN), undefined)
  assert.ok(!existsSync(`${site.file}.old`))
  await write(site)
  assert.equal(signatures(await head(site)), 1)
  for (const believed of [from, to]) assert.deepEqual(await problems(site, believed), [])

  const third = await rotate(site)
  assert.equal(third.from, to)
  await write(site)
  assert.deepEqual(openLogKey(site.file, ORIGIN, false).keys.vkeys, [from, to, third.to])
  for (const believed of [from, to, third.to]) assert.deepEqual(await problems(site, believed), [])
  assert.equal(readFileSync(site.file, 'utf8').match(/BEGIN ENTENTE SUCCESSION/g)?.length, 2)
})

test('another server writes meanwhile: the statement goes behind what it wrote', async t => {
  const site = await newLog(t)
  const { signer, vkey } = openLogKey(site.file, ORIGIN, false)
  const store = site.open()
  let others = 2
  let isAlways = false
  const beside: Store = {
    ...store,
    commit: async (expected, batch) => {
      if (isAlways || others-- > 0) {
        const log = await openLog(store, ORIGIN, vkey)
        const stage = log.stage()
        stage.found('/api/', `00000000-0000-4000-9000-${String(log.size).padStart(12, '0')}`)
        const own = stage.seal(signer)
        await store.commit(stage.base, { ...emptyBatch(own), ...stage.writes() })
      }
      return store.commit(expected, batch)
    },
  }
  isAlways = true
  const options = { store: beside, file: site.file, origin: ORIGIN, now: NOW }
  await assert.rejects(rotateKey({ ...options, patienceMs: 200 }), {
    code: 'unavailable',
    message: /nothing was changed\. Stop the one that writes/,
  })
  assert.equal(openLogKey(site.file, ORIGIN, false).vkey, vkey)
  isAlways = false
  const before = (await store.head())?.size ?? 0
  const { from, to, index } = await rotateKey(options)
  assert.deepEqual([from, index, others], [vkey, before + 2, -1])
  await store.close()
  assert.equal(await write(site), to)
  for (const believed of [from, to]) assert.deepEqual(await problems(site, believed), [])
})

test('whoever has the old key alone can neither write on nor be taken for the log', async t => {
  const site = await newLog(t)
  const old = readFileSync(site.file, 'utf8')
  await rotate(site)
  const store = site.open()
  t.after(() => store.close())
  const { vkey, keys } = openLogKey(site.file, ORIGIN, false)
  await assert.rejects(openLog(store, ORIGIN, site.first), { code: 'integrity' }, 'a key that another one has followed')
  const log = await openLog(store, ORIGIN, vkey, keys.successions)
  const { createPrivateKey } = await import('node:crypto')
  const { toLogKey } = await import('./key.ts')
  const thief = toLogKey(ORIGIN, createPrivateKey(old))
  const stage = log.stage()
  stage.found('/api/', '00000000-0000-4000-8000-00000000dead')
  const forged = stage.seal(thief.signer)
  await store.commit(stage.base, { ...emptyBatch(forged), ...stage.writes() })
  await assert.rejects(openLog(store, ORIGIN, vkey, keys.successions), { code: 'integrity' })
  const { problems } = await audit({ store, vkey: site.first, anchors: [] })
  assert.match(problems[0]?.message ?? '', /not signed by the log's key/)
})

test("a key file with another log's statements, or a store without them, is refused", async t => {
  const [site, other] = [await newLog(t), await newLog(t)]
  await rotate(site)
  const { vkey, keys } = openLogKey(site.file, ORIGIN, false)
  const store = other.open()
  t.after(() => store.close())
  await assert.rejects(openLog(store, ORIGIN, vkey, keys.successions), { code: 'integrity' })
  const mine = site.open()
  t.after(() => mine.close())
  assert.throws(() => openLogKey(site.file, 'other.example/log', false), { code: 'integrity' })
})

test('two statements from one key, or one in another place, are problems of the log', async t => {
  const site = await newLog(t)
  const { from, to } = await rotate(site)
  const store = site.open()
  t.after(() => store.close())
  const { vkey, keys, signer } = openLogKey(site.file, ORIGIN, false)
  const log = await openLog(store, ORIGIN, vkey, keys.successions)
  const stage = log.stage()
  stage.say(keys.successions[0] ?? '')
  const twice = stage.seal(signer)
  await store.commit(stage.base, { ...emptyBatch(twice), ...stage.writes() })
  const { problems } = await audit({ store, vkey: from, anchors: [] })
  assert.deepEqual(
    problems.map(p => [p.kind, p.logIndex]),
    [['log', 4]],
  )
  assert.match(problems[0]?.message ?? '', /it says that it is entry 2/)
  assert.deepEqual(keys.vkeys, [from, to])
})

// The process is killed at each point; what was begun is then completed, or never happened.
for (const [point, isDone] of [
  ['K1', false],
  ['K2', true],
  ['K3', true],
  ['K4', true],
] as const) {
  test(`kill -9 at ${point} leaves a log that goes on`, async t => {
    const site = await newLog(t)
    const script = `
      import { rotateKey } from ${JSON.stringify(join(import.meta.dirname, 'rotate.ts'))}
      import { openSqliteStore } from ${JSON.stringify(join(import.meta.dirname, '../store/sqlite/sqlite.ts'))}
      const store = openSqliteStore({ path: ${JSON.stringify(join(site.folder, 'store.db'))} })
      await rotateKey({ store, file: ${JSON.stringify(site.file)}, origin: '${ORIGIN}', now: ${NOW},
        fault: point => { if (point === '${point}') process.kill(process.pid, 'SIGKILL') } })`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: 'inherit',
      cwd: import.meta.dirname,
    })
    const [, signal] = await once(child, 'exit')
    assert.equal(signal, 'SIGKILL')
    const vkey = await write(site)
    assert.equal(vkey !== site.first, isDone)
    assert.deepEqual(await problems(site, site.first), [])
    assert.equal(signatures(await head(site)), isDone ? 2 : 1)
    if (isDone) retireKey(site.file, ORIGIN)
    const { to } = await rotate(site)
    assert.equal(await write(site), to)
    assert.deepEqual(await problems(site, site.first), [])
  })
}
