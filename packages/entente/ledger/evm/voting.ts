// How the validators of a chain vote on who validates: Clique (EIP-225) as geth has it, and the Istanbul family (QBFT, IBFT) as GoQuorum has it.
import type { Hex } from 'viem'
import { numberToHex } from 'viem/utils'
import { LedgerError } from '../error.ts'
import { cliqueDepth } from './finality.ts'
import { quorum } from './qbft.ts'
import { type Ask, isNoMethod } from './rpc.ts'

/**
 * What a validator's own node is asked, and told. A proposal is what the node votes for in the blocks that it seals, as long as that would change anything;
 * more than half of the validators make the change. Nodes forget proposals when they stop. A vote that is in a block counts until the set changes as it says, or
 * until the next epoch: withdrawing a proposal ends voting, and does not take votes back.
 *
 * Addresses are lower case. Every method throws LedgerError alone.
 */
export interface Voting {
  readonly consensus: 'clique' | 'istanbul'
  /** What the node seals with; undefined where it has nothing to seal with. */
  self(): Promise<string | undefined>
  /** Sorted, at the node's newest block. */
  validators(): Promise<string[]>
  /** By address: whether it is to be a validator. */
  proposals(): Promise<ReadonlyMap<string, boolean>>
  propose(address: string, isValidator: boolean): Promise<void>
  /** Withdraws a proposal. */
  discard(address: string): Promise<void>
  /** Who has sealed any of the newest `count` blocks. */
  active(count: number): Promise<ReadonlySet<string>>
  /** How many of so many validators must be there for the chain to go on. */
  needed(validators: number): number
}

type Dialect = {
  consensus: Voting['consensus']
  validators: string
  proposals: string
  propose: string
  discard: string
  self: string
  /** Who sealed a block. */
  sealers: string
  needed: (validators: number) => number
}

const DIALECTS: readonly Dialect[] = [
  {
    consensus: 'clique',
    validators: 'clique_getSigners',
    proposals: 'clique_proposals',
    propose: 'clique_propose',
    discard: 'clique_discard',
    self: 'eth_coinbase',
    sealers: 'clique_getSigner',
    // A signer seals one of so many blocks in a row, so that many must be there.
    needed: cliqueDepth,
  },
  {
    consensus: 'istanbul',
    validators: 'istanbul_getValidators',
    proposals: 'istanbul_candidates',
    propose: 'istanbul_propose',
    discard: 'istanbul_discard',
    self: 'istanbul_nodeAddress',
    sealers: 'istanbul_getSignersFromBlock',
    needed: quorum,
  },
]

const MAX_VALIDATORS = 512

/** Finds out which consensus a node has. Throws LedgerError `unsupported` where it offers neither's voting. */
export async function openVoting(ask: Ask): Promise<Voting> {
  for (const dialect of DIALECTS) {
    try {
      await ask(dialect.validators)
      return createVoting(ask, dialect)
    } catch (error) {
      if (!isNoMethod(error)) throw error
    }
  }
  throw new LedgerError(
    'unsupported',
    "the node offers neither clique_getSigners nor istanbul_getValidators: switch its API clique or istanbul on, for this program alone, and ask a validator's own node",
  )
}

function createVoting(ask: Ask, dialect: Dialect): Voting {
  const { consensus, needed } = dialect
  return {
    consensus,
    needed,
    self: async () => {
      try {
        return toAddress(dialect.self, await ask(dialect.self))
      } catch (error) {
        if (error instanceof LedgerError && (error.code === 'refused' || error.code === 'unsupported')) return undefined
        throw error
      }
    },
    validators: async () => toAddresses(dialect.validators, await ask(dialect.validators)).sort(),
    proposals: async () => {
      const found = Object.entries((await ask<Record<string, unknown> | null>(dialect.proposals)) ?? {})
      return new Map(found.map(([address, is]) => [toAddress(dialect.proposals, address), is === true]))
    },
    propose: async (address, isValidator) => void (await ask(dialect.propose, address, isValidator)),
    discard: async address => void (await ask(dialect.discard, address)),
    active: async count => {
      const head = Number(await ask<Hex>('eth_blockNumber'))
      const blocks = Array.from({ length: Math.min(count, head) }, (_, i) => numberToHex(head - i))
      const sealers = await Promise.all(
        blocks.map(async block => toSealers(dialect, await ask(dialect.sealers, block))),
      )
      return new Set(sealers.flat())
    },
  }
}

/** GoQuorum says who proposed a block and who committed to it, geth who signed it. */
function toSealers({ sealers }: Dialect, answer: unknown): string[] {
  if (typeof answer === 'string') return [toAddress(sealers, answer)]
  const { Author, Committers } = (answer ?? {}) as { Author?: unknown; Committers?: unknown }
  return [toAddress(sealers, Author), ...toAddresses(sealers, Committers)]
}

function toAddresses(method: string, answer: unknown): string[] {
  if (!Array.isArray(answer) || answer.length > MAX_VALIDATORS)
    throw new LedgerError('corrupt', `${method} answered no list of at most ${MAX_VALIDATORS} addresses`)
  return answer.map(one => toAddress(method, one))
}

function toAddress(method: string, answer: unknown): string {
  if (typeof answer === 'string' && /^0x[0-9a-fA-F]{40}$/.test(answer)) return answer.toLowerCase()
  throw new LedgerError('corrupt', `${method} answered ${String(answer).slice(0, 80)}, which is no address`)
}
