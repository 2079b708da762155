// The Ethereum JSON-RPC methods (execution-apis) that wallets and libraries need to use this chain, over its blocks.
import type { TypedTransaction } from '@ethereumjs/tx'
import type { Hex } from 'viem'
import { bytesToHex, hexToBytes, numberToHex } from 'viem/utils'
import { LedgerError } from '../../error.ts'
import { createCache } from '../cache.ts'
import { RpcError } from '../provider.ts'
import type { Block, Blocks } from './blocks.ts'
import { BLOCK_GAS_LIMIT } from './machine.ts'
import { type StoredLog, type StoredReceipt, bloomOf, logKey, parseReceipt } from './receipt.ts'
import type { Store, StoredTransaction } from './store.ts'

/** Bytes of a transaction, and of the data of a call. */
const MAX_TRANSACTION = 128 * 1024
/** Transactions that wait for a block. */
const MAX_POOL = 256
/** Transactions of one block, during which nothing else is answered. */
const MAX_BLOCK = 64
const MAX_LOGS = 10_000
const MAX_SLOTS = 64
/** Gas of a call: a loop without end takes about a second for each million. */
const MAX_CALL_GAS = 10_000_000
/** Blocks whose receipts are kept: each of those who wait for one asks for its own. */
const RECENT_BLOCKS = 8
const ZERO_ADDRESS = new Uint8Array(20)

export interface RpcOptions {
  readonly store: Store
  readonly blocks: Blocks
  readonly chainId: number
  readonly keepStates: number
}

export interface Rpc {
  /** `now`: milliseconds, the time of the block if this request makes one. */
  handle(method: string, params: readonly unknown[], now: number): Promise<unknown>
  /** Resolves when no block is being made. */
  idle(): Promise<void>
}

interface Waiting {
  readonly tx: TypedTransaction
  readonly hash: Hex
  readonly from: Hex
  readonly resolve: (hash: Hex) => void
  readonly reject: (reason: unknown) => void
}

export function createRpc({ store, blocks, chainId, keepStates }: RpcOptions): Rpc {
  const { machine } = blocks
  const pool: Waiting[] = []
  let sealing: Promise<void> | undefined

  const receiptOf = (tx: StoredTransaction): StoredReceipt => parseReceipt(tx.receipt)
  const receipts = createCache<readonly unknown[]>(RECENT_BLOCKS)

  // --- writing

  // One after the other, so that transactions sent in order get their nonces in order.
  let admission: Promise<unknown> = Promise.resolve()
  function send(params: readonly unknown[], now: number): Promise<Hex> {
    const admitted = admission.then(() => admit(params, now))
    admission = admitted.catch(() => undefined)
    return admitted.then(({ sealed }) => sealed)
  }

  /** Checks a transaction and puts it into the pool; `sealed` resolves when it is in a block on disk. */
  async function admit(params: readonly unknown[], now: number): Promise<{ sealed: Promise<Hex> }> {
    const raw = data(params[0], MAX_TRANSACTION)
    const tx = parseTransaction(raw)
    const hash = bytesToHex(tx.hash())
    const from = bytesToHex(tx.getSenderAddress().bytes)
    if (tx.gasLimit > BigInt(BLOCK_GAS_LIMIT)) throw refused(`gas limit ${tx.gasLimit}, a block has ${BLOCK_GAS_LIMIT}`)
    if (tx.gasLimit < tx.getIntrinsicGas())
      throw refused(`gas limit ${tx.gasLimit}, this transaction needs at least ${tx.getIntrinsicGas()}`)
    if (tx.value !== 0n || !('gasPrice' in tx) || tx.gasPrice !== 0n)
      throw refused('this chain has no currency: value and gas price have to be 0')
    if (store.transaction(hexToBytes(hash)) !== undefined || pool.some(other => other.hash === hash))
      throw refused(`already known: ${hash}`)
    const next = await nonceOf(from)
    if (tx.nonce !== next)
      throw refused(`nonce too ${tx.nonce < next ? 'low' : 'high'}: next nonce ${next}, tx nonce ${tx.nonce}`)
    if (pool.length >= MAX_POOL) throw new RpcError(-32005, `${MAX_POOL} transactions are waiting: try again later`)
    const sealed = new Promise<Hex>((resolve, reject) => pool.push({ tx, hash, from, resolve, reject }))
    sealing ??= sealAll(now).finally(() => (sealing = undefined))
    return { sealed }
  }

  const inBlock: Waiting[] = []
  async function sealAll(now: number): Promise<void> {
    await new Promise(resolve => setImmediate(resolve)) // what was sent together shares a block
    while (pool.length > 0) {
      inBlock.push(...pool.splice(0, MAX_BLOCK))
      try {
        const { rejected, left } = await blocks.seal(
          inBlock.map(({ tx }) => tx),
          now,
        )
        pool.unshift(...inBlock.splice(inBlock.length - left.length))
        for (const { tx, hash, resolve, reject } of inBlock) {
          const reason = rejected.find(({ transaction }) => transaction === tx)?.reason
          if (reason === undefined) resolve(hash)
          else
            reject(reason.returned === undefined ? refused(reason.message) : reverted(reason.message, reason.returned))
        }
      } catch (cause) {
        for (const { reject } of inBlock) reject(cause)
      }
      inBlock.length = 0
    }
  }

  async function nonceOf(address: Hex): Promise<bigint> {
    const { nonce } = await machine.account(blocks.head().stateRoot, hexToBytes(address))
    const inBlockOrPool = [...inBlock, ...pool].filter(({ from }) => from === address).length
    return nonce + BigInt(inBlockOrPool)
  }

  function parseTransaction(raw: Uint8Array): TypedTransaction {
    let tx: TypedTransaction
    try {
      tx = machine.parse(raw)
    } catch (cause) {
      throw refused(`no transaction: ${cause instanceof Error ? cause.message : cause}`)
    }
    if (!tx.isSigned() || !tx.verifySignature()) throw refused('invalid signature') // finds the sender, and keeps it
    if (tx.type === 0 && (tx.v === 27n || tx.v === 28n))
      throw refused(`the signature names no chain (EIP-155): sign for chain ${chainId}`)
    return tx
  }

  // --- reading

  function blockOf(tag: unknown): Block {
    const head = blocks.head()
    if (
      tag === undefined ||
      tag === null ||
      tag === 'latest' ||
      tag === 'pending' ||
      tag === 'safe' ||
      tag === 'finalized'
    )
      return head
    const number = tag === 'earliest' ? 0 : quantity(tag)
    const block = blocks.at(number)
    if (block === undefined) throw new RpcError(-32001, `block ${number} does not exist, the newest is ${head.number}`)
    return block
  }

  function stateOf(tag: unknown): Block {
    const block = blockOf(tag)
    if (!blocks.hasState(block)) {
      throw new RpcError(-32001, `the state of block ${block.number} is gone: the newest ${keepStates} states are kept`)
    }
    return block
  }

  const contextOf = (block: Block) => ({
    number: block.number,
    time: block.time,
    proposer: block.fields[2] ?? ZERO_ADDRESS,
  })

  function callOf(param: unknown) {
    if (typeof param !== 'object' || param === null) throw invalid('a call object', param)
    const { from, to, data: input, input: input2, gas, value } = param as Record<string, unknown>
    if (value !== undefined && quantity(value) !== 0) throw refused('this chain has no currency: value has to be 0')
    return {
      from: from === undefined ? ZERO_ADDRESS : address(from),
      to: to === undefined || to === null ? undefined : address(to),
      data: data(input2 ?? input ?? '0x', MAX_TRANSACTION),
      gas: Math.min(gas === undefined ? MAX_CALL_GAS : quantity(gas), MAX_CALL_GAS),
    }
  }

  async function call(params: readonly unknown[]): Promise<Hex> {
    const block = stateOf(params[1])
    const { returned, failure } = await machine.call(block.stateRoot, contextOf(block), callOf(params[0]))
    if (failure !== undefined) throw reverted(failure, returned)
    return bytesToHex(returned)
  }

  /** A limit under which the call was seen to succeed. */
  async function estimate(params: readonly unknown[]): Promise<Hex> {
    const block = stateOf(params[1])
    const wanted = callOf(params[0])
    const zeros = wanted.data.filter(byte => byte === 0).length
    const intrinsic = 21_000 + 4 * zeros + 16 * (wanted.data.length - zeros) + (wanted.to === undefined ? 32_000 : 0)
    const run = (gas: number) => machine.call(block.stateRoot, contextOf(block), { ...wanted, gas })
    const most = wanted.gas - intrinsic
    if (most < 0) throw refused(`gas limit ${wanted.gas}, this call needs at least ${intrinsic}`)
    const { failure, returned, gasUsed } = await run(most)
    if (failure !== undefined) throw reverted(failure, returned)
    for (let gas = Math.ceil(gasUsed * 1.05) + 2_500; gas < most; gas *= 2) {
      if ((await run(gas)).failure === undefined) return numberToHex(intrinsic + gas)
    }
    return numberToHex(wanted.gas)
  }

  async function proof(params: readonly unknown[]) {
    const contract = address(params[0])
    const slots = Array.isArray(params[1]) ? params[1] : []
    if (slots.length > MAX_SLOTS) throw new RpcError(-32005, `${slots.length} slots: at most ${MAX_SLOTS}`)
    const keys = slots.map(slot => word(slot))
    const { account, nodes, slots: proven } = await machine.prove(stateOf(params[2]).stateRoot, contract, keys)
    return {
      address: bytesToHex(contract),
      balance: numberToHex(account.balance),
      nonce: numberToHex(account.nonce),
      codeHash: bytesToHex(account.codeHash),
      storageHash: bytesToHex(account.storageRoot),
      accountProof: nodes.map(node => bytesToHex(node)),
      storageProof: proven.map(({ value, nodes }, i) => ({
        key: bytesToHex(keys[i] ?? ZERO_ADDRESS),
        value: numberToHex(BigInt(bytesToHex(value))),
        proof: nodes.map(node => bytesToHex(node)),
      })),
    }
  }

  function blockJson(block: Block, full: boolean) {
    const field = (i: number): Hex => bytesToHex(block.fields[i] ?? ZERO_ADDRESS)
    const number = (i: number): Hex => numberToHex(BigInt(field(i) === '0x' ? 0 : field(i)))
    const transactions = store.transactions(block.number)
    return {
      hash: bytesToHex(block.hash),
      parentHash: field(0),
      sha3Uncles: field(1),
      miner: field(2),
      stateRoot: field(3),
      transactionsRoot: field(4),
      receiptsRoot: field(5),
      logsBloom: field(6),
      difficulty: number(7),
      totalDifficulty: numberToHex(block.number + 1),
      number: number(8),
      gasLimit: number(9),
      gasUsed: number(10),
      timestamp: number(11),
      extraData: field(12),
      mixHash: field(13),
      nonce: field(14),
      size: numberToHex(block.header.length + transactions.reduce((sum, { raw }) => sum + raw.length, 0)),
      uncles: [],
      transactions: transactions.map(tx => (full ? transactionJson(tx, block) : bytesToHex(tx.hash))),
    }
  }

  function transactionJson(stored: StoredTransaction, block: Block) {
    const tx = machine.parse(stored.raw)
    return {
      ...tx.toJSON(),
      hash: bytesToHex(stored.hash),
      type: numberToHex(tx.type),
      from: bytesToHex(receiptOf(stored).from),
      to: tx.to?.toString() ?? null,
      gas: numberToHex(tx.gasLimit),
      input: bytesToHex(tx.data),
      chainId: numberToHex(chainId),
      blockHash: bytesToHex(block.hash),
      blockNumber: numberToHex(block.number),
      transactionIndex: numberToHex(stored.position),
    }
  }

  const logJson = ({ address, topics, data }: StoredLog, block: Block, tx: StoredTransaction, index: number) => ({
    address: bytesToHex(address),
    topics: topics.map(topic => bytesToHex(topic)),
    data: bytesToHex(data),
    blockHash: bytesToHex(block.hash),
    blockNumber: numberToHex(block.number),
    blockTimestamp: numberToHex(block.time),
    transactionHash: bytesToHex(tx.hash),
    transactionIndex: numberToHex(tx.position),
    logIndex: numberToHex(index),
    removed: false,
  })

  /** All logs of a block, in their order. */
  const logsOf = (block: Block) =>
    store.transactions(block.number).flatMap(tx => receiptOf(tx).logs.map(log => ({ log, tx })))

  /** The receipts of a block, in its order. */
  function receiptsOf(block: Block): readonly unknown[] {
    const key = String(block.number)
    return receipts.get(key) ?? receipts.set(key, blockReceipts(block))
  }

  function blockReceipts(block: Block): unknown[] {
    let logs = 0
    return store.transactions(block.number).map(tx => {
      const receipt = receiptOf(tx)
      const json = receiptJson(tx, block, receipt, logs)
      logs += receipt.logs.length
      return json
    })
  }

  /** @param firstLog place of its first log in the block */
  function receiptJson(tx: StoredTransaction, block: Block, receipt: StoredReceipt, firstLog: number) {
    const parsed = machine.parse(tx.raw)
    return {
      transactionHash: bytesToHex(tx.hash),
      transactionIndex: numberToHex(tx.position),
      blockHash: bytesToHex(block.hash),
      blockNumber: numberToHex(tx.block),
      from: bytesToHex(receipt.from),
      to: parsed.to?.toString() ?? null,
      contractAddress: receipt.created.length === 0 ? null : bytesToHex(receipt.created),
      status: '0x1', // what is refused gets into no block
      type: numberToHex(parsed.type),
      gasUsed: numberToHex(receipt.gasUsed),
      cumulativeGasUsed: numberToHex(receipt.cumulativeGas),
      effectiveGasPrice: '0x0',
      logs: receipt.logs.map((log, i) => logJson(log, block, tx, firstLog + i)),
      logsBloom: bytesToHex(bloomOf(receipt.logs)),
    }
  }

  function logs(param: unknown) {
    if (typeof param !== 'object' || param === null) throw invalid('a filter object', param)
    const filter = param as Record<string, unknown>
    const addresses = filter['address'] === undefined ? [] : [filter['address']].flat().map(value => address(value))
    const topics = (Array.isArray(filter['topics']) ? filter['topics'].slice(0, 4) : []).map((topic: unknown) =>
      topic === null || topic === undefined ? [] : [topic].flat().map(value => word(value)),
    )
    const named = filter['blockHash'] === undefined ? undefined : blocks.byHash(data(filter['blockHash'], 32))
    if (filter['blockHash'] !== undefined && named === undefined)
      throw new RpcError(-32001, `block ${filter['blockHash']} does not exist`)
    const bound = (tag: unknown) =>
      typeof tag === 'string' && tag.startsWith('0x') ? quantity(tag) : blockOf(tag).number
    const from = named?.number ?? bound(filter['fromBlock'])
    const to = named?.number ?? Math.min(bound(filter['toBlock']), blocks.head().number)
    const keys = topics.flatMap((any, i) => (any.length === 1 && any[0] !== undefined ? [logKey(any[0], i)] : []))
    if (addresses.length === 1 && addresses[0] !== undefined) keys.push(logKey(addresses[0]))
    const tooMany = () =>
      new RpcError(-32005, `more than ${MAX_LOGS} logs in blocks ${from} to ${to}: ask for fewer blocks`)
    const candidates = store.blocksWithLogs(keys, from, to, MAX_LOGS + 1)
    if (candidates.length > MAX_LOGS) throw tooMany()
    const isOneOf = (value: Uint8Array | undefined, list: readonly Uint8Array[]) =>
      list.length === 0 || (value !== undefined && list.some(other => Buffer.compare(other, value) === 0))
    const found: unknown[] = []
    for (const number of candidates) {
      const block = blocks.at(number)
      if (block === undefined) continue
      for (const [index, { log, tx }] of logsOf(block).entries())
        if (isOneOf(log.address, addresses) && topics.every((any, i) => isOneOf(log.topics[i], any)))
          found.push(logJson(log, block, tx, index))
      if (found.length > MAX_LOGS) throw tooMany()
    }
    return found
  }

  const orNull = <T>(find: () => T): T | null => {
    try {
      return find()
    } catch (error) {
      if (error instanceof RpcError && error.code === -32001) return null
      throw error
    }
  }

  const methods: Record<string, (params: readonly unknown[], now: number) => unknown> = {
    web3_clientVersion: () => 'entente-embedded',
    net_version: () => String(chainId),
    eth_chainId: () => numberToHex(chainId),
    eth_gasPrice: () => '0x0',
    eth_accounts: () => [],
    eth_blockNumber: () => numberToHex(blocks.head().number),
    eth_sendRawTransaction: send,
    eth_call: call,
    eth_estimateGas: estimate,
    eth_getProof: proof,
    eth_getLogs: params => logs(params[0]),
    eth_getBlockByNumber: params => orNull(() => blockJson(blockOf(params[0]), params[1] === true)),
    eth_getBlockByHash: params => {
      const block = blocks.byHash(data(params[0], 32))
      return block === undefined ? null : blockJson(block, params[1] === true)
    },
    eth_getTransactionByHash: params => {
      const tx = store.transaction(data(params[0], 32))
      return tx === undefined ? null : transactionJson(tx, blockOf(numberToHex(tx.block)))
    },
    eth_getTransactionReceipt: params => {
      const tx = store.transaction(data(params[0], 32))
      return tx === undefined ? null : receiptsOf(blockOf(numberToHex(tx.block)))[tx.position]
    },
    eth_getBlockReceipts: params => orNull(() => receiptsOf(blockOf(params[0]))),
    eth_getTransactionCount: async params =>
      numberToHex(
        params[1] === 'pending'
          ? await nonceOf(bytesToHex(address(params[0])))
          : (await machine.account(stateOf(params[1]).stateRoot, address(params[0]))).nonce,
      ),
    eth_getBalance: async params =>
      numberToHex((await machine.account(stateOf(params[1]).stateRoot, address(params[0]))).balance),
    eth_getCode: async params => bytesToHex(await machine.code(stateOf(params[1]).stateRoot, address(params[0]))),
    eth_getStorageAt: async params =>
      bytesToHex(await machine.storage(stateOf(params[2]).stateRoot, address(params[0]), word(params[1]))),
    /** Ours: checks every block and node; `[{ replay: true }]` executes everything again. */
    entente_verify: params =>
      blocks.verify({ replay: (params[0] as { replay?: unknown } | undefined)?.replay === true }),
  }

  return {
    async handle(method, params, now) {
      const run = Object.hasOwn(methods, method) ? methods[method] : undefined
      if (run === undefined) throw new RpcError(-32601, `method ${method.slice(0, 80)} does not exist`)
      try {
        return await run(params, now)
      } catch (error) {
        if (error instanceof RpcError || error instanceof LedgerError) throw error
        throw new RpcError(-32603, error instanceof Error ? error.message : String(error))
      }
    },
    idle: async () => sealing,
  }
}

const refused = (message: string) => new RpcError(-32000, message)
const invalid = (wanted: string, got: unknown) =>
  new RpcError(-32602, `expected ${wanted}, got ${JSON.stringify(got)?.slice(0, 100)}`)
const reverted = (failure: string, returned: Uint8Array) =>
  failure === 'revert' ? new RpcError(3, 'execution reverted', bytesToHex(returned)) : new RpcError(-32000, failure)

function data(value: unknown, max: number): Uint8Array {
  if (
    typeof value !== 'string' ||
    value.length > 2 + 2 * max ||
    value.length % 2 !== 0 ||
    !/^0x[0-9a-fA-F]*$/.test(value)
  ) {
    throw invalid(`at most ${max} bytes as 0x…`, value)
  }
  return hexToBytes(value as Hex)
}

function address(value: unknown): Uint8Array {
  const bytes = data(value, 20)
  if (bytes.length !== 20) throw invalid('an address of 20 bytes', value)
  return bytes
}

/** 32 bytes, given as data of that length or as a quantity. */
function word(value: unknown): Uint8Array {
  if (typeof value !== 'string' || !/^0x[0-9a-fA-F]{1,64}$/.test(value)) throw invalid('at most 32 bytes as 0x…', value)
  return hexToBytes(`0x${value.slice(2).padStart(64, '0')}`)
}

function quantity(value: unknown): number {
  const number =
    typeof value === 'string' && /^0x[0-9a-fA-F]{1,14}$/.test(value)
      ? Number(value)
      : typeof value === 'number'
        ? value
        : Number.NaN
  if (!Number.isSafeInteger(number) || number < 0) throw invalid('a quantity of at most 2^53 as 0x…', value)
  return number
}
