/**
 * Two checkouts of the project in one process, in turn: what a change does to the work of the server without HTTP. Both must
 * have their node_modules, and this one's bench/objects.ts gives the objects.
 *
 *     node bench/checkouts.ts OLD NEW [--only post] [--rounds 20]
 */
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../test/support/server.ts'
import { envelope, idOf } from './objects.ts'
import { alternate, median } from './statistics.ts'

const COLLECTION = { apiRoot: '/api/', id: '3e4d4a5c-8f0f-4a3b-9d8e-2b6c1f0a7d11' }
const LIMITS = { page: 1000, maxPage: 10_000 }
const POSTS = 300
const READ = 10_000

type Work = () => Promise<{ us: number; cpuUs: number }>
type Side = { work: Record<string, Work>; close: () => Promise<void> }

/** The notary and the reader of the checkout at `folder`, on a store of its own. */
async function open(folder: string): Promise<Side> {
  const at = (file: string) => import(join(folder, 'packages/entente', file))
  const [
    { openLogKey },
    { openNotary },
    { openSqliteStore },
    { createDamage },
    { readEnvelope },
    { readPage },
    { parseQuery },
  ] = await Promise.all(
    [
      'notary/key.ts',
      'notary/notary.ts',
      'store/sqlite/sqlite.ts',
      'notary/damage.ts',
      'taxii/intake.ts',
      'taxii/pages.ts',
      'taxii/query.ts',
    ].map(at),
  )
  const cache = join(root, '.cache')
  mkdirSync(cache, { recursive: true })
  const data = mkdtempSync(join(cache, 'checkouts-'))
  const store = openSqliteStore({ path: join(data, 'store.db'), create: true })
  const { vkey, signer } = openLogKey(join(data, 'log.key'), 'bench.example/log', true)
  const notary = await openNotary({ store, origin: 'bench.example/log', vkey, signer })
  await notary.found([COLLECTION])

  const config = { ...COLLECTION, title: '', read: [], write: [], ledgers: [], require: 'all', onInvalid: 'fail' }
  const target = {
    root: { path: '/api/', title: '', collections: [config] },
    config,
    number: 1,
    read: true,
    write: true,
  }
  const memory = { pageBytes: () => 16_777_216 }
  const context = { notary, damage: createDamage(notary, () => {}), memory, config: LIMITS }
  const pages = parseQuery('limit=1000', { fields: [], paging: true }, LIMITS)
  const byId = parseQuery('', { fields: ['version'], paging: true }, LIMITS)
  let made = 0
  const take = (objects: number) => {
    made += objects
    return envelope(made - objects, objects)
  }
  // Checkouts from before the policies of collections take the limit alone.
  const known = (ids: string[]) => store.known(1, ids)
  const intake = store.known ? { maxBytes: 1e9, policy: 'standard', known } : 1e9
  const submit = async (body: Buffer) => {
    const { objects, failed } = await readEnvelope(body, intake)
    if (failed.length > 0) throw new Error(`refused: ${JSON.stringify(failed[0])}`)
    const of = { collection: 1, apiRoot: '/api/', submitter: 'bench', mayRead: true, requested: notary.clock() }
    await notary.submit({ ...of, statusId: randomUUID(), objects, failed })
  }
  const timed = async (count: number, work: () => Promise<void>) => {
    const cpu = process.cpuUsage()
    const started = performance.now()
    await work()
    const us = ((performance.now() - started) * 1000) / count
    const { user, system } = process.cpuUsage(cpu)
    return { us, cpuUs: (user + system) / count }
  }
  const work: Record<string, Work> = {
    bulk: () => {
      const bodies = Array.from({ length: 8 }, () => take(500))
      return timed(4000, async () => {
        for (const half of [bodies.slice(0, 4), bodies.slice(4)]) await Promise.all(half.map(submit))
      })
    },
    post: () => {
      const bodies = Array.from({ length: POSTS }, () => take(2))
      return timed(POSTS, async () => {
        for (const body of bodies) await submit(body)
      })
    },
    page: () =>
      timed(READ, async () => {
        for (let next = 0; next < READ; next += 1000) {
          if ((await readPage(context, target, { ...pages, next })).items.length !== 1000)
            throw new Error('a short page')
        }
      }),
    get: () =>
      timed(1000, async () => {
        for (let i = 0; i < 1000; i++) {
          const { items } = await readPage(context, target, { ...byId, ids: [idOf((i * 37) % READ)] })
          if (items.length !== 1) throw new Error(`${idOf((i * 37) % READ)} is not there`)
        }
      }),
  }
  return {
    work,
    close: async () => {
      await store.close()
      rmSync(data, { recursive: true })
    },
  }
}

const { values, positionals } = parseArgs({
  options: { only: { type: 'string', multiple: true }, rounds: { type: 'string', default: '20' } },
  allowPositionals: true,
})
const [a, b] = (await Promise.all(positionals.map(folder => open(resolve(folder))))) as [Side, Side]
const WARM = 3
for (const name of ['bulk', 'post', 'page', 'get']) {
  // The others read what `bulk` wrote.
  const rounds = name === 'bulk' || !values.only || values.only.includes(name) ? Number(values.rounds) : 0
  const work = (side: Side) => side.work[name] as Work
  const results = (await alternate(rounds === 0 ? 0 : rounds + WARM, work(a), work(b))).slice(WARM)
  if (results.length === 0 || (values.only && !values.only.includes(name))) continue
  const column = (side: 0 | 1, what: 'us' | 'cpuUs') => results.map(pair => pair[side][what])
  const show = (n: number) => n.toFixed(n < 100 ? 1 : 0)
  const [from, to] = [column(0, 'us'), column(1, 'us')]
  const ratio = median(results.map(([x, y]) => y.us / x.us)).toFixed(3)
  const best = `best ${show(Math.min(...from))} -> ${show(Math.min(...to))} us`
  const cpu = `CPU ${show(median(column(0, 'cpuUs')))} -> ${show(median(column(1, 'cpuUs')))} us`
  console.log(`${name.padEnd(5)} ${ratio} of the time (median of rounds); ${best}, ${cpu}`)
}
await a.close()
await b.close()
