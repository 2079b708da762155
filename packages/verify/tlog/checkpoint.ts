import { decodeBase64, encodeBase64 } from './base64.ts'
import { TlogError } from './error.ts'
import { EMPTY_ROOT, equalHashes, HASH_SIZE } from './hash.ts'
import { type VerifiedSignature, verifyNote } from './note.ts'
import { isWitnessedBy, type WitnessGroup } from './policy.ts'
import { COSIGNATURE_V1, type VerifierKey } from './vkey.ts'

/** tlog-checkpoint, "Note text". `root` has 32 bytes; `extensions` are the further lines, without their line feeds. */
export type Checkpoint = { origin: string; size: number; root: Uint8Array; extensions: string[] }

/** A checkpoint that its log signed, the cosignatures of witnesses that verified, and the signed text. */
export type VerifiedCheckpoint = Checkpoint & { text: string; log: VerifierKey; cosignatures: VerifiedSignature[] }

/**
 * Whose checkpoints are taken: signed by one of `logs`, whose name is the origin, and cosigned by at least `quorum` of
 * `witnesses` (default 0), or by those that a policy file asks for.
 */
export type CheckpointPolicy = {
  logs: readonly VerifierKey[]
  witnesses?: readonly VerifierKey[]
  quorum?: number | WitnessGroup
}

/**
 * The text of a checkpoint, to be signed with `signNote`.
 *
 * @throws TlogError `malformed`
 * @example
 * formatCheckpoint({ origin: 'example.com/log', size: 0, root: EMPTY_ROOT, extensions: [] })
 */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  const { origin, size, root, extensions } = checkpoint
  const text = [origin, String(size), encodeBase64(root), ...extensions, ''].join('\n')
  const parsed = parseCheckpoint(text)
  if (parsed.origin !== origin || parsed.extensions.length !== extensions.length) {
    throw new TlogError('malformed', 'a line of a checkpoint holds a line feed')
  }
  return text
}

/**
 * Read the text of a checkpoint (no signatures). It is believed by nobody yet: {@link verifyCheckpoint}.
 *
 * @throws TlogError `malformed`; sizes beyond 2^53 - 1 are
 */
export function parseCheckpoint(text: string): Checkpoint {
  const checkpoint = readCheckpoint(text)
  if (checkpoint.size === 0 && !equalHashes(checkpoint.root, EMPTY_ROOT)) {
    throw new TlogError('malformed', 'a checkpoint of size 0 has the root of the empty tree')
  }
  return checkpoint
}

/** As {@link parseCheckpoint}, but that the root of the empty tree may be wrong: a witness answers that differently. */
export function readCheckpoint(text: string): Checkpoint {
  if (!text.endsWith('\n')) throw new TlogError('malformed', 'a checkpoint ends with a line feed')
  const [origin, decimal, hash, ...extensions] = text.slice(0, -1).split('\n')
  if (!origin || decimal === undefined || hash === undefined || extensions.includes('')) {
    throw new TlogError('malformed', 'a checkpoint is at least three lines, none empty: origin, size, root')
  }
  return { origin, size: parseDecimal(decimal), root: decodeBase64(hash, HASH_SIZE), extensions }
}

/** tlog-checkpoint: ASCII decimal without leading zeros; here at most 2^53 - 1. */
export function parseDecimal(text: string): number {
  const value = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(value)) throw new TlogError('malformed', `not a size: ${JSON.stringify(text.slice(0, 40))}`)
  return value
}

/**
 * Verify a signed checkpoint under a policy.
 *
 * @throws TlogError `malformed`; `unverified` without a signature of a known log of that origin, or with a bad one of any known
 *   key; `quorum` with too few witnesses; `policy` where one witness's key counts twice
 */
export function verifyCheckpoint(note: string, policy: CheckpointPolicy): VerifiedCheckpoint {
  const witnesses = policy.witnesses ?? []
  const quorum = policy.quorum ?? 0
  checkPolicy(witnesses, quorum)
  const { text, signatures } = verifyNote(note, [...policy.logs, ...witnesses])
  const checkpoint = parseCheckpoint(text)
  const log = signatures.find(({ key }) => policy.logs.includes(key) && key.name === checkpoint.origin)
  if (log === undefined) {
    throw new TlogError(
      'unverified',
      `no signature of the log ${checkpoint.origin}; known logs: ${nameAll(policy.logs)}`,
    )
  }
  const cosignatures = signatures.filter(({ key }) => witnesses.includes(key))
  const cosigned = `${cosignatures.length} of ${witnesses.length} witnesses cosigned`
  if (typeof quorum === 'number') {
    if (cosignatures.length < quorum) throw new TlogError('quorum', `${cosigned}, ${quorum} are needed`)
  } else {
    const cosigners = cosignatures.map(({ key }) => key)
    if (!isWitnessedBy(quorum, cosigners))
      throw new TlogError('quorum', `${cosigned}: ${nameAll(cosigners)}. That is not the quorum of the policy`)
  }
  return { ...checkpoint, text, log: log.key, cosignatures }
}

const nameAll = (keys: readonly VerifierKey[]): string => keys.map(key => key.name).join(', ') || 'none'

/** tlog-cosignature: the Ed25519 message does not bind the name, so one key under two names would be two witnesses. */
function checkPolicy(witnesses: readonly VerifierKey[], quorum: number | WitnessGroup): void {
  if (typeof quorum === 'number' && (!Number.isInteger(quorum) || quorum < 0 || quorum > witnesses.length)) {
    throw new TlogError('policy', `a quorum of ${quorum} of ${witnesses.length} witnesses`)
  }
  for (const [i, key] of witnesses.entries()) {
    if (key.algorithm !== COSIGNATURE_V1) throw new TlogError('policy', `the key of ${key.name} makes no cosignatures`)
    const twin = witnesses.findIndex(other => equalHashes(other.publicKey, key.publicKey))
    if (twin !== i) throw new TlogError('policy', `the witnesses ${witnesses[twin]!.name} and ${key.name} have one key`)
  }
}
