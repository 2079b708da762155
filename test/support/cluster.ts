import { createPrivateKey, createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { type Db, MongoClient } from 'mongodb'
import { freePort } from './mongod.ts'
import { isRunning } from './processes.ts'
import { startEntente, temporaryFolder, type TestServer } from './server.ts'

/** A TEST KEY of a fixed seed. */
const seed = createHash('sha256').update('entente cluster test log key').digest()
const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
export const logKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })

/** Several servers of one log. */
export type Cluster = {
  servers: TestServer[]
  /** By server: data folder and arguments. */
  places: { data: string; args: string[]; address: string }[]
  db: Db
  /** Starts one again that has ended. */
  start(i: number): Promise<TestServer>
  /** The place of the server that writes; waits for one. */
  sequencer(): Promise<number>
  close(): Promise<void>
}

/** @param config besides store and cluster */
export async function startCluster(
  url: string,
  database: string,
  options: { size?: number; config?: Record<string, unknown>; files?: Record<string, string> } = {},
): Promise<Cluster> {
  const atEnd: (() => void)[] = []
  const folder = temporaryFolder({ after: f => void atEnd.push(f) })
  const client = await MongoClient.connect(url)
  const places: Cluster['places'] = []
  for (let i = 0; i < (options.size ?? 3); i++) {
    const base = join(folder, `server-${i}`)
    const data = join(base, 'data')
    mkdirSync(data, { recursive: true })
    writeFileSync(join(data, 'log.key'), logKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
    for (const [name, text] of Object.entries(options.files ?? {})) writeFileSync(join(base, name), text)
    const address = `127.0.0.1:${await freePort()}`
    const { server, ...rest } = (options.config ?? {}) as { server?: Record<string, unknown> }
    const config = {
      store: { kind: 'mongodb', url, database },
      cluster: { listen: address },
      ledgers: [],
      audit: { share: 0 },
      server: { maxConnectionsPerClient: 0, ...server },
      ...rest,
    }
    writeFileSync(join(base, 'entente.yaml'), stringify(config))
    places.push({ data, args: ['--config', join(base, 'entente.yaml')], address })
  }
  const servers: TestServer[] = []
  const start = async (i: number) => {
    const place = places[i] as Cluster['places'][number]
    const server = await startEntente(place.data, { args: place.args })
    servers[i] = server
    return server
  }
  await Promise.all(places.map((_, i) => start(i)))
  return {
    servers,
    places,
    db: client.db(database),
    start,
    sequencer: async () => {
      for (const until = Date.now() + 30_000; Date.now() < until; await sleep(50))
        for (const [i, server] of servers.entries()) {
          if (server.child.exitCode !== null || server.child.signalCode !== null) continue
          const ready = await server.request('GET', '/readyz').catch(() => undefined)
          if (ready?.json?.cluster?.role === 'sequencer') return i
        }
      throw new Error(`no server writes:\n${servers.map(s => s.output()).join('\n---\n')}`)
    },
    close: async () => {
      await Promise.all(servers.filter(s => isRunning(s.child)).map(s => s.kill()))
      await client.close()
      for (const f of atEnd) f()
    },
  }
}
