import assert from 'node:assert/strict'
import { createHook } from 'node:async_hooks'
import { mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Authenticate } from './auth.ts'
import {
  createPassword,
  createToken,
  createUser,
  type LocalUser,
  localAuthenticate,
  readUsers,
  writeUsers,
} from './local.ts'

const folder = mkdtempSync(join(tmpdir(), 'entente-users-'))
after(() => rmSync(folder, { recursive: true }))

const basic = (name: string, password: string, scheme = 'Basic') =>
  `${scheme} ${Buffer.from(`${name}:${password}`).toString('base64')}`

let alice: LocalUser
before(async () => {
  alice = await createUser('alice', 'pass:word ü', ['taxii-read', 'taxii-write'])
})

let files = 0
/** A file of users of its own, and a clock that the test moves. */
function setUp(users = [alice], tokens: ReturnType<typeof createToken>['stored'][] = []) {
  const file = join(folder, `users-${files++}.json`)
  writeUsers(file, { version: 1, users, tokens })
  const clock = { now: Date.UTC(2026, 0, 1) }
  const errors: Error[] = []
  const authenticate: Authenticate = localAuthenticate(
    file,
    () => clock.now,
    error => errors.push(error),
  )
  return { file, clock, errors, authenticate }
}

test('the file of users is for its owner only, and holds no password and no token', () => {
  const { token, stored } = createToken('alice', ['taxii-read'], { now: new Date() })
  // What is typed after a command must not look like an option of it.
  assert.match(stored.id, /^[0-9a-f]{12}$/)
  assert.match(createPassword(), /^[0-9a-f]{36}$/)
  const { file } = setUp([alice], [stored])
  assert.equal(statSync(file).mode & 0o777, 0o600)
  const text = JSON.stringify(readUsers(file))
  assert.ok(!text.includes('pass:word') && !text.includes(token) && !text.includes(token.slice(-43)))
})

test('the same credentials at the same moment are one attempt, right or wrong', async () => {
  const { authenticate } = setUp()
  for (const [password, name] of [
    ['pass:word ü', 'alice'],
    ['wrong', undefined],
  ] as const) {
    let attempts = 0
    const all = Array.from({ length: 200 }, () => authenticate(basic('alice', password), () => void attempts++))
    assert.deepEqual(new Set((await Promise.all(all)).map(p => p?.name)), new Set([name]))
    assert.equal(attempts, 1)
  }
  let later = 0
  await authenticate(basic('alice', 'wrong'), () => void later++)
  assert.equal(later, 1, 'a later one is another')
})

test('no default password: without users nobody is let in', async () => {
  const authenticate = localAuthenticate(join(folder, 'none.json'))
  for (const [name, password] of [
    ['admin', 'admin'],
    ['admin', ''],
    ['', ''],
    ['user', 'pass'],
  ] as const)
    assert.equal(await authenticate(basic(name, password)), undefined)
})

describe('T02 HTTP Basic', () => {
  test('the right password, with colons and beyond ASCII, gives name and roles', async () => {
    const { authenticate } = setUp()
    const expected = { name: 'alice', roles: ['taxii-read', 'taxii-write'] }
    assert.deepEqual(await authenticate(basic('alice', 'pass:word ü')), expected)
    assert.deepEqual(await authenticate(basic('alice', 'pass:word u\u0308')), expected, 'NFD is the same password')
  })

  test('scheme names in any case (RFC 9110 section 11.1)', async () => {
    const { authenticate } = setUp()
    for (const scheme of ['basic', 'BASIC', 'bAsIc'])
      assert.ok(await authenticate(basic('alice', 'pass:word ü', scheme)), scheme)
  })

  test('anything else is nobody, and never an error', async () => {
    const { authenticate } = setUp()
    for (const header of [
      undefined,
      '',
      ' ',
      'Basic',
      'Basic ',
      'Basic  ',
      'Basic %%%',
      `Basic ${Buffer.from('alice').toString('base64')}`,
      `Basic${Buffer.from('alice:pass:word ü').toString('base64')}`,
      `Digest ${Buffer.from('alice:pass:word ü').toString('base64')}`,
      basic('alice', 'wrong'),
      basic('alice', ''),
      basic('Alice', 'pass:word ü'),
      basic('', 'pass:word ü'),
      basic('alice\u0000', 'pass:word ü'),
      basic('__proto__', 'x'),
      `Basic ${'A'.repeat(9000)}`,
      'Bearer x',
      'Token ',
    ])
      assert.equal(await authenticate(header), undefined, header)
  })

  test('an unknown user costs the same as a wrong password', async () => {
    const { authenticate } = setUp()
    const median = async (name: string) => {
      const times: number[] = []
      for (let i = 0; i < 7; i++) {
        const started = performance.now()
        await authenticate(basic(name, `wrong ${i}`))
        times.push(performance.now() - started)
      }
      return times.sort((a, b) => a - b)[3] as number
    }
    await median('warm-up')
    const [known, unknown] = [await median('alice'), await median('mallory')]
    assert.ok(unknown > known / 3 && unknown < known * 3, `known ${known} ms, unknown ${unknown} ms`)
    assert.ok(unknown > 5, 'it is scrypt that is being paid for')
  })

  test('an unknown user and a wrong password run scrypt once each, as the right one does', async () => {
    const { authenticate } = setUp()
    let derived = 0
    const hook = createHook({
      init: (_id, type) => {
        if (type === 'SCRYPTREQUEST') derived++
      },
    }).enable()
    try {
      const counts: number[] = []
      for (const header of [
        basic('mallory', 'x'),
        basic('alice', 'wrong'),
        basic('alice', 'pass:word ü'),
        'Bearer x',
      ]) {
        derived = 0
        await authenticate(header)
        counts.push(derived)
      }
      assert.deepEqual(counts, [1, 1, 1, 0])
    } finally {
      hook.disable()
    }
  })

  test('checked credentials are remembered, for a minute, wrong ones never', async () => {
    const { authenticate, clock } = setUp()
    const time = async (header: string) => {
      const started = performance.now()
      await authenticate(header)
      return performance.now() - started
    }
    const right = basic('alice', 'pass:word ü')
    const first = await time(right)
    clock.now += 59_000
    assert.ok((await time(right)) < first / 5, 'remembered')
    clock.now += 2000
    assert.ok((await time(right)) > first / 5, 'derived again')
    const wrong = basic('alice', 'wrong')
    await authenticate(wrong)
    assert.ok((await time(wrong)) > first / 5)
  })
})

describe('the file of users is read again when it changes', () => {
  test('a new password counts, the old one no longer, remembered or not', async () => {
    const { authenticate, clock, file } = setUp()
    const old = basic('alice', 'pass:word ü')
    assert.ok(await authenticate(old))
    const changed = await createUser('alice', 'another', ['taxii-read'])
    writeUsers(file, { version: 1, users: [changed], tokens: [] })
    clock.now += 1000
    assert.equal(await authenticate(old), undefined)
    assert.deepEqual(await authenticate(basic('alice', 'another')), { name: 'alice', roles: ['taxii-read'] })
  })

  test('what was being checked while it changed is not remembered', async () => {
    const { authenticate, clock, file } = setUp()
    const changed = await createUser('alice', 'another', ['taxii-read'])
    const old = basic('alice', 'pass:word ü')
    const checking = authenticate(old)
    writeUsers(file, { version: 1, users: [changed], tokens: [] })
    clock.now += 1000
    assert.equal(await authenticate(basic('alice', 'wrong')), undefined)
    await checking
    assert.equal(await authenticate(old), undefined)
  })

  test('who is removed is out, roles that go are gone', async () => {
    const { authenticate, clock, file } = setUp()
    const header = basic('alice', 'pass:word ü')
    writeUsers(file, { version: 1, users: [{ ...alice, roles: [] }], tokens: [] })
    clock.now += 1000
    assert.deepEqual((await authenticate(header))?.roles, [])
    writeUsers(file, { version: 1, users: [], tokens: [] })
    clock.now += 1000
    assert.equal(await authenticate(header), undefined)
    rmSync(file)
    clock.now += 1000
    assert.equal(await authenticate(header), undefined)
  })

  test('a file that cannot be read changes nothing and is reported, until it can', async () => {
    const { authenticate, clock, file, errors } = setUp()
    const header = basic('alice', 'pass:word ü')
    for (const text of ['{"version":1,"users":[', '{"version":2,"users":[],"tokens":[]}', 'null']) {
      writeFileSync(file, text)
      errors.length = 0
      clock.now += 1000
      assert.ok(await authenticate(header), text)
      assert.equal(errors.length, 1, text)
      clock.now += 1000
      assert.ok(await authenticate(header))
      assert.equal(errors.length, 1, 'said once')
    }
    writeUsers(file, { version: 1, users: [], tokens: [] })
    clock.now += 1000
    assert.equal(await authenticate(header), undefined)
  })

  test('a file that was written over in the same size is seen', async () => {
    const { authenticate, clock, file } = setUp()
    const other = { ...alice, name: 'alicf' }
    writeUsers(file, { version: 1, users: [other], tokens: [] })
    utimesSync(file, new Date(), new Date())
    clock.now += 1000
    assert.equal(await authenticate(basic('alice', 'pass:word ü')), undefined)
  })
})

describe('API tokens', () => {
  const now = new Date(Date.UTC(2026, 0, 1))

  test('as Bearer or Token, in any case, with the roles of the token', async () => {
    const { token, stored } = createToken('alice', ['taxii-read'], { now })
    const { authenticate } = setUp([alice], [stored])
    for (const scheme of ['Bearer', 'bearer', 'TOKEN', 'Token'])
      assert.deepEqual(await authenticate(`${scheme} ${token}`), { name: 'alice', roles: ['taxii-read'] }, scheme)
    for (const header of [
      `Basic ${token}`,
      `Bearer ${token}x`,
      `Bearer ${token.slice(0, -1)}`,
      `Bearer ${stored.hash}`,
    ])
      assert.equal(await authenticate(header), undefined, header)
  })

  test('it ends when it expires', async () => {
    const { token, stored } = createToken('alice', ['taxii-read'], { now, days: 1 })
    const { authenticate, clock } = setUp([alice], [stored])
    clock.now = now.getTime() + 86_400_000 - 1
    assert.ok(await authenticate(`Bearer ${token}`))
    clock.now += 1
    assert.equal(await authenticate(`Bearer ${token}`), undefined)
  })

  test('it never has more than its user has now, and goes with the user', async () => {
    const { token, stored } = createToken('alice', ['taxii-read', 'admin'], { now })
    const { authenticate, clock, file } = setUp([alice], [stored])
    assert.deepEqual((await authenticate(`Bearer ${token}`))?.roles, ['taxii-read'])
    writeUsers(file, { version: 1, users: [{ ...alice, roles: ['taxii-write'] }], tokens: [stored] })
    clock.now += 1000
    assert.deepEqual((await authenticate(`Bearer ${token}`))?.roles, [])
    writeUsers(file, { version: 1, users: [], tokens: [stored] })
    clock.now += 1000
    assert.equal(await authenticate(`Bearer ${token}`), undefined)
  })

  test('it ends when it is revoked', async () => {
    const { token, stored } = createToken('alice', ['taxii-read'], { now })
    const { authenticate, clock, file } = setUp([alice], [stored])
    assert.ok(await authenticate(`Bearer ${token}`))
    writeUsers(file, { version: 1, users: [alice], tokens: [] })
    clock.now += 1000
    assert.equal(await authenticate(`Bearer ${token}`), undefined)
  })
})
