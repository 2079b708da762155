import { type Hex, bytesToHex, hexToBytes } from 'viem'
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
 * Encodes a block's header and checks that its hash comes out: plain, or that of QBFT. Throws LedgerError `unsupported` when neither does
 * (a chain with header fields or a hash of its own), `corrupt` when fields are missing.
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
  const number = headerNumber(fields, FIELD.number)
  const computed = isQbft(fields) ? qbftHash(fields) : plainHash(fields)
  if (computed !== hash)
    throw new LedgerError(
      'unsupported',
      `block ${number} hashes to ${computed}, the node says ${hash}: a header format that is not known here`,
    )
  return {
    number,
    hash,
    parent: bytesToHex(fields[FIELD.parent] ?? new Uint8Array(0)),
    stateRoot: bytesToHex(fields[FIELD.stateRoot] ?? new Uint8Array(0)),
    time: headerNumber(fields, FIELD.time),
    bytes: encodeHeader(fields),
  }
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
