// Part of channels.test.ts, whose brokers it uses: one that is killed and away while publishing goes on. After its return a queue that was bound beforehand gets everything, in order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertHeard, type Broker, configure, storedIn } from '../support/brokers.ts'
import { OBJECTS, sampleObjects, startEntente, temporaryFolder, type TestServer } from '../support/server.ts'

const LONG = process.env['ENTENTE_TEST_LONG'] !== undefined
const [RATE, SECONDS] = LONG ? [1000, 300] : [300, 4]
const AT_ONCE = 10

/** A machine that is busy with other things must not be asked to open connections without end. */
const MOST_UNDER_WAY = 200

/** Objects at an even pace, whatever the answers take. @returns the milliseconds of each POST */
async function publish(server: TestServer, from: number, count: number): Promise<number[]> {
  const times: number[] = []
  const under: Promise<void>[] = []
  let underWay = 0
  const started = performance.now()
  for (let i = 0; i < count; i += AT_ONCE) {
    const wait = started + (i / RATE) * 1000 - performance.now()
    if (wait > 0) await sleep(wait)
    while (underWay >= MOST_UNDER_WAY) await sleep(5)
    const post = async () => {
      underWay++
      const begun = performance.now()
      const { status, json } = await server.request('POST', OBJECTS, { objects: sampleObjects(AT_ONCE, from + i) })
      assert.equal(status, 202)
      assert.equal(json.failure_count, 0)
      times.push(performance.now() - begun)
      underWay--
    }
    under.push(post())
  }
  await Promise.all(under)
  return times.sort((a, b) => a - b)
}
/** Whether the broker is connected, and how many events wait for it. */
async function metricsOf(server: TestServer): Promise<[number, number]> {
  const url = /metrics at (\S+)/.exec(server.output())?.[1] as string
  const text = await (await fetch(url)).text()
  const value = (name: string) => {
    const line = text.split('\n').find(l => l.startsWith(name))
    return Number(line?.slice(line.lastIndexOf(' ') + 1))
  }
  return [value('entente_broker_connected{'), value('entente_broker_pending_events{channel="EVENTS"}')]
}

const median = (sorted: number[]): number => sorted[Math.floor(sorted.length / 2)] ?? Number.NaN

/** @param running the broker, which has what it had afterwards */
export function brokerAway(kind: string, running: () => Broker | { reason: string }): void {
  test(`killed, and away for ${SECONDS} s at ${RATE} objects/s: publishing goes on, and nothing is missing`, async t => {
    const broker = running()
    if ('reason' in broker) return t.skip(broker.reason)
    const early = await broker.listen('')
    const { data, file } = configure(temporaryFolder(t), early.config)
    const server = await startEntente(data, { args: ['--config', file] })
    t.after(() => server.stop())
    const warm = RATE * 2
    const there = await publish(server, 0, warm)
    await assertHeard(() => early.listener.heard, await storedIn(data))
    await early.listener.close()

    const cut = publish(server, warm, warm) // killed amid this
    await sleep(500)
    await broker.kill?.()
    await cut
    const away = await publish(server, 2 * warm, RATE * SECONDS)
    const [connected, pending] = await metricsOf(server)
    assert.equal(connected, 0)
    assert.ok(pending >= RATE * SECONDS, `${pending} events wait`)
    await broker.start?.()

    const late = await broker.listen('')
    t.after(() => late.listener.close())
    const stored = await storedIn(data)
    assert.equal(stored.length, 2 * warm + RATE * SECONDS)
    const back = performance.now()
    // A topic is read from its beginning again; a queue has what was not heard yet.
    const heard = () => (kind === 'kafka' ? late.listener.heard : [...early.listener.heard, ...late.listener.heard])
    const again = await assertHeard(heard, stored, 600_000)
    const took = (performance.now() - back) / 1000
    assert.deepEqual(await metricsOf(server), [1, 0])
    console.log(
      `measured: ${kind} away for ${SECONDS} s at ${RATE}/s: ${stored.length} objects, none missing, in order, ${again} again; all there ${took.toFixed(1)} s after its return; POST median ${median(there).toFixed(1)} ms before, ${median(away).toFixed(1)} ms without it`,
    )
  })
}
