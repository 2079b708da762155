// Several notaries over one store: one writes, the others follow; what the store says of the log is held against what each knows.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { openSqliteStore } from '#store/sqlite/sqlite.ts'
import { type CollectionHead, type Journal, type Store, StoreError, type StoredHead } from '#store/store.ts'
import { audit } from './audit.ts'
import { toLogKey } from './key.ts'
import { Moved, openNotary, type Others } from './notary.ts'
import { testObject, testRequest } from './test/request.ts'

const COLLECTIONS = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'].map(id => ({
  apiRoot: '/api/',
  id,
}))
const key = toLogKey('test.example/log', generateKeyPairSync('ed25519').privateKey)

/** A store whose reads of the head somebody may falsify. */
type Lies = { head?: StoredHead; collections?: CollectionHead[] }

function open(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'entente-follow-'))
  const store = openSqliteStore({ path: join(folder, 'store.db'), create: true })
  t.after(async () => {
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const lies: Lies = {}
  const told: Store & Journal = {
    ...store,
    head: async () => lies.head ?? store.head(),
    collections: async () => lies.collections ?? store.collections(),
  }
  const notary = (others?: Others, from: Store & Journal = store) =>
    openNotary({
      store: from,
      origin: 'test.example/log',
      vkey: key.vkey,
      signer: key.signer,
      ...(others ? { others } : {}),
    })
  return { store, lies, told, notary }
}

/** Nobody else is there. */
const alone: Others = { submit: () => Promise.reject(new Moved()), conflict: () => {} }

test('a follower goes on to what the leader stored: the same head, root and collections, over many sizes', async t => {
  const { notary } = open(t)
  const leader = await notary(alone)
  await leader.lead(COLLECTIONS)
  const follower = await notary(alone)
  for (const count of [1, 3, 250, 1, 2, 600, 1]) {
    await leader.submit(
      testRequest(
        leader,
        Array.from({ length: count }, () => testObject()),
      ),
    )
    assert.equal(await follower.advance(), true)
    assert.equal(await follower.advance(), false)
    assert.equal(follower.log.head?.note, leader.log.head?.note)
    assert.deepEqual(follower.log.root, leader.log.root)
    const heads = (of: typeof leader) =>
      [...of.log.collections.values()].map(c => [c.number, c.id, c.count, c.lastAdded, Buffer.from(c.root)])
    assert.deepEqual(heads(follower), heads(leader))
    const bundle = await follower.log.tiles.bundle(0)
    assert.equal(bundle.count, Math.min(256, leader.log.size))
  }
})

test('who leads next goes on where the last one stopped, and who led hands over what waits', async t => {
  const { store, notary } = open(t)
  const taken: string[] = []
  let conflicts = 0
  const first = await notary({
    submit: async request => {
      taken.push(request.statusId)
      return second.submit(request)
    },
    conflict: () => conflicts++,
  })
  const second = await notary(alone)
  await first.lead(COLLECTIONS)
  const before = await first.submit(testRequest(first, [testObject()]))
  await second.lead(COLLECTIONS)
  await second.submit(testRequest(second, [testObject()]))
  // The first does not know: its commit conflicts, and what it was asked goes to the second.
  const object = testObject()
  const [late, refused] = await Promise.allSettled([
    first.submit(testRequest(first, [object])),
    first.submit(testRequest(first, [], { erase: { id: object.id, versions: rows => rows } })),
  ])
  assert.equal(late.status, 'fulfilled')
  assert.equal(refused.status, 'rejected')
  assert.ok((refused as PromiseRejectedResult).reason instanceof Moved)
  assert.equal(conflicts, 1)
  assert.equal(taken.length, 1)
  assert.equal(first.halted, undefined)
  await first.follow()
  await first.advance()
  assert.equal(first.log.size, second.log.size)
  const again = await first.submit(testRequest(first, [object]))
  assert.equal(again.accepted.length, 1)
  assert.ok(again.size >= before.size)
  // Back and forth: seq and dates stay strict, and the log is one.
  for (let turn = 0; turn < 4; turn++) {
    const [from, to] = turn % 2 === 0 ? [second, first] : [first, second]
    if (from === first) await from.follow()
    await to.lead(COLLECTIONS)
    await to.submit(testRequest(to, [testObject(), testObject()]))
  }
  const rows = await store.records(1, { from: 0, limit: 1000, text: 'all' })
  rows.slice(1).forEach((row, i) => {
    assert.equal(row.seq, (rows[i]?.seq ?? 0) + 1)
    assert.ok(row.added > (rows[i]?.added ?? 0))
  })
  assert.deepEqual((await audit({ store, vkey: key.vkey, anchors: [] })).problems, [])
})

test('who is late and meets rows of the next one has lost as well: nothing is called damaged for that', async t => {
  const { store, notary } = open(t)
  let conflicts = 0
  const first = await notary({ submit: request => second.submit(request), conflict: () => conflicts++ })
  const second = await notary(alone)
  await first.lead(COLLECTIONS)
  await second.lead(COLLECTIONS)
  // Over more than one bundle of the log, so that the first can't even look.
  const objects = Array.from({ length: 600 }, () => testObject())
  await second.submit(testRequest(second, objects))
  const status = await first.submit(testRequest(first, objects.slice(-2)))
  assert.equal(status.accepted.length, 2)
  assert.equal(conflicts, 1)
  assert.equal((await store.records(1, { from: 0, limit: 1000, text: 'none' })).length, 600)
})

test('a head that is read while its own commit is on its way back is not forked from', async t => {
  const { store, notary } = open(t)
  let halfway: (() => Promise<unknown>) | undefined
  const slow: Store & Journal = {
    ...store,
    commit: async (expected, batch) => {
      await store.commit(expected, batch)
      await halfway?.()
    },
  }
  const one = await notary(undefined, slow)
  await one.found(COLLECTIONS)
  halfway = () => one.advance()
  for (let i = 0; i < 3; i++) await one.submit(testRequest(one, [testObject()]))
  assert.equal(one.halted, undefined)
  assert.equal((await store.head())?.note, one.log.head?.note)
  assert.deepEqual((await audit({ store, vkey: key.vkey, anchors: [] })).problems, [])
})

test('an older head that the log did sign is not gone back to: the server stops', async t => {
  const { store, lies, told, notary } = open(t)
  const leader = await notary(alone)
  await leader.lead(COLLECTIONS)
  const old = await store.head()
  const heads = await store.collections()
  await leader.submit(testRequest(leader, [testObject()]))
  const follower = await notary(alone, told)
  const { head } = follower.log
  Object.assign(lies, { head: old, collections: heads })
  await assert.rejects(follower.advance(), { code: 'rolled-back' })
  assert.equal(follower.halted?.code, 'rolled-back')
  assert.equal(follower.log.head, head)
})

test('another log under the same key is not gone on to', async t => {
  const { told, lies, notary } = open(t)
  const leader = await notary(alone)
  await leader.lead(COLLECTIONS)
  await leader.submit(testRequest(leader, [testObject()]))
  const follower = await notary(alone, told)
  const other = open(t)
  const forger = await other.notary(alone)
  await forger.lead(COLLECTIONS)
  for (let i = 0; i < 3; i++) await forger.submit(testRequest(forger, [testObject()]))
  const forged = other.store
  Object.assign(lies, { head: await forged.head(), collections: await forged.collections() })
  // The head alone: the tiles under it are another log's.
  await assert.rejects(follower.advance(), { code: 'integrity' })
  Object.assign(told, { tile: forged.tile, entryBundle: forged.entryBundle })
  await assert.rejects(follower.advance(), { code: 'forked' })
  assert.equal(follower.halted?.code, 'forked')
})

test("a head that nobody signed, and collections' heads that are swapped or changed, are not taken", async t => {
  const { store, lies, told, notary } = open(t)
  const leader = await notary(alone)
  await leader.lead(COLLECTIONS)
  await leader.submit(testRequest(leader, [testObject()]))
  const follower = await notary(alone, told)
  const before = follower.log.head
  await leader.submit(testRequest(leader, [testObject()]))
  const head = (await store.head()) as StoredHead
  const heads = await store.collections()
  const [a, b] = heads as [CollectionHead, CollectionHead]
  const cases: Lies[] = [
    { head: { size: head.size, note: head.note.replace(/^(.*\n)\d+/, '$17') } },
    { head: { size: head.size + 1, note: head.note } },
    { head: { size: 1e9, note: 'garbage' } },
    {
      collections: [
        { ...a, id: b.id },
        { ...b, id: a.id },
      ],
    },
    { collections: [{ ...a, count: a.count - 1 }, b] },
    { collections: [{ ...a, root: b.root }, b] },
    { collections: [a] },
    { collections: [] },
  ]
  for (const lie of cases) {
    Object.assign(lies, { head: undefined, collections: undefined }, lie)
    await assert.rejects(follower.advance(), { code: 'integrity' }, JSON.stringify(lie))
    assert.equal(follower.log.head, before)
    assert.equal(follower.halted, undefined)
  }
  Object.assign(lies, { head: undefined, collections: undefined })
  assert.equal(await follower.advance(), true)
})

test('what is stored on its own commits is still a conflict for who writes alone', async t => {
  const { notary } = open(t)
  const [one, other] = [await notary(), await notary()]
  await one.found(COLLECTIONS)
  await other.advance()
  await one.submit(testRequest(one, [testObject()]))
  await assert.rejects(other.submit(testRequest(other, [testObject()])), StoreError)
  assert.equal(other.halted?.code, 'forked')
})
