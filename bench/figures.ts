import { join } from 'node:path'
import { certificates } from './certificates.ts'
import { brokers, channels } from './channels.ts'
import type { Result, Side } from './client.ts'
import { measureLedger } from './ledger.ts'
import { ledgers } from './ledgers.ts'
import { million } from './million.ts'
import { startMedallion } from './medallion.ts'
import { cluster } from './cluster.ts'
import { millionMongodb, mongodb } from './mongodb.ts'
import { millionRegistry, registry } from './registry.ts'
import { type Client, createStarted, type Server, type Started, startClient, startServer } from './processes.ts'
import type { Figure } from './report.ts'
import { alternate, median, quantile } from './statistics.ts'

export type Run = {
  /** Where the data folders of this run lie. */
  folder: string
  /** A tenth of the work. */
  quick: boolean
  /** A folder for CPU profiles of the servers. */
  profile: string | undefined
  say: (text: string) => void
}
export type Bench = (run: Run, started: Started, client: Client) => Promise<Figure[]>

const ms = (n: number) => `${n.toFixed(2)} ms`
const rate = (r: Result) => (r.objects / r.ms) * 1000
const count = (n: number) => Math.round(n).toLocaleString('en-US')
/** Whether the client, and not the server, may have set the pace. */
const clientShare = (results: Result[]) => {
  const share = Math.max(...results.map(r => r.cpu))
  return share > 0.7 ? `; the client used ${(share * 100).toFixed(0)} % of a core` : ''
}

/** Numbers of objects that a server has not seen. */
function createNumbers(): (n: number) => number {
  let next = 0
  return n => {
    next += n
    return next - n
  }
}

type Loader = { side: Side; take: (n: number) => number; client: Client }
const loader = (client: Client, { side }: { side: Side }): Loader => ({ side, client, take: createNumbers() })

/** Posts of `objects` objects each. */
function post({ side, take, client }: Loader, posts: number, objects: number, connections = 1): Promise<Result> {
  return client.run({ do: 'post', side, from: take(posts * objects), count: posts, objects, connections })
}

const BULK = 500
/** Envelopes of 500 objects on 4 connections. */
const bulk = (l: Loader, objects: number) => post(l, Math.ceil(objects / BULK), BULK, 4)

const reference: Bench = async (run, started, client) => {
  const medallion = started.add(await startMedallion(join(run.folder, 'medallion'), run.say))
  if (!medallion.side) return []
  const ours = loader(client, started.add(await startServer('entente', join(run.folder, 'entente'), run.profile)))
  const theirs = loader(client, { side: medallion.side })
  const posts = run.quick ? 20 : 100
  await post(ours, posts * 20, 2) // the ledger, at one anchor a second, takes some seconds to be warm
  await post(theirs, posts, 2)
  const rounds = run.quick ? 2 : 5
  const posted = await alternate(
    rounds,
    () => post(ours, posts, 2),
    () => post(theirs, posts, 2),
  )
  const from = 0
  const get = (l: Loader) => client.run({ do: 'get', side: l.side, from, count: posts, each: 2 })
  for (let i = 0; i < 8; i++) await get(ours)
  await get(theirs)
  const got = await alternate(
    rounds,
    () => get(ours),
    () => get(theirs),
  )
  const loaded = await alternate(
    1,
    () => bulk(ours, run.quick ? 500 : 2000),
    () => bulk(theirs, run.quick ? 500 : 1000),
  )
  const times = (pairs: [Result, Result][], at: 0 | 1) => pairs.flatMap(pair => pair[at].times)
  const compare = (what: string, pairs: [Result, Result][], q: number, goal?: Figure['goal']): Figure => {
    const [a, b] = [quantile(times(pairs, 0), q), quantile(times(pairs, 1), q)]
    const details = `Entente ${ms(a)}, ${medallion.name} ${ms(b)}`
    return { figure: '1', what, value: a / b, unit: '×', details, ...(goal ? { goal } : {}) }
  }
  const [a, b] = loaded[0] as [Result, Result]
  return [
    compare('POST of 2 objects until 202, median', posted, 0.5, { most: 0.2 }),
    compare('POST of 2 objects until 202, 99th percentile', posted, 0.99, { most: 0.2 }),
    compare('GET of 2 objects by id, median', got, 0.5),
    {
      figure: '1',
      what: 'bulk, objects/s',
      value: rate(a) / rate(b),
      unit: '×',
      details: `Entente ${count(rate(a))}/s, ${medallion.name} ${count(rate(b))}/s`,
    },
  ]
}

const log: Bench = async (run, started, client) => {
  const ours = loader(client, started.add(await startServer('entente', join(run.folder, 'logged'), run.profile)))
  const plain = loader(client, started.add(await startServer('baseline', join(run.folder, 'baseline'), run.profile)))
  const posts = run.quick ? 100 : 200
  for (const l of [ours, plain]) await post(l, posts * 3, 2)
  const rounds = run.quick ? 4 : 15
  const posted = await alternate(
    rounds,
    () => post(ours, posts, 2),
    () => post(plain, posts, 2),
  )
  const objects = run.quick ? 4000 : 20_000
  for (const l of [ours, plain]) await bulk(l, objects)
  const loaded = await alternate(
    run.quick ? 2 : 4,
    () => bulk(ours, objects),
    () => bulk(plain, objects),
  )
  const all = (at: 0 | 1, q: number) =>
    quantile(
      posted.flatMap(pair => pair[at].times),
      q,
    )
  return [
    {
      figure: '2',
      what: 'POST of 2 objects, with log and anchors : without',
      value: median(posted.map(([a, b]) => median(a.times) / median(b.times))),
      unit: '×',
      goal: { most: 1.2 },
      details: `median ${ms(all(0, 0.5))} : ${ms(all(1, 0.5))}; 99th percentile ${ms(all(0, 0.99))} : ${ms(all(1, 0.99))}`,
    },
    {
      figure: '2',
      what: 'bulk, time with log and anchors : without',
      value: median(loaded.map(([a, b]) => rate(b) / rate(a))),
      unit: '×',
      details: `${count(median(loaded.map(p => rate(p[0]))))}/s : ${count(median(loaded.map(p => rate(p[1]))))}/s`,
    },
  ]
}

const read: Bench = async (run, started, client) => {
  const sides: Server[] = []
  for (const kind of ['entente', 'unverified'] as const)
    sides.push(started.add(await startServer(kind, join(run.folder, `read-${kind}`), run.profile)))
  const [ours, plain] = sides.map(s => loader(client, s)) as [Loader, Loader]
  const objects = run.quick ? 4000 : 20_000
  for (const l of [ours, plain]) await bulk(l, objects)
  const gets = run.quick ? 200 : 500
  const get = (l: Loader) => (round: number) =>
    client.run({ do: 'get', side: l.side, from: ((round + 1) * gets) % (objects - gets), count: gets, each: 1 })
  const page = (l: Loader) => () => client.run({ do: 'read', side: l.side, limit: 1000, objects, passes: 3 })
  for (const l of [ours, plain]) {
    for (let i = 0; i < 3; i++) await get(l)(i)
    for (let i = 0; i < 2; i++) await page(l)()
  }
  const got = await alternate(run.quick ? 4 : 12, get(ours), get(plain))
  const pages = await alternate(run.quick ? 3 : 8, page(ours), page(plain))
  const side = (pairs: [Result, Result][], at: 0 | 1) => pairs.map(pair => pair[at])
  const rates = (at: 0 | 1) => median(side(pages, at).map(rate))
  return [
    {
      figure: '3',
      what: 'GET by id, verified : unverified',
      value: median(got.map(([a, b]) => median(a.times) / median(b.times))),
      unit: '×',
      goal: { most: 1.1 },
      details: `median ${ms(median(side(got, 0).flatMap(r => r.times)))} : ${ms(median(side(got, 1).flatMap(r => r.times)))}`,
    },
    {
      figure: '3',
      what: 'GET of pages of 1,000, time verified : unverified',
      value: median(pages.map(([a, b]) => rate(b) / rate(a))),
      unit: '×',
      goal: { most: 1.5 },
      details: `${count(rates(0))} objects/s : ${count(rates(1))} objects/s`,
    },
    {
      figure: '5',
      what: 'verified full read by pages of 1,000',
      value: rates(0),
      unit: 'objects/s',
      goal: { least: 100_000 },
      details: `${((side(pages, 0)[0] as Result).bytes / (side(pages, 0)[0] as Result).objects).toFixed(0)} bytes an object${clientShare(side(pages, 0))}`,
    },
  ]
}

const load: Bench = async (run, started, client) => {
  const server = started.add(await startServer('entente', join(run.folder, 'bulk'), run.profile))
  const l = loader(client, server)
  const objects = run.quick ? 5000 : 30_000
  await bulk(l, objects / 2)
  const results: Result[] = []
  for (let i = 0; i < (run.quick ? 1 : 3); i++) results.push(await bulk(l, objects))
  const bytes = (r: Result) => `${(r.bytes / r.objects).toFixed(0)} bytes an object`
  const from = l.take(objects)
  const done = await client.run({
    do: 'complete',
    side: l.side,
    from,
    count: objects / BULK,
    objects: BULK,
    connections: 4,
  })
  return [
    {
      figure: '4',
      what: `bulk: envelopes of ${BULK} on 4 connections, durable, logged, anchored meanwhile`,
      value: median(results.map(rate)),
      unit: 'objects/s',
      goal: { least: 10_000 },
      details: `${count(objects)} objects a round, ${bytes(results[0] as Result)}${clientShare(results)}`,
    },
    {
      figure: '6',
      what: 'POST until complete on the embedded ledger under bulk load, 99th percentile',
      value: quantile(done.times, 0.99) / 1000,
      unit: 's',
      goal: { most: 2 },
      details: `median ${(median(done.times) / 1000).toFixed(2)} s, ${count(done.times.length)} requests`,
    },
  ]
}

/** The continuous audit at work all the time, against a server without one. */
const audit: Bench = async (run, started, client) => {
  const start = (name: string, share: string) => {
    const env = { ENTENTE_AUDIT_SHARE: share, ENTENTE_AUDIT_PAUSE_MS: '10' }
    return startServer('entente', join(run.folder, `audit-${name}`), run.profile, env)
  }
  const audited = loader(client, started.add(await start('on', '0.05')))
  const plain = loader(client, started.add(await start('off', '0')))
  const objects = run.quick ? 4000 : 20_000
  for (const l of [audited, plain]) {
    await bulk(l, objects)
    await post(l, 200, 2)
  }
  const rounds = run.quick ? 4 : 12
  const posts = (l: Loader) => () => post(l, 100, 2)
  const gets = (l: Loader) => (round: number) =>
    client.run({ do: 'get', side: l.side, from: (round * 300) % (objects - 300), count: 300, each: 1 })
  const posted = await alternate(rounds, posts(audited), posts(plain))
  const got = await alternate(rounds, gets(audited), gets(plain))
  const figure = (what: string, pairs: [Result, Result][]): Figure => {
    const all = (at: 0 | 1, q: number) =>
      ms(
        quantile(
          pairs.flatMap(pair => pair[at].times),
          q,
        ),
      )
    return {
      figure: '9',
      what: `${what}, with the continuous audit : without`,
      value: median(pairs.map(([a, b]) => median(a.times) / median(b.times))),
      unit: '×',
      goal: { most: 1.1 },
      details: `median ${all(0, 0.5)} : ${all(1, 0.5)}; 99th percentile ${all(0, 0.99)} : ${all(1, 0.99)}`,
    }
  }
  return [figure('POST of 2 objects', posted), figure('GET by id', got)]
}

/** Reads of who is not cleared for everything, and of what is kept of them, each against a server without it. */
const markings: Bench = async (run, started, client) => {
  const start = async (name: string, env: Record<string, string>) =>
    loader(client, started.add(await startServer('entente', join(run.folder, `markings-${name}`), run.profile, env)))
  const plain = await start('none', { ENTENTE_SERVER_READ_DAYS: '0' })
  const cleared = await start('policy', { ENTENTE_SERVER_READ_DAYS: '0', ENTENTE_MARKINGS_OTHERS: 'allow' })
  const kept = await start('kept', { ENTENTE_SERVER_READ_DAYS: '30' })
  const objects = run.quick ? 4000 : 20_000
  for (const l of [plain, cleared, kept]) await bulk(l, objects)
  const gets = run.quick ? 200 : 500
  const get = (l: Loader) => (round: number) =>
    client.run({ do: 'get', side: l.side, from: ((round + 1) * gets) % (objects - gets), count: gets, each: 1 })
  const page = (l: Loader) => () => client.run({ do: 'read', side: l.side, limit: 1000, objects, passes: 3 })
  for (const l of [plain, cleared, kept]) {
    for (let i = 0; i < 3; i++) await get(l)(i)
    for (let i = 0; i < 2; i++) await page(l)()
  }
  const figures: Figure[] = []
  for (const [what, l] of [
    ['markings looked at', cleared],
    ['reads kept', kept],
  ] as const) {
    const got = await alternate(run.quick ? 4 : 12, get(l), get(plain))
    const pages = await alternate(run.quick ? 3 : 8, page(l), page(plain))
    const times = (at: 0 | 1) => ms(median(got.flatMap(pair => pair[at].times)))
    const rates = (at: 0 | 1) => count(median(pages.map(pair => rate(pair[at]))))
    figures.push(
      {
        figure: '17',
        what: `GET by id, ${what} : not`,
        value: median(got.map(([a, b]) => median(a.times) / median(b.times))),
        unit: '×',
        details: `median ${times(0)} : ${times(1)}`,
      },
      {
        figure: '17',
        what: `GET of pages of 1,000, time, ${what} : not`,
        value: median(pages.map(([a, b]) => rate(b) / rate(a))),
        unit: '×',
        details: `${rates(0)} objects/s : ${rates(1)} objects/s`,
      },
    )
  }
  return figures
}

const ledger: Bench = run => measureLedger(join(run.folder, 'ledger'), run.quick)

/** By the names that `--only` takes. */
export const benches: Record<string, Bench> = {
  reference,
  log,
  read,
  load,
  audit,
  markings,
  channels,
  brokers,
  ledger,
  ledgers,
  registry,
  certificates,
  mongodb,
  cluster,
  million,
  'million-mongodb': millionMongodb,
  'million-registry': millionRegistry,
}

/** Runs one bench in processes of its own, and stops them. */
export async function runBench(name: string, run: Run): Promise<Figure[]> {
  const started = createStarted()
  try {
    return await (benches[name] as Bench)(run, started, started.add(startClient()))
  } finally {
    await started.stopAll()
  }
}
