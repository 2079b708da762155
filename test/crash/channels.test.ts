// What is stored is delivered, and nothing is lost on the way: the server is killed at each point of notary/outbox.ts and at random under load, and
// consumers that are not ours get every object that was stored, in order, repetitions only as marked ones; and the broker is killed and away (broker-away.ts).
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertHeard, type Broker, configure, KINDS, type Subject, storedIn } from '../support/brokers.ts'
import { auditClean, postUntilDeath } from '../support/killed.ts'
import { createRandom } from '../support/random.ts'
import { OBJECTS, root, sampleObjects, startEntente, temporaryFolder } from '../support/server.ts'
import { brokerAway } from './broker-away.ts'

const LONG = process.env['ENTENTE_TEST_LONG'] !== undefined
const KILLS = LONG ? 100 : 3
const SEED = Number(process.env['ENTENTE_TEST_SEED'] ?? 20260106)
const crashing = join(root, 'test/support/crashing-server.ts')

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
      if ('reason' in broker) {
        t.skip(broker.reason)
        return undefined
      }
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
      const repeated = await assertHeard(() => subject.listener.heard, stored)
      await server.stop()
      await auditClean(data, file)
      console.log(
        `measured: ${kind}: ${KILLS} kills, ${stored.length} objects stored, all delivered, ${repeated} again`,
      )
    })

    if (kind === 'embedded') return
    brokerAway(kind, () => broker)
    for (const [name, point] of [
      ['O1, before anything is sent', 'before-publish'],
      ['O3, after the broker confirmed', 'after-publish'],
    ] as const) {
      test(`killed at ${name}: the next start sends it, marked where it was sent`, async t => {
        const subject = await create(t)
        if (!subject) return
        const { data, file } = configure(temporaryFolder(t), subject.config)
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
        await assertHeard(() => subject.listener.heard, stored)
        await server.stop()
        await auditClean(data, file)
      })
    }
  })
}
