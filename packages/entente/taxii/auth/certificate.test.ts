import assert from 'node:assert/strict'
import {
  type AddressInfo,
  connect as connectPlain,
  createServer as createPlain,
  type Server,
  type Socket,
} from 'node:net'
import { test } from 'node:test'
import { connect, createServer } from 'node:tls'
import { type Name, testCertificate, testKey } from '../../../../test/support/x509.ts'
import { certificateIdentify } from './certificate.ts'

const ca = {
  name: [
    ['O', 'TEST'],
    ['CN', 'ca'],
  ] as Name,
  key: testKey('certificate ca'),
}
const stranger = { name: ca.name, key: testKey('certificate stranger') }
const CA = testCertificate(ca, ca, { isCa: true })
const holder = (name: Name, issuer = ca) => {
  const key = testKey('certificate holder')
  return { key: key.pem, cert: testCertificate({ name, key }, issuer) }
}
const server = holder([['CN', 'server']])
const USERS = [
  { subject: ['O=Example\\, Ltd', 'CN=feed'], name: 'feed', roles: ['taxii-write'] },
  { subject: ['CN=feed'], name: 'plain feed', roles: [] },
]
/** Of testCertificate. */
const NOT_AFTER = Date.UTC(2045, 0, 1)

/** The server's side of a connection, while `use` looks at it. */
async function accepted<T>(listener: Server, open: (port: number) => Socket, use: (socket: Socket) => T): Promise<T> {
  const event = listener.listenerCount('secureConnection') > 0 ? 'secureConnection' : 'connection'
  const came = new Promise<Socket>(resolve => listener.once(event, resolve))
  await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
  const client = open((listener.address() as AddressInfo).port)
  client.on('error', () => {})
  const socket = await came
  try {
    return use(socket)
  } finally {
    client.destroy()
    socket.destroy()
    listener.close()
  }
}

/** Whom the certificate names; the server lets in anybody, so that it is this side that must look. */
function identified(credentials: { key: string; cert: string } | undefined, now: () => number = Date.now) {
  const listener = createServer({ ...server, ca: CA, requestCert: true, rejectUnauthorized: false }, () => {})
  const identify = certificateIdentify(USERS, now)
  return accepted(
    listener,
    port => connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...credentials }),
    socket => ({ first: identify(socket), again: () => identify(socket) }),
  )
}

test('the whole subject counts, in its order, with commas and all', async () => {
  const named = async (name: Name) => (await identified(holder(name))).first?.name
  assert.equal(
    await named([
      ['O', 'Example, Ltd'],
      ['CN', 'feed'],
    ]),
    'feed',
  )
  assert.equal(await named([['CN', 'feed']]), 'plain feed')
  assert.equal(
    await named([
      ['CN', 'feed'],
      ['O', 'Example, Ltd'],
    ]),
    undefined,
  )
  assert.equal(
    await named([
      ['O', 'Example, Ltd'],
      ['CN', 'feed'],
      ['OU', 'x'],
    ]),
    undefined,
  )
  assert.equal(await named([['CN', 'Feed']]), undefined)
  assert.equal(await named([['O', 'Example, Ltd\nCN=feed']]), undefined, 'a line feed in a value is no new part')
})

test('a certificate of another authority, none, and a connection without TLS are nobody', async () => {
  assert.equal((await identified(holder([['CN', 'feed']], stranger))).first, undefined)
  assert.equal((await identified(undefined)).first, undefined)
  const plain = await accepted(
    createPlain(),
    port => connectPlain(port, '127.0.0.1'),
    certificateIdentify(USERS, Date.now),
  )
  assert.equal(plain, undefined)
})

test('it ends when it expires, on a connection that stays open too', async () => {
  let now = NOT_AFTER - 1
  const { first, again } = await identified(holder([['CN', 'feed']]), () => now)
  assert.deepEqual(first, { name: 'plain feed', roles: [] })
  now = NOT_AFTER
  assert.equal(again(), undefined)
})
