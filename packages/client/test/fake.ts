import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

/** A request as the fake server saw it. */
export type Seen = { method: string; url: URL; headers: IncomingMessage['headers']; body: string }

/** What it answers: a JSON value with status 200, or all of it. `undefined` cuts the connection. */
export type Reply = { status?: number; headers?: Record<string, string>; json?: unknown; text?: string } | undefined

/** A TAXII server with the quirks that a test gives it, on a port of its own until the test ends. */
export async function startFake(
  t: TestContext,
  answer: (seen: Seen, count: number) => Reply | Promise<Reply>,
): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = []
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const url = new URL(request.url ?? '/', 'http://fake')
    const one = { method: request.method ?? '', url, headers: request.headers, body: Buffer.concat(chunks).toString() }
    seen.push(one)
    const reply = await answer(one, seen.length)
    if (reply === undefined) return void request.socket.destroy()
    response.writeHead(reply.status ?? 200, {
      'content-type': 'application/taxii+json;version=2.1',
      ...reply.headers,
    })
    response.end(reply.text ?? (reply.json === undefined ? '' : JSON.stringify(reply.json)))
  }
  const server = createServer((request, response) => void handle(request, response))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, seen }
}

/** `count` small valid objects with ids from a counter: the same in every run. */
export function indicators(count: number, from = 0): { type: string; id: string; [p: string]: unknown }[] {
  return Array.from({ length: count }, (_, i) => {
    const tail = (from + i).toString(16).padStart(12, '0')
    return {
      type: 'indicator',
      spec_version: '2.1',
      id: `indicator--00000000-0000-4000-8000-${tail}`,
      created: '2026-01-01T00:00:00.000Z',
      modified: '2026-01-01T00:00:00.000Z',
      name: `indicator ${from + i}`,
      pattern: "[file:name = 'a']",
      pattern_type: 'stix',
      valid_from: '2026-01-01T00:00:00Z',
    }
  })
}
