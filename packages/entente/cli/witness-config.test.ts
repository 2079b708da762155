import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { COSIGNATURE_V1, createVerifierKey, formatVkey } from '@entente/verify/tlog'
import { ed25519 } from '@noble/curves/ed25519.js'
import { createTestLog, testSeed } from '#witness/test/log.ts'
import { loadConfig } from './config.ts'
import { quorumOf } from './witness-config.ts'

const witnessKey = (name: string, of = name) =>
  formatVkey(createVerifierKey(name, COSIGNATURE_V1, ed25519.getPublicKey(testSeed(of))))
const witness = (name: string, of?: string) => ({ vkey: witnessKey(name, of), url: `https://${name}/` })

function load(t: TestContext, config: Record<string, unknown>, env: NodeJS.ProcessEnv = {}) {
  const data = mkdtempSync(join(tmpdir(), 'entente-config-'))
  t.after(() => rmSync(data, { recursive: true, force: true }))
  const file = join(data, 'entente.yaml')
  writeFileSync(file, JSON.stringify(config))
  return loadConfig({ file, data, env }).config
}

test('witnesses of the log: none by default, and a quorum of more than half', t => {
  const { log, witness: role } = load(t, {})
  assert.deepEqual([log.witnesses, log.witnessIntervalMs, log.witnessTimeoutMs, role], [[], 500, 5000, undefined])
  const names = ['a.example', 'b.example', 'c.example', 'd.example']
  for (const [count, quorum] of [
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
  ] as const)
    assert.equal(quorumOf(load(t, { log: { witnesses: names.slice(0, count).map(n => witness(n)) } }).log), quorum)
  const set = load(
    t,
    { log: { witnesses: names.map(n => witness(n)), witnessQuorum: 1 } },
    { ENTENTE_LOG_WITNESS_QUORUM: '4' },
  )
  assert.equal(quorumOf(set.log), 4)
  assert.equal(load(t, { witness: { name: 'w.example' } }).witness?.stateFolder, './witness')
})

test('what makes no sense is refused, with what is wrong', t => {
  const log = createTestLog('log.example/one')
  const bad: [Record<string, unknown>, RegExp][] = [
    [{ log: { witnesses: [{ ...witness('a.example'), vkey: log.vkey }] } }, /a key of type 1, a witness has 4/],
    [{ log: { witnesses: [{ ...witness('a.example'), vkey: 'nonsense' }] } }, /log.witnesses: not a verifier key/],
    [
      { log: { witnesses: [witness('a.example'), witness('b.example', 'a.example')] } },
      /a.example and b.example have one key/,
    ],
    [{ log: { witnesses: [witness('a.example')], witnessQuorum: 2 } }, /witnessQuorum is 2, and log.witnesses names 1/],
    [{ log: { witnessQuorum: 1 } }, /witnessQuorum is 1, and log.witnesses names 0/],
    [{ log: { witnesses: [{ ...witness('a.example'), url: 'ftp://a.example' }] } }, /url/],
    [{ witness: {} }, /witness/],
    [{ witness: { name: 'w example' } }, /name/],
    [{ witness: { name: 'w.example', logs: [{ origin: 'x' }] } }, /logs/],
    [{ apiRoots: [{ path: '/witness/', title: 'T' }] }, /taken/],
  ]
  for (const [config, message] of bad)
    assert.throws(() => load(t, config), { name: 'CliError', code: 'usage', message })
})
