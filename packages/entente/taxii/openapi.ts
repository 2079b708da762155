import type { FastifyInstance } from 'fastify'
import type { Login } from './auth/auth.ts'
import { TAXII, sendJson } from './media.ts'
import { ErrorMessage, type Operation, OPERATIONS } from './operations.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What `/openapi.json` says of the route. */
    operation?: Operation
  }
}

type Route = { method: string; url: string; operation: Operation; anyone: boolean }
/** What any request may be answered with: malformed, without credentials, of no acceptable type, too much, not now. */
const ALWAYS = [400, 406, 429, 431, 500, 503]

/** Serves an OpenAPI 3.1 description of every route of `app`, made of what the routes declare, so that the two can't differ. */
export function openApiRoute(app: FastifyInstance, title: string, login: Login): void {
  const routes: Route[] = []
  app.addHook('onRoute', ({ method, url, config }) => {
    // HEAD goes with GET.
    for (const m of [method].flat().filter(name => name !== 'HEAD')) {
      if (!config?.operation) throw new Error(`${m} ${url} has no config.operation for /openapi.json`)
      routes.push({ method: m, url, operation: config.operation, anyone: config.anyone === true })
    }
  })
  app.get('/openapi.json', { config: { anyone: true, operation: OPERATIONS.openapi } }, async (_request, reply) =>
    sendJson(reply, 'application/json', toDocument(routes, title, login)),
  )
}

function toDocument(routes: Route[], title: string, login: Login): Record<string, unknown> {
  const basic = { type: 'http', scheme: 'basic' }
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    const path = toPath(route.url)
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: describe(route, path) }
  }
  return {
    openapi: '3.1.0',
    info: { title, version: '2.1', description: 'TAXII 2.1 with a verifiable log. HEAD goes with every GET.' },
    security: [...(login.basic ? [{ basic: [] }] : []), { token: [] }],
    paths,
    components: {
      securitySchemes: { ...(login.basic ? { basic } : {}), token: { type: 'http', scheme: 'bearer' } },
      schemas: { Error: ErrorMessage },
    },
  }
}

const toPath = (url: string): string => url.replaceAll(/:(\w+)/g, '{$1}').replace('*', '{path}')

function describe({ operation, anyone }: Route, path: string): Record<string, unknown> {
  const { summary, section, query = [], body, status, content, errors = [], answers = {} } = operation as Operation
  const string = { type: 'string' }
  const error = {
    description: 'Error message (section 3.6.1)',
    content: { [TAXII]: { schema: { $ref: '#/components/schemas/Error' } } },
  }
  const toContent = (content: { type: string; schema: unknown }) => ({ [content.type]: { schema: content.schema } })
  const failures = [...ALWAYS, ...(anyone ? [] : [401]), ...errors].sort()
  return {
    summary,
    ...(section === undefined ? {} : { description: `TAXII 2.1 section ${section}` }),
    ...(anyone ? { security: [] } : {}),
    parameters: [
      ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: string })),
      ...query.map(name => ({ name, in: 'query', schema: string })),
    ],
    ...(body ? { requestBody: { required: true, content: toContent(body) } } : {}),
    responses: {
      [status]: {
        description: summary,
        ...(content ? { content: toContent(content) } : {}),
      },
      ...Object.fromEntries(failures.map(f => [f, error])),
      ...Object.fromEntries(
        Object.entries(answers).map(([code, other]) => [code, { description: summary, content: toContent(other) }]),
      ),
    },
  }
}
