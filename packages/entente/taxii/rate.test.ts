import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TaxiiError } from './errors.ts'
import { clientKey, createBuckets, createGate } from './rate.ts'
import { assertTaxiiError, basic, startTestServer } from './test/server.ts'

const isLimited = (error: unknown) => error instanceof TaxiiError && error.status === 429 && error.code === 'rate'

test('a client is an IPv4 address or the /64 of an IPv6 address', () => {
  assert.equal(clientKey('192.0.2.1'), '192.0.2.1')
  assert.equal(clientKey('::ffff:192.0.2.1'), '192.0.2.1')
  assert.equal(clientKey('2001:db8:0:1:ffff::1'), '2001:db8:0:1::/64')
  assert.equal(clientKey('2001:DB8:0:1::'), '2001:db8:0:1::/64')
  assert.equal(clientKey('2001:db8::1'), '2001:db8:0:0::/64')
  assert.equal(clientKey('fe80::1%eth0'), 'fe80:0:0:0::/64')
  assert.equal(clientKey('::1'), '0:0:0:0::/64')
})

test('a bucket is full at first, fills again in a minute, and says how long until there is a token', () => {
  let now = 0
  const buckets = createBuckets(6, () => now)
  for (let i = 0; i < 6; i++) assert.equal(buckets.take('a'), 0)
  assert.equal(buckets.take('a'), 10)
  assert.equal(buckets.take('b'), 0, 'another key has its own')
  now += 10_000
  assert.equal(buckets.take('a'), 0)
  assert.equal(buckets.take('a'), 10)
  now += 3_600_000
  for (let i = 0; i < 6; i++) assert.equal(buckets.take('a'), 0, 'never more than a minute')
  assert.equal(buckets.take('a'), 10)
  buckets.giveBack('a')
  assert.equal(buckets.take('a'), 0)
})

test('however many clients there are, only so many are remembered', () => {
  const buckets = createBuckets(1, () => 0, 100)
  for (let i = 0; i < 10_000; i++) buckets.take(`client ${i}`)
  assert.equal(buckets.size(), 100)
})

/** Passwords are `right`; counts how often one had to be derived. */
function setUp(limits = { failures: 3, anonymous: 2 }) {
  const clock = { now: 0 }
  let derived = 0
  const gate = createGate(
    async (authorization, attempt = () => {}) => {
      const [name = '', password] = (authorization ?? '').split(':')
      if (password === undefined) return undefined
      attempt(name)
      derived++
      return password === 'right' ? { name, roles: [] } : undefined
    },
    limits,
    () => clock.now,
  )
  return { clock, gate, derived: () => derived }
}

test('failed logins are counted by client, right ones never; beyond the limit no password is derived', async () => {
  const { gate, clock, derived } = setUp()
  for (let i = 0; i < 100; i++) assert.ok(await gate.principal('alice:right', '192.0.2.1'))
  for (let i = 0; i < 3; i++) assert.equal(await gate.principal(`user${i}:wrong`, '192.0.2.1'), undefined)
  const before = derived()
  await assert.rejects(gate.principal('alice:right', '192.0.2.1'), isLimited)
  assert.equal(derived(), before)
  assert.ok(await gate.principal('alice:right', '192.0.2.2'), 'others are let in')
  clock.now += 20_000
  assert.ok(await gate.principal('alice:right', '192.0.2.1'))
})

test('attempts at the same moment count before their passwords are looked at', async () => {
  const { gate, derived } = setUp()
  const attempts = Array.from({ length: 50 }, () => gate.principal('alice:wrong', '192.0.2.1'))
  const results = await Promise.allSettled(attempts)
  assert.equal(results.filter(r => r.status === 'rejected' && isLimited(r.reason)).length, 47)
  assert.equal(derived(), 3)
})

test('failed logins are counted by user too, from wherever they come, but lock nobody out where they log in from', async () => {
  const { gate } = setUp()
  assert.ok(await gate.principal('alice:right', '198.51.100.7'))
  for (let i = 0; i < 3; i++) assert.equal(await gate.principal('alice:wrong', `192.0.2.${i}`), undefined)
  await assert.rejects(gate.principal('alice:wrong', '192.0.2.9'), isLimited)
  assert.ok(await gate.principal('alice:right', '198.51.100.7'))
})

test('credentials that are none, and bad tokens, count as failures', async () => {
  const { gate } = setUp()
  for (let i = 0; i < 3; i++) assert.equal(await gate.principal('nonsense', '192.0.2.1'), undefined)
  await assert.rejects(gate.principal('nonsense', '192.0.2.1'), isLimited)
})

test('requests without credentials are counted by client; 0 is no limit', () => {
  const { gate } = setUp()
  for (let i = 0; i < 2; i++) gate.anonymous('192.0.2.1')
  assert.throws(() => gate.anonymous('192.0.2.1'), isLimited)
  const open = setUp({ failures: 0, anonymous: 0 })
  for (let i = 0; i < 10_000; i++) open.gate.anonymous('192.0.2.1')
})

test('over HTTP: 429 with Retry-After; bulk with credentials and health are never counted', async () => {
  const server = await startTestServer({ server: { rateLimit: { failures: 3, anonymous: 4 } } })
  try {
    assert.equal((await server.ask('GET', '/taxii2/')).status, 200)
    const wrong = () =>
      server.ask('GET', '/taxii2/', { user: null, headers: { authorization: basic('both', 'wrong') } })
    for (let i = 0; i < 3; i++) assertTaxiiError(await wrong(), 401, 'credentials')
    const limited = await wrong()
    assertTaxiiError(limited, 429, 'rate')
    assert.match(String(limited.headers['retry-after']), /^[1-9]\d?$/)
    for (let i = 0; i < 4; i++) assert.equal((await server.ask('GET', '/log/key', { user: null })).status, 200)
    assertTaxiiError(await server.ask('GET', '/log/key', { user: null }), 429, 'rate')
    assertTaxiiError(await server.ask('GET', '/taxii2/', { user: null }), 429, 'rate')
    for (let i = 0; i < 200; i++) assert.equal((await server.ask('GET', '/taxii2/')).status, 200)
    for (let i = 0; i < 20; i++) assert.equal((await server.ask('GET', '/healthz', { user: null })).status, 200)
  } finally {
    await server.stop()
  }
})

test('X-Forwarded-For counts only where the proxy is trusted', async () => {
  const ask = (server: Awaited<ReturnType<typeof startTestServer>>, from: string) =>
    server.ask('GET', '/log/key', { user: null, headers: { 'x-forwarded-for': from } })
  for (const [trustProxy, last] of [
    [undefined, 429],
    ['loopback', 200],
  ] as const) {
    const rateLimit = { failures: 1, anonymous: 1 }
    const server = await startTestServer({ server: { rateLimit, ...(trustProxy ? { trustProxy } : {}) } })
    try {
      assert.equal((await ask(server, '192.0.2.1')).status, 200)
      assert.equal((await ask(server, '192.0.2.2')).status, last)
      assert.equal(
        (await ask(server, '203.0.113.9, 192.0.2.1')).status,
        429,
        'what the client put before is not believed',
      )
    } finally {
      await server.stop()
    }
  }
})
