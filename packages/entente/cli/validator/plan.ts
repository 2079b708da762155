/** Who validates a chain, as the registry says: addresses in lower case. */
export type Wanted = { readonly validators: readonly string[]; readonly minimum: number }

/** A change of the set by one validator. */
export type Change = { readonly address: string; readonly isValidator: boolean }

/** Why a change waits: there is another one first; the set would be smaller than the registry allows; the chain would stand still. */
export type Reason = 'turn' | 'minimum' | 'standstill'

export type Plan = {
  /** What to vote for now. */
  readonly vote: Change | undefined
  readonly waiting: readonly (Change & { readonly reason: Reason })[]
}

export type Situation = {
  readonly wanted: Wanted
  /** Who validates now. */
  readonly validators: readonly string[]
  /** Who has sealed one of the newest blocks. */
  readonly active: ReadonlySet<string>
  /** How many of so many validators must be there for the chain to go on. */
  needed(validators: number): number
}

/**
 * The one change to vote for. One at a time, in an order that all who follow the registry find the same: votes meet sooner, and whatever becomes of the vote the set has
 * its minimum, and enough validators that are there. Neither consensus looks after that itself: it would add validators that nobody runs, and remove the last.
 */
export function planVote({ wanted, validators, active, needed }: Situation): Plan {
  const there = validators.filter(address => active.has(address))
  const additions = wanted.validators.filter(address => !validators.includes(address)).toSorted()
  const removals = validators.filter(address => !wanted.validators.includes(address)).toSorted()
  const changes: Change[] = [
    ...additions.map(address => ({ address, isValidator: true })),
    // Who is away costs nothing to lose.
    ...[...removals.filter(r => !active.has(r)), ...removals.filter(r => active.has(r))].map(address => ({
      address,
      isValidator: false,
    })),
  ]
  const reasonAgainst = ({ address, isValidator }: Change): Reason | undefined => {
    if (isValidator) {
      // The new one may be away. Where even all who are there would not do, there is a single validator: its second can only be trusted to come.
      const need = needed(validators.length + 1)
      return there.length >= need || validators.length < need ? undefined : 'standstill'
    }
    const left = validators.length - 1
    if (left < Math.max(wanted.minimum, 1)) return 'minimum'
    return there.filter(one => one !== address).length >= needed(left) ? undefined : 'standstill'
  }
  const waiting: (Change & { reason: Reason })[] = []
  let vote: Change | undefined
  for (const change of changes) {
    const reason = reasonAgainst(change) ?? (vote === undefined ? undefined : 'turn')
    if (reason === undefined) vote = change
    else waiting.push({ ...change, reason })
  }
  return { vote, waiting }
}
