import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { afterEach, before, beforeEach, describe, test } from 'node:test'
import fc from 'fast-check'
import { CompactEncrypt, SignJWT } from 'jose'
import { TaxiiError } from '../errors.ts'
import type { Authenticate } from './auth.ts'
import { ALGORITHMS, DEFAULT_CLAIMS } from './claims.ts'
import { createExchange } from './exchange.ts'
import { type OidcRules, oidcAuthenticate, REMEMBER_MS } from './oidc.ts'
import { COOLDOWN_MS, createProvider, DEFAULT_KEEP_KEYS_MS, QUIET_MS, REFRESH_MS } from './provider.ts'
import {
  createKey,
  type Handler,
  type FakeProvider,
  type SigningKey,
  signToken,
  startProvider,
  type TokenOptions,
} from './test/provider.ts'
import { until } from '../../../../test/support/until.ts'

const START = Date.UTC(2026, 10, 22)
const ALICE = { name: 'alice', roles: ['taxii-read', 'taxii-write'] }
const isUnavailable = (error: unknown) =>
  error instanceof TaxiiError &&
  error.code === 'provider' &&
  error.status === 503 &&
  error.headers['retry-after'] === '5'

let provider: FakeProvider
let key: SigningKey
let rsa: SigningKey
let stranger: SigningKey
before(async () => {
  key = await createKey('one')
  rsa = await createKey('two', 'RS256')
  stranger = await createKey('one')
})
beforeEach(async () => {
  provider = await startProvider()
  provider.keys = [key.jwk, rsa.jwk]
})
afterEach(() => provider.stop())
let at: ReturnType<typeof setUp>

type More = Partial<OidcRules> & {
  keepKeysMs?: number
  clientSecret?: string
  allowPlainHttp?: boolean
  timeoutMs?: number
}
function setUp(more: More = {}) {
  const clock = { ms: START }
  const reports: (string | undefined)[] = []
  const refusals: string[] = []
  const elapsed = () => clock.ms
  const rules: OidcRules = {
    issuer: provider.issuer,
    audience: 'taxii-server',
    algorithms: ALGORITHMS,
    clockSkewS: 30,
    claims: DEFAULT_CLAIMS('taxii-server', true),
    adminRoles: [],
    passwordScope: undefined,
    introspectionMs: undefined,
    ...more,
  }
  const { clientSecret = 'TEST-ONLY', allowPlainHttp = false, timeoutMs = 2000 } = more
  const options = {
    issuer: rules.issuer,
    clientId: 'taxii-server',
    clientSecret,
    allowPlainHttp,
    keepKeysMs: more.keepKeysMs ?? DEFAULT_KEEP_KEYS_MS,
  }
  const known = createProvider(options, createExchange({ timeoutMs }), elapsed, failure =>
    reports.push(failure?.message),
  )
  const authenticate: Authenticate = oidcAuthenticate(rules, known, { now: elapsed, elapsed }, reason =>
    refusals.push(reason),
  )
  const token = (options: Partial<TokenOptions> = {}, by = key) =>
    signToken(provider, by, { now: clock.ms / 1000, ...options })
  return { clock, reports, refusals, authenticate, token }
}
const bearer = (token: string) => `Bearer ${token}`
const basic = (name: string, password: string) => `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
const count = (path: string) => provider.asked.filter(p => p === path).length

describe('a token', () => {
  beforeEach(() => {
    at = setUp()
  })

  test('of the provider is taken as Bearer and Token, in any case, signed by any of its keys', async () => {
    for (const scheme of ['Bearer', 'bearer', 'TOKEN', 'Token'])
      for (const by of [key, rsa])
        assert.deepEqual(await at.authenticate(`${scheme} ${await at.token({}, by)}`), ALICE, scheme)
    assert.deepEqual(await at.authenticate(bearer(await at.token({ claims: { aud: ['x', 'taxii-server'] } }))), ALICE)
    assert.deepEqual(await at.authenticate(bearer(await at.token({ header: { typ: 'at+jwt' } }))), ALICE)
    assert.equal(count('/keys'), 1)
  })

  const wrong: [name: string, options: Partial<TokenOptions>, reason: RegExp][] = [
    ['another audience', { claims: { aud: 'other-app' } }, /"aud".*"other-app"/],
    ['audiences without ours', { claims: { aud: ['a', 'b'] } }, /"aud"/],
    ['an audience that only begins like ours', { claims: { aud: 'taxii-server-2' } }, /"aud"/],
    ['no audience', { claims: { aud: undefined } }, /"aud"/],
    ['an audience of a wrong type', { claims: { aud: { 'taxii-server': true } } }, /"aud"/],
    ['another issuer', { claims: { iss: 'https://evil.example' } }, /"iss".*evil/],
    ['the issuer with a slash more', { claims: { iss: 'http://127.0.0.1/realms/test/' } }, /"iss"/],
    ['no issuer', { claims: { iss: undefined } }, /"iss"/],
    ['an issuer of a wrong type', { claims: { iss: ['x'] } }, /"iss"/],
    ['no expiry', { claims: { exp: undefined } }, /"exp"/],
    ['an expiry of a wrong type', { claims: { exp: '9999999999' } }, /"exp"/],
    ['expired', { claims: { exp: START / 1000 - 31 } }, /"exp"/],
    ['not yet valid', { claims: { nbf: START / 1000 + 31 } }, /"nbf"/],
    ['a date of a wrong type', { claims: { nbf: 'soon' } }, /"nbf"/],
    ['no name', { claims: { preferred_username: undefined } }, /preferred_username/],
    ['a name of a wrong type', { claims: { preferred_username: ['alice'] } }, /preferred_username/],
    ['an empty name', { claims: { preferred_username: '' } }, /preferred_username/],
    ['a name with control characters', { claims: { preferred_username: 'al\nice' } }, /preferred_username/],
    ['a name that is too long', { claims: { preferred_username: 'a'.repeat(256) } }, /preferred_username/],
    ['an ID token of Keycloak', { claims: { typ: 'ID' } }, /no access token/],
    ['a refresh token of Keycloak', { claims: { typ: 'Refresh' } }, /no access token/],
    ['an ID token of another provider', { claims: { typ: undefined, at_hash: 'x' } }, /no access token/],
    ['a logout token', { header: { typ: 'logout+jwt' } }, /type/],
    ['bound to a key', { claims: { cnf: { jkt: 'x' } } }, /cnf/],
    ['a critical extension', { header: { crit: ['x'], x: 1 } }, /ERR_J/],
    ['a key of another name', { header: { kid: 'three' } }, /ERR_JWKS_NO_MATCHING_KEY/],
  ]
  for (const [name, options, reason] of wrong) {
    test(`is refused: ${name}`, async () => {
      const options_ = name.startsWith('a critical') ? {} : options
      const token = name.startsWith('a critical') ? forge(options.header ?? {}) : await at.token(options_)
      assert.equal(await at.authenticate(bearer(token)), undefined)
      assert.equal(at.refusals.length, 1)
      assert.match(at.refusals[0] as string, reason)
      assert.ok(!at.refusals[0]?.includes(token.slice(-30)), 'the token is not told')
    })
  }

  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const payload = () => ({
    iss: provider.issuer,
    aud: 'taxii-server',
    exp: START / 1000 + 300,
    preferred_username: 'alice',
  })
  /** With a signature that is none. */
  const forge = (header: Record<string, unknown>) =>
    `${encode({ alg: 'ES256', kid: 'one', ...header })}.${encode(payload())}.${Buffer.alloc(64, 1).toString('base64url')}`

  test('is refused: alg none, with and without a signature', async () => {
    for (const alg of ['none', 'None', 'NONE', ''])
      for (const signature of ['', 'AAAA'])
        assert.equal(
          await at.authenticate(bearer(`${encode({ alg, kid: 'one' })}.${encode(payload())}.${signature}`)),
          undefined,
        )
  })

  test('is refused: HMAC with the public key as secret', async () => {
    const pem = JSON.stringify(rsa.jwk)
    const head = `${encode({ alg: 'HS256', kid: 'two' })}.${encode(payload())}`
    for (const secret of [pem, String(rsa.jwk['n']), Buffer.from(String(rsa.jwk['n']), 'base64url')]) {
      const signature = createHmac('sha256', secret).update(head).digest('base64url')
      assert.equal(await at.authenticate(bearer(`${head}.${signature}`)), undefined)
    }
    assert.match(at.refusals[0] as string, /ERR_JOSE_ALG_NOT_ALLOWED/)
  })

  test('is refused: HMAC, even if the provider publishes a secret as a key', async () => {
    const secret = Buffer.alloc(32, 7)
    provider.keys = [{ kty: 'oct', kid: 'secret', k: secret.toString('base64url'), alg: 'HS256' }, key.jwk]
    const token = await new SignJWT(payload()).setProtectedHeader({ alg: 'HS256', kid: 'secret' }).sign(secret)
    assert.equal(await at.authenticate(bearer(token)), undefined)
    assert.deepEqual(await at.authenticate(bearer(await at.token())), ALICE)
  })

  test('is refused: signed by another key of the same name, and with every bit changed', async () => {
    assert.equal(await at.authenticate(bearer(await at.token({}, stranger))), undefined)
    assert.match(at.refusals[0] as string, /signature verification failed/)
    const [head = '', body = '', signature = ''] = (await at.token()).split('.')
    const other = encode({ ...payload(), preferred_username: 'admin', scope: 'taxii-write' })
    assert.equal(await at.authenticate(bearer(`${head}.${other}.${signature}`)), undefined)
    for (let bit = 0; bit < 512; bit += 37) {
      const bytes = Buffer.from(signature, 'base64url')
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
      assert.equal(await at.authenticate(bearer(`${head}.${body}.${bytes.toString('base64url')}`)), undefined)
    }
  })

  test('is refused: it brings its own key, or says where to find one; nobody is asked for that', async () => {
    let asked = 0
    provider.answers['/evil'] = () => {
      asked++
      return { keys: [stranger.jwk] }
    }
    const url = `${provider.issuer}/evil`
    for (const header of [
      { jku: url },
      { x5u: url },
      { jwk: stranger.jwk },
      { x5c: ['AAAA'] },
      { jku: url, kid: 'evil' },
    ])
      assert.equal(await at.authenticate(bearer(await at.token({ header }, stranger))), undefined)
    assert.equal(asked, 0)
  })

  test('is refused: encrypted, nested, too large, or nothing of the kind', async () => {
    const nested = await new SignJWT({ jwt: await at.token() })
      .setProtectedHeader({ alg: 'ES256', kid: 'one', cty: 'JWT' })
      .sign(key.secret)
    const encrypted = await new CompactEncrypt(Buffer.from(await at.token()))
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .encrypt(Buffer.alloc(32, 1))
    const large = await at.token({ claims: { groups: Array.from({ length: 3000 }, (_, i) => `group-${i}`) } })
    const deep = `${encode({ alg: 'ES256' })}.${Buffer.from('['.repeat(5000)).toString('base64url')}.AAAA`
    const texts = [
      nested,
      encrypted,
      large,
      deep,
      '..',
      '...',
      'a.b.c',
      '{}.{}.{}',
      'x'.repeat(8000),
      'ent_abc_def',
      '𝒳.𝒳.𝒳',
    ]
    for (const text of texts) assert.equal(await at.authenticate(bearer(text)), undefined, text.slice(0, 40))
    for (const header of [undefined, '', 'Bearer', 'Bearer ', 'Digest x', basic('alice', 'x')])
      assert.equal(await at.authenticate(header), undefined)
  })

  test('whatever comes is nobody and no error', async () => {
    const part = fc.oneof(
      fc.json().map(text => Buffer.from(text).toString('base64url')),
      fc.constantFrom(encode({ alg: 'ES256', kid: 'one' }), encode({ alg: 'RS256', kid: 'two' }), encode(payload())),
      fc.base64String(),
      fc.string({ unit: 'binary', maxLength: 20 }),
    )
    const token = fc.array(part, { maxLength: 6 }).map(parts => parts.join('.'))
    const scheme = fc.constantFrom('Bearer ', 'token ', 'Basic ', '')
    const header = fc.tuple(scheme, fc.oneof(token, fc.string())).map(words => words.join(''))
    const nobody = async (text: string) => assert.equal(await at.authenticate(text), undefined)
    await fc.assert(fc.asyncProperty(header, nobody), { seed: 24, numRuns: 2000 })
    assert.ok(provider.asked.length <= 2, 'nor a reason to ask the provider')
  })

  test('clocks may be apart by what is configured, and no further', async () => {
    const seconds = START / 1000
    assert.ok(await at.authenticate(bearer(await at.token({ claims: { exp: seconds - 29 } }))))
    assert.ok(await at.authenticate(bearer(await at.token({ claims: { nbf: seconds + 30 } }))))
    at = setUp({ clockSkewS: 0 })
    assert.equal(await at.authenticate(bearer(await at.token({ claims: { exp: seconds } }))), undefined)
  })

  test('is remembered for a minute, and never longer than it lives', async () => {
    const short = bearer(await at.token({ claims: { exp: START / 1000 + 10 } }))
    const long = bearer(await at.token())
    for (const header of [short, long]) assert.ok(await at.authenticate(header))
    at.clock.ms += 39_000
    assert.ok(await at.authenticate(short), 'within the skew')
    at.clock.ms += 2000
    assert.equal(await at.authenticate(short), undefined)
    provider.keys = [rsa.jwk]
    at.clock.ms = START + REFRESH_MS + REMEMBER_MS
    await at.authenticate(bearer(await at.token({}, rsa)))
    assert.equal(await at.authenticate(long), undefined)
  })

  test('of an algorithm that was not configured is refused', async () => {
    at = setUp({ algorithms: ['RS256'] })
    assert.equal(await at.authenticate(bearer(await at.token())), undefined)
    assert.ok(await at.authenticate(bearer(await at.token({}, rsa))))
  })
})

describe('roles', () => {
  const roles = async (claims: Record<string, unknown>, more: More = {}) => {
    at = setUp(more)
    return (await at.authenticate(bearer(await at.token({ claims: { scope: undefined, ...claims } }))))?.roles
  }

  test('are scopes, realm roles, roles of this client and groups', async () => {
    const claims = {
      scope: 'openid taxii-read',
      realm_access: { roles: ['analyst'] },
      resource_access: { 'taxii-server': { roles: ['incidents'] }, 'other-app': { roles: ['taxii-write'] } },
      groups: ['/soc'],
      roles: ['not-looked-at'],
    }
    assert.deepEqual(await roles(claims), ['openid', 'taxii-read', 'analyst', 'incidents', '/soc'])
  })

  test('of claims with another name are found where they are configured', async () => {
    const claims = { 'https://id.example/groups': ['a'], role: 'one two', scp: ['taxii-read'] }
    const names = { name: 'sub', scope: 'scp', roles: ['https://id.example/groups', 'role'] }
    assert.deepEqual(await roles(claims, { claims: names }), ['taxii-read', 'a', 'one two'])
  })

  test('of claims of a wrong type there are none, and no error', async () => {
    const wrong = [7, true, null, {}, [], [7, null, ['taxii-write'], { a: 1 }], '', ['', 'x'.repeat(256)]]
    for (const value of wrong) {
      assert.deepEqual(
        await roles({ groups: value, realm_access: value, resource_access: value }),
        [],
        JSON.stringify(value),
      )
      assert.deepEqual(await roles({ scope: value, realm_access: { roles: value } }), [], JSON.stringify(value))
    }
    assert.deepEqual(await roles({ realm_access: JSON.parse('{"__proto__":{"roles":["x"]}}') }), [])
    const inherited = { name: 'sub', scope: 'scope', roles: [['constructor', 'name']] }
    assert.deepEqual(await roles({}, { claims: inherited }), [])
  })

  test('admin is not what the provider calls so, but who has a role that is configured for it', async () => {
    assert.deepEqual(await roles({ scope: 'admin', groups: ['admin'], realm_access: { roles: ['admin'] } }), [])
    const adminRoles = ['taxii-admin']
    assert.deepEqual(await roles({ groups: ['taxii-admin', 'admin'] }, { adminRoles }), ['taxii-admin', 'admin'])
    assert.deepEqual(await roles({ groups: ['other'] }, { adminRoles }), ['other'])
  })
})

describe('keys', () => {
  test('that come later are asked for once a token names one, and no more often than allowed', async () => {
    at = setUp()
    assert.ok(await at.authenticate(bearer(await at.token())))
    const next = await createKey('next')
    provider.keys = [next.jwk]
    for (let i = 0; i < 200; i++)
      assert.equal(await at.authenticate(bearer(await at.token({ header: { kid: `made-up-${i}` } }))), undefined)
    assert.equal(count('/keys'), 1, 'it was asked just now')
    at.clock.ms += COOLDOWN_MS
    assert.ok(await at.authenticate(bearer(await at.token({}, next))), 'the new key is taken')
    assert.equal(
      await at.authenticate(bearer(await at.token({ claims: { jti: 'x' } }))),
      undefined,
      'the old one is not',
    )
    assert.equal(count('/keys'), 2)
    for (let i = 0; i < 100; i++) {
      at.clock.ms += 1000
      const token = await at.token({ header: { kid: `made-up-${i}` } })
      await Promise.all([1, 2, 3].map(() => at.authenticate(bearer(token))))
    }
    assert.ok(count('/keys') <= 12, `${count('/keys')} times in 100 s`)
  })

  test('are asked for once by all who wait', async () => {
    at = setUp()
    const tokens = await Promise.all(Array.from({ length: 50 }, (_, i) => at.token({ claims: { jti: `${i}` } })))
    const all = await Promise.all(tokens.map(token => at.authenticate(bearer(token))))
    assert.ok(all.every(Boolean))
    assert.deepEqual(provider.asked, ['/.well-known/openid-configuration', '/keys'])
  })

  test('hold for a bounded time where the provider is away, and nobody waits for it meanwhile', async () => {
    at = setUp()
    assert.ok(await at.authenticate(bearer(await at.token())))
    await provider.stop()
    for (const ms of [REFRESH_MS + 1, DEFAULT_KEEP_KEYS_MS]) {
      at.clock.ms = START + ms
      assert.deepEqual(await at.authenticate(bearer(await at.token())), ALICE)
    }
    await assert.rejects(at.authenticate(bearer(await at.token({ header: { kid: 'new' } }))), isUnavailable)
    at.clock.ms = START + DEFAULT_KEEP_KEYS_MS + 1
    const token = bearer(await at.token())
    await assert.rejects(at.authenticate(token), isUnavailable)
    await provider.start()
    at.clock.ms += COOLDOWN_MS
    assert.ok(await at.authenticate(bearer(await at.token())))
    assert.match(at.reports[0] ?? '', /ECONNREFUSED/)
    assert.deepEqual(at.reports.slice(1), [undefined], 'each change is told once')
  })

  test('that may be kept for less than they are asked for by themselves are asked for then', async () => {
    at = setUp({ keepKeysMs: 60_000 })
    assert.ok(await at.authenticate(bearer(await at.token())))
    at.clock.ms += 60_001
    assert.ok(await at.authenticate(bearer(await at.token())))
    assert.equal(count('/keys'), 2)
  })

  test('nobody waits for newer ones while the old ones hold', async () => {
    at = setUp({ timeoutMs: 500 })
    assert.ok(await at.authenticate(bearer(await at.token())))
    provider.answers['/keys'] = () => undefined
    at.clock.ms += REFRESH_MS + 1
    assert.ok(await at.authenticate(bearer(await at.token())))
    assert.deepEqual(at.reports, [], 'the provider is still being asked')
    await until(() => at.reports.length > 0)
    assert.match(at.reports[0] ?? '', /did not answer in 500 ms/)
  })

  test('a provider that was never there is asked again, not by each request', async () => {
    await provider.stop()
    at = setUp()
    for (let i = 0; i < 20; i++) await assert.rejects(at.authenticate(bearer(await at.token())), isUnavailable)
    await provider.start()
    await assert.rejects(at.authenticate(bearer(await at.token())), isUnavailable, 'not yet')
    assert.equal(provider.asked.length, 0)
    at.clock.ms += COOLDOWN_MS
    assert.ok(await at.authenticate(bearer(await at.token())))
  })

  const DISCOVERY = '/.well-known/openid-configuration'
  const lies: [name: string, path: string, answer: Handler, reason: RegExp][] = [
    [
      'speaks for another issuer',
      DISCOVERY,
      () => ({ issuer: 'https://evil.example', jwks_uri: `${provider.issuer}/keys` }),
      /calls itself "https:\/\/evil/,
    ],
    ['has no keys', DISCOVERY, () => ({ issuer: provider.issuer }), /no jwks_uri/],
    [
      'has its keys in a file',
      DISCOVERY,
      () => ({ issuer: provider.issuer, jwks_uri: 'file:///etc/passwd' }),
      /no jwks_uri/,
    ],
    [
      'has its keys where HTTP goes far',
      DISCOVERY,
      () => ({ issuer: provider.issuer, jwks_uri: 'http://192.0.2.1/keys' }),
      /only HTTPS/,
    ],
    ['answers with a list', DISCOVERY, () => '[]', /JSON object/],
    ['answers with a page', '/keys', () => '<html>', /JSON/],
    ['answers without keys', '/keys', () => ({ keys: [] }), /no key/],
    ['answers with keys that are none', '/keys', () => ({ keys: [null, 7, 'x', { kty: 'oct', k: 'AAAA' }] }), /no key/],
    ['answers with no list', '/keys', () => ({ keys: { 0: 1 } }), /no list/],
    [
      'answers with more keys than anybody has',
      '/keys',
      () => ({ keys: Array.from({ length: 101 }, () => key.jwk) }),
      /101 keys/,
    ],
    ['answers without end', '/keys', (_, r) => endless(r), /more than \d+ bytes/],
    ['never answers', '/keys', () => undefined, /did not answer in/],
    ['answers a byte at a time', '/keys', (_, r) => drip(r), /did not answer in/],
    ['breaks off', '/keys', (_, r) => breakOff(r), /too early|ECONNRESET|aborted/],
    ['fails', '/keys', (_, r) => respond(r, 500), /status 500/],
    ['redirects', '/keys', (_, r) => respond(r, 302, 'http://127.0.0.1:1/keys'), /redirects/],
  ]
  for (const [name, path, answer, reason] of lies) {
    test(`a provider that ${name} lets nobody in, and recovers`, async () => {
      at = setUp({ timeoutMs: 300 })
      provider.answers[path] = answer
      const token = await at.token()
      await assert.rejects(at.authenticate(bearer(token)), isUnavailable)
      assert.match(at.reports[0] ?? '', reason)
      delete provider.answers[path]
      at.clock.ms += COOLDOWN_MS
      assert.ok(await at.authenticate(bearer(token)))
    })
  }

  test('keys that cannot be used let nobody in', async () => {
    at = setUp()
    provider.keys = [
      { kty: 'EC', crv: 'P-256', kid: 'one', x: 'AAAA', y: 'AAAA' },
      { kty: 'RSA', kid: 'two', n: 'AQAB', e: 'AQAB' },
    ]
    for (const by of [key, rsa]) assert.equal(await at.authenticate(bearer(await at.token({}, by))), undefined)
    assert.match(at.refusals.join(), /not usable/)
  })
})

function endless(response: ServerResponse): void {
  response.writeHead(200)
  const more = () => {
    while (!response.destroyed && response.write('x'.repeat(65_536)));
  }
  response.on('drain', more)
  more()
}
function drip(response: ServerResponse): void {
  response.writeHead(200)
  const timer = setInterval(() => response.write(' '), 20)
  response.on('close', () => clearInterval(timer))
}
function breakOff(response: ServerResponse): void {
  response.writeHead(200, { 'content-length': 1000 })
  response.write('{"keys"')
  setTimeout(() => response.destroy(), 20)
}
function respond(response: ServerResponse, status: number, location?: string): void {
  response.writeHead(status, location === undefined ? {} : { location })
  response.end('{}')
}

describe('Basic', () => {
  const attempts: string[] = []
  const login = (name: string, password: string) => at.authenticate(basic(name, password), n => void attempts.push(n))
  beforeEach(async () => {
    attempts.length = 0
    at = setUp({ passwordScope: 'taxii-read taxii-write', clientSecret: 'TEST ONLY:%ü' })
    provider.users.set('alice', { password: 'pass:word ü', token: await at.token() })
  })

  test('is not taken unless that is configured, and the provider is not asked', async () => {
    at = setUp()
    assert.equal(await login('alice', 'pass:word ü'), undefined)
    assert.deepEqual([provider.asked, attempts], [[], []])
  })

  test('is exchanged once for all who come with it at the same moment, and then for a minute', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => login('alice', 'pass:word ü')))
    for (const principal of all) assert.deepEqual(principal, ALICE)
    assert.deepEqual([count('/token'), attempts], [1, ['alice']])
    assert.deepEqual(Object.fromEntries(provider.form), {
      grant_type: 'password',
      username: 'alice',
      password: 'pass:word ü',
      scope: 'taxii-read taxii-write',
    })
    const client = Buffer.from((provider.authorization ?? '').slice('Basic '.length), 'base64').toString()
    assert.equal(client, 'taxii-server:TEST+ONLY%3A%25%C3%BC')
    at.clock.ms += REMEMBER_MS - 1
    assert.ok(await login('alice', 'pass:word ü'))
    assert.equal(count('/token'), 1)
    at.clock.ms += 2
    assert.ok(await login('alice', 'pass:word ü'))
    assert.equal(count('/token'), 2)
  })

  test('holds no longer than the token that it gave', async () => {
    provider.users.set('alice', { password: 'x', token: await at.token({ claims: { exp: START / 1000 + 5 } }) })
    assert.ok(await login('alice', 'x'))
    at.clock.ms += 36_000
    assert.equal(await login('alice', 'x'), undefined, 'the provider still gives the same')
    assert.equal(count('/token'), 2)
  })

  test('with a wrong password is an attempt each time, under one name', async () => {
    for (const name of ['alice', 'Alice', 'ALICE']) assert.equal(await login(name, 'wrong'), undefined)
    assert.deepEqual([count('/token'), attempts], [3, ['alice', 'alice', 'alice']])
    assert.equal(await login('', 'x'), undefined)
    assert.equal(await login('al\u0000ice', 'x'), undefined)
    assert.equal(count('/token'), 3)
  })

  test('the token that comes back is held against the same rules', async () => {
    for (const token of [
      await at.token({ claims: { aud: 'other-app' } }),
      await at.token({}, stranger),
      await at.token({ claims: { typ: 'ID' } }),
      'nonsense',
    ]) {
      provider.users.set('alice', { password: 'x', token })
      assert.equal(await login('alice', 'x'), undefined)
    }
  })

  test('gets a 503 while the provider is away, which is not asked by everybody then', async () => {
    assert.ok(await login('alice', 'pass:word ü'))
    await provider.stop()
    assert.ok(await login('alice', 'pass:word ü'), 'remembered')
    for (let i = 0; i < 5; i++) await assert.rejects(login('alice', `${i}`), isUnavailable)
    await provider.start()
    await assert.rejects(login('alice', '5'), isUnavailable, 'for two seconds nobody asks')
    at.clock.ms += QUIET_MS
    assert.equal(await login('alice', '6'), undefined)
  })

  test('is a 503 that the operator is told of where the client may not do it', async () => {
    provider.answers['/token'] = (_request, response) => {
      response.statusCode = 401
      return { error: 'unauthorized_client', error_description: 'Invalid client credentials' }
    }
    await assert.rejects(login('alice', 'secret of hers'), isUnavailable)
    assert.match(at.reports[0] ?? '', /exchange a password: 401 "unauthorized_client" "Invalid client credentials"/)
    assert.ok(!JSON.stringify([at.reports, at.refusals]).includes('secret of hers'))
    assert.ok(await at.authenticate(bearer(await at.token())), 'tokens are taken as before')
    assert.equal(await at.authenticate(bearer(await at.token({ header: { kid: 'x' } }))), undefined)
  })

  test('more than wait are refused with 503 overloaded', async () => {
    assert.ok(await at.authenticate(bearer(await at.token())))
    provider.answers['/token'] = () => undefined
    const all = await Promise.allSettled(Array.from({ length: 150 }, (_, i) => login(`user-${i}`, 'x')))
    const codes = all.map(r => (r.status === 'rejected' ? (r.reason as TaxiiError).code : 'in'))
    assert.equal(codes.filter(c => c === 'overloaded').length, 42)
    assert.ok(count('/token') < 20, 'once it did not answer, those who waited did not ask it')
  })
})

describe('introspection', () => {
  beforeEach(() => {
    at = setUp({ introspectionMs: 10_000 })
  })

  test('a revoked token ends when what was answered is forgotten', async () => {
    const token = await at.token()
    for (let i = 0; i < 10; i++) assert.ok(await at.authenticate(bearer(token)))
    assert.equal(count('/introspect'), 1)
    assert.equal(provider.form.get('token'), token)
    provider.revoked.add(token)
    at.clock.ms += 9999
    assert.ok(await at.authenticate(bearer(token)))
    at.clock.ms += 2
    for (let i = 0; i < 10; i++) assert.equal(await at.authenticate(bearer(token)), undefined)
    assert.equal(count('/introspect'), 2, 'that it is revoked is remembered as well')
    assert.deepEqual(at.refusals, ['it was revoked'])
  })

  test('is not asked about what does not verify', async () => {
    assert.equal(await at.authenticate(bearer(await at.token({}, stranger))), undefined)
    assert.equal(count('/introspect'), 0)
  })

  test('fails closed: away, or an answer that is none', async () => {
    provider.answers['/introspect'] = () => ({ active: 'true' })
    await assert.rejects(at.authenticate(bearer(await at.token())), isUnavailable)
    provider.answers['/introspect'] = (_request, response) => {
      response.statusCode = 401
      return { active: true }
    }
    await assert.rejects(at.authenticate(bearer(await at.token())), isUnavailable)
    await provider.stop()
    await assert.rejects(at.authenticate(bearer(await at.token())), isUnavailable)
  })
})
