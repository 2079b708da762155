// Servers of one log in one process: a store and a lease that they share, and real connections between them.
import assert from 'node:assert/strict'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { audit } from '#notary/audit.ts'
import { NotaryError } from '#notary/errors.ts'
import { toLogKey } from '#notary/key.ts'
import { Moved, type Notary, openNotary, type Others } from '#notary/notary.ts'
import type { Request } from '#notary/sequence.ts'
import { testObject, testRequest } from '#notary/test/request.ts'
import { openSqliteStore } from '#store/sqlite/sqlite.ts'
import type { LeaseStore } from '#store/lease.ts'
import { type Journal, type Store, StoreError } from '#store/store.ts'
import { type FlakyProxy, startFlakyProxy } from '../../../test/support/flaky-proxy.ts'
import { freePort } from '../../../test/support/mongod.ts'
import { GRANT_MS, HELD_MS } from './grants.ts'
import { deriveKeys } from './keys.ts'
import { formatLease } from './lease.ts'
import { listen, type Listener, openLink, type Peer } from './link.ts'
import { type Member, openMember } from './member.ts'
import { createSecureServer } from './secure.ts'
import { createMemoryLease, type MemoryLease } from './test/memory.ts'
import { formatRequest, formatStatus, parseRequest, parseStatus } from './wire.ts'
import { until as untilSo } from '../../../test/support/until.ts'

const { privateKey } = generateKeyPairSync('ed25519')
const key = toLogKey('test.example/log', privateKey)
const COLLECTIONS = [{ apiRoot: '/api/', id: '11111111-1111-4111-8111-111111111111' }]

type Server = {
  member: Member
  notary: Notary
  performed: unknown[]
  erased: { count: number }
  isStarted: { now: boolean }
}
type ListenOptions = Parameters<typeof listen>[0]
type Site = { store: Store & Journal; lease: MemoryLease; start(options?: StartOptions): Promise<Server> }
type StartOptions = {
  store?: Partial<Store>
  lease?: Partial<LeaseStore>
  patienceMs?: number
  isListening?: boolean
  /** How far its clock is off. */
  offMs?: number
  /** What stands before it on the way of the others. */
  behind?: (port: number) => Promise<FlakyProxy>
}

function open(t: TestContext): Site {
  const folder = mkdtempSync(join(tmpdir(), 'entente-cluster-'))
  const store = openSqliteStore({ path: join(folder, 'store.db'), create: true })
  const lease = createMemoryLease()
  const members: Member[] = []
  t.after(async () => {
    for (const member of members) await member.close()
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return {
    store,
    lease,
    start: async (options = {}) => {
      const port = await freePort()
      const member = await openMember({
        lease: { ...lease, ...options.lease },
        keys: deriveKeys(privateKey),
        id: randomUUID(),
        listen: { host: '127.0.0.1', port },
        address: `127.0.0.1:${(await options.behind?.(port))?.port ?? port}`,
        maxBytes: 1_000_000,
        now: () => performance.now(),
        log: () => {},
        ...(options.patienceMs === undefined ? {} : { patienceMs: options.patienceMs }),
      })
      members.push(member)
      const own = { ...store, ...options.store }
      const clock = () => (Date.now() + (options.offMs ?? 0)) * 1000
      const notary = await openNotary({ ...key, store: own, origin: 'test.example/log', others: member, clock })
      const performed: unknown[] = []
      const [erased, isStarted] = [{ count: 0 }, { now: false }]
      await member.start({
        notary,
        collections: COLLECTIONS,
        duties: { start: async () => void (isStarted.now = true), stop: async () => void (isStarted.now = false) },
        perform: async data => {
          performed.push(data)
          return { done: data['n'] }
        },
        isListening: () => options.isListening ?? true,
        erased: () => erased.count++,
      })
      return { member, notary, performed, erased, isStarted }
    },
  }
}

const until = (isSo: () => unknown, everyMs = 20) => untilSo(isSo, undefined, { ms: 8000, everyMs })
/** The run of the server that has the lease. */
const holderOf = ({ lease }: Site) => (JSON.parse(lease.text?.split('\n')[0] as string) as { holder: string }).holder
const auditClean = async (store: Store & Journal) =>
  assert.deepEqual((await audit({ store, vkey: key.vkey, anchors: [] })).problems, [])

/** Another one's lease, as if it were renewed. @returns what ends that */
function holdLease(t: TestContext, { lease }: Site, port: number): () => void {
  const held = { holder: 'other', address: `127.0.0.1:${port}`, term: 1, released: false }
  let beat = 0
  const renew = () => (lease.text = formatLease({ ...held, beat: beat++ }, deriveKeys(privateKey).lease))
  renew()
  const renewing = setInterval(renew, 200)
  t.after(() => clearInterval(renewing))
  return () => clearInterval(renewing)
}

/** One that writes and is no member: what it answers is up to the test. */
async function startStandIn(
  t: TestContext,
  site: Site,
  does: Pick<ListenOptions, 'answer'> & Partial<Pick<ListenOptions, 'heard'>>,
): Promise<{ writer: Notary; listener: Listener }> {
  const nobody: Others = { submit: () => Promise.reject(new Moved()), conflict: () => {} }
  const writer = await openNotary({ ...key, store: site.store, origin: 'test.example/log', others: nobody })
  await writer.lead(COLLECTIONS)
  const port = await freePort()
  const listener = await listen({
    host: '127.0.0.1',
    port,
    psk: deriveKeys(privateKey).psk,
    id: 'other',
    maxBytes: 1000,
    heard: () => {},
    toFault: () => ({ code: 'unavailable', message: '' }),
    ...does,
  })
  t.after(() => listener.close())
  holdLease(t, site, port)
  return { writer, listener }
}

test('a request is the same on the other side', () => {
  const request: Request = {
    statusId: 'a',
    collection: 3,
    apiRoot: '/api/',
    submitter: 'ü "x"',
    mayRead: true,
    requested: 5,
    objects: ['\u2028\n"', 'b'].map((text, i) => {
      const value = { id: `url--${i}`, text }
      const version = i === 0 ? undefined : '2026-01-01T00:00:00.000000Z'
      return {
        id: value.id,
        version,
        versionDigits: i,
        spec: '2.1',
        value,
        canonical: JSON.stringify(value),
        warning: 'w',
      }
    }),
    failed: [{ id: 'x', version: 'v', message: 'm' }],
    onConflict: 'keepBoth',
    repost: 'refuse',
    channels: ['A'],
    forward: { default: ['B'], types: { url: ['C'] } },
  }
  assert.deepEqual(parseRequest(formatRequest(request)), request)
  const row = {
    id: 'a',
    apiRoot: '/',
    collection: 1,
    submitter: 's',
    requested: 1,
    size: 2,
    accepted: [],
    failed: [],
    receipt: 'r\n',
  }
  assert.deepEqual(parseStatus(formatStatus(row)), row)
})

test('one writes, the others forward and read what it has acknowledged; what it does for them is done there', async t => {
  const site = open(t)
  const first = await site.start()
  const others = [await site.start(), await site.start()]
  assert.equal(first.member.state().role, 'sequencer')
  assert.equal(first.isStarted.now, true)
  for (const [n, other] of others.entries()) {
    assert.equal(other.member.state().role, 'follower')
    assert.equal(other.isStarted.now, false)
    const status = await other.notary.submit(testRequest(other.notary, [testObject()]))
    for (const server of [first, ...others]) {
      await server.member.fresh()
      assert.ok(server.notary.log.size >= status.size)
    }
    assert.deepEqual(await other.member.perform({ n }), { done: n })
  }
  assert.deepEqual(first.performed, [{ n: 0 }, { n: 1 }])
  // Who is told of erased objects lets go of copies.
  const [other] = others as [Server, Server]
  const counted = other.erased.count
  const object = testObject()
  await first.notary.submit(testRequest(first.notary, [object]))
  await first.notary.submit(testRequest(first.notary, [], { erase: { id: object.id, versions: rows => rows } }))
  await until(() => other.erased.count > counted)
  await auditClean(site.store)
})

test('reads on any server show what was shown or acknowledged on another before they began, whoever writes meanwhile', async t => {
  const site = open(t)
  const servers = [await site.start(), await site.start(), await site.start()]
  let seen = 0
  let reads = 0
  const until = performance.now() + 1500
  const writer = async (server: Server) => {
    for (let n = 0; performance.now() < until; n++) {
      const status = await server.notary.submit(testRequest(server.notary, [testObject()]))
      seen = Math.max(seen, status.size)
      await sleep(n % 7 === 0 ? 30 : 3)
    }
  }
  const reader = async ({ member, notary }: Server) => {
    while (performance.now() < until) {
      const least = seen
      await member.fresh()
      const { size } = notary.log
      assert.ok(size >= least, `${size} is shown after ${least} was`)
      seen = Math.max(seen, size)
      reads++
      await sleep(reads % 5)
    }
  }
  const isHandedOver = sleep(700).then(() => servers[0]?.member.close())
  const working = [...servers.slice(1).map(writer), ...servers.slice(1).flatMap(s => [reader(s), reader(s)])]
  await Promise.all([...working, isHandedOver])
  const asked = servers.reduce((sum, s) => sum + s.member.state().asked, 0)
  assert.ok(reads > 50)
  assert.ok(asked < reads, `${asked} questions for ${reads} reads`)
  await auditClean(site.store)
})

test('nothing is acknowledged before each grant was given back or has run out', async t => {
  const site = open(t)
  const { member, notary } = await site.start()
  const news: Record<string, unknown>[] = []
  const link = await openLink({
    address: member.state().sequencer as string,
    psk: deriveKeys(privateKey).psk,
    wanted: holderOf(site),
    maxBytes: 100_000,
    news: said => {
      news.push(said)
      if (typeof said['revoke'] === 'number' && isAnswering) link.say('revoked', { number: said['revoke'] })
    },
    closed: () => {},
  })
  t.after(() => link.close())
  let isAnswering = true
  const submit = async () => {
    const started = performance.now()
    await notary.submit(testRequest(notary, [testObject()]))
    return performance.now() - started
  }
  const { size } = notary.log
  const { data, body } = await link.ask('head', { size: 0, grant: true })
  assert.deepEqual(data, { size, grant: 1 })
  assert.equal(body.length > 0, true, 'all that this server has written since it began')
  const quick = await submit()
  assert.deepEqual(news[0], { revoke: 1 })
  await link.ask('head', { size, grant: true })
  isAnswering = false
  const slow = await submit()
  assert.ok(slow >= HELD_MS * 0.9 && slow < 20 * HELD_MS, `it took ${slow} ms`)
  assert.ok(quick < slow)
  // Without a grant nobody is waited for.
  await link.ask('head', { size })
  assert.ok((await submit()) < HELD_MS)
})

test('a server that is granted reads asks no more, until that is revoked or has run out; and reads the store where nobody answers', async t => {
  const site = open(t)
  const heard: unknown[] = []
  let peer: Peer | undefined
  let isSilent = false
  const asked: Record<string, unknown>[] = []
  const { writer } = await startStandIn(t, site, {
    answer: async ({ data }, from) => {
      peer = from
      asked.push(data)
      if (isSilent) return new Promise(() => {})
      const grant = data['grant'] === true ? asked.length : undefined
      return { data: { size: writer.log.size, grant }, body: Buffer.from('no growth') }
    },
    heard: said => heard.push(said),
  })
  const { member, notary } = await site.start({ isListening: false })
  assert.equal(member.state().role, 'follower')
  const write = () => writer.submit(testRequest(writer, [testObject()]))

  // What does not verify is not taken: the store is read.
  await write()
  await member.fresh()
  assert.equal(notary.log.size, writer.log.size)
  let count = asked.length
  await member.fresh()
  await member.fresh()
  assert.equal(asked.length, count)
  // A grant that was overtaken by its end is none, and no older one counts.
  peer?.tell({ revoke: count })
  await until(() => heard.length === 1)
  assert.deepEqual(heard, [{ kind: 'revoked', data: { number: count } }])
  await write()
  await member.fresh()
  assert.equal(asked.length, ++count)
  assert.equal(notary.log.size, writer.log.size)
  // It runs out by itself; then nobody answers.
  await sleep(GRANT_MS)
  isSilent = true
  await write()
  await member.fresh()
  assert.equal(asked.length, ++count)
  assert.equal(notary.log.size, writer.log.size)
})

test('a server is told of each new head soon where somebody waits for it, and now and then where nobody does', async t => {
  const site = open(t)
  const first = await site.start()
  const { member, notary } = first
  const told: number[] = []
  const link = await openLink({
    address: member.state().sequencer as string,
    psk: deriveKeys(privateKey).psk,
    wanted: holderOf(site),
    maxBytes: 1_000_000,
    news: ({ size }) => told.push(Number(size)),
    closed: () => {},
  })
  t.after(() => link.close())
  const write = async () => {
    for (const until = performance.now() + 500; performance.now() < until; await sleep(20))
      await notary.submit(testRequest(notary, [testObject()]))
    const { size } = notary.log
    await until(() => told.at(-1) === size)
    return told.splice(0).length
  }
  const rare = await write()
  assert.ok(rare <= 7, `${rare} times in 0.5 s`)
  await link.ask('head', { size: notary.log.size, listens: true })
  const often = await write()
  assert.ok(often > 2 * rare, `${often} times, and ${rare} where nobody waits`)
})

test('what the one that writes refuses is refused; nobody else can ask it', async t => {
  const site = open(t)
  await site.start({
    store: {
      commit: async (expected, batch) => {
        if (batch.statuses.some(s => s.submitter === 'full')) throw new StoreError('full', 'the disk is full')
        return site.store.commit(expected, batch)
      },
    },
  })
  const other = await site.start()
  await assert.rejects(other.notary.submit(testRequest(other.notary, [testObject()], { submitter: 'full' })), {
    code: 'unavailable',
  })
  assert.equal((await other.notary.submit(testRequest(other.notary, [testObject()]))).accepted.length, 1)
  const { sequencer } = other.member.state()
  const stranger = deriveKeys(generateKeyPairSync('ed25519').privateKey).psk
  const asked = { address: sequencer as string, wanted: '', maxBytes: 1000, news: () => {}, closed: () => {} }
  await assert.rejects(openLink({ ...asked, psk: stranger }), { code: 'away' })
  // With the key, and for a run of the server that is over.
  await assert.rejects(openLink({ ...asked, psk: deriveKeys(privateKey).psk }), { code: 'refused' })
})

test('what is too large for a connection is refused before it ends the connection', async t => {
  const site = open(t)
  await site.start()
  const other = await site.start()
  const failed = [{ id: 'x', version: 'v', message: 'x'.repeat(1_000_001) }]
  const large = other.notary.submit(testRequest(other.notary, [testObject()], { failed }))
  const small = other.notary.submit(testRequest(other.notary, [testObject()]))
  await assert.rejects(large, { code: 'overloaded' })
  assert.equal((await small).accepted.length, 1)
})

test('an answer that is lost: the request is done once, by whoever writes then', async t => {
  const site = open(t)
  let isLost = false
  let end: () => void = () => {}
  const gone = new Promise<void>(resolve => {
    end = resolve
  })
  const first = await site.start({
    store: {
      commit: async (expected, batch) => {
        await site.store.commit(expected, batch)
        if (isLost) await gone
      },
    },
  })
  const second = await site.start()
  const third = await site.start()
  const object = testObject()
  const request = testRequest(third.notary, [object])
  isLost = true
  // It was stored, and the one that writes stands still before it can say so.
  const asked = third.notary.submit(request)
  await until(async () => (await site.store.versions(1, object.id)).length > 0)
  const closing = first.member.close()
  const status = await asked
  assert.equal(status.id, request.statusId)
  assert.equal(status.accepted.length, 1)
  const writes = [second, third].filter(s => s.member.state().role === 'sequencer')
  assert.equal(writes.length, 1)
  end()
  await closing
  assert.equal((await site.store.versions(1, object.id)).length, 1)
  await auditClean(site.store)
})

test('what can not be done twice is not asked twice', async t => {
  const site = open(t)
  const first = await site.start()
  const other = await site.start({ patienceMs: 500 })
  assert.deepEqual(await other.member.perform({ n: 1 }), { done: 1 })
  site.lease.isAway = true
  await first.member.close()
  await assert.rejects(other.member.perform({ n: 2 }), (error: NotaryError) => error.code === 'unavailable')
  await assert.rejects(other.notary.submit(testRequest(other.notary, [testObject()])), { code: 'unavailable' })
  site.lease.isAway = false
  await until(() => other.member.state().role === 'sequencer')
  assert.deepEqual(await other.member.perform({ n: 3 }), { done: 3 })
})

test('an orderly end hands over at once, also what was asked meanwhile', async t => {
  const site = open(t)
  const first = await site.start()
  const second = await site.start()
  await sleep(1600)
  const started = performance.now()
  const asked = Array.from({ length: 20 }, () => second.notary.submit(testRequest(second.notary, [testObject()])))
  const closing = first.member.close()
  const statuses = await Promise.all(asked)
  await closing
  assert.equal(new Set(statuses.map(s => s.id)).size, 20)
  await second.notary.submit(testRequest(second.notary, [testObject()]))
  assert.ok(performance.now() - started < 1500, 'it waited for the lease to run out')
  assert.equal(second.member.state().role, 'sequencer')
  assert.equal(site.lease.settled >= 2, true)
  await auditClean(site.store)
})

test('a store that was put back is not gone on from by a server that has not read what is gone, but was told of it', async t => {
  const site = open(t)
  const first = await site.start()
  let old: Pick<Store, 'head' | 'collections'> | undefined
  const second = await site.start({
    store: { head: () => (old ?? site.store).head(), collections: () => (old ?? site.store).collections() },
  })
  const [head, heads] = [await site.store.head(), await site.store.collections()]
  await first.notary.submit(testRequest(first.notary, [testObject()]))
  old = { head: async () => head, collections: async () => heads }
  await first.member.close()
  await until(() => second.notary.halted !== undefined)
  assert.equal(second.notary.halted?.code, 'rolled-back')
  assert.notEqual(second.member.state().role, 'sequencer')
})

test('a database that shows for a moment what it had before its primary changed was not put back', async t => {
  const site = open(t)
  const first = await site.start()
  const shown = { head: site.store.head, collections: site.store.collections }
  const second = await site.start({
    isListening: false,
    store: { head: () => shown.head(), collections: () => shown.collections() },
  })
  const [head, heads] = [await site.store.head(), await site.store.collections()]
  Object.assign(shown, { head: async () => head, collections: async () => heads })
  await second.notary.submit(testRequest(second.notary, [testObject()]))
  setTimeout(() => Object.assign(shown, { head: site.store.head, collections: site.store.collections }), 700)
  await first.member.close()
  await second.member.fresh()
  assert.equal(second.notary.halted, undefined)
  assert.equal(second.notary.log.size, first.notary.log.size)
})

test('two that both believe they write: one conflicts, follows, and its requests go to the other', async t => {
  const site = open(t)
  const [first, second] = [await site.start(), await site.start()]
  // Somebody takes the lease away and the first does not learn of it.
  await second.notary.lead(COLLECTIONS)
  await second.notary.submit(testRequest(second.notary, [testObject()]))
  await second.notary.follow()
  const status = await first.notary.submit(testRequest(first.notary, [testObject()]))
  assert.equal(status.accepted.length, 1)
  assert.equal(first.notary.halted, undefined)
  await until(() => [first, second].some(s => s.member.state().role === 'sequencer'))
  for (const s of [first, second]) await s.notary.submit(testRequest(s.notary, [testObject()]))
  await auditClean(site.store)
})

test('what is read from the store while whoever stored it has not shown it is shown nowhere before it is shown there', async t => {
  const site = open(t)
  const gate = Promise.withResolvers<void>()
  let isHeld = false
  const first = await site.start({
    store: {
      commit: async (expected, batch) => {
        await site.store.commit(expected, batch)
        if (isHeld) await gate.promise
      },
    },
  })
  const [second, third] = [await site.start(), await site.start()]
  const object = testObject()
  isHeld = true
  const status = first.notary.submit(testRequest(first.notary, [object]))
  await until(async () => (await site.store.versions(1, object.id)).length > 0, 5)
  await third.member.fresh() // granted: nobody was shown that object
  const before = third.notary.log.size
  await second.notary.advance() // as where a row is met that was erased meanwhile
  const shown = second.notary.log.size
  await third.member.fresh()
  const { size } = third.notary.log
  gate.resolve()
  assert.ok(shown > before)
  assert.equal(size, shown)
  assert.equal((await status).size, second.notary.log.size)
  // Nobody has lost anything for that.
  assert.equal(first.member.state().role, 'sequencer')
  await auditClean(site.store)
})

test('so too where whoever stored it is gone', async t => {
  const site = open(t)
  let [told, given] = [0, 0]
  const { writer, listener } = await startStandIn(t, site, {
    answer: async () => ({ data: { size: told, grant: ++given }, body: Buffer.alloc(0) }),
  })
  told = writer.log.size
  const second = await site.start({ isListening: false })
  let isSlow = false
  const slow = { read: async () => (await sleep(isSlow ? 1500 : 0), site.lease.read()) }
  // It learns late that its connection has ended.
  const third = await site.start({ isListening: false, lease: slow })
  isSlow = true
  await sleep(600)
  await third.member.fresh()
  // Stored, and neither shown nor acknowledged.
  await writer.submit(testRequest(writer, [testObject()]))
  await listener.close()
  await until(() => second.member.state().role !== 'follower', 1)
  await second.member.fresh()
  assert.equal(second.notary.log.size, writer.log.size)
  await third.member.fresh()
  assert.equal(third.notary.log.size, writer.log.size)
})

test('a server that takes connections and says nothing is waited for no longer than its lease', async t => {
  const site = open(t)
  const port = await freePort()
  const silent = createSecureServer(deriveKeys(privateKey).psk, socket => socket.on('error', () => {}))
  await new Promise<void>(resolve => silent.listen(port, '127.0.0.1', resolve))
  t.after(() => silent.close())
  const end = holdLease(t, site, port)
  setTimeout(end, 300)
  const started = performance.now()
  const { member } = await site.start()
  assert.equal(member.state().role, 'sequencer')
  assert.ok(performance.now() - started < 10_000)
})

test('a connection that has died without a word is given up, and what was asked on it is asked again', async t => {
  const site = open(t)
  let proxy: FlakyProxy | undefined
  const behind = async (port: number) => (proxy = await startFlakyProxy(() => port))
  t.after(() => proxy?.close())
  const first = await site.start({ behind })
  const second = await site.start({ isListening: false, patienceMs: 20_000 })
  proxy?.loseAnswers(true)
  const object = testObject()
  const asked = second.notary.submit(testRequest(second.notary, [object]))
  await until(() => second.member.state().role === 'seeking')
  proxy?.loseAnswers(false)
  assert.equal((await asked).accepted.length, 1)
  assert.equal((await site.store.versions(1, object.id)).length, 1)
  assert.equal(first.member.state().role, 'sequencer')
})

test('who takes over lets go of copies: who wrote may have erased something and not said so', async t => {
  const site = open(t)
  const first = await site.start()
  const second = await site.start()
  const { count } = second.erased
  await first.member.close()
  await until(() => second.member.state().role === 'sequencer')
  assert.ok(second.erased.count > count)
})

test('a server whose clock is wrong leaves writing to those whose clock is right', async t => {
  const site = open(t)
  const first = await site.start()
  await first.notary.submit(testRequest(first.notary, [testObject()]))
  const second = await site.start({ offMs: -600_000, patienceMs: 500 })
  await first.member.close()
  await sleep(2000)
  assert.equal(second.member.state().role, 'seeking')
  await assert.rejects(second.notary.submit(testRequest(second.notary, [testObject()])), /before the newest record/)
  const third = await site.start()
  await until(() => second.member.state().role === 'follower')
  for (const { notary } of [second, third])
    assert.equal((await notary.submit(testRequest(notary, [testObject()]))).accepted.length, 1)
  assert.equal(third.member.state().role, 'sequencer')
})
