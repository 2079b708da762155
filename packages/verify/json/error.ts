/**
 * Why a text or a value is refused:
 * `syntax` not JSON (RFC 8259); `utf8` not UTF-8; `duplicate-key` a name twice in one object (RFC 7493 section 2.3);
 * `number` not finite, or an integer that a double cannot hold exactly (RFC 7493 section 2.2); `surrogate` half of a
 * surrogate pair (RFC 7493 section 2.1); `too-big`, `too-deep`, `too-many-keys`, `too-many-values` over a limit; `type`
 * nothing that JSON has; `member` the member asked for is not there or is no array.
 */
export type JsonErrorCode =
  | 'syntax'
  | 'utf8'
  | 'duplicate-key'
  | 'number'
  | 'surrogate'
  | 'too-big'
  | 'too-deep'
  | 'too-many-keys'
  | 'too-many-values'
  | 'type'
  | 'member'

/** The only error that this room throws. `offset` is a position in bytes of the text, where it is known. */
export class JsonError extends Error {
  override readonly name = 'JsonError'
  readonly code: JsonErrorCode
  readonly offset: number | undefined

  constructor(code: JsonErrorCode, message: string, options: { offset?: number; cause?: unknown } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.offset = options.offset
  }
}
