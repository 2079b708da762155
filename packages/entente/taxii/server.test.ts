import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { TAXII } from './media.ts'
import { assertTaxiiError, indicator, newId, startTestServer, type TestServer, url } from './test/server.ts'

let server: TestServer
const object = indicator()
before(async () => {
  server = await startTestServer()
  await server.add([object, url()])
})
after(() => server.stop())

const RESOURCES: [path: string, methods: string][] = [
  ['/taxii2/', 'GET, HEAD'],
  ['/api/', 'GET, HEAD'],
  ['/api/collections/', 'GET, HEAD'],
  ['/api/collections/default/', 'GET, HEAD'],
  ['/api/collections/default/manifest/', 'GET, HEAD'],
  ['/api/collections/default/objects/', 'GET, HEAD, POST'],
  [`/api/collections/default/objects/${object.id}/`, 'DELETE, GET, HEAD'],
  [`/api/collections/default/objects/${object.id}/versions/`, 'GET, HEAD'],
  ['/log/checkpoint', 'GET, HEAD'],
  ['/log/tile/0/000', 'GET, HEAD'],
]

describe('paths and methods', () => {
  test('T09 a path without its final slash is served, not redirected', async () => {
    for (const [path] of RESOURCES.filter(([p]) => p.endsWith('/'))) {
      const [with_, without] = [await server.ask('GET', path), await server.ask('GET', path.slice(0, -1))]
      assert.equal(without.status, 200, path)
      assert.equal(without.text, with_.text)
    }
    const posted = await server.ask('POST', '/api/collections/default/objects', { body: { objects: [url()] } })
    assert.equal(posted.status, 202)
    assert.equal((await server.get('objects?limit=1')).json.objects.length, 1)
  })

  test('a method that a resource does not have is 405 and says which it has', async () => {
    for (const [path, methods] of RESOURCES) {
      for (const method of ['PUT', 'PATCH', 'POST', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']) {
        if (methods.includes(method)) continue
        for (const spelled of [path, path.replace(/\/$/, ''), `${path}?limit=1`]) {
          const answer = await server.ask(method, spelled)
          assertTaxiiError(answer, 405, 'method')
          assert.equal(answer.headers.allow, methods, `${method} ${spelled}`)
        }
      }
    }
  })

  test('T24 without credentials a wrong method is 401: what is there is for those who may know', async () => {
    assertTaxiiError(await server.ask('PUT', '/api/collections/default/objects/', { user: null }), 401, 'credentials')
  })

  test('a path that is not there is 404', async () => {
    for (const path of [
      '/nothing/',
      '//taxii2/',
      '/TAXII2/',
      '/api/collections/default/objects/x--1/more/',
      '/api/../x',
    ])
      assertTaxiiError(await server.ask('GET', path), 404, 'not-found')
  })

  test('HEAD answers as GET does, without the body', async () => {
    for (const [path] of RESOURCES) {
      const [get, head] = [await server.ask('GET', path), await server.ask('HEAD', path)]
      assert.equal(head.status, get.status)
      assert.equal(head.text, '')
      for (const name of ['content-type', 'content-length', 'x-taxii-date-added-first', 'x-taxii-date-added-last'])
        assert.equal(head.headers[name], get.headers[name], `${path} ${name}`)
    }
    assert.equal((await server.ask('HEAD', '/nothing/')).status, 404)
  })
})

describe('T11 B10 B15 T22 every error is a TAXII error message', () => {
  test('what can not be decoded is 400', async () => {
    for (const path of ['/api/%zz/', '/api/collections/%E0%A4%A/', '/%'])
      assertTaxiiError(await server.ask('GET', path), 400, 'path')
  })

  test('an id longer than any is 404', async () => {
    assertTaxiiError(await server.get(`objects/${'a'.repeat(600)}/`), 404, 'not-found')
  })

  test('a header that is too large is 431', async () => {
    assertTaxiiError(await server.ask('GET', '/taxii2/', { headers: { x: 'a'.repeat(20_000) } }), 431, 'too-large')
  })

  test('what is no HTTP is 400 and ends the connection', async () => {
    const raw = async (text: string): Promise<string> => {
      const { hostname, port } = new URL(server.url)
      const socket = connect(Number(port), hostname)
      socket.write(text)
      let answer = ''
      for await (const part of socket) answer += String(part)
      return answer
    }
    for (const text of [
      'GARBAGE\r\n\r\n',
      'GET /taxii2/ HTTP/9.9\r\n\r\n',
      'GET /taxii2/ HTTP/1.1\r\na b: c\r\n\r\n',
    ]) {
      const [head = '', body = ''] = (await raw(text)).split('\r\n\r\n')
      assert.match(head, /^HTTP\/1\.1 400 /)
      assert.ok(head.includes(`Content-Type: ${TAXII}`))
      assert.equal(JSON.parse(body).http_status, '400')
      assert.doesNotMatch(body, /HPE_|parse/i)
    }
  })

  test('T12 T13 406 and the rest of them', async () => {
    for (const [path] of RESOURCES.filter(([p]) => p.endsWith('/'))) {
      assertTaxiiError(await server.ask('GET', path, { headers: { accept: 'text/html' } }), 406, 'accept')
      for (const accept of ['application/taxii+json', 'application/taxii+json;version=2.1, */*', '*/*', undefined])
        assert.equal((await server.ask('GET', path, { headers: { accept } })).status, 200, `${path} ${accept}`)
    }
  })

  test('B17 a failure inside is 5xx, says nothing of the inside, and is logged under its error_id', async () => {
    const broken = await startTestServer()
    try {
      await broken.add([object])
      await broken.notary.store.close() // every read and write fails from now on
      for (const path of ['objects/', 'manifest/', `objects/${object.id}/`]) {
        const answer = await broken.get(path)
        assertTaxiiError(answer, 503, 'unavailable')
        assert.ok(answer.headers['retry-after'])
        const entry = broken.logged.find(l => l.details['error_id'] === answer.json.error_id)
        assert.ok(entry, 'logged')
      }
      const body = { objects: [indicator()] }
      const answer = await broken.ask('POST', '/api/collections/default/objects/', { body })
      assertTaxiiError(answer, 503, 'unavailable')
    } finally {
      await broken.stop()
    }
  })
})

describe('what was changed in the store is not served as good', () => {
  let broken: TestServer
  const kept = indicator()
  before(async () => {
    broken = await startTestServer()
    for (const collection of ['default', 'strict']) await broken.add([kept, object, url()], collection)
    const db = new DatabaseSync(`${broken.data}/store.db`)
    // Two letters of one object in each collection.
    const rows = db.prepare('select leaf, text from record where id = ?').all(object.id)
    for (const { leaf, text } of rows) {
      const changed = Buffer.from(text as Uint8Array)
      changed.write('xx', changed.indexOf('example'))
      db.prepare('update record set text = ? where leaf = ?').run(changed, leaf as number)
    }
    db.close()
  })
  after(() => broken.stop())
  const get = (collection: string, path: string) => broken.ask('GET', `/api/collections/${collection}/${path}`)

  test('a list withholds it and says how many, or fails, as the collection is set', async () => {
    for (const path of [
      'objects/',
      'manifest/',
      'objects/?match[type]=indicator',
      `objects/?match[id]=${object.id},${kept.id}`,
    ]) {
      const { status, headers, json, text } = await get('default', path)
      assert.equal(status, 200)
      assert.equal(headers['x-entente-withheld'], '1', path)
      assert.ok(!text.includes(object.id) && json.objects.some((o: any) => o.id === kept.id))
      assertTaxiiError(await get('strict', path), 500, 'integrity')
    }
  })

  test('by its id it is 500 integrity, and others are served', async () => {
    for (const path of [`objects/${object.id}/`, `objects/${object.id}/versions/`, `objects/${object.id}/proof/`])
      assertTaxiiError(await get('default', path), 500, 'integrity')
    assert.deepEqual((await get('default', `objects/${kept.id}/`)).json.objects, [kept])
  })

  test('while rows are damaged, an unknown id is not said to be unknown', async () => {
    await get('default', 'objects/')
    assertTaxiiError(await get('default', `objects/${newId('indicator')}/`), 500, 'integrity')
  })

  test('the operator is told, once', () => {
    const alerts = broken.logged.filter(l => l.message.includes('fails verification'))
    assert.equal(alerts.length, 2, 'one row in each collection')
    assert.ok(alerts.every(a => a.details['reason'] === 'hash'))
  })
})

describe('index columns that were changed hide nothing from a list of everything', () => {
  // Each by itself: what one request noticed would be known to the next.
  const month = (n: number) => `2026-0${n}-01T00:00:00.000Z`
  const victim = newId('indicator')
  const changes: Record<string, string> = {
    'as if it were an equivocation': 'kind = 2',
    'as if it were a deletion': 'kind = 1',
    'as if it had been deleted': 'text = null, id = null, type = null, version = null, superseded = 1',
    'without its text, as if a newer one were there': 'text = null, superseded = 1',
    'superseded by itself': 'superseded = leaf',
    'superseded by another object': 'superseded = leaf + 1',
    'superseded by the older version': 'superseded = leaf - 1',
    'as if it were older than the version before': "version = '2025-01-01T00:00:00.000000Z'",
    'as if it were of long ago': 'added = added - 86400000000',
    'as if it were of another object': "id = 'indicator--99999999-0000-4000-8000-000000000000'",
  }
  for (const [what, change] of Object.entries(changes)) {
    test(`the newest version, ${what}`, async () => {
      const changed = await startTestServer()
      try {
        await changed.add([url(), indicator({ id: victim, modified: month(1) })])
        await changed.add([indicator({ id: victim, modified: month(2) }), url()])
        const before = (await changed.get('manifest/?match[version]=all')).json.objects.map((e: any) => e.date_added)
        const db = new DatabaseSync(`${changed.data}/store.db`)
        db.exec(`update record set ${change} where id = '${victim}' and version like '2026-02%'`)
        db.close()
        for (const query of [
          '',
          `?added_after=${before[0]}`,
          '?match[version]=all',
          '?match[version]=last,first',
          '?match[type]=indicator',
        ]) {
          if (query.includes('type') && change.includes('type')) continue // no row of this type is left to be seen
          const { headers, json } = await changed.get(`objects/${query}`)
          const isServed = json.objects?.some((o: any) => o.id === victim && o.modified === month(2))
          assert.ok(isServed || headers['x-entente-withheld'] !== undefined, `objects/${query} says nothing of it`)
        }
        const { status, json } = await changed.get(`objects/${victim}/`)
        if (status === 200)
          assert.deepEqual(
            json.objects.map((o: any) => o.modified),
            [month(2)],
            'not the older as the newest',
          )
        else assert.equal(status, 500)
      } finally {
        await changed.stop()
      }
    })
  }
})
