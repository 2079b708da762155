// When a status is old enough: counted from the time at which its ledgers had it, not from the request.
import assert from 'node:assert/strict'
import { createHash, createPrivateKey } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { openSqliteStore } from '../store/sqlite/sqlite.ts'
import type { AnchorPolicy } from './finality.ts'
import { toLogKey } from './key.ts'
import { openNotary } from './notary.ts'
import { createPurge } from './purge.ts'

// A key of a fixed seed, for tests only.
const pkcs8 = Buffer.concat([
  Buffer.from('302e020100300506032b657004220420', 'hex'),
  createHash('sha256').update('entente test purge key').digest(),
])
const key = toLogKey('test.example/log', createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }))
const [A, B] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'] as const
const HOUR = 3_600_000_000

async function open(t: TestContext, policies: AnchorPolicy[]) {
  const folder = mkdtempSync(join(tmpdir(), 'entente-purge-'))
  const store = openSqliteStore({ path: join(folder, 'store.db'), create: true })
  let now = Date.UTC(2026, 0, 1) * 1000
  const clock = () => now
  const notary = await openNotary({ store, origin: 'test.example/log', vkey: key.vkey, signer: key.signer, clock })
  await notary.found([A, B].map(id => ({ apiRoot: '/api/', id })))
  t.after(async () => {
    await notary.close()
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const numbered = new Map(policies.map((p, i) => [i + 1, p]))
  const purge = createPurge({ notary, hours: 48, policies: numbered, log: () => {} })
  let made = 0
  return {
    purge,
    pass: (hours: number) => {
      now += hours * HOUR
    },
    /** @returns the id of the status */
    post: async (collection: number) => {
      const n = String(++made).padStart(12, '0')
      const value = { id: `x-test--00000000-0000-4000-8000-${n}`, type: 'x-test' }
      const object = {
        id: value.id,
        version: undefined,
        versionDigits: 0,
        spec: '2.1',
        value,
        canonical: JSON.stringify(value),
      }
      const request = { collection, apiRoot: '/api/', submitter: 'test', mayRead: true, requested: now, failed: [] }
      await notary.submit({ ...request, statusId: n, objects: [object] })
      return n
    },
    anchor: (ledger: string, final = true) =>
      store.putAnchor({
        ledger,
        size: notary.log.size,
        root: notary.log.root,
        transaction: '0x',
        block: 1,
        blockHash: '0x',
        final,
        at: now,
      }),
    left: async () => {
      const ids = Array.from({ length: made }, (_, i) => String(i + 1).padStart(12, '0'))
      const rows = await Promise.all(ids.map(async id => ((await store.status(id)) ? Number(id) : 0)))
      return rows.filter(n => n > 0)
    },
  }
}

test('without ledgers a status is complete at once, and goes after 48 hours', async t => {
  const { purge, pass, post, left } = await open(t, [{ ledgers: [], require: 'all' }])
  await post(1)
  pass(47)
  await post(1)
  assert.equal(await purge.run(), 0)
  pass(1)
  assert.equal(await purge.run(), 1)
  assert.deepEqual(await left(), [2])
})

test('with ledgers it counts from the anchor that makes it complete, under the policy of the collection', async t => {
  const { purge, pass, post, anchor, left } = await open(t, [
    { ledgers: ['a', 'b'], require: 'all' },
    { ledgers: ['a', 'b'], require: 'any' },
  ])
  await post(1)
  await post(2)
  pass(100)
  assert.equal(await purge.run(), 0, 'nothing is complete')
  await anchor('a')
  await anchor('b', false)
  pass(47)
  assert.equal(await purge.run(), 0, 'old, but complete for 47 hours only')
  pass(1)
  await purge.run()
  assert.deepEqual(await left(), [1], 'one of two ledgers is enough for the second collection')
  await anchor('b')
  await post(1)
  pass(48)
  await purge.run()
  assert.deepEqual(await left(), [3])
})

test('many go in pieces; statuses of a collection that is configured no more go as well', async t => {
  const { purge, pass, post, left } = await open(t, [{ ledgers: [], require: 'all' }])
  for (let i = 0; i < 450; i++) await post(1 + (i % 2))
  pass(48)
  assert.equal(await purge.run(), 450)
  assert.deepEqual(await left(), [])
  await purge.close()
})
