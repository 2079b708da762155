// Which objects go to which channels, over HTTP: what the store has of it after the request is what channels deliver.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { newId, startTestServer, type TestServer } from './test/server.ts'

const RULES = { default: ['UNSPECIFIED'], types: { 'attack-pattern': ['ATTACKS', 'EVENTS'] } }
const apiRoots = [
  {
    path: '/api/',
    title: 'Test root',
    collections: [
      { alias: 'default', title: 'Nothing but markings' },
      { alias: 'rules', title: 'With rules', forward: RULES },
      { alias: 'both', title: 'Keeps both', onConflict: 'keepBoth' },
    ],
  },
]
const CREATED = '2026-01-01T00:00:00.000Z'
const statement = (text: string, id = newId('marking-definition')) => ({
  type: 'marking-definition',
  spec_version: '2.1',
  id,
  created: CREATED,
  definition_type: 'statement',
  definition: { statement: text },
})
const tool = (more: object = {}) => ({
  type: 'tool',
  spec_version: '2.1',
  id: newId('tool'),
  created: CREATED,
  modified: CREATED,
  name: 'a tool',
  ...more,
})
const bundle = (...objects: unknown[]) => ({ type: 'bundle', id: newId('bundle'), objects })

describe('routing to channels', () => {
  let server: TestServer
  before(async () => {
    server = await startTestServer({ apiRoots })
  })
  after(() => server.stop())

  /** Channels of an object, by its id; of each of its rows. */
  async function channelsOf(id: string): Promise<string[]> {
    const { store } = server.notary
    const channels: string[] = []
    for (const name of ['EVENTS', 'ATTACKS', 'MITIGATIONS', 'UNSPECIFIED', 'NOWHERE'])
      for (const row of await store.routed(name, { from: 0, limit: 10_000 })) if (row.id === id) channels.push(name)
    return channels
  }
  const messagesOf = (status: any): Record<string, string> =>
    Object.fromEntries(status.successes.filter((s: any) => s.message).map((s: any) => [s.id, s.message]))

  test('nothing goes anywhere without a marking', async () => {
    const object = tool()
    await server.add([object, statement('Copyright'), statement('pubsub'), statement('PUBSUB:EVENTS')])
    assert.deepEqual(await channelsOf(object.id), [])
  })

  test('a marking in the envelope sends all of it, itself included, to each channel that is named', async () => {
    const [one, two, events, attacks] = [tool(), tool(), statement('pubsub:EVENTS'), statement('pubsub:ATTACKS')]
    await server.add([one, events, attacks, two])
    for (const { id } of [one, two, events, attacks]) assert.deepEqual(await channelsOf(id), ['EVENTS', 'ATTACKS'])
  })

  test('a bundle in the envelope is taken apart, and its marking routes', async () => {
    const [inside, beside, marking] = [tool(), tool(), statement('pubsub:MITIGATIONS')]
    const status = await server.add([beside, bundle(inside, marking)])
    assert.deepEqual([status.total_count, status.success_count], [3, 3])
    for (const { id } of [inside, beside, marking]) assert.deepEqual(await channelsOf(id), ['MITIGATIONS'])
    assert.equal((await server.get(`objects/${inside.id}/`)).json.objects[0].name, 'a tool')
  })

  test('bundles in a bundle, and empty ones, are refused by themselves', async () => {
    const good = tool()
    const status = await server.add([good, bundle(), bundle(bundle(tool()))])
    assert.deepEqual([status.success_count, status.failure_count], [1, 2])
    for (const { message } of status.failures) assert.match(message, /bundle/)
  })

  test('a bundle sent as STIX routes in the same way', async () => {
    const [object, marking] = [tool(), statement('pubsub:EVENTS')]
    const answer = await server.ask('POST', '/api/collections/default/objects/', {
      headers: { 'content-type': 'application/stix+json;version=2.1' },
      body: bundle(object, marking),
    })
    assert.equal(answer.status, 202)
    assert.deepEqual(await channelsOf(object.id), ['EVENTS'])
  })

  test('a marking that is stored already routes the envelope that it comes in again', async () => {
    const [marking, object] = [statement('pubsub:EVENTS'), tool()]
    await server.add([marking])
    await server.add([object, marking])
    assert.deepEqual(await channelsOf(object.id), ['EVENTS'])
    assert.deepEqual(await channelsOf(marking.id), ['EVENTS'], 'and is not sent a second time')
  })

  test('an object that refers to a stored marking is routed by it: splitting a bundle loses nothing, nor does a restart', async () => {
    const marking = statement('pubsub:ATTACKS')
    await server.add([marking])
    const marked = tool({ object_marking_refs: [marking.id] })
    const beside = tool()
    await server.add([marked, beside])
    assert.deepEqual(await channelsOf(marked.id), ['ATTACKS'])
    assert.deepEqual(await channelsOf(beside.id), [])

    await server.close()
    const { data } = server
    server = await startTestServer({ apiRoots }, { data })
    const later = tool({ object_marking_refs: [marking.id] })
    await server.add([later])
    assert.deepEqual(await channelsOf(later.id), ['ATTACKS'])
  })

  test('requests that share a batch route alike', async () => {
    const marking = statement('pubsub:ATTACKS')
    const marked = tool({ object_marking_refs: [marking.id] })
    await Promise.all([server.add([marking]), server.add([marked])])
    assert.deepEqual(await channelsOf(marked.id), ['ATTACKS'])
  })

  test('a marking of another collection does not route', async () => {
    const marking = statement('pubsub:ATTACKS')
    await server.add([marking], 'both')
    const marked = tool({ object_marking_refs: [marking.id] })
    await server.add([marked])
    assert.deepEqual(await channelsOf(marked.id), [])
  })

  test('an erased marking routes no more', async () => {
    const marking = statement('pubsub:ATTACKS')
    await server.add([marking])
    assert.equal((await server.ask('DELETE', `/api/collections/default/objects/${marking.id}/`)).status, 200)
    const marked = tool({ object_marking_refs: [marking.id] })
    await server.add([marked])
    assert.deepEqual(await channelsOf(marked.id), [])
  })

  test('where both contents of a marking are kept, the one added last routes', async () => {
    const marking = statement('pubsub:ATTACKS')
    await server.add([marking], 'both')
    await server.add([statement('pubsub:EVENTS', marking.id)], 'both')
    const marked = tool({ object_marking_refs: [marking.id] })
    await server.add([marked], 'both')
    assert.deepEqual(await channelsOf(marked.id), ['EVENTS'])
  })

  test('a refused marking does not route its envelope', async () => {
    const object = tool()
    const status = await server.add([object, { ...statement('pubsub:EVENTS'), created: undefined }])
    assert.equal(status.failure_count, 1)
    assert.deepEqual(await channelsOf(object.id), [])
  })

  test('an unknown channel: the status says so where it is named, and the objects are kept', async () => {
    const [object, marking] = [tool(), statement('pubsub:NOWHERE')]
    const status = await server.add([object, marking, statement('pubsub:EVENTS')])
    assert.equal(status.success_count, 3)
    const messages = messagesOf(status)
    assert.deepEqual(Object.keys(messages), [marking.id])
    assert.equal(
      messages[marking.id],
      'not forwarded to NOWHERE: this server has the channels EVENTS, ATTACKS, MITIGATIONS, UNSPECIFIED',
    )
    assert.deepEqual(await channelsOf(object.id), ['EVENTS'])
    const again = await server.add([marking])
    assert.match(messagesOf(again)[marking.id] ?? '', /not forwarded to NOWHERE/, 'of a duplicate as well')
    const marked = tool({ object_marking_refs: [marking.id] })
    assert.match(messagesOf(await server.add([marked]))[marked.id] ?? '', /not forwarded to NOWHERE/)
    assert.equal((await server.get(`objects/${marked.id}/`)).status, 200)
  })

  test('a new version is sent, a duplicate is not', async () => {
    const marking = statement('pubsub:EVENTS')
    const object = tool()
    await server.add([object, marking])
    await server.add([object, marking])
    assert.deepEqual(await channelsOf(object.id), ['EVENTS'])
    await server.add([{ ...object, modified: '2026-01-02T00:00:00.000Z' }, marking])
    assert.deepEqual(await channelsOf(object.id), ['EVENTS', 'EVENTS'])
  })

  test('rules of a collection: by type, else by default, and a marking takes their place', async () => {
    const pattern = { ...tool(), type: 'attack-pattern', id: newId('attack-pattern') }
    const other = tool()
    await server.add([pattern, other], 'rules')
    assert.deepEqual(await channelsOf(pattern.id), ['EVENTS', 'ATTACKS'])
    assert.deepEqual(await channelsOf(other.id), ['UNSPECIFIED'])
    const marked = tool()
    await server.add([marked, statement('pubsub:MITIGATIONS')], 'rules')
    assert.deepEqual(await channelsOf(marked.id), ['MITIGATIONS'])
    const lost = tool()
    await server.add([lost, statement('pubsub:NOWHERE')], 'rules')
    assert.deepEqual(await channelsOf(lost.id), [], 'who asks for a channel that is not there gets no other')
  })
})
