import type { Call } from './call.ts'
import { approvalId, BODIES, liveAccreditation, liveAuthorisation, needsAuthorisation } from './accreditation.ts'
import type { Certificate, Hash, Id, Level, PartyKind, Scheme, Seconds } from './entities.ts'
import { isInForce, versionId } from './framework.ts'
import { attestor, ownNcca } from './mirror.ts'
import { type Actor, actor, findParty } from './parties.ts'
import { isId, type Must, mustOf } from './refusal.ts'

/** Rows 17 to 30: certificates and statements of conformity, from issue to end (CSA 53, 56, 57; EUCC 9, 12 to 20, 25, 30, 33 to 36). */

export type CertificateState = 'inForce' | 'suspended' | 'withdrawn' | 'expired' | 'unknown'

/** Its public status at a time: computed, by nobody. A review or a component's vulnerability changes none. */
export function certificateState(
  { withdrawn, until, since, suspendedUntil }: Certificate,
  now: Seconds,
): CertificateState {
  if (withdrawn !== undefined && withdrawn <= now) return 'withdrawn'
  if (until === undefined || now < since) return 'unknown'
  if (now >= until) return 'expired'
  return now < suspendedUntil ? 'suspended' : 'inForce'
}

/** What a new certificate says. `document`: SHA-256 of its public part; `report`: of the certification report. */
export type CertificateInput = {
  scheme: Id
  level: Level
  holder: Id
  versions: Id[]
  series?: Hash | undefined
  components: Id[]
  /** Of what is certified; a body's scope must have them. */
  categories: Id[]
  document: Hash
  report: Hash
  itsef?: Id | undefined
  van: number
  since: Seconds
  until: Seconds
  due: Seconds[]
}

const ISSUERS: readonly PartyKind[] = ['cab', 'certificationBody', 'publicBody']

/**
 * Rows 18 to 21: a body issues a certificate of an ICT product, service or process. The level and the scheme say what it needs for that:
 * accreditation always; a notification; for *high* an authorisation, and a delegation or an approval of this certificate.
 */
export async function issue(call: Call, id: Id, input: CertificateInput): Promise<void> {
  const scheme = await call.state.get('scheme', input.scheme)
  const must: Must = mustOf(input.level === 'high' ? 20 : scheme?.isPublicOnly ? 19 : 18)
  const by = await actor(call, must, ISSUERS)
  must(scheme !== undefined, 'Unknown', { scheme: input.scheme })
  await requireVersions(call, must, input)
  await putIssued(call, must, id, input, { by, scheme, kind: 'certificate' })
}

/** Row 22: a protection profile, which is about no artifact (EUCC 17(4)). */
export async function certifyProfile(call: Call, id: Id, input: CertificateInput): Promise<void> {
  const must: Must = mustOf(22)
  const by = await actor(call, must, ISSUERS)
  const scheme = await call.state.get('scheme', input.scheme)
  must(scheme !== undefined, 'Unknown', { scheme: input.scheme })
  must(scheme.allowsProfiles, 'OutOfScope', { allowsProfiles: false })
  must(input.versions.length === 0 && input.series === undefined, 'OutOfScope', { versions: input.versions })
  await putIssued(call, must, id, input, { by, scheme, kind: 'profile' })
}

type Issue = { by: Actor; scheme: Scheme; kind: 'certificate' | 'profile'; imposed?: Partial<Certificate> }

async function putIssued(call: Call, must: Must, id: Id, input: CertificateInput, issue: Issue): Promise<void> {
  const { by, scheme, kind } = issue
  const { state, now } = call
  must(isId(id), 'Missing', { id })
  must((await state.get('certificate', id)) === undefined, 'Exists', { certificate: id })
  must(isInForce(scheme, now), 'SchemeEnded', { scheme: input.scheme, endsAt: scheme.endsAt })
  must(scheme.levels.includes(input.level), 'OutOfScope', { level: input.level, levels: scheme.levels })
  must(isId(input.document), 'Missing', { document: input.document })
  must(isId(input.report), 'Missing', { report: input.report })
  await findParty(call, must, input.holder, ['holder', 'manufacturer'])
  must(input.since <= now, 'OutOfBounds', { since: input.since, now })
  must(input.until > now && input.until > input.since, 'OutOfBounds', { until: input.until, now })
  must(
    input.due.every(at => at > input.since && at <= input.until),
    'OutOfBounds',
    { due: input.due },
  )

  const approval = await state.get('approval', approvalId(input.document, by.id))
  const isApproved = approval !== undefined && !approval.isUsed && now < approval.until
  const isLong = input.until - input.since > scheme.maxValidity
  const needs = await requireRight(call, must, input, { by, scheme, kind }, isApproved)
  // Row 21: longer than the scheme has it, if the NCCA approved that of this certificate (EUCC 12(3)).
  const mustBeShort: Must = mustOf(21)
  mustBeShort(!isLong || (isApproved && approval.mayBeLonger), 'OutOfBounds', {
    until: input.until,
    maxValidity: scheme.maxValidity,
  })
  if (isApproved && (needs || isLong))
    state.put('approval', approvalId(input.document, by.id), { ...approval, isUsed: true })

  const { scheme: schemeId, categories: _, ...rest } = input
  state.put('certificate', id, {
    ...BLANK,
    ...rest,
    series: input.series,
    itsef: input.itsef,
    scheme: schemeId,
    schemeVersion: scheme.version,
    issuer: by.id,
    ncca: isApproved && (needs || isLong) ? approval.by : by.kind === 'certificationBody' ? by.registrar : undefined,
    kind,
    ...issue.imposed,
  })
  state.emit({ name: 'CertificateIssued', subject: id, by: by.id, status: input.level })
  for (const about of input.versions) state.emit({ name: 'VersionCertified', subject: id, about, by: by.id })
}

const BLANK = {
  isImported: false,
  withdrawn: undefined,
  suspendedUntil: 0,
  suspended: 0,
  isUnderReview: false,
  notified: [],
  successor: undefined,
}

/** @returns whether it takes an approval of this certificate */
async function requireRight(
  call: Call,
  must: Must,
  { scheme: schemeId, level, categories, van, itsef }: CertificateInput,
  { by, scheme, kind }: Issue,
  isApproved: boolean,
): Promise<boolean> {
  const accreditation = await liveAccreditation(call, must, by.id)
  const covers = (scope: { schemes: Id[]; categories: Id[] }) =>
    scope.schemes.includes(schemeId) && categories.every(c => scope.categories.includes(c))
  must(covers(accreditation), 'OutOfScope', { scheme: schemeId, categories })
  must(!scheme.isPublicOnly || by.kind !== 'cab', 'WrongRole', { kind: by.kind })
  must(van <= (scheme.van[level] ?? 0), 'OutOfScope', { van, most: scheme.van[level] ?? 0 })
  const isOwnBody = by.kind === 'certificationBody'
  must(level !== 'high' || isOwnBody || by.kind === 'cab', 'WrongRole', { kind: by.kind })
  if (!isOwnBody) must((await call.state.get('notification', by.id)) !== undefined, 'NotNotified', { body: by.id })

  if (needsAuthorisation(scheme, level) && !isOwnBody) {
    const authorisation = await liveAuthorisation(call, must, by.id)
    must(covers(authorisation) && van <= authorisation.van, 'NotAuthorised', { body: by.id, van })
  }
  if (level === 'high') {
    must(itsef !== undefined, 'Missing', { itsef })
    await findParty(call, must, itsef, ['itsef'])
    const evaluation = await liveAuthorisation(call, must, itsef)
    must(covers(evaluation) && van <= evaluation.van, 'NotAuthorised', { itsef, van })
  }
  // Row 22: of a protection profile a CAB needs the approval of each.
  if (kind === 'profile' && by.kind === 'cab') {
    must(isApproved, 'NotApproved', { body: by.id })
    return true
  }
  if (level !== 'high' || isOwnBody) return false
  const delegation = await call.state.get('delegation', by.id)
  const isDelegated = delegation?.isLive === true && call.now < delegation.until
  must(isDelegated || isApproved, isApproved ? 'NotApproved' : 'NotDelegated', { body: by.id })
  return !isDelegated
}

async function requireVersions({ state }: Call, must: Must, { versions, series }: CertificateInput): Promise<void> {
  must(versions.length > 0 || isId(series ?? ''), 'Missing', { versions, series })
  must(new Set(versions).size === versions.length, 'Exists', { versions })
  for (const id of versions) {
    const version = await state.get('version', id)
    must(version !== undefined, 'Unknown', { version: id })
    must(version.hasSupport, 'NoSupport', { version: id })
  }
}

export type LegacyInput = {
  scheme: Id
  level?: Level | undefined
  issuer: Id
  holder: Id
  components: Id[]
  /** Of what it was taken from. */
  document: Hash
  since: Seconds
  until?: Seconds | undefined
}

/** Row 17: what was certified before, with its own dates, marked as imported (CSA 57(3)). Where nobody knows its end it is never in force. */
export async function importLegacy(call: Call, id: Id, input: LegacyInput): Promise<void> {
  const must: Must = mustOf(17)
  const by = await ownNcca(call, must)
  must(isId(id), 'Missing', { id })
  must((await call.state.get('certificate', id)) === undefined, 'Exists', { certificate: id })
  must(isId(input.document), 'Missing', { document: input.document })
  const scheme = await call.state.get('scheme', input.scheme)
  must(scheme !== undefined, 'Unknown', { scheme: input.scheme })
  must(input.level === undefined || scheme.levels.includes(input.level), 'OutOfScope', { level: input.level })
  must(input.until === undefined || input.until > input.since, 'OutOfBounds', { until: input.until })
  must(input.since <= call.now, 'OutOfBounds', { since: input.since, now: call.now })
  await findParty(call, must, input.holder, ['holder', 'manufacturer'])
  const { document, since, holder, issuer, components, level, until } = input
  call.state.put('certificate', id, {
    ...BLANK,
    scheme: input.scheme,
    schemeVersion: scheme.version,
    level,
    issuer,
    ncca: by.id,
    holder,
    kind: 'certificate',
    versions: [],
    series: undefined,
    components,
    document,
    report: document,
    itsef: undefined,
    van: 0,
    since,
    until,
    isImported: true,
    due: [],
  })
  call.state.emit({ name: 'CertificateImported', subject: id, by: by.id })
}

export type DeclarationInput = Pick<CertificateInput, 'scheme' | 'versions' | 'document' | 'report' | 'since' | 'until'>

/** Row 23: a manufacturer states conformity of its own artifact, on its sole responsibility (CSA 53): *basic*, where the scheme allows it. */
export async function declare(call: Call, id: Id, input: DeclarationInput): Promise<void> {
  const must: Must = mustOf(23)
  const by = await actor(call, must, ['manufacturer'])
  const { state, now } = call
  must(isId(id), 'Missing', { id })
  must((await state.get('certificate', id)) === undefined, 'Exists', { certificate: id })
  const scheme = await state.get('scheme', input.scheme)
  must(scheme !== undefined, 'Unknown', { scheme: input.scheme })
  must(isInForce(scheme, now), 'SchemeEnded', { scheme: input.scheme })
  must(scheme.allowsDeclaration && scheme.levels.includes('basic'), 'OutOfScope', { allowsDeclaration: false })
  // Copies go to the NCCA and ENISA: what these have is named by its hash.
  must(isId(input.document), 'Missing', { document: input.document })
  must(isId(input.report), 'Missing', { report: input.report })
  must(input.versions.length > 0, 'Missing', { versions: input.versions })
  for (const version of input.versions) {
    const found = await state.get('version', version)
    must(found !== undefined, 'Unknown', { version })
    must(found.manufacturer === by.id, 'NotYours', { version, manufacturer: found.manufacturer })
    must(found.hasSupport, 'NoSupport', { version })
  }
  must(input.since <= now && input.until > now, 'OutOfBounds', { since: input.since, until: input.until, now })
  must(input.until - input.since <= scheme.maxValidity, 'OutOfBounds', { until: input.until })
  state.put('certificate', id, {
    ...BLANK,
    ...input,
    schemeVersion: scheme.version,
    level: 'basic',
    issuer: by.id,
    ncca: undefined,
    holder: by.id,
    kind: 'declaration',
    series: undefined,
    components: [],
    itsef: undefined,
    van: 0,
    due: [],
  })
  state.emit({ name: 'ConformityDeclared', subject: id, by: by.id })
  for (const about of input.versions) state.emit({ name: 'VersionCertified', subject: id, about, by: by.id })
}

/** Row 24: the issuing body, on its own or where holder or NCCA ask it to; the status is as before. */
export async function openReview(call: Call, id: Id): Promise<void> {
  const must: Must = mustOf(24)
  const { by, certificate } = await issued(call, must, id)
  requireCurrent(call, must, certificate)
  must(!certificate.isUnderReview, 'WrongState', { isUnderReview: true })
  call.state.put('certificate', id, { ...certificate, isUnderReview: true })
  call.state.emit({ name: 'ReviewOpened', subject: id, by: by.id })
}

export type ReviewEnd =
  | { do: 'confirm' }
  | { do: 'withdraw'; reason: Hash }
  /** Withdrawn, and another issued in its place, in one call. */
  | { do: 'replace'; reason: Hash; id: Id; certificate: CertificateInput; sameScope: boolean }

/** Row 25: a review ends with what it has found; a successor is linked to what it succeeds (EUCC 13(2)). */
export async function closeReview(call: Call, id: Id, end: ReviewEnd): Promise<void> {
  const must: Must = mustOf(25)
  const { by, certificate } = await issued(call, must, id)
  must(certificate.isUnderReview, 'WrongState', { isUnderReview: false })
  must(certificate.withdrawn === undefined, 'Withdrawn', { certificate: id })
  const closed = { ...certificate, isUnderReview: false }
  call.state.emit({ name: 'ReviewClosed', subject: id, by: by.id, status: end.do })
  if (end.do === 'confirm') return call.state.put('certificate', id, closed)
  must(isId(end.reason), 'Missing', { reason: end.reason })
  const successor = end.do === 'replace' ? end.id : certificate.successor
  call.state.put('certificate', id, { ...closed, withdrawn: call.now, successor })
  call.state.emit({ name: 'CertificateWithdrawn', subject: id, by: by.id, status: end.reason })
  if (end.do !== 'replace') return
  const isSame = end.certificate.scheme === certificate.scheme && end.certificate.level === certificate.level
  must(!end.sameScope || isSame, 'Mismatch', { scheme: certificate.scheme, level: certificate.level })
  await issue(call, end.id, end.certificate)
}

/** Row 26: a minor change: a new certificate of the changed versions that ends no later than the old one (EUCC Annex IV.3). */
export async function maintain(call: Call, id: Id, newId: Id, input: CertificateInput): Promise<void> {
  const must: Must = mustOf(26)
  const { by, certificate } = await issued(call, must, id)
  requireCurrent(call, must, certificate)
  must(certificate.successor === undefined, 'WrongState', { successor: certificate.successor })
  must(input.scheme === certificate.scheme && input.level === certificate.level, 'Mismatch', { level: input.level })
  must(input.until <= (certificate.until as Seconds), 'OutOfBounds', { until: input.until, old: certificate.until })
  call.state.put('certificate', id, { ...certificate, successor: newId })
  call.state.emit({ name: 'CertificateMaintained', subject: id, about: newId, by: by.id })
  await issue(call, newId, input)
}

/** Row 27: for as long as the scheme has it at once; the validity is as before (EUCC 30(1)-(2)). */
export async function suspend(call: Call, id: Id, until: Seconds, reason: Hash, actions: Hash): Promise<void> {
  const must: Must = mustOf(27)
  const { by, certificate } = await issued(call, must, id)
  must(certificateState(certificate, call.now) === 'inForce', 'WrongState', {
    state: certificateState(certificate, call.now),
  })
  must(isId(reason) && isId(actions), 'Missing', { reason, actions })
  const { maxSuspension, maxSuspended } = await schemeOf(call, must, certificate)
  const length = until - call.now
  must(length > 0 && length <= maxSuspension, 'OutOfBounds', { until, maxSuspension })
  const suspended = certificate.suspended + length
  must(suspended <= maxSuspended, 'OutOfBounds', { suspended, maxSuspended })
  call.state.put('certificate', id, { ...certificate, suspendedUntil: until, suspended })
  call.state.emit({ name: 'CertificateSuspended', subject: id, by: by.id, status: reason, until })
}

/** Row 27 */
export async function lift(call: Call, id: Id): Promise<void> {
  const must: Must = mustOf(27)
  const { by, certificate } = await issued(call, must, id)
  must(certificateState(certificate, call.now) === 'suspended', 'WrongState', {
    state: certificateState(certificate, call.now),
  })
  const suspended = certificate.suspended - (certificate.suspendedUntil - call.now)
  call.state.put('certificate', id, { ...certificate, suspendedUntil: call.now, suspended })
  call.state.emit({ name: 'SuspensionLifted', subject: id, by: by.id })
}

/** Row 28: by the NCCA, and no more in all than the scheme has it (EUCC 30(6)). */
export async function extendSuspension(call: Call, id: Id, until: Seconds, reason: Hash): Promise<void> {
  const must: Must = mustOf(28)
  const by = await actor(call, must, ['ncca'])
  const certificate = await call.state.get('certificate', id)
  must(certificate !== undefined, 'Unknown', { certificate: id })
  await requireOwnCountry(call, must, by, certificate)
  must(certificateState(certificate, call.now) === 'suspended', 'WrongState', {
    state: certificateState(certificate, call.now),
  })
  must(isId(reason), 'Missing', { reason })
  must(until > certificate.suspendedUntil, 'OutOfBounds', { until, suspendedUntil: certificate.suspendedUntil })
  const { maxSuspended } = await schemeOf(call, must, certificate)
  const suspended = certificate.suspended + (until - certificate.suspendedUntil)
  must(suspended <= maxSuspended, 'OutOfBounds', { suspended, maxSuspended })
  call.state.put('certificate', id, { ...certificate, suspendedUntil: until, suspended })
  call.state.emit({ name: 'SuspensionExtended', subject: id, by: by.id, until })
}

/** Row 29: for good; by the issuing body, and by the NCCA where it approved it or its own body issued it (EUCC 14, 20; CSA 58(8)(e)). */
export async function withdraw(call: Call, id: Id, reason: Hash): Promise<void> {
  const must: Must = mustOf(29)
  const by = await actor(call, must, [...ISSUERS, 'ncca', 'manufacturer'])
  const certificate = await call.state.get('certificate', id)
  must(certificate !== undefined, 'Unknown', { certificate: id })
  must(by.id === certificate.issuer || by.id === certificate.ncca, 'NotYours', { certificate: id })
  must(certificate.withdrawn === undefined, 'Withdrawn', { certificate: id })
  must(isId(reason), 'Missing', { reason })
  call.state.put('certificate', id, { ...certificate, withdrawn: call.now, isUnderReview: false })
  call.state.emit({ name: 'CertificateWithdrawn', subject: id, by: by.id, status: reason })
}

/**
 * Row 30: a component's vulnerability comes by the inbox, which has checked the proof, or on the NCCA's word. The status is as before (EUCC 33(4)).
 *
 * @param component certificate or version that the certificate names
 */
export async function notifyComponent(call: Call, id: Id, component: Id, vulnerability: Id): Promise<void> {
  const must: Must = mustOf(30)
  const { by } = await attestor(call, must)
  const certificate = await call.state.get('certificate', id)
  must(certificate !== undefined, 'Unknown', { certificate: id })
  must(certificate.components.includes(component), 'OutOfScope', { component })
  must(isId(vulnerability), 'Missing', { vulnerability })
  must(!certificate.notified.includes(vulnerability), 'Exists', { vulnerability })
  call.state.put('certificate', id, { ...certificate, notified: [...certificate.notified, vulnerability] })
  call.state.emit({ name: 'ComponentNotified', subject: id, by, status: vulnerability })
}

/** Row 30: by the issuing body alone. */
export async function clearNotification(call: Call, id: Id, vulnerability: Id): Promise<void> {
  const must: Must = mustOf(30)
  const { by, certificate } = await issued(call, must, id)
  must(certificate.notified.includes(vulnerability), 'Unknown', { vulnerability })
  const notified = certificate.notified.filter(one => one !== vulnerability)
  call.state.put('certificate', id, { ...certificate, notified })
  call.state.emit({ name: 'NotificationCleared', subject: id, by: by.id, status: vulnerability })
}

/** By the body that issued it, which need not be accredited any more: it answers for what it has issued. */
async function issued(call: Call, must: Must, id: Id): Promise<{ by: Actor; certificate: Certificate }> {
  const by = await actor(call, must, BODIES)
  const certificate = await call.state.get('certificate', id)
  must(certificate !== undefined, 'Unknown', { certificate: id })
  must(certificate.issuer === by.id, 'NotYours', { certificate: id, issuer: certificate.issuer })
  return { by, certificate }
}

function requireCurrent({ now }: Call, must: Must, certificate: Certificate): void {
  const state = certificateState(certificate, now)
  must(state !== 'withdrawn', 'Withdrawn')
  must(state === 'inForce' || state === 'suspended', 'WrongState', { state })
}

async function requireOwnCountry({ state }: Call, must: Must, by: Actor, { issuer }: Certificate): Promise<void> {
  const body = await state.get('party', issuer)
  must(body?.country === by.country, 'WrongCountry', { issuer: body?.country, ncca: by.country })
}

/** The scheme as it was when the certificate was issued (row 3). */
async function schemeOf({ state }: Call, must: Must, { scheme, schemeVersion }: Certificate): Promise<Scheme> {
  const found = await state.get('scheme', versionId(scheme, schemeVersion))
  must(found !== undefined, 'Unknown', { scheme })
  return found
}
