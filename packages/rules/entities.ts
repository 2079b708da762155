/** 32 bytes, lower-case hexadecimal behind `0x`. Ids of different things are different types in Solidity; here their names say which they are. */
export type Id = string
/** A SHA-256 of something that is kept off the chain, as an {@link Id}. */
export type Hash = string
/** ISO 3166-1 alpha-2. */
export type Country = string
/** Whole seconds since 1970. */
export type Seconds = number

/** CSA Article 52: the assurance levels, the lowest first. */
export const LEVELS = ['basic', 'substantial', 'high'] as const
export type Level = (typeof LEVELS)[number]

/** Members of the EU chain vote; authorities are seated by them; bodies and parties are registered by authorities. In the order of IRules.sol. */
export const PARTY_KINDS = [
  'commission',
  'enisa',
  'state',
  'ncca',
  'nab',
  'coordinator',
  'certificationBody',
  'publicBody',
  'cab',
  'itsef',
  'manufacturer',
  'holder',
  'provider',
] as const
export type PartyKind = (typeof PARTY_KINDS)[number]

/** How a fact of another chain came here: on an authority's word, or with a proof. */
export type Provenance = 'own' | 'attested' | 'proven'

export type Party = {
  kind: PartyKind
  /** Where it is seated; of a manufacturer any country. */
  country: Country
  /** What it was designated or registered by. */
  act: Hash
  /** Who registered it, and may replace its keys; the zero id of a member, for which the members do. */
  registrar: Id
  isActive: boolean
  from: Provenance
}

/** By the key itself: a key is of one party, for ever. */
export type Key = { party: Id; since: Seconds; revoked: Seconds | undefined }

/** What the members have agreed on for their votes. */
export type Consortium = {
  /** Members that are active. */
  members: number
  /** Share of the members that must agree: `numerator` of `denominator`, rounded up. */
  numerator: number
  denominator: number
  /** For how long a proposal may be voted on, seconds. */
  period: Seconds
  proposals: number
}

export type Authority = { id: Id; kind: 'ncca' | 'nab' | 'coordinator'; country: Country; key: string }
export type Change =
  | { do: 'seat'; authority: Authority; act: Hash }
  | { do: 'remove'; authority: Id; act: Hash }
  /** In the place of keys that were lost. */
  | { do: 'replaceKey'; party: Id; lost: string; key: string; act: Hash }
  | { do: 'admit'; member: Id; kind: 'state' | 'enisa' | 'commission'; country: Country; key: string; act: Hash }
  | { do: 'dismiss'; member: Id; act: Hash }
  | { do: 'validators' | 'writers'; chain: Id; add: string[]; remove: string[] }
  | { do: 'upgrade'; contract: Id; code: Hash }

/** By its number, as a text. */
export type Proposal = {
  change: Change
  by: Id
  until: Seconds
  /** Members that agreed, the proposer first. */
  votes: Id[]
  isDone: boolean
}

/** Who validates and who writes on a chain. */
export type ChainSet = { validators: string[]; writers: string[]; minimum: number }

/** What a scheme says, as data: no number of a law is a constant of the rules. By `id` the newest version, by `id@version` each. */
export type Scheme = {
  version: number
  /** EU, or the country of a national scheme. */
  owner: Country
  document: Hash
  /** What it is about; a national scheme must not be about what an EU scheme in force is about (CSA 57(1)). */
  scope: Id
  adopted: Seconds
  /** No certificate is issued from then on. */
  endsAt?: Seconds | undefined
  levels: Level[]
  /** Length of a certificate, seconds; longer only with an approval. */
  maxValidity: Seconds
  /** Self-assessment for *basic* (CSA 53). */
  allowsDeclaration: boolean
  /** Only public bodies issue (CSA 56(5)). */
  isPublicOnly: boolean
  /** Levels for which bodies must be authorised as well. */
  authorisedLevels: Level[]
  /** Top AVA_VAN of a level; a level that is not named has none. */
  van: Partial<Record<Level, number>>
  /** One suspension at most, and all of them together, seconds. */
  maxSuspension: Seconds
  maxSuspended: Seconds
  /** Length of an accreditation, seconds. */
  maxAccreditation: Seconds
  allowsProfiles: boolean
  /** Of a national scheme: which levels of which EU scheme its own correspond to. */
  mapping: { level: Level; scheme: Id; to: Level }[]
  from: Provenance
}

/** By the scope's id: the EU scheme that is in force for it. */
export type Coverage = { scheme: Id }

/** A country whose certificates are recognised (EUCC 44). By `country@scheme`. */
export type Recognition = {
  agreement: Hash
  levels: Level[]
  since: Seconds
  until: Seconds
  isEea: boolean
  from: Provenance
}

export type Standing = 'live' | 'suspended' | 'ended'
export type Accreditation = {
  by: Id
  schemes: Id[]
  categories: Id[]
  until: Seconds
  standing: Standing
}
/** `van`: the highest AVA_VAN that it may evaluate or certify; 0 where the scheme has none. */
export type Authorisation = {
  by: Id
  schemes: Id[]
  categories: Id[]
  van: number
  until: Seconds
  standing: Standing
}
/** `number`: of NANDO, four digits at least. */
export type Notification = { by: Id; number: string }
export type Delegation = { by: Id; until: Seconds; isLive: boolean }
/** By the commitment of the certificate that is approved, and the body. */
export type Approval = { by: Id; body: Id; until: Seconds; mayBeLonger: boolean; isUsed: boolean }

export type Artifact = { manufacturer: Id; description: Hash; support: Support | undefined; history: number }
/** CSA Article 55. */
export type Support = { guidance: Hash; until: Seconds; contact: Hash; repository: Hash }
export type Version = {
  artifact: Id
  manufacturer: Id
  firmware: Hash
  sbom: Hash
  mud: Hash
  /** A patch names what it is for, and which vulnerabilities it fixes. */
  patches?: Id | undefined
  fixes: Id[]
  hasSupport: boolean
  from: Provenance
}
/** OpenVEX / CSAF words. */
export const LABELS = ['under_investigation', 'affected', 'fixed', 'not_affected'] as const
export type LabelStatus = (typeof LABELS)[number]
/** By `version@vulnerability@asserter`; each earlier one stays under `…#n`. */
export type Label = { status: LabelStatus; justification: Hash | undefined; at: Seconds; count: number }

export type Certificate = {
  scheme: Id
  schemeVersion: number
  level: Level | undefined
  issuer: Id
  /** The NCCA that approved it or issued it by its certification body. */
  ncca: Id | undefined
  holder: Id
  kind: 'certificate' | 'profile' | 'declaration'
  /** Versions that it is about, or none where it is about a documented series. */
  versions: Id[]
  series: Hash | undefined
  /** Certificates or versions of components, here or on another chain. */
  components: Id[]
  document: Hash
  report: Hash
  itsef: Id | undefined
  van: number
  since: Seconds
  /** Undefined: nobody knows, and it is never in force (imported ones only). */
  until: Seconds | undefined
  isImported: boolean
  withdrawn: Seconds | undefined
  suspendedUntil: Seconds
  /** Seconds of suspension that it has had or been given. */
  suspended: Seconds
  isUnderReview: boolean
  /** Vulnerabilities of components that it was told of and nobody has cleared. */
  notified: Id[]
  /** Due dates of its monitoring. */
  due: Seconds[]
  successor: Id | undefined
}

export type EmbargoState = 'none' | 'proposed' | 'active' | 'revise' | 'exited'
/** Vultron: V, F and D are each participant's, P, X and A the case's; none is ever taken back. */
export type Bits = { public: boolean; exploit: boolean; attacks: boolean }
export type Case = {
  provider: Id
  coordinator: Id
  participants: Id[]
  commitment: Hash
  /** Of the artifact: sealed, until it is disclosed. */
  artifact: { sealed: Hash } | { open: Id }
  announced: Seconds
  embargo: EmbargoState
  /** What is proposed, and when it was. */
  proposedEnd: Seconds
  proposedAt: Seconds
  /** End of the accepted embargo; 0 without one. */
  end: Seconds
  /** Who has accepted what is proposed. */
  accepted: Id[]
  bits: Bits
  disclosed: Seconds | undefined
  closed: 'invalid' | 'duplicate' | undefined
  /** Who has asked for it to be closed, where it takes two. */
  closing: { by: Id; as: 'invalid' | 'duplicate' }[]
  from: Provenance
}
/** A case of the vulnerability chain, as the artifact chain knows it. */
export type ForeignCase = Pick<Case, 'provider' | 'coordinator' | 'from'> & { disclosed?: Seconds | undefined }
export type Participation = { vendorAware: boolean; fixReady: boolean; fixDeployed: boolean; isIn: boolean }
/** What bounds a vulnerability chain: one embargo, all of a case's from its announcement, the time to accept one, and announcements of one party in a time. */
export type DisclosurePolicy = {
  maxEmbargo: Seconds
  maxTotal: Seconds
  acceptWithin: Seconds
  announcements: number
  per: Seconds
}
export type Announced = { since: Seconds; count: number }

export const CHAIN_KINDS = ['eu', 'artifact', 'certification', 'vulnerability'] as const
export type ChainKind = (typeof CHAIN_KINDS)[number]
/** `inbox`: the account that brings facts of other chains with a proof, where there is one. No party has it. */
export type Chain = { kind: ChainKind; country: Country; inbox?: string | undefined }

export type Entities = {
  chain: Chain
  party: Party
  key: Key
  consortium: Consortium
  proposal: Proposal
  chainSet: ChainSet
  scheme: Scheme
  coverage: Coverage
  recognition: Recognition
  accreditation: Accreditation
  authorisation: Authorisation
  notification: Notification
  delegation: Delegation
  approval: Approval
  artifact: Artifact
  version: Version
  label: Label
  certificate: Certificate
  case: Case
  foreignCase: ForeignCase
  participation: Participation
  disclosurePolicy: DisclosurePolicy
  announced: Announced
}
export type Kind = keyof Entities
