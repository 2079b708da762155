// What becomes of messages, whoever they come from: order, repetitions, what is missing, and what is no event at all.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { ProofError } from '@entente/verify/proof'
import { ClientError, type Delivery, type DeliveryOptions, type RawEvent, readDeliveries } from './index.ts'
import { eventText } from './test/events.ts'

const SEED = 20261122
const event = (seq: number): RawEvent => ({ type: 'added', id: String(seq), data: eventText(seq) })
const place = (id: string): RawEvent => ({ type: 'message', id, data: undefined })

async function read(groups: RawEvent[][], options: Partial<DeliveryOptions> = {}): Promise<Delivery[]> {
  async function* arrive() {
    yield* groups
  }
  const given: Delivery[] = []
  for await (const delivery of readDeliveries(arrive(), { kind: 'feed', ...options })) given.push(delivery)
  return given
}
const shown = (given: Delivery[]) =>
  given.map(d => (d.kind === 'skipped' ? `${d.from}-${d.to} skipped` : `${d.kind} ${d.id}`))

test('on a feed every place comes once, in order, and what is missing is said, also where only the place moves', async () => {
  const groups = [
    [place('start'), event(0), event(1)],
    [event(1), place('1'), event(4)],
    [place('7'), event(8), place('5')],
  ]
  assert.deepEqual(shown(await read(groups)), [
    'place start',
    'event 0',
    'event 1',
    'repeated 1',
    'place 1',
    '2-3 skipped',
    'event 4',
    '5-7 skipped',
    'place 7',
    'event 8',
    'place 5',
  ])
  assert.deepEqual(shown(await read([[event(5), event(7)]])), ['event 5', '6-6 skipped', 'event 7'], 'begun anywhere')
  assert.deepEqual(shown(await read([[place('3'), event(5)]])), ['place 3', '4-4 skipped', 'event 5'])
  const gap = { type: 'gap', id: '6', data: '{"after":0,"next":7,"catch_up":[]}' }
  assert.deepEqual(shown(await read([[event(0), gap, event(7), event(8)]])), ['event 0', 'gap 6', 'event 7', 'event 8'])
  const back = { type: 'gap', id: '1', data: '{"after":9,"next":2,"catch_up":[]}' }
  assert.deepEqual(
    shown(await read([[place('9'), back, event(2)]])),
    ['place 9', 'gap 1', 'event 2'],
    'a server that was put back',
  )
})

test('on a channel repetitions are known, and none is taken for one because it is late', async () => {
  const late = [event(5), event(9), event(5), event(7), event(9), event(11)]
  const seen = ['event 5', 'event 9', 'repeated 5', 'event 7', 'repeated 9', 'event 11']
  assert.deepEqual(shown(await read([late], { kind: 'channel' })), seen)
  const after = await read([[event(5), event(6)], [event(7)]], { kind: 'channel', after: 6 })
  assert.deepEqual(shown(after), ['repeated 5', 'repeated 6', 'event 7'])
})

test('every message of a broker is handed back once, in its order', async () => {
  const text = [eventText(1), eventText(2), eventText(1), eventText(3)]
  const messages = text.map((data, n) => ({ data: Buffer.from(data), n, redelivered: n === 2 }))
  const given = (await read([messages], { kind: 'channel' })) as { raw?: { n: number }; text?: string }[]
  assert.deepEqual(
    given.map(d => d.raw?.n),
    [0, 1, 2, 3],
  )
  assert.equal(given[3]?.text, text[3])
})

test('an event of another collection does not belong to a feed', async () => {
  const other = eventText(1).replaceAll('91a7b528-80eb-42ed-a74d-c6fbd5a26116', '52892447-4d7e-4f70-b94d-d7f22742ff63')
  await assert.rejects(
    read([[event(0), { data: other }]]),
    (error: unknown) => error instanceof ClientError || error instanceof ProofError,
  )
})

test('whatever arrives, there is no other error than ours, and nothing that is no event is given', async () => {
  const genuine = eventText(3)
  const changed = fc
    .tuple(fc.nat(genuine.length - 1), fc.string({ unit: 'binary', maxLength: 3 }))
    .map(([at, more]) => genuine.slice(0, at) + more + genuine.slice(at + 1))
  const data = fc.oneof(fc.string({ unit: 'binary' }), fc.json(), changed, fc.constantFrom(genuine, undefined))
  const raw = fc.record({
    type: fc.constantFrom('added', 'gap', 'message', 'integrity', undefined),
    id: fc.oneof(fc.constantFrom('3', 'start', '-1', '9'.repeat(20)), fc.string()),
    data,
  })
  await fc.assert(
    fc.asyncProperty(fc.array(raw, { maxLength: 4 }), fc.constantFrom('feed', 'channel'), async (group, kind) => {
      try {
        for (const delivery of await read([group], { kind: kind as 'feed' }))
          if (delivery.kind === 'event')
            assert.equal(delivery.event.event === 'integrity' || 'commitment' in delivery.event, true)
      } catch (error) {
        assert.ok(error instanceof ClientError || error instanceof ProofError, `${error}`)
      }
    }),
    { seed: SEED, numRuns: 1500 },
  )
})
