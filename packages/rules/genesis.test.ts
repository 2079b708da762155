import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { label } from './artifact.ts'
import { CONSORTIUM } from './consortium.ts'
import { createMemory } from './call.ts'
import { found, type Genesis } from './genesis.ts'
import { invokeRule, RULES } from './inputs.ts'
import { attest } from './mirror.ts'
import { Refusal, ZERO } from './refusal.ts'
import { adopt, createWorld, hash, id, join, NOW, party, SCHEME, scheme } from './test/world.ts'

const one = (n: number, kind: Genesis['parties'][number]['kind'], country = 'FR') => ({
  id: id(n),
  kind,
  country,
  key: `key-${n}`,
  act: hash(n),
})
const refused = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code

test('a chain is founded once; an EU chain with its members, a national one with its authorities', async () => {
  const eu = createMemory()
  const members = [one(1, 'commission', 'EU'), one(2, 'state'), one(3, 'state', 'DE')]
  const consortium = { numerator: 2, denominator: 3, period: 10 }
  const chain = { kind: 'eu' as const, country: 'EU' }
  const start = { chain, parties: members, consortium }
  await assert.rejects(
    eu.run('x', NOW, call => found(call, { ...start, consortium: undefined })),
    refused('Missing'),
  )
  await assert.rejects(
    eu.run('x', NOW, call => found(call, { ...start, parties: [one(4, 'ncca')] })),
    refused('WrongRole'),
  )
  await assert.rejects(
    eu.run('x', NOW, call => found(call, { ...start, parties: [one(1, 'state'), one(1, 'enisa')] })),
    refused('Exists'),
  )
  await eu.run('x', NOW, call => found(call, start))
  assert.equal(eu.get('consortium', CONSORTIUM)?.members, 3)
  await assert.rejects(
    eu.run('x', NOW, call => found(call, start)),
    refused('Exists'),
  )

  const national = createMemory()
  const own = { chain: { kind: 'certification' as const, country: 'FR' }, parties: [one(1, 'ncca'), one(2, 'nab')] }
  await assert.rejects(
    national.run('x', NOW, call => found(call, { ...own, parties: [one(1, 'ncca', 'DE')] })),
    refused('WrongCountry'),
  )
  await national.run('x', NOW, call => found(call, own))
  assert.equal(national.get('party', id(1))?.from, 'attested')
})

test("facts of other chains come on the word of the state's NCCA, and never over what was registered here", async () => {
  const world = createWorld()
  const value = { kind: 'provider' as const, country: 'FR', act: hash(1), isActive: true }
  await world.as('ncca', call => attest(call, { kind: 'party', id: id(0x90), value, keys: ['p'] }))
  assert.equal(world.get('party', id(0x90))?.from, 'attested')
  await world.as('ncca', call =>
    attest(call, { kind: 'party', id: id(0x90), value: { ...value, isActive: false }, keys: ['p'] }),
  )
  join(world, 'ncca', 'ncca-de', 0xde, 'DE')
  const again = { kind: 'party' as const, id: id(0x91), value, keys: [] }
  await world.refuses(0, 'WrongCountry', 'ncca-de', call => attest(call, again))
  await world.refuses(0, 'WrongRole', 'nab', call => attest(call, again))
  await world.refuses(0, 'KeyTaken', 'ncca', call => attest(call, { ...again, keys: ['nab'] }))
  await world.refuses(0, 'NotYours', 'ncca', call => attest(call, { ...again, id: party('manufacturer') }))
  await world.refuses(0, 'Mismatch', 'ncca', call =>
    attest(call, { ...again, id: id(0x90), value: { ...value, kind: 'holder' } }),
  )
  await adopt(world)
  const foreign = { ...scheme(), version: 3 }
  await world.refuses(0, 'NotYours', 'ncca', call => attest(call, { kind: 'scheme', id: SCHEME, value: foreign }))
  await world.as('ncca', call => attest(call, { kind: 'scheme', id: id(0x51), value: foreign }))
  await world.refuses(0, 'OutOfBounds', 'ncca', call =>
    attest(call, { kind: 'scheme', id: id(0x51), value: { ...foreign, version: 2 } }),
  )
  await world.refuses(0, 'Missing', 'ncca', call =>
    attest(call, { kind: 'scheme', id: id(0x52), value: { ...foreign, version: 0 } }),
  )
})

test('what the inbox has proven is not taken back on a word, and what was only said is proven later', async () => {
  const world = createWorld()
  world.seed('chain', 'self', { kind: 'certification', country: 'FR', inbox: 'inbox' })
  const value = { artifact: id(1), manufacturer: id(2), firmware: hash(1), sbom: hash(2), mud: hash(3), fixes: [] }
  const version = { kind: 'version' as const, id: id(0x70), value: { ...value, hasSupport: true } }
  const terms = { agreement: hash(4), levels: ['high' as const], since: NOW, until: NOW + 1, isEea: false }
  const recognition = { kind: 'recognition' as const, country: 'NO', scheme: SCHEME, value: terms }
  for (const fact of [version, recognition]) {
    await world.as('ncca', call => attest(call, fact))
    await world.as('inbox', call => attest(call, fact))
    await world.as('inbox', call => attest(call, fact))
    await world.refuses(0, 'NotYours', 'ncca', call => attest(call, fact))
  }
  assert.equal(world.get('version', id(0x70))?.from, 'proven')
  assert.equal(world.get('recognition', `NO@${SCHEME}`)?.from, 'proven')
  const said = world.events.filter(event => event.name === 'FactEntered').map(({ by, status }) => [by, status])
  assert.deepEqual(said.slice(0, 3), [
    [party('ncca'), 'attested'],
    [ZERO, 'proven'],
    [ZERO, 'proven'],
  ])
  await world.refuses(0, 'UnknownKey', 'outbox', call => attest(call, version))
})

test('a chain takes only the facts that are asked for on it, and only its own rules', async () => {
  const world = createWorld('vulnerability')
  const value = { provider: party('provider'), coordinator: party('coordinator') }
  await world.refuses(0, 'WrongChain', 'ncca', call => attest(call, { kind: 'case', id: id(1), value }))
  const invoked = world.as('manufacturer', call => invokeRule(call, 'registerArtifact', [id(1), hash(1)]))
  await assert.rejects(invoked, refused('WrongChain'))
})

test('a case that was disclosed on its own chain is not sealed again on a word', async () => {
  const world = createWorld('artifact')
  const value = { provider: party('provider'), coordinator: party('coordinator') }
  await world.as('ncca', call => attest(call, { kind: 'case', id: id(1), value }))
  await world.as('ncca', call => attest(call, { kind: 'case', id: id(1), value: { ...value, disclosed: NOW } }))
  await world.refuses(0, 'Exists', 'ncca', call => attest(call, { kind: 'case', id: id(1), value }))
  await world.refuses(16, 'Unknown', 'provider', call => label(call, id(2), id(1), 'affected'))
})

test('by its name a rule takes what it takes, and says where anything else is wrong', async () => {
  const world = createWorld('artifact')
  await world.as('manufacturer', call => invokeRule(call, 'registerArtifact', [id(1), hash(1)]))
  const wrong: [name: string, args: unknown][] = [
    ['nothing', []],
    ['constructor', []],
    ['registerArtifact', [id(1)]],
    ['registerArtifact', [id(1), hash(1), hash(1)]],
    ['registerArtifact', { 0: id(1), 1: hash(1) }],
    ['registerArtifact', ['0x12', hash(1)]],
    ['setSupport', [id(1), { guidance: hash(1), until: NOW + 9, contact: hash(2), repository: hash(3), more: 1 }]],
    ['setSupport', [id(1), { guidance: hash(1), until: 1.5, contact: hash(2), repository: hash(3) }]],
    ['propose', [{ do: 'validators', chain: id(1), add: Array(101).fill('x'), remove: [] }]],
    ['propose', [{ do: 'other' }]],
    ['label', [id(1), id(2), 'sometimes']],
  ]
  for (const [name, args] of wrong)
    await assert.rejects(
      world.as('manufacturer', call => invokeRule(call, name, args)),
      refused('Invalid'),
      name,
    )
})

test('whatever comes in whatever shape is refused by a Refusal, and changes nothing', async () => {
  const world = createWorld('certification')
  const shape = fc.tuple(
    fc.constantFrom(...Object.keys(RULES)),
    fc.constantFrom('ncca', 'cab', 'x'),
    fc.array(fc.anything()),
  )
  await fc.assert(
    fc.asyncProperty(shape, ([name, caller, args]) =>
      world
        .run(caller, NOW, call => invokeRule(call, name, args))
        .then(
          () => assert.fail(`${name} took ${JSON.stringify(args)}`),
          (error: unknown) => assert.ok(error instanceof Refusal, String(error)),
        ),
    ),
    { seed: 8, numRuns: 500 },
  )
  assert.equal(world.events.length, 0)
})
