/** The custom errors of the contracts, by their names; the chaincode refuses with the same. */
export type RefusalCode =
  // who
  | 'UnknownKey'
  | 'RevokedKey'
  | 'KeyTaken'
  | 'NotActive'
  | 'WrongRole'
  | 'WrongCountry'
  | 'NotYours'
  // what
  | 'Invalid'
  | 'Unknown'
  | 'Exists'
  | 'Missing'
  | 'WrongChain'
  | 'WrongState'
  | 'OutOfBounds'
  // votes
  | 'VotedAlready'
  | 'Closed'
  | 'BelowMinimum'
  // certification
  | 'NotAccredited'
  | 'NotAuthorised'
  | 'NotNotified'
  | 'NotDelegated'
  | 'NotApproved'
  | 'OutOfScope'
  | 'SchemeEnded'
  | 'Covered'
  | 'NoSupport'
  | 'Withdrawn'
  // disclosure
  | 'Sealed'
  | 'Embargoed'
  | 'Mismatch'
  | 'TooMany'

/**
 * Why a call has no effect. `row` is that of the table of rules ({@link ROWS}) by which it was refused; `details` are the values that disagree.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: RefusalCode
  readonly row: number
  readonly details: Readonly<Record<string, unknown>>
  constructor(code: RefusalCode, row: number, details: Readonly<Record<string, unknown>> = {}) {
    super(`${code} (rule ${row}) ${JSON.stringify(details)}`)
    this.code = code
    this.row = row
    this.details = details
  }
}

export type Must = (condition: boolean, code: RefusalCode, details?: Record<string, unknown>) => asserts condition

/** What a rule demands, told by its row. */
export const mustOf =
  (row: number): Must =>
  (condition, code, details) => {
    if (!condition) throw new Refusal(code, row, details)
  }

export const ZERO = `0x${'0'.repeat(64)}`
/** 32 bytes as {@link Id}s are written, and not zero. */
export const isId = (text: string): boolean => /^0x[0-9a-f]{64}$/.test(text) && text !== ZERO
