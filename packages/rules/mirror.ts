import type { Call } from './call.ts'
import type { ChainKind, Country, Entities, Id, Provenance } from './entities.ts'
import { EU, recognitionId, type SchemeInput, versionId } from './framework.ts'
import { type Actor, actor } from './parties.ts'
import { type Must, mustOf, ZERO } from './refusal.ts'

/** A fact of another chain. */
export type Fact =
  | { kind: 'party'; id: Id; value: Omit<Entities['party'], 'from' | 'registrar'>; keys: string[] }
  /** Of the Union. */
  | { kind: 'scheme'; id: Id; value: SchemeInput & { version: number } }
  | { kind: 'recognition'; country: Country; scheme: Id; value: Omit<Entities['recognition'], 'from'> }
  | { kind: 'version'; id: Id; value: Omit<Entities['version'], 'from'> }
  /** As much of it as an artifact chain needs: whose it is, and whether it is sealed. */
  | { kind: 'case'; id: Id; value: Omit<Entities['foreignCase'], 'from'> }
export type FactKind = Fact['kind']

/** Where something is asked for that another chain says. */
const NEEDED: Record<FactKind, readonly ChainKind[]> = {
  party: ['artifact', 'certification', 'vulnerability'],
  scheme: ['certification'],
  recognition: ['certification'],
  version: ['certification'],
  case: ['artifact'],
}

/** Who enters facts of other chains: the inbox, with a proof that it has checked, or the NCCA of the chain's state, on its word. */
export async function attestor(call: Call, must: Must): Promise<{ by: Id; from: 'attested' | 'proven' }> {
  const chain = await call.state.get('chain', 'self')
  if (chain?.inbox !== undefined && call.caller === chain.inbox) return { by: ZERO, from: 'proven' }
  const { id } = await ownNcca(call, must)
  return { by: id, from: 'attested' }
}

/** The NCCA of the chain's state. */
export async function ownNcca(call: Call, must: Must): Promise<Actor> {
  const ncca = await actor(call, must, ['ncca'])
  const chain = await call.state.get('chain', 'self')
  must(chain !== undefined && chain.kind !== 'eu', 'WrongChain')
  must(chain.country === ncca.country, 'WrongCountry', { chain: chain.country, ncca: ncca.country })
  return ncca
}

/**
 * Enters a fact of another chain. What was registered here is nobody else's to say, and what has come with a proof is not taken back on
 * a word.
 */
export async function attest(call: Call, fact: Fact): Promise<void> {
  const must: Must = mustOf(0)
  const { state, now } = call
  const { by, from } = await attestor(call, must)
  const kind = (await state.get('chain', 'self'))?.kind
  must(kind !== undefined && NEEDED[fact.kind].includes(kind), 'WrongChain', { fact: fact.kind, chain: kind })
  const subject = fact.kind === 'recognition' ? fact.scheme : fact.id
  const requireReplaceable = (before: { from: Provenance } | undefined) =>
    must(mayReplace(before?.from, from), 'NotYours', { [fact.kind]: subject, from: before?.from })
  state.emit({ name: 'FactEntered', subject, by, status: from })
  switch (fact.kind) {
    case 'party': {
      const before = await state.get('party', fact.id)
      requireReplaceable(before)
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
      const { version } = fact.value
      must(version > 0, 'Missing', { version })
      const before = await state.get('scheme', fact.id)
      requireReplaceable(before)
      must(!before || version >= before.version, 'OutOfBounds', { version, before: before?.version })
      const scheme = { ...fact.value, owner: EU, mapping: [], from }
      state.put('scheme', fact.id, scheme)
      state.put('scheme', versionId(fact.id, version), scheme)
      state.put('coverage', fact.value.scope, { scheme: fact.id })
      return
    }
    case 'recognition': {
      const id = recognitionId(fact.country, fact.scheme)
      requireReplaceable(await state.get('recognition', id))
      return state.put('recognition', id, { ...fact.value, from })
    }
    case 'version':
      requireReplaceable(await state.get('version', fact.id))
      return state.put('version', fact.id, { ...fact.value, from })
    case 'case': {
      const before = await state.get('foreignCase', fact.id)
      requireReplaceable(before)
      must(before?.disclosed === undefined, 'Exists', { disclosed: before?.disclosed })
      return state.put('foreignCase', fact.id, { ...fact.value, from })
    }
  }
}

const mayReplace = (before: Provenance | undefined, from: 'attested' | 'proven'): boolean =>
  before === undefined || before === 'attested' || before === from
