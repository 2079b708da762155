import type { Hex } from 'viem'
import { hexToBytes, keccak256 } from 'viem/utils'
import { privateKeyToAccount } from 'viem/accounts'

export interface TransactionRequest {
  readonly chainId: number
  readonly nonce: number
  readonly gas: bigint
  readonly to: string | undefined
  readonly data: Hex
  /** Price per unit of gas; for chains with a base fee (EIP-1559), the most to be paid and what goes on top of it. */
  readonly fees:
    | { readonly gasPrice: bigint }
    | { readonly maxFeePerGas: bigint; readonly maxPriorityFeePerGas: bigint }
}

/** Who signs the transactions: a key in memory, or a device or service behind the same two members. */
export interface Account {
  /** 0x and lower case. */
  readonly address: string
  sign(transaction: TransactionRequest): Promise<{ raw: Hex; hash: Hex }>
}

/** An account whose private key is at hand (32 bytes as 0x…). */
export function accountFromKey(privateKey: string): Account {
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
