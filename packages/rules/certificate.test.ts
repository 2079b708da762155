import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import fc from 'fast-check'
import { accredit, approve, authorise, changeAccreditation, delegateHigh, notifyBody } from './accreditation.ts'
import type { Call } from './call.ts'
import {
  type CertificateInput,
  certificateState,
  certifyProfile,
  clearNotification,
  closeReview,
  declare,
  extendSuspension,
  importLegacy,
  issue,
  lift,
  maintain,
  notifyComponent,
  openReview,
  suspend,
  withdraw,
} from './certificate.ts'
import type { Certificate, Level } from './entities.ts'
import { ZERO } from './refusal.ts'
import { adopt, CATEGORY, createWorld, DAY, hash, id, join, NOW, party, SCHEME, type World } from './test/world.ts'

const VERSION = id(0xa2)
const BARE = id(0xa9)
const CERTIFICATE = id(0xce)
const COMPONENT = id(0xc0)
const YEAR = 365 * DAY
const scope = { schemes: [SCHEME], categories: [CATEGORY], until: NOW + 4 * YEAR }
let world: World

const input = (more: Partial<CertificateInput> = {}): CertificateInput => ({
  scheme: SCHEME,
  level: 'substantial',
  holder: party('holder'),
  versions: [VERSION],
  components: [COMPONENT],
  categories: [CATEGORY],
  document: hash(40),
  report: hash(41),
  van: 0,
  since: NOW,
  until: NOW + 2 * YEAR,
  due: [NOW + YEAR],
  ...more,
})
const high = (more: Partial<CertificateInput> = {}) => input({ level: 'high', van: 3, itsef: party('itsef'), ...more })
const issuing =
  (more: Partial<CertificateInput> = {}, at = CERTIFICATE) =>
  (call: Call) =>
    issue(call, at, input(more))
const issuingHigh =
  (more: Partial<CertificateInput> = {}, at = CERTIFICATE) =>
  (call: Call) =>
    issue(call, at, high(more))
const certificate = (at = CERTIFICATE) => world.get('certificate', at) as Certificate
const state = () => certificateState(certificate(), world.now)

beforeEach(async () => {
  world = createWorld('certification')
  await adopt(world)
  const version = {
    artifact: id(0xa1),
    manufacturer: party('manufacturer'),
    firmware: hash(1),
    sbom: hash(2),
    mud: hash(3),
    patches: undefined,
    fixes: [],
    hasSupport: true,
    from: 'attested' as const,
  }
  world.seed('version', VERSION, version)
  world.seed('version', BARE, { ...version, hasSupport: false })
  for (const kind of ['cab', 'itsef', 'certificationBody', 'publicBody'] as const)
    await world.as('nab', call => accredit(call, party(kind), scope))
  for (const kind of ['cab', 'publicBody'] as const)
    await world.as('ncca', call => notifyBody(call, party(kind), '0123', false))
  await world.as('ncca', call => authorise(call, party('itsef'), { ...scope, van: 5 }))
})

test('row 17: what was certified before comes with its dates, and is marked; without an end it is never in force', async () => {
  const legacy = {
    scheme: SCHEME,
    issuer: party('cab'),
    holder: party('holder'),
    components: [],
    document: hash(50),
    since: NOW - 9 * YEAR,
    until: NOW + YEAR,
  }
  await world.as('ncca', call => importLegacy(call, CERTIFICATE, legacy))
  assert.equal(certificate().isImported, true)
  assert.equal(certificate().level, undefined)
  assert.equal(state(), 'inForce', 'longer than the scheme has it: its dates are its own')
  await world.as('ncca', call => importLegacy(call, id(0xcf), { ...legacy, until: undefined }))
  assert.equal(certificateState(certificate(id(0xcf)), NOW), 'unknown')
  await world.refuses(17, 'WrongRole', 'cab', call => importLegacy(call, id(1), legacy))
  await world.refuses(17, 'Exists', 'ncca', call => importLegacy(call, CERTIFICATE, legacy))
  await world.refuses(17, 'Missing', 'ncca', call => importLegacy(call, id(1), { ...legacy, document: '' }))
  await world.refuses(17, 'Unknown', 'ncca', call => importLegacy(call, id(1), { ...legacy, scheme: id(2) }))
  await world.refuses(17, 'OutOfBounds', 'ncca', call => importLegacy(call, id(1), { ...legacy, until: legacy.since }))
  await world.refuses(17, 'OutOfBounds', 'ncca', call => importLegacy(call, id(1), { ...legacy, since: NOW + 1 }))
})

describe('row 18: basic and substantial', () => {
  test('are issued by an accredited and notified CAB', async () => {
    await world.as('cab', issuing())
    assert.equal(state(), 'inForce')
    assert.deepEqual([certificate().schemeVersion, certificate().ncca], [1, undefined])
    await world.as('cab', issuing({ versions: [], series: hash(9), level: 'basic' }, id(1)))
    await world.as('certificationBody', issuing({}, id(2)))
    assert.equal(certificate(id(2)).ncca, party('ncca'))
  })

  test('are refused to anybody else, and for what is not accredited', async () => {
    for (const key of ['ncca', 'nab', 'itsef', 'manufacturer', 'holder', 'commission'])
      await world.refuses(18, 'WrongRole', key, issuing())
    join(world, 'cab', 'other', 0xcab)
    await world.refuses(18, 'NotAccredited', 'other', issuing())
    await world.as('nab', call => accredit(call, id(0xcab), scope))
    await world.refuses(18, 'NotNotified', 'other', issuing())
    await world.refuses(18, 'OutOfScope', 'cab', issuing({ categories: [id(1)] }))
    await world.as('nab', call => changeAccreditation(call, party('cab'), { do: 'suspend' }, hash(1)))
    await world.refuses(18, 'NotAccredited', 'cab', issuing())
    await world.as('nab', call => changeAccreditation(call, party('cab'), { do: 'resume' }, hash(1)))
    await world.as('cab', issuing())
    world.now = scope.until
    await world.refuses(18, 'NotAccredited', 'cab', issuing({ since: NOW, until: world.now + YEAR, due: [] }, id(1)))
  })

  test('are refused where what they are about is not there, or not supported', async () => {
    await world.refuses(18, 'Unknown', 'cab', issuing({ versions: [id(1)] }))
    await world.refuses(18, 'NoSupport', 'cab', issuing({ versions: [BARE] }))
    await world.refuses(18, 'Exists', 'cab', issuing({ versions: [VERSION, VERSION] }))
    await world.refuses(18, 'Missing', 'cab', issuing({ versions: [] }))
    await world.refuses(18, 'Unknown', 'cab', issuing({ holder: id(0x999) }))
    await world.refuses(18, 'WrongRole', 'cab', issuing({ holder: party('cab') }))
    await world.refuses(18, 'Missing', 'cab', issuing({ document: '' }))
    await world.refuses(18, 'Missing', 'cab', issuing({ report: '' }))
    await world.refuses(18, 'Unknown', 'cab', issuing({ scheme: id(1) }))
    await world.refuses(18, 'OutOfScope', 'cab', issuing({ van: 3 }))
    await world.as('cab', issuing())
    await world.refuses(18, 'Exists', 'cab', issuing())
  })

  test('are refused outside the dates and levels of the scheme', async () => {
    await world.refuses(18, 'OutOfBounds', 'cab', issuing({ since: NOW + 1 }))
    await world.refuses(18, 'OutOfBounds', 'cab', issuing({ until: NOW }))
    await world.refuses(18, 'OutOfBounds', 'cab', issuing({ due: [NOW] }))
    await world.refuses(18, 'OutOfBounds', 'cab', issuing({ due: [NOW + 3 * YEAR] }))
    await adopt(world, { levels: ['substantial', 'high'], allowsDeclaration: false })
    await world.refuses(18, 'OutOfScope', 'cab', issuing({ level: 'basic' }))
    await adopt(world, { endsAt: NOW })
    await world.refuses(18, 'SchemeEnded', 'cab', issuing())
  })

  test('need an authorisation where the scheme asks for one', async () => {
    await adopt(world, { authorisedLevels: ['substantial'] })
    await world.refuses(18, 'NotAuthorised', 'cab', issuing())
    await world.as('ncca', call => authorise(call, party('cab'), { ...scope, van: 1 }))
    await world.refuses(18, 'NotAuthorised', 'cab', issuing({ van: 2 }))
    await world.as('cab', issuing({ van: 1 }))
  })
})

test('row 19: under a scheme for public bodies only these issue', async () => {
  await adopt(world, { isPublicOnly: true })
  await world.refuses(19, 'WrongRole', 'cab', issuing())
  await world.as('publicBody', issuing())
  await world.as('certificationBody', issuing({}, id(1)))
})

describe('row 20: high', () => {
  test("is issued by the NCCA's certification body, never by its supervision key", async () => {
    await world.refuses(20, 'WrongRole', 'ncca', issuingHigh())
    await world.as('certificationBody', issuingHigh())
    assert.equal(certificate().ncca, party('ncca'))
    await world.refuses(20, 'WrongRole', 'publicBody', issuingHigh({}, id(1)))
  })

  test('is issued by a CAB that is authorised, and delegated in general or approved for this one', async () => {
    await world.refuses(20, 'NotAuthorised', 'cab', issuingHigh())
    await world.as('ncca', call => authorise(call, party('cab'), { ...scope, van: 3 }))
    await world.refuses(20, 'NotDelegated', 'cab', issuingHigh())
    await world.as('ncca', call =>
      approve(call, party('cab'), { commitment: hash(40), until: NOW + DAY, mayBeLonger: false }),
    )
    await world.refuses(20, 'NotDelegated', 'cab', issuingHigh({ document: hash(99) }))
    await world.as('cab', issuingHigh())
    assert.equal(certificate().ncca, party('ncca'), 'who approved it')
    await world.refuses(20, 'NotDelegated', 'cab', issuingHigh({}, id(1)))
    await world.as('ncca', call => delegateHigh(call, party('cab'), NOW + DAY))
    await world.as('cab', issuingHigh({ document: hash(98) }, id(1)))
    assert.equal(certificate(id(1)).ncca, undefined)
    world.now = NOW + DAY
    await world.refuses(20, 'NotDelegated', 'cab', issuingHigh({ document: hash(97) }, id(2)))
  })

  test('an approval expires', async () => {
    await world.as('ncca', call => authorise(call, party('cab'), { ...scope, van: 3 }))
    const approval = { commitment: hash(40), until: NOW + DAY, mayBeLonger: false }
    await world.as('ncca', call => approve(call, party('cab'), approval))
    world.now = NOW + DAY
    await world.refuses(20, 'NotDelegated', 'cab', issuingHigh())
  })

  test('needs an ITSEF that is authorised for it', async () => {
    await world.refuses(20, 'Missing', 'certificationBody', issuingHigh({ itsef: undefined }))
    await world.refuses(20, 'WrongRole', 'certificationBody', issuingHigh({ itsef: party('cab') }))
    await world.as('ncca', call => authorise(call, party('itsef'), { ...scope, van: 2 }))
    await world.refuses(20, 'NotAuthorised', 'certificationBody', issuingHigh())
    await world.as('certificationBody', issuingHigh({ van: 2 }))
    await world.as('nab', call => changeAccreditation(call, party('itsef'), { do: 'end' }, hash(1)))
    await world.refuses(20, 'NotAccredited', 'certificationBody', issuingHigh({ van: 2 }, id(1)))
  })
})

test('row 21: longer than the scheme has it, where the NCCA approved that', async () => {
  const long = { until: NOW + 6 * YEAR }
  await world.refuses(21, 'OutOfBounds', 'cab', issuing(long))
  const approval = { commitment: hash(40), until: NOW + DAY, mayBeLonger: false }
  await world.as('ncca', call => approve(call, party('cab'), approval))
  await world.refuses(21, 'OutOfBounds', 'cab', issuing(long))
  await world.as('ncca', call => approve(call, party('cab'), { ...approval, commitment: hash(42), mayBeLonger: true }))
  await world.as('cab', issuing({ ...long, document: hash(42) }))
  await world.refuses(21, 'OutOfBounds', 'cab', issuing({ ...long, document: hash(42) }, id(1)))
})

test('row 22: a protection profile is about no artifact; a CAB needs an approval of each', async () => {
  const profile = input({ versions: [] })
  await world.as('certificationBody', call => certifyProfile(call, id(1), profile))
  await world.as('publicBody', call => certifyProfile(call, id(2), profile))
  await world.refuses(22, 'NotApproved', 'cab', call => certifyProfile(call, id(3), profile))
  await world.as('ncca', call =>
    approve(call, party('cab'), { commitment: hash(40), until: NOW + DAY, mayBeLonger: false }),
  )
  await world.as('cab', call => certifyProfile(call, id(3), profile))
  await world.refuses(22, 'NotApproved', 'cab', call => certifyProfile(call, id(4), profile))
  await world.refuses(22, 'OutOfScope', 'publicBody', call => certifyProfile(call, id(4), input()))
  await world.refuses(22, 'WrongRole', 'itsef', call => certifyProfile(call, id(4), profile))
  await adopt(world, { allowsProfiles: false })
  await world.refuses(22, 'OutOfScope', 'publicBody', call => certifyProfile(call, id(4), profile))
})

test('row 23: a manufacturer declares its own, basic, where the scheme allows it', async () => {
  const { scheme, versions, document, report, since, until } = input()
  const own = { scheme, versions, document, report, since, until }
  await world.as('manufacturer', call => declare(call, CERTIFICATE, own))
  assert.deepEqual([certificate().kind, certificate().level], ['declaration', 'basic'])
  join(world, 'manufacturer', 'other', 0x0f)
  await world.refuses(23, 'NotYours', 'other', call => declare(call, id(1), own))
  await world.refuses(23, 'WrongRole', 'cab', call => declare(call, id(1), own))
  await world.refuses(23, 'NoSupport', 'manufacturer', call => declare(call, id(1), { ...own, versions: [BARE] }))
  await world.refuses(23, 'Missing', 'manufacturer', call => declare(call, id(1), { ...own, report: '' }))
  await world.refuses(23, 'OutOfBounds', 'manufacturer', call =>
    declare(call, id(1), { ...own, until: NOW + 6 * YEAR }),
  )
  // EUCC has neither a basic level nor self-assessment.
  await adopt(world, { levels: ['substantial', 'high'], allowsDeclaration: false })
  await world.refuses(23, 'OutOfScope', 'manufacturer', call => declare(call, id(1), own))
})

describe('what becomes of a certificate', () => {
  beforeEach(async () => {
    await world.as('cab', issuing())
    join(world, 'cab', 'other', 0xcab)
    join(world, 'ncca', 'ncca-de', 0xde, 'DE')
  })

  test('row 24: the issuing body reviews it, and its status is as before', async () => {
    await world.refuses(24, 'NotYours', 'other', call => openReview(call, CERTIFICATE))
    await world.refuses(24, 'WrongRole', 'holder', call => openReview(call, CERTIFICATE))
    await world.as('cab', call => openReview(call, CERTIFICATE))
    assert.equal(state(), 'inForce')
    await world.refuses(24, 'WrongState', 'cab', call => openReview(call, CERTIFICATE))
    await world.refuses(24, 'Unknown', 'cab', call => openReview(call, id(1)))
    world.now = NOW + 2 * YEAR
    await world.refuses(24, 'WrongState', 'cab', call => openReview(call, CERTIFICATE))
  })

  test('row 25: a review confirms, withdraws, or puts another in its place in one call', async () => {
    await world.refuses(25, 'WrongState', 'cab', call => closeReview(call, CERTIFICATE, { do: 'confirm' }))
    await world.as('cab', call => openReview(call, CERTIFICATE))
    await world.refuses(25, 'NotYours', 'other', call => closeReview(call, CERTIFICATE, { do: 'confirm' }))
    await world.as('cab', call => closeReview(call, CERTIFICATE, { do: 'confirm' }))
    assert.deepEqual([state(), certificate().isUnderReview], ['inForce', false])
    await world.as('cab', call => openReview(call, CERTIFICATE))
    const replace = (more: Partial<CertificateInput>, sameScope = true) => ({
      do: 'replace' as const,
      reason: hash(60),
      id: id(0xcf),
      certificate: input(more),
      sameScope,
    })
    await world.refuses(25, 'Mismatch', 'cab', call => closeReview(call, CERTIFICATE, replace({ level: 'basic' })))
    await world.refuses(18, 'Unknown', 'cab', call => closeReview(call, CERTIFICATE, replace({ versions: [id(1)] })))
    assert.equal(state(), 'inForce', 'a successor that is refused leaves what there was')
    await world.refuses(25, 'Missing', 'cab', call => closeReview(call, CERTIFICATE, { do: 'withdraw', reason: '' }))
    await world.as('cab', call => closeReview(call, CERTIFICATE, replace({ level: 'basic' }, false)))
    assert.deepEqual([state(), certificate().successor], ['withdrawn', id(0xcf)])
    assert.equal(certificateState(certificate(id(0xcf)), NOW), 'inForce')
  })

  test('row 26: a minor change ends no later than the certificate', async () => {
    const changed = input({ document: hash(61) })
    await world.refuses(26, 'OutOfBounds', 'cab', call =>
      maintain(call, CERTIFICATE, id(0xcf), { ...changed, until: changed.until + 1 }),
    )
    await world.refuses(26, 'Mismatch', 'cab', call =>
      maintain(call, CERTIFICATE, id(0xcf), { ...changed, level: 'basic' }),
    )
    await world.refuses(26, 'NotYours', 'other', call => maintain(call, CERTIFICATE, id(0xcf), changed))
    await world.as('cab', call => maintain(call, CERTIFICATE, id(0xcf), changed))
    assert.deepEqual([state(), certificate().successor], ['inForce', id(0xcf)])
    await world.refuses(26, 'WrongState', 'cab', call => maintain(call, CERTIFICATE, id(0xd0), changed))
    await world.as('cab', call => openReview(call, CERTIFICATE))
    await world.as('cab', call => closeReview(call, CERTIFICATE, { do: 'withdraw', reason: hash(1) }))
    assert.deepEqual([state(), certificate().successor], ['withdrawn', id(0xcf)], 'what came after it is still known')
  })

  test('row 27: suspended for 42 days at most, lifted, and its validity as before', async () => {
    const suspending = (days: number) => (call: Call) =>
      suspend(call, CERTIFICATE, call.now + days * DAY, hash(1), hash(2))
    await world.refuses(27, 'OutOfBounds', 'cab', suspending(43))
    await world.refuses(27, 'OutOfBounds', 'cab', suspending(0))
    await world.refuses(27, 'NotYours', 'other', suspending(1))
    await world.refuses(27, 'WrongRole', 'ncca', suspending(1))
    await world.refuses(27, 'Missing', 'cab', call => suspend(call, CERTIFICATE, NOW + DAY, hash(1), ''))
    await world.refuses(27, 'WrongState', 'cab', call => lift(call, CERTIFICATE))
    await world.as('cab', suspending(42))
    assert.equal(state(), 'suspended')
    await world.refuses(27, 'WrongState', 'cab', suspending(1))
    world.now += 10 * DAY
    await world.refuses(27, 'NotYours', 'other', call => lift(call, CERTIFICATE))
    await world.as('cab', call => lift(call, CERTIFICATE))
    assert.deepEqual([state(), certificate().suspended, certificate().until], ['inForce', 10 * DAY, NOW + 2 * YEAR])
    // One year in all: what was lifted counts as far as it went.
    for (let i = 0; i < 8; i++) {
      await world.as('cab', suspending(42))
      world.now += 42 * DAY
      assert.equal(state(), 'inForce')
    }
    await world.refuses(27, 'OutOfBounds', 'cab', suspending(42))
    await world.as('cab', suspending(19))
  })

  test('row 28: the NCCA extends a suspension, up to a year in all', async () => {
    const extending = (days: number) => (call: Call) => extendSuspension(call, CERTIFICATE, NOW + days * DAY, hash(1))
    await world.refuses(28, 'WrongState', 'ncca', extending(50))
    await world.as('cab', call => suspend(call, CERTIFICATE, NOW + 42 * DAY, hash(1), hash(2)))
    await world.refuses(28, 'WrongRole', 'cab', extending(50))
    await world.refuses(28, 'WrongCountry', 'ncca-de', extending(50))
    await world.refuses(28, 'OutOfBounds', 'ncca', extending(42))
    await world.refuses(28, 'OutOfBounds', 'ncca', extending(366))
    await world.as('ncca', extending(365))
    world.now = NOW + 364 * DAY
    assert.equal(state(), 'suspended')
    await world.refuses(28, 'OutOfBounds', 'ncca', extending(366))
  })

  test('row 29: withdrawn for good by who issued it, and by the NCCA only where it had a part in it', async () => {
    await world.refuses(29, 'NotYours', 'other', call => withdraw(call, CERTIFICATE, hash(1)))
    await world.refuses(29, 'NotYours', 'ncca', call => withdraw(call, CERTIFICATE, hash(1)))
    await world.refuses(29, 'WrongRole', 'holder', call => withdraw(call, CERTIFICATE, hash(1)))
    await world.refuses(29, 'Missing', 'cab', call => withdraw(call, CERTIFICATE, ''))
    await world.as('cab', call => withdraw(call, CERTIFICATE, hash(1)))
    assert.equal(state(), 'withdrawn')
    await world.refuses(29, 'Withdrawn', 'cab', call => withdraw(call, CERTIFICATE, hash(1)))
    await world.refuses(24, 'Withdrawn', 'cab', call => openReview(call, CERTIFICATE))
    await world.refuses(26, 'Withdrawn', 'cab', call => maintain(call, CERTIFICATE, id(9), input()))
    await world.as('certificationBody', issuingHigh({}, id(1)))
    await world.as('ncca', call => withdraw(call, id(1), hash(1)))
    assert.equal(certificateState(certificate(id(1)), NOW), 'withdrawn')
  })

  test('row 30: a vulnerability of a component is flagged and cleared, and changes no status', async () => {
    await world.as('ncca', call => notifyComponent(call, CERTIFICATE, COMPONENT, id(0xbad)))
    assert.deepEqual([state(), certificate().notified], ['inForce', [id(0xbad)]])
    await world.refuses(30, 'Exists', 'ncca', call => notifyComponent(call, CERTIFICATE, COMPONENT, id(0xbad)))
    await world.refuses(30, 'OutOfScope', 'ncca', call => notifyComponent(call, CERTIFICATE, id(1), id(0xbae)))
    await world.refuses(30, 'WrongRole', 'cab', call => notifyComponent(call, CERTIFICATE, COMPONENT, id(0xbae)))
    await world.refuses(30, 'NotYours', 'other', call => clearNotification(call, CERTIFICATE, id(0xbad)))
    await world.refuses(30, 'Unknown', 'cab', call => clearNotification(call, CERTIFICATE, id(0xbae)))
    await world.as('cab', call => clearNotification(call, CERTIFICATE, id(0xbad)))
    assert.deepEqual(certificate().notified, [])
    world.seed('chain', 'self', { kind: 'certification', country: 'FR', inbox: 'inbox' })
    await world.as('inbox', call => notifyComponent(call, CERTIFICATE, COMPONENT, id(0xbae)))
    assert.deepEqual([certificate().notified, world.events.at(-1)?.by], [[id(0xbae)], ZERO])
    await world.refuses(30, 'UnknownKey', 'inbox', call => clearNotification(call, CERTIFICATE, id(0xbae)))
    world.seed('chain', 'self', { kind: 'certification', country: 'DE' })
    await world.refuses(30, 'WrongCountry', 'ncca', call => notifyComponent(call, CERTIFICATE, COMPONENT, id(0xbaf)))
  })
})

test('an accreditation that ends touches no certificate, and its body still answers for what it issued (row 7)', async () => {
  await world.as('cab', issuing())
  await world.as('nab', call => changeAccreditation(call, party('cab'), { do: 'end' }, hash(1)))
  assert.equal(state(), 'inForce')
  await world.as('cab', call => withdraw(call, CERTIFICATE, hash(1)))
})

test('a certificate keeps the terms of the scheme that it was issued under (row 3)', async () => {
  await world.as('cab', issuing())
  await adopt(world, { maxSuspension: DAY, maxSuspended: DAY })
  await world.as('cab', call => suspend(call, CERTIFICATE, NOW + 42 * DAY, hash(1), hash(2)))
})

test('whatever is done in whatever order: withdrawn stays withdrawn, suspended no longer than a year, and the end never moves', async () => {
  const step = fc.record({
    who: fc.constantFrom('cab', 'ncca', 'other', 'holder'),
    what: fc.constantFrom('suspend', 'lift', 'extend', 'withdraw', 'review', 'confirm'),
    days: fc.integer({ min: 0, max: 60 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async steps => {
      const fresh = createWorld('certification')
      fresh.seed('scheme', `${SCHEME}@1`, world.get('scheme', `${SCHEME}@1`) as never)
      const level: Level = 'substantial'
      const begun = {
        ...input({ level }),
        schemeVersion: 1,
        issuer: party('cab'),
        ncca: undefined,
        kind: 'certificate' as const,
        series: undefined,
        itsef: undefined,
        isImported: false,
        withdrawn: undefined,
        suspendedUntil: 0,
        suspended: 0,
        isUnderReview: false,
        notified: [],
        successor: undefined,
      }
      fresh.seed('certificate', CERTIFICATE, begun)
      let now = NOW
      let rested = 0
      for (const { who, what, days } of steps) {
        const rules = {
          suspend: (call: Call) => suspend(call, CERTIFICATE, now + days * DAY, hash(1), hash(1)),
          lift: (call: Call) => lift(call, CERTIFICATE),
          extend: (call: Call) => extendSuspension(call, CERTIFICATE, now + days * 4 * DAY, hash(1)),
          withdraw: (call: Call) => withdraw(call, CERTIFICATE, hash(1)),
          review: (call: Call) => openReview(call, CERTIFICATE),
          confirm: (call: Call) => closeReview(call, CERTIFICATE, { do: 'confirm' }),
        }
        const before = fresh.get('certificate', CERTIFICATE) as Certificate
        await fresh.run(who, now, rules[what]).catch(() => undefined)
        const after = fresh.get('certificate', CERTIFICATE) as Certificate
        assert.equal(after.until, before.until)
        if (before.withdrawn !== undefined) assert.equal(after.withdrawn, before.withdrawn)
        const until = now + days * DAY
        for (; now < until; now += DAY) if (certificateState(after, now) === 'suspended') rested += DAY
        assert.ok(rested <= 365 * DAY)
      }
    }),
    { seed: 26, numRuns: 300 },
  )
})
