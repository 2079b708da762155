import type { Call } from './call.ts'
import type { Chain, Consortium, DisclosurePolicy, Id } from './entities.ts'
import { CONSORTIUM } from './consortium.ts'
import { POLICY } from './disclosure.ts'
import { enterParty, type NewParty } from './parties.ts'
import { type Must, mustOf, ZERO } from './refusal.ts'

/** What a chain begins with: once, and by nobody's right. Whoever joins compares it with what was agreed on. */
export type Genesis = {
  chain: Chain
  /** The first members of the EU chain; the authorities of a national one, as the EU chain has seated them. */
  parties: NewParty[]
  consortium?: Pick<Consortium, 'numerator' | 'denominator' | 'period'> | undefined
  disclosure?: DisclosurePolicy | undefined
  chains?: { id: Id; validators: string[]; writers: string[]; minimum: number }[] | undefined
}

const AUTHORITIES = ['ncca', 'nab', 'coordinator']
const MEMBERS = ['commission', 'enisa', 'state']

export async function found(call: Call, { chain, parties, consortium, disclosure, chains }: Genesis): Promise<void> {
  const must: Must = mustOf(0)
  const { state } = call
  must((await state.get('chain', 'self')) === undefined, 'Exists', { chain: 'self' })
  const allowed = chain.kind === 'eu' ? MEMBERS : AUTHORITIES
  must(parties.length > 0, 'Missing', { parties: 0 })
  must(isDistinct(parties.map(p => p.id)) && isDistinct(parties.map(p => p.key)), 'Exists', { parties: 'twice' })
  for (const party of parties) {
    must(allowed.includes(party.kind), 'WrongRole', { kind: party.kind, allowed })
    must(chain.kind === 'eu' || party.country === chain.country, 'WrongCountry', { country: party.country })
    await enterParty(call, must, party, ZERO)
    const { id, key: _, ...value } = party
    // Of a national chain the EU chain says who its authorities are: what it says later counts.
    if (chain.kind !== 'eu') state.put('party', id, { ...value, registrar: ZERO, isActive: true, from: 'attested' })
  }
  if (chain.kind === 'eu') {
    must(consortium !== undefined, 'Missing', { consortium })
    const { numerator, denominator } = consortium
    must(numerator > 0 && numerator <= denominator, 'OutOfBounds', { numerator, denominator })
    state.put('consortium', CONSORTIUM, { ...consortium, members: parties.length, proposals: 0 })
  }
  if (chain.kind === 'vulnerability') {
    must(disclosure !== undefined, 'Missing', { disclosure })
    state.put('disclosurePolicy', POLICY, disclosure)
  }
  for (const { id, ...set } of chains ?? []) {
    must(set.validators.length >= set.minimum && set.minimum > 0, 'BelowMinimum', { chain: id })
    state.put('chainSet', id, set)
  }
  state.put('chain', 'self', chain)
}

const isDistinct = (list: readonly string[]): boolean => new Set(list).size === list.length
