// ArtifactRegistry, and the cases of the Mirror, against packages/rules: the same calls in the same order, the same refusals by the same row, the same state.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  attest,
  type Call,
  type Fact,
  type Genesis,
  label,
  labelId,
  LABELS,
  type NewParty,
  type PartyKind,
  registerArtifact,
  registerParty,
  registerVersion,
  setSupport,
} from '@entente/rules'
import fc from 'fast-check'
import { stringToHex } from 'viem'
import { forge } from '../../contracts/tools/artifact.mts'
import { holdAgainst, id, key, often, PROVENANCES, START, type Step, toStruct, useEvm } from './evm.ts'

const SEED = Number(process.env['ENTENTE_TEST_SEED'] ?? 20_261_122)
const RUNS = process.env['ENTENTE_TEST_LONG'] === undefined ? 8 : 300
const DAY = 86_400
const party = (n: number, kind: PartyKind): NewParty => ({ id: id(n), kind, country: 'FR', key: key(n), act: id(9) })
const [NCCA, COORDINATOR, MAKER, OTHER, PROVIDER, STRANGER] = [1, 2, 3, 4, 5, 6]
const INBOX = key(0x1b)
const GENESIS: Genesis = {
  chain: { kind: 'artifact', country: 'FR', inbox: INBOX },
  parties: [party(NCCA, 'ncca'), party(COORDINATOR, 'coordinator')],
}
const REGISTERED: [by: number, NewParty][] = [
  [NCCA, party(MAKER, 'manufacturer')],
  [NCCA, party(OTHER, 'manufacturer')],
  [COORDINATOR, party(PROVIDER, 'provider')],
  [COORDINATOR, party(STRANGER, 'provider')],
]

const evm = useEvm()

const artifacts = often(id(0xa1), id(0xa2), id(0xa3), id(0))
const versions = often(id(0xb1), id(0xb2), id(0xb2), id(0xb3), id(0))
const vulnerabilities = fc.constantFrom(id(0xe1), id(0xe2), id(0xe3))
const hashes = often(id(0xd1), id(0))
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(artifacts, hashes).map(([at, description]) => ({
    name: 'registerArtifact',
    args: [at, description],
    rule: (call: Call) => registerArtifact(call, at, description),
  })),
  fc
    .tuple(artifacts, versions, hashes, often(id(0), id(0xb1), id(0xb2)), often(0, 1))
    .map(([artifact, at, firmware, patches, count]) => {
      const fixes = Array.from({ length: count }, () => id(0xe1))
      const input = { firmware, sbom: id(0xd2), mud: id(0), patches: patches === id(0) ? undefined : patches, fixes }
      return {
        name: 'registerVersion',
        args: [artifact, at, firmware, id(0xd2), id(0), patches, fixes],
        rule: (call: Call) => registerVersion(call, artifact, at, input),
      }
    }),
  fc.tuple(artifacts, hashes, often(START + 99 * DAY, START)).map(([artifact, contact, until]) => {
    const support = { guidance: id(0xd3), until, contact, repository: id(0xd4) }
    return { name: 'setSupport', args: [artifact, support], rule: (call: Call) => setSupport(call, artifact, support) }
  }),
  fc
    .tuple(versions, vulnerabilities, fc.constantFrom(...LABELS), hashes)
    .map(([version, vulnerability, status, justification]) => ({
      name: 'label',
      args: [version, vulnerability, LABELS.indexOf(status) + 1, justification],
      rule: (call: Call) =>
        label(call, version, vulnerability, status, justification === id(0) ? undefined : justification),
    })),
  fc.tuple(vulnerabilities, often(0, START + DAY)).map(([vulnerability, disclosed]) => {
    const value = { provider: id(PROVIDER), coordinator: id(COORDINATOR), disclosed: disclosed || undefined }
    const fact: Fact = { kind: 'case', id: vulnerability, value }
    return {
      name: 'attestCase',
      args: [vulnerability, { ...value, disclosed }],
      rule: (call: Call) => attest(call, fact),
    }
  }),
)
const callerOf = (name: string) => {
  if (name === 'attestCase') return often(key(NCCA), INBOX, key(COORDINATOR), key(MAKER))
  if (name === 'label')
    return fc.constantFrom(...[MAKER, MAKER, MAKER, OTHER, PROVIDER, COORDINATOR, STRANGER, NCCA].map(key))
  return often(key(MAKER), key(OTHER), key(PROVIDER), key(0x50))
}
const calls = fc.array(
  steps.chain(step => fc.tuple(fc.constant(step), callerOf(step.name))),
  { minLength: 50, maxLength: 70 },
)

test(`${RUNS} runs of 70 calls at most: contract and rules do and refuse the same (seed ${SEED})`, async t => {
  const started = await evm
  if (typeof started === 'string') return t.skip(started)
  forge('build')
  const parties = await started.deploy('PartyRegistry', [0, stringToHex('FR'), GENESIS.parties.map(toStruct), INBOX])
  const mirror = await started.deploy('Mirror', [parties.address])
  const contract = await started.deploy('ArtifactRegistry', [parties.address, mirror.address])
  let now = START + 100
  for (const [by, one] of REGISTERED)
    assert.equal((await parties.send(key(by), 'registerParty', [toStruct(one)], ++now)).refused, undefined)
  const tally = await holdAgainst(started, GENESIS, calls, { seed: SEED, runs: RUNS }, async (list, play, memory) => {
    for (const [by, one] of REGISTERED) await memory.run(key(by), START, call => registerParty(call, one))
    for (const [step, caller] of list) {
      await play(step.name === 'attestCase' ? mirror : contract, caller, step, ++now)
    }
    for (const one of [0xa1, 0xa2, 0xa3]) {
      const artifact = memory.get('artifact', id(one))
      const [manufacturer, description] = await contract.words('artifactOf', [id(one)])
      assert.deepEqual([manufacturer, description], [artifact?.manufacturer ?? id(0), artifact?.description ?? id(0)])
      const supports = await contract.words('supportOf', [id(one)])
      assert.equal(Number(supports[1]), artifact?.support ? artifact.history + 1 : 0)
    }
    for (const one of [0xe1, 0xe2, 0xe3]) {
      const fact = memory.get('foreignCase', id(one))
      const [provider, , disclosed, from] = await mirror.words('caseOf', [id(one)])
      assert.deepEqual(
        [provider, Number(disclosed), Number(from)],
        [fact?.provider ?? id(0), fact?.disclosed ?? 0, PROVENANCES.indexOf(fact?.from ?? 'own')],
      )
    }
    for (const one of [0xb1, 0xb2, 0xb3]) {
      const version = memory.get('version', id(one))
      const words = (await contract.words('versionOf', [id(one)])).slice(1)
      assert.deepEqual(
        [words[0], words[2], words[5]],
        [version?.artifact ?? id(0), version?.firmware ?? id(0), version?.patches ?? id(0)],
      )
      assert.equal(Number(words[7]) === 1, version?.hasSupport ?? false)
      for (const vulnerability of [0xe1, 0xe2, 0xe3])
        for (const by of [MAKER, OTHER, PROVIDER, COORDINATOR]) {
          const said = memory.get('label', labelId(id(one), id(vulnerability), id(by)))
          const labels = await contract.words('labelsOf', [id(one), id(vulnerability), id(by)])
          assert.equal(Number(labels[1]), said?.count ?? 0)
          if (said) assert.equal(LABELS[Number(labels.at(-3)) - 1], said.status)
        }
    }
  })
  console.log(`measured: ${tally.taken} calls taken, ${tally.refused} refused in ${tally.ways.length} ways`)
  assert.ok(tally.taken > 50 && tally.ways.length > 15, tally.ways.join())
})
