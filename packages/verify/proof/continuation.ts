import { decodeBase64, ED25519, encodeBase64, type NoteSigner, parseNote, parseVkey, verifyNote } from '#tlog/index.ts'
import { asProofError, ProofError } from './error.ts'
import { signTogether } from './succession.ts'

/**
 * docs/formats.md 18: a log ended, because what it had behind `size` is lost, and another one goes on from there. Its first `size` entries are those of the old
 * log, and the statement is the entry at that index.
 */
export type Continuation = {
  /** verifier key of the first key of the old log: what names were derived from */
  first: string
  /** verifier key of the old log's key at the end */
  from: string
  /** verifier key of the new log, whose origin is another one */
  to: string
  size: number
  /** of the old log at `size`, 32 bytes */
  root: Uint8Array
  /** the largest size at which the operator knows the old log to have been; at least `size` */
  last: number
  /** `YYYY-MM-DDTHH:MM:SSZ`, by the operator's clock */
  time: string
}

const HEADER = 'entente/continuation/v1'
/** No origin begins with it, so that a statement is never a checkpoint. */
export const CONTINUATION_ORIGIN_PREFIX = 'entente/continuation/'
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/
const SIZE = /^(0|[1-9][0-9]{0,15})$/
const MAX_LENGTH = 16_384

/** The text of a statement, to be signed. */
export function formatContinuation({ first, from, to, size, root, last, time }: Continuation): string {
  const [old, next] = [from, to].map(vkey => asProofError(() => parseVkey(vkey)).name)
  const sizes = [String(size), encodeBase64(root), String(last)]
  const text = [HEADER, old, next, first, from, to, ...sizes, time, ''].join('\n')
  parseContinuation(text)
  return text
}

/**
 * Read the text of a statement (no signatures).
 *
 * @throws ProofError `malformed`
 */
export function parseContinuation(text: string): Continuation {
  const lines = text.split('\n')
  const [header, old, next, first = '', from = '', to = '', decimal = '', base64 = '', known = '', time = '', end] =
    lines
  const [size, last] = [decimal, known].map(n => (SIZE.test(n) ? Number(n) : Number.NaN)) as [number, number]
  const isWhole = lines.length === 11 && header === HEADER && end === '' && TIME.test(time)
  if (!isWhole || !Number.isSafeInteger(size) || !Number.isSafeInteger(last) || size === 0 || last < size)
    throw new ProofError('malformed', `not the statement of a log's end: ${JSON.stringify(text.slice(0, 80))}`)
  const root = asProofError(() => decodeBase64(base64), 'malformed')
  if (root.length !== 32) throw new ProofError('malformed', `a root has 32 bytes, that of a statement ${root.length}`)
  for (const [vkey, origin] of [
    [first, old],
    [from, old],
    [to, next],
  ] as const) {
    const key = asProofError(() => parseVkey(vkey), 'malformed')
    if (key.name !== origin || key.algorithm !== ED25519)
      throw new ProofError('malformed', `a statement of ${origin} names the key of ${key.name}, type ${key.algorithm}`)
  }
  if (old === next) throw new ProofError('malformed', `a statement has the log ${old} go on as itself`)
  return { first, from, to, size, root, last, time }
}

/** A statement with both signatures, that of the old log's key first. */
export const signContinuation = (continuation: Continuation, from: NoteSigner, to: NoteSigner): string =>
  signTogether(formatContinuation(continuation), from, to)

/**
 * Verify a statement: signed by the keys of both logs that it names. Whether the first is the key of the log that ended, the reader knows or not.
 *
 * @throws ProofError `malformed`, `continuation`
 */
export function verifyContinuation(note: string): Continuation {
  if (note.length > MAX_LENGTH) throw new ProofError('malformed', `a statement of ${note.length} characters`)
  const continuation = parseContinuation(asProofError(() => parseNote(note), 'malformed').text)
  const keys = [continuation.from, continuation.to].map(parseVkey)
  const { signatures } = asProofError(() => verifyNote(note, keys), 'continuation')
  if (signatures.length !== keys.length)
    throw new ProofError(
      'continuation',
      `the statement that ${continuation.to} goes on with the log of ${continuation.from} is not signed by both`,
    )
  return continuation
}
