// A real server and real brokers: what is posted with a marking arrives at consumers that know nothing of Entente, each object once and in order; what
// not all of them may read, because of its collection or its markings, arrives as a reference, which only who may read it can follow.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatRecord, readRecord, recordCommitment } from '../../packages/verify/proof/index.ts'
import { type Broker, KINDS } from '../support/brokers.ts'
import type { Heard } from '../support/listeners.ts'
import { root, sampleObjects, startEntente, temporaryFolder, type TestServer } from '../support/server.ts'

const CREATED = '2026-01-01T00:00:00.000Z'
/** TEST PASSWORD. */
const PASSWORD = 'a test password'
const collections = [
  { alias: 'open', title: 'Everybody', read: ['taxii-read'], write: ['taxii-write'] },
  { alias: 'closed', title: 'Partners', read: ['partners'], write: ['taxii-write'] },
]

/** Roles of the audience are cleared for TLP:GREEN, partners for TLP:AMBER too. */
const markings = { everyone: ['TLP:GREEN'], rights: { partners: ['TLP:AMBER'] } }
const GREEN = 'marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb'
const AMBER = 'marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421'

const marking = (channel: string, id: number) => ({
  type: 'marking-definition',
  spec_version: '2.1',
  id: `marking-definition--00000000-0000-4000-8000-${String(id).padStart(12, '0')}`,
  created: CREATED,
  definition_type: 'statement',
  definition: { statement: `pubsub:${channel}` },
})

for (const { name: kind, start } of KINDS.filter(k => k.name !== 'embedded')) {
  describe(`channels on ${kind}`, () => {
    let broker: Broker | { reason: string }
    let remove = () => {}
    before(async () => {
      broker = await start(temporaryFolder({ after: f => void (remove = f) }))
    })
    after(async () => {
      if ('stop' in broker) await broker.stop()
      remove()
    })

    test('objects arrive once and in order, and as references where not all may read them', async t => {
      if ('reason' in broker) return t.skip(broker.reason)
      const { config, listener } = await broker.listen('e2e.')
      t.after(() => listener.close())
      const folder = temporaryFolder(t)
      const file = join(folder, 'entente.yaml')
      const apiRoots = [{ path: '/api/', title: 'Two collections', collections }]
      writeFileSync(
        file,
        JSON.stringify({ channels: { ...config, audience: ['taxii-read'] }, ledgers: [], markings, apiRoots }),
      )
      const data = join(folder, 'data')
      const server = await startEntente(data, { args: ['--config', file] })
      t.after(() => server.stop())

      const wanted: string[] = []
      for (let i = 0; i < 10; i++) {
        const objects = [...sampleObjects(5, 10 * i), marking('EVENTS', i)]
        await post(server, 'open', objects)
        wanted.push(...objects.map(o => o['id'] as string))
        // No marking, or one of another channel: they go elsewhere or nowhere.
        await post(server, 'open', sampleObjects(2, 1000 + 10 * i))
        await post(server, 'open', [...sampleObjects(1, 2000 + i), marking('ATTACKS', 100 + i)])
      }
      const [secret] = sampleObjects(1, 5000) as [Record<string, unknown>]
      await post(server, 'closed', [secret, marking('EVENTS', 200)])
      // Sent again by a client: nothing is new, and nothing goes out.
      await post(server, 'open', [...sampleObjects(5, 0), marking('EVENTS', 0)])
      const [last] = sampleObjects(1, 6000) as [Record<string, unknown>]
      await post(server, 'open', [{ ...last, object_marking_refs: [marking('EVENTS', 0).id] }])

      // In a collection that all of them may read: the first is for all, the others are not, one of them for a part of it.
      const [green, amber, part] = sampleObjects(3, 7000) as [Record<string, unknown>, Record<string, unknown>, object]
      const granular = [{ selectors: ['name'], marking_ref: AMBER }]
      const marked = [
        { ...green, object_marking_refs: [GREEN] },
        { ...amber, object_marking_refs: [AMBER] },
        { ...part, granular_markings: granular },
      ]
      await post(server, 'open', [...marked, marking('EVENTS', 300)])

      const count = wanted.length + 7
      await heardAll(listener.heard, count)
      await sleep(500)
      const { heard } = listener
      assert.equal(heard.length, count)
      const positions = heard.map(h => h.position)
      assert.deepEqual(
        positions,
        positions.toSorted((a, b) => a - b),
      )
      assert.equal(new Set(positions).size, positions.length)
      assert.ok(heard.every(h => !h.redelivered))
      assert.deepEqual(
        heard.slice(0, wanted.length).map(h => h.id),
        wanted,
      )
      const [before, whole, hidden, hiddenPart, definition] = heard.slice(-5) as [Heard, Heard, Heard, Heard, Heard]
      assert.deepEqual(
        [before, whole, definition].map(h => h.id),
        [last['id'], green['id'], marking('EVENTS', 300).id],
      )

      const references = [...heard.slice(wanted.length, -5), hidden, hiddenPart]
      for (const { event } of references) {
        assert.equal(event.event, 'reference')
        const text = JSON.stringify(event)
        assert.ok(!text.includes('indicator--') && !text.includes('marking-definition--'), text)
      }
      const { commitment, proof } = (references[0] as Heard).event
      addUser(['--config', file, '--data', data], 'ann', 'partners,taxii-read')
      addUser(['--config', file, '--data', data], 'bob', 'taxii-read')
      const fetched = await untilKnown(server, 'ann', proof)
      assert.equal(fetched.status, 200)
      const { record } = (await fetched.json()) as { record: { object: { id: string } } }
      assert.equal(record.object.id, secret['id'])
      const own = recordCommitment(formatRecord(readRecord(record)))
      assert.equal(Buffer.from(own).toString('base64'), commitment)
      const refused = await untilKnown(server, 'bob', proof)
      assert.ok([403, 404].includes(refused.status), `${refused.status}`)
      assert.ok(!(await refused.text()).includes(String(secret['id'])))

      // Bob may read this collection, and is not cleared: he is given a proof that the log has the commitment, and nothing else.
      const shown = await (await untilKnown(server, 'ann', hidden.event.proof)).json()
      assert.equal((shown as { record: { object: { id: string } } }).record.object.id, amber['id'])
      for (const { event } of [hidden, hiddenPart]) {
        const answer = await untilKnown(server, 'bob', event.proof)
        const { kind: given, record: stub } = (await answer.json()) as { kind: string; record: object }
        assert.equal(given, 'withheld')
        assert.deepEqual(stub, { seq: event.seq, commitment: event.commitment, reason: 'access' })
      }
    })
  })
}

async function post(server: TestServer, collection: string, objects: Record<string, unknown>[]): Promise<void> {
  const { status, json } = await server.request('POST', `/api/collections/${collection}/objects/`, { objects })
  assert.equal(status, 202)
  assert.equal(json.failure_count, 0)
}

async function heardAll(heard: readonly Heard[], count: number): Promise<void> {
  for (const until = Date.now() + 30_000; heard.length < count; await sleep(50))
    assert.ok(Date.now() < until, `${heard.length} of ${count} messages came`)
}

function addUser(where: string[], name: string, roles: string): void {
  const main = join(root, 'packages/entente/cli/main.ts')
  const args = ['user', 'add', name, '--roles', roles, '--password', '-', ...where]
  const { status, stderr } = spawnSync(process.execPath, [main, ...args], { input: PASSWORD, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
}

/** A running server knows a new user within a second. */
async function untilKnown(server: TestServer, user: string, path: string): Promise<Response> {
  const authorization = `Basic ${Buffer.from(`${user}:${PASSWORD}`).toString('base64')}`
  for (const until = Date.now() + 10_000; ; await sleep(200)) {
    const response = await fetch(server.url + path, { headers: { authorization } })
    if (response.status !== 401 || Date.now() > until) return response
  }
}
