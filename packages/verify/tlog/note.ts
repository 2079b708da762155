import { verifyEd25519 } from '#ed25519'
import { decodeBase64, encodeBase64 } from './base64.ts'
import { cosignedMessage } from './cosignature.ts'
import { TlogError } from './error.ts'
import { equalHashes } from './hash.ts'
import { ED25519, isKeyName, type VerifierKey } from './vkey.ts'

/** One signature line: key name, key id (4 bytes), signature. Nothing about it is verified. */
export type NoteSignature = { name: string; keyId: Uint8Array; signature: Uint8Array }

/** A note as it was read. Nothing in it may be believed before {@link verifyNote}. */
export type UnverifiedNote = { text: string; signatures: NoteSignature[] }

/** A signature that verified; `timestamp` (POSIX seconds) only for a cosignature. */
export type VerifiedSignature = { key: VerifierKey; timestamp?: bigint }

/** The text of a note, and who of the known keys signed it: at least one, each once. */
export type VerifiedNote = { text: string; signatures: VerifiedSignature[] }

/** Whoever can sign notes. `sign` gives what follows the key id: 64 bytes for Ed25519, made over `message` as it is. */
export type NoteSigner = {
  name: string
  keyId: Uint8Array
  sign(message: Uint8Array): Uint8Array
  /** Whose signature follows on every note: a key that gives way to this one. */
  also?: NoteSigner | undefined
}

/** signed-note asks for at least 16. */
export const MAX_SIGNATURES = 100
/** Characters of a whole note; the largest are receipts, with a line an object of the request. */
export const MAX_NOTE_LENGTH = 33_554_432

const LINE_START = '\u2014 '
const KEY_ID_SIZE = 4
const ED25519_SIGNATURE_SIZE = 64
const COSIGNATURE_SIZE = 8 + ED25519_SIGNATURE_SIZE
const MAX_TIMESTAMP = 2n ** 63n - 1n
const encoder = new TextEncoder()

/**
 * signed-note, "Format": split a note into its text and its signatures.
 *
 * @throws TlogError `malformed`
 */
export function parseNote(note: string): UnverifiedNote {
  if (note.length > MAX_NOTE_LENGTH) throw new TlogError('malformed', `a note of ${note.length} characters`)
  if (!isNoteText(note)) throw new TlogError('malformed', 'a note ends with a line feed and has no control characters')
  const end = note.lastIndexOf('\n\n')
  if (end < 0) throw new TlogError('malformed', 'a note has an empty line between text and signatures')
  const lines = note.slice(end + 2, -1).split('\n')
  if (lines.length > MAX_SIGNATURES) throw new TlogError('malformed', `a note of ${lines.length} signatures`)
  return { text: note.slice(0, end + 1), signatures: lines.map(parseSignatureLine) }
}

/** The inverse of {@link parseNote}. */
export function formatNote(note: UnverifiedNote): string {
  return `${note.text}\n${note.signatures.map(formatSignatureLine).join('')}`
}

/** One line, with its line feed: em dash, space, name, space, base64 of key id and signature. */
export function formatSignatureLine(signature: NoteSignature): string {
  const bytes = new Uint8Array(KEY_ID_SIZE + signature.signature.length)
  bytes.set(signature.keyId)
  bytes.set(signature.signature, KEY_ID_SIZE)
  return `${LINE_START}${signature.name} ${encodeBase64(bytes)}\n`
}

/**
 * The inverse of {@link formatSignatureLine}, of a line without its line feed.
 *
 * @throws TlogError `malformed`
 */
export function parseSignatureLine(line: string): NoteSignature {
  const nameEnd = line.indexOf(' ', LINE_START.length)
  const name = line.slice(LINE_START.length, nameEnd)
  if (!line.startsWith(LINE_START) || nameEnd < 0 || !isKeyName(name)) {
    throw new TlogError('malformed', `not a signature line: ${JSON.stringify(line.slice(0, 80))}`)
  }
  const bytes = decodeBase64(line.slice(nameEnd + 1))
  if (bytes.length <= KEY_ID_SIZE) throw new TlogError('malformed', `the signature of ${name} is empty`)
  return { name, keyId: bytes.slice(0, KEY_ID_SIZE), signature: bytes.slice(KEY_ID_SIZE) }
}

/**
 * Sign a text: a note with one signature, or that of `signer.also` besides.
 *
 * @param text ends with a line feed, has no control characters
 * @throws TlogError `malformed`
 */
export function signNote(text: string, signer: NoteSigner): string {
  if (!isNoteText(text))
    throw new TlogError('malformed', 'the text must end with a line feed, without control characters')
  if (!isKeyName(signer.name)) throw new TlogError('malformed', `not a key name: ${JSON.stringify(signer.name)}`)
  const message = encoder.encode(text)
  const line = ({ name, keyId, sign }: NoteSigner) => formatSignatureLine({ name, keyId, signature: sign(message) })
  return `${text}\n${line(signer)}${signer.also ? line(signer.also) : ''}`
}

/**
 * signed-note, "Signatures": verify every signature of a known key. Signatures of unknown keys are ignored, even if they share
 * name or id with a known one; a bad signature of a known key refuses the whole note.
 *
 * @throws TlogError `malformed`, `unverified`; `policy` where two keys have one name and id
 * @example
 * const { text } = verifyNote(note, [parseVkey('example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k')])
 */
export function verifyNote(note: string, keys: readonly VerifierKey[]): VerifiedNote {
  const { text, signatures } = parseNote(note)
  const message = encoder.encode(text)
  const verified: VerifiedSignature[] = []
  for (const [i, signature] of signatures.entries()) {
    // A line that is repeated a hundred times costs one verification.
    if (signatures.findIndex(other => isSame(other, signature)) !== i) continue
    const matching = keys.filter(key => key.name === signature.name && equalHashes(key.keyId, signature.keyId))
    if (matching.length > 1)
      throw new TlogError('policy', `two known keys are called ${signature.name} and share an id`)
    const key = matching[0]
    if (key === undefined) continue
    const timestamp = verifySignature(key, message, signature.signature)
    if (verified.some(other => other.key === key)) continue
    verified.push(timestamp === undefined ? { key } : { key, timestamp })
  }
  if (verified.length === 0) {
    const names = (list: readonly { name: string }[]) => list.map(one => one.name).join(', ') || 'nobody'
    throw new TlogError(
      'unverified',
      `the note is signed by ${names(signatures)}; the known keys are of ${names(keys)}`,
    )
  }
  return { text, signatures: verified }
}

const isSame = (a: NoteSignature, b: NoteSignature): boolean =>
  a.name === b.name && equalHashes(a.keyId, b.keyId) && equalHashes(a.signature, b.signature)

/** Throws, or returns the time of a cosignature. */
function verifySignature(key: VerifierKey, message: Uint8Array, signature: Uint8Array): bigint | undefined {
  if (key.algorithm === ED25519) {
    requireSigned(key, message, signature, ED25519_SIGNATURE_SIZE)
    return undefined
  }
  const timestamp = signature.length < 8 ? 0n : new DataView(signature.buffer, signature.byteOffset, 8).getBigUint64(0)
  if (timestamp > MAX_TIMESTAMP) throw new TlogError('unverified', `the cosignature of ${key.name} has no valid time`)
  requireSigned(key, cosignedMessage(message, timestamp), signature, COSIGNATURE_SIZE)
  return timestamp
}

function requireSigned(key: VerifierKey, message: Uint8Array, signature: Uint8Array, size: number): void {
  const proper = signature.length === size
  if (!proper || !verifyEd25519(signature.slice(-ED25519_SIGNATURE_SIZE), message, key.publicKey)) {
    throw new TlogError('unverified', `the signature of ${key.name} does not verify`)
  }
}

function isNoteText(text: string): boolean {
  return text.endsWith('\n') && text.isWellFormed() && !/[^\n -\uffff]/.test(text)
}
