import type { Hex } from 'viem'
import { hexToBytes, keccak256 } from 'viem/utils'
import { privateKeyToAccount } from 'viem/accounts'
import type { Fees } from './fees.ts'

export interface TransactionRequest {
  readonly chainId: number
  readonly nonce: number
  readonly gas: bigint
  readonly to: string | undefined
  readonly data: Hex
  readonly fees: Fees
}

/** Who signs the transactions: here, or the node. */
export type Account = SigningAccount | NodeAccount

/** A key in memory, or a device or service behind the same two members. */
export interface SigningAccount {
  /** 0x and lower case. */
  readonly address: string
  sign(transaction: TransactionRequest): Promise<{ raw: Hex; hash: Hex }>
}

/** An account whose key the node holds, unlocked: it signs by eth_sendTransaction. */
export interface NodeAccount {
  /** 0x and lower case. */
  readonly address: string
  readonly sign: 'node'
}

export const accountOfNode = (address: string): NodeAccount => ({ address: address.toLowerCase(), sign: 'node' })

/** An account whose private key is at hand (32 bytes as 0x…). */
export function accountFromKey(privateKey: string): SigningAccount {
  const account = privateKeyToAccount(privateKey as Hex)
  return {
    address: account.address.toLowerCase(),
    async sign({ to, fees, ...rest }) {
      const common = { ...rest, ...(to === undefined ? {} : { to: to as Hex }) }
      const raw = await ('gasPrice' in fees
        ? account.signTransaction({ type: 'legacy', ...common, ...fees })
        : account.signTransaction({ type: 'eip1559', ...common, ...fees }))
      return { raw, hash: keccak256(hexToBytes(raw)) }
    },
  }
}
