// A reader who may not see all of a collection, at the real server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { verifyWithheld } from '@entente/verify/proof'
import { createTaxiiClient, type Delivery, readVerified } from './index.ts'
import { indicators } from './test/fake.ts'
import { startReal } from './test/real.ts'

const RED = 'marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1'

test('what is hidden is a commitment in reads and feeds, and all of it verifies; another commitment for it does not', async t => {
  const { server, password } = await startReal(t, 'markings: { everyone: [TLP:AMBER] }')
  const auth = { kind: 'basic', user: 'admin', password } as const
  const client = createTaxiiClient({ url: server.url, auth })
  const collection = client.collection('/api/collections/default/')
  const trust = { vkeys: [server.context.vkey] }
  const [first, second, third] = indicators(3)
  await collection.add([first!, { ...second!, object_marking_refs: [RED] }, third!])

  const cleared = (await client.markings()).markings.filter(m => m.cleared).map(m => m.name)
  assert.deepEqual(cleared, ['TLP:WHITE', 'TLP:GREEN', 'TLP:AMBER', 'TLP:CLEAR', 'TLP:GREEN', 'TLP:AMBER'])

  const { verified } = await readVerified(collection, trust)
  assert.deepEqual(
    verified.records.map(r => ('withheld' in r ? r.withheld : 'object')),
    ['object', 'access', 'object'],
  )
  const proof = await collection.recordProof(1)
  assert.equal(proof.kind, 'withheld')
  assert.deepEqual(verifyWithheld(proof, trust).commitment, verified.records[1]?.commitment)

  const subscribe = async (by: typeof client) => {
    const given: Delivery[] = []
    const options = { from: 'start', verify: { trust }, references: true } as const
    for await (const one of by.subscribe('/api/collections/default/feed/', options)) {
      if (one.kind === 'event') given.push(one)
      if (given.length === 3) return given.map(d => (d.kind === 'event' ? d.event.event : ''))
    }
    throw new Error('the feed ended')
  }
  assert.deepEqual(await subscribe(client), ['added', 'reference', 'added'])

  const forging = createTaxiiClient({
    url: server.url,
    auth,
    fetch: async (input, init) => {
      const response = await fetch(input, init)
      if (!String(input instanceof Request ? input.url : input).endsWith('/records/1/proof/')) return response
      const other = Buffer.from(verified.records[0]?.commitment ?? []).toString('base64')
      const forged = { ...proof, record: { seq: 1, commitment: other, reason: 'access' } }
      return new Response(JSON.stringify(forged), { headers: response.headers })
    },
  })
  await assert.rejects(subscribe(forging), { name: 'ProofError', code: 'event' })
})
