/**
 * Why an input or a document is refused: `syntax` it has not the form of what it should be; `too-big` more bytes, levels or parts than are taken;
 * `unsupported` a format, a version of it or an order of versions that isn't read here; `commitment` it is not what was committed to, or has no
 * salt; `document` what would be written is not valid.
 */
export type ProductErrorCode = 'syntax' | 'too-big' | 'unsupported' | 'commitment' | 'document'

/** The only error that this room throws. */
export class ProductError extends Error {
  override readonly name = 'ProductError'
  readonly code: ProductErrorCode

  constructor(code: ProductErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
  }
}
