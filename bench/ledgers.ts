import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatCheckpoint } from '@entente/verify/tlog'
import { privateKeyToAccount } from 'viem/accounts'
import type { Anchor } from '../packages/entente/ledger/anchor.ts'
import { startAnvil } from '../packages/entente/ledger/conformance/anvil.ts'
import { TestTree } from '../packages/entente/ledger/conformance/tree.ts'
import { accountFromKey } from '../packages/entente/ledger/evm/account.ts'
import { openEvmAnchor } from '../packages/entente/ledger/evm/anchor.ts'
import { installGeth, startClique } from '../test/support/geth.ts'
import { findQuorum, startQuorum } from '../test/support/quorum.ts'
import type { Result, Side } from './client.ts'
import type { Bench } from './figures.ts'
import { type Server, startServer } from './processes.ts'
import type { Figure } from './report.ts'
import { alternate, median, quantile } from './statistics.ts'

/** TEST KEYS: SHA-256 of a name. */
const testKey = (name: string) =>
  `0x${createHash('sha256').update(`entente bench key: ${name}`).digest('hex')}` as const
const SERVER = testKey('server')
const ALONE = testKey('alone')

type Network = { name: string; urls: string[]; chainId: number; finality: 'instant' | 'clique' }

/**
 * Table 1 of the paper that Entente comes from, with two real ledgers: publishing a message of two objects, and fetching it again by two requests,
 * against a server without ledgers. A Clique network of four sealers, and GoQuorum (QBFT, four validators) where its binary is named, else anvil.
 */
export const ledgers: Bench = async (run, started, client) => {
  const networks = await startNetworks(join(run.folder, 'networks'), run.say, stop => started.add({ stop }))
  if (!networks) return []
  const own = new Map<string, number>()
  for (const network of networks) own.set(network.name, await ownFinality(network, run.quick ? 5 : 15))

  const start = async (name: string, configuration: string): Promise<Server> => {
    const data = join(run.folder, name)
    mkdirSync(data, { recursive: true })
    const file = join(data, 'entente.yaml')
    writeFileSync(join(data, 'evm.key'), SERVER, { mode: 0o600 })
    writeFileSync(file, configuration)
    return started.add(await startServer('entente', data, run.profile, {}, file))
  }
  const roots =
    'apiRoots: [ { path: /api/, title: Bench, collections: [ { alias: default, title: Default collection } ] } ]\n'
  const list = networks.map(({ name, urls, chainId, finality }) => ({
    id: name,
    kind: 'evm',
    urls,
    chainId,
    finality,
    keyFile: 'evm.key',
  }))
  const anchored = (await start('two', `ledgers: ${JSON.stringify(list)}\nanchoring: { require: all }\n${roots}`)).side
  const plain = (await start('none', `ledgers: []\n${roots}`)).side

  const next = new Map<Side, number>()
  const take = (side: Side, n: number) => {
    const from = next.get(side) ?? 0
    next.set(side, from + n)
    return from
  }
  const posts = run.quick ? 30 : 100
  const post = (side: Side) => () =>
    client.run({ do: 'post', side, from: take(side, 2 * posts), count: posts, objects: 2, connections: 1 })
  for (const side of [anchored, plain]) for (let i = 0; i < 5; i++) await post(side)()
  const rounds = run.quick ? 4 : 15
  const posted = await alternate(rounds, post(anchored), post(plain))

  const complete = await client.run({
    do: 'complete',
    side: anchored,
    from: take(anchored, 20_000),
    count: run.quick ? 5 : 25,
    objects: 2,
    connections: 1,
  })
  const get = (side: Side) => () => client.run({ do: 'get', side, from: 0, count: posts, each: 2 })
  for (const side of [anchored, plain]) for (let i = 0; i < 5; i++) await get(side)()
  const got = await alternate(rounds, get(anchored), get(plain))
  await sleep(6000) // until the last objects are final
  const asked = (query: string) => () =>
    client.run({ do: 'paths', side: anchored, paths: Array.from({ length: posts }, () => `objects/?limit=2${query}`) })
  const confirmed = await alternate(run.quick ? 2 : 5, asked('&verify=ledger'), asked(''))

  const names = networks.map(n => n.name).join(' + ')
  const slowest = Math.max(...own.values())
  return [
    ratio(`POST of 2 objects until 202, ${names} : no ledger`, posted, 1.2),
    {
      figure: '10',
      what: `POST of 2 objects until complete, final on ${names}`,
      value: median(complete.times) / 1000,
      unit: 's',
      goal: { most: slowest / 1000 + 1 },
      details: `99th percentile ${(quantile(complete.times, 0.99) / 1000).toFixed(2)} s; the ledgers' own finality, median: ${[...own].map(([name, ms]) => `${name} ${(ms / 1000).toFixed(2)} s`).join(', ')}`,
    },
    ratio(`GET of 2 objects, ${names} : no ledger`, got, 1.1),
    ratio('GET of 2 objects with verify=ledger : without', confirmed),
  ]
}

function ratio(what: string, pairs: [Result, Result][], most?: number): Figure {
  const all = (at: 0 | 1, q: number) =>
    quantile(
      pairs.flatMap(pair => pair[at].times),
      q,
    )
  const ms = (n: number) => `${n.toFixed(2)} ms`
  return {
    figure: '10',
    what,
    value: median(pairs.map(([a, b]) => median(a.times) / median(b.times))),
    unit: '×',
    details: `median ${ms(all(0, 0.5))} : ${ms(all(1, 0.5))}; 99th percentile ${ms(all(0, 0.99))} : ${ms(all(1, 0.99))}`,
    ...(most === undefined ? {} : { goal: { most } }),
  }
}

async function startNetworks(
  folder: string,
  say: (text: string) => void,
  onStop: (stop: () => Promise<void>) => void,
): Promise<Network[] | undefined> {
  const geth = installGeth()
  if ('reason' in geth) {
    say(`ledgers: ${geth.reason}`)
    return undefined
  }
  const funded = [SERVER, ALONE].map(key => privateKeyToAccount(key).address)
  const clique = await startClique(geth.path, join(folder, 'clique'), { funded })
  onStop(() => clique.stop())
  const first: Network = {
    name: 'clique',
    urls: clique.nodes.map(node => node.url),
    chainId: clique.chainId,
    finality: 'clique',
  }
  const quorum = findQuorum()
  if ('path' in quorum) {
    const network = await startQuorum(quorum.path, join(folder, 'quorum'), 'qbft')
    onStop(() => network.stop())
    return [
      first,
      { name: 'quorum', urls: network.nodes.map(n => n.url), chainId: network.chainId, finality: 'instant' },
    ]
  }
  say(`ledgers: ${quorum.reason}; anvil with a block a second stands in`)
  const anvil = await startAnvil('--block-time', '1')
  if (typeof anvil === 'string') {
    say(`ledgers: ${anvil}`)
    return [first]
  }
  onStop(async () => anvil.stop())
  for (const address of funded) {
    const body = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'anvil_setBalance',
      params: [address, '0x56bc75e2d63100000'],
    })
    await fetch(anvil.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  }
  return [first, { name: 'anvil', urls: [anvil.url], chainId: 31_337, finality: 'instant' }]
}

/** From sending an anchor until it is final, by the adapter alone; median, milliseconds. */
async function ownFinality({ name, urls, chainId, finality }: Network, anchors: number): Promise<number> {
  const origin = 'bench.example/finality'
  const anchor: Anchor = await openEvmAnchor({
    id: name,
    urls,
    chainId,
    account: accountFromKey(ALONE),
    finality,
    origin,
  })
  try {
    const tree = new TestTree(origin)
    const times: number[] = []
    for (let size = 1; size <= anchors; size++) {
      const checkpoint = { size, root: tree.root(size) }
      const note = formatCheckpoint({ origin, ...checkpoint, extensions: [] })
      const started = performance.now()
      const receipt = await anchor.append({ ...checkpoint, note }, old => tree.consistency(old, size))
      while (!(await anchor.finality(receipt)).final) await sleep(25)
      times.push(performance.now() - started)
    }
    return median(times)
  } finally {
    await anchor.close()
  }
}
