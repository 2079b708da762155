import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { type Db, type Document, MongoClient } from 'mongodb'
import { commitRecords, headOf, rejects, row, statusRow, storeConformance } from '#store/conformance.ts'
import { readsConformance, sentConformance } from '#store/disclosed-conformance.ts'
import { leaseConformance } from '#store/lease-conformance.ts'
import { emptyBatch, type Journal, type RecordRow, type Store } from '#store/store.ts'
import { startFlakyProxy } from '../../../../test/support/flaky-proxy.ts'
import { freePort, installMongod, type Mongod, startMongod } from '../../../../test/support/mongod.ts'
import { openForeignDatabases } from './foreign.ts'
import { openMongoLease } from './lease.ts'
import { type MongoOptions, openMongoStore } from './mongodb.ts'
import { openMongoReads } from './reads.ts'
import { DISCLOSED, INDEXES } from './schema.ts'
import { openMongoSent } from './sent.ts'
import { readMongoState } from './state.ts'

const installed = installMongod()
let mongod: Mongod
let folder: string
let databases = 0

before(async () => {
  if ('reason' in installed) return
  folder = mkdtempSync(join(tmpdir(), 'entente-mongodb-'))
  mongod = await startMongod(installed.path, folder)
})
after(async () => {
  await mongod?.stop()
  if (folder) rmSync(folder, { recursive: true, force: true })
})

storeConformance('mongodb', async () => {
  if ('reason' in installed) return installed.reason
  const place = { url: mongod.url, database: `store-${++databases}` }
  return {
    open: async (options = {}) => openMongoStore({ ...place, create: true, ...options }),
    bytes: async () => undefined, // docs/security.md: what is deleted is not overwritten
    tamper: undefined, // a document that is changed in its place is not seen by foreignWrites; that one is gone is tested below
    dispose: async () => {},
  }
})

leaseConformance('the lease in mongodb', async t => {
  if ('reason' in installed) return installed.reason
  const place = ownPlace()
  const open = async () => {
    const lease = await openMongoLease(place)
    t.after(() => lease.close())
    return lease
  }
  return [await open(), await open()]
})

readsConformance('who read what in mongodb', async () => {
  if ('reason' in installed) return installed.reason
  const place = ownPlace()
  return [await openMongoReads(place), await openMongoReads(place)]
})

sentConformance('who was sent what in mongodb', async () => {
  if ('reason' in installed) return installed.reason
  const place = ownPlace()
  return [await openMongoSent(place), await openMongoSent(place)]
})

const ownPlace = () => ({ url: mongod.url, database: `store-${++databases}` })

/** A test with a database of its own. */
function onMongod(title: string, run: (t: TestContext, place: MongoOptions) => Promise<void>): void {
  void test(title, t => ('reason' in installed ? t.skip(installed.reason) : run(t, ownPlace())))
}

async function opened(t: TestContext, options: MongoOptions): Promise<Store & Journal> {
  const store = await openMongoStore({ create: true, ...options })
  t.after(() => store.close())
  return store
}

/** The database as whoever has its password sees it. */
async function rawDatabase(t: TestContext, { database }: MongoOptions): Promise<Db> {
  const client = new MongoClient(mongod.url)
  t.after(() => client.close())
  return client.db(database)
}

describe('a MongoDB store opens or says why not', () => {
  onMongod('a database without a store is io, unless it is to be made', async (t, place) => {
    await rejects(openMongoStore(place), 'io')
    await rejects(openMongoStore({ ...place, readOnly: true }), 'io')
    assert.deepEqual(await (await rawDatabase(t, place)).listCollections().toArray(), [], 'nothing is made by looking')
    await (await openMongoStore({ ...place, create: true })).close()
    await (await openMongoStore(place)).close()
  })

  onMongod('a database of something else is io, and stays as it is', async (t, place) => {
    const db = await rawDatabase(t, place)
    await db.collection('customers').insertOne({ name: 'x' })
    assert.match((await rejects(openMongoStore({ ...place, create: true }), 'io')).message, /"customers"/)
    assert.equal((await db.listCollections().toArray()).length, 1)
  })

  onMongod('a newer schema is newer, and stays as it is', async (t, place) => {
    await (await openMongoStore({ ...place, create: true })).close()
    const meta = (await rawDatabase(t, place)).collection<{ _id: string; version: number }>('meta')
    await meta.updateOne({ _id: 'schema' }, { $set: { version: 1000 } })
    assert.match((await rejects(openMongoStore(place), 'newer')).message, /1000/)
    await rejects(openMongoStore({ ...place, readOnly: true }), 'newer')
    assert.equal((await meta.findOne({ _id: 'schema' }))?.version, 1000)
  })

  onMongod('a store of the first schema, with a collection for each kind, is brought to this one', async (t, place) => {
    const store = await openMongoStore({ ...place, create: true })
    const whole = {
      tiles: [{ tree: 1, level: 0, index: 7, data: Buffer.alloc(32, 1) }],
      entryBundles: [{ index: 3, data: Buffer.alloc(34, 2) }],
      openings: [{ submitter: 'abc', opening: Buffer.alloc(32, 3), name: 'somebody' }],
    }
    const { head } = await commitRecords(store, [{}], whole)
    const known = await store.collections()
    await store.close()
    const db = await rawDatabase(t, place)
    const parts = db.collection<Document & { _id: string }>('parts')
    const old = (id: string): [string, unknown] => {
      const [kind = '', ...rest] = id.split('/')
      const key = rest.join('/')
      return [`${kind}s`, kind === 'tile' || kind === 'opening' ? key : Number(key)]
    }
    for await (const document of parts.find()) {
      const [name, _id] = old(document._id)
      await db.collection<Document & { _id: unknown }>(name).insertOne({ ...document, _id })
    }
    await parts.drop()
    await db.collection<{ _id: string }>('meta').updateOne({ _id: 'schema' }, { $set: { version: 1 } })

    const again = await opened(t, place)
    assert.deepEqual(await again.collections(), known)
    assert.deepEqual(Buffer.from((await again.tile(1, 0, 7)) ?? []), Buffer.alloc(32, 1))
    assert.deepEqual(Buffer.from((await again.entryBundle(3)) ?? []), Buffer.alloc(34, 2))
    assert.equal((await again.opening('abc'))?.name, 'somebody')
    assert.equal((await again.checkpointFrom(1))?.note, head.note)
    assert.deepEqual(await again.integrity(), [])
    const names = (await db.listCollections().toArray()).map(c => c.name)
    assert.deepEqual(
      names.filter(name => !(name in INDEXES)),
      [],
    )
  })

  onMongod('two servers that make the same store at once make one', async (_t, place) => {
    const stores = await Promise.all([1, 2].map(() => openMongoStore({ ...place, create: true })))
    for (const store of stores) {
      assert.equal(await store.head(), undefined)
      assert.deepEqual(await store.integrity(), [])
      await store.close()
    }
  })

  onMongod('the state of the database is told, and nothing is written', async (t, place) => {
    const { version, members, cacheBytes, time } = await readMongoState(place)
    assert.match(version, /^\d+\.\d+/)
    assert.deepEqual(
      members?.map(m => [m.state, m.isUp]),
      [['PRIMARY', true]],
    )
    assert.ok((cacheBytes ?? 0) > 0)
    assert.ok(Math.abs(time / 1000 - Date.now()) < 60_000)
    assert.deepEqual(await (await rawDatabase(t, place)).listCollections().toArray(), [])
  })

  test('no message has the password', async () => {
    const port = await freePort()
    for (const url of [
      `mongodb://user:s3cret@127.0.0.1:${port}/?serverSelectionTimeoutMS=1`,
      'mongodb://user:s3cret@127.0.0.1:none/',
      'http://user:s3cret@127.0.0.1/',
      'mongodb://user:s3cret@/',
    ]) {
      const errors = [
        await rejects(openMongoStore({ url, database: 'entente', patienceMs: 300 }), 'io'),
        await rejects(openForeignDatabases(url, 300), 'io'),
      ]
      for (const error of errors) {
        for (let e: unknown = error; e instanceof Error; e = e.cause)
          assert.doesNotMatch(`${e.message} ${e.stack}`, /s3cret/)
      }
    }
    const away = openMongoStore({
      url: `mongodb://user:s3cret@127.0.0.1:${port}/`,
      database: 'entente',
      patienceMs: 300,
    })
    assert.match(
      (await rejects(away, 'io')).message,
      new RegExp(`^mongodb://127.0.0.1:${port}/entente: .*ECONNREFUSED.*See whether MongoDB runs there`),
    )
  })

  onMongod('a replica set of another name is said to be what is wrong', async (_t, { url, database }) => {
    const other = openMongoStore({ url: url.replace(/replicaSet=\w+/, 'replicaSet=rs9'), database, patienceMs: 300 })
    assert.match((await rejects(other, 'io')).message, /No server there is the primary of a replica set "rs9"/)
  })
})

describe('a MongoDB store beside others', () => {
  onMongod('opened read-only it shows the moment of its opening, and a commit is readonly', async (t, place) => {
    const writer = await opened(t, place)
    const { head } = await commitRecords(writer, [{}])
    const auditor = await opened(t, { ...place, readOnly: true })
    await writer.commit(head, { ...emptyBatch(headOf(9)), records: [row({ leaf: 1, seq: 1 })] })
    assert.equal((await auditor.head())?.size, head.size)
    assert.equal((await auditor.records(1, { from: 0, limit: 9, text: 'all' })).length, 1)
    assert.equal(await auditor.recordAt(1), undefined)
    await rejects(auditor.commit(head, emptyBatch(headOf(10))), 'readonly')
    await rejects(auditor.putCursor('a', 1), 'readonly')
  })

  onMongod('of two servers on one head one is told of the other, and loses nothing', async (t, place) => {
    const [one, two] = [await opened(t, place), await opened(t, place)]
    const { head } = await commitRecords(one, [{}])
    assert.equal((await two.head())?.note, head.note)
    await two.commit(head, emptyBatch(headOf(9)))
    const late = { ...emptyBatch(headOf(8)), records: [row({ leaf: 7, seq: 7 })] }
    const error = await rejects(one.commit(head, late), 'conflict')
    assert.match(error.message, /the head is at size 9, this commit builds on 5/)
    assert.equal(await one.recordAt(7), undefined)
  })

  onMongod('a commit that met another one, which came to nothing, is made again', async (t, place) => {
    const store = await opened(t, place)
    const { head } = await commitRecords(store, [{}])
    const client = await MongoClient.connect(place.url)
    t.after(() => client.close())
    const session = client.startSession()
    session.startTransaction()
    const heads = client.db(place.database).collection<Document & { _id: string }>('meta')
    await heads.updateOne({ _id: 'head' }, { $set: { size: 0 } }, { session })
    const committed = store.commit(head, { ...emptyBatch(headOf(9)), records: [row({ leaf: 1, seq: 1 })] })
    await setTimeout(50)
    await session.abortTransaction()
    await session.endSession()
    await committed
    assert.equal((await store.head())?.size, 9)
    assert.ok(await store.recordAt(1))
  })

  onMongod('a row that others took away changes foreignWrites', async (t, place) => {
    const store = await opened(t, place)
    const before = await store.foreignWrites()
    await commitRecords(store, [{}, {}])
    assert.equal(await store.foreignWrites(), before)
    await (await rawDatabase(t, place)).collection<{ _id: number }>('records').deleteOne({ _id: 1 })
    assert.notEqual(await store.foreignWrites(), before)
  })

  onMongod('what others put in the place of values is no value, and fails no read', async (t, place) => {
    const store = await opened(t, place)
    await commitRecords(store, [{}, {}, {}])
    const db = await rawDatabase(t, place)
    const rows = db.collection<Document & { _id: number }>('records')
    await rows.updateOne(
      { _id: 0 },
      { $set: { text: 'text', added: 'soon', id: ['a', 'b'], superseded: {}, kind: 77 } },
    )
    await rows.updateOne({ _id: 1 }, { $set: { packed: Buffer.from('no deflate'), version: 1 }, $unset: { text: 1 } })
    await rows.updateOne({ _id: 2 }, { $set: { seq: [2, 3] } })
    const [zero, one] = await store.records(1, { from: 0, limit: 9, text: 'last' })
    assert.ok(zero && one)
    assert.deepEqual([zero.text, zero.id, zero.superseded, zero.added], [null, null, null, Number.NaN])
    assert.deepEqual([one.text?.length, one.version], [0, null])
    assert.equal((await store.recordAt(2))?.seq, Number.NaN)
    assert.deepEqual(await store.misfiled(1, { from: 0, limit: 2 }), [0])
  })

  onMongod('an index that others dropped is named, and built again', async (t, place) => {
    const store = await opened(t, place)
    await commitRecords(store, [{}])
    await (await rawDatabase(t, place)).collection('records').dropIndex('id')
    assert.match((await store.integrity(true)).join(), /"id" of records is missing/)
    await store.rebuildIndexes()
    assert.deepEqual(await store.integrity(), [])
  })
})

describe('queries of MongoDB', () => {
  // A collection of a few documents; statuses of days, looked through when an object is erased or from the oldest on; all of a store, when it is copied.
  const SMALL = ['meta']
  const isWalk = (c: Document) =>
    (c['find'] === 'erased' && Object.keys(c['filter']).length === 0) ||
    (c['cursor'] !== undefined && c['pipeline']?.[0]?.$currentOp)

  onMongod('none walks a collection that grows, none sorts, each uses its index', async (t, place) => {
    const commands: Document[] = []
    const store = await opened(t, { ...place, observe: command => void commands.push(command) })
    await useEverything(store)
    const db = await rawDatabase(t, place)
    const used = new Set<string>()
    for (const command of commands) {
      for (const plain of toExplained(command)) {
        const name = String(Object.values(plain)[0])
        if (SMALL.includes(name) || isWalk(plain)) continue
        const plan = JSON.stringify(await db.command({ explain: plain, verbosity: 'queryPlanner' }))
        const where = `${JSON.stringify(plain)}\n${plan}`
        assert.doesNotMatch(plan, /"stage":"COLLSCAN"/, where)
        assert.doesNotMatch(plan, /"stage":"SORT"/, where)
        for (const [, index] of plan.matchAll(/"indexName":"(\w+)"/g)) used.add(`${name}.${index}`)
        assert.equal(JSON.stringify(plain).includes('"$or":[{"coll'), false)
        // Texts are read where they are asked for.
        if (plain['projection']?.seq === 1)
          assert.equal(plain['projection'].text === 1, plain['projection'].packed === 1)
      }
    }
    const meant = Object.entries(INDEXES).flatMap(([name, indexes]) => indexes.map(index => `${name}.${index.name}`))
    assert.deepEqual(
      meant.filter(index => !used.has(index) && index !== 'parts.collection'),
      [],
      'every index is for some query',
    )
  })

  onMongod('none of who was given what walks a collection either; what comes again is there once', async (t, place) => {
    const commands: Document[] = []
    const watched = { ...place, observe: (command: Document) => void commands.push(command) }
    const [reads, sent] = [await openMongoReads(watched), await openMongoSent(watched)]
    t.after(() => Promise.all([reads.close(), sent.close()]))
    const times = { from: 1, until: 2 }
    const entry = {
      user: 'soc',
      address: '',
      collection: 'c',
      via: 'object' as const,
      runs: [[1, 1]] as const,
      ...times,
    }
    await reads.add([entry, { ...entry, user: 'noc' }])
    await reads.add([{ ...entry, user: 'later' }, entry])
    assert.deepEqual((await reads.find({ limit: 9 })).map(e => e.user).sort(), ['later', 'noc', 'soc'])
    const all = { limit: 9 }
    for (const query of [{ collection: 'c' }, { collection: 'c', seqs: [1] }, { user: 'soc' }, { since: 2 }])
      assert.ok((await reads.find({ ...all, ...query })).length > 0)
    const places = [{ kind: 'channel' as const, topic: 'EVENTS', position: 3 }]
    for (const query of [{}, { places }, { subscriber: 'soc' }, { since: 2 }]) await sent.find({ ...all, ...query })
    await Promise.all([reads.purge(1), sent.purge(1)])
    const db = await rawDatabase(t, place)
    const used = new Set<string>()
    for (const command of commands.filter(c => c['find'] in DISCLOSED || c['delete'] in DISCLOSED))
      for (const plain of toExplained(command)) {
        const plan = JSON.stringify(await db.command({ explain: plain, verbosity: 'queryPlanner' }))
        assert.doesNotMatch(plan, /"stage":"COLLSCAN"/, JSON.stringify(plain))
        const name = String(Object.values(plain)[0])
        for (const [, index] of plan.matchAll(/"indexName":"(\w+)"/g)) used.add(`${name}.${index}`)
      }
    const meant = Object.entries(DISCLOSED).flatMap(([name, indexes]) => indexes.map(index => `${name}.${index.name}`))
    assert.deepEqual(
      meant.filter(index => !used.has(index)),
      [],
      'every index is for some query',
    )
    assert.deepEqual((await openedIndexes(db)).sort(), meant.sort())
  })

  onMongod('known looks into the index once for an id, however many versions it has', async (t, place) => {
    const store = await opened(t, place)
    const versions = Array.from({ length: 300 }, (_, i) => `2026-01-01T00:00:00.${String(i).padStart(6, '0')}Z`)
    await commitRecords(
      store,
      versions.map(version => ({ version })),
    )
    const db = await rawDatabase(t, place)
    const id = (await store.recordAt(0))?.id
    const explained = await db.command({
      explain: { distinct: 'records', key: 'id', query: { coll: 1, kind: 0, id: { $in: [id, 'tool--x'] } } },
      verbosity: 'executionStats',
    })
    assert.ok(explained['executionStats'].totalKeysExamined < 10, JSON.stringify(explained['executionStats']))
  })
})

const OF_SESSIONS = 'lsid $db $clusterTime txnNumber startTransaction autocommit readConcern writeConcern'.split(' ')

/** What of a command has a plan, without its session. */
function toExplained(command: Document): Document[] {
  const plain: Document = Object.fromEntries(Object.entries(command).filter(([key]) => !OF_SESSIONS.includes(key)))
  const [verb] = Object.keys(plain)
  if (verb === 'find' || verb === 'count' || verb === 'distinct') return [plain]
  if (verb === 'aggregate') return plain['aggregate'] === 1 ? [] : [plain]
  // An upsert of one document is found by its key as any update is.
  if (verb === 'update')
    return (plain['updates'] as Document[]).map(one => ({ update: plain['update'], updates: [one] }))
  if (verb === 'delete')
    return (plain['deletes'] as Document[]).map(one => ({ delete: plain['delete'], deletes: [one] }))
  return []
}

async function useEverything(store: Store & Journal): Promise<void> {
  const tile = { tree: 0, level: 0, index: 0, data: Buffer.alloc(32) }
  const more = {
    routes: [{ leaf: 0, channel: 'A' }],
    tiles: [tile],
    entryBundles: [{ index: 0, data: Buffer.alloc(34) }],
    erasedTags: [Buffer.alloc(32)],
    statuses: [statusRow('zero')],
  }
  const { head, rows } = await commitRecords(store, [{}, {}, {}], more)
  const [id, version] = [rows[0]?.id as string, rows[0]?.version as string]
  await store.commit(head, {
    ...emptyBatch(headOf(9)),
    supersede: [{ leaf: 0, by: 1 }],
    erase: [{ leaf: 1, by: 2 }],
    statuses: [statusRow('one')],
  })
  await store.head()
  await store.recordAt(0)
  for (const text of ['last', 'versions', 'all', 'none'] as const)
    for (const types of [undefined, ['indicator'], ['indicator', 'tool']])
      for (const specs of [undefined, ['2.1'], ['2.0', '2.1']])
        for (const versions of [undefined, [version]])
          await store.records(1, { from: 0, limit: 9, types, specs, versions, text })
  const many = Array.from({ length: 250 }, (_, i) => `x-type-${i}`)
  await store.records(1, { from: 0, limit: 9, types: [...many, 'indicator'], specs: ['2.0', '2.1'], text: 'last' })
  await store.versions(1, id)
  await store.versionsOf(1, [id, 'tool--x'])
  for (const wanted of [version, undefined]) await Array.fromAsync(store.lookups(1, [{ id, version: wanted }], 9))
  await store.known(1, [id])
  await store.equivocations(1, id)
  await store.hasErased()
  await store.wereErased([Buffer.alloc(32)])
  await store.misfiled(1, { from: 0, limit: 9 })
  await store.rewriteStatuses(1, id, s => s)
  await store.gaps(1, 9)
  await store.tile(0, 0, 0)
  await store.entryBundle(0)
  await store.checkpoint(5)
  await store.checkpointFrom(5)
  await store.putCosignature({ size: 5, witness: 'w1', line: 'x' })
  await store.cosignatures(5)
  await store.cosignedSize(['w1'], 1)
  await store.status('none')
  await store.purgeStatuses(Number.MAX_SAFE_INTEGER, new Map([[1, 9]]), 1)
  await store.opening('none')
  await store.routed('A', { from: 0, limit: 9 })
  await store.countRouted('A', 0, 9)
  await store.routedTo(0, ['A'])
  await store.forgetRoutes(1)
  await store.continued(rows)
  await store.putCursor('a', 1)
  await store.cursor('a')
  await store.scan(0, 9)
  for (const size of [3, 5]) await store.putAnchor({ ...ANCHOR, size })
  await store.anchors()
  await store.anchors({ ledger: 'local', final: true, limit: 1 })
  await store.anchorCovering('local', 1, true)
  await store.finalSizeAt('local', 9)
  await store.label(0, true)
  await store.mend(undefined, {
    rows: [rows[2] as RecordRow],
    remove: [],
    supersede: [],
    tiles: [],
    entryBundles: [],
    collections: [],
  })
}

const ANCHOR = {
  ledger: 'local',
  root: Buffer.alloc(32),
  transaction: '0x1',
  block: 1,
  blockHash: '0x1',
  final: true,
  at: 1,
}

describe('commits to MongoDB', () => {
  onMongod('a batch costs one command a collection, the head and the end', async (t, place) => {
    const commands: string[] = []
    const observe = (command: Document) => void commands.push(Object.entries(command)[0]!.join(' '))
    const store = await opened(t, { ...place, observe })
    const { head } = await commitRecords(store, [{}])
    const batch = {
      ...emptyBatch(headOf(9)),
      records: [row({ leaf: 6, seq: 6 }), row({ leaf: 7, seq: 7 })],
      tiles: [{ tree: 0, level: 0, index: 0, data: Buffer.alloc(32) }],
      entryBundles: [{ index: 0, data: Buffer.alloc(34) }],
      openings: [{ submitter: 'abc', opening: Buffer.alloc(32), name: 'somebody' }],
      collections: await store.collections(),
      statuses: [statusRow('one')],
    }
    commands.length = 0
    await store.commit(head, batch)
    t.diagnostic(commands.join(', '))
    assert.deepEqual(commands, [
      'insert records',
      'update parts',
      'insert statuses',
      'update meta',
      'commitTransaction 1',
    ])
    commands.length = 0
    const sought = Array.from({ length: 1000 }, (_, i) => ({
      id: `tool--${i}`,
      version: '2026-01-01T00:00:00.000000Z',
    }))
    await Array.fromAsync(store.lookups(1, sought, 1))
    assert.deepEqual(commands, ['aggregate records'], 'a thousand objects that nobody has')
  })

  onMongod('a thousand records, some of megabytes, are one commit', async (t, place) => {
    const store = await opened(t, place)
    // By its default the database refuses transactions of more than 15 % of its cache, which is small here.
    const admin = (await rawDatabase(t, place)).admin()
    await admin.command({ setParameter: 1, wiredTigerEngineRuntimeConfig: 'cache_size=1G' })
    const large = randomBytes(8_000_000)
    const sizes = Array.from({ length: 1000 }, (_, i) =>
      i % 250 === 0 ? large.length : i % 50 === 0 ? 1_000_000 : 1000,
    )
    const values = sizes.map((n, i) => ({ id: `tool--${i}`, text: large.subarray(0, n) }))
    await commitRecords(store, values)
    const found = await store.records(1, { from: 0, limit: 1000, maxBytes: 40_000_000, text: 'last' })
    assert.deepEqual(
      found.map(r => r.text?.length),
      sizes.slice(0, found.length),
    )
    assert.equal(
      (
        await store.known(
          1,
          values.map(v => v.id),
        )
      ).size,
      1000,
    )
  })

  onMongod(
    'a text that is too large for a document is packed; one that is so even then leaves nothing',
    async (t, place) => {
      const store = await opened(t, place)
      const text = Buffer.from('100000000000000000000,'.repeat(1_500_000))
      const accepted = Array.from({ length: 60_000 }, (_, i) => ({
        id: `tool--${i}`,
        version: 'v',
        message: 'x'.repeat(300),
      }))
      const status = { ...statusRow('large'), accepted }
      const { head } = await commitRecords(store, [{ text }, {}], { statuses: [status] })
      assert.ok(text.equals((await store.recordAt(0))?.text as Uint8Array))
      assert.deepEqual(await store.status('large'), status)
      await store.rewriteStatuses(1, 'tool--59999', s => ({ ...s, accepted: [] }))
      assert.deepEqual((await store.status('large'))?.accepted, [])
      const over = {
        ...emptyBatch(headOf(9)),
        records: [row({ leaf: 5, seq: 5 }), row({ leaf: 6, seq: 6, text: randomBytes(17_000_000) })],
      }
      assert.match(
        (await rejects(store.commit(head, over), 'io')).message,
        /entry 6 has 17000000 bytes.*at most 16777216/,
      )
      assert.equal(await store.recordAt(5), undefined)
      assert.equal((await store.head())?.note, head.note)
    },
  )

  onMongod('of a commit whose answer is lost the head says what became of it', async (t, place) => {
    const proxy = await startFlakyProxy(() => mongod.port)
    t.after(() => proxy.close())
    const url = `mongodb://127.0.0.1:${proxy.port}/?directConnection=true`
    let isLosing = false
    const store = await opened(t, {
      ...place,
      url,
      observe: command => {
        if (!isLosing || !('commitTransaction' in command)) return
        isLosing = false
        proxy.loseAnswers(true)
        void setTimeout(300).then(() => {
          proxy.loseAnswers(false)
          proxy.cut()
        })
      },
    })
    let { head } = await commitRecords(store, [{}])
    for (let size = 6; size < 10; size++) {
      isLosing = true
      const next = headOf(size)
      const done = await store.commit(head, { ...emptyBatch(next), records: [row({ leaf: size, seq: size })] }).then(
        () => true,
        () => false,
      )
      const now = await store.head()
      if (done) assert.equal(now?.note, next.note)
      assert.equal((await store.recordAt(size)) !== undefined, now?.note === next.note, 'all of it or nothing')
      if (now?.note === next.note) head = next
    }
    assert.equal(isLosing, false)
  })

  onMongod('after a cut in the middle of a transaction the next commit has not to wait for it', async (t, place) => {
    const proxy = await startFlakyProxy(() => mongod.port)
    t.after(() => proxy.close())
    let isCutting = false
    const store = await opened(t, {
      ...place,
      url: `mongodb://127.0.0.1:${proxy.port}/?directConnection=true`,
      observe: command => {
        if (!isCutting || command['update'] !== 'parts') return
        isCutting = false
        proxy.cut()
      },
    })
    const { head } = await commitRecords(store, [{}])
    isCutting = true
    const batch = { ...emptyBatch(headOf(9)), records: [row({ leaf: 6, seq: 6 })] }
    await assert.rejects(store.commit(head, batch))
    const started = performance.now()
    assert.equal((await store.head())?.note, head.note)
    await store.commit(head, batch)
    assert.ok(performance.now() - started < 10_000)
  })

  onMongod('a transaction that a dead server left open is ended when the next one opens', async (t, place) => {
    const dead = await opened(t, { ...place })
    const { head } = await commitRecords(dead, [{}])
    const client = new MongoClient(mongod.url, { appName: `entente ${place.database}` })
    t.after(() => client.close())
    const session = client.startSession()
    session.startTransaction()
    const db = client.db(place.database)
    await db.collection<{ _id: number }>('records').insertOne({ _id: 6 }, { session })
    await db.collection<{ _id: string }>('meta').updateOne({ _id: 'head' }, { $inc: { writes: 1 } }, { session })
    const started = performance.now()
    const store = await opened(t, place)
    await store.commit(head, { ...emptyBatch(headOf(9)), records: [row({ leaf: 6, seq: 6 })] })
    assert.ok(performance.now() - started < 10_000)
    await assert.rejects(session.commitTransaction())
  })

  test('kill -9 of the database between and in commits loses nothing that was acknowledged', async t => {
    if ('reason' in installed) return t.skip(installed.reason)
    const own = mkdtempSync(join(tmpdir(), 'entente-mongodb-'))
    t.after(() => rmSync(own, { recursive: true, force: true }))
    let running = await startMongod(installed.path, own)
    let killing = Promise.resolve()
    t.after(() => killing.finally(() => running.stop()))
    const store = await opened(t, { url: running.url, database: 'killed' })
    let head: { size: number; note: string } | undefined
    for (let kills = 0; kills < 2; kills++) {
      let isBack = false
      killing = setTimeout(300 + 50 * kills).then(async () => {
        await running.kill()
        running = await startMongod(installed.path, own, running.port)
        isBack = true
      })
      while (!isBack) {
        const next = headOf((head?.size ?? 0) + 1)
        const records = [row({ leaf: next.size, seq: next.size })]
        const isTaken = await store.commit(head, { ...emptyBatch(next), records }).then(
          () => true,
          () => false,
        )
        if (!isTaken) await killing
        const now = await store.head()
        if (isTaken) assert.equal(now?.note, next.note)
        assert.ok(now?.note === next.note || now?.note === head?.note)
        head = now
      }
      const rows = await store.records(1, { from: 0, limit: 10_000, text: 'none' })
      assert.deepEqual(
        rows.map(r => r.seq),
        Array.from({ length: head?.size ?? 0 }, (_, i) => i + 1),
      )
    }
  })
})

/** The indexes of who was given what, as the database has them. */
async function openedIndexes(db: Db): Promise<string[]> {
  const found = await Promise.all(
    Object.keys(DISCLOSED).map(async name => (await db.collection(name).indexes()).map(i => `${name}.${i.name}`)),
  )
  return found.flat().filter(name => !name.endsWith('._id_'))
}
