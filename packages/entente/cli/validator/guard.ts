import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { type Eip1193Provider, RpcError } from '#ledger/evm/provider.ts'
import { guardProvider } from '#ledger/evm/writers.ts'

export type GuardOptions = {
  /** The node's. */
  readonly provider: Eip1193Provider
  /** Addresses, lower case; undefined as long as nobody knows. */
  writers(): ReadonlySet<string> | undefined
  readonly host: string
  readonly port: number
  /** After each call: its method, and whether it was let through. */
  told?(method: string, isPassed: boolean): void
}

/** Bytes of a request, and how many calls one may hold. */
const MAX_BODY = 2 * 1024 * 1024
const MAX_BATCH = 100

type Answer = {
  jsonrpc: '2.0'
  id: unknown
  result?: unknown
  error?: { code: number; message: string; data?: unknown }
}

/** JSON-RPC 2.0 over HTTP, in front of a node: reads for all, transactions of writers. */
export async function serveGuard(options: GuardOptions): Promise<{ url: string; close(): Promise<void> }> {
  const { host, port, told } = options
  const guarded = guardProvider(options)
  const server = Fastify({ bodyLimit: MAX_BODY, requestTimeout: 30_000, return503OnClosing: true })

  async function answer(call: unknown): Promise<Answer> {
    const {
      id = null,
      method,
      params,
    } = (typeof call === 'object' && call !== null ? call : {}) as Record<string, unknown>
    const done = { jsonrpc: '2.0', id } as const
    if (typeof method !== 'string' || (params !== undefined && !Array.isArray(params)))
      return {
        ...done,
        error: { code: -32600, message: 'no JSON-RPC call: a method, and params in a list, are wanted' },
      }
    try {
      const result = await guarded.request({ method, params: params ?? [] })
      told?.(method, true)
      return { ...done, result: result ?? null }
    } catch (error) {
      told?.(method, false)
      if (error instanceof RpcError)
        return { ...done, error: { code: error.code, message: error.message, data: error.data } }
      return { ...done, error: { code: -32603, message: 'the node does not answer: try again' } }
    }
  }

  server.post('/', async ({ body }, reply) => {
    if (!Array.isArray(body)) return answer(body)
    if (body.length >= 1 && body.length <= MAX_BATCH) return Promise.all(body.map(answer))
    return reply.code(400).send(await answer(undefined))
  })
  await server.listen({ host, port })
  const { port: bound } = server.server.address() as AddressInfo
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`, close: () => server.close() }
}
