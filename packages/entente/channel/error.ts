/**
 * - `unreachable`: no answer, or the connection broke. What was sent may have been taken: send it again, marked as such.
 * - `refused`: the broker answered no (credentials, rights, an exchange or topic of another kind).
 * - `too-large`: one of the messages has more bytes than the broker takes. The server sends a reference in its place.
 * - `mismatch`: what a broker or server sent is not what Entente sends there.
 * - `closed`: this channel was closed here.
 * - `invalid`: the arguments make no sense.
 */
export type ChannelErrorCode = 'unreachable' | 'refused' | 'too-large' | 'mismatch' | 'closed' | 'invalid'

/** Whatever goes wrong with a channel. The message names the broker and the way out; `cause` is kept. */
export class ChannelError extends Error {
  override readonly name = 'ChannelError'
  readonly code: ChannelErrorCode

  constructor(code: ChannelErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : {})
    this.code = code
  }
}
