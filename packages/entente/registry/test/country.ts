// A country's three chains in memory with everybody on them: what tests of the registries begin with. Keys are names.
import type { Genesis, NewParty, PartyKind, SchemeInput } from '@entente/rules'
import { hashText, subjectId } from '#product/ids.ts'
import { createMemoryChain, type MemoryChain } from '#ledger/memory/rule-chain.ts'
import type { RuleChain } from '#ledger/rule-chain.ts'
import type { CountryChains } from '../check.ts'
import { EUCC } from '../eucc.ts'

export const DAY = 86_400
export const START = 1_800_000_000
export const SCHEME = EUCC.id
export const CATEGORY = subjectId('category', 'smart cards')
export const hash = (what: string): string => hashText(what)
export const party = (name: string): string => subjectId('party', name)

/** EUCC, and *basic* with statements of conformity, which it does not have. */
export const TERMS: SchemeInput = {
  ...EUCC.terms,
  document: hash('scheme'),
  adopted: START - 1000 * DAY,
  levels: ['basic', 'substantial', 'high'],
  allowsDeclaration: true,
}

export type TestCountry = {
  country: string
  chains: CountryChains
  artifact: MemoryChain
  certification: MemoryChain
  vulnerability: MemoryChain
  /** As whoever has this key, on a chain. */
  as(chain: 'artifact' | 'certification' | 'vulnerability', key: string): RuleChain
  /** Seconds since 1970; the tests move it. */
  clock: { now: number }
  /** Registers a version with Article 55 data, and tells the certification chain of it. */
  version(artifact: string, version: string, more?: { patches?: string; fixes?: string[] }): Promise<string>
  /** Issues a certificate *substantial* for a year by the CAB. */
  certify(name: string, versions: string[]): Promise<string>
}

/** TEST KEYS: names. */
export async function createCountry(country: string, clock = { now: START }): Promise<TestCountry> {
  const authority = (kind: PartyKind): NewParty => ({
    id: party(`${country} ${kind}`),
    kind,
    country,
    key: kind,
    act: hash('act'),
  })
  const parties = [authority('ncca'), authority('nab'), authority('coordinator')]
  const open = (kind: Genesis['chain']['kind']) =>
    createMemoryChain({
      genesis: {
        chain: { kind, country },
        parties,
        ...(kind === 'vulnerability'
          ? {
              disclosure: {
                maxEmbargo: 90 * DAY,
                maxTotal: 180 * DAY,
                acceptWithin: 14 * DAY,
                announcements: 10,
                per: DAY,
              },
            }
          : {}),
      },
      chainId: `${country}/${kind}`,
      now: () => clock.now,
    })
  const chains = {
    artifact: await open('artifact'),
    certification: await open('certification'),
    vulnerability: await open('vulnerability'),
  }
  const as: TestCountry['as'] = (chain, key) => chains[chain].as(key)
  const tell = (chain: 'artifact' | 'certification' | 'vulnerability') => as(chain, 'ncca')
  const maker = party('ACME')
  const act = hash('act')
  await tell('artifact').run('registerParty', { id: maker, kind: 'manufacturer', country, key: 'acme', act })
  for (const chain of ['certification', 'vulnerability'] as const)
    await tell(chain).run('attest', {
      kind: 'party',
      id: maker,
      value: { kind: 'manufacturer', country, act, isActive: true },
      keys: ['acme'],
    })
  await tell('certification').run('attest', {
    kind: 'scheme',
    id: SCHEME,
    value: { ...TERMS, version: 1 },
  })
  const cab = party(`${country} CAB`)
  const nab = as('certification', 'nab')
  await nab.run('registerParty', { id: cab, kind: 'cab', country, key: 'cab', act })
  await nab.run('accredit', cab, { schemes: [SCHEME], categories: [CATEGORY], until: clock.now + 1000 * DAY })
  await tell('certification').run('notifyBody', cab, '0799', false)
  await as('vulnerability', 'coordinator').run('registerParty', {
    id: party('finder'),
    kind: 'provider',
    country,
    key: 'finder',
    act,
  })
  return {
    country,
    ...chains,
    chains: {
      country,
      artifact: chains.artifact.as(''),
      certification: chains.certification.as(''),
      vulnerability: chains.vulnerability.as(''),
    },
    as,
    clock,
    async version(artifact, version, more = {}) {
      const [artifactId, id] = [subjectId('artifact', artifact), subjectId('version', version)]
      const acme = as('artifact', 'acme')
      if ((await acme.get('artifact', artifactId)).value === undefined) {
        await acme.run('registerArtifact', artifactId, hash(artifact))
        await acme.run('setSupport', artifactId, {
          guidance: hash('guidance'),
          until: clock.now + 1000 * DAY,
          contact: hash('contact'),
          repository: hash('repository'),
        })
      }
      await acme.run('registerVersion', artifactId, id, {
        firmware: hash(`firmware ${version}`),
        sbom: hash(`sbom ${version}`),
        mud: hash(`mud ${version}`),
        ...more,
      })
      const { from: _, ...value } = (await acme.get('version', id)).value ?? ({} as never)
      await tell('certification').run('attest', { kind: 'version', id, value })
      return id
    },
    async certify(name, versions) {
      const id = subjectId('certificate', name)
      await as('certification', 'cab').run('issue', id, {
        scheme: SCHEME,
        level: 'substantial',
        holder: maker,
        versions,
        components: [],
        categories: [CATEGORY],
        document: hash(name),
        report: hash(`report ${name}`),
        van: 2,
        since: clock.now,
        until: clock.now + 365 * DAY,
        due: [clock.now + 100 * DAY],
      })
      return id
    },
  }
}
