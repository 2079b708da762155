import {
  hashLeaf,
  parseCheckpoint,
  parseNote,
  parseTlogProof,
  type VerifiedCheckpoint,
  verifyCheckpoint,
  verifyInclusion,
} from '#tlog/index.ts'
import { type CheckedAnchor, checkAnchors } from './anchor.ts'
import { asProofError, ProofError } from './error.ts'
import type { EvidenceLevel } from './level.ts'
import { readTrust, type Trust } from './trust.ts'

/** What was proven about an entry of a log, and how strongly. */
export type Evidence = {
  /** offline: `logged`, `witnessed`, `attested` or `sealed` */
  level: EvidenceLevel
  checkpoint: VerifiedCheckpoint
  /** `cosigned` of `known` witnesses signed the checkpoint */
  witnesses: { cosigned: number; known: number }
  anchors: CheckedAnchor[]
}

/** {@link Evidence} for one entry, with its index in the log. */
export type EntryEvidence = Evidence & { index: number }

/** Nesting of a proof file: an object as deep as the server takes it, within a record, a list and a file. */
export const PROOF_LIMITS = { maxDepth: 72 }

/**
 * Verify a tlog-proof (C2SP) of `entry`, and the anchors that came with it.
 *
 * @throws ProofError `malformed`, `log`, `anchor`, `seal`, `trust`
 */
export function verifyEntry(entry: Uint8Array, log: string, anchors: unknown, trust: Trust): EntryEvidence {
  const { extra, index, proof, checkpoint } = asProofError(() => parseTlogProof(log), 'malformed')
  // Nobody signs it, and we have no use for it: a place where somebody could write something that looks proven
  if (extra !== undefined) throw new ProofError('malformed', 'the tlog-proof has an extra line')
  // Hashes first, since signatures cost a hundred times as much: nothing is believed before both have passed for one text
  asProofError(() => {
    const { size, root } = parseCheckpoint(parseNote(checkpoint).text)
    verifyInclusion(index, size, hashLeaf(entry), proof, root)
  })
  return { ...verifySignedCheckpoint(checkpoint, anchors, trust), index }
}

/**
 * Verify a signed checkpoint and the anchors that came with it.
 *
 * @throws ProofError `log`, `anchor`, `seal`, `trust`
 */
export function verifySignedCheckpoint(note: string, anchors: unknown, trust: Trust): Evidence {
  const { policy, policyAt, ledgers, bitcoin, fabric } = readTrust(trust)
  const checkpoint = asProofError(() => verifyCheckpoint(note, policyAt(parseCheckpoint(parseNote(note).text).size)))
  const checked = checkAnchors(anchors, checkpoint, ledgers, bitcoin, fabric)
  const cosigned = checkpoint.cosignatures.length
  const isSealed = checked.some(({ sealed, mined }) => sealed !== undefined || mined !== undefined)
  const isAttested = checked.some(({ endorsed }) => endorsed !== undefined)
  return {
    level: isSealed ? 'sealed' : isAttested ? 'attested' : cosigned > 0 ? 'witnessed' : 'logged',
    checkpoint,
    witnesses: { cosigned, known: policy.witnesses?.length ?? 0 },
    anchors: checked,
  }
}
