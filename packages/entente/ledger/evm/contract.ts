// The CheckpointAnchor contract as bytes in and out; what it promises is in contracts/src/log/ICheckpointAnchor.sol.
import type { Abi, Hex } from 'viem'
import {
  decodeErrorResult,
  decodeEventLog,
  decodeFunctionResult,
  encodeAbiParameters,
  encodeEventTopics,
  encodeFunctionData,
  bytesToHex,
  hexToBytes,
  keccak256,
  sha256,
  stringToBytes,
} from 'viem/utils'
import { type ChainEvent, ContractRefusal } from '../chain.ts'
import { LedgerError } from '../error.ts'
import artifact from './CheckpointAnchor.json' with { type: 'json' }

export const CHECKPOINT_ANCHOR = { bytecode: hexToBytes(artifact.bytecode as Hex), codeHash: artifact.codeHash as Hex }
const abi = artifact.abi as Abi

export interface AnchoredEvent {
  readonly size: number
  readonly root: Uint8Array
}

export const originHash = (origin: string): Hex => sha256(stringToBytes(origin))

/** The id that `register` gives to an origin of an account. */
export const logIdOf = (account: string, origin: string): Hex =>
  keccak256(encodeAbiParameters([{ type: 'address' }, { type: 'bytes32' }], [account as Hex, originHash(origin)]))

/** Slot of rootAt[logId][size]: the mapping lies at slot 0. */
export function rootSlot(logId: Hex, size: number): Uint8Array {
  const outer = keccak256(encodeAbiParameters([{ type: 'bytes32' }, { type: 'uint256' }], [logId, 0n]))
  return hexToBytes(keccak256(encodeAbiParameters([{ type: 'uint64' }, { type: 'bytes32' }], [BigInt(size), outer])))
}

export const encodeCall = (functionName: string, ...args: unknown[]): Uint8Array =>
  hexToBytes(encodeFunctionData({ abi, functionName, args }))

export const decodeOwner = (returned: Uint8Array): string =>
  (decodeFunctionResult({ abi, functionName: 'ownerOf', data: bytesToHex(returned) }) as string).toLowerCase()

export const decodeRoot = (returned: Uint8Array): Uint8Array =>
  hexToBytes(decodeFunctionResult({ abi, functionName: 'rootOf', data: bytesToHex(returned) }) as Hex)

/** The log that follows one, and from which size; undefined while it is open. */
export function decodeSuccessor(returned: Uint8Array): { logId: string; size: number } | undefined {
  const decoded = decodeFunctionResult({ abi, functionName: 'successorOf', data: bytesToHex(returned) })
  const [logId, size] = decoded as [Hex, bigint]
  return /^0x0{64}$/.test(logId) ? undefined : { logId, size: toSize(size) }
}

export function decodeLatest(returned: Uint8Array): AnchoredEvent {
  const [size, root] = decodeFunctionResult({ abi, functionName: 'latest', data: bytesToHex(returned) }) as [
    bigint,
    Hex,
  ]
  return { size: toSize(size), root: hexToBytes(root) }
}

/** Topics of CheckpointAnchored of a log, of one size or of any. */
export function anchoredTopics(logId: Hex, size?: number): string[] {
  const args = { logId, ...(size === undefined ? {} : { size: BigInt(size) }) }
  const topics = encodeEventTopics({ abi, eventName: 'CheckpointAnchored', args })
  return topics.filter((topic): topic is Hex => typeof topic === 'string')
}

/** The checkpoint in an event of this log; undefined for any other event. */
export function decodeAnchored(event: ChainEvent, logId: Hex): AnchoredEvent | undefined {
  const [name, of] = event.topics
  if (name !== anchoredTopics(logId)[0] || of !== logId) return undefined
  const { args } = decodeEventLog({
    abi,
    eventName: 'CheckpointAnchored',
    topics: event.topics as [Hex],
    data: bytesToHex(event.data),
  })
  const { size, root } = args as unknown as { size: bigint; root: Hex }
  return { size: toSize(size), root: hexToBytes(root) }
}

/** Topics of LogRegistered of a log. */
export const registeredTopics = (logId: Hex): string[] =>
  encodeEventTopics({ abi, eventName: 'LogRegistered', args: { logId } }).filter(
    (topic): topic is Hex => typeof topic === 'string',
  )

/** SHA-256 of the origin, hexadecimal, in LogRegistered, where it is the third indexed member. */
export const decodeRegistered = (event: ChainEvent): string | undefined => event.topics[3]?.slice(2)

/** The contract's own error in a refusal; undefined in any other error. */
function decodeRefusal(error: unknown): { errorName: string; args?: readonly unknown[] } | undefined {
  if (!(error instanceof LedgerError) || error.code !== 'refused' || !(error.cause instanceof ContractRefusal))
    return undefined
  try {
    return decodeErrorResult({ abi, data: bytesToHex(error.cause.data) })
  } catch {
    return undefined
  }
}

/** Whether the contract does not know the log, or no longer: of an error that explainRefusal gave. */
export const isUnknownLog = (error: unknown): boolean =>
  error instanceof LedgerError && decodeRefusal(error.cause)?.errorName === 'UnknownLog'

/** The contract's own errors as ours; anything else as it came. */
export function explainRefusal(error: unknown): unknown {
  const decoded = decodeRefusal(error)
  if (decoded === undefined || !(error instanceof LedgerError)) return error
  const { errorName, args = [] } = decoded
  const options = { cause: error, ...(error.transaction === undefined ? {} : { transaction: error.transaction }) }
  const [, second, third, fourth] = args.map(String)
  switch (errorName) {
    case 'Stale':
      return new LedgerError(
        'stale',
        `the ledger has size ${second}, size ${third} is older: a newer checkpoint was anchored by somebody who has the key`,
        options,
      )
    case 'Fork':
      return new LedgerError(
        'fork',
        `two roots at size ${second}: ${third} and ${fourth}: two histories; do not go on, compare the log with a backup`,
        options,
      )
    case 'BadProof':
      return new LedgerError(
        'fork',
        `the consistency proof has ${third} hashes, ${second} are needed between these sizes`,
        options,
      )
    case 'Closed':
      return new LedgerError(
        'closed',
        `the log is closed on the ledger, log ${second} goes on: configure its origin`,
        options,
      )
    case 'NotOwner':
      return new LedgerError(
        'refused',
        `the log belongs to ${second}, the account is ${third}: use the owner's account, or offer it the log`,
        options,
      )
    case 'UnknownLog':
      return new LedgerError('refused', `the log ${args.map(String).join()} is not registered on the ledger`, options)
    default:
      return new LedgerError('refused', `the contract refused: ${errorName}(${args.map(String).join(', ')})`, options)
  }
}

function toSize(size: bigint): number {
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw new LedgerError('unsupported', `size ${size} is beyond 2^53`)
  return Number(size)
}
