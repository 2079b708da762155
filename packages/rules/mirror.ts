import type { Call } from './call.ts'
import type { Country, Entities, Id } from './entities.ts'
import { actor } from './parties.ts'
import { type Must, mustOf, ZERO } from './refusal.ts'

/** A fact of another chain. */
export type Fact =
  | { kind: 'party'; id: Id; value: Omit<Entities['party'], 'from' | 'registrar'>; keys: string[] }
  | { kind: 'scheme'; id: Id; value: Omit<Entities['scheme'], 'from'> }
  | { kind: 'recognition'; country: Country; scheme: Id; value: Entities['recognition'] }
  | { kind: 'version'; id: Id; value: Omit<Entities['version'], 'from'> }
  /** As much of it as an artifact chain needs: whose it is, and whether it is sealed. */
  | { kind: 'case'; id: Id; value: Omit<Entities['foreignCase'], 'from'> }
export type FactKind = Fact['kind']

/**
 * Enters a fact of another chain on the word of this state's NCCA. What was registered here is nobody else's to say, and what has come
 * with a proof is not taken back on a word.
 */
export async function attest(call: Call, fact: Fact): Promise<void> {
  const must: Must = mustOf(0)
  const { state, now } = call
  const { country } = await actor(call, must, ['ncca'])
  const chain = await state.get('chain', 'self')
  must(chain !== undefined && chain.kind !== 'eu', 'WrongChain')
  must(chain.country === country, 'WrongCountry', { chain: chain.country, ncca: country })
  const from = 'attested' as const
  switch (fact.kind) {
    case 'party': {
      const before = await state.get('party', fact.id)
      must(before === undefined || before.from === from, 'NotYours', { party: fact.id })
      must(!before || before.kind === fact.value.kind, 'Mismatch', { kind: before?.kind })
      state.put('party', fact.id, { ...fact.value, registrar: ZERO, from })
      for (const key of fact.keys) {
        const known = await state.get('key', key)
        must(known === undefined || known.party === fact.id, 'KeyTaken', { key })
        if (!known) state.put('key', key, { party: fact.id, since: now, revoked: undefined })
      }
      return
    }
    case 'scheme': {
      const before = await state.get('scheme', fact.id)
      must(before === undefined || before.from === from, 'NotYours', { scheme: fact.id })
      must(!before || fact.value.version >= before.version, 'OutOfBounds', { version: fact.value.version })
      state.put('scheme', fact.id, { ...fact.value, from })
      state.put('scheme', `${fact.id}@${fact.value.version}`, { ...fact.value, from })
      state.put('coverage', fact.value.scope, { scheme: fact.id })
      return
    }
    case 'recognition':
      return state.put('recognition', `${fact.country}@${fact.scheme}`, fact.value)
    case 'version': {
      const before = await state.get('version', fact.id)
      must(before === undefined || before.from === from, 'NotYours', { version: fact.id })
      return state.put('version', fact.id, { ...fact.value, from })
    }
    case 'case': {
      const before = await state.get('foreignCase', fact.id)
      must(before?.disclosed === undefined, 'Exists', { disclosed: before?.disclosed })
      return state.put('foreignCase', fact.id, { ...fact.value, from })
    }
  }
}
