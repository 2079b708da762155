import { Worker } from 'node:worker_threads'
import { LedgerError, type LedgerErrorCode } from '../../error.ts'
import { type ClosableProvider, RpcError } from '../provider.ts'
import type { EmbeddedOptions } from './open.ts'

/** A thread that keeps any number of embedded chains: an EVM is loaded once for all of them. */
export interface EmbeddedHost {
  /** Throws what openEmbedded throws. */
  open(options: EmbeddedOptions): Promise<ClosableProvider>
  /** Waits for what is under way, closes every chain, and ends the thread. May be called twice. */
  close(): Promise<void>
}

/** What goes to the thread and comes back. `chain`: the number under which it was opened. */
export type Question = { readonly id: number; readonly chain: number; readonly now: number } & (
  | { readonly do: 'open'; readonly options: EmbeddedOptions }
  | { readonly do: 'ask'; readonly method: string; readonly params: readonly unknown[] }
  | { readonly do: 'close' }
  | { readonly do: 'end' }
)
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
type Asked = Question extends infer Q ? (Q extends Question ? Omit<Q, 'id' | 'now'> : never) : never

export interface EmbeddedHostOptions {
  /** Clock, in milliseconds since 1970. */
  readonly now: () => number
  /**
   * Megabytes for what lives shortly. By default what one chain needs, collected a little more often (measured: 20 MB less, for two anchors a
   * second). Who keeps many chains gives more: with 19 of them a third of the time went into collecting.
   */
  readonly youngMegabytes?: number
}

/** Starts a thread for embedded chains: 10 to 30 ms of a block never hold up this one. A block of one chain holds up the others of the same thread. */
export function createEmbeddedHost({ now, youngMegabytes = 6 }: EmbeddedHostOptions): EmbeddedHost {
  const waiting = new Map<number, { resolve: (result: unknown) => void; reject: (reason: unknown) => void }>()
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    resourceLimits: { maxYoungGenerationSizeMb: youngMegabytes },
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
  const exit = new Promise<void>(resolve =>
    worker.on('exit', () => {
      end(gone('its thread ended'))
      resolve()
    }),
  )

  let questions = 0
  let chains = 0
  const ask = (question: Asked) =>
    new Promise((resolve, reject) => {
      if (ended !== undefined) return reject(ended)
      const id = ++questions
      waiting.set(id, { resolve, reject })
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is a window's; a thread has none
      worker.postMessage({ ...question, id, now: now() })
    })

  let ending: Promise<void> | undefined
  return {
    async open(options) {
      if (ending !== undefined) throw gone('it was closed')
      const chain = ++chains
      await ask({ do: 'open', chain, options })
      let closing: Promise<unknown> | undefined
      return {
        async request({ method, params = [] }) {
          if (closing !== undefined || ending !== undefined) throw gone('it was closed')
          return ask({ do: 'ask', chain, method, params })
        },
        async close() {
          closing ??= ending ?? ask({ do: 'close', chain })
          await closing
        },
      }
    },
    close() {
      ending ??= (async () => {
        if (ended === undefined) await ask({ do: 'end', chain: 0 })
        await exit
      })()
      return ending
    },
  }
}

/** What is said of a chain that is not there any more. */
export const gone = (why: string): LedgerError =>
  new LedgerError('unreachable', `the embedded ledger does not answer: ${why}; open it again`)
