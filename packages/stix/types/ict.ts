/**
 * Extensions of STIX 2.1 (section 7.3) for what the Cybersecurity Act (CSA, Regulation (EU) 2019/881) is about: ICT products, services and
 * processes, certificates, schemes. Property extensions: what they extend are types that every tool shows. docs/product.md says which
 * property comes from where.
 */
import {
  advised,
  before,
  type Bare,
  boolean,
  type Constraint,
  dictionaryOf,
  type Draft,
  type Extension,
  formatted,
  hashes,
  integerBetween,
  list,
  needs,
  nested,
  nonNegative,
  oneOf,
  openVocab,
  ref,
  refs,
  required,
  string,
  structure,
  timestamp,
  type Vocabulary,
} from './kinds.ts'

const SECTION = '7.3'
const vocabulary = (name: string, terms: readonly string[]): Vocabulary => ({ name, section: SECTION, terms })

export const ICT_KINDS = ['product', 'service', 'process'] as const
export const ASSURANCE_LEVELS = ['basic', 'substantial', 'high'] as const
export const CERTIFICATE_KINDS = ['certificate', 'profile', 'declaration'] as const
export const CERTIFICATE_STATUSES = [
  'issued',
  'in-force',
  'under-review',
  'suspended',
  'maintained',
  'withdrawn',
  'expired',
  'archived',
] as const
/** Kinds of documents that one of these objects names; others are possible. */
export const DOCUMENT_KINDS = [
  'certificate',
  'certification-report',
  'security-target',
  'protection-profile',
  'maintenance-report',
  'statement-of-conformity',
  'sbom',
  'mud',
  'guidance',
  'test-evidence',
  'act',
  'mapping',
] as const

type Hashes = Readonly<Record<string, string>>
type Level = (typeof ASSURANCE_LEVELS)[number]

/** A file elsewhere; at least one of its place and its hash. */
export type IctDocument = {
  kind: string
  name?: string
  url?: string
  hashes?: Hashes
  /** Of the file: CycloneDX 1.6, SPDX 2.3. */
  format?: string
}
/** CSA Article 55(1), in its order. */
export type IctSupport = {
  guidance: string
  until: string
  contact: string
  repository: string
}
/** Of an artifact, or with `version` and `version_of_ref` of one version of it. */
export type IctArtifact = {
  extension_type: 'property-extension'
  kind: (typeof ICT_KINDS)[number]
  manufacturer_ref: string
  model?: string
  version?: string
  version_of_ref?: string
  categories?: string[]
  purls?: string[]
  cpes?: string[]
  firmware_hashes?: Hashes
  documents?: IctDocument[]
  support?: IctSupport
  /** Of a patch: the version that it is for, and which vulnerabilities it fixes, by name. */
  patches_ref?: string
  fixes?: string[]
}
export type IctStatus = { status: (typeof CERTIFICATE_STATUSES)[number]; at?: string; reason?: string }
export type IctDue = { what: string; due: string }
/** The words in which a certification body publishes a certificate on ENISA's website, as they stand there. */
export type IctPublication = {
  certificate_id: string
  product_name?: string
  product_type?: string
  product_version?: string
  product_description?: string
  holder_name?: string
  holder_address?: string
  holder_contact?: string
  holder_website?: string
  certification_body?: string
  nando_id?: string
  certification_body_address?: string
  certification_body_contact?: string
  itsef?: string
  responsible_ncca?: string
  scheme?: string
  report_reference?: string
  assurance_level?: string
  cc_version?: string
  cem_version?: string
  ava_van_level?: string
  package?: string
  protection_profile?: string
  issuance_year?: string
  issuance_month?: string
  issuance_date_full?: string
  modification_or_reassurance?: string
  validity_period_years?: string
}
export type IctCertificate = {
  extension_type: 'property-extension'
  certificate_id: string
  kind: (typeof CERTIFICATE_KINDS)[number]
  scheme: string
  scheme_ref?: string
  scheme_version?: number
  /** CSA Article 52; nothing where the scheme has others, as those before the CSA. */
  level?: Level
  /** The highest component of AVA_VAN (CEM). */
  ava_van?: number
  /** Packages and components of the criteria, as the scheme writes them: EAL5+, ALC_DVS.2. */
  assurance?: string[]
  protection_profiles?: string[]
  criteria?: string[]
  methods?: string[]
  categories?: string[]
  valid_from?: string
  /** Nothing where nobody knows the end: such a certificate is never in force. */
  valid_until?: string
  issuer_ref: string
  /** NANDO. */
  issuer_number?: string
  ncca_ref?: string
  itsef_ref?: string
  holder_ref: string
  artifact_refs?: string[]
  documents?: IctDocument[]
  /** Certificates of components. */
  component_refs?: string[]
  /** Other certificates that it names, by their ids. */
  references?: string[]
  status_history?: IctStatus[]
  monitoring?: IctDue[]
  is_imported?: boolean
  publication?: IctPublication
}
export type IctMapping = { level: Level; scheme: string; scheme_ref?: string; to: Level }
export type IctScheme = {
  extension_type: 'property-extension'
  scheme_id: string
  scheme_version: number
  /** EU, or the country of a national scheme (ISO 3166-1 alpha-2). What is known of its terms follows. */
  owner: string
  scope: string
  adopted?: string
  ends_at?: string
  levels?: Level[]
  max_validity_seconds?: number
  allows_declaration?: boolean
  is_public_only?: boolean
  allows_profiles?: boolean
  authorised_levels?: Level[]
  /** Of a level the top AVA_VAN. */
  ava_van?: Readonly<Record<string, number>>
  max_suspension_seconds?: number
  max_suspended_seconds?: number
  max_accreditation_seconds?: number
  criteria?: string[]
  methods?: string[]
  monitoring?: string[]
  documents?: IctDocument[]
  mapping?: IctMapping[]
}
/** What makes a commitment to a document say nothing about it: 32 random bytes, base64url, in the document itself. */
export type IctCommitment = { extension_type: 'property-extension'; salt: string }

/** Exactly the properties of a type, neither fewer nor others. */
type Drafts<T> = { readonly [K in keyof Required<T>]: Draft }

function part<T>(name: string, drafts: Drafts<T>, constraints: readonly Bare<Constraint>[] = []) {
  return nested(structure(`ict-${name}-type`, SECTION, drafts, constraints))
}

const strings = list(string)
const level = oneOf(vocabulary('assurance level (CSA 52)', ASSURANCE_LEVELS))
const extensionType = required(oneOf(vocabulary('extension_type', ['property-extension'])))
const cpe = formatted('cpe', SECTION)

const document = part<IctDocument>(
  'document',
  {
    kind: required(openVocab(vocabulary('kind of document', DOCUMENT_KINDS))),
    name: string,
    url: advised('url', SECTION),
    hashes,
    format: string,
  },
  [{ rule: 'at_least_one', of: ['url', 'hashes'] }],
)
const support = part<IctSupport>('support', {
  guidance: required(string),
  until: required(timestamp),
  contact: required(string),
  repository: required(string),
})
const status = part<IctStatus>('status', {
  status: required(oneOf(vocabulary('status of a certificate', CERTIFICATE_STATUSES))),
  at: timestamp,
  reason: string,
})
const due = part<IctDue>('due', { what: required(string), due: required(timestamp) })
const mapping = part<IctMapping>('mapping', {
  level: required(level),
  scheme: required(string),
  scheme_ref: ref('report'),
  to: required(level),
})
const publication = part<IctPublication>('publication', {
  certificate_id: required(string),
  product_name: string,
  product_type: string,
  product_version: string,
  product_description: string,
  holder_name: string,
  holder_address: string,
  holder_contact: string,
  holder_website: string,
  certification_body: string,
  nando_id: string,
  certification_body_address: string,
  certification_body_contact: string,
  itsef: string,
  responsible_ncca: string,
  scheme: string,
  report_reference: string,
  assurance_level: string,
  cc_version: string,
  cem_version: string,
  ava_van_level: string,
  package: string,
  protection_profile: string,
  issuance_year: string,
  issuance_month: string,
  issuance_date_full: string,
  modification_or_reassurance: string,
  validity_period_years: string,
})

const artifact: Drafts<IctArtifact> = {
  extension_type: extensionType,
  kind: required(oneOf(vocabulary('kind of artifact (CSA 2)', ICT_KINDS))),
  manufacturer_ref: required(ref('identity')),
  model: string,
  version: string,
  version_of_ref: ref('infrastructure'),
  categories: strings,
  purls: strings,
  cpes: list(cpe),
  firmware_hashes: hashes,
  documents: list(document),
  support,
  patches_ref: ref('infrastructure'),
  fixes: strings,
}
const certificate: Drafts<IctCertificate> = {
  extension_type: extensionType,
  certificate_id: required(string),
  kind: required(oneOf(vocabulary('kind of certificate', CERTIFICATE_KINDS))),
  scheme: required(string),
  scheme_ref: ref('report'),
  scheme_version: nonNegative,
  level,
  ava_van: integerBetween(1, 5),
  assurance: strings,
  protection_profiles: strings,
  criteria: strings,
  methods: strings,
  categories: strings,
  valid_from: timestamp,
  valid_until: timestamp,
  issuer_ref: required(ref('identity')),
  issuer_number: string,
  ncca_ref: ref('identity'),
  itsef_ref: ref('identity'),
  holder_ref: required(ref('identity')),
  artifact_refs: refs('infrastructure'),
  documents: list(document),
  component_refs: refs('report'),
  references: strings,
  status_history: list(status),
  monitoring: list(due),
  is_imported: boolean,
  publication,
}
const scheme: Drafts<IctScheme> = {
  extension_type: extensionType,
  scheme_id: required(string),
  scheme_version: required(nonNegative),
  owner: required(string),
  scope: required(string),
  adopted: timestamp,
  ends_at: timestamp,
  levels: list(level),
  max_validity_seconds: nonNegative,
  allows_declaration: boolean,
  is_public_only: boolean,
  allows_profiles: boolean,
  authorised_levels: list(level),
  ava_van: dictionaryOf(integerBetween(0, 5)),
  max_suspension_seconds: nonNegative,
  max_suspended_seconds: nonNegative,
  max_accreditation_seconds: nonNegative,
  criteria: strings,
  methods: strings,
  monitoring: strings,
  documents: list(document),
  mapping: list(mapping),
}
const commitment: Drafts<IctCommitment> = { extension_type: extensionType, salt: required(string) }

/** UUIDv5 of the names `extension/ict-artifact` … in the namespace of `ict.ts`; `ict.test.ts` computes them again. */
export const ICT_ARTIFACT = 'extension-definition--739e23a9-f629-55fd-a4cb-0a13db620570'
export const ICT_CERTIFICATE = 'extension-definition--c88137ee-1a0f-5766-9f7b-d7a924f469f1'
export const ICT_SCHEME = 'extension-definition--9a84e3d4-2bb0-55a5-8bc9-21045763faae'
export const ICT_COMMITMENT = 'extension-definition--40a5b8d8-de1e-5afd-b7c3-e3655c845598'

export const ictExtensions: readonly Extension[] = [
  {
    on: ['infrastructure'],
    ...structure(ICT_ARTIFACT, SECTION, artifact, [
      needs('version', 'version_of_ref'),
      needs('patches_ref', 'version'),
    ]),
  },
  { on: ['report'], ...structure(ICT_CERTIFICATE, SECTION, certificate, [before('valid_from', 'valid_until')]) },
  { on: ['report'], ...structure(ICT_SCHEME, SECTION, scheme) },
  structure(ICT_COMMITMENT, SECTION, commitment),
]
