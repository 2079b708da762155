import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { privateKeyToAccount } from 'viem/accounts'
import { type EvmNetwork, createNode, freePorts, startNetwork, testKey } from './evm-network.ts'

/** The last go-ethereum (LGPL-3.0: for tests only, run as a program) that seals Clique blocks. */
const VERSION = 'v1.13.15'
const cache = join(import.meta.dirname, '../../.cache')
const run = promisify(execFile)

/** The path of a geth, which the first call builds into `.cache/`; or why there can't be one here, for `t.skip`. */
export function installGeth(): { path: string } | { reason: string } {
  const folder = join(cache, `geth-${VERSION}`)
  const path = join(folder, 'geth')
  if (existsSync(path)) return { path }
  const go = ['go', '/usr/local/go/bin/go'].find(name => spawnSync(name, ['version']).status === 0)
  if (go === undefined) return { reason: 'no Go to build geth with' }
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, 'geth-'))
  try {
    // Its dependency memsize links to runtime.stopTheWorld, which the linker refuses since Go 1.23 without the first flag.
    const flags = ['-trimpath', '-ldflags=-checklinkname=0 -s -w']
    execFileSync(go, ['install', ...flags, `github.com/ethereum/go-ethereum/cmd/geth@${VERSION}`], {
      cwd: work,
      env: { ...process.env, GOBIN: work, GOFLAGS: '-buildvcs=false' },
      stdio: 'pipe',
      timeout: 1_200_000,
    })
    mkdirSync(folder, { recursive: true })
    renameSync(join(work, 'geth'), path)
    return { path }
  } catch (error) {
    return { reason: `geth can't be built here: ${(error as Error).message.slice(0, 400)}` }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

const CHAIN_ID = 1_337_013
const FUNDS = '0x33b2e3c9fd0803ce8000000'
const FORKS = [
  'homestead',
  'eip150',
  'eip155',
  'eip158',
  'byzantium',
  'constantinople',
  'petersburg',
  'istanbul',
  'berlin',
  'london',
]

/**
 * Starts a Clique network of real sealers on loopback with a block a second, its data in `folder`, and waits until it makes blocks. Every sealer answers
 * JSON-RPC and signs for its account by eth_sendTransaction.
 *
 * @param options.funded addresses that can pay, besides the sealers'
 * @param options.newcomers nodes after the sealers' that would seal and may not yet
 */
export async function startClique(
  path: string,
  folder: string,
  {
    sealers = 4,
    newcomers = 0,
    funded = [],
  }: { sealers?: number; newcomers?: number; funded?: readonly string[] } = {},
): Promise<EvmNetwork> {
  const count = sealers + newcomers
  const accounts = Array.from({ length: count }, (_, i) => privateKeyToAccount(testKey(`sealer ${i}`)))
  const signers = accounts
    .slice(0, sealers)
    .map(({ address }) => address.slice(2).toLowerCase())
    .sort()
  const ports = await freePorts(3 * count)
  const enodes = accounts.map((_, i) => {
    const { publicKey } = privateKeyToAccount(testKey(`node ${i}`))
    return `enode://${publicKey.slice(4)}@127.0.0.1:${ports[i]}`
  })
  mkdirSync(folder, { recursive: true })
  const genesis = join(folder, 'genesis.json')
  const password = join(folder, 'password')
  writeFileSync(password, 'test')
  writeFileSync(
    genesis,
    JSON.stringify({
      config: {
        chainId: CHAIN_ID,
        ...Object.fromEntries(FORKS.map(name => [`${name}Block`, 0])),
        clique: { period: 1, epoch: 30_000 },
      },
      difficulty: '0x1',
      gasLimit: '0x3938700',
      baseFeePerGas: '0x3b9aca00',
      extraData: `0x${'00'.repeat(32)}${signers.join('')}${'00'.repeat(65)}`,
      alloc: Object.fromEntries(
        [...accounts.map(a => a.address), ...funded].map(address => [address.slice(2), { balance: FUNDS }]),
      ),
    }),
  )
  const nodes = await Promise.all(
    accounts.map(async ({ address }, i) => {
      const data = join(folder, `node${i}`)
      const [p2p, http, auth] = [ports[i], ports[count + i], ports[2 * count + i]]
      mkdirSync(join(data, 'geth'), { recursive: true })
      writeFileSync(join(data, 'geth/nodekey'), testKey(`node ${i}`).slice(2))
      writeFileSync(join(data, 'key'), testKey(`sealer ${i}`).slice(2))
      // Only here can the listener be bound to loopback: the option --port listens everywhere.
      const others = JSON.stringify(enodes.filter((_, j) => j !== i))
      writeFileSync(
        join(data, 'config.toml'),
        `[Eth]\nNetworkId = ${CHAIN_ID}\nSyncMode = "full"\n[Node.P2P]\nMaxPeers = 25\nNoDiscovery = true\nListenAddr = "127.0.0.1:${p2p}"\nStaticNodes = ${others}\n`,
      )
      const quiet = ['--verbosity', '1', '--datadir', data]
      const init = async () => void (await run(path, [...quiet, '--state.scheme', 'hash', 'init', genesis]))
      await init()
      await run(path, [...quiet, '--lightkdf', 'account', 'import', '--password', password, join(data, 'key')])
      const local = [
        '--nat',
        'none',
        '--netrestrict',
        '127.0.0.0/8',
        '--ipcdisable',
        '--authrpc.addr',
        '127.0.0.1',
        '--authrpc.port',
        `${auth}`,
      ]
      const api = [
        '--http',
        '--http.addr',
        '127.0.0.1',
        '--http.port',
        `${http}`,
        '--http.api',
        'eth,net,clique,txpool,debug',
      ]
      const sealing = [
        '--mine',
        '--miner.etherbase',
        address,
        '--miner.gasprice',
        '1',
        '--unlock',
        address,
        '--password',
        password,
        '--allow-insecure-unlock',
      ]
      const size = ['--cache', '64', '--cache.blocklogs', '4', '--state.scheme', 'hash', '--verbosity', '3']
      return createNode({
        path,
        args: ['--config', join(data, 'config.toml'), '--datadir', data, ...local, ...api, ...sealing, ...size],
        url: `http://127.0.0.1:${http}`,
        address: address.toLowerCase(),
        folder: data,
        async wipe() {
          rmSync(join(data, 'geth/chaindata'), { recursive: true, force: true })
          await init()
        },
      })
    }),
  )
  for (let tries = 1; ; tries++) {
    try {
      return await startNetwork(CHAIN_ID, nodes, 2, tries < MAX_TRIES ? SETTLES_MS : undefined)
    } catch (error) {
      if (tries === MAX_TRIES) throw error
      for (const node of nodes) await node.wipe()
    }
  }
}

/** Clique can come to a stand: two branches of one weight, each waiting for signers who are on the other. Then the network begins anew. */
const MAX_TRIES = 4
const SETTLES_MS = 30_000
