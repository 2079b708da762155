import { type Server, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import Fastify, {
  type FastifyError,
  type FastifyHttpOptions,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import { NotaryError } from '#notary/errors.ts'
import { StoreError } from '#store/store.ts'
import type { Principal } from './auth/auth.ts'
import { findTarget, type Target, type TaxiiContext } from './context.ts'
import { TaxiiError, toErrorMessage } from './errors.ts'
import { evidenceRoutes, logRoutes } from './evidence.ts'
import { sendJson, TAXII } from './media.ts'
import { trackMethods } from './methods.ts'
import { objectRoutes } from './objects.ts'
import { discoveryRoute, rootRoutes } from './resources.ts'

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal
  }
  interface FastifyContextConfig {
    /** Served without credentials. */
    anyone?: boolean
  }
}

export type TaxiiServerOptions = { tls?: { cert: Buffer; key: Buffer } | undefined }

/** How long a client may take to send a request, and to begin one on a connection it keeps. */
const REQUEST_TIMEOUT_MS = 120_000
const KEEP_ALIVE_MS = 65_000

/**
 * The TAXII 2.1 server over a notary: answers only what the reader has verified. Not listening yet.
 *
 * Every answer to a client that went wrong is a TAXII error message with the right status; what is not the client's fault says
 * nothing of the inside, and is logged under its `error_id`.
 */
export function createTaxiiServer(context: TaxiiContext, options: TaxiiServerOptions = {}): FastifyInstance {
  const { config, notary } = context
  const app = Fastify({
    bodyLimit: config.maxContentLength,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Section 3.1 has paths end with a slash; clients that forget it are served, not redirected.
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 512 },
    forceCloseConnections: 'idle',
    // What goes wrong before a route is found: a path that can't be decoded, an id longer than any.
    frameworkErrors: (error, _request, reply: FastifyReply) => {
      const taxii = toTaxiiError(error)
      return sendJson(reply.code(taxii.status), TAXII, toErrorMessage(taxii, context.newId()))
    },
    clientErrorHandler: (error, socket) => refuseConnection(error, socket, context.newId()),
    ...(options.tls ? { https: { ...options.tls, minVersion: 'TLSv1.2' } } : {}),
  } as FastifyHttpOptions<Server>) as FastifyInstance

  const methodsAt = trackMethods(app)

  // Bodies stay bytes: they are parsed once, strictly, by the resource.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))

  app.decorateRequest('principal', undefined as unknown as Principal)
  app.addHook('onRequest', async request => {
    if (request.routeOptions.config.anyone || request.is404) return
    const principal = await context.authenticate(request.headers.authorization)
    if (!principal) {
      throw new TaxiiError(401, 'credentials', 'this needs valid credentials: HTTP Basic, or an API token as Bearer', {
        headers: { 'www-authenticate': 'Basic realm="taxii", charset="UTF-8", Bearer realm="taxii"' },
      })
    }
    request.principal = principal
  })

  discoveryRoute(app, context)
  logRoutes(app, context)
  for (const root of config.apiRoots) {
    rootRoutes(app, context, root)
    const resolve = (request: FastifyRequest): Target => {
      refuseWhenUntrusted(notary.halted)
      return findTarget(context, root, (request.params as { collection: string }).collection, request.principal)
    }
    const base = `${root.path}collections/:collection/`
    objectRoutes(app, context, base, resolve)
    evidenceRoutes(app, context, base, resolve)
  }

  app.setNotFoundHandler(async request => {
    // Whether something else exists at this path is for those who may know.
    if (!(await context.authenticate(request.headers.authorization))) {
      throw new TaxiiError(401, 'credentials', 'this needs valid credentials', {
        headers: { 'www-authenticate': 'Basic realm="taxii", charset="UTF-8"' },
      })
    }
    const methods = methodsAt(request.url)
    if (methods.length > 0) {
      const allow = methods.join(', ')
      throw new TaxiiError(405, 'method', `${request.method} is not possible here: this resource takes ${allow}`, {
        headers: { allow },
      })
    }
    throw new TaxiiError(404, 'not-found', 'there is nothing at this path: begin at /taxii2/')
  })

  app.setErrorHandler(async (error: FastifyError, request, reply) => {
    const taxii = toTaxiiError(error)
    const id = context.newId()
    if (taxii.status >= 500) {
      context.log(taxii.status === 503 ? 'warn' : 'error', 'request failed', {
        error_id: id,
        method: request.method,
        path: request.url.split('?')[0],
        status: taxii.status,
        error: error.message,
        ...(taxii.code === 'internal' ? { stack: error.stack } : {}),
      })
    }
    return sendJson(reply.code(taxii.status).headers(taxii.headers), TAXII, toErrorMessage(taxii, id))
  })

  app.addHook('onResponse', async (request, reply) => {
    context.log('info', 'request', {
      method: request.method,
      path: request.url.split('?')[0],
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime * 10) / 10,
      user: request.principal?.name,
    })
  })
  return app
}

/** A store that is behind a ledger, or a ledger that is not ours: nothing of it is served as good. */
function refuseWhenUntrusted(halted: NotaryError | undefined): void {
  if (halted?.code === 'rolled-back' || halted?.code === 'forked') throw halted
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

function toTaxiiError(error: FastifyError | Error): TaxiiError {
  if (error instanceof TaxiiError) return error
  if (error instanceof NotaryError) return fromNotary(error)
  if (error instanceof StoreError) {
    return new TaxiiError(503, 'unavailable', 'the store does not answer: try again later', {
      cause: error,
      headers: { 'retry-after': '5' },
    })
  }
  const { code, statusCode } = error as FastifyError
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new TaxiiError(
      413,
      'too-large',
      'the body is larger than max_content_length of the API root: send it in parts',
    )
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return new TaxiiError(415, 'content-type', `objects are sent as ${TAXII}`)
  if (code === 'FST_ERR_MAX_PARAM_LENGTH') return new TaxiiError(404, 'not-found', 'no id or name is that long')
  if (code === 'FST_ERR_BAD_URL') return new TaxiiError(400, 'path', 'the path is not percent-encoded UTF-8')
  if (code === 'FST_ERR_CTP_INVALID_CONTENT_LENGTH')
    return new TaxiiError(400, 'body', 'the body is not as long as Content-Length says')
  if (statusCode === 408) return new TaxiiError(408, 'timeout', 'the request was not sent in time')
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new TaxiiError(400, 'path', 'the request was not understood')
  return new TaxiiError(
    500,
    'internal',
    'something went wrong on our side; the operator finds it under this error_id',
    { cause: error },
  )
}

/** What Node's parser refuses has no request to answer: the error message goes to the socket as it is. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Socket, errorId: string): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const taxii =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? new TaxiiError(431, 'too-large', 'the header of the request is too large')
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? new TaxiiError(408, 'timeout', 'the request was not sent in time')
        : new TaxiiError(400, 'path', 'this is not HTTP as it was expected')
  const body = JSON.stringify(toErrorMessage(taxii, errorId))
  const head = `HTTP/1.1 ${taxii.status} ${STATUS_CODES[taxii.status]}\r\nContent-Type: ${TAXII}\r\nContent-Length: ${body.length}`
  socket.end(`${head}\r\nConnection: close\r\n\r\n${body}`)
}

function fromNotary(error: NotaryError): TaxiiError {
  switch (error.code) {
    case 'integrity':
      return new TaxiiError(
        500,
        'integrity',
        'the stored log does not verify: what it holds is not served. The operator has been alerted',
        { cause: error },
      )
    case 'rolled-back':
    case 'forked':
      return new TaxiiError(503, 'rolled-back', `this server has stopped: ${error.message}`, {
        cause: error,
        headers: { 'retry-after': '3600' },
      })
    case 'overloaded':
      return new TaxiiError(503, 'overloaded', error.message, { cause: error, headers: { 'retry-after': '1' } })
    default:
      return new TaxiiError(503, 'unavailable', error.message, { cause: error, headers: { 'retry-after': '5' } })
  }
}
