// What the store shows before this process has published it: another server has stored it, or the answer of a commit is still on its way.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { defaultOrigin } from '#cli/identity.ts'
import { openLogKey } from '#notary/key.ts'
import { Moved, openNotary } from '#notary/notary.ts'
import type { SubmittedObject } from '#notary/sequence.ts'
import { testRequest } from '#notary/test/request.ts'
import { indicator, startTestServer } from './test/server.ts'

const FIRST = '2026-01-01T00:00:00.000Z'
const LATER = '2026-02-01T00:00:00.000Z'

const submitted = (value: Record<string, unknown>): SubmittedObject => ({
  id: value['id'] as string,
  version: LATER.replace('000Z', '000000Z'),
  versionDigits: 3,
  spec: '2.1',
  value,
  canonical: JSON.stringify(Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))),
})

for (const validation of ['standard', 'permissive']) {
  test(`no object is missing, old or damaged for that (${validation})`, async t => {
    const collections = [{ alias: 'default', title: 'Default collection', validation }]
    const server = await startTestServer({ apiRoots: [{ path: '/api/', title: 'Test root', collections }] })
    t.after(() => server.stop())
    const { notary } = server
    const objects = [indicator(), indicator(), indicator()]
    const [changed, , erased] = objects
    await server.add(objects)
    const { vkey, signer } = openLogKey(join(server.data, 'log.key'), defaultOrigin, false)
    const others = { submit: () => Promise.reject(new Moved()), conflict: () => {} }
    const other = await openNotary({ store: notary.store, origin: signer.name, vkey, signer, others })
    await other.lead([])
    const ids = async (query = '') => {
      const answer = await server.get(`objects/${query}`)
      assert.equal(answer.status, 200, answer.text)
      assert.equal(answer.headers['x-entente-withheld'], undefined)
      return answer.json.objects.map((o: { id: string; modified: string }) => `${o.id} ${o.modified}`)
    }
    const before = objects.map(o => `${o.id} ${FIRST}`)

    const collection = notary.collection('/api/', server.context.config.apiRoots[0]?.collections[0]?.id as string)
    const at = { collection: collection?.number as number }
    await other.submit(testRequest(other, [], { ...at, objects: [submitted({ ...changed, modified: LATER })] }))
    assert.ok(other.log.size > notary.log.size)
    for (const query of ['', '?match[version]=all', '?match[version]=first', '?match[type]=indicator', '?limit=100'])
      assert.deepEqual(await ids(query), before, query)
    for (const path of ['', 'versions/', 'proof/']) {
      const answer = await server.get(`objects/${changed?.id}/${path}`)
      assert.equal(answer.status, 200, `${path} ${answer.text}`)
      assert.doesNotMatch(answer.text, new RegExp(LATER))
    }
    assert.ok(other.log.size > notary.log.size, 'nobody went on')

    // What is gone from the store can't be served: the process goes on to where that is said. The page is as of the head that it began with.
    await other.submit(testRequest(other, [], { ...at, erase: { id: erased?.id as string, versions: rows => rows } }))
    assert.deepEqual(await ids(), before.slice(0, 2))
    assert.equal(notary.log.size, other.log.size)
    assert.deepEqual(await ids(), [before[1], `${changed?.id} ${LATER}`])
    assert.equal((await server.get(`objects/${erased?.id}/`)).status, 404)
    assert.equal((await server.get(`objects/${changed?.id}/`)).json.objects[0].modified, LATER)
    assert.deepEqual(
      server.logged.filter(l => l.level === 'error'),
      [],
    )
  })
}
