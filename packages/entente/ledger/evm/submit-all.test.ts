import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Refusal } from '@entente/rules'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testAccount } from '../conformance/evm.ts'
import { LedgerError } from '../error.ts'
import type { RuleCall } from '../rule-chain.ts'
import { createEmbeddedProvider } from './embedded/provider.ts'
import type { Eip1193Provider } from './provider.ts'
import { openEvmRuleChain } from './rules/chain.ts'
import { deployRuleChain } from './rules/deploy.ts'

const id = (n: number) => `0x${n.toString(16).padStart(64, '0')}`
const [DEPLOYER, NCCA] = [testAccount(700), testAccount(701)]
/** Holders, registered by the NCCA: they do not depend on each other. */
const holders = (from: number, count: number): RuleCall[] =>
  Array.from({ length: count }, (_, n) => ({
    rule: 'registerParty',
    args: [{ id: id(from + n), kind: 'holder', country: 'KR', key: testAccount(from + n).address, act: id(9) }],
  }))

/** A certification chain, embedded. */
async function start() {
  const folder = mkdtempSync(join(tmpdir(), 'entente-submit-all-'))
  const provider = await createEmbeddedProvider({ folder, chainId: 6100, now: Date.now, worker: false })
  after(async () => {
    await provider.close()
    rmSync(folder, { recursive: true })
  })
  const parties = [{ id: id(1), kind: 'ncca' as const, country: 'FR', key: NCCA.address, act: id(9) }]
  const genesis = { chain: { kind: 'certification' as const, country: 'FR' }, parties }
  const contracts = await deployRuleChain({ provider, chainId: 6100, deployer: DEPLOYER, genesis, pollMs: 1 })
  const common = { chainId: 6100, kind: 'certification', contracts, finality: 'instant', account: NCCA } as const
  /** The chain by way of whatever `through` does to the requests. */
  return (through: (below: Eip1193Provider) => Eip1193Provider = below => below, timeoutMs = 10_000) =>
    openEvmRuleChain({
      ...common,
      provider: through({ request: r => provider.request(r) }),
      pollMs: 2,
      timeoutMs,
    })
}
const open = await start()
const plain = await open()
/** Holders that are there, from the first of a test. */
async function entered(from: number): Promise<string[]> {
  const events = await plain.history()
  const subjects = events.filter(event => event.status === 'holder').map(event => event.subject)
  return subjects.filter(one => Number(one) >= from && Number(one) < from + 100)
}
const namesOf = (outcomes: readonly (object | Error)[]) =>
  outcomes.map(one => (one instanceof Refusal ? one.code : one instanceof LedgerError ? one.code : 'done'))

test('many share a block; what is refused in the middle leaves no gap', async () => {
  const registered = await plain.runAll(holders(100, 12))
  assert.deepEqual(new Set(namesOf(registered)), new Set(['done']))
  const blocks = new Set(registered.map(one => ('block' in one ? one.block : 0)))
  assert.ok(blocks.size <= 3, `${blocks.size} blocks`)

  // The 5th and the 9th are there already.
  const again = holders(200, 12).map((call, n) => (n === 5 || n === 9 ? (holders(100, 1)[0] as RuleCall) : call))
  assert.deepEqual(
    namesOf(await plain.runAll(again)),
    again.map((_, n) => (n === 5 || n === 9 ? 'Exists' : 'done')),
  )
})

test('two processes with one account: nothing is lost, nothing twice', async () => {
  const other = await open()
  const [a, b] = await Promise.all([plain.runAll(holders(300, 12)), other.runAll(holders(350, 12))])
  assert.deepEqual(new Set(namesOf([...a, ...b])), new Set(['done']))
  const there = await entered(300)
  assert.deepEqual([there.length, new Set(there).size], [24, 24])
})

test('answers that are lost, before and after the node has the bytes: each takes effect once', async () => {
  let n = 0
  const faulty = await open(below => ({
    async request(request) {
      if (request.method !== 'eth_sendRawTransaction') return below.request(request)
      const lost = ++n % 3
      if (lost === 1) throw new Error('lost before')
      const answer = await below.request(request)
      if (lost === 2) throw new Error('lost after')
      return answer
    },
  }))
  const outcomes = await faulty.runAll(holders(500, 9))
  assert.deepEqual(new Set(namesOf(outcomes)), new Set(['done']))
  const there = await entered(500)
  assert.deepEqual([there.length, new Set(there).size], [9, 9])
})

test('a node that is away: it may still come, and says which transaction', async () => {
  let isAway = false
  const faulty = await open(
    below => ({
      async request(request) {
        if (isAway && /sendRaw|Receipt/.test(request.method)) throw new Error('away')
        return below.request(request)
      },
    }),
    300,
  )
  await faulty.runAll(holders(600, 2))
  isAway = true
  const outcomes = await faulty.runAll(holders(610, 3))
  for (const one of outcomes) {
    assert.ok(one instanceof LedgerError)
    assert.equal(one.code, 'unreachable')
    assert.match(String(one.transaction), /^0x[0-9a-f]{64}$/)
  }
  isAway = false
  assert.deepEqual(namesOf(await plain.runAll(holders(610, 3))), ['done', 'done', 'done'])
})
