import {
  decodeBase64,
  ED25519,
  encodeBase64,
  formatVkey,
  HASH_SIZE,
  MAX_NOTE_LENGTH,
  type NoteSigner,
  parseVkey,
  signNote,
  type VerifierKey,
  verifyNote,
} from '#tlog/index.ts'
import { asProofError, ProofError } from './error.ts'
import { readAllKeys, verifySuccession } from './succession.ts'

/** docs/formats.md 6: what the server says that it took, in the order of the request. `commitment` has 32 bytes. */
export type Receipt = { origin: string; status: string; entries: { index: number; commitment: Uint8Array }[] }

/** The first line. No log may have an origin that begins with {@link RECEIPT_ORIGIN_PREFIX}, so a receipt is never a checkpoint. */
const HEADER = 'entente/receipt/v1'
/** docs/formats.md 6: origins that are refused. */
export const RECEIPT_ORIGIN_PREFIX = 'entente/receipt/'

/** The text of a receipt, to be signed. */
export function formatReceipt(receipt: Receipt): string {
  const { origin, status, entries } = receipt
  // Whoever writes a receipt has thousands of lines in it: their parts are checked, not the text read back.
  const isLine = (text: string) => text !== '' && !text.includes('\n')
  if (!isLine(origin) || !isLine(status))
    throw new ProofError('malformed', 'a line of a receipt is empty or holds a line feed')
  const lines = entries.map(({ index, commitment }) => {
    if (!Number.isSafeInteger(index) || index < 0 || commitment.length !== HASH_SIZE)
      throw new ProofError('malformed', `no entry of a receipt: index ${index}, ${commitment.length} bytes`)
    return `${index} ${encodeBase64(commitment)}`
  })
  const text = [HEADER, origin, status, ...lines, ''].join('\n')
  if (text.length > MAX_NOTE_LENGTH) throw new ProofError('malformed', `a receipt of ${text.length} characters`)
  return text
}

/**
 * Read the text of a receipt (no signature).
 *
 * @throws ProofError `malformed`
 */
export function parseReceipt(text: string): Receipt {
  if (text.length > MAX_NOTE_LENGTH) throw new ProofError('malformed', `a receipt of ${text.length} characters`)
  const [header, origin, status, ...lines] = text.slice(0, -1).split('\n')
  if (!text.endsWith('\n') || header !== HEADER || !origin || !status) {
    throw new ProofError('malformed', `not a receipt: ${JSON.stringify(text.slice(0, 80))}`)
  }
  return { origin, status, entries: lines.map(readLine) }
}

/** Sign a receipt with the key of the log, whose name is the origin. */
export function signReceipt(receipt: Receipt, signer: NoteSigner): string {
  if (signer.name !== receipt.origin) {
    throw new ProofError('malformed', `the receipt is of ${receipt.origin}, the key of ${signer.name}`)
  }
  return asProofError(() => signNote(formatReceipt(receipt), signer))
}

/**
 * Verify a receipt: signed by the log that it names, with one of `vkeys` or a key that `successions` (docs/formats.md 16) lead to; one that gave way
 * to another promises nothing from then on. If a later checkpoint of that log does not hold these
 * commitments at these indexes, the receipt proves it.
 *
 * @throws ProofError `malformed`, `log`, `trust`
 */
export function verifyReceipt(note: string, vkeys: readonly string[], successions: readonly string[] = []): Receipt {
  const keys = readAllKeys(vkeys, successions).flatMap(k => k.vkeys.map(parseVkey))
  const ends = new Map(successions.map(verifySuccession).map(s => [s.from, s.index]))
  const { text, signatures } = asProofError(() => verifyNote(note, keys))
  const receipt = parseReceipt(text)
  const last = receipt.entries.reduce((most, { index }) => Math.max(most, index), 0)
  const mayPromise = (key: VerifierKey) => last < (ends.get(formatVkey(key)) ?? Number.POSITIVE_INFINITY)
  if (!signatures.some(({ key }) => key.name === receipt.origin && key.algorithm === ED25519 && mayPromise(key))) {
    throw new ProofError(
      'log',
      `the receipt of ${receipt.origin} for entries up to ${last} is signed by ${signatures.map(s => formatVkey(s.key)).join(', ')}, which can't promise them`,
    )
  }
  return receipt
}

function readLine(line: string): { index: number; commitment: Uint8Array } {
  const match = /^(0|[1-9][0-9]{0,15}) ([A-Za-z0-9+/]{43}=)$/.exec(line)
  const index = match === null ? Number.NaN : Number(match[1])
  if (!Number.isSafeInteger(index)) throw new ProofError('malformed', `not a line of a receipt: ${line.slice(0, 80)}`)
  return { index, commitment: asProofError(() => decodeBase64(match![2]!, HASH_SIZE), 'malformed') }
}
