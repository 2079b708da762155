import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EventName, Message, Publisher } from '#channel/channel.ts'
import { createMarkings } from '#taxii/markings.ts'
import { toIsWhole, toSentEntry } from './brokers.ts'

const AMBER = 'marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421'
const bytes = (...refs: string[]) => Buffer.from(JSON.stringify({ object_marking_refs: refs }))

test('an object goes out whole where each role of the audience, by itself, may read it and is cleared for it', () => {
  const markings = createMarkings({
    unmarked: 'TLP:CLEAR',
    others: 'allow',
    everyone: [],
    rights: { staff: ['TLP:AMBER'], auditor: ['all'] },
    names: {},
  })
  const forAll = [{ number: 1 }, { number: 2, unmarked: 'TLP:AMBER' as const }]
  const of = (audience: string[]) => {
    const isWhole = toIsWhole(audience, forAll, markings)
    return [isWhole(1, bytes()), isWhole(1, bytes(AMBER)), isWhole(2, bytes()), isWhole(3, bytes())]
  }
  assert.deepEqual(of(['staff', 'auditor']), [true, true, true, false])
  assert.deepEqual(of(['staff', 'guests']), [true, false, false, false])
  assert.deepEqual(of(['auditor']), [true, true, true, false])
  const isWhole = toIsWhole(['guests'], forAll, undefined)
  assert.deepEqual([isWhole(1, bytes(AMBER)), isWhole(3, bytes())], [true, false])
})

test('what a broker has confirmed: which places went as references although their collection is for all', () => {
  const publisher = { kind: 'rabbitmq', address: (channel: string) => `x.${channel}` } as Publisher
  const message = (position: number, event: EventName, collection = 1): Message => ({
    position,
    collection,
    key: '',
    event,
    body: Buffer.alloc(0),
    redelivered: false,
  })
  const messages = [
    message(3, 'added'),
    message(5, 'reference'),
    message(6, 'reference', 9),
    message(8, 'reference'),
    message(9, 'version'),
    message(11, 'reference'),
  ]
  const entry = toSentEntry(publisher, 'EVENTS', [{ id: 'c', number: 1 }], messages)
  assert.deepEqual(
    [entry.collections, entry.first, entry.last, entry.whole, entry.references, entry.subscriber],
    [['c'], 3, 11, 2, 4, 'x.EVENTS'],
  )
  assert.deepEqual(entry.withheld, [
    [5, 8],
    [11, 11],
  ])
})
