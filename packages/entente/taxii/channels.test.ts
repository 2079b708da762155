import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { RECORD_PREFIX } from '@entente/verify/proof'
import { NotaryError } from '#notary/errors.ts'
import { TaxiiError } from './errors.ts'
import { createToken, readUsers, writeUsers } from './auth/local.ts'
import { type EventStream, openEvents, type ServerEvent, type StreamOptions } from './test/events.ts'
import { assertTaxiiError, basic, indicator, newId, startTestServer, type TestServer } from './test/server.ts'
import { until } from '../../../test/support/until.ts'

const EVENTS = '/api/channels/EVENTS/'
const FEED = '/api/collections/default/feed/'
const BEAT_MS = 150
const EVERY = { default: ['EVENTS'] }
const COLLECTIONS = [
  { alias: 'default', title: 'Everything goes to EVENTS', forward: EVERY },
  { alias: 'quiet', title: 'Nothing is forwarded' },
  { alias: 'secret', title: 'For a few', read: ['secret'], write: ['taxii-write'], forward: EVERY },
]
const ROOTS = [
  { path: '/api/', title: 'One', collections: COLLECTIONS },
  { path: '/other/', title: 'Two', collections: [{ alias: 'default', title: 'Elsewhere', forward: EVERY }] },
]
const CONFIG = { apiRoots: ROOTS, channels: { heartbeatMs: BEAT_MS } }

const marking = (channel: string) => ({
  type: 'marking-definition',
  spec_version: '2.1',
  id: newId('marking-definition'),
  created: '2026-01-01T00:00:00.000Z',
  definition_type: 'statement',
  definition: { statement: `pubsub:${channel}` },
})
const objectIds = (stream: EventStream) => stream.events.map(e => e.data.record?.object?.id)
const eventNames = (stream: EventStream) => stream.events.map(e => e.type)

/** Streams that are closed at the end, and a server to open them on. */
function setUp(config: Record<string, unknown> = CONFIG) {
  const opened: EventStream[] = []
  const at = {} as { server: TestServer }
  before(async () => {
    at.server = await startTestServer(config)
  })
  after(async () => {
    for (const stream of opened) stream.close()
    await at.server.stop()
  })
  const open = async (path: string, options?: StreamOptions) => {
    const stream = await openEvents(at.server.url, path, options)
    opened.push(stream)
    return stream
  }
  return { at, open }
}

describe('T30 channels as server-sent events', () => {
  const { at, open } = setUp()

  test('an object that is published reaches a subscriber, as the bytes that were hashed', async () => {
    const stream = await open(EVENTS)
    assert.equal(stream.status, 200)
    assert.equal(stream.headers['content-type'], 'text/event-stream; charset=utf-8')
    assert.equal(stream.headers['cache-control'], 'no-store')
    assert.equal(stream.headers['content-encoding'], undefined)
    assert.equal(stream.headers['transfer-encoding'], undefined)
    const object = indicator({ name: 'Ünïcode \u2028 and "quotes"\nand lines' })
    await at.server.add([object])
    const [event] = await stream.until(1)
    assert.equal(event?.type, 'added')
    const { data } = event as NonNullable<typeof event>
    assert.deepEqual(data.record.object, object)
    assert.equal(event?.lastEventId, String(data.log_index))
    assert.equal(data.origin, at.server.notary.log.origin)
    const proof = await at.server.ask('GET', data.proof, { headers: { accept: undefined } })
    assert.equal(proof.status, 200, proof.text)
    // The record is text: what stands between its braces is what was hashed.
    const row = await at.server.notary.store.recordAt(data.log_index)
    assert.equal(hash('sha256', row?.text as Uint8Array, 'base64'), data.commitment)
    const sent = stream.text.slice(stream.text.indexOf('"record":') + 9, stream.text.lastIndexOf('}}') + 1)
    assert.equal(hash('sha256', RECORD_PREFIX + sent, 'base64'), data.commitment)
  })

  test('it says how long to wait before connecting again, and where it is, before anything happens', async () => {
    const stream = await open(EVENTS)
    await stream.until(() => stream.lastEventId !== '')
    assert.equal(stream.lastEventId, String(at.server.notary.log.size - 1))
    assert.ok((stream.retry as number) >= 1000)
  })

  test('a sign of life comes again and again, and carries how far it is', async () => {
    const stream = await open(EVENTS)
    await stream.until(() => stream.comments >= 3)
    assert.deepEqual(stream.events, [])
    await at.server.add([indicator()], 'quiet') // goes nowhere, but the log grows
    const size = at.server.notary.log.size
    await stream.until(() => stream.lastEventId === String(size - 1))
    assert.deepEqual(stream.events, [])
  })

  test('only objects of its channel: by marking, by default of the collection', async () => {
    const attacks = await open('/api/channels/ATTACKS/')
    const marked = [marking('ATTACKS'), indicator()]
    await at.server.add(marked, 'quiet')
    await at.server.add([indicator()])
    const last = [marking('ATTACKS')]
    await at.server.add(last, 'quiet')
    await attacks.until(3)
    assert.deepEqual(
      objectIds(attacks),
      [...marked, ...last].map(o => o.id),
    )
  })

  test('new versions and revocations are called so', async () => {
    const stream = await open(EVENTS)
    const first = indicator()
    await at.server.add([first])
    await at.server.add([{ ...first, modified: '2026-01-02T00:00:00.000Z' }])
    await at.server.add([{ ...first, modified: '2026-01-03T00:00:00.000Z', revoked: true }])
    await stream.until(3)
    assert.deepEqual(eventNames(stream), ['added', 'version', 'revoked'])
  })

  test('a duplicate is not sent again', async () => {
    const stream = await open(EVENTS)
    const object = indicator()
    await at.server.add([object])
    await at.server.add([object])
    const next = indicator()
    await at.server.add([next])
    await stream.until(2)
    assert.deepEqual(objectIds(stream), [object.id, next.id])
  })

  test('each API root has its own objects', async () => {
    const here = await open(EVENTS)
    const there = await open('/other/channels/EVENTS/')
    const objects = [indicator(), indicator()]
    await at.server.add([objects[0]])
    const posted = await at.server.ask('POST', '/other/collections/default/objects/', {
      body: { objects: [objects[1]] },
    })
    assert.equal(posted.status, 202)
    await at.server.add([indicator()])
    await here.until(2)
    await there.until(1)
    assert.deepEqual(objectIds(there), [objects[1]?.id])
    assert.ok(!objectIds(here).includes(objects[1]?.id))
    assert.equal(there.events[0]?.data.api_root, '/other/')
  })

  test('an object of a collection that the caller may not read does not reach it', async () => {
    const stream = await open(EVENTS)
    const hidden = indicator()
    await at.server.add([hidden], 'secret')
    const shown = indicator()
    await at.server.add([shown])
    await stream.until(1)
    assert.deepEqual(objectIds(stream), [shown.id])
    assert.doesNotMatch(stream.text, new RegExp(hidden.id))
    const from = await open(`${EVENTS}?from=start`)
    await from.until(() => objectIds(from).includes(shown.id))
    assert.doesNotMatch(from.text, new RegExp(hidden.id), 'nor by reading back')
  })
})

describe('T31 where a stream begins', () => {
  const { at, open } = setUp()
  const objects = Array.from({ length: 30 }, () => indicator())
  const later = indicator()
  before(async () => {
    for (const object of objects) await at.server.add([object])
  })

  test('from the oldest that is kept, from now, behind an id', async () => {
    const start = await open(`${EVENTS}?from=start`)
    await start.until(objects.length)
    const ids = start.events.map(e => e.lastEventId)
    const now = await open(EVENTS)
    const fifth = await open(`${EVENTS}?from=${ids[4]}`)
    await fifth.until(objects.length - 5)
    await at.server.add([later])
    for (const stream of [start, now, fifth]) await stream.until(() => objectIds(stream).includes(later.id))
    const all = [...objects, later].map(o => o.id)
    assert.deepEqual(objectIds(start), all)
    assert.deepEqual(objectIds(fifth), all.slice(5))
    assert.deepEqual(objectIds(now), [later.id])
  })

  test('Last-Event-ID goes before ?from=, as a browser sends both', async () => {
    const start = await open(`${EVENTS}?from=start`)
    await start.until(objects.length + 1)
    const last = start.events.at(-2)?.lastEventId as string
    const resumed = await open(`${EVENTS}?from=start`, { headers: { 'last-event-id': last } })
    await resumed.until(1)
    assert.deepEqual(objectIds(resumed), [later.id])
  })

  test('a feed also from a timestamp: what was added after it', async () => {
    const feed = await open(`${FEED}?from=start`)
    await feed.until(objects.length)
    const added = feed.events[9]?.data.record.date_added
    const behind = await open(`${FEED}?from=${encodeURIComponent(added)}`)
    await behind.until(objects.length - 9)
    assert.equal(behind.events[0]?.data.seq, 10)
  })

  for (const [what, path, headers] of [
    ['no number', `${EVENTS}?from=abc`, {}],
    ['a negative number', `${EVENTS}?from=-1`, {}],
    ['a number without end', `${EVENTS}?from=${'9'.repeat(400)}`, {}],
    ['nothing', `${EVENTS}?from=`, {}],
    ['two', `${EVENTS}?from=1&from=2`, {}],
    ['a timestamp on a channel', `${EVENTS}?from=2026-01-31T12:00:00Z`, {}],
    ['no number as Last-Event-ID', EVENTS, { 'last-event-id': '12,13' }],
    ['a timestamp as Last-Event-ID', FEED, { 'last-event-id': '2026-01-31T12:00:00Z' }],
  ] as const) {
    test(`400 for ${what}`, async () => {
      assertTaxiiError(
        await at.server.ask('GET', path, { headers: { accept: 'text/event-stream', ...headers } }),
        400,
        'query',
      )
    })
  }

  test('an id that this log has not reached: a gap, and what comes from then on', async () => {
    const { size } = at.server.notary.log
    const stream = await open(EVENTS, { headers: { 'last-event-id': String(size + 100) } })
    await stream.until(1)
    const [gap] = stream.events
    assert.equal(gap?.type, 'gap')
    assert.deepEqual([gap?.data.after, gap?.data.next], [size + 100, size])
    const object = indicator()
    await at.server.add([object])
    await stream.until(2)
    assert.equal(objectIds(stream)[1], object.id)
    for (const path of (gap as ServerEvent).data.catch_up) {
      assert.doesNotMatch(path, /added_after/, 'what it has read is of another log')
      assert.equal((await at.server.ask('GET', path)).status, 200)
    }
  })

  test('an id whose routes were forgotten: a gap, and its way out gives exactly what was missed', async () => {
    const all = await open(`${EVENTS}?from=start`)
    await all.until(objects.length + 2)
    const after = Number(all.events[9]?.lastEventId)
    const kept = Number(all.events[20]?.lastEventId)
    await at.server.notary.store.forgetRoutes(kept)
    const stream = await open(EVENTS, { headers: { 'last-event-id': String(after) } })
    await stream.until(1 + objects.length + 2 - 20)
    const [gap, ...rest] = stream.events
    assert.equal(gap?.type, 'gap')
    assert.deepEqual([gap?.data.after, gap?.data.next], [after, kept])
    assert.deepEqual(
      rest.map(e => e.lastEventId),
      all.events.slice(20).map(e => e.lastEventId),
    )
    const missed: string[] = []
    for (const path of (gap as ServerEvent).data.catch_up)
      for (const o of (await at.server.ask('GET', path)).json.objects ?? []) missed.push(o.id)
    assert.deepEqual(missed, objectIds(all).slice(10))
    assert.ok((gap as ServerEvent).data.catch_up.every((path: string) => !path.includes('secret')))
    const start = await open(`${EVENTS}?from=start`)
    await start.until(1)
    assert.equal(start.events[0]?.lastEventId, String(kept), 'the oldest that is kept')
  })
})

describe('T32 what is refused', () => {
  const { at, open } = setUp({ ...CONFIG, channels: { heartbeatMs: BEAT_MS, maxSubscribers: 2 } })
  const stream = { headers: { accept: 'text/event-stream' } }

  test('a channel that is not there, a collection that is not there or not for the caller', async () => {
    assertTaxiiError(await at.server.ask('GET', '/api/channels/NONE/', stream), 404, 'not-found')
    assertTaxiiError(await at.server.ask('GET', '/api/collections/none/feed/', stream), 404, 'not-found')
    assertTaxiiError(await at.server.ask('GET', EVENTS, { ...stream, user: 'nobody' }), 404, 'not-found')
    assertTaxiiError(await at.server.ask('GET', FEED, { ...stream, user: 'nobody' }), 404, 'not-found')
    assertTaxiiError(await at.server.ask('GET', FEED, { ...stream, user: 'writer' }), 403, 'forbidden')
    assertTaxiiError(await at.server.ask('GET', '/api/collections/secret/feed/', stream), 403, 'forbidden')
  })

  test('nobody without credentials', async () => {
    assertTaxiiError(await at.server.ask('GET', EVENTS, { ...stream, user: null }), 401, 'credentials')
  })

  test('what Accept does not take', async () => {
    for (const accept of [
      'application/json',
      'application/taxii+json;version=2.1',
      'text/event-stream;q=0',
      'text/html',
    ])
      assertTaxiiError(await at.server.ask('GET', FEED, { headers: { accept } }), 406, 'accept')
    assertTaxiiError(await at.server.ask('GET', EVENTS, { headers: { accept: 'text/html' } }), 406, 'accept')
  })

  test('a POST', async () => {
    const answer = await at.server.ask('POST', EVENTS, { ...stream, body: '{}' })
    assertTaxiiError(answer, 405, 'method')
    assert.equal(answer.headers['allow'], 'GET, HEAD')
  })

  test('HEAD gives the head and ends', async () => {
    const answer = await at.server.ask('HEAD', EVENTS, stream)
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['content-type'], 'text/event-stream; charset=utf-8')
  })

  test('more subscribers than there may be, until one leaves', async () => {
    const first = await open(EVENTS)
    await open(FEED)
    const refused = await at.server.ask('GET', EVENTS, stream)
    assertTaxiiError(refused, 503, 'overloaded')
    assert.ok(Number(refused.headers['retry-after']) > 0)
    first.close()
    await first.ended
    for (;;) {
      const again = await open(EVENTS)
      if (again.status === 200) break
      assert.equal(again.status, 503)
    }
  })
})

describe('T33 rights are looked at again while a stream lasts', () => {
  const { at, open } = setUp()
  const change = (name: string, roles: string[] | undefined) => {
    const file = join(at.server.data, 'users.json')
    const users = readUsers(file)
    const others = users.users.filter(u => u.name !== name)
    const user = users.users.find(u => u.name === name)
    writeUsers(file, { ...users, users: user && roles ? [...others, { ...user, roles }] : others })
  }

  test('who may read nothing any more is cut off, and is sent nothing from then on', async () => {
    const [channel, feed, still] = [
      await open(EVENTS, { user: 'other' }),
      await open(FEED, { user: 'other' }),
      await open(EVENTS),
    ]
    await at.server.add([indicator()])
    for (const s of [channel, feed, still]) await s.until(1)
    change('other', [])
    await Promise.all([channel.ended, feed.ended])
    await at.server.add([indicator()])
    await still.until(2)
    assert.equal(channel.events.length, 1)
    assert.equal(feed.events.length, 1)
  })

  test('who is removed is cut off', async () => {
    const stream = await open(EVENTS, { user: 'reader' })
    change('reader', undefined)
    await stream.ended
  })

  test('while too many log in at once, nobody is cut off for it', async () => {
    const { context } = at.server
    const { authenticate } = context
    const stream = await open(EVENTS)
    await stream.until(() => stream.comments > 1)
    context.authenticate = async () => {
      throw new TaxiiError(503, 'overloaded', 'too many are logging in')
    }
    const seen = stream.comments
    await stream.until(() => stream.comments >= seen + 3)
    await at.server.add([indicator()])
    await stream.until(1)
    context.authenticate = async () => undefined
    await stream.ended
    context.authenticate = authenticate
  })

  test('a token that ends, ends its streams', async () => {
    const file = join(at.server.data, 'users.json')
    const users = readUsers(file)
    const { token, stored } = createToken('both', ['taxii-read'], { now: new Date() })
    writeUsers(file, { ...users, tokens: [{ ...stored, expires: new Date(Date.now() + 4000).toISOString() }] })
    const bearer = () => open(EVENTS, { user: null, headers: { authorization: `Bearer ${token}` } })
    let stream = await bearer()
    // Until the file has been read again: not for ever, for the token may end before it was.
    await until(async () => stream.status !== 401 || (stream = await bearer()).status !== 401, undefined, { ms: 4000 })
    assert.equal(stream.status, 200)
    await stream.ended
    assert.equal((await bearer()).status, 401)
  })

  test('who may read less is sent less', async () => {
    change('admin', ['taxii-read', 'secret'])
    await until(async () => (await open('/api/collections/secret/feed/', { user: 'admin' })).status === 200)
    const stream = await open(EVENTS, { user: 'admin' })
    const before = indicator()
    await at.server.add([before], 'secret')
    await stream.until(1)
    change('admin', ['taxii-read'])
    const seen = stream.comments
    await stream.until(() => stream.comments >= seen + Math.ceil(1000 / BEAT_MS))
    await at.server.add([indicator()], 'secret')
    const open1 = indicator()
    await at.server.add([open1])
    await stream.until(2)
    assert.deepEqual(objectIds(stream), [before.id, open1.id])
  })
})

describe('T39 a server that has stopped', () => {
  const { at, open } = setUp()

  test('cuts off all streams, and begins none', async () => {
    const [channel, feed] = [await open(EVENTS), await open(FEED)]
    at.server.notary.halt(new NotaryError('forked', 'the ledger has another log'))
    await Promise.all([channel.ended, feed.ended])
    for (const path of [EVENTS, FEED])
      assertTaxiiError(await at.server.ask('GET', path, { headers: { accept: '*/*' } }), 503, 'rolled-back')
  })
})

describe('T34 feeds', () => {
  const { at, open } = setUp()

  test('all that happens in a collection, without gaps', async () => {
    const feed = await open('/api/collections/quiet/feed/?from=start')
    const first = indicator()
    const second = indicator()
    await at.server.add([first, second], 'quiet')
    await at.server.add([{ ...first, modified: '2026-01-02T00:00:00.000Z' }], 'quiet')
    await at.server.add([{ ...first, name: 'another content' }], 'quiet')
    await at.server.add([{ ...second, modified: '2026-01-02T00:00:00.000Z', revoked: true }], 'quiet')
    const gone = await at.server.ask('DELETE', `/api/collections/quiet/objects/${second.id}/?match[version]=all`)
    assert.equal(gone.status, 200)
    await feed.until(7)
    const expected = ['added', 'added', 'version', 'equivocation', 'revoked', 'withdrawn', 'withdrawn']
    assert.deepEqual(eventNames(feed), expected)
    assert.deepEqual(
      feed.events.map(e => e.lastEventId),
      expected.map((_, seq) => String(seq)),
    )
    assert.deepEqual(
      feed.events.slice(5).map(e => e.data.record.deleted.seq),
      [1, 4],
    )
    // What was erased is not sent again; everything else is.
    const again = await open('/api/collections/quiet/feed/?from=start')
    await again.until(5)
    assert.deepEqual(
      again.events.map(e => e.data.seq),
      [0, 2, 3, 5, 6],
    )
    assert.doesNotMatch(again.text, new RegExp(second.id))
  })

  test('an object that was erased is not on its channel any more', async () => {
    const [kept, erased] = [indicator(), indicator()]
    await at.server.add([erased, kept])
    await at.server.ask('DELETE', `/api/collections/default/objects/${erased.id}/`)
    const stream = await open(`${EVENTS}?from=start`)
    await stream.until(1)
    assert.deepEqual(objectIds(stream), [kept.id])
    assert.doesNotMatch(stream.text, new RegExp(erased.id))
  })

  test('what was changed in the store is not sent: an integrity event in its place, and an alert to who is further', async () => {
    const live = await open(FEED)
    const objects = [indicator(), indicator(), indicator()]
    await at.server.add(objects)
    const events = await live.until(3)
    const seqs = events.map(e => e.data.seq)
    const db = new DatabaseSync(join(at.server.data, 'store.db'))
    const leaf = events[1]?.data.log_index
    db.prepare("update record set text = replace(text, 'indicator', 'indicatoR') where leaf = ?").run(leaf)
    db.prepare('delete from record where leaf = ?').run(events[2]?.data.log_index)
    db.close()
    const alerts = () => at.server.logged.filter(l => l.details['log_index'] === leaf)
    assert.equal(alerts().length, 0)
    const channel = await open(`${EVENTS}?from=${events[0]?.data.log_index}`)
    await channel.until(1)
    assert.deepEqual([channel.events[0]?.type, channel.events[0]?.data.log_index], ['integrity', leaf])
    assert.equal(alerts().length, 1, 'the operator is told')
    const feed = await open(`${FEED}?from=${seqs[0] - 1}`)
    const inPlace = () => feed.events.filter(e => e.lastEventId === String(e.data.seq))
    await feed.until(() => inPlace().length === 3)
    assert.deepEqual(
      inPlace().map(e => e.type),
      ['added', 'integrity', 'integrity'],
    )
    assert.deepEqual(
      inPlace()
        .slice(1)
        .map(e => [e.data.seq, e.data.reason, e.data.record]),
      [
        [seqs[1], 'hash', undefined],
        [seqs[2], 'missing', undefined],
      ],
    )
    await live.until(() => live.events.filter(e => e.type === 'integrity').length >= 1)
    const alert = live.events.find(e => e.type === 'integrity')
    assert.equal(alert?.lastEventId, String(seqs[2]), 'it has no id of its own')
    assert.equal(alert?.data.seq, seqs[1])
  })
})

describe('T35 over a restart', () => {
  test('resumed by Last-Event-ID nothing is lost and nothing comes twice', async () => {
    let server = await startTestServer(CONFIG)
    const published: string[] = []
    const received: string[] = []
    const { data } = server
    let last = 'start'
    try {
      for (let round = 0; round < 3; round++) {
        const stream = await openEvents(server.url, EVENTS, { headers: { 'last-event-id': last } })
        for (let i = 0; i < 20; i++) {
          const object = indicator()
          await server.add([object])
          published.push(object.id)
        }
        // Left at some place in the middle; what it was sent after that it had not taken.
        await stream.until(10)
        const closing = server.close()
        await stream.ended
        await closing
        const taken = stream.events.slice(0, 10 + round)
        received.push(...taken.map(e => e.data.record.object.id))
        last = taken.at(-1)?.lastEventId as string
        server = await startTestServer(CONFIG, { data })
      }
      const rest = await openEvents(server.url, EVENTS, { headers: { 'last-event-id': last } })
      await rest.until(published.length - received.length)
      received.push(...objectIds(rest))
      rest.close()
      assert.deepEqual(received, published)
    } finally {
      await server.stop()
    }
  })

  test('after channels.keepHours a server forgets what went where, and says so to who comes back later', async () => {
    const time = { hours: 0 }
    const clock = () => Date.UTC(2026, 0, 1, time.hours) * 1000 + Math.round(performance.now() * 1000)
    const config = { ...CONFIG, channels: { ...CONFIG.channels, keepHours: 48 } }
    let server = await startTestServer(config, { clock })
    const { data } = server
    const again = async (hours: number) => {
      await server.close()
      time.hours += hours
      server = await startTestServer(config, { clock, data })
    }
    try {
      await server.add([indicator(), indicator()])
      const stream = await openEvents(server.url, `${EVENTS}?from=start`)
      const [first] = await stream.until(2)
      await again(3) // a mark of the time, behind both
      const resume = () =>
        openEvents(server.url, EVENTS, { headers: { 'last-event-id': first?.lastEventId as string } })
      await again(40)
      const inTime = await resume()
      assert.equal((await inTime.until(1))[0]?.type, 'added')
      await again(9)
      await until(async () => (await server.notary.store.routesFrom()) !== 0)
      const late = await resume()
      assert.equal((await late.until(1))[0]?.type, 'gap')
    } finally {
      await server.stop()
    }
  })

  test('a server with open streams closes at once, also with one that takes nothing', async () => {
    const server = await startTestServer(CONFIG)
    const streams = [await openEvents(server.url, EVENTS), await openEvents(server.url, FEED)]
    streams[0]?.pause()
    const started = performance.now()
    await server.stop()
    assert.ok(performance.now() - started < 3000, `${performance.now() - started} ms`)
    for (const s of streams) s.resume()
    await Promise.all(streams.map(s => s.ended))
  })
})

describe('T37 what subscribers can do to a server', () => {
  const { at, open } = setUp({ ...CONFIG, server: { metrics: { port: 0 } } })
  const metrics = async () => {
    const text = await (await fetch(at.server.metricsUrl as string)).text()
    return {
      value: (name: string) => Number(new RegExp(`^${name}(?:{[^}]*})? (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN),
      lines: (name: string) => text.split('\n').filter(line => line.startsWith(name)),
    }
  }

  test('one that reads nothing holds nobody up, is seen in the metrics, and has everything in the end', async () => {
    const [slow, fast] = [await open(EVENTS), await open(EVENTS, { user: 'reader' })]
    slow.pause()
    // More than the buffers of both kernels hold.
    const objects: { id: string }[] = []
    for (let i = 0; i < 60; i++) {
      const some = Array.from({ length: 10 }, () => indicator({ description: 'x'.repeat(30_000) }))
      await at.server.add(some)
      objects.push(...some)
    }
    await fast.until(objects.length)
    const seen = await metrics()
    assert.equal(seen.value('entente_subscribers'), 2)
    const lag = (user: string) => {
      const line = seen.lines('entente_subscriber_lag_events').find(l => l.includes(`user="${user}"`))
      return Number(line?.split(' ').at(-1))
    }
    assert.ok(lag('both') > 50, `${lag('both')} of ${objects.length} behind`)
    assert.equal(lag('reader'), 0)
    slow.resume()
    await slow.until(objects.length)
    assert.deepEqual(objectIds(slow), objectIds(fast))
    const after = await metrics()
    assert.equal(after.value('entente_stream_deliveries_total'), 2 * objects.length)
    assert.equal(after.value('entente_stream_drops_total'), 0)
    assert.equal(after.value('entente_stream_gaps_total'), 0)
    for (const s of [slow, fast]) s.close()
    await Promise.all([slow.ended, fast.ended])
    await until(async () => (await metrics()).lines('entente_subscriber_lag_events{').length === 0)
  })

  test('one that takes nothing for too long is cut off, and resumes', async () => {
    const stalled = at.server.context.channels.stalledMs
    const feed = '/api/collections/quiet/feed/?from=start'
    const slow = await open(feed)
    slow.pause()
    const count = 400
    for (let i = 0; i < count; i += 10)
      await at.server.add(
        Array.from({ length: 10 }, () => indicator({ description: 'x'.repeat(30_000) })),
        'quiet',
      )
    await until(() => at.server.context.streams.states().some(s => s.topic !== 'EVENTS'))
    at.server.context.channels.stalledMs = 2 * BEAT_MS
    await until(() => at.server.context.streams.count === 0)
    at.server.context.channels.stalledMs = stalled
    slow.resume()
    await slow.ended
    const had = slow.events.length
    assert.ok(had < count, `${had} of ${count}`)
    const resumed = await open(feed, { headers: { 'last-event-id': slow.lastEventId } })
    await resumed.until(count - had)
    const seqs = [...slow.events, ...resumed.events].map(e => e.data.seq)
    assert.deepEqual(
      seqs,
      seqs.map((_, seq) => seq),
    )
  })

  test('one that sends something after its request is cut off', async () => {
    const { hostname, port } = new URL(at.server.url)
    const head = `GET ${EVENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic('both', 'both-password')}\r\n\r\n`
    const socket = connect({ host: hostname, port: Number(port) })
    socket.on('error', () => {})
    const closed = once(socket, 'close')
    socket.write(head)
    const [first] = (await once(socket, 'data')) as [Buffer]
    assert.match(first.toString(), /^HTTP\/1\.1 200 OK\r\n/)
    socket.write(head)
    await closed
  })

  test('one that asks behind another request on its connection gets what comes before, and then nothing', async () => {
    const { hostname, port } = new URL(at.server.url)
    const head = `Host: x\r\nAuthorization: ${basic('both', 'both-password')}\r\n\r\n`
    const ask = async (...paths: string[]) => {
      const socket = connect({ host: hostname, port: Number(port) })
      socket.on('error', () => {})
      let text = ''
      socket.on('data', d => (text += d))
      socket.write(paths.map(path => `GET ${path} HTTP/1.1\r\n${head}`).join(''))
      await until(() => text.includes('\r\n\r\n'))
      await sleep(3 * BEAT_MS)
      socket.destroy()
      return text.match(/HTTP\/1\.1 \d+/g)
    }
    const before = at.server.context.streams.count
    assert.deepEqual(await ask(EVENTS, EVENTS), ['HTTP/1.1 200'])
    // Refused where the answer before it is not out yet.
    const [first, second] = (await ask('/taxii2/', EVENTS)) ?? []
    assert.equal(first, 'HTTP/1.1 200')
    assert.match(second as string, /200|400/)
    await until(() => at.server.context.streams.count <= before)
    assert.equal((await at.server.get('')).status, 200)
  })

  test('many at the same time each get everything, in order', async () => {
    const streams = await Promise.all(Array.from({ length: 80 }, () => open(EVENTS)))
    const objects = Array.from({ length: 100 }, () => indicator())
    for (let i = 0; i < 50; i++) await at.server.add(objects.slice(2 * i, 2 * i + 2))
    for (const stream of streams) {
      await stream.until(objects.length)
      assert.deepEqual(
        objectIds(stream),
        objects.map(o => o.id),
      )
    }
    for (const stream of streams) stream.close()
  })

  test('many that come and go leave nothing behind', async () => {
    const before = at.server.context.streams.count
    for (let round = 0; round < 5; round++) {
      const all = await Promise.all(Array.from({ length: 15 }, () => open(round % 2 === 0 ? EVENTS : FEED)))
      assert.ok(all.every(s => s.status === 200))
      for (const s of all) s.close()
    }
    await until(() => at.server.context.streams.count <= before)
    assert.equal(at.server.logged.filter(l => l.level === 'error').length, 0)
  })
})

describe('T36 the resources', () => {
  const { at } = setUp({
    ...CONFIG,
    channels: { heartbeatMs: BEAT_MS, names: [{ name: 'EVENTS', title: 'What happens' }, 'OTHER'] },
  })

  test('the list says which there are, where, and what of them the caller may read', async () => {
    const answer = await at.server.ask('GET', '/api/channels/')
    const id = (await at.server.get('')).json.id
    const quiet = (await at.server.ask('GET', '/api/collections/quiet/')).json.id
    assert.deepEqual(answer.json, {
      channels: [
        {
          name: 'EVENTS',
          title: 'What happens',
          url: EVENTS,
          media_types: ['text/event-stream'],
          collections: [id, quiet],
        },
        {
          name: 'OTHER',
          url: '/api/channels/OTHER/',
          media_types: ['text/event-stream'],
          collections: [id, quiet],
        },
      ],
    })
    const one = await at.server.ask('GET', EVENTS)
    assert.deepEqual(one.json, answer.json.channels[0])
    assert.deepEqual((await at.server.ask('GET', '/api/channels/', { user: 'nobody' })).json, {})
  })

  test('API root and collection say where they are', async () => {
    assert.equal((await at.server.ask('GET', '/api/')).json.x_entente_channels, '/api/channels/')
    const collection = (await at.server.get('')).json
    assert.equal(collection.x_entente_feed, `/api/collections/${collection.id}/feed/`)
    assert.deepEqual(collection.x_entente_channels, { default: ['EVENTS'], types: {} })
    const quiet = (await at.server.ask('GET', '/api/collections/quiet/')).json
    assert.equal(quiet.x_entente_channels, undefined)
    assert.equal((await at.server.get('', { user: 'writer' })).json.x_entente_feed, undefined)
  })
})
