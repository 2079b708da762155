import { formatEther } from 'viem/utils'
import type { AnchorIdentity, Checkpoint } from '../anchor.ts'
import type { SubmitJournal } from '../journal.ts'
import { type EvmAnchorOptions, createEvmAnchor } from './anchor.ts'
import { openEvmChain } from './chain.ts'
import { CHECKPOINT_ANCHOR } from './contract.ts'
import { type EndpointState, createEndpoints } from './endpoints.ts'
import { marketFees, priceOf } from './fees.ts'
import { createHttpProvider, shownUrl } from './http.ts'
import { decodePending } from './pending.ts'
import { askOf } from './rpc.ts'

export interface EvmStatus {
  readonly identity: AnchorIdentity
  readonly codeHash: string
  readonly latest: Checkpoint | undefined
  /** Whether its newest anchor is final; undefined before the first. */
  readonly final: boolean | undefined
  /** What its account can pay with, in the chain's largest unit. */
  readonly balance: string
  /** What a unit of gas costs now, wei; 0 on chains without fees. */
  readonly gasPrice: bigint
  readonly endpoints: readonly EndpointState[]
  /** What is under way by the journal. */
  readonly pending: { readonly nonce: number; readonly transactions: readonly string[] } | undefined
}

/** Looks at an EVM ledger as an operator wants to see it; nothing is sent. Throws LedgerError: `mismatch` where its nodes disagree. */
export async function readEvmStatus(options: EvmAnchorOptions, journal: SubmitJournal | undefined): Promise<EvmStatus> {
  const { urls, account, chainId } = options
  const single = urls.map(url => ({ name: shownUrl(url), provider: createHttpProvider({ urls: [url] }) }))
  const provider = createHttpProvider({ urls })
  try {
    const chain = await openEvmChain({ provider, account, chainId, finality: options.finality })
    const nodes = single.map(s => ({ name: s.name, ask: askOf(s.provider) }))
    const endpoints = createEndpoints({ endpoints: nodes, chainId, finality: chain.finality })
    const states = await endpoints.compare()
    const anchor = await createEvmAnchor(chain, { ...options, readOnly: true, endpoints })
    const latest = await anchor.latest()
    const receipt = latest && (await anchor.find(latest.size))
    const bytes = await journal?.read()
    const pending = bytes === undefined ? undefined : decodePending(bytes)
    return {
      identity: await anchor.describe(),
      codeHash: CHECKPOINT_ANCHOR.codeHash,
      latest,
      final: receipt && (await anchor.finality(receipt)).final,
      balance: formatEther(await chain.balance()),
      gasPrice: priceOf(await marketFees(askOf(provider))),
      endpoints: states,
      pending: pending && {
        nonce: pending.nonce,
        transactions: pending.attempts.flatMap(({ hash }) => (hash === undefined ? [] : [hash])),
      },
    }
  } finally {
    await Promise.all([provider, ...single.map(s => s.provider)].map(p => p.close()))
  }
}
