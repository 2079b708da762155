import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { loadConfig } from '#cli/config.ts'
import { TAXII } from './media.ts'
import { openEvents } from './test/events.ts'
import { basic, indicator, startTestServer, type TestServer } from './test/server.ts'

let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'entente-tls-'))
})
after(() => rmSync(folder, { recursive: true }))

type Pair = { key: string; cert: string }
/** A TEST KEY of this run only, with a certificate that it signs itself; undefined where there is no openssl. */
function makePair(name: string): Pair | undefined {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)]
  const subject = ['-subj', `/CN=${name}`, '-days', '1', '-keyout', key, '-out', cert]
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const { status } = spawnSync('openssl', ['req', '-x509', ...curve, ...subject])
  return status === 0 ? { key, cert } : undefined
}
const NO_OPENSSL = 'no openssl to make a certificate with'

/** Null where the handshake fails. */
const connects = <T>(url: string, options: ConnectionOptions, read: (socket: TLSSocket) => T): Promise<T | null> =>
  new Promise(resolve => {
    const { hostname, port } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false, ...options }, () => {
      resolve(read(socket))
      socket.destroy()
    })
    socket.on('error', () => resolve(null))
  })
// So that this side would go as low.
const LOW = 'DEFAULT:@SECLEVEL=0'

/** GET /taxii2/: its status; null where the connection is refused. */
const get = (server: TestServer, options: { key?: Buffer; cert?: Buffer } = {}): Promise<number | null> =>
  new Promise(resolve => {
    const headers = { authorization: basic('both', 'both-password') }
    const asked = request(
      `${server.url}/taxii2/`,
      { rejectUnauthorized: false, agent: false, headers, ...options },
      r => {
        r.resume()
        resolve(r.statusCode ?? null)
      },
    )
    asked.on('error', () => resolve(null)).end()
  })

test('T01 HTTPS with TLS 1.3 and 1.2, and nothing older; no cipher of RFC 7540 Appendix A, no 0-RTT', async t => {
  const pair = makePair('localhost')
  if (!pair) return t.skip(NO_OPENSSL)
  const server = await startTestServer({ server: { tls: pair } })
  try {
    assert.match(server.url, /^https:/)
    for (const [version, expected] of [
      ['TLSv1.3', 'TLSv1.3'],
      ['TLSv1.2', 'TLSv1.2'],
      ['TLSv1.1', null],
      ['TLSv1', null],
    ] as const) {
      const options = { minVersion: version, maxVersion: version, ciphers: LOW }
      assert.equal(await connects(server.url, options, s => s.getProtocol()), expected, version)
    }
    const with12 = (ciphers: string) =>
      connects(server.url, { maxVersion: 'TLSv1.2', ciphers: `${ciphers}:@SECLEVEL=0` }, s => s.getCipher().name)
    // Appendix A lists what has no ephemeral keys, or CBC, or no encryption.
    for (const cipher of [
      'ECDHE-ECDSA-AES128-SHA',
      'ECDHE-ECDSA-AES256-SHA384',
      'AES128-GCM-SHA256',
      'AES256-SHA',
      'NULL',
    ])
      assert.equal(await with12(cipher), null, cipher)
    assert.equal(await with12('ECDHE-ECDSA-AES128-GCM-SHA256'), 'ECDHE-ECDSA-AES128-GCM-SHA256')
    // A client may send early data only where the session ticket lets it (RFC 8446 section 4.2.10).
    const { host } = new URL(server.url)
    const session = spawn('openssl', ['s_client', '-connect', host, '-tls1_3', '-ign_eof'])
    session.stdin.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    let said = ''
    for await (const part of session.stdout) said += String(part)
    assert.match(said, /Max Early Data: 0/)
  } finally {
    await server.stop()
  }
})

test('T05 client certificates, where they are asked for: none, or one of another authority, is refused; users log in all the same', async t => {
  const [pair, client, other] = [makePair('server'), makePair('client'), makePair('other')]
  if (!pair || !client || !other) return t.skip(NO_OPENSSL)
  const server = await startTestServer({ server: { tls: { ...pair, clientCa: client.cert } } })
  const read = ({ key, cert }: Pair) => ({ key: readFileSync(key), cert: readFileSync(cert) })
  try {
    assert.equal(await get(server), null)
    assert.equal(await get(server, read(other)), null)
    assert.equal(await get(server, read(client)), 200)
  } finally {
    await server.stop()
  }
})

test('a certificate is a login where its subject is configured; credentials go before it', async t => {
  const [pair, feed, other] = [makePair('server'), makePair('feed'), makePair('other')]
  if (!pair || !feed || !other) return t.skip(NO_OPENSSL)
  const clientCa = join(folder, 'clients.pem')
  writeFileSync(clientCa, `${readFileSync(feed.cert)}${readFileSync(other.cert)}`)
  const clients = [{ subject: ['CN=feed'], name: 'the feed', roles: ['taxii-write'] }]
  const server = await startTestServer({
    server: { tls: { ...pair, clientCa, clients } },
  })
  const ask = (by: Pair, path: string, headers: Record<string, string> = {}, body?: unknown) =>
    new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      const options = { rejectUnauthorized: false, key: readFileSync(by.key), cert: readFileSync(by.cert) }
      const method = body === undefined ? 'GET' : 'POST'
      const media = body === undefined ? {} : { 'content-type': TAXII }
      const asked = request(`${server.url}${path}`, { ...options, method, headers: { ...headers, ...media } }, r => {
        let text = ''
        r.on('data', part => (text += part)).on('end', () => resolve({ status: r.statusCode, text }))
      })
      asked.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body))
    })
  const objects = '/api/collections/default/objects/'
  try {
    const posted = await ask(feed, objects, {}, { objects: [indicator()] })
    assert.equal(posted.status, 202, posted.text)
    assert.equal((await ask(feed, `/api/status/${JSON.parse(posted.text).id}/`)).status, 200)
    assert.equal((await ask(feed, objects)).status, 403, 'it may only write')
    const status = async (by: Pair, authorization: string) => (await ask(by, objects, { authorization })).status
    assert.equal(await status(feed, basic('both', 'both-password')), 200)
    assert.equal(await status(feed, basic('both', 'wrong')), 401, 'wrong credentials are not mended by a certificate')
    assert.equal((await ask(other, objects)).status, 401)
    assert.equal(await status(other, basic('both', 'both-password')), 200)
  } finally {
    await server.stop()
  }
})

test('a renewed certificate is taken over without a restart; files that do not fit together change nothing', async t => {
  const [first, second] = [makePair('first'), makePair('second')]
  if (!first || !second) return t.skip(NO_OPENSSL)
  const used = { key: join(folder, 'used.key'), cert: join(folder, 'used.pem') }
  const put = (key: string, cert: string, minute: number) => {
    copyFileSync(key, used.key)
    copyFileSync(cert, used.cert)
    for (const file of [used.key, used.cert]) utimesSync(file, new Date(), new Date(Date.now() + minute * 60_000))
  }
  put(first.key, first.cert, 0)
  const server = await startTestServer({ server: { tls: used } })
  const served = () => connects(server.url, {}, s => s.getPeerCertificate().subject.CN)
  try {
    assert.equal(await served(), 'first')
    put(second.key, first.cert, 1)
    process.emit('SIGHUP', 'SIGHUP')
    assert.equal(await served(), 'first')
    assert.ok(server.logged.some(l => l.message.includes('cannot be used')))
    put(second.key, second.cert, 2)
    process.emit('SIGHUP', 'SIGHUP')
    assert.equal(await served(), 'second')
    assert.equal(await get(server), 200)
  } finally {
    await server.stop()
  }
})

test('plain HTTP is for this machine, or for who says that it is meant', () => {
  const load = (host: string, env: Record<string, string> = {}) => loadConfig({ data: folder, host, env }).config.server
  for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '::1']) assert.equal(load(host).host, host)
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'taxii.example', '127.0.0.1.example'])
    assert.throws(() => load(host), /server\.tls .* or server\.allowPlainHttp/)
  assert.equal(load('0.0.0.0', { ENTENTE_SERVER_ALLOW_PLAIN_HTTP: 'true' }).allowPlainHttp, true)
  assert.throws(() => load('0.0.0.0', { ENTENTE_SERVER_ALLOW_PLAIN_HTTP: 'yes' }), /allowPlainHttp/)
})

test('T38 event streams over TLS', async t => {
  const pair = makePair('localhost')
  if (!pair) return t.skip(NO_OPENSSL)
  const apiRoots = [{ path: '/api/', title: 'R', collections: [{ alias: 'default', title: 'C' }] }]
  const server = await startTestServer({ server: { tls: pair }, apiRoots })
  t.after(() => server.stop())
  const url = server.url.replace('127.0.0.1', 'localhost')
  const stream = await openEvents(url, '/api/collections/default/feed/?from=start', { insecure: true })
  assert.equal(stream.status, 200)
  // More than one TLS record, and than one socket takes at once.
  const objects = Array.from({ length: 200 }, () => indicator({ description: 'x'.repeat(10_000) }))
  const body = JSON.stringify({ objects })
  const posted = request(`${server.url}/api/collections/default/objects/`, {
    method: 'POST',
    rejectUnauthorized: false,
    agent: false,
    headers: {
      authorization: basic('both', 'both-password'),
      'content-type': 'application/taxii+json;version=2.1',
      'content-length': Buffer.byteLength(body),
    },
  })
  posted.on('response', r => r.resume()).end(body)
  await stream.until(objects.length)
  assert.deepEqual(
    stream.events.map(e => e.data.record.object.id),
    objects.map(o => o.id),
  )
  stream.close()
})
