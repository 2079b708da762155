import { Refusal, type RefusalCode } from '@entente/rules'
import { bytesToHex, decodeErrorResult } from 'viem/utils'
import { ContractRefusal } from '../../chain.ts'
import { LedgerError } from '../../error.ts'
import { type AbiError, ERRORS } from './contracts.ts'
import { fromCountry, fromPartyKind } from './values.ts'

/** A contract's own error as the rules name it; anything else as it came. */
export function toRefusal<E>(error: E): E | Refusal {
  if (!(error instanceof LedgerError) || error.code !== 'refused' || !(error.cause instanceof ContractRefusal))
    return error
  const decoded = decode(error.cause.data)
  if (decoded === undefined) return error
  const { row, ...details } = decoded.details
  const refusal = new Refusal(decoded.code, Number(row), details)
  refusal.cause = error
  return refusal
}

/** Error of a contract with its arguments by their names; undefined where it is none of the rules'. */
function decode(data: Uint8Array): { code: RefusalCode; details: Record<string, unknown> } | undefined {
  try {
    const { errorName, args, abiItem } = decodeErrorResult({ abi: ERRORS, data: bytesToHex(data) })
    const { inputs } = abiItem as AbiError
    const details = inputs.map(({ name, internalType = '' }, i) => [name, toDetail(internalType, args[i])])
    return { code: errorName as RefusalCode, details: Object.fromEntries(details) as Record<string, unknown> }
  } catch {
    return undefined
  }
}

function toDetail(type: string, value: unknown): unknown {
  if (type === 'Country') return fromCountry(value)
  if (type.endsWith('PartyKind')) return fromPartyKind(value) ?? 'none'
  return typeof value === 'bigint' ? Number(value) : value
}
