import {
  ED25519,
  formatSignatureLine,
  formatVkey,
  type NoteSigner,
  parseCheckpoint,
  parseNote,
  parseVkey,
  signNote,
  type VerifiedCheckpoint,
  type VerifierKey,
  verifyCheckpoint,
  verifyNote,
} from '#tlog/index.ts'
import { asProofError, ProofError } from './error.ts'

/**
 * docs/formats.md 16: a log's key gave way to another. The statement is itself the entry of the log at `index`: every larger checkpoint is signed by `to`.
 */
export type Succession = {
  /** verifier keys, both of the log's origin */
  from: string
  to: string
  index: number
  /** `YYYY-MM-DDTHH:MM:SSZ`, by the operator's clock */
  time: string
}

/** The keys that a log has had, the oldest first, as far as statements lead from one that the reader believes. */
export type LogKeys = {
  readonly origin: string
  readonly vkeys: readonly string[]
  /** the statements between them, in their order */
  readonly successions: readonly string[]
  /** the key that signs checkpoints of this size */
  at(size: number): VerifierKey
}

/** The first line of a statement, which no other note of a log begins with. */
const HEADER = 'entente/succession/v1'
/** No origin begins with it, so that a statement is never a checkpoint. */
export const SUCCESSION_ORIGIN_PREFIX = 'entente/succession/'
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/
/** Of a statement: the two longest keys, their signatures, and what is between. */
const MAX_LENGTH = 16_384
/** Statements that are followed. */
const MAX_SUCCESSIONS = 1000

/** The text of a statement, to be signed. */
export function formatSuccession({ from, to, index, time }: Succession): string {
  const text = [HEADER, asProofError(() => parseVkey(from)).name, from, to, String(index), time, ''].join('\n')
  parseSuccession(text)
  return text
}

/**
 * Read the text of a statement (no signatures).
 *
 * @throws ProofError `malformed`
 */
export function parseSuccession(text: string): Succession {
  const lines = text.split('\n')
  const [header, origin, from = '', to = '', decimal = '', time = '', end] = lines
  const index = /^(0|[1-9][0-9]{0,15})$/.test(decimal) ? Number(decimal) : Number.NaN
  if (lines.length !== 7 || header !== HEADER || end !== '' || !Number.isSafeInteger(index) || !TIME.test(time))
    throw new ProofError('malformed', `not the statement of a log's new key: ${JSON.stringify(text.slice(0, 80))}`)
  for (const key of [from, to].map(vkey => asProofError(() => parseVkey(vkey), 'malformed')))
    if (key.name !== origin || key.algorithm !== ED25519)
      throw new ProofError('malformed', `a statement of ${origin} names the key of ${key.name}, type ${key.algorithm}`)
  if (from === to) throw new ProofError('malformed', `a statement of ${origin} has one key follow itself`)
  return { from, to, index, time }
}

/** A statement with both signatures, the old key's first. */
export function signSuccession(succession: Succession, from: NoteSigner, to: NoteSigner): string {
  return signTogether(formatSuccession(succession), from, to)
}

/** A note with the signatures of two keys, in this order; not of one that signs along with them. */
export function signTogether(text: string, from: NoteSigner, to: NoteSigner): string {
  const { signatures } = parseNote(signNote(text, { name: to.name, keyId: to.keyId, sign: to.sign }))
  const [own] = signatures
  if (!own) throw new TypeError('a signed note has a signature')
  return signNote(text, { name: from.name, keyId: from.keyId, sign: from.sign }) + formatSignatureLine(own)
}

/**
 * Verify a statement: signed by both keys that it names. That the old one is the log's, the reader knows or not.
 *
 * @throws ProofError `malformed`, `succession`
 */
export function verifySuccession(note: string): Succession {
  if (note.length > MAX_LENGTH) throw new ProofError('malformed', `a statement of ${note.length} characters`)
  const succession = parseSuccession(asProofError(() => parseNote(note), 'malformed').text)
  const keys = [succession.from, succession.to].map(parseVkey)
  const { signatures } = asProofError(() => verifyNote(note, keys), 'succession')
  if (signatures.length !== keys.length)
    throw new ProofError(
      'succession',
      `the statement that ${succession.to} follows ${succession.from} is not signed by both`,
    )
  return succession
}

/**
 * The keys that statements lead to, forth and back, from one that the reader believes: each statement is signed by both of its keys.
 *
 * @param vkey of any key that the log has had
 * @param notes the statements, the oldest first
 * @throws ProofError `malformed`; `succession` where they don't follow each other, or lead nowhere near `vkey`
 */
export function readLogKeys(vkey: string, notes: readonly string[] = []): LogKeys {
  if (notes.length > MAX_SUCCESSIONS) throw new ProofError('malformed', `${notes.length} statements of new keys`)
  const origin = asProofError(() => parseVkey(vkey), 'trust').name
  const list = notes.map(verifySuccession)
  for (const [i, { from, index }] of list.entries()) {
    const before = list[i - 1]
    if (before && (from !== before.to || index <= before.index))
      throw new ProofError(
        'succession',
        `at index ${index} a key follows ${from}; before that, at ${before.index}, ${before.to} became the log's key`,
      )
  }
  const vkeys = list.length === 0 ? [vkey] : [(list[0] as Succession).from, ...list.map(s => s.to)]
  if (!vkeys.includes(vkey) || new Set(vkeys).size !== vkeys.length)
    throw new ProofError('succession', `the statements lead from ${vkeys[0]} to ${vkeys.at(-1)}, and not by ${vkey}`)
  const keys = vkeys.map(parseVkey)
  return {
    origin,
    vkeys,
    successions: [...notes],
    at: size => keys[list.filter(s => s.index < size).length] as VerifierKey,
  }
}

/**
 * Verify a checkpoint of a log under the key that signs those of its size.
 *
 * @throws TlogError as `verifyCheckpoint`
 */
export function verifyLogCheckpoint(note: string, keys: LogKeys): VerifiedCheckpoint {
  const { size } = parseCheckpoint(parseNote(note).text)
  return verifyCheckpoint(note, { logs: [keys.at(size)] })
}

/** Keys of logs with the statements that are about them; of each origin, one key that the reader believes is enough. */
export function readAllKeys(vkeys: readonly string[], notes: readonly string[]): LogKeys[] {
  const byOrigin = Map.groupBy(notes, note => asProofError(() => parseVkey(verifySuccession(note).from)).name)
  const all: LogKeys[] = []
  for (const vkey of vkeys) {
    const key = asProofError(() => parseVkey(vkey), 'trust')
    const canonical = formatVkey(key)
    const isKnown = all.some(keys => keys.vkeys.includes(canonical))
    if (!isKnown) all.push(readLogKeys(canonical, byOrigin.get(key.name)))
  }
  return all
}
