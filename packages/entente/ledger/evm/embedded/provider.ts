import { Worker } from 'node:worker_threads'
import { LedgerError, type LedgerErrorCode } from '../../error.ts'
import { type ClosableProvider, RpcError } from '../provider.ts'
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

/** What goes to the worker and comes back. */
export interface Question {
  readonly id: number
  readonly method: string
  readonly params: readonly unknown[]
  readonly now: number
}
export interface Answer {
  readonly id: number
  readonly result?: unknown
  readonly error?: {
    readonly rpc?: number
    readonly ledger?: LedgerErrorCode
    readonly message: string
    readonly data?: unknown
  }
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
  const waiting = new Map<number, { resolve: (result: unknown) => void; reject: (reason: unknown) => void }>()
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: { options, now: now() },
    // What an anchor leaves behind is collected a little more often: measured 20 MB less, for two anchors a second.
    resourceLimits: { maxYoungGenerationSizeMb: 6 },
  })
  let ended: LedgerError | undefined
  const end = (reason: LedgerError) => {
    ended ??= reason
    for (const { reject } of waiting.values()) reject(ended)
    waiting.clear()
  }
  worker.on('message', ({ id, result, error }: Answer) => {
    const question = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) question?.resolve(result)
    else if (error.ledger !== undefined) question?.reject(new LedgerError(error.ledger, error.message))
    else question?.reject(new RpcError(error.rpc ?? -32603, error.message, error.data))
  })
  worker.on('error', cause =>
    end(
      new LedgerError(
        'unreachable',
        `the embedded ledger's thread failed: ${cause instanceof Error ? cause.message : cause}`,
        { cause },
      ),
    ),
  )
  worker.on('exit', () => end(gone('its thread ended')))

  let last = 0
  const ask = (id: number, question?: Question) =>
    new Promise((resolve, reject) => {
      if (ended !== undefined) return reject(ended)
      waiting.set(id, { resolve, reject })
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is a window's; a thread has none
      if (question !== undefined) worker.postMessage(question)
    })
  await ask(0) // the worker's first message says whether the folder could be opened

  let closing: Promise<void> | undefined
  const request = (method: string, params: readonly unknown[]) => {
    const id = ++last
    return ask(id, { id, method, params, now: now() })
  }
  return {
    async request({ method, params = [] }) {
      if (closing !== undefined) throw gone('it was closed')
      return request(method, params)
    },
    close() {
      closing ??= (async () => {
        const exit = ended === undefined ? new Promise(resolve => worker.once('exit', resolve)) : undefined
        if (ended === undefined) await request('close', [])
        await exit
      })()
      return closing
    },
  }
}

const gone = (why: string) =>
  new LedgerError('unreachable', `the embedded ledger does not answer: ${why}; open it again`)
