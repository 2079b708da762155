import type { ChainKind, RuleArguments, RuleName } from '@entente/rules'
import type { Hex } from 'viem'
import type { SigningAccount } from '../packages/entente/ledger/evm/account.ts'
import type { Eip1193Provider } from '../packages/entente/ledger/evm/provider.ts'
import { encodeRule } from '../packages/entente/ledger/evm/rules/encode.ts'

export type RuleCall = { [N in RuleName]: [rule: N, ...args: RuleArguments<N>] }[RuleName]

export interface LoadOptions {
  /** An embedded chain: what is sent in order gets its nonces in order, and nothing is paid. */
  readonly provider: Eip1193Provider
  readonly chainId: number
  readonly kind: ChainKind
  readonly contracts: Readonly<Record<string, string>>
  readonly gas: bigint
}

/** Transactions of one sender that wait at a time: sixteen senders stay below what the chain lets wait. */
const AHEAD = 8

/**
 * Brings calls into blocks as fast as the chain takes them: signed one by one here, many in a block there, and nobody asks for receipts. The state is that
 * which the same calls by a client give.
 */
export async function load(
  { provider, chainId, kind, contracts, gas }: LoadOptions,
  { account, party, calls }: { account: SigningAccount; party: string; calls: Iterable<RuleCall> },
): Promise<void> {
  const method = 'eth_getTransactionCount'
  let nonce = Number(await provider.request({ method, params: [account.address, 'pending'] }))
  const waiting: Promise<unknown>[] = []
  for (const [rule, ...args] of calls) {
    const { contract, data } = await encodeRule({ kind, party: async () => party as Hex }, rule, args as never)
    const fees = { gasPrice: 0n }
    const { raw } = await account.sign({ chainId, nonce: nonce++, gas, to: contracts[contract], data, fees })
    const sent = provider.request({ method: 'eth_sendRawTransaction', params: [raw] })
    sent.catch(() => undefined) // it is awaited below
    waiting.push(sent)
    if (waiting.length >= AHEAD) await waiting.shift()
  }
  await Promise.all(waiting)
}
