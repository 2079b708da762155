import { affectedVersions, type Bom, type Finding } from '#product/affected.ts'
import { ProductError } from '#product/error.ts'
import { parsePurl, type Purl } from '#product/purl.ts'
import { readAdvisory } from '#product/read-advisory.ts'
import { parseSbom, type Sbom } from '#product/sbom.ts'
import { federationDir, reading } from './act.ts'
import { type Documents, openDocuments } from './documents.ts'
import { NO_HASH } from './input.ts'
import type { ChainName } from './layout.ts'
import { openNames } from './names.ts'

/**
 * Which versions of a country's artifacts an advisory (CSAF, or a CVE record) is about: by their own names, and by the components of their SBOMs, of those that are
 * here, each held against the hash that the chain has.
 */
export async function findAffected(
  values: Record<string, unknown>,
  chain: ChainName,
  advisory: Uint8Array,
): Promise<{ findings: Finding[]; searched: number; without: number }> {
  const read = readAdvisory(advisory)
  const names = openNames(federationDir(values))
  const documents = openDocuments(federationDir(values), chain.country)
  const versions = await reading(values, chain, async open => {
    const events = (await open.history()).filter(event => event.name === 'VersionRegistered')
    return Promise.all(
      events.map(async ({ subject }) => ({ id: subject, version: (await open.get('version', subject)).value })),
    )
  })
  const boms = versions.flatMap(({ id, version }): Bom[] => {
    if (version === undefined) return []
    const name = names.show(id)
    return [
      {
        version: id,
        name,
        manufacturer: names.show(version.manufacturer),
        ...splitName(name, names.show(version.artifact)),
        purls: purlsOf(name),
        sbom: sbomOf(documents, version.sbom),
      },
    ]
  })
  const searched = boms.filter(({ sbom }) => sbom !== undefined).length
  return { findings: affectedVersions(read, boms), searched, without: versions.length - searched }
}

/** A version is called by its artifact's name and its own. */
export const splitName = (name: string, artifact: string): { model: string; number?: string } =>
  name.startsWith(`${artifact} `) ? { model: artifact, number: name.slice(artifact.length + 1) } : { model: name }

/** Who calls a version by a package URL has said which package it is. */
function purlsOf(name: string): Purl[] {
  if (!name.startsWith('pkg:')) return []
  try {
    return [parsePurl(name)]
  } catch (error) {
    if (error instanceof ProductError) return []
    throw error
  }
}

function sbomOf(documents: Documents, hash: string): Sbom | undefined {
  const bytes = hash === NO_HASH ? undefined : documents.readFile(hash)
  return bytes && parseSbom(bytes)
}
