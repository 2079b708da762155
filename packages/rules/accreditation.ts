import type { Call } from './call.ts'
import type { Accreditation, Authorisation, Hash, Id, Level, Scheme, Seconds, Standing } from './entities.ts'
import { type Actor, actor, findParty } from './parties.ts'
import { isId, type Must, mustOf } from './refusal.ts'

/** Rows 6 to 12: who may assess and certify (CSA 56, 58, 60, 61; EUCC 21 to 24, 31). */
export const BODIES = ['cab', 'itsef', 'certificationBody', 'publicBody'] as const

export type Scope = { schemes: Id[]; categories: Id[]; until: Seconds }

/** Row 6: the accreditation body of the state accredits a body of it; again, to renew. */
export async function accredit(call: Call, id: Id, scope: Scope): Promise<void> {
  const must: Must = mustOf(6)
  const by = await actor(call, must, ['nab'])
  const { country } = await findParty(call, must, id, BODIES)
  must(country === by.country, 'WrongCountry', { body: country, nab: by.country })
  const before = await call.state.get('accreditation', id)
  must(before === undefined || before.by === by.id || before.standing === 'ended', 'NotYours', { by: before?.by })
  const longest = await longestAccreditation(call, must, scope.schemes)
  must(scope.until > call.now, 'OutOfBounds', { until: scope.until, now: call.now })
  must(scope.until - call.now <= longest, 'OutOfBounds', { until: scope.until, longest })
  call.state.put('accreditation', id, { ...scope, by: by.id, standing: 'live' })
  call.state.emit({ name: 'BodyAccredited', subject: id, by: by.id })
}

/** CSA 60(4): five years at most, as data of each scheme. */
async function longestAccreditation({ state }: Call, must: Must, schemes: Id[]): Promise<Seconds> {
  must(schemes.length > 0, 'Missing', { schemes })
  const found = await Promise.all(schemes.map(id => state.get('scheme', id)))
  return Math.min(
    ...found.map((scheme, i) => {
      must(scheme !== undefined, 'Unknown', { scheme: schemes[i] })
      return scheme.maxAccreditation
    }),
  )
}

/** What may be changed of an accreditation or an authorisation: its scope becomes smaller, it rests, or it ends. */
export type Restriction =
  | { do: 'restrict'; schemes: Id[]; categories: Id[]; until: Seconds }
  | { do: 'suspend' }
  | { do: 'resume' }
  | { do: 'end' }

/** Row 7: by the same accreditation body; it keeps from new acts, and touches no certificate (CSA 60(4)). */
export async function changeAccreditation(call: Call, body: Id, change: Restriction, reason: Hash): Promise<void> {
  const must: Must = mustOf(7)
  const by = await actor(call, must, ['nab'])
  const before = await call.state.get('accreditation', body)
  must(before !== undefined, 'NotAccredited', { body })
  call.state.put('accreditation', body, restrict(must, by, before, change, reason))
  call.state.emit({ name: 'AccreditationChanged', subject: body, by: by.id, status: change.do })
}

/** Row 8: needed for *high*, or where the scheme asks for it; ends no later than the accreditation. */
export async function authorise(call: Call, body: Id, scope: Scope & { van: number }): Promise<void> {
  const must: Must = mustOf(8)
  const by = await ncca(call, must, body)
  const accreditation = await liveAccreditation(call, must, body)
  must(scope.schemes.length > 0, 'Missing', { schemes: scope.schemes })
  requireWithin(must, scope, accreditation)
  must(scope.until > call.now, 'OutOfBounds', { until: scope.until, now: call.now })
  must(Number.isInteger(scope.van) && scope.van >= 0 && scope.van <= 5, 'OutOfBounds', { van: scope.van })
  const before = await call.state.get('authorisation', body)
  must(before === undefined || before.by === by.id || before.standing === 'ended', 'NotYours', { by: before?.by })
  call.state.put('authorisation', body, { ...scope, by: by.id, standing: 'live' })
  call.state.emit({ name: 'BodyAuthorised', subject: body, by: by.id })
}

/** Row 9: by the same NCCA. */
export async function changeAuthorisation(call: Call, body: Id, change: Restriction, reason: Hash): Promise<void> {
  const must: Must = mustOf(9)
  const by = await actor(call, must, ['ncca'])
  const before = await call.state.get('authorisation', body)
  must(before !== undefined, 'NotAuthorised', { body })
  call.state.put('authorisation', body, restrict(must, by, before, change, reason))
  call.state.emit({ name: 'AuthorisationChanged', subject: body, by: by.id, status: change.do })
}

/** Row 10: the Commission is told of a body under its NANDO number; for *high* it must be authorised as well. */
export async function notifyBody(call: Call, body: Id, number: string, forHigh: boolean): Promise<void> {
  const must: Must = mustOf(10)
  const by = await ncca(call, must, body)
  await liveAccreditation(call, must, body)
  if (forHigh) await liveAuthorisation(call, must, body)
  must(/^([0-9]{4}|[1-9][0-9]{4,5})$/.test(number) && number !== '0000', 'Missing', { number })
  call.state.put('notification', body, { by: by.id, number })
  call.state.emit({ name: 'BodyNotified', subject: body, by: by.id, status: number })
}

/** Row 11: issuing *high* in general; ends no later than the authorisation (CSA 56(6)(b)). */
export async function delegateHigh(call: Call, body: Id, until: Seconds): Promise<void> {
  const must: Must = mustOf(11)
  const by = await ncca(call, must, body)
  await findParty(call, must, body, ['cab'])
  const authorisation = await liveAuthorisation(call, must, body)
  must(until > call.now && until <= authorisation.until, 'OutOfBounds', { until, authorisation: authorisation.until })
  call.state.put('delegation', body, { by: by.id, until, isLive: true })
  call.state.emit({ name: 'HighDelegated', subject: body, by: by.id })
}

export async function revokeDelegation(call: Call, body: Id): Promise<void> {
  const must: Must = mustOf(11)
  const by = await actor(call, must, ['ncca'])
  const before = await call.state.get('delegation', body)
  must(before?.isLive === true, 'NotDelegated', { body })
  must(before.by === by.id, 'NotYours', { by: before.by })
  call.state.put('delegation', body, { ...before, isLive: false })
  call.state.emit({ name: 'DelegationRevoked', subject: body, by: by.id })
}

export const approvalId = (commitment: Hash, body: Id): string => `${commitment}@${body}`

/** Row 12: one certificate, named by its commitment; to be used once, before it expires (CSA 56(6)(a)). */
export async function approve(
  call: Call,
  body: Id,
  approval: { commitment: Hash; until: Seconds; mayBeLonger: boolean },
): Promise<void> {
  const must: Must = mustOf(12)
  const by = await ncca(call, must, body)
  const { commitment, ...rest } = approval
  must(isId(commitment), 'Missing', { commitment })
  must(rest.until > call.now, 'OutOfBounds', { until: rest.until, now: call.now })
  const at = approvalId(commitment, body)
  must((await call.state.get('approval', at)) === undefined, 'Exists', { commitment, body })
  call.state.put('approval', at, { ...rest, by: by.id, body, isUsed: false })
  call.state.emit({ name: 'CertificateApproved', subject: commitment, by: by.id })
}

/** The supervision key of the NCCA of the body's own state. */
async function ncca(call: Call, must: Must, body: Id): Promise<Actor> {
  const by = await actor(call, must, ['ncca'])
  const { country } = await findParty(call, must, body, BODIES)
  must(country === by.country, 'WrongCountry', { body: country, ncca: by.country })
  return by
}

export async function liveAccreditation({ state, now }: Call, must: Must, body: Id): Promise<Accreditation> {
  const found = await state.get('accreditation', body)
  must(found?.standing === 'live' && now < found.until, 'NotAccredited', { body, standing: found?.standing })
  return found
}

/** It ends with the accreditation, whatever it says itself. */
export async function liveAuthorisation(call: Call, must: Must, body: Id): Promise<Authorisation> {
  await liveAccreditation(call, must, body)
  const found = await call.state.get('authorisation', body)
  must(found?.standing === 'live' && call.now < found.until, 'NotAuthorised', { body, standing: found?.standing })
  return found
}

export const needsAuthorisation = ({ authorisedLevels }: Scheme, level: Level): boolean =>
  level === 'high' || authorisedLevels.includes(level)

function requireWithin(must: Must, scope: Scope, outer: Scope): void {
  must(
    scope.schemes.every(s => outer.schemes.includes(s)),
    'OutOfScope',
    { schemes: scope.schemes },
  )
  must(
    scope.categories.every(c => outer.categories.includes(c)),
    'OutOfScope',
    { categories: scope.categories },
  )
  must(scope.until <= outer.until, 'OutOfBounds', { until: scope.until, outer: outer.until })
}

const NEXT: Record<Restriction['do'], { from: Standing[]; to: Standing }> = {
  restrict: { from: ['live', 'suspended'], to: 'live' },
  suspend: { from: ['live'], to: 'suspended' },
  resume: { from: ['suspended'], to: 'live' },
  end: { from: ['live', 'suspended'], to: 'ended' },
}

function restrict<T extends Scope & { by: Id; standing: Standing }>(
  must: Must,
  by: Actor,
  before: T,
  change: Restriction,
  reason: Hash,
): T {
  must(before.by === by.id, 'NotYours', { by: before.by })
  must(isId(reason), 'Missing', { reason })
  const { from, to } = NEXT[change.do]
  must(from.includes(before.standing), 'WrongState', { standing: before.standing, do: change.do })
  if (change.do !== 'restrict') return { ...before, standing: to }
  requireWithin(must, change, before)
  const { schemes, categories, until } = change
  return { ...before, schemes, categories, until }
}
