import { ICT_COMMITMENT } from '@entente/stix'
import { canonicalize, JsonError } from '@entente/verify/json'
import { ProductError } from './error.ts'
import { type Hash, hashText } from './ids.ts'

/** A document is a STIX object, as JSON has it. */
export type StixObject = { readonly [member: string]: unknown }

declare const verified: unique symbol
/** A document that is what was committed to. */
export type VerifiedDocument = StixObject & { readonly [verified]: true }

/** Before the canonical JSON (docs/formats.md, 20). */
const PREFIX = 'entente/document/v1\n'
/** base64url of 32 bytes. */
const SALT = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

/**
 * The document with its salt inside: who has the one has the other, and with the document the salt is gone. Each version needs another one.
 *
 * @param salt 32 random bytes
 */
export function withSalt(document: StixObject, salt: Uint8Array): StixObject {
  if (salt.length !== 32) throw new ProductError('commitment', `a salt has 32 bytes, got ${salt.length}`)
  const extensions = isObject(document.extensions) ? document.extensions : {}
  const text = Buffer.from(salt).toString('base64url')
  return {
    ...document,
    extensions: { ...extensions, [ICT_COMMITMENT]: { extension_type: 'property-extension', salt: text } },
  }
}

/**
 * What stands on chain for a document: SHA-256 over a prefix and its canonical JSON (RFC 8785), salt included.
 *
 * @throws ProductError `commitment` where it has no salt, or is nothing that JSON has
 */
export function commitDocument(document: StixObject): Hash {
  const extension = isObject(document.extensions) ? document.extensions[ICT_COMMITMENT] : undefined
  const salt = isObject(extension) ? extension.salt : undefined
  if (typeof salt !== 'string' || !SALT.test(salt)) {
    throw new ProductError('commitment', `${nameOf(document)} has no salt: withSalt puts one into it`)
  }
  try {
    return hashText(PREFIX + canonicalize(document))
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause
    throw new ProductError('commitment', `${nameOf(document)}: ${cause.message}`, { cause })
  }
}

/**
 * The document, where it is what a chain has the commitment of.
 *
 * @throws ProductError `commitment`
 * @example
 * const document = verifyDocument(await read(id), certificate.document)
 */
export function verifyDocument(document: unknown, commitment: Hash): VerifiedDocument {
  if (!isObject(document)) throw new ProductError('commitment', 'a document is a JSON object')
  const found = commitDocument(document)
  if (found === commitment.toLowerCase()) return document as VerifiedDocument
  throw new ProductError(
    'commitment',
    `${nameOf(document)} is not what the chain has: its commitment is ${found}, the chain's ${commitment.slice(0, 80)}; ask for that version, or elsewhere`,
  )
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const nameOf = ({ id, modified }: StixObject): string =>
  [id, modified].flatMap(part => (typeof part === 'string' ? [part.slice(0, 100)] : [])).join(' ') || 'the document'
