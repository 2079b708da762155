import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Eip1193Provider, RpcError } from '#ledger/evm/provider.ts'
import { LedgerError } from '#ledger/error.ts'
import { CliError } from '../errors.ts'

/** A signed transaction of 128 KiB as hexadecimal, and room for the rest. */
const MAX_BODY = 512 * 1024
/** Calls of one request. */
const MAX_CALLS = 128
const MAX_CONNECTIONS = 1024

export type RpcServer = { url: string; close(): Promise<void> }

/**
 * JSON-RPC 2.0 over HTTP of several chains, each under its own path. Whoever reaches it may read, and send what is signed; so it
 * answers no web page: a request with an Origin, or to another name than that of an address, is refused.
 *
 * @param chains by their paths, without slashes
 * @param about what `entente_process` answers, under each path
 * @throws CliError where the port is taken
 */
export async function startRpcServer(
  { host, port }: { host: string; port: number },
  chains: ReadonlyMap<string, Eip1193Provider>,
  about: unknown,
): Promise<RpcServer> {
  const server = createServer((request, response) => {
    void answer(request).then(({ status, body }) => {
      const text = JSON.stringify(body)
      response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
      response.end(text)
    })
  })
  server.maxConnections = MAX_CONNECTIONS
  server.requestTimeout = 30_000

  async function answer(request: IncomingMessage): Promise<{ status: number; body: unknown }> {
    const refuse = (status: number, message: string) => ({ status, body: failure(null, -32600, message) })
    if (request.headers.origin !== undefined || !isAddress(request.headers.host))
      return refuse(403, 'this is for programs, not for web pages')
    const chain = chains.get((request.url ?? '').slice(1))
    if (chain === undefined) return refuse(404, `no such chain: ${[...chains.keys()].join(', ')} are here`)
    if (request.method !== 'POST') return refuse(405, 'JSON-RPC goes by POST')
    let call: unknown
    try {
      call = JSON.parse(await readBody(request))
    } catch (error) {
      return refuse(400, error instanceof Error ? error.message : 'no JSON')
    }
    if (!Array.isArray(call)) return answerOne(chain, call)
    if (call.length === 0 || call.length > MAX_CALLS)
      return refuse(400, `${call.length} calls in one request: 1 to ${MAX_CALLS}`)
    // All are under way at once, begun in their order: transactions of an account come with their nonces in order, and share a block.
    return { status: 200, body: (await Promise.all(call.map(one => answerOne(chain, one)))).map(({ body }) => body) }
  }

  async function answerOne(chain: Eip1193Provider, call: unknown): Promise<{ status: number; body: unknown }> {
    const { id: given, method, params = [] } = (call ?? {}) as { id?: unknown; method?: unknown; params?: unknown }
    if (typeof method !== 'string')
      return { status: 400, body: failure(null, -32600, 'a JSON-RPC request is wanted: {"id", "method", "params"}') }
    const id = typeof given === 'string' || typeof given === 'number' ? given : null
    if (!Array.isArray(params)) return { status: 200, body: failure(id, -32602, 'params is no list') }
    try {
      const result = method === 'entente_process' ? about : await chain.request({ method, params })
      return { status: 200, body: { jsonrpc: '2.0', id, result: result ?? null } }
    } catch (error) {
      return { status: 200, body: toFailure(id, error) }
    }
  }

  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (cause) {
    const taken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE'
    const way = taken
      ? 'is taken by another process: stop it, or set rpc.port in federation.yaml'
      : 'cannot be listened on'
    throw new CliError('no', `${host}:${port} ${way} (${(cause as Error).message})`, { cause })
  }
  const address = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** A page of a foreign site that has its name resolved to this machine still sends the name. */
const isAddress = (host: string | undefined): boolean =>
  host !== undefined && /^(localhost|\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:]{2,39}\])(:\d{1,5})?$/i.test(host)

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MAX_BODY) throw new Error(`more than ${MAX_BODY} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const failure = (id: string | number | null, code: number, message: string, data?: unknown) => ({
  jsonrpc: '2.0',
  id,
  error: { code, message, ...(data === undefined ? {} : { data }) },
})

function toFailure(id: string | number | null, error: unknown) {
  if (error instanceof RpcError) return failure(id, error.code, error.message, error.data)
  if (error instanceof LedgerError && error.code === 'busy') return failure(id, -32005, error.message)
  return failure(id, -32603, error instanceof Error ? error.message : String(error))
}
