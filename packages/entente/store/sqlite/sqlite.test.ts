import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test, type TestContext } from 'node:test'
import { emptyBatch, type Journal, type Store, type StoredHead } from '#store/store.ts'
import { commitRecords, headOf, noise, rejects, row, statusRow, storeConformance } from '#store/conformance.ts'
import { readsConformance, sentConformance } from '#store/disclosed-conformance.ts'
import { openSqliteReads } from './reads.ts'
import { openSqliteSent } from './sent.ts'
import { openSqliteStore, type SqliteOptions } from './sqlite.ts'

const HERE = import.meta.dirname

function tempFolder(): string {
  return mkdtempSync(join(tmpdir(), 'entente-store-'))
}

/** A folder that goes when the test ends. */
function folderOf(t: TestContext): string {
  const folder = tempFolder()
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

readsConformance('who read what in sqlite', async t => {
  const path = join(folderOf(t), 'reads.db')
  return [openSqliteReads({ path }), openSqliteReads({ path })]
})

sentConformance('who was sent what in sqlite', async t => {
  const path = join(folderOf(t), 'sent.db')
  return [openSqliteSent({ path }), openSqliteSent({ path })]
})

storeConformance('sqlite', async () => {
  const folder = tempFolder()
  const path = join(folder, 'store.db')
  return {
    open: async (options = {}) => openSqliteStore({ path, create: true, ...options }),
    bytes: async () => readdirSync(folder).map(name => readFileSync(join(folder, name))),
    tamper: async leaf => {
      const other = new DatabaseSync(path)
      other.prepare('update record set added = 1 where leaf = ?').run(leaf)
      other.close()
    },
    dispose: async () => rmSync(folder, { recursive: true, force: true }),
  }
})

const open = async (options: SqliteOptions): Promise<Store & Journal> => openSqliteStore(options)

describe('a SQLite store opens or says why not', () => {
  test('a missing file is io, unless it is to be created', async t => {
    const path = join(folderOf(t), 'store.db')
    await rejects(open({ path }), 'io')
    await rejects(open({ path, readOnly: true }), 'io')
    assert.equal(existsSync(path), false, 'nothing is created by looking')
    await (await open({ path, create: true })).close()
    await (await open({ path })).close()
  })

  test('an empty file is migrated from nothing', async t => {
    const path = join(folderOf(t), 'store.db')
    writeFileSync(path, '')
    const store = await open({ path })
    await commitRecords(store, [{}])
    await store.close()
  })

  test('a folder that is not there is io, a folder in its place too', async t => {
    const folder = folderOf(t)
    await rejects(open({ path: join(folder, 'none', 'store.db'), create: true }), 'io')
    mkdirSync(join(folder, 'store.db'))
    await rejects(open({ path: join(folder, 'store.db'), create: true }), 'io')
  })

  test('a file of something else is corrupt, and stays as it is', async t => {
    const path = join(folderOf(t), 'store.db')
    const text = 'this is not a database '.repeat(1000)
    writeFileSync(path, text)
    await rejects(open({ path, create: true }), 'corrupt')
    assert.equal(readFileSync(path, 'utf8'), text)
  })

  test('a newer schema is newer, and stays as it is', async t => {
    const path = join(folderOf(t), 'store.db')
    await (await open({ path, create: true })).close()
    const db = new DatabaseSync(path)
    db.exec('pragma user_version = 1000')
    db.close()
    const error = await rejects(open({ path }), 'newer')
    assert.match(error.message, /1000/)
    const again = new DatabaseSync(path)
    assert.equal(again.prepare('pragma user_version').get()?.['user_version'], 1000)
    again.close()
  })

  test('a second opener gets locked, until the first closes', async t => {
    const path = join(folderOf(t), 'store.db')
    const first = await open({ path, create: true })
    await rejects(open({ path }), 'locked')
    const { head } = await commitRecords(first, [{}])
    const auditor = await open({ path, readOnly: true })
    assert.equal((await auditor.head())?.note, head?.note, 'an auditor reads beside it')
    await auditor.close()
    await first.close()
    await (await open({ path })).close()
  })

  test('a holder that is killed lets go, and what it committed is there', async t => {
    const path = join(folderOf(t), 'store.db')
    const code = `import { openSqliteStore } from ${JSON.stringify(join(HERE, 'sqlite.ts'))}
      import { commitRecords } from ${JSON.stringify(join(HERE, '../conformance.ts'))}
      const store = openSqliteStore({ path: ${JSON.stringify(path)}, create: true })
      await commitRecords(store, [{}])
      console.log('open')
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => child.kill('SIGKILL'))
    await new Promise(resolve => child.stdout.once('data', resolve))
    await rejects(open({ path }), 'locked')
    const exited = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGKILL')
    await exited
    const store = await open({ path })
    assert.equal((await store.head())?.note, headOf(5).note)
    assert.equal((await store.recordAt(0))?.seq, 0)
    await store.close()
  })
})

describe('a SQLite store that cannot write', () => {
  test('opened read-only it reads, and a commit is readonly', async t => {
    const path = join(folderOf(t), 'store.db')
    const writer = await open({ path, create: true })
    const { head } = await commitRecords(writer, [{}])
    await writer.close()
    const store = await open({ path, readOnly: true })
    await rejects(store.commit(head, emptyBatch(headOf(9))), 'readonly')
    assert.equal((await store.head())?.note, head?.note)
    await store.close()
  })

  test('a file or folder without the right to write is readonly at the start', async t => {
    const folder = folderOf(t)
    const path = join(folder, 'store.db')
    await (await open({ path, create: true })).close()
    for (const [file, mode] of [
      [path, 0o444],
      [folder, 0o555],
    ] as const) {
      chmodSync(folder, 0o777)
      for (const name of readdirSync(folder)) chmodSync(join(folder, name), 0o666)
      chmodSync(file, mode)
      const said = asNobody(
        `import { openSqliteStore } from ${JSON.stringify(join(HERE, 'sqlite.ts'))}
        try { openSqliteStore({ path: ${JSON.stringify(path)} }) } catch (e) { console.log(e.code) }`,
      )
      assert.equal(said.stdout.trim(), 'readonly', said.stderr)
    }
    chmodSync(folder, 0o755)
  })

  test('a disk without room is full, loses nothing, and takes the batch again once there is room', async t => {
    const path = join(folderOf(t), 'store.db')
    const full = await open({ path, create: true, maxPages: 60 })
    const head = await fillUp(full)
    await full.close()
    const roomy = await open({ path })
    await assertRecords(roomy, head)
    await roomy.commit(head, batchAt(head.size))
    await assertRecords(roomy, headOf(head.size + 1))
    await roomy.close()
  })

  test('a file system without room is full and loses nothing', async t => {
    const folder = folderOf(t)
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder])
    if (mounted.status !== 0) return t.skip('no small file system: mounting a tmpfs needs root')
    try {
      const store = await open({ path: join(folder, 'store.db'), create: true })
      writeFileSync(join(folder, 'ballast'), noise(600_000, 'ballast'))
      const head = await fillUp(store)
      await assertRecords(store, head)
      rmSync(join(folder, 'ballast'))
      await store.commit(head, batchAt(head.size))
      await assertRecords(store, headOf(head.size + 1))
      await store.close()
    } finally {
      spawnSync('umount', ['-l', folder])
    }
  })
})

const batchAt = (size: number) => ({
  ...emptyBatch(headOf(size + 1)),
  records: [row({ leaf: size, seq: size, text: noise(10_000, `record ${size}`) })],
})

/** Commits until the store says that it is full; asserts that it says so, and goes on reading. @returns the last head it took */
async function fillUp(store: Store): Promise<StoredHead> {
  let head: StoredHead | undefined
  for (let size = 0; size < 500; size++) {
    try {
      await store.commit(head, batchAt(size))
    } catch (error) {
      await rejects(Promise.reject(error), 'full')
      await rejects(store.commit(head, batchAt(size)), 'full')
      assert.equal((await store.head())?.note, head?.note)
      assert.ok(head, 'some of it went in')
      return head
    }
    head = headOf(size + 1)
  }
  return assert.fail('it never was full')
}

async function assertRecords(store: Store, head: StoredHead): Promise<void> {
  assert.equal((await store.head())?.note, head?.note)
  const rows = await store.records(1, { from: 0, limit: 1000, text: 'all' })
  assert.equal(rows.length, head.size)
  for (const r of rows) assert.ok(noise(10_000, `record ${r.seq}`).equals(r.text as Uint8Array), `record ${r.seq}`)
}

/** Runs a module as a user without rights; root may write anything. */
function asNobody(code: string): { stdout: string; stderr: string } {
  const isRoot = process.getuid?.() === 0
  return spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
    ...(isRoot ? { uid: 65534, gid: 65534 } : {}),
  })
}

describe('erased text', () => {
  test('that a reader kept in the write-ahead log goes with the next commit', async t => {
    const path = join(folderOf(t), 'store.db')
    const store = await open({ path, create: true })
    const { head } = await commitRecords(store, [{ text: Buffer.from('wipe me') }])
    const reader = new DatabaseSync(path)
    reader.exec('begin; select * from record')
    const started = performance.now()
    await store.commit(head, { ...emptyBatch(headOf(8)), erase: [{ leaf: 0, by: 1 }] })
    assert.ok(performance.now() - started < 1000, 'no waiting for the reader')
    reader.exec('commit')
    reader.close()
    await store.commit(headOf(8), emptyBatch(headOf(9)))
    for (const name of ['store.db', 'store.db-wal'])
      assert.equal(readFileSync(join(path, '..', name)).includes('wipe me'), false, name)
    await store.close()
  })

  test('that a crash left in the write-ahead log goes when the store is opened', async t => {
    const folder = folderOf(t)
    const path = join(folder, 'store.db')
    const code = `import { openSqliteStore } from ${JSON.stringify(join(HERE, 'sqlite.ts'))}
      import { commitRecords, headOf } from ${JSON.stringify(join(HERE, '../conformance.ts'))}
      import { emptyBatch } from ${JSON.stringify(join(HERE, '../store.ts'))}
      const fault = point => { if (point === 'after-commit' && erasing) process.kill(process.pid, 'SIGKILL') }
      let erasing = false
      const store = openSqliteStore({ path: ${JSON.stringify(path)}, create: true, fault })
      const { head } = await commitRecords(store, [{ text: Buffer.from('wipe me') }])
      erasing = true
      await store.commit(head, { ...emptyBatch(headOf(9)), erase: [{ leaf: 0, by: 1 }] })`
    const { signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
    assert.equal(signal, 'SIGKILL', stderr)
    assert.ok(readFileSync(`${path}-wal`).includes('wipe me'))
    const store = await open({ path })
    assert.equal((await store.head())?.note, headOf(9).note)
    for (const name of readdirSync(folder))
      assert.equal(readFileSync(join(folder, name)).includes('wipe me'), false, name)
    await store.close()
  })
})

describe('query plans', () => {
  // With no statistics, as in production: nothing runs `analyze`.
  const SMALL = ['head', 'collection', 'anchor', 'json_each'] // a row each, for a collection, an anchor, a value asked for
  // Statuses are kept for days only, and are looked through when an object is erased, or from the oldest on.
  const WALKS = [
    /^select rowid from status where coll/,
    /^select rowid, .* from status order by rowid$/,
    /^select 1 from erased limit 1$/,
    // Once at a start, from the newest on, as far as the first that a quorum has cosigned.
    /^select size from cosignature .* order by size desc limit 1$/s,
  ]
  const INTENDED: [match: RegExp, plan: RegExp][] = [
    [/from record where leaf = /, /USING INTEGER PRIMARY KEY/],
    [/from record where coll = \? and seq /, /record_seq \(coll=\? AND seq[<>]\?\)/],
    [/from record where coll = \? order by seq/, /record_seq/],
    [/record_type /, /COVERING INDEX record_type \(coll=\? AND type=\? AND spec=\? AND seq>\?\)/],
    [/seq, leaf from record indexed by record_spec/, /INDEX record_spec \(coll=\? AND spec=\? AND seq>\?\)/],
    [/min\(spec\) from record indexed by record_spec/, /SEARCH record USING INDEX record_spec \(coll=\? AND spec>\?\)/],
    [/record_version /, /INDEX record_version \(coll=\? AND version=\? AND seq>\?\)/],
    [/from record .*where coll = \? and id = \? and version/, /record_id \(coll=\? AND id=\? AND version=\?\)/],
    [/from record .*where coll = \? and id = \? and kind/, /record_id \(coll=\? AND id=\?\)/],
    [/update record/, /USING INTEGER PRIMARY KEY/],
    [/from tile /, /\(tree=\? AND level=\? AND idx=\?\)/],
    [/from bundle /, /USING INTEGER PRIMARY KEY/],
    [/from checkpoint /, /USING INTEGER PRIMARY KEY/],
    [/^select value from json_each/, /record_id \(coll=\? AND id=\?\)/],
    [/ status (set .*)?where rowid = /, /USING INTEGER PRIMARY KEY/],
    [/from status where id/, /sqlite_autoindex_status_1 \(id=\?\)/],
    [/^select size, witness, line from cosignature/, /USING PRIMARY KEY \(size=\?\)/],
    [/from erased where/, /USING PRIMARY KEY \(tag=\?\)/],
    [/size from anchor where/, /USING PRIMARY KEY \(ledger=\?\)/],
    [/from opening /, /USING PRIMARY KEY/],
    [/from anchor where/, /USING PRIMARY KEY \(ledger=\? AND size>\?\)/],
  ]

  test('no statement walks a table that grows, each uses the index that is meant for it', async t => {
    const path = join(folderOf(t), 'store.db')
    const statements = new Set<string>()
    const store = await open({ path, create: true, observe: sql => statements.add(sql) })
    await useEverything(store)
    await store.close()
    const db = new DatabaseSync(path)
    t.after(() => db.close())
    const matched = new Set<RegExp>()
    for (const sql of statements) {
      if (/^(insert|pragma)/.test(sql.trim()) || WALKS.some(walk => walk.test(sql))) continue
      const details = db
        .prepare(`explain query plan ${sql}`)
        .all(...Array.from<number>({ length: sql.split('?').length - 1 }).fill(1))
        .map(r => String(r['detail']))
      const plan = details.join('; ')
      const scanned = details.map(d => /^SCAN (\w+)/.exec(d)?.[1]).find(table => table && !SMALL.includes(table))
      assert.equal(scanned, undefined, `${sql}\n  ${plan}`)
      const intended = INTENDED.find(([match]) => match.test(sql))
      if (!intended) {
        assert.match(sql, /from (head|collection|anchor)\b/, `no index is named for: ${sql}`)
        continue
      }
      matched.add(intended[0])
      assert.match(plan, intended[1], sql)
      if (!sql.includes('record_id')) assert.doesNotMatch(plan, /TEMP B-TREE/, sql)
    }
    const idle = INTENDED.filter(([match]) => !matched.has(match)).map(([match]) => match.source)
    assert.deepEqual(idle, [], 'every kind of statement was met')
  })
})

async function useEverything(store: Store & Journal): Promise<void> {
  const { head, rows } = await commitRecords(store, [{}, {}])
  const id = rows[0]?.id as string
  const version = rows[0]?.version as string
  await store.commit(head, {
    ...emptyBatch(headOf(9)),
    supersede: [{ leaf: 0, by: 1 }],
    erase: [{ leaf: 1, by: 2 }],
    statuses: [statusRow('one')],
  })
  await store.collections()
  await store.recordAt(0)
  for (const text of ['last', 'versions', 'all', 'none'] as const) {
    for (const types of [undefined, ['indicator'], ['indicator', 'tool']])
      for (const specs of [undefined, ['2.1']])
        for (const versions of [undefined, [version]])
          await store.records(1, { from: 0, limit: 9, types, specs, versions, text })
  }
  await store.versions(1, id)
  await store.versionsOf(1, [id])
  for (const wanted of [version, undefined]) await Array.fromAsync(store.lookups(1, [{ id, version: wanted }], 9))
  await store.known(1, [id])
  await store.equivocations(1, id)
  await store.hasErased()
  await store.wereErased([Buffer.alloc(32)])
  await store.rewriteStatuses(1, id, row => row)
  await store.purgeStatuses(Number.MAX_SAFE_INTEGER, new Map([[1, 9]]), 1)
  await store.finalSizeAt('local', 0)
  await store.gaps(1, 9)
  await store.tile(0, 0, 0)
  await store.entryBundle(0)
  await store.checkpoint(5)
  await store.checkpointFrom(5)
  await store.cosignatures(5)
  await store.cosignedSize(['w1'], 1)
  await store.status('none')
  await store.opening('none')
  await store.foreignWrites()
  await store.anchors()
  await store.anchorCovering('local', 1)
  await store.label(0, true)
}

test('importing the port loads no driver', () => {
  for (const file of ['../store.ts', '../conformance.ts']) {
    const code = `import ${JSON.stringify(join(HERE, file))}
      console.log(process.moduleLoadList.filter(m => /sqlite/i.test(m)).join())`
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
    assert.equal(stdout.trim(), '', file)
  }
})
