import type { Hex } from 'viem'
import { LedgerError } from '../error.ts'
import type { Fees } from './fees.ts'

export interface Call {
  readonly contract: string | undefined
  readonly data: Hex
}

/** A call on its way into a block: all that may take effect of it has this one nonce, so at most one of it does. */
export interface Pending extends Call {
  readonly chainId: number
  readonly account: string
  readonly nonce: number
  readonly gas: bigint
  /** Newest block before it was sent: none before this one holds it. */
  readonly block: number
  /** Each pays more than the one before. */
  readonly attempts: readonly Attempt[]
}

export interface Attempt {
  readonly fees: Fees
  /** Unknown where the node signs, until it answers. */
  readonly hash?: Hex
  /** The signed bytes; none where the node signs. */
  readonly raw?: Hex
}

const HEX = /^0x(?:[0-9a-f]{2})*$/
const HASH = /^0x[0-9a-f]{64}$/
const ADDRESS = /^0x[0-9a-f]{40}$/
const DECIMAL = /^[0-9]{1,78}$/

/** What the journal keeps: JSON, amounts as decimal text. */
export function encodePending(pending: Pending): Uint8Array {
  const text = JSON.stringify({ v: 1, ...pending }, (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  )
  return Buffer.from(text)
}

/** Throws LedgerError `corrupt`. */
export function decodePending(bytes: Uint8Array): Pending {
  try {
    const value = JSON.parse(Buffer.from(bytes).toString('utf8')) as Record<string, unknown>
    if (value['v'] !== 1) throw new Error(`version ${String(value['v'])}`)
    const contract = value['contract']
    const attempts = value['attempts']
    if (!Array.isArray(attempts) || attempts.length === 0) throw new Error('no attempts')
    return {
      chainId: integer(value['chainId']),
      account: text(value['account'], ADDRESS),
      nonce: integer(value['nonce']),
      gas: amount(value['gas']),
      block: integer(value['block']),
      contract: contract === undefined ? undefined : text(contract, ADDRESS),
      data: text(value['data'], HEX),
      attempts: attempts.map(readAttempt),
    }
  } catch (cause) {
    throw new LedgerError(
      'corrupt',
      `the journal of transactions cannot be read (${(cause as Error).message}): see on the ledger whether one of this account is under way, then remove the file`,
      { cause },
    )
  }
}

function readAttempt(value: Record<string, unknown>): Attempt {
  const fees = value['fees'] as Record<string, unknown>
  return {
    fees:
      'gasPrice' in fees
        ? { gasPrice: amount(fees['gasPrice']) }
        : { maxFeePerGas: amount(fees['maxFeePerGas']), maxPriorityFeePerGas: amount(fees['maxPriorityFeePerGas']) },
    ...(value['hash'] === undefined ? {} : { hash: text(value['hash'], HASH) }),
    ...(value['raw'] === undefined ? {} : { raw: text(value['raw'], HEX) }),
  }
}

function integer(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new Error(`${String(value)} is no number`)
  return value as number
}

function text(value: unknown, pattern: RegExp): Hex {
  if (typeof value !== 'string' || !pattern.test(value)) throw new Error(`${String(value).slice(0, 80)} is not valid`)
  return value as Hex
}

const amount = (value: unknown): bigint => BigInt(text(value, DECIMAL))
