// Three servers of one log on a MongoDB replica set of three: the one that writes is killed again and again under load, stopped and let go on, and asked to end;
// and somebody writes to their database.
//   ENTENTE_TEST_LONG=1   2,000 objects a second for ten minutes, a kill every 20 seconds
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Document } from 'mongodb'
import { startAnvil } from '../../packages/entente/ledger/conformance/anvil.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { installFsck, runFsck, SUCCESS } from '../support/fsck.ts'
import { installMongod, type ReplicaSet, startReplicaSet } from '../support/mongod.ts'
import { assertKept, p99, publishTo } from '../support/publishing.ts'
import { OBJECTS, root, sampleObjects, temporaryFolder, type TestServer } from '../support/server.ts'

const LONG = process.env['ENTENTE_TEST_LONG'] !== undefined
const LOAD = LONG ? { perSecond: 2000, objects: 50, ms: 600_000 } : { perSecond: 300, objects: 10, ms: 60_000 }
const KILLS = LONG ? 29 : 5
/** From one kill to the next, where the one that was killed is there again by then. */
const KILL_EVERY_MS = LONG ? 20_000 : 8000
/** For how long after a kill a POST is counted as one during a takeover. */
const TAKEOVER_MS = 5000
/** TEST KEY: of the first account of every development chain. */
const ACCOUNT = 'ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'

type Keyed = Document & { _id: number | string }

const installed = installMongod()
const skip = 'reason' in installed ? installed.reason : false

describe('several servers', { concurrency: false, skip }, () => {
  let mongo: ReplicaSet
  let cluster: Cluster
  let folder = ''
  let remove = () => {}
  let anvil: Awaited<ReturnType<typeof startAnvil>>
  let posted = 0

  before(async () => {
    folder = temporaryFolder({ after: f => void (remove = f) })
    ;[mongo, anvil] = await Promise.all([
      startReplicaSet('path' in installed ? installed.path : '', folder, 3),
      startAnvil(),
    ])
    const ledger = {
      id: 'dev',
      kind: 'evm',
      urls: [typeof anvil === 'string' ? '' : anvil.url],
      chainId: 31337,
      keyFile: 'account.key',
    }
    cluster = await startCluster(mongo.url, 'cluster', {
      config: {
        ledgers: typeof anvil === 'string' ? [] : [ledger],
        anchoring: { intervalMs: 200 },
        server: { rateLimit: { anonymous: 0 } }, // whoever checks the whole log reads thousands of bundles without credentials
      },
      files: { 'account.key': ACCOUNT },
    })
  })
  after(async () => {
    await cluster?.close()
    if (typeof anvil === 'object') anvil.stop()
    await mongo?.stop()
    remove()
  })

  const server = (i: number): TestServer => cluster.servers[i % 3] as TestServer
  const newObjects = (count: number) => sampleObjects(count, (posted += count) - count + 10_000_000)
  async function post(to: TestServer, objects: unknown[] = newObjects(1)): Promise<any> {
    const { status, json, text } = await to.request('POST', OBJECTS, { objects })
    assert.equal(status, 202, text)
    return json
  }

  // Not waited for in this thread: of a million objects it takes minutes, and connections that are kept would be closed without its notice.
  async function audit(): Promise<void> {
    const place = cluster.places[0] as Cluster['places'][number]
    const args = ['packages/entente/cli/main.ts', 'audit', '--data', place.data, ...place.args, '--json']
    const env = { ...process.env, XDG_STATE_HOME: folder } // the log of another run has the same key
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, env })
    assert.deepEqual(JSON.parse(stdout).problems, [])
  }

  test(`${LOAD.perSecond} objects a second for ${LOAD.ms / 1000} s, to all in turn, while this happens to who writes`, async t => {
    const publishing = publishTo(cluster, LOAD)
    const kills: number[] = []
    await t.test(`${KILLS} kills`, async () => {
      for (let i = 0; i < KILLS; i++) {
        const pause = sleep(KILL_EVERY_MS)
        const at = await cluster.sequencer()
        kills.push(Date.now())
        await server(at).kill()
        await Promise.all([cluster.start(at), pause])
      }
    })
    const killed = Date.now()
    const still = { from: 0, to: 0 }

    await t.test('stopped for a while and let go on, it does no harm: it follows', async t2 => {
      const at = await cluster.sequencer()
      const old = server(at)
      t2.after(() => old.child.kill('SIGCONT'))
      const before = (await old.request('GET', '/readyz')).json
      old.child.kill('SIGSTOP')
      still.from = Date.now()
      // Asked of it while it stands still: done once by whoever writes then.
      const held = newObjects(1)
      const late = post(old, held)
      await Promise.all([post(server(at + 1)), post(server(at + 2))])
      still.to = Date.now()
      old.child.kill('SIGCONT')
      assert.ok(still.to - still.from < 10_000, `a takeover took ${still.to - still.from} ms`)
      await late
      await post(old)
      const ready = (await old.request('GET', '/readyz')).json
      assert.equal(ready.status, 'ready')
      assert.equal(ready.cluster.role, 'follower')
      assert.ok(ready.cluster.term > before.cluster.term)
      for (const s of cluster.servers) {
        const { json } = await s.request('GET', `${OBJECTS}${held[0]?.['id']}/versions/`)
        assert.equal(json.versions.length, 1)
      }
    })

    const before = new Map(publishing.published.refused)
    await t.test('a rolling restart: nothing fails but connections that are closed', async () => {
      for (let i = 0; i < 3; i++) {
        await server(i).stop()
        await cluster.start(i)
      }
      const since = [...publishing.published.refused].filter(([what, count]) => count > (before.get(what) ?? 0))
      assert.deepEqual(
        since.filter(([what]) => !/^(ECONNREFUSED|ECONNRESET|UND_ERR_SOCKET)$/.test(what)),
        [],
      )
    })

    const published = await publishing.done
    await t.test('all that was acknowledged is there, in one log', async () => {
      const isDuring = (p: { at: number; ms: number }) =>
        kills.some(k => p.at + p.ms >= k && p.at < k + TAKEOVER_MS && p.at + p.ms <= killed)
      const around = published.times.filter(isDuring)
      // What was sent to the server that stood still is answered once it goes on.
      const stoodStill = (p: { at: number; ms: number }) =>
        Math.max(0, Math.min(p.at + p.ms, still.to) - Math.max(p.at, still.from))
      const longest = Math.max(...published.times.map(p => p.ms - stoodStill(p)))
      const said = [...published.refused].map(([what, count]) => `${count} × ${what}`).join(', ')
      process.stdout.write(
        `measured: ${published.acknowledged.size} objects acknowledged; POST in the ${TAKEOVER_MS / 1000} s after a kill: 99th percentile ${p99(around)} ms, of all ${p99(published.times)} ms, longest ${longest} ms, but for the ${still.to - still.from} ms in which a server stood still; answers besides: ${said || 'none'}\n`,
      )
      assert.ok(longest < 10_000, `a POST took ${longest} ms`)
      await assertKept(cluster, published)
      for (const s of cluster.servers) await post(s)
      await audit()
      const tool = installFsck()
      if ('reason' in tool) return
      const key = (await server(0).request('GET', '/log/key')).text.trim()
      const output = await runFsck(tool.fsck, server(0).url, key, folder)
      assert.ok(output.includes(SUCCESS), output)
    })
  })

  test('cursors of clients hold on every server, and one object is deleted everywhere at once', async () => {
    const first = await server(0).request('GET', `${OBJECTS}?limit=7`)
    const second = await server(1).request('GET', `${OBJECTS}?limit=7&next=${first.json.next}`)
    const added = first.headers.get('x-taxii-date-added-last')
    const third = await server(2).request('GET', `${OBJECTS}?limit=7&added_after=${added}`)
    assert.deepEqual(third.json.objects, second.json.objects)
    const id = second.json.objects[0].id
    for (const s of cluster.servers) await s.request('GET', `${OBJECTS}${id}/`)
    const follower = ((await cluster.sequencer()) + 1) % 3
    assert.equal((await server(follower).request('DELETE', `${OBJECTS}${id}/`)).status, 200)
    for (const s of cluster.servers) {
      assert.equal((await s.request('GET', `${OBJECTS}${id}/`)).status, 404)
      const list = (await s.request('GET', `${OBJECTS}?limit=7&next=${first.json.next}`)).json.objects
      assert.ok(!list.some((o: Document) => o['id'] === id))
    }
    assert.equal((await server(follower).request('DELETE', `${OBJECTS}${id}/`)).status, 404)
    const { id: status } = await post(server(follower))
    for (const s of cluster.servers) assert.equal((await s.request('GET', `/api/status/${status}/`)).json.id, status)
  })

  test('whoever writes to the database decides neither who writes nor what is true', async t => {
    const { db } = cluster
    const meta = db.collection<Keyed>('meta')
    // No rights lie there, nor any password, token or role.
    const names = (await db.listCollections({}, { nameOnly: true }).toArray()).map(c => c.name)
    assert.deepEqual(
      names.filter(name => /user|role|right|token|auth/i.test(name)),
      [],
    )

    const lease = (await meta.findOne({ _id: 'lease' })) as Document
    const writes: Record<string, Document | undefined> = {
      'the lease deleted': undefined,
      'the lease given to a stranger': { text: String(lease['text']).replace(/127\.0\.0\.1:\d+/, '127.0.0.1:1') },
      'the lease for ever': { text: '{"holder":"me","address":"127.0.0.1:1","term":9e15,"beat":0,"released":false}\n' },
    }
    for (const [what, write] of Object.entries(writes)) {
      await t.test(what, async () => {
        const { term } = (await server(0).request('GET', '/readyz')).json.cluster
        if (write) await meta.replaceOne({ _id: 'lease' }, write, { upsert: true })
        else await meta.deleteOne({ _id: 'lease' })
        const started = Date.now()
        for (const s of cluster.servers) await post(s)
        await sleep(1200) // the holder has renewed it by then
        for (const s of cluster.servers) await post(s)
        assert.ok(Date.now() - started < 10_000)
        const now = (await server(0).request('GET', '/readyz')).json.cluster
        assert.equal(now.term, term, 'the one that writes is the same')
      })
    }

    await t.test(
      'a status that says something else: the object, its proof and the receipt of the answer stand',
      async () => {
        const objects = newObjects(1)
        const status = await post(server(0), objects)
        const statuses = db.collection<Keyed>('statuses')
        const refused = JSON.stringify([
          { id: objects[0]?.['id'], version: '2026-01-01T00:00:00.000Z', message: 'forged' },
        ])
        await statuses.updateOne({ _id: status.id }, { $set: { accepted: '[]', failed: refused } })
        const shown = (await server(1).request('GET', `/api/status/${status.id}/`)).json
        // What is said is what the database says; what was signed has not changed, and names the object's place.
        assert.equal(shown.failure_count, 1)
        assert.equal(shown.x_entente_receipt, status.x_entente_receipt)
        assert.equal((await server(2).request('GET', `${OBJECTS}${objects[0]?.['id']}/`)).status, 200)
        assert.equal((await server(2).request('GET', `${OBJECTS}${objects[0]?.['id']}/proof/`)).status, 200)
      },
    )

    await t.test('cursors and routes: nothing that is told of an object comes from them', async () => {
      await db.collection('cursors').updateMany({}, { $set: { position: 1e6 } })
      await db.collection('routes').insertOne({ channel: 'EVENTS', leaf: 2 })
      for (const s of cluster.servers) {
        const { id } = (newObjects(1)[0] ?? {}) as Document
        assert.equal((await s.request('GET', `${OBJECTS}${id}/`)).status, 404)
        await post(s)
      }
      await db.collection('cursors').updateMany({}, { $set: { position: 0 } })
      for (const s of cluster.servers) await post(s)
    })

    await t.test('an anchor that is on no ledger makes nothing final', async () => {
      if (typeof anvil === 'string') return
      const size = 1e9
      await db.collection('anchors').insertOne({
        ledger: 'dev',
        size,
        root: Buffer.alloc(32),
        transaction: `0x${'11'.repeat(32)}`,
        block: 1,
        blockHash: '0x',
        final: true,
        at: 1,
      })
      await sleep(1000)
      for (const s of cluster.servers) {
        const [{ final_size }] = (await s.request('GET', '/readyz')).json.ledgers
        assert.ok(final_size < size)
        await post(s)
      }
      await db.collection('anchors').deleteOne({ size })
    })

    await t.test(
      "collections' heads changed: followers serve nothing on them, and go on when they are right again",
      async () => {
        const collections = db.collection<Keyed>('collections')
        const follower = server(((await cluster.sequencer()) + 1) % 3)
        const other = server(await cluster.sequencer())
        const before = (await follower.request('GET', '/log/checkpoint')).text
        await collections.updateOne({ _id: 1 }, { $inc: { lastAdded: 1000 }, $set: { root: Buffer.alloc(32) } })
        const object = newObjects(1)
        await post(other, object) // which writes its own heads again
        assert.equal((await follower.request('GET', `${OBJECTS}${object[0]?.['id']}/`)).status, 200)
        assert.notEqual((await follower.request('GET', '/log/checkpoint')).text, before)
      },
    )

    await t.test('an older head that the log did sign: nothing is served on it, and nothing is written', async () => {
      const head = (await meta.findOne({ _id: 'head' })) as Document
      const heads = await db
        .collection<Keyed>('parts')
        .find({ _id: /^collection/ })
        .toArray()
      assert.ok(heads.length > 0)
      for (const s of cluster.servers) await post(s)
      await meta.updateOne({ _id: 'head' }, { $set: { size: head['size'], note: head['note'] } })
      for (const { _id, ...rest } of heads) await db.collection<Keyed>('parts').replaceOne({ _id }, rest)
      const states = async () =>
        Promise.all(cluster.servers.map(async s => (await s.request('GET', '/readyz')).json.code as string | undefined))
      for (let i = 0; i < 200 && (await states()).some(code => code !== 'rolled-back'); i++) {
        await Promise.all(cluster.servers.map(s => s.request('POST', OBJECTS, { objects: newObjects(1) })))
        await sleep(100)
      }
      assert.deepEqual(await states(), ['rolled-back', 'rolled-back', 'rolled-back'])
      for (const s of cluster.servers) {
        assert.equal((await s.request('GET', OBJECTS)).status, 503)
        assert.equal((await s.request('POST', OBJECTS, { objects: newObjects(1) })).status, 503)
      }
    })
  })
})
