// Entities of the rules, rebuilt from what the contracts' views give.
import {
  type ChainKind,
  type Change,
  CONSORTIUM,
  type Entities,
  EU,
  type Kind,
  LABELS,
  type Label,
  POLICY,
  type Scheme,
  type Standing,
  ZERO,
} from '@entente/rules'
import type { AbiParameter, Hex } from 'viem'
import { decodeAbiParameters } from 'viem/utils'
import { abiOf, type ContractName } from './contracts.ts'
import { partiesOf } from './encode.ts'
import { toNando } from './events.ts'
import {
  fromCountry,
  fromEnum,
  fromIdentity,
  fromLevels,
  fromPartyKind,
  fromProvenance,
  fromTerms,
  orNoTime,
  orUndefined,
  toCountry,
} from './values.ts'

type Values = Readonly<Record<string, unknown>>
/** Calls a view of a contract of the chain; all calls of one reading are at one block. */
export type View = (contract: ContractName, name: string, ...args: readonly unknown[]) => Promise<unknown>

type Readers = {
  [K in Kind]?: (view: View, id: string, kind: ChainKind) => Promise<Entities[K] | undefined>
}

const STANDINGS: readonly Standing[] = ['live', 'suspended', 'ended']
const EMBARGOES: readonly Entities['case']['embargo'][] = ['none', 'proposed', 'active', 'revise', 'exited']
const CERTIFICATES: readonly Entities['certificate']['kind'][] = ['certificate', 'profile', 'declaration']
const ENDINGS = ['invalid', 'duplicate'] as const
const SELF = 'self'

/** Which kinds each kind of chain has. */
export const KINDS_OF: Readonly<Record<ChainKind, readonly Kind[]>> = {
  eu: ['chain', 'party', 'key', 'consortium', 'proposal', 'chainSet', 'scheme', 'coverage', 'recognition'],
  artifact: ['chain', 'party', 'key', 'artifact', 'version', 'label', 'foreignCase'],
  certification: [
    'chain',
    'party',
    'key',
    'scheme',
    'coverage',
    'recognition',
    'accreditation',
    'authorisation',
    'notification',
    'delegation',
    'approval',
    'version',
    'certificate',
  ],
  vulnerability: ['chain', 'party', 'key', 'case', 'participation', 'disclosurePolicy', 'announced'],
}

const READERS: Readers = {
  chain: async (view, id, kind) => {
    if (id !== SELF) return undefined
    if (kind === 'eu') return { kind, country: EU }
    const [, country] = (await view('PartyRegistry', 'chain')) as [number, Hex]
    const inbox = String(await view('PartyRegistry', 'inbox')).toLowerCase()
    return { kind, country: fromCountry(country), ...(/^0x0*$/.test(inbox) ? {} : { inbox }) }
  },
  party: async (view, id, chain) => {
    if (!isWord(id)) return undefined
    const found = (await view(partiesOf(chain), 'partyOf', id)) as readonly unknown[]
    const [kind, country, isActive, registrar, act, from] = found
    const known = fromPartyKind(kind)
    if (known === undefined) return undefined
    return {
      kind: known,
      country: fromCountry(country),
      act: act as string,
      registrar: registrar as string,
      isActive: isActive as boolean,
      from: fromProvenance(from),
    }
  },
  key: async (view, id, chain) => {
    if (!/^0x[0-9a-f]{40}$/.test(id)) return undefined
    const [party, since, revoked] = (await view(partiesOf(chain), 'keyOf', id)) as [string, bigint, bigint]
    return since === 0n ? undefined : { party, since: Number(since), revoked: orNoTime(revoked) }
  },
  consortium: async (view, id) => {
    if (id !== CONSORTIUM) return undefined
    const [members, numerator, denominator, period, proposals] = (
      (await view('ConsortiumRegistry', 'consortium')) as readonly bigint[]
    ).map(Number) as [number, number, number, number, number]
    return { members, numerator, denominator, period, proposals }
  },
  proposal: async (view, id) => {
    const [, , , , proposals = 0n] = (await view('ConsortiumRegistry', 'consortium')) as readonly bigint[]
    if (!/^[1-9][0-9]{0,14}$/.test(id) || BigInt(id) > proposals) return undefined
    const found = (await view('ConsortiumRegistry', 'proposal', BigInt(id))) as readonly unknown[]
    const [kind, by, until, isDone, votes, change] = found
    return {
      change: toChange(Number(kind), change as Hex),
      by: by as string,
      until: Number(until),
      votes: [...(votes as readonly string[])],
      isDone: isDone as boolean,
    }
  },
  chainSet: async (view, id) => {
    if (!isWord(id)) return undefined
    const minimum = Number(await view('ConsortiumRegistry', 'minimumOf', id))
    if (minimum === 0) return undefined
    const keysOf = async (name: string) =>
      ((await view('ConsortiumRegistry', name, id)) as readonly unknown[]).map(fromIdentity)
    return { validators: await keysOf('validatorsOf'), writers: await keysOf('writersOf'), minimum }
  },
  scheme: async (view, id, kind) => {
    const [scheme = '', at, ...more] = id.split('@')
    if (!isWord(scheme) || more.length > 0 || !/^[1-9][0-9]{0,8}$/.test(at ?? '1')) return undefined
    if (kind === 'eu') {
      const version = at === undefined ? await view('FrameworkRegistry', 'versionOf', scheme) : Number(at)
      const terms = fromTerms((await view('FrameworkRegistry', 'termsOf', scheme, version)) as Values)
      return terms && { ...terms, version: Number(version), owner: EU, mapping: [], from: 'own' }
    }
    const [owner, newest] = (await view('SchemeRegistry', 'schemeOf', scheme)) as [Hex, number]
    const version = at === undefined ? newest : Number(at)
    const terms = fromTerms((await view('SchemeRegistry', 'termsOf', scheme, version)) as Values)
    if (terms === undefined) return undefined
    const country = fromCountry(owner)
    if (country === EU) {
      const from = fromProvenance(await view('SchemeRegistry', 'provenanceOf', scheme, version))
      return { ...terms, version, owner: EU, mapping: [], from }
    }
    const mappings = (await view('SchemeRegistry', 'mappingOf', scheme, version)) as readonly Values[]
    return { ...terms, version, owner: country, mapping: mappings.map(toMapping), from: 'own' }
  },
  coverage: async (view, id, kind) => {
    if (!isWord(id)) return undefined
    const found = orUndefined(await view(kind === 'eu' ? 'FrameworkRegistry' : 'SchemeRegistry', 'schemeFor', id))
    return found === undefined ? undefined : { scheme: found }
  },
  recognition: async (view, id, kind) => {
    const [country = '', scheme = ''] = id.split('@')
    if (!/^[A-Z]{2}$/.test(country) || !isWord(scheme)) return undefined
    const found = await view(
      kind === 'eu' ? 'FrameworkRegistry' : 'Mirror',
      'recognitionOf',
      toCountry(country),
      scheme,
    )
    const [terms, from] = (kind === 'eu' ? [found, 0] : found) as [Values, number]
    if (terms['agreement'] === ZERO) return undefined
    return {
      agreement: terms['agreement'] as string,
      levels: fromLevels(terms['levels']),
      since: Number(terms['since']),
      until: Number(terms['until']),
      isEea: terms['isEea'] as boolean,
      from: fromProvenance(from),
    }
  },
  accreditation: async (view, id) => {
    const grant = isWord(id) ? toGrant(await view('AccreditationRegistry', 'accreditationOf', id)) : undefined
    if (grant === undefined) return undefined
    const { van: _, ...accreditation } = grant
    return accreditation
  },
  authorisation: async (view, id) =>
    isWord(id) ? toGrant(await view('AccreditationRegistry', 'authorisationOf', id)) : undefined,
  notification: async (view, id) => {
    if (!isWord(id)) return undefined
    const { by, number } = (await view('AccreditationRegistry', 'notificationOf', id)) as Values
    return number === 0 ? undefined : { by: by as string, number: toNando(number) }
  },
  delegation: async (view, id) => {
    if (!isWord(id)) return undefined
    const found = (await view('AccreditationRegistry', 'delegationOf', id)) as Values
    if (found['by'] === ZERO) return undefined
    return { by: found['by'] as string, until: Number(found['until']), isLive: found['isLive'] as boolean }
  },
  approval: async (view, id) => {
    const [commitment = '', body = ''] = id.split('@')
    if (!isWord(commitment) || !isWord(body)) return undefined
    const found = (await view('AccreditationRegistry', 'approvalOf', commitment, body)) as Values
    if (found['by'] === ZERO) return undefined
    return {
      by: found['by'] as string,
      body,
      until: Number(found['until']),
      mayBeLonger: found['mayBeLonger'] as boolean,
      isUsed: (await view('CertificateRegistry', 'isApprovalUsed', commitment, body)) as boolean,
    }
  },
  artifact: async (view, id) => {
    const [artifact = '', at, ...more] = id.split('#')
    if (!isWord(artifact) || more.length > 0) return undefined
    const [manufacturer, description] = (await view('ArtifactRegistry', 'artifactOf', artifact)) as [string, string]
    if (description === ZERO) return undefined
    const supports = ((await view('ArtifactRegistry', 'supportOf', artifact)) as readonly Values[]).map(found => ({
      guidance: found['guidance'] as string,
      until: Number(found['until']),
      contact: found['contact'] as string,
      repository: found['repository'] as string,
    }))
    const last = Math.max(supports.length - 1, 0)
    const history = at === undefined ? last : earlier(at, last - 1)
    if (history === undefined) return undefined
    return { manufacturer, description, support: supports[history], history }
  },
  version: async (view, id, kind) => {
    if (!isWord(id)) return undefined
    const found = await view(kind === 'artifact' ? 'ArtifactRegistry' : 'Mirror', 'versionOf', id)
    const [version, from] = (kind === 'artifact' ? [found, 0] : found) as [Values, number]
    if (version['artifact'] === ZERO) return undefined
    return {
      artifact: version['artifact'] as string,
      manufacturer: version['manufacturer'] as string,
      firmware: version['firmware'] as string,
      sbom: version['sbom'] as string,
      mud: version['mud'] as string,
      patches: orUndefined(version['patches']),
      fixes: [...(version['fixes'] as readonly string[])],
      hasSupport: version['hasSupport'] as boolean,
      from: fromProvenance(from),
    }
  },
  label: async (view, id) => {
    const [which = '', at] = id.split('#')
    const [version = '', vulnerability = '', asserter = ''] = which.split('@')
    if (![version, vulnerability, asserter].every(isWord)) return undefined
    const found = await view('ArtifactRegistry', 'labelsOf', version, vulnerability, asserter)
    const labels = (found as readonly Values[]).map(
      ({ status, since, justification }, i): Label => ({
        status: fromEnum(LABELS, status) ?? 'under_investigation',
        justification: orUndefined(justification),
        at: Number(since),
        count: i + 1,
      }),
    )
    if (at === undefined) return labels.at(-1)
    const count = earlier(at, labels.length - 1)
    return count === undefined ? undefined : labels[count - 1]
  },
  certificate: async (view, id) => {
    if (!isWord(id)) return undefined
    const found = (await view('CertificateRegistry', 'certificateOf', id)) as Values
    if (found['holder'] === ZERO) return undefined
    const [level] = fromLevels(found['level'])
    const ids = (name: string) => [...(found[name] as readonly string[])]
    return {
      scheme: found['scheme'] as string,
      schemeVersion: Number(found['schemeVersion']),
      level,
      issuer: found['issuer'] as string,
      ncca: orUndefined(found['ncca']),
      holder: found['holder'] as string,
      kind: CERTIFICATES[Number(found['kind'])] ?? 'certificate',
      versions: ids('versions'),
      series: orUndefined(found['series']),
      components: ids('components'),
      document: found['document'] as string,
      report: found['report'] as string,
      itsef: orUndefined(found['itsef']),
      van: Number(found['van']),
      since: Number(found['since']),
      until: orNoTime(found['until']),
      isImported: found['isImported'] as boolean,
      withdrawn: orNoTime(found['withdrawn']),
      suspendedUntil: Number(found['suspendedUntil']),
      suspended: Number(found['suspended']),
      isUnderReview: found['isUnderReview'] as boolean,
      notified: ids('notified'),
      due: (found['due'] as readonly bigint[]).map(Number),
      successor: orUndefined(found['successor']),
    }
  },
  case: async (view, id) => {
    if (!isWord(id)) return undefined
    const found = (await view('VulnerabilityRegistry', 'caseOf', id)) as Values
    if (found['announced'] === 0n) return undefined
    const participants = (await view('VulnerabilityRegistry', 'participantsOf', id)) as readonly string[]
    const accepted = (await view('VulnerabilityRegistry', 'acceptedOf', id)) as readonly string[]
    const closing = (await view('VulnerabilityRegistry', 'closingOf', id)) as readonly Values[]
    const artifact = found['artifact'] as string
    return {
      provider: found['provider'] as string,
      coordinator: found['coordinator'] as string,
      participants: [...participants],
      commitment: found['commitment'] as string,
      artifact: found['isSealed'] === true ? { sealed: artifact } : { open: artifact },
      announced: Number(found['announced']),
      embargo: EMBARGOES[Number(found['embargo'])] ?? 'none',
      proposedEnd: Number(found['proposedEnd']),
      proposedAt: Number(found['proposedAt']),
      end: Number(found['end']),
      accepted: [...accepted],
      bits: {
        public: found['isPublic'] as boolean,
        exploit: found['isExploited'] as boolean,
        attacks: found['isAttacked'] as boolean,
      },
      disclosed: orNoTime(found['disclosed']),
      closed: fromEnum(ENDINGS, found['closed']),
      closing: closing.map(({ by, as_ }) => ({ by: by as string, as: fromEnum(ENDINGS, as_) ?? 'invalid' })),
      from: 'own',
    }
  },
  participation: async (view, id) => {
    const [which = '', manufacturer = ''] = id.split('@')
    if (!isWord(which) || !isWord(manufacturer)) return undefined
    const found = (await view('VulnerabilityRegistry', 'participationOf', which, manufacturer)) as Values
    if (found['isManufacturer'] !== true) return undefined
    return {
      vendorAware: found['vendorAware'] as boolean,
      fixReady: found['fixReady'] as boolean,
      fixDeployed: found['fixDeployed'] as boolean,
      isIn: true,
    }
  },
  foreignCase: async (view, id) => {
    if (!isWord(id)) return undefined
    const [found, from] = (await view('Mirror', 'caseOf', id)) as [Values, number]
    if (found['coordinator'] === ZERO) return undefined
    return {
      provider: found['provider'] as string,
      coordinator: found['coordinator'] as string,
      disclosed: orNoTime(found['disclosed']),
      from: fromProvenance(from),
    }
  },
  disclosurePolicy: async (view, id) => {
    if (id !== POLICY) return undefined
    const found = (await view('VulnerabilityRegistry', 'policy')) as Values
    return {
      maxEmbargo: Number(found['maxEmbargo']),
      maxTotal: Number(found['maxTotal']),
      acceptWithin: Number(found['acceptWithin']),
      announcements: Number(found['announcements']),
      per: Number(found['per']),
    }
  },
  announced: async (view, id) => {
    if (!isWord(id)) return undefined
    const { since, count } = (await view('VulnerabilityRegistry', 'announcedBy', id)) as Values
    return Number(since) === 0 ? undefined : { since: Number(since), count: Number(count) }
  },
}

/** An entity at one block; undefined where there is none, also of a kind that the chain does not have. */
export async function readEntity<K extends Kind>(
  view: View,
  chain: ChainKind,
  kind: K,
  id: string,
): Promise<Entities[K] | undefined> {
  if (!KINDS_OF[chain].includes(kind)) return undefined
  const read = READERS[kind] as
    | ((view: View, id: string, kind: ChainKind) => Promise<Entities[K] | undefined>)
    | undefined
  return read?.(view, id, chain)
}

const isWord = (id: string) => /^0x[0-9a-f]{64}$/.test(id)

/** Number of an earlier entry, if it is one. */
function earlier(text: string, last: number): number | undefined {
  const number = /^(?:0|[1-9][0-9]{0,8})$/.test(text) ? Number(text) : -1
  return number >= 0 && number <= last ? number : undefined
}

function toGrant(found: unknown): Entities['authorisation'] | undefined {
  const { by, standing, van, scope } = found as Values
  const is = fromEnum(STANDINGS, standing)
  if (is === undefined) return undefined
  const { schemes, categories, until } = scope as Values
  return {
    by: by as string,
    schemes: [...(schemes as readonly string[])],
    categories: [...(categories as readonly string[])],
    van: Number(van),
    until: Number(until),
    standing: is,
  }
}

function toMapping({ level, scheme, to }: Values): Scheme['mapping'][number] {
  const [own = 'basic'] = fromLevels(level)
  const [its = 'basic'] = fromLevels(to)
  return { level: own, scheme: scheme as string, to: its }
}

/** By their order in IConsortiumRegistry: the proposals' words, whose arguments are what is kept. */
const PROPOSALS = [
  'proposeSeat',
  'proposeRemoval',
  'proposeKey',
  'proposeAdmission',
  'proposeDismissal',
  'proposeValidators',
  'proposeWriters',
  'proposeUpgrade',
]

function toChange(kind: number, data: Hex): Change {
  const name = PROPOSALS[kind]
  const entry = abiOf('ConsortiumRegistry').find(one => one.type === 'function' && one.name === name)
  const inputs = entry && 'inputs' in entry ? (entry.inputs as readonly AbiParameter[]) : []
  const args = decodeAbiParameters(inputs, data) as readonly unknown[]
  const [first, second, third, fourth] = args as readonly string[]
  switch (kind) {
    case 0: {
      const { kind: as, act, ...party } = toNewParty(args[0] as Values)
      return { do: 'seat', authority: { ...party, kind: as as 'ncca' }, act }
    }
    case 1:
      return { do: 'remove', authority: first ?? ZERO, act: second ?? ZERO }
    case 2:
      return {
        do: 'replaceKey',
        party: first ?? ZERO,
        lost: (second ?? '').toLowerCase(),
        key: (third ?? '').toLowerCase(),
        act: fourth ?? ZERO,
      }
    case 3: {
      const { id, kind: as, ...rest } = toNewParty(args[0] as Values)
      return { do: 'admit', member: id, kind: as as 'state', ...rest }
    }
    case 4:
      return { do: 'dismiss', member: first ?? ZERO, act: second ?? ZERO }
    case 5:
    case 6: {
      const [add, remove] = [args[1], args[2]].map(list => (list as readonly unknown[]).map(fromIdentity))
      return { do: kind === 5 ? 'validators' : 'writers', chain: first ?? ZERO, add: add ?? [], remove: remove ?? [] }
    }
    default:
      return { do: 'upgrade', contract: first ?? ZERO, code: second ?? ZERO }
  }
}

function toNewParty({ id, kind, country, key, act }: Values) {
  return {
    id: id as string,
    kind: fromPartyKind(kind) ?? 'state',
    country: fromCountry(country),
    key: String(key).toLowerCase(),
    act: act as string,
  }
}
