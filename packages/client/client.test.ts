import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ProofError, verifyObject, verifyReceipt } from '@entente/verify/proof'
import { createTaxiiClient, readVerified, type StixObject } from './index.ts'
import { indicators } from './test/fake.ts'
import { startReal } from './test/real.ts'

/** Against the real server, in process. */
async function open(t: TestContext, more?: string) {
  const real = await startReal(t, more)
  const { url, context } = real.server
  const client = createTaxiiClient({ url, auth: { kind: 'basic', user: 'admin', password: real.password } })
  return {
    ...real,
    client,
    collection: client.collection('/api/collections/default/'),
    trust: { vkeys: [context.vkey] },
  }
}

const urlOf = (input: Parameters<typeof fetch>[0]) =>
  input instanceof Request ? input.url : input instanceof URL ? input.href : input

async function collect<T>(pages: AsyncIterable<{ items: T[] }>): Promise<T[]> {
  const all: T[] = []
  for await (const { items } of pages) all.push(...items)
  return all
}

test('finds its way from discovery to a collection', async t => {
  const { client } = await open(t)
  assert.deepEqual((await client.discovery()).api_roots, ['/api/'])
  assert.equal((await client.apiRoot()).max_content_length, 8_388_608)
  const [found] = await client.collections()
  assert.equal(found?.alias, 'default')
  const byId = await client.collection(found!.url).info()
  assert.deepEqual([byId.id, byId.can_read, byId.can_write], [found?.id, true, true])
})

test("the log's key and checkpoint", async t => {
  const { client, trust, server } = await open(t)
  assert.deepEqual([await client.logKey()], trust.vkeys)
  assert.equal(await client.checkpoint(), server.notary.log.head?.note)
})

test('what was added comes back, page by page, filtered, by id, in versions and manifest', async t => {
  const { collection, trust } = await open(t)
  const objects = indicators(30)
  const statuses = await collection.add(objects, { batch: 8 })
  assert.deepEqual(
    statuses.map(s => s.total_count),
    [8, 8, 8, 6],
  )
  for (const status of statuses) {
    assert.equal((await collection.waitFor(status)).success_count, status.total_count)
    assert.equal(verifyReceipt(status.x_entente_receipt!, trust.vkeys).entries.length, status.total_count)
  }
  const byId = (a: StixObject, b: StixObject) => (a.id < b.id ? -1 : 1)
  assert.deepEqual((await collect(collection.objects())).sort(byId), objects)
  const { id } = objects[3]!
  assert.deepEqual(await collect(collection.objects({ ids: [id] })), [objects[3]])
  assert.deepEqual(await collect(collection.objects({ types: ['malware'] })), [])
  const newer = { ...objects[3]!, modified: '2026-02-01T00:00:00.000Z', name: 'newer' }
  await collection.add([newer])
  assert.deepEqual(await collection.versions(id), ['2026-01-01T00:00:00.000Z', '2026-02-01T00:00:00.000Z'])
  assert.deepEqual(await collection.object(id), [newer])
  assert.deepEqual(await collection.object(id, { versions: ['all'] }), [objects[3], newer])
  assert.equal((await collect(collection.manifest({ versions: ['all'] }))).length, 31)
  await collection.delete(id, { versions: ['all'] })
  await assert.rejects(collection.object(id), { code: 'not-found', message: /no such object/ })
})

test('each object that is refused says why; the others are stored', async t => {
  const { collection } = await open(t)
  const [status] = await collection.add([...indicators(2), { type: 'indicator', id: 'indicator--x' }])
  assert.deepEqual([status?.total_count, status?.success_count, status?.failure_count], [3, 2, 1])
  assert.match(status?.failures?.[0]?.message ?? '', /STIX 2\.1 section/)
})

test('a server that loses its connection at every other request costs nothing', async t => {
  const { server, password } = await open(t)
  let calls = 0
  const flaky: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init)
    // Sent and handled, but the answer is lost: the worst moment.
    if (calls++ % 2 === 0) throw new TypeError('fetch failed', { cause: { code: 'ECONNRESET', message: 'reset' } })
    return answer
  }
  const client = createTaxiiClient({
    url: server.url,
    auth: { kind: 'basic', user: 'admin', password },
    fetch: flaky,
    sleep: async () => {},
  })
  const collection = client.collection('/api/collections/default/')
  const statuses = await collection.add(indicators(20), { batch: 5, inFlight: 1 })
  assert.equal(
    statuses.reduce((sum, s) => sum + s.success_count, 0),
    20,
  )
  assert.equal((await collect(collection.objects())).length, 20)
})

test('a proof of an object verifies against the pinned key, and against no other', async t => {
  const { collection, trust } = await open(t)
  const [object] = indicators(1)
  await collection.add([object!])
  const proof = await collection.proof(object!.id)
  const { record, level } = verifyObject(proof, trust)
  assert.deepEqual('object' in record && record.object, object)
  assert.equal(level, 'logged')
  const changed = structuredClone(proof) as { record: { object: Record<string, unknown> } }
  changed.record.object['name'] = 'changed'
  assert.throws(() => verifyObject(changed, trust), ProofError)
  const stranger = await open(t)
  assert.throws(() => verifyObject(proof, stranger.trust), ProofError)
})

test('readVerified gives every record up to a checkpoint, with what was deleted and refused', async t => {
  const { collection, trust } = await open(t)
  const objects = indicators(20)
  await collection.add(objects)
  await collection.delete(objects[4]!.id)
  await collection.add([{ ...objects[5]!, name: 'another meaning' }])
  const { read, verified } = await readVerified(collection, trust)
  assert.equal(verified.records.length, 22)
  assert.equal(read.records.length, 22)
  const kinds = verified.records.map(r => ('withheld' in r ? r.withheld : 'object' in r.record ? 'object' : 'event'))
  assert.equal(kinds[4], 'deleted')
  assert.equal(kinds.filter(k => k === 'object').length, 19)
  assert.equal(kinds.filter(k => k === 'event').length, 2)
})

test('readVerified while others write and delete', async t => {
  const { collection, trust, server, password } = await open(t)
  await collection.add(indicators(30))
  let pages = 0
  const client = createTaxiiClient({
    url: server.url,
    auth: { kind: 'basic', user: 'admin', password },
    fetch: async (input, init) => {
      const url = urlOf(input)
      if (url.includes('/records/') && ++pages === 2) {
        await collection.add(indicators(10, 1000))
        await collection.delete(indicators(1, 29)[0]!.id) // its record is on a page that is yet to come
      }
      return fetch(input, init)
    },
  })
  const steps: number[] = []
  const { verified } = await readVerified(client.collection(collection.url), trust, {
    page: 7,
    onProgress: n => steps.push(n),
  })
  assert.equal(verified.count, 41)
  assert.ok(steps.length > 6, 'it began again once')
})

test('readVerified refuses a record that was changed on the way', async t => {
  const { collection, trust, server, password } = await open(t)
  await collection.add(indicators(3))
  const client = createTaxiiClient({
    url: server.url,
    auth: { kind: 'basic', user: 'admin', password },
    fetch: async (input, init) => {
      const answer = await fetch(input, init)
      const url = urlOf(input)
      if (!url.includes('/records/')) return answer
      const text = (await answer.text()).replace('indicator 1', 'indicator 9')
      return new Response(text, { headers: { 'content-type': 'application/json' } })
    },
  })
  await assert.rejects(readVerified(client.collection(collection.url), trust), {
    name: 'ProofError',
    code: 'collection',
  })
})

test('wrong credentials, and a token in their place', async t => {
  const { server, client } = await open(t)
  const stranger = createTaxiiClient({ url: server.url, auth: { kind: 'token', token: 'ent_x_y' } })
  await assert.rejects(stranger.discovery(), { code: 'unauthorized', message: /valid credentials/ })
  await assert.rejects(client.collection('/api/collections/nope/').info(), { code: 'not-found' })
})

test('ATT&CK for ICS goes in and comes back as the same JSON values', async t => {
  const file = join(import.meta.dirname, '../../../shared/data/attack/ics-attack-18.1.json')
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    t.skip('the ATT&CK data is not here')
    return
  }
  const { objects } = JSON.parse(text) as { objects: StixObject[] }
  const { collection } = await open(t)
  const statuses = await collection.add(objects)
  assert.equal(
    statuses.reduce((sum, s) => sum + s.success_count, 0),
    objects.length,
  )
  const found = new Map((await collect(collection.objects({ limit: 1000 }))).map(o => [o.id, o]))
  assert.equal(found.size, objects.length)
  for (const object of objects) assert.deepEqual(found.get(object.id), object)
})
