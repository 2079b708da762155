import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Transaction } from '@scure/btc-signer'
import { findBitcoinAnchor, parseBitcoinTransaction } from '@entente/verify/proof'
import { anchorSize, bitcoinAccount, CHANGE, DUST } from './account.ts'
import { higherFee } from './fees.ts'
import { BITCOIN_NETWORKS } from './network.ts'
import { testKey } from './test/simnet.ts'

const { mainnet, simnet, testnet4, regtest } = BITCOIN_NETWORKS

test('keys as wallets have them: the account 0 of BIP 84, first receiving address', () => {
  // BIP 84, test vectors: mnemonic "abandon … about"
  const root =
    'xprv9s21ZrQH143K3GJpoapnV8SFfukcVBSfeCficPSGfubmSFDxo1kuHnLisriDvSnRRuL2Qrg5ggqHKNVpxR86QEC8w35uxmGoggxtQTPvfUu'
  const wif = 'KyZpNDKnfs94vbrwhJneDi77V6jF64PWPF8x5cdJb8ifgg2DUc9d'
  for (const key of [root, wif])
    assert.equal(bitcoinAccount(key, mainnet).address, 'bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu')
  const script = Buffer.from(bitcoinAccount(wif, mainnet).script).toString('hex')
  assert.equal(script, '0014c0cebcd6c3d3ca8c75dc5ec62ebe55330ef910e2')
})

test('a key of another network, and what is no key, are refused without being shown', () => {
  const wif = 'KyZpNDKnfs94vbrwhJneDi77V6jF64PWPF8x5cdJb8ifgg2DUc9d'
  const bad = [wif, wif.slice(0, -1), '', 'xprv', 'ab'.repeat(31), '00'.repeat(32), 'ff'.repeat(32)]
  for (const key of bad) {
    assert.throws(
      () => bitcoinAccount(key, testnet4),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'invalid')
        assert.ok(key === '' || !error.message.includes(key), error.message)
        return true
      },
    )
  }
  assert.match(bitcoinAccount(testKey('a'), testnet4).address, /^tb1q/)
  assert.match(bitcoinAccount(testKey('a'), regtest).address, /^bcrt1q/)
  assert.match(bitcoinAccount(testKey('a'), simnet).address, /^sb1q/)
})

test('an anchor: output 0 carries it, output 1 is the change, and it may be replaced', () => {
  const account = bitcoinAccount(testKey('a'), mainnet)
  const checkpoint = { size: 1_000_000, root: Uint8Array.from({ length: 32 }, (_, i) => i) }
  for (const count of [1, 2, 5]) {
    const coins = Array.from({ length: count }, (_, i) => ({ txid: testKey(`coin ${i}`), vout: i, value: 10_000 }))
    const { txid, raw } = account.sign({ origin: 'log.example/a', checkpoint, coins, fee: 500 })
    assert.deepEqual(account.sign({ origin: 'log.example/a', checkpoint, coins, fee: 500 }), { txid, raw })
    assert.deepEqual(findBitcoinAnchor(parseBitcoinTransaction(raw), 'log.example/a'), checkpoint)
    const transaction = Transaction.fromRaw(raw, { allowUnknownOutputs: true })
    assert.equal(transaction.id, txid)
    assert.equal(transaction.getOutput(0).amount, 0n)
    assert.equal(transaction.getOutput(CHANGE).amount, BigInt(count * 10_000 - 500))
    assert.deepEqual(transaction.getOutput(CHANGE).script, account.script)
    for (let i = 0; i < count; i++) assert.ok((transaction.getInput(i).sequence ?? 0) <= 0xfffffffd)
    assert.ok(
      transaction.vsize <= anchorSize(count) && transaction.vsize > anchorSize(count) - 2,
      `${transaction.vsize}`,
    )
  }
  assert.equal(anchorSize(1), 181)
  const coins = [{ txid: testKey('coin'), vout: 0, value: 500 + DUST - 1 }]
  assert.throws(() => account.sign({ origin: 'a', checkpoint, coins, fee: 500 }), { code: 'invalid' })
})

test('the fee of a replacement', () => {
  const policy = { min: 1, max: 10, target: 6, bumpMs: 1 }
  assert.equal(higherFee(100, 100, 1, policy), 200) // one satoshi a vbyte more, or no node takes it
  assert.equal(higherFee(800, 100, 1, policy), 1000) // a quarter more
  assert.equal(higherFee(100, 100, 5, policy), 500) // the estimate
  assert.equal(higherFee(100, 100, 50, policy), 1000) // the ceiling
  assert.equal(higherFee(900, 100, 1, policy), 1000)
  assert.equal(higherFee(901, 100, 50, policy), undefined)
})
