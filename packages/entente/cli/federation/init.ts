import { createHmac, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadKey } from '#ledger/evm/embedded/keys.ts'
import { hashText, subjectId } from '#product/ids.ts'
import type { DisclosurePolicy, Genesis, NewParty } from '@entente/rules'
import { stringify } from 'yaml'
import { CliError } from '../errors.ts'
import { type ChainName, chainIdOf, EU, formatChainName, NATIONAL, pathsOf } from './layout.ts'
import { openNames } from './names.ts'

const DAY = 86_400
/** Validators of an embedded chain: one operator has all their keys, and they stay who they are. */
export const VALIDATORS = 4
/** Two thirds of the members, within thirty days: what the members agree on is theirs to say (docs/federation.md). */
const CONSORTIUM = { numerator: 2, denominator: 3, period: 30 * DAY }
/** What bounds an embargo, unless a country sets it otherwise: 90 days each, 180 in all, 14 to accept one, 100 announcements a day of one party. */
const DISCLOSURE: DisclosurePolicy = {
  maxEmbargo: 90 * DAY,
  maxTotal: 180 * DAY,
  acceptWithin: 14 * DAY,
  announcements: 100,
  per: DAY,
}
const AUTHORITIES = ['ncca', 'nab', 'coordinator'] as const

export type InitOptions = {
  dir: string
  members: readonly string[]
  /** Port of the EU chain's process; the countries' follow. 0: any. */
  port: number
  /** TEST ONLY: all keys derive from this text. */
  testSeed?: string | undefined
}

/**
 * Makes a folder for the EU chain and one for each country: keys (mode 0600), what each chain begins with, and the configuration.
 * Nothing that is there is touched.
 *
 * @returns the countries whose folders were made
 * @throws CliError `usage`
 */
export function initFederation({ dir, members, port, testSeed }: InitOptions): string[] {
  for (const country of members)
    if (!/^[A-Z]{2}$/.test(country) || country === EU)
      throw new CliError(
        'usage',
        `"${country}" is no member state: its two capital letters (ISO 3166-1) are wanted, such as FR`,
      )
  if (members.length === 0) throw new CliError('usage', 'a federation has members: name them with --members FR,DE')
  if (new Set(members).size < members.length) throw new CliError('usage', `a member is named twice: ${members.join()}`)
  const countries = [EU, ...members]
  const there = countries.find(country => existsSync(pathsOf(dir, country).folder))
  if (there !== undefined)
    throw new CliError('usage', `${pathsOf(dir, there).folder} is there already: choose another --dir, or remove it`)
  const random = (country: string, name: string) =>
    testSeed === undefined
      ? randomBytes
      : (length: number) =>
          createHmac('sha256', testSeed).update(`TEST KEY ${country}/${name}`).digest().subarray(0, length)
  const key = (country: string, name: string): string => {
    const { keys } = pathsOf(dir, country)
    mkdirSync(keys, { recursive: true, mode: 0o700 })
    return loadKey(keys, name, random(country, name)).address
  }
  const validatorsOf = (chain: ChainName): string[] => {
    const folder = join(pathsOf(dir, chain.country).folder, 'chains', chain.kind)
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    return Array.from({ length: VALIDATORS }, (_, i) => {
      const name = `validator-${i + 1}`
      return loadKey(folder, name, random(chain.country, `${chain.kind}/${name}`)).address
    }).sort()
  }

  const national = members.map(country => {
    const act = writeAct(dir, country)
    const parties = AUTHORITIES.map(kind => ({
      id: subjectId('party', `${country} ${kind}`),
      kind,
      country,
      key: key(country, kind),
      act,
    }))
    return { country, parties, state: toMember(country, 'state', country, key(country, 'state'), act) }
  })
  const act = writeAct(dir, EU)
  const chains: ChainName[] = [
    { country: EU, kind: 'eu' },
    ...members.flatMap(country => NATIONAL.map(kind => ({ country, kind }))),
  ]
  const sets = chains.map(chain => ({
    id: subjectId('chain', formatChainName(chain)),
    validators: validatorsOf(chain),
    writers: [],
    minimum: VALIDATORS,
  }))
  const eu: Genesis = {
    chain: { kind: 'eu', country: EU },
    parties: [
      toMember('commission', 'commission', EU, key(EU, 'commission'), act),
      toMember('enisa', 'enisa', EU, key(EU, 'enisa'), act),
      ...national.map(({ state }) => state),
    ],
    consortium: CONSORTIUM,
    chains: sets,
  }
  const write = (country: string, genesis: Record<string, Genesis>, at: number) =>
    writeCountry(dir, country, genesis, sets, {
      port: at,
      deployer: key(country, 'deployer'),
      testKeys: testSeed !== undefined,
    })
  write(EU, { eu }, port)
  for (const [i, { country, parties }] of national.entries()) {
    const of = (kind: (typeof NATIONAL)[number]): Genesis => ({
      chain: { kind, country },
      parties,
      ...(kind === 'vulnerability' ? { disclosure: DISCLOSURE } : {}),
    })
    const genesis = Object.fromEntries(NATIONAL.map(kind => [kind, of(kind)]))
    write(country, genesis, port === 0 ? 0 : port + i + 1)
  }
  // What ids are called: they are hashes, and people have names.
  const names = openNames(dir)
  for (const country of members) for (const kind of [...AUTHORITIES, 'state']) names.id('party', `${country} ${kind}`)
  for (const member of ['commission', 'enisa']) names.id('party', member)
  names.id('scheme', 'EUCC')
  names.keep()
  return countries
}

const toMember = (name: string, kind: NewParty['kind'], country: string, key: string, act: string): NewParty => ({
  id: subjectId('party', kind === 'state' ? `${name} state` : name),
  kind,
  country,
  key,
  act,
})

/** By what its authorities are there; a real federation puts the acts of designation in its place before its chains begin. */
function writeAct(dir: string, country: string): string {
  const folder = join(pathsOf(dir, country).folder, 'genesis')
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const text = `Authorities of ${country}: entered by whoever made this federation, without an act of designation.\n`
  writeFileSync(join(folder, 'designation.txt'), text)
  return hashText(text)
}

function writeCountry(
  dir: string,
  country: string,
  genesis: Record<string, Genesis>,
  sets: NonNullable<Genesis['chains']>,
  { port, deployer, testKeys }: { port: number; deployer: string; testKeys: boolean },
): void {
  const { folder, config } = pathsOf(dir, country)
  const chains = Object.entries(genesis).map(([kind, value]) => {
    const file = join('genesis', `${kind}.json`)
    writeFileSync(join(folder, file), `${JSON.stringify(value, undefined, 2)}\n`)
    const name = { country, kind: kind as ChainName['kind'] }
    const { validators } = sets.find(set => set.id === subjectId('chain', formatChainName(name))) ?? {}
    const path = join('chains', kind)
    return [kind, { kind: 'embedded', path, chainId: chainIdOf(name), validators, genesis: file }]
  })
  const yaml = stringify({
    country,
    rpc: { host: '127.0.0.1', port },
    deployer,
    chains: Object.fromEntries(chains),
    ...(testKeys ? { testKeys } : {}),
  })
  writeFileSync(config, `# docs/federation.md says what may stand here.\n${yaml}`)
}
