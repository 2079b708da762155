import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Genesis, Kind, NewParty, PartyKind, RuleArguments } from '@entente/rules'
import type { Hex } from 'viem'
import { type SigningAccount, accountFromKey } from '../packages/entente/ledger/evm/account.ts'
import { openEvmChain } from '../packages/entente/ledger/evm/chain.ts'
import { createEmbeddedHost } from '../packages/entente/ledger/evm/embedded/host.ts'
import { marketFees } from '../packages/entente/ledger/evm/fees.ts'
import type { EvmFinality } from '../packages/entente/ledger/evm/finality.ts'
import { createHttpProvider } from '../packages/entente/ledger/evm/http.ts'
import type { ClosableProvider } from '../packages/entente/ledger/evm/provider.ts'
import { askOf } from '../packages/entente/ledger/evm/rpc.ts'
import { openEvmRuleChain } from '../packages/entente/ledger/evm/rules/chain.ts'
import { deployRuleChain } from '../packages/entente/ledger/evm/rules/deploy.ts'
import { encodeRule } from '../packages/entente/ledger/evm/rules/encode.ts'
import type { RuleChain } from '../packages/entente/ledger/rule-chain.ts'
import { installGeth, startClique } from '../test/support/geth.ts'
import type { Bench, Run } from './figures.ts'
import { load, type RuleCall } from './load.ts'
import type { Started } from './processes.ts'
import type { Figure } from './report.ts'
import { median, quantile } from './statistics.ts'

/** TEST KEYS: SHA-256 of a name. */
const account = (name: string): SigningAccount =>
  accountFromKey(`0x${createHash('sha256').update(`entente bench key: ${name}`).digest('hex')}`)
const id = (name: string) => `0x${createHash('sha256').update(name).digest('hex')}`
const [DEPLOYER, NCCA] = ['deployer', 'ncca'].map(account) as [SigningAccount, SigningAccount]
const party = (name: string, kind: PartyKind, { address }: SigningAccount): NewParty => ({
  id: id(name),
  kind,
  country: 'FR',
  key: address,
  act: id('act'),
})
/** As the federation has it (cli/federation). */
const GAS_LIMIT = 10_000_000
const YOUNG_MEGABYTES = 48
const genesis: Genesis = { chain: { kind: 'artifact', country: 'FR' }, parties: [party('ncca', 'ncca', NCCA)] }

type Network = {
  name: string
  provider: ClosableProvider
  chainId: number
  finality: EvmFinality
  gasLimit?: number
  makers: number
}

/** An artifact chain of which manufacturers register their artifacts and versions, and whoever wants to know asks about them with proof. */
export const registry: Bench = async (run, started) => {
  const figures: Figure[] = []
  const seconds = run.quick ? 10 : 60
  const embedded = await startEmbedded(run, started)
  const opened = await found(embedded)
  figures.push(await writing(embedded, opened, seconds))
  figures.push(...(await reading(embedded, opened, run.quick ? 500 : 4000, run.say)))

  const geth = installGeth()
  if ('reason' in geth) {
    run.say(`registry: ${geth.reason}`)
    return figures
  }
  const makers = 128
  const funded = [DEPLOYER, NCCA, ...Array.from({ length: makers }, (_, n) => account(`maker ${n}`))]
  const network = await startClique(geth.path, join(run.folder, 'clique'), { funded: funded.map(one => one.address) })
  started.add({ stop: () => network.stop() })
  const urls = network.nodes.map(node => node.url)
  const clique: Network = {
    name: 'geth, Clique of four with a block a second',
    provider: createHttpProvider({ urls }),
    chainId: network.chainId,
    finality: 'clique',
    gasLimit: 300_000,
    makers,
  }
  figures.push(await writing(clique, await found(clique), seconds))
  return figures
}

/** The same readings where there are 100,000 artifacts. */
export const millionRegistry: Bench = async (run, started) => {
  const network = await startEmbedded(run, started)
  return reading(network, await found(network), run.quick ? 10_000 : 100_000, run.say)
}

async function startEmbedded(run: Run, started: Started): Promise<Network> {
  const host = createEmbeddedHost({ now: Date.now, youngMegabytes: YOUNG_MEGABYTES })
  started.add({ stop: () => host.close() })
  const provider = await host.open({ folder: join(run.folder, 'chain'), chainId: 6100 })
  const chain = { provider, chainId: 6100, finality: 'instant' as const, gasLimit: GAS_LIMIT }
  return { name: 'embedded chain', ...chain, makers: 16 }
}

type Opened = { contracts: Record<string, string>; makers: RuleChain[] }

async function found(network: Network): Promise<Opened> {
  const { provider, chainId, makers: count } = network
  const contracts = await deployRuleChain({ provider, chainId, deployer: DEPLOYER, genesis })
  const signers = Array.from({ length: count }, (_, n) => account(`maker ${n}`))
  await registerAll(network, contracts, signers)
  const makers = await Promise.all(signers.map(signer => open(network, contracts, signer)))
  return { contracts, makers }
}

/** All in the same blocks, as the one who registers them would not do it: the bench is about what comes then. */
async function registerAll(
  { provider, chainId }: Network,
  contracts: Record<string, string>,
  signers: SigningAccount[],
): Promise<void> {
  const fees = await marketFees(askOf(provider))
  const raws = signers.map(async (signer, nonce) => {
    const args: RuleArguments<'registerParty'> = [party(`maker ${nonce}`, 'manufacturer', signer)]
    const context = { kind: 'artifact' as const, party: async () => id('nobody') as Hex }
    const { contract, data } = await encodeRule(context, 'registerParty', args)
    const { raw } = await NCCA.sign({ chainId, nonce, gas: 300_000n, to: contracts[contract], data, fees })
    return raw
  })
  for (const raw of await Promise.all(raws)) await provider.request({ method: 'eth_sendRawTransaction', params: [raw] })
  const registered = async () =>
    Number(await provider.request({ method: 'eth_getTransactionCount', params: [NCCA.address, 'latest'] }))
  while ((await registered()) < signers.length) await sleep(200)
}

const open = (
  { provider, chainId, finality, gasLimit }: Network,
  contracts: Record<string, string>,
  signer?: SigningAccount,
  validators?: readonly string[],
) =>
  openEvmRuleChain({
    provider,
    chainId,
    kind: 'artifact',
    contracts,
    finality,
    pollMs: finality === 'instant' ? 5 : 500, // with 128 at once, or their questions are all that the nodes do
    ...(gasLimit === undefined ? {} : { gasLimit }),
    ...(signer === undefined ? {} : { account: signer }),
    ...(validators === undefined ? {} : { validators }),
  })

/** Each manufacturer registers one thing after the other, all at once. */
async function writing(network: Network, { makers }: Opened, seconds: number): Promise<Figure> {
  const end = performance.now() + seconds * 1000
  const times: number[] = []
  const [started, all, own] = [performance.now(), process.cpuUsage(), process.threadCpuUsage()]
  await Promise.all(
    makers.map(async (maker, m) => {
      const artifact = id(`artifact ${m}`)
      await maker.run('registerArtifact', artifact, id('description'))
      for (let n = 0; performance.now() < end; n++) {
        const before = performance.now()
        await maker.run('registerVersion', artifact, id(`version ${m} ${n}`), VERSION)
        times.push(performance.now() - before)
      }
    }),
  )
  const count = times.length + makers.length
  const rate = (count / (performance.now() - started)) * 1000
  const [whole, here] = [process.cpuUsage(all), process.threadCpuUsage(own)].map(
    ({ user, system }) => (user + system) / 1000 / count,
  ) as [number, number]
  const chainCpu = network.finality === 'instant' ? `, of its chain ${(whole - here).toFixed(1)} ms` : ''
  return {
    figure: '19',
    what: `registrations/s for ${seconds} s, ${network.name}`,
    value: rate,
    unit: '/s',
    goal: { least: 50 },
    details: `${makers.length} manufacturers, each one transaction at a time; until it is in a block ${median(times).toFixed(0)} ms, 99th percentile ${quantile(times, 0.99).toFixed(0)} ms; CPU of a client ${here.toFixed(1)} ms a registration${chainCpu}`,
  }
}
const VERSION = { firmware: id('firmware'), sbom: id('sbom'), mud: id('mud') }

/** Versions of each manufacturer that are read. */
const READ = 8

/** What `check` reads of a version on its artifact chain: six entities, none of them read before, each value proven. */
async function reading(
  network: Network,
  { contracts, makers }: Opened,
  artifacts: number,
  say: (text: string) => void,
): Promise<Figure[]> {
  const began = performance.now()
  const many = function* (m: number): Generator<RuleCall> {
    for (let n = m; n < artifacts; n += makers.length) yield ['registerArtifact', id(`many ${n}`), id('it')]
  }
  const options = { ...network, kind: 'artifact' as const, contracts, gas: BigInt(GAS_LIMIT) }
  await Promise.all(
    makers.map((_, m) => load(options, { account: account(`maker ${m}`), party: id(`maker ${m}`), calls: many(m) })),
  )
  const loaded = (performance.now() - began) / 1000
  await Promise.all(
    makers.map(async (maker, m) => {
      await maker.run('registerArtifact', id(`read ${m}`), id('it'))
      for (let n = 0; n < READ; n++) await maker.run('registerVersion', id(`read ${m}`), id(`read ${m} ${n}`), VERSION)
    }),
  )
  say(`registry: ${artifacts} artifacts in ${loaded.toFixed(0)} s`)
  const plain = await openEvmChain({
    ...network,
    provider: { request: request => network.provider.request(request) },
    account: NCCA,
  })
  const { validators = [] } = await plain.identity()
  const figures: Figure[] = []
  for (const [level, pinned] of [
    ['proven', validators],
    ['asked', undefined],
  ] as const) {
    const reader = await open(network, contracts, undefined, pinned)
    const times: number[] = []
    for (let n = 0; n < READ * makers.length; n++) {
      const before = performance.now()
      const maker = `maker ${n % makers.length}`
      const wanted: [Kind, string][] = [
        ['artifact', id(`many ${(n * 811) % artifacts}`)],
        ['artifact', id(`read ${n % makers.length}`)],
        ['version', id(`read ${n % makers.length} ${Math.floor(n / makers.length)}`)],
        ['party', id(maker)],
        ['key', account(maker).address],
        ['label', `${id(`version 0 ${n}`)}@${id('CVE')}@${id(maker)}`],
      ]
      const { block } = await reader.head()
      const found = await Promise.all(wanted.map(([kind, one]) => reader.get(kind, one, block)))
      if (found.some(one => one.level !== level) || found[0]?.value === undefined)
        throw new Error('not read as it should')
      if (n >= 20) times.push(performance.now() - before)
    }
    figures.push({
      figure: '19',
      what: `six entities of ${artifacts.toLocaleString('en-US')} artifacts, ${level}`,
      value: median(times),
      unit: 'ms',
      ...(level === 'proven' ? { goal: { most: 50 } } : {}),
      details: `99th percentile ${quantile(times, 0.99).toFixed(1)} ms; ${artifacts} artifacts took ${loaded.toFixed(0)} s`,
    })
  }
  return figures
}
