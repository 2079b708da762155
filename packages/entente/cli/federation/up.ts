import { existsSync, rmSync } from 'node:fs'
import { createEmbeddedHost, type EmbeddedHost } from '#ledger/evm/embedded/host.ts'
import type { Eip1193Provider } from '#ledger/evm/provider.ts'
import { guardProvider } from '#ledger/evm/writers.ts'
import { openFileJournal } from '#ledger/journal.ts'
import type { RuleChain } from '#ledger/rule-chain.ts'
import { subjectId } from '#product/ids.ts'
import { CliError } from '../errors.ts'
import { createRounds } from '#notary/rounds.ts'
import type { Logger } from '../open-log.ts'
import { createRegistryReader, type RegistrySet } from '../validator/registry.ts'
import { followWriters } from '../validator/writers.ts'
import { writeWhole } from '../whole-file.ts'
import { chainsOf, foundChain, keyFileOf, type OpenChain, openChain, readSigner } from './chains.ts'
import type { ChainConfig, Country } from './config.ts'
import { connectChain } from './connect.ts'
import { enactDemo } from './demo.ts'
import { createFacts } from './facts.ts'
import { type ChainKind, type ChainName, EU, formatChainName } from './layout.ts'
import { type Node, startNode } from './node.ts'
import { startPublishing } from './start-publishing.ts'
import { type RpcServer, startRpcServer } from './rpc-server.ts'

/** For three to some eighty chains in one thread. */
const YOUNG_MEGABYTES = 48

/** What a process says of itself: who trusts it should know what it is. */
export type About = {
  /** Everything is in one process, which a federation is not. */
  demo: boolean
  countries: readonly string[]
  testKeys: boolean
  pid: number
}

export type RunningFederation = {
  about: About
  chains: readonly OpenChain[]
  urls: ReadonlyMap<string, string>
  /** Where the clocks of a country's chains are told, by its code. */
  metrics: ReadonlyMap<string, string>
  /** Facts that were brought from chain to chain so far. */
  facts(): number
  close(): Promise<void>
}

/**
 * Runs the chains of countries in this process: opens them, creates what they begin with where it is not there, serves JSON-RPC, and copies
 * facts between them. A country's process has its three chains; the demo has everybody's.
 *
 * @throws CliError, LedgerError, Refusal when something can't start; nothing is left running then
 */
export async function startFederation(
  dir: string,
  countries: readonly Country[],
  {
    demo,
    log,
    now,
    progress = () => {},
  }: { demo: boolean; log: Logger; now: () => number; progress?: (done: number, total: number, what: string) => void },
): Promise<RunningFederation> {
  const nodesToStart = countries.filter(({ config }) => config.documents.serve).length
  const total =
    countries.reduce((sum, country) => sum + chainsOf(country).length, 0) + nodesToStart + (demo ? 1 : 0) + 1
  let done = 0
  const step = (what: string) => progress(++done, total, what)
  const closers: (() => Promise<unknown>)[] = []
  const closeAll = async () => {
    for (const close of closers.splice(0).reverse()) await close()
  }
  try {
    const host = createEmbeddedHost({ now, youngMegabytes: YOUNG_MEGABYTES })
    closers.push(() => host.close())
    const opening = countries.flatMap(country =>
      chainsOf(country).map(async ({ name, config }) => {
        const chain = await openOwn(country, name, config, host)
        closers.push(() => chain.close())
        // A crash in here leaves contracts that the next start goes on with.
        await foundChain(country, chain)
        step(`${formatChainName(name)} is there`)
        return chain
      }),
    )
    // Where one can't begin the others are waited for: nothing may be under way in chains that are closed.
    await Promise.allSettled(opening)
    const chains = await Promise.all(opening)
    const opened = countries.map(country => ({
      country,
      chains: chains.filter(({ name }) => name.country === country.config.country),
    }))
    const about: About = {
      demo,
      countries: countries.map(({ config }) => config.country),
      testKeys: countries.some(({ config }) => config.testKeys),
      pid: process.pid,
    }
    const here = (country: string, kind: ChainKind) =>
      chains.find(({ name }) => name.country === country && name.kind === kind)
    const euOf = async ({ config }: Country): Promise<OpenChain> =>
      here(EU, 'eu') ?? connectChain(dir, { country: EU, kind: 'eu' }, config.eu?.url)
    const nodes = new Map<string, Node>()
    closers.push(() => Promise.all([...nodes.values()].map(node => node.close())))
    for (const { country } of opened)
      if (country.config.documents.serve) {
        step(`documents of ${country.config.country}`)
        nodes.set(country.config.country, await startNode(country, log))
      }
    const urls = new Map<string, string>()
    for (const one of opened) {
      const eu = await euOf(one.country)
      const guards = await Promise.all(
        one.chains
          .filter(chain => chain.config.kind === 'embedded')
          .flatMap(({ name, provider }) => (provider ? [startGuard(one.country, { name, provider }, eu, log)] : [])),
      )
      closers.push(() => Promise.all(guards.map(({ close }) => close())))
      const node = nodes.get(one.country.config.country)
      const providers = new Map<string, Eip1193Provider>(guards.map(({ kind, provider }) => [kind, provider]))
      const server = await serve(one.country, providers, node?.url, about)
      closers.push(server.close)
      urls.set(one.country.config.country, server.url)
    }
    if (demo) {
      step('authorities are seated by votes')
      await enactDemo(countries, here)
    }
    step('facts are copied between the chains')
    const facts = opened
      .filter(({ country }) => country.config.country !== EU)
      .map(async one => {
        return startFacts(one.country, one.chains, await euOf(one.country), log)
      })
    const copying = await Promise.all(facts)
    closers.push(() => Promise.all(copying.map(one => one.close())))
    // Whoever asks for something right after the start finds what was there before.
    await Promise.all(copying.map(one => one.first))
    for (const one of opened) {
      const node = nodes.get(one.country.config.country)
      if (node) closers.push(await startPublishing(dir, one.country, one.chains, node, { log, now }))
    }
    const metrics = new Map<string, string>()
    for (const one of opened) {
      const served = await startDueMetrics(one.country, one.chains, { log, now })
      if (!served) continue
      closers.push(served.close)
      metrics.set(one.country.config.country, served.url)
    }
    const count = () => copying.reduce((sum, one) => sum + one.count(), 0)
    return { about, chains, urls, metrics, facts: count, close: closeAll }
  } catch (error) {
    await closeAll()
    throw error
  }
}

/** A chain of a country as its own process opens it. */
const openOwn = (country: Country, name: ChainName, config: ChainConfig, host: EmbeddedHost): Promise<OpenChain> =>
  openChain(country, name, config, async of => (await import('./evm-chain.ts')).openProvider(country, of, host))

/** The one entrance of a chain that this process keeps: of its writers, where the EU chain names any, and of nobody else. */
async function startGuard(
  { config, paths }: Country,
  { name, provider }: { name: ChainName; provider: Eip1193Provider },
  eu: OpenChain,
  log: Logger,
) {
  const memory = openFileJournal(paths.writers(name.kind))
  let opened: RuleChain | undefined
  const open = async () => (opened ??= await eu.as())
  const readNow = createRegistryReader({ open, id: subjectId('chain', formatChainName(name)), memory })
  let last: RegistrySet | undefined
  const read = async () => {
    const { final } = await (await open()).head()
    if (last?.block !== final) last = await readNow()
    return last
  }
  const writers = await followWriters({
    read,
    memory,
    log: (level, message, details) => log(level, message, { chain: formatChainName(name), ...details }),
    intervalMs: config.facts.intervalMs,
  })
  return {
    kind: name.kind,
    provider: guardProvider({ provider, writers: writers.now }),
    close: async () => {
      await writers.close()
      await opened?.close()
    },
  }
}

async function serve(
  { config, paths }: Country,
  providers: ReadonlyMap<string, Eip1193Provider>,
  taxii: string | undefined,
  about: About,
): Promise<RpcServer> {
  const server = await startRpcServer(config.rpc, providers, about)
  // A crash leaves this file: whoever connects finds nobody there, and says so.
  writeWhole(paths.running, `${JSON.stringify({ url: server.url, taxii, pid: process.pid })}\n`)
  return {
    url: server.url,
    close: async () => {
      await server.close()
      rmSync(paths.running, { force: true })
    },
  }
}

/** Tells the clocks that run on the chains of a country, where its configuration says so. */
async function startDueMetrics(
  { config: { country, metrics } }: Country,
  chains: readonly OpenChain[],
  { log, now }: { log: Logger; now: () => number },
) {
  if (metrics === undefined) return undefined
  const { createDueMetrics } = await import('./due-metrics.ts')
  const read = await Promise.all(chains.map(async open => ({ name: open.name, chain: await open.as() })))
  const failed = (chain: string, error: Error) =>
    log('warn', 'the clocks of a chain could not be read', { chain, error: error.message })
  const served = await createDueMetrics({ chains: read, now, failed }).listen(metrics)
  log('info', 'clocks are told', { country, url: served.url })
  return {
    url: served.url,
    close: async () => {
      await served.close()
      await Promise.all(read.map(({ chain }) => chain.close()))
    },
  }
}

/** Facts are entered by the NCCA's key: where this process has none, somebody else enters them. */
async function startFacts({ config, paths }: Country, chains: readonly OpenChain[], eu: OpenChain, log: Logger) {
  const nothing = { first: Promise.resolve(), count: () => 0, close: async () => {} }
  const signers = chains.map(chain => ({ chain, file: keyFileOf(chain.config, paths, 'ncca') }))
  if (!signers.some(({ file }) => existsSync(file))) return nothing
  const reading = new Map<ChainKind, RuleChain>([['eu', await eu.as()]])
  const writing = new Map<ChainKind, RuleChain>()
  for (const { chain, file } of signers) {
    reading.set(chain.name.kind, await chain.as())
    if (existsSync(file)) writing.set(chain.name.kind, await chain.as(readSigner(chain.config, file)))
  }
  const facts = createFacts({
    country: config.country,
    from: kind => reading.get(kind),
    to: kind => writing.get(kind),
    file: paths.facts,
    log,
  })
  let count = 0
  /** Told once, until it works again. */
  let said: string | undefined
  const copy = async () => {
    count += await facts.copy()
    said = undefined
  }
  const failed = (error: Error) => {
    if (said !== error.message)
      log('warn', 'facts of other chains could not be copied: tried again until it works', {
        country: config.country,
        error: error.message,
      })
    said = error.message
  }
  const first = copy().catch(failed)
  const rounds = createRounds(copy, config.facts.intervalMs, failed)
  void first.then(() => rounds.start())
  return {
    first,
    count: () => count,
    close: async () => {
      await first
      await rounds.close()
      await Promise.all([...reading.values(), ...writing.values()].map(chain => chain.close()))
    },
  }
}

/** Names of chains for messages. */
export const namesOf = (chains: readonly OpenChain[]): string => chains.map(c => formatChainName(c.name)).join(', ')

/** @throws CliError `usage` where these can't be a demo: everybody has to be here. */
export function requireEverybody(countries: readonly Country[]): void {
  if (!countries.some(({ config }) => config.country === EU))
    throw new CliError('usage', 'a demo has the EU chain and all members in one process: the folder EU is missing')
}
