import { join } from 'node:path'

/** The chains of a member state (DESIGN: the federation), in the order in which they are opened. */
export const NATIONAL = ['artifact', 'certification', 'vulnerability'] as const
export type NationalKind = (typeof NATIONAL)[number]
export type ChainKind = 'eu' | NationalKind

/** Country code of the EU chain's folder and process. */
export const EU = 'EU'

/** A chain as people write it: `EU`, `FR/artifact`. */
export type ChainName = { country: string; kind: ChainKind }
export const formatChainName = ({ country, kind }: ChainName): string => (kind === 'eu' ? EU : `${country}/${kind}`)

/** @returns undefined where it is no name of a chain */
export function parseChainName(text: string): ChainName | undefined {
  if (text === EU || text === `${EU}/eu`) return { country: EU, kind: 'eu' }
  const [country = '', kind, rest] = text.split('/')
  const found = NATIONAL.find(one => one === kind)
  return /^[A-Z]{2}$/.test(country) && country !== EU && found && rest === undefined
    ? { country, kind: found }
    : undefined
}

/** Ids of chains that nobody else has (EIP-155): of each country a place of ten. */
export function chainIdOf({ country, kind }: ChainName): number {
  const letter = (at: number) => country.charCodeAt(at) - 65
  const place = kind === 'eu' ? 0 : 1 + NATIONAL.indexOf(kind)
  return 6_100_000 + (letter(0) * 26 + letter(1)) * 10 + place
}

/** Everything of one country, in its folder. Whoever runs that country's process needs this folder and no other. */
export const pathsOf = (dir: string, country: string) => {
  const folder = join(dir, country)
  return {
    folder,
    config: join(folder, 'federation.yaml'),
    keys: join(folder, 'keys'),
    /** Where the process that runs says how it is reached. */
    running: join(folder, 'running.json'),
    /** How far the facts of other chains were brought. */
    facts: join(folder, 'facts.json'),
    /** What the chains have the hashes of. */
    documents: join(folder, 'documents'),
    /** How far its chains were read for documents to publish. */
    published: join(folder, 'published.json'),
    /** Who wrote to a chain when the EU chain was last seen. */
    writers: (kind: ChainKind) => join(folder, 'writers', `${kind}.state`),
    deployed: (kind: ChainKind) => join(folder, 'deployed', `${kind}.json`),
  }
}
export type CountryPaths = ReturnType<typeof pathsOf>
