import { ASSURANCE_LEVELS, extensions, ICT_CERTIFICATE, type IctCertificate, type IctPublication } from '@entente/stix'
import Type, { type Static } from 'typebox'
import type { StixObject } from './commitment.ts'
import { certificateDocument, type Head, identityDocument, readCertificate } from './documents.ts'
import { ProductError } from './error.ts'
import { documentId, subjectId } from './ids.ts'
import { createShape, readJson } from './input.ts'

/**
 * EUCC certificates (Implementing Regulation (EU) 2024/482) as ENISA's website and the data set of sec-certs have them, and back. The words of the source are kept as they are
 * (`publication`); what programs compare is read out of them.
 */
export type Certified = {
  certificate: StixObject
  /** Issuer, holder, laboratory and authority, each once. */
  identities: StixObject[]
}

const publication = extensions.get(ICT_CERTIFICATE)?.properties.publication?.kind
/** ENISA's fields, by the names that the data has. */
export const ENISA_FIELDS: readonly string[] =
  publication?.kind === 'structure' ? Object.keys(publication.structure.properties) : []

const SCHEME = documentId('report', subjectId('scheme', 'EUCC'))
const checkFields = createShape(Type.Record(Type.String(), Type.String({ maxLength: 100_000 })))

/**
 * A certificate as published by ENISA.
 *
 * @param created of the documents
 * @throws ProductError `syntax`; `unsupported` where there is a field that no property is for, so that none is lost unseen
 */
export function readEnisa(input: string | Uint8Array, created: string): Certified {
  const fields = checkFields(readJson(input, 'the certificate'), 'the certificate')
  const unknown = Object.keys(fields).find(name => !ENISA_FIELDS.includes(name))
  if (unknown !== undefined)
    throw new ProductError('unsupported', `the certificate: no property for ${unknown.slice(0, 80)}`)
  if (fields.certificate_id === undefined) throw new ProductError('syntax', 'the certificate has no certificate_id')
  return certified(fields as IctPublication, created, {})
}

/** The fields again, word for word. @throws ProductError `document` */
export function toEnisa(certificate: StixObject): IctPublication {
  const { publication: fields } = readCertificate(certificate)
  if (fields === undefined) throw new ProductError('document', `${String(certificate.id)} was not published by ENISA`)
  return fields
}

function certified(
  fields: IctPublication,
  created: string,
  more: Partial<IctCertificate>,
  labels?: string[],
): Certified {
  const identities = new Map<string, { head: Head; contact: string | undefined; roles: string[] }>()
  /** @returns its STIX id */
  function party(
    name: string | undefined,
    role: string,
    contact: (string | undefined)[] = [],
    url?: string,
  ): string | undefined {
    if (name === undefined || name === '') return undefined
    const id = subjectId('party', name.replaceAll('\n', ' '))
    const known = identities.get(id)
    // An authority that certifies is one party with two roles, described where it is first met.
    if (known !== undefined) known.roles.push(role)
    else {
      const references = url ? [{ source_name: 'website', url }] : undefined
      const lines = contact.filter(line => line).join('\n')
      identities.set(id, { head: { id, name, created, references }, contact: lines || undefined, roles: [role] })
    }
    return documentId('identity', id)
  }
  // The word CERTIFICATE is the page's, not the number's.
  const number = fields.certificate_id.replace(/^CERTIFICATE /, '')
  const nando = fields.nando_id ?? /^EUCC-([0-9]+)-/.exec(number)?.[1]
  const issuer =
    party(fields.certification_body, 'certification-body', [
      fields.certification_body_address,
      fields.certification_body_contact,
    ]) ?? party(`NANDO ${nando ?? 'unknown'}`, 'certification-body')
  const holder =
    party(fields.holder_name, 'holder', [fields.holder_address, fields.holder_contact], fields.holder_website) ??
    party('not stated', 'holder')
  const from = dayOf(fields.issuance_date_full)
  const until = from === undefined ? undefined : yearsLater(from, fields.validity_period_years)
  const assurance = componentsOf(fields.package)
  const level = ASSURANCE_LEVELS.find(each => each === fields.assurance_level?.toLowerCase())
  const van = vanOf(fields.ava_van_level, assurance)
  const itsef = party(fields.itsef, 'itsef')
  const ncca = party(fields.responsible_ncca, 'ncca')
  const certificate = certificateDocument(
    {
      id: subjectId('certificate', number),
      name: fields.product_name ? `${number} ${fields.product_name}` : number,
      description: fields.product_description,
      created,
      labels,
    },
    more.valid_from ?? from ?? created,
    {
      certificate_id: number,
      kind: 'certificate',
      scheme: 'EUCC',
      scheme_ref: SCHEME,
      ...(level === undefined ? {} : { level }),
      ...(van === undefined ? {} : { ava_van: van }),
      ...(nando === undefined ? {} : { issuer_number: nando }),
      assurance,
      criteria: fields.cc_version ? [fields.cc_version] : [],
      methods: fields.cem_version ? [fields.cem_version] : [],
      categories: fields.product_type ? [fields.product_type] : [],
      ...(from === undefined ? {} : { valid_from: from }),
      ...(until === undefined ? {} : { valid_until: until }),
      issuer_ref: issuer ?? '',
      holder_ref: holder ?? '',
      ...(itsef === undefined ? {} : { itsef_ref: itsef }),
      ...(ncca === undefined ? {} : { ncca_ref: ncca }),
      publication: fields,
      ...more,
    },
  )
  const parties = [...identities.values()].map(({ head, contact, roles }) => identityDocument(head, { contact, roles }))
  return { certificate, identities: parties }
}

/** `'19/12/2025'`, with the quotes that some pages have. */
function dayOf(text: string | undefined): string | undefined {
  const [, day = '', month = '', year = ''] = /^'?([0-9]{1,2})\/([0-9]{1,2})\/([0-9]{4})'?$/.exec(text ?? '') ?? []
  return dateOf(`${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`)
}

function dateOf(day: string): string | undefined {
  const date = new Date(`${day}T00:00:00.000Z`)
  return Number.isNaN(date.getTime()) || !date.toISOString().startsWith(day) ? undefined : date.toISOString()
}

function yearsLater(from: string, text: string | undefined): string | undefined {
  const years = Number(/^([0-9]{1,2}) years?$/.exec(text ?? '')?.[1])
  if (Number.isNaN(years) || years === 0) return undefined
  const date = new Date(from)
  date.setUTCFullYear(date.getUTCFullYear() + years)
  return date.toISOString()
}

/** Packages and components that are named for all of the product; what holds for parts of it (sub-TSF) stays in words. */
function componentsOf(text: string | undefined): string[] {
  const [whole = ''] = (text ?? '').split(/sub-TSF/i)
  const found = whole.match(/EAL ?[1-7]\+?|[A-Z]{3}_[A-Z0-9]{3}\.[1-9]/g) ?? []
  return [...new Set(found.map(each => each.replace(' ', '')))]
}

function vanOf(text: string | undefined, assurance: readonly string[]): number | undefined {
  const stated = /^(?:Global: )?([1-5])(?:,|$)/.exec(text ?? '')?.[1]
  const component = assurance.find(each => each.startsWith('AVA_VAN.'))?.slice(8)
  const van = Number(stated ?? component)
  return van >= 1 && van <= 5 ? van : undefined
}

const SetOf = Type.Object({ _type: Type.Literal('Set'), elements: Type.Array(Type.String({ maxLength: 10_000 })) })
const Text = Type.String({ maxLength: 10_000 })
const SampleShape = Type.Object(
  {
    _type: Type.Literal('sec_certs.sample.eucc.EUCCCertificate'),
    dgst: Text,
    cert_id: Text,
    status: Type.Enum(['active', 'archived']),
    category: Text,
    name: Text,
    manufacturer: Text,
    scheme: Type.String({ pattern: '^[A-Z]{2}$' }),
    security_level: SetOf,
    not_valid_before: Type.String({ pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' }),
    not_valid_after: Type.String({ pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' }),
    report_link: Text,
    st_link: Text,
    cert_link: Text,
    manufacturer_web: Text,
    protection_profile_links: SetOf,
    /** How far sec-certs has got with the files: not of the certificate. */
    state: Type.Unknown(),
    pdf_data: Type.Unknown(),
    heuristics: Type.Unknown(),
  },
  { additionalProperties: false },
)
const checkSample = createShape(SampleShape)
type Sample = Static<typeof SampleShape>
/** A certificate of the data set of sec-certs, without what that program keeps of its own work. */
export type SecCertsSample = Omit<Sample, 'state' | 'pdf_data' | 'heuristics'>
const checkDataset = createShape(Type.Object({ certs: Type.Array(Type.Unknown(), { maxItems: 100_000 }) }))

const LINKS = {
  cert_link: 'certificate',
  report_link: 'certification-report',
  st_link: 'security-target',
} as const

/**
 * The certificates of a data set of sec-certs.
 *
 * @throws ProductError `syntax`; `unsupported` where there is more than is read, so that nothing is lost unseen
 */
export function readEuccDataset(input: string | Uint8Array, created: string): Certified[] {
  const { certs } = checkDataset(readJson(input, 'the data set'), 'the data set')
  return certs.map((cert, i) => readSample(checkSample(cert, `the data set/certs/${i}`), created))
}

function readSample(sample: Sample, created: string): Certified {
  for (const name of ['state', 'pdf_data', 'heuristics'] as const) {
    if (!isBlank(sample[name]))
      throw new ProductError('unsupported', `${sample.cert_id.slice(0, 80)}: ${name} is not empty`)
  }
  const [from, until] = [sample.not_valid_before, sample.not_valid_after].map(dateOf)
  if (from === undefined || until === undefined)
    throw new ProductError('syntax', `${sample.cert_id.slice(0, 80)}: no days`)
  const fields: IctPublication = {
    certificate_id: sample.cert_id,
    product_name: sample.name,
    product_type: sample.category,
    holder_name: sample.manufacturer,
    holder_website: sample.manufacturer_web,
    scheme: 'EUCC',
  }
  const { certificate, identities } = certified(
    fields,
    created,
    {
      assurance: sample.security_level.elements,
      valid_from: from,
      valid_until: until,
      status_history: [{ status: sample.status === 'active' ? 'in-force' : 'archived' }],
      documents: [
        ...Object.entries(LINKS).map(([link, kind]) => ({ kind, url: sample[link as keyof typeof LINKS] })),
        ...sample.protection_profile_links.elements.map(url => ({ kind: 'protection-profile', url })),
      ],
    },
    [`country-${sample.scheme.toLowerCase()}`],
  )
  const reference = { source_name: 'sec-certs', external_id: sample.dgst }
  return { certificate: { ...certificate, external_references: [reference] }, identities }
}

/** The certificate again, as the data set has it. @throws ProductError `document` */
export function toSecCerts(certificate: StixObject): SecCertsSample {
  const { publication: fields, ...content } = readCertificate(certificate)
  const [reference] = (certificate.external_references ?? []) as { external_id?: string }[]
  const [label = ''] = (certificate.labels ?? []) as string[]
  const urls = (kind: string) => (content.documents ?? []).flatMap(each => (each.kind === kind ? (each.url ?? []) : []))
  const link = (kind: string) => urls(kind)[0] ?? ''
  return {
    _type: 'sec_certs.sample.eucc.EUCCCertificate',
    dgst: reference?.external_id ?? '',
    cert_id: fields?.certificate_id ?? content.certificate_id,
    status: content.status_history?.at(-1)?.status === 'archived' ? 'archived' : 'active',
    category: fields?.product_type ?? '',
    name: fields?.product_name ?? '',
    manufacturer: fields?.holder_name ?? '',
    scheme: label.slice('country-'.length).toUpperCase(),
    security_level: { _type: 'Set', elements: content.assurance ?? [] },
    not_valid_before: content.valid_from?.slice(0, 10) ?? '',
    not_valid_after: content.valid_until?.slice(0, 10) ?? '',
    report_link: link(LINKS.report_link),
    st_link: link(LINKS.st_link),
    cert_link: link(LINKS.cert_link),
    manufacturer_web: fields?.holder_website ?? '',
    protection_profile_links: { _type: 'Set', elements: urls('protection-profile') },
  }
}

/** Nothing but nulls, `false` and names of types. */
function isBlank(value: unknown): boolean {
  if (value === null || value === false) return true
  if (typeof value !== 'object') return false
  return Object.entries(value).every(([name, member]) => name === '_type' || isBlank(member))
}
