import assert from 'node:assert/strict'
import { request } from 'node:http'
import { type TestContext, test } from 'node:test'
import { LedgerError } from '#ledger/error.ts'
import { createHttpProvider } from '#ledger/evm/http.ts'
import { type Eip1193Provider, RpcError } from '#ledger/evm/provider.ts'
import { startRpcServer } from './rpc-server.ts'

const chain: Eip1193Provider = {
  request: async ({ method, params = [] }) => {
    if (method === 'eth_call') throw new RpcError(3, 'execution reverted', '0x1234')
    if (method === 'eth_full') throw new LedgerError('busy', 'no room')
    if (method === 'eth_broken') throw new Error('broken')
    return { method, params }
  },
}

async function start(t: TestContext) {
  const server = await startRpcServer({ host: '127.0.0.1', port: 0 }, new Map([['artifact', chain]]), { demo: true })
  t.after(server.close)
  /** A raw request, with headers that fetch does not let through. */
  const raw = (
    path: string,
    { method = 'POST', headers = {}, body = '' }: { method?: string; headers?: Record<string, string>; body?: string },
  ) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const sent = request(`${server.url}${path}`, { method, headers }, response => {
        let text = ''
        response.on('data', d => (text += d)).on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      })
      sent.on('error', reject).end(body)
    })
  return { url: server.url, raw }
}

test('requests and errors go through as they are', async t => {
  const { url } = await start(t)
  const provider = createHttpProvider({ urls: [`${url}/artifact`] })
  assert.deepEqual(await provider.request({ method: 'eth_x', params: [1] }), { method: 'eth_x', params: [1] })
  assert.deepEqual(await provider.request({ method: 'entente_process' }), { demo: true })
  await assert.rejects(provider.request({ method: 'eth_call' }), { code: 3, data: '0x1234' })
  await assert.rejects(provider.request({ method: 'eth_full' }), { code: -32005 })
  await assert.rejects(provider.request({ method: 'eth_broken' }), { code: -32603 })
})

test('several in one request: each has its own answer, and none is begun before the one ahead of it', async t => {
  const { url, raw } = await start(t)
  const provider = createHttpProvider({ urls: [`${url}/artifact`] })
  const asked = ['eth_a', 'eth_call', 'eth_b', 'eth_full'].map(method => ({ method }))
  const [a, call, b, full] = await provider.requestAll(asked)
  assert.deepEqual(a, { status: 'fulfilled', value: { method: 'eth_a', params: [] } })
  assert.deepEqual(b, { status: 'fulfilled', value: { method: 'eth_b', params: [] } })
  assert.ok(call?.status === 'rejected' && full?.status === 'rejected')
  assert.deepEqual([call.reason.code, call.reason.data, full.reason.code], [3, '0x1234', -32005])
  const many = Array.from({ length: 129 }, (_, id) => ({ id, method: 'eth_x' }))
  assert.equal((await raw('/artifact', { body: JSON.stringify(many) })).status, 400)
  // What is no call does not take the others with it.
  assert.match((await raw('/artifact', { body: '[{"id":7,"method":"eth_x"},null]' })).text, /"id":7,"result".*-32600/)
})

test('web pages, other names, other paths, too much, and what is no JSON-RPC are refused', async t => {
  const { raw } = await start(t)
  const body = JSON.stringify({ id: 1, method: 'eth_x' })
  const status = async (...args: Parameters<typeof raw>) => (await raw(...args)).status
  assert.equal(await status('/artifact', { body }), 200)
  assert.equal(await status('/artifact', { body, headers: { host: 'localhost:1' } }), 200)
  assert.equal(await status('/artifact', { body, headers: { origin: 'https://evil.example' } }), 403)
  assert.equal(await status('/artifact', { body, headers: { host: 'rebound.example' } }), 403)
  assert.equal(await status('/certification', { body }), 404)
  assert.equal(await status('/artifact', { method: 'GET' }), 405)
  for (const wrong of ['', 'x', '[]', 'null', '{}', '{"method":1}', `"${'x'.repeat(600_000)}"`])
    assert.equal(await status('/artifact', { body: wrong }), 400, wrong.slice(0, 20))
  assert.match((await raw('/artifact', { body: '{"method":"eth_x","params":{}}' })).text, /-32602/)
})

test('a port that is taken', async t => {
  const { url } = await start(t)
  await assert.rejects(startRpcServer({ host: '127.0.0.1', port: Number(new URL(url).port) }, new Map(), {}), {
    code: 'no',
    message: /is taken by another process/,
  })
})
