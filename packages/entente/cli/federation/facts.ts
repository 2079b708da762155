import { existsSync, readFileSync } from 'node:fs'
import { LedgerError } from '#ledger/error.ts'
import type { RuleCall, RuleChain, RuleEvent } from '#ledger/rule-chain.ts'
import { type Entities, type Kind, Refusal, type RuleArguments } from '@entente/rules'
import { isDeepStrictEqual } from 'node:util'
import { writeWhole } from '../whole-file.ts'
import { type ChainKind, EU } from './layout.ts'

type Fact = RuleArguments<'attest'>[0]
type FactOf<K extends Fact['kind']> = Extract<Fact, { kind: K }>

/**
 * What the chains of a country are told of each other and of the EU chain, on the word of its NCCA: by the kinds of chains, the facts that an
 * event is the occasion of. The list is all there is; what comes with a proof takes its place.
 */
const ROUTES: readonly { from: ChainKind; to: ChainKind; facts: Reader[] }[] = [
  { from: 'eu', to: 'artifact', facts: [authority] },
  { from: 'eu', to: 'certification', facts: [authority, scheme, recognition] },
  { from: 'eu', to: 'vulnerability', facts: [authority] },
  { from: 'artifact', to: 'certification', facts: [partyOf('manufacturer'), version] },
  { from: 'artifact', to: 'vulnerability', facts: [partyOf('manufacturer')] },
  { from: 'vulnerability', to: 'artifact', facts: [partyOf('provider'), vulnerability] },
]
type Reader = (chain: RuleChain, event: RuleEvent, country: string) => Promise<Fact | undefined>

const read = async <K extends Kind>(chain: RuleChain, kind: K, id: string): Promise<Entities[K] | undefined> =>
  (await chain.get(kind, id)).value

/** An authority of this country that the members have seated, removed, or given another key. */
async function authority(chain: RuleChain, { name, subject }: RuleEvent, country: string): Promise<Fact | undefined> {
  if (name !== 'ChangeMade') return undefined
  const change = (await read(chain, 'proposal', subject))?.change
  if (change?.do === 'seat') return partyFact(chain, change.authority.id, country, [change.authority.key])
  if (change?.do === 'remove') return partyFact(chain, change.authority, country, [])
  return change?.do === 'replaceKey' ? partyFact(chain, change.party, country, [change.key]) : undefined
}

async function partyFact(
  chain: RuleChain,
  id: string,
  country: string | undefined,
  keys: string[],
): Promise<FactOf<'party'> | undefined> {
  const found = await read(chain, 'party', id)
  if (found === undefined || (country !== undefined && found.country !== country)) return undefined
  const { kind, act, isActive } = found
  return { kind: 'party', id, value: { kind, country: found.country, act, isActive }, keys }
}

async function scheme(chain: RuleChain, { name, subject }: RuleEvent): Promise<Fact | undefined> {
  const found = name === 'SchemeAdopted' ? await read(chain, 'scheme', subject) : undefined
  if (found === undefined) return undefined
  const { from: _, owner: _owner, mapping: _mapping, ...value } = found
  return { kind: 'scheme', id: subject, value }
}

async function recognition(chain: RuleChain, { name, subject, status }: RuleEvent): Promise<Fact | undefined> {
  if (name !== 'CountryRecognised' || status === undefined) return undefined
  const found = await read(chain, 'recognition', `${status}@${subject}`)
  if (found === undefined) return undefined
  const { from: _, ...value } = found
  return { kind: 'recognition', country: status, scheme: subject, value }
}

/** A party of a kind with its first key, and each key that it adds. */
function partyOf(kind: 'manufacturer' | 'provider'): Reader {
  return async (chain, { name, subject, about, status }) => {
    if (name === 'PartyRegistered' && status === kind && about !== undefined)
      return partyFact(chain, subject, undefined, [about])
    if (name !== 'KeyAdded') return undefined
    const party = (await read(chain, 'key', subject))?.party
    const fact = party === undefined ? undefined : await partyFact(chain, party, undefined, [subject])
    return fact?.value.kind === kind ? fact : undefined
  }
}

async function version(chain: RuleChain, { name, subject }: RuleEvent): Promise<Fact | undefined> {
  const found = name === 'VersionRegistered' ? await read(chain, 'version', subject) : undefined
  if (found === undefined) return undefined
  const { from: _, ...value } = found
  return { kind: 'version', id: subject, value }
}

async function vulnerability(chain: RuleChain, { name, subject }: RuleEvent): Promise<Fact | undefined> {
  if (name !== 'VulnerabilityAnnounced' && name !== 'VulnerabilityDisclosed') return undefined
  const found = await read(chain, 'case', subject)
  if (found === undefined) return undefined
  const { provider, coordinator, disclosed } = found
  return { kind: 'case', id: subject, value: { provider, coordinator, disclosed } }
}

/** EVM chains know addresses, and Fabric names of identities: a party has a key of its own on each technology, and no other chain's is one there. */
function withKeysOf({ ledger }: RuleChain, fact: Fact): Fact {
  if (fact.kind !== 'party' || ledger === 'memory') return fact
  const isAddress = (key: string) => /^0x[0-9a-fA-F]{40}$/.test(key)
  return { ...fact, keys: fact.keys.filter(key => isAddress(key) === (ledger === 'evm')) }
}

/** Whether a chain says so already: what was brought before, in a round that ended badly. */
async function isThere(chain: RuleChain, fact: Fact): Promise<boolean> {
  const same = (found: object | undefined, value: object) =>
    found !== undefined &&
    isDeepStrictEqual(Object.fromEntries(Object.keys(value).map(k => [k, Reflect.get(found, k)])), { ...value })
  switch (fact.kind) {
    case 'party': {
      const keys = await Promise.all(fact.keys.map(key => read(chain, 'key', key)))
      return keys.every(key => key?.party === fact.id) && same(await read(chain, 'party', fact.id), fact.value)
    }
    case 'scheme':
      return same(await read(chain, 'scheme', fact.id), fact.value)
    case 'recognition':
      return same(await read(chain, 'recognition', `${fact.country}@${fact.scheme}`), fact.value)
    case 'version':
      return same(await read(chain, 'version', fact.id), fact.value)
    case 'case':
      return same(await read(chain, 'foreignCase', fact.id), fact.value)
  }
}

/** Facts that may be entered at once, round by round: of what one is about, the next one waits for it. */
function inRounds(facts: readonly Fact[]): Fact[][] {
  const rounds: Fact[][] = []
  const seen = new Map<string, number>()
  for (const fact of facts) {
    const about = fact.kind === 'recognition' ? `${fact.country}@${fact.scheme}` : fact.id
    const round = seen.get(about) ?? 0
    seen.set(about, round + 1)
    ;(rounds[round] ??= []).push(fact)
  }
  return rounds
}

/** Whose facts are asked for at a time. */
const EVENTS = 128

export type FactsOptions = {
  country: string
  /** To read from; the EU chain too, where it can be reached. */
  from(kind: ChainKind): RuleChain | undefined
  /** The country's own chains, as its NCCA sees them. */
  to(kind: ChainKind): RuleChain | undefined
  /** Where it is kept how far each chain was read. */
  file: string
  log(level: 'info' | 'warn', message: string, details: Record<string, unknown>): void
  /** After so many of them it is kept how far a chain was read. Default: 1,000. */
  blocks?: number
}
export type Facts = {
  /** Brings what is new. @returns how many facts were entered @throws what a chain said that is away, once the others were followed */
  copy(): Promise<number>
}

/**
 * Copies facts of other chains as attested by the NCCA: explicit, in one process, and repeatable. What stops it in the middle costs
 * that some events are read again.
 */
export function createFacts({ country, from, to, file, log, blocks = 1000 }: FactsOptions): Facts {
  const read: Record<string, number> = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
  const routeOf = (source: ChainKind, target: ChainKind) => `${source === 'eu' ? EU : source}>${target}`

  /** @param said in the order in which they came to be @returns how many the chain had not yet */
  async function enter(target: RuleChain, said: readonly Fact[], at: object): Promise<number> {
    let entered = 0
    for (const facts of inRounds(said.map(fact => withKeysOf(target, fact)))) {
      const known = await Promise.all(facts.map(fact => isThere(target, fact)))
      const missing = facts.filter((_, i) => !known[i])
      if (missing.length === 0) continue
      const outcomes = await target.runAll(missing.map((fact): RuleCall => ({ rule: 'attest', args: [fact] })))
      const failed = outcomes.find(one => one instanceof LedgerError)
      if (failed) throw failed
      // What the chain has of its own is nobody else's to say.
      for (const [i, outcome] of outcomes.entries())
        if (outcome instanceof Refusal)
          log('warn', 'a fact of another chain is refused', { ...at, kind: missing[i]?.kind, reason: outcome.message })
        else entered++
    }
    return entered
  }

  /** What is new on one route. @returns how many facts were entered */
  async function follow(
    { from: source, to: target, facts }: (typeof ROUTES)[number],
    heads: Map<ChainKind, Promise<number>>,
  ): Promise<number> {
    const [reading, writing] = [from(source), to(target)]
    if (reading === undefined || writing === undefined) return 0
    const route = routeOf(source, target)
    const final = await (heads.get(source) ?? remember(heads, source, reading))
    let entered = 0
    for (let fromBlock = (read[route] ?? -1) + 1; fromBlock <= final; fromBlock += blocks) {
      const toBlock = Math.min(final, fromBlock + blocks - 1)
      const events = await reading.history({ fromBlock, toBlock })
      for (let i = 0; i < events.length; i += EVENTS) {
        const some = events.slice(i, i + EVENTS)
        const found = await Promise.all(some.flatMap(event => facts.map(reader => reader(reading, event, country))))
        entered += await enter(
          writing,
          found.filter(fact => fact !== undefined),
          { route, blocks: `${fromBlock} to ${toBlock}` },
        )
      }
      // A crash before this reads the same events again, and finds their facts entered.
      read[route] = toBlock
      writeWhole(file, `${JSON.stringify(read)}\n`)
    }
    return entered
  }

  return {
    async copy() {
      const heads = new Map<ChainKind, Promise<number>>()
      const failures: unknown[] = []
      let entered = 0
      // A chain that is away holds up its own routes alone.
      for (const route of ROUTES)
        try {
          entered += await follow(route, heads)
        } catch (error) {
          failures.push(error)
        }
      if (failures.length > 0) throw failures[0]
      return entered
    },
  }
}

function remember(heads: Map<ChainKind, Promise<number>>, kind: ChainKind, chain: RuleChain): Promise<number> {
  const final = chain.head().then(head => head.final)
  heads.set(kind, final)
  return final
}
