import type { Hex } from 'viem'
import { numberToHex } from 'viem/utils'
import type { Finality } from '../chain.ts'
import { LedgerError } from '../error.ts'
import { finalizedBlock } from './finality.ts'
import type { RpcBlock } from './header.ts'
import { type Ask, type RpcReceipt, isIndexing } from './rpc.ts'

/** One node of a network, asked by itself. */
export interface Endpoint {
  /** As it is shown: a URL without credentials. */
  readonly name: string
  readonly ask: Ask
}

/** What one node says of its chain; `error` where it gave no answer. */
export type EndpointState =
  | { readonly name: string; readonly error: string }
  | {
      readonly name: string
      readonly chainId: number
      readonly genesis: string
      readonly head: number
      /** Newest block that is final as this node sees it. */
      readonly final: number
    }

type Answering = Exclude<EndpointState, { error: string }>

/**
 * Several nodes of one network, none of which is believed alone: what is final at two of them must be the same. Without a timer: whoever uses the network asks
 * `ensure` first, and it compares when the last comparison is too old.
 */
export interface Endpoints {
  /** Compares now. Throws LedgerError `mismatch` with what each says, `unreachable` where none answers. */
  compare(): Promise<EndpointState[]>
  /** Throws `mismatch` from a comparison that found two chains until one finds them the same. */
  ensure(): Promise<void>
  /** Throws `mismatch` where a node that has this block has another one, or not this transaction in it. Nodes that are away or behind say nothing. */
  confirm(transaction: string, block: number, blockHash: string): Promise<void>
}

export interface EndpointsOptions {
  readonly endpoints: readonly Endpoint[]
  readonly chainId: number
  readonly finality: Finality
  /** Oldest comparison that is believed. Default: 60 s. */
  readonly everyMs?: number
  readonly now?: () => number
}

export function createEndpoints(options: EndpointsOptions): Endpoints {
  const { endpoints, chainId, finality, everyMs = 60_000, now = () => performance.now() } = options
  /** When all was last found the same. */
  let compared: number | undefined

  async function stateOf({ name, ask }: Endpoint): Promise<EndpointState> {
    try {
      const [id, genesis, head] = await Promise.all([
        ask<Hex>('eth_chainId'),
        ask<RpcBlock>('eth_getBlockByNumber', '0x0', false),
        ask<Hex>('eth_blockNumber').then(Number),
      ])
      const final =
        finality === 'instant'
          ? head
          : finality === 'finalized'
            ? ((await finalizedBlock(ask)) ?? 0)
            : Math.max(0, head - finality.depth)
      return { name, chainId: Number(id), genesis: String(genesis['hash']), head, final }
    } catch (error) {
      return { name, error: (error as Error).message }
    }
  }

  async function compare(): Promise<EndpointState[]> {
    const states = await Promise.all(endpoints.map(stateOf))
    const answering = states.filter((state): state is Answering => !('error' in state))
    const best = answering.reduce<Answering | undefined>(
      (a, b) => (a === undefined || b.final > a.final ? b : a),
      undefined,
    )
    if (best === undefined)
      throw new LedgerError(
        'unreachable',
        `no node answers: ${states.map(s => `${s.name}: ${'error' in s ? s.error : ''}`).join('; ')}`,
      )
    for (const state of answering) {
      if (state.chainId !== chainId)
        throw new LedgerError(
          'mismatch',
          `${state.name} is on chain ${state.chainId}, configured is ${chainId}: correct the URL or the chain id`,
        )
      if (state.genesis !== best.genesis) throw twoChains(0, [best.name, best.genesis], [state.name, state.genesis])
    }
    for (const state of answering) {
      if (state === best) continue
      const [theirs, ours] = await Promise.all([hashAt(state, state.final), hashAt(best, state.final)])
      if (theirs !== undefined && ours !== undefined && theirs !== ours)
        throw twoChains(state.final, [best.name, ours], [state.name, theirs])
    }
    compared = now()
    return states
  }

  async function hashAt({ name }: Answering, block: number): Promise<string | undefined> {
    const ask = endpoints.find(endpoint => endpoint.name === name)?.ask
    const found = await ask?.<RpcBlock | null>('eth_getBlockByNumber', numberToHex(block), false).catch(() => undefined)
    return typeof found?.['hash'] === 'string' ? found['hash'] : undefined
  }

  async function confirmAt(
    { name, ask }: Endpoint,
    transaction: string,
    block: number,
    blockHash: string,
  ): Promise<void> {
    let found: RpcBlock | null
    let receipt: RpcReceipt | null
    try {
      found = await ask<RpcBlock | null>('eth_getBlockByNumber', numberToHex(block), false)
      if (found === null) return
      receipt = await ask<RpcReceipt | null>('eth_getTransactionReceipt', transaction)
    } catch (error) {
      if (error instanceof LedgerError && (error.code === 'unreachable' || isIndexing(error))) return
      throw error
    }
    if (found['hash'] !== blockHash)
      throw twoChains(block, ['the node that was asked', blockHash], [name, String(found['hash'])])
    if (receipt?.blockHash === blockHash) return
    throw new LedgerError(
      'mismatch',
      `${name} has block ${blockHash} without transaction ${transaction}, another node says it is in there: one of them lies. Find out which, and take it out of the configuration`,
    )
  }

  return {
    compare,
    async ensure() {
      if (compared !== undefined && now() - compared < everyMs) return
      try {
        await compare()
      } catch (error) {
        if (error instanceof LedgerError && error.code === 'mismatch') compared = undefined
        throw error
      }
    },
    async confirm(transaction, block, blockHash) {
      if (endpoints.length < 2) return
      await Promise.all(endpoints.map(endpoint => confirmAt(endpoint, transaction, block, blockHash)))
    },
  }
}

function twoChains(block: number, one: readonly [string, string], other: readonly [string, string]): LedgerError {
  const say = ([name, hash]: readonly [string, string]) => `${name} has ${hash}`
  return new LedgerError(
    'mismatch',
    `the nodes disagree at block ${block}, which should be final: ${say(one)}, ${say(other)}. One is on another chain, or lies: nothing is sent or believed until they agree, or the wrong one is taken out of the configuration`,
  )
}
