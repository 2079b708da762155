// The server with an identity provider on loopback: what clients see over HTTP. With a real Keycloak: test/e2e/keycloak.test.ts.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { openEvents } from '../test/events.ts'
import { assertTaxiiError, basic, indicator, startTestServer, type TestServer } from '../test/server.ts'
import { createToken, createUser, writeUsers } from './local.ts'
import { createKey, type FakeProvider, type SigningKey, signToken, startProvider } from './test/provider.ts'

const OBJECTS = '/api/collections/default/objects/'
let provider: FakeProvider
let key: SigningKey
const token = (claims: Record<string, unknown> = {}) => signToken(provider, key, { now: Date.now() / 1000, claims })

before(async () => {
  key = await createKey('one')
  provider = await startProvider()
  provider.keys = [key.jwk]
})
after(() => provider.stop())
beforeEach(() => {
  provider.answers = {}
})

function start(auth: Record<string, unknown>, more: Record<string, unknown> = {}): Promise<TestServer> {
  return startTestServer({
    auth: { kind: 'oidc', issuer: provider.issuer, clientId: 'taxii-server', ...names, ...auth },
    ...more,
  })
}
const names = { claims: { name: 'preferred_username', roles: ['groups'] } }
const ask = (
  server: TestServer,
  authorization: string | undefined,
  path = '/api/collections/',
  method = 'GET',
  body?: unknown,
) => server.ask(method, path, { user: null, headers: { authorization }, ...(body === undefined ? {} : { body }) })

describe('without the password grant', () => {
  let server: TestServer
  before(async () => {
    server = await start({}, { channels: { heartbeatMs: 200 } })
  })
  after(() => server.stop())

  test('401 names Bearer, and what is wrong where a token came (RFC 6750 section 3)', async () => {
    const challengeOf = async (authorization: string | undefined) => {
      const answer = await ask(server, authorization)
      assertTaxiiError(answer, 401, 'credentials')
      return answer.headers['www-authenticate']
    }
    assert.equal(await challengeOf(undefined), 'Bearer realm="taxii"')
    assert.equal(await challengeOf(basic('alice', 'x')), 'Bearer realm="taxii"')
    const invalid = 'Bearer realm="taxii", error="invalid_token"'
    for (const bad of ['nonsense', await token({ aud: 'other' }), await token({ exp: 1 })]) {
      assert.equal(await challengeOf(`Bearer ${bad}`), invalid)
      assert.equal(await challengeOf(`token ${bad}`), invalid)
    }
    const { json } = await server.ask('GET', '/openapi.json', { user: null })
    assert.deepEqual([json.security, Object.keys(json.components.securitySchemes)], [[{ token: [] }], ['token']])
  })

  test('scopes are rights of the collection, and what they do not cover is 403', async () => {
    const as = async (scope: string) => `Bearer ${await token({ scope, preferred_username: `by ${scope}` })}`
    const body = { objects: [indicator()] }
    assert.equal((await ask(server, await as('taxii-write'), OBJECTS, 'POST', body)).status, 202)
    assertTaxiiError(await ask(server, await as('taxii-write'), OBJECTS), 403, 'forbidden')
    assertTaxiiError(await ask(server, await as('taxii-read'), OBJECTS, 'POST', body), 403, 'forbidden')
    const read = await ask(server, await as('openid taxii-read'), OBJECTS)
    assert.deepEqual([read.status, read.json.objects.length], [200, 1])
    assertTaxiiError(await ask(server, await as('openid'), OBJECTS), 404, 'not-found')
    const secret = '/api/collections/secret/objects/'
    assertTaxiiError(await ask(server, await as('taxii-read taxii-write'), secret), 404, 'not-found')
    assert.equal((await ask(server, `Bearer ${await token({ groups: ['secret'] })}`, secret)).status, 200)
  })

  test('a status is for who posted it, and for who has a configured role', async () => {
    const posted = await ask(server, `Bearer ${await token()}`, OBJECTS, 'POST', { objects: [indicator()] })
    const path = `/api/status/${posted.json.id}/`
    assert.equal((await ask(server, `Bearer ${await token()}`, path)).status, 200)
    const other = { preferred_username: 'bob', groups: ['admin'], scope: 'admin taxii-read' }
    assertTaxiiError(await ask(server, `Bearer ${await token(other)}`, path), 404)
  })

  test('a stream ends with the token that it was opened with', async () => {
    const exp = Math.floor(Date.now() / 1000) - 29 // taken for a second yet: clocks may be 30 s apart
    const authorization = `Bearer ${await token({ exp })}`
    const stream = await openEvents(server.url, '/api/collections/default/feed/', {
      user: null,
      headers: { authorization },
    })
    assert.equal(stream.status, 200)
    await stream.ended
    assertTaxiiError(await ask(server, authorization), 401)
    assert.ok(server.logged.some(l => l.message === 'a subscriber was cut off'))
  })

  test('there is no local user, no password of one, and none is made', async () => {
    assert.ok(!existsSync(join(server.data, 'admin-password')))
    assertTaxiiError(await ask(server, basic('both', 'both-password')), 401)
    assertTaxiiError(await ask(server, basic('admin', 'admin-password')), 401)
  })
})

describe('with the password grant', () => {
  let server: TestServer
  before(async () => {
    server = await start({ passwordGrant: true }, { server: { rateLimit: { failures: 5, anonymous: 0 } } })
  })
  after(() => server.stop())
  beforeEach(async () => {
    provider.users.set('alice', { password: 'TEST-ONLY', token: await token() })
  })

  test('Basic gets 200; 401 names both ways; wrong passwords are counted like local ones; nothing secret is logged', async () => {
    assert.equal((await ask(server, basic('alice', 'TEST-ONLY'))).status, 200)
    const challenge = String((await ask(server, undefined)).headers['www-authenticate'])
    assert.equal(challenge, 'Basic realm="taxii", charset="UTF-8", Bearer realm="taxii"')
    for (let i = 0; i < 5; i++)
      assertTaxiiError(await ask(server, basic('alice', `wrong guess ${i}`)), 401, 'credentials')
    const asked = provider.asked.length
    assertTaxiiError(await ask(server, basic('alice', 'wrong guess 6')), 429, 'rate')
    assert.equal(provider.asked.length, asked, 'the provider is not asked any more')
    assert.equal((await ask(server, basic('alice', 'TEST-ONLY'))).status, 200, 'remembered')
    const { token } = provider.users.get('alice') as { token: string }
    const logged = JSON.stringify(server.logged)
    for (const secret of ['TEST-ONLY', 'wrong guess', token, token.slice(-20)]) assert.ok(!logged.includes(secret))
  })

  test('while the provider is away it is 503 with Retry-After, and no failure of the client', async () => {
    const other = await start({ passwordGrant: true }, { server: { rateLimit: { failures: 5, anonymous: 0 } } })
    try {
      assert.equal((await ask(other, `Bearer ${await token()}`)).status, 200)
      provider.answers['/token'] = (_request, response) => response.destroy()
      for (let i = 0; i < 20; i++) {
        const answer = await ask(other, basic('alice', 'TEST-ONLY'))
        assertTaxiiError(answer, 503, 'provider')
        assert.equal(answer.headers['retry-after'], '5')
      }
      assert.equal((await ask(other, `Bearer ${await token({ jti: 'x' })}`)).status, 200, 'tokens are taken meanwhile')
    } finally {
      await other.stop()
    }
  })
})

test('API tokens beside the provider, where local: true; passwords of local users never', async () => {
  const alice = await createUser('alice', 'TEST-ONLY-local', ['taxii-read'])
  const { token: own, stored } = createToken('alice', ['taxii-read'], { now: new Date() })
  for (const [local, status] of [
    [true, 200],
    [false, 401],
  ] as const) {
    const server = await start({ local, passwordGrant: true })
    try {
      writeUsers(join(server.data, 'users.json'), { version: 1, users: [alice], tokens: [stored] })
      const until = Date.now() + 5000
      let answer = await ask(server, `Bearer ${own}`)
      // The file is looked at again within half a second.
      while (answer.status !== status && Date.now() < until) answer = await ask(server, `Bearer ${own}`)
      assert.equal(answer.status, status)
      assert.equal((await ask(server, `token ${own}`)).status, status)
      assert.equal((await ask(server, `Bearer ${own}x`)).status, 401)
      assert.equal((await ask(server, basic('alice', 'TEST-ONLY-local'))).status, 401)
      assert.equal((await ask(server, `Bearer ${await token()}`)).status, 200)
    } finally {
      await server.stop()
    }
  }
})

test('a server starts while its provider is away, and takes tokens once it is there', async () => {
  await provider.stop()
  const server = await start({})
  try {
    const authorization = `Bearer ${await token()}`
    const answer = await ask(server, authorization)
    assertTaxiiError(answer, 503, 'provider')
    assert.equal((await ask(server, undefined, '/log/key')).status, 200)
    assert.equal((await ask(server, undefined, '/healthz')).status, 200)
    const failures = server.logged.filter(l => l.message === 'the identity provider does not answer as it should')
    assert.equal(failures.length, 1)
    assert.match(JSON.stringify(failures), /ECONNREFUSED/)
  } finally {
    await server.stop()
    await provider.start()
  }
})
