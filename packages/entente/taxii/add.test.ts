import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { canonicalize } from '@entente/verify/json'
import { type Asked, assertTaxiiError, indicator, newId, startTestServer, type TestServer, url } from './test/server.ts'

const OBJECTS = '/api/collections/default/objects/'

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.stop())

const post = (body: unknown, asked: Asked = {}) => server.ask('POST', OBJECTS, { body, ...asked })
const sha256 = (value: unknown) => createHash('sha256').update(canonicalize(value)).digest('hex')
const records = async (): Promise<any[]> => (await server.get('records/?limit=10000')).json.records
const stored = async (id: string) => (await server.get(`objects/${id}/?match[version]=all`)).json.objects

describe('objects by themselves', () => {
  test('T55 202 with a status resource', async () => {
    const { status, json, headers } = await post({ objects: [indicator()] })
    assert.equal(status, 202)
    assert.equal(headers['content-type'], 'application/taxii+json;version=2.1')
    assert.equal(json.success_count, 1)
  })

  test('T58 B7 valid and invalid objects in one request: the valid are stored, the others fail each by itself', async () => {
    const good = [indicator(), url(), indicator()]
    const bad = [
      indicator({ pattern: undefined }),
      indicator({ id: 'indicator--not-a-uuid' }),
      indicator({ modified: '2020-01-01T00:00:00.000Z' }),
      { type: 'indicator' },
      {},
      null,
      7,
      'text',
      [],
      { ...indicator(), type: 'Bad Type' },
      { type: 'bundle', id: newId('bundle'), objects: [] },
    ]
    const objects = [good[0], ...bad.slice(0, 5), good[1], ...bad.slice(5), good[2]]
    const { status, json } = await post({ objects })
    assert.equal(status, 202)
    assert.deepEqual([json.total_count, json.success_count, json.failure_count], [14, 3, 11])
    assert.deepEqual(
      json.successes.map((s: any) => s.id),
      good.map(o => o?.id),
    )
    for (const failure of json.failures) {
      for (const name of ['id', 'version', 'message']) assert.equal(typeof failure[name], 'string')
      assert.match(failure.message, /STIX 2\.1 section/)
    }
    for (const o of good) assert.deepEqual(await stored(o?.id ?? ''), [o])
  })

  test('a request whose objects all fail is complete, and logs nothing', async () => {
    const before = (await records()).length
    const status = await server.add([{ type: 'indicator' }])
    assert.deepEqual([status.status, status.failure_count, status.success_count], ['complete', 1, 0])
    assert.equal((await records()).length, before)
  })

  test('B18 an observable without spec_version is stored as it is', async () => {
    const { spec_version: _, ...observable } = url()
    assert.equal((await server.add([observable])).success_count, 1)
    assert.deepEqual(await stored(observable.id), [observable])
    const { json } = await server.get(`manifest/?match[id]=${observable.id}`)
    assert.equal(json.objects[0].media_type, 'application/stix+json;version=2.1')
  })

  test('an object of STIX 2.0, without spec_version, fails with the reason and is no 500', async () => {
    const { spec_version: _, ...old } = indicator()
    const status = await server.add([old])
    assert.match(status.failures[0].message, /spec_version/)
  })

  test('an object deeper or stranger than STIX allows fails, and is no 500', async () => {
    let deep: unknown = 1
    for (let i = 0; i < 40; i++) deep = { deep }
    const status = await server.add([
      { ...url(), x_deep: deep },
      { ...url(), X_BAD: 1 },
      { ...url(), ab: 1 },
    ])
    assert.equal(status.failure_count, 3)
  })
})

describe('duplicates and equivocation', () => {
  test('T56 an exact duplicate is a success, in one request and across, and is stored once', async () => {
    const object = indicator()
    const before = (await records()).length
    const reordered = Object.fromEntries(Object.entries(object).reverse())
    const status = await server.add([object, object, reordered])
    assert.deepEqual([status.success_count, status.failure_count], [3, 0])
    const again = await server.add([object])
    assert.equal(again.success_count, 1)
    assert.equal(again.successes[0].message, undefined)
    assert.equal((await records()).length, before + 1)
    assert.deepEqual(await stored(object.id), [object])
  })

  test('a difference in precision or an explicit default only is a success that says so', async () => {
    const object = indicator()
    await server.add([object])
    const before = (await records()).length
    for (const other of [
      { ...object, valid_from: '2026-01-01T00:00:00.000000Z' },
      { ...object, revoked: false },
      { ...object, created: '2026-01-01T00:00:00.000000Z', modified: '2026-01-01T00:00:00.000000Z' },
    ]) {
      const status = await server.add([other])
      assert.equal(status.success_count, 1, JSON.stringify(status))
      assert.match(status.successes[0].message, /precision of a timestamp or in an explicit default/)
    }
    assert.equal((await records()).length, before)
    assert.deepEqual(await stored(object.id), [object], 'what was first is served')
  })

  test('T56 B8 another meaning under the same version fails and names both hashes', async () => {
    const object = indicator()
    const other = { ...object, name: 'something else' }
    await server.add([object])
    const status = await server.add([other])
    assert.deepEqual([status.status, status.success_count, status.failure_count], ['complete', 0, 1])
    const [failure] = status.failures
    assert.deepEqual([failure.id, failure.version], [object.id, object['modified']])
    assert.match(failure.message, /equivocation/)
    assert.ok(failure.message.includes(sha256(object)) && failure.message.includes(sha256(other)))
    assert.deepEqual(await stored(object.id), [object])
  })

  test('who may not read is not told the hashes', async () => {
    const object = indicator()
    await server.add([object])
    const { json } = await post({ objects: [{ ...object, name: 'guess' }] }, { user: 'writer' })
    assert.equal(json.failure_count, 1)
    assert.match(json.failures[0].message, /equivocation/)
    assert.doesNotMatch(json.failures[0].message, /[0-9a-f]{64}/)
  })

  test('it is logged, and the same refused content only once', async () => {
    const object = indicator()
    const [one, two] = [
      { ...object, name: 'one' },
      { ...object, name: 'two' },
    ]
    await server.add([object])
    const before = (await records()).length
    await server.add([one, one])
    await server.add([one])
    await server.add([two])
    const logged = (await records()).slice(before)
    assert.deepEqual(
      logged.map(r => [r.id, r.version, r.equivocation]),
      [one, two].map(o => [object.id, object['modified'], { stored: sha256(object), refused: sha256(o) }]),
    )
    for (const path of ['objects/', 'manifest/'])
      assert.equal((await server.get(`${path}?match[id]=${object.id}&match[version]=all`)).json.objects.length, 1)
  })

  test('in one request the first is stored, the second fails', async () => {
    const object = indicator()
    const status = await server.add([object, { ...object, name: 'second' }])
    assert.deepEqual([status.success_count, status.failure_count], [1, 1])
    assert.deepEqual(await stored(object.id), [object])
  })

  test('of two requests at once the contents are never both successes', async () => {
    const object = indicator()
    const contents = ['one', 'two', 'three', 'four'].map(name => ({ ...object, name }))
    const statuses = await Promise.all(contents.map(o => server.add([o])))
    assert.equal(
      statuses.reduce((sum, s) => sum + s.success_count, 0),
      1,
    )
    assert.equal((await stored(object.id)).length, 1)
  })

  test('T43 observables have no version: the same is a duplicate, other content is the newer version', async () => {
    const observable = url()
    const status = await server.add([observable, observable])
    assert.equal(status.success_count, 2)
    assert.equal((await stored(observable.id)).length, 1)
    const other = { ...observable, defanged: true }
    assert.equal((await server.add([other])).success_count, 1)
    assert.deepEqual(await stored(observable.id), [observable, other])
    assert.deepEqual((await server.get(`objects/${observable.id}/`)).json.objects, [other])
    const versions = (await server.get(`objects/${observable.id}/versions/`)).json.versions
    assert.equal(new Set(versions).size, 2)
  })

  test('T43 with and without a version under one id: the date of adding counts as the version', async () => {
    const id = newId('x-custom')
    const bare = { type: 'x-custom', spec_version: '2.1', id }
    const versioned = { ...bare, created: '2026-01-01T00:00:00.000Z', modified: '2026-01-01T00:00:00.000Z' }
    await server.add([bare, versioned])
    for (const query of [`match[id]=${id}`, 'match[type]=x-custom'])
      assert.deepEqual((await server.get(`objects/?${query}`)).json.objects, [bare], query)
  })

  test('versions may come in any order: the newest is the one with the latest modified', async () => {
    const id = newId('indicator')
    const at = (day: number) => indicator({ id, modified: `2026-03-0${day}T00:00:00.000Z` })
    for (const day of [5, 2, 7, 6]) await server.add([at(day)])
    assert.deepEqual((await server.get(`objects/?match[id]=${id}`)).json.objects, [at(7)])
    const scanned = (await server.get('objects/?match[type]=indicator&limit=1000')).json.objects
    assert.deepEqual(
      scanned.filter((o: any) => o.id === id),
      [at(7)],
    )
  })
})

describe('T60 bodies that are no envelope', () => {
  const refusedBodies: Record<string, string | Buffer> = {
    nothing: '',
    'no JSON': 'x',
    'a list': '[]',
    'a number': '7',
    null: 'null',
    'no objects member': '{}',
    'objects that are no list': '{"objects":{}}',
    'no objects': '{"objects":[]}',
    'a STIX bundle': '{"type":"bundle","id":"bundle--00000000-0000-4000-8000-000000000000","objects":[{"type":"x"}]}',
    'two texts': '{"objects":[{}]}{"objects":[{}]}',
    'T16 a key twice': '{"objects":[{"type":"url","type":"url"}]}',
    'T16 a key twice in the envelope': '{"objects":[{}],"objects":[{}]}',
    'T16 a key twice, once escaped': '{"objects":[{"a":1,"\\u0061":2}]}',
    'T19 an integer that no double holds': '{"objects":[{"x_n":9007199254740993}]}',
    'T19 a number beyond all': '{"objects":[{"x_n":1e999}]}',
    'T16 half of a surrogate pair': '{"objects":[{"x_s":"\\ud800"}]}',
    'T16 half of a surrogate pair in a key': '{"objects":[{"\\udfff":1}]}',
    'T16 no UTF-8': Buffer.from([...Buffer.from('{"objects":["'), 0xff, 0xfe, ...Buffer.from('"]}')]),
    'a byte order mark': '\ufeff{"objects":[{}]}',
    'UTF-16': Buffer.from('{"objects":[{}]}', 'utf16le'),
    'deeper than any object': `{"objects":${'['.repeat(5000)}${']'.repeat(5000)}}`,
  }
  for (const [name, body] of Object.entries(refusedBodies)) {
    test(`${name}: 422 for the whole, nothing stored`, async () => {
      const before = (await records()).length
      assertTaxiiError(await post(body), 422, 'body')
      assert.equal((await records()).length, before)
    })
  }

  test('the reason names the object', async () => {
    const { json } = await post(`{"objects":[{},{"x_n":9007199254740993}]}`)
    assert.match(json.description, /objects\[1\]/)
  })
})

describe('T14 T15 media types', () => {
  test('T14 B2 another Content-Type is 415, the defined one in any spelling is not', async () => {
    const body = JSON.stringify({ objects: [indicator()] })
    for (const type of [undefined, 'application/json', 'application/stix+json;version=2.0', 'text/plain', ';;;', ''])
      assertTaxiiError(await post(body, { headers: { 'content-type': type } }), 415, 'content-type')
    for (const type of ['application/taxii+json', 'application/taxii+json ; version="2.1"', 'Application/TAXII+JSON'])
      assert.equal((await post(body, { headers: { 'content-type': type } })).status, 202, type)
  })

  test('a compressed body is 415', async () => {
    assertTaxiiError(await post('x', { headers: { 'content-encoding': 'gzip' } }), 415, 'content-type')
  })

  test('B3 T13 Accept is looked at before anything is stored', async () => {
    const before = (await records()).length
    assertTaxiiError(await post({ objects: [indicator()] }, { headers: { accept: 'text/html' } }), 406, 'accept')
    assert.equal((await records()).length, before)
    for (const accept of [undefined, '*/*', 'application/taxii+json', 'application/taxii+json;version=2.1, */*'])
      assert.equal((await post({ objects: [indicator()] }, { headers: { accept } })).status, 202, accept)
  })
})

describe('T28 the size of a body', () => {
  let small: TestServer
  before(async () => {
    small = await startTestServer({ server: { maxContentLength: 4096 } })
  })
  after(() => small.stop())
  const ofLength = (length: number): string => {
    const empty = JSON.stringify({ objects: [indicator({ description: '' })] })
    return empty.replace('"description":""', `"description":"${'x'.repeat(length - empty.length)}"`)
  }

  test('up to max_content_length it is taken, beyond it is 413', async () => {
    const max = (await small.ask('GET', '/api/')).json.max_content_length
    assert.equal(max, 4096)
    assert.equal((await small.ask('POST', OBJECTS, { body: ofLength(max) })).status, 202)
    assertTaxiiError(await small.ask('POST', OBJECTS, { body: ofLength(max + 1) }), 413, 'too-large')
  })

  test('the same for a body in chunks, without Content-Length', async () => {
    assert.equal((await small.ask('POST', OBJECTS, { body: ofLength(4096), chunked: true })).status, 202)
    assertTaxiiError(await small.ask('POST', OBJECTS, { body: ofLength(4097), chunked: true }), 413, 'too-large')
  })

  test('nothing of it was stored', async () => {
    assert.equal((await small.get('objects/')).json.objects.length, 2)
  })
})
