import Type, { type Static } from 'typebox'
import {
  type Advisory,
  readRange,
  type Rule,
  type Statement,
  type Status,
  type Versions,
  versionTypeOf,
} from './advisory.ts'
import { ProductError } from './error.ts'
import { createCounter, createShape, readJson } from './input.ts'
import { createNames } from './sbom/component.ts'
import type { VersionType } from './versions/order.ts'
import type { Comparator, Constraint } from './versions/vers.ts'

/** CVE records in CVE JSON 5: which versions of which products, as the numbering authority and others (ADP) say. */
const Text = Type.String({ maxLength: 100_000 })
const StatusShape = Type.Enum(['affected', 'unaffected', 'unknown'])
const VersionShape = Type.Object({
  version: Text,
  status: StatusShape,
  versionType: Type.Optional(Text),
  lessThan: Type.Optional(Text),
  lessThanOrEqual: Type.Optional(Text),
  changes: Type.Optional(Type.Array(Type.Object({ at: Text, status: StatusShape }), { maxItems: 1_000 })),
})
const AffectedShape = Type.Object({
  vendor: Type.Optional(Text),
  product: Type.Optional(Text),
  packageName: Type.Optional(Text),
  packageURL: Type.Optional(Text),
  cpes: Type.Optional(Type.Array(Text)),
  defaultStatus: Type.Optional(StatusShape),
  versions: Type.Optional(Type.Array(VersionShape)),
})
const Score = Type.Optional(Type.Object({ vectorString: Text }))
const Container = Type.Object({
  title: Type.Optional(Text),
  descriptions: Type.Optional(Type.Array(Type.Object({ lang: Text, value: Text }))),
  metrics: Type.Optional(
    Type.Array(Type.Object({ cvssV2_0: Score, cvssV3_0: Score, cvssV3_1: Score, cvssV4_0: Score })),
  ),
  affected: Type.Optional(Type.Array(AffectedShape)),
})
const check = createShape(
  Type.Object({
    dataType: Type.Literal('CVE_RECORD'),
    dataVersion: Text,
    cveMetadata: Type.Object({ cveId: Text, state: Text, assignerShortName: Type.Optional(Text) }),
    containers: Type.Object({ cna: Container, adp: Type.Optional(Type.Array(Container)) }),
  }),
)

/** Nothing is said of what is unknown. */
const WORDS: Readonly<Record<Static<typeof StatusShape>, Status | undefined>> = {
  affected: 'affected',
  unaffected: 'not_affected',
  unknown: undefined,
}

/**
 * A CVE record of format 5.x.
 *
 * @throws ProductError `syntax`, `unsupported`, `too-big`
 */
export function readCve(input: string | Uint8Array): Advisory {
  return cveAdvisory(readJson(input, 'the CVE record'))
}

/** What {@link readCve} does, of what was parsed. */
export function cveAdvisory(value: unknown): Advisory {
  const record = check(value, 'the CVE record')
  const { cveMetadata, containers } = record
  if (!record.dataVersion.startsWith('5.')) {
    throw new ProductError('unsupported', `CVE JSON ${record.dataVersion.slice(0, 20)}; read is 5`)
  }
  if (cveMetadata.state !== 'PUBLISHED') {
    throw new ProductError(
      'unsupported',
      `${cveMetadata.cveId.slice(0, 40)} is ${cveMetadata.state.slice(0, 40)}: it says nothing`,
    )
  }
  const count = createCounter('CVE: versions')
  const said = [
    ...(containers.cna.affected ?? []).map((affected, i) => ({ affected, at: `/containers/cna/affected/${i}` })),
    ...(containers.adp ?? []).flatMap(({ affected = [] }, j) =>
      affected.map((each, i) => ({ affected: each, at: `/containers/adp/${j}/affected/${i}` })),
    ),
  ]
  const statements = said.map(({ affected, at }) => statementOf(affected, at, count))
  const id = cveMetadata.cveId
  const title = containers.cna.title ?? id
  const publisher = cveMetadata.assignerShortName ?? 'unknown'
  const { descriptions = [] } = containers.cna
  const description = (descriptions.find(({ lang }) => lang.startsWith('en')) ?? descriptions[0])?.value
  const metrics = [containers.cna, ...(containers.adp ?? [])].flatMap(container => container.metrics ?? [])
  const vectors = metrics.flatMap(({ cvssV4_0, cvssV3_1, cvssV3_0, cvssV2_0 }) =>
    [cvssV4_0, cvssV3_1, cvssV3_0, cvssV2_0].flatMap(score => score?.vectorString ?? []),
  )
  const cvss = [...new Set(vectors)]
  return { id, title, publisher, vulnerabilities: [{ id, title, description, cvss, statements }] }
}

function statementOf(affected: Static<typeof AffectedShape>, at: string, count: () => number): Statement {
  const names = createNames([])
  const purl = names.purl(affected.packageURL)
  const product = affected.product ?? affected.packageName
  return {
    product: {
      name: [affected.vendor, product].filter(part => part !== undefined).join(' '),
      vendor: affected.vendor,
      product,
      purl,
      cpes: names.cpes(affected.cpes ?? []),
      hashes: {},
      within: undefined,
    },
    rules: (affected.versions ?? []).flatMap(version => {
      count()
      return rulesOf(version, typeOf(version.versionType, versionTypeOf(purl)))
    }),
    // "unknown" by default, as the format has it.
    otherwise: WORDS[affected.defaultStatus ?? 'unknown'],
    at,
    justification: undefined,
  }
}

const TYPES: Readonly<Record<string, VersionType>> = {
  semver: 'semver',
  npm: 'npm',
  maven: 'maven',
  rpm: 'rpm',
  deb: 'deb',
  dpkg: 'deb',
  python: 'pypi',
  pypi: 'pypi',
  git: 'git',
  date: 'date',
}
const typeOf = (stated: string | undefined, otherwise: VersionType): VersionType =>
  stated === undefined ? otherwise : (TYPES[stated.toLowerCase()] ?? otherwise)

/** A version alone, or all from it up to an end, with what changes on the way: the last change first, since the first rule that fits decides. */
function rulesOf(shape: Static<typeof VersionShape>, type: VersionType): Rule[] {
  const { version, status, lessThan, lessThanOrEqual, changes = [] } = shape
  const end = lessThan ?? lessThanOrEqual
  if (end === undefined) {
    const versions: Versions = ['*', 'all'].includes(version.toLowerCase())
      ? { kind: 'all' }
      : ['n/a', 'unspecified', 'unknown', ''].includes(version.toLowerCase())
        ? { kind: 'words', text: version || 'unspecified' }
        : { kind: 'exact', version, type }
    return [rule(status, versions)]
  }
  const upper: Constraint | undefined =
    end === '*' ? undefined : { comparator: lessThan === undefined ? '<=' : '<', version: end }
  const from = (start: string): Versions => rangeOf(type, { comparator: '>=', version: start }, upper)
  const changed = changes.toReversed().map(({ at, status: next }) => rule(next, from(at)))
  return [...changed, rule(status, from(version))]
}

/** What is unknown must not fall to the default. */
const rule = (status: Static<typeof StatusShape>, versions: Versions): Rule => ({
  status: WORDS[status] ?? 'undecided',
  versions,
})

/** `0` and `*` stand for the beginning. */
function rangeOf(type: VersionType, lower: Constraint, upper: Constraint | undefined): Versions {
  const isFirst = ['0', '*', 'n/a', 'unspecified'].includes(lower.version)
  const constraints = [...(isFirst ? [] : [lower]), ...(upper === undefined ? [] : [upper])]
  if (constraints.length === 0) return { kind: 'all' }
  return readRange(constraints.map(each => encode(each.comparator, each.version)).join('|'), type)
}

const encode = (comparator: Comparator, version: string): string => comparator + encodeURIComponent(version)
