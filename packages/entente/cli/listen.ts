import type { Server as HttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { HttpOptions } from '#taxii/http.ts'
import { openCertificates } from './certificates.ts'
import type { Config, Paths } from './config.ts'
import { CliError } from './errors.ts'
import type { Logger } from './open-log.ts'

/**
 * Makes an HTTP server as `server:` of the configuration has it, and listens.
 *
 * @throws CliError, also where the port is taken; nothing is left open then
 */
export async function startHttp(
  create: (options: HttpOptions) => FastifyInstance,
  server: Config['server'],
  paths: Paths,
  log: Logger,
): Promise<{ url: string; close(): Promise<void> }> {
  const certificates = server.tls && openCertificates(server.tls, paths)
  const { timeouts, rateLimit: rate, maxConnections, maxConnectionsPerClient, trustProxy } = server
  const limits = { timeouts, rate, maxConnections, maxConnectionsPerClient, trustProxy }
  let app: FastifyInstance
  try {
    app = create({ ...(certificates ? { tls: certificates.options } : {}), ...limits })
  } catch (cause) {
    if (trustProxy === undefined) throw cause
    throw new CliError('usage', `server.trustProxy is "${trustProxy}": ${(cause as Error).message}`, { cause })
  }
  const unfollow = certificates?.follow(app.server as HttpsServer, log)
  const close = async () => {
    await app.close()
    unfollow?.()
  }
  try {
    return { url: await listen(app, server), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function listen(app: FastifyInstance, { host, port, tls }: Config['server']): Promise<string> {
  try {
    await app.listen({ host, port })
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    if (code === 'EADDRINUSE')
      throw new CliError('no', `${host}:${port} is taken by another process: stop it, or choose another with --port`, {
        cause,
      })
    throw new CliError('no', `can't listen on ${host}:${port}: ${(cause as Error).message}`, { cause })
  }
  const address = app.server.address() as AddressInfo
  return `http${tls ? 's' : ''}://${host.includes(':') ? `[${host}]` : host}:${address.port}`
}
