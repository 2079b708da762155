// The contract FrameworkRegistry against packages/rules: the same calls in the same order, the same refusals by the same row, the same state.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adoptScheme, type Genesis, recogniseCountry, type SchemeInput } from '@entente/rules'
import fc from 'fast-check'
import { type Hex, stringToHex } from 'viem'
import { forge } from '../../contracts/tools/artifact.mts'
import { holdAgainst, id, key, LEVELS, often, type Rule, START, toMask, toStruct, toTerms, useEvm } from './evm.ts'

const SEED = Number(process.env['ENTENTE_TEST_SEED'] ?? 20_261_122)
const RUNS = process.env['ENTENTE_TEST_LONG'] === undefined ? 8 : 200
const DAY = 86_400
const GENESIS: Genesis = {
  chain: { kind: 'eu', country: 'EU' },
  parties: [
    { id: id(1), kind: 'commission', country: 'EU', key: key(1), act: id(9) },
    { id: id(2), kind: 'state', country: 'FR', key: key(2), act: id(9) },
  ],
  consortium: { numerator: 1, denominator: 1, period: DAY },
}

const evm = useEvm()

const hashes = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(id(0xd0), id(0xd1)) },
  { weight: 1, arbitrary: fc.constant(id(0)) },
)
const levels = fc.subarray(LEVELS, { minLength: 0 })
const terms = often(42 * DAY, 365 * DAY, 0, 42 * DAY * 1000)
const schemes: fc.Arbitrary<SchemeInput> = fc.record({
  document: hashes,
  scope: often(id(0x51), id(0x52), id(0x52), id(0x52), id(0)),
  adopted: fc.constantFrom(START, START + 1, START - DAY),
  endsAt: often<number | undefined>(undefined, START, START + DAY),
  levels: often(LEVELS, ['substantial', 'high'], []),
  maxValidity: terms,
  allowsDeclaration: fc.boolean(),
  isPublicOnly: fc.boolean(),
  authorisedLevels: levels,
  van: often<SchemeInput['van']>({}, { high: 5 }, { basic: 1, high: 3 }),
  maxSuspension: often(DAY, 42 * DAY, 0),
  maxSuspended: often(365 * DAY, DAY, 0),
  maxAccreditation: terms,
  allowsProfiles: fc.boolean(),
})
type Step =
  | { do: 'adopt'; id: Hex; scheme: SchemeInput }
  | { do: 'recognise'; country: string; id: Hex; terms: Parameters<typeof recogniseCountry>[3] }
const ids = often(id(0x71), id(0x72), id(0x72), id(0x72), id(0x73), id(0))
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('adopt' as const), id: ids, scheme: schemes }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('recognise' as const),
      country: fc.constantFrom('JP', 'US', 'j1'),
      id: ids,
      terms: fc.record({
        agreement: hashes,
        levels,
        since: fc.constantFrom(START, START + DAY),
        until: fc.constantFrom(START + DAY, START + 2 * DAY),
        isEea: fc.boolean(),
      }),
    }),
  },
)
const calls = fc.array(fc.tuple(fc.constantFrom(...[1, 1, 1, 1, 1, 1, 2, 3].map(key)), steps), {
  minLength: 40,
  maxLength: 60,
})

function toSolidity(step: Step): [name: string, args: readonly unknown[]] {
  if (step.do === 'adopt') return ['adoptScheme', [step.id, toTerms(step.scheme)]]
  const { levels, ...rest } = step.terms
  return ['recogniseCountry', [stringToHex(step.country), step.id, { ...rest, levels: toMask(levels) }]]
}
const toRule = (step: Step): Rule =>
  step.do === 'adopt'
    ? call => adoptScheme(call, step.id, step.scheme)
    : call => recogniseCountry(call, step.country, step.id, step.terms)

test(`${RUNS} runs of 60 calls at most: contract and rules do and refuse the same (seed ${SEED})`, async t => {
  const started = await evm
  if (typeof started === 'string') return t.skip(started)
  forge('build')
  const registry = await started.deploy('ConsortiumRegistry', [GENESIS.parties.map(toStruct), 1, 1, DAY, []])
  const contract = await started.deploy('FrameworkRegistry', [registry.address])
  let at = START + 100
  const tally = await holdAgainst(started, GENESIS, calls, { seed: SEED, runs: RUNS }, async (list, play, memory) => {
    for (const [caller, step] of list) {
      const [name, args] = toSolidity(step)
      await play(contract, caller, { name, args, rule: toRule(step) }, ++at)
    }
    for (const one of [0x71, 0x72, 0x73]) {
      const scheme = memory.get('scheme', id(one))
      assert.equal(Number((await contract.words('versionOf', [id(one)]))[0]), scheme?.version ?? 0)
      for (let version = 1; version <= (scheme?.version ?? 0); version++) {
        const stored = await contract.words('termsOf', [id(one), version])
        const expected = toTerms(memory.get('scheme', `${id(one)}@${version}`) as SchemeInput)
        assert.deepEqual(stored.slice(0, 2), [expected.document, expected.scope])
        assert.deepEqual(stored.slice(2, 6).map(Number), [
          expected.adopted,
          expected.endsAt,
          expected.levels,
          expected.maxValidity,
        ])
        assert.deepEqual(stored.slice(9, 12).map(Number), expected.van)
      }
    }
    for (const scope of [0x51, 0x52])
      assert.equal(
        (await contract.words('schemeFor', [id(scope)]))[0],
        memory.get('coverage', id(scope))?.scheme ?? id(0),
      )
  })
  console.log(`measured: ${tally.taken} calls taken, ${tally.refused} refused in ${tally.ways.length} ways`)
  assert.ok(tally.taken > 10 && tally.ways.length > 10, tally.ways.join())
})
