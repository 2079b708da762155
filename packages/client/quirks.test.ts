import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ClientError, createTaxiiClient, type TaxiiClientOptions } from './index.ts'
import { indicators, type Reply, type Seen, startFake } from './test/fake.ts'

/** Servers that are not ours, as they are met: each test is one of their habits. */
const PATH = '/api1/collections/91a7b528-80eb-42ed-a74d-c6fbd5a26116/'
const objects = indicators(10)
const date = (n: number) => `2026-01-01T00:00:00.${String(n).padStart(6, '0')}Z`

async function open(
  t: TestContext,
  answer: (seen: Seen, count: number) => Reply | Promise<Reply>,
  options: Partial<TaxiiClientOptions> = {},
) {
  const fake = await startFake(t, answer)
  const slept: number[] = []
  const client = createTaxiiClient({
    url: fake.url,
    auth: { kind: 'basic', user: 'ünal', password: 'pä:ss' },
    random: () => 0,
    sleep: async ms => void slept.push(ms),
    ...options,
  })
  return { ...fake, client, collection: client.collection(PATH), slept }
}

async function readAll(collection: ReturnType<ReturnType<typeof createTaxiiClient>['collection']>, limit?: number) {
  const names: unknown[] = []
  for await (const { items } of collection.objects({ limit })) names.push(...items.map(o => o['name']))
  return names
}
const names = (from: number, to: number) => objects.slice(from, to).map(o => o['name'])

/** A server with a list of objects and their dates, `more` without `next`, pages of `size`. */
const withoutNext =
  (dates: string[], size: number) =>
  ({ url }: Seen): Reply => {
    const after = url.searchParams.get('added_after') ?? ''
    const rest = dates.map((d, i) => [d, i] as const).filter(([d]) => d > after)
    const page = rest.slice(0, size)
    return {
      headers: { 'X-TAXII-Date-Added-First': page[0]?.[0] ?? '', 'X-TAXII-Date-Added-Last': page.at(-1)?.[0] ?? '' },
      json: { more: rest.length > size, objects: page.map(([, i]) => objects[i]) },
    }
  }

test('sends what every server takes: exact media types, Basic in UTF-8, paths with a final slash', async t => {
  const { collection, seen } = await open(t, () => ({ json: {} }))
  assert.deepEqual(await readAll(collection), [])
  const { headers, url } = seen[0]!
  assert.equal(url.pathname, `${PATH}objects/`)
  assert.equal(headers.accept, 'application/taxii+json;version=2.1')
  assert.equal(Buffer.from(headers.authorization!.slice(6), 'base64').toString(), 'ünal:pä:ss')
})

test('follows next with the same query (section 3.4)', async t => {
  const { collection, seen } = await open(t, ({ url }) => {
    const at = Number(url.searchParams.get('next') ?? 0)
    return { json: { more: at + 4 < 10, next: String(at + 4), objects: objects.slice(at, at + 4) } }
  })
  const found: unknown[] = []
  const query = { types: ['indicator', 'malware'], addedAfter: date(0), versions: ['all'], limit: 4 }
  for await (const { items } of collection.objects(query)) found.push(...items.map(o => o['name']))
  assert.deepEqual(found, names(0, 10))
  assert.equal(seen.length, 3)
  for (const { url } of seen) {
    assert.equal(url.searchParams.get('match[type]'), 'indicator,malware')
    assert.equal(url.searchParams.get('added_after'), date(0))
    assert.equal(url.searchParams.get('limit'), '4')
  }
})

test('goes on by added_after where a server says more without next', async t => {
  const { collection } = await open(
    t,
    withoutNext(
      objects.map((_, i) => date(i * 10)),
      4,
    ),
  )
  assert.deepEqual(await readAll(collection), names(0, 10))
})

test('… and loses nothing where objects on both sides of a page share their date_added', async t => {
  const dates = [1, 2, 2, 5, 5, 5, 7, 8, 8, 9].map(date)
  const { collection } = await open(t, withoutNext(dates, 4))
  assert.deepEqual(await readAll(collection), names(0, 10))
})

test('… and says so where more share one date_added than fit on a page', async t => {
  const { collection } = await open(t, withoutNext(Array(10).fill(date(5)), 4))
  await assert.rejects(readAll(collection), { code: 'stuck', message: /ask for a larger limit/ })
})

test('refuses to turn in circles: the same next again, or more without a way on', async t => {
  const circle = await open(t, () => ({ json: { more: true, next: 'a', objects: [objects[0]] } }))
  await assert.rejects(readAll(circle.collection), { code: 'stuck', message: /same "next" again/ })
  assert.equal(circle.seen.length, 2)
  const dead = await open(t, () => ({ json: { more: true, objects: [objects[0]] } }))
  await assert.rejects(readAll(dead.collection), { code: 'stuck', message: /neither "next"/ })
})

test('manifest pages go on by the date_added of their last record', async t => {
  const records = objects.map((o, i) => ({ id: o.id, version: o['modified'], date_added: date(i) }))
  const { collection } = await open(t, ({ url }) => {
    const rest = records.filter(r => r.date_added > (url.searchParams.get('added_after') ?? ''))
    return { json: { more: rest.length > 3, objects: rest.slice(0, 3) } }
  })
  const found = []
  for await (const { items } of collection.manifest()) found.push(...items)
  assert.deepEqual(found, records)
})

test('429 and 503 are waited for as long as Retry-After says, and at most so often', async t => {
  const { collection, slept, seen } = await open(t, (_, count) => {
    if (count === 1) return { status: 429, headers: { 'retry-after': '2' } }
    if (count === 2) return { status: 503, json: { title: 'busy' } }
    if (count === 3) return undefined
    return { json: { objects } }
  })
  assert.deepEqual(await readAll(collection), names(0, 10))
  assert.equal(seen.length, 4)
  assert.deepEqual(slept, [2000, 250, 500])
  const never = await open(t, () => ({ status: 429, json: { title: 'slow down' } }), { retries: 2 })
  await assert.rejects(readAll(never.collection), { code: 'rate-limited', message: /^slow down \(429/ })
  assert.equal(never.seen.length, 3)
  const later = await open(t, () => ({ status: 503, headers: { 'retry-after': '7200' } }))
  await assert.rejects(readAll(later.collection), { code: 'unavailable' })
  assert.equal(later.seen.length, 1)
})

test('a POST whose answer was lost is sent again; a DELETE of the newest version is not', async t => {
  const status = { id: '1', status: 'complete', total_count: 1, success_count: 1, failure_count: 0, pending_count: 0 }
  const post = await open(t, ({ method }, count) =>
    method === 'GET' ? { status: 404 } : count === 2 ? undefined : { status: 202, json: status },
  )
  const [answer] = await post.collection.add([objects[0]!])
  assert.equal(answer?.success_count, 1)
  assert.deepEqual(
    post.seen.map(s => s.method),
    ['GET', 'POST', 'POST'],
  )
  assert.equal(post.seen[1]?.body, post.seen[2]?.body)
  const lost = await open(t, () => undefined)
  await assert.rejects(lost.collection.delete('indicator--1'), { code: 'unreachable' })
  assert.equal(lost.seen.length, 1)
  await assert.rejects(lost.collection.delete('indicator--1', { versions: [date(1)] }), { code: 'unreachable' })
  assert.equal(lost.seen.length, 6)
})

test('requests stay below max_content_length and the batch; a 413 all the same is answered in halves', async t => {
  const one = JSON.stringify(objects[0]).length
  let id = 0
  const answer = ({ method, body }: Seen): Reply => {
    if (method === 'GET') return { json: { title: 'root', versions: [], max_content_length: 3 * one + 30 } }
    const count = (JSON.parse(body) as { objects: unknown[] }).objects.length
    if (count > 2) return { status: 413, json: { title: 'too large' } }
    return { status: 202, json: { id: String(++id), status: 'complete', success_count: count } }
  }
  const { collection, seen } = await open(t, answer)
  const added = []
  for await (const each of collection.send(objects, { batch: 5, inFlight: 2 })) added.push(each)
  added.sort((a, b) => a.from - b.from)
  assert.equal(
    added.reduce((sum, a) => sum + a.count, 0),
    10,
  )
  assert.deepEqual(added[0]?.from, 0)
  const posts = seen.filter(s => s.method === 'POST')
  for (const { body } of posts) assert.ok(body.length <= 3 * one + 30, `${body.length}`)
  const sent = posts.map(p => (JSON.parse(p.body) as { objects: { id: string }[] }).objects).filter(o => o.length <= 2)
  assert.deepEqual(
    sent
      .flat()
      .map(o => o.id)
      .sort(),
    objects.map(o => o.id),
  )
  const alone = await open(t, ({ method }) => (method === 'GET' ? { status: 403 } : { status: 413 }))
  await assert.rejects(alone.collection.add([objects[0]!]), { code: 'too-large' })
})

test('what is under way when a request fails is waited for and told', async t => {
  const { collection } = await open(t, async ({ method, body }) => {
    if (method === 'GET') return { status: 404 }
    const first = (JSON.parse(body) as { objects: { name: string }[] }).objects[0]?.name
    if (first === 'indicator 2') return { status: 403, json: { title: 'no' } }
    await new Promise(resolve => setTimeout(resolve, 50))
    return { status: 202, json: { id: first, status: 'complete', success_count: 2 } }
  })
  const ids: string[] = []
  const run = async () => {
    for await (const { status } of collection.send(objects, { batch: 2, inFlight: 2 })) ids.push(status.id)
  }
  await assert.rejects(run(), { code: 'forbidden' })
  assert.deepEqual(ids, ['indicator 0'])
})

test('errors keep the words of the server, whatever their form', async t => {
  const cases: [Reply, Partial<ClientError>, RegExp][] = [
    [{ status: 401 }, { code: 'unauthorized' }, /^HTTP 401/],
    [
      { status: 403, json: { title: 'Forbidden', description: 'not yours', error_code: 'x', http_status: '403' } },
      { code: 'forbidden' },
      /^Forbidden: not yours \(403/,
    ],
    [
      { status: 404, json: { code: 404, name: 'Not Found', description: 'gone' } },
      { code: 'not-found' },
      /^Not Found: gone/,
    ],
    [{ status: 406, headers: { 'content-type': 'text/html' }, text: '<h1>x</h1>' }, { code: 'refused' }, /^HTTP 406/],
    [{ status: 500, json: { title: 'T', error_code: 'integrity' } }, { code: 'integrity' }, /^T \(500/],
    [{ status: 503, json: { title: 'T', error_code: 'rolled-back' } }, { code: 'rolled-back' }, /^T \(503/],
    [{ status: 500, text: 'x'.repeat(200_000) }, { code: 'unavailable' }, /^HTTP 500/],
  ]
  for (const [reply, expected, message] of cases) {
    const { collection, seen } = await open(t, () => reply)
    await assert.rejects(collection.info(), { name: 'ClientError', ...expected, message })
    assert.equal(seen.length, 1, `${expected.code} is not tried again`)
  }
  const { collection } = await open(t, () => cases[1]![0])
  const error: ClientError = await collection.info().then(
    () => assert.fail(),
    e => e,
  )
  assert.deepEqual(error.answer, { title: 'Forbidden', description: 'not yours', error_code: 'x', http_status: '403' })
  assert.equal(error.status, 403)
})

test('answers that are not TAXII are refused: HTML, broken or ambiguous JSON, other shapes', async t => {
  const replies: Reply[] = [
    { headers: { 'content-type': 'text/html; charset=utf-8' }, text: '<html></html>' },
    { text: '{"objects":[' },
    { text: '{"objects":[],"objects":[]}' },
    { text: '{"objects":[{"type":"a","id":"b","n":12345678901234567890}]}' },
    { json: { objects: 'all of them' } },
    { json: [] },
  ]
  for (const reply of replies) {
    const { collection } = await open(t, () => reply)
    await assert.rejects(readAll(collection), { code: 'malformed' }, JSON.stringify(reply))
  }
  const { client, collection } = await open(t, () => ({ json: { nothing: 1 } }))
  await assert.rejects(client.discovery(), { code: 'malformed' })
  await assert.rejects(client.apiRoot('/api1/'), { code: 'malformed' })
  await assert.rejects(collection.info(), { code: 'malformed' })
  await assert.rejects(collection.status('1'), { code: 'malformed' })
})

test('other content types of JSON are taken, as are versions with a space', async t => {
  for (const type of ['application/json', 'application/taxii+json; version=2.1', 'application/vnd.oasis.taxii+json']) {
    const { collection } = await open(t, () => ({ headers: { 'content-type': type }, json: { objects } }))
    assert.equal((await readAll(collection)).length, 10)
  }
})

test('answers are bounded, with and without Content-Length', async t => {
  const text = JSON.stringify({ objects })
  const replies: Reply[] = [{ text, headers: { 'content-length': String(text.length) } }, { text }]
  for (const reply of replies) {
    const { collection } = await open(t, () => reply, { maxResponseBytes: 100 })
    await assert.rejects(readAll(collection), { code: 'too-big' })
  }
})

test('a server that does not answer, or is not there', async t => {
  const hanging = await open(t, () => new Promise<Reply>(() => {}), { timeoutMs: 50, retries: 1 })
  await assert.rejects(hanging.collection.info(), { code: 'timeout', message: /within 0.05 s/ })
  assert.equal(hanging.seen.length, 2)
  const nobody = createTaxiiClient({ url: 'http://127.0.0.1:1/', retries: 0 })
  await assert.rejects(nobody.discovery(), { code: 'unreachable', message: /can't reach 127\.0\.0\.1:1: / })
})

test('credentials go to one origin only', async t => {
  const other = await startFake(t, () => ({ status: 401 }))
  const { client } = await open(t, () => ({ json: { title: 'd', api_roots: [`${other.url}root/`] } }))
  await assert.rejects(client.collections(), { code: 'unauthorized', message: /credentials are for http.* only/ })
  assert.equal(other.seen[0]?.headers.authorization, undefined)
})

test('a POST is not carried elsewhere by a redirect', async t => {
  const { collection } = await open(t, ({ method }) =>
    method === 'GET' ? { status: 404 } : { status: 301, headers: { location: 'https://elsewhere.example/' } },
  )
  await assert.rejects(collection.add([objects[0]!]), { code: 'refused', message: /https:\/\/elsewhere\.example/ })
})

test('discovery and API roots: relative, absolute, default', async t => {
  const { client, seen } = await open(t, ({ url }) => {
    if (url.pathname === '/taxii2/') return { json: { title: 'd', default: '/b/', api_roots: ['/a/', '/b/'] } }
    if (url.pathname === '/b/') return { json: { title: 'B', versions: ['x'], max_content_length: 1 } }
    return { json: { collections: [{ id: '1', title: 'one', can_read: true, can_write: false }] } }
  })
  assert.equal((await client.apiRoot()).title, 'B')
  const [one] = await client.collections()
  assert.equal(one?.url, new URL('/b/collections/1/', client.collection(PATH).url).href)
  assert.deepEqual((await client.collections('/a/'))[0]?.title, 'one')
  assert.deepEqual(
    seen.map(s => s.url.pathname),
    ['/taxii2/', '/b/', '/taxii2/', '/b/collections/', '/a/collections/'],
  )
})

test('statuses: counts that are left out, waiting, and not for ever', async t => {
  const states = [
    { id: 's', status: 'pending', pendings: [{ id: 'a', version: 'b' }] },
    { id: 's', status: 'pending', pending_count: 1 },
    { id: 's', status: 'complete', success_count: 1 },
  ]
  const { collection } = await open(t, (_, count) => ({ json: states[Math.min(count - 1, 2)] }))
  const first = await collection.status('s')
  assert.deepEqual([first.pending_count, first.total_count, first.failure_count], [1, 1, 0])
  const steps: string[] = []
  const last = await collection.waitFor(first, { onProgress: s => steps.push(s.status) })
  assert.equal(last.status, 'complete')
  assert.deepEqual(steps, ['pending', 'pending', 'complete'])
  let clock = 0
  const stalled = await open(t, () => ({ json: states[1] }), {
    now: () => clock,
    sleep: async ms => void (clock += ms),
  })
  await assert.rejects(stalled.collection.waitFor(first, { timeoutMs: 10_000 }), {
    code: 'timeout',
    message: /1 objects pending after 10 s/,
  })
  assert.ok(clock >= 10_000 && clock < 10_100, `${clock}`)
})

test('arguments that make no sense are refused before anything is sent', async t => {
  assert.throws(() => createTaxiiClient({}), { code: 'usage' })
  assert.throws(() => createTaxiiClient({ url: 'ftp://x/' }), { code: 'usage' })
  assert.throws(() => createTaxiiClient({ url: 'https://u:p@x/' }), { code: 'usage', message: /credentials/ })
  assert.throws(() => createTaxiiClient({ url: 'http://x/', auth: { kind: 'basic', user: 'a:b', password: '' } }), {
    code: 'usage',
  })
  const { client, collection, seen } = await open(t, () => ({ json: {} }))
  assert.throws(() => client.collection('/api1/'), { code: 'usage', message: /not the URL of a collection/ })
  await assert.rejects(collection.add(objects, { batch: 0 }), { code: 'usage' })
  assert.ok(seen.every(s => s.method === 'GET'))
})

test('records that do not advance, or more than asked for', async t => {
  const stuck = await open(t, () => ({ json: { more: true, next: 0, records: [] } }))
  const read = async (c: typeof stuck.collection, end?: number) => {
    const all = []
    for await (const page of c.records(0, end === undefined ? {} : { end })) all.push(...page)
    return all
  }
  await assert.rejects(read(stuck.collection), { code: 'stuck' })
  const many = await open(t, () => ({ json: { records: [1, 2, 3] } }))
  assert.deepEqual(await read(many.collection, 2), [1, 2])
  const none = await open(t, () => ({ json: {} }))
  await assert.rejects(read(none.collection), { code: 'malformed' })
})
