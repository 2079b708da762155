// `entente backup` beside a server that takes objects, and `entente restore`.
import assert from 'node:assert/strict'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createTaxiiClient } from '@entente/client'
import { collectionKey } from '@entente/verify/proof'
import { openErasedTags } from '#notary/erased.ts'
import { openSqliteStore } from '#store/sqlite/sqlite.ts'
import { loadConfig } from '../config.ts'
import { startServer } from '../serve.ts'
import { entente, runScript } from './test/script.ts'
import { adminPassword, indicators, startSite } from './test/site.ts'

const CONFIG = 'server: { port: 0 }\nanchoring: { intervalMs: 20 }\naudit: { share: 0 }\n'
/** The ledger on another disk than the store. */
const APART = `${CONFIG}ledgers: [{ id: local, kind: embedded, path: elsewhere/ledger }]\n`

const ok = async (args: string[], cwd: string): Promise<Record<string, any>> => {
  const { code, out, err } = await entente([...args, '--json'], { cwd })
  assert.equal(code, 0, `${out}${err}`)
  return JSON.parse(out) as Record<string, any>
}

test('backups while objects come in: each is whole, and no ledger in it is ahead of its store', async t => {
  const site = await startSite(t, CONFIG)
  const auth = { kind: 'basic' as const, user: 'admin', password: adminPassword(site) }
  const collection = createTaxiiClient({ url: site.url, auth }).collection(site.url)
  let isDone = false
  const writing = (async () => {
    for (let from = 0; !isDone; from += 3) await collection.add(indicators(3, from))
  })()
  try {
    const sizes: number[] = []
    for (const name of ['one', 'three']) {
      await ok(['backup', '--to', name], site.folder)
      const report = await ok(['backup', '--check', '--to', name], site.folder)
      const [ledger] = report['ledgers'] as { ok: boolean; size: number }[]
      assert.ok(ledger?.ok && ledger.size > 0 && ledger.size <= report['size'])
      sizes.push(report['size'] as number)
    }
    assert.ok(sizes[0]! < sizes[1]!, `${sizes}`)
  } finally {
    isDone = true
    await writing
  }
  await site.server.close()

  const backup = join(site.folder, 'three')
  for (const name of readdirSync(backup, { recursive: true, encoding: 'utf8' })) {
    const { mode } = statSync(join(backup, name))
    assert.equal(mode & 0o077, 0, `${name} can be read by others`)
  }
  const restored = await ok(['restore', '--from', 'three', '--data', 'again'], site.folder)
  assert.equal(existsSync(join(site.folder, 'again.part')), false)
  const { config, paths } = loadConfig({ file: site.config, data: join(site.folder, 'again'), env: {} })
  const server = await startServer(config, paths, () => {})
  try {
    assert.equal(server.notary.halted, undefined)
    assert.equal(server.notary.log.size, restored['size'])
    const url = `${server.url}/api/collections/default/`
    const again = createTaxiiClient({ url, auth }).collection(url)
    const [status] = await again.add(indicators(2, 5_000_000))
    await again.waitFor(status!)
  } finally {
    await server.close()
  }
})

test('what is not as it was backed up is refused, and nothing is left behind', async t => {
  const site = await startSite(t, CONFIG)
  await site.server.close()
  const { folder } = site
  await ok(['backup', '--to', 'good', '--config', 'entente.yaml'], folder)
  const change = (name: string, file: string, what: (text: Buffer) => Buffer) => {
    cpSync(join(folder, 'good'), join(folder, name), { recursive: true })
    writeFileSync(join(folder, name, file), what(readFileSync(join(folder, 'good', file))))
  }
  change('flipped', 'store.db', bytes => {
    bytes[5000] = (bytes[5000] as number) ^ 1
    return bytes
  })
  change('key', 'log.key', () => Buffer.from('nothing'))
  cpSync(join(folder, 'good'), join(folder, 'less'), { recursive: true })
  rmSync(join(folder, 'less', 'users.json'))
  cpSync(join(folder, 'good'), join(folder, 'more'), { recursive: true })
  writeFileSync(join(folder, 'more', 'another'), '')
  await runScript(
    `
    $ entente restore --from flipped --data new
    entente restore: flipped/store.db is not what was backed up: SHA-256 …
    [exit 4]
    $ entente backup --check --to key
    entente backup: key/log.key is not what was backed up: …
    [exit 4]
    $ entente restore --from less --data new
    entente restore: less/users.json is missing from this backup
    [exit 4]
    $ entente restore --from more --data new
    entente restore: more/another is not in backup.json: something was added to this backup
    [exit 4]
    $ entente restore --from data --data new
    entente restore: data is no backup: it has no backup.json
    [exit 2]
    $ entente restore --from good --data data
    entente restore: data is there already and not empty: name a new folder
    [exit 2]
    $ entente backup --to good
    entente backup: good is there already and not empty: name a new folder
    [exit 2]
    $ entente backup
    entente backup: --to FOLDER is missing: …
    [exit 2]
    $ entente restore --from good --data new
    new: … at size 1, as it was …
      ledger local: agrees up to size …
    What was erased since then is back, and nothing here says what that was: erase it again, or restore with --newer COPY. What was published since then is gone.
  `,
    { cwd: folder },
  )
  assert.deepEqual(
    readdirSync(folder).filter(name => name.endsWith('.part')),
    [],
  )
})

test('a ledger that outlived the store, and is ahead of the backup: refused, with what to do', async t => {
  const refusing =
    'apiRoots: [{ path: /api/, title: T, collections: [{ alias: default, title: D, read: [taxii-read], write: [taxii-write], repost: refuse }] }]\n'
  const site = await startSite(t, APART + refusing)
  const { folder } = site
  const auth = { kind: 'basic' as const, user: 'admin', password: adminPassword(site) }
  const collection = createTaxiiClient({ url: site.url, auth }).collection(site.url)
  const add = async (from: number) => collection.waitFor((await collection.add(indicators(3, from)))[0]!)
  await add(0)
  await ok(['backup', '--to', 'old', '--config', 'entente.yaml'], folder)
  await add(10)
  const authorization = `Basic ${Buffer.from(`admin:${auth.password}`).toString('base64')}`
  const id = indicators(1, 0)[0]?.['id'] as string
  const erased = `${site.url}objects/${id}/?match[version]=all`
  assert.equal((await fetch(erased, { method: 'DELETE', headers: { authorization } })).status, 200)
  await add(20)
  await ok(['backup', '--to', 'new', '--config', 'entente.yaml'], folder)
  await site.server.close()
  await runScript(
    `
    $ entente restore --from old --data again --config entente.yaml
    entente restore: ledger "local" has this log at size 15, the store only at 5: … A store that is put back must be at least as new as the newest anchor: …
    [exit 4]
    $ entente restore --from new --data again --config entente.yaml
    again: … at size 15, as it was …
      ledger local was there already and was left as it is
      ledger local: agrees up to size 15
    …
    $ entente restore --from old --newer data --data forward --config entente.yaml
    forward: … at size 15, from a backup of … at size 5
      ledger local was there already and was left as it is
      ledger local: agrees up to size 15
    7 records were added and 1 erased by what newer copies have of the log. What was logged after those is unknown here.
    $ entente audit --data again --config entente.yaml
    …
    no problem found
  `,
    { cwd: folder },
  )
  // What the collection refuses to take again it refuses after the restore as well.
  const store = openSqliteStore({ path: join(folder, 'forward', 'store.db'), readOnly: true })
  t.after(() => store.close())
  const tags = await openErasedTags(join(folder, 'forward', 'erased.key'), store)
  const [known] = await store.collections()
  const key = collectionKey('/api/', known?.id as string)
  assert.deepEqual(await store.wereErased([tags.tag(key, id), tags.tag(key, 'indicator--0')]), [true, false])
})

test('a key that followed after the backup is taken along with what it has signed; without its file nothing is passed over', async t => {
  const site = await startSite(t, CONFIG.replace('audit', 'ledgers: []\naudit'))
  const { folder, data } = site
  const auth = { kind: 'basic' as const, user: 'admin', password: adminPassword(site) }
  const add = async (url: string, from: number) => {
    const collection = createTaxiiClient({ url, auth }).collection(url)
    await collection.waitFor((await collection.add(indicators(3, from)))[0]!)
  }
  const config = ['--config', 'entente.yaml']
  await add(site.url, 0)
  await ok(['backup', '--to', 'old', ...config], folder)
  await site.server.close()
  const { index } = await ok(['log', 'rotate-key', '--data', 'data', ...config], folder)
  const run = async (name: string) => {
    const loaded = loadConfig({ file: site.config, data: join(folder, name), env: {} })
    const server = await startServer(loaded.config, loaded.paths, () => {})
    t.after(() => server.close())
    return server
  }
  const server = await run('data')
  await add(`${server.url}/api/collections/default/`, 10)
  await server.close()
  const { size } = server.notary.log
  assert.ok(size > index)

  for (const isRetired of [false, true]) {
    if (isRetired) await ok(['log', 'retire-key', '--data', 'data', ...config], folder)
    if (isRetired) {
      // The next checkpoint is signed by the new key alone.
      const alone = await run('data')
      await add(`${alone.url}/api/collections/default/`, 20)
      await alone.close()
    }
    const to = `forward-${isRetired}`
    const restored = await ok(['restore', '--from', 'old', '--newer', 'data', '--data', to, ...config], folder)
    assert.ok(restored['size'] >= size)
    assert.equal(restored['forward'].added, isRetired ? 6 : 3)
    assert.deepEqual((await ok(['log', 'keys', '--data', to, ...config], folder))['keys'].length, 2)
    assert.equal(existsSync(join(folder, to, 'log.key.old')), !isRetired, 'what signed along goes on to')
    const again = await run(to)
    await add(`${again.url}/api/collections/default/`, 30)
    await again.close()
    assert.deepEqual((await ok(['audit', '--data', to, ...config], folder))['problems'], [])
    // A store without the key that has signed it: its checkpoint is not left out in silence.
    const alone = await entente(['restore', '--from', 'old', '--newer', 'data/store.db', '--data', 'none', ...config], {
      cwd: folder,
    })
    assert.match(alone.err, /signed by a newer key, which has followed .*: put that key's file/)
    assert.notEqual(alone.code, 0)
  }
  assert.equal(existsSync(join(data, 'store.db')), true)
})
