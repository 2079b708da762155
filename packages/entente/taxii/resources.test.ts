import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { after, before, describe, test } from 'node:test'
import { loadConfig } from '#cli/config.ts'
import { startServer } from '#cli/serve.ts'
import { createToken, readUsers, writeUsers } from './auth/local.ts'
import { TAXII } from './media.ts'
import {
  adminPassword,
  assertTaxiiError,
  basic,
  indicator,
  newId,
  startTestServer,
  type TestServer,
  type User,
  url,
} from './test/server.ts'

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const BY_ID = '3e4d4a5c-8f0f-4a3b-9d8e-2b6c1f0a7d11'

let server: TestServer
before(async () => {
  server = await startTestServer({ discovery: { title: 'Test server', contact: 'us@example.org' } })
})
after(() => server.stop())

describe('discovery and API root', () => {
  test('T07 T25 T26 discovery at /taxii2/: title, default among the API roots, each relative with a single slash', async () => {
    const { status, headers, json } = await server.ask('GET', '/taxii2/')
    assert.equal(status, 200)
    assert.equal(headers['content-type'], TAXII)
    assert.equal(json.title, 'Test server')
    assert.equal(json.contact, 'us@example.org')
    assert.ok(json.api_roots.includes(json.default))
    for (const root of json.api_roots) assert.match(root, /^\/[^/].*\/$/)
  })

  test('T25 T20 who may see no collection of an API root is not told of it, and gets no empty list', async () => {
    const { json } = await server.ask('GET', '/taxii2/', { user: 'nobody' })
    assert.deepEqual(Object.keys(json).sort(), ['contact', 'title'])
  })

  test('T27 API root: title, versions, max_content_length', async () => {
    const { status, json } = await server.ask('GET', '/api/')
    assert.equal(status, 200)
    assert.equal(json.title, 'Test root')
    assert.deepEqual(json.versions, [TAXII])
    assert.ok(Number.isSafeInteger(json.max_content_length) && json.max_content_length > 0)
    for (const name of Object.keys(json)) assert.match(name, /^(title|versions|max_content_length|x_entente_[a-z_]+)$/)
  })

  test('T08 several API roots keep their collections apart', async () => {
    const collections = [{ alias: 'default', title: 'C' }]
    const two = await startTestServer({
      apiRoots: [
        { path: '/one/', title: 'One', collections },
        { path: '/two/deep/', title: 'Two', collections },
      ],
    })
    try {
      const { json } = await two.ask('GET', '/taxii2/')
      assert.deepEqual(json, { title: 'Entente', default: '/one/', api_roots: ['/one/', '/two/deep/'] })
      const posted = await two.ask('POST', '/one/collections/default/objects/', { body: { objects: [indicator()] } })
      assert.equal(posted.status, 202)
      assert.equal((await two.ask('GET', '/one/collections/default/objects/')).json.objects.length, 1)
      assert.equal((await two.ask('GET', '/two/deep/collections/default/objects/')).text, '{}')
      assertTaxiiError(await two.ask('GET', `/two/deep/status/${posted.json.id}/`), 404)
      assert.equal((await two.ask('GET', `/one/status/${posted.json.id}/`)).status, 200)
    } finally {
      await two.stop()
    }
  })
})

describe('authentication', () => {
  test('T03 without valid credentials: 401 with a challenge, whatever the path', async () => {
    for (const path of [
      '/taxii2/',
      '/api/',
      '/api/collections/',
      '/api/collections/default/',
      '/api/collections/none/',
      '/api/collections/default/objects/',
      `/api/status/${newId('x').slice(3)}/`,
      '/nothing/',
    ]) {
      for (const authorization of [undefined, 'Basic eDp5', 'Bearer nonsense', 'nonsense']) {
        const answer = await server.ask('GET', path, { user: null, headers: { authorization } })
        assertTaxiiError(answer, 401, 'credentials')
        assert.match(String(answer.headers['www-authenticate']), /^Basic realm="/)
      }
    }
    const posted = await server.ask('POST', '/api/collections/default/objects/', { user: null, body: '{' })
    assertTaxiiError(posted, 401, 'credentials')
  })

  test('T06 no User-Agent is no reason to refuse', async () => {
    assert.equal((await server.ask('GET', '/taxii2/', { headers: { 'user-agent': undefined } })).status, 200)
    assert.equal((await server.ask('GET', '/taxii2/', { headers: { 'user-agent': '' } })).status, 200)
  })

  test('an API token as Bearer or Token is taken beside Basic', async () => {
    const file = `${server.data}/users.json`
    const { token, stored } = createToken('reader', ['taxii-read'], { now: new Date(), days: 1 })
    const users = readUsers(file)
    writeUsers(file, { ...users, tokens: [stored] })
    await new Promise(resolve => setTimeout(resolve, 600)) // the file is looked at twice a second
    for (const scheme of ['Bearer', 'token']) {
      const headers = { authorization: `${scheme} ${token}` }
      assert.equal((await server.ask('GET', '/api/collections/default/objects/', { user: null, headers })).status, 200)
      const body = { objects: [indicator()] }
      assertTaxiiError(
        await server.ask('POST', '/api/collections/default/objects/', { user: null, headers, body }),
        403,
      )
    }
  })
})

describe('collections', () => {
  test('T29 T30 T32 T31 id, title, rights, alias, media types; the same order every time', async () => {
    const { status, json } = await server.ask('GET', '/api/collections/')
    assert.equal(status, 200)
    assert.deepEqual(
      json.collections.map((c: any) => c.alias ?? c.id),
      ['default', 'strict', BY_ID],
    )
    for (const c of json.collections) {
      assert.match(c.id, UUID_V4)
      assert.equal(typeof c.title, 'string')
      assert.deepEqual(c.media_types, ['application/stix+json;version=2.1'])
      assert.deepEqual((await server.ask('GET', `/api/collections/${c.id}/`)).json, c)
    }
    assert.deepEqual((await server.ask('GET', '/api/collections/')).json, json)
  })

  test('T29 can_read and can_write are those of the caller', async () => {
    const expected: [User, boolean, boolean][] = [
      ['both', true, true],
      ['reader', true, false],
      ['writer', false, true],
    ]
    for (const [user, read, write] of expected) {
      const { json } = await server.ask('GET', '/api/collections/default/', { user })
      assert.deepEqual([json.can_read, json.can_write], [read, write], user)
      const list = await server.ask('GET', '/api/collections/', { user })
      assert.deepEqual([list.json.collections[0].can_read, list.json.collections[0].can_write], [read, write], user)
    }
  })

  test('T20 B16 who may see none gets no list at all', async () => {
    assert.equal((await server.ask('GET', '/api/collections/', { user: 'nobody' })).text, '{}')
  })

  test('T30 the alias stands for the id everywhere, the id is taken in any case', async () => {
    const { json } = await server.ask('GET', '/api/collections/default/')
    assert.deepEqual((await server.ask('GET', `/api/collections/${json.id}/`)).json, json)
    assert.deepEqual((await server.ask('GET', `/api/collections/${json.id.toUpperCase()}/`)).json, json)
    const object = indicator()
    await server.add([object], json.id)
    const path = `objects/${object.id}/`
    assert.equal((await server.get(path)).text, (await server.ask('GET', `/api/collections/${json.id}/${path}`)).text)
  })

  test('B11 T24 a collection that is not there and one that is not for the caller look the same: 404', async () => {
    const paths = ['', 'objects/', 'manifest/', 'objects/x--1/', 'objects/x--1/versions/']
    const names = ['none', 'secret', '00000000-0000-4000-8000-000000000000', 'not a uuid'.replaceAll(' ', '%20'), '%00']
    for (const name of names) {
      for (const path of paths)
        assertTaxiiError(await server.ask('GET', `/api/collections/${name}/${path}`), 404, 'not-found')
      const body = { objects: [indicator()] }
      assertTaxiiError(await server.ask('POST', `/api/collections/${name}/objects/`, { body }), 404, 'not-found')
      assertTaxiiError(await server.ask('DELETE', `/api/collections/${name}/objects/x--1/`), 404, 'not-found')
    }
  })

  test('T33 without can_read 403 for reads, without can_write 403 for POST, without either 404', async () => {
    const { id } = indicator()
    const reads = ['objects/', 'manifest/', `objects/${id}/`, `objects/${id}/versions/`]
    const base = '/api/collections/default/'
    const post = (user: User) => server.ask('POST', `${base}objects/`, { user, body: { objects: [indicator()] } })
    for (const path of reads) {
      assertTaxiiError(await server.ask('GET', base + path, { user: 'writer' }), 403, 'forbidden')
      assertTaxiiError(await server.ask('GET', base + path, { user: 'nobody' }), 404, 'not-found')
    }
    assert.equal((await post('writer')).status, 202)
    assertTaxiiError(await post('reader'), 403, 'forbidden')
    assertTaxiiError(await post('nobody'), 404, 'not-found')
  })

  test('T62 deleting: 404 without either right, 403 with one of them', async () => {
    const object = indicator()
    await server.add([object])
    const path = `/api/collections/default/objects/${object.id}/`
    assertTaxiiError(await server.ask('DELETE', path, { user: 'nobody' }), 404, 'not-found')
    assertTaxiiError(await server.ask('DELETE', path, { user: 'reader' }), 403, 'forbidden')
    assertTaxiiError(await server.ask('DELETE', path, { user: 'writer' }), 403, 'forbidden')
    assert.equal((await server.get(`objects/${object.id}/`)).status, 200)
    assert.equal((await server.ask('DELETE', path)).status, 200)
  })
})

describe('status', () => {
  test('T57 T58 T18 T17 a status has its counts, and id and version of each object; without ledgers it is complete at once', async () => {
    const good = indicator()
    const observable = url()
    const bad = indicator({ pattern_type: 7 })
    const status = await server.add([good, observable, bad])
    assert.match(status.id, UUID_V4)
    assert.equal(status.status, 'complete')
    assert.match(status.request_timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
    const { total_count, success_count, failure_count, pending_count } = status
    assert.deepEqual([total_count, success_count, failure_count, pending_count], [3, 2, 1, 0])
    assert.equal('pendings' in status, false, 'T20: no empty list')
    assert.deepEqual(status.successes[0], { id: good.id, version: good['modified'] })
    assert.equal(status.failures[0].id, bad.id)
    assert.equal(status.failures[0].version, bad['modified'])
    assert.match(status.failures[0].message, /pattern_type/)
  })

  test('T58 T43 the version of an object without one is the one of the manifest, also for a duplicate', async () => {
    const observable = url()
    const first = await server.add([observable])
    const again = await server.add([observable])
    const manifest = await server.get(`manifest/?match[id]=${observable.id}`)
    assert.equal(first.successes[0].version, manifest.json.objects[0].version)
    assert.equal(again.successes[0].version, manifest.json.objects[0].version)
    assert.equal(manifest.json.objects[0].version, manifest.json.objects[0].date_added)
  })

  test('T55 T59 the status can be read again by its submitter, and by nobody else but the operator', async () => {
    const status = await server.add([indicator()])
    const path = `/api/status/${status.id}/`
    const read = await server.ask('GET', path)
    assert.equal(read.status, 200)
    assert.equal(read.headers['content-type'], TAXII)
    assert.deepEqual(read.json, status)
    for (const user of ['other', 'reader', 'writer', 'nobody'] as const)
      assertTaxiiError(await server.ask('GET', path, { user }), 404, 'not-found')
    const headers = { authorization: basic('admin', 'admin-password') }
    assert.equal((await server.ask('GET', path, { user: null, headers })).status, 200)
  })

  test('T59 B11 an unknown status is 404, whatever it is called', async () => {
    for (const id of ['00000000-0000-4000-8000-000000000000', 'not-a-uuid', '%00', "'", '..%2f..', 'x'.repeat(500)])
      assertTaxiiError(await server.ask('GET', `/api/status/${id}/`), 404, 'not-found')
  })

  test('B19 a status holds nothing of the credentials', async () => {
    const status = await server.add([indicator()])
    assert.doesNotMatch(JSON.stringify(status), /both|password/)
    const row = await server.notary.store.status(status.id)
    assert.doesNotMatch(JSON.stringify(row), /password/)
  })

  test('x_entente says which log size covers the request, and the receipt is of this status', async () => {
    const status = await server.add([indicator()])
    assert.equal(status.x_entente.size, server.notary.log.size)
    assert.deepEqual(status.x_entente.ledgers, [])
    assert.ok(status.x_entente_receipt.includes(`\n${status.id}\n`))
  })
})

test('the generated password lets the operator in, and is for the operator only', async () => {
  const data = mkdtempSync(`${tmpdir()}/entente-fresh-`)
  const { config, paths } = loadConfig({ data, port: '0', env: {} })
  const fresh = await startServer({ ...config, ledgers: [] }, paths, () => {})
  try {
    const password = adminPassword(data)
    assert.ok(password.length >= 24)
    assert.equal(statSync(`${data}/admin-password`).mode & 0o777, 0o600)
    const status = async (authorization: string) =>
      (await fetch(`${fresh.url}/taxii2/`, { headers: { authorization } })).status
    assert.equal(await status(basic('admin', password)), 200)
    for (const guess of ['', 'admin', 'password', `${password} `])
      assert.equal(await status(basic('admin', guess)), 401)
  } finally {
    await fresh.close()
    rmSync(data, { recursive: true })
  }
})
