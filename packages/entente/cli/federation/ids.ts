import { sha256 } from '@entente/verify/sha256'

/** What people name by words, and chains by 32 bytes (docs/federation.md). */
export type Named =
  | 'party'
  | 'artifact'
  | 'version'
  | 'scheme'
  | 'scope'
  | 'category'
  | 'certificate'
  | 'chain'
  | 'case'

const ID = /^0x[0-9a-f]{64}$/

/** The id of a name: SHA-256 over the kind and the name, as `0x` and lower-case hexadecimal. What is an id already stays. */
export const idOf = (kind: Named, name: string): string =>
  ID.test(name) ? name : hashOf(`entente/${kind}/v1\n${name}\n`)

/** SHA-256 of bytes, as chains have it: of documents, files, acts, reasons. */
export const hashOf = (content: string | Uint8Array): string =>
  `0x${Buffer.from(sha256(typeof content === 'string' ? Buffer.from(content) : content)).toString('hex')}`
