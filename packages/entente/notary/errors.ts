export type NotaryErrorCode =
  /** A record, tile or checkpoint does not match the log: never served as good. */
  | 'integrity'
  /** The store is older than what a ledger or this server's own checkpoint says. Nothing is written until it is resolved. */
  | 'rolled-back'
  /** A ledger holds a root that this log never had. Nothing is written until it is resolved. */
  | 'forked'
  /** A witness refuses to cosign this log: checkpoints wait for it where it is needed, publishing goes on. */
  | 'witness'
  /** Too much is waiting to be sequenced: try again later. */
  | 'overloaded'
  /** The store failed and did not take the batch; the next one is tried again. */
  | 'unavailable'
  /** This machine's clock can't be right; tried again with every batch. */
  | 'clock'
  /** The log's key can't be replaced now. */
  | 'key'
  /** The notary is closing. */
  | 'closed'

/** What went wrong between a request and the log. The store or ledger error behind it is the `cause`. */
export class NotaryError extends Error {
  override name = 'NotaryError'
  readonly code: NotaryErrorCode
  constructor(code: NotaryErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** What somebody else has of this log, signed or anchored, and the store does not continue: nothing may be written any more. */
export const isContradiction = (error: unknown): error is NotaryError =>
  error instanceof NotaryError && (error.code === 'rolled-back' || error.code === 'forked')
