import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export type RpcCall = { method: string; params: unknown[] }
/** Gives the answer to a call: that of the node behind by `forward`, or another one. What it throws closes the connection. */
export type RpcChange = (call: RpcCall, forward: () => Promise<unknown>) => Promise<unknown>

/** A JSON-RPC endpoint that passes calls on to `target`, and may lie. */
export async function startRpcProxy(
  t: { after(f: () => void): void },
  target: string,
  change: RpcChange,
): Promise<string> {
  const server = createServer(async (request, response) => {
    const chunks: Uint8Array[] = []
    for await (const chunk of request) chunks.push(chunk as Uint8Array)
    const body = Buffer.concat(chunks).toString()
    const { id, method, params = [] } = JSON.parse(body) as Partial<RpcCall> & { id: number; method: string }
    const forward = async () => {
      const answer = (await (
        await fetch(target, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      ).json()) as { result?: unknown; error?: unknown }
      if (answer.error !== undefined) throw new RpcAnswer(answer.error)
      return answer.result
    }
    try {
      response.end(JSON.stringify({ jsonrpc: '2.0', id, result: await change({ method, params }, forward) }))
    } catch (error) {
      if (error instanceof RpcAnswer) response.end(JSON.stringify({ jsonrpc: '2.0', id, error: error.error }))
      else response.destroy()
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Thrown by a change: the node says no. */
export class RpcAnswer extends Error {
  readonly error: unknown
  constructor(error: unknown) {
    super('an error of JSON-RPC')
    this.error = error
  }
}
