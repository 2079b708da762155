// Whether the log has what events name, for many of them, under checkpoints that agree with what is remembered.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  COSIGNATURE_V1,
  createCosigner,
  encodeBase64,
  formatCheckpoint,
  signNote,
  type TilePath,
} from '@entente/verify/tlog'
import { testNoteKey } from '../verify/test/sample.ts'
import { ClientError } from './error.ts'
import { createInclusion, createMemory, createWatch, type LogSource } from './index.ts'
import { createLog, KEY } from './test/log.ts'

const trust = { vkeys: [KEY.vkey] }

/** A log that shows more and more of itself, and counts what is asked. */
function open(size: number, more: { forkAt?: number; clock?: { now: () => number; sleep: () => Promise<void> } } = {}) {
  const log = createLog(size, more.forkAt)
  const shown = { size }
  const asked: string[] = []
  const source: LogSource = {
    ...log.source,
    checkpoint: async () => {
      asked.push('checkpoint')
      return log.note(shown.size)
    },
    tile: async (path: TilePath) => {
      asked.push(`${path.level}/${path.index}`)
      return log.source.tile(path)
    },
  }
  let time = 0
  const clock = more.clock ?? { now: () => time, sleep: async (ms: number) => void (time += ms) }
  const memory = createMemory()
  const watch = createWatch({ source, memory, vkeys: trust.vkeys })
  const claim = (log_index: number, entry = log_index) => ({
    origin: KEY.signer.name,
    log_index,
    commitment: encodeBase64(log.entries[entry] as Uint8Array),
  })
  return { log, shown, asked, source, watch, memory, claim, clock, waited: () => time }
}

test('10,000 claims cost a tile for every 256 of them, however they are grouped', async () => {
  const { claim, source, watch, clock, asked } = open(10_240)
  const inclusion = createInclusion({ source, watch, trust, clock })
  for (let at = 0; at < 10_240; at += 60) {
    const claims = Array.from({ length: Math.min(60, 10_240 - at) }, (_, i) => claim(at + i))
    const found = await inclusion.verify(claims)
    assert.deepEqual([found.size, found.level], [10_240, 'logged'])
  }
  assert.equal(asked.filter(a => a === 'checkpoint').length, 1)
  const leaves = asked.filter(a => a.startsWith('0/'))
  assert.equal(leaves.length, 40)
  assert.equal(asked.length, 40 + 2)
})

test('a log that grows is asked again when an event is beyond what is at hand, and verified tiles stay', async () => {
  const { claim, source, watch, clock, asked, shown } = open(2000)
  const inclusion = createInclusion({ source, watch, trust, clock })
  for (let size = 1; size <= 2000; size += size < 300 ? 7 : 101) {
    shown.size = size
    assert.equal((await inclusion.verify([claim(size - 1), claim(0)])).size, size)
  }
  const before = asked.length
  await inclusion.verify([claim(5), claim(300), claim(700)])
  assert.ok(asked.slice(before).every(a => a.startsWith('0/')) && asked.length - before <= 3)
})

test('what the log does not have is refused, with both hashes', async () => {
  const { log, claim, source, watch, clock } = open(600)
  const inclusion = createInclusion({ source, watch, trust, clock })
  const [a, b] = [encodeBase64(log.entries[7]!), encodeBase64(log.entries[300]!)]
  const both = (error: Error & { code?: string }) =>
    error.name === 'ProofError' && error.code === 'event' && error.message.includes(a) && error.message.includes(b)
  await assert.rejects(inclusion.verify([claim(7, 300)]), both)
  await assert.rejects(inclusion.verify([claim(1), claim(300, 7), claim(2)]), both)
  const other = { ...claim(7), origin: 'other.example/log' }
  await assert.rejects(inclusion.verify([other]), {
    code: 'event',
    message: /other\.example\/log.*watched\.example\/log/,
  })
  await inclusion.verify([claim(7), claim(300)])
})

test('an index beyond the end of the log is waited for, and then refused', async () => {
  const { claim, source, watch, clock, shown, waited } = open(600)
  shown.size = 500
  const inclusion = createInclusion({ source, watch, trust, clock, coverMs: 5000 })
  await assert.rejects(inclusion.verify([claim(555)]), { code: 'event', message: /log index 555.*size 500/ })
  assert.ok(waited() >= 5000 && waited() < 9000)
  shown.size = 600
  await inclusion.verify([claim(555)])
})

test('tiles that are not those of the log, and a log that was forked or rolled back, are refused', async () => {
  const { claim, source, clock, log } = open(600)
  const bad: LogSource = {
    ...source,
    tile: async path => {
      const tile = new Uint8Array(await source.tile(path))
      if (path.level === 0 && path.index === 1) tile[40] = (tile[40] as number) ^ 1
      return tile
    },
  }
  const lying = createInclusion({
    source: bad,
    watch: createWatch({ source: bad, memory: createMemory() }),
    trust,
    clock,
  })
  await assert.rejects(lying.verify([claim(300)]), { name: 'TlogError', code: 'tile' })
  await lying.verify([claim(3)])

  const memory = createMemory()
  const fork = createLog(600, 100)
  await createWatch({ source: log.source, memory, vkeys: trust.vkeys }).head()
  const watch = createWatch({ source: fork.source, memory, vkeys: trust.vkeys })
  const forked = createInclusion({ source: fork.source, watch, trust, clock })
  await assert.rejects(forked.verify([claim(3)]), (error: unknown) => {
    assert.ok(error instanceof ClientError && error.code === 'disagreement')
    assert.equal(error.evidence?.kind, 'fork')
    return true
  })
})

test('where a quorum of witnesses is asked for, nothing is proven before they have cosigned', async () => {
  const { claim, source, watch, clock, log } = open(600)
  const witness = testNoteKey('w1.example', COSIGNATURE_V1)
  const need = { vkeys: [KEY.vkey], witnesses: [witness.vkey], witnessQuorum: 1 }
  const cosigned = (size: number) => {
    const text = formatCheckpoint(log.checkpoint(size))
    return log.note(size) + signNote(text, createCosigner(witness.signer, 1_780_000_000n)).slice(text.length + 1)
  }
  const shown = { witnessed: '' }
  const witnessed = async () => {
    if (shown.witnessed === '') throw new ClientError('not-found', 'none yet', { status: 404 })
    return shown.witnessed
  }
  const inclusion = createInclusion({ source, watch, trust: need, witnessed, clock, coverMs: 2000 })
  const behind = { code: 'timeout', message: /witnesses have cosigned none/ }
  await assert.rejects(inclusion.verify([claim(3)]), behind)
  shown.witnessed = log.note(600) // that nobody has cosigned
  await assert.rejects(inclusion.verify([claim(3)]), behind)
  shown.witnessed = cosigned(300)
  assert.deepEqual(await inclusion.verify([claim(3)]), {
    level: 'witnessed',
    size: 300,
    witnesses: { cosigned: 1, known: 1 },
  })
  await assert.rejects(inclusion.verify([claim(500)]), { code: 'timeout', message: /a checkpoint of size 300/ })
  shown.witnessed = cosigned(600)
  assert.equal((await inclusion.verify([claim(500)])).size, 600)
})

test('verified tiles are bounded', async () => {
  const size = 256 * 160
  const { claim, source, watch, clock, asked } = open(size)
  const inclusion = createInclusion({ source, watch, trust, clock })
  for (let at = 0; at < size; at += 256) await inclusion.verify([claim(at)])
  const before = asked.length
  await inclusion.verify([claim(size - 300)])
  assert.equal(asked.length, before, 'the newest are kept')
  await inclusion.verify([claim(3)])
  assert.ok(asked.length > before, 'the oldest went')
})
