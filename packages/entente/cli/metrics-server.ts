import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import type { Registry } from 'prom-client'

/** Metrics on an address of their own, so that they are never public by accident. */
export async function serveMetrics(
  registry: Registry,
  at: { host: string; port: number },
): Promise<{ url: string; close(): Promise<void> }> {
  const server = Fastify()
  server.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
  await server.listen(at)
  const { port } = server.server.address() as AddressInfo
  return { url: `http://${at.host}:${port}/metrics`, close: () => server.close() }
}
