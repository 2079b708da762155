import { decodeBase64, encodeBase64 } from './base64.ts'
import { parseDecimal } from './checkpoint.ts'
import { TlogError } from './error.ts'
import { HASH_SIZE } from './hash.ts'

/** tlog-proof: index and inclusion proof of an entry, the signed checkpoint, and `extra`, which nobody signed. */
export type TlogProof = { extra?: Uint8Array; index: number; proof: Uint8Array[]; checkpoint: string }

const HEADER = 'c2sp.org/tlog-proof@v1'
const MAX_HASHES = 64

/** The text of a tlog-proof (file extension .tlog-proof). */
export function formatTlogProof(proof: TlogProof): string {
  const lines = [HEADER]
  if (proof.extra !== undefined) lines.push(`extra ${encodeBase64(proof.extra)}`)
  lines.push(`index ${proof.index}`, ...proof.proof.map(encodeBase64), '', proof.checkpoint)
  return lines.join('\n')
}

/**
 * The inverse of {@link formatTlogProof}. The checkpoint is cut out as it is and not looked at.
 *
 * @throws TlogError `malformed`
 */
export function parseTlogProof(text: string): TlogProof {
  const end = text.indexOf('\n\n')
  if (end < 0) throw new TlogError('malformed', 'a tlog-proof has an empty line before the checkpoint')
  const lines = text.slice(0, end).split('\n', MAX_HASHES + 4)
  if (lines.shift() !== HEADER) throw new TlogError('malformed', `a tlog-proof begins with ${HEADER}`)
  const extra = lines[0]?.startsWith('extra ') ? decodeBase64(lines.shift()!.slice('extra '.length)) : undefined
  const index = lines.shift()
  if (!index?.startsWith('index ')) throw new TlogError('malformed', 'a tlog-proof has a line "index <n>"')
  if (lines.length > MAX_HASHES) throw new TlogError('malformed', `a tlog-proof of more than ${MAX_HASHES} hashes`)
  return {
    ...(extra === undefined ? {} : { extra }),
    index: parseDecimal(index.slice('index '.length)),
    proof: lines.map(line => decodeBase64(line, HASH_SIZE)),
    checkpoint: text.slice(end + 2),
  }
}
