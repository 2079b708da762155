import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { privateKeyToAccount } from 'viem/accounts'
import { freePort } from './mongod.ts'

/** The last go-ethereum (LGPL-3.0: for tests only, run as a program) that seals Clique blocks. */
const VERSION = 'v1.13.15'
const cache = join(import.meta.dirname, '../../.cache')
const READY_MS = 60_000
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

export type CliqueNode = {
  url: string
  /** Its account, unlocked: it seals blocks and signs by eth_sendTransaction. */
  address: string
  folder: string
  stop(): Promise<void>
  /** As by kill -9. */
  kill(): Promise<void>
  /** Again on the same ports, with the chain that it has. */
  start(): Promise<void>
  /** Forgets the chain, while stopped: it gets it again from the others. */
  wipe(): Promise<void>
}

export type CliqueNetwork = {
  chainId: number
  nodes: CliqueNode[]
  /** TEST KEY, with funds. */
  userKey: `0x${string}`
  rpc(method: string, params?: unknown[], node?: number): Promise<unknown>
  stop(): Promise<void>
}

const CHAIN_ID = 1_337_013
const FUNDS = '0x33b2e3c9fd0803ce8000000'
/** TEST KEYS: all derive from a fixed seed. */
const key = (name: string): `0x${string}` =>
  `0x${createHash('sha256').update(`entente geth test ${name}`).digest('hex')}`

/**
 * Starts a Clique network of real sealers on loopback with a block a second, its data in `folder`, and waits until it makes blocks. Every sealer answers
 * JSON-RPC.
 *
 * @param options.funded addresses that can pay, besides the user's and the sealers'
 */
export async function startClique(
  path: string,
  folder: string,
  { sealers = 4, funded = [] }: { sealers?: number; funded?: readonly string[] } = {},
): Promise<CliqueNetwork> {
  const numbers = Array.from({ length: sealers }, (_, i) => i)
  const accounts = numbers.map(i => privateKeyToAccount(key(`sealer ${i}`)))
  const user = privateKeyToAccount(key('user'))
  const ports = await Promise.all(
    numbers.map(async () => ({ p2p: await freePort(), http: await freePort(), auth: await freePort() })),
  )
  const enodes = numbers.map(i => {
    const { publicKey } = privateKeyToAccount(key(`node ${i}`))
    return `enode://${publicKey.slice(4)}@127.0.0.1:${ports[i]?.p2p}`
  })
  const signers = accounts.map(({ address }) => address.slice(2).toLowerCase()).sort()
  const fork = [
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
  mkdirSync(folder, { recursive: true })
  const genesis = join(folder, 'genesis.json')
  const passwordFile = join(folder, 'password')
  writeFileSync(passwordFile, 'test')
  writeFileSync(
    genesis,
    JSON.stringify({
      config: {
        chainId: CHAIN_ID,
        ...Object.fromEntries(fork.map(name => [`${name}Block`, 0])),
        clique: { period: 1, epoch: 30_000 },
      },
      difficulty: '0x1',
      gasLimit: '0x3938700',
      baseFeePerGas: '0x3b9aca00',
      extraData: `0x${'00'.repeat(32)}${signers.join('')}${'00'.repeat(65)}`,
      alloc: Object.fromEntries(
        [user.address, ...accounts.map(a => a.address), ...funded].map(address => [
          address.slice(2),
          { balance: FUNDS },
        ]),
      ),
    }),
  )

  const nodes = await Promise.all(
    accounts.map(async ({ address }, i) => {
      const data = join(folder, `node${i}`)
      const { p2p, http, auth } = ports[i] as (typeof ports)[number]
      mkdirSync(join(data, 'geth'), { recursive: true })
      writeFileSync(join(data, 'geth/nodekey'), key(`node ${i}`).slice(2))
      writeFileSync(join(data, 'key'), key(`sealer ${i}`).slice(2))
      // Only here can the listener be bound to loopback: the option --port listens everywhere.
      const others = JSON.stringify(enodes.filter((_, j) => j !== i))
      writeFileSync(
        join(data, 'config.toml'),
        `[Eth]\nNetworkId = ${CHAIN_ID}\nSyncMode = "full"\n[Node.P2P]\nMaxPeers = 25\nNoDiscovery = true\nListenAddr = "127.0.0.1:${p2p}"\nStaticNodes = ${others}\n`,
      )
      const init = () => run(path, ['--verbosity', '1', '--datadir', data, '--state.scheme', 'hash', 'init', genesis])
      await init()
      await run(path, [
        '--verbosity',
        '1',
        '--datadir',
        data,
        '--lightkdf',
        'account',
        'import',
        '--password',
        passwordFile,
        join(data, 'key'),
      ])
      const local = [
        '--nat',
        'none',
        '--netrestrict',
        '127.0.0.0/8',
        '--ipcdisable',
        '--authrpc.addr',
        '127.0.0.1',
        '--authrpc.port',
        String(auth),
      ]
      const api = [
        '--http',
        '--http.addr',
        '127.0.0.1',
        '--http.port',
        String(http),
        '--http.api',
        'eth,net,clique,txpool,debug,personal',
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
        passwordFile,
        '--allow-insecure-unlock',
      ]
      const size = ['--cache', '64', '--cache.blocklogs', '4', '--state.scheme', 'hash', '--verbosity', '3']
      const args = ['--config', join(data, 'config.toml'), '--datadir', data, ...local, ...api, ...sealing, ...size]
      const url = `http://127.0.0.1:${http}`
      let child: ChildProcess | undefined
      const end = async (signal: NodeJS.Signals) => {
        if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
        const exited = new Promise(resolve => child?.once('exit', resolve))
        child.kill(signal)
        await exited
      }
      const node: CliqueNode = {
        url,
        address: address.toLowerCase(),
        folder: data,
        stop: () => end('SIGTERM'),
        kill: () => end('SIGKILL'),
        async start() {
          const log = openSync(join(data, 'log'), 'a')
          child = spawn(path, args, { stdio: ['ignore', log, log] })
          closeSync(log)
        },
        async wipe() {
          rmSync(join(data, 'geth/chaindata'), { recursive: true, force: true })
          await init()
        },
      }
      return node
    }),
  )
  const stop = async () => void (await Promise.all(nodes.map(node => node.kill())))
  const rpc = async (method: string, params: unknown[] = [], node = 0): Promise<unknown> => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(nodes[node]?.url ?? '', { method: 'POST', headers, body })
    const { result, error } = (await response.json()) as { result?: unknown; error?: { message: string } }
    if (error !== undefined) throw new Error(`${method}: ${error.message}`)
    return result
  }
  try {
    await Promise.all(nodes.map(node => node.start()))
    await waitFor(`block 2 of a Clique network`, async () => {
      const heads = await Promise.all(nodes.map((_, i) => rpc('eth_blockNumber', [], i)))
      return heads.every(head => Number(head) >= 2)
    })
  } catch (error) {
    await stop()
    const logs = nodes.map(node => readFileSync(join(node.folder, 'log'), 'utf8').slice(-1000))
    throw new Error(`${(error as Error).message}\n${logs.join('\n')}`, { cause: error })
  }
  return { chainId: CHAIN_ID, nodes, userKey: key('user'), rpc, stop }
}

/** Asks until it is so; what throws meanwhile is a no. */
export async function waitFor(what: string, isSo: () => Promise<boolean>, withinMs: number = READY_MS): Promise<void> {
  let cause: unknown
  for (const until = Date.now() + withinMs; Date.now() < until; await setTimeout(100)) {
    try {
      if (await isSo()) return
    } catch (error) {
      cause = error
    }
  }
  throw new Error(`no ${what} within ${withinMs} ms`, { cause })
}
