import type { Server, ServerResponse } from 'node:http'
import type { SecureContextOptions } from 'node:tls'
import Fastify, {
  type FastifyError,
  type FastifyHttpOptions,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import { NotaryError } from '#notary/errors.ts'
import { StoreError } from '#store/store.ts'
import { challenge, type Principal } from './auth/auth.ts'
import { readBody } from './body.ts'
import {
  checkHead,
  createConnections,
  DEFAULT_CONNECTIONS,
  DEFAULT_CONNECTIONS_PER_CLIENT,
  DEFAULT_TIMEOUTS,
  discardRest,
  limitPerClient,
  MAX_HEAD_BYTES,
  type Timeouts,
} from './connection.ts'
import type { TaxiiContext } from './context.ts'
import { TaxiiError, toErrorMessage } from './errors.ts'
import { sendJson, TAXII } from './media.ts'
import { trackMethods } from './methods.ts'
import { openApiRoute } from './openapi.ts'
import { createGate, DEFAULT_RATE, type RateLimits } from './rate.ts'

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal
    response: ServerResponse
  }
  interface FastifyContextConfig {
    /** Served without credentials. */
    anyone?: boolean
    /** Never counted: asked every few seconds by whatever watches over the server. */
    uncounted?: boolean
  }
}

/** TLS 1.2 as HTTP/2 allows it: ephemeral keys and AEAD only, nothing of RFC 7540 Appendix A (TAXII 2.1 section 8.2.2); and all of TLS 1.3. */
const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE+AESGCM',
  'ECDHE+CHACHA20',
].join(':')
/** Smaller answers are not worth counting. */
const COUNTED_BYTES = 65_536

export type HttpOptions = {
  tls?: SecureContextOptions & { requestCert?: boolean }
  timeouts?: Timeouts
  rate?: RateLimits
  maxConnections?: number
  /** 0: as many as there are. Not counted behind `trustProxy`, where all connections are the proxy's. */
  maxConnectionsPerClient?: number
  /** Addresses of proxies whose `X-Forwarded-For` is believed, separated by commas; as they are, CIDR, `loopback`, `uniquelocal`. */
  trustProxy?: string | undefined
}

/** How often connections that a server which ends has answered are looked for. */
const SWEEP_MS = 250

/** What every server needs, whatever it serves. */
export type HttpContext = Pick<TaxiiContext, 'authenticate' | 'login' | 'identify' | 'memory' | 'newId' | 'log'> & {
  title: string
  maxContentLength: number
}

/**
 * An HTTP server without resources, bounded on all sides: connections, heads, bodies, time, memory, logins. Whoever adds a route says who may
 * use it and what it is. Not listening yet.
 *
 * Every answer to a client that went wrong is a TAXII error message with the right status; what is not the client's fault says
 * nothing of the inside, and is logged under its `error_id`.
 */
export function createHttpServer(context: HttpContext, options: HttpOptions = {}): FastifyInstance {
  const { memory } = context
  const { timeouts = DEFAULT_TIMEOUTS } = options
  const connections = createConnections(context.newId)
  const gate = createGate(context.authenticate, options.rate ?? DEFAULT_RATE, () => performance.now())
  const http = {
    maxHeaderSize: MAX_HEAD_BYTES,
    headersTimeout: timeouts.headersMs,
    // How often Node looks for connections that are too slow; by itself every half minute.
    connectionsCheckingInterval: Math.min(5000, Math.ceil(timeouts.headersMs / 3)),
    requireHostHeader: false, // ours to refuse, with an error message
  }
  const app = Fastify({
    bodyLimit: context.maxContentLength,
    requestTimeout: timeouts.requestMs,
    keepAliveTimeout: timeouts.keepAliveMs,
    trustProxy: options.trustProxy ?? false,
    // Section 3.1 has paths end with a slash; clients that forget it are served, not redirected.
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 512 },
    forceCloseConnections: 'idle',
    // What is asked over a connection that is kept, while the server ends, is still answered; the connection is closed with that.
    return503OnClosing: false,
    // What goes wrong before a route is found: a path that can't be decoded, an id longer than any.
    frameworkErrors: (error, _request, reply: FastifyReply) => {
      const taxii = toTaxiiError(error)
      return sendJson(reply.code(taxii.status), TAXII, toErrorMessage(taxii, context.newId()))
    },
    clientErrorHandler: connections.refuse,
    ...(options.tls ? { https: { ...http, ...options.tls, minVersion: 'TLSv1.2', ciphers: CIPHERS } } : { http }),
  } as FastifyHttpOptions<Server>) as FastifyInstance
  connections.takeOver(app.server)
  let ends = false
  app.addHook('preClose', async () => {
    ends = true
    connections.closeSilent()
    // Node looks once for connections that are kept and have nothing to do: not for those that are answered after that.
    const sweep = setInterval(() => app.server.closeIdleConnections(), SWEEP_MS)
    app.server.once('close', () => clearInterval(sweep))
  })
  app.server.maxConnections = options.maxConnections ?? DEFAULT_CONNECTIONS
  const perClient = options.maxConnectionsPerClient ?? DEFAULT_CONNECTIONS_PER_CLIENT
  if (perClient > 0 && options.trustProxy === undefined) limitPerClient(app.server, perClient)

  const methodsAt = trackMethods(app)
  openApiRoute(app, context.title, context.login)

  // Bodies stay bytes: they are parsed once, strictly, by the resource.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (request: FastifyRequest) =>
    readBody(request.raw, request.response, {
      most: request.routeOptions.bodyLimit ?? context.maxContentLength,
      bodies: memory.bodies,
      pace: timeouts,
    }),
  )

  // Everything that can be refused without the body is refused before it: who it is, what is there, and (in the routes) rights and types.
  app.decorateRequest('principal', undefined as unknown as Principal)
  app.decorateRequest('response', undefined as unknown as ServerResponse)
  app.addHook('onRequest', async (request, reply) => {
    request.response = reply.raw
    checkHead(request.raw)
    const { anyone, uncounted } = request.routeOptions.config
    if (uncounted) return
    const { authorization } = request.headers
    const principal =
      authorization === undefined
        ? context.identify?.(request.raw.socket)
        : await gate.principal(authorization, request.ip)
    if (principal) request.principal = principal
    else if (anyone || authorization === undefined) gate.anonymous(request.ip)
    if (!principal && !anyone) {
      throw new TaxiiError(401, 'credentials', `this needs valid credentials: ${context.login.words}`, {
        headers: { 'www-authenticate': challenge(context.login, authorization) },
      })
    }
    // Whether something else exists at this path is for those who may know.
    if (request.is404) throw nothingHere(request)
  })

  const nothingHere = (request: FastifyRequest): TaxiiError => {
    const methods = methodsAt(request.url)
    if (methods.length === 0)
      return new TaxiiError(404, 'not-found', 'there is nothing at this path: begin at /taxii2/')
    const allow = methods.join(', ')
    return new TaxiiError(405, 'method', `${request.method} is not possible here: this resource takes ${allow}`, {
      headers: { allow },
    })
  }
  app.setNotFoundHandler(async request => {
    throw nothingHere(request)
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
    if (!request.raw.complete) {
      reply.removeHeader('connection') // Fastify's; closing now would take the answer away from who is still sending
      discardRest(request.raw)
    }
    return sendJson(reply.code(taxii.status).headers(taxii.headers), TAXII, toErrorMessage(taxii, id))
  })

  // An answer is held until the client has fetched it.
  app.addHook('onSend', async (request, reply, payload) => {
    // Fastify says so where a request comes now, not where it was under way.
    if (ends && request.raw.complete) reply.header('connection', 'close')
    if (!Buffer.isBuffer(payload) || payload.length < COUNTED_BYTES || reply.statusCode >= 400) return
    memory.answers.take(payload.length)
    reply.raw.once('close', () => memory.answers.giveBack(payload.length))
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

function toTaxiiError(error: FastifyError | Error): TaxiiError {
  if (error instanceof TaxiiError) return error
  if (error instanceof NotaryError) return fromNotary(error)
  if (error instanceof StoreError) {
    if (error.code === 'corrupt')
      return new TaxiiError(500, 'integrity', 'what is stored is damaged: the operator finds it under this error_id', {
        cause: error,
      })
    return new TaxiiError(503, 'unavailable', 'the store does not answer: try again later', {
      cause: error,
      headers: { 'retry-after': '5' },
    })
  }
  const { code, statusCode } = error as FastifyError
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return new TaxiiError(415, 'content-type', `objects are sent as ${TAXII}`)
  if (code === 'FST_ERR_MAX_PARAM_LENGTH') return new TaxiiError(404, 'not-found', 'no id or name is that long')
  if (code === 'FST_ERR_BAD_URL') return new TaxiiError(400, 'path', 'the path is not percent-encoded UTF-8')
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
    case 'clock':
      return new TaxiiError(503, 'unavailable', error.message, { cause: error, headers: { 'retry-after': '60' } })
    case 'overloaded':
      return new TaxiiError(503, 'overloaded', error.message, { cause: error, headers: { 'retry-after': '1' } })
    default:
      return new TaxiiError(503, 'unavailable', error.message, { cause: error, headers: { 'retry-after': '5' } })
  }
}
