import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Genesis } from '@entente/rules'
import { callOfCertificate, callOfHolder, callOfScheme } from '../packages/entente/cli/federation/import-calls.ts'
import { type ImportPlan, planImport } from '../packages/entente/cli/federation/import-plan.ts'
import { accountFromKey, type SigningAccount } from '../packages/entente/ledger/evm/account.ts'
import { createEmbeddedProvider } from '../packages/entente/ledger/evm/embedded/provider.ts'
import type { EvmFinality } from '../packages/entente/ledger/evm/finality.ts'
import { createHttpProvider } from '../packages/entente/ledger/evm/http.ts'
import type { Eip1193Provider } from '../packages/entente/ledger/evm/provider.ts'
import { openEvmRuleChain } from '../packages/entente/ledger/evm/rules/chain.ts'
import { deployRuleChain } from '../packages/entente/ledger/evm/rules/deploy.ts'
import { openFabricRuleChain } from '../packages/entente/ledger/fabric/rules.ts'
import type { RuleCall, RuleChain } from '../packages/entente/ledger/rule-chain.ts'
import { commitDocument } from '../packages/entente/product/commitment.ts'
import { readSecCerts } from '../packages/entente/product/sec-certs.ts'
import { findFabric, startFabric } from '../test/support/fabric.ts'
import { installGeth, startClique } from '../test/support/geth.ts'
import { findQuorum, startQuorum } from '../test/support/quorum.ts'
import { root } from '../test/support/server.ts'
import type { Bench, Run } from './figures.ts'
import { folderSize } from './folder-size.ts'
import type { Started } from './processes.ts'
import type { Figure } from './report.ts'

const DATA = join(root, '../shared/data/sec-certs')
/** TEST KEYS: SHA-256 of a name. */
const account = (name: string): SigningAccount =>
  accountFromKey(`0x${createHash('sha256').update(`entente bench key: ${name}`).digest('hex')}`)
const [DEPLOYER, NCCA] = ['certificates deployer', 'certificates ncca'].map(account) as [SigningAccount, SigningAccount]

/** A certification chain that has begun, as its NCCA signs on it; `size`: bytes that one node has on disk, once it has stopped. */
type Opened = { chain: RuleChain; stop(): Promise<void>; size(): number }
type Ledger = {
  name: string
  /** Why it can't be had here. */
  reason?: string
  open(folder: string, genesis: (key: string) => Genesis): Promise<Opened>
}

/**
 * The certificates of sec-certs of the country that has most, with those of third countries that go to its chain: the same transactions on each ledger,
 * one after the other, each in a network of its own.
 */
export const certificates: Bench = async (run, started) => {
  const plan = readPlan(run)
  if (plan === undefined) {
    run.say('certificates: the data of sec-certs is not here')
    return []
  }
  const figures: Figure[] = []
  let first: number | undefined
  for (const ledger of ledgers()) {
    if (ledger.reason !== undefined) {
      run.say(`certificates: ${ledger.reason}`)
      continue
    }
    const measured = await load(ledger, plan, run, started)
    first ??= measured.rate
    const { seconds, transactions, cpuSeconds, size, before } = measured
    figures.push({
      figure: '20',
      what: `certificates' transactions/s, ${ledger.name}`,
      value: measured.rate,
      unit: '/s',
      details: `${transactions} transactions of ${plan.country} (${plan.certificates.length} certificates) in ${seconds.toFixed(1)} s, ${(measured.rate / first).toFixed(2)} of the first line's rate; ${cpuSeconds.toFixed(1)} s of CPU in this process; ${((size - before) / 1e6).toFixed(1)} MB on one node's disk (${(size / transactions / 1e3).toFixed(1)} kB each, with ${(before / 1e6).toFixed(1)} MB before)`,
    })
  }
  return figures
}

function readPlan({ quick }: Run): ImportPlan | undefined {
  if (!existsSync(DATA)) return undefined
  const [references, certificates] = ['references.csv', 'certificates.csv'].map(name => readFileSync(join(DATA, name)))
  if (references === undefined || certificates === undefined) return undefined
  const salt = (name: string) => createHash('sha256').update(`entente bench salt: ${name}`).digest()
  const plans = planImport(readSecCerts({ references, certificates }, { salt, at: '2026-11-22T00:00:00.000Z' }))
  const [most] = plans.sort((a, b) => b.certificates.length - a.certificates.length)
  if (most === undefined || !quick) return most
  const some = most.certificates.slice(0, 100)
  const needed = new Set(some.map(one => one.legacy.holder))
  return { ...most, certificates: some, holders: most.holders.filter(({ id }) => needed.has(id)) }
}

async function load({ name, open }: Ledger, plan: ImportPlan, run: Run, started: Started) {
  const folder = join(run.folder, name.split(/\W/)[0] ?? 'ledger')
  const { chain, stop, size } = await open(folder, key => ({
    chain: { kind: 'certification', country: plan.country },
    parties: [{ id: idOf('ncca'), kind: 'ncca', country: plan.country, key, act: idOf('act') }],
  }))
  let stopping: Promise<void> | undefined
  const stopOnce = () => (stopping ??= chain.close().then(stop))
  started.add({ stop: stopOnce })
  const before = size()
  const stages: RuleCall[][] = [
    plan.schemes.map(scheme => callOfScheme(scheme, commitDocument(scheme.document))),
    plan.holders.map(holder => callOfHolder(holder, account(holder.name).address, commitDocument(holder.document))),
    plan.certificates.map(callOfCertificate),
  ]
  const began = performance.now()
  const cpu = process.cpuUsage()
  for (const stage of stages)
    for (const outcome of await chain.runAll(stage)) if (outcome instanceof Error) throw outcome
  const seconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const imported = (await chain.history()).filter(event => event.name === 'CertificateImported').length
  if (imported !== plan.certificates.length)
    throw new Error(`${name} has ${imported} certificates of ${plan.certificates.length}`)
  await stopOnce()
  const transactions = stages.flat().length
  return {
    seconds,
    transactions,
    rate: transactions / seconds,
    cpuSeconds: (user + system) / 1e6,
    size: size(),
    before,
  }
}

const idOf = (name: string): string => `0x${createHash('sha256').update(name).digest('hex')}`

function ledgers(): Ledger[] {
  const [geth, quorum, fabric] = [installGeth(), findQuorum(), findFabric()]
  return [
    { name: 'embedded chain', open: onEmbedded },
    {
      name: 'geth, Clique of four with a block a second',
      ...('reason' in geth ? geth : {}),
      async open(folder, genesis) {
        const funded = [DEPLOYER.address, NCCA.address]
        const network = await startClique('path' in geth ? geth.path : '', folder, { funded })
        return onEvm(network, 'clique', genesis)
      },
    },
    {
      name: 'GoQuorum, QBFT of four with a block a second',
      ...('reason' in quorum ? quorum : {}),
      async open(folder, genesis) {
        return onEvm(await startQuorum('path' in quorum ? quorum.path : '', folder, 'qbft'), 'instant', genesis)
      },
    },
    {
      name: 'Fabric, two organisations, blocks of at most 0.2 s',
      ...('reason' in fabric ? fabric : {}),
      open: (folder, genesis) => onFabric('bin' in fabric ? fabric.bin : '', folder, genesis),
    },
  ]
}

type Network = Awaited<ReturnType<typeof startClique>>

async function onEmbedded(folder: string, genesis: (key: string) => Genesis): Promise<Opened> {
  const provider = await createEmbeddedProvider({ folder, chainId: 6100, now: Date.now })
  const chain = await openOn(provider, 6100, 'instant', genesis, 5)
  return { chain, stop: () => provider.close(), size: () => folderSize(folder) }
}

async function onEvm(network: Network, finality: EvmFinality, genesis: (key: string) => Genesis): Promise<Opened> {
  const provider = createHttpProvider({ urls: network.nodes.map(({ url }) => url) })
  const chain = await openOn(provider, network.chainId, finality, genesis, 200)
  const [node] = network.nodes
  return {
    chain,
    async stop() {
      await provider.close()
      // In order, so that it writes what it has in memory.
      await node?.stop()
      await network.stop()
    },
    size: () => folderSize(node?.folder ?? ''),
  }
}

async function openOn(
  provider: Eip1193Provider,
  chainId: number,
  finality: EvmFinality,
  genesis: (key: string) => Genesis,
  pollMs: number,
): Promise<RuleChain> {
  const contracts = await deployRuleChain({ provider, chainId, deployer: DEPLOYER, genesis: genesis(NCCA.address) })
  return openEvmRuleChain({ provider, chainId, kind: 'certification', contracts, account: NCCA, finality, pollMs })
}

async function onFabric(bin: string, folder: string, genesis: (key: string) => Genesis): Promise<Opened> {
  mkdirSync(folder, { recursive: true })
  const network = await startFabric(bin, folder, 'etcdraft', { chaincodes: ['certification'] })
  const text = (file: string) => readFileSync(file, 'utf8')
  const [own] = network.organizations
  if (own === undefined) throw new Error('a network without organisations')
  const chain = await openFabricRuleChain({
    endpoints: own.peers.map(({ endpoint }) => endpoint.replace('127.0.0.1', 'localhost')),
    tlsCert: network.organizations.map(({ tlsCert }) => text(tlsCert)).join(''),
    mspId: own.mspId,
    cert: text(own.cert),
    key: text(own.key),
    fabricChannel: network.fabricChannel,
    chaincode: 'certification',
    pollMs: 50,
  })
  await chain.run('found', genesis(chain.account))
  return { chain, stop: () => network.stop(), size: () => folderSize(join(folder, 'org1-peer0')) }
}
