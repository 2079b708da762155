import {
  type Change,
  CONSORTIUM,
  type Country,
  type Entities,
  type Id,
  quorum,
  type RuleArguments,
  type SchemeInput,
} from '@entente/rules'
import type { Reading, RuleChain } from '#ledger/rule-chain.ts'
import { type Action, actionOf, readTogether, type Snapshot } from './action.ts'
import { createParties, type Parties } from './parties.ts'

export type Vote = Entities['proposal'] & {
  number: string
  /** How many have agreed that are members still, and how many it takes now. */
  agreed: number
  needed: number
  isOpen: boolean
}

/** The EU chain: its members, the authorities that they seat, who validates and writes on which chain, schemes. Rows 1 to 3 and 5. */
export interface ConsortiumService extends Parties {
  propose(change: Change): Action
  vote(number: string): Action
  proposal(number: string, block?: number): Promise<Reading<Vote | undefined>>
  /** Proposals that may still be voted on, the oldest first. */
  openProposals(block?: number): Promise<Reading<Vote[]>>
  /** Who validates and who writes on a chain. */
  chainSet(chain: Id, block?: number): Promise<Reading<Entities['chainSet'] | undefined>>
  adoptScheme(id: Id, scheme: SchemeInput): Action
  recogniseCountry(country: Country, scheme: Id, terms: RuleArguments<'recogniseCountry'>[2]): Action
  /** A version of a scheme, the newest unless one is named. */
  scheme(id: Id, version?: number, block?: number): Promise<Reading<Entities['scheme'] | undefined>>
  recognition(country: Country, scheme: Id, block?: number): Promise<Reading<Entities['recognition'] | undefined>>
}

/**
 * @example
 * const consortium = createConsortium(await openEvmRuleChain({ … }))
 * await consortium.vote('3').preview()
 */
export function createConsortium(chain: RuleChain): ConsortiumService {
  return {
    ...createParties(chain),
    propose: change => actionOf(chain, 'propose', change),
    vote: number => actionOf(chain, 'vote', number),
    proposal: (number, block) => readTogether(chain, block, at => readVote(at, number)),
    openProposals: block =>
      readTogether(chain, block, async at => {
        const { proposals = 0 } = (await at.get('consortium', CONSORTIUM)) ?? {}
        const all = await Promise.all(Array.from({ length: proposals }, (_, i) => readVote(at, String(i + 1))))
        return all.filter(vote => vote !== undefined).filter(vote => vote.isOpen)
      }),
    chainSet: (id, block) => chain.get('chainSet', id, block),
    adoptScheme: (id, scheme) => actionOf(chain, 'adoptScheme', id, scheme),
    recogniseCountry: (country, scheme, terms) => actionOf(chain, 'recogniseCountry', country, scheme, terms),
    scheme: (id, version, block) => chain.get('scheme', version === undefined ? id : `${id}@${version}`, block),
    recognition: (country, scheme, block) => chain.get('recognition', `${country}@${scheme}`, block),
  }
}

async function readVote({ get, time }: Snapshot, number: string): Promise<Vote | undefined> {
  const found = await get('proposal', number)
  const consortium = await get('consortium', CONSORTIUM)
  if (found === undefined || consortium === undefined) return undefined
  const voters = await Promise.all(found.votes.map(id => get('party', id)))
  const agreed = voters.filter(party => party?.isActive).length
  return { ...found, number, agreed, needed: quorum(consortium), isOpen: !found.isDone && time < found.until }
}
