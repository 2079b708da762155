// VulnerabilityRegistry against packages/rules: the same calls in the same order, the same refusals by the same row, the same state.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  acceptEmbargo,
  advance,
  announce,
  type Bit,
  type Call,
  close,
  commit,
  disclose,
  type Genesis,
  invite,
  leaveEmbargo,
  type NewParty,
  type PartyKind,
  proposeEmbargo,
  registerParty,
  rejectEmbargo,
  reopen,
} from '@entente/rules'
import fc from 'fast-check'
import { stringToHex, zeroAddress } from 'viem'
import { forge } from '../../contracts/tools/artifact.mts'
import { holdAgainst, id, key, often, type Rule, START, toStruct, useEvm } from './evm.ts'

const SEED = Number(process.env['ENTENTE_TEST_SEED'] ?? 20_261_122)
const RUNS = process.env['ENTENTE_TEST_LONG'] === undefined ? 10 : 300
const DAY = 86_400
const party = (n: number, kind: PartyKind): NewParty => ({ id: id(n), kind, country: 'FR', key: key(n), act: id(9) })
const [NCCA, COORDINATOR, PROVIDER, MAKER, OTHER, STRANGER] = [1, 2, 3, 4, 5, 6]
const policy = { maxEmbargo: 90 * DAY, maxTotal: 120 * DAY, acceptWithin: 14 * DAY, announcements: 2, per: DAY }
const GENESIS: Genesis = {
  chain: { kind: 'vulnerability', country: 'FR' },
  parties: [party(NCCA, 'ncca'), party(COORDINATOR, 'coordinator')],
  disclosure: policy,
}
const REGISTERED: [by: number, NewParty][] = [
  [NCCA, party(MAKER, 'manufacturer')],
  [NCCA, party(OTHER, 'manufacturer')],
  [COORDINATOR, party(PROVIDER, 'provider')],
  [COORDINATOR, party(STRANGER, 'provider')],
]
const [SALT, CONTENT, VERSION] = [id(0x5a), id(0xc0), id(0xb1)]
const BITS: Bit[] = ['V', 'F', 'D', 'P', 'X', 'A']
const EMBARGOES = ['none', 'proposed', 'active', 'revise', 'exited']
const ENDINGS = [undefined, 'invalid', 'duplicate']

const evm = useEvm()

/** `now`: the time of the call, for ends that are counted from it. */
type Step = { name: string; args: (now: number) => readonly unknown[]; rule: (now: number) => Rule }
const plain = (name: string, args: readonly unknown[], rule: Rule): Step => ({
  name,
  args: () => args,
  rule: () => rule,
})
const cases = often(id(0xe1), id(0xe2), id(0xe3))
const reasons = often(id(0xac), id(0))
const ends = often(45, 10, 60, 91, 0)

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc
    .tuple(cases, ends, fc.boolean(), often(id(COORDINATOR), id(NCCA), id(0x99)))
    .map(([at, days, isSealed, coordinator]) => {
      const [commitment, artifact] = [
        commit('report', SALT, CONTENT),
        isSealed ? commit('artifact', SALT, VERSION) : VERSION,
      ]
      const input = { commitment, coordinator, artifact: isSealed ? { sealed: artifact } : { open: artifact } }
      return {
        name: 'announce',
        args: (now: number) => [at, commitment, artifact, isSealed, coordinator, now + days * DAY],
        rule: (now: number) => (call: Call) => announce(call, at, { ...input, proposedEnd: now + days * DAY }),
      }
    }),
  fc
    .tuple(cases, often(id(MAKER), id(OTHER), id(NCCA)))
    .map(([at, who]) => plain('invite', [at, who], call => invite(call, at, who))),
  fc.tuple(cases, ends).map(([at, days]) => ({
    name: 'proposeEmbargo',
    args: (now: number) => [at, now + days * DAY],
    rule: (now: number) => (call: Call) => proposeEmbargo(call, at, now + days * DAY),
  })),
  { weight: 4, arbitrary: cases.map(at => plain('acceptEmbargo', [at], call => acceptEmbargo(call, at))) },
  cases.map(at => plain('rejectEmbargo', [at], call => rejectEmbargo(call, at))),
  fc
    .tuple(cases, reasons)
    .map(([at, reason]) => plain('leaveEmbargo', [at, reason], call => leaveEmbargo(call, at, reason))),
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        cases,
        often<Bit>('V', 'F', 'F', 'F', 'F', 'D', 'D', 'D', 'P', 'X', 'A'),
        reasons,
        often(id(MAKER), id(OTHER)),
      )
      .map(([at, bit, evidence, maker]) =>
        plain('advance', [at, BITS.indexOf(bit), evidence, maker], call => advance(call, at, bit, evidence, maker)),
      ),
  },
  fc.tuple(cases, often(CONTENT, id(0xc1)), often(VERSION, id(0xb2), id(0))).map(([at, content, version]) => {
    const artifact = version === id(0) ? undefined : { salt: SALT, version }
    return plain('disclose', [at, SALT, content, SALT, version], call =>
      disclose(call, at, { salt: SALT, content, artifact }),
    )
  }),
  fc
    .tuple(cases, fc.constantFrom('invalid' as const, 'duplicate' as const), reasons)
    .map(([at, as, reason]) => plain('close', [at, ENDINGS.indexOf(as), reason], call => close(call, at, as, reason))),
  fc.tuple(cases, reasons).map(([at, reason]) => plain('reopen', [at, reason], call => reopen(call, at, reason))),
)
const callers = fc.constantFrom(
  ...[COORDINATOR, COORDINATOR, PROVIDER, PROVIDER, PROVIDER, MAKER, MAKER, MAKER, OTHER, STRANGER, NCCA].map(key),
)
const pauses = fc.constantFrom(...Array<number>(15).fill(1), DAY, 10 * DAY, 40 * DAY)
const calls = fc.array(fc.tuple(steps, callers, pauses), { minLength: 50, maxLength: 80 })

test(`${RUNS} runs of 80 calls at most: contract and rules do and refuse the same (seed ${SEED})`, async t => {
  const started = await evm
  if (typeof started === 'string') return t.skip(started)
  forge('build')
  const parties = await started.deploy('PartyRegistry', [
    2,
    stringToHex('FR'),
    GENESIS.parties.map(toStruct),
    zeroAddress,
  ])
  const contract = await started.deploy('VulnerabilityRegistry', [parties.address, policy])
  let at = START + 100
  for (const [by, one] of REGISTERED)
    assert.equal((await parties.send(key(by), 'registerParty', [toStruct(one)], ++at)).refused, undefined)
  for (const what of ['report', 'artifact'] as const)
    assert.deepEqual(await contract.words('commitTo', [what === 'artifact', SALT, CONTENT]), [
      commit(what, SALT, CONTENT),
    ])
  let disclosed = 0
  const tally = await holdAgainst(started, GENESIS, calls, { seed: SEED, runs: RUNS }, async (list, play, memory) => {
    for (const [by, one] of REGISTERED) await memory.run(key(by), START, call => registerParty(call, one))
    let now = at
    // Something to begin with, or most calls would meet nothing.
    const begun = {
      commitment: commit('report', SALT, CONTENT),
      artifact: { sealed: commit('artifact', SALT, VERSION) },
      coordinator: id(COORDINATOR),
      proposedEnd: now + 45 * DAY,
    }
    const first = plain(
      'announce',
      [id(0xe1), begun.commitment, begun.artifact.sealed, true, begun.coordinator, begun.proposedEnd],
      call => announce(call, id(0xe1), begun),
    )
    for (const [step, caller, pause] of [[first, key(PROVIDER), 1] as const, ...list]) {
      now += pause
      await play(contract, caller, { name: step.name, args: step.args(now), rule: step.rule(now) }, now)
    }
    for (const one of [0xe1, 0xe2, 0xe3]) {
      const own = memory.get('case', id(one))
      const words = (await contract.words('caseOf', [id(one)])).map(word => BigInt(word))
      const [embargo, proposedEnd, , end, isPublic, isExploited, isAttacked, shown, closed] = words.slice(6).map(Number)
      assert.equal(EMBARGOES[embargo as number], own?.embargo ?? 'none')
      assert.deepEqual([proposedEnd, end, shown], [own?.proposedEnd ?? 0, own?.end ?? 0, own?.disclosed ?? 0])
      assert.equal(ENDINGS[closed as number], own?.closed)
      const bits = { public: isPublic === 1, exploit: isExploited === 1, attacks: isAttacked === 1 }
      assert.deepEqual(bits, own?.bits ?? { public: false, exploit: false, attacks: false })
      assert.equal(Number((await contract.words('participantsOf', [id(one)]))[1]), own?.participants.length ?? 0)
      if (own?.disclosed) disclosed++
      for (const maker of [MAKER, OTHER]) {
        const [, ...said] = (await contract.words('participationOf', [id(one), id(maker)])).map(Number)
        const known = memory.get('participation', `${id(one)}@${id(maker)}`)
        const expected = [known?.vendorAware, known?.fixReady, known?.fixDeployed].map(Number)
        assert.deepEqual(
          said,
          expected.map(n => n || 0),
        )
      }
    }
  })
  console.log(
    `measured: ${tally.taken} calls taken, ${disclosed} cases disclosed, ${tally.refused} refused in ${tally.ways.length} ways`,
  )
  assert.ok(tally.taken > 50 && tally.ways.length > 20, tally.ways.join())
})
