// The log over time: whatever is submitted in whatever order, the invariants of docs/formats.md hold after every step.
import assert from 'node:assert/strict'
import { createHash, createPrivateKey, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  consistencyProof,
  hashLeaf,
  inclusionProof,
  parseCheckpoint,
  parseNote,
  verifyConsistency,
  verifyInclusion,
} from '@entente/verify/tlog'
import { verifyReceipt } from '@entente/verify/proof'
import { openSqliteStore } from '../store/sqlite/sqlite.ts'
import { audit } from './audit.ts'
import { toLogKey } from './key.ts'
import { type Notary, openNotary } from './notary.ts'
import type { Request } from './sequence.ts'
import { entryOf } from './tiles.ts'

// A key of a fixed seed, for tests only.
const pkcs8 = Buffer.concat([
  Buffer.from('302e020100300506032b657004220420', 'hex'),
  createHash('sha256').update('entente test log key').digest(),
])
const key = toLogKey('test.example/log', createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }))
const [A, B] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222']

async function open(t: { after(f: () => Promise<void>): void }, clock?: () => number) {
  const folder = mkdtempSync(join(tmpdir(), 'entente-notary-'))
  const store = openSqliteStore({ path: join(folder, 'store.db'), create: true })
  const options = { store, origin: 'test.example/log', vkey: key.vkey, signer: key.signer, ...(clock ? { clock } : {}) }
  const notary = await openNotary(options)
  await notary.found([A, B].map(id => ({ apiRoot: '/api/', id: id as string })))
  t.after(async () => {
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return { store, notary, reopen: () => openNotary(options) }
}

type Sample = { id: number; version: number; content: number; collection: 1 | 2 }
function toRequest(notary: Notary, samples: Sample[], collection: 1 | 2): Request {
  return {
    statusId: randomUUID(),
    apiRoot: '/api/',
    collection,
    submitter: 'test',
    mayRead: true,
    requested: notary.clock(),
    failed: [],
    objects: samples.map(s => {
      const modified = `2026-01-01T00:00:00.${String(s.version).padStart(3, '0')}Z`
      const id = `x-test--00000000-0000-4000-8000-${String(s.id).padStart(12, '0')}`
      const value = { content: s.content, id, modified, spec_version: '2.1', type: 'x-test' }
      return {
        id,
        version: modified.replace('Z', '000Z'),
        versionDigits: 3,
        spec: '2.1',
        value,
        canonical: JSON.stringify(value),
      }
    }),
  }
}

test('any sequence of posts and deletions keeps every invariant, and restarts change nothing', async t => {
  const sample = fc.record({
    id: fc.integer({ min: 0, max: 5 }),
    version: fc.integer({ min: 0, max: 3 }),
    content: fc.integer({ min: 0, max: 1 }),
    collection: fc.constantFrom(1 as const, 2 as const),
  })
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ post: fc.array(sample, { minLength: 1, maxLength: 6 }) }) },
    { weight: 1, arbitrary: fc.record({ erase: sample }) },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async steps => {
      const closers: (() => Promise<void>)[] = []
      const { notary, store, reopen } = await open({ after: f => void closers.push(f) })
      try {
        const model = new Map<string, number>() // collection id version -> content, as a plain program would keep it
        for (const s of steps) {
          const before = notary.log.head?.note as string
          if ('post' in s) {
            const collection = (s.post[0] as Sample).collection
            const status = await notary.submit(toRequest(notary, s.post, collection))
            for (const o of s.post) {
              const k = `${collection} ${o.id} ${o.version}`
              if (!model.has(k)) model.set(k, o.content)
            }
            const refused = s.post.filter(o => model.get(`${collection} ${o.id} ${o.version}`) !== o.content).length
            assert.equal(status.failed.length, refused)
            assert.equal(status.accepted.length, s.post.length - refused)
            const receipt = verifyReceipt(status.receipt, [key.vkey])
            assert.equal(receipt.entries.length, status.accepted.length)
            for (const { index, commitment } of receipt.entries) {
              const entry = entryOf(await notary.log.tiles.bundle(Math.floor(index / 256)), index % 256)
              assert.deepEqual(entry, Buffer.from(commitment))
            }
          } else {
            const { id, collection } = s.erase
            const request = toRequest(notary, [], collection)
            await notary.submit({
              ...request,
              erase: { id: `x-test--00000000-0000-4000-8000-${String(id).padStart(12, '0')}`, versions: rows => rows },
            })
            for (const k of model.keys()) if (k.startsWith(`${collection} ${id} `)) model.delete(k)
          }
          await checkConsistent(notary, before)
          assert.deepEqual((await audit({ store, vkey: key.vkey, anchors: [] })).problems, [])
        }
        const again = await reopen()
        assert.equal(again.log.head?.note, notary.log.head?.note)
        for (const collection of [1, 2]) {
          const rows = (await store.records(collection, { from: 0, limit: 1000, text: 'all' })).filter(
            r => r.kind === 'object' && r.text !== null,
          )
          const opened = await again.reader.openAll(rows)
          const found = opened.map(o => {
            assert.ok(o.ok)
            const { id, modified, content } = JSON.parse(o.object.toString()) as {
              id: string
              modified: string
              content: number
            }
            return [`${collection} ${Number(id.slice(-12))} ${Number(modified.slice(20, 23))}`, content]
          })
          assert.deepEqual(
            new Map(found as [string, number][]),
            new Map([...model].filter(([k]) => k.startsWith(`${collection} `))),
          )
        }
      } finally {
        for (const close of closers) await close()
      }
    }),
    { seed: 42, numRuns: 25 },
  )
  void t
})

async function checkConsistent(notary: Notary, before: string): Promise<void> {
  const [old, now] = [before, notary.log.head?.note as string].map(n => parseCheckpoint(parseNote(n).text)) as [
    ReturnType<typeof parseCheckpoint>,
    ReturnType<typeof parseCheckpoint>,
  ]
  const proof = await notary.log.tiles.prove(reader => consistencyProof(old.size, now.size, reader))
  verifyConsistency(old.size, now.size, proof, old.root, now.root)
}

test('a log over three levels of tiles: proofs at any size, after a restart too', async t => {
  const { notary, reopen } = await open(t)
  let id = 0
  const sizes: string[] = []
  for (let i = 0; i < 40; i++) {
    await notary.submit(
      toRequest(
        notary,
        Array.from({ length: 1 + ((i * 997) % 3500) }, () => ({
          id: id++,
          version: 0,
          content: 0,
          collection: 1 as const,
        })),
        1,
      ),
    )
    sizes.push(notary.log.head?.note as string)
  }
  assert.ok(notary.log.size > 65_536, `only ${notary.log.size} entries`)
  for (const log of [notary.log, (await reopen()).log]) {
    for (const note of sizes.filter((_, i) => i % 7 === 0)) {
      const { size, root } = parseCheckpoint(parseNote(note).text)
      for (const index of [0, 255, 256, Math.floor(size / 2), size - 1].filter(i => i < size)) {
        const proof = await log.tiles.prove(reader => inclusionProof(index, size, reader))
        const entry = entryOf(await log.tiles.bundle(Math.floor(index / 256)), index % 256)
        verifyInclusion(index, size, hashLeaf(entry), proof, root)
      }
    }
  }
})

test('dates strictly increase in a collection, each batch ends on a whole millisecond, whatever the clock does', async t => {
  let now = 1_767_225_600_000_321
  const { notary, store } = await open(t, () => now)
  for (const [i, step] of [0, 0, 5, -1_000_000, 1, 2_000_000, 0].entries()) {
    now += step
    await notary.submit(
      toRequest(
        notary,
        Array.from({ length: 3 + i * 500 }, (_, k) => ({
          id: i * 10_000 + k,
          version: 0,
          content: 0,
          collection: 1 as const,
        })),
        1,
      ),
    )
    assert.equal((notary.collection('/api/', A as string)?.lastAdded ?? 1) % 1000, 0)
  }
  const rows = await store.records(1, { from: 0, limit: 100_000, text: 'none' })
  for (let i = 1; i < rows.length; i++)
    assert.ok((rows[i] as { added: number }).added > (rows[i - 1] as { added: number }).added)
})

test('requests that wait together share a batch: one checkpoint for all', async t => {
  const { notary } = await open(t)
  const before = notary.log.size
  let checkpoints = 0
  notary.onCheckpoint(() => checkpoints++)
  await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      notary.submit(toRequest(notary, [{ id: i, version: 0, content: 0, collection: 1 }], 1)),
    ),
  )
  assert.equal(checkpoints, 1)
  assert.equal(notary.log.size, before + 21)
})
