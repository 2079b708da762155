import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { type Name, testCertificate, testKey } from '../../../../test/support/x509.ts'
import { createExchange, isConfidential } from './exchange.ts'

test('HTTPS is verified: by an authority of its own where it is configured, and for the name that was asked', async () => {
  const ca = { name: [['CN', 'TEST ca']] as Name, key: testKey('exchange ca') }
  const authority = Buffer.from(testCertificate(ca, ca, { isCa: true }))
  const key = testKey('exchange server')
  const cert = testCertificate({ name: [['CN', 'localhost']], key }, ca, { hosts: ['localhost'] })
  const server = createServer({ key: key.pem, cert }, (_request, response) => response.end('{"a":1}'))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  try {
    const trusting = createExchange({ timeoutMs: 5000, ca: authority })
    const { date, ...answer } = await trusting(`https://localhost:${port}/`)
    assert.deepEqual(answer, { status: 200, body: { a: 1 } })
    assert.ok(
      Math.abs(Date.parse(date ?? '') - Date.now()) < 60_000,
      'what the provider takes for the time comes along',
    )
    await assert.rejects(trusting(`https://127.0.0.1:${port}/`), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
    const wary = createExchange({ timeoutMs: 5000 })
    await assert.rejects(wary(`https://localhost:${port}/`), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' })
  } finally {
    server.close()
  }
})

test('HTTP is for this machine only, whatever it is made to look like', () => {
  for (const url of [
    'https://id.example',
    'http://127.0.0.1',
    'http://127.1.2.3:80/x',
    'http://localhost:1',
    'http://[::1]/',
  ])
    assert.ok(isConfidential(url), url)
  for (const url of [
    'http://id.example',
    'http://127.0.0.1.evil.example',
    'http://localhost.evil.example',
    'http://127.0.0.1@evil.example/',
    'http://[::2]/',
    'http://0.0.0.0',
    'ftp://127.0.0.1',
    'file:///etc/passwd',
    'id.example',
    '',
  ])
    assert.ok(!isConfidential(url), url)
})
