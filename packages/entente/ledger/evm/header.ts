import type { Hex } from 'viem'
import { bytesToHex, hexToBytes } from 'viem/utils'
import type { ChainHeader } from '../chain.ts'
import { LedgerError } from '../error.ts'
import {
  BFT_MIX_HASH,
  FIELD,
  type HeaderFields,
  encodeHeader,
  headerNumber,
  parseExtra,
  plainHash,
  qbftHash,
  scalar,
} from './qbft.ts'

/** A block as JSON-RPC gives it, as far as we look. */
export type RpcBlock = Readonly<Record<string, unknown>>

const DATA = [
  'parentHash',
  'sha3Uncles',
  'miner',
  'stateRoot',
  'transactionsRoot',
  'receiptsRoot',
  'logsBloom',
] as const
const NUMBERS = ['difficulty', 'number', 'gasLimit', 'gasUsed', 'timestamp'] as const
/** Fields that later forks appended, in their order; each is there only if those before it are. */
const APPENDED = [
  'baseFeePerGas',
  'withdrawalsRoot',
  'blobGasUsed',
  'excessBlobGas',
  'parentBeaconBlockRoot',
  'requestsHash',
] as const
const APPENDED_NUMBERS: readonly string[] = ['baseFeePerGas', 'blobGasUsed', 'excessBlobGas']

/**
 * A header, encoded where its hash comes out: plain, or that of QBFT. IBFT and chains with fields of their own hash otherwise: then `bytes` is
 * undefined. Throws LedgerError `corrupt` when fields are missing.
 */
export function headerOf(block: RpcBlock): ChainHeader {
  const fields: Uint8Array[] = [
    ...DATA.map(name => dataField(block, name)),
    ...NUMBERS.map(name => numberField(block, name)),
    ...['extraData', 'mixHash', 'nonce'].map(name => dataField(block, name)),
  ]
  for (const name of APPENDED) {
    if (block[name] === undefined || block[name] === null) break
    fields.push(APPENDED_NUMBERS.includes(name) ? numberField(block, name) : dataField(block, name))
  }
  const hash = bytesToHex(dataField(block, 'hash'))
  if (hash.length !== 66) throw new LedgerError('corrupt', `a block without a valid hash: ${hash}`)
  const number = headerNumber(fields, FIELD.number)
  const isKnown = (isQbft(fields) ? qbftHash(fields) : plainHash(fields)) === hash
  return {
    number,
    hash,
    parent: bytesToHex(fields[FIELD.parent] ?? new Uint8Array(0)),
    stateRoot: bytesToHex(fields[FIELD.stateRoot] ?? new Uint8Array(0)),
    time: timeOf(fields),
    bytes: isKnown ? encodeHeader(fields) : undefined,
  }
}

/** Seconds. GoQuorum with Raft has nanoseconds in its headers. */
function timeOf(fields: HeaderFields): number {
  const time = BigInt(bytesToHex(fields[FIELD.time] ?? new Uint8Array(0)).padEnd(3, '0'))
  return Number(time < 2n ** 40n ? time : time / 1_000_000_000n)
}

/** Addresses of the validators that a QBFT header names, sorted; undefined for another kind of header. */
export function validatorsOf(fields: HeaderFields): string[] | undefined {
  if (!isQbft(fields)) return undefined
  const extra = parseExtra(fields[FIELD.extra] ?? new Uint8Array(0))
  return extra?.validators.map(address => bytesToHex(address)).sort()
}

const isQbft = (fields: HeaderFields): boolean =>
  bytesToHex(fields[FIELD.mixHash] ?? new Uint8Array(0)) === BFT_MIX_HASH &&
  parseExtra(fields[FIELD.extra] ?? new Uint8Array(0)) !== undefined

function dataField(block: RpcBlock, name: string): Uint8Array {
  const value = block[name]
  if (typeof value !== 'string' || !/^0x(?:[0-9a-fA-F]{2})*$/.test(value))
    throw new LedgerError('corrupt', `a block without a valid ${name}`)
  return hexToBytes(value as Hex)
}

function numberField(block: RpcBlock, name: string): Uint8Array {
  const value = block[name]
  if (typeof value !== 'string' || !/^0x[0-9a-fA-F]{1,64}$/.test(value))
    throw new LedgerError('corrupt', `a block without a valid ${name}`)
  return scalar(BigInt(value))
}
