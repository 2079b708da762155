import assert from 'node:assert/strict'
import { createHash, createPrivateKey } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openSqliteStore } from '#store/sqlite/sqlite.ts'
import { createForgetting } from './forget.ts'
import { toLogKey } from './key.ts'
import { openNotary } from './notary.ts'
import { testObject, testRequest } from './test/request.ts'

// A key of a fixed seed, for tests only.
const pkcs8 = Buffer.concat([
  Buffer.from('302e020100300506032b657004220420', 'hex'),
  createHash('sha256').update('entente test forget key').digest(),
])
const key = toLogKey('test.example/log', createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }))
const HOUR = 3_600_000_000

/** A log whose objects all go to one channel, on a clock that the test sets. */
async function open(t: TestContext, hours: number, cursors: string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), 'entente-forget-'))
  const store = openSqliteStore({ path: join(folder, 'store.db'), create: true })
  t.after(async () => {
    await store.close()
    rmSync(folder, { recursive: true })
  })
  const time = { now: Date.UTC(2026, 0, 1) * 1000 }
  const clock = () => time.now++
  const clockBounds = { behindMs: 1e12, aheadMs: 1e12, accept: true }
  const options = { store, origin: 'test.example/log', vkey: key.vkey, signer: key.signer, clock, clockBounds }
  const notary = await openNotary({ ...options, channels: ['EVENTS'] })
  await notary.found([{ apiRoot: '/api/', id: '00000000-0000-4000-8000-000000000001' }])
  const forward = { default: ['EVENTS'], types: {} }
  return {
    store,
    forgetting: createForgetting({ notary, hours, cursors, log: () => {} }),
    pass: (count: number) => {
      time.now += count * HOUR
    },
    /** @returns the log index */
    post: async () => {
      const { size } = notary.log
      await notary.submit(testRequest(notary, [testObject()], { forward }))
      return size
    },
    left: async () => (await store.routed('EVENTS', { from: 0, limit: 1000 })).map(r => r.leaf),
  }
}

test('what went to channels is forgotten once it is old, and not much later', async t => {
  const { forgetting, pass, post, left, store } = await open(t, 48)
  const posted: { leaf: number; hour: number }[] = []
  for (let hour = 0; hour < 200; hour++) {
    await forgetting.run()
    posted.push({ leaf: await post(), hour })
    const kept = await left()
    const young = posted.filter(p => hour - p.hour < 48).map(p => p.leaf)
    assert.deepEqual(kept.slice(-young.length), young, `hour ${hour}: nothing young is gone`)
    assert.ok(kept.length <= 48 + 2 * 2 + 1, `hour ${hour}: ${kept.length} are kept`)
    assert.ok((await store.routesFrom()) <= (kept[0] as number))
    pass(1)
  }
})

test('never what a broker has not confirmed yet', async t => {
  const { forgetting, pass, post, left, store } = await open(t, 48, ['outbox:a:EVENTS', 'outbox:b:EVENTS'])
  const first = await post()
  await forgetting.run()
  const second = await post()
  pass(100)
  assert.equal(await forgetting.run(), 0, 'nobody has said how far it is')
  await store.putCursor('outbox:a:EVENTS', second + 1)
  assert.equal(await forgetting.run(), 0)
  await store.putCursor('outbox:b:EVENTS', first)
  await forgetting.run()
  assert.deepEqual(await left(), [first, second])
  await store.putCursor('outbox:b:EVENTS', second + 1)
  await forgetting.run()
  assert.deepEqual(await left(), [second], 'the second is not old by any mark')
})

test('a clock that was set back forgets nothing early', async t => {
  const { forgetting, pass, post, left } = await open(t, 48)
  const leaf = await post()
  await forgetting.run()
  pass(-1000)
  await forgetting.run()
  pass(40)
  await forgetting.run()
  assert.deepEqual(await left(), [leaf])
  pass(10)
  await forgetting.run()
  assert.deepEqual(await left(), [])
})
