import type { Disagreement } from '@entente/verify/proof'
import type { TaxiiErrorMessage } from './resources.ts'

/**
 * `usage` an argument makes no sense; `unreachable` no connection, or it broke; `timeout` no answer, or no completion, in time;
 * `unauthorized` 401; `forbidden` 403; `not-found` 404; `too-large` 413; `rate-limited` 429 and `unavailable` 5xx, after the
 * retries; `refused` the server took the request and says no; `integrity` it says that what it stores does not match its log;
 * `rolled-back` it has stopped because its store is older than its ledger; `malformed` an answer that is not TAXII;
 * `too-big` an answer beyond the client's bounds; `stuck` pages that do not advance; `changed` the collection changed while
 * it was read, again and again; `disagreement` the log shows what contradicts what is remembered of it (`evidence` holds both);
 * `memory` what is remembered can't be read or written.
 */
export type ClientErrorCode =
  | 'usage'
  | 'unreachable'
  | 'timeout'
  | 'unauthorized'
  | 'forbidden'
  | 'not-found'
  | 'too-large'
  | 'rate-limited'
  | 'unavailable'
  | 'refused'
  | 'integrity'
  | 'rolled-back'
  | 'malformed'
  | 'too-big'
  | 'stuck'
  | 'changed'
  | 'disagreement'
  | 'memory'

type Details = {
  status?: number | undefined
  url?: string | undefined
  answer?: TaxiiErrorMessage | undefined
  evidence?: Disagreement | undefined
  cause?: unknown
}

/** The only error that this package throws, besides the ProofError of what does not verify. */
export class ClientError extends Error {
  override readonly name = 'ClientError'
  readonly code: ClientErrorCode
  /** HTTP status, where there was an answer. */
  readonly status: number | undefined
  /** What was asked for, without credentials. */
  readonly url: string | undefined
  /** The server's own words (TAXII 2.1 section 3.6). */
  readonly answer: TaxiiErrorMessage | undefined
  /** Of a `disagreement`: what others can check, to be kept (docs/formats.md 12). */
  readonly evidence: Disagreement | undefined

  constructor(code: ClientErrorCode, message: string, details: Details = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.status = details.status
    this.url = details.url
    this.answer = details.answer
    this.evidence = details.evidence
  }
}
