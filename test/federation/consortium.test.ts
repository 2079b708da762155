// The contract ConsortiumRegistry against packages/rules: the same calls in the same order, the same refusals by the same row, the same state.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addKey,
  type Change,
  CONSORTIUM,
  type Genesis,
  type Memory,
  type PartyKind,
  propose,
  replaceKey,
  revokeKey,
  vote,
} from '@entente/rules'
import fc from 'fast-check'
import type { Hex } from 'viem'
import { forge } from '../../contracts/tools/artifact.mts'
import { type Contract, holdAgainst, id, key, KINDS, type Rule, START, toStruct, useEvm } from './evm.ts'

const SEED = Number(process.env['ENTENTE_TEST_SEED'] ?? 20_261_122)
const STEPS = 60
const RUNS = process.env['ENTENTE_TEST_LONG'] === undefined ? 12 : 300
const DAY = 86_400
const CHAIN = id(0xc4a1)
const PERIOD = 10 * DAY
const member = (n: number, kind: PartyKind, country: string) => ({
  id: id(n),
  kind,
  country,
  key: key(n),
  act: id(0xac),
})
const GENESIS: Genesis = {
  chain: { kind: 'eu', country: 'EU' },
  parties: [
    member(1, 'commission', 'EU'),
    member(2, 'state', 'FR'),
    member(3, 'state', 'DE'),
    member(4, 'state', 'IT'),
  ],
  consortium: { numerator: 2, denominator: 3, period: PERIOD },
  chains: [{ id: CHAIN, validators: [id(11), id(12), id(13)], writers: [id(21)], minimum: 3 }],
}

const evm = useEvm()

type Step =
  | { do: 'propose'; change: Change }
  | { do: 'vote'; number: number }
  | { do: 'addKey'; key: Hex }
  | { do: 'revokeKey'; key: Hex }
  | { do: 'replaceKey'; lost: Hex; key: Hex }

/** The call of the contract that is this one of the rules. */
function toSolidity(step: Step): [name: string, args: readonly unknown[]] {
  if (step.do === 'vote') return ['vote', [BigInt(step.number)]]
  if (step.do === 'replaceKey') return ['replaceKey', [step.lost, step.key, id(0xac)]]
  if (step.do === 'addKey' || step.do === 'revokeKey') return [step.do, [step.key]]
  const { change } = step
  switch (change.do) {
    case 'seat':
      return ['proposeSeat', [toStruct({ ...change.authority, act: change.act })]]
    case 'remove':
      return ['proposeRemoval', [change.authority, change.act]]
    case 'replaceKey':
      return ['proposeKey', [change.party, change.lost, change.key, change.act]]
    case 'admit':
      return ['proposeAdmission', [toStruct({ ...change, id: change.member })]]
    case 'dismiss':
      return ['proposeDismissal', [change.member, change.act]]
    case 'validators':
      return ['proposeValidators', [change.chain, change.add, change.remove]]
    case 'writers':
      return ['proposeWriters', [change.chain, change.add, change.remove]]
    case 'upgrade':
      return ['proposeUpgrade', [change.contract, change.code]]
  }
}

function toRule(step: Step): Rule {
  if (step.do === 'vote') return call => vote(call, String(step.number))
  if (step.do === 'replaceKey') return call => replaceKey(call, step.lost, step.key, id(0xac))
  if (step.do === 'addKey') return call => addKey(call, step.key)
  if (step.do === 'revokeKey') return call => revokeKey(call, step.key)
  return call => propose(call, step.change)
}

// Few values, so that steps meet each other.
const ids = fc.constantFrom(...[1, 2, 3, 4, 5, 6, 7].map(id))
const keys = fc.constantFrom(...[1, 2, 3, 4, 5, 6, 7, 8, 9].map(key))
/** Mostly the members. */
const callers = fc.constantFrom(...[1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7].map(key))
const acts = fc.constantFrom(id(0xac), id(0xac), id(0xac), id(0))
const countries = fc.constantFrom('FR', 'DE', 'IT')
const validators = fc.uniqueArray(fc.constantFrom(...[11, 12, 13, 14, 15, 21].map(id)), { maxLength: 2 })
const changes = fc.oneof(
  fc.record({
    do: fc.constant('seat' as const),
    authority: fc.record({
      id: ids,
      kind: fc.constantFrom('ncca' as const, 'nab' as const, 'coordinator' as const),
      country: countries,
      key: keys,
    }),
    act: acts,
  }),
  fc.record({ do: fc.constant('remove' as const), authority: ids, act: acts }),
  fc.record({ do: fc.constant('replaceKey' as const), party: ids, lost: keys, key: keys, act: acts }),
  fc.record({
    do: fc.constant('admit' as const),
    member: ids,
    kind: fc.constantFrom('state' as const, 'enisa' as const),
    country: countries,
    key: keys,
    act: acts,
  }),
  fc.record({ do: fc.constant('dismiss' as const), member: ids, act: acts }),
  fc.record({
    do: fc.constantFrom('validators' as const, 'writers' as const),
    chain: fc.constantFrom(CHAIN, CHAIN, CHAIN, id(9)),
    add: validators,
    remove: validators,
  }),
  fc.record({ do: fc.constant('upgrade' as const), contract: ids, code: acts }),
)
const steps = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('propose' as const), change: changes }) },
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constant('vote' as const),
      number: fc.constantFrom(0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('addKey' as const), key: keys }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('revokeKey' as const), key: keys }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('replaceKey' as const), lost: keys, key: keys }) },
)
const calls = fc.array(fc.tuple(callers, fc.constantFrom(...Array<number>(20).fill(1), 60, DAY, 4 * DAY), steps), {
  minLength: STEPS / 2,
  maxLength: STEPS,
})

async function assertSame(contract: Contract, memory: Memory): Promise<void> {
  for (let n = 1; n <= 7; n++) {
    const party = memory.get('party', id(n))
    const [kind, , isActive] = await contract.words('partyOf', [id(n)])
    assert.equal(KINDS[Number(kind)], party?.kind ?? 'none')
    assert.equal(Number(isActive) === 1, party?.isActive ?? false)
  }
  for (let n = 1; n <= 9; n++) {
    const found = memory.get('key', key(n))
    const [party, since, revoked] = await contract.words('keyOf', [key(n)])
    assert.equal(party, found?.party ?? id(0))
    assert.equal(Number(since) > 0, found !== undefined)
    assert.equal(Number(revoked), found?.revoked ?? 0)
  }
  const [members, , , , proposals] = await contract.words('consortium', [])
  const consortium = memory.get('consortium', CONSORTIUM)
  assert.deepEqual([Number(members), Number(proposals)], [consortium?.members, consortium?.proposals])
  for (const which of ['validators', 'writers'] as const)
    assert.deepEqual((await contract.words(`${which}Of`, [CHAIN])).slice(2), memory.get('chainSet', CHAIN)?.[which])
}

test(`${RUNS} runs of ${STEPS} calls at most: contract and rules do and refuse the same (seed ${SEED})`, async t => {
  const started = await evm
  if (typeof started === 'string') return t.skip(started)
  forge('build')
  const { parties, consortium, chains } = GENESIS as Required<Genesis>
  const { numerator, denominator, period } = consortium as NonNullable<typeof consortium>
  const sets = chains?.map(({ id: chain, ...set }) => ({ chain, ...set }))
  const args = [parties.map(toStruct), numerator, denominator, period, sets]
  const contract = await started.deploy('ConsortiumRegistry', args)
  let at = START + 100
  let made = 0
  const tally = await holdAgainst(started, GENESIS, calls, { seed: SEED, runs: RUNS }, async (list, play, memory) => {
    for (const [caller, pause, step] of list) {
      at += pause
      const [name, args] = toSolidity(step)
      await play(contract, caller, { name, args, rule: toRule(step) }, at)
    }
    await assertSame(contract, memory)
    made += memory.events.filter(event => event.name === 'ChangeMade').length
  })
  console.log(`measured: ${made} changes made, ${tally.refused} calls refused in ${tally.ways.length} ways`)
  assert.ok(made > RUNS / 4)
  assert.ok(tally.ways.length > 12, tally.ways.join())
})
