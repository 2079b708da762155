import type { Cpe } from './cpe.ts'
import { ProductError } from './error.ts'
import type { Purl } from './purl.ts'
import type { VersionType } from './versions/order.ts'
import { compareVersions } from './versions/order.ts'
import { isInVers, parseVers, type Vers } from './versions/vers.ts'

/** What an advisory says, whether it came as CSAF or as a CVE record. */
export type Advisory = {
  id: string
  title: string
  publisher: string
  vulnerabilities: readonly Vulnerability[]
}
export type Vulnerability = {
  /** Its CVE number, where it has one. */
  id: string
  title: string
  description: string | undefined
  /** CVSS vectors as the advisory has them: `scoreCvss` says whether they are any. */
  cvss: readonly string[]
  statements: readonly Statement[]
}

/** OpenVEX and CSAF words; the same as those of labels on a chain. */
export const STATUSES = ['under_investigation', 'affected', 'fixed', 'not_affected'] as const
export type Status = (typeof STATUSES)[number]

/** About one product; of its versions the first rule that has one decides. */
export type Statement = {
  product: Product
  rules: readonly Rule[]
  /** Of versions that no rule has. */
  otherwise: Status | undefined
  /** Where the advisory says so. */
  at: string
  /** Why a product is not affected: a flag of CSAF, or words. */
  justification: string | undefined
}
export type Product = {
  /** For people. */
  name: string
  vendor: string | undefined
  product: string | undefined
  purl: Purl | undefined
  cpes: readonly Cpe[]
  hashes: Readonly<Record<string, string>>
  /** What is said of it as a part of another product only holds there. */
  within: { product: Product; versions: Versions } | undefined
}
/** `undecided`: the advisory says that it does not know. */
export type Rule = { status: Status | 'undecided'; versions: Versions }
export type Versions =
  | { kind: 'all' }
  | { kind: 'exact'; version: string; type: VersionType }
  | { kind: 'range'; range: Vers }
  /** Words that no program understands. */
  | { kind: 'words'; text: string }

/** What a rule says of a version: `undecided` where the advisory's words, or the version, have no order that is known. */
export function isAmong(versions: Versions, version: string | undefined): boolean | 'undecided' {
  if (versions.kind === 'all') return true
  if (versions.kind === 'words') return 'undecided'
  if (version === undefined || version === '*' || version === '-') return 'undecided'
  if (versions.kind === 'exact' && versions.version === version) return true
  try {
    if (versions.kind === 'range') return isInVers(versions.range, version)
    return compareVersions(versions.type, versions.version, version) === 0
  } catch (error) {
    if (!(error instanceof ProductError)) throw error
    // Two texts without an order are two versions all the same.
    return versions.kind === 'exact' ? false : 'undecided'
  }
}

/** For people. */
export function showVersions(versions: Versions): string {
  if (versions.kind === 'all') return 'all versions'
  if (versions.kind === 'exact') return versions.version
  if (versions.kind === 'words') return versions.text
  return (
    versions.range.constraints.map(({ comparator, version }) => `${comparator}${version}`).join(' ') || 'all versions'
  )
}

/** VERS, or the same constraints without a type (CSAF calls that `vls`); else words. */
export function readRange(text: string, type: VersionType = 'generic'): Versions {
  const written = text.startsWith('vers:') ? text : `vers:${type}/${text.replaceAll(' ', '')}`
  try {
    const range = parseVers(written)
    return range.constraints.length === 0 ? { kind: 'all' } : { kind: 'range', range }
  } catch (error) {
    if (!(error instanceof ProductError)) throw error
    return { kind: 'words', text }
  }
}

/** Types of package URLs whose versions have an order that is known; else what is known of any. */
export function versionTypeOf(purl: Purl | undefined): VersionType {
  const type = purl?.type ?? ''
  return ['npm', 'cargo', 'golang', 'hex', 'pypi', 'deb', 'rpm', 'maven'].includes(type) ? type : 'generic'
}
