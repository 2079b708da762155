import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { entente, runScript } from './test/script.ts'
import { adminPassword, startSite } from './test/site.ts'

async function setUp(t: TestContext) {
  const site = await startSite(t)
  const variables = { URL: site.url, SERVER: site.server.url, ADMIN: adminPassword(site) }
  /** The running server answers so within a second. */
  const login = async (expected: number, authorization: string) => {
    const until = performance.now() + 1000
    for (;;) {
      const { status } = await fetch(`${site.server.url}/api/collections/`, { headers: { authorization } })
      if (status === expected || performance.now() > until) return assert.equal(status, expected)
      await sleep(50)
    }
  }
  const basic = (expected: number, user: string, password: string) =>
    login(expected, `Basic ${btoa(`${user}:${password}`)}`)
  return { ...site, login, basic, run: (script: string) => runScript(script, { cwd: site.folder, variables }) }
}

test('users: added, changed, removed; the running server follows', async t => {
  const { run, basic, folder, data } = await setUp(t)
  writeFileSync(join(folder, 'password'), 'a long password\n')
  await run(`
    $ entente user add soc --roles taxii-read --password - < password
    added soc (taxii-read)
    $ entente user list
    NAME   ROLES                         TOKENS
    admin  taxii-read,taxii-write,admin  0
    soc    taxii-read                    0
    $ entente user add soc --password "a long password"
    entente user: there is a user soc: "entente user password soc" changes the password
    [exit 1]
  `)
  await basic(200, 'soc', 'a long password')
  await run(`
    $ entente user password soc --password "another password"
    changed the password of soc
    $ entente user roles soc --roles taxii-read,taxii-write --json
    {"user":"soc","roles":["taxii-read","taxii-write"]}
  `)
  await basic(401, 'soc', 'a long password')
  await basic(200, 'soc', 'another password')
  await run(`
    $ entente user remove soc
    removed soc
    $ entente user remove soc
    entente user: there is no user soc: there are admin
    [exit 1]
  `)
  await basic(401, 'soc', 'another password')
  assert.equal(statSync(join(data, 'users.json')).mode & 0o777, 0o600)
})

test('a random password is shown once; the admin-password file never holds an old one', async t => {
  const { folder: cwd, basic, data } = await setUp(t)
  const { out, code } = await entente(['user', 'password', 'admin', '--generate', '--json'], { cwd })
  assert.equal(code, 0)
  const { password } = JSON.parse(out) as { password: string }
  assert.ok(password.length >= 24)
  assert.equal(existsSync(join(data, 'admin-password')), false)
  assert.ok(!readFileSync(join(data, 'users.json'), 'utf8').includes(password))
  await basic(200, 'admin', password)
  const added = await entente(['user', 'add', 'x'], { cwd })
  assert.match(added.out, /^added x \(taxii-read, taxii-write\)\npassword, shown this once: [0-9a-f]{36}\n$/)
})

test('users that can not be', async t => {
  const { run } = await setUp(t)
  await run(`
    $ entente user add a:b --generate
    entente user: "a:b" is no name of a user: …
    [exit 2]
    $ entente user add x --password short
    entente user: the password has 5 characters: at least 8 are wanted
    [exit 2]
    $ entente user add x --generate --roles taxii-reed
    entente user: no collection knows the role "taxii-reed": there are taxii-read, taxii-write, admin
    [exit 2]
    $ entente user
    entente user: "" is nothing to do with users
    Usage: entente user add|list|remove|password|roles [NAME]
    [exit 2]
    $ entente user add
    entente user: NAME is missing
    …
    [exit 2]
    $ entente user list --data elsewhere
    entente user: …/elsewhere is not the data folder of a server: …
    [exit 2]
  `)
})

test('two commands at a time lose nothing', async t => {
  const { folder: cwd, data } = await setUp(t)
  const names = ['a', 'b', 'c', 'd']
  const runs = await Promise.all(names.map(n => entente(['user', 'add', n, '--password', 'long enough'], { cwd })))
  assert.deepEqual(
    runs.map(r => [r.code, r.err]),
    names.map(() => [0, '']),
  )
  const { users } = JSON.parse(readFileSync(join(data, 'users.json'), 'utf8')) as { users: { name: string }[] }
  assert.deepEqual(users.map(u => u.name).sort(), ['a', 'admin', 'b', 'c', 'd'])
  assert.equal(existsSync(join(data, 'users.json.lock')), false)
})

test('tokens: made, used, listed, ended', async t => {
  const { run, folder: cwd, login } = await setUp(t)
  const { out } = await entente(
    ['token', 'create', 'admin', '--roles', 'taxii-read', '--days', '90', '--note', 'OpenCTI', '--json'],
    { cwd },
  )
  const { token, id, expires } = JSON.parse(out) as { token: string; id: string; expires: string }
  assert.ok(Date.parse(expires) > Date.now() + 89 * 86_400_000)
  await login(200, `Bearer ${token}`)
  writeFileSync(join(cwd, 'one.json'), '[]')
  await run(`
    $ entente token list
    ID…  USER   ROLES       CREATED…  EXPIRES…  NOTE
    ${id}  admin  taxii-read  …Z  …Z  OpenCTI
    $ entente get $URL --token ${token} --format envelope
    {}
    $ entente publish one.json --to $URL --token ${token}
    entente publish: you may not write to $URL ("Default collection")
    [exit 1]
    $ entente token create admin --roles root
    entente token: admin has no role "root", so a token can't: it has taxii-read, taxii-write, admin
    [exit 2]
    $ entente token create nobody
    entente token: there is no user nobody
    [exit 1]
    $ entente token revoke ${id}
    revoked token ${id} of admin
    $ entente token revoke ${id}
    entente token: there is no token ${id}: …
    [exit 1]
  `)
  await login(401, `Bearer ${token}`)
})

test('collections, as the configuration and the log have them', async t => {
  const { run } = await setUp(t)
  await run(`
    $ entente collection list --config entente.yaml
    API ROOT  ALIAS    ID…  RECORDS  TITLE
    /api/     default  …  0        Default collection
    /api/     other    …  0        Other collection
    /api/     inbox    …  0        Write only
    /api/     feed     …  0        Read only
    $ entente collection show inbox --config entente.yaml
    api_root     /api/
    id           …
    alias        inbox
    title        Write only
    description  -
    records      0
    read         nobody
    write        taxii-write
    ledgers…
    require      all
    on_invalid   withhold
    validation   standard
    on_conflict  fail
    hold         -
    repost       allow
    $ entente collection show inbox --config entente.yaml --json
    {"api_root":"/api/","id":"…","alias":"inbox",…}
    $ entente collection show nope --config entente.yaml
    entente collection: there is no collection nope: there are default, other, inbox, feed
    [exit 1]
    $ entente collection make
    entente collection: "make" is nothing to do with collections
    …
    [exit 2]
  `)
})
