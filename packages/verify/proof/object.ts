import { parseStrict } from '#json/index.ts'
import { asProofError } from './error.ts'
import { type EntryEvidence, PROOF_LIMITS, verifyEntry } from './evidence.ts'
import { readMembers, readText } from './fields.ts'
import { formatRecord, type LogRecord, readRecord, recordCommitment } from './record.ts'
import type { Trust } from './trust.ts'

/** docs/formats.md 7, before anything of it is believed. */
export type ObjectProof = {
  format: 'entente/proof/v1'
  kind: 'object'
  record: LogRecord
  log: string
  anchors: unknown[]
}

/** A record that is in the log; `commitment` (32 bytes) is its entry there. */
export type VerifiedObject = EntryEvidence & { record: LogRecord; commitment: Uint8Array }

/**
 * Verify the proof of an object (docs/formats.md 7) against what the reader trusts: canonicalise the record and hash it, verify the
 * checkpoint and who signed it, the way from the one to the other, and the anchors.
 *
 * @param proof the file as text or bytes, or its JSON already parsed (by `parseStrict`: other parsers keep one of two equal keys)
 * @throws ProofError
 * @example
 * const { record, level } = verifyObject(await readFile('object.proof.json'), { vkeys: [vkey] })
 */
export function verifyObject(proof: string | Uint8Array | object, trust: Trust): VerifiedObject {
  const value = readFile(proof)
  const members = readMembers(value, 'the proof', ['format', 'kind', 'record', 'log', 'anchors'])
  readText(members['format'], 'format', /^entente\/proof\/v1$/)
  readText(members['kind'], 'kind', /^object$/)
  const record = readRecord(members['record'])
  const commitment = recordCommitment(formatRecord(record))
  const evidence = verifyEntry(commitment, readText(members['log'], 'log'), members['anchors'], trust)
  return { ...evidence, record, commitment }
}

/** Parse a file strictly, unless the caller did. */
export function readFile(file: string | Uint8Array | object): unknown {
  if (typeof file !== 'string' && !(file instanceof Uint8Array)) return file
  return asProofError(() => parseStrict(file, PROOF_LIMITS))
}
