import type { Id } from '@entente/rules'
import type { Named, SecCert, SecCerts } from '#product/sec-certs.ts'

/** What the NCCA of a member state enters on its certification chain. */
export type ImportPlan = {
  country: string
  /** The schemes under which the certificates were issued, each with its owner in its public part. */
  schemes: Named[]
  holders: Named[]
  /** The state's own, and those of third countries. */
  certificates: SecCert[]
}

/** In alphabetical order, of the data alone: whoever imports for one state gets the same plan for it. */
export function planImport(data: SecCerts): ImportPlan[] {
  const homes = homesOf(data.certificates)
  const countries = new Set(homes.values())
  return [...countries].sort().map(country => {
    const certificates = data.certificates.filter(one => homes.get(one.id) === country)
    const origins = [...new Set(certificates.map(one => one.country))]
    const holders = [...new Set(certificates.map(one => one.legacy.holder))]
    return {
      country,
      schemes: origins.map(origin => found(data.schemes, origin)),
      holders: holders.map(id => found(data.holders, id)),
      certificates,
    }
  })
}

function found<K, V>(map: ReadonlyMap<K, V>, key: K): V {
  const value = map.get(key)
  if (value === undefined) throw new Error(`the data names ${String(key)} and does not have it`)
  return value
}

/**
 * On whose chain each certificate is. No chain is a third country's: its certificates are entered where they are related to most, by references in either
 * direction, since that is who has to know them; those that nobody is related to, where most certificates are.
 */
function homesOf(certificates: readonly SecCert[]): Map<Id, string> {
  const byId = new Map(certificates.map(one => [one.id, one]))
  const members = createTally()
  const related = new Map<Id, ReturnType<typeof createTally>>()
  const relate = (one: SecCert, other: SecCert) => {
    if (one.isMember || !other.isMember) return
    const tally = related.get(one.id) ?? createTally()
    related.set(one.id, tally)
    tally.add(other.country)
  }
  for (const one of certificates) {
    if (one.isMember) members.add(one.country)
    for (const id of one.legacy.components) {
      const other = byId.get(id)
      if (other === undefined) continue
      relate(one, other)
      relate(other, one)
    }
  }
  const most = members.most()
  return new Map(
    certificates.flatMap(one => {
      const home = one.isMember ? one.country : (related.get(one.id)?.most() ?? most)
      return home === undefined ? [] : [[one.id, home]]
    }),
  )
}

function createTally() {
  const counts = new Map<string, number>()
  return {
    add: (name: string) => void counts.set(name, (counts.get(name) ?? 0) + 1),
    /** The first in the alphabet of those with most. */
    most: (): string | undefined => [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))[0]?.[0],
  }
}

/** Names of everything in a plan, by which commands find and show it. */
export function namesOf({ schemes, holders, certificates }: ImportPlan, { issuers, laboratories }: SecCerts) {
  const origins = new Set(certificates.map(one => one.country))
  return [
    ...schemes.map(({ name }) => ['scheme', name] as const),
    ...holders.map(({ name }) => ['party', name] as const),
    ...[...origins].flatMap(origin => issuers.get(origin) ?? []).map(({ name }) => ['party', name] as const),
    ...[...laboratories.values()]
      .filter(({ country }) => origins.has(country))
      .map(({ name }) => ['party', name] as const),
    ...certificates.map(({ name }) => ['certificate', name] as const),
  ]
}
