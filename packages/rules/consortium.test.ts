import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import fc from 'fast-check'
import { CONSORTIUM, propose, quorum, vote } from './consortium.ts'
import type { Change } from './entities.ts'
import { addKey, replaceKey, revokeKey } from './parties.ts'
import { createWorld, DAY, hash, id, join, party, type World } from './test/world.ts'

const CHAIN = id(0xc4a1)
let world: World
beforeEach(() => {
  world = createWorld('eu')
  world.seed('consortium', CONSORTIUM, { members: 5, numerator: 2, denominator: 3, period: 30 * DAY, proposals: 0 })
  join(world, 'state', 'DE', 0xde, 'DE')
  join(world, 'state', 'IT', 0x17, 'IT')
  world.seed('chainSet', CHAIN, { validators: ['v1', 'v2', 'v3', 'v4'], writers: ['w1'], minimum: 4 })
})
const seat = (more: object = {}): Change => ({
  do: 'seat',
  authority: { id: id(0x100), kind: 'ncca', country: 'FR', key: 'ncca-2', ...more },
  act: hash(5),
})
/** Proposed by the state, agreed by two more: two thirds of five. */
async function make(change: Change): Promise<string> {
  const number = await world.as('state', call => propose(call, change))
  for (const member of ['commission', 'DE', 'IT']) await world.as(member, call => vote(call, number))
  return number
}

test('row 1: an authority is seated once its state has nominated it and a quorum has agreed', async () => {
  const number = await world.as('state', call => propose(call, seat()))
  await world.as('DE', call => vote(call, number))
  await world.as('IT', call => vote(call, number))
  assert.equal(world.get('party', id(0x100)), undefined, 'three of five are not enough')
  await world.as('enisa', call => vote(call, number))
  assert.equal(world.get('party', id(0x100))?.isActive, true)
  assert.equal(world.get('key', 'ncca-2')?.party, id(0x100))
  assert.equal(world.get('party', party('ncca'))?.isActive, true, 'a state may have several')
  assert.equal(world.events.at(-1)?.name, 'ChangeMade')
})

test('row 1: refused: of another state, by nobody that votes, without an act, twice, too late, or once it is done', async () => {
  await world.refuses(1, 'WrongCountry', 'DE', call => propose(call, seat()))
  await world.refuses(1, 'WrongCountry', 'commission', call => propose(call, seat()))
  await world.refuses(1, 'WrongRole', 'ncca', call => propose(call, seat()))
  await world.refuses(1, 'UnknownKey', 'nobody', call => propose(call, seat()))
  await world.refuses(1, 'Missing', 'state', call => propose(call, { ...seat(), act: '0x' } as Change))
  await world.refuses(1, 'WrongRole', 'state', call => propose(call, seat({ kind: 'cab' })))
  await world.refuses(1, 'Exists', 'state', call => propose(call, seat({ id: party('ncca') })))
  await world.refuses(1, 'KeyTaken', 'state', call => propose(call, seat({ key: 'ncca' })))
  const number = await world.as('state', call => propose(call, seat()))
  await world.refuses(1, 'VotedAlready', 'state', call => vote(call, number))
  await world.as('DE', call => vote(call, number))
  await world.refuses(1, 'VotedAlready', 'DE', call => vote(call, number))
  world.now += 30 * DAY
  await world.refuses(1, 'Closed', 'IT', call => vote(call, number))
  world.now -= 1
  await world.as('IT', call => vote(call, number))
  await world.as('enisa', call => vote(call, number))
  await world.refuses(1, 'Closed', 'commission', call => vote(call, number))
  await world.refuses(2, 'Unknown', 'commission', call => vote(call, '99'))
})

test('row 1: what was right when it was proposed is looked at again when it is made', async () => {
  const first = await world.as('state', call => propose(call, seat()))
  const second = await world.as('state', call => propose(call, seat()))
  for (const member of ['DE', 'IT']) {
    await world.as(member, call => vote(call, first))
    await world.as(member, call => vote(call, second))
  }
  await world.as('enisa', call => vote(call, first))
  await world.refuses(1, 'Exists', 'enisa', call => vote(call, second))
})

test('row 1: an authority is removed, and its keys do nothing any more', async () => {
  await make({ do: 'remove', authority: party('ncca'), act: hash(6) })
  assert.equal(world.get('party', party('ncca'))?.isActive, false)
  await world.refuses(13, 'NotActive', 'ncca', call => addKey(call, 'new'))
  await world.refuses(1, 'NotActive', 'state', call =>
    propose(call, { do: 'remove', authority: party('ncca'), act: hash(6) }),
  )
  await world.refuses(1, 'WrongRole', 'state', call =>
    propose(call, { do: 'remove', authority: party('cab'), act: hash(6) }),
  )
})

test('row 1: the lost key of an authority is replaced by its state and a quorum', async () => {
  const change: Change = { do: 'replaceKey', party: party('nab'), lost: 'nab', key: 'nab-2', act: hash(7) }
  await world.refuses(1, 'WrongCountry', 'DE', call => propose(call, change))
  await world.refuses(1, 'NotYours', 'state', call => propose(call, { ...change, lost: 'ncca' }))
  await make(change)
  await world.refuses(13, 'RevokedKey', 'nab', call => addKey(call, 'new'))
  await world.as('nab-2', call => addKey(call, 'nab-3'))
})

test('row 2: validators and writers change by a quorum, and never below the minimum', async () => {
  await make({ do: 'validators', chain: CHAIN, add: ['v5'], remove: ['v1'] })
  assert.deepEqual(world.get('chainSet', CHAIN)?.validators, ['v2', 'v3', 'v4', 'v5'])
  await make({ do: 'writers', chain: CHAIN, add: [], remove: ['w1'] })
  assert.deepEqual(world.get('chainSet', CHAIN)?.writers, [])
  const propose2 = (change: object) => (call: Parameters<typeof propose>[0]) =>
    propose(call, { do: 'validators', chain: CHAIN, add: [], remove: [], ...change } as Change)
  await world.refuses(2, 'BelowMinimum', 'DE', propose2({ remove: ['v2'] }))
  await world.refuses(2, 'Missing', 'DE', propose2({}))
  await world.refuses(2, 'Exists', 'DE', propose2({ add: ['v2'] }))
  await world.refuses(2, 'Exists', 'DE', propose2({ add: ['x', 'x'] }))
  await world.refuses(2, 'Unknown', 'DE', propose2({ remove: ['v1'] }))
  await world.refuses(2, 'Unknown', 'DE', propose2({ chain: id(9), add: ['x'] }))
  await world.refuses(2, 'WrongRole', 'ncca', propose2({ add: ['x'] }))
})

test('row 2: two changes that are right each and wrong together: the second is refused when it is made', async () => {
  await make({ do: 'validators', chain: CHAIN, add: ['v5'], remove: [] })
  const changes = ['v1', 'v2'].map((key): Change => ({ do: 'validators', chain: CHAIN, add: [], remove: [key] }))
  const [a, b] = [
    await world.as('DE', call => propose(call, changes[0] as Change)),
    await world.as('DE', call => propose(call, changes[1] as Change)),
  ]
  for (const number of [a, b]) for (const member of ['IT', 'state']) await world.as(member, call => vote(call, number))
  await world.as('enisa', call => vote(call, a))
  await world.refuses(2, 'BelowMinimum', 'enisa', call => vote(call, b))
})

test('row 2: members are admitted and dismissed; who was dismissed does not count', async () => {
  const admit: Change = { do: 'admit', member: id(0xe5), kind: 'state', country: 'ES', key: 'ES', act: hash(8) }
  await make(admit)
  assert.equal(world.get('consortium', CONSORTIUM)?.members, 6)
  const number = await world.as('ES', call => propose(call, { do: 'upgrade', contract: id(1), code: hash(9) }))
  await world.as('DE', call => vote(call, number))
  await world.as('IT', call => vote(call, number))
  await make({ do: 'dismiss', member: id(0xe5), act: hash(8) })
  assert.equal(world.get('consortium', CONSORTIUM)?.members, 5)
  await world.refuses(2, 'NotActive', 'ES', call => vote(call, number))
  await world.as('enisa', call => vote(call, number))
  assert.equal(world.get('proposal', number)?.isDone, false, 'three of five, without the one that left')
  await world.as('commission', call => vote(call, number))
  assert.equal(world.get('proposal', number)?.isDone, true)
})

test('keys: added by their party, revoked by it or whoever registered it, and never used again by anybody', async () => {
  await world.as('manufacturer', call => addKey(call, 'second'))
  await world.as('second', call => revokeKey(call, 'manufacturer'))
  await world.refuses(13, 'RevokedKey', 'manufacturer', call => addKey(call, 'third'))
  await world.refuses(13, 'KeyTaken', 'holder', call => addKey(call, 'manufacturer'))
  await world.refuses(13, 'NotYours', 'holder', call => revokeKey(call, 'second'))
  await world.refuses(13, 'NotYours', 'nab', call => replaceKey(call, 'second', 'stolen', hash(3)))
  await world.refuses(13, 'NotYours', 'second', call => replaceKey(call, 'second', 'own', hash(3)))
  await world.as('ncca', call => replaceKey(call, 'second', 'third', hash(3)))
  await world.refuses(13, 'RevokedKey', 'second', call => addKey(call, 'fourth'))
  await world.as('third', call => addKey(call, 'fourth'))
})

test('a quorum is the smallest whole number that is no less than the share', () => {
  const share = fc.tuple(
    fc.integer({ min: 1, max: 60 }),
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 1, max: 9 }),
  )
  fc.assert(
    fc.property(share, ([members, a, b]) => {
      const [numerator, denominator] = [Math.min(a, b), Math.max(a, b)]
      const n = quorum({ members, numerator, denominator, period: 1, proposals: 0 })
      assert.ok(n * denominator >= members * numerator)
      assert.ok((n - 1) * denominator < members * numerator)
    }),
    { seed: 1, numRuns: 500 },
  )
})
