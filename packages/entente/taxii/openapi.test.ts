import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import Fastify from 'fastify'
import Schema from 'typebox/schema'
import { originHash } from '#witness/http.ts'
import { createTestLog } from '#witness/test/log.ts'
import { LOCAL_LOGIN } from './auth/auth.ts'
import { openApiRoute } from './openapi.ts'
import { openEvents } from './test/events.ts'
import { type Answer, indicator, startTestServer, type TestServer, url } from './test/server.ts'

type Documented = { summary: string; responses: Record<string, { content?: Record<string, { schema: any }> }> }
let server: TestServer
let document: { openapi: string; paths: Record<string, Record<string, Documented>>; components: any }
const object = indicator()
let statusId: string
const log = createTestLog('log.example/one')
before(async () => {
  server = await startTestServer({ witness: { name: 'witness.example/w', logs: [{ vkey: log.vkey }] } })
  document = (await server.ask('GET', '/openapi.json', { user: null, headers: { accept: '*/*' } })).json
  statusId = (await server.add([object, url(), { type: 'indicator' }])).id
})
after(() => server.stop())

/** Their answers do not end. */
const STREAMS = new Set(['/api/channels/{channel}/', '/api/collections/{collection}/feed/'])
async function openStream(path: string): Promise<Answer> {
  const { status, headers, text, close } = await openEvents(server.url, path)
  close()
  return { status, headers, text, json: undefined }
}

const OBJECTS = '/api/collections/{collection}/objects/'
/** One real request for each documented path and method. */
const asked: Record<string, () => Promise<Answer>> = Object.fromEntries(
  (
    [
      ['get', '/taxii2/'],
      ['get', '/api/'],
      ['get', '/api/status/{status}/'],
      ['get', '/api/collections/'],
      ['get', '/api/collections/{collection}/'],
      ['get', '/api/collections/{collection}/manifest/'],
      ['get', OBJECTS],
      ['post', OBJECTS],
      ['get', `${OBJECTS}{objectId}/`],
      ['get', `${OBJECTS}{objectId}/versions/`],
      ['get', `${OBJECTS}{objectId}/proof/`],
      ['get', `${OBJECTS}{objectId}/receipt/`],
      ['get', '/api/collections/{collection}/proof/'],
      ['get', '/api/collections/{collection}/records/'],
      ['get', '/api/collections/{collection}/records/{seq}/proof/'],
      ['get', '/api/markings/'],
      ['get', '/api/channels/'],
      ['get', '/api/channels/{channel}/'],
      ['get', '/api/collections/{collection}/feed/'],
      ['get', '/log/checkpoint'],
      ['get', '/log/key'],
      ['get', '/log/keys'],
      ['get', '/log/continuations'],
      ['get', '/log/ledgers'],
      ['get', '/log/tile/{path}'],
      ['post', '/witness/add-checkpoint'],
      ['get', '/witness/{origin}/checkpoint'],
      ['get', '/witness/key'],
      ['get', '/healthz'],
      ['get', '/readyz'],
      ['get', '/'],
      ['get', '/openapi.json'],
      ['delete', `${OBJECTS}{objectId}/`], // the last: it takes the object away
    ] as const
  ).map(([method, path]) => [
    `${method} ${path}`,
    () => {
      const target = path
        .replace('{collection}', 'default')
        .replace('{objectId}', object.id)
        .replace('{status}', statusId)
        .replace('{seq}', '0')
        .replace('{channel}', 'EVENTS')
        .replace('{path}', '0/000.p/1')
        .replace('{origin}', originHash(log.origin))
      const posted = path === OBJECTS ? { objects: [url()] } : log.request(0, 3)
      const body = method === 'post' ? { body: posted } : {}
      if (STREAMS.has(path)) return openStream(target)
      return server.ask(method.toUpperCase(), target, { headers: { accept: '*/*' }, ...body })
    },
  ]),
)

const documented = () =>
  Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map(method => `${method} ${path}`))

test('it is OpenAPI 3.1 to a validator that is not ours', async () => {
  assert.equal(document.openapi, '3.1.0')
  const result = await new Validator().validate(structuredClone(document) as any)
  assert.deepEqual(result.errors ?? [], [])
  assert.equal(result.valid, true)
})

test('every route is in it, and nothing else: those that were asked here are those that are documented', () => {
  assert.deepEqual(documented().sort(), Object.keys(asked).sort())
})

test('a route that does not say what it is cannot be added', () => {
  const app = Fastify()
  openApiRoute(app, 'x', LOCAL_LOGIN)
  assert.throws(() => app.get('/more/', async () => 'x'), /GET \/more\/ has no config\.operation/)
})

test('real answers have the status, the type and the form that are documented', async () => {
  for (const [name, ask] of Object.entries(asked)) {
    const [method = '', path = ''] = name.split(' ')
    const { responses } = (document.paths[path] as Record<string, Documented>)[method] as Documented
    const answer = await ask()
    assert.ok(answer.status < 300, `${name}: ${answer.status} ${answer.text}`)
    const response = responses[answer.status]
    assert.ok(response, `${name}: ${answer.status} is not documented`)
    const [type, content] = Object.entries(response.content ?? {})[0] ?? []
    if (!content || !type) {
      assert.equal(answer.text, '', name)
      continue
    }
    assert.equal(answer.headers['content-type'], type, name)
    if (type.startsWith('text/') || type === 'application/octet-stream' || type.startsWith('application/cose')) continue
    const [valid, errors] = Schema.Errors(content.schema, answer.json)
    assert.ok(valid, `${name}: ${JSON.stringify(errors.slice(0, 3))} in ${answer.text.slice(0, 300)}`)
  }
})

test('what a witness answers besides is no error message, and documented as it is', async () => {
  const { responses } = (document.paths['/witness/add-checkpoint'] as Record<string, Documented>)['post'] as Documented
  const cases: [number, string][] = [
    [400, 'nonsense'],
    [403, log.request(3, 4).replace('\n4\n', '\n5\n')],
    [404, createTestLog('log.example/two').request(0, 1)],
    [409, log.request(0, 3)],
    [422, log.request(3, 3, 1)],
  ]
  for (const [status, body] of cases) {
    const answer = await server.ask('POST', '/witness/add-checkpoint', { body, user: null })
    assert.equal(answer.status, status, answer.text)
    assert.deepEqual(Object.keys(responses[status]?.content ?? {}), [answer.headers['content-type']])
  }
})

test('errors are documented where they come, and have the form of the error message', async () => {
  const schema = document.components.schemas.Error
  const list = '/api/collections/{collection}/objects/'
  const cases: [string, string, number, () => Promise<Answer>][] = [
    ['get', '/taxii2/', 401, () => server.ask('GET', '/taxii2/', { user: null })],
    ['get', '/taxii2/', 406, () => server.ask('GET', '/taxii2/', { headers: { accept: 'text/html' } })],
    ['get', list, 400, () => server.get('objects/?limit=0')],
    ['get', list, 403, () => server.get('objects/', { user: 'writer' })],
    ['get', list, 404, () => server.ask('GET', '/api/collections/none/objects/')],
    ['post', list, 422, () => server.ask('POST', '/api/collections/default/objects/', { body: {} })],
    [
      'post',
      list,
      415,
      () => server.ask('POST', '/api/collections/default/objects/', { body: '', headers: { 'content-type': 'x/y' } }),
    ],
  ]
  for (const [method, path, status, ask] of cases) {
    const answer = await ask()
    assert.equal(answer.status, status, answer.text)
    assert.ok(document.paths[path]?.[method]?.responses[status], `${method} ${path} ${status}`)
    const [valid, errors] = Schema.Errors(schema, answer.json)
    assert.ok(valid, JSON.stringify(errors))
  }
})
