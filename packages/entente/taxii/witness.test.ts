import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { verifyCollectionProof, verifyObject } from '@entente/verify/proof'
import { parseVkey, verifyCheckpoint } from '@entente/verify/tlog'
import { loadConfig } from '#cli/config.ts'
import { openWitness } from '#cli/witness.ts'
import { indicator, startTestServer, type TestServer } from './test/server.ts'

const LEDGER = { ledgers: [{ id: 'local', kind: 'embedded' }], anchoring: { intervalMs: 20 } }

async function startWitness(t: TestContext) {
  const server = await startTestServer({ witness: { name: 'witness.example/w' } })
  t.after(() => server.stop())
  const { config, paths } = loadConfig({ file: `${server.data}/entente.yaml`, data: server.data, env: {} })
  const witness = openWitness(config, paths, () => {})
  t.after(() => witness.close())
  const add = ({ context }: TestServer) => witness.addLog({ origin: context.notary.log.origin, vkey: context.vkey })
  const entry = { vkey: witness.vkey, url: `${server.url}/witness/` }
  return { server, vkey: witness.vkey, add, log: { witnesses: [entry], witnessIntervalMs: 20 } }
}

async function until(what: string, is: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 300 && !(await is()); i++) await new Promise(resolve => setTimeout(resolve, 20))
  assert.ok(await is(), `not within 6 s: ${what}`)
}
const statusOf = async (server: TestServer, id: string) => (await server.ask('GET', `/api/status/${id}/`)).json

test('without a ledger the level is witnessed: status, checkpoint, proofs, readiness and metrics say by how many', async t => {
  const witness = await startWitness(t)
  const server = await startTestServer({ log: witness.log, server: { metrics: { port: 0 } } })
  t.after(() => server.stop())
  const object = indicator()
  const { id } = await server.add([object])
  const before = await statusOf(server, id)
  assert.deepEqual([before.x_entente.level, before.x_entente.witnesses], ['logged', { have: 0, need: 1, of: 1 }])
  assert.equal((await server.ask('GET', '/log/checkpoint?witnessed')).status, 404)
  assert.equal((await server.ask('GET', '/log/checkpoint')).status, 200, 'the newest is there all the same')
  assert.match((await server.ask('GET', '/readyz')).text, /entente witness add-log/)

  witness.add(server)
  await until('it is witnessed', async () => (await statusOf(server, id)).x_entente.level === 'witnessed')
  const after = await statusOf(server, id)
  assert.deepEqual([after.status, after.x_entente.witnesses], ['complete', { have: 1, need: 1, of: 1 }])

  const policy = { logs: [parseVkey(server.context.vkey)], witnesses: [parseVkey(witness.vkey)], quorum: 1 }
  for (const path of ['/log/checkpoint', '/log/checkpoint?witnessed']) {
    const { text, headers } = await server.ask('GET', path, { user: null })
    assert.equal(headers['content-type'], 'text/plain; charset=utf-8')
    assert.equal(verifyCheckpoint(text, policy).size, server.notary.log.size)
  }
  const trust = { vkeys: [server.context.vkey], witnesses: [witness.vkey], witnessQuorum: 1 }
  assert.equal(verifyObject((await server.get(`objects/${object.id}/proof/`)).json, trust).level, 'witnessed')
  assert.equal(verifyCollectionProof((await server.get('proof/')).json, trust).level, 'witnessed')

  const { json } = await server.ask('GET', '/readyz')
  assert.deepEqual(json.witnesses, {
    need: 1,
    witnessed_size: server.notary.log.size,
    witnesses: [{ witness: 'witness.example/w', cosigned_size: server.notary.log.size }],
  })
  const metrics = await (await fetch(server.metricsUrl as string)).text()
  const { size } = server.notary.log
  assert.match(metrics, new RegExp(`^entente_witnessed_size ${size}$`, 'm'))
  assert.match(metrics, new RegExp(`^entente_witness_cosigned_size\\{witness="witness.example/w"\\} ${size}$`, 'm'))
  assert.match(metrics, /^entente_witness_failures\{witness="witness.example\/w"\} [1-9]\d*$/m)
  assert.doesNotMatch(metrics, /entente_witness_answers/, 'this one is no witness')
})

test('what is anchored was witnessed before; what was anchored before there were witnesses is proven under a newer checkpoint', async t => {
  const witness = await startWitness(t)
  const [old, late] = [indicator(), indicator()]
  const first = await startTestServer(LEDGER)
  const { id: oldStatus } = await first.add([old])
  await until('it is anchored', async () => (await statusOf(first, oldStatus)).status === 'complete')
  witness.add(first)
  await first.close()

  const server = await startTestServer({ ...LEDGER, log: witness.log }, { data: first.data })
  t.after(() => server.stop())
  const { id } = await server.add([late])
  await until('it is final', async () => (await statusOf(server, id)).status === 'complete')
  const status = await statusOf(server, id)
  assert.deepEqual([status.x_entente.level, status.x_entente.witnesses], ['final', { have: 1, need: 1, of: 1 }])
  const trust = { vkeys: [server.context.vkey], witnesses: [witness.vkey], witnessQuorum: 1 }
  for (const object of [late, old]) {
    const { json } = await server.get(`objects/${object.id}/proof/`)
    const { witnesses, anchors } = verifyObject(json, trust)
    assert.deepEqual([witnesses, anchors.length], [{ cosigned: 1, known: 1 }, 1], object === old ? 'old' : 'late')
  }
  // Every anchor since then is of a checkpoint that was cosigned.
  const rows = (await server.notary.store.anchors()).filter(a => a.size > (first.notary.log.size ?? 0))
  assert.ok(rows.length > 0)
  for (const row of rows) assert.equal((await server.notary.store.cosignatures(row.size)).length, 1)
})

test('a witness that is away: nothing is anchored, and everything else goes on', async t => {
  const witness = await startWitness(t)
  await witness.server.close()
  const server = await startTestServer({ ...LEDGER, log: witness.log })
  t.after(() => server.stop())
  const object = indicator()
  const { id } = await server.add([object])
  await until('it was tried', async () => /ECONNREFUSED/.test((await server.ask('GET', '/readyz')).text))
  const status = await statusOf(server, id)
  assert.deepEqual([status.status, status.x_entente.level], ['pending', 'logged'])
  assert.equal((await server.get(`objects/${object.id}/`)).status, 200)
  assert.deepEqual(await server.notary.store.anchors(), [])
  const proof = (await server.get(`objects/${object.id}/proof/`)).json
  assert.equal(verifyObject(proof, { vkeys: [server.context.vkey] }).level, 'logged')
})
