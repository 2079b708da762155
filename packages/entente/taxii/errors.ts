/** HTTP statuses that TAXII 2.1 gives a meaning (section 3.6 and the tables of section 5), and those that HTTP needs besides. */
export type TaxiiStatus = 400 | 401 | 403 | 404 | 405 | 406 | 408 | 409 | 413 | 415 | 422 | 429 | 431 | 500 | 503

const TITLES: Record<TaxiiStatus, string> = {
  400: 'The request was not understood',
  401: 'Authentication is required',
  403: 'Not permitted',
  404: 'Not found',
  405: 'Method not allowed',
  406: 'No acceptable media type',
  408: 'The request took too long',
  409: 'Conflict',
  413: 'The request is too large',
  415: 'Unsupported media type',
  422: 'The content could not be processed',
  429: 'Too many requests',
  431: 'The request is too large',
  500: 'Internal error',
  503: 'Temporarily unavailable',
}

export type TaxiiErrorCode =
  | 'query'
  | 'path'
  | 'credentials'
  | 'forbidden'
  | 'held'
  | 'not-found'
  | 'method'
  | 'accept'
  | 'content-type'
  | 'too-large'
  | 'timeout'
  | 'body'
  | 'integrity'
  | 'rolled-back'
  | 'overloaded'
  | 'unconfirmed'
  | 'unavailable'
  | 'provider'
  | 'rate'
  | 'internal'

/** An answer other than success. `message` goes to the client: it says what was wrong and the way out, nothing of the inside. */
export class TaxiiError extends Error {
  override name = 'TaxiiError'
  readonly status: TaxiiStatus
  readonly code: TaxiiErrorCode
  readonly headers: Record<string, string>
  constructor(
    status: TaxiiStatus,
    code: TaxiiErrorCode,
    message: string,
    options?: ErrorOptions & { headers?: Record<string, string> },
  ) {
    super(message, options)
    this.status = status
    this.code = code
    this.headers = options?.headers ?? {}
  }
}

/** Error Message resource (TAXII 2.1 section 3.6.1): `http_status` is a string and equals the real one. */
export function toErrorMessage(error: TaxiiError, errorId: string): Record<string, string> {
  return {
    title: TITLES[error.status],
    description: error.message,
    error_id: errorId,
    error_code: error.code,
    http_status: String(error.status),
  }
}

export const overloaded = (why: string): TaxiiError =>
  new TaxiiError(503, 'overloaded', `${why}: try again in a moment`, { headers: { 'retry-after': '2' } })
