// PartyRegistry, SchemeRegistry and AccreditationRegistry of a certification chain against packages/rules: the same calls in the same order, the same
// refusals by the same row, the same state.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  accredit,
  approve,
  attest,
  authorise,
  type Call,
  changeAccreditation,
  changeAuthorisation,
  delegateHigh,
  type Fact,
  type Genesis,
  notifyBody,
  type PartyKind,
  registerNationalScheme,
  registerParty,
  type Restriction,
  revokeDelegation,
  type Scope,
} from '@entente/rules'
import fc from 'fast-check'
import { type Hex, stringToHex } from 'viem'
import { forge } from '../../contracts/tools/artifact.mts'
import {
  holdAgainst,
  id,
  key,
  KINDS,
  LEVELS,
  often,
  START,
  type Step as Played,
  toMask,
  toStruct,
  toTerms,
  useEvm,
} from './evm.ts'

const SEED = Number(process.env['ENTENTE_TEST_SEED'] ?? 20_261_122)
const RUNS = process.env['ENTENTE_TEST_LONG'] === undefined ? 10 : 300
const DAY = 86_400
const YEAR = 365 * DAY
const [NCCA, NAB, OTHER_NCCA, OTHER_NAB] = [1, 2, 3, 4]
const authority = (n: number, kind: PartyKind) => ({ id: id(n), kind, country: 'FR', key: key(n), act: id(9) })
const INBOX = key(0x1b)
const GENESIS: Genesis = {
  chain: { kind: 'certification', country: 'FR', inbox: INBOX },
  parties: [authority(NCCA, 'ncca'), authority(NAB, 'nab'), authority(OTHER_NCCA, 'ncca'), authority(OTHER_NAB, 'nab')],
}
const [UNION, NATIONAL] = [id(0x71), id(0x72)]
const terms = {
  document: id(0xd0),
  scope: id(0x51),
  adopted: START,
  levels: LEVELS,
  maxValidity: YEAR,
  allowsDeclaration: true,
  isPublicOnly: false,
  authorisedLevels: [],
  van: { high: 5 },
  maxSuspension: DAY,
  maxSuspended: YEAR,
  maxAccreditation: 5 * YEAR,
  allowsProfiles: true,
}

const evm = useEvm()

type On = 'parties' | 'schemes' | 'bodies'
type Step = Played & { on: On }

/** Bodies, and some who are none. */
const bodies = often(id(0x21), id(0x22), id(0x21), id(0x22), id(0x23), id(NCCA), id(0x99))
const schemes = often([UNION], [UNION, NATIONAL], [NATIONAL], [], [id(0x79)])
const categories = fc.constantFrom<Hex[]>([id(0xc1)], [id(0xc1)], [], [id(0xc1), id(0xc2)])
const reasons = often(id(0xac), id(0))
const scopes: fc.Arbitrary<Scope> = fc.record({
  schemes,
  categories,
  until: often(START + 3 * YEAR, START + 2 * YEAR, START + YEAR, START + 6 * YEAR, START),
})
const changes: fc.Arbitrary<Restriction> = fc.oneof(
  { weight: 3, arbitrary: scopes.map(scope => ({ do: 'restrict' as const, ...scope })) },
  { weight: 2, arbitrary: fc.constant({ do: 'suspend' as const }) },
  { weight: 3, arbitrary: fc.constant({ do: 'resume' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'end' as const }) },
)
const NOTHING: Scope = { schemes: [], categories: [], until: 0 }
const CHANGES = ['restrict', 'suspend', 'resume', 'end']
const toChange = (change: Restriction) => {
  const { schemes, categories, until } = change.do === 'restrict' ? change : NOTHING
  return [CHANGES.indexOf(change.do), { schemes, categories, until }] as const
}
const times = often(START + YEAR, START + 2 * YEAR, START, START + 9 * YEAR)
const kinds = often<PartyKind>('cab', 'itsef', 'certificationBody', 'publicBody', 'manufacturer', 'holder', 'nab')

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc
    .record({ n: fc.constantFrom(0x21, 0x22, 0x23), kind: kinds, country: often('FR', 'DE') })
    .map(({ n, kind, country }) => {
      const party = { id: id(n), kind, country, key: key(n), act: id(9) }
      return {
        on: 'parties' as const,
        name: 'registerParty',
        args: [toStruct(party)],
        rule: (call: Call) => registerParty(call, party),
      }
    }),
  fc
    .record({
      n: fc.constantFrom(OTHER_NCCA, 0x24, 0x21),
      isActive: fc.boolean(),
      kind: fc.constantFrom<PartyKind>('ncca', 'holder'),
    })
    .map(({ n, isActive, kind }) => {
      const value = { kind, country: 'FR', act: id(9), isActive }
      const fact: Fact = { kind: 'party', id: id(n), value, keys: [key(n)] }
      const args = [id(n), KINDS.indexOf(kind), stringToHex('FR'), id(9), isActive, [key(n)]]
      return { on: 'parties' as const, name: 'attestParty', args, rule: (call: Call) => attest(call, fact) }
    }),
  fc
    .record({ version: fc.integer({ min: 1, max: 3 }), at: often(UNION, NATIONAL), longest: often(5 * YEAR, YEAR) })
    .map(({ version, at, longest }) => {
      const own = { ...terms, maxAccreditation: longest }
      const fact: Fact = { kind: 'scheme', id: at, value: { ...own, version } }
      return {
        on: 'schemes' as const,
        name: 'attestScheme',
        args: [at, version, toTerms(own)],
        rule: (call: Call) => attest(call, fact),
      }
    }),
  fc
    .record({
      at: often(NATIONAL, UNION),
      scope: often(id(0x52), id(0x51)),
      to: often(UNION, NATIONAL),
      isMapped: fc.boolean(),
    })
    .map(({ at, scope, to, isMapped }) => {
      const own = { ...terms, scope }
      const mapping = isMapped ? [{ level: 'basic' as const, scheme: to, to: 'high' as const }] : []
      const args = [
        at,
        toTerms(own),
        mapping.map(m => ({ level: toMask([m.level]), scheme: m.scheme, to: toMask([m.to]) })),
      ]
      return {
        on: 'schemes' as const,
        name: 'registerNationalScheme',
        args,
        rule: (call: Call) => registerNationalScheme(call, at, own, mapping),
      }
    }),
  fc.tuple(bodies, scopes).map(([body, scope]) => ({
    on: 'bodies' as const,
    name: 'accredit',
    args: [body, scope],
    rule: (call: Call) => accredit(call, body, scope),
  })),
  fc.tuple(bodies, scopes, often(3, 5, 6)).map(([body, scope, van]) => ({
    on: 'bodies' as const,
    name: 'authorise',
    args: [body, scope, van],
    rule: (call: Call) => authorise(call, body, { ...scope, van }),
  })),
  fc.tuple(bodies, changes, reasons).map(([body, change, reason]) => ({
    on: 'bodies' as const,
    name: 'changeAccreditation',
    args: [body, ...toChange(change), reason],
    rule: (call: Call) => changeAccreditation(call, body, change, reason),
  })),
  fc.tuple(bodies, changes, reasons).map(([body, change, reason]) => ({
    on: 'bodies' as const,
    name: 'changeAuthorisation',
    args: [body, ...toChange(change), reason],
    rule: (call: Call) => changeAuthorisation(call, body, change, reason),
  })),
  fc.tuple(bodies, often(123, 0), fc.boolean()).map(([body, number, forHigh]) => ({
    on: 'bodies' as const,
    name: 'notifyBody',
    args: [body, number, forHigh],
    rule: (call: Call) => notifyBody(call, body, number === 0 ? '' : String(number).padStart(4, '0'), forHigh),
  })),
  fc.tuple(bodies, times).map(([body, until]) => ({
    on: 'bodies' as const,
    name: 'delegateHigh',
    args: [body, until],
    rule: (call: Call) => delegateHigh(call, body, until),
  })),
  bodies.map(body => ({
    on: 'bodies' as const,
    name: 'revokeDelegation',
    args: [body],
    rule: (call: Call) => revokeDelegation(call, body),
  })),
  fc
    .tuple(bodies, often(id(0xe1), id(0xe2), id(0)), times, fc.boolean())
    .map(([body, commitment, until, mayBeLonger]) => ({
      on: 'bodies' as const,
      name: 'approve',
      args: [body, commitment, until, mayBeLonger],
      rule: (call: Call) => approve(call, body, { commitment, until, mayBeLonger }),
    })),
)
/** Mostly who may. */
const callerOf = (name: string) =>
  name.startsWith('attest')
    ? often(key(NCCA), key(OTHER_NCCA), INBOX, INBOX, key(NAB), key(0x21), key(0x98))
    : name === 'accredit' || name === 'changeAccreditation' || name === 'registerParty'
      ? often(key(NAB), key(OTHER_NAB), key(NCCA), key(0x21), key(0x98))
      : often(key(NCCA), key(OTHER_NCCA), key(NAB), key(0x21), key(0x98))
const calls = fc.array(
  steps.chain(step =>
    fc.record({
      step: fc.constant(step),
      caller: callerOf(step.name),
      pause: fc.constantFrom(...Array<number>(20).fill(1), 200 * DAY),
    }),
  ),
  { minLength: 50, maxLength: 80 },
)
const STANDINGS = ['none', 'live', 'suspended', 'ended']

test(`${RUNS} runs of 80 calls at most: contracts and rules do and refuse the same (seed ${SEED})`, async t => {
  const started = await evm
  if (typeof started === 'string') return t.skip(started)
  forge('build')
  const parties = await started.deploy('PartyRegistry', [1, stringToHex('FR'), GENESIS.parties.map(toStruct), INBOX])
  const registry = await started.deploy('SchemeRegistry', [parties.address])
  const accreditations = await started.deploy('AccreditationRegistry', [parties.address, registry.address])
  const contracts = { parties, schemes: registry, bodies: accreditations }
  let at = START + 100
  const tally = await holdAgainst(started, GENESIS, calls, { seed: SEED, runs: RUNS }, async (list, play, memory) => {
    let now = at
    for (const { step, caller, pause } of list) {
      now += pause
      await play(contracts[step.on], caller, step, now)
    }
    for (const n of [0x21, 0x22, 0x23]) {
      const [kind, , isActive] = await parties.words('partyOf', [id(n)])
      assert.equal(KINDS[Number(kind)], memory.get('party', id(n))?.kind ?? 'none')
      assert.equal(Number(isActive) === 1, memory.get('party', id(n))?.isActive ?? false)
      for (const which of ['accreditation', 'authorisation'] as const) {
        const [, by, standing] = await accreditations.words(`${which}Of`, [id(n)])
        const grant = memory.get(which, id(n))
        assert.deepEqual([by, STANDINGS[Number(standing)]], [grant?.by ?? id(0), grant?.standing ?? 'none'])
      }
      const [notifier, number] = await accreditations.words('notificationOf', [id(n)])
      const notification = memory.get('notification', id(n))
      assert.deepEqual([notifier, Number(number)], [notification?.by ?? id(0), Number(notification?.number ?? 0)])
      const [, until, isLive] = await accreditations.words('delegationOf', [id(n)])
      const delegation = memory.get('delegation', id(n))
      assert.deepEqual([Number(until), Number(isLive) === 1], [delegation?.until ?? 0, delegation?.isLive ?? false])
    }
    for (const scheme of [UNION, NATIONAL]) {
      const [, version] = await registry.words('schemeOf', [scheme])
      assert.equal(Number(version), memory.get('scheme', scheme)?.version ?? 0)
    }
    at += 100 // the chain's clock was put back with the rest
  })
  console.log(`measured: ${tally.taken} calls taken, ${tally.refused} refused in ${tally.ways.length} ways`)
  assert.ok(tally.taken > 50 && tally.ways.length > 20, tally.ways.join())
})
