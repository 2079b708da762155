import { setTimeout as sleep } from 'node:timers/promises'
import type { Hex } from 'viem'
import { bytesToHex, getContractAddress, hexToBytes, numberToHex } from 'viem/utils'
import type { Chain, ChainHeader, ChainReceipt } from '../chain.ts'
import { LedgerError } from '../error.ts'
import { type SubmitJournal, createMemoryJournal } from '../journal.ts'
import type { Account } from './account.ts'
import { type EvmFinality, finalizedBlock, resolveFinality } from './finality.ts'
import { type RpcBlock, headerOf, validatorsOf } from './header.ts'
import type { Call } from './pending.ts'
import type { ClosableProvider, Eip1193Provider } from './provider.ts'
import { parseHeader } from './qbft.ts'
import {
  type Ask,
  type AskAll,
  type RpcLog,
  type RpcReceipt,
  askAllOf,
  askOf,
  isIndexing,
  isNoMethod,
  toEvent,
} from './rpc.ts'
import { createSubmitter } from './submit.ts'
import { AT_ONCE, submitAll } from './submit-all.ts'

/** Chain on an EVM, with what only an EVM has. */
export interface EvmChain extends Chain {
  readonly kind: 'evm'
  /** As in the port, or at a block that is named. */
  call(call: { contract: string; data: Uint8Array }, block?: number): Promise<Uint8Array>
  /**
   * Runs calls that do not depend on each other, many of them under way at a time; in which order they take effect is not said. Each takes effect at
   * most once, and none is in the journal. The receipt of each, or the LedgerError, as of `submit`, by which it failed.
   */
  submitAll(calls: readonly { contract: string; data: Uint8Array }[]): Promise<(ChainReceipt | LedgerError)[]>
  /** Code at an address of the newest block; empty when there is none. */
  code(address: string): Promise<Uint8Array>
  /** Addresses of the contracts that the account created, or may have created, with its first transactions (at most `limit`). */
  created(limit: number): Promise<string[]>
  /** How many transactions of the account wait in the node's pool. */
  waiting(): Promise<number>
  /**
   * Ends what is under way from an earlier `submit` whose outcome stayed unknown, or from a process that was killed. Afterwards the ledger can be asked
   * what it has. Throws `unreachable` where the outcome stays unknown.
   */
  settle(): Promise<void>
  /** Whether a block of the present chain is final, and how many blocks it has on top. */
  isFinal(block: number): Promise<{ final: boolean; confirmations: number }>
  /** The newest `count` headers, the oldest first; undefined where there are not so many on one branch, or one has no bytes. */
  newest(count: number): Promise<(ChainHeader & { readonly bytes: Uint8Array })[] | undefined>
  /** What the account can pay with, wei. */
  balance(): Promise<bigint>
}

export interface EvmChainOptions {
  readonly provider: Eip1193Provider | ClosableProvider
  readonly account: Account
  /** Refused with `mismatch` where the provider is on another chain. */
  readonly chainId: number
  readonly finality: EvmFinality
  /** What was sent is written there before; a process that was killed goes on from there. Left out: only this process knows. */
  readonly journal?: SubmitJournal
  /** Gas of every transaction, and no trial before it: for a chain that refuses what would be reverted. Left out: the node estimates it. */
  readonly gasLimit?: number
  /** Transactions of `submitAll` under way at a time. Default: 64. */
  readonly atOnce?: number
  /** How long `submit` waits for a block. Default: 60 s. */
  readonly timeoutMs?: number
  /** How often it looks. Default: 250 ms. */
  readonly pollMs?: number
  /** When a transaction that is in no block is replaced by one that pays more, where anything is paid. Default: 30 s. */
  readonly replaceAfterMs?: number
  readonly wait?: (milliseconds: number) => Promise<unknown>
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number
}

/** Opens a chain. Throws LedgerError `mismatch`, `unsupported`, `unreachable`. `close` closes the provider, where it can be closed. */
export async function openEvmChain(options: EvmChainOptions): Promise<EvmChain> {
  const { provider, account, chainId, gasLimit, timeoutMs = 60_000, pollMs = 250, wait = sleep } = options
  const {
    atOnce = AT_ONCE,
    journal = createMemoryJournal(),
    replaceAfterMs = 30_000,
    now = () => performance.now(),
  } = options
  let closing: Promise<void> | undefined
  let queue: Promise<unknown> = Promise.resolve()

  const answered = askOf(provider)
  const allAnswered = askAllOf(provider)
  const mustBeOpen = () => {
    if (closing !== undefined) throw new LedgerError('unreachable', 'the ledger was closed; open it again')
  }
  const ask: Ask = async (method, ...params) => {
    mustBeOpen()
    return answered(method, ...params)
  }
  const askAll: AskAll = async (method, calls) => {
    mustBeOpen()
    return allAnswered(method, calls)
  }
  const isClosed = () => closing !== undefined
  const timing = { timeoutMs, pollMs, replaceAfterMs, wait, now }
  const submitter = createSubmitter({ ask, isClosed, account, chainId, journal, gasLimit, ...timing })
  const inTurn = <T>(run: () => Promise<T>): Promise<T> => {
    const ran = queue.then(run)
    queue = ran.catch(() => undefined)
    return ran
  }
  const countOf = async (block: string): Promise<number> =>
    Number(await ask<Hex>('eth_getTransactionCount', account.address, block))
  const headNumber = async (): Promise<number> => Number(await ask<Hex>('eth_blockNumber'))

  const receipt = async (transaction: string): Promise<ChainReceipt | undefined> => {
    const found = await rpcReceipt(transaction)
    return found === undefined || Number(found.status) !== 1 ? undefined : toReceipt(found)
  }
  const rpcReceipt = async (hash: string): Promise<RpcReceipt | undefined> => {
    const found = await ask<RpcReceipt | null>('eth_getTransactionReceipt', hash).catch(error => {
      if (isIndexing(error)) return null
      throw error
    })
    return found === null || found.blockHash === null ? undefined : found
  }

  async function submitNow(call: Call): Promise<ChainReceipt> {
    const mined = await submitter.submit(call)
    if (Number(mined.status) === 1) return toReceipt(mined)
    throw await whyReverted(call, mined)
  }

  async function submitAllNow(calls: readonly Call[]): Promise<(ChainReceipt | LedgerError)[]> {
    await submitter.settle()
    const ended = await submitAll(calls, { ask, askAll, account, chainId, atOnce, timeoutMs, pollMs, wait, now })
    const outcomes: (ChainReceipt | LedgerError)[] = []
    for (const [at, one] of ended.entries()) {
      if (one.is === 'done') outcomes.push(toReceipt(one.receipt))
      else if (one.is === 'unknown') outcomes.push(one.error)
      else outcomes.push(await submitNow(calls[at] as Call).catch(failureOf))
    }
    return outcomes
  }

  function failureOf(error: unknown): LedgerError {
    if (error instanceof LedgerError) return error
    throw error
  }

  async function whyReverted({ contract, data }: Call, mined: RpcReceipt): Promise<LedgerError> {
    const at = { transaction: mined.transactionHash }
    const call = { from: account.address, ...(contract === undefined ? {} : { to: contract }), data }
    try {
      await ask('eth_call', call, mined.blockNumber)
    } catch (error) {
      if (error instanceof LedgerError && error.code === 'refused')
        return new LedgerError('refused', error.message, { ...at, cause: error.cause })
    }
    return new LedgerError(
      'refused',
      `transaction ${mined.transactionHash} was reverted in block ${Number(mined.blockNumber)} without a reason`,
      at,
    )
  }

  const found = Number(await ask<Hex>('eth_chainId'))
  if (found !== chainId)
    throw new LedgerError(
      'mismatch',
      `the node is on chain ${found}, configured is ${chainId}: correct the URL or the chain id`,
    )
  await headNumber()
  const { finality, signers } = await resolveFinality(ask, options.finality)

  const chain: EvmChain = {
    kind: 'evm',
    finality,
    async identity() {
      const [genesis, head] = await Promise.all([
        ask<RpcBlock>('eth_getBlockByNumber', '0x0', false),
        ask<RpcBlock>('eth_getBlockByNumber', 'latest', false),
      ])
      const { bytes } = headerOf(head)
      const validators = signers ?? (bytes === undefined ? undefined : validatorsOf(parseHeader(bytes)))
      const identity = {
        kind: 'evm',
        chainId: String(chainId),
        genesis: String(genesis['hash']),
        account: account.address,
      } as const
      const consensus = signers === undefined ? 'qbft' : 'clique'
      return validators === undefined ? identity : { ...identity, validators, consensus }
    },
    submit: ({ contract, data }) =>
      inTurn(() => submitNow({ contract: contract?.toLowerCase(), data: bytesToHex(data) })),
    submitAll: calls =>
      inTurn(() =>
        submitAllNow(calls.map(({ contract, data }) => ({ contract: contract.toLowerCase(), data: bytesToHex(data) }))),
      ),
    settle: () => inTurn(() => submitter.settle()),
    receipt,
    call: async ({ contract, data }, block) =>
      hexToBytes(
        await ask<Hex>(
          'eth_call',
          { from: account.address, to: contract, data: bytesToHex(data) },
          block === undefined ? 'latest' : numberToHex(block),
        ),
      ),
    async events({ contract, topics, fromBlock, toBlock }) {
      const head = await headNumber()
      const last = Math.min(toBlock ?? head, head)
      if (fromBlock > last) return [] // some nodes refuse such a range
      const filter = {
        ...(contract === undefined ? {} : { address: contract }),
        topics: topics.map(topic => topic ?? null),
        fromBlock: numberToHex(fromBlock),
        toBlock: numberToHex(last),
      }
      const logs = await ask<RpcLog[]>('eth_getLogs', filter)
      return logs.filter(({ removed }) => removed !== true).map(toEvent)
    },
    async header(number) {
      const block = await ask<RpcBlock | null>(
        'eth_getBlockByNumber',
        number === undefined ? 'latest' : numberToHex(number),
        false,
      )
      if (block === null) throw new LedgerError('invalid', `block ${number} does not exist yet`)
      return headerOf(block)
    },
    async prove(contract, slots, number) {
      const { bytes, ...header } = await chain.header(number)
      if (bytes === undefined) return undefined
      type Proof = { accountProof: Hex[]; storageProof: { value: Hex; proof: Hex[] }[] }
      let proof: Proof
      try {
        proof = await ask<Proof>(
          'eth_getProof',
          contract,
          slots.map(slot => bytesToHex(slot)),
          numberToHex(header.number),
        )
      } catch (error) {
        if (isNoMethod(error)) return undefined
        throw error
      }
      return {
        header: { ...header, bytes },
        account: proof.accountProof.map(node => hexToBytes(node)),
        slots: proof.storageProof.map(({ value, proof: nodes }) => ({
          value: hexToBytes(numberToHex(BigInt(value), { size: 32 })),
          nodes: nodes.map(node => hexToBytes(node)),
        })),
      }
    },
    code: async address => hexToBytes(await ask<Hex>('eth_getCode', address, 'latest')),
    async newest(wanted) {
      const headers = [await chain.header()]
      while (headers.length < wanted) {
        const [oldest] = headers as [ChainHeader]
        const before = oldest.number === 0 ? undefined : await chain.header(oldest.number - 1)
        if (before === undefined || before.hash !== oldest.parent) return undefined
        headers.unshift(before)
      }
      return headers.some(({ bytes }) => bytes === undefined)
        ? undefined
        : (headers as (ChainHeader & { bytes: Uint8Array })[])
    },
    balance: async () => BigInt(await ask<Hex>('eth_getBalance', account.address, 'latest')),
    async isFinal(block) {
      const confirmations = Math.max(0, (await headNumber()) - block)
      if (finality === 'instant') return { final: true, confirmations }
      if (finality === 'finalized') return { final: block <= ((await finalizedBlock(ask)) ?? -1), confirmations }
      return { final: confirmations >= finality.depth, confirmations }
    },
    waiting: async () => (await countOf('pending')) - (await countOf('latest')),
    async created(limit) {
      const count = await countOf('pending')
      return Array.from({ length: Math.min(count, limit) }, (_, nonce) =>
        getContractAddress({ from: account.address as Hex, nonce: BigInt(nonce) }).toLowerCase(),
      )
    },
    close() {
      closing ??= (async () => {
        await queue
        if ('close' in provider) await provider.close()
      })()
      return closing
    },
  }

  return chain
}

function toReceipt(receipt: RpcReceipt): ChainReceipt {
  const { contractAddress } = receipt
  return {
    transaction: receipt.transactionHash,
    block: Number(receipt.blockNumber),
    blockHash: receipt.blockHash,
    ...(contractAddress === null || contractAddress === undefined ? {} : { created: contractAddress.toLowerCase() }),
    events: receipt.logs.map(toEvent),
  }
}
