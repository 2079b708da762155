import { existsSync, readFileSync } from 'node:fs'
import { ClientError, createTaxiiClient } from '@entente/client'
import { commitDocument, type StixObject, type VerifiedDocument, verifyDocument } from '#product/commitment.ts'
import { documentId } from '#product/ids.ts'
import { type RegisteredVersion, verifyVersionDocument } from '#product/version-document.ts'
import { loadCountry } from './config.ts'
import { openDocuments } from './documents.ts'
import { type CollectionName, nodePaths } from './node.ts'

export type Wanted = {
  dir: string
  country: string
  collection: CollectionName
  /** STIX id of the document (`documentId` of the carrier and the chain's id). */
  id: string
  /** What the chain has. */
  commitment: string
}

/**
 * The document of a commitment: from this folder, else from the TAXII collection of the country's node, in whichever of its versions it is.
 *
 * @returns undefined where nobody who was asked has any version of it
 * @throws ProductError `commitment` where there are versions, and none is what the chain has: nothing of them is to be believed
 */
export async function fetchDocument({
  dir,
  country,
  collection,
  id,
  commitment,
}: Wanted): Promise<VerifiedDocument | undefined> {
  const here = openDocuments(dir, country).read(commitment)
  if (here) return here
  const versions = await readVersions(dir, country, collection, id)
  const [newest] = versions
  if (newest === undefined) return undefined
  return verifyDocument(versions.find(one => isIt(one, commitment)) ?? newest, commitment)
}

/**
 * The document of a version from the country's node, held against what its chain has.
 *
 * @param artifact the document of its artifact, verified
 * @returns undefined where the node does not run, or has none
 * @throws ProductError `commitment` where it is any other than the one that follows from the chain
 */
export async function fetchVersionDocument(
  { dir, country }: Pick<Wanted, 'dir' | 'country'>,
  version: RegisteredVersion,
  artifact: VerifiedDocument,
): Promise<VerifiedDocument | undefined> {
  const [newest] = await readVersions(dir, country, 'artifacts', documentId('infrastructure', version.id))
  return newest && verifyVersionDocument(newest, version, artifact)
}

/** The newest first. Nothing where the node does not run, or keeps none. */
async function readVersions(
  dir: string,
  country: string,
  collection: CollectionName,
  id: string,
): Promise<StixObject[]> {
  const loaded = loadCountry(dir, country)
  const { readerToken } = nodePaths(loaded)
  const url = nodeUrl(loaded.paths.running)
  if (url === undefined) return []
  const auth = existsSync(readerToken)
    ? { kind: 'token' as const, token: readFileSync(readerToken, 'utf8').trim() }
    : undefined
  try {
    const found = await createTaxiiClient({ url, auth, retries: 0 })
      .collection(`${url}collections/${collection}/`)
      .object(id, { versions: ['all'] })
    return found.toReversed()
  } catch (error) {
    if (error instanceof ClientError && (error.code === 'not-found' || error.code === 'unreachable')) return []
    throw error
  }
}

/** Where a country's process says that its node is. */
function nodeUrl(running: string): string | undefined {
  if (!existsSync(running)) return undefined
  const { taxii } = JSON.parse(readFileSync(running, 'utf8')) as { taxii?: string }
  return taxii
}

function isIt(document: StixObject, commitment: string): boolean {
  try {
    return commitDocument(document) === commitment
  } catch {
    return false
  }
}
