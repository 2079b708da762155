import type { Call } from './call.ts'
import { type Country, type Hash, type Id, type Party, PARTY_KINDS, type PartyKind } from './entities.ts'
import { isId, type Must, mustOf, ZERO } from './refusal.ts'

/** Who calls. */
export type Actor = Party & { id: Id }

/**
 * The party whose key signed.
 *
 * @param kinds it must be one of these
 */
export async function actor({ state, caller }: Call, must: Must, kinds: readonly PartyKind[]): Promise<Actor> {
  const key = await state.get('key', caller)
  must(key !== undefined, 'UnknownKey', { caller })
  must(key.revoked === undefined, 'RevokedKey', { caller, revoked: key.revoked })
  const party = await state.get('party', key.party)
  must(party?.isActive === true, 'NotActive', { party: key.party })
  must(kinds.includes(party.kind), 'WrongRole', { party: key.party, kind: party.kind, allowed: kinds })
  return { ...party, id: key.party }
}

/** A party that is there, and what it must be. */
export async function findParty({ state }: Call, must: Must, id: Id, kinds: readonly PartyKind[]): Promise<Actor> {
  const party = await state.get('party', id)
  must(party !== undefined, 'Unknown', { party: id })
  must(party.isActive, 'NotActive', { party: id })
  must(kinds.includes(party.kind), 'WrongRole', { party: id, kind: party.kind, allowed: kinds })
  return { ...party, id }
}

export type NewParty = { id: Id; kind: PartyKind; country: Country; key: string; act: Hash }

/** Enters a party with its first key. */
export async function enterParty(
  call: Call,
  must: Must,
  { id, key, ...party }: NewParty,
  registrar: Id,
): Promise<void> {
  must(isId(id), 'Missing', { id })
  must(isId(party.act), 'Missing', { act: party.act })
  must(/^[A-Z]{2}$/.test(party.country), 'Missing', { country: party.country })
  must((await call.state.get('party', id)) === undefined, 'Exists', { party: id })
  call.state.put('party', id, { ...party, registrar, isActive: true, from: 'own' })
  call.state.emit({ name: 'PartyRegistered', subject: id, about: key, by: registrar, status: party.kind })
  await enterKey(call, must, id, key)
}

/** A key was never anybody else's, and is never used again once it was revoked. */
export async function enterKey({ state, now }: Call, must: Must, party: Id, key: string): Promise<void> {
  must(key !== '', 'Missing', { key })
  must((await state.get('key', key)) === undefined, 'KeyTaken', { key })
  state.put('key', key, { party, since: now, revoked: undefined })
}

/** Rows 1, 6 and 13: whoever registers a party vouches for its keys. */
const KEYS = 13

/** A party's second key, or the one that takes the place of an older one: its own key asks for it. */
export async function addKey(call: Call, key: string): Promise<void> {
  const must: Must = mustOf(KEYS)
  const { id } = await actor(call, must, PARTY_KINDS)
  await enterKey(call, must, id, key)
  call.state.emit({ name: 'KeyAdded', subject: key, by: id })
}

/** A key is revoked by its party, or by whoever registered that. */
export async function revokeKey(call: Call, key: string): Promise<void> {
  const must: Must = mustOf(KEYS)
  const { id } = await actor(call, must, PARTY_KINDS)
  await revoke(call, must, id, key)
  call.state.emit({ name: 'KeyRevoked', subject: key, by: id })
}

/** Where a party has lost its keys: whoever registered it confirms another one. Of a member the members do ({@link vote}). */
export async function replaceKey(call: Call, lost: string, key: string, act: Hash): Promise<void> {
  const must: Must = mustOf(KEYS)
  const { id } = await actor(call, must, PARTY_KINDS)
  must(isId(act), 'Missing', { act })
  const { party } = await revoke(call, must, id, lost)
  must(party !== id, 'NotYours', { lost })
  await enterKey(call, must, party, key)
  call.state.emit({ name: 'KeyRevoked', subject: lost, by: id })
  call.state.emit({ name: 'KeyAdded', subject: key, by: id })
}

async function revoke({ state, now }: Call, must: Must, by: Id, key: string): Promise<{ party: Id }> {
  const found = await state.get('key', key)
  must(found !== undefined, 'Unknown', { key })
  must(found.revoked === undefined, 'RevokedKey', { key, revoked: found.revoked })
  const registrar = (await state.get('party', found.party))?.registrar ?? ZERO
  must(found.party === by || registrar === by, 'NotYours', { key, party: found.party })
  state.put('key', key, { ...found, revoked: now })
  return found
}
