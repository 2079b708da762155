import {
  type BitcoinHeader,
  type BitcoinTransaction,
  displayHash,
  parseBitcoinTransaction,
  verifyBitcoinHeader,
} from '@entente/verify/proof'
import { LedgerError } from '../error.ts'
import { RpcError } from '../evm/provider.ts'
import type { Coin } from './account.ts'

/** Calls a method of a node by JSON-RPC. Throws RpcError when it answers no, LedgerError `unreachable` when it does not answer. */
export type Rpc = (method: string, ...params: unknown[]) => Promise<unknown>

export interface NodeTransaction extends BitcoinTransaction {
  /** Hash of the block that it is in, by the node's word. */
  readonly block: string | undefined
}

/** Bitcoin Core's and btcd's methods, as far as no wallet is needed. Hashes as people write them. What can be hashed, is. */
export interface BitcoinNode {
  /** `medianTime`: seconds since 1970 (BIP 113). */
  tip(): Promise<{ height: number; medianTime: number; isSyncing: boolean }>
  /** Of the present chain. */
  blockHash(height: number): Promise<string | undefined>
  /** Height of a block by the node's word. */
  height(block: string): Promise<number>
  header(block: string): Promise<BitcoinHeader & { bytes: Uint8Array }>
  /** Ids of a block's transactions in their order. */
  block(block: string): Promise<string[]>
  /** From the mempool or a block. Bitcoin Core needs -txindex. */
  transaction(txid: string): Promise<NodeTransaction | undefined>
  /** Whether an output is there and unspent in the present chain; what waits in the mempool does not count. */
  isUnspent(txid: string, vout: number): Promise<boolean>
  /** Undefined when the node has the transaction; otherwise its reason not to take it. */
  send(raw: Uint8Array): Promise<string | undefined>
  /** Satoshis a vbyte for a transaction to be mined within so many blocks; undefined where the node does not know. */
  feeRate(blocks: number): Promise<number | undefined>
  /** Every transaction that pays an address or spends from it, the newest first; undefined where the node has no such index (Bitcoin Core). */
  history(address: string): AsyncIterable<NodeTransaction> | undefined
  /** Unspent outputs of an address in the present chain, by a search through all there are: minutes on mainnet. */
  scan(address: string): Promise<Coin[]>
}

const HASH = /^[0-9a-f]{64}$/
const PAGE = 100
/** Answers of RPCs: no such method, transaction, block; taken before (Bitcoin Core's protocol.h, btcjson's jsonrpcerr.go). */
const NO_METHOD = -32601
const NOT_FOUND = new Set([-5, -8])
const NO_INDEX = -1
const WARMING_UP = -28
const TAKEN_BEFORE = -27

export async function createBitcoinNode(rpc: Rpc): Promise<BitcoinNode> {
  async function ask<T>(method: string, params: unknown[], read: (answer: unknown) => T | undefined): Promise<T> {
    let answer: unknown
    try {
      answer = await rpc(method, ...params)
    } catch (error) {
      if (!(error instanceof RpcError)) throw error
      throw new LedgerError(error.code === WARMING_UP ? 'unreachable' : 'refused', `${method}: ${error.message}`, {
        cause: error,
      })
    }
    const value = read(answer)
    if (value === undefined)
      throw new LedgerError('corrupt', `the node answers ${method} with ${JSON.stringify(answer)?.slice(0, 200)}`)
    return value
  }
  /** As `ask`; undefined where the node says that there is no such thing. */
  const look = <T>(method: string, params: unknown[], read: (answer: unknown) => T | undefined) =>
    ask(method, params, read).catch((error: unknown) => {
      if (isRpc(error, code => NOT_FOUND.has(code))) return undefined
      throw error
    })

  function toTransaction(answer: unknown): NodeTransaction | undefined {
    const { hex, blockhash } = members(answer)
    const bytes = toBytes(hex)
    if (bytes === undefined || (blockhash !== undefined && blockhash !== '' && !isHash(blockhash))) return undefined
    return { ...hostile(() => parseBitcoinTransaction(bytes)), block: isHash(blockhash) ? blockhash : undefined }
  }

  async function* history(address: string): AsyncGenerator<NodeTransaction> {
    for (let skip = 0; ; skip += PAGE) {
      const page = await look('searchrawtransactions', [address, 1, skip, PAGE, 0, true], answer =>
        Array.isArray(answer) ? answer.map(toTransaction) : undefined,
      )
      for (const transaction of page ?? []) {
        if (transaction === undefined)
          throw new LedgerError('corrupt', 'searchrawtransactions lists what is no transaction')
        yield transaction
      }
      if ((page?.length ?? 0) < PAGE) return
    }
  }
  /** Asked once: an address with nothing answers as one with something does. */
  async function hasHistory(): Promise<boolean> {
    try {
      await rpc('searchrawtransactions', '', 1, 0, 1, 0, true)
      return true
    } catch (error) {
      if (!(error instanceof RpcError)) throw error
      if (error.code === NO_INDEX)
        throw new LedgerError('unsupported', `searchrawtransactions: ${error.message}: start btcd with --addrindex`)
      return error.code !== NO_METHOD
    }
  }
  const isIndexed = await hasHistory()
  /** Bitcoin Core finds no mined transaction without this index, nor one that the index has not reached: they would look like lost. */
  async function isBehind(): Promise<boolean> {
    if (isIndexed) return false
    const synced = await ask('getindexinfo', [], answer => members(members(answer)['txindex'])['synced'] ?? 'none')
    if (synced === 'none')
      throw new LedgerError('unsupported', 'the node has no index of transactions: start it with -txindex=1')
    return synced !== true
  }
  await isBehind()

  return {
    async tip() {
      const isIndexing = await isBehind()
      return ask('getblockchaininfo', [], answer => {
        const { blocks, mediantime, initialblockdownload } = members(answer)
        return isCount(blocks) && isCount(mediantime)
          ? { height: blocks, medianTime: mediantime, isSyncing: initialblockdownload === true || isIndexing }
          : undefined
      })
    },
    blockHash: height =>
      ask('getblockhash', [height], answer => (isHash(answer) ? answer : undefined)).catch((error: unknown) => {
        // btcd says -1 for a height that it does not have
        if (isRpc(error, () => true)) return undefined
        throw error
      }),
    height: block =>
      ask('getblockheader', [block, true], answer => {
        const { height } = members(answer)
        return isCount(height) ? height : undefined
      }),
    async header(block) {
      const bytes = await ask('getblockheader', [block, false], toBytes)
      const header = hostile(() => verifyBitcoinHeader(bytes))
      if (displayHash(header.hash) !== block)
        throw new LedgerError(
          'corrupt',
          `the node gives a header of block ${displayHash(header.hash)} for block ${block}`,
        )
      return { ...header, bytes }
    },
    block: block =>
      ask('getblock', [block, 1], answer => {
        const { tx } = members(answer)
        return Array.isArray(tx) && tx.every(isHash) ? tx : undefined
      }),
    async transaction(txid) {
      const found = await look('getrawtransaction', [txid, 1], toTransaction)
      if (found !== undefined && displayHash(found.txid) !== txid)
        throw new LedgerError('corrupt', `the node gives transaction ${displayHash(found.txid)} for ${txid}`)
      return found
    },
    async isUnspent(txid, vout) {
      const found = await look('gettxout', [txid, vout, false], answer =>
        answer === null ? false : typeof answer === 'object',
      )
      return found ?? false
    },
    async send(raw) {
      try {
        await rpc('sendrawtransaction', Buffer.from(raw).toString('hex'))
        return undefined
      } catch (error) {
        if (!(error instanceof RpcError)) throw error
        const isTaken = error.code === TAKEN_BEFORE || /already (have|known|in)|in-mempool/i.test(error.message)
        return isTaken ? undefined : error.message
      }
    },
    async feeRate(blocks) {
      for (const method of ['estimatesmartfee', 'estimatefee']) {
        const perKilobyte = await ask(method, [blocks], answer =>
          typeof answer === 'number' ? answer : (members(answer)['feerate'] ?? Number.NaN),
        ).catch((error: unknown) => {
          if (isRpc(error, () => true)) return undefined
          throw error
        })
        // In BTC a kilobyte
        if (typeof perKilobyte === 'number' && perKilobyte > 0) return perKilobyte * 1e5
      }
      return undefined
    },
    history: address => (isIndexed ? history(address) : undefined),
    scan: address =>
      ask('scantxoutset', ['start', [`addr(${address})`]], answer => {
        const { unspents } = members(answer)
        if (!Array.isArray(unspents)) return undefined
        return unspents
          .map(members)
          .flatMap(({ txid, vout, amount }) =>
            isHash(txid) && isCount(vout) && typeof amount === 'number'
              ? [{ txid, vout, value: Math.round(amount * 1e8) }]
              : [],
          )
      }),
  }
}

const members = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
const isHash = (value: unknown): value is string => typeof value === 'string' && HASH.test(value)
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const toBytes = (value: unknown): Uint8Array | undefined =>
  typeof value === 'string' && /^(?:[0-9a-f]{2})+$/.test(value) ? Uint8Array.from(Buffer.from(value, 'hex')) : undefined

const isRpc = (error: unknown, matches: (code: number) => boolean): boolean =>
  error instanceof LedgerError && error.cause instanceof RpcError && matches(error.cause.code)

/** What a node says, and does not hold. */
function hostile<T>(verify: () => T): T {
  try {
    return verify()
  } catch (cause) {
    throw new LedgerError('corrupt', `the node's answer does not verify: ${(cause as Error).message}`, { cause })
  }
}
