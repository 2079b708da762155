// A whole server with its store in a real MongoDB: what it answers, what somebody who writes to the database gains.
import assert from 'node:assert/strict'
import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { Db, Document } from 'mongodb'
import { openSqliteReads } from '../../packages/entente/store/sqlite/reads.ts'
import { installMongod } from '../support/mongod.ts'
import { type Site, type Sites, startSites } from '../support/mongodb-sites.ts'
import { complete, OBJECTS, sampleObjects, startEntente, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

const installed = installMongod()
const skip = 'reason' in installed ? installed.reason : false
const objects = sampleObjects(20)
const idOf = (i: number) => objects[i]?.['id'] as string
type Keyed = Document & { _id: number | string }

suite('a server on MongoDB', { concurrency: false, skip }, () => {
  let sites: Sites
  before(async () => {
    if ('path' in installed) sites = await startSites(installed.path)
  })
  after(() => sites?.close())
  const rows = (db: Db) => db.collection<Keyed>('records')

  const audit = ({ data, args }: Site) => sites.entente('audit', '--data', data, ...args)

  async function publish(server: TestServer, list: unknown[]): Promise<string> {
    const { status, json, text } = await server.request('POST', OBJECTS, { objects: list })
    assert.equal(status, 202, text)
    await complete(server, json.id)
    return json.id
  }
  const listed = async (server: TestServer) =>
    (await server.request('GET', OBJECTS)).json.objects.map((o: Document) => o['id'])

  test('takes, gives, deletes and proves; and after a restart the same', async t => {
    const here = sites.site()
    let server = await startEntente(here.data, here)
    t.after(() => server.kill())
    const status = await publish(server, objects)
    assert.deepEqual(
      await listed(server),
      objects.map(o => o['id']),
    )
    assert.equal((await server.request('GET', `${OBJECTS}?limit=7&match[type]=indicator`)).json.objects.length, 7)
    assert.equal((await server.request('GET', `${OBJECTS}${idOf(3)}/`)).json.objects[0].name, 'test indicator 3')
    const got = sites.entente(
      'get',
      `${server.url}/api/collections/default/`,
      '--data',
      here.data,
      '--records',
      '--out',
      join(here.data, 'read.json'),
    )
    assert.equal(got.code, 0, got.said)
    const proof = sites.entente(
      'get',
      `${server.url}${OBJECTS}${idOf(3)}/`,
      '--data',
      here.data,
      '--proof',
      '--out',
      join(here.data, 'proof.json'),
    )
    assert.equal(proof.code, 0, proof.said)
    assert.equal((await server.request('DELETE', `${OBJECTS}${idOf(5)}/`)).status, 200)
    assert.equal((await server.request('GET', `${OBJECTS}${idOf(5)}/`)).status, 404)
    assert.equal(await rows(here.db).countDocuments({ id: idOf(5) }), 0)
    const beside = audit(here)
    assert.equal(beside.code, 0, beside.said)
    await server.stop()

    server = await startEntente(here.data, here)
    assert.equal((await listed(server)).length, 19)
    assert.equal((await server.request('GET', `/api/status/${status}/`)).json.status, 'complete')
    await publish(server, sampleObjects(1, 100))
    await server.stop()
    assert.deepEqual(audit(here).json.problems, [])
    assert.equal(sites.entente('collection', 'list', '--data', here.data, ...here.args).json.collections[0].records, 22)
    const repaired = sites.entente('repair', '--data', here.data, ...here.args)
    assert.equal(repaired.code, 0, repaired.said)

    // Who read what of any server lies in the database; what a file has from before the store was moved there is told as well.
    const elsewhere = join(here.data, '..', 'elsewhere')
    mkdirSync(elsewhere)
    copyFileSync(join(here.data, 'log.key'), join(elsewhere, 'log.key'))
    const readers = () => {
      const { json, said } = sites.entente('readers', '--reader', 'admin', '--data', elsewhere, ...here.args)
      assert.ok(json?.readers, said)
      return json.readers.map((r: Document) => `${r['via']} ${r['records']}`)
    }
    const told = readers()
    for (const line of ['object 3', 'objects 0–4, 6–19', 'proof 3']) assert.ok(told.includes(line), told.join('; '))
    assert.equal(existsSync(join(here.data, 'reads.db')), false)
    const file = openSqliteReads({ path: join(elsewhere, 'reads.db') })
    const before = { user: 'admin', address: '', collection: 'moved', via: 'object' as const, from: 1, until: 2 }
    await file.add([{ ...before, runs: [[77, 77]] }])
    await file.close()
    assert.deepEqual(readers(), ['object 77', ...told])
  })

  test('a server that is killed while it stores has all that it acknowledged, and the next one is there at once', async t => {
    const here = sites.site()
    let server = await startEntente(here.data, here)
    t.after(() => server.kill())
    const taken: string[] = []
    for (let kills = 0; kills < 2; kills++) {
      const posting = [0, 1, 2].map(async lane => {
        for (let n = 0; ; n++) {
          const [object] = sampleObjects(1, 1000 * kills + 300 * lane + n)
          const answer = await server.request('POST', OBJECTS, { objects: [object] }).catch(() => undefined)
          if (answer?.status !== 202) return
          taken.push(object?.['id'] as string)
        }
      })
      const enough = taken.length + 10
      await until(() => taken.length >= enough)
      await server.kill()
      await Promise.all(posting)
      server = await startEntente(here.data, here)
      const started = performance.now()
      await publish(server, sampleObjects(1, 900_000 + kills))
      assert.ok(performance.now() - started < 10_000)
    }
    const there = new Set(await listed(server))
    assert.deepEqual(
      taken.filter(id => !there.has(id)),
      [],
    )
    await server.stop()
    assert.deepEqual(audit(here).json.problems, [])
  })

  test('whoever writes to the database gains nothing', async t => {
    const here = sites.site()
    let server = await startEntente(here.data, here)
    t.after(() => server.kill())
    await publish(server, objects)
    const { db } = here
    const changes: [i: number, update: Document][] = [
      [1, [{ $set: { text: Buffer.from('entente/record/v1:{}') } }]],
      [2, { $inc: { added: 1 } }],
      [3, { $set: { id: idOf(4) } }],
      [6, { $set: { version: '2030-01-01T00:00:00.000000Z' } }],
      [7, { $set: { superseded: 3 } }],
      [8, { $unset: { text: 1 } }],
      [9, { $set: { type: 'malware' } }],
    ]
    const leaves = new Map((await rows(db).find({ kind: 0 }).toArray()).map(r => [r['id'] as string, r._id]))
    for (const [i, update] of changes) await rows(db).updateOne({ _id: leaves.get(idOf(i)) as number }, update)
    await rows(db).deleteOne({ _id: leaves.get(idOf(10)) as number })
    const list = await server.request('GET', OBJECTS)
    const ids: string[] = list.json.objects.map((o: Document) => o['id'])
    for (const i of [1, 2, 3, 6, 8, 10]) assert.ok(!ids.includes(idOf(i)), `object ${i} was listed`)
    for (const i of [1, 2, 6, 8, 10]) {
      const { status, json } = await server.request('GET', `${OBJECTS}${idOf(i)}/`)
      assert.equal(status, 500, `object ${i} was answered`)
      assert.equal(json.error_code, 'integrity')
    }
    assert.equal((await server.request('GET', `${OBJECTS}${idOf(0)}/`)).status, 200)

    // A cursor, a status and an anchor are for convenience: nothing that is told of an object comes from them.
    await db.collection('cursors').updateMany({}, { $set: { position: 1e6 } })
    await db.collection('anchors').updateMany({}, { $set: { final: true, at: 1 } })
    await server.stop()
    const { code, json } = audit(here)
    assert.equal(code, 4)
    const named = new Set(json.problems.map((p: { seq?: number }) => p.seq))
    for (const i of [1, 2, 3, 6, 8, 9, 10])
      assert.ok(named.has(i), `the audit names object ${i}: ${JSON.stringify(json.problems)}`)
    server = await startEntente(here.data, here)
    assert.equal((await server.request('GET', `${OBJECTS}${idOf(1)}/`)).status, 500)
    await server.stop()
  })

  test('an older copy of the database is found by the ledger', async t => {
    const here = sites.site()
    let server = await startEntente(here.data, here)
    t.after(() => server.kill())
    await publish(server, objects.slice(0, 10))
    await server.stop()
    const copy = new Map<string, Document[]>()
    for (const { collectionName } of await here.db.collections())
      copy.set(collectionName, await here.db.collection(collectionName).find().toArray())
    server = await startEntente(here.data, here)
    await publish(server, objects.slice(10))
    await server.stop()
    for (const [name, documents] of copy) {
      await here.db.collection(name).deleteMany({})
      if (documents.length > 0) await here.db.collection(name).insertMany(documents)
    }
    assert.equal(
      audit(here).json.problems.some((p: { kind: string }) => p.kind === 'ledger'),
      true,
    )
    server = await startEntente(here.data, here)
    assert.equal((await server.request('POST', OBJECTS, { objects: sampleObjects(1, 50) })).status, 503)
    await server.stop()
  })
})
