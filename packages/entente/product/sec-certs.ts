import type { IctDocument } from '@entente/stix'
import { commitDocument, type StixObject, withSalt } from './commitment.ts'
import { parseCsv } from './csv.ts'
import { certificateDocument, identityDocument, schemeDocument } from './documents.ts'
import { ProductError } from './error.ts'
import { documentId, type Hash, type Id, subjectId } from './ids.ts'
import { createCounter, readText } from './input.ts'
import { MEMBER_STATES } from './member-states.ts'
import { parseTexts } from './python-literal.ts'

/**
 * Common Criteria certificates as the project sec-certs (crocs-muni) publishes them: which certificate refers to which, of all of them, and for
 * composite ones names, manufacturers, dates, levels and laboratories. They were issued under national schemes before the CSA's, so none has a level
 * in its words; a certificate without dates has no end that anybody knows.
 */

/** What rule 17 takes (packages/rules, `importLegacy`). */
export type LegacyInput = {
  scheme: Id
  level?: undefined
  issuer: Id
  holder: Id
  /** Certificates that it refers to and that the data has, in this country or another. */
  components: Id[]
  /** Commitment of the document. */
  document: Hash
  /** Seconds since 1970; 0 where the data has no date. */
  since: number
  until?: number | undefined
}
export type Named = { id: Id; name: string; country: string; document: StixObject }
export type SecCert = {
  name: string
  id: Id
  /** ISO 3166-1 alpha-2. */
  country: string
  isMember: boolean
  legacy: LegacyInput
  document: StixObject
}
export type SecCerts = {
  certificates: SecCert[]
  /** By country: the body that issued, the scheme under which it did. */
  issuers: Map<string, Named>
  schemes: Map<string, Named>
  /** By id: manufacturers; for each country that needs it one that stands for all that the data does not name. */
  holders: Map<Id, Named>
  laboratories: Map<Id, Named>
  /** In the table of certificates and not in that of references: left out, since nobody says what they are built on. */
  unlisted: string[]
  /** Referred to, and in neither table. */
  unresolved: string[]
}

/** Who issued under each country's scheme (the Common Criteria Recognition Arrangement lists them). */
const ISSUERS: Readonly<Record<string, string>> = {
  CA: 'Canadian Common Criteria Scheme',
  DE: 'Bundesamt für Sicherheit in der Informationstechnik',
  ES: 'Organismo de Certificación, Centro Criptológico Nacional',
  FR: "Agence nationale de la sécurité des systèmes d'information",
  GB: 'UK IT Security Evaluation and Certification Scheme',
  IT: 'Organismo di Certificazione della Sicurezza Informatica',
  JP: 'Japan IT Security Evaluation and Certification Scheme',
  KR: 'IT Security Certification Center',
  NL: 'Netherlands Scheme for Certification in the Area of IT Security',
  NO: 'SERTIT',
  SE: 'Swedish Certification Body for IT Security',
  TR: 'Turkish Standards Institution',
  US: 'National Information Assurance Partnership',
}
/** What the data calls otherwise than ISO 3166-1 does. */
const COUNTRIES: Readonly<Record<string, string>> = { UK: 'GB' }

export type SecCertsOptions = {
  /** Of a document, by its STIX id: 32 random bytes, kept or derived from a secret by whoever imports. */
  salt: (documentId: string) => Uint8Array
  /** When it is imported: `created` of the documents. */
  at: string
}

type Row = Record<string, string>

/**
 * @param files the texts of `references.csv` and `certificates.csv`
 * @throws ProductError `syntax`, `too-big`
 */
export function readSecCerts(
  files: { references: string | Uint8Array; certificates: string | Uint8Array },
  options: SecCertsOptions,
): SecCerts {
  const references = rowsOf(files.references, 'references.csv', ['cert_id', 'scheme', 'refs'])
  const details = new Map<string, Row>()
  // A row for each reference of a certificate: what is said of the certificate is the same in all.
  for (const row of rowsOf(files.certificates, 'certificates.csv', ['cert_id', 'manufacturer', 'not_valid_before'])) {
    if (!details.has(row.cert_id ?? '')) details.set(row.cert_id ?? '', row)
  }
  const listed = new Set(references.map(row => row.cert_id ?? ''))
  if (listed.size !== references.length) throw new ProductError('syntax', 'references.csv has a certificate twice')

  const parties = createParties(options)
  const unresolved = new Set<string>()
  const certificates = references.map(row => {
    const refs = parseTexts(row.refs ?? '').filter(ref => ref !== row.cert_id)
    for (const ref of refs) if (!listed.has(ref)) unresolved.add(ref)
    return readCertificate(row, details.get(row.cert_id ?? ''), refs, listed, parties, options)
  })
  return {
    certificates,
    issuers: parties.issuers,
    schemes: parties.schemes,
    holders: parties.holders,
    laboratories: parties.laboratories,
    unlisted: [...details.keys()].filter(name => !listed.has(name)),
    unresolved: [...unresolved].sort(),
  }
}

function rowsOf(input: string | Uint8Array, what: string, columns: string[]): Row[] {
  const rows = parseCsv(readText(input, what), what)
  const count = createCounter(`${what}: rows`, 50_000)
  for (const row of rows) {
    count()
    for (const name of columns) {
      if (row[name] === undefined) throw new ProductError('syntax', `${what} has no column ${name}`)
    }
  }
  return rows
}

type Parties = ReturnType<typeof createParties>

/** Parties and schemes, each made when it is first met. */
function createParties({ at: created, salt }: SecCertsOptions) {
  const issuers = new Map<string, Named>()
  const schemes = new Map<string, Named>()
  const holders = new Map<Id, Named>()
  const laboratories = new Map<Id, Named>()
  const salted = (document: StixObject): StixObject => withSalt(document, salt(String(document.id)))

  function once(map: Map<string, Named>, key: string, make: () => Named): Named {
    const made = map.get(key) ?? make()
    map.set(key, made)
    return made
  }
  function party(name: string, country: string, role: string, url = ''): Named {
    const id = subjectId('party', name)
    const references = url === '' ? undefined : [{ source_name: 'website', url }]
    const document = identityDocument({ id, name, created, references }, { roles: [role] })
    return { id, name, country, document: salted(document) }
  }
  function issuer(country: string): Named {
    return once(issuers, country, () => {
      const name = ISSUERS[country]
      if (name === undefined) throw new ProductError('unsupported', `no issuing body is known for ${country}`)
      return party(name, country, 'certification-body')
    })
  }
  return {
    issuers,
    schemes,
    holders,
    laboratories,
    salted,
    issuer,
    scheme: (country: string) =>
      once(schemes, country, () => {
        const name = `Common Criteria ${country}`
        const id = subjectId('scheme', name)
        const head = { id, name, created, description: 'A national scheme from before Regulation (EU) 2019/881.' }
        const content = { scheme_id: name, scheme_version: 1, owner: country, scope: 'Common Criteria' }
        const owner = String(issuer(country).document.id)
        return { id, name, country, document: salted(schemeDocument(head, owner, content)) }
      }),
    holder: (name: string, country: string, url = '') =>
      once(holders, subjectId('party', name), () => party(name, country, 'manufacturer', url)),
    laboratory: (name: string, country: string) =>
      once(laboratories, subjectId('party', name), () => party(name, country, 'itsef')),
  }
}

const DAY = /^\d{4}-\d{2}-\d{2}$/

/** Seconds of the day that a column has. */
function secondsOf(row: Row | undefined, column: string): number | undefined {
  const text = row?.[column] ?? ''
  if (text === '') return undefined
  const milliseconds = DAY.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(milliseconds)) throw new ProductError('syntax', `${row?.cert_id}: ${column} is no day: ${text}`)
  return milliseconds / 1000
}

const timestampOf = (seconds: number): string => new Date(seconds * 1000).toISOString()

function readCertificate(
  row: Row,
  details: Row | undefined,
  references: string[],
  listed: ReadonlySet<string>,
  parties: Parties,
  { at }: SecCertsOptions,
): SecCert {
  const name = row.cert_id ?? ''
  const country = COUNTRIES[row.scheme ?? ''] ?? row.scheme ?? ''
  const id = subjectId('certificate', name)
  const since = secondsOf(details, 'not_valid_before')
  const end = secondsOf(details, 'not_valid_after')
  // Some end on the day on which they begin: that is no end.
  const until = end !== undefined && since !== undefined && end > since ? end : undefined
  const issuer = parties.issuer(country)
  const scheme = parties.scheme(country)
  const made = details?.manufacturer ?? ''
  const holder = parties.holder(made || `not stated (${country})`, country, details?.manufacturer_web)
  const lab = details?.cert_lab ?? ''
  const components = references.filter(ref => listed.has(ref)).map(ref => subjectId('certificate', ref))
  const document = parties.salted(
    certificateDocument(
      {
        id,
        name: details?.name ? `${name} ${details.name}` : name,
        created: at,
        references: details ? [{ source_name: 'sec-certs', external_id: details.dgst }] : undefined,
      },
      since === undefined ? at : timestampOf(since),
      {
        certificate_id: name,
        kind: 'certificate',
        scheme: scheme.name,
        scheme_ref: String(scheme.document.id),
        assurance: parseTexts(details?.security_level ?? '').sort(),
        protection_profiles: parseTexts(details?.protection_profiles ?? ''),
        ...(details?.category ? { categories: [details.category] } : {}),
        ...(since === undefined ? {} : { valid_from: timestampOf(since) }),
        ...(until === undefined ? {} : { valid_until: timestampOf(until) }),
        issuer_ref: String(issuer.document.id),
        holder_ref: String(holder.document.id),
        ...(lab === '' ? {} : { itsef_ref: String(parties.laboratory(lab, country).document.id) }),
        documents: documentsOf(details),
        component_refs: components.map(component => documentId('report', component)),
        references,
        ...(details?.status === 'archived' ? { status_history: [{ status: 'archived' as const }] } : {}),
        is_imported: true,
      },
    ),
  )
  const legacy: LegacyInput = {
    scheme: scheme.id,
    issuer: issuer.id,
    holder: holder.id,
    components,
    document: commitDocument(document),
    since: since ?? 0,
    until,
  }
  return { name, id, country, isMember: MEMBER_STATES.has(country), legacy, document }
}

const LINKS = { cert_link: 'certificate', report_link: 'certification-report', st_link: 'security-target' } as const

const documentsOf = (details: Row | undefined): IctDocument[] =>
  Object.entries(LINKS).flatMap(([column, kind]) => {
    const url = details?.[column] ?? ''
    return url === '' ? [] : [{ kind, url }]
  })
