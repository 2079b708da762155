// `entente repair`: whatever is damaged, the store is afterwards what it was, byte for byte, or says what it is not.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { before, suite, type TestContext, test } from 'node:test'
import { createTaxiiClient } from '@entente/client'
import { audit } from '#notary/audit.ts'
import { repair, type RepairReport } from '#notary/repair.ts'
import { openSqliteStore } from '#store/sqlite/sqlite.ts'
import type { Store } from '#store/store.ts'
import { openRepairSource } from '../repair-sources.ts'
import { entente, runScript } from './test/script.ts'
import { adminPassword, indicators, startSite } from './test/site.ts'

const CONFIG = `
server: { port: 0 }
ledgers: []
audit: { share: 0 }
apiRoots:
  - path: /api/
    title: Tests
    collections:
      - { alias: default, title: Default collection }
      - { alias: other, title: Other collection, onConflict: keepBoth }
      - { alias: empty, title: Nothing in it }
`
const TABLES = ['head', 'collection', 'record', 'tile', 'bundle', 'checkpoint', 'status', 'opening']

/** The texts of two rows. */
const SWAP = `create temp table t as select seq, text from record where coll = 1 and seq in (6, 8);
  update record set text = (select text from t where t.seq = 14 - record.seq) where coll = 1 and seq in (6, 8)`

/** A data folder with all that a log can hold, one of an hour before it, and a saved read of its first collection. */
type Site = { folder: string; data: string; old: string; read: string; config: string; vkey: string; erased: string }

/** Everything that is evidence, and everything that is derived from it. */
function dump(path: string): Record<string, string[]> {
  const db = new DatabaseSync(path, { readOnly: true })
  const texts = TABLES.map(table => {
    const rows = db.prepare(`select * from ${table}`).all()
    const plain = (_: string, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value
    return [table, rows.map(row => JSON.stringify(row, plain)).sort()] as const
  })
  db.close()
  return Object.fromEntries(texts)
}

suite('entente repair', { concurrency: false }, () => {
  let site: Site
  before(async () => {
    const t = { after: (f: () => unknown) => process.once('exit', () => void f()) } as unknown as TestContext
    const { server, data, folder, url } = await startSite(t, CONFIG)
    const auth = { kind: 'basic' as const, user: 'admin', password: adminPassword({ data } as never) }
    const client = createTaxiiClient({ url, auth })
    const [one, two] = [client.collection(url), client.collection(url.replace('default', 'other'))]
    for (let i = 0; i < 40; i++) {
      await one.add(indicators(7, i * 10))
      if (i % 3 === 0) await two.add(indicators(3, i * 10))
    }
    const changed = (modified: string, name: string) => indicators(2).map(o => ({ ...o, modified, name }))
    await one.add(changed('2026-03-01T00:00:00.000Z', 'third'))
    await one.add(changed('2026-02-01T00:00:00.000Z', 'second, which came later'))
    await one.add(changed('2026-02-01T00:00:00.000Z', 'refused')) // equivocation
    await two.add(changed('2026-01-01T00:00:00.000Z', 'both are kept'))
    const old = join(folder, 'old.db')
    copyStore(join(data, 'store.db'), old)
    const erased = indicators(1, 30)[0]!.id
    await one.delete(erased)
    await one.add(indicators(5, 900))
    const read = join(folder, 'read.json')
    const saved = await entente(['get', url, '--records', '--out', read, '--data', data], { cwd: folder })
    assert.equal(saved.code, 0, saved.err)
    const { vkey } = server.context
    await server.close()
    const kept = mkdtempSync(join(tmpdir(), 'entente-repair-'))
    process.once('exit', () => rmSync(kept, { recursive: true, force: true }))
    cpSync(folder, kept, { recursive: true })
    const at = (name: string) => join(kept, name)
    site = {
      folder: kept,
      data: at('data'),
      old: at('old.db'),
      read: at('read.json'),
      config: at('entente.yaml'),
      vkey,
      erased,
    }
  })

  const copy = (t: TestContext): { path: string; data: string; original: Record<string, string[]> } => {
    const folder = mkdtempSync(join(tmpdir(), 'entente-repair-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const data = join(folder, 'data')
    cpSync(site.data, data, { recursive: true })
    return { path: join(data, 'store.db'), data, original: dump(join(site.data, 'store.db')) }
  }

  async function mend(path: string, from: string[] = [], wrap = (s: Store) => s): Promise<RepairReport> {
    const store = openSqliteStore({ path })
    const sources = await Promise.all(from.map(name => openRepairSource(name, {})))
    try {
      return await repair({ store: wrap(store), vkey: site.vkey, sources })
    } finally {
      await store.close()
      for (const source of sources) await source.close()
    }
  }

  async function problemsOf(path: string): Promise<string[]> {
    const store = openSqliteStore({ path, readOnly: true })
    try {
      return (await audit({ store, vkey: site.vkey, anchors: [] })).problems.map(p => p.message)
    } finally {
      await store.close()
    }
  }

  const sql = (path: string, text: string): void => {
    const db = new DatabaseSync(path)
    db.exec(text)
    db.close()
  }

  /** What is damaged, by which statement, and what is needed to mend it. */
  const DAMAGES: [what: string, statement: string, from: 'nothing' | 'old' | 'read'][] = [
    [
      'columns of a row',
      `update record set id = 'tool--1', type = 'x', version = '1', added = 5, digits = 1, imported = 1 where seq = 4`,
      'nothing',
    ],
    ['the version of STIX', `update record set spec = '2.0' where seq = 9 and coll = 1`, 'nothing'],
    ['the type of a row', `update record set type = 'malware' where seq = 9 and coll = 1`, 'nothing'],
    ['kind and refused hash', `update record set kind = 0, refused = 'a' where kind = 2`, 'nothing'],
    ['the collection of a row', `update record set coll = 3, seq = 77 where seq = 5 and coll = 1`, 'nothing'],
    [
      'columns of an erased row',
      `update record set superseded = 3, id = 'indicator--x', version = 'y' where text is null`,
      'nothing',
    ],
    ['two texts swapped', `${SWAP}`, 'nothing'],
    [
      'two rows swapped whole',
      `update record set seq = 1000 where coll = 1 and seq = 3; update record set seq = 3 where coll = 1 and seq = 11; update record set seq = 11 where coll = 1 and seq = 1000`,
      'nothing',
    ],
    ['a row at another log index', `update record set leaf = 100000 where coll = 1 and seq = 12`, 'nothing'],
    [
      'a row that is none',
      `insert into record(leaf, coll, seq, kind, added, imported, digits, invalid, text) values(5000, 9, 0, 0, 1, 0, 0, 0, 'nothing')`,
      'nothing',
    ],
    ['a tile', `update tile set data = zeroblob(length(data)) where tree = 0 and level = 0 and idx = 0`, 'nothing'],
    ['all tiles', `delete from tile`, 'nothing'],
    ['an entry bundle', `update bundle set data = zeroblob(length(data)) where idx = 0`, 'old'],
    ['the last entry bundle', `delete from bundle where idx = (select max(idx) from bundle)`, 'nothing'],
    [
      'heads of collections',
      `update collection set count = count - 1, last_added = 7, root = zeroblob(32) where number = 1`,
      'nothing',
    ],
    ['the head', `delete from head`, 'nothing'],
    ['a head of another log', `update head set note = 'nothing', size = 5`, 'nothing'],
    [
      'content',
      `update record set text = cast(replace(text, 'indicator 21"', 'indicator 12"') as blob) where coll = 1`,
      'old',
    ],
    ['a row', `delete from record where coll = 1 and seq in (17, 18, 40)`, 'old'],
    ['a row', `delete from record where coll = 1 and seq in (17, 18, 40)`, 'read'],
    [
      'a row blanked as if it had been erased',
      `update record set text = null, id = null, type = null, version = null, superseded = 1 where coll = 1 and seq = 16`,
      'old',
    ],
    [
      'all rows of the first requests, their tile and their bundle',
      `delete from record where leaf < 200; delete from tile; delete from bundle where idx = 0`,
      'old',
    ],
    ['all collections', `delete from collection`, 'old'],
    [
      'rows of an object with several versions',
      `delete from record where id like '%000000000000' and leaf < 5; delete from record where version like '2026-02%' and coll = 1 and kind = 0`,
      'old',
    ],
    ['the row of a deletion', `delete from record where kind = 1`, 'read'],
    ['an erased row', `delete from record where text is null`, 'old'],
  ]

  for (const [what, statement, from] of DAMAGES)
    test(`${what}, mended with ${from}`, async t => {
      const { path, original } = copy(t)
      sql(path, statement)
      assert.notDeepEqual(dump(path), original)
      const report = await mend(path, from === 'nothing' ? [] : [from === 'old' ? site.old : site.read])
      assert.deepEqual(report.lost, [])
      assert.deepEqual(await problemsOf(path), [])
      const mended = dump(path)
      for (const table of TABLES) assert.deepEqual(mended[table], original[table], table)
      const again = await mend(path)
      const done = [
        again.restored,
        again.columns,
        again.removed,
        again.lost,
        again.tiles,
        again.entryBundles,
        again.heads,
      ]
      assert.deepEqual(done, [[], [], [], [], 0, 0, 0], 'what is fine is left alone')
    })

  test('without a copy the record is named, all else is mended', async t => {
    const { path } = copy(t)
    sql(path, `update record set text = 'nothing' where coll = 1 and seq = 4; delete from tile where tree = 0`)
    const report = await mend(path)
    assert.deepEqual(
      report.lost.map(l => l.seq),
      [4],
    )
    assert.ok(report.tiles > 0)
    assert.equal((await problemsOf(path)).length, 1)
  })

  test('what was erased does not come back: from an old copy, nor where the record of the deletion is lost', async t => {
    const { path, original } = copy(t)
    // The row of what was erased is gone, and an old copy has its text.
    sql(path, 'delete from record where text is null')
    await mend(path, [site.old])
    assert.deepEqual(dump(path)['record'], original['record'])
    // And the record of the deletion is gone as well, which the old copy has not.
    sql(path, 'delete from record where text is null or kind = 1')
    const report = await mend(path, [site.old])
    assert.match(report.lost.map(l => l.reason).join('\n'), /may have been its deletion/)
    const db = new DatabaseSync(path)
    assert.equal(db.prepare('select count(*) as n from record where coll = 1 and id = ?').get(site.erased)?.['n'], 0)
    db.close()
    // A newer copy has that record.
    assert.deepEqual((await mend(path, [site.old, site.read])).lost, [])
    assert.deepEqual(dump(path)['record'], original['record'])
    // Put back by hand, it goes again.
    sql(
      path,
      `attach '${site.old}' as old; delete from record where text is null; insert into record select * from old.record o where o.id = '${site.erased}' and o.coll = 1 and not exists (select 1 from record r where r.leaf = o.leaf)`,
    )
    assert.ok((await problemsOf(path)).some(p => /says that it was deleted/.test(p)))
    await mend(path)
    assert.deepEqual(await problemsOf(path), [])
  })

  test('a record that was changed and no tile above it: the root tells who is right', async t => {
    const { path, original } = copy(t)
    const change = `update record set text = cast(replace(text, 'indicator 21"', 'indicator 12"') as blob) where coll = 1`
    sql(path, `delete from tile; ${change}`)
    const report = await mend(path)
    assert.equal(report.lost.length, 1)
    assert.deepEqual((await mend(path, [site.old])).lost, [])
    for (const table of TABLES) assert.deepEqual(dump(path)[table], original[table], table)
    // An entry that was changed instead of the record.
    sql(
      path,
      `delete from tile; update bundle set data = cast(substr(data, 1, 200) || x'00' || substr(data, 202) as blob) where idx = 0`,
    )
    assert.deepEqual((await mend(path)).lost, [])
    for (const table of TABLES) assert.deepEqual(dump(path)[table], original[table], table)
  })

  test('a source that lies is not believed', async t => {
    const { path, original } = copy(t)
    const lying = join(path, '..', 'lying.db')
    cpSync(site.old, lying)
    sql(
      lying,
      `update record set text = cast(replace(text, 'indicator', 'indicat0r') as blob); update bundle set data = zeroblob(length(data)); delete from collection`,
    )
    sql(path, 'delete from record where coll = 1 and seq = 17')
    const report = await mend(path, [lying])
    assert.deepEqual(
      report.lost.map(l => l.seq),
      [17],
    )
    assert.equal(dump(path)['record']!.length, original['record']!.length - 1)
  })

  test('kill -9 between any two writes: the next run goes on', { timeout: 60_000 }, async t => {
    const damage = `${SWAP};
      update record set added = 5 where seq = 30; delete from record where coll = 1 and seq = 17; delete from tile; delete from bundle; update collection set count = 3`
    let killed = 0
    for (let nth = 1; ; nth++) {
      const { path, original } = copy(t)
      sql(path, damage)
      const code = `
        import { openSqliteStore } from '#store/sqlite/sqlite.ts'
        import { repair } from '#notary/repair.ts'
        import { openRepairSource } from '${ROOT}/packages/entente/cli/repair-sources.ts'
        const store = openSqliteStore({ path: ${JSON.stringify(path)} })
        let left = ${nth}
        const mend = store.mend
        store.mend = async (...args) => { await mend(...args); if (--left === 0) process.kill(process.pid, 'SIGKILL') }
        await repair({ store, vkey: ${JSON.stringify(site.vkey)}, sources: [await openRepairSource(${JSON.stringify(site.old)}, {})] })`
      const signal = await runKilled(code)
      await mend(path, [site.old])
      for (const table of TABLES)
        assert.deepEqual(dump(path)[table], original[table], `${table}, killed after write ${nth}`)
      if (signal === null) break
      killed++
    }
    assert.ok(killed >= 4, `killed ${killed} times`)
  })

  test('an index that says something else than its table: found by the audit, built anew', async t => {
    const { path, data, original } = copy(t)
    // The row of an object is taken out and put back while the index by id isn't looked after.
    const db = new DatabaseSync(path)
    db.enableDefensive(false)
    const index = db.prepare(`select * from sqlite_schema where name = 'record_id'`).get() as Record<string, string>
    const again = (text: string) => {
      db.exec(`pragma writable_schema = on; ${text}; pragma writable_schema = reset`)
    }
    again(`delete from sqlite_schema where name = 'record_id'`)
    db.exec(`create temp table t as select * from record where leaf = 7; delete from record where leaf = 7`)
    db.exec(`insert into record select * from t`)
    db.exec(`update record set id = 'tool--x' where leaf = 6`)
    again(`insert into sqlite_schema values('index', 'record_id', 'record', ${index['rootpage']}, '${index['sql']}')`)
    db.close()
    const found = await problemsOf(path)
    assert.ok(
      found.some(p => /record \d+ is not found where it belongs/.test(p)),
      found.join('\n'),
    )
    const ran = await entente(['repair', '--data', data, '--config', site.config, '--json'], { cwd: site.folder })
    const report = JSON.parse(ran.out) as { file: { action: string }; problems: unknown[] }
    assert.equal(report.file.action, 'indexes')
    assert.deepEqual([ran.code, report.problems], [0, []])
    assert.deepEqual(dump(path)['record'], original['record'])
  })

  test('the command: dry run, repair, and what is left', async t => {
    const { path, data } = copy(t)
    sql(
      path,
      `update record set text = 'nothing' where coll = 1 and seq = 4; update record set added = 5 where coll = 1 and seq = 30; delete from tile where tree = 0`,
    )
    const variables = { DATA: data, OLD: site.old }
    const config = join(data, '..', 'entente.yaml')
    writeFileSync(config, readFileSync(site.config))
    const run = (script: string) => runScript(script, { cwd: join(data, '..'), variables })
    await run(`
      $ entente repair --config entente.yaml --dry-run
      …: size …
        record 30 of collection … (entry …): its columns would be written again
        3 tiles: would be written again
      LOST entry … (record 4 of collection …): its text is neither in the store nor in a source
      NOT everything is right again
      [exit 4]
      $ entente audit --config entente.yaml
      …
      [exit 4]
      $ entente repair --config entente.yaml --from $OLD
      …: size …
        record 4 of collection … (entry …) brought back from $OLD
        record 30 of collection … (entry …): its columns written again
        3 tiles: written again
      no problem is left
      $ entente audit --config entente.yaml
      …
      no problem found
      $ entente repair --config entente.yaml --from $OLD
      …: size …
      no problem is left
      $ entente repair --from nowhere
      entente repair: nowhere: there is no such file or folder
      [exit 2]
    `)
    const store = openSqliteStore({ path })
    await run(`
      $ entente repair --config entente.yaml
      entente repair: a server runs on $DATA: stop it first, and start it again afterwards
      [exit 1]
    `)
    await store.close()
  })
})

const ROOT = join(import.meta.dirname, '..', '..', '..', '..')

/** Runs a module in a process of its own. @returns the signal that ended it */
function runKilled(code: string): Promise<string | null> {
  const child = spawn(
    process.execPath,
    ['--input-type=module', '-e', code.replaceAll("'#", `'${ROOT}/packages/entente/`)],
    {
      cwd: ROOT,
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
  return new Promise(resolve => child.once('exit', (_, signal) => resolve(signal)))
}

/** A consistent copy beside a running server. */
function copyStore(from: string, to: string): void {
  const db = new DatabaseSync(from, { readOnly: true })
  db.exec(`vacuum into '${to}'`)
  db.close()
}
