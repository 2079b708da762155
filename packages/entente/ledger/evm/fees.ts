import type { Hex } from 'viem'
import type { RpcBlock } from './header.ts'
import { type Ask, isNoMethod } from './rpc.ts'

/** Price of a unit of gas, wei; for chains with a base fee (EIP-1559), the most to be paid and what goes on top of it. */
export type Fees =
  | { readonly gasPrice: bigint }
  | { readonly maxFeePerGas: bigint; readonly maxPriorityFeePerGas: bigint }

/** A replacement pays this much more: nodes ask for 10 % (geth, Besu) to 12.5 %. */
const RAISE = { by: 5n, of: 4n }
/** However long it takes, a transaction never pays more than this many times its first price. */
const MAX_RAISE = 10n

/** Twice the base fee is enough for six full blocks in a row; without a base fee, what the node asks (0 on chains without fees). */
export async function marketFees(ask: Ask): Promise<Fees> {
  const { baseFeePerGas } = await ask<RpcBlock>('eth_getBlockByNumber', 'latest', false)
  if (typeof baseFeePerGas !== 'string') return { gasPrice: BigInt(await ask<Hex>('eth_gasPrice')) }
  const baseFee = BigInt(baseFeePerGas)
  const maxPriorityFeePerGas = await ask<Hex>('eth_maxPriorityFeePerGas').then(BigInt, async (error: unknown) => {
    if (!isNoMethod(error)) throw error
    const gasPrice = BigInt(await ask<Hex>('eth_gasPrice'))
    return gasPrice > baseFee ? gasPrice - baseFee : 0n
  })
  return { maxFeePerGas: 2n * baseFee + maxPriorityFeePerGas, maxPriorityFeePerGas }
}

export const priceOf = (fees: Fees): bigint => ('gasPrice' in fees ? fees.gasPrice : fees.maxFeePerGas)

/**
 * What a replacement of `last` pays: more than `last`, and what the market asks now. Undefined where that is more than ten times the first price, or nothing is
 * paid on this chain.
 */
export function raisedFees(first: Fees, last: Fees, market: Fees): Fees | undefined {
  const raised = (price: bigint, asked: bigint) => {
    const least = (price * RAISE.by) / RAISE.of + 1n
    return asked > least ? asked : least
  }
  if (priceOf(last) === 0n && priceOf(market) === 0n) return undefined
  const fees: Fees =
    'gasPrice' in last
      ? { gasPrice: raised(last.gasPrice, priceOf(market)) }
      : {
          maxFeePerGas: raised(last.maxFeePerGas, priceOf(market)),
          maxPriorityFeePerGas: raised(
            last.maxPriorityFeePerGas,
            'gasPrice' in market ? market.gasPrice : market.maxPriorityFeePerGas,
          ),
        }
  return priceOf(first) > 0n && priceOf(fees) > MAX_RAISE * priceOf(first) ? undefined : fees
}
