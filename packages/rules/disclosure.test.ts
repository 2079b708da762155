import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import fc from 'fast-check'
import type { Call } from './call.ts'
import {
  acceptEmbargo,
  advance,
  announce,
  type Bit,
  close,
  commit,
  disclose,
  invite,
  leaveEmbargo,
  POLICY,
  proposeEmbargo,
  rejectEmbargo,
  reopen,
} from './disclosure.ts'
import type { Case } from './entities.ts'
import { createWorld, DAY, hash, id, join, NOW, party, type World } from './test/world.ts'

const CASE = id(0xca5e)
const SALT = id(0x5a17)
const VERSION = id(0xa2)
const MAKER = party('manufacturer')
const policy = { maxEmbargo: 90 * DAY, maxTotal: 180 * DAY, acceptWithin: 14 * DAY, announcements: 3, per: DAY }
const announcement = (more: object = {}) => ({
  commitment: commit('report', SALT, hash(1)),
  artifact: { sealed: commit('artifact', SALT, VERSION) },
  coordinator: party('coordinator'),
  proposedEnd: NOW + 45 * DAY,
  ...more,
})
const report = { salt: SALT, content: hash(1), artifact: { salt: SALT, version: VERSION } }
let world: World
const found = () => world.get('case', CASE) as Case
const proposing = (days: number) => (call: Call) => proposeEmbargo(call, CASE, NOW + days * DAY)
const accepting = (call: Call) => acceptEmbargo(call, CASE)
const disclosing = (call: Call) => disclose(call, CASE, report)
const setting =
  (bit: Bit, of?: string) =>
  (call: Call): Promise<void> =>
    advance(call, CASE, bit, hash(5), of)

beforeEach(async () => {
  world = createWorld('vulnerability')
  world.seed('disclosurePolicy', POLICY, policy)
  join(world, 'manufacturer', 'stranger', 0x57)
  await world.as('provider', call => announce(call, CASE, announcement()))
  await world.as('coordinator', call => invite(call, CASE, MAKER))
})

test('commitments are as docs/formats.md 17 has them', () => {
  const [salt, content] = [`0x${'11'.repeat(32)}`, `0x${'22'.repeat(32)}`]
  assert.equal(commit('report', salt, content), '0x751cddcb48b685a7262833b3d9f9511e5553b41c4078c29e2751a10c8dd6ae9e')
  assert.equal(commit('artifact', salt, content), '0xc1184a85a64b2b9d9245a122a4477024dc95d54756c03ed1769580976fcb63ee')
})

describe('row 31: announcing', () => {
  test('by a provider, or by the coordinator for somebody unknown; it says nothing of what it is about', async () => {
    await world.as('coordinator', call => announce(call, id(1), announcement()))
    assert.deepEqual(world.get('case', id(1))?.participants, [party('coordinator')])
    assert.equal(found().embargo, 'proposed')
    assert.ok(!JSON.stringify(found()).includes(VERSION))
    for (const key of ['manufacturer', 'ncca', 'holder'])
      await world.refuses(31, 'WrongRole', key, call => announce(call, id(2), announcement()))
  })

  test('is refused without a commitment, past the cap, twice, and too often', async () => {
    const announcing =
      (more: object, at = id(2)) =>
      (call: Call) =>
        announce(call, at, announcement(more))
    await world.refuses(31, 'Exists', 'provider', announcing({}, CASE))
    await world.refuses(31, 'Missing', 'provider', announcing({ commitment: '' }))
    await world.refuses(31, 'Missing', 'provider', announcing({ artifact: { sealed: '' } }))
    await world.refuses(31, 'OutOfBounds', 'provider', announcing({ proposedEnd: NOW + 91 * DAY }))
    await world.refuses(31, 'OutOfBounds', 'provider', announcing({ proposedEnd: NOW }))
    await world.refuses(31, 'WrongRole', 'provider', announcing({ coordinator: party('ncca') }))
    join(world, 'coordinator', 'coordinator-2', 0xc2)
    await world.refuses(31, 'NotYours', 'coordinator-2', announcing({}))
    for (const n of [2, 3]) await world.as('provider', announcing({}, id(n)))
    await world.refuses(31, 'TooMany', 'provider', announcing({}, id(4)))
    world.now += DAY
    await world.as('provider', announcing({}, id(4)))
  })

  test('a case may have several manufacturers, asked in by who leads it', async () => {
    await world.refuses(31, 'Exists', 'provider', call => invite(call, CASE, MAKER))
    await world.refuses(31, 'NotYours', 'manufacturer', call => invite(call, CASE, id(0x57)))
    await world.refuses(31, 'WrongRole', 'provider', call => invite(call, CASE, party('ncca')))
    await world.as('provider', call => invite(call, CASE, id(0x57)))
    assert.equal(found().participants.length, 4)
  })
})

describe('row 32: an embargo', () => {
  test('is active once everybody has accepted it', async () => {
    await world.refuses(32, 'VotedAlready', 'provider', accepting)
    await world.refuses(32, 'NotYours', 'stranger', accepting)
    await world.as('manufacturer', accepting)
    assert.equal(found().embargo, 'proposed')
    await world.as('coordinator', accepting)
    assert.deepEqual([found().embargo, found().end], ['active', NOW + 45 * DAY])
    await world.refuses(32, 'WrongState', 'coordinator', accepting)
  })

  test('may be proposed anew after it was rejected', async () => {
    await world.as('manufacturer', call => rejectEmbargo(call, CASE))
    assert.equal(found().embargo, 'none')
    await world.refuses(32, 'WrongState', 'coordinator', accepting)
    await world.as('manufacturer', proposing(10))
    for (const key of ['provider', 'coordinator']) await world.as(key, accepting)
    assert.equal(found().end, NOW + 10 * DAY)
  })

  test('is revised by all, or stays as it is; and not for ever', async () => {
    for (const key of ['manufacturer', 'coordinator']) await world.as(key, accepting)
    await world.as('manufacturer', proposing(60))
    assert.deepEqual([found().embargo, found().end], ['revise', NOW + 45 * DAY])
    await world.as('provider', call => rejectEmbargo(call, CASE))
    assert.deepEqual([found().embargo, found().end], ['active', NOW + 45 * DAY])
    await world.refuses(32, 'OutOfBounds', 'manufacturer', proposing(91))
    world.now = NOW + 44 * DAY
    await world.as('manufacturer', proposing(130))
    for (const key of ['provider', 'coordinator']) await world.as(key, accepting)
    assert.equal(found().end, NOW + 130 * DAY)
    world.now = NOW + 129 * DAY
    await world.refuses(32, 'OutOfBounds', 'manufacturer', proposing(181))
  })

  test('is proposed no more once the public knows, it is exploited or attacked, or once it has ended', async () => {
    for (const key of ['manufacturer', 'coordinator']) await world.as(key, accepting)
    world.now = NOW + 45 * DAY
    await world.refuses(32, 'WrongState', 'manufacturer', proposing(60))
    world.now = NOW
    await world.as('provider', setting('A'))
    await world.refuses(32, 'WrongState', 'manufacturer', proposing(60))
    await world.as('provider', setting('X'))
    assert.equal(found().embargo, 'exited')
    await world.refuses(32, 'WrongState', 'manufacturer', accepting)
  })

  test('ends where one leaves it, which publishes nothing', async () => {
    await world.refuses(32, 'WrongState', 'provider', call => leaveEmbargo(call, CASE, hash(1)))
    for (const key of ['manufacturer', 'coordinator']) await world.as(key, accepting)
    await world.refuses(32, 'Missing', 'provider', call => leaveEmbargo(call, CASE, ''))
    await world.as('provider', call => leaveEmbargo(call, CASE, hash(1)))
    assert.deepEqual([found().embargo, found().bits.public, found().disclosed], ['exited', false, undefined])
  })
})

describe('row 33: what has come true', () => {
  const own = () => world.get('participation', `${CASE}@${MAKER}`)
  test('V, F and D are of each manufacturer, in this order', async () => {
    await world.refuses(33, 'WrongState', 'manufacturer', setting('F'))
    await world.refuses(33, 'NotYours', 'provider', setting('V', MAKER))
    await world.as('coordinator', setting('V', MAKER))
    await world.refuses(33, 'WrongState', 'manufacturer', setting('V'))
    await world.refuses(33, 'WrongState', 'manufacturer', setting('D'))
    await world.refuses(33, 'NotYours', 'coordinator', setting('F', MAKER))
    await world.as('manufacturer', setting('F'))
    await world.as('manufacturer', setting('D'))
    assert.deepEqual(own(), { vendorAware: true, fixReady: true, fixDeployed: true, isIn: true })
    await world.refuses(33, 'WrongState', 'manufacturer', setting('D'))
    await world.refuses(33, 'Unknown', 'coordinator', setting('V', id(0x57)))
    await world.refuses(33, 'Missing', 'manufacturer', call => advance(call, CASE, 'F', ''))
    await world.refuses(33, 'NotYours', 'stranger', setting('P'))
  })

  test('an exploit makes it public, and the public the vendor aware; attacks do not', async () => {
    await world.as('provider', setting('A'))
    assert.deepEqual(found().bits, { public: false, exploit: false, attacks: true })
    await world.as('provider', setting('X'))
    assert.deepEqual(found().bits, { public: true, exploit: true, attacks: true })
    await world.refuses(33, 'WrongState', 'provider', setting('P'))
    await world.as('manufacturer', setting('F'))
    assert.equal(own()?.vendorAware, true)
  })
})

describe('row 34: disclosing', () => {
  test('shows what was announced, by whoever is in the case, once it is free', async () => {
    await world.refuses(34, 'Embargoed', 'provider', disclosing)
    world.now = NOW + 14 * DAY // never accepted in time
    await world.refuses(34, 'NotYours', 'stranger', disclosing)
    await world.refuses(34, 'WrongRole', 'ncca', disclosing)
    await world.refuses(34, 'Mismatch', 'provider', call => disclose(call, CASE, { ...report, content: hash(2) }))
    await world.refuses(34, 'Mismatch', 'provider', call => disclose(call, CASE, { ...report, salt: id(1) }))
    await world.refuses(34, 'Mismatch', 'provider', call =>
      disclose(call, CASE, { ...report, artifact: { salt: SALT, version: id(1) } }),
    )
    await world.refuses(34, 'Missing', 'provider', call => disclose(call, CASE, { ...report, artifact: undefined }))
    await world.as('manufacturer', disclosing)
    assert.deepEqual(found().artifact, { open: VERSION })
    assert.deepEqual([found().disclosed, found().bits.public], [world.now, true])
    await world.refuses(34, 'Exists', 'provider', disclosing)
  })

  test('not while an embargo is active, also while another end is talked about', async () => {
    for (const key of ['manufacturer', 'coordinator']) await world.as(key, accepting)
    await world.refuses(34, 'Embargoed', 'provider', disclosing)
    await world.as('manufacturer', proposing(60))
    world.now = NOW + 45 * DAY - 1
    await world.refuses(34, 'Embargoed', 'provider', disclosing)
    world.now = NOW + 45 * DAY
    await world.as('provider', disclosing)
  })

  test('at once where it is public already', async () => {
    for (const key of ['manufacturer', 'coordinator']) await world.as(key, accepting)
    await world.as('coordinator', setting('P'))
    await world.as('provider', disclosing)
  })
})

describe('row 35: closing', () => {
  test('by the coordinator, or by provider and manufacturer together, who say the same', async () => {
    const closing = (as: 'invalid' | 'duplicate') => (call: Call) => close(call, CASE, as, hash(1))
    await world.as('provider', closing('invalid'))
    await world.refuses(35, 'VotedAlready', 'provider', closing('invalid'))
    await world.as('manufacturer', closing('duplicate'))
    assert.equal(found().closed, undefined)
    await world.as('manufacturer', closing('invalid'))
    assert.equal(found().closed, 'invalid')
    await world.refuses(35, 'Closed', 'coordinator', closing('invalid'))
    await world.refuses(34, 'Closed', 'provider', disclosing)
    await world.refuses(35, 'NotYours', 'manufacturer', call => reopen(call, CASE, hash(1)))
    await world.as('provider', call => reopen(call, CASE, hash(1)))
    await world.refuses(35, 'WrongState', 'provider', call => reopen(call, CASE, hash(1)))
    await world.refuses(35, 'Missing', 'coordinator', call => close(call, CASE, 'invalid', ''))
    await world.refuses(35, 'NotYours', 'stranger', closing('invalid'))
    await world.as('coordinator', closing('duplicate'))
    assert.equal(found().closed, 'duplicate')
  })
})

test('whatever is done in whatever order: no bit is taken back, D has F has V, and nothing is shown in an embargo', async () => {
  const step = fc.record({
    who: fc.constantFrom('provider', 'coordinator', 'manufacturer', 'stranger'),
    what: fc.constantFrom('propose', 'accept', 'reject', 'leave', 'V', 'F', 'D', 'P', 'X', 'A', 'disclose', 'close'),
    days: fc.integer({ min: 0, max: 40 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
      const fresh = createWorld('vulnerability')
      fresh.seed('disclosurePolicy', POLICY, policy)
      await fresh.as('provider', call => announce(call, CASE, announcement()))
      await fresh.as('coordinator', call => invite(call, CASE, MAKER))
      let now = NOW
      for (const { who, what, days } of steps) {
        const rule = (call: Call): Promise<void> => {
          if (what === 'propose') return proposeEmbargo(call, CASE, now + days * DAY)
          if (what === 'accept') return acceptEmbargo(call, CASE)
          if (what === 'reject') return rejectEmbargo(call, CASE)
          if (what === 'leave') return leaveEmbargo(call, CASE, hash(1))
          if (what === 'disclose') return disclose(call, CASE, report)
          if (what === 'close') return close(call, CASE, 'invalid', hash(1))
          return advance(call, CASE, what, hash(1), 'VFD'.includes(what) ? MAKER : undefined)
        }
        const before = fresh.get('case', CASE) as Case
        await fresh.run(who, now, rule).catch(() => undefined)
        const after = fresh.get('case', CASE) as Case
        for (const bit of ['public', 'exploit', 'attacks'] as const) assert.ok(!before.bits[bit] || after.bits[bit])
        assert.ok(!after.bits.exploit || after.bits.public)
        const vendor = fresh.get('participation', `${CASE}@${MAKER}`)
        assert.ok(!vendor?.fixDeployed || vendor.fixReady)
        assert.ok(!vendor?.fixReady || vendor.vendorAware)
        assert.ok(after.end <= before.announced + policy.maxTotal)
        const held = before.embargo === 'active' && now < before.end && !before.bits.public
        if (held && what === 'disclose') assert.equal(after.disclosed, before.disclosed)
        if (after.bits.public) assert.equal(after.embargo, 'exited')
        now += days * DAY
      }
    }),
    { seed: 31, numRuns: 300 },
  )
})
