import type { Common } from '@ethereumjs/common'
import { createMPT } from '@ethereumjs/mpt'
import { decodeRlp, encodeRlp } from '@entente/verify/proof'
import type { Hex } from 'viem'
import { hexToBytes, numberToHex } from 'viem/utils'
import { scalar } from '../../qbft.ts'
import { createCache } from '../../cache.ts'
import { type Ask, isNoMethod } from '../../rpc.ts'
import { corrupt } from './check.ts'
import type { ProvenHeader } from './headers.ts'

export interface ProvenLog {
  readonly contract: string
  readonly topics: readonly string[]
  readonly data: Uint8Array
}

/** Place of the root of the receipts in a header. */
const RECEIPTS_ROOT = 5
const BLOCKS = 256
const MAX_RECEIPTS = 4096
const HEX = /^0x(?:[0-9a-fA-F]{2})*$/
const QUANTITY = /^0x[0-9a-fA-F]{1,16}$/

/** Reads what a block has logged. */
export function createProvenLogs(ask: Ask, common: Common) {
  const known = createCache<readonly ProvenLog[]>(BLOCKS)

  /**
   * All that the transactions of a block have logged, in their order; undefined where the node does not give all receipts of a block. Which transaction
   * it was the receipts do not show.
   *
   * @throws LedgerError `corrupt`
   */
  return async ({ hash, number, bytes }: ProvenHeader): Promise<readonly ProvenLog[] | undefined> => {
    const before = known.get(hash)
    if (before !== undefined) return before
    const answer = await ask<unknown>('eth_getBlockReceipts', numberToHex(number)).catch((error: unknown) => {
      if (isNoMethod(error)) return undefined
      throw error
    })
    if (answer === undefined) return undefined
    const receipts = readReceipts(answer)
    const trie = await createMPT({ common })
    for (const [i, receipt] of receipts.entries()) await trie.put(encodeRlp(scalar(i)), receipt.bytes)
    const root = (decodeRlp(bytes) as Uint8Array[])[RECEIPTS_ROOT] ?? new Uint8Array(0)
    if (!Buffer.from(trie.root()).equals(root))
      throw corrupt(`the receipts of block ${number} are not those of its header`)
    return known.set(
      hash,
      receipts.flatMap(receipt => receipt.logs),
    )
  }
}

/** Receipts of a block as the trie under its header has them (EIP-658, EIP-2718). */
function readReceipts(answer: unknown): { bytes: Uint8Array; logs: ProvenLog[] }[] {
  if (!Array.isArray(answer) || answer.length > MAX_RECEIPTS)
    throw corrupt('the answer of eth_getBlockReceipts is no list')
  return answer.map((receipt: Record<string, unknown>) => {
    const given = Array.isArray(receipt['logs']) ? (receipt['logs'] as Record<string, unknown>[]) : []
    const logs = given.map(({ address, topics, data }) => ({
      contract: toHex(address).toLowerCase(),
      topics: Array.isArray(topics) ? topics.map(topic => toHex(topic)) : [],
      data: hexToBytes(toHex(data)),
    }))
    const bytes = encodeRlp([
      scalar(BigInt(toHex(receipt['status'], QUANTITY))),
      scalar(BigInt(toHex(receipt['cumulativeGasUsed'], QUANTITY))),
      hexToBytes(toHex(receipt['logsBloom'])),
      logs.map(({ contract, topics, data }) => [
        hexToBytes(contract as Hex),
        topics.map(topic => hexToBytes(topic)),
        data,
      ]),
    ])
    const type = Number(toHex(receipt['type'] ?? '0x0', QUANTITY))
    return { bytes: type === 0 ? bytes : Buffer.concat([Buffer.of(type), bytes]), logs }
  })
}

function toHex(value: unknown, form: RegExp = HEX): Hex {
  if (typeof value === 'string' && form.test(value)) return value as Hex
  throw corrupt(`a receipt holds ${String(value).slice(0, 80)}`)
}
