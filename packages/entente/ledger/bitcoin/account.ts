import { HDKey } from '@scure/bip32'
import { p2wpkh, Transaction, WIF } from '@scure/btc-signer'
import { pubECDSA } from '@scure/btc-signer/utils.js'
import { displayHash, formatBitcoinAnchor, parseBitcoinTransaction } from '@entente/verify/proof'
import type { Checkpoint } from '../anchor.ts'
import { LedgerError } from '../error.ts'
import type { BitcoinNetwork } from './network.ts'

/** An unspent output of ours. `value` in satoshis. */
export interface Coin {
  readonly txid: string
  readonly vout: number
  readonly value: number
}

/** Where the change of an anchor lies: the coin of the next one. Output 0 is the anchor itself. */
export const CHANGE = 1
/** Least value of an output that nodes relay to a P2WPKH script, satoshis. */
export const DUST = 294
/** BIP 125: says that the transaction may be replaced by one with a higher fee. */
const REPLACEABLE = 0xfffffffd

export interface BitcoinAccount {
  /** P2WPKH address (BIP 84). */
  readonly address: string
  /** Its output script. */
  readonly script: Uint8Array
  /**
   * Builds (as a PSBT) and signs a transaction that anchors a checkpoint: output 0 OP_RETURN, output 1 what the coins leave after the fee.
   * The same arguments give the same bytes. Throws LedgerError `invalid` where the coins do not pay for it.
   */
  sign(anchor: { origin: string; checkpoint: Checkpoint; coins: readonly Coin[]; fee: number }): SignedAnchor
}

export interface SignedAnchor {
  readonly txid: string
  readonly raw: Uint8Array
}

/** Virtual size of an anchor that spends so many coins, in vbytes (BIP 141): one too many rather than one too few. */
export const anchorSize = (coins: number): number => Math.ceil(10.5 + 68 * coins + 71 + 31)

/**
 * @param text private key in wallet import format, 64 hexadecimal digits, or an extended key (BIP 32: xprv…, tprv…, sprv…), of which the first receiving
 * address (BIP 84: m/84'/coin'/0'/0/0) is used.
 * @throws LedgerError `invalid`; the message does not show the key
 */
export function bitcoinAccount(text: string, network: BitcoinNetwork): BitcoinAccount {
  const params = { bech32: network.bech32, wif: network.wif, pubKeyHash: 0, scriptHash: 0 }
  let key: Uint8Array
  let payment: ReturnType<typeof p2wpkh>
  try {
    key = readKey(text, network, params)
    payment = p2wpkh(pubECDSA(key), params)
  } catch {
    throw new LedgerError(
      'invalid',
      `the key is none of ${network.name}: 64 hexadecimal digits, a WIF or an extended private key (BIP 32) is wanted`,
    )
  }
  const { script, address } = payment
  if (address === undefined) throw new LedgerError('invalid', 'the key has no address')
  return {
    address,
    script,
    sign({ origin, checkpoint, coins, fee }) {
      const change = coins.reduce((sum, { value }) => sum + value, 0) - fee
      if (change < DUST)
        throw new LedgerError('invalid', `a fee of ${fee} satoshis leaves ${change} of the coins, ${DUST} are needed`)
      const transaction = new Transaction({ allowUnknownOutputs: true, lowR: true })
      for (const { txid, vout, value } of coins)
        transaction.addInput({
          txid,
          index: vout,
          sequence: REPLACEABLE,
          witnessUtxo: { script, amount: BigInt(value) },
        })
      transaction.addOutput({ script: formatBitcoinAnchor(origin, checkpoint), amount: 0n })
      transaction.addOutput({ script, amount: BigInt(change) })
      transaction.sign(key)
      transaction.finalize()
      const raw = transaction.extract()
      return { raw, txid: displayHash(parseBitcoinTransaction(raw).txid) }
    },
  }
}

function readKey(text: string, network: BitcoinNetwork, params: Parameters<typeof WIF>[0]): Uint8Array {
  if (/^[0-9a-f]{64}$/i.test(text)) return Uint8Array.from(Buffer.from(text, 'hex'))
  if (!/^.prv/.test(text)) return WIF(params).decode(text)
  const key = HDKey.fromExtendedKey(text, network.bip32).derive(`m/84'/${network.coinType}'/0'/0/0`).privateKey
  if (key === null) throw new Error('a public key')
  return key
}
