import { sha256 } from '@entente/verify/sha256'
import type { Call } from './call.ts'
import type { Case, DisclosurePolicy, Hash, Id, Participation, Seconds } from './entities.ts'
import { type Actor, actor, findParty } from './parties.ts'
import { isId, type Must, mustOf } from './refusal.ts'

/** Rows 31 to 35: coordinated disclosure after CERT/CC's Vultron: what is known of a case (CS), its embargo (EM) and its end (RM). NIS2 12. */
const PARTIES = ['provider', 'coordinator', 'manufacturer'] as const
export const POLICY = 'policy'

/** SHA-256 over a tag, the salt and what is committed to (docs/formats.md): of the report, and of an artifact's version that stays sealed. */
export function commit(what: 'report' | 'artifact', salt: Id, content: Hash): Hash {
  const bytes = Buffer.from(`entente/${what}/v1\n${salt}\n${content}\n`)
  return `0x${Buffer.from(sha256(bytes)).toString('hex')}`
}

export type Announcement = {
  commitment: Hash
  artifact: Case['artifact']
  coordinator: Id
  /** Of the embargo that is proposed with it. */
  proposedEnd: Seconds
}

/** Row 31: a provider, or the coordinator for somebody who stays unknown. It says that there is something, and not what. */
export async function announce(call: Call, id: Id, input: Announcement): Promise<void> {
  const must: Must = mustOf(31)
  const by = await actor(call, must, ['provider', 'coordinator'])
  const { state, now } = call
  must(isId(id), 'Missing', { id })
  must((await state.get('case', id)) === undefined, 'Exists', { case: id })
  must(isId(input.commitment), 'Missing', { commitment: input.commitment })
  must(isId('sealed' in input.artifact ? input.artifact.sealed : input.artifact.open), 'Missing', input.artifact)
  const coordinator = await findParty(call, must, input.coordinator, ['coordinator'])
  must(by.kind === 'provider' || by.id === coordinator.id, 'NotYours', { coordinator: coordinator.id })
  const policy = await readPolicy(call, must)
  must(input.proposedEnd > now && input.proposedEnd <= now + policy.maxEmbargo, 'OutOfBounds', {
    proposedEnd: input.proposedEnd,
    maxEmbargo: policy.maxEmbargo,
  })
  await countAnnouncement(call, must, by, policy)
  state.put('case', id, {
    provider: by.id,
    coordinator: coordinator.id,
    participants: by.id === coordinator.id ? [by.id] : [by.id, coordinator.id],
    commitment: input.commitment,
    artifact: input.artifact,
    announced: now,
    embargo: 'proposed',
    proposedEnd: input.proposedEnd,
    proposedAt: now,
    end: 0,
    accepted: [by.id],
    bits: { public: false, exploit: false, attacks: false },
    disclosed: undefined,
    closed: undefined,
    closing: [],
    from: 'own',
  })
  const about = 'open' in input.artifact ? { about: input.artifact.open } : {}
  state.emit({ name: 'VulnerabilityAnnounced', subject: id, ...about, by: by.id })
}

async function countAnnouncement({ state, now }: Call, must: Must, by: Actor, policy: DisclosurePolicy): Promise<void> {
  const before = await state.get('announced', by.id)
  const isSame = before !== undefined && now < before.since + policy.per
  must(!isSame || before.count < policy.announcements, 'TooMany', { announced: before?.count, per: policy.per })
  state.put('announced', by.id, isSame ? { ...before, count: before.count + 1 } : { since: now, count: 1 })
}

/** Row 31: a case may have several manufacturers; who leads it asks them in. */
export async function invite(call: Call, id: Id, manufacturer: Id): Promise<void> {
  const must: Must = mustOf(31)
  const { by, found } = await open(call, must, id)
  must(by.id === found.coordinator || by.id === found.provider, 'NotYours', { case: id })
  await findParty(call, must, manufacturer, ['manufacturer'])
  must(!found.participants.includes(manufacturer), 'Exists', { manufacturer })
  call.state.put('case', id, { ...found, participants: [...found.participants, manufacturer] })
  call.state.put('participation', `${id}@${manufacturer}`, NOTHING)
  call.state.emit({ name: 'ParticipantInvited', subject: id, by: by.id, status: manufacturer })
}

const NOTHING: Participation = { vendorAware: false, fixReady: false, fixDeployed: false, isIn: true }

/** Row 32: a first embargo, or another end of the one that is active. */
export async function proposeEmbargo(call: Call, id: Id, end: Seconds): Promise<void> {
  const must: Must = mustOf(32)
  const { by, found } = await open(call, must, id)
  const { maxEmbargo, maxTotal } = await readPolicy(call, must)
  const { bits, embargo, announced } = found
  must(!bits.public && !bits.exploit && !bits.attacks, 'WrongState', { ...bits })
  const isActive = embargo === 'active' && call.now < found.end
  must(embargo === 'none' || embargo === 'proposed' || embargo === 'revise' || isActive, 'WrongState', { embargo })
  must(end > call.now && end <= call.now + maxEmbargo, 'OutOfBounds', { end, maxEmbargo })
  must(end <= announced + maxTotal, 'OutOfBounds', { end, maxTotal })
  const next = isActive || embargo === 'revise' ? 'revise' : 'proposed'
  call.state.put('case', id, {
    ...found,
    embargo: next,
    proposedEnd: end,
    proposedAt: call.now,
    accepted: [by.id],
  })
  call.state.emit({ name: 'EmbargoProposed', subject: id, by: by.id })
}

/** Row 32: it holds once everybody in the case has accepted it, and never on one party's word alone. */
export async function acceptEmbargo(call: Call, id: Id): Promise<void> {
  const must: Must = mustOf(32)
  const { by, found } = await open(call, must, id)
  must(found.embargo === 'proposed' || found.embargo === 'revise', 'WrongState', { embargo: found.embargo })
  must(!found.accepted.includes(by.id), 'VotedAlready', { party: by.id })
  must(call.now < found.proposedEnd, 'OutOfBounds', { proposedEnd: found.proposedEnd, now: call.now })
  const accepted = [...found.accepted, by.id]
  const isAgreed = found.participants.every(one => accepted.includes(one))
  call.state.put('case', id, {
    ...found,
    accepted,
    ...(isAgreed ? { embargo: 'active', end: found.proposedEnd } : {}),
  })
  call.state.emit({ name: 'EmbargoAccepted', subject: id, by: by.id })
}

/** Row 32: what was proposed is not to be; an active embargo stays as it is. */
export async function rejectEmbargo(call: Call, id: Id): Promise<void> {
  const must: Must = mustOf(32)
  const { by, found } = await open(call, must, id)
  must(found.embargo === 'proposed' || found.embargo === 'revise', 'WrongState', { embargo: found.embargo })
  const embargo = found.embargo === 'revise' ? 'active' : 'none'
  call.state.put('case', id, { ...found, embargo, accepted: [] })
  call.state.emit({ name: 'EmbargoRejected', subject: id, by: by.id })
}

/** Row 32: who leaves an active embargo ends it, and everybody sees who did. Its end publishes nothing. */
export async function leaveEmbargo(call: Call, id: Id, reason: Hash): Promise<void> {
  const must: Must = mustOf(32)
  const { by, found } = await open(call, must, id)
  must(found.embargo === 'active' || found.embargo === 'revise', 'WrongState', { embargo: found.embargo })
  must(isId(reason), 'Missing', { reason })
  call.state.put('case', id, { ...found, embargo: 'exited' })
  call.state.emit({ name: 'EmbargoEnded', subject: id, by: by.id, status: reason })
}

export type Bit = 'V' | 'F' | 'D' | 'P' | 'X' | 'A'

/** Row 33: what has come true, with evidence; never taken back. @param of the manufacturer that V, F or D is about; the caller by default */
export async function advance(call: Call, id: Id, bit: Bit, evidence: Hash, of?: Id): Promise<void> {
  const must: Must = mustOf(33)
  const { by, found } = await inCase(call, must, id)
  must(isId(evidence), 'Missing', { evidence })
  if (bit === 'P' || bit === 'X' || bit === 'A') advanceCase(call, must, id, found, bit)
  else await advanceVendor(call, must, id, found, bit, by, of ?? by.id)
  call.state.emit({ name: 'CaseAdvanced', subject: id, by: by.id, status: bit })
}

/** X brings P; P or X ends the embargo. */
function advanceCase({ state }: Call, must: Must, id: Id, found: Case, bit: 'P' | 'X' | 'A'): void {
  const { bits } = found
  const was = { P: bits.public, X: bits.exploit, A: bits.attacks }[bit]
  must(!was, 'WrongState', { bit })
  const next = {
    public: bits.public || bit !== 'A',
    exploit: bits.exploit || bit === 'X',
    attacks: bits.attacks || bit === 'A',
  }
  state.put('case', id, { ...found, bits: next, ...(next.public ? { embargo: 'exited' } : {}) })
}

async function advanceVendor(
  { state }: Call,
  must: Must,
  id: Id,
  found: Case,
  bit: 'V' | 'F' | 'D',
  by: Actor,
  of: Id,
): Promise<void> {
  const at = `${id}@${of}`
  const own = await state.get('participation', at)
  must(own !== undefined, 'Unknown', { manufacturer: of })
  must(by.id === of || (bit === 'V' && by.id === found.coordinator), 'NotYours', { manufacturer: of })
  const isAware = own.vendorAware || found.bits.public // P brings V
  if (bit === 'V') must(!isAware, 'WrongState', { bit })
  if (bit === 'F') must(isAware && !own.fixReady, 'WrongState', { bit, vendorAware: isAware })
  if (bit === 'D') must(own.fixReady && !own.fixDeployed, 'WrongState', { bit, fixReady: own.fixReady })
  state.put('participation', at, {
    ...own,
    vendorAware: true,
    fixReady: own.fixReady || bit === 'F',
    fixDeployed: own.fixDeployed || bit === 'D',
  })
}

export type Disclosure = { salt: Id; content: Hash; artifact?: { salt: Id; version: Id } | undefined }

/** Row 34: what was announced is shown; only that, and not while an embargo is active, or may yet be accepted. */
export async function disclose(call: Call, id: Id, { salt, content, artifact }: Disclosure): Promise<void> {
  const must: Must = mustOf(34)
  const { by, found } = await inCase(call, must, id)
  must(found.disclosed === undefined, 'Exists', { disclosed: found.disclosed })
  must(found.closed === undefined, 'Closed', { closed: found.closed })
  must(commit('report', salt, content) === found.commitment, 'Mismatch', { commitment: found.commitment })
  const policy = await readPolicy(call, must)
  must(!isEmbargoed(found, policy, call.now), 'Embargoed', { embargo: found.embargo, end: found.end })
  if ('sealed' in found.artifact) {
    must(artifact !== undefined, 'Missing', { artifact })
    must(commit('artifact', artifact.salt, artifact.version) === found.artifact.sealed, 'Mismatch', {
      sealed: found.artifact.sealed,
    })
  }
  const open = artifact && 'sealed' in found.artifact ? { open: artifact.version } : found.artifact
  call.state.put('case', id, {
    ...found,
    artifact: open,
    disclosed: call.now,
    bits: { ...found.bits, public: true },
    embargo: 'exited',
  })
  const about = 'open' in open ? { about: open.open } : {}
  call.state.emit({ name: 'VulnerabilityDisclosed', subject: id, ...about, by: by.id, status: content })
}

/** Whether nobody may disclose now. What was never accepted in time holds nobody. */
export function isEmbargoed({ embargo, end, proposedAt }: Case, { acceptWithin }: DisclosurePolicy, now: Seconds) {
  if (embargo === 'active' || embargo === 'revise') return now < end
  return embargo === 'proposed' && now < proposedAt + acceptWithin
}

/** Row 35: by the coordinator; or by the provider and a manufacturer, the second of whom closes it. */
export async function close(call: Call, id: Id, as: 'invalid' | 'duplicate', reason: Hash): Promise<void> {
  const must: Must = mustOf(35)
  const { by, found } = await open(call, must, id)
  must(isId(reason), 'Missing', { reason })
  must(!found.closing.some(one => one.by === by.id && one.as === as), 'VotedAlready', { party: by.id })
  const closing = [...found.closing, { by: by.id, as }]
  const agreed = closing.filter(one => one.as === as).map(one => one.by)
  const isByTwo = agreed.includes(found.provider) && agreed.some(one => one !== found.provider)
  const isClosed = by.id === found.coordinator || isByTwo
  call.state.put('case', id, { ...found, ...(isClosed ? { closed: as, closing: [] } : { closing }) })
  if (isClosed) call.state.emit({ name: 'CaseClosed', subject: id, by: by.id, status: as })
}

/** Row 35 */
export async function reopen(call: Call, id: Id, reason: Hash): Promise<void> {
  const must: Must = mustOf(35)
  const { by, found } = await inCase(call, must, id)
  must(found.closed !== undefined, 'WrongState', { closed: found.closed })
  must(by.id === found.coordinator || by.id === found.provider, 'NotYours', { case: id })
  must(isId(reason), 'Missing', { reason })
  call.state.put('case', id, { ...found, closed: undefined })
  call.state.emit({ name: 'CaseReopened', subject: id, by: by.id })
}

async function inCase(call: Call, must: Must, id: Id): Promise<{ by: Actor; found: Case }> {
  const by = await actor(call, must, PARTIES)
  const found = await call.state.get('case', id)
  must(found !== undefined, 'Unknown', { case: id })
  must(found.participants.includes(by.id), 'NotYours', { case: id })
  return { by, found }
}

/** Not closed, and not disclosed. */
async function open(call: Call, must: Must, id: Id): Promise<{ by: Actor; found: Case }> {
  const one = await inCase(call, must, id)
  must(one.found.closed === undefined, 'Closed', { closed: one.found.closed })
  must(one.found.disclosed === undefined, 'WrongState', { disclosed: one.found.disclosed })
  return one
}

async function readPolicy({ state }: Call, must: Must): Promise<DisclosurePolicy> {
  const policy = await state.get('disclosurePolicy', POLICY)
  must(policy !== undefined, 'WrongChain')
  return policy
}
