import Type from 'typebox'
import { ProductError } from '../error.ts'
import { createCounter, createShape } from '../input.ts'
import { createEdges, createNames, type Draft, hashesOf, type Sbom, withPaths } from './component.ts'

/** SPDX 2.2 and 2.3 (ISO/IEC 5962 has 2.2.1): packages and their relationships; files and snippets are not components here. */
const VERSIONS: readonly string[] = ['SPDX-2.2', 'SPDX-2.3']

const Text = Type.String({ maxLength: 10_000 })
const check = createShape(
  Type.Object({
    spdxVersion: Text,
    documentDescribes: Type.Optional(Type.Array(Text)),
    packages: Type.Optional(
      Type.Array(
        Type.Object({
          SPDXID: Text,
          name: Text,
          versionInfo: Type.Optional(Text),
          supplier: Type.Optional(Text),
          licenseConcluded: Type.Optional(Text),
          licenseDeclared: Type.Optional(Text),
          checksums: Type.Optional(Type.Array(Type.Object({ algorithm: Text, checksumValue: Text }))),
          externalRefs: Type.Optional(Type.Array(Type.Object({ referenceType: Text, referenceLocator: Text }))),
        }),
      ),
    ),
    relationships: Type.Optional(
      Type.Array(Type.Object({ spdxElementId: Text, relatedSpdxElement: Text, relationshipType: Text })),
    ),
  }),
)

/** Relationships (SPDX 2.3 clause 11) by which the second is part of the first, and those that are said the other way round. */
const DOWN: ReadonlySet<string> = new Set(['DESCRIBES', 'CONTAINS', 'DEPENDS_ON', 'STATIC_LINK', 'DYNAMIC_LINK'])
const UP: ReadonlySet<string> = new Set([
  'DESCRIBED_BY',
  'CONTAINED_BY',
  'DEPENDENCY_OF',
  'RUNTIME_DEPENDENCY_OF',
  'PREREQUISITE_FOR',
  'PACKAGE_OF',
])
const DOCUMENT = 'SPDXRef-DOCUMENT'

/** @throws ProductError `syntax`, `unsupported`, `too-big` */
export function readSpdx(value: unknown): Sbom {
  const { spdxVersion, packages = [], relationships = [], documentDescribes = [] } = check(value, 'SPDX')
  if (!VERSIONS.includes(spdxVersion)) {
    throw new ProductError('unsupported', `${spdxVersion.slice(0, 20)}; read are ${VERSIONS.join(', ')}`)
  }
  const problems: string[] = []
  const names = createNames(problems)
  const count = createCounter('SPDX: packages')
  const refs = new Set<string>()
  const drafts = packages.map((one): Draft => {
    count()
    if (refs.has(one.SPDXID))
      throw new ProductError('syntax', `SPDX: the SPDXID ${one.SPDXID.slice(0, 80)} is there twice`)
    refs.add(one.SPDXID)
    const references = (type: string) =>
      (one.externalRefs ?? []).flatMap(each => (each.referenceType === type ? each.referenceLocator : []))
    return {
      ref: one.SPDXID,
      name: one.name,
      version: stated(one.versionInfo),
      supplier: stated(one.supplier)?.replace(/^(?:Organization|Person): */, ''),
      purl: names.purl(references('purl')[0]),
      cpes: names.cpes([...references('cpe23Type'), ...references('cpe22Type')]),
      hashes: hashesOf((one.checksums ?? []).map(({ algorithm, checksumValue }) => [algorithm, checksumValue])),
      licence: stated(one.licenseConcluded) ?? stated(one.licenseDeclared),
    }
  })
  const { edges, link } = createEdges()
  for (const ref of documentDescribes) link(DOCUMENT, ref)
  const countRelationships = createCounter('SPDX: relationships', 1_000_000)
  for (const { spdxElementId, relatedSpdxElement, relationshipType } of relationships) {
    countRelationships()
    if (DOWN.has(relationshipType)) link(spdxElementId, relatedSpdxElement)
    else if (UP.has(relationshipType)) link(relatedSpdxElement, spdxElementId)
  }
  const described = new Set(edges.get(DOCUMENT))
  // A document about one package is about that product; about several, about none of them.
  const [only] = described
  const subject = described.size === 1 ? drafts.find(({ ref }) => ref === only) : undefined
  const parts = drafts.filter(draft => draft !== subject)
  if (subject === undefined) edges.set('', edges.get(DOCUMENT) ?? [])
  return {
    format: 'SPDX',
    specVersion: spdxVersion.slice(5),
    subject: subject && { ...subject, path: [subject.name] },
    components: withPaths(subject, parts, edges),
    problems,
  }
}

const stated = (text: string | undefined): string | undefined =>
  text === undefined || text === '' || text === 'NOASSERTION' || text === 'NONE' ? undefined : text
