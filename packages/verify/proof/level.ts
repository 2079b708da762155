/**
 * How strong evidence is, from nothing but the word of the server upwards. `attested` (signed by organisation keys) and `sealed`
 * (block header with its seals and a storage proof, or with the work of the blocks on top) are what a file can show offline; `anchored` and `final` are what asking
 * the ledger shows.
 */
export type EvidenceLevel = 'stored' | 'logged' | 'witnessed' | 'attested' | 'sealed' | 'anchored' | 'final'

// A sealed proof shows that the ledger holds the checkpoint, as anchored does: neither is more than the other.
const RANK: Record<EvidenceLevel, number> = {
  stored: 0,
  logged: 1,
  witnessed: 2,
  attested: 3,
  sealed: 4,
  anchored: 4,
  final: 5,
}

/** All levels, weakest first. */
export const EVIDENCE_LEVELS = Object.keys(RANK) as readonly EvidenceLevel[]

/** The level in words: `witnessed 2/3` says how many of the witnesses that the reader knows. */
export function formatLevel(level: EvidenceLevel, witnesses: { cosigned: number; known: number }): string {
  return level === 'witnessed' ? `${level} ${witnesses.cosigned}/${witnesses.known}` : level
}

/** Negative where `a` is weaker than `b`, 0 where they are equally strong. */
export function compareLevels(a: EvidenceLevel, b: EvidenceLevel): number {
  return RANK[a] - RANK[b]
}

/** Is the evidence at least that strong? */
export function isAtLeast(level: EvidenceLevel, wanted: EvidenceLevel): boolean {
  return compareLevels(level, wanted) >= 0
}
