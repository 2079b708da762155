import { exitName } from '../errors.ts'
import { chainsOf } from './chains.ts'
import { loadCountry } from './config.ts'
import { aboutOf, connectChain } from './connect.ts'
import { formatChainName } from './layout.ts'
import type { About } from './up.ts'

export type ChainStatus = {
  name: string
  ledger: string
  chainId: string | undefined
  genesis: string | undefined
  head: { block: number; time: number; final: number } | undefined
  contracts: Readonly<Record<string, string>>
  validators: readonly string[] | undefined
  /** How many of each were entered, by the history. */
  entities: Readonly<Record<string, number>>
  /** Undefined on a network of others. */
  runBy: About | undefined
  /** Why it can't be read. */
  problem: string | undefined
}

/** What is counted, by the events that enter it. */
const COUNTED: Readonly<Record<string, string>> = {
  ChangeMade: 'changes',
  SchemeAdopted: 'schemes',
  FactEntered: 'facts',
  PartyRegistered: 'parties',
  ArtifactRegistered: 'artifacts',
  VersionRegistered: 'versions',
  BodyAccredited: 'accreditations',
  CertificateIssued: 'certificates',
  CertificateImported: 'imported certificates',
  ConformityDeclared: 'declarations',
  VulnerabilityAnnounced: 'cases',
}

/** Each chain as it is now; one that can't be reached is shown as such. */
export async function readStatus(dir: string, countries: readonly string[]): Promise<ChainStatus[]> {
  const all = countries.flatMap(country => chainsOf(loadCountry(dir, country)))
  return Promise.all(
    all.map(async ({ name, config }): Promise<ChainStatus> => {
      const nothing = {
        chainId: undefined,
        genesis: undefined,
        head: undefined,
        contracts: {},
        entities: {},
        runBy: undefined,
      }
      const status = {
        name: formatChainName(name),
        ledger: config.kind,
        validators: config.kind === 'fabric' ? undefined : config.validators,
        problem: undefined,
      }
      try {
        const chain = await connectChain(dir, name)
        try {
          const rules = await chain.as()
          const [{ chainId, genesis, contracts }, head, events] = await Promise.all([
            rules.identity(),
            rules.head(),
            rules.history(),
          ])
          const entities: Record<string, number> = {}
          for (const event of events) {
            const noun = COUNTED[event.name]
            if (noun !== undefined) entities[noun] = (entities[noun] ?? 0) + 1
          }
          return { ...status, chainId, genesis, contracts, head, entities, runBy: await aboutOf(chain) }
        } finally {
          await chain.close()
        }
      } catch (error) {
        if (exitName(error) !== 'unreachable') throw error
        return { ...nothing, ...status, problem: 'does not answer' }
      }
    }),
  )
}
