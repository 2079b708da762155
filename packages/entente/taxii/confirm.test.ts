// `verify=ledger`, against a real ledger: the embedded chain.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AnchorRow } from '#store/store.ts'
import { assertTaxiiError, startTestServer, type TestServer, url } from './test/server.ts'

let server: TestServer
before(async () => {
  server = await startTestServer({
    ledgers: [{ id: 'local', kind: 'embedded' }],
    anchoring: { intervalMs: 10 },
    apiRoots: [
      {
        path: '/api/',
        title: 'Test root',
        collections: [
          { alias: 'default', title: 'On the ledger' },
          { alias: 'none', title: 'On none', ledgers: [] },
        ],
      },
    ],
  })
})
after(() => server.stop())

const anchorOf = async (size: number): Promise<AnchorRow> =>
  (await server.notary.store.anchorCovering('local', size, true)) as AnchorRow

async function addAndAnchor(): Promise<{ id: string; size: number }> {
  const object = url()
  const { id, x_entente } = await server.add([object])
  for (let status = x_entente; status.level !== 'final'; await sleep(20)) {
    const answer = await server.ask('GET', `/api/status/${id}/`)
    status = answer.json.x_entente
  }
  return { id: object.id as string, size: x_entente.size }
}

test('what a ledger has final is served, and the header says where it is', async () => {
  const { id, size } = await addAndAnchor()
  for (const path of ['objects/?verify=ledger', `objects/${id}/?verify=ledger`]) {
    const { status, headers, json } = await server.get(path)
    assert.equal(status, 200)
    assert.ok(json.objects.some((o: { id: string }) => o.id === id))
    const { transaction, block, size: at } = await anchorOf(size)
    assert.equal(headers['x-entente-ledger'], `local;size=${at};transaction=${transaction};block=${block}`)
  }
  assert.equal((await server.get('objects/?verify=ledger&match[type]=note')).headers['x-entente-ledger'], undefined)
  assert.equal((await server.get('objects/')).headers['x-entente-ledger'], undefined)
})

test('what no ledger has yet, or a ledger that does not answer, is 503', async () => {
  const { notary } = server
  const { size } = await addAndAnchor()
  const row = await anchorOf(size)
  const { anchorCovering } = notary.store
  const { confirm } = server.context
  try {
    notary.store.anchorCovering = async () => undefined
    const early = await server.get('objects/?verify=ledger')
    assertTaxiiError(early, 503, 'unconfirmed')
    assert.equal(early.headers['retry-after'], '2')
    assert.match(early.json.description, /no anchor covers size/)
    notary.store.anchorCovering = async () => row
    server.context.confirm = async ledger => ({ ledger, level: 'unknown', reason: 'test: no answer' })
    assertTaxiiError(await server.get('objects/?verify=ledger'), 503, 'unconfirmed')
  } finally {
    notary.store.anchorCovering = anchorCovering
    server.context.confirm = confirm
  }
})

test('a journal that names another transaction is contradicted by the ledger: nothing is served, the operator is told', async () => {
  const { notary, logged } = server
  const first = await addAndAnchor()
  const second = await addAndAnchor()
  const [older, row] = [await anchorOf(first.size), await anchorOf(second.size)]
  for (const transaction of [`0x${'ab'.repeat(32)}`, older.transaction]) {
    await notary.store.putAnchor({ ...row, transaction })
    logged.length = 0
    assertTaxiiError(await server.get(`objects/${second.id}/?verify=ledger`), 500, 'integrity')
    assert.ok(logged.some(l => l.message === 'a ledger contradicts the log'))
    assert.equal((await server.get(`objects/${second.id}/`)).status, 200)
  }
  await notary.store.putAnchor(row)
  assert.equal((await server.get(`objects/${second.id}/?verify=ledger`)).status, 200)
})

test('a collection on no ledger, and another value: 400', async () => {
  await server.add([url()], 'none')
  assertTaxiiError(await server.ask('GET', '/api/collections/none/objects/?verify=ledger'), 400, 'query')
  assertTaxiiError(await server.get('objects/?verify=twice'), 400, 'query')
  assertTaxiiError(await server.get('objects/?verify=ledger&verify=ledger'), 400, 'query')
})
