import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { freePort } from './mongod.ts'
import { end, own } from './processes.ts'

/** A node of an EVM network that a test started; its output goes to `folder`/log. */
export type EvmNode = {
  url: string
  /** Its account: the one that seals blocks. */
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

export type EvmNetwork = {
  chainId: number
  nodes: EvmNode[]
  rpc(method: string, params?: unknown[], node?: number): Promise<unknown>
  stop(): Promise<void>
}

/** TEST KEYS: all derive from a fixed seed. */
export const testKey = (name: string): `0x${string}` =>
  `0x${createHash('sha256').update(`entente network test ${name}`).digest('hex')}`

export const freePorts = (count: number): Promise<number[]> => Promise.all(Array.from({ length: count }, freePort))

export type NodeOptions = Pick<EvmNode, 'url' | 'address' | 'folder' | 'wipe'> & {
  path: string
  args: string[]
  env?: Record<string, string>
}

export function createNode({ path, args, env, ...rest }: NodeOptions): EvmNode {
  let child: ChildProcess | undefined
  return {
    ...rest,
    stop: async () => void (child && (await end(child))),
    kill: async () => void (child && (await end(child, 'SIGKILL'))),
    async start() {
      const log = openSync(join(rest.folder, 'log'), 'a')
      child = spawn(path, args, { stdio: ['ignore', log, log], env: { ...process.env, ...env } })
      closeSync(log)
      own(child)
    },
  }
}

const READY_MS = 60_000
const SETTLED = 3

/** Starts the nodes and waits until all have the same first blocks. */
export async function startNetwork(
  chainId: number,
  nodes: EvmNode[],
  blocks = 2,
  withinMs = READY_MS,
): Promise<EvmNetwork> {
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
    await waitFor(
      `block ${blocks}, the same at every node and with others on top,`,
      async () => {
        const heads = await Promise.all(nodes.map((_, i) => rpc('eth_blockNumber', [], i)))
        if (heads.some(head => Number(head) < (blocks === 0 ? 0 : blocks + SETTLED))) return false
        // Before they find each other, each may begin a chain of its own.
        const block = [`0x${blocks.toString(16)}`, false]
        const found = await Promise.all(nodes.map((_, i) => rpc('eth_getBlockByNumber', block, i)))
        return new Set(found.map(one => (one as { hash: string }).hash)).size === 1
      },
      withinMs,
    )
    return { chainId, nodes, rpc, stop }
  } catch (error) {
    await stop()
    const logs = nodes.map(node => readFileSync(join(node.folder, 'log'), 'utf8').slice(-1000))
    throw new Error(`${(error as Error).message}\n${logs.join('\n')}`, { cause: error })
  }
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
