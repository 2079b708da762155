// A backup that is older than the ledger, and nothing newer: the log ends, and what there is goes on as another one.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { createTaxiiClient } from '@entente/client'
import { verifyContinuation } from '@entente/verify/proof'
import { loadConfig } from '../config.ts'
import { type RunningServer, startServer } from '../serve.ts'
import { entente, runScript } from './test/script.ts'
import { adminPassword, indicators, type Site, startSite } from './test/site.ts'

const CONFIG = `server: { port: 0 }
anchoring: { intervalMs: 20 }
audit: { share: 0 }
ledgers: [{ id: local, kind: embedded, path: elsewhere/ledger }]
`

/** A site whose store is lost; its ledger has more than the backup `old`. A reader has seen as much of the log as the ledger. */
async function loseStore(t: TestContext): Promise<Site & { password: string; port: number }> {
  const site = await startSite(t, CONFIG)
  const port = Number(new URL(site.url).port)
  const password = adminPassword(site)
  const auth = { kind: 'basic' as const, user: 'admin', password }
  const collection = createTaxiiClient({ url: site.url, auth }).collection(site.url)
  const add = async (from: number) => collection.waitFor((await collection.add(indicators(3, from)))[0]!)
  await add(0)
  await run(site, ['backup', '--to', 'old'])
  await get(site, site.url, password, 'early')
  await add(10)
  await add(20)
  await get(site, site.url, password, 'late')
  await site.server.close()
  renameSync(site.data, join(site.folder, 'lost'))
  return { ...site, password, port }
}

/** Reads the collection as a reader who remembers the log in this folder. */
async function get(site: Site, url: string, password: string, memory: string): Promise<string> {
  const args = ['get', url, '--user', 'admin', '--password', password, '--memory', memory]
  const { code, out, err } = await entente(args, { cwd: site.folder })
  assert.equal(code, 0, out + err)
  return err
}

async function run(site: Site, args: string[]): Promise<Record<string, any>> {
  const { code, out, err } = await entente([...args, '--config', 'entente.yaml', '--json'], { cwd: site.folder })
  assert.equal(code, 0, `${out}${err}`)
  return JSON.parse(out) as Record<string, any>
}

/** On the same port: for readers it is the same server. */
async function serve(t: TestContext, site: Site, port: number, data: string): Promise<RunningServer> {
  const { config, paths } = loadConfig({ file: site.config, data: join(site.folder, data), env: {} })
  const server = await startServer({ ...config, server: { ...config.server, port } }, paths, () => {})
  t.after(() => server.close())
  return server
}

const ORIGIN = 'taxii.example/log/2'

/** kill -9 at each step: nothing is there under its name, and the next run goes on with the same new log. */
async function killAtEach(site: Site): Promise<void> {
  const { folder } = site
  for (const point of ['N1', 'N2', 'N3']) {
    const script = `
      import { restoreBackup } from ${JSON.stringify(join(import.meta.dirname, '../backup.ts'))}
      const progress = { update: () => {}, end: () => {} }
      await restoreBackup({ from: 'old', data: 'data', configFile: 'entente.yaml', newer: [], newLog: '${ORIGIN}', progress,
        fault: point => { if (point === '${point}') process.kill(process.pid, 'SIGKILL') } })`
    writeFileSync(join(folder, 'kill.mjs'), script)
    const child = spawn(process.execPath, ['kill.mjs'], { stdio: 'inherit', cwd: folder })
    const [, signal] = await once(child, 'exit')
    assert.equal(signal, 'SIGKILL', point)
    assert.equal(existsSync(join(folder, 'data')), false, 'nothing is there under its name')
    const key = readFileSync(join(folder, 'data.new-log.key'), 'utf8')
    if (point === 'N1') writeFileSync(join(folder, 'first.key'), key)
    assert.equal(key, readFileSync(join(folder, 'first.key'), 'utf8'), point)
  }
  const other = ['restore', '--from', 'old', '--data', 'data', '--config', 'entente.yaml', '--new-log', 'other.example']
  const { code, err } = await entente(other, { cwd: folder })
  assert.deepEqual([code, /it is the key of the log taxii\.example\/log\/2/.test(err)], [4, true], err)
}

test('a log that ended goes on as another one, on its ledger too; readers are told what is lost, and that is checked', async t => {
  const site = await loseStore(t)
  const { folder, password } = site
  await runScript(
    `
    $ entente restore --from old --data data --config entente.yaml
    entente restore: ledger "local" has this log at size 13, the store only at 5: … --new-log ORIGIN …
    [exit 4]
    $ entente restore --from old --data data --config entente.yaml --new-log "no name"
    entente restore: --new-log no name: a host and path of yours is wanted, such as entente.local/…
    [exit 2]
  `,
    { cwd: folder },
  )
  await killAtEach(site)
  await runScript(
    `
    $ entente restore --from old --data data --config entente.yaml --new-log ${ORIGIN}
    data: … at size 7, as it was …
      ledger local was there already and was left as it is
      ledger local: agrees up to size 5
    What was erased since then is back, …
    The log entente.local/… has ended at size 5: at least 8 entries of it are lost. What there is goes on as the log ${ORIGIN}:
      ${ORIGIN}+…
      ledger local: the old log, at size 13, is closed; the new one goes on from 5
    Tell readers …
    $ entente log keys --data data --config entente.yaml
    ${ORIGIN}
      goes on from entente.local/…, which ended at size 5 (known to have been at 13), …
      ${ORIGIN}+…
    $ entente audit --data data --config entente.yaml
    …
    no problem found
  `,
    { cwd: folder },
  )
  assert.deepEqual(
    readdirSync(folder).filter(name => /part$|new-log/.test(name)),
    [],
  )

  const [key, first] = ['data/log.key', 'first.key'].map(name => readFileSync(join(folder, name), 'utf8'))
  assert.equal(key, first, 'the key of the first run')

  const server = await serve(t, site, site.port, 'data')
  const url = `${server.url}/api/collections/default/`
  const auth = { kind: 'basic' as const, user: 'admin', password }
  const client = createTaxiiClient({ url, auth })
  const collection = client.collection(url)
  await collection.waitFor((await collection.add(indicators(2, 30)))[0]!)
  assert.equal(server.notary.log.collections.size, 1, 'the collection has the id that it had')
  const [note = ''] = await client.continuations()
  const { size, last, to } = verifyContinuation(note)
  assert.deepEqual([size, last, to], [5, 13, server.context.vkey])
  assert.match(
    await get(site, url, password, 'early'),
    /has ended, as its key states .* all that you had seen of it is in the new one; its entries from 5 to 13 are lost/,
  )
  assert.match(await get(site, url, password, 'late'), /you had seen it at size 13: what was in it behind 5 is lost/)
  assert.doesNotMatch(await get(site, url, password, 'late'), /has ended/, 'and the new one is remembered')
  await server.close()
  // The key of the new log may be followed by another one; what it is derived from stays.
  await run(site, ['log', 'rotate-key', '--data', 'data'])
  const { keys } = await run(site, ['log', 'keys', '--data', 'data'])
  assert.equal(keys.length, 2)
  const again = await serve(t, site, 0, 'data')
  assert.equal(again.notary.halted, undefined)
  assert.deepEqual(again.context.continuations, [note])
  await again.close()
  assert.deepEqual((await run(site, ['audit', '--data', 'data']))['problems'], [])
})
