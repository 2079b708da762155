import {
  type Certificate,
  certificateState,
  type CertificateState,
  type Country,
  EU,
  type Id,
  recognitionId,
  type RecognitionState,
  recognitionState,
  type Scheme,
  type Seconds,
  versionId,
} from '@entente/rules'
import type { ReadingLevel } from '#ledger/rule-chain.ts'
import {
  asOf,
  type CheckOptions,
  type CountryChains,
  createReader,
  type Evidence,
  type Reader,
  weakest,
} from './check.ts'
import { EUCC } from './eucc.ts'

/** Another certificate that this one is built on, and the country on whose chain it is; its state is undefined where no chain has it. */
export type ComponentAnswer = { id: Id; country: Country | undefined; state: CertificateState | undefined }

/**
 * That it was issued under a scheme which is none of the Union's and none of the state on whose chain it is: `issuedIn` whose, undefined where the
 * public part of the scheme is not here; then it is not recognised, as nobody can tell.
 */
export type ForeignAnswer = {
  issuedIn: Country | undefined
  recognition: RecognitionState
  /** The agreement, and its end. */
  agreement?: { document: string; until: Seconds } | undefined
}

export type KnownCertificateAnswer = Pick<
  Certificate,
  'kind' | 'level' | 'scheme' | 'schemeVersion' | 'issuer' | 'holder' | 'since' | 'until' | 'isImported' | 'document'
> & {
  /** On whose certification chain it is. */
  country: Country
  state: CertificateState
  isUnderReview: boolean
  notified: Id[]
  versions: Id[]
  components: ComponentAnswer[]
  /** Of third countries' alone. */
  foreign: ForeignAnswer | undefined
  /** In force, and under a scheme that counts here. */
  counts: boolean
}
export type CertificateCheck = {
  id: Id
  at: Seconds
  /** More than one where several chains have this id; none where no chain has. */
  found: KnownCertificateAnswer[]
  evidence: Evidence[]
  level: ReadingLevel
}

export type CheckCertificateOptions = CheckOptions & {
  /**
   * Whose scheme it is: what its public part says, held against the commitment that the chain of a country has of it. Undefined where it is not here.
   */
  ownerOf(country: Country, id: Id, scheme: Scheme): Promise<Country | undefined>
}

/**
 * Answers for a certificate: on which chain, in which state, on what it is built; and of a third country's whether the framework recognises it.
 *
 * @throws LedgerError where a chain can't be read; whatever `ownerOf` throws
 * @example
 * const { found } = await checkCertificate(countries, subjectId('certificate', 'ANSSI-CC-2023/42'), { now, ownerOf })
 * found[0]?.state // 'inForce'
 */
export async function checkCertificate(
  countries: readonly CountryChains[],
  id: Id,
  { now, at, ownerOf }: CheckCertificateOptions,
): Promise<CertificateCheck> {
  const evidence: Evidence[] = []
  const time = Math.min(at ?? now, now)
  const readers = countries.map(chains => createReader(chains, evidence, time, time < now))
  const found = await Promise.all(readers.map(reader => knownTo(reader, readers, id, ownerOf)))
  return {
    id,
    at: time,
    found: found.filter(one => one !== undefined),
    evidence,
    level: weakest(evidence.map(one => one.level)),
  }
}

async function knownTo(
  reader: Reader,
  readers: readonly Reader[],
  id: Id,
  ownerOf: CheckCertificateOptions['ownerOf'],
): Promise<KnownCertificateAnswer | undefined> {
  const was = await certificateAt(reader, id)
  if (was === undefined) return undefined
  const { kind, level, scheme, schemeVersion, issuer, holder, since, until, isImported, document, versions } = was
  const [foreign, components] = await Promise.all([
    foreignTo(reader, was, ownerOf),
    Promise.all(was.components.map(one => componentOf(one, [reader, ...readers.filter(other => other !== reader)]))),
  ])
  const state = certificateState(was, reader.time)
  return {
    country: reader.country,
    state,
    kind,
    level,
    scheme,
    schemeVersion,
    issuer,
    holder,
    since,
    until,
    isImported,
    document,
    versions,
    isUnderReview: was.isUnderReview,
    notified: was.notified,
    components,
    foreign,
    counts: state === 'inForce' && (foreign === undefined || foreign.recognition === 'recognised'),
  }
}

/** As it is, or as it was; undefined where it was not there yet. */
async function certificateAt(reader: Reader, id: Id): Promise<Certificate | undefined> {
  const found = await reader.get('certification', 'certificate', id)
  if (found === undefined || !reader.isPast) return found
  const events = await reader.history('certification', { subject: id })
  return events.length === 0 ? undefined : asOf(found, events, reader.time)
}

/** The chain that it is on first, then the others. */
async function componentOf(id: Id, readers: readonly Reader[]): Promise<ComponentAnswer> {
  for (const reader of readers) {
    const found = await certificateAt(reader, id)
    if (found !== undefined) return { id, country: reader.country, state: certificateState(found, reader.time) }
  }
  return { id, country: undefined, state: undefined }
}

/** Of imported ones alone: whoever else issues does so under a scheme of this chain's state, or of the Union. */
async function foreignTo(
  { country, time, get }: Reader,
  { isImported, scheme: id, schemeVersion, level }: Certificate,
  ownerOf: CheckCertificateOptions['ownerOf'],
): Promise<ForeignAnswer | undefined> {
  if (!isImported) return undefined
  const scheme = await get('certification', 'scheme', versionId(id, schemeVersion))
  if (scheme === undefined || scheme.owner === EU) return undefined
  const issuedIn = await ownerOf(country, id, scheme)
  if (issuedIn === country) return undefined
  if (issuedIn === undefined) return { issuedIn, recognition: 'noAgreement' }
  const [agreement, union] = await Promise.all([
    get('certification', 'recognition', recognitionId(issuedIn, EUCC.id)),
    get('certification', 'scheme', EUCC.id),
  ])
  return {
    issuedIn,
    recognition: recognitionState(agreement, union ?? EUCC.terms, level, time),
    agreement: agreement && { document: agreement.agreement, until: agreement.until },
  }
}
