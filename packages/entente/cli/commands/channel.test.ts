import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openSqliteSent } from '#store/sqlite/sent.ts'
import { openEvents } from '#taxii/test/events.ts'
import { basic } from '#taxii/test/server.ts'
import { entente, runScript } from './test/script.ts'
import { adminPassword, indicators, startSite } from './test/site.ts'

const CONFIG = `
server: { port: 0 }
ledgers: []
channels: { heartbeatMs: 200, names: [EVENTS, OTHER] }
apiRoots:
  - path: /api/
    title: Tests
    collections:
      - { alias: default, title: Default collection, forward: { default: [EVENTS] } }
      - { alias: secret, title: For others, read: [others], forward: { default: [EVENTS] } }
`

async function setUp(t: TestContext) {
  const site = await startSite(t, CONFIG)
  const authorization = basic('admin', adminPassword(site))
  const ask = async (method: string, path: string, body?: unknown) => {
    const headers = { authorization, accept: '*/*', 'content-type': 'application/taxii+json;version=2.1' }
    const answer = await fetch(`${site.server.url}/api/collections/${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`)
  }
  const open = async (path: string) => {
    const stream = await openEvents(site.server.url, path, { user: null, headers: { authorization } })
    t.after(stream.close)
    return stream
  }
  const sent = async (...args: string[]) => {
    const ran = await entente(['channel', 'sent', ...args, '--json', '--data', 'data', '--config', 'entente.yaml'], {
      cwd: site.folder,
    })
    return { ...ran, sent: ran.out === '' ? undefined : JSON.parse(ran.out).sent }
  }
  return { ...site, ask, open, sent }
}

test('who was sent an object can be told, also when it was erased; whoever came later was not', async t => {
  const { ask, open, sent, server, folder } = await setUp(t)
  const objects = indicators(3)
  const [channel, feed] = [await open('/api/channels/EVENTS/'), await open('/api/collections/default/feed/')]
  await open('/api/channels/OTHER/')
  await ask('POST', 'default/objects/', { objects })
  await ask('POST', 'secret/objects/', { objects: indicators(1, 100) })
  await ask('POST', 'default/objects/', { objects: indicators(1, 50) })
  await channel.until(4)
  await feed.until(4)
  await ask('DELETE', `default/objects/${objects[1]?.id}/`)
  const late = await open('/api/channels/EVENTS/?from=start')
  await late.until(3)
  await server.close()

  const who = (lines: { kind: string; as: string; until: string }[]) => lines.map(l => `${l.kind} ${l.as}`).sort()
  const kept = await sent('--collection', 'default', '--object', objects[0]?.id as string)
  assert.equal(kept.code, 0, kept.err)
  assert.deepEqual(who(kept.sent), ['channel object', 'channel object', 'feed object'])
  const { seq, via, subscriber, whole, references } = kept.sent[0]
  assert.deepEqual(
    { seq, via, subscriber, whole, references },
    { seq: 0, via: 'sse', subscriber: 'admin', whole: 4, references: 0 },
  )
  const erased = await sent('--collection', 'default', '--seq', '1')
  assert.deepEqual(who(erased.sent), ['channel object', 'feed object'], 'the third came when it was gone')
  const byId = await sent('--collection', 'default', '--object', objects[1]?.id as string)
  assert.equal(byId.code, 1)
  assert.match(byId.out, /name its place with --seq/)
  const hidden = await sent('--collection', 'secret', '--seq', '0')
  assert.deepEqual([hidden.code, hidden.sent], [1, []], 'it lies in ranges, but its collection was not theirs')
  assert.equal((await sent('--subscriber', 'admin')).sent.length, (await sent()).sent.length)
  assert.equal((await sent('--subscriber', 'somebody')).code, 1)
  assert.equal((await sent('--since', '2100-01-01T00:00:00Z')).code, 1)

  await runScript(
    `
    $ entente backup --data data --config entente.yaml --to copy
    …
    $ entente channel sent --collection default --seq 1 --data copy --config entente.yaml
    SEQ  AS      SUBSCRIBER  VIA  TOPIC…
    1    object  admin       sse  …
    1    object  admin       sse  …
    $ entente channel sent --collection default --seq 1 --data data --config entente.yaml
    SEQ  AS      SUBSCRIBER  VIA  TOPIC…
    1    object  admin       sse  …
    1    object  admin       sse  …
    $ entente channel sent --seq 1 --data data --config entente.yaml
    entente channel: name one collection by its id with --collection: /api/collections/…
    [exit 2]
    $ entente channel sent --collection none --data data --config entente.yaml
    entente channel: there is no collection none
    [exit 2]
    $ entente channel sent --collection default --seq 1 --object x --data data --config entente.yaml
    entente channel: either --seq N or --object ID
    [exit 2]
    $ entente channel sent --collection default --seq 99 --data data --config entente.yaml
    entente channel: the collection has no record 99
    [exit 1]
    $ entente channel sent --since yesterday --data data --config entente.yaml
    entente channel: --since is "yesterday": a time such as …
    [exit 2]
    $ entente channel received
    entente channel: "received" is nothing to do with channels
    Usage: entente channel sent …
    [exit 2]
  `,
    { cwd: folder },
  )
})

test('what went to a broker as it is, and what as a reference; where routes are forgotten it may have gone', async t => {
  const { ask, sent, server, data } = await setUp(t)
  await ask('POST', 'default/objects/', { objects: indicators(1) })
  await ask('POST', 'secret/objects/', { objects: indicators(1, 100) })
  const { notary } = server
  const [whole] = [...notary.log.collections.values()].map(c => c.id)
  const { size } = notary.log
  await server.close()
  const file = openSqliteSent({ path: join(data, 'sent.db') })
  const now = notary.clock()
  const range = {
    connection: 'rabbitmq EVENTS',
    via: 'rabbitmq',
    kind: 'channel' as const,
    topic: 'EVENTS',
    subscriber: 'EVENTS',
    address: '',
    collections: [whole as string],
    first: 0,
    last: size,
    whole: 1,
    references: 1,
    withheld: [],
    from: now,
    until: now,
  }
  await file.put([range])
  await file.close()
  const as = async (collection: string) => (await sent('--collection', collection, '--seq', '0')).sent[0]?.as
  assert.equal(await as('default'), 'object')
  assert.equal(await as('secret'), 'reference')
  const { openSqliteStore } = await import('#store/sqlite/sqlite.ts')
  const store = openSqliteStore({ path: join(data, 'store.db') })
  await store.forgetRoutes(size)
  await store.close()
  assert.equal(await as('default'), 'perhaps')
})
