import assert from 'node:assert/strict'
import { createCipheriv, randomBytes, scryptSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { keccak256 } from 'viem/utils'
import { accountFromKey } from '#ledger/evm/account.ts'
import { temporaryFolder } from '../../../test/support/server.ts'
import { type Paths, loadConfig } from './config.ts'
import { CliError } from './errors.ts'
import { type EvmLedgerConfig, evmOptions } from './evm-ledger.ts'

/** TEST KEY: of the first account of every development chain. */
const KEY = 'ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const { address } = accountFromKey(`0x${KEY}`)

/** A key file of Web3 Secret Storage, with the cheapest parameters. */
function keystoreOf(password: string): string {
  const [salt, iv] = [randomBytes(32), randomBytes(16)]
  const derived = scryptSync(password, salt, 32, { N: 2, r: 8, p: 1 })
  const cipher = createCipheriv('aes-128-ctr', derived.subarray(0, 16), iv)
  const ciphertext = Buffer.concat([cipher.update(Buffer.from(KEY, 'hex')), cipher.final()])
  return JSON.stringify({
    version: 3,
    address: address.slice(2),
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: iv.toString('hex') },
      ciphertext: ciphertext.toString('hex'),
      kdf: 'scrypt',
      kdfparams: { dklen: 32, n: 2, r: 8, p: 1, salt: salt.toString('hex') },
      mac: keccak256(Buffer.concat([derived.subarray(16, 32), ciphertext])).slice(2),
    },
  })
}

function configured(t: TestContext, members: string): { ledger: EvmLedgerConfig; paths: Paths } {
  const folder = temporaryFolder(t)
  const file = join(folder, 'entente.yaml')
  writeFileSync(file, `ledgers: [ { id: dev, kind: evm, urls: ["http://127.0.0.1:1"], chainId: 5, ${members} } ]\n`)
  writeFileSync(join(folder, 'plain.key'), `${KEY}\n`)
  writeFileSync(join(folder, 'key.json'), keystoreOf('open sesame'))
  writeFileSync(join(folder, 'password'), 'open sesame\n')
  writeFileSync(join(folder, 'wrong'), 'abracadabra')
  const { config, paths } = loadConfig({ file, data: join(folder, 'data'), env: {} })
  return { ledger: config.ledgers[0] as EvmLedgerConfig, paths }
}

test('an account by key file, by keystore with its password, or of the node', async t => {
  const node = `0x${'AB'.repeat(20)}`
  for (const [members, expected] of [
    ['keyFile: plain.key', address],
    ['account: { keystore: key.json, passwordFile: password }', address],
    [`account: { node: "${node}" }`, node.toLowerCase()],
  ] as const) {
    const { ledger, paths } = configured(t, members)
    assert.equal((await evmOptions(ledger, paths)).account.address, expected)
  }
  const contract = `0x${'12'.repeat(20)}`
  const logId = `0x${'34'.repeat(32)}`
  const reader = configured(t, `contract: "${contract}", logId: "${logId}"`)
  assert.equal((await evmOptions(reader.ledger, reader.paths, true)).readOnly, true)
  for (const [members, message] of [
    ['finality: instant', /who pays for anchors/],
    [`contract: "${contract}", logId: "${logId}"`, /who pays for anchors/],
    ['keyFile: plain.key, account: { keystore: key.json, passwordFile: password }', /who pays for anchors/],
    ['keyFile: none.key', /ENOENT/],
    ['keyFile: password', /the account cannot be opened/],
    ['account: { keystore: key.json, passwordFile: wrong }', /the password does not open the key file/],
    ['account: { keystore: plain.key, passwordFile: password }', /the key file is no JSON|version 3 is wanted/],
  ] as const) {
    const { ledger, paths } = configured(t, members)
    await assert.rejects(evmOptions(ledger, paths), error => {
      assert.ok(error instanceof CliError && error.code === 'usage', String(error))
      assert.match(error.message, message)
      assert.ok(!error.message.includes(KEY) && !error.message.includes('sesame'))
      return true
    })
  }
})

test('finality by name or as a number of blocks; pinned validators', async t => {
  for (const [given, expected] of [
    ['', 'instant'],
    ['finality: finalized', 'finalized'],
    ['finality: clique', 'clique'],
    ['finality: 12', { depth: 12 }],
  ] as const) {
    const { ledger, paths } = configured(t, `keyFile: plain.key, ${given}`)
    assert.deepEqual((await evmOptions(ledger, paths)).finality, expected)
  }
  const validators = [`0x${'12'.repeat(20)}`]
  const { ledger, paths } = configured(t, `keyFile: plain.key, validators: ["${validators[0]}"]`)
  assert.deepEqual((await evmOptions(ledger, paths)).validators, validators)
  assert.throws(() => configured(t, 'keyFile: plain.key, finality: soon'), CliError)
  assert.throws(() => configured(t, 'keyFile: plain.key, finality: 0'), CliError)
})
