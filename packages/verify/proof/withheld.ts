import { decodeBase64, HASH_SIZE } from '#tlog/index.ts'
import { asProofError, ProofError } from './error.ts'
import { type EntryEvidence, verifyEntry } from './evidence.ts'
import { readCount, readMembers, readText } from './fields.ts'
import { readFile } from './object.ts'
import type { Trust } from './trust.ts'

/** Why a reader may not have a record (docs/formats.md 10). */
export type WithheldReason = 'access' | 'deleted' | 'integrity'

/** What stands for a record that a reader may not have. `commitment` has 32 bytes. */
export type WithheldRecord = { seq: number; commitment: Uint8Array; withheld: WithheldReason }

/** docs/formats.md 7, of a record that the reader may not see, before anything of it is believed. */
export type WithheldProof = {
  format: 'entente/proof/v1'
  kind: 'withheld'
  record: { seq: number; commitment: string; reason: 'access' }
  log: string
  anchors: unknown[]
}

/** @throws ProofError `malformed` */
export function readWithheld(item: unknown, what: string): WithheldRecord {
  const members = readMembers(item, what, ['seq', 'commitment', 'reason'])
  const seq = readCount(members['seq'], 'seq')
  const withheld = readText(members['reason'], 'reason', /^(?:access|deleted|integrity)$/) as WithheldReason
  const commitment = readText(members['commitment'], 'commitment')
  return { seq, commitment: asProofError(() => decodeBase64(commitment, HASH_SIZE), 'malformed'), withheld }
}

/**
 * Verify the proof of a record that the reader may not see (docs/formats.md 7): the log has this commitment. That it is the record at `seq` of the
 * collection that was asked, only the record itself or a read of all records shows.
 *
 * @param proof the file as text or bytes, or its JSON already parsed
 * @throws ProofError
 */
export function verifyWithheld(proof: string | Uint8Array | object, trust: Trust): EntryEvidence & WithheldRecord {
  const members = readMembers(readFile(proof), 'the proof', ['format', 'kind', 'record', 'log', 'anchors'])
  readText(members['format'], 'format', /^entente\/proof\/v1$/)
  readText(members['kind'], 'kind', /^withheld$/)
  const record = readWithheld(members['record'], 'the record')
  if (record.withheld !== 'access')
    throw new ProofError(
      'malformed',
      `a proof stands for what the reader may not see, not for what is ${record.withheld}`,
    )
  return { ...verifyEntry(record.commitment, readText(members['log'], 'log'), members['anchors'], trust), ...record }
}
