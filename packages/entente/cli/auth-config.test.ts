import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { parse } from 'yaml'
import { type AuthConfig, AuthSchema, claimsOf, issuerOf } from './auth-config.ts'
import { loadConfig } from './config.ts'
import { openAuth } from './open-auth.ts'

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'entente-auth-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function load(t: TestContext, auth: string, env: NodeJS.ProcessEnv = {}): AuthConfig {
  const data = folderFor(t)
  const file = join(data, 'entente.yaml')
  writeFileSync(file, `auth: { ${auth} }`)
  return loadConfig({ file, data, env }).config.auth
}

test('Keycloak by url and realm, any other provider by its issuer; single values from the environment', t => {
  const keycloak = load(t, 'kind: oidc, url: "https://id.example/", realm: taxii, clientId: taxii.server')
  assert.equal(issuerOf(keycloak), 'https://id.example/realms/taxii')
  assert.deepEqual(claimsOf(keycloak), {
    name: 'preferred_username',
    scope: 'scope',
    roles: [['realm_access', 'roles'], ['resource_access', 'taxii.server', 'roles'], 'groups'],
  })
  const other = load(t, 'issuer: "https://id.example/", claims: { roles: ["https://id.example/roles"] }', {
    ENTENTE_AUTH_KIND: 'oidc',
    ENTENTE_AUTH_CLIENT_ID: 'taxii',
    ENTENTE_AUTH_PASSWORD_GRANT: 'true',
    ENTENTE_AUTH_CLOCK_SKEW_S: '5',
  })
  assert.equal(issuerOf(other), 'https://id.example/')
  assert.deepEqual(claimsOf(other), { name: 'sub', scope: 'scope', roles: ['https://id.example/roles'] })
  assert.deepEqual([other.passwordGrant, other.clockSkewS], [true, 5])
  assert.deepEqual(load(t, 'kind: local'), { kind: 'local' })
  const loopback = load(t, 'kind: oidc, issuer: "http://127.0.0.1:8080/x", clientId: a, introspection: {}')
  assert.deepEqual(loopback.introspection, { cacheMs: 10_000 })
})

test('what makes no sense is refused, with the key and the way out', t => {
  const realm = 'kind: oidc, url: "https://id.example", realm: taxii'
  for (const [auth, message] of [
    ['kind: oidc, clientId: a', /needs url and realm \(Keycloak\), or issuer/],
    ['kind: oidc, url: "https://id.example", clientId: a', /auth\.realm is missing/],
    ['kind: oidc, realm: taxii, clientId: a', /auth\.url is missing/],
    [`${realm}, issuer: "https://id.example", clientId: a`, /needs url and realm \(Keycloak\), or issuer/],
    [realm, /needs clientId/],
    [
      'kind: oidc, url: "http://id.example", realm: taxii, clientId: a',
      /http:\/\/id\.example\/realms\/taxii.*not HTTPS/,
    ],
    ['kind: oidc, issuer: "http://127.0.0.1.evil.example", clientId: a', /not HTTPS/],
    [`${realm}, clientId: a, scope: x`, /auth\.scope.*passwordGrant is not set/],
    [`${realm}, clientId: a, algorithms: [HS256]`, /algorithms/],
    [`${realm}, clientId: a, algorithms: [none]`, /algorithms/],
    [`${realm}, clientId: a, algorithms: []`, /algorithms/],
    [`${realm}, clientId: a, clockSkewS: 301`, /clockSkewS/],
    [`${realm}, clientId: a, introspection: { cacheMs: 60001 }`, /cacheMs/],
    [`${realm}, clientId: a, clientSecret: x`, /unknown key clientSecret/],
    ['kind: local, passwordGrant: true', /auth\.passwordGrant means nothing for the kind local/],
    ['kind: local, realm: taxii', /auth\.realm means nothing/],
    ['kind: ldap', /kind/],
  ] as const)
    assert.throws(() => load(t, auth), { code: 'usage', message }, auth)
  assert.ok(load(t, 'kind: oidc, url: "http://id.example", realm: t, clientId: a, allowPlainHttp: true'))
})

test('the secret comes from a file or the environment, not from both; introspection needs one', async t => {
  const base = folderFor(t)
  writeFileSync(join(base, 'secret'), 'TEST-ONLY\n')
  writeFileSync(join(base, 'empty'), '\n')
  const paths = { base, users: join(base, 'users.json') }
  const open = (more: Partial<AuthConfig>, env: NodeJS.ProcessEnv = {}) =>
    openAuth({ kind: 'oidc', issuer: 'http://127.0.0.1:1', clientId: 'a', ...more }, paths, env, () => {})
  const given = { ENTENTE_AUTH_CLIENT_SECRET: 'TEST-ONLY' }
  await open({ clientSecretFile: 'secret' })
  await open({ introspection: { cacheMs: 1 } }, given)
  for (const [more, env, message] of [
    [{ clientSecretFile: 'secret' }, given, /both auth\.clientSecretFile and ENTENTE_AUTH_CLIENT_SECRET/],
    [{ clientSecretFile: 'none' }, {}, /auth\.clientSecretFile: .*none cannot be read/],
    [{ clientSecretFile: 'empty' }, {}, /is empty/],
    [{ caFile: 'none' }, {}, /auth\.caFile/],
    [{ introspection: { cacheMs: 1 } }, {}, /auth\.introspection needs the secret/],
  ] as const)
    await assert.rejects(open(more, env), { code: 'usage', message })
})

test('that people send their passwords here is warned of at the start', async t => {
  const base = folderFor(t)
  const logged: string[] = []
  for (const passwordGrant of [false, true])
    await openAuth(
      { kind: 'oidc', issuer: 'http://127.0.0.1:1', clientId: 'a', passwordGrant },
      { base, users: join(base, 'users.json') },
      {},
      (level, message) => void (level === 'warn' && logged.push(message)),
    )
  assert.equal(logged.length, 1)
  assert.match(logged[0] as string, /auth\.passwordGrant is on/)
})

test('users of client certificates: only with an authority for them, each subject once', t => {
  const open = (tls: string) => {
    const data = folderFor(t)
    const file = join(data, 'entente.yaml')
    writeFileSync(file, `server: { tls: { cert: c.pem, key: k.pem${tls} } }`)
    return loadConfig({ file, data, env: {} }).config.server.tls?.clients
  }
  const feed = '{ subject: [O=Example, CN=feed], name: feed, roles: [taxii-write] }'
  const ca = ', clientCa: ca.pem'
  assert.deepEqual(open(`${ca}, clients: [${feed}]`), [
    { subject: ['O=Example', 'CN=feed'], name: 'feed', roles: ['taxii-write'] },
  ])
  for (const [tls, message] of [
    [`, clients: [${feed}]`, /needs server\.tls\.clientCa/],
    [`${ca}, clients: [${feed}, ${feed}]`, /the subject O=Example, CN=feed twice/],
    [`${ca}, clients: [{ subject: [feed], name: feed, roles: [] }]`, /subject/],
    [`${ca}, clients: [{ subject: [], name: feed, roles: [] }]`, /subject/],
    [`${ca}, clients: [{ subject: [CN=feed], roles: [] }]`, /name/],
  ] as const)
    assert.throws(() => open(tls), { code: 'usage', message }, tls)
})

test('docs/operating.md has every key of auth, and what it has is taken', t => {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/operating.md'), 'utf8')
  const example = /^auth:\n((?: {2}.*\n)+)/m.exec(text)?.[1] ?? ''
  const lines = [...example.matchAll(/^ {2}# (\w+: .*)$/gm)].map(([, line = '']) => line)
  const values = parse(lines.join('\n'))
  assert.deepEqual(['kind', 'issuer', ...Object.keys(values)].sort(), Object.keys(AuthSchema.properties).sort())
  const auth = JSON.stringify({ kind: 'oidc', ...values, passwordGrant: true })
  assert.equal(issuerOf(load(t, auth.slice(1, -1))), 'https://id.example/realms/taxii')
})
