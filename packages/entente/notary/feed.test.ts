// What a feed is made of, read from the store row by row: over HTTP it is taxii/channels.test.ts.
import assert from 'node:assert/strict'
import { createHash, createPrivateKey } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { RECORD_PREFIX } from '@entente/verify/proof'
import type { Message } from '#channel/channel.ts'
import { openSqliteStore } from '#store/sqlite/sqlite.ts'
import type { RecordRow } from '#store/store.ts'
import { readFeed } from './feed.ts'
import { toLogKey } from './key.ts'
import { openNotary } from './notary.ts'
import { testObject, testRequest } from './test/request.ts'

// A key of a fixed seed, for tests only.
const pkcs8 = Buffer.concat([
  Buffer.from('302e020100300506032b657004220420', 'hex'),
  createHash('sha256').update('entente test feed key').digest(),
])
const key = toLogKey('test.example/log', createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }))
const source = { origin: 'test.example/log', publicUrl: 'https://taxii.example' }

async function open(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'entente-feed-'))
  const path = join(folder, 'store.db')
  const store = openSqliteStore({ path, create: true })
  const notary = await openNotary({ store, origin: 'test.example/log', vkey: key.vkey, signer: key.signer })
  await notary.found([1, 2].map(n => ({ apiRoot: '/api/', id: `00000000-0000-4000-8000-00000000000${n}` })))
  t.after(async () => {
    await notary.close()
    await store.close()
    rmSync(folder, { recursive: true })
  })
  const invalid: [number, string][] = []
  return {
    notary,
    invalid,
    post: async (objects: Record<string, unknown>[], collection = 1) =>
      void (await notary.submit(testRequest(notary, objects, { collection }))),
    erase: async (id: string) => {
      const erase = { id, whole: true, versions: async (rows: RecordRow[]) => rows }
      await notary.submit(testRequest(notary, [], { erase }))
    },
    /** Behind the back of the notary. */
    tamper: (sql: string) => {
      const db = new DatabaseSync(path)
      db.exec(sql)
      db.close()
    },
    read: (from: number, limit: number) =>
      readFeed(
        notary,
        source,
        1,
        { from, limit },
        { onInvalid: (row, reason) => void invalid.push([row.seq, reason]) },
      ),
  }
}

/** All of it, in pages of a size. */
async function readAll(read: (from: number, limit: number) => ReturnType<typeof readFeed>, limit: number) {
  const messages: Message[] = []
  for (let from = 0; ; ) {
    const page = await read(from, limit)
    messages.push(...page.messages)
    if (page.next === from) return messages
    from = page.next
  }
}
const told = (messages: Message[]) => messages.map(m => `${m.position} ${m.event}`)

test('every record of the collection and none of another, in pages of any size', async t => {
  const { post, read } = await open(t)
  for (let i = 0; i < 10; i++) await post([testObject(), testObject()], 1 + (i % 2))
  const whole = await readAll(read, 256)
  assert.deepEqual(
    whole.map(m => m.position),
    Array.from({ length: 10 }, (_, i) => i),
  )
  for (const limit of [1, 3, 10]) assert.deepEqual(await readAll(read, limit), whole)
  const { record, ...event } = JSON.parse(Buffer.from(whole[3]?.body as Uint8Array).toString())
  assert.deepEqual(
    [event.event, event.origin, event.api_root, event.seq, record.seq],
    ['added', source.origin, '/api/', 3, 3],
  )
  assert.equal(event.proof, `https://taxii.example/api/collections/${event.collection}/records/3/proof/`)
  const text = Buffer.from(whole[3]?.body as Uint8Array).toString()
  const hashed = RECORD_PREFIX + text.slice(text.indexOf('"record":') + 9, -1)
  assert.equal(createHash('sha256').update(hashed).digest('base64'), event.commitment)
})

test('objects of megabytes come a few at a time', async t => {
  const { post, read } = await open(t)
  for (let i = 0; i < 6; i++) await post([testObject(`https://example.org/${'x'.repeat(1_500_000)}`)])
  const first = await read(0, 256)
  assert.ok(first.messages.length >= 2 && first.messages.length < 6, `${first.messages.length}`)
  assert.equal(first.next, first.messages.length)
  assert.equal((await readAll(read, 256)).length, 6)
})

test('what was erased is not there, its deletion is; what is damaged or missing says so in its place', async t => {
  const { post, erase, read, tamper, invalid } = await open(t)
  const objects = Array.from({ length: 8 }, () => testObject())
  await post(objects)
  await erase(objects[1]?.id as string)
  tamper('update record set text = replace(text, \'"url"\', \'"URL"\') where coll = 1 and seq = 2')
  tamper('delete from record where coll = 1 and seq in (4, 5)')
  tamper('update record set text = null, id = null where coll = 1 and seq = 6')
  for (const limit of [1, 2, 256]) {
    invalid.length = 0
    assert.deepEqual(told(await readAll(read, limit)), [
      '0 added',
      '2 integrity',
      '3 added',
      '4 integrity',
      '5 integrity',
      '6 integrity',
      '7 added',
      '8 withdrawn',
    ])
    assert.deepEqual(invalid, [
      [2, 'hash'],
      [6, 'missing'],
    ])
  }
  const [damaged, gone] = (await readAll(read, 256))
    .filter(m => m.event === 'integrity')
    .map(m => JSON.parse(Buffer.from(m.body).toString()))
  assert.deepEqual([damaged.reason, typeof damaged.log_index, damaged.record], ['hash', 'number', undefined])
  assert.deepEqual([gone.reason, gone.log_index, gone.seq], ['missing', undefined, 4])
})

test('nothing of an empty collection, of one that is not there, or behind the end', async t => {
  const { notary, post, read } = await open(t)
  assert.deepEqual(await read(0, 10), { messages: [], next: 0 })
  await post([testObject()])
  assert.deepEqual(await read(1, 10), { messages: [], next: 1 })
  assert.deepEqual(await read(50, 10), { messages: [], next: 50 })
  assert.deepEqual(await readFeed(notary, source, 9, { from: 0, limit: 10 }), { messages: [], next: 0 })
})
