/** How far a ledger has come with this log. */
export type LedgerState = {
  ledger: string
  /** Log size up to which an anchor is final there; 0 before the first. */
  finalSize: number
  /** Log size up to which there is an anchor, final or not. */
  anchoredSize: number
  /** Sent, and in no block yet. */
  sent: { size: number; transaction: string } | undefined
  /** The ledger's last answer, while it is away or refuses. */
  error: string | undefined
  /** Log size up to which it has the records of the collections that ask for that; undefined where it takes none. */
  recordedSize?: number
}

/** What counts for whether something is final. */
export type LedgerReach = Pick<LedgerState, 'ledger' | 'finalSize' | 'recordedSize'>

/** Which ledgers a collection's objects need, and how many of them. */
export type AnchorPolicy = {
  ledgers: readonly string[]
  require: 'all' | 'any' | number
  /** `full`: ledgers that take records have the objects themselves as well, encrypted. */
  record?: 'checkpoint' | 'full'
}

/** How many ledgers must be final; a collection without ledgers is complete once logged. */
export function required(policy: AnchorPolicy): number {
  if (policy.ledgers.length === 0) return 0
  if (policy.require === 'all') return policy.ledgers.length
  return policy.require === 'any' ? 1 : Math.min(policy.require, policy.ledgers.length)
}

/** Whether a ledger has all that the policy asks of it, for a log of `size`. */
export function isFinalOn(policy: AnchorPolicy, size: number, state: LedgerReach): boolean {
  const needsRecords = policy.record === 'full' && state.recordedSize !== undefined
  return state.finalSize >= size && (!needsRecords || (state.recordedSize ?? 0) >= size)
}

/** Whether a log of `size` is final under the policy. Sizes only grow, so what is complete stays so. */
export function isFinal(policy: AnchorPolicy, size: number, states: readonly LedgerReach[]): boolean {
  const final = states.filter(s => policy.ledgers.includes(s.ledger) && isFinalOn(policy, size, s)).length
  return final >= required(policy)
}
