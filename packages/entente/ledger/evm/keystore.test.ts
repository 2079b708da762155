import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { privateKeyToAccount } from 'viem/accounts'
import { testKey } from '../../../../test/support/evm-network.ts'
import { installGeth } from '../../../../test/support/geth.ts'
import { rejects } from '../conformance/anchor.ts'
import { accountFromKeystore } from './keystore.ts'

/** The PBKDF2 vector of Web3 Secret Storage, version 3; the one for scrypt has parameters that RFC 7914 forbids. */
const KEY = '0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d'
const PASSWORD = 'testpassword'
const PBKDF2 = {
  crypto: {
    cipher: 'aes-128-ctr',
    cipherparams: { iv: '6087dab2f9fdbbfaddc31a909735c1e6' },
    ciphertext: '5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46',
    kdf: 'pbkdf2',
    kdfparams: {
      c: 262144,
      dklen: 32,
      prf: 'hmac-sha256',
      salt: 'ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd',
    },
    mac: '517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2',
  },
  version: 3,
}
const ADDRESS = privateKeyToAccount(KEY).address.toLowerCase()

test('the published file opens with its password', async () => {
  assert.equal((await accountFromKeystore(JSON.stringify(PBKDF2), PASSWORD)).address, ADDRESS)
  const withAddress = { ...PBKDF2, address: ADDRESS.slice(2).toUpperCase() }
  assert.equal((await accountFromKeystore(JSON.stringify(withAddress), PASSWORD)).address, ADDRESS)
})

test('a file that geth made opens with its password', async t => {
  const geth = installGeth()
  if ('reason' in geth) return t.skip(geth.reason)
  const folder = mkdtempSync(join(tmpdir(), 'entente-keystore-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'key'), testKey('keystore').slice(2))
  writeFileSync(join(folder, 'password'), 'open sesame')
  execFileSync(
    geth.path,
    ['--datadir', folder, 'account', 'import', '--password', join(folder, 'password'), join(folder, 'key')],
    { stdio: 'pipe' },
  )
  const [name = ''] = readdirSync(join(folder, 'keystore'))
  const text = readFileSync(join(folder, 'keystore', name), 'utf8')
  const account = await accountFromKeystore(text, 'open sesame')
  assert.equal(account.address, privateKeyToAccount(testKey('keystore')).address.toLowerCase())
})

test('another password, another file: refused', async () => {
  const change = (path: string[], value: unknown): string => {
    const file = structuredClone(PBKDF2) as Record<string, unknown>
    const parent = path.slice(0, -1).reduce((at, name) => at[name] as Record<string, unknown>, file)
    parent[path.at(-1) ?? ''] = value
    return JSON.stringify(file)
  }
  await rejects(accountFromKeystore(JSON.stringify(PBKDF2), 'another'), 'invalid')
  for (const text of [
    '',
    '[]',
    'null',
    '{}',
    change(['version'], 1),
    change(['address'], '00'.repeat(20)),
    change(['crypto'], null),
    change(['crypto', 'cipher'], 'aes-128-cbc'),
    change(['crypto', 'kdf'], 'md5'),
    change(['crypto', 'mac'], '00'.repeat(32)),
    change(['crypto', 'mac'], '00'),
    change(['crypto', 'ciphertext'], 'zz'.repeat(32)),
    change(['crypto', 'cipherparams', 'iv'], '00'),
    change(['crypto', 'kdfparams', 'prf'], 'hmac-sha1'),
    change(['crypto', 'kdfparams', 'c'], 1e9),
    change(['crypto', 'kdfparams', 'dklen'], 16),
  ])
    await rejects(accountFromKeystore(text, PASSWORD), 'invalid')
  const salt = '00'.repeat(32)
  for (const kdfparams of [
    { n: 2 ** 24, r: 8, p: 1 },
    { n: 2 ** 18, r: 1, p: 8 },
    { n: 1000, r: 8, p: 1 },
    { n: 2 ** 18, r: 8, p: 1000 },
  ]) {
    const crypto = { ...PBKDF2.crypto, kdf: 'scrypt', kdfparams: { dklen: 32, salt, ...kdfparams } }
    await rejects(accountFromKeystore(JSON.stringify({ ...PBKDF2, crypto }), PASSWORD), 'invalid')
  }
})
