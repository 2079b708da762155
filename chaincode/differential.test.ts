// The Solidity contract and the chaincode, called with the same random histories: each answers, refuses and holds the same.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { TestTree } from '../packages/entente/ledger/conformance/tree.ts'
import { createEmbeddedProvider } from '../packages/entente/ledger/evm/embedded/provider.ts'
import { type Argument, chaincodeMachine, contractMachine, type Machine, ORIGINS, PEOPLE } from './test/machines.ts'

const SEED = Number(process.env['ENTENTE_TEST_SEED'] ?? 20261122)
const EMPTY = createHash('sha256').digest('hex')
/** Two histories that agree on nothing. */
const TREES = [new TestTree('history'), new TestTree('another history')] as const
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

const person = fc.nat(PEOPLE - 1)
/** What goes well (null), five times out of six. */
const mostly = <T>(other: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: other })
/** The log's owner, or anybody. */
const by = mostly(person)
/** Registered from the start: three of person 0, one of person 1. */
const REGISTERED = [0, 1, 2, 3]
const log = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(...REGISTERED) },
  { weight: 1, arbitrary: fc.nat(PEOPLE * ORIGINS.length - 1) },
)
const anySize = fc.oneof(fc.nat(12), fc.nat(70))
const anchor = fc.record({
  do: fc.constant('anchor' as const),
  by,
  log,
  grow: fc.nat(30),
  size: mostly(anySize),
  tree: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1) }),
  proofFrom: mostly(anySize),
  cut: fc.nat(6),
})
const step = fc.oneof(
  { weight: 1, arbitrary: fc.record({ do: fc.constant('register' as const), log }) },
  { weight: 9, arbitrary: anchor },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('offer' as const), by, log, to: fc.option(person) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('accept' as const), by: person, log }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('succeed' as const), by, log, next: log, at: mostly(anySize) }),
  },
)

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** What a step calls, seen from the state that both machines are in. */
async function toCall(machine: Machine, given: Step): Promise<[by: number, name: string, ...Argument[]]> {
  const { log: id } = given
  if (given.do === 'register') return [Math.floor(id / 3), 'register', ORIGINS[id % 3]!]
  if (given.do === 'accept') return [given.by, 'acceptOwnership', { log: id }]
  const caller = given.by ?? Math.max(0, await machine.owner(id))
  const [latestSize] = (await machine.latest(id)) ?? [0]
  if (given.do === 'offer') return [caller, 'offerOwnership', { log: id }, { person: given.to }]
  if (given.do === 'succeed') return [caller, 'succeed', { log: id }, given.at ?? latestSize, { log: given.next }]
  const tree = TREES[given.tree]!
  const from = given.proofFrom ?? latestSize
  const size = given.size ?? latestSize + given.grow
  const proof = from > 0 && from < size ? tree.consistency(from, size).map(hex) : []
  const root = size === 0 ? EMPTY : hex(tree.root(size))
  return [caller, 'anchor', { log: id }, size, root, given.cut === 0 ? proof.slice(1) : proof]
}

test('the contract and the chaincode decide alike', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'entente-differential-'))
  const provider = await createEmbeddedProvider({ folder, chainId: 6100, now: Date.now, worker: false })
  t.after(async () => {
    await provider.close()
    rmSync(folder, { recursive: true })
  })
  const met = new Map<string, number>()
  const property = fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 50 }), async history => {
    const [contract, chaincode] = [await contractMachine(provider), chaincodeMachine()]
    const registered = REGISTERED.map(id => ({ do: 'register' as const, log: id }))
    for (const given of [...registered, ...history]) {
      const call = await toCall(chaincode, given)
      const [expected, found] = [await contract.call(...call), await chaincode.call(...call)]
      assert.equal(found.code, expected.code, JSON.stringify([given, expected, found]))
      // The chaincode says which latest size it had besides, and does not count the hashes that it wanted
      const { expectedLength: _, ...values } = expected.values
      for (const [name, value] of Object.entries(values))
        assert.equal(found.values[name], value, JSON.stringify([given, expected, found]))
      met.set(`${given.do} ${found.code}`, (met.get(`${given.do} ${found.code}`) ?? 0) + 1)
      const touched = 'next' in given ? [given.log, given.next] : [given.log]
      for (const each of touched) {
        assert.deepEqual(await chaincode.latest(each), await contract.latest(each))
        assert.equal(await chaincode.owner(each), await contract.owner(each))
      }
    }
  })
  await fc.assert(property, { seed: SEED, numRuns: process.env['ENTENTE_TEST_LONG'] ? 200 : 8 })
  t.diagnostic([...met].map(([what, times]) => `${what}: ${times}`).join(', '))
  const refusals = ['UnknownLog', 'NotOwner', 'Closed', 'Stale', 'Fork', 'BadProof', 'OwnSuccessor', 'UnknownSize']
  for (const code of ['ok', ...refusals])
    assert.ok(
      [...met.keys()].some(key => key.endsWith(` ${code}`)),
      `never: ${code}`,
    )
})
