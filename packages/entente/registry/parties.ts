import type { Entities, Hash, Id, NewParty } from '@entente/rules'
import type { Reading, RuleChain, RuleEvent } from '#ledger/rule-chain.ts'
import { type Action, actionOf } from './action.ts'

/** Who there is on a chain, and their keys: on every chain of the federation. Rows 6 and 13. */
export interface Parties {
  party(id: Id, block?: number): Promise<Reading<Entities['party'] | undefined>>
  /** Whose a key is. */
  key(key: string, block?: number): Promise<Reading<Entities['key'] | undefined>>
  /** By an authority: one of those whom it registers. */
  registerParty(party: NewParty): Action
  /** Another key of the party whose key signs. */
  addKey(key: string): Action
  revokeKey(key: string): Action
  /** In the place of a key that a party has lost, by who registered that. */
  replaceKey(lost: string, key: string, act: Hash): Action
  /** All that happened of a subject, in order: a party, an artifact, a certificate, a case, the number of a proposal. */
  historyOf(subject: string): Promise<RuleEvent[]>
}

export const createParties = (chain: RuleChain): Parties => ({
  party: (id, block) => chain.get('party', id, block),
  key: (key, block) => chain.get('key', key, block),
  registerParty: party => actionOf(chain, 'registerParty', party),
  addKey: key => actionOf(chain, 'addKey', key),
  revokeKey: key => actionOf(chain, 'revokeKey', key),
  replaceKey: (lost, key, act) => actionOf(chain, 'replaceKey', lost, key, act),
  historyOf: subject => chain.history({ subject }),
})
