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
import { alternate, median } from './statistics.ts'

/** From a kill on, milliseconds, in which a POST counts as one during a takeover. */
const TAKEOVER_MS = 5000
const IDLE_MS = 10_000

/** Two servers of one log against one server, on databases of one mongod; and what a takeover costs those who post. */
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
  const clients = [client, started.add(startClient())]

  const used = (servers: Server[]) => servers.reduce((sum, s) => sum + cpuOf(s.child.pid as number), 0)
  /** CPU that servers use when nobody asks anything: seconds a second. A busy machine takes longer over the same requests, and it would count for them. */
  const idle = new Map<Server[], number>()
  async function beIdle(servers: Server[]): Promise<void> {
    const [before, started] = [used(servers), performance.now()]
    await sleep(IDLE_MS)
    idle.set(servers, ((used(servers) - before) * 1000) / (performance.now() - started))
  }

  /** Microseconds of CPU a request, of all servers, each of which gets as many. */
  async function cpu(servers: Server[], count: number, task: (server: number, share: number) => Omit<Task, 'side'>) {
    const [before, started] = [used(servers), performance.now()]
    const share = count / servers.length
    await Promise.all(
      servers.map((s, i) => (clients[i] as (typeof clients)[number]).run({ side: s.side, ...task(i, share) } as Task)),
    )
    const background = ((idle.get(servers) ?? 0) * (performance.now() - started)) / 1000
    return ((used(servers) - before - background) * 1e6) / count
  }
  const numbers = new Map<Server[], number>()
  const take = (servers: Server[], count: number): number => {
    const at = numbers.get(servers) ?? 0
    numbers.set(servers, at + count)
    return at
  }
  const posts = (servers: Server[], count: number) => {
    const from = take(servers, count)
    return cpu(servers, count, (i, share) => ({
      do: 'post',
      from: from + i * share,
      count: share,
      objects: 2,
      connections: 8 / servers.length,
    }))
  }
  const gets = (servers: Server[], count: number) =>
    cpu(servers, count, (i, share) => ({ do: 'get', from: i * share, count: share, each: 1 }))

  const [rounds, count] = run.quick ? [4, 400] : [6, 1600]
  // Each of the two is asked half as often: both must have compiled what they run.
  for (const servers of [one, two]) {
    await posts(servers, count * servers.length)
    await gets(servers, count * servers.length)
  }
  await Promise.all([one, two].map(beIdle))
  const figure = (what: string, pairs: [number, number][]): Figure => {
    const [a, b] = [0, 1].map(at => Math.round(median(pairs.map(pair => pair[at] as number))))
    return {
      figure: '18',
      what: `CPU of a ${what}, two servers : one`,
      value: median(pairs.map(([ours, other]) => ours / other)),
      unit: '×',
      details: `${a} : ${b} µs; idle ${[two, one].map(s => Math.round((idle.get(s) ?? 0) * 1000)).join(' : ')} ms/s`,
      goal: { most: 1.1 },
    }
  }
  const posted = await alternate(
    rounds,
    () => posts(two, count),
    () => posts(one, count),
  )
  const got = await alternate(
    rounds,
    () => gets(two, count),
    () => gets(one, count),
  )
  const figures = [figure('POST of 2 objects', posted), figure('GET by id', got)]
  await Promise.all([...one, ...two].map(s => s.stop()))
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

/** Seconds of CPU that a process has used: user and system, in ticks of a hundredth (proc(5)). */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}
