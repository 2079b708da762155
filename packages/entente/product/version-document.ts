import { ICT_ARTIFACT } from '@entente/stix'
import { canonicalize } from '@entente/verify/json'
import { type StixObject, type VerifiedDocument } from './commitment.ts'
import { artifactDocument, readArtifact } from './documents.ts'
import { ProductError } from './error.ts'
import { documentId, type Hash, type Id, subjectId } from './ids.ts'

/** What an artifact chain has of a version; `registered` in whole seconds since 1970, of the block. */
export type RegisteredVersion = {
  readonly id: Id
  readonly artifact: Id
  readonly manufacturer: Id
  readonly firmware: Hash
  readonly sbom: Hash
  readonly mud: Hash
  readonly patches?: Id | undefined
  readonly fixes: readonly Id[]
  readonly registered: number
}

/** What a chain has only as ids, which are hashes of it. */
export type VersionNames = { readonly name: string; readonly fixes: readonly string[] }

const NONE = /^0x0+$/

/**
 * The document of a version. It says nothing that the chain does not have: every value is the chain's, a name whose hash is an id there, or of the
 * artifact's own document, which has a commitment. So it needs no commitment itself, and no salt: whoever has the chain writes the same bytes.
 *
 * @param artifact the document of its artifact, verified
 * @throws ProductError `commitment` where a name is not that of the chain's id
 */
export function versionDocument(version: RegisteredVersion, artifact: StixObject, names: VersionNames): StixObject {
  const { id, registered, fixes, patches } = version
  const require = (kind: 'version' | 'vulnerability', name: string, wanted: Id | undefined) => {
    // Who knows no name of a vulnerability has its id.
    if (name === wanted && kind === 'vulnerability') return
    const found = name === '' || name.includes('\n') ? 'none' : subjectId(kind, name)
    if (found !== wanted)
      throw new ProductError(
        'commitment',
        `the ${kind} "${name.slice(0, 100)}" has the id ${found}, the chain has ${wanted ?? 'none'}: it is about something else`,
      )
  }
  require('version', names.name, id)
  if (names.fixes.length !== fixes.length)
    throw new ProductError(
      'commitment',
      `${names.fixes.length} vulnerabilities are named, the chain has ${fixes.length}`,
    )
  for (const [i, name] of names.fixes.entries()) require('vulnerability', name, fixes[i])
  const { kind } = readArtifact(artifact)
  const model = typeof artifact['name'] === 'string' ? artifact['name'] : ''
  const created = new Date(registered * 1000).toISOString()
  const file = (of: 'sbom' | 'mud') => (NONE.test(version[of]) ? [] : [{ kind: of, hashes: sha256(version[of]) }])
  return artifactDocument(
    { id, name: names.name, created },
    {
      kind,
      manufacturer_ref: documentId('identity', version.manufacturer),
      model,
      version: numberOf(names.name, model),
      version_of_ref: documentId('infrastructure', version.artifact),
      purls: names.name.startsWith('pkg:') ? [names.name] : [],
      firmware_hashes: sha256(version.firmware),
      documents: [...file('sbom'), ...file('mud')],
      ...(patches === undefined ? {} : { patches_ref: documentId('infrastructure', patches) }),
      fixes: [...names.fixes],
    },
  )
}

/**
 * The document of a version, where it is byte for byte the one that follows from the chain (RFC 8785).
 *
 * @throws ProductError `commitment` where it is any other
 */
export function verifyVersionDocument(
  document: StixObject,
  version: RegisteredVersion,
  artifact: StixObject,
): VerifiedDocument {
  const { name } = document
  const due = versionDocument(version, artifact, {
    name: typeof name === 'string' ? name : '',
    fixes: fixesOf(document),
  })
  if (canonicalize(document) === canonicalize(due)) return document as VerifiedDocument
  const keys = [...new Set([...Object.keys(document), ...Object.keys(due)])]
  const differ = keys.filter(key => toText(document[key]) !== toText(due[key]))
  throw new ProductError(
    'commitment',
    `${String(document['id']).slice(0, 100)} is not what follows from the chain: ${differ.join(', ').slice(0, 200)} differ; ask elsewhere`,
  )
}

/** Of a document that may be anything: each is held against the chain's id of it. */
function fixesOf({ extensions }: StixObject): string[] {
  const content = (extensions as Record<string, { fixes?: unknown } | null> | undefined)?.[ICT_ARTIFACT]
  return Array.isArray(content?.fixes) ? content.fixes.map(String) : []
}

const toText = (value: unknown): string => (value === undefined ? '' : canonicalize(value))

/** What of a version's name is not its artifact's. */
const numberOf = (name: string, model: string): string =>
  name.startsWith(`${model} `) || name.startsWith(`${model}@`) ? name.slice(model.length + 1) : name

const sha256 = (hash: Hash) => ({ 'SHA-256': hash.slice(2) })
