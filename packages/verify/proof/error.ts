import { JsonError } from '#json/index.ts'
import { TlogError } from '#tlog/index.ts'

/**
 * `malformed` not the format that it says it is; `record` a record that breaks its own rules; `log` the checkpoint or its proof
 * does not verify (`cause`: the TlogError); `heads` the heads entry does not hold the collection; `collection` records are missing,
 * moved, changed or too many; `anchor` an anchor contradicts the checkpoint; `seal` the seals, state proofs, work or Merkle paths of a
 * block do not verify; `succession` statements of a log's new keys are not signed by both, or don't follow each other; `continuation` a statement of a log's end is not signed by both logs; `event` an event carries something else than it names, or names something else than the log has there; `trust` the
 * reader's own configuration makes no sense.
 */
export type ProofErrorCode =
  | 'malformed'
  | 'record'
  | 'log'
  | 'heads'
  | 'collection'
  | 'anchor'
  | 'seal'
  | 'event'
  | 'succession'
  | 'continuation'
  | 'trust'

/** The only error that this room throws. Evidence that does not verify is never a returned boolean. */
export class ProofError extends Error {
  override readonly name = 'ProofError'
  readonly code: ProofErrorCode

  constructor(code: ProofErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
  }
}

/** Run `verify`, and let errors of the rooms below leave as a ProofError: those of JSON as `malformed`, of the log as `log`. */
export function asProofError<T>(verify: () => T, code: ProofErrorCode = 'log'): T {
  try {
    return verify()
  } catch (cause) {
    if (cause instanceof TlogError) throw new ProofError(code, cause.message, { cause })
    if (cause instanceof JsonError) throw new ProofError('malformed', cause.message, { cause })
    throw cause
  }
}
