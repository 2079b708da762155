// Who may send transactions to a chain, where its technology has no such set itself: a provider that lets only some senders through.
import type { Signature, TransactionSerializable, TransactionSerialized } from 'viem'
import { keccak256, parseTransaction, recoverAddress, serializeTransaction } from 'viem/utils'
import { type Eip1193Provider, RpcError } from './provider.ts'

/** What anybody may ask of a chain; none of it sends, signs, or costs a node much more than a call. */
const READS = new Set([
  'eth_blockNumber',
  'eth_call',
  'eth_chainId',
  'eth_estimateGas',
  'eth_feeHistory',
  'eth_gasPrice',
  'eth_getBalance',
  'eth_getBlockByHash',
  'eth_getBlockByNumber',
  'eth_getCode',
  'eth_getLogs',
  'eth_getProof',
  'eth_getStorageAt',
  'eth_getTransactionByHash',
  'eth_getTransactionCount',
  'eth_getTransactionReceipt',
  'eth_maxPriorityFeePerGas',
  'eth_syncing',
  'net_version',
  'web3_clientVersion',
  // Readers of Clique and QBFT chains ask who seals them.
  'clique_getSigners',
  'istanbul_getValidators',
])

/** Bytes of a transaction that is looked at; nodes take 128 KB. */
const MAX_TRANSACTION = 512 * 1024

/** Addresses, lower case; `anyone` on a chain that has no such set; undefined as long as nobody knows, and then none is one. */
export type Writers = ReadonlySet<string> | 'anyone' | undefined

export type GuardOptions = {
  readonly provider: Eip1193Provider
  writers(): Writers
}

/**
 * A provider that passes reads, and transactions that a writer signed; whatever else a node would do is refused. It guards the way through it: who reaches the node or its
 * peers by another is not held up.
 *
 * @example
 * const guarded = guardProvider({ provider: createHttpProvider({ urls: ['http://127.0.0.1:8545'] }), writers: () => writers })
 */
export function guardProvider({ provider, writers }: GuardOptions): Eip1193Provider {
  return {
    async request({ method, params = [] }) {
      if (method === 'eth_sendRawTransaction') await requireWriter(params[0], writers())
      else if (!READS.has(method))
        throw new RpcError(-32601, `${method.slice(0, 80)} is not offered here: reads and eth_sendRawTransaction are`)
      return provider.request({ method, params })
    },
  }
}

async function requireWriter(raw: unknown, writers: Writers): Promise<void> {
  if (writers === 'anyone') return
  if (writers === undefined)
    throw new RpcError(-32000, 'who may write here is not known yet: the registry has not answered. Try again')
  const sender = await senderOf(raw)
  if (writers.has(sender)) return
  throw new RpcError(
    -32000,
    `${sender} is none of the ${writers.size} writers of this chain: the members of the consortium decide who is (proposeWriters)`,
  )
}

/** Who signed a transaction, lower case. One that a node could read in another way than we do is refused. Throws RpcError. */
async function senderOf(raw: unknown): Promise<string> {
  if (typeof raw !== 'string' || raw.length > 2 * MAX_TRANSACTION || !/^0x(?:[0-9a-fA-F]{2})+$/.test(raw))
    throw new RpcError(-32602, 'eth_sendRawTransaction takes the bytes of a signed transaction')
  const serialized = raw.toLowerCase() as TransactionSerialized
  try {
    const { r, s, v, yParity, ...transaction } = parseTransaction(serialized) as TransactionSerializable & Signature
    const signature = { r, s, v, yParity } as Signature
    if (serializeTransaction(transaction as TransactionSerializable, signature) === serialized) {
      // Blobs travel beside a transaction, and are not signed (EIP-4844).
      const signed = serializeTransaction({ ...transaction, sidecars: undefined } as TransactionSerializable)
      return (await recoverAddress({ hash: keccak256(signed), signature })).toLowerCase()
    }
  } catch (cause) {
    throw new RpcError(-32602, `no transaction: ${(cause as Error).message.slice(0, 200)}`)
  }
  throw new RpcError(-32602, 'no transaction: its bytes are not what its fields are written as')
}
