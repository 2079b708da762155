import type { Call } from './call.ts'
import { type Hash, type Id, LABELS, type Label, type LabelStatus, type PartyKind, type Support } from './entities.ts'
import { type Actor, actor, enterParty, type NewParty } from './parties.ts'
import { isId, type Must, mustOf } from './refusal.ts'

/** Rows 13 to 16: manufacturers, ICT products, services and processes, their versions, and what is said of these (CSA 55; seed 1). */

/** Who registers whom, of its own state's chain. */
const REGISTERS: Partial<Record<PartyKind, readonly PartyKind[]>> = {
  ncca: ['manufacturer', 'holder', 'certificationBody'],
  coordinator: ['provider'],
  nab: ['cab', 'itsef', 'publicBody'],
}

/**
 * Row 13: the NCCA registers manufacturers and holders, the coordinator vulnerability providers; under a pseudonym and of any country.
 * Row 6: the accreditation body registers the bodies of its state, and the NCCA its certification body, for whose certificates it answers.
 */
export async function registerParty(call: Call, party: NewParty): Promise<void> {
  const by = await actor(call, mustOf(13), ['ncca', 'coordinator', 'nab'])
  const isBody = by.kind === 'nab' || party.kind === 'certificationBody'
  const must: Must = mustOf(isBody ? 6 : 13)
  const allowed = REGISTERS[by.kind] ?? []
  must(allowed.includes(party.kind), 'WrongRole', { kind: party.kind, allowed })
  const chain = await call.state.get('chain', 'self')
  must(chain?.country === by.country, 'WrongCountry', { chain: chain?.country, authority: by.country })
  must(!isBody || party.country === by.country, 'WrongCountry', { body: party.country, authority: by.country })
  await enterParty(call, must, party, by.id)
}

/** Row 14 */
export async function registerArtifact(call: Call, id: Id, description: Hash): Promise<void> {
  const must: Must = mustOf(14)
  const by = await actor(call, must, ['manufacturer'])
  must(isId(id), 'Missing', { id })
  must(isId(description), 'Missing', { description })
  must((await call.state.get('artifact', id)) === undefined, 'Exists', { artifact: id })
  call.state.put('artifact', id, { manufacturer: by.id, description, support: undefined, history: 0 })
  call.state.emit({ name: 'ArtifactRegistered', subject: id, by: by.id })
}

/** `firmware`: of what is shipped; `sbom`, `mud`: of these files, zero without one. */
export type VersionInput = { firmware: Hash; sbom: Hash; mud: Hash; patches?: Id | undefined; fixes?: Id[] | undefined }

/** Row 14: a version, or a patch of one; it never changes. */
export async function registerVersion(call: Call, artifact: Id, id: Id, input: VersionInput): Promise<void> {
  const must: Must = mustOf(14)
  const { by, manufacturer, hasSupport } = await ownArtifact(call, must, artifact)
  must(isId(id), 'Missing', { id })
  must(isId(input.firmware), 'Missing', { firmware: input.firmware })
  must((await call.state.get('version', id)) === undefined, 'Exists', { version: id })
  const { patches, fixes = [] } = input
  if (patches !== undefined) {
    const patched = await call.state.get('version', patches)
    must(patched?.artifact === artifact, 'Unknown', { patches })
  }
  must(patches !== undefined || fixes.length === 0, 'Missing', { patches, fixes })
  const { firmware, sbom, mud } = input
  call.state.put('version', id, {
    artifact,
    manufacturer,
    firmware,
    sbom,
    mud,
    patches,
    fixes,
    hasSupport,
    from: 'own',
  })
  call.state.emit({ name: 'VersionRegistered', subject: id, about: artifact, by: by.id })
}

/** Row 15: guidance, end of support, contact for vulnerabilities, repository of advisories; each earlier one stays in the history. */
export async function setSupport(call: Call, artifact: Id, support: Support): Promise<void> {
  const must: Must = mustOf(15)
  const { by, found } = await ownArtifact(call, must, artifact)
  for (const [name, hash] of Object.entries({
    guidance: support.guidance,
    contact: support.contact,
    repository: support.repository,
  }))
    must(isId(hash), 'Missing', { [name]: hash })
  must(support.until > call.now, 'OutOfBounds', { until: support.until, now: call.now })
  if (found.support) call.state.put('artifact', `${artifact}#${found.history}`, found)
  call.state.put('artifact', artifact, {
    ...found,
    support,
    history: found.history + (found.support ? 1 : 0),
  })
  call.state.emit({ name: 'SupportSet', subject: artifact, by: by.id })
}

async function ownArtifact(call: Call, must: Must, artifact: Id) {
  const by = await actor(call, must, ['manufacturer'])
  const found = await call.state.get('artifact', artifact)
  must(found !== undefined, 'Unknown', { artifact })
  must(found.manufacturer === by.id, 'NotYours', { artifact, manufacturer: found.manufacturer })
  return { by, found, manufacturer: by.id, hasSupport: found.support !== undefined }
}

export const labelId = (version: Id, vulnerability: Id, asserter: Id): string =>
  `${version}@${vulnerability}@${asserter}`

/**
 * Row 16: what somebody says of a version and a vulnerability. Each who may speak has labels of their own, and each keeps its history; nobody's is
 * overwritten by another. Silence is no statement.
 */
export async function label(
  call: Call,
  version: Id,
  vulnerability: Id,
  status: LabelStatus,
  justification?: Hash,
): Promise<void> {
  const must: Must = mustOf(16)
  const by = await actor(call, must, ['manufacturer', 'coordinator', 'provider'])
  const found = await call.state.get('version', version)
  must(found !== undefined, 'Unknown', { version })
  must(LABELS.includes(status), 'Missing', { status })
  must(status !== 'not_affected' || isId(justification ?? ''), 'Missing', { justification })
  await requireParticipant(call, must, by, found.manufacturer, vulnerability)
  const at = labelId(version, vulnerability, by.id)
  const before = await call.state.get('label', at)
  if (before) call.state.put('label', `${at}#${before.count}`, before)
  const next: Label = { status, justification, at: call.now, count: (before?.count ?? 0) + 1 }
  call.state.put('label', at, next)
  call.state.emit({ name: 'VersionLabelled', subject: version, about: vulnerability, by: by.id, status })
}

/** The version's manufacturer, and whoever leads the case; nobody while the case is sealed. */
async function requireParticipant(
  { state }: Call,
  must: Must,
  by: Actor,
  manufacturer: Id,
  vulnerability: Id,
): Promise<void> {
  const found = await state.get('foreignCase', vulnerability)
  must(found === undefined || found.disclosed !== undefined, 'Sealed', { vulnerability })
  if (by.kind === 'manufacturer') return must(by.id === manufacturer, 'NotYours', { manufacturer })
  must(found !== undefined, 'Unknown', { vulnerability })
  must(by.id === found.coordinator || by.id === found.provider, 'NotYours', { vulnerability })
}
