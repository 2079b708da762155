import type { Call } from './call.ts'
import { type Country, type Id, LEVELS, type Recognition, type Scheme, type Seconds } from './entities.ts'
import { actor } from './parties.ts'
import { isId, type Must, mustOf } from './refusal.ts'

/** Rows 3 to 5: schemes and whom they recognise (CSA 49, 54, 57; EUCC 44). */
export const EU = 'EU'
const DAY = 86_400
/** No term of a scheme is longer: what is in seconds must not be taken for milliseconds. */
const LONGEST = 36_525 * DAY

export type SchemeInput = Omit<Scheme, 'version' | 'owner' | 'from' | 'mapping'>
export const versionId = (scheme: Id, version: number): string => `${scheme}@${version}`
export const recognitionId = (country: Country, scheme: Id): string => `${country}@${scheme}`

/** Row 3: the Commission adopts a scheme, or amends it: a version of its own, and certificates keep theirs (CSA 49(7)). */
export async function adoptScheme(call: Call, id: Id, scheme: SchemeInput): Promise<void> {
  const must: Must = mustOf(3)
  const { id: by } = await actor(call, must, ['commission'])
  checkScheme(must, id, scheme)
  const before = await call.state.get('scheme', id)
  must(before === undefined || before.scope === scheme.scope, 'Mismatch', {
    scope: scheme.scope,
    before: before?.scope,
  })
  must(before === undefined || before.adopted <= scheme.adopted, 'OutOfBounds', { adopted: scheme.adopted })
  const other = await call.state.get('coverage', scheme.scope)
  must(other === undefined || other.scheme === id, 'Covered', { scope: scheme.scope, by: other?.scheme })
  putScheme(call, id, { ...scheme, version: (before?.version ?? 0) + 1, owner: EU, mapping: [], from: 'own' })
  call.state.put('coverage', scheme.scope, { scheme: id })
  call.state.emit({ name: 'SchemeAdopted', subject: id, by })
}

/** Row 4: a national scheme, and what its levels correspond to (CSA 57). */
export async function registerNationalScheme(
  call: Call,
  id: Id,
  scheme: SchemeInput,
  mapping: Scheme['mapping'],
): Promise<void> {
  const must: Must = mustOf(4)
  const { id: by, country } = await actor(call, must, ['ncca'])
  const chain = await call.state.get('chain', 'self')
  must(chain?.kind === 'certification', 'WrongChain')
  must(chain.country === country, 'WrongCountry', { chain: chain.country, ncca: country })
  checkScheme(must, id, scheme)
  const before = await call.state.get('scheme', id)
  must(before === undefined || before.owner === country, 'NotYours', { scheme: id, owner: before?.owner })
  const coverage = await call.state.get('coverage', scheme.scope)
  const covering = coverage && (await call.state.get('scheme', coverage.scheme))
  must(!covering || !isInForce(covering, call.now), 'Covered', { scope: scheme.scope, by: coverage?.scheme })
  for (const { level, scheme: to, to: toLevel } of mapping) {
    must(scheme.levels.includes(level), 'OutOfScope', { level })
    const target = await call.state.get('scheme', to)
    must(target?.owner === EU, 'Unknown', { scheme: to })
    must(target.levels.includes(toLevel), 'OutOfScope', { level: toLevel })
  }
  putScheme(call, id, { ...scheme, version: (before?.version ?? 0) + 1, owner: country, mapping, from: 'own' })
  call.state.emit({ name: 'SchemeAdopted', subject: id, by })
}

/** Row 5: certificates of a third country are recognised under a scheme. */
export async function recogniseCountry(
  call: Call,
  country: Country,
  scheme: Id,
  terms: Omit<Recognition, 'from'>,
): Promise<void> {
  const must: Must = mustOf(5)
  const { id: by } = await actor(call, must, ['commission'])
  must(/^[A-Z]{2}$/.test(country), 'Missing', { country })
  must(isId(terms.agreement), 'Missing', { agreement: terms.agreement })
  const found = await call.state.get('scheme', scheme)
  must(found?.owner === EU, 'Unknown', { scheme })
  must(terms.levels.length > 0 && terms.levels.every(l => found.levels.includes(l)), 'OutOfScope', {
    levels: terms.levels,
  })
  must(terms.since < terms.until, 'OutOfBounds', { since: terms.since, until: terms.until })
  call.state.put('recognition', recognitionId(country, scheme), { ...terms, from: 'own' })
  call.state.emit({ name: 'CountryRecognised', subject: scheme, by, status: country })
}

/** What the framework says of a third country's certificate. */
export type RecognitionState = 'recognised' | 'noAgreement' | 'notInForce' | 'notCovered'

/**
 * Whether a third country's certificate counts as one of an EU scheme at a time (EUCC 44): an agreement is in force, and it is for the certificate's level.
 * One of which no level is known is covered where every level of the scheme is: it can have no other.
 */
export function recognitionState(
  agreement: Recognition | undefined,
  { levels }: Pick<Scheme, 'levels'>,
  level: Scheme['levels'][number] | undefined,
  now: Seconds,
): RecognitionState {
  if (agreement === undefined) return 'noAgreement'
  if (now < agreement.since || now >= agreement.until) return 'notInForce'
  const wanted = level === undefined ? levels : [level]
  return wanted.every(one => agreement.levels.includes(one)) ? 'recognised' : 'notCovered'
}

/** From its adoption until certificates are no longer issued under it. */
export const isInForce = ({ adopted, endsAt }: Scheme, now: Seconds): boolean =>
  adopted <= now && (endsAt === undefined || now < endsAt)

function putScheme({ state }: Call, id: Id, scheme: Scheme): void {
  state.put('scheme', id, scheme)
  state.put('scheme', versionId(id, scheme.version), scheme)
}

function checkScheme(must: Must, id: Id, scheme: SchemeInput): void {
  must(isId(id), 'Missing', { id })
  must(isId(scheme.document), 'Missing', { document: scheme.document })
  must(isId(scheme.scope), 'Missing', { scope: scheme.scope })
  must(scheme.levels.length > 0 && isSubset(scheme.levels, LEVELS), 'OutOfScope', { levels: scheme.levels })
  must(isSubset(scheme.authorisedLevels, scheme.levels), 'OutOfScope', { authorisedLevels: scheme.authorisedLevels })
  must(isSubset(Object.keys(scheme.van), scheme.levels), 'OutOfScope', { van: scheme.van })
  must(!scheme.allowsDeclaration || scheme.levels.includes('basic'), 'OutOfScope', { allowsDeclaration: true })
  const { maxValidity, maxSuspension, maxSuspended, maxAccreditation } = scheme
  for (const [name, term] of Object.entries({ maxValidity, maxSuspension, maxSuspended, maxAccreditation }))
    must(Number.isSafeInteger(term) && term > 0 && term <= LONGEST, 'OutOfBounds', { [name]: term })
  must(maxSuspension <= maxSuspended, 'OutOfBounds', { maxSuspension, maxSuspended })
  must(scheme.endsAt === undefined || scheme.endsAt > scheme.adopted, 'OutOfBounds', { endsAt: scheme.endsAt })
}

const isSubset = (some: readonly string[], all: readonly string[]): boolean =>
  some.every((one, i) => all.includes(one) && some.indexOf(one) === i)
