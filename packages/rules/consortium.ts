import type { Call } from './call.ts'
import type { Authority, Change, ChainSet, Consortium, Id, Proposal } from './entities.ts'
import { type Actor, actor, enterKey, enterParty } from './parties.ts'
import { isId, type Must, mustOf, ZERO } from './refusal.ts'

/** Rows 1 and 2: the members of the EU chain, who seat the authorities and say who validates and writes on which chain (CSA 58, 62). */
const MEMBERS = ['commission', 'enisa', 'state'] as const
export const CONSORTIUM = 'consortium'

/** Row 1: of a change of an authority; row 2: of all else that the members decide. */
const rowOf = ({ do: kind }: Change): number => (kind === 'seat' || kind === 'remove' || kind === 'replaceKey' ? 1 : 2)

/** How many must agree. */
export const quorum = ({ members, numerator, denominator }: Consortium): number =>
  Math.floor((members * numerator + denominator - 1) / denominator)

/**
 * A member proposes a change, and agrees with it. An authority is proposed by its own state.
 *
 * @returns the number of the proposal
 */
export async function propose(call: Call, change: Change): Promise<string> {
  const must: Must = mustOf(rowOf(change))
  const by = await actor(call, must, MEMBERS)
  const consortium = await readConsortium(call, must)
  await checkChange(call, must, change)
  if (change.do === 'seat') requireState(must, by, change.authority)
  if (change.do === 'remove' || change.do === 'replaceKey')
    requireState(must, by, await findAuthority(call, must, change.do === 'remove' ? change.authority : change.party))
  const number = String(consortium.proposals + 1)
  const proposal = { change, by: by.id, until: call.now + consortium.period, votes: [by.id], isDone: false }
  call.state.emit({ name: 'ChangeProposed', subject: number, by: by.id })
  const isDone = proposal.votes.length >= quorum(consortium)
  const members = isDone ? await make(call, must, change, number, by) : 0
  call.state.put('proposal', number, { ...proposal, isDone })
  call.state.put('consortium', CONSORTIUM, {
    ...consortium,
    members: consortium.members + members,
    proposals: consortium.proposals + 1,
  })
  return number
}

/** A member agrees; once enough have, the change is made. */
export async function vote(call: Call, number: string): Promise<void> {
  const proposal = await call.state.get('proposal', number)
  const must: Must = mustOf(proposal ? rowOf(proposal.change) : 2)
  const by = await actor(call, must, MEMBERS)
  must(proposal !== undefined, 'Unknown', { proposal: number })
  must(!proposal.isDone, 'Closed', { proposal: number })
  must(call.now < proposal.until, 'Closed', { proposal: number, until: proposal.until, now: call.now })
  must(!proposal.votes.includes(by.id), 'VotedAlready', { proposal: number, member: by.id })
  const consortium = await readConsortium(call, must)
  const isDone = (await countActive(call, proposal)) + 1 >= quorum(consortium)
  call.state.emit({ name: 'ChangeConfirmed', subject: number, by: by.id })
  if (isDone) {
    // What was right when it was proposed need not be right any more.
    await checkChange(call, must, proposal.change)
    const members = await make(call, must, proposal.change, number, by)
    if (members !== 0)
      call.state.put('consortium', CONSORTIUM, { ...consortium, members: consortium.members + members })
  }
  call.state.put('proposal', number, { ...proposal, votes: [...proposal.votes, by.id], isDone })
}

/** Who was dismissed meanwhile does not count. */
async function countActive({ state }: Call, { votes }: Proposal): Promise<number> {
  const parties = await Promise.all(votes.map(id => state.get('party', id)))
  return parties.filter(party => party?.isActive).length
}

async function readConsortium({ state }: Call, must: Must): Promise<Consortium> {
  const consortium = await state.get('consortium', CONSORTIUM)
  must(consortium !== undefined, 'WrongChain')
  return consortium
}

function requireState(must: Must, by: Actor, { country }: { country: string }): void {
  must(by.kind === 'state' && by.country === country, 'WrongCountry', { member: by.country, authority: country })
}

async function findAuthority({ state }: Call, must: Must, id: Id): Promise<Actor> {
  const party = await state.get('party', id)
  must(party !== undefined, 'Unknown', { party: id })
  return { ...party, id }
}

async function checkChange(call: Call, must: Must, change: Change): Promise<void> {
  const { state } = call
  if ('act' in change) must(isId(change.act), 'Missing', { act: change.act })
  switch (change.do) {
    case 'seat':
      must(['ncca', 'nab', 'coordinator'].includes(change.authority.kind), 'WrongRole', { kind: change.authority.kind })
      must((await state.get('party', change.authority.id)) === undefined, 'Exists', { party: change.authority.id })
      must((await state.get('key', change.authority.key)) === undefined, 'KeyTaken', { key: change.authority.key })
      break
    case 'remove':
    case 'replaceKey': {
      const id = change.do === 'remove' ? change.authority : change.party
      const { isActive, kind } = await findAuthority(call, must, id)
      must(isActive, 'NotActive', { party: id })
      must(['ncca', 'nab', 'coordinator'].includes(kind), 'WrongRole', { kind })
      if (change.do === 'remove') break
      const lost = await state.get('key', change.lost)
      must(lost?.party === id, 'NotYours', { key: change.lost })
      must(lost.revoked === undefined, 'RevokedKey', { key: change.lost })
      must((await state.get('key', change.key)) === undefined, 'KeyTaken', { key: change.key })
      break
    }
    case 'admit':
      must((await state.get('party', change.member)) === undefined, 'Exists', { party: change.member })
      must((await state.get('key', change.key)) === undefined, 'KeyTaken', { key: change.key })
      break
    case 'dismiss': {
      const member = await state.get('party', change.member)
      must(member?.isActive === true && isMember(member.kind), 'Unknown', { member: change.member })
      must((await readConsortium(call, must)).members > 1, 'BelowMinimum')
      break
    }
    case 'validators':
    case 'writers': {
      const set = await state.get('chainSet', change.chain)
      must(set !== undefined, 'Unknown', { chain: change.chain })
      changeSet(must, set, change)
      break
    }
    case 'upgrade':
      must(isId(change.contract) && isId(change.code), 'Missing', { contract: change.contract, code: change.code })
  }
}

const isMember = (kind: string): boolean => (MEMBERS as readonly string[]).includes(kind)

/** @returns the set as it becomes */
function changeSet(must: Must, set: ChainSet, change: Change & { do: 'validators' | 'writers' }): ChainSet {
  const before = set[change.do]
  must(change.add.length + change.remove.length > 0, 'Missing', { chain: change.chain })
  for (const key of change.add) must(key !== '' && !before.includes(key), 'Exists', { key })
  for (const key of change.remove) must(before.includes(key), 'Unknown', { key })
  must(new Set([...change.add, ...change.remove]).size === change.add.length + change.remove.length, 'Exists', {
    add: change.add,
    remove: change.remove,
  })
  const after = [...before.filter(key => !change.remove.includes(key)), ...change.add]
  if (change.do === 'validators')
    must(after.length >= set.minimum, 'BelowMinimum', { validators: after.length, minimum: set.minimum })
  return { ...set, [change.do]: after }
}

/** @returns by how much the number of members changes */
async function make(call: Call, must: Must, change: Change, number: string, by: Actor): Promise<number> {
  const members = await apply(call, must, change, by)
  call.state.emit({ name: 'ChangeMade', subject: number, by: by.id })
  return members
}

async function apply(call: Call, must: Must, change: Change, by: Actor): Promise<number> {
  const { state, now } = call
  switch (change.do) {
    case 'seat': {
      const authority: Authority = change.authority
      await enterParty(call, must, { ...authority, act: change.act }, ZERO)
      return 0
    }
    case 'remove':
    case 'dismiss': {
      const id = change.do === 'remove' ? change.authority : change.member
      const { id: _, ...party } = await findAuthority(call, must, id)
      state.put('party', id, { ...party, isActive: false })
      return change.do === 'dismiss' ? -1 : 0
    }
    case 'replaceKey': {
      const lost = await state.get('key', change.lost)
      must(lost !== undefined, 'Unknown', { key: change.lost })
      state.put('key', change.lost, { ...lost, revoked: now })
      await enterKey(call, must, change.party, change.key)
      state.emit({ name: 'KeyRevoked', subject: change.lost, by: by.id })
      state.emit({ name: 'KeyAdded', subject: change.key, by: by.id })
      return 0
    }
    case 'admit':
      await enterParty(
        call,
        must,
        { id: change.member, kind: change.kind, country: change.country, key: change.key, act: change.act },
        ZERO,
      )
      return 1
    case 'validators':
    case 'writers': {
      const set = (await state.get('chainSet', change.chain)) as ChainSet
      state.put('chainSet', change.chain, changeSet(must, set, change))
      return 0
    }
    case 'upgrade':
      return 0 // nothing here runs other code: that the members want it stands in the proposal
  }
}
