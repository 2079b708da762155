import type { FastifyInstance } from 'fastify'
import { canRead, canWrite, isAdmin, type Principal } from './auth/auth.ts'
import type { ApiRootConfig, CollectionConfig, TaxiiContext } from './context.ts'
import { findTarget } from './context.ts'
import { TaxiiError } from './errors.ts'
import { describeMarkings } from './markings.ts'
import { checkAccept, STIX, TAXII, sendJson } from './media.ts'
import { OPERATIONS } from './operations.ts'
import { toStatusResource } from './status.ts'

/** Discovery at the server's root (TAXII 2.1 section 4.1). */
export function discoveryRoute(app: FastifyInstance, context: TaxiiContext): void {
  const { config } = context
  app.get('/taxii2/', { config: { operation: OPERATIONS.discovery } }, async (request, reply) => {
    checkAccept(request.headers.accept)
    // Relative: right behind any proxy and under any name (section 4.1.1).
    const roots = config.apiRoots
      .filter(root => visible(root, request.principal).length > 0 || root.collections.length === 0)
      .map(r => r.path)
    return sendJson(reply, TAXII, {
      title: config.title,
      ...optional('description', config.description),
      ...optional('contact', config.contact),
      ...(roots.length > 0 ? { default: roots[0], api_roots: roots } : {}),
    })
  })
}

/** API root, its collections and statuses (sections 4.2, 4.3, 5.1, 5.2). */
export function rootRoutes(app: FastifyInstance, context: TaxiiContext, root: ApiRootConfig): void {
  app.get(root.path, { config: { operation: OPERATIONS.apiRoot } }, async (request, reply) => {
    checkAccept(request.headers.accept)
    return sendJson(reply, TAXII, {
      title: root.title,
      ...optional('description', root.description),
      versions: [TAXII],
      max_content_length: context.config.maxContentLength,
      x_entente_log: { checkpoint: '/log/checkpoint', origin: context.notary.log.origin, vkey: context.vkey },
      x_entente_channels: `${root.path}channels/`,
      x_entente_markings: `${root.path}markings/`,
    })
  })

  app.get(`${root.path}markings/`, { config: { operation: OPERATIONS.markings } }, async (request, reply) => {
    checkAccept(request.headers.accept)
    const others = root.collections.filter(c => c.unmarked !== undefined && canRead(request.principal, c))
    const collections = others.map(({ id, unmarked }) => ({ id, unmarked }))
    return sendJson(reply, TAXII, {
      ...describeMarkings(context.markings, request.principal.roles),
      ...(collections.length > 0 ? { collections } : {}),
    })
  })

  app.get(`${root.path}collections/`, { config: { operation: OPERATIONS.collections } }, async (request, reply) => {
    checkAccept(request.headers.accept)
    const collections = visible(root, request.principal).map(c => toCollection(root, c, request.principal))
    return sendJson(reply, TAXII, collections.length > 0 ? { collections } : {})
  })

  app.get<{ Params: { collection: string } }>(
    `${root.path}collections/:collection/`,
    { config: { operation: OPERATIONS.collection } },
    async (request, reply) => {
      checkAccept(request.headers.accept)
      const { config } = findTarget(context, root, request.params.collection, request.principal)
      return sendJson(reply, TAXII, toCollection(root, config, request.principal))
    },
  )

  app.get<{ Params: { status: string } }>(
    `${root.path}status/:status/`,
    { config: { operation: OPERATIONS.status } },
    async (request, reply) => {
      checkAccept(request.headers.accept)
      const row = await context.notary.store.status(request.params.status)
      const collection = row && context.notary.log.collections.get(row.collection)
      const config = collection && root.collections.find(c => c.id === collection.id)
      // A status is for who made the request (section 4.3); others aren't told that there is one.
      const isOwn = row && (row.submitter === request.principal.name || isAdmin(request.principal))
      if (!row || !config || !isOwn || row.apiRoot !== root.path) {
        throw new TaxiiError(404, 'not-found', 'there is no such status, or it is not of a request of yours')
      }
      return sendJson(reply, TAXII, await toStatusResource(context, config, row))
    },
  )
}

const visible = (root: ApiRootConfig, principal: Principal): CollectionConfig[] =>
  root.collections.filter(c => canRead(principal, c) || canWrite(principal, c))

/** Collection resource (section 5.2.1): rights are those of the caller. */
function toCollection(root: ApiRootConfig, config: CollectionConfig, principal: Principal): Record<string, unknown> {
  const url = `${root.path}collections/${config.id}/`
  const { forward } = config
  return {
    id: config.id,
    title: config.title,
    ...optional('description', config.description),
    ...optional('alias', config.alias),
    can_read: canRead(principal, config),
    can_write: canWrite(principal, config),
    // Only `permissive` takes objects of STIX 2.0 (TAXII 2.1 section 5.3.1: the manifest names types of this list only).
    media_types: config.validation === 'permissive' ? [STIX, STIX_2_0] : [STIX],
    x_entente_log: { proof: `${url}proof/`, records: `${url}records/` },
    ...(canRead(principal, config) ? { x_entente_feed: `${url}feed/` } : {}),
    // Where objects go that no marking sends anywhere.
    ...(forward && (forward.default.length > 0 || Object.keys(forward.types).length > 0)
      ? { x_entente_channels: { default: forward.default, types: forward.types } }
      : {}),
  }
}

const STIX_2_0 = 'application/stix+json;version=2.0'
const optional = (name: string, value: string | undefined) => (value === undefined ? {} : { [name]: value })
