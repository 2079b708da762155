import assert from 'node:assert/strict'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { rejects } from '../conformance/anchor.ts'
import { createHttpProvider } from './http.ts'
import { RpcError } from './provider.ts'

type Handler = (body: { id: number; method: string }, response: ServerResponse, request: IncomingMessage) => void

async function node(t: TestContext, handler: Handler): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', chunk => (body += chunk))
    request.on('end', () => {
      asked.push(JSON.parse(body).method)
      handler(JSON.parse(body), response, request)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}
const answer =
  (value: object): Handler =>
  ({ id }, response) =>
    response.end(JSON.stringify({ jsonrpc: '2.0', id, ...value }))

test('the next node is asked when one gives no answer, and stays first', async t => {
  const broken: [string, Handler][] = [
    ['a reset connection', (_, response) => response.destroy()],
    ['no JSON', (_, response) => response.writeHead(502).end('<html>')],
    ['no JSON-RPC', (_, response) => response.end('[]')],
    ['null', (_, response) => response.end('null')],
    ['silence', () => {}],
    ['a redirect', (_, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
    ['an endless answer', (_, response) => void (response.write('x'.repeat(33 * 1024 * 1024)), response.end())],
  ]
  for (const [what, handler] of broken) {
    const first = await node(t, handler)
    const second = await node(t, answer({ result: '0x7' }))
    const provider = createHttpProvider({ urls: [first.url, second.url], timeoutMs: 300 })
    assert.equal(await provider.request({ method: 'eth_chainId' }), '0x7', what)
    assert.equal(await provider.request({ method: 'eth_blockNumber' }), '0x7', what)
    assert.deepEqual([first.asked, second.asked], [['eth_chainId'], ['eth_chainId', 'eth_blockNumber']], what)
    await provider.close()
  }
})

test('several in one go: answers in any order; a node that takes no batch is asked one at a time', async t => {
  const reversed: Handler = (body, response) => {
    const calls = body as unknown as { id: number; method: string }[]
    const answers = calls.map(({ id, method }) => ({ jsonrpc: '2.0', id, result: method }))
    response.end(JSON.stringify(answers.reverse()))
  }
  const one: Handler = (body, response) =>
    Array.isArray(body)
      ? answer({ error: { code: -32600, message: 'no batches' } })(body as never, response, undefined as never)
      : response.end(JSON.stringify({ jsonrpc: '2.0', id: body.id, result: body.method }))
  for (const handler of [reversed, one]) {
    const { url } = await node(t, handler)
    const provider = createHttpProvider({ urls: [url] })
    const found = await provider.requestAll([{ method: 'a' }, { method: 'b' }])
    assert.deepEqual(
      found.map(each => each.status === 'fulfilled' && each.value),
      ['a', 'b'],
    )
    await provider.close()
  }
  const silent = await node(t, (_, response) => response.end('[]'))
  const [lost] = await createHttpProvider({ urls: [silent.url] }).requestAll([{ method: 'a' }])
  assert.equal(lost?.status, 'rejected')
})

test('a node that says no is believed', async t => {
  const first = await node(t, answer({ error: { code: 3, message: 'execution reverted', data: '0x01' } }))
  const second = await node(t, answer({ result: '0x7' }))
  const provider = createHttpProvider({ urls: [first.url, second.url] })
  await assert.rejects(provider.request({ method: 'eth_call' }), error => {
    assert.ok(error instanceof RpcError)
    assert.deepEqual([error.code, error.data], [3, '0x01'])
    return true
  })
  assert.deepEqual(second.asked, [])
})

test('no node, no URL, closed', async t => {
  const provider = createHttpProvider({ urls: ['http://127.0.0.1:1', 'http://user:secret@127.0.0.1:2'] })
  await assert.rejects(
    provider.request({ method: 'eth_chainId' }),
    /no node answered eth_chainId \(http:\/\/127\.0\.0\.1:1: .*; http:\/\/127\.0\.0\.1:2: (?!.*secret)/,
  )
  for (const urls of [[], ['ftp://127.0.0.1'], ['nonsense']])
    await rejects(async () => createHttpProvider({ urls }), 'invalid')
  const silent = await node(t, () => {})
  const closing = createHttpProvider({ urls: [silent.url] })
  const pending = closing.request({ method: 'eth_chainId' })
  await closing.close()
  await rejects(pending, 'unreachable')
})

test('user and password of a URL go into the authorisation header', async t => {
  let authorization: string | undefined
  const { url } = await node(t, (body, response, request) => {
    authorization = request.headers.authorization
    answer({ result: null })(body, response, request)
  })
  const provider = createHttpProvider({ urls: [url.replace('http://', 'http://user:p%40ss@')] })
  assert.equal(await provider.request({ method: 'eth_chainId' }), null)
  assert.equal(authorization, `Basic ${Buffer.from('user:p@ss').toString('base64')}`)
})
