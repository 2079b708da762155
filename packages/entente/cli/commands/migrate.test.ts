import assert from 'node:assert/strict'
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { Document } from 'mongodb'
import { installMongod } from '../../../../test/support/mongod.ts'
import { startSites } from '../../../../test/support/mongodb-sites.ts'
import { complete, OBJECTS, sampleObjects, startEntente, type TestServer } from '../../../../test/support/server.ts'

const installed = installMongod()
const objects = sampleObjects(20)
const idOf = (i: number) => objects[i]?.['id'] as string

async function publish(server: TestServer, list: unknown[]): Promise<void> {
  const { status, json, text } = await server.request('POST', OBJECTS, { objects: list })
  assert.equal(status, 202, text)
  await complete(server, json.id)
}
const listed = async (server: TestServer) =>
  (await server.request('GET', OBJECTS)).json.objects.map((o: Document) => o['id'])

test('migrate: from a file to MongoDB and back, with proofs, and the server goes on in each', async t => {
  if ('reason' in installed) return t.skip(installed.reason)
  const { site, entente, close } = await startSites(installed.path)
  t.after(close)
  const here = site()
  let server = await startEntente(here.data)
  t.after(() => server.kill())
  await publish(server, objects)
  assert.equal((await server.request('DELETE', `${OBJECTS}${idOf(5)}/`)).status, 200)
  const migrate = (from: string, to: string) =>
    entente('migrate', '--from', from, '--to', to, '--data', here.data, ...here.args)
  assert.match(migrate('sqlite', 'mongodb').said, /a server runs on/)
  await server.stop()
  assert.match(migrate('sqlite', 'sqlite').said, /both sqlite/)
  // Another key signs what comes now; both stores and their audits follow it.
  const rotated = entente('log', 'rotate-key', '--data', here.data)
  assert.equal(rotated.code, 0, rotated.said)

  // What is changed in the file is not carried over.
  const original = join(here.data, 'store.db')
  cpSync(original, `${original}.kept`)
  const file = new DatabaseSync(original)
  file.exec('update record set added = added + 1 where seq = 3')
  file.close()
  assert.equal(migrate('sqlite', 'mongodb').code, 4)
  for (const end of ['-wal', '-shm']) rmSync(`${original}${end}`, { force: true })
  cpSync(`${original}.kept`, original)

  // As if one had been cut off in the middle.
  await here.db.collection<Document & { _id: number }>('records').insertOne({ _id: 3, coll: 1, seq: 3, kind: 0 })
  const there = migrate('sqlite', 'mongodb')
  assert.equal(there.code, 0, there.said)
  assert.equal(there.json.counts.records, 21)
  assert.match(migrate('sqlite', 'mongodb').said, /already holds a log/)

  server = await startEntente(here.data, here)
  assert.equal((await listed(server)).length, 19)
  await publish(server, sampleObjects(5, 100))
  await server.stop()

  rmSync(original)
  const back = migrate('mongodb', 'sqlite')
  assert.equal(back.code, 0, back.said)
  server = await startEntente(here.data)
  assert.equal((await listed(server)).length, 24)
  await server.stop()
  assert.equal(entente('audit', '--data', here.data).code, 0)
  assert.equal(entente('log', 'keys', '--data', here.data).json.keys.length, 2)
})
