import assert from 'node:assert/strict'
import { createHash, createPrivateKey } from 'node:crypto'
import { test } from 'node:test'
import { deriveKeys } from './keys.ts'
import { createLease, formatLease, type Held, LEASE_MS, parseLease, RENEW_MS, SURE_MS, WATCH_MS } from './lease.ts'
import { leaseConformance } from '#store/lease-conformance.ts'
import { createMemoryLease } from './test/memory.ts'

leaseConformance('in memory', async () => {
  const lease = createMemoryLease()
  return [lease, lease]
})

// A key of a fixed seed, for tests only.
const seed = createHash('sha256').update('entente test log key').digest()
const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
const keys = deriveKeys(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }))
const key = keys.lease

/** Two servers, each with a clock of its own. */
function two() {
  const store = createMemoryLease()
  const clock = { ms: 5_000_000 }
  const open = (id: string, offset = 0) =>
    createLease({ store, key, id, address: `${id}:1`, now: () => clock.ms + offset })
  return { store, clock, open }
}

test('the keys of a log key of a fixed seed', () => {
  assert.deepEqual([keys.psk.toString('hex'), keys.lease.toString('hex')], VECTORS)
})
const VECTORS = [
  '828ed8157775963b779c6a3d21a1155bdf248f5b4ba056b365dc69184ab46f9e',
  '1ecb6cce50e944161051485561edb0b697b32b358e7324400d0410b07a64e5be',
]

test('who has watched a lease stand still for long enough takes it, whatever the clocks say; its holder has stopped relying on it by then', async () => {
  const { clock, open } = two()
  const [a, b] = [open('a'), open('b', -1e9)]
  await a.look()
  assert.equal(a.mayTake(false), false)
  clock.ms += LEASE_MS
  assert.equal(a.mayTake(false), true)
  assert.equal(await a.take(), true)
  for (let beat = 0; beat < 5; beat++) {
    await b.look()
    assert.equal(b.mayTake(false), false)
    assert.equal(a.isSure(), true)
    clock.ms += RENEW_MS
    assert.equal(await a.renew(), true)
  }
  await b.look()
  clock.ms += SURE_MS
  assert.equal(a.isSure(), false)
  assert.equal(b.mayTake(false), false)
  clock.ms += LEASE_MS - SURE_MS
  await b.look()
  assert.equal(b.mayTake(false), true)
  assert.equal(await b.take(), true)
  assert.equal(b.term, 2)
  assert.equal(await a.renew(), false)
  assert.equal(a.isSure(), false)
})

test('of two who take it at once one has it', async () => {
  const { clock, open } = two()
  const [a, b] = [open('a'), open('b')]
  await Promise.all([a.look(), b.look()])
  clock.ms += LEASE_MS
  assert.deepEqual(await Promise.all([a.take(), b.take()]), [true, false])
  await b.look()
  assert.equal(b.mayTake(false), false)
})

test('what is given back, or is of a process that is gone, is taken at once by who has watched for a while', async () => {
  for (const how of ['released', 'gone'] as const) {
    const { clock, open } = two()
    const [a, b, c] = [open('a'), open('b'), open('c')]
    await Promise.all([a.look(), b.look()])
    clock.ms += LEASE_MS
    await a.take()
    await b.look()
    if (how === 'released') await a.release()
    assert.equal(a.isSure(), how === 'gone')
    await Promise.all([b.look(), c.look()])
    assert.equal(b.mayTake(how === 'gone'), true)
    // It has just started: that may be an old lease that somebody put back.
    assert.equal(c.mayTake(how === 'gone'), false)
    clock.ms += WATCH_MS
    assert.equal(c.mayTake(how === 'gone'), true)
    assert.equal(await b.take(), true)
    assert.equal(await c.take(), false)
  }
})

test('whatever somebody writes into the store costs the holder nothing, and nobody for longer than a lease', async () => {
  const stranger: Held = { holder: 'x', address: 'x:1', term: 1e9, beat: 0, released: false }
  const old: string[] = []
  const writes: Record<string, (text: string) => string | undefined> = {
    'the lease deleted': () => undefined,
    garbage: () => 'garbage',
    'a stranger': () => formatLease(stranger, Buffer.alloc(32)),
    'the term changed': text => text.replace('"term":2', '"term":9007199254740991'),
    'another address': text => text.replace('a:1', 'x:1'),
    'given back': text => text.replace('"released":false', '"released":true'),
    'an older term, which was given back': () => old[0],
    'an older beat': () => old[1],
    'very long': text => text + 'x'.repeat(100_000),
    'no MAC': text => text.split('\n')[0],
  }
  for (const [what, write] of Object.entries(writes)) {
    const { store, clock, open } = two()
    const [a, b] = [open('a'), open('b')]
    await a.look()
    clock.ms += LEASE_MS
    await a.take()
    await a.release()
    old[0] = store.text as string
    await a.look()
    await a.take()
    old[1] = store.text as string
    await b.look()
    await a.renew()
    clock.ms += WATCH_MS
    await b.look()
    store.text = write(store.text as string)
    await b.look()
    assert.equal(b.mayTake(false), false, what)
    assert.equal(a.isSure(), true, what)
    assert.equal(await a.renew(), true, what)
    assert.equal((await b.look())?.holder, 'a', what)
    assert.equal(b.term, 2, what)
    // The holder is gone as well.
    store.text = write(store.text as string)
    await b.look()
    clock.ms += LEASE_MS
    await b.look()
    assert.equal(b.mayTake(false), true, what)
    assert.equal(await b.take(), true, what)
    assert.equal(parseLease(store.text as string, key)?.holder, 'b', what)
  }
})

test('an answer that was lost is no loss', async () => {
  const { store, clock, open } = two()
  const a = open('a')
  await a.look()
  clock.ms += LEASE_MS
  await a.take()
  const { swap } = store
  store.swap = async (...args) => {
    await swap(...args)
    store.swap = swap
    throw new Error('the answer was lost')
  }
  await assert.rejects(a.renew())
  assert.equal(await a.renew(), true)
  assert.equal(a.isSure(), true)
  assert.equal(parseLease(store.text as string, key)?.beat, 1)
  await a.release()
  assert.equal(parseLease(store.text as string, key)?.released, true)
})
