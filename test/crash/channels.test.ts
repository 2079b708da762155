// What is stored is delivered, and nothing is lost on the way: the server is killed at each point of notary/outbox.ts and at random under load, and
// consumers that are not ours get every object that was stored, in order, repetitions only as marked ones.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSqliteStore } from '../../packages/entente/store/sqlite/sqlite.ts'
import { auditClean, postUntilDeath } from '../support/killed.ts'
import { installKafka, startKafka } from '../support/kafka.ts'
import { type Heard, type Listener, listenEvents, listenKafka, listenRabbit } from '../support/listeners.ts'
import { installRabbitmq, startRabbitmq } from '../support/rabbitmq.ts'
import { createRandom } from '../support/random.ts'
import { OBJECTS, root, sampleObjects, startEntente, temporaryFolder, type TestServer } from '../support/server.ts'

const LONG = process.env['ENTENTE_TEST_LONG'] !== undefined
const KILLS = LONG ? 100 : 5
const SEED = Number(process.env['ENTENTE_TEST_SEED'] ?? 20260106)
const crashing = join(root, 'test/support/crashing-server.ts')
const WAIT_MS = 60_000

/** A consumer that is there before the first object, of a channel that no other test uses. */
type Subject = {
  config: Record<string, unknown>
  listener: Listener
  /** The server is here now. */
  follow(server: TestServer): void
}
type Kind = { name: string; start: (folder: string) => Promise<Broker | { reason: string }> }
type Broker = { listen(prefix: string): Promise<Subject>; stop(): Promise<void> }

const KINDS: Kind[] = [
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
      const { url, stop } = await startRabbitmq(found.path, folder)
      return {
        stop,
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
      const { broker, stop } = await startKafka(found.path, folder)
      return {
        stop,
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

function configure(folder: string, channels: Record<string, unknown>): { data: string; file: string } {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'entente.yaml')
  writeFileSync(file, JSON.stringify({ channels, apiRoots: APIROOTS }))
  return { data: join(folder, 'data'), file }
}

/** What the store has, in the order of the log. */
async function storedIn(data: string): Promise<{ leaf: number; id: string }[]> {
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

/** Waits until as many different positions were heard, then holds all of it against what is stored. */
async function assertHeard(heard: Heard[], stored: { leaf: number; id: string }[]): Promise<void> {
  const places = () => new Set(heard.map(h => h.position)).size
  for (const end = Date.now() + WAIT_MS; places() < stored.length && Date.now() < end; ) await sleep(50)
  const seen = new Set<number>()
  const first: string[] = []
  for (const { position, id, redelivered } of heard) {
    if (seen.has(position)) assert.ok(redelivered, `${id} at ${position} came twice, and the second is not marked`)
    else first.push(`${position} ${id}`)
    seen.add(position)
  }
  const missing = stored.filter(({ leaf }) => !seen.has(leaf))
  assert.equal(missing.length, 0, `${missing.length} of ${stored.length} never came, such as ${missing[0]?.id}`)
  const wanted = stored.map(({ leaf, id }) => `${leaf} ${id}`)
  const wrong = first.findIndex((one, i) => one !== wanted[i])
  assert.equal(wrong, -1, `at ${wrong}: ${first[wrong]} instead of ${wanted[wrong]}`)
}

for (const { name: kind, start } of KINDS) {
  describe(`channels by ${kind}`, () => {
    let broker: Broker | { reason: string }
    let remove = () => {}
    let used = 0
    before(async () => {
      const folder = temporaryFolder({ after: f => void (remove = f) })
      broker = await start(folder)
    })
    after(async () => {
      if ('stop' in broker) await broker.stop()
      remove()
    })
    const create = async (t: TestContext): Promise<Subject | undefined> => {
      if ('reason' in broker) return void t.skip(broker.reason)
      const subject = await broker.listen(`test${++used}.`)
      t.after(() => subject.listener.close())
      return subject
    }

    test(`${KILLS} kills at random under load: every stored object is delivered (seed ${SEED})`, async t => {
      const subject = await create(t)
      if (!subject) return
      const { data, file } = configure(temporaryFolder(t), subject.config)
      const { next: random } = createRandom(SEED)
      const acknowledged = new Set<string>()
      const unknown = new Map<string, unknown>()
      let next = 0
      for (let i = 0; i < KILLS; i++) {
        const server = await startEntente(data, { args: ['--config', file] })
        subject.follow(server)
        const timer = setTimeout(() => void server.kill(), 50 + random() * 1000)
        next = await postUntilDeath(server, next, acknowledged, unknown)
        clearTimeout(timer)
        await server.exited
      }
      const server = await startEntente(data, { args: ['--config', file] })
      subject.follow(server)
      const stored = await storedIn(data)
      assert.ok(acknowledged.size > 0)
      const ids = new Set(stored.map(s => s.id))
      for (const id of acknowledged) assert.ok(ids.has(id), `${id} was acknowledged and is not stored`)
      await assertHeard(subject.listener.heard, stored)
      await server.stop()
      await auditClean(data, file)
      const repeated = subject.listener.heard.length - stored.length
      console.log(
        `measured: ${kind}: ${KILLS} kills, ${stored.length} objects stored, all delivered, ${repeated} again`,
      )
    })

    if (kind === 'embedded') return
    for (const [name, point] of [
      ['O1, before anything is sent', 'before-publish'],
      ['O3, after the broker confirmed', 'after-publish'],
    ] as const) {
      test(`killed at ${name}: the next start sends it, marked where it was sent`, async t => {
        const subject = await create(t)
        if (!subject) return
        const { data, file } = configure(temporaryFolder(t), subject.config)
        await (await startEntente(data, { args: ['--config', file] })).stop()
        const env = { ENTENTE_TEST_CRASH: `${point}:2` }
        const crashed = await startEntente(data, { args: ['--config', file], script: crashing, env })
        for (let i = 0; i < 2; i++) {
          const objects = sampleObjects(3, i * 3)
          await crashed.request('POST', OBJECTS, { objects }).catch(() => {})
          // The second time it dies of it; the first must have been sent by then.
          for (let n = 0; i === 0 && subject.listener.heard.length < 3 && n < 400; n++) await sleep(25)
        }
        await crashed.exited
        assert.equal(crashed.child.signalCode, 'SIGKILL')
        const server = await startEntente(data, { args: ['--config', file] })
        const stored = await storedIn(data)
        assert.equal(stored.length, 6)
        await assertHeard(subject.listener.heard, stored)
        await server.stop()
        await auditClean(data, file)
      })
    }
  })
}
