import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect, type SecureVersion } from 'node:tls'
import { startTestServer } from './test/server.ts'

const connects = (url: string, version: SecureVersion): Promise<string | null> =>
  new Promise(resolve => {
    const { hostname, port } = new URL(url)
    const ciphers = 'DEFAULT:@SECLEVEL=0' // so that this side would go as low
    const options = { host: hostname, port: Number(port), rejectUnauthorized: false, ciphers }
    const socket = connect({ ...options, minVersion: version, maxVersion: version }, () => {
      resolve(socket.getProtocol())
      socket.destroy()
    })
    socket.on('error', () => resolve(null))
  })

test('T01 HTTPS with TLS 1.3 and 1.2, and nothing older', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'entente-tls-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  // A TEST KEY of this run only.
  const subject = ['-subj', '/CN=localhost', '-days', '1', '-keyout', key, '-out', cert]
  const made = spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    ...subject,
  ])
  if (made.status !== 0) return t.skip('no openssl to make a certificate with')
  const server = await startTestServer({ server: { tls: { key, cert } } })
  try {
    assert.match(server.url, /^https:/)
    assert.equal(await connects(server.url, 'TLSv1.3'), 'TLSv1.3')
    assert.equal(await connects(server.url, 'TLSv1.2'), 'TLSv1.2')
    assert.equal(await connects(server.url, 'TLSv1.1'), null)
    assert.equal(await connects(server.url, 'TLSv1'), null)
  } finally {
    await server.stop()
  }
})
