// What the store keeps of a transaction's outcome: RLP [gas used, cumulative gas, sender, created contract, logs], the Bloom
// filter left out because it follows from the logs, the status because all succeeded.
import { createHash } from 'node:crypto'
import { bytesToNumber, fromRlp, toRlp } from 'viem/utils'
import { scalar } from '../qbft.ts'
import { keccak256 } from './crypto.ts'

export interface StoredLog {
  readonly address: Uint8Array
  readonly topics: readonly Uint8Array[]
  readonly data: Uint8Array
}

export interface StoredReceipt {
  readonly gasUsed: number
  readonly cumulativeGas: number
  readonly from: Uint8Array
  /** Address of the contract that was created; empty for none. */
  readonly created: Uint8Array
  readonly logs: readonly StoredLog[]
}

export const formatReceipt = (receipt: StoredReceipt): Uint8Array =>
  toRlp(
    [
      scalar(receipt.gasUsed),
      scalar(receipt.cumulativeGas),
      receipt.from,
      receipt.created,
      receipt.logs.map(({ address, topics, data }) => [address, [...topics], data]),
    ] as Uint8Array[],
    'bytes',
  )

type RlpReceipt = [Uint8Array, Uint8Array, Uint8Array, Uint8Array, [Uint8Array, Uint8Array[], Uint8Array][]]

export function parseReceipt(rlp: Uint8Array): StoredReceipt {
  const [gasUsed, cumulativeGas, from, created, logs] = fromRlp(rlp, 'bytes') as unknown as RlpReceipt
  return {
    gasUsed: bytesToNumber(gasUsed),
    cumulativeGas: bytesToNumber(cumulativeGas),
    from,
    created,
    logs: logs.map(([address, topics, data]) => ({ address, topics, data })),
  }
}

/** Index key for logs of a contract (`position` undefined) or with a topic at a position. */
export function logKey(value: Uint8Array, position?: number): Uint8Array {
  const place = position === undefined ? 0 : position + 1
  return createHash('sha256').update(Uint8Array.of(place)).update(value).digest().subarray(0, 8)
}

/** The distinct index keys of a block's logs. */
export function logKeys(logs: readonly StoredLog[]): Uint8Array[] {
  const keys = new Map<string, Uint8Array>()
  for (const { address, topics } of logs) {
    for (const key of [logKey(address), ...topics.map((topic, i) => logKey(topic, i))])
      keys.set(Buffer.from(key).toString('hex'), key)
  }
  return [...keys.values()]
}

/** Bloom filter of logs (Yellow Paper, section 4.3.1): three bits for each address and topic, from the first bytes of its hash. */
export function bloomOf(logs: readonly StoredLog[]): Uint8Array {
  const bloom = new Uint8Array(256)
  for (const value of logs.flatMap(({ address, topics }) => [address, ...topics])) {
    const hash = keccak256(value)
    for (const i of [0, 2, 4]) {
      const bit = (((hash[i] ?? 0) << 8) | (hash[i + 1] ?? 0)) & 2047
      const at = 255 - (bit >> 3)
      bloom[at] = (bloom[at] ?? 0) | (1 << (bit & 7))
    }
  }
  return bloom
}
