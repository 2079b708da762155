import { decodeBase64, encodeBase64, HASH_SIZE } from '#tlog/index.ts'
import { asProofError, ProofError } from './error.ts'

/** docs/formats.md 4: the last entry under every published checkpoint. `root` (32 bytes) is that of the heads map. */
export type HeadsEntry = { collections: number; root: Uint8Array }

const HEADER = 'entente/heads/v1'

/** The text of a heads entry; its UTF-8 bytes are the log entry. */
export function formatHeadsEntry(entry: HeadsEntry): string {
  return `${HEADER}\n${entry.collections}\n${encodeBase64(entry.root)}\n`
}

/**
 * The inverse of {@link formatHeadsEntry}.
 *
 * @throws ProofError `heads`
 */
export function parseHeadsEntry(text: string): HeadsEntry {
  const match = text.length > 200 ? null : /^entente\/heads\/v1\n(0|[1-9][0-9]{0,15})\n([^\n]+)\n$/.exec(text)
  if (match === null) throw new ProofError('heads', `not a heads entry: ${JSON.stringify(text.slice(0, 80))}`)
  const collections = Number(match[1])
  if (!Number.isSafeInteger(collections)) throw new ProofError('heads', `not a number of collections: ${match[1]}`)
  return { collections, root: asProofError(() => decodeBase64(match[2]!, HASH_SIZE), 'heads') }
}
