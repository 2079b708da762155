// What a subscription does about connections, against a server that does as the test says.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ClientError,
  createTaxiiClient,
  type Delivery,
  type SubscribeOptions,
  type TaxiiClientOptions,
} from './index.ts'
import { begin, type Connected, eventText, frame, startEvents } from './test/events.ts'
import { until } from '../../test/support/until.ts'

const idsOf = (given: Delivery[]) => given.flatMap(d => (d.kind === 'event' ? [d.id] : []))

/** Waits are noted and not waited for. */
function open(url: string, options: SubscribeOptions = {}, more: Partial<TaxiiClientOptions> = {}) {
  const waits: number[] = []
  const sleep = async (ms: number) => void waits.push(ms)
  const client = createTaxiiClient({ url, sleep, random: () => 0.999999, ...more })
  return { waits, deliveries: client.subscribe(url, options) }
}

async function take(deliveries: AsyncIterable<Delivery>, events: number): Promise<Delivery[]> {
  const given: Delivery[] = []
  for await (const delivery of deliveries) {
    given.push(delivery)
    if (idsOf(given).length === events) break
  }
  return given
}

test('a broken connection is made again behind the last event, and nothing comes twice or is lost', async t => {
  const away: string[] = []
  const { url, connections } = await startEvents(
    t,
    c => void begin(c).end(`retry: 1500\n:\nid: 4\n\n${frame(5)}${frame(6)}id: 7\nevent: added\ndata: {"ev`),
    c => void c.request.socket.destroy(),
    c => void begin(c).write(`${frame(6)}${frame(7)}:\nid: 7\n\n`),
  )
  const { deliveries, waits } = open(url, { from: '4', onAway: error => void away.push(error.code) })
  assert.deepEqual(idsOf(await take(deliveries, 3)), ['5', '6', '7'])
  assert.deepEqual(
    connections.map(c => [c.from, c.lastId]),
    [
      ['4', undefined],
      [null, '6'],
      [null, '6'],
    ],
  )
  assert.deepEqual(waits.map(Math.round), [1500, 3000], 'as the server asked, and growing')
  assert.deepEqual(away, ['unreachable', 'unreachable'])
})

test('a server can ask neither for haste nor for patience without end', async t => {
  const again = (retry: number) => (c: Connected) => void begin(c).end(`retry: ${retry}\n\n`)
  const { url } = await startEvents(t, again(0), again(0), again(999_999_999), c => void begin(c).end(frame(0)))
  const { deliveries, waits } = open(url)
  await take(deliveries, 1)
  assert.deepEqual(waits.map(Math.round), [100, 200, 600_000])
})

test('an id that comes alone is where a subscription goes on', async t => {
  const { url, connections } = await startEvents(
    t,
    c => void begin(c).end(':\nid: 41\n\n'),
    c => void begin(c).end(frame(42)),
  )
  const { deliveries } = open(url)
  const given = await take(deliveries, 1)
  assert.deepEqual(
    given.slice(0, 1).map(d => d.kind === 'place' && d.id),
    ['41'],
  )
  assert.equal(connections[1]?.lastId, '41')
})

test('503 with Retry-After is waited for, before and after the first connection', async t => {
  const busy = (after: string) => (c: { response: import('node:http').ServerResponse }) =>
    void c.response.writeHead(503, { 'retry-after': after }).end()
  const { url } = await startEvents(
    t,
    busy('7'),
    c => void begin(c).end(frame(0)),
    busy('90'),
    c => void begin(c).end(frame(1)),
  )
  const { deliveries, waits } = open(url)
  assert.deepEqual(idsOf(await take(deliveries, 2)), ['0', '1'])
  assert.deepEqual([waits[0], waits.at(-1)], [7000, 90_000])
})

test('what would not pass ends the subscription: no rights, no stream, never reached', async t => {
  const refused = await startEvents(
    t,
    c => void begin(c).end(frame(0)),
    c => void c.response.writeHead(403).end(),
  )
  const { deliveries } = open(refused.url)
  await assert.rejects(take(deliveries, 2), { name: 'ClientError', code: 'forbidden' })

  const page = await startEvents(t, c => void c.response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'))
  await assert.rejects(take(open(page.url).deliveries, 1), { name: 'ClientError', code: 'malformed' })

  const gone = await startEvents(t, c => void c.request.socket.destroy())
  const never = open(gone.url, {}, { retries: 2 })
  await assert.rejects(take(never.deliveries, 1), { name: 'ClientError', code: 'unreachable' })
  assert.equal(gone.connections.length, 3)

  const over = await startEvents(
    t,
    c => void begin(c).end(frame(0)),
    c => void c.response.writeHead(204).end(),
  )
  assert.deepEqual(idsOf(await take(open(over.url).deliveries, 9)), ['0'], '204: there is no more')
})

test('a connection without a sign of life is given up; comments are signs of life', async t => {
  const errors: ClientError[] = []
  const { url, connections } = await startEvents(
    t,
    c => {
      const response = begin(c)
      const timer = setInterval(() => response.write(':\n'), 20)
      setTimeout(() => {
        clearInterval(timer)
        response.write(frame(0)) // and then nothing, for ever
      }, 400)
    },
    c => void begin(c).write(frame(1)),
  )
  const { deliveries } = open(url, { idleMs: 200, onAway: error => void errors.push(error) })
  assert.deepEqual(idsOf(await take(deliveries, 2)), ['0', '1'])
  assert.equal(connections.length, 2)
  assert.deepEqual(
    errors.map(e => e.code),
    ['timeout'],
  )
  assert.match(errors[0]?.message ?? '', /nothing for 0.2 s/)
})

test('the signal ends it quietly, wherever it waits; leaving the loop closes the connection', async t => {
  const server = await startEvents(t, c => void begin(c).write(frame(0)))
  const abort = new AbortController()
  const waiting = take(open(server.url, { signal: abort.signal }).deliveries, 2)
  setTimeout(() => abort.abort(), 100)
  assert.deepEqual(idsOf(await waiting), ['0'])
  await take(open(server.url).deliveries, 1)
  await until(() => server.closed() >= 2)

  const away = await startEvents(t, c => void begin(c).end())
  const pause = new AbortController()
  const real = createTaxiiClient({ url: away.url })
  const onAway = () => setTimeout(() => pause.abort(), 20)
  assert.deepEqual(await take(real.subscribe(away.url, { signal: pause.signal, onAway }), 1), [])
})

test('who does not ask for the next holds the server, not the events', async t => {
  let written = 0
  let isFull = false
  const most = 64 * 1024 * 1024
  const { url } = await startEvents(t, async c => {
    const response = begin(c)
    const blob = 'x'.repeat(20_000)
    for (let seq = 0; written < most && !response.destroyed; seq++) {
      const text = `id: ${seq}\nevent: added\ndata: ${eventText(seq, { more: { description: blob } })}\n\n`
      written += text.length
      if (response.write(text)) continue
      isFull = true
      await new Promise(resolve => response.once('drain', resolve))
      isFull = false
    }
  })
  const { deliveries } = open(url)
  await deliveries.next()
  for (let seen = -1; seen !== written || !isFull; ) {
    seen = written
    await new Promise(resolve => setTimeout(resolve, 200))
  }
  assert.ok(written < most / 2, `${written} bytes were taken for a reader of one event`)
  const ids: (string | undefined)[] = []
  for (let i = 0; i < 300; i++) {
    const { value } = await deliveries.next()
    if (value?.kind === 'event') ids.push(value.id)
  }
  assert.deepEqual(
    ids,
    Array.from({ length: 300 }, (_, i) => String(i + 1)),
  )
  await deliveries.return()
})

test('a message that is too large, or is not what it is called, ends it', async t => {
  const one = async (text: string, more: Partial<TaxiiClientOptions> = {}) => {
    const { url } = await startEvents(t, c => void begin(c).write(text))
    return take(open(url, {}, more).deliveries, 1)
  }
  await assert.rejects(one(frame(0), { maxResponseBytes: 200 }), { code: 'too-big' })
  await assert.rejects(one(frame(0).replace('event: added', 'event: version')), { code: 'malformed' })
  await assert.rejects(one(frame(0).replace('id: 0', 'id: 1')), {
    code: 'malformed',
    message: /id "1" holds the event 0/,
  })
  await assert.rejects(one('data: hello\n\n'), { name: 'ProofError', code: 'malformed' })
  await assert.rejects(one('event: gap\ndata: {"after":3}\n\n'), { code: 'malformed' })
  await assert.rejects(one(frame(0).replace('indicator 0', 'indicator 9')), { name: 'ProofError', code: 'event' })
})
