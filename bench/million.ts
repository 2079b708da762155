/**
 * What stays fast and small with a million objects: the same server with few and with many, side by side.
 * Takes minutes, so it runs only when it is named: `npm run bench -- --only million`.
 */
import { spawn } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../test/support/server.ts'
import type { Bench } from './figures.ts'
import { idOf } from './objects.ts'
import { type Client, type Server, startServer } from './processes.ts'
import type { Figure } from './report.ts'
import { alternate, median, quantile } from './statistics.ts'

export const FEW = 2000
export const MANY = 1_000_000
const A_POST = 500

export const million: Bench = async (run, started, client) => {
  const many = run.quick ? MANY / 10 : MANY
  const count = many.toLocaleString('en-US')
  const folder = join(run.folder, 'many')
  const figures: Figure[] = []
  const small = started.add(await startServer('entente', join(run.folder, 'few'), run.profile))
  let large = await startServer('entente', folder, run.profile)
  try {
    await publish(client, small, FEW, run.say)
    const rate = await publish(client, large, many, run.say)
    figures.push({
      figure: '8',
      what: `bulk to ${count} objects`,
      value: rate,
      unit: 'objects/s',
      details: `store of ${megabytes(statSync(join(folder, 'store.db')).size).toFixed(0)} MB`,
    })
    figures.push(memory('memory after publishing', large))
    const read = await client.run({ do: 'read', side: large.side, limit: 1000, objects: many, passes: 1 })
    figures.push({
      figure: '8',
      what: `verified full read of ${count} objects`,
      value: (read.objects / read.ms) * 1000,
      unit: 'objects/s',
      details: 'pages of 1,000',
    })
    figures.push(...(await compare(client, small, large, many, run.quick ? 4 : 12)))
    figures.push(...(await firstPages(client, large, many, run.quick ? 50 : 200)))
    figures.push(memory('memory after all of it, at most', large))
    await large.stop()
    const restarted = performance.now()
    large = await startServer('entente', folder, run.profile)
    figures.push({
      figure: '8',
      what: `start to ready with ${count} objects`,
      value: (performance.now() - restarted) / 1000,
      unit: 's',
      goal: { most: 5 },
      details: 'process start included',
    })
    await large.stop()
    const audited = performance.now()
    await command('audit', '--data', folder)
    figures.push({
      figure: '8',
      what: `audit of ${count} objects`,
      value: (performance.now() - audited) / 1000,
      unit: 's',
      goal: { most: 60 },
      details: 'every record, entry, head and anchor; process start included',
    })
  } finally {
    await large.stop()
  }
  return figures
}

export async function publish(
  client: Client,
  { side }: Server,
  objects: number,
  say: (text: string) => void,
): Promise<number> {
  const began = performance.now()
  const step = Math.min(objects, 50_000)
  for (let from = 0; from < objects; from += step) {
    const size = A_POST
    await client.run({ do: 'post', side, from, count: step / size, objects: size, connections: 4 })
    if (objects > step) say(`${from + step} of ${objects} objects`)
  }
  return (objects / (performance.now() - began)) * 1000
}

export async function compare(
  client: Client,
  small: Server,
  large: Server,
  many: number,
  rounds: number,
): Promise<Figure[]> {
  let next = 2 * many
  const post = ({ side }: Server) => {
    next += 200
    return client.run({ do: 'post', side, from: next - 200, count: 100, objects: 2, connections: 1 })
  }
  // Of the many, objects that are far from each other; of the few, all of them.
  const get =
    ({ side }: Server, among: number) =>
    (round: number) => {
      const paths = Array.from({ length: 200 }, (_, i) => `objects/${idOf(((round * 200 + i) * 7919) % among)}/`)
      return client.run({ do: 'paths', side, paths })
    }
  for (const server of [small, large]) await post(server)
  const posted = await alternate(
    rounds,
    () => post(large),
    () => post(small),
  )
  const got = await alternate(rounds, get(large, many), get(small, FEW))
  const figure = (what: string, pairs: Awaited<typeof posted>): Figure => {
    const all = (at: 0 | 1, q: number) =>
      quantile(
        pairs.flatMap(p => p[at].times),
        q,
      ).toFixed(2)
    return {
      figure: '8',
      what: `${what}, many : few`,
      value: median(pairs.map(([a, b]) => median(a.times) / median(b.times))),
      unit: '×',
      goal: { most: 1.5 },
      details: `median ${all(0, 0.5)} : ${all(1, 0.5)} ms; 99th percentile ${all(0, 0.99)} : ${all(1, 0.99)} ms`,
    }
  }
  return [figure('POST of 2 objects', posted), figure('GET by id', got)]
}

/** The first page of every kind of list, as a client asks for it that does not know the collection's size. */
export async function firstPages(client: Client, { side }: Server, many: number, times: number): Promise<Figure[]> {
  const limit = 'limit=100'
  const any = (i: number) => idOf((i * 104_729) % many)
  const lists: Record<string, (i: number) => string> = {
    objects: () => `objects/?${limit}`,
    'added_after, the newest': () => `objects/?${limit}&added_after=${new Date(Date.now() - 60_000).toISOString()}`,
    'match[id]': i => `objects/?${limit}&match[id]=${any(i)},${any(i + 1)}`,
    'match[type]': () => `objects/?${limit}&match[type]=malware`,
    'match[type], three': () => `objects/?${limit}&match[type]=malware,attack-pattern,relationship`,
    'match[type], none': () => `objects/?${limit}&match[type]=grouping`,
    'match[version]=all': () => `objects/?${limit}&match[version]=all`,
    'match[version]=first': () => `objects/?${limit}&match[version]=first`,
    'match[version], one that nothing has': () => `objects/?${limit}&match[version]=2001-01-01T00:00:00.000Z`,
    'match[spec_version]': () => `objects/?${limit}&match[spec_version]=2.1`,
    'match[spec_version], none': () => `objects/?${limit}&match[spec_version]=2.0`,
    'match[type] and spec_version, none': () => `objects/?${limit}&match[type]=relationship&match[spec_version]=2.0`,
    manifest: () => `manifest/?${limit}`,
    'manifest, match[type]': () => `manifest/?${limit}&match[type]=malware`,
    versions: i => `objects/${any(i)}/versions/`,
  }
  const figures: Figure[] = []
  for (const [what, path] of Object.entries(lists)) {
    const result = await client.run({ do: 'paths', side, paths: Array.from({ length: times }, (_, i) => path(i)) })
    figures.push({
      figure: '8',
      what: `first page: ${what}`,
      value: quantile(result.times, 0.99),
      unit: 'ms',
      goal: { most: 50 },
      details: `99th percentile of ${times}; median ${median(result.times).toFixed(2)} ms`,
    })
  }
  return figures
}

/** Resident memory of a server, as Linux counts it: with pages of files that are mapped, which it can drop at any time. */
export function memory(what: string, { child }: Server): Figure {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1000
  return {
    figure: '8',
    what,
    value: of('VmHWM'),
    unit: 'MB',
    goal: { most: 600 },
    details: `highest; now ${of('VmRSS').toFixed(0)} MB, ${of('RssAnon').toFixed(0)} of it its own, ${of('RssFile').toFixed(0)} of files`,
  }
}

const megabytes = (bytes: number) => bytes / 1e6

function command(...args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['packages/entente/cli/entente.js', ...args], { cwd: root, stdio: 'ignore' })
    child.once('exit', code => (code === 0 ? resolve() : reject(new Error(`${args.join(' ')} ended with ${code}`))))
  })
}
