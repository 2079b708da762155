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
import { formatGrowth, type Growth, parseGrowth } from './growth.ts'
import { toLogKey } from './key.ts'
import { Moved, type Notary, openNotary, type Others } from './notary.ts'
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

const headsOf = ({ log }: Notary) =>
  [...log.collections.values()].map(c => [c.number, c.id, c.count, c.lastAdded, Buffer.from(c.root)])
const newRequest = (notary: Notary, count: number, collection = 1) =>
  testRequest(
    notary,
    Array.from({ length: count }, () => testObject()),
    { collection },
  )

test('a follower goes on by what was added, and needs no store for it: the same log, tiles and all, also as the next leader', async t => {
  const { store, notary } = open(t)
  const leader = await notary(alone)
  await leader.lead(COLLECTIONS)
  const follower = await notary(alone)
  const sizes = [1, 3, 250, 1, 2, 600, 1, 40]
  for (const [n, count] of sizes.entries()) {
    await Promise.all([leader.submit(newRequest(leader, count)), leader.submit(newRequest(leader, n, 2))])
    if (n % 3 === 1) continue // two batches at once, the next time
    const added = leader.log.since(follower.log.size)
    assert.ok(added)
    const { growth, head } = parseGrowth(formatGrowth(added, leader.log.head as StoredHead))
    follower.extend(growth, head)
    assert.deepEqual(follower.log.head, leader.log.head)
    assert.deepEqual(follower.log.root, leader.log.root)
    assert.deepEqual(headsOf(follower), headsOf(leader))
    for (const row of await store.records(1, { from: 0, limit: 2000, text: 'all' }))
      assert.equal((await follower.reader.open(row)).ok, true)
  }
  // Where it stands already, or somewhere else, it stays.
  const { head } = follower.log
  follower.extend({ from: 0, entries: [], collections: [] }, head as StoredHead)
  assert.equal(follower.log.head, head)
  assert.equal(leader.log.since(17), undefined)
  await leader.follow()
  await follower.lead(COLLECTIONS)
  await follower.submit(newRequest(follower, 300, 2))
  assert.deepEqual((await audit({ store, vkey: key.vkey, anchors: [] })).problems, [])
})

test('tiles and bundles that are of a later head already do not stand in the way of what is added', async t => {
  const { store, lies, told, notary } = open(t)
  const leader = await notary(alone)
  await leader.lead(COLLECTIONS)
  await leader.submit(newRequest(leader, 10))
  const [head, collections] = [await store.head(), await store.collections()]
  await leader.submit(newRequest(leader, 7))
  Object.assign(lies, { head, collections })
  const follower = await notary(alone, told)
  assert.deepEqual(follower.log.head, head)
  await leader.submit(newRequest(leader, 300))
  follower.extend(leader.log.since(follower.log.size) as Growth, leader.log.head as StoredHead)
  assert.equal(follower.log.size, leader.log.size)
  const [ours, theirs] = await Promise.all([follower, leader].map(({ log }) => log.tiles.bundle(0)))
  assert.deepEqual(ours?.bytes, theirs?.bytes)
  for (const row of await store.records(1, { from: 0, limit: 1000, text: 'all' }))
    assert.equal((await follower.reader.open(row)).ok, true, `record ${row.seq}`)
})

test('what was added and is not what the checkpoint says is not taken', async t => {
  const { notary } = open(t)
  const leader = await notary(alone)
  await leader.lead(COLLECTIONS)
  const follower = await notary(alone)
  const before = follower.log.head
  await leader.submit(newRequest(leader, 5))
  const [good, head] = [leader.log.since(follower.log.size) as Growth, leader.log.head as StoredHead]
  const first = good.collections[0] as Growth['collections'][number]
  const entries = (change: (list: Uint8Array[]) => void) => {
    const list = [...good.entries]
    change(list)
    return { ...good, entries: list }
  }
  const forger = await open(t).notary(alone)
  await forger.lead(COLLECTIONS)
  await forger.submit(newRequest(forger, 5))
  const cases: [Growth, StoredHead][] = [
    [entries(list => list.splice(2, 1)), head],
    [entries(list => list.splice(2, 0, Buffer.alloc(32))), head],
    [entries(list => list.splice(1, 1, Buffer.alloc(32))), head],
    [entries(list => list.reverse()), head],
    [{ ...good, collections: [] }, head],
    [{ ...good, collections: [{ ...first, number: 2, id: COLLECTIONS[1]?.id as string }] }, head],
    [{ ...good, collections: [{ ...first, at: first.at.slice(1) }] }, head],
    [{ ...good, collections: [{ ...first, at: [...first.at].reverse() }] }, head],
    [{ ...good, collections: [first, { ...first, number: 3, id: 'x', at: [] }] }, head],
    [good, { ...head, size: head.size + 1 }],
    [good, { ...head, note: head.note.replace(/^(.*\n\d+\n).*\n/, `$1${'A'.repeat(43)}=\n`) }],
    [good, forger.log.head as StoredHead],
  ]
  for (const [growth, at] of cases) {
    assert.throws(() => follower.extend(growth, at), { code: 'integrity' }, JSON.stringify(growth.collections))
    assert.equal(follower.log.head, before)
  }
  for (const bytes of [Buffer.alloc(0), Buffer.from('{}'), formatGrowth(good, head).subarray(0, -1)])
    assert.throws(() => parseGrowth(bytes))
  follower.extend(good, head)
  assert.equal(follower.log.head, head)
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

test('that holds where this server goes on to what is stored while the batch fails', async t => {
  const { store, notary } = open(t)
  const gate = Promise.withResolvers<void>()
  let isHeld = false
  const slow: Store & Journal = {
    ...store,
    head: async () => {
      if (isHeld) await gate.promise
      return store.head()
    },
  }
  let conflicts = 0
  const first = await notary({ submit: request => second.submit(request), conflict: () => conflicts++ }, slow)
  const second = await notary(alone)
  await first.lead(COLLECTIONS)
  await second.lead(COLLECTIONS)
  const objects = Array.from({ length: 600 }, () => testObject())
  await second.submit(testRequest(second, objects))
  isHeld = true
  const advanced = first.advance()
  const status = first.submit(testRequest(first, objects.slice(-2)))
  await new Promise(resolve => setTimeout(resolve, 50)) // the batch has met the rows, and asks for what is stored as well
  gate.resolve()
  assert.equal(await advanced, true)
  assert.equal((await status).accepted.length, 2)
  assert.equal(conflicts, 1)
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
