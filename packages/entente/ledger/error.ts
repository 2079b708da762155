/**
 * - `stale`: the ledger already has a larger checkpoint.
 * - `fork`: the ledger has another root at a size, or the proof does not lead from its root to ours.
 * - `closed`: the log was closed on the ledger; its successor goes on.
 * - `refused`: the ledger answered no for another reason (not the owner, no funds, reverted).
 * - `unreachable`: no answer. What was sent may have been taken: ask again, or repeat the call.
 * - `pending`: sent, and in no block yet: repeat the call, with the same arguments, until it is.
 * - `busy`: a limit was reached (queue, gas, size of an answer). Repeat later or ask for less.
 * - `locked`: another process has the ledger's folder open.
 * - `corrupt`: what the ledger stored fails its own checks.
 * - `mismatch`: another chain, contract, log or validator set than the one configured or pinned.
 * - `unsupported`: this ledger cannot do it.
 * - `invalid`: the arguments make no sense.
 */
export type LedgerErrorCode =
  | 'stale'
  | 'fork'
  | 'closed'
  | 'refused'
  | 'unreachable'
  | 'pending'
  | 'busy'
  | 'locked'
  | 'corrupt'
  | 'mismatch'
  | 'unsupported'
  | 'invalid'

/** Whatever goes wrong with a ledger. The message shows the values that disagree and the way out; `cause` is kept. */
export class LedgerError extends Error {
  override readonly name = 'LedgerError'
  readonly code: LedgerErrorCode
  /** The transaction that it is about, where there is one: with `unreachable`, the one that may have been taken. */
  readonly transaction: string | undefined

  constructor(code: LedgerErrorCode, message: string, options: { cause?: unknown; transaction?: string } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : {})
    this.code = code
    this.transaction = options.transaction
  }
}
