import { namedId } from '@entente/stix'
import { sha256 } from '@entente/verify/sha256'
import { ProductError } from './error.ts'

/** 32 bytes, lower-case hexadecimal behind `0x`: what the federation's chains call things by. */
export type Id = string
/** A SHA-256, as an {@link Id}. */
export type Hash = string

/** What has ids on a chain. */
export const SUBJECTS = [
  'party',
  'artifact',
  'version',
  'certificate',
  'scheme',
  'vulnerability',
  'scope',
  'category',
  'chain',
] as const
export type Subject = (typeof SUBJECTS)[number]

const encoder = new TextEncoder()

/** SHA-256 of bytes, as a chain has it: of firmware, an SBOM, a MUD file. */
export function hashFile(bytes: Uint8Array): Hash {
  let hex = '0x'
  for (const byte of sha256(bytes)) hex += byte.toString(16).padStart(2, '0')
  return hex
}

export const hashText = (text: string): Hash => hashFile(encoder.encode(text))

/**
 * The id of a thing that people call by a name (docs/formats.md, 19): a manufacturer, a certificate number, a package URL.
 *
 * @throws ProductError `syntax` where the name is empty or has a line break
 */
export function subjectId(kind: Subject, name: string): Id {
  if (name === '' || name.includes('\n')) {
    throw new ProductError(
      'syntax',
      `${JSON.stringify(name.slice(0, 80))} is no name of a ${kind}: it must be one line`,
    )
  }
  return hashText(`entente/id/v1\n${kind}\n${name}\n`)
}

/** STIX types that carry a document about something on a chain. */
export type Carrier = 'infrastructure' | 'report' | 'identity' | 'vulnerability' | 'note' | 'relationship'

/** The STIX id of the document about what a chain calls by this id: who has read one from a chain knows what to ask for. */
export const documentId = (type: Carrier, id: Id): string => namedId(type, id)
