import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { installMongod, startMongod } from '../test/support/mongod.ts'
import type { Result, Side } from './client.ts'
import type { Bench } from './figures.ts'
import { startMedallion } from './medallion.ts'
import { compare, FEW, firstPages, MANY, publish } from './million.ts'
import { startServer } from './processes.ts'
import type { Figure } from './report.ts'
import { alternate, median, quantile } from './statistics.ts'

/** A replica set of one and its folder; undefined, and said so, where there can be none. */
async function openMongod(run: Parameters<Bench>[0], started: Parameters<Bench>[1]) {
  const installed = installMongod()
  if ('reason' in installed) {
    run.say(`there is no MongoDB here: ${installed.reason}`)
    return undefined
  }
  const folder = join(run.folder, 'mongodb')
  mkdirSync(folder, { recursive: true })
  return { folder, mongod: started.add(await startMongod(installed.path, folder)) }
}

/** What stays fast with a million objects in MongoDB: two servers on databases of one mongod. Minutes, so it runs only when it is named. */
export const millionMongodb: Bench = async (run, started, client) => {
  const opened = await openMongod(run, started)
  if (!opened) return []
  const { mongod, folder } = opened
  const many = run.quick ? MANY / 10 : MANY
  const on = async (name: string) => {
    const config = join(folder, `${name}.yaml`)
    writeFileSync(config, `store: { kind: mongodb, url: "${mongod.url}", database: ${name} }\n`)
    return started.add(await startServer('entente', join(run.folder, name), run.profile, {}, config))
  }
  const [small, large] = [await on('few'), await on('many')]
  await publish(client, small, FEW, run.say)
  const rate = await publish(client, large, many, run.say)
  const count = many.toLocaleString('en-US')
  const figures: Figure[] = [
    { figure: '8', what: `bulk to ${count} objects`, value: rate, unit: 'objects/s', details: 'a cache of 256 MB' },
    ...(await compare(client, small, large, many, run.quick ? 4 : 12)),
    ...(await firstPages(client, large, many, run.quick ? 50 : 100)),
  ]
  return figures.map(figure => ({ ...figure, what: `MongoDB: ${figure.what}` }))
}

/** `entente serve` on MongoDB against the same on SQLite, and against medallion on the same mongod. */
export const mongodb: Bench = async (run, started, client) => {
  const opened = await openMongod(run, started)
  if (!opened) return []
  const { mongod, folder } = opened
  const config = join(folder, 'entente.yaml')
  writeFileSync(config, `store: { kind: mongodb, url: "${mongod.url}" }\n`)
  const ours = started.add(await startServer('entente', join(folder, 'data'), run.profile, {}, config)).side
  const file = started.add(await startServer('entente', join(run.folder, 'sqlite'), run.profile)).side
  const medallion = started.add(await startMedallion(join(run.folder, 'medallion'), run.say, mongod))

  const sides = new Map<Side, { next: number }>()
  const take = (side: Side, n: number): number => {
    const numbers = sides.get(side) ?? { next: 0 }
    sides.set(side, numbers)
    numbers.next += n
    return numbers.next - n
  }
  const post = (side: Side, count: number) => () =>
    client.run({ do: 'post', side, from: take(side, count * 2), count, objects: 2, connections: 1 })
  const get = (side: Side, count: number) => () => client.run({ do: 'get', side, from: 0, count, each: 1 })
  /** Envelopes of 500 objects on 4 connections. */
  const bulk = (side: Side, count: number) => () =>
    client.run({ do: 'post', side, from: take(side, count * 500), count, objects: 500, connections: 4 })
  /** All that was posted there, page by page. */
  const pages = (side: Side) => () =>
    client.run({ do: 'read', side, limit: 1000, objects: sides.get(side)?.next ?? 0, passes: 1 })
  /** The first objects of a collection. */
  const first = (side: Side, limit: number) => () =>
    client.run({ do: 'paths', side, paths: [`objects/?limit=${limit}`] })

  const posts = run.quick ? 50 : 200
  const envelopes = run.quick ? 4 : 20
  const rounds = run.quick ? 2 : 5
  const against = async (
    other: Side,
    name: string,
    most: { bulk: number; get: number } | undefined,
  ): Promise<Figure[]> => {
    for (const side of [ours, other]) {
      await post(side, posts)()
      await get(side, posts)()
    }
    // medallion needs ten seconds for a page where a collection has some thousands, and answers 500 where there is a page behind it.
    const few = posts * 2
    const early = most ? await alternate(rounds, first(ours, few), first(other, few)) : []
    const figure = (what: string, pairs: [Result, Result][], goal?: Figure['goal']): Figure => {
      const all = (at: 0 | 1) =>
        quantile(
          pairs.flatMap(pair => pair[at].times),
          0.5,
        )
      const value = median(pairs.map(([a, b]) => median(a.times) / median(b.times)))
      const details = `median ${all(0).toFixed(2)} ms : ${all(1).toFixed(2)} ms`
      return { figure: '16', what: `${what}, MongoDB : ${name}`, value, unit: '×', details, ...(goal ? { goal } : {}) }
    }
    const posted = await alternate(rounds, post(ours, posts), post(other, posts))
    const got = await alternate(rounds, get(ours, posts), get(other, posts))
    const read = most ? early : await alternate(rounds, pages(ours), pages(other))
    const some = most ? Math.max(2, envelopes / 4) : envelopes // medallion takes its time
    await bulk(ours, 2)()
    const loaded = await alternate(3, bulk(ours, some), bulk(other, some))
    const rate = (r: Result) => (r.objects / r.ms) * 1000
    const speeds = [0, 1].map(at => Math.round(median(loaded.map(pair => rate(pair[at] as Result)))))
    return [
      figure('POST of 2 objects', posted),
      figure('GET by id', got, most && { most: most.get }),
      {
        figure: '16',
        what: `bulk, objects/s, MongoDB : ${name}`,
        value: median(loaded.map(([a, b]) => rate(a) / rate(b))),
        unit: '×',
        details: `${speeds[0]}/s : ${speeds[1]}/s`,
        ...(most ? { goal: { least: most.bulk } } : {}),
      },
      figure(`page of ${most ? few : '1,000'}`, read),
    ]
  }
  const figures = await against(file, 'SQLite', undefined)
  if (medallion.side)
    figures.push(...(await against(medallion.side, 'medallion on the same mongod', { bulk: 10, get: 0.25 })))
  return figures
}
