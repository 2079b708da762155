// Requests of the clients that people have, as bytes. What they send was read in their sources:
// - OpenCTI, feed ingestion: OpenCTI-Platform/opencti, opencti-platform/opencti-graphql/src/manager/ingestionManager.ts and src/utils/http-client.ts
//   (axios; asks with `next` as long as there is more, else with added_after cut to milliseconds by a JavaScript Date)
// - OpenCTI, taxii-post connector: OpenCTI-Platform/connectors, stream/taxii-post/src/taxii_post_connector/connector.py (requests; a STIX bundle)
// - MISP, push: MISP/MISP, app/files/scripts/taxii/taxii_push.py (taxii2-client; envelopes below max_content_length)
// - taxii2-client: oasis-open/cti-taxii-client, taxii2client/common.py and v21/__init__.py
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { loadConfig } from '#cli/config.ts'
import { startServer } from '#cli/serve.ts'
import { systemClock } from '#notary/time.ts'
import { TAXII } from './media.ts'
import { type RawAnswer, sendRaw } from './test/raw.ts'
import { adminPassword, basic, indicator, newId, startTestServer, type TestServer, url } from './test/server.ts'

let server: TestServer
let id: string
before(async () => {
  server = await startTestServer()
  id = (await server.ask('GET', '/api/collections/default/')).json.id
})
after(() => server.stop())

const credentials = Buffer.from('both:both-password').toString('base64')

/** One request, its lines as they are on the wire. */
async function replay(lines: string[], body = '', to = server.url): Promise<RawAnswer> {
  const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]
  const [answer] = await sendRaw(to, [`${[...lines, ...length].join('\r\n')}\r\n\r\n${body}`])
  assert.ok(answer, 'an answer')
  return answer
}

const axios = (target: string, authorization = `Basic ${credentials}`) => [
  `GET ${target} HTTP/1.1`,
  'Accept: application/taxii+json;version=2.1',
  `Authorization: ${authorization}`,
  'User-Agent: axios/1.7.9',
  'Accept-Encoding: gzip, compress, deflate, br',
  'Host: 127.0.0.1:6100',
  'Connection: keep-alive',
]
const requests = (method: string, target: string, accept: string, authorization = `Basic ${credentials}`) => [
  `${method} ${target} HTTP/1.1`,
  'Host: 127.0.0.1:6100',
  'User-Agent: taxii2-client/2.3.0',
  'Accept-Encoding: gzip, deflate',
  `Accept: ${accept}`,
  'Connection: keep-alive',
  `Authorization: ${authorization}`,
]

test('OpenCTI reads a feed: next while there is more, then added_after in milliseconds; nothing is lost or comes twice', async () => {
  const sent: string[] = []
  for (let i = 0; i < 5; i++) {
    const batch = [url(), indicator(), url()]
    sent.push(...batch.map(o => o.id))
    await server.add(batch, 'strict')
  }
  const seen: string[] = []
  let state: Record<string, string> = {}
  for (let polls = 0; polls < 30; polls++) {
    const parameters = new URLSearchParams({ ...state, limit: '4' }).toString()
    const { status, json, headers } = await replay(axios(`/api/collections/strict/objects/?${parameters}`))
    assert.equal(status, 200)
    assert.equal(headers['content-type'], TAXII)
    seen.push(...(json.objects ?? []).map((o: any) => o.id))
    if (json.more) state = { ...state, next: json.next }
    else if (json.objects) state = { added_after: new Date(headers['x-taxii-date-added-last'] as string).toISOString() }
    else break
    if (polls === 2) {
      const late = [url(), url()]
      sent.push(...late.map(o => o.id))
      await server.add(late, 'strict')
    }
  }
  assert.deepEqual(seen, sent)
  assert.match(state['added_after'] ?? '', /\.\d{3}Z$/)
})

test('OpenCTI, MISP: scheme names in lower case', async () => {
  assert.equal((await replay(axios('/taxii2/', `basic ${credentials}`))).status, 200)
  assert.equal((await replay(requests('GET', '/api/', TAXII, `basic ${credentials}`))).status, 200)
})

test("OpenCTI's taxii-post connector sends a bundle of one object as STIX", async () => {
  const object = indicator()
  const bundle = { type: 'bundle', spec_version: '2.1', id: newId('bundle'), objects: [object] }
  const lines = [
    ...requests('POST', `/api/collections/${id}/objects/`, 'application/taxii+json; version=2.1'),
    'Content-Type: application/stix+json; version=2.1',
  ]
  const { status, json } = await replay(lines, JSON.stringify(bundle))
  assert.equal(status, 202)
  assert.equal(json.success_count, 1)
  assert.deepEqual((await server.get(`objects/${object.id}/`)).json.objects, [object])
})

test('MISP pushes envelopes with taxii2-client: API root, collection, objects', async () => {
  const accept = 'application/taxii+json; version=2.1'
  const root = await replay(requests('GET', '/api/', accept))
  assert.ok(root.json.max_content_length > 0)
  // It compares what it accepts with the Content-Type, without spaces.
  const tokens = (text: string | undefined) => text?.replaceAll(' ', '').split(';')
  assert.deepEqual(tokens(root.headers['content-type']), tokens(accept))
  assert.equal((await replay(requests('GET', `/api/collections/${id}/`, accept))).json.can_write, true)
  const body = JSON.stringify({ objects: [indicator(), url()] })
  const lines = [...requests('POST', `/api/collections/${id}/objects/`, TAXII), `Content-Type: ${TAXII}`]
  const { status, json } = await replay(lines, body)
  assert.equal(status, 202)
  assert.deepEqual([json.total_count, json.success_count], [2, 2])
  assert.equal((await replay(requests('GET', `/api/status/${json.id}/`, accept))).json.status, 'complete')
})

test('a POST without the final slash is taken, not redirected', async () => {
  const lines = [...requests('POST', `/api/collections/${id}/objects`, TAXII), 'Content-Type: application/taxii+json']
  assert.equal((await replay(lines, JSON.stringify({ objects: [indicator()] }))).status, 202)
})

test('T38 B6 a next is used a day and a restart later, while objects came and went: nothing is lost or comes twice', async () => {
  const data = mkdtempSync(join(tmpdir(), 'entente-next-'))
  let days = 0
  const clock = () => systemClock() + days * 86_400_000_000
  const start = () => {
    const { config, paths } = loadConfig({ data, port: '0', env: {} })
    return startServer({ ...config, ledgers: [] }, paths, () => {}, undefined, clock)
  }
  let running = await start()
  try {
    const authorization = basic('admin', adminPassword(data))
    const objects = '/api/collections/default/objects/'
    const ask = (target: string) => replay(axios(target, authorization), '', running.url)
    const send = async (method: string, target: string, body = '') => {
      const lines = [
        ...requests(method, target, TAXII, authorization),
        ...(body === '' ? [] : [`Content-Type: ${TAXII}`]),
      ]
      const answer = await replay(lines, body, running.url)
      assert.ok(answer.status < 300, answer.text)
    }
    const add = (added: unknown[]) => send('POST', objects, JSON.stringify({ objects: added }))
    const first = Array.from({ length: 10 }, () => url())
    await add(first)
    const page = (await ask(`${objects}?limit=4`)).json
    await running.close()
    days = 1
    running = await start()
    const later = [url(), url()]
    await add(later)
    for (const gone of [first[1], first[4], first[7]]) await send('DELETE', `${objects}${gone?.id}/`)
    const seen = page.objects.map((o: any) => o.id)
    for (let next = page.next; next !== undefined; ) {
      const { status, json } = await ask(`${objects}?limit=4&next=${next}`)
      assert.equal(status, 200)
      seen.push(...(json.objects ?? []).map((o: any) => o.id))
      next = json.next
    }
    const left = [...first.filter((_, i) => i !== 4 && i !== 7), ...later].map(o => o.id)
    assert.deepEqual(seen, left, 'what was deleted after it was read stays read, the rest is there once')
  } finally {
    await running.close()
    rmSync(data, { recursive: true, force: true, maxRetries: 5 })
  }
})
