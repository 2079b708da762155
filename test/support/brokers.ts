// Brokers for tests of the whole server, each with consumers that are not ours, and what those must have heard.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSqliteStore } from '../../packages/entente/store/sqlite/sqlite.ts'
import { installKafka, startKafka } from './kafka.ts'
import { type Heard, type Listener, listenEvents, listenKafka, listenRabbit } from './listeners.ts'
import { installRabbitmq, startRabbitmq } from './rabbitmq.ts'
import type { TestServer } from './server.ts'

/** A consumer that is there before the first object, of a channel that no other test uses. */
export type Subject = {
  config: Record<string, unknown>
  listener: Listener
  /** The server is here now. */
  follow(server: TestServer): void
}
export type Kind = { name: string; start: (folder: string) => Promise<Broker | { reason: string }> }
export type Broker = {
  listen(prefix: string): Promise<Subject>
  stop(): Promise<void>
  /** As by kill -9; undefined where there is nothing to kill. */
  kill?(): Promise<void>
  /** Again, with what it had. */
  start?(): Promise<void>
}

export const KINDS: Kind[] = [
  {
    name: 'embedded',
    start: async () => ({
      stop: async () => {},
      listen: async () => {
        const listener = listenEvents('/api/channels/EVENTS/')
        return {
          config: { kind: 'embedded' },
          listener,
          follow: server => {
            const password = readFileSync(join(server.data, 'admin-password'), 'utf8').trim()
            listener.connect(server.url, `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`)
          },
        }
      },
    }),
  },
  {
    name: 'rabbitmq',
    start: async folder => {
      const found = installRabbitmq()
      if ('reason' in found) return found
      const { url, stop, kill, start } = await startRabbitmq(found.path, folder)
      return {
        stop,
        kill,
        start,
        listen: async prefix => {
          const listener = await listenRabbit(url, `${prefix}EVENTS`, `${prefix}plain`)
          return { config: { kind: 'rabbitmq', url, prefix }, listener, follow: () => {} }
        },
      }
    },
  },
  {
    name: 'kafka',
    start: async folder => {
      const found = installKafka()
      if ('reason' in found) return found
      const { broker, stop, kill, start } = await startKafka(found.path, folder)
      return {
        stop,
        kill,
        start,
        listen: async prefix => {
          const listener = await listenKafka(broker, `${prefix}EVENTS`)
          return { config: { kind: 'kafka', brokers: [broker], prefix }, listener, follow: () => {} }
        },
      }
    },
  },
]

const APIROOTS = [
  {
    path: '/api/',
    title: 'Test root',
    collections: [{ alias: 'default', title: 'All to one channel', forward: { default: ['EVENTS'] } }],
  },
]

/** A server of which every object goes to the channel EVENTS. It has no ledger: none of its ways to a broker leads over one, and an EVM takes longer to start than the server. */
export function configure(folder: string, channels: Record<string, unknown>): { data: string; file: string } {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'entente.yaml')
  // Whoever posts at an even pace needs a connection for each answer that is late.
  const server = { metrics: { port: 0 }, maxConnections: 5000, maxConnectionsPerClient: 0 }
  writeFileSync(file, JSON.stringify({ server, channels, ledgers: [], apiRoots: APIROOTS }))
  return { data: join(folder, 'data'), file }
}

/** What the store has, in the order of the log. */
export async function storedIn(data: string): Promise<{ leaf: number; id: string }[]> {
  const store = openSqliteStore({ path: join(data, 'store.db'), readOnly: true })
  const stored: { leaf: number; id: string }[] = []
  for (let from = 0; ; ) {
    const rows = await store.scan(from, 5000)
    for (const { kind, leaf, id } of rows) if (kind === 'object') stored.push({ leaf, id: id as string })
    if (rows.length === 0) break
    from = (rows.at(-1)?.leaf ?? 0) + 1
  }
  await store.close()
  return stored
}

/** Waits until as many different positions were heard, then holds all of it against what is stored. @returns how many were repetitions */
export async function assertHeard(
  heard: () => Heard[],
  stored: { leaf: number; id: string }[],
  waitMs = 60_000,
): Promise<number> {
  const places = () => new Set(heard().map(h => h.position)).size
  for (const end = Date.now() + waitMs; places() < stored.length && Date.now() < end; ) await sleep(100)
  const seen = new Set<number>()
  const first: string[] = []
  for (const { position, id, redelivered } of heard()) {
    if (seen.has(position)) assert.ok(redelivered, `${id} at ${position} came twice, and the second is not marked`)
    else first.push(`${position} ${id}`)
    seen.add(position)
  }
  const missing = stored.filter(({ leaf }) => !seen.has(leaf))
  assert.equal(missing.length, 0, `${missing.length} of ${stored.length} never came, such as ${missing[0]?.id}`)
  const wanted = stored.map(({ leaf, id }) => `${leaf} ${id}`)
  const wrong = first.findIndex((one, i) => one !== wanted[i])
  assert.equal(wrong, -1, `at ${wrong}: ${first[wrong]} instead of ${wanted[wrong]}`)
  return heard().length - first.length
}
