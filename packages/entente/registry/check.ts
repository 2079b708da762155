import {
  type Certificate,
  certificateState,
  type CertificateState,
  type Country,
  type Entities,
  type Id,
  type Kind,
  labelId,
  type LabelStatus,
  type Seconds,
  type Support,
  type Version,
} from '@entente/rules'
import type { HistoryFilter, ReadingLevel, RuleChain, RuleEvent } from '#ledger/rule-chain.ts'

/**
 * What the owner of a product asks: is exactly this version certified, is it affected by a vulnerability, is there a patch. Three answers that
 * do not follow from each other (docs/rules.md). Everything is found by the chains' own histories, and read from the chains.
 */

/** The chains of a country, as far as they are known. */
export type CountryChains = {
  country: Country
  artifact?: RuleChain | undefined
  certification?: RuleChain | undefined
  vulnerability?: RuleChain | undefined
}

/** One thing that was read, and how strong that is: the answers rest on nothing else. */
export type Evidence = {
  /** Such as `FR/artifact`. */
  chain: string
  /** An entity with its id, or `history` of one. */
  what: string
  level: ReadingLevel
  block: number
}

export type CertificateAnswer = {
  id: Id
  country: Country
  kind: Certificate['kind']
  state: CertificateState
  /** Whether the version that it names is, byte for byte, the one that its manufacturer has registered. */
  isIdentical: boolean
  level: Certificate['level']
  scheme: Id
  schemeVersion: number
  issuer: Id
  holder: Id
  since: Seconds
  until: Seconds | undefined
  /** End of the suspension that runs. */
  suspendedUntil: Seconds | undefined
  /** Flags, which change no state. */
  isUnderReview: boolean
  notified: Id[]
  /** Commitments of its public part and of the certification report. */
  document: string
  report: string
}
export type Statement = {
  vulnerability: Id
  by: Id
  status: LabelStatus
  justification: string | undefined
  at: Seconds
}
export type CaseAnswer = {
  id: Id
  country: Country
  disclosed: Seconds | undefined
  isExploited: boolean
  closed: 'invalid' | 'duplicate' | undefined
}
export type Patch = { version: Id; fixes: Id[]; at: Seconds; isCertified: boolean }

/**
 * `affected`: somebody who may speak says so; `reported`: a disclosed case is about it, and nobody has said anything of it; `unknown`: nobody has
 * said anything, which is no statement.
 */
export type Affected = 'affected' | 'under_investigation' | 'reported' | 'not_affected' | 'unknown'
export type Patched = 'notNeeded' | 'all' | 'some' | 'none'

export type Answer = {
  version: Id
  at: Seconds
  /** Undefined where no chain has this version: then nothing is known of it. */
  home: { country: Country; registered: Version } | undefined
  /** Countries where somebody else has registered something under the same id. */
  alsoIn: Country[]
  certified: { is: boolean; byDeclaration: boolean; certificates: CertificateAnswer[] }
  affected: { is: Affected; open: Id[]; statements: Statement[]; cases: CaseAnswer[] }
  patched: { is: Patched; patches: Patch[] }
  /** CSA Article 55: guidance, end of support, contact, repository of advisories. */
  support: Support | undefined
  evidence: Evidence[]
  /** The weakest reading that anything above rests on. */
  level: ReadingLevel
}

const STRENGTH: readonly ReadingLevel[] = ['asked', 'attested', 'proven']
export const weakest = (levels: readonly ReadingLevel[]): ReadingLevel =>
  STRENGTH[Math.min(...levels.map(level => STRENGTH.indexOf(level)))] ?? 'asked'

export type CheckOptions = {
  /** The clock: a chain without new blocks does not say that time has passed. */
  now: Seconds
  /** A time in the past to answer for. */
  at?: Seconds | undefined
}

/**
 * Answers for one version.
 *
 * @throws LedgerError where a chain can't be read: an answer without one of them would be none
 * @example
 * const { certified, affected, patched } = await checkVersion(countries, subjectId('version', 'pkg:generic/acme/router@2.1'), { now })
 */
export async function checkVersion(
  countries: readonly CountryChains[],
  version: Id,
  { now, at }: CheckOptions,
): Promise<Answer> {
  const evidence: Evidence[] = []
  const time = Math.min(at ?? now, now)
  const readers = countries.map(chains => createReader(chains, evidence, time, time < now))
  const [homes, certificates, cases] = await Promise.all([
    Promise.all(readers.map(reader => homeIn(reader, version))).then(all => all.filter(one => one !== undefined)),
    Promise.all(readers.map(reader => certificatesOf(reader, version))).then(lists => lists.flat()),
    Promise.all(readers.map(reader => casesOf(reader, version))).then(lists => lists.flat()),
  ])
  const home = homes.find(one => certificates.some(({ named }) => isSame(one.registered, named))) ?? homes[0]
  const answers = certificates.map(({ named, answer }) => ({ ...answer, isIdentical: isSame(home?.registered, named) }))
  const [statements, patches, support] = home
    ? await Promise.all([
        statementsOf(home.reader, version),
        patchesOf(home.reader, readers, version, home.registered.artifact),
        supportOf(home.reader, home.registered.artifact),
      ])
    : [[], [], undefined]
  const open = openVulnerabilities(statements, cases)
  const inForce = answers.filter(one => one.state === 'inForce' && one.isIdentical)
  return {
    version,
    at: time,
    home: home && { country: home.reader.country, registered: home.registered },
    alsoIn: homes.filter(one => one !== home).map(one => one.reader.country),
    certified: {
      is: inForce.some(one => one.kind === 'certificate'),
      byDeclaration: inForce.some(one => one.kind === 'declaration'),
      certificates: answers,
    },
    affected: { is: affectedBy(statements, open), open, statements, cases },
    patched: { is: patchedBy(open, patches), patches },
    support,
    evidence,
    level: weakest(evidence.map(one => one.level)),
  }
}

// --- reading, with a trace of what was read

export type NationalChain = 'artifact' | 'certification' | 'vulnerability'
export type Reader = {
  country: Country
  time: Seconds
  isPast: boolean
  get<K extends Kind>(chain: NationalChain, kind: K, id: string): Promise<Entities[K] | undefined>
  /** What happened until the time that is asked about. */
  history(chain: NationalChain, filter: HistoryFilter): Promise<RuleEvent[]>
}

export function createReader(chains: CountryChains, evidence: Evidence[], time: Seconds, isPast: boolean): Reader {
  const { country } = chains
  // All is read as of one block of each chain.
  const heads = new Map<NationalChain, Promise<{ block: number }>>()
  const blockOf = async (chain: NationalChain) => {
    const head = heads.get(chain) ?? chains[chain]?.head()
    if (head !== undefined) heads.set(chain, head)
    return (await head)?.block
  }
  const trace = (chain: NationalChain, what: string, level: ReadingLevel, block: number) =>
    evidence.push({ chain: `${country}/${chain}`, what, level, block })
  return {
    country,
    time,
    isPast,
    async get(chain, kind, id) {
      const reading = await chains[chain]?.get(kind, id, await blockOf(chain))
      if (reading !== undefined) trace(chain, `${kind} ${id}`, reading.level, reading.block)
      return reading?.value
    },
    async history(chain, filter) {
      const events = (await chains[chain]?.history(filter)) ?? []
      // That there was nothing more rests on the word of whoever was asked, whatever shows what there was.
      if (chains[chain]) trace(chain, `history ${filter.subject ?? filter.about}`, 'asked', events.at(-1)?.block ?? 0)
      return events.filter(event => event.time <= time)
    },
  }
}

/** Where its manufacturer has registered it; other chains may have been told of it. */
async function homeIn(reader: Reader, version: Id) {
  const registered = await reader.get('artifact', 'version', version)
  if (registered?.from !== 'own') return undefined
  if (!reader.isPast) return { reader, registered }
  const events = await reader.history('artifact', { subject: version })
  return events.some(event => event.name === 'VersionRegistered') ? { reader, registered } : undefined
}

const isSame = (a: Version | undefined, b: Version | undefined): boolean =>
  a !== undefined &&
  b !== undefined &&
  (['artifact', 'manufacturer', 'firmware', 'sbom', 'mud'] as const).every(member => a[member] === b[member])

// --- certified

async function certificatesOf(reader: Reader, version: Id) {
  const events = await reader.history('certification', { about: version })
  const ids = [...new Set(events.filter(e => e.name === 'VersionCertified').map(e => e.subject))]
  if (ids.length === 0) return []
  const named = await reader.get('certification', 'version', version)
  const answers = await Promise.all(ids.map(id => certificateOf(reader, id, version)))
  return answers.flatMap(answer => (answer === undefined ? [] : [{ named, answer }]))
}

/** A certificate as it is, or as it was. */
async function certificateOf(
  reader: Reader,
  id: Id,
  version: Id,
): Promise<Omit<CertificateAnswer, 'isIdentical'> | undefined> {
  const found = await reader.get('certification', 'certificate', id)
  // An event is a hint; what counts is what the certificate names.
  if (!found?.versions.includes(version)) return undefined
  const was = reader.isPast ? asOf(found, await reader.history('certification', { subject: id }), reader.time) : found
  const state = certificateState(was, reader.time)
  const { scheme, schemeVersion, issuer, holder, kind, level, since, until, document, report } = found
  return {
    id,
    country: reader.country,
    kind,
    state,
    level,
    scheme,
    schemeVersion,
    issuer,
    holder,
    since,
    until,
    suspendedUntil: state === 'suspended' ? was.suspendedUntil : undefined,
    isUnderReview: was.isUnderReview,
    notified: was.notified,
    document,
    report,
  }
}

/** What changes of a certificate, told from its history: old states of a chain need not be there any more. */
export function asOf(certificate: Certificate, events: readonly RuleEvent[], time: Seconds): Certificate {
  const was = { ...certificate, suspendedUntil: 0, isUnderReview: false, notified: [] as Id[] }
  for (const { name, until = 0, time: at, status = '' } of events) {
    if (name === 'CertificateSuspended' || name === 'SuspensionExtended') was.suspendedUntil = until
    if (name === 'SuspensionLifted') was.suspendedUntil = at
    if (name === 'ReviewOpened') was.isUnderReview = true
    if (name === 'ReviewClosed' || name === 'CertificateWithdrawn') was.isUnderReview = false
    if (name === 'ComponentNotified') was.notified = [...was.notified, status]
    if (name === 'NotificationCleared') was.notified = was.notified.filter(one => one !== status)
  }
  const { withdrawn } = certificate
  return { ...was, withdrawn: withdrawn !== undefined && withdrawn <= time ? withdrawn : undefined }
}

// --- affected

/** The newest word of each who has spoken of each vulnerability. */
async function statementsOf(reader: Reader, version: Id): Promise<Statement[]> {
  const events = (await reader.history('artifact', { subject: version })).filter(e => e.name === 'VersionLabelled')
  const last = new Map(events.map(event => [`${event.about}@${event.by}`, event]))
  const said = await Promise.all(
    [...last.values()].map(async ({ about: vulnerability = '', by }) => {
      const found = await labelAt(reader, labelId(version, vulnerability, by))
      if (found === undefined) return undefined
      const { status, justification, at } = found
      return { vulnerability, by, status, justification, at }
    }),
  )
  return said.filter(one => one !== undefined)
}

/** The newest one, or the newest that there was then: each earlier one stays. */
async function labelAt(reader: Reader, id: string) {
  let found = await reader.get('artifact', 'label', id)
  for (let n = (found?.count ?? 0) - 1; found !== undefined && found.at > reader.time; n--)
    found = n > 0 ? await reader.get('artifact', 'label', `${id}#${n}`) : undefined
  return found
}

/** Cases that were announced openly about it, or disclosed. */
async function casesOf(reader: Reader, version: Id): Promise<CaseAnswer[]> {
  const events = await reader.history('vulnerability', { about: version })
  const ids = [...new Set(events.map(event => event.subject))]
  const found = await Promise.all(
    ids.map(async id => {
      const one = await reader.get('vulnerability', 'case', id)
      if (one === undefined || !('open' in one.artifact) || one.artifact.open !== version) return undefined
      const { disclosed, bits, closed } = one
      const now = { disclosed, isExploited: bits.exploit, closed }
      const was = reader.isPast ? caseAsOf(await reader.history('vulnerability', { subject: id })) : now
      return { id, country: reader.country, ...was }
    }),
  )
  return found.filter(one => one !== undefined)
}

function caseAsOf(events: readonly RuleEvent[]): Pick<CaseAnswer, 'disclosed' | 'isExploited' | 'closed'> {
  const was: ReturnType<typeof caseAsOf> = { disclosed: undefined, isExploited: false, closed: undefined }
  for (const { name, status, time } of events) {
    if (name === 'VulnerabilityDisclosed') was.disclosed = time
    if (name === 'CaseAdvanced' && status === 'X') was.isExploited = true
    if (name === 'CaseClosed') was.closed = status === 'duplicate' ? 'duplicate' : 'invalid'
    if (name === 'CaseReopened') was.closed = undefined
  }
  return was
}

/** Vulnerabilities that somebody says it has or may have, and cases of which nobody has said anything. */
function openVulnerabilities(statements: readonly Statement[], cases: readonly CaseAnswer[]): Id[] {
  const said = statements.filter(s => s.status === 'affected' || s.status === 'under_investigation')
  const spoken = new Set(statements.map(s => s.vulnerability))
  const unspoken = cases.filter(c => c.disclosed !== undefined && c.closed === undefined && !spoken.has(c.id))
  return [...new Set([...said.map(s => s.vulnerability), ...unspoken.map(c => c.id)])]
}

function affectedBy(statements: readonly Statement[], open: readonly Id[]): Affected {
  const says = (status: LabelStatus) => statements.some(s => s.status === status && open.includes(s.vulnerability))
  if (says('affected')) return 'affected'
  if (says('under_investigation')) return 'under_investigation'
  if (open.length > 0) return 'reported'
  return statements.length > 0 ? 'not_affected' : 'unknown'
}

// --- patched

/** Versions of the same artifact that say that they patch it. */
async function patchesOf(reader: Reader, readers: readonly Reader[], version: Id, artifact: Id): Promise<Patch[]> {
  const events = (await reader.history('artifact', { about: artifact })).filter(e => e.name === 'VersionRegistered')
  const found = await Promise.all(
    events.map(async ({ subject, time }) => {
      const patch = await reader.get('artifact', 'version', subject)
      if (patch?.patches !== version) return undefined
      const certificates = (await Promise.all(readers.map(r => certificatesOf(r, subject)))).flat()
      const isCertified = certificates.some(
        ({ named, answer }) => answer.state === 'inForce' && answer.kind === 'certificate' && isSame(patch, named),
      )
      return { version: subject, fixes: patch.fixes, at: time, isCertified }
    }),
  )
  return found.filter(one => one !== undefined)
}

function patchedBy(open: readonly Id[], patches: readonly Patch[]): Patched {
  if (open.length === 0) return 'notNeeded'
  const fixed = open.filter(id => patches.some(patch => patch.fixes.includes(id)))
  if (fixed.length === open.length) return 'all'
  return fixed.length > 0 ? 'some' : 'none'
}

/** What was said under Article 55: the newest, or what held then. */
async function supportOf(reader: Reader, artifact: Id): Promise<Support | undefined> {
  const newest = await reader.get('artifact', 'artifact', artifact)
  if (!reader.isPast || newest?.support === undefined) return newest?.support
  const set = (await reader.history('artifact', { subject: artifact })).filter(e => e.name === 'SupportSet').length
  if (set === 0) return undefined
  return set > newest.history
    ? newest.support
    : (await reader.get('artifact', 'artifact', `${artifact}#${set - 1}`))?.support
}
