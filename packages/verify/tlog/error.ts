/**
 * `argument` sizes, indexes or lengths that make no sense; `inconsistent` a proof does not lead to the root;
 * `tile` a tile that is not what the tree says; `malformed` a text that breaks its specification; `unsupported` a
 * signature algorithm that this library does not know; `unverified` no signature of a known key, or a bad one;
 * `quorum` too few cosignatures of known witnesses; `policy` keys that contradict each other.
 */
export type TlogErrorCode =
  | 'argument'
  | 'inconsistent'
  | 'tile'
  | 'malformed'
  | 'unsupported'
  | 'unverified'
  | 'quorum'
  | 'policy'

/** The only error that this room throws. */
export class TlogError extends Error {
  override readonly name = 'TlogError'
  readonly code: TlogErrorCode

  constructor(code: TlogErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
  }
}
