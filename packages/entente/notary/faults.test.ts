// Every durable write failing both ways (sunlight's fault matrix): not persisted, and persisted with the answer lost. After each,
// what was acknowledged is there once, and the whole store passes the audit.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { Anchor } from '../ledger/anchor.ts'
import { LedgerError } from '../ledger/error.ts'
import { openEmbeddedAnchor } from '../ledger/evm/embedded/anchor.ts'
import { openSqliteStore } from '../store/sqlite/sqlite.ts'
import { type Journal, type Store, StoreError } from '../store/store.ts'
import { createAnchoring } from './anchoring.ts'
import { audit } from './audit.ts'
import { toLogKey } from './key.ts'
import { type Notary, openNotary } from './notary.ts'
import type { Request } from './sequence.ts'
import { testObject, testRequest } from './test/request.ts'

type Fate = 'works' | 'not persisted' | 'persisted, answer lost'
type Faulty = { next: Fate[]; fate(): Fate }
const faulty = (): Faulty => {
  const next: Fate[] = []
  return { next, fate: () => next.shift() ?? 'works' }
}

function faultyStore(store: Store & Journal, commits: Faulty, journal: Faulty): Store & Journal {
  return {
    ...store,
    commit: async (expected, batch) => {
      const fate = commits.fate()
      if (fate === 'not persisted') throw new StoreError('io', 'test: the disk went away before the write')
      await store.commit(expected, batch)
      if (fate !== 'works') throw new StoreError('io', 'test: the disk went away after the write')
    },
    putAnchor: async row => {
      const fate = journal.fate()
      if (fate === 'not persisted') throw new StoreError('io', 'test: the journal was not written')
      await store.putAnchor(row)
      if (fate !== 'works') throw new StoreError('io', 'test: the answer of the journal was lost')
    },
  }
}

function faultyAnchor(anchor: Anchor, appends: Faulty): Anchor {
  return new Proxy(anchor, {
    get(target, name) {
      if (name !== 'append') return Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name)
      return async (...args: Parameters<Anchor['append']>) => {
        const fate = appends.fate()
        if (fate === 'not persisted') throw new LedgerError('unreachable', 'test: the transaction was dropped')
        const receipt = await target.append(...args)
        if (fate !== 'works') throw new LedgerError('unreachable', 'test: mined, but the answer was lost')
        return receipt
      }
    },
  })
}

const COLLECTION = '11111111-1111-4111-8111-111111111111'
const key = toLogKey('test.example/log', generateKeyPairSync('ed25519').privateKey)

async function open(t: { after(f: () => Promise<void>): void }) {
  const folder = mkdtempSync(join(tmpdir(), 'entente-faults-'))
  const plain = openSqliteStore({ path: join(folder, 'store.db'), create: true })
  const commits = faulty()
  const journal = faulty()
  const appends = faulty()
  const store = faultyStore(plain, commits, journal)
  const notary = await openNotary({ store, origin: 'test.example/log', vkey: key.vkey, signer: key.signer })
  await notary.found([{ apiRoot: '/api/', id: COLLECTION }])
  const real = await openEmbeddedAnchor({
    id: 'local',
    folder: join(folder, 'ledger'),
    origin: 'test.example/log',
    now: Date.now,
    worker: false,
  })
  const anchor = faultyAnchor(real, appends)
  t.after(async () => {
    await notary.close()
    await real.close()
    await plain.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const check = async () =>
    assert.deepEqual((await audit({ store: plain, vkey: key.vkey, anchors: [real] })).problems, [])
  return { notary, store: plain, commits, journal, appends, anchor, real, check }
}

const request = (notary: Notary, value: Record<string, unknown> = testObject()): Request => testRequest(notary, [value])

test('the commit is not persisted: the request fails, nothing of it is there, the next one goes on', async t => {
  const { notary, store, commits, check } = await open(t)
  const size = notary.log.size
  commits.next.push('not persisted')
  await assert.rejects(notary.submit(request(notary)), { code: 'unavailable' })
  assert.equal(notary.log.size, size)
  assert.equal((await store.head())?.size, size)
  const lost = request(notary)
  const status = await notary.submit(lost)
  assert.equal(status.accepted.length, 1)
  assert.equal((await store.records(1, { from: 0, limit: 10, text: 'none' })).length, 1)
  await check()
})

test('the commit is persisted, its answer lost: the request succeeds', async t => {
  const { notary, store, commits, check } = await open(t)
  commits.next.push('persisted, answer lost')
  const first = request(notary)
  const status = await notary.submit(first)
  assert.equal(status.accepted.length, 1)
  assert.equal((await store.head())?.note, notary.log.head?.note)
  const again = await notary.submit({ ...first, statusId: randomUUID() })
  assert.equal(again.accepted.length, 1)
  assert.equal((await store.records(1, { from: 0, limit: 10, text: 'none' })).length, 1)
  await check()
})

test('random fates of 60 commits: acknowledged means stored, refused means absent', async t => {
  const { notary, store, commits, check } = await open(t)
  const expected = new Set<string>()
  for (let i = 0; i < 60; i++) {
    commits.next.push((['works', 'not persisted', 'persisted, answer lost'] as const)[(i * 7 + (i >> 2)) % 3] as Fate)
    const r = request(notary)
    const ok = await notary.submit(r).then(
      () => true,
      () => false,
    )
    if (ok) expected.add(r.objects[0]?.id as string)
  }
  const rows = await store.records(1, { from: 0, limit: 1000, text: 'none' })
  assert.deepEqual(new Set(rows.map(r => r.id)), expected)
  assert.deepEqual(
    rows.map(r => r.seq),
    rows.map((_, i) => i),
  )
  await check()
})

test('another process moved the head: conflict halts all writing', async t => {
  const { notary, store } = await open(t)
  const other = await openNotary({ store, origin: 'test.example/log', vkey: key.vkey, signer: key.signer })
  await other.submit(request(other))
  await assert.rejects(notary.submit(request(notary)), { code: 'conflict' })
  assert.equal(notary.halted?.code, 'forked')
  await assert.rejects(notary.submit(request(notary)), { code: 'forked' })
})

for (const [where, what] of [
  ['appends', 'the anchor'],
  ['journal', 'the journal of anchors'],
] as const) {
  for (const fate of ['not persisted', 'persisted, answer lost'] as const) {
    test(`${what}: ${fate}; it is tried again, and the ledger has each checkpoint once`, async t => {
      const all = await open(t)
      const { notary, anchor, real, check } = all
      const warnings: string[] = []
      const anchoring = createAnchoring({
        notary,
        anchors: [anchor],
        schedule: { intervalMs: 10 },
        log: (_level, message) => warnings.push(message),
      })
      await anchoring.start()
      assert.ok(await settled(anchoring, notary.log.size))
      all[where].next.push(fate, fate)
      const status = await notary.submit(request(notary))
      assert.ok(await settled(anchoring, status.size))
      assert.ok(warnings.length > 0)
      assert.equal((await real.latest())?.size, notary.log.size)
      assert.equal((await real.find(status.size))?.size, status.size)
      await anchoring.close()
      await check()
    })
  }
}

/** Waits until the ledger is final at `size`, failures on the way notwithstanding. */
async function settled(anchoring: ReturnType<typeof createAnchoring>, size: number): Promise<boolean> {
  for (let i = 0; i < 500; i++) {
    if (anchoring.states().every(s => s.finalSize >= size)) return true
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  return false
}
