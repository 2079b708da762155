/** How far a ledger has come with this log. */
export type LedgerState = {
  ledger: string
  /** Log size up to which an anchor is final there; 0 before the first. */
  finalSize: number
  /** The ledger's last answer, while it is away or refuses. */
  error: string | undefined
}

/** Which ledgers a collection's objects need, and how many of them. */
export type AnchorPolicy = { ledgers: readonly string[]; require: 'all' | 'any' | number }

/** How many ledgers must be final; a collection without ledgers is complete once logged. */
export function required(policy: AnchorPolicy): number {
  if (policy.ledgers.length === 0) return 0
  if (policy.require === 'all') return policy.ledgers.length
  return policy.require === 'any' ? 1 : Math.min(policy.require, policy.ledgers.length)
}

/** Whether a log of `size` is final under the policy. Sizes only grow, so what is complete stays so. */
export function isFinal(policy: AnchorPolicy, size: number, states: readonly LedgerState[]): boolean {
  const final = states.filter(s => policy.ledgers.includes(s.ledger) && s.finalSize >= size).length
  return final >= required(policy)
}
