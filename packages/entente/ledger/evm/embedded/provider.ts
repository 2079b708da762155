import type { ClosableProvider } from '../provider.ts'
import { createEmbeddedHost, gone } from './host.ts'
import type { EmbeddedOptions } from './open.ts'
import type { CrashPoint } from './store.ts'

export interface EmbeddedProviderOptions extends EmbeddedOptions {
  /** Runs the chain in a worker thread. Without it, each block holds up this thread for 10 to 30 ms. Default: true. */
  readonly worker?: boolean
  /** Clock, in milliseconds since 1970. Blocks never go back in time, whatever it says. */
  readonly now: () => number
  /** Tests only, and only with `worker: false`. */
  readonly hook?: (point: CrashPoint) => void
}

/**
 * An EVM chain in this process, durable in a folder, behind EIP-1193. eth_sendRawTransaction resolves when the transaction is in a block on
 * disk. `request` throws RpcError when the chain answers no and LedgerError `unreachable` after `close` or when the worker died.
 * Throws what openEmbedded throws.
 *
 * @example
 * const provider = await createEmbeddedProvider({ folder: './ledger', chainId: 6100, now: Date.now })
 * await provider.request({ method: 'eth_blockNumber' }) // '0x0'
 */
export async function createEmbeddedProvider(options: EmbeddedProviderOptions): Promise<ClosableProvider> {
  const { worker = true, now, hook, ...plain } = options
  return worker ? inWorker(plain, now) : inThread(plain, now, hook)
}

async function inThread(
  options: EmbeddedOptions,
  now: () => number,
  hook: EmbeddedProviderOptions['hook'],
): Promise<ClosableProvider> {
  const { openEmbedded } = await import('./open.ts') // not with this file: the worker's thread alone needs an EVM
  const embedded = await openEmbedded(options, { now: now(), ...(hook === undefined ? {} : { hook }) })
  let closed = false
  return {
    async request({ method, params = [] }) {
      if (closed) throw gone('it was closed')
      return embedded.rpc.handle(method, params, now())
    },
    async close() {
      closed = true
      await embedded.close()
    },
  }
}

async function inWorker(options: EmbeddedOptions, now: () => number): Promise<ClosableProvider> {
  const host = createEmbeddedHost({ now })
  try {
    const { request } = await host.open(options)
    return { request, close: host.close }
  } catch (error) {
    await host.close()
    throw error
  }
}
