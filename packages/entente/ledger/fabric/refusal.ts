import { status } from '@grpc/grpc-js'
import { GatewayError } from '@hyperledger/fabric-gateway'
import { LedgerError, type LedgerErrorCode } from '../error.ts'

/** The chaincode's own no, as the cause of a LedgerError. */
export class ChaincodeRefusal extends Error {
  override readonly name = 'ChaincodeRefusal'
  readonly code: string
  readonly details: Readonly<Record<string, string | number>>

  constructor(code: string, details: Readonly<Record<string, string | number>>) {
    super(`${code} ${JSON.stringify(details)}`)
    this.code = code
    this.details = details
  }
}

/** gRPC status codes, as the plain numbers that errors of the gateway have. */
export const GRPC: Readonly<Record<keyof typeof status, number>> = status

/** What a peer is away by, or (failed precondition) does not know of enough others: another one may be asked. */
const AWAY = new Set<number>([GRPC.UNAVAILABLE, GRPC.DEADLINE_EXCEEDED, GRPC.CANCELLED, GRPC.FAILED_PRECONDITION])

/** Whether the error says nothing but that this peer, or those that it needs, do not answer now. */
export const isAway = (error: unknown): boolean => error instanceof GatewayError && AWAY.has(error.code)

/** An error of the gateway as ours; any other as it came. */
export function explainFailure(error: unknown, endpoints: readonly string[] = []): unknown {
  if (!(error instanceof GatewayError)) return error
  const said = [
    error.message,
    ...error.details.map(({ mspId, address, message }) => `${mspId} (${address}): ${message}`),
  ].join('; ')
  const refusal =
    error.details.map(({ message }) => readRefusal(message)).find(found => found !== undefined) ??
    readRefusal(error.message)
  if (refusal !== undefined) return explainRefusal(refusal)
  const options = { cause: error }
  if (error.code === GRPC.PERMISSION_DENIED || error.code === GRPC.UNAUTHENTICATED)
    return new LedgerError('refused', `the peer does not take this identity: ${said}`, options)
  if (error.code === GRPC.RESOURCE_EXHAUSTED)
    return new LedgerError('busy', `the peer has too much to do: ${said}`, options)
  // No endorsers, chaincode not there, orderers away, peers behind each other: what today is so may tomorrow be otherwise
  return new LedgerError('unreachable', `${endpoints.join(', ')}: ${said}`, options)
}

const MAX_REFUSAL = 8192

/** `Stale {"logId":…}` behind `chaincode response 500, ` (chaincode/refusal.ts). */
function readRefusal(message: string): ChaincodeRefusal | undefined {
  const [, text = ''] = message.slice(0, MAX_REFUSAL).split('chaincode response 500, ', 2)
  const space = text.indexOf(' ')
  const code = text.slice(0, space)
  if (space < 0 || !/^[A-Z][A-Za-z]{1,30}$/.test(code)) return undefined
  try {
    const details: unknown = JSON.parse(text.slice(space + 1))
    const isObject = typeof details === 'object' && details !== null
    return isObject ? new ChaincodeRefusal(code, details as Record<string, string | number>) : undefined
  } catch {
    return undefined
  }
}

function explainRefusal(cause: ChaincodeRefusal): LedgerError {
  const { latestSize, size, expected, actual, successor, owner, caller, actualLength } = cause.details
  const as = (code: LedgerErrorCode, message: string) => new LedgerError(code, message, { cause })
  switch (cause.code) {
    case 'Stale':
      return as(
        'stale',
        `the ledger has size ${latestSize}, size ${size} is older: a newer checkpoint was anchored by somebody who has the key`,
      )
    case 'Fork':
      return as(
        'fork',
        `two roots at size ${size}: ${expected} and ${actual}: two histories; do not go on, compare the log with a backup`,
      )
    case 'BadProof':
      return as(
        'fork',
        `a consistency proof of ${actualLength} hashes does not lead from size ${latestSize} to ${size}`,
      )
    case 'Closed':
      return as('closed', `the log is closed on the ledger, log ${successor} goes on: configure its origin`)
    case 'NotOwner':
      return as(
        'refused',
        `the log belongs to ${owner}, the identity is ${caller}: use the owner's, or offer it the log`,
      )
    default:
      return as('refused', `the chaincode refused: ${cause.message}`)
  }
}

/**
 * Whether one endorser is behind another, or behind what we know: what it says means nothing yet.
 *
 * @param latestSize what we know to be the latest; left out: only whether endorsers contradict each other
 */
export function isOutOfStep(error: unknown, latestSize?: number): boolean {
  if (!(error instanceof LedgerError)) return false
  if (error.message.includes('ProposalResponsePayloads do not match')) return true
  const theirs = error.cause instanceof ChaincodeRefusal ? error.cause.details['latestSize'] : undefined
  return latestSize !== undefined && theirs !== undefined && theirs !== latestSize
}
