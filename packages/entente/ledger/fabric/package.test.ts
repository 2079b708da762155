import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { createChaincodePackage } from './package.ts'

/** Files of a ustar archive; what is no archive fails here. */
function untar(bytes: Uint8Array): Map<string, Buffer> {
  const archive = Buffer.from(bytes)
  const files = new Map<string, Buffer>()
  for (let at = 0; archive[at] !== 0; ) {
    const header = archive.subarray(at, at + 512)
    const text = (from: number, to: number) => header.toString('latin1', from, to).replace(/[\0 ].*$/s, '')
    const size = Number.parseInt(text(124, 136), 8)
    const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0)
    assert.equal(Number.parseInt(text(148, 156), 8), sum)
    files.set(text(0, 100), archive.subarray(at + 512, at + 512 + size))
    at += 512 + Math.ceil(size / 512) * 512
  }
  return files
}

test('a package has what the builder "ccaas" looks for, and its id is that of its bytes', () => {
  const { bytes, id } = createChaincodePackage('entente_1', { address: 'chaincode.org1.example:9999' })
  assert.equal(id, `entente_1:${createHash('sha256').update(bytes).digest('hex')}`)
  const files = untar(gunzipSync(bytes))
  assert.deepEqual([...files.keys()], ['metadata.json', 'code.tar.gz'])
  assert.deepEqual(JSON.parse(files.get('metadata.json')!.toString()), { type: 'ccaas', label: 'entente_1' })
  const code = untar(gunzipSync(files.get('code.tar.gz')!))
  assert.deepEqual(JSON.parse(code.get('connection.json')!.toString()), {
    address: 'chaincode.org1.example:9999',
    dial_timeout: '10s',
    tls_required: false,
  })
})

test('the same input gives the same bytes, everywhere', () => {
  const service = { address: '127.0.0.1:9999', rootCert: '-----BEGIN CERTIFICATE-----\n…\n' }
  const one = createChaincodePackage('entente_1', service)
  assert.deepEqual(createChaincodePackage('entente_1', service), one)
  assert.notEqual(createChaincodePackage('entente_1', { address: '127.0.0.1:9999' }).id, one.id)
  assert.equal(
    createChaincodePackage('entente_1', { address: '127.0.0.1:9999' }).id,
    'entente_1:c88c74988f81061f34a9310215930c533d7164b1516462dabf49bd65d728be8b',
  )
})

test('other programs read it', t => {
  const folder = mkdtempSync(join(tmpdir(), 'entente-package-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'p.tar.gz'), createChaincodePackage('entente_1', { address: 'a.example:1' }).bytes)
  try {
    execFileSync('tar', ['-xzf', 'p.tar.gz'], { cwd: folder })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return t.skip('tar is not installed')
    throw error
  }
  execFileSync('tar', ['-xzf', 'code.tar.gz'], { cwd: folder })
  assert.match(readFileSync(join(folder, 'connection.json'), 'utf8'), /"a\.example:1"/)
})
