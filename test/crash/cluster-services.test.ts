// What hangs on several servers of one log: subscribers on each, a broker, a witness, a replica set. The server that writes is killed, the database elects another
// primary, both under load: everybody hears everything, in order. Then a key is rotated.
// ENTENTE_TEST_LONG=1   a minute of load at least, four kills, and the primary killed as well
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { toLogKey } from '../../packages/entente/notary/key.ts'
import { parseVkey, verifyCheckpoint } from '@entente/verify/tlog'
import { MongoClient } from 'mongodb'
import { stringify } from 'yaml'
import { loadConfig } from '../../packages/entente/cli/config.ts'
import { openWitness } from '../../packages/entente/cli/witness.ts'
import { assertHeard, type Broker, KINDS } from '../support/brokers.ts'
import { type Cluster, logKey, startCluster } from '../support/cluster.ts'
import { type Listener, listenEvents } from '../support/listeners.ts'
import { installMongod, type ReplicaSet, startReplicaSet } from '../support/mongod.ts'
import { assertKept, p99, publishTo } from '../support/publishing.ts'
import { OBJECTS, root, sampleObjects, startEntente, temporaryFolder, type TestServer } from '../support/server.ts'

const LONG = process.env['ENTENTE_TEST_LONG'] !== undefined
/** Until the election is over: how long a server takes to start is up to the machine. */
const LOAD = { perSecond: LONG ? 500 : 200, objects: 10, ms: 600_000, most: 100 }
const ELECTION_MS = LONG ? 20_000 : 3000
const KILLS = LONG ? 4 : 1
const ORIGIN = 'cluster.example/log'
const CHANNEL = '/api/channels/EVENTS/'
const FEED = '/api/collections/default/feed/'

const installed = installMongod()
const skip = 'reason' in installed ? installed.reason : false
const rabbitmq = KINDS.find(kind => kind.name === 'rabbitmq') as (typeof KINDS)[number]

describe('what hangs on several servers', { concurrency: false, skip }, () => {
  let folder = ''
  let remove = () => {}
  let mongo: ReplicaSet
  let cluster: Cluster
  let witness: TestServer
  let witnessKey = ''
  let broker: Broker | { reason: string }
  let queue: Listener | undefined
  const { vkey } = toLogKey(ORIGIN, logKey)

  before(async () => {
    folder = temporaryFolder({ after: f => void (remove = f) })
    ;[mongo, broker] = await Promise.all([
      startReplicaSet('path' in installed ? installed.path : '', join(folder, 'mongo'), 3),
      rabbitmq.start(join(folder, 'rabbitmq')),
    ])
    const file = join(folder, 'witness.yaml')
    writeFileSync(file, stringify({ ledgers: [], witness: { name: 'witness.example/w', logs: [{ vkey }] } }))
    const { config, paths } = loadConfig({ file, data: join(folder, 'witness'), env: {} })
    const opened = openWitness(config, paths, () => {})
    witnessKey = opened.vkey
    opened.close()
    witness = await startEntente(join(folder, 'witness'), { args: ['--config', file] })
    const subject = 'listen' in broker ? await broker.listen('cluster.') : undefined
    queue = subject?.listener
    const witnesses = [{ vkey: witnessKey, url: `${witness.url}/witness` }]
    const collections = [{ alias: 'default', title: 'All to one channel', forward: { default: ['EVENTS'] } }]
    cluster = await startCluster(mongo.url, 'services', {
      config: {
        log: { origin: ORIGIN, witnesses, witnessQuorum: 1, witnessIntervalMs: 50 },
        channels: { heartbeatMs: 1000, ...subject?.config },
        apiRoots: [{ path: '/api/', title: 'Test root', collections }],
      },
    })
  })
  after(async () => {
    await queue?.close()
    await cluster?.close()
    await witness?.stop()
    if (broker && 'stop' in broker) await broker.stop()
    await mongo?.stop()
    remove()
  })

  const server = (i: number): TestServer => cluster.servers[i % 3] as TestServer
  const authorization = (i: number) =>
    `Basic ${Buffer.from(`admin:${readFileSync(join(server(i).data, 'admin-password'), 'utf8').trim()}`).toString('base64')}`

  async function stepDown(): Promise<void> {
    const client = await MongoClient.connect(mongo.url)
    try {
      await client.db('admin').command({ replSetStepDown: 30, secondaryCatchUpPeriodSecs: 10 })
    } finally {
      await client.close()
    }
  }

  /** Kills the primary: the others elect one once they have missed it for the time that they were given. */
  async function killPrimary(): Promise<void> {
    const client = await MongoClient.connect(mongo.url)
    const { primary } = await client.db('admin').command({ hello: 1 })
    await client.close()
    await mongo.nodes.find(node => String(primary).endsWith(`:${node.port}`))?.kill()
  }

  test('subscribers, a broker and a witness, while the server that writes is killed and the database elects', async t => {
    const listeners = [CHANNEL, FEED, CHANNEL, FEED].map(path => listenEvents(path))
    t.after(() => Promise.all(listeners.map(l => l.close())))
    const connect = (n: number, to: number) => listeners[n]?.connect(server(to).url, authorization(to))
    /** Which server each is at; the last two change it all the time, and go on behind what they had. */
    const at = [0, 1, 2, 0]
    at.forEach((to, n) => connect(n, to))
    const publishing = publishTo(cluster, LOAD)
    t.after(() => publishing.end())
    let isDone = false
    const roaming = (async () => {
      // On a busy machine, who goes on before anything has come would never hear anything.
      const left = [0, 0, 0, 0]
      for (; !isDone; await sleep(400))
        for (const n of [2, 3]) {
          const { length } = listeners[n]?.heard ?? []
          if (length === left[n] && server(at[n] ?? 0).child.signalCode === null) continue
          left[n] = length
          at[n] = ((at[n] ?? 0) + 1) % 3
          if (server(at[n]).child.signalCode === null) connect(n, at[n])
        }
    })()
    t.after(() => (isDone = true))

    const starting: Promise<unknown>[] = []
    for (let kill = 0; kill < KILLS; kill++) {
      await sleep(LONG ? 8000 : 2000)
      const gone = await cluster.sequencer()
      await server(gone).kill()
      // Its subscribers go to another one, and stay there.
      for (const n of [0, 1]) if (at[n] === gone) connect(n, (at[n] = (gone + 1) % 3))
      starting.push(cluster.start(gone))
      await (LONG ? starting[kill] : sleep(2000))
    }
    const elected = Date.now()
    await stepDown()
    if (LONG) await killPrimary()
    await sleep(ELECTION_MS)
    publishing.end()
    const published = await publishing.done
    await Promise.all(starting)
    const [during, all] = [
      published.times.filter(p => p.at + p.ms >= elected && p.at < elected + 5000),
      published.times,
    ]
    process.stdout.write(
      `measured: ${published.acknowledged.size} objects; POST in the 5 s after the election began: 99th percentile ${p99(during)} ms, of all ${p99(all)} ms; answers besides: ${[...published.refused].map(([what, count]) => `${count} × ${what}`).join(', ') || 'none'}\n`,
    )
    assert.ok(
      published.times.some(p => p.at > elected),
      'nothing was acknowledged after the election',
    )
    await assertKept(cluster, published)

    isDone = true
    await roaming
    const rows = await cluster.db.collection('records').find({ coll: 1 }).sort({ seq: 1 }).toArray()
    const places = (name: '_id' | 'seq') => rows.map(row => ({ leaf: Number(row[name]), id: String(row['id']) }))
    for (const [n, { heard }] of listeners.entries()) {
      const repeated = await assertHeard(() => heard, places(n % 2 === 0 ? '_id' : 'seq')).catch(cause => {
        throw new Error(
          `subscriber ${n}, at server ${at[n]}:\n${server(at[n] ?? 0)
            .output()
            .slice(-2000)}`,
          { cause },
        )
      })
      assert.equal(repeated, 0, `subscriber ${n}`)
    }

    await t.test('all reached the broker, in order; what was sent again is marked', async t2 => {
      if (!queue) return t2.skip((broker as { reason: string }).reason)
      const { heard } = queue
      const repeated = await assertHeard(() => heard, places('_id'), 20_000)
      process.stdout.write(`measured: ${heard.length} messages of the broker, ${repeated} of them again\n`)
    })

    await t.test('who writes now has its checkpoints cosigned, and the others show that', async () => {
      const { json, text } = await server(1).request('POST', OBJECTS, { objects: sampleObjects(1, 20_000_000) })
      const size = json.x_entente?.size as number
      assert.ok(size > 0, text)
      for (const one of cluster.servers) {
        let cosigned = 0
        for (let i = 0; i < 100 && cosigned < size; i++, await sleep(50)) {
          const answer = await one.request('GET', '/log/checkpoint?witnessed')
          if (answer.status !== 200) continue
          const policy = { logs: [parseVkey(vkey)], witnesses: [parseVkey(witnessKey)], quorum: 1 }
          cosigned = verifyCheckpoint(answer.text, policy).size
        }
        assert.ok(cosigned >= size, `cosigned at ${cosigned}, the object is under ${size}`)
      }
    })
  })

  async function checkpointSize(i: number): Promise<number> {
    const { status, text } = await server(i).request('GET', '/log/checkpoint')
    assert.equal(status, 200, text)
    return Number(text.split('\n')[1])
  }

  test('a rotated key: servers that have the old one are refused and told why, those with the new one go on', async t => {
    const [first, second, third] = cluster.places as [Place, Place, Place]
    const before = await checkpointSize(0)
    // The third one goes on, with the old key: it writes, until the log has the statement, and is posted to all the time.
    await server(0).stop()
    await server(1).stop()
    assert.equal(await cluster.sequencer(), 2)
    const acknowledged: string[] = []
    let last = 0
    let isRotated = false
    t.after(() => (isRotated = true))
    const posting = (async () => {
      for (let n = 0; !isRotated; n++, await sleep(20)) {
        const objects = sampleObjects(1, 30_000_000 + n)
        const answer = await server(2)
          .request('POST', OBJECTS, { objects })
          .catch(() => undefined)
        if (answer?.status !== 202) continue
        last = Date.now()
        acknowledged.push(String(objects[0]?.['id']))
      }
    })()
    for (let i = 0; i < 500 && acknowledged.length < 5; i++) await sleep(20)
    const main = join(root, 'packages/entente/cli/entente.js')
    const command = spawn(process.execPath, [main, 'log', 'rotate-key', '--data', first.data, ...first.args])
    let errors = ''
    command.stderr.on('data', part => (errors += part))
    const [status] = await once(command, 'close')
    assert.equal(status, 0, errors)
    for (const name of ['log.key', 'log.key.old']) copyFileSync(join(first.data, name), join(second.data, name))
    // The third one lost against the store, and can't go on.
    await Promise.all([cluster.start(0), cluster.start(1)])
    for (const i of [0, 1]) {
      const answer = await server(i).request('POST', OBJECTS, { objects: sampleObjects(1, 31_000_000 + i) })
      assert.equal(answer.status, 202, answer.text)
      if (i === 0)
        process.stdout.write(`measured: no POST was acknowledged for ${Date.now() - last} ms of a rotation\n`)
    }
    isRotated = true
    await posting
    assert.ok(acknowledged.length >= 5)
    for (const id of acknowledged)
      assert.equal((await server(1).request('GET', `${OBJECTS}${id}/`)).json.objects?.length, 1, id)
    const size = await checkpointSize(1)
    assert.ok(size > before, `${size} after ${before}`)
    // It does no harm, and says so; nor does one that is started with the old key.
    const ready = await server(2).request('GET', '/readyz')
    assert.equal(ready.status, 503)
    assert.match(ready.text, /newer key/)
    assert.equal((await server(2).request('GET', OBJECTS)).json.error_code, 'integrity')
    await server(2).kill()
    await assert.rejects(cluster.start(2), /newer key/)
    copyFileSync(join(first.data, 'log.key'), join(third.data, 'log.key'))
    copyFileSync(join(first.data, 'log.key.old'), join(third.data, 'log.key.old'))
    await cluster.start(2)
    assert.equal((await server(2).request('POST', OBJECTS, { objects: sampleObjects(1, 31_000_010) })).status, 202)
  })
})

type Place = Cluster['places'][number]
