import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { signReceipt, verifyDisagreement } from '@entente/verify/proof'
import type { TilePath } from '@entente/verify/tlog'
import { testSeed } from '../verify/test/sample.ts'
import { ClientError } from './error.ts'
import { openFileMemory } from './memory-files.ts'
import {
  checkReceipts,
  type CheckpointMemory,
  compareCheckpoints,
  createMemory,
  createWatch,
  type LogSource,
  type Remembered,
} from './index.ts'
import { createLog, KEY, OTHER_KEY } from './test/log.ts'

const NOW = Date.parse('2026-05-03T08:00:00Z')
const trust = { vkeys: [KEY.vkey] }
const watchOf = (source: LogSource | undefined, memory: CheckpointMemory, vkeys?: string[]) =>
  createWatch({ source, memory, vkeys, now: () => NOW })
const remembered = (note: string, more: Partial<Remembered> = {}): Remembered => ({
  origin: KEY.signer.name,
  vkey: KEY.vkey,
  key: 'first-use',
  checkpoint: note,
  server: 'https://watched.example/',
  seen: '2026-05-02T08:00:00.000Z',
  ...more,
})
const folderOf = (t: TestContext) => {
  const folder = mkdtempSync(join(tmpdir(), 'entente-memory-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
const failsWith = (kind: string, message: RegExp, isConclusive: boolean) => (error: unknown) => {
  assert.ok(error instanceof ClientError)
  assert.equal(error.code, 'disagreement')
  assert.match(error.message, message)
  assert.equal(error.evidence?.kind, kind)
  assert.equal(verifyDisagreement(JSON.stringify(error.evidence), trust).isConclusive, isConclusive)
  return true
}

test('every pair of sizes of one log is consistent, of two logs a proven fork: 1 to 20, and around a tile', async () => {
  const sizes = [...Array.from({ length: 20 }, (_, i) => i + 1), 255, 256, 257, 300, 512, 600]
  const one = createLog(600)
  for (const newer of sizes) {
    for (const older of sizes.filter(s => s <= newer)) {
      const fetchTile = async (level: number, index: number, width: number) => one.source.tile({ level, index, width })
      const same = await compareCheckpoints(one.checkpoint(older), one.checkpoint(newer), fetchTile)
      assert.equal(same.is, 'consistent', `${older} ${newer}`)
    }
  }
  for (const [older, newer, forkAt] of [
    [9, 20, 8],
    [8, 20, 0],
    [256, 600, 255],
    [300, 512, 299],
    [20, 20, 3],
  ] as const) {
    const other = createLog(newer, forkAt)
    const memory = createMemory([remembered(one.note(older))])
    const words = new RegExp(`forked.*size ${older} with root .*size ${newer} with root`)
    await assert.rejects(watchOf(other.source, memory).head(), failsWith('fork', words, true))
  }
})

test('the first sight is believed and said to be that; then the key and the largest checkpoint hold', async () => {
  const memory = createMemory()
  const first = await watchOf(createLog(3).source, memory).head()
  assert.deepEqual([first?.key, first?.before], ['first-use', undefined])
  const second = await watchOf(createLog(7).source, memory).head()
  assert.deepEqual([second?.key, second?.before?.size], ['remembered', 3])
  const [entry, ...others] = await memory.recall(KEY.signer.name)
  assert.deepEqual([entry?.checkpoint, others], [createLog(7).note(), []])
  // Another key under the same name, of the server and of the reader
  const note = createLog(9).note(9, OTHER_KEY.signer)
  const source = { ...createLog(9).source, checkpoint: async () => note }
  await assert.rejects(watchOf(source, memory).head(), { code: 'disagreement', message: /not signed by the key/ })
  await assert.rejects(watchOf(createLog(9).source, memory, [OTHER_KEY.vkey]).head(), { code: 'unverified' })
  await assert.rejects(watchOf(source, memory, [OTHER_KEY.vkey]).head(), {
    code: 'disagreement',
    message: /one of them/,
  })
})

test('a smaller live checkpoint is a rollback; a smaller one in a proof is only older', async () => {
  const log = createLog(12)
  const memory = createMemory([remembered(log.note())])
  const old = { ...log.source, checkpoint: async () => log.note(9) }
  await assert.rejects(watchOf(old, memory).head(), failsWith('rollback', /rolled back.*size 12 .*size 9 /, false))
  const seen = await watchOf(log.source, memory).check(log.note(9))
  assert.deepEqual([seen.size, seen.before?.isCompared], [9, true])
  assert.equal((await memory.recall(KEY.signer.name)).length, 1)
  await assert.rejects(watchOf(log.source, memory).check(createLog(9, 4).note()), failsWith('fork', /forked/, true))
})

test('a reader that remembers more meanwhile is no rollback', async () => {
  const log = createLog(12)
  const memory = createMemory()
  let asked = 0
  const source: LogSource = {
    ...log.source,
    checkpoint: async () => {
      if (asked++ > 0) return log.note(11)
      await memory.keep(remembered(log.note(10)), [])
      return log.note(8)
    },
  }
  assert.equal((await watchOf(source, memory).head())?.size, 11)
})

test('a server that does not show its tiles, or others, is refused; one that is away is not', async () => {
  const log = createLog(300)
  const memory = createMemory([remembered(log.note(200))])
  const withTile = (tile: LogSource['tile']) => watchOf({ ...log.source, tile }, memory).head()
  const missing = async () => {
    throw new ClientError('not-found', 'no such tile')
  }
  await assert.rejects(withTile(missing), failsWith('unbacked', /tile\/\d\/000.* is not there/, false))
  await assert.rejects(
    withTile(async ({ width }) => new Uint8Array(32 * width)),
    failsWith('unbacked', /tiles/, false),
  )
  await assert.rejects(
    withTile(async () => new Uint8Array(31)),
    failsWith('unbacked', /tiles/, false),
  )
  const away = new ClientError('unreachable', 'gone')
  await assert.rejects(
    withTile(async () => {
      throw away
    }),
    away,
  )
  assert.equal((await memory.recall(KEY.signer.name))[0]?.checkpoint, log.note(200))
})

test('without a source only one size can be compared, and nothing is remembered in its place', async () => {
  const log = createLog(12)
  const memory = createMemory([remembered(log.note(9))])
  const offline = watchOf(undefined, memory, [KEY.vkey])
  assert.deepEqual((await offline.check(log.note(9))).before?.isCompared, true)
  assert.deepEqual((await offline.check(log.note(12))).before, {
    size: 9,
    seen: '2026-05-02T08:00:00.000Z',
    isCompared: false,
  })
  await assert.rejects(offline.check(createLog(9, 1).note()), failsWith('fork', /forked/, true))
  assert.equal((await memory.recall(KEY.signer.name))[0]?.checkpoint, log.note(9))
})

test('what two readers kept at the same time is compared by the next one', async () => {
  const log = createLog(20)
  const both = [remembered(log.note(9)), remembered(log.note(12))]
  const agreeing = createMemory(both)
  await watchOf(log.source, agreeing).head()
  assert.deepEqual(
    (await agreeing.recall(KEY.signer.name)).map(e => e.checkpoint),
    [log.note(20)],
  )
  const forked = createMemory([...both, remembered(createLog(11, 10).note())])
  await assert.rejects(watchOf(log.source, forked).head(), failsWith('fork', /forked/, true))
})

test('receipts: what the log holds, what it lost, what it never reached', async () => {
  const log = createLog(600)
  const receiptOf = (indexes: number[], from = log) => {
    const entries = indexes.map(index => ({ index, commitment: from.entries[index] ?? testSeed('never') }))
    return signReceipt({ origin: KEY.signer.name, status: `status ${indexes[0]}`, entries }, KEY.signer)
  }
  const check = async (source: LogSource, receipts: string[]) => {
    const head = await watchOf(source, createMemory(), [KEY.vkey]).head()
    return checkReceipts(source, head!, receipts, { now: () => NOW })
  }
  const all = [receiptOf([0, 1, 599]), receiptOf([255, 256, 511, 512])]
  assert.deepEqual(await check(log.source, all), { receipts: 2, entries: 7, broken: [] })
  const { broken } = await check(createLog(600, 500).source, [...all, receiptOf([700])])
  assert.deepEqual(
    broken.map(b => [b.index, verifyDisagreement(JSON.stringify(b.evidence), trust).isConclusive]),
    [
      [511, true],
      [512, true],
      [599, true],
      [700, false],
    ],
  )
  const lying = {
    ...log.source,
    tile: async (path: TilePath) => {
      const data = new Uint8Array(await log.source.tile(path))
      if (path.level === 'entries') data[5]! ^= 1
      return data
    },
  }
  await assert.rejects(check(lying, all), { name: 'TlogError', code: 'tile' })
  await assert.rejects(check(log.source, [receiptOf([1]).replace('\n1 ', '\n2 ')]), { name: 'ProofError', code: 'log' })
})

test('in files: mode 0600, one file a log, damage is said, names are safe', async t => {
  const folder = join(folderOf(t), 'a', 'b')
  const memory = openFileMemory(folder)
  assert.deepEqual(await memory.recall('../../etc'), [])
  const log = createLog(20)
  await watchOf(createLog(9).source, memory).head()
  await watchOf(log.source, memory).head()
  const [name, ...others] = readdirSync(folder)
  assert.deepEqual(others, [])
  assert.match(name!, /^watched\.example_log-[0-9a-f]{16}\.20-[0-9a-f]{16}\.json$/)
  assert.equal(statSync(join(folder, name!)).mode & 0o777, 0o600)
  assert.equal((await memory.ofServer('https://watched.example/'))[0]?.origin, KEY.signer.name)
  assert.deepEqual(await memory.ofServer('https://else.example/'), [])
  const text = readFileSync(join(folder, name!), 'utf8')
  for (const bad of ['', '{}', text.replace('first-use', 'guessed'), text.replace('"seen"', '"saw"')]) {
    writeFileSync(join(folder, name!), bad)
    await assert.rejects(memory.recall(KEY.signer.name), { code: 'memory', message: /remove it/ })
  }
  // Changed within its form: the signature tells.
  writeFileSync(join(folder, name!), text.replace('\\n20\\n', '\\n21\\n'))
  await assert.rejects(watchOf(log.source, memory).head(), { code: 'memory', message: /damaged/ })
})

test('in files: processes that remember at once lose no checkpoint, and the next reader leaves the largest', async t => {
  const folder = folderOf(t)
  const run = promisify(execFile)
  const script = `
    const [folder, ...sizes] = process.argv.slice(1)
    const { openFileMemory } = await import(${JSON.stringify(import.meta.resolve('./memory-files.ts'))})
    const { createWatch } = await import(${JSON.stringify(import.meta.resolve('./watch.ts'))})
    const { createLog } = await import(${JSON.stringify(import.meta.resolve('./test/log.ts'))})
    const log = createLog(64)
    const watch = createWatch({ source: log.source, memory: openFileMemory(folder) })
    for (const size of sizes) await watch.check(log.note(Number(size)))
  `
  const parts = [1, 2, 3, 4].map(part => Array.from({ length: 10 }, (_, i) => String(part + 4 * i)))
  await Promise.all(parts.map(sizes => run(process.execPath, ['--input-type=module', '-e', script, folder, ...sizes])))
  const log = createLog(64)
  const memory = openFileMemory(folder)
  const kept = (await memory.recall(KEY.signer.name)).map(e => e.checkpoint)
  assert.ok(kept.includes(log.note(40)), `${kept.length} kept`)
  await watchOf(log.source, memory).head()
  assert.deepEqual(
    (await memory.recall(KEY.signer.name)).map(e => e.checkpoint),
    [log.note()],
  )
  assert.deepEqual(
    readdirSync(folder).filter(f => f.endsWith('.part')),
    [],
  )
})
