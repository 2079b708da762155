import { affectedVersions, type Bom, type Finding } from '#product/affected.ts'
import { readCsaf } from '#product/csaf.ts'
import { parseSbom } from '#product/sbom.ts'
import { federationDir, reading } from './act.ts'
import { openDocuments } from './documents.ts'
import { NO_HASH } from './input.ts'
import type { ChainName } from './layout.ts'
import { openNames } from './names.ts'

/**
 * Which versions of a country's artifacts an advisory (CSAF) is about, by the components of their SBOMs: those that are here, each held against
 * the hash that the chain has.
 */
export async function findAffected(
  values: Record<string, unknown>,
  chain: ChainName,
  advisory: Uint8Array,
): Promise<{ findings: Finding[]; searched: number; without: number }> {
  const read = readCsaf(advisory)
  const names = openNames(federationDir(values))
  const documents = openDocuments(federationDir(values), chain.country)
  const versions = await reading(values, chain, async open => {
    const events = (await open.history()).filter(event => event.name === 'VersionRegistered')
    return Promise.all(
      events.map(async ({ subject }) => ({ id: subject, version: (await open.get('version', subject)).value })),
    )
  })
  const boms: Bom[] = versions.flatMap(({ id, version }) => {
    if (version === undefined || version.sbom === NO_HASH) return []
    const bytes = documents.readFile(version.sbom)
    return bytes === undefined ? [] : [{ version: id, name: names.show(id), sbom: parseSbom(bytes) }]
  })
  return { findings: affectedVersions(read, boms), searched: boms.length, without: versions.length - boms.length }
}
