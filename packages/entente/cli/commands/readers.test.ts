import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openEvents } from '#taxii/test/events.ts'
import { basic } from '#taxii/test/server.ts'
import { entente, runScript } from './test/script.ts'
import { adminPassword, indicators, startSite } from './test/site.ts'

const AMBER = 'marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421'
const CONFIG = `
server: { port: 0 }
ledgers: []
channels: { names: [EVENTS] }
markings: { everyone: [TLP:GREEN], rights: { admin: [TLP:GREEN] } }
apiRoots:
  - path: /api/
    title: Tests
    collections:
      - { alias: default, title: Default collection, forward: { default: [EVENTS] } }
      - { alias: other, title: Other collection }
`

test('who has an object, read or sent, is told in one place; so are its markings', async t => {
  const site = await startSite(t, CONFIG)
  const authorization = basic('admin', adminPassword(site))
  const ask = async (method: string, path: string, body?: unknown) => {
    const headers = { authorization, accept: '*/*', 'content-type': 'application/taxii+json;version=2.1' }
    const url = `${site.server.url}/api/collections/default/${path}`
    const answer = await fetch(url, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`)
  }
  const [plain, amber, last] = indicators(3) as unknown as [{ id: string }, { id: string }, { id: string }]
  const open = (path: string) => openEvents(site.server.url, path, { user: null, headers: { authorization } })
  const [channel, feed] = [await open('/api/channels/EVENTS/'), await open('/api/collections/default/feed/')]
  await ask('POST', 'objects/', { objects: [plain, { ...amber, object_marking_refs: [AMBER] }, last] })
  await channel.until(2)
  await feed.until(3)
  await ask('GET', 'objects/')
  await ask('GET', `objects/${plain.id}/`)
  await ask('DELETE', `objects/${plain.id}/`)
  await runScript(
    `
    $ entente markings ${site.server.url}/api/ --data data
    CLEARED  NAME              ID
    yes      TLP:WHITE         marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9
    yes      TLP:GREEN         marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da
    no       TLP:AMBER         marking-definition--f88d31f6-486f-44da-b317-01333bde0b82
    …
    An object without TLP counts as TLP:CLEAR.
    An object with a marking that is not listed is shown.
  `,
    { cwd: site.folder },
  )
  channel.close()
  feed.close()
  await site.server.close()
  const readers = async (...args: string[]) => {
    const all = ['readers', ...args, '--json', '--data', 'data', '--config', 'entente.yaml']
    const ran = await entente(all, { cwd: site.folder })
    assert.equal(ran.err, '')
    return JSON.parse(ran.out)
      .readers.map((r: any) => `${r.via} ${r.as} ${r.of.split(' ')[0]}`)
      .sort()
  }
  const erased = ['object object collection', 'objects object collection', 'sse object channel', 'sse object feed']
  assert.deepEqual(await readers('--collection', 'default', '--seq', '0'), erased)
  assert.deepEqual(await readers('--collection', 'default', '--seq', '1'), ['sse reference feed'], 'not cleared for it')
  // What is sent behind an erasure begins a range of its own.
  assert.deepEqual(
    [...new Set(await readers('--reader', 'admin'))],
    ['object objects collection', 'objects objects collection', 'sse objects channel', 'sse objects feed'],
  )
  await runScript(
    `
    $ entente backup --data data --config entente.yaml --to copy
    …
    $ entente readers --reader admin --limit 1 --data copy --config entente.yaml
    READER  AS       VIA  OF…
    admin   objects  sse  …
  `,
    { cwd: site.folder },
  )
})
