import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { testKey } from '#ledger/bitcoin/test/simnet.ts'
import { bitcoinOptions } from './bitcoin-ledger.ts'
import { loadConfig } from './config.ts'

function configure(t: TestContext, ledger: string, files: Record<string, string> = { 'btc.key': testKey('cli') }) {
  const folder = mkdtempSync(join(tmpdir(), 'entente-bitcoin-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 })
  const file = join(folder, 'entente.yaml')
  writeFileSync(
    file,
    `ledgers: [ { id: btc, kind: bitcoin, url: "http://127.0.0.1:8334", keyFile: btc.key${ledger} } ]\n`,
  )
  const { config, paths } = loadConfig({ file, data: folder, env: {} })
  const [entry] = config.ledgers
  assert.ok(entry?.kind === 'bitcoin')
  return { folder, entry, options: () => bitcoinOptions(entry, paths) }
}

test('a Bitcoin ledger of three lines: mainnet, an anchor an hour, six blocks on top', t => {
  const { entry, options } = configure(t, '')
  assert.equal(entry.intervalMs, 3_600_000)
  const { network, account, depth, fees } = options()
  assert.equal(network.name, 'mainnet')
  assert.match(account.address, /^bc1q/)
  assert.equal(depth, 6)
  assert.deepEqual(fees, { min: 1, max: 100, target: 6, bumpMs: 3_600_000 })
})

test('single values of fee', t => {
  assert.deepEqual(configure(t, ', fee: { max: 7 }').options().fees, { min: 1, max: 7, target: 6, bumpMs: 3_600_000 })
})

test('what is refused: files that others can read or that hold no key, and what makes no sense', t => {
  const usage = (message: RegExp) => ({ name: 'CliError', code: 'usage', message })
  assert.throws(() => configure(t, ', network: moonnet'), usage(/ledgers/))
  assert.throws(() => configure(t, ', wallet: a'), usage(/ledgers/))
  assert.throws(() => configure(t, ', fee: { min: 5, max: 2 }').options(), usage(/fee\.min is 5/))
  assert.throws(() => configure(t, '', {}).options(), usage(/"btc".*no such file/))
  assert.throws(
    () => configure(t, '', { 'btc.key': 'no key' }).options(),
    usage(/btc\.key: the key is none of mainnet/),
  )
  assert.throws(() => configure(t, ', userFile: rpc').options(), usage(/no such file/))
  const { folder, options } = configure(t, '')
  chmodSync(join(folder, 'btc.key'), 0o644)
  assert.throws(options, usage(/chmod 600/))
})
