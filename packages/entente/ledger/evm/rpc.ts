import type { Hex } from 'viem'
import { hexToBytes } from 'viem/utils'
import { type ChainEvent, ContractRefusal } from '../chain.ts'
import { LedgerError } from '../error.ts'
import { type Eip1193Provider, RpcError } from './provider.ts'

/** One JSON-RPC call; what goes wrong is a LedgerError. */
export type Ask = <T>(method: string, ...params: unknown[]) => Promise<T>

export type RpcReceipt = {
  transactionHash: Hex
  blockNumber: Hex
  blockHash: Hex
  status: Hex
  contractAddress?: Hex | null
  logs: RpcLog[]
}
export type RpcLog = {
  address: Hex
  topics: Hex[]
  data: Hex
  transactionHash: Hex
  blockNumber: Hex
  blockHash: Hex
  logIndex: Hex
  blockTimestamp?: Hex
  removed?: boolean
}

export const askOf =
  (provider: Eip1193Provider): Ask =>
  async <T>(method: string, ...params: unknown[]): Promise<T> => {
    try {
      return (await provider.request({ method, params })) as T
    } catch (error) {
      throw asLedgerError(method, error)
    }
  }

/** Several JSON-RPC calls of one method, by the parameters of each; the answer of each, or the LedgerError. */
export type AskAll = <T>(method: string, calls: readonly (readonly unknown[])[]) => Promise<(T | LedgerError)[]>

export const askAllOf =
  (provider: Eip1193Provider): AskAll =>
  async <T>(method: string, calls: readonly (readonly unknown[])[]) => {
    const requests = calls.map(params => ({ method, params }))
    const failed = (error: unknown) => asLedgerError(method, error)
    const settled =
      provider.requestAll === undefined
        ? await Promise.allSettled(requests.map(request => provider.request(request)))
        : await provider
            .requestAll(requests)
            .catch((error: unknown) => requests.map(() => ({ status: 'rejected' as const, reason: error })))
    return settled.map(one => (one.status === 'fulfilled' ? (one.value as T) : failed(one.reason)))
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
  if (code === -32601)
    return new LedgerError(
      'unsupported',
      `${text}: the node does not offer ${method}: switch its API "${method.split('_')[0]}" on, or use another node`,
      { cause: error },
    )
  if (code === -32001) return new LedgerError('unsupported', text, { cause: error })
  return new LedgerError(code === -32603 ? 'unreachable' : 'refused', text, { cause: error })
}

/** Whether the node has no such method at all. */
export const isNoMethod = (error: unknown): boolean =>
  error instanceof LedgerError && error.cause instanceof RpcError && error.cause.code === -32601

/** geth refuses to look up receipts while it still builds its index. */
export const isIndexing = (error: unknown): boolean =>
  error instanceof LedgerError && error.code === 'refused' && /indexing is in progress/.test(error.message)

/** Bytes that a contract returned with its refusal: nodes put them at `data`, or deeper. */
function revertData(data: unknown): Uint8Array | undefined {
  if (typeof data === 'string') return /^0x(?:[0-9a-fA-F]{2})*$/.test(data) ? hexToBytes(data as Hex) : undefined
  if (typeof data !== 'object' || data === null || !('data' in data)) return undefined
  return typeof data.data === 'string' ? revertData(data.data) : undefined
}

export const toEvent = (log: RpcLog): ChainEvent => ({
  contract: log.address.toLowerCase(),
  topics: log.topics,
  data: hexToBytes(log.data),
  transaction: log.transactionHash,
  block: Number(log.blockNumber),
  blockHash: log.blockHash,
  index: Number(log.logIndex),
  ...(log.blockTimestamp === undefined ? {} : { time: Number(log.blockTimestamp) }),
})
