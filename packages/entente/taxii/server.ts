import type { FastifyInstance, FastifyRequest } from 'fastify'
import { channelRoutes, feedRoute } from './channels.ts'
import { findTarget, refuseWhenUntrusted, type Target, type TaxiiContext } from './context.ts'
import { TaxiiError } from './errors.ts'
import { evidenceRoutes, logRoutes } from './evidence.ts'
import { createHttpServer, type HttpOptions } from './http.ts'
import { objectRoutes } from './objects.ts'
import { discoveryRoute, rootRoutes } from './resources.ts'

/** The TAXII 2.1 server over a notary: answers only what the reader has verified. Not listening yet. */
export function createTaxiiServer(context: TaxiiContext, options: HttpOptions = {}): FastifyInstance {
  const { config, notary } = context
  const { title, maxContentLength } = config
  const app = createHttpServer({ ...context, title, maxContentLength }, options)

  const { fresh } = context
  if (fresh)
    app.addHook('preHandler', async request => {
      if (request.method === 'GET' && request.routeOptions.config.uncounted !== true) await fresh()
    })

  discoveryRoute(app, context)
  logRoutes(app, context)
  for (const root of config.apiRoots) {
    rootRoutes(app, context, root)
    channelRoutes(app, context, root)
    const resolve = (request: FastifyRequest): Target => {
      refuseWhenUntrusted(notary)
      return findTarget(context, root, (request.params as { collection: string }).collection, request.principal)
    }
    const base = `${root.path}collections/:collection/`
    objectRoutes(app, context, base, resolve)
    evidenceRoutes(app, context, base, resolve)
    feedRoute(app, context, base, resolve)
  }
  // Streams never end by themselves, and the server waits for all connections.
  app.addHook('preClose', async () => context.streams.close())
  return app
}

/** 404 where that is known to be true; while rows are missing or damaged, the object may be one of them. */
export async function toNotFound(context: TaxiiContext, target: Target): Promise<TaxiiError> {
  const collection = context.notary.log.collections.get(target.number)
  if (collection && (await context.damage.count(collection)) > 0) {
    return new TaxiiError(
      500,
      'integrity',
      'records of this collection are missing or damaged, and this object may be among them. The operator has been alerted',
    )
  }
  return new TaxiiError(404, 'not-found', 'the collection has no such object')
}
