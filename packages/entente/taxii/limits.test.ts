// Slow, endless and premature requests, over sockets.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadConfig } from '#cli/config.ts'
import { readBody } from './body.ts'
import { createServer } from 'node:http'
import { TaxiiError } from './errors.ts'
import { TAXII } from './media.ts'
import { createMemory } from './memory.ts'
import { DEFAULT_TIMEOUTS } from './connection.ts'
import { type RawAnswer, rawRequest, sendRaw } from './test/raw.ts'
import { basic, indicator, startTestServer, type TestServer } from './test/server.ts'
import { until } from '../../../test/support/until.ts'

const OBJECTS = '/api/collections/default/objects/'
const authorization = basic('both', 'both-password')

function assertError(answers: RawAnswer[], status: number): void {
  assert.equal(answers.length, 1, 'one answer')
  const [{ headers, json, status: given }] = answers as [RawAnswer]
  assert.deepEqual([given, headers['content-type'], json?.http_status], [status, TAXII, String(status)])
}

let server: TestServer
before(async () => {
  const timeouts = { headersMs: 600, requestMs: 3000, keepAliveMs: 1000 }
  server = await startTestServer({ server: { timeouts, maxConnections: 30, maxContentLength: 100_000 } })
})
after(() => server.stop())

const post = (headers: Record<string, string | undefined>, body = '') =>
  rawRequest('POST', OBJECTS, { Authorization: authorization, 'Content-Type': TAXII, ...headers }, body)

describe('slow requests are cut', () => {
  test('a head that comes a line at a time: 408', async () => {
    const lines = ['GET / HTTP/1.1\r\n', ...Array.from({ length: 40 }, (_, i) => `x${i}: y\r\n`)]
    const started = performance.now()
    assertError(await sendRaw(server.url, lines, { pauseMs: 50 }), 408)
    assert.ok(performance.now() - started < 2500)
  })

  test('a body that never ends: 408', async () => {
    const parts = [post({ 'Content-Length': '1000' }), ...Array<string>(100).fill('x')]
    const started = performance.now()
    assertError(await sendRaw(server.url, parts, { pauseMs: 100 }), 408)
    assert.ok(performance.now() - started < 6000)
  })

  test('hundreds of slow connections keep nobody out', async () => {
    const { hostname, port } = new URL(server.url)
    const slow = Array.from({ length: 200 }, () => {
      const socket = connect(Number(port), hostname)
      socket.on('error', () => {})
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n')
      return socket
    })
    await sleep(2500)
    assert.equal((await server.ask('GET', '/taxii2/')).status, 200)
    for (const socket of slow) socket.destroy()
  })
})

test('a server that ends answers what is under way, and does not wait for the connections that it came over', async () => {
  const server = await startTestServer()
  const { hostname, port } = new URL(server.url)
  const body = JSON.stringify({ objects: [indicator()] })
  const socket = connect(Number(port), hostname)
  let answer = ''
  socket.setEncoding('utf8').on('data', text => (answer += text))
  const closed = once(socket, 'close')
  socket.write(post({ 'Content-Length': String(body.length) }))
  await sleep(200)
  const started = performance.now()
  const stopped = server.stop()
  await sleep(100)
  socket.write(body)
  await Promise.all([stopped, closed])
  assert.match(answer, /^HTTP\/1\.1 202 [^]*\r\nconnection: close\r\n/i)
  assert.ok(performance.now() - started < 10_000)
})

test('a body below minRate, once graceMs is over: 408', async t => {
  const server = await startTestServer({ server: { timeouts: { graceMs: 300, minRate: 1000 } } })
  t.after(() => server.stop())
  const body = JSON.stringify({ objects: [indicator()] })
  const send = (pieces: number) => {
    const size = Math.ceil(body.length / pieces)
    const parts = Array.from({ length: pieces }, (_, i) => body.slice(i * size, (i + 1) * size))
    return sendRaw(server.url, [post({ 'Content-Length': String(body.length) }), ...parts], { pauseMs: 100 })
  }
  assertError(await send(40), 408)
  assert.equal((await send(2))[0]?.status, 202)
})

test('maxConnectionsPerClient: more are closed at once, those that are there go on, and places come back', async t => {
  const server = await startTestServer({ server: { maxConnectionsPerClient: 3, host: '127.0.0.1' } })
  t.after(() => server.stop())
  const { hostname, port } = new URL(server.url)
  const open = (localAddress?: string) => {
    const socket = connect({ host: hostname, port: Number(port), ...(localAddress ? { localAddress } : {}) })
    socket.on('error', () => {})
    t.after(() => socket.destroy())
    return socket
  }
  /** The first line of the answer, or nothing where the connection was closed instead. */
  const ask = async (socket: ReturnType<typeof open>): Promise<string> => {
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
    const [answer] = await Promise.race([once(socket, 'data'), once(socket, 'close')])
    return String(answer).split('\r\n')[0] as string
  }
  const OK = 'HTTP/1.1 200 OK'
  const kept = [open(), open(), open()]
  for (const socket of kept) assert.equal(await ask(socket), OK)
  assert.notEqual(await ask(open()), OK)
  for (const socket of kept) assert.equal(await ask(socket), OK)
  // Linux has all of 127.0.0.0/8 on the loopback: another client.
  if (process.platform === 'linux') assert.equal(await ask(open('127.0.0.2')), OK)
  kept[0]?.destroy()
  await sleep(100)
  assert.equal(await ask(open()), OK)
})

test('a connection on which nothing was asked does not hold up a server that ends', async () => {
  const other = await startTestServer({})
  const { hostname, port } = new URL(other.url)
  const silent = connect(Number(port), hostname)
  const closed = once(silent, 'close')
  await once(silent, 'connect')
  await fetch(new URL('/taxii2/', other.url), { headers: { authorization } })
  const began = performance.now()
  await other.stop()
  await closed
  assert.ok(performance.now() - began < 10_000)
})

describe('a body is read only from who may send it, and as far as it is taken', () => {
  /** Announces a body and sends none of it: an answer is one that did not wait. */
  const announced = (headers: Record<string, string | undefined>, path = OBJECTS, method = 'POST') =>
    sendRaw(server.url, [rawRequest(method, path, { 'Content-Length': '50000', 'Content-Type': TAXII, ...headers })])

  test('401, 403, 404, 405, 406, 413 and 415 come before it', async () => {
    const reader = basic('reader', 'reader-password')
    assertError(await announced({}), 401)
    assertError(await announced({}, '/nothing/'), 401)
    assertError(await announced({ Authorization: reader }), 403)
    assertError(await announced({ Authorization: authorization }, '/api/collections/none/objects/'), 404)
    assertError(await announced({ Authorization: authorization }, '/nothing/'), 404)
    assertError(await announced({ Authorization: authorization }, OBJECTS, 'PUT'), 405)
    assertError(await announced({ Authorization: authorization, Accept: 'text/html' }), 406)
    assertError(await announced({ Authorization: authorization, 'Content-Length': '100001' }), 413)
    assertError(await announced({ Authorization: authorization, 'Content-Type': 'text/plain' }), 415)
    const [answer] = await announced({ Authorization: authorization, 'Content-Encoding': 'gzip' })
    assert.deepEqual([answer?.status, answer?.headers['accept-encoding']], [415, 'identity'])
  })

  test('who is refused and sends on can still read the answer, and use the connection', async () => {
    const refused = post({ 'Content-Type': 'text/plain' }, 'x'.repeat(90_000))
    const next = rawRequest('GET', '/api/', { Authorization: authorization })
    const answers = await sendRaw(server.url, [refused, next], { answers: 2 })
    assert.deepEqual(
      answers.map(a => a.status),
      [415, 200],
    )
  })

  test('100 (Continue) is said to who may, and not to who may not', async () => {
    const expecting = (headers: Record<string, string>) =>
      post({ Expect: '100-continue', 'Content-Length': '12', ...headers })
    assertError(await sendRaw(server.url, [expecting({ Authorization: 'Basic eDp5' })]), 401)
    assertError(await sendRaw(server.url, [expecting({}), '{"objects":1'], { pauseMs: 50 }), 422)
  })

  test('T28 an endless body in chunks is 413', async () => {
    const chunk = `4000\r\n${'x'.repeat(16_384)}\r\n`
    const parts = [post({ 'Transfer-Encoding': 'chunked' }), ...Array<string>(50).fill(chunk)]
    assertError(await sendRaw(server.url, parts), 413)
  })

  test('chunks that are none are 400', async () => {
    assertError(await sendRaw(server.url, [post({ 'Transfer-Encoding': 'chunked' }), 'zz\r\nhello\r\n']), 400)
  })

  test('an honest request goes through all the same', async () => {
    const body = JSON.stringify({ objects: [indicator()] })
    const [answer] = await sendRaw(server.url, [post({ Expect: '100-continue' }, body)])
    assert.equal(answer?.status, 202)
  })
})

describe('all bodies together have a bound', () => {
  const ROOM = 100_000
  const LARGEST = 90_000
  const head = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${LARGEST}\r\n\r\n`

  /** A server that only reads bodies: `ROOM` bytes for all, and one more body. */
  async function withServer(patienceMs: number, run: (url: URL, left: () => number) => Promise<void>): Promise<void> {
    const { bodies } = createMemory({ bodies: ROOM + LARGEST, answers: 1 }, LARGEST)
    const pace = { minRate: 1, graceMs: 60_000 }
    const http = createServer((request, response) => {
      readBody(request, response, { most: LARGEST, bodies, pace, patienceMs }).then(
        body => response.end(String(body.length)),
        (error: TaxiiError) => response.writeHead(error.status, error.headers).end(),
      )
    })
    await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
    try {
      await run(new URL(`http://127.0.0.1:${(http.address() as { port: number }).port}`), () => bodies.left())
    } finally {
      http.close()
      http.closeAllConnections()
    }
  }

  /** Sends most of a body and keeps the connection. */
  async function begin({ hostname, port }: URL, left: () => number): Promise<Socket> {
    const before = left()
    const socket = connect(Number(port), hostname)
    socket.write(head + 'x'.repeat(70_000))
    await until(() => left() < before)
    return socket
  }

  test('a body that finds no room waits for it, and is taken when others are done', async () => {
    await withServer(60_000, async (url, left) => {
      const sockets = [await begin(url, left), await begin(url, left)]
      await until(() => left() === 0)
      const waits = sendRaw(url.href, [head + 'x'.repeat(LARGEST)])
      await sleep(100)
      for (const socket of sockets) socket.destroy()
      const [taken] = await waits
      assert.deepEqual([taken?.status, taken?.text], [200, String(LARGEST)])
      await until(() => left() === ROOM)
    })
  })

  test('many that are half there do not wait for each other: all are taken', async () => {
    await withServer(60_000, async (url, left) => {
      const bodies = Array.from({ length: 20 }, () => sendRaw(url.href, [head, 'x'.repeat(40_000), 'x'.repeat(50_000)]))
      for (const [answer] of await Promise.all(bodies)) assert.equal(answer?.status, 200)
      await until(() => left() === ROOM)
    })
  })

  test('too long without room is 503 with Retry-After', async () => {
    await withServer(100, async (url, left) => {
      const sockets = [await begin(url, left), await begin(url, left)]
      await until(() => left() === 0)
      const [refused] = await sendRaw(url.href, [head + 'x'.repeat(LARGEST)])
      assert.deepEqual([refused?.status, refused?.headers['retry-after']], [503, '2'])
      for (const socket of sockets) socket.destroy()
    })
  })
})

test('a page gets smaller while many answers wait to be fetched', () => {
  const memory = createMemory({ bodies: 1, answers: 8_000_000 })
  const first = memory.pageBytes()
  memory.answers.take(6_000_000)
  assert.ok(memory.pageBytes() < first)
  assert.throws(
    () => memory.answers.take(6_000_000),
    (e: unknown) => e instanceof TaxiiError && e.status === 503,
  )
  memory.answers.giveBack(6_000_000)
  assert.equal(memory.pageBytes(), first)
})

test('the limits are configuration, and what contradicts itself is refused', () => {
  const load = (env: Record<string, string>) => loadConfig({ data: '/tmp', env }).config.server
  assert.equal(load({ ENTENTE_SERVER_MAX_CONNECTIONS: '7' }).maxConnections, 7)
  assert.equal(load({}).maxConnectionsPerClient, 100)
  assert.deepEqual(load({}).timeouts, DEFAULT_TIMEOUTS)
  assert.deepEqual(load({}).rateLimit, { failures: 20, anonymous: 1200 })
  assert.equal(load({ ENTENTE_SERVER_TRUST_PROXY: '10.0.0.0/8' }).trustProxy, '10.0.0.0/8')
})
