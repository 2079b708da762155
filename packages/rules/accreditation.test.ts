import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import {
  accredit,
  approve,
  authorise,
  changeAccreditation,
  changeAuthorisation,
  delegateHigh,
  notifyBody,
  revokeDelegation,
} from './accreditation.ts'
import { registerParty } from './artifact.ts'
import { adoptScheme, isInForce, recogniseCountry, registerNationalScheme } from './framework.ts'
import {
  adopt,
  CATEGORY,
  createWorld,
  DAY,
  hash,
  id,
  join,
  NOW,
  party,
  SCHEME,
  SCOPE,
  scheme,
  type World,
} from './test/world.ts'

const CAB = party('cab')
const NATIONAL = id(0x7a)
const scope = (more: object = {}) => ({
  schemes: [SCHEME],
  categories: [CATEGORY],
  until: NOW + 4 * 365 * DAY,
  ...more,
})
let world: World
beforeEach(async () => {
  world = createWorld('certification')
  await adopt(world)
  join(world, 'nab', 'nab-de', 0xdeaa, 'DE')
  join(world, 'ncca', 'ncca-de', 0xdebb, 'DE')
})

test('row 3: the Commission adopts and amends; an older version stays as it was', async () => {
  await adopt(world, { maxValidity: DAY, document: hash(11) })
  assert.equal(world.get('scheme', SCHEME)?.version, 2)
  assert.equal(world.get('scheme', `${SCHEME}@1`)?.maxValidity, 5 * 365 * DAY)
  assert.equal(world.get('scheme', `${SCHEME}@2`)?.maxValidity, DAY)
})

test('row 3: refused: by anybody else, without its document, with wrong terms, for a scope that has one', async () => {
  for (const key of ['enisa', 'ncca', 'state', 'nab'])
    await world.refuses(3, 'WrongRole', key, call => adoptScheme(call, SCHEME, scheme()))
  const adopting = (more: object) => (call: Parameters<typeof adoptScheme>[0]) =>
    adoptScheme(call, SCHEME, scheme(more))
  await world.refuses(3, 'Missing', 'commission', adopting({ document: '' }))
  await world.refuses(3, 'Missing', 'commission', adopting({ scope: id(0) }))
  await world.refuses(3, 'Mismatch', 'commission', adopting({ scope: id(0x99) }))
  await world.refuses(3, 'OutOfScope', 'commission', adopting({ levels: [] }))
  await world.refuses(3, 'OutOfScope', 'commission', adopting({ levels: ['basic', 'basic'] }))
  await world.refuses(3, 'OutOfScope', 'commission', adopting({ levels: ['high'], van: {}, allowsDeclaration: true }))
  await world.refuses(3, 'OutOfScope', 'commission', adopting({ authorisedLevels: ['low'] }))
  for (const term of ['maxValidity', 'maxSuspension', 'maxSuspended', 'maxAccreditation'])
    for (const value of [0, -1, 1.5, NaN, 42 * DAY * 1000])
      await world.refuses(3, 'OutOfBounds', 'commission', adopting({ [term]: value }))
  await world.refuses(3, 'OutOfBounds', 'commission', adopting({ maxSuspended: DAY }))
  await world.refuses(3, 'OutOfBounds', 'commission', adopting({ adopted: 0 }))
  await world.refuses(3, 'OutOfBounds', 'commission', adopting({ endsAt: NOW - 366 * DAY }))
  await world.refuses(3, 'Covered', 'commission', call => adoptScheme(call, id(0x5c4f), scheme()))
})

test('row 4: a national scheme where no EU scheme is in force, with what its levels correspond to', async () => {
  const own = scheme({ scope: id(0x5555) })
  const mapping = [{ level: 'basic' as const, scheme: SCHEME, to: 'substantial' as const }]
  await world.as('ncca', call => registerNationalScheme(call, NATIONAL, own, mapping))
  assert.deepEqual(world.get('scheme', NATIONAL)?.mapping, mapping)
  assert.equal(world.get('scheme', NATIONAL)?.owner, 'FR')
  const register =
    (s: typeof own, m: object[] = []) =>
    (call: Parameters<typeof registerNationalScheme>[0]) =>
      registerNationalScheme(call, NATIONAL, s, m as typeof mapping)
  await world.refuses(4, 'WrongRole', 'commission', register(own))
  await world.refuses(4, 'WrongCountry', 'ncca-de', register(own))
  await world.refuses(4, 'Covered', 'ncca', register(scheme()))
  await world.refuses(4, 'Unknown', 'ncca', register(own, [{ level: 'basic', scheme: NATIONAL, to: 'basic' }]))
  await world.refuses(4, 'OutOfScope', 'ncca', register(own, [{ level: 'none', scheme: SCHEME, to: 'basic' }]))
  await world.refuses(4, 'NotYours', 'ncca', call => registerNationalScheme(call, SCHEME, own, []))
  // Once the EU scheme has ended, or before it begins, the scope is free.
  await adopt(world, { endsAt: NOW - DAY })
  await world.as('ncca', register(scheme()))
  const elsewhere = createWorld('artifact')
  await elsewhere.refuses(4, 'WrongChain', 'ncca', register(own))
})

test('a scheme is in force from its adoption until its end', () => {
  const one = { ...scheme({ adopted: 10, endsAt: 20 }), version: 1, owner: 'EU', mapping: [], from: 'own' as const }
  assert.deepEqual(
    [9, 10, 19, 20].map(now => isInForce(one, now)),
    [false, true, true, false],
  )
})

test('row 5: the Commission recognises a third country under a scheme', async () => {
  const terms = { agreement: hash(20), levels: ['high' as const], since: NOW, until: NOW + DAY, isEea: false }
  await world.as('commission', call => recogniseCountry(call, 'JP', SCHEME, terms))
  assert.deepEqual(world.get('recognition', `JP@${SCHEME}`), { ...terms, from: 'own' })
  await world.refuses(5, 'WrongRole', 'enisa', call => recogniseCountry(call, 'JP', SCHEME, terms))
  await world.refuses(5, 'Unknown', 'commission', call => recogniseCountry(call, 'JP', id(9), terms))
  await world.refuses(5, 'Missing', 'commission', call => recogniseCountry(call, 'Japan', SCHEME, terms))
  await world.refuses(5, 'OutOfScope', 'commission', call =>
    recogniseCountry(call, 'JP', SCHEME, { ...terms, levels: [] }),
  )
  await world.refuses(5, 'OutOfBounds', 'commission', call =>
    recogniseCountry(call, 'JP', SCHEME, { ...terms, until: NOW }),
  )
})

test('row 6: the accreditation body of the state accredits, new bodies and again those that are there', async () => {
  const body = { id: id(0x200), kind: 'cab' as const, country: 'FR', key: 'cab-2', act: hash(1) }
  await world.as('nab', call => registerParty(call, body))
  await world.as('nab', call => accredit(call, body.id, scope()))
  await world.as('nab', call => accredit(call, body.id, scope({ until: NOW + 5 * 365 * DAY })))
  assert.equal(world.get('accreditation', body.id)?.until, NOW + 5 * 365 * DAY)
  for (const kind of ['itsef', 'certificationBody', 'publicBody'] as const)
    await world.as('nab', call => accredit(call, party(kind), scope()))
})

test('row 6: the NCCA answers for its certification body, and registers it', async () => {
  const body = { id: id(0x200), kind: 'certificationBody' as const, country: 'FR', key: 'body-2', act: hash(1) }
  await world.refuses(6, 'WrongRole', 'nab', call => registerParty(call, body))
  await world.refuses(6, 'WrongRole', 'coordinator', call => registerParty(call, body))
  await world.refuses(6, 'WrongCountry', 'ncca', call => registerParty(call, { ...body, country: 'DE' }))
  await world.as('ncca', call => registerParty(call, body))
  assert.equal(world.get('party', body.id)?.registrar, party('ncca'))
})

test('row 6: refused: by others, for more than the scheme has it, of a scheme that is not there, of what is no body', async () => {
  await world.refuses(6, 'WrongRole', 'ncca', call => accredit(call, CAB, scope()))
  await world.refuses(6, 'WrongCountry', 'nab-de', call => accredit(call, CAB, scope()))
  await world.refuses(6, 'OutOfBounds', 'nab', call => accredit(call, CAB, scope({ until: NOW + 5 * 365 * DAY + 1 })))
  await world.refuses(6, 'OutOfBounds', 'nab', call => accredit(call, CAB, scope({ until: NOW })))
  await world.refuses(6, 'Unknown', 'nab', call => accredit(call, CAB, scope({ schemes: [id(7)] })))
  await world.refuses(6, 'Missing', 'nab', call => accredit(call, CAB, scope({ schemes: [] })))
  await world.refuses(6, 'WrongRole', 'nab', call => accredit(call, party('manufacturer'), scope()))
  const body = { id: id(0x200), kind: 'ncca' as const, country: 'FR', key: 'x', act: hash(1) }
  await world.refuses(6, 'WrongRole', 'nab', call => registerParty(call, body))
  await world.refuses(6, 'WrongCountry', 'nab', call => registerParty(call, { ...body, kind: 'cab', country: 'DE' }))
  await world.refuses(6, 'WrongCountry', 'nab-de', call => registerParty(call, { ...body, kind: 'cab', country: 'DE' }))
})

test('row 7: the same body restricts, suspends, resumes and revokes; a revoked one can be accredited anew', async () => {
  await world.refuses(7, 'NotAccredited', 'nab', call => changeAccreditation(call, CAB, { do: 'suspend' }, hash(1)))
  await world.as('nab', call => accredit(call, CAB, scope()))
  join(world, 'nab', 'nab-2', 0xaa2)
  await world.refuses(7, 'NotYours', 'nab-2', call => changeAccreditation(call, CAB, { do: 'suspend' }, hash(1)))
  await world.refuses(7, 'WrongRole', 'ncca', call => changeAccreditation(call, CAB, { do: 'suspend' }, hash(1)))
  await world.refuses(7, 'Missing', 'nab', call => changeAccreditation(call, CAB, { do: 'suspend' }, ''))
  await world.refuses(7, 'WrongState', 'nab', call => changeAccreditation(call, CAB, { do: 'resume' }, hash(1)))
  const restrict = (more: object) => ({ do: 'restrict' as const, ...scope({ categories: [] }), ...more })
  await world.as('nab', call => changeAccreditation(call, CAB, restrict({}), hash(1)))
  await world.refuses(7, 'OutOfScope', 'nab', call =>
    changeAccreditation(call, CAB, restrict({ categories: [CATEGORY] }), hash(1)),
  )
  await world.refuses(7, 'OutOfBounds', 'nab', call =>
    changeAccreditation(call, CAB, restrict({ until: NOW + 5 * 365 * DAY }), hash(1)),
  )
  for (const change of ['suspend', 'resume', 'end'] as const)
    await world.as('nab', call => changeAccreditation(call, CAB, { do: change }, hash(1)))
  await world.refuses(7, 'WrongState', 'nab', call => changeAccreditation(call, CAB, { do: 'resume' }, hash(1)))
  await world.as('nab-2', call => accredit(call, CAB, scope()))
})

test('row 8: the NCCA authorises what is accredited, for no longer and no more than that', async () => {
  const wide = scope({ van: 3 }) as Parameters<typeof authorise>[2]
  await world.refuses(8, 'NotAccredited', 'ncca', call => authorise(call, CAB, wide))
  await world.as('nab', call => accredit(call, CAB, scope()))
  await world.as('ncca', call => authorise(call, CAB, wide))
  await world.refuses(8, 'WrongRole', 'certificationBody', call => authorise(call, CAB, wide))
  await world.refuses(8, 'WrongCountry', 'ncca-de', call => authorise(call, CAB, wide))
  await world.refuses(8, 'OutOfBounds', 'ncca', call => authorise(call, CAB, { ...wide, until: wide.until + 1 }))
  await world.refuses(8, 'OutOfScope', 'ncca', call => authorise(call, CAB, { ...wide, categories: [id(1)] }))
  await world.refuses(8, 'OutOfScope', 'ncca', call => authorise(call, CAB, { ...wide, schemes: [id(1)] }))
  for (const van of [-1, 6, 1.5])
    await world.refuses(8, 'OutOfBounds', 'ncca', call => authorise(call, CAB, { ...wide, van }))
})

test('row 9: the same NCCA changes it', async () => {
  await world.refuses(9, 'NotAuthorised', 'ncca', call => changeAuthorisation(call, CAB, { do: 'end' }, hash(1)))
  await world.as('nab', call => accredit(call, CAB, scope()))
  await world.as('ncca', call => authorise(call, CAB, scope({ van: 3 }) as Parameters<typeof authorise>[2]))
  join(world, 'ncca', 'ncca-2', 0xbb2)
  await world.refuses(9, 'NotYours', 'ncca-2', call => changeAuthorisation(call, CAB, { do: 'end' }, hash(1)))
  await world.refuses(9, 'WrongRole', 'nab', call => changeAuthorisation(call, CAB, { do: 'end' }, hash(1)))
  await world.as('ncca', call => changeAuthorisation(call, CAB, { do: 'suspend' }, hash(1)))
  assert.equal(world.get('authorisation', CAB)?.van, 3)
  await world.as('ncca', call => changeAuthorisation(call, CAB, { do: 'end' }, hash(1)))
  await world.refuses(9, 'WrongState', 'ncca', call => changeAuthorisation(call, CAB, { do: 'resume' }, hash(1)))
})

test('row 10: a body is notified that is accredited, and for high authorised', async () => {
  await world.refuses(10, 'NotAccredited', 'ncca', call => notifyBody(call, CAB, '0123', false))
  await world.as('nab', call => accredit(call, CAB, scope()))
  await world.as('ncca', call => notifyBody(call, CAB, '0123', false))
  await world.refuses(10, 'NotAuthorised', 'ncca', call => notifyBody(call, CAB, '0123', true))
  await world.refuses(10, 'Missing', 'ncca', call => notifyBody(call, CAB, 'NB 1', false))
  await world.refuses(10, 'WrongCountry', 'ncca-de', call => notifyBody(call, CAB, '0123', false))
  await world.refuses(10, 'WrongRole', 'nab', call => notifyBody(call, CAB, '0123', false))
})

test('row 11: high is delegated to an authorised CAB, for no longer than that, and taken back', async () => {
  await world.as('nab', call => accredit(call, CAB, scope()))
  await world.refuses(11, 'NotAuthorised', 'ncca', call => delegateHigh(call, CAB, NOW + DAY))
  await world.as('ncca', call => authorise(call, CAB, scope({ van: 3 }) as Parameters<typeof authorise>[2]))
  await world.refuses(11, 'OutOfBounds', 'ncca', call => delegateHigh(call, CAB, scope().until + 1))
  await world.refuses(11, 'OutOfBounds', 'ncca', call => delegateHigh(call, CAB, NOW))
  await world.refuses(11, 'WrongRole', 'ncca', call => delegateHigh(call, party('itsef'), NOW + DAY))
  await world.refuses(11, 'NotDelegated', 'ncca', call => revokeDelegation(call, CAB))
  await world.as('ncca', call => delegateHigh(call, CAB, NOW + DAY))
  join(world, 'ncca', 'ncca-2', 0xbb2)
  await world.refuses(11, 'NotYours', 'ncca-2', call => revokeDelegation(call, CAB))
  await world.as('ncca', call => revokeDelegation(call, CAB))
  await world.refuses(11, 'NotDelegated', 'ncca', call => revokeDelegation(call, CAB))
})

test('row 12: one certificate is approved by its commitment, for one body, once', async () => {
  const approval = { commitment: hash(30), until: NOW + DAY, mayBeLonger: false }
  await world.as('ncca', call => approve(call, CAB, approval))
  await world.refuses(12, 'Exists', 'ncca', call => approve(call, CAB, approval))
  await world.refuses(12, 'Missing', 'ncca', call => approve(call, CAB, { ...approval, commitment: '' }))
  await world.refuses(12, 'OutOfBounds', 'ncca', call =>
    approve(call, CAB, { ...approval, commitment: hash(31), until: NOW }),
  )
  await world.refuses(12, 'WrongCountry', 'ncca-de', call => approve(call, CAB, approval))
  await world.refuses(12, 'WrongRole', 'certificationBody', call => approve(call, CAB, approval))
})

test('what a scheme is about is written where the next scheme looks', () => {
  assert.equal(world.get('coverage', SCOPE)?.scheme, SCHEME)
})
