import { execFileSync, spawn } from 'node:child_process'
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
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './mongod.ts'
import { end, isRunning, own } from './processes.ts'

/** btcd (ISC), a full node of Bitcoin in Go; the Go module proxy's checksum database pins what is built. */
const VERSION = 'v0.26.2'
const cache = join(import.meta.dirname, '../../.cache')
const READY_MS = 30_000
/** Who may ask the node. */
export const BTCD_USER = 'test:only'

/** The path of btcd, which the first call builds into `.cache/` (half a minute); or why there can't be one here, for `t.skip`. */
export function installBtcd(): { path: string } | { reason: string } {
  const folder = join(cache, `btcd-${VERSION.slice(1)}`)
  const path = join(folder, 'btcd')
  if (existsSync(path)) return { path }
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, 'btcd-'))
  try {
    execFileSync('go', ['install', '-trimpath', '-ldflags=-s -w', `github.com/btcsuite/btcd@${VERSION}`], {
      env: { ...process.env, GOBIN: work, GOFLAGS: '-buildvcs=false' },
      stdio: 'pipe',
    })
    mkdirSync(folder, { recursive: true })
    renameSync(join(work, 'btcd'), path)
    return { path }
  } catch (error) {
    return {
      reason: `btcd could not be built here (it needs Go): ${(error as Error).message.split('\n').slice(0, 3).join('; ')}`,
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

export type Btcd = {
  url: string
  pid: number
  rpc(method: string, ...params: unknown[]): Promise<unknown>
  /** Hashes of the new blocks. */
  mine(blocks?: number): Promise<string[]>
  stop(): Promise<void>
  /** As by kill -9. */
  kill(): Promise<void>
}

/** Starts a node of the simulation network, alone and with indexes of transactions and addresses. Segwit is active from block 300 on. */
export async function startBtcd(
  path: string,
  folder: string,
  { miningAddress, port }: { miningAddress?: string; port?: number } = {},
): Promise<Btcd> {
  mkdirSync(folder, { recursive: true })
  const rpcPort = port ?? (await freePort())
  // Its own empty file, or btcd writes one to the home folder
  const config = join(folder, 'btcd.conf')
  writeFileSync(config, '')
  const log = openSync(join(folder, 'btcd.log'), 'a')
  const [user, password] = BTCD_USER.split(':') as [string, string]
  const child = spawn(
    path,
    [
      `--configfile=${config}`,
      `--datadir=${folder}/data`,
      `--logdir=${folder}/logs`,
      '--simnet',
      '--nodnsseed',
      '--notls',
      '--txindex',
      '--addrindex',
      // The simulation network relays what is not standard, and with that skips the policy that real nodes have
      '--rejectnonstd',
      `--rpclisten=127.0.0.1:${rpcPort}`,
      '--nolisten',
      `--rpcuser=${user}`,
      `--rpcpass=${password}`,
      ...(miningAddress === undefined ? [] : [`--miningaddr=${miningAddress}`]),
    ],
    { stdio: ['ignore', log, log] },
  )
  closeSync(log)
  own(child)
  const url = `http://127.0.0.1:${rpcPort}/`
  const rpc = (method: string, ...params: unknown[]) => ask(url, method, params)
  try {
    for (const until = Date.now() + READY_MS; ; await sleep(50)) {
      if (!isRunning(child)) throw new Error(`btcd ended with ${child.exitCode ?? child.signalCode}`)
      if (
        await rpc('getblockcount').then(
          () => true,
          () => false,
        )
      )
        break
      if (Date.now() > until) throw new Error(`btcd does not answer after ${READY_MS} ms`)
    }
  } catch (error) {
    await end(child, 'SIGKILL')
    throw new Error(`${(error as Error).message}\n${readFileSync(join(folder, 'btcd.log'), 'utf8').slice(-2000)}`, {
      cause: error,
    })
  }
  return {
    url,
    pid: child.pid as number,
    rpc,
    mine: async (blocks = 1) => (await rpc('generate', blocks)) as string[],
    stop: async () => void (await end(child)),
    kill: async () => void (await end(child, 'SIGKILL')),
  }
}

async function ask(url: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const authorization = `Basic ${Buffer.from(BTCD_USER).toString('base64')}`
  const body = JSON.stringify({ jsonrpc: '1.0', id: 1, method, params })
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body,
  })
  const { result, error } = (await response.json()) as { result: unknown; error: { message: string } | null }
  if (error) throw new Error(`${method}: ${error.message}`)
  return result
}
