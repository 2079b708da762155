// The 65 points that the standard asks of a server (T) and the 19 bugs of other servers (B), each named in a test of this room: none may vanish.
// T61 to T65 and the other points that are decisions of ours, or of the network below HTTP, are here.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { TAXII } from './media.ts'
import { assertTaxiiError, indicator, startTestServer, type TestServer, url } from './test/server.ts'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.stop())

test('every point T01 to T65 and bug B1 to B19 is in the name of a test', () => {
  const names: string[] = []
  for (const folder of [import.meta.dirname, join(import.meta.dirname, 'auth')]) {
    for (const file of readdirSync(folder).filter(f => f.endsWith('.test.ts'))) {
      const text = readFileSync(join(folder, file), 'utf8')
      for (const [, name = ''] of text.matchAll(/\b(?:test|describe)\(\s*'((?:[^'\\]|\\.)*)'/g)) names.push(name)
    }
  }
  const named = new Set<string>()
  for (const name of names) {
    // A name begins with its points, "T34 to T42" being all of them.
    const points = /^(?:(?:[TB]\d{1,2}|to) )+/.exec(name)?.[0].trim().split(' ') ?? []
    points.forEach((point, i) => {
      named.add(point)
      if (point !== 'to') return
      const [from, to] = [Number(points[i - 1]?.slice(1)), Number(points[i + 1]?.slice(1))]
      for (let n = from; n <= to; n++) named.add(`T${String(n).padStart(2, '0')}`)
    })
  }
  const wanted = [
    ...Array.from({ length: 65 }, (_, i) => `T${String(i + 1).padStart(2, '0')}`),
    ...Array.from({ length: 19 }, (_, i) => `B${i + 1}`),
  ]
  assert.deepEqual(
    wanted.filter(point => !named.has(point)),
    [],
  )
})

test('T04 what the caller may not see is left out, and what is left is still valid', async () => {
  const seen = async (user: 'both' | 'nobody') => (await server.ask('GET', '/api/collections/', { user })).json
  assert.ok((await seen('both')).collections.every((c: any) => c.alias !== 'secret'))
  assert.deepEqual(await seen('nobody'), {})
  assert.equal(typeof (await server.ask('GET', '/taxii2/', { user: 'nobody' })).json.title, 'string')
})

test('T10 resources of our own: proofs, records, the log; named with x_entente_, found from the standard ones', async () => {
  const root = (await server.ask('GET', '/api/')).json
  const collection = (await server.ask('GET', '/api/collections/default/')).json
  await server.add([indicator()])
  for (const path of [root.x_entente_log.checkpoint, collection.x_entente_log.proof, collection.x_entente_log.records])
    assert.equal((await server.ask('GET', path, { headers: { accept: '*/*' } })).status, 200, path)
})

const post = (body: string) => server.ask('POST', '/api/collections/default/objects/', { body })

test('T16 bodies are I-JSON in UTF-8: a key twice, half of a surrogate pair, other encodings are refused', async () => {
  for (const body of ['{"objects":[{"a":1,"a":2}]}', '{"objects":[{"x_s":"\\ud800"}]}', '{"objects":[{"\\udfff":1}]}'])
    assertTaxiiError(await post(body), 422, 'body')
  const body = Buffer.from('{"objects":[{}]}', 'utf16le')
  assertTaxiiError(await server.ask('POST', '/api/collections/default/objects/', { body }), 422, 'body')
  assert.equal((await post(JSON.stringify({ objects: [indicator({ name: 'Ünï \u{1f600}' })] }))).json.success_count, 1)
})

test('T19 integers are within 2^53 - 1 either way', async () => {
  for (const number of ['9007199254740992', '-9007199254740992', '1e999'])
    assertTaxiiError(await post(`{"objects":[{"x_n":${number}}]}`), 422, 'body')
  const status = await server.add([indicator({ x_n: 9007199254740991, x_m: -9007199254740991 })])
  assert.equal(status.success_count, 1)
})

test('T53 B13 manifest and versions have more together with next, and it leads on', async () => {
  const object = indicator()
  await server.add([object, { ...object, modified: '2026-02-01T00:00:00.000Z' }, indicator()])
  for (const [path, list] of [
    ['manifest/?match[version]=all&limit=1', 'objects'],
    [`objects/${object.id}/versions/?limit=1`, 'versions'],
  ] as const) {
    const first = (await server.get(path)).json
    assert.deepEqual([first.more, typeof first.next, first[list].length], [true, 'string', 1])
    const second = (await server.get(`${path}&next=${first.next}`)).json
    assert.notDeepEqual(second[list], first[list])
  }
})

test('T21 exact names: properties of every resource are those of the standard, or begin with x_entente', async () => {
  const object = indicator()
  const posted = await server.add([object, { type: 'indicator' }])
  const answers: [path: string, known: string[]][] = [
    ['/taxii2/', ['title', 'description', 'contact', 'default', 'api_roots']],
    ['/api/', ['title', 'description', 'versions', 'max_content_length']],
    ['/api/collections/default/', ['id', 'title', 'description', 'alias', 'can_read', 'can_write', 'media_types']],
    [
      `/api/status/${posted.id}/`,
      'id status request_timestamp total_count success_count successes failure_count failures pending_count pendings'.split(
        ' ',
      ),
    ],
    ['/api/collections/default/objects/?limit=1', ['more', 'next', 'objects']],
    ['/api/collections/default/manifest/?limit=1', ['more', 'next', 'objects']],
    [`/api/collections/default/objects/${object.id}/versions/`, ['more', 'next', 'versions']],
  ]
  for (const [path, known] of answers) {
    const { json } = await server.ask('GET', path)
    const other = Object.keys(json).filter(name => !known.includes(name) && !/^x_entente(_[a-z]+)?$/.test(name))
    assert.deepEqual(other, [], path)
  }
})

test('T50 an object is found by its STIX id, and by nothing like it', async () => {
  const object = indicator()
  await server.add([object])
  assert.deepEqual((await server.get(`objects/${object.id}/`)).json.objects, [object])
  const uuid = object.id.slice('indicator--'.length)
  for (const id of [uuid, `malware--${uuid}`, object.id.toUpperCase(), `${object.id}x`])
    assertTaxiiError(await server.get(`objects/${id}/`), 404, 'not-found')
})

test('T61 custom properties of an object are stored as they came; of an envelope they are ignored; a name that none may have fails', async () => {
  const object = indicator({ x_ours: { deep: [1, 'two'] } })
  const envelope = { objects: [object], x_note: 'ours', more: true, next: 'x' }
  const { status, json } = await server.ask('POST', '/api/collections/default/objects/', { body: envelope })
  assert.deepEqual([status, json.success_count], [202, 1])
  assert.deepEqual((await server.get(`objects/${object.id}/`)).json.objects, [object])
  const bad = await server.add([indicator({ 'x-BAD': 1 })])
  assert.equal(bad.failure_count, 1)
  assert.match(bad.failures[0].message, /x-BAD/)
})

test('T65 no SRV record is asked for or needed: the name and port of a URL are what is connected to', async () => {
  // The standard lets a server be announced as _taxii2._tcp (section 3.9). Ours makes URLs that need no announcement: relative ones.
  const { json } = await server.ask('GET', '/taxii2/', { headers: { host: 'taxii.example:443' } })
  assert.deepEqual([json.default, json.api_roots], ['/api/', ['/api/']])
  const client = join(import.meta.dirname, '../../client')
  for (const file of readdirSync(client).filter(f => f.endsWith('.ts')))
    assert.doesNotMatch(readFileSync(join(client, file), 'utf8'), /node:dns|resolveSrv|_taxii2/, file)
})

test('B9 a collection of many ids is filtered without naming each: 3,000 ids, first page of newest versions', async () => {
  const many = Array.from({ length: 3000 }, () => url())
  for (let i = 0; i < many.length; i += 1000) await server.add(many.slice(i, i + 1000), 'strict')
  const started = performance.now()
  const { json } = await server.ask('GET', '/api/collections/strict/objects/?match[version]=last&limit=100')
  assert.ok(performance.now() - started < 2000)
  assert.deepEqual(json.objects, many.slice(0, 100))
  assert.equal(json.more, true)
})

test('B14 X-TAXII-Date-Added is when it was added, in RFC 3339 with microseconds, whatever the object says of its dates', async () => {
  const before = Date.now()
  const object = indicator({ created: '1999-01-01T00:00:00.000Z', modified: '2031-01-01T00:00:00.000Z' })
  await server.add([object])
  const { headers } = await server.get(`objects/${object.id}/versions/`)
  for (const name of ['x-taxii-date-added-first', 'x-taxii-date-added-last']) {
    const date = String(headers[name])
    assert.match(date, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
    assert.ok(Math.abs(Date.parse(date) - before) < 60_000, date)
  }
  assert.equal(
    (await server.get(`manifest/?match[id]=${object.id}`)).json.objects[0].date_added,
    headers['x-taxii-date-added-first'],
  )
  assert.equal(headers['content-type'], TAXII)
})
