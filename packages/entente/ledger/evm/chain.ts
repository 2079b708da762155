import { setTimeout as sleep } from 'node:timers/promises'
import type { Hex } from 'viem'
import { bytesToHex, getContractAddress, hexToBytes, numberToHex } from 'viem/utils'
import { type Chain, type ChainEvent, type ChainReceipt, ContractRefusal, type Finality } from '../chain.ts'
import { LedgerError } from '../error.ts'
import type { Account, TransactionRequest } from './account.ts'
import { type RpcBlock, headerOf, validatorsOf } from './header.ts'
import { type ClosableProvider, type Eip1193Provider, RpcError } from './provider.ts'
import { parseHeader } from './qbft.ts'

/** Chain on an EVM, with what only an EVM has. */
export interface EvmChain extends Chain {
  readonly kind: 'evm'
  /** Code at an address of the newest block; empty when there is none. */
  code(address: string): Promise<Uint8Array>
  /** Addresses of the contracts that the account created, or may have created, with its first transactions (at most `limit`). */
  created(limit: number): Promise<string[]>
}

export interface EvmChainOptions {
  readonly provider: Eip1193Provider | ClosableProvider
  readonly account: Account
  /** Refused with `mismatch` where the provider is on another chain. */
  readonly chainId: number
  readonly finality: Finality
  /** Gas of every transaction, and no trial before it: for a chain that refuses what would be reverted. Left out: the node estimates it. */
  readonly gasLimit?: number
  /** How long `submit` waits for a block. Default: 60 s. */
  readonly timeoutMs?: number
  /** How often it looks. Default: 250 ms. */
  readonly pollMs?: number
  readonly wait?: (milliseconds: number) => Promise<unknown>
}

/** Times that a transaction is signed anew because another process took its nonce. */
const MAX_NONCE_RACES = 5

type RpcReceipt = {
  transactionHash: Hex
  blockNumber: Hex
  blockHash: Hex
  status: Hex
  contractAddress?: Hex | null
  logs: RpcLog[]
}
type RpcLog = {
  address: Hex
  topics: Hex[]
  data: Hex
  transactionHash: Hex
  blockNumber: Hex
  blockHash: Hex
  logIndex: Hex
  removed?: boolean
}

/** Opens a chain. Throws LedgerError `mismatch`, `unreachable`. `close` closes the provider, where it can be closed. */
export async function openEvmChain(options: EvmChainOptions): Promise<EvmChain> {
  const { provider, account, chainId, finality, gasLimit, timeoutMs = 60_000, pollMs = 250, wait = sleep } = options
  let closing: Promise<void> | undefined
  let queue: Promise<unknown> = Promise.resolve()

  async function ask<T>(method: string, ...params: unknown[]): Promise<T> {
    if (closing !== undefined) throw new LedgerError('unreachable', 'the ledger was closed; open it again')
    try {
      return (await provider.request({ method, params })) as T
    } catch (error) {
      throw asLedgerError(method, error)
    }
  }
  const newest = async (): Promise<number> => Number(await ask<Hex>('eth_blockNumber'))

  const receipt = async (transaction: string): Promise<ChainReceipt | undefined> => {
    const found = await rpcReceipt(transaction)
    return found === undefined || Number(found.status) !== 1 ? undefined : toReceipt(found)
  }
  const rpcReceipt = async (hash: string): Promise<RpcReceipt | undefined> => {
    const found = await ask<RpcReceipt | null>('eth_getTransactionReceipt', hash).catch(whileIndexing)
    return found === null || found.blockHash === null ? undefined : found
  }

  async function submitNow(contract: string | undefined, data: Hex): Promise<ChainReceipt> {
    const call = { from: account.address, ...(contract === undefined ? {} : { to: contract }), data }
    // Asked before it is signed, so that what the contract refuses costs no transaction.
    const gas = gasLimit === undefined ? await estimate(call) : BigInt(gasLimit)
    const prices = await fees()
    for (let race = 0; race < MAX_NONCE_RACES; race++) {
      const nonce = Number(await ask<Hex>('eth_getTransactionCount', account.address, 'pending'))
      const signed = await account.sign({ chainId, nonce, gas, to: contract, data, fees: prices })
      const mined = await send(signed)
      if (mined !== undefined) {
        if (Number(mined.status) === 1) return toReceipt(mined)
        throw await whyReverted(call, mined)
      }
      await wait(pollMs)
    }
    throw new LedgerError(
      'busy',
      `other processes used the nonces of ${account.address} ${MAX_NONCE_RACES} times: give each an account of its own`,
    )
  }

  /** Twice the base fee is enough for six full blocks in a row; without a base fee, what the node asks (0 on chains without fees). */
  async function fees(): Promise<TransactionRequest['fees']> {
    const { baseFeePerGas } = await ask<RpcBlock>('eth_getBlockByNumber', 'latest', false)
    if (typeof baseFeePerGas !== 'string') return { gasPrice: BigInt(await ask<Hex>('eth_gasPrice')) }
    const maxPriorityFeePerGas = BigInt(await ask<Hex>('eth_maxPriorityFeePerGas'))
    return { maxFeePerGas: 2n * BigInt(baseFeePerGas) + maxPriorityFeePerGas, maxPriorityFeePerGas }
  }

  const estimate = async (call: object) => (BigInt(await ask<Hex>('eth_estimateGas', call)) * 5n) / 4n

  /**
   * Sends the same bytes until they are in a block. Undefined when they can never be: the nonce went to another transaction.
   * After each lost answer the chain is asked for the receipt first.
   */
  async function send({ raw, hash }: { raw: Hex; hash: Hex }): Promise<RpcReceipt | undefined> {
    let sent = false
    let nonceTaken = false
    let cause: unknown
    for (let waited = 0; waited <= timeoutMs; waited += pollMs) {
      try {
        if (!sent) {
          try {
            await ask('eth_sendRawTransaction', raw)
            sent = true
          } catch (error) {
            if (!(error instanceof LedgerError) || error.code !== 'refused' || error.cause instanceof ContractRefusal)
              throw error
            if (/already (known|imported|exists)|known transaction/i.test(error.message)) sent = true
            else if (isNonceTaken(error.message)) nonceTaken = true
            else throw error
          }
        }
        const mined = await rpcReceipt(hash)
        if (mined !== undefined) return mined
        if (nonceTaken) return undefined
      } catch (error) {
        if (!(error instanceof LedgerError) || error.code !== 'unreachable' || closing !== undefined) throw error
        cause = error
        sent = false // unknown: the same bytes again do no harm
      }
      await wait(pollMs)
    }
    throw new LedgerError(
      'unreachable',
      `transaction ${hash} is in no block after ${timeoutMs} ms: it may still come; ask again`,
      { cause, transaction: hash },
    )
  }

  async function whyReverted(call: object, mined: RpcReceipt): Promise<LedgerError> {
    const at = { transaction: mined.transactionHash }
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

  const chain: EvmChain = {
    kind: 'evm',
    finality,
    async identity() {
      const [genesis, head] = await Promise.all([
        ask<RpcBlock>('eth_getBlockByNumber', '0x0', false),
        ask<RpcBlock>('eth_getBlockByNumber', 'latest', false),
      ])
      const { bytes } = headerOf(head)
      const validators = bytes === undefined ? undefined : validatorsOf(parseHeader(bytes))
      const identity = {
        kind: 'evm',
        chainId: String(chainId),
        genesis: String(genesis['hash']),
        account: account.address,
      } as const
      return validators === undefined ? identity : { ...identity, validators }
    },
    submit({ contract, data }) {
      const submitted = queue.then(() => submitNow(contract, bytesToHex(data)))
      queue = submitted.catch(() => undefined)
      return submitted
    },
    receipt,
    call: async ({ contract, data }) =>
      hexToBytes(await ask<Hex>('eth_call', { from: account.address, to: contract, data: bytesToHex(data) }, 'latest')),
    async events({ contract, topics, fromBlock, toBlock }) {
      const head = await newest()
      const last = Math.min(toBlock ?? head, head)
      if (fromBlock > last) return [] // some nodes refuse such a range
      const filter = {
        address: contract,
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
        if (
          error instanceof LedgerError &&
          error.code === 'unsupported' &&
          error.cause instanceof RpcError &&
          error.cause.code === -32601
        )
          return undefined
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
    async created(limit) {
      const count = Number(await ask<Hex>('eth_getTransactionCount', account.address, 'pending'))
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

  const found = Number(await ask<Hex>('eth_chainId'))
  if (found !== chainId)
    throw new LedgerError(
      'mismatch',
      `the node is on chain ${found}, configured is ${chainId}: correct the URL or the chain id`,
    )
  await newest()
  return chain
}

/** What a provider threw as ours: the chain's own no, or no answer. */
function asLedgerError(method: string, error: unknown): LedgerError {
  if (error instanceof LedgerError) return error
  const { code, message, data } = (typeof error === 'object' && error !== null ? error : {}) as {
    code?: unknown
    message?: unknown
    data?: unknown
  }
  const text = `${method}: ${String(message).slice(0, 500)}`
  if (typeof code !== 'number') return new LedgerError('unreachable', text, { cause: error })
  const returned = revertData(data)
  if (code === 3 || returned !== undefined)
    return new LedgerError('refused', text, { cause: new ContractRefusal(text, returned ?? new Uint8Array(0)) })
  if (code === -32005) return new LedgerError('busy', text, { cause: error })
  if (code === -32601 || code === -32001) return new LedgerError('unsupported', text, { cause: error })
  return new LedgerError(code === -32603 ? 'unreachable' : 'refused', text, { cause: error })
}

/** geth refuses to look up receipts while it still builds its index. */
const whileIndexing = (error: unknown): null => {
  if (error instanceof LedgerError && error.code === 'refused' && /indexing is in progress/.test(error.message))
    return null
  throw error
}

/** Bytes that a contract returned with its refusal: nodes put them at `data`, or deeper. */
function revertData(data: unknown): Uint8Array | undefined {
  if (typeof data === 'string') return /^0x(?:[0-9a-fA-F]{2})*$/.test(data) ? hexToBytes(data as Hex) : undefined
  if (typeof data !== 'object' || data === null || !('data' in data)) return undefined
  return typeof data.data === 'string' ? revertData(data.data) : undefined
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

const toEvent = (log: RpcLog): ChainEvent => ({
  contract: log.address.toLowerCase(),
  topics: log.topics,
  data: hexToBytes(log.data),
  transaction: log.transactionHash,
  block: Number(log.blockNumber),
  blockHash: log.blockHash,
  index: Number(log.logIndex),
})

/** In the words of geth, Besu, GoQuorum and anvil. */
function isNonceTaken(message: string): boolean {
  return /underpriced/i.test(message) || (/nonce/i.test(message) && /too low|already/i.test(message))
}
