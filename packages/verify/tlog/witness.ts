import { decodeBase64, encodeBase64 } from './base64.ts'
import { parseDecimal } from './checkpoint.ts'
import { TlogError } from './error.ts'
import { equalHashes, HASH_SIZE } from './hash.ts'
import { formatSignatureLine, parseNote, verifyNote } from './note.ts'
import type { VerifierKey } from './vkey.ts'

/** tlog-witness, "add-checkpoint": a signed checkpoint, and the proof that it continues the one of `oldSize`. */
export type AddCheckpoint = { oldSize: number; proof: Uint8Array[]; checkpoint: string }

/** A line with which a witness cosigned a checkpoint, with its line feed; `timestamp` in POSIX seconds. */
export type Cosignature = { line: string; timestamp: bigint }

/** tlog-witness: "The client MUST NOT send more than 63 consistency proof lines". */
const MAX_HASHES = 63

/** The body of a POST to add-checkpoint. */
export function formatAddCheckpoint({ oldSize, proof, checkpoint }: AddCheckpoint): string {
  return [`old ${oldSize}`, ...proof.map(encodeBase64), '', checkpoint].join('\n')
}

/**
 * The inverse of {@link formatAddCheckpoint}. The checkpoint is cut out as it is and not looked at.
 *
 * @throws TlogError `malformed`
 */
export function parseAddCheckpoint(body: string): AddCheckpoint {
  const end = body.indexOf('\n\n')
  if (end < 0) throw new TlogError('malformed', 'add-checkpoint has an empty line before the checkpoint')
  const [old = '', ...hashes] = body.slice(0, end).split('\n', MAX_HASHES + 2)
  if (!old.startsWith('old ')) throw new TlogError('malformed', 'add-checkpoint begins with a line "old <size>"')
  if (hashes.length > MAX_HASHES)
    throw new TlogError('malformed', `a consistency proof of more than ${MAX_HASHES} hashes`)
  return {
    oldSize: parseDecimal(old.slice('old '.length)),
    proof: hashes.map(line => decodeBase64(line, HASH_SIZE)),
    checkpoint: body.slice(end + 2),
  }
}

/**
 * What `witness` answered to add-checkpoint, as its one signature line. Lines of other keys are ignored.
 *
 * @param note the signed checkpoint that was sent
 * @throws TlogError `malformed`; `unverified` where the witness has not cosigned this checkpoint, or left out the time
 */
export function readCosignature(note: string, answer: string, witness: VerifierKey): Cosignature {
  const { text } = parseNote(note)
  const answered = `${text}\n${answer}`
  const [verified] = verifyNote(answered, [witness]).signatures
  const signature = parseNote(answered).signatures.find(
    ({ name, keyId }) => name === witness.name && equalHashes(keyId, witness.keyId),
  )
  // tlog-witness: "the timestamp MUST NOT be zero"
  if (!signature || !verified?.timestamp)
    throw new TlogError('unverified', `the cosignature of ${witness.name} has no time`)
  return { line: formatSignatureLine(signature), timestamp: verified.timestamp }
}
