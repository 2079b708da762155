import type { RefusalCode as RuleRefusalCode } from '@entente/rules'

/** The errors of `ICheckpointAnchor.sol` by their names; `Invalid`: arguments that the ABI would not have let through; `Conflict`: a record that is there already. */
export type RefusalCode =
  | 'UnknownLog'
  | 'NotOwner'
  | 'Closed'
  | 'Stale'
  | 'Fork'
  | 'BadProof'
  | 'ZeroRoot'
  | 'UnknownSize'
  | 'OwnSuccessor'
  | 'Conflict'
  | 'Invalid'
  | RuleRefusalCode

/** What the chaincode answers in place of an endorsement. `details` are the values that disagree. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: RefusalCode
  readonly details: Readonly<Record<string, string | number>>

  /** The message is the code, a space and the details as JSON: a client reads it out of the peer's answer. */
  constructor(code: RefusalCode, details: Readonly<Record<string, string | number>>) {
    super(`${code} ${JSON.stringify(details)}`)
    this.code = code
    this.details = details
  }
}
