import assert from 'node:assert/strict'
import { test } from 'node:test'
import { granularMarkings, objectMarkings, statementChannels, tlpMarkings } from './marking.ts'
import { validateObject } from './validate.ts'

const statement = (text: unknown) => ({
  type: 'marking-definition',
  definition_type: 'statement',
  definition: { statement: text },
})

test('the published TLP markings are valid, and another one is not (7.2.1.4)', () => {
  assert.equal(tlpMarkings.size, 9)
  for (const [id, { version, level, object }] of tlpMarkings) {
    assert.equal(object.id, id)
    assert.deepEqual(validateObject(object).findings, [], `${version} ${level}`)
  }
  const red = tlpMarkings.get('marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed')
  assert.equal(red?.level, 'red')
  const forged = { ...red.object, id: 'marking-definition--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f' }
  assert.equal(validateObject(forged).findings[0]?.rule, 'tlp')
})

test('objectMarkings and granularMarkings read what is there, of whatever form', () => {
  assert.deepEqual(objectMarkings({}), [])
  assert.deepEqual(objectMarkings({ object_marking_refs: ['a', 7, 'b'] }), ['a', 'b'])
  assert.deepEqual(objectMarkings({ object_marking_refs: 'a' }), [])
  const marks = [{ marking_ref: 'a' }, { lang: 'de' }, { marking_ref: 'a' }, null, { marking_ref: 'b' }]
  assert.deepEqual(granularMarkings({ granular_markings: marks }), ['a', 'b'])
})

test('statementChannels: pubsub:X of a marking definition, and of those in a bundle', () => {
  assert.deepEqual(statementChannels(statement('pubsub:EVENTS')), ['EVENTS'])
  const none = ['EVENTS', 'pubsub:', 'pubsub:A B', 'Pubsub:A', 'pubsub:A\n', `pubsub:${'A'.repeat(251)}`, 7, null]
  for (const text of none) assert.deepEqual(statementChannels(statement(text)), [], String(text))
  assert.deepEqual(statementChannels({ ...statement('pubsub:EVENTS'), type: 'note' }), [])
  assert.deepEqual(statementChannels(null), [])
  const objects = [statement('pubsub:B'), { type: 'url' }, statement('pubsub:A'), statement('pubsub:B'), 7]
  assert.deepEqual(statementChannels({ type: 'bundle', objects }), ['B', 'A'])
  assert.deepEqual(statementChannels({ type: 'bundle', objects: [{ type: 'bundle', objects }] }), [])
})
