// `entente backup` beside a server on MongoDB, and `entente restore` into a database, with what was logged after it.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { installMongod } from '../../../../test/support/mongod.ts'
import { startSites } from '../../../../test/support/mongodb-sites.ts'
import { OBJECTS, sampleObjects, startEntente, type TestServer } from '../../../../test/support/server.ts'
import { entente as run } from './test/script.ts'

const installed = installMongod()
const objects = sampleObjects(12)
const [ERASED_BEFORE, ERASED_AFTER] = [3, 5].map(i => objects[i]?.['id'] as string) as [string, string]

const post = (server: TestServer, list: unknown[]) => server.request('POST', OBJECTS, { objects: list })
const erase = async (server: TestServer, id: string) =>
  assert.equal((await server.request('DELETE', `${OBJECTS}${id}/?match[version]=all`)).status, 200)
const statusOf = async (server: TestServer, id: string) => (await server.request('GET', `${OBJECTS}${id}/`)).status

test('backup beside a server on MongoDB; restored, what was erased since is erased before anybody is served', async t => {
  if ('reason' in installed) return t.skip(installed.reason)
  const { site, entente, close } = await startSites(installed.path)
  t.after(close)
  const here = site()
  let server = await startEntente(here.data, here)
  t.after(() => server.kill())
  const { json: first } = await post(server, objects)
  await erase(server, ERASED_BEFORE)
  const backup = join(dirname(here.data), 'backup')
  let isDone = false
  const writing = (async () => {
    let from = 100
    for (; !isDone; from += 2, await setTimeout(50))
      assert.equal((await post(server, sampleObjects(2, from))).status, 202)
    return from - 100
  })()
  const made = await run(['backup', '--data', here.data, ...here.args, '--to', backup, '--json'], { cwd: '/' })
  isDone = true
  const written = await writing
  assert.equal(made.code, 0, made.err)
  const { size } = JSON.parse(made.out) as { size: number }
  assert.equal(readFileSync(join(backup, 'store.db')).includes(ERASED_BEFORE), false)
  await erase(server, ERASED_AFTER)
  await post(server, sampleObjects(3, 500))
  const all = async () => (await server.request('GET', `${OBJECTS}?limit=10000`)).json.objects.length as number
  assert.equal(await all(), 10 + written + 3)
  await server.stop()

  // The database is still there: it is not written over, and tells what came after the backup.
  const restore = (place: { data: string; args: string[] }, ...more: string[]) =>
    entente('restore', '--from', backup, '--data', place.data, ...place.args, ...more)
  const again = { ...here, data: `${here.data}-again` }
  const refused = restore(again)
  assert.equal(refused.code, 1, refused.said)
  assert.match(refused.said, /already holds a log, at size \d+/)
  assert.equal(existsSync(again.data), false)

  const url = readFileSync(join(dirname(here.data), 'database-url'), 'utf8').trim()
  const old = join(dirname(here.data), 'old-url')
  writeFileSync(old, url.replace('/?', `/${here.db.databaseName}?`), { mode: 0o600 })
  const other = site()
  const forward = restore(other, '--newer', old)
  assert.equal(forward.code, 0, forward.said)
  assert.equal(forward.json.forward.erased, 1)
  assert.ok(forward.json.forward.added >= 4 && forward.json.size > size, forward.said)
  assert.equal(existsSync(join(other.data, 'store.db')), false)
  server = await startEntente(other.data, other)
  assert.deepEqual([await all(), await statusOf(server, ERASED_AFTER)], [10 + written + 3, 404])
  const status = await server.request('GET', `/api/status/${first.id}/`)
  assert.deepEqual([status.status, status.text.includes(ERASED_AFTER)], [200, false], 'nor does a status name it')
  assert.equal((await post(server, sampleObjects(1, 600))).status, 202)
  await server.stop()

  // As another log, into a database of its own; where one is full nothing is ended for it, and a run that was cut off behind it goes on.
  const origin = ['--new-log', 'taxii.example/2']
  const full = restore(again, ...origin)
  assert.deepEqual([full.code, /already holds a log/.test(full.said)], [1, true], full.said)
  const third = site()
  const begun = restore(third, ...origin)
  assert.equal(begun.code, 0, begun.said)
  renameSync(join(third.data, 'log.key'), `${third.data}.new-log.key`)
  rmSync(third.data, { recursive: true })
  const once = restore(third, ...origin)
  assert.deepEqual([once.json.size, once.json.new_log.vkey], [begun.json.size, begun.json.new_log.vkey], once.said)
})
