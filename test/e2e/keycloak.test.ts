// Entente with a real Keycloak and the realm of test/support/keycloak-realm.json: what docs/operating.md, "OIDC", says that works.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import {
  assertTaxiiError,
  basic,
  indicator,
  startTestServer,
  type TestServer,
} from '../../packages/entente/taxii/test/server.ts'
import { installKeycloak, type Keycloak, startKeycloak } from '../support/keycloak.ts'
import { root, temporaryFolder } from '../support/server.ts'

const found = installKeycloak()
const COLLECTIONS = [
  { alias: 'default', title: 'For the scopes' },
  { alias: 'incidents', title: 'For a realm role, and a role of this client', read: ['analyst'], write: ['incidents'] },
  { alias: 'soc', title: 'For a group', read: ['/soc'], write: ['taxii-write'] },
]
const objects = (collection: string) => `/api/collections/${collection}/objects/`

describe('Keycloak', { skip: 'reason' in found ? found.reason : false }, () => {
  let keycloak: Keycloak
  let server: TestServer
  /** The same, which asks Keycloak whether tokens were revoked. */
  let asking: TestServer

  const closers: (() => Promise<unknown> | void)[] = []
  before(async () => {
    const folder = temporaryFolder({ after: f => closers.push(f) })
    keycloak = await startKeycloak((found as { path: string }).path, folder)
    closers.push(keycloak.stop)
    const secret = join(folder, 'secret')
    writeFileSync(secret, 'TEST-ONLY-server\n')
    const start = (more: Record<string, unknown>) =>
      startTestServer({
        auth: {
          kind: 'oidc',
          url: keycloak.url,
          realm: 'taxii',
          clientId: 'taxii-server',
          clientSecretFile: secret,
          clockSkewS: 0,
          ...more,
        },
        apiRoots: [{ path: '/api/', title: 'Test root', collections: COLLECTIONS }],
      })
    server = await start({ passwordGrant: true })
    closers.push(server.stop)
    asking = await start({ introspection: { cacheMs: 200 } })
    closers.push(asking.stop)
  })
  after(async () => {
    for (const close of closers.reverse()) await close()
  })

  const ask = (authorization: string, path: string, objects?: unknown[], at = server) =>
    at.ask(objects ? 'POST' : 'GET', path, {
      user: null,
      headers: { authorization },
      ...(objects ? { body: { objects } } : {}),
    })
  const login = (name: string, password = `TEST-ONLY-${name}`) => basic(name, password)
  const tokens = async (form: Record<string, string>) => {
    const { status, body } = await keycloak.token(form)
    assert.equal(status, 200, JSON.stringify(body))
    return body
  }
  /** A new token of a person, through a client. */
  const person = async (username: string, client = 'taxii-cli', scope = 'taxii-read taxii-write') => {
    const form = { grant_type: 'password', client_id: client, username, password: `TEST-ONLY-${username}`, scope }
    return `Bearer ${(await tokens(form)).access_token}`
  }
  const service = async () => {
    const form = { grant_type: 'client_credentials', client_id: 'taxii-feed', client_secret: 'TEST-ONLY-feed' }
    return `Bearer ${(await tokens({ ...form, scope: 'taxii-write' })).access_token}`
  }
  async function until(authorization: string, status: number, at = server) {
    for (const end = Date.now() + 20_000; ; ) {
      const answer = await ask(authorization, objects('default'), undefined, at)
      if (answer.status === status) return answer
      assert.ok(Date.now() < end, `${answer.status} and not ${status} after 20 s: ${answer.text}`)
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }

  test('client credentials publish, and people read, with tokens and with passwords; the command as well', async () => {
    const feed = await service()
    const sent = indicator()
    const posted = await ask(feed, objects('default'), [sent])
    assert.equal(posted.status, 202, posted.text)
    assert.equal((await ask(feed, `/api/status/${posted.json.id}/`)).status, 200, 'its own status')
    assertTaxiiError(await ask(feed, objects('default')), 403, 'forbidden')
    for (const authorization of [await person('reader'), login('reader'), await person('writer')]) {
      const { status, json } = await ask(authorization, objects('default'))
      assert.deepEqual([status, json.objects], [200, [sent]])
    }
    const collection = `${server.url}/api/collections/default/`
    const main = join(root, 'packages/entente/cli/entente.js')
    const token = (await person('writer')).slice('Bearer '.length)
    const words = [main, 'get', collection, '--token', token, '--no-memory']
    const { stdout } = await promisify(execFile)(process.execPath, words, { cwd: root })
    assert.match(stdout, new RegExp(sent.id))
  })

  test('the scope taxii-write is only for who has the role that Keycloak wants for it', async () => {
    for (const authorization of [await person('reader'), login('reader')])
      assertTaxiiError(await ask(authorization, objects('default'), [indicator()]), 403, 'forbidden')
    for (const authorization of [await person('writer'), login('writer')])
      assert.equal((await ask(authorization, objects('default'), [indicator()])).status, 202)
  })

  test('a role for each collection: of the realm, of this client, and a group', async () => {
    const status = async (authorization: string, collection: string, body?: unknown[]) =>
      (await ask(authorization, objects(collection), body)).status
    // The roles of a client are in the tokens of that client: here of Entente itself, which exchanges the password.
    assert.equal(await status(login('analyst'), 'incidents'), 200)
    assert.equal(await status(login('analyst'), 'incidents', [indicator()]), 202)
    assert.equal(await status(login('analyst'), 'soc'), 200)
    assert.equal(await status(login('analyst'), 'soc', [indicator()]), 403)
    assert.equal(await status(login('writer'), 'incidents'), 404)
    assert.equal(await status(login('writer'), 'soc'), 403)
    assert.equal(await status(login('writer'), 'soc', [indicator()]), 202)
    assert.equal(await status(login('reader'), 'soc'), 404)
    assert.equal(await status(login('reader'), 'incidents', [indicator()]), 404)
  })

  test('wrong passwords, unknown users and those who are disabled get 401', async () => {
    for (const authorization of [login('reader', 'x'), login('reader', ''), login('nobody'), login('admin', 'admin')])
      assertTaxiiError(await ask(authorization, objects('default')), 401, 'credentials')
    const [user] = await keycloak.admin('GET', '/users?username=analyst&exact=true')
    const other = login('Analyst', 'TEST-ONLY-analyst')
    assert.equal((await ask(other, objects('default'))).status, 200, 'Keycloak takes a name in any case')
    await keycloak.admin('PUT', `/users/${user.id}`, { ...user, enabled: false })
    assertTaxiiError(await ask(login('ANALYST', 'TEST-ONLY-analyst'), objects('default')), 401, 'credentials')
    await keycloak.admin('PUT', `/users/${user.id}`, { ...user, enabled: true })
  })

  /** A new key, which signs from now on. */
  async function rotate(priority: number): Promise<string> {
    const config = { priority: [String(priority)], enabled: ['true'], active: ['true'], keySize: ['2048'] }
    const kind = { providerId: 'rsa-generated', providerType: 'org.keycloak.keys.KeyProvider' }
    await keycloak.admin('POST', '/components', { name: `key-${priority}`, ...kind, config })
    const { active } = await keycloak.admin('GET', '/keys')
    return String(active.RS256)
  }
  let ofFirstKey = ''

  test('a new key is taken as soon as a token comes with it', async () => {
    const kidOf = (authorization: string) =>
      JSON.parse(Buffer.from(authorization.slice(7).split('.')[0] as string, 'base64url').toString()).kid
    ofFirstKey = await person('reader')
    const second = await rotate(200)
    const after = await person('reader')
    assert.deepEqual([kidOf(after) === second, kidOf(ofFirstKey) === second], [true, false])
    assert.equal((await until(after, 200)).status, 200)
    const { keys } = await keycloak.admin('GET', '/keys')
    const first = keys.find((k: { kid: string }) => k.kid === kidOf(ofFirstKey))
    await keycloak.admin('DELETE', `/components/${first.providerId}`)
  })

  test('a token for another audience, and those of Keycloak that are for another use, get 401', async () => {
    const { access_token, refresh_token, id_token } = await tokens({
      grant_type: 'password',
      client_id: 'taxii-server',
      client_secret: 'TEST-ONLY-server',
      username: 'reader',
      password: 'TEST-ONLY-reader',
      scope: 'openid taxii-read',
    })
    assert.equal((await ask(`Bearer ${access_token}`, objects('default'))).status, 200)
    const other = await person('reader', 'other-app', 'taxii-read')
    for (const authorization of [other, `Bearer ${refresh_token}`, `Bearer ${id_token}`]) {
      const answer = await ask(authorization, objects('default'))
      assertTaxiiError(answer, 401, 'credentials')
      assert.equal(
        answer.headers['www-authenticate'],
        'Basic realm="taxii", charset="UTF-8", Bearer realm="taxii", error="invalid_token"',
      )
    }
    const reasons = server.logged.filter(l => l.message === 'a token was refused').map(l => String(l.details['reason']))
    for (const reason of [/"aud"/, /ALG_NOT_ALLOWED/, /no access token: typ is "ID"/])
      assert.ok(
        reasons.some(text => reason.test(text)),
        reasons.join('\n'),
      )
  })

  test('a token that expires is good until then', async () => {
    const short = await person('reader', 'taxii-short')
    assert.equal((await ask(short, objects('default'))).status, 200)
    await until(short, 401)
  })

  test('a session that is ended takes its tokens with it, where that is asked', async () => {
    const token = await person('reader')
    for (const at of [server, asking]) assert.equal((await ask(token, objects('default'), undefined, at)).status, 200)
    const [user] = await keycloak.admin('GET', '/users?username=reader&exact=true')
    await keycloak.admin('POST', `/users/${user.id}/logout`)
    await until(token, 401, asking)
    assert.ok(asking.logged.some(l => l.details['reason'] === 'it was revoked'))
    assert.equal((await ask(token, objects('default'))).status, 200, 'and holds until it expires where it is not asked')
    assert.equal((await ask(await person('reader'), objects('default'), undefined, asking)).status, 200)
  })

  test('a key that was withdrawn is none, once there is a newer one to ask for', async () => {
    await rotate(300)
    const token = await person('reader')
    await Promise.all([until(token, 200), until(token, 200, asking)])
    assertTaxiiError(await ask(ofFirstKey, objects('default')), 401, 'credentials')
  })

  test('Keycloak stopped: its keys go on, a password gets 503, and so does what must be asked', async () => {
    const [fresh, other] = [await person('reader'), await person('reader')]
    await keycloak.stop()
    assert.equal((await ask(fresh, objects('default'))).status, 200)
    for (const [authorization, at] of [
      [login('writer', 'TEST-ONLY-wrong'), server],
      [other, asking],
    ] as const) {
      const answer = await ask(authorization, objects('default'), undefined, at)
      assertTaxiiError(answer, 503, 'provider')
      assert.equal(answer.headers['retry-after'], '5')
    }
    assert.ok(server.logged.some(l => l.message === 'the identity provider does not answer as it should'))
  })

  test('nothing secret was logged', () => {
    const logged = JSON.stringify([server.logged, asking.logged])
    for (const secret of ['TEST-ONLY', 'eyJ']) assert.ok(!logged.includes(secret), secret)
  })
})
