import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { logKey, startCluster } from '../test/support/cluster.ts'
import { freePort, installMongod, startMongod, startReplicaSet } from '../test/support/mongod.ts'
import { p99, publishTo } from '../test/support/publishing.ts'
import type { Task } from './client.ts'
import type { Bench } from './figures.ts'
import { type Server, startClient, startServer } from './processes.ts'
import type { Figure } from './report.ts'
import { median, quantile, takeTurns } from './statistics.ts'

/** From a kill on, milliseconds, in which a POST counts as one during a takeover. */
const TAKEOVER_MS = 5000
const IDLE_MS = 10_000
/** Requests a second that each way is asked, whatever they can do: what is done for nobody is then the same share of all. */
const POSTS = 60
const GETS = 120
/** Rounds of warming up, at most. */
const MOST_WARMING = 8

/** CPU in microseconds: of the servers, and of mongod meanwhile. */
type Cpu = { servers: number; mongod: number }

/** Which servers are asked: each for its part of the requests at the same time, or one after the other, as fast as one alone is asked. */
type Way = { servers: Server[]; inTurn: boolean }

/**
 * Two servers of one log against one server, on databases of one mongod, asked the same as fast, one after the other: so on either side one client asks one server. Both at once
 * against two servers of two logs, which know nothing of each other: two busy processes cost more on two cores, whatever they do. And what a takeover costs those who post.
 */
export const cluster: Bench = async (run, started, client) => {
  const installed = installMongod()
  if ('reason' in installed) {
    run.say(`there is no MongoDB here: ${installed.reason}`)
    return []
  }
  const folder = join(run.folder, 'cluster')
  const mongod = started.add(await startMongod(installed.path, join(folder, 'mongod')))
  const start = async (name: string, database: string, isOneOfTwo: boolean): Promise<Server> => {
    const data = join(folder, name)
    mkdirSync(data, { recursive: true })
    writeFileSync(join(data, 'log.key'), logKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
    const config = join(folder, `${name}.yaml`)
    const store = { kind: 'mongodb', url: mongod.url, database }
    const listen = isOneOfTwo ? { cluster: { listen: `127.0.0.1:${await freePort()}` } } : {}
    writeFileSync(config, stringify({ store, ...listen, ledgers: [], audit: { share: 0 } }))
    return started.add(await startServer('entente', data, run.profile, {}, config))
  }
  const one = [await start('one', 'one', false)]
  const two = [await start('first', 'two', true), await start('second', 'two', true)]
  const apart = [await start('apart', 'apart', false), await start('other', 'other', false)]
  const sides = [two, one, apart]
  const [atOnce, alone, unrelated, inTurn] = [
    ...sides.map((servers): Way => ({ servers, inTurn: false })),
    { servers: two, inTurn: true },
  ] as [Way, Way, Way, Way]
  const ways = [atOnce, alone, unrelated, inTurn]
  const clients = [client, started.add(startClient())]

  const used = (servers: Server[]): Cpu => ({
    servers: servers.reduce((sum, s) => sum + cpuOf(s.child.pid as number), 0),
    mongod: cpuOf(mongod.pid),
  })
  /** What is used a second when nobody asks anything: the lease, looking who writes, mongod's own. A busy machine takes longer over the same requests, and it would count for them. */
  const idle = new Map<Server[], Cpu>()
  async function beIdle(servers: Server[]): Promise<void> {
    const [before, begun] = [used(servers), performance.now()]
    await sleep(IDLE_MS)
    const [after, seconds] = [used(servers), (performance.now() - begun) / 1000]
    idle.set(servers, {
      servers: (after.servers - before.servers) / seconds,
      mongod: (after.mongod - before.mongod) / seconds,
    })
  }

  /** CPU a request, of all servers, each of which gets as many; `shares` is by how many a server's connections and requests a second are divided. */
  async function cpu(
    { servers, inTurn }: Way,
    count: number,
    task: (server: number, shares: number) => Omit<Task, 'side'>,
  ): Promise<Cpu> {
    const [before, begun] = [used(servers), performance.now()]
    const ask = (i: number) => {
      const asking = clients[inTurn ? 0 : i] as (typeof clients)[number]
      return asking.run({ side: servers[i]?.side, ...task(i, inTurn ? 1 : servers.length) } as Task)
    }
    if (inTurn) for (const i of servers.keys()) await ask(i)
    else await Promise.all(servers.keys().map(ask))
    const [after, seconds] = [used(servers), (performance.now() - begun) / 1000]
    const background = idle.get(servers) ?? { servers: 0, mongod: 0 }
    const a = (of: keyof Cpu) => (after[of] - before[of] - background[of] * seconds) / count
    return { servers: a('servers'), mongod: a('mongod') }
  }
  const numbers = new Map<Server[], number>()
  const take = (servers: Server[], count: number): number => {
    const at = numbers.get(servers) ?? 0
    numbers.set(servers, at + count)
    return at
  }
  const posts = (way: Way, count: number, perSecond?: number) => {
    const from = take(way.servers, count * 2)
    const own = count / way.servers.length
    return cpu(way, count, (i, shares) => ({
      do: 'post',
      from: from + i * own * 2,
      count: own,
      objects: 2,
      connections: 8 / shares,
      ...(perSecond ? { perSecond: perSecond / shares } : {}),
    }))
  }
  const gets = (way: Way, requests: number, perSecond?: number) =>
    cpu(way, requests, (i, shares) => ({
      do: 'get',
      from: i * count * 2, // what was posted to that one in the first round of warming up
      count: requests / way.servers.length,
      each: 1,
      connections: 4 / shares,
      ...(perSecond ? { perSecond: perSecond / shares } : {}),
    }))

  const [rounds, seconds, count] = run.quick ? [4, 3, 400] : [15, 4, 1000]
  // Of two servers each is asked half as often, and both must have compiled what they run: until a request costs no less than in the round before.
  for (const way of [atOnce, alone, unrelated])
    for (const ask of [posts, gets]) {
      let [last, level] = [Number.POSITIVE_INFINITY, 0]
      for (let i = 0; i < MOST_WARMING && level < 2; i++) {
        const now = (await ask(way, count * way.servers.length)).servers
        level = now > 0.95 * last ? level + 1 : 0
        last = Math.min(last, now)
      }
    }
  await Promise.all(sides.map(beIdle))
  const figuresOf = (what: string, turns: Cpu[][], how: string): Figure[] => {
    const middle = (of: keyof Cpu, which: Way[]) =>
      which.map(w => `${Math.round(median(turns.map(turn => (turn[ways.indexOf(w)] as Cpu)[of])))}`).join(' : ')
    const ratio = (a: Way, b: Way) =>
      turns.map(turn => (turn[ways.indexOf(a)] as Cpu).servers / (turn[ways.indexOf(b)] as Cpu).servers)
    const quartiles = (values: number[]) => [0.25, 0.75].map(q => quantile(values, q).toFixed(2)).join(' to ')
    const all = (values: number[]) => `${median(values).toFixed(2)} (${quartiles(values)})`
    const [turned, shared] = [ratio(inTurn, alone), ratio(atOnce, unrelated)]
    const one = [inTurn, alone]
    const three = [atOnce, alone, unrelated]
    return [
      {
        figure: '18',
        what: `CPU of a ${what}, two servers asked in turn : one`,
        value: median(turned),
        unit: '×',
        details: `quartiles of ${rounds} rounds ${quartiles(turned)}; ${middle('servers', one)} µs; ${how}; mongod ${middle('mongod', one)} µs`,
        goal: { most: 1.1 },
      },
      {
        figure: '18',
        what: `CPU of a ${what}, two servers asked at once : two of two logs`,
        value: median(shared),
        unit: '×',
        details: `quartiles ${quartiles(shared)}; against one server: of one log ${all(ratio(atOnce, alone))}, of two logs ${all(ratio(unrelated, alone))}; of one log : one : of two logs ${middle('servers', three)} µs; mongod ${middle('mongod', three)} µs`,
        goal: { most: 1.1 },
      },
    ]
  }
  const takingTurns = (ask: typeof posts, requests: number, perSecond?: number) =>
    takeTurns(
      rounds,
      ways.map(way => () => ask(way, requests, perSecond)),
    )
  const posted = await takingTurns(posts, POSTS * seconds, POSTS)
  const full = await takingTurns(posts, count)
  const got = await takingTurns(gets, GETS * seconds, GETS)
  const idled = (of: keyof Cpu) => sides.map(s => ((idle.get(s)?.[of] ?? 0) / 1000).toFixed(1)).join(' : ')
  const figures: Figure[] = [
    ...figuresOf('POST of 2 objects', posted, `${POSTS} a second`),
    ...figuresOf('POST of 2 objects at full speed', full, '8 at a time, which share commits'),
    ...figuresOf('GET by id', got, `${GETS} a second`),
    {
      figure: '18',
      what: 'CPU of two servers when nobody asks anything',
      value: (idle.get(two)?.servers ?? 0) / 1000,
      unit: 'ms/s',
      details: `of one log : one : of two logs ${idled('servers')} ms/s, mongod for all five ${((idle.get(two)?.mongod ?? 0) / 1000).toFixed(1)} ms/s; not counted above`,
    },
  ]
  await Promise.all(sides.flat().map(s => s.stop()))
  return [...figures, await takeovers(installed.path, join(folder, 'takeovers'), run.quick ? 2 : 5)]
}

/** Three servers on a replica set of three, and 30 POSTs of 10 objects a second; the one that writes is killed. */
async function takeovers(path: string, folder: string, kills: number): Promise<Figure> {
  const mongo = await startReplicaSet(path, folder, 3)
  try {
    const servers = await startCluster(mongo.url, 'takeovers')
    try {
      const times: { ms: number }[] = []
      const each: number[] = []
      for (let i = 0; i < kills; i++) {
        const publishing = publishTo(servers, {
          perSecond: 300,
          objects: 10,
          ms: TAKEOVER_MS + 3000,
          from: i * 1_000_000,
        })
        await sleep(3000)
        const at = await servers.sequencer()
        const killed = Date.now()
        await servers.servers[at]?.kill()
        const published = await publishing.done
        await servers.start(at)
        const during = published.times.filter(t => t.at + t.ms >= killed && t.at < killed + TAKEOVER_MS)
        times.push(...during)
        each.push(Math.max(...during.map(t => t.ms)))
      }
      return {
        figure: '18',
        what: '99th percentile of POST in the 5 s after kill -9 of the server that writes',
        value: p99(times) / 1000,
        unit: 's',
        details: `${kills} takeovers, ${times.length} POSTs, longest ${each.map(ms => (ms / 1000).toFixed(2)).join(', ')} s`,
        goal: { most: 2 },
      }
    } finally {
      await servers.close()
    }
  } finally {
    await mongo.stop()
  }
}

/** Microseconds of CPU that a process has used: user and system, in ticks of a hundredth of a second (proc(5)). */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}
