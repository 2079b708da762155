import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RpcError } from './provider.ts'
import { askOf } from './rpc.ts'
import { openVoting } from './voting.ts'

const [A, B, C] = ['a1', 'b2', 'c3'].map(byte => `0x${byte.repeat(20)}`) as [string, string, string]
/** As nodes write addresses: with capitals. */
const written = (address: string) => `0x${address.slice(2).toUpperCase()}`

/** A node that has these methods, and no other. */
function nodeWith(methods: Record<string, (...params: unknown[]) => unknown>) {
  const asked: [string, ...unknown[]][] = []
  const ask = askOf({
    async request({ method, params = [] }) {
      asked.push([method, ...params])
      const answer = methods[method]
      if (answer === undefined) throw new RpcError(-32601, `the method ${method} does not exist/is not available`)
      return answer(...params)
    },
  })
  return { asked, ask }
}

const clique = () =>
  nodeWith({
    clique_getSigners: () => [written(B), A],
    clique_proposals: () => ({ [written(C)]: true, [A]: false }),
    clique_propose: () => null,
    clique_discard: () => null,
    clique_getSigner: block => (block === '0x7' ? written(A) : B),
    eth_coinbase: () => written(A),
    eth_blockNumber: () => '0x7',
  })

test('Clique, as geth has it', async () => {
  const { ask, asked } = clique()
  const voting = await openVoting(ask)
  assert.equal(voting.consensus, 'clique')
  assert.deepEqual(await voting.validators(), [A, B])
  assert.deepEqual(
    [...(await voting.proposals())],
    [
      [C, true],
      [A, false],
    ],
  )
  assert.equal(await voting.self(), A)
  assert.deepEqual(await voting.active(1), new Set([A]))
  assert.deepEqual(await voting.active(50), new Set([A, B]))
  assert.equal(asked.filter(([method]) => method === 'clique_getSigner').length, 1 + 7, 'no block before the first')
  await voting.propose(C, true)
  await voting.discard(C)
  assert.deepEqual(asked.slice(-2), [
    ['clique_propose', C, true],
    ['clique_discard', C],
  ])
  assert.deepEqual([1, 2, 3, 4, 5].map(voting.needed), [1, 2, 2, 3, 3])
})

test('Istanbul, as GoQuorum has it', async () => {
  const { ask, asked } = nodeWith({
    istanbul_getValidators: () => [C, B, A],
    istanbul_candidates: () => ({}),
    istanbul_propose: () => null,
    istanbul_nodeAddress: () => written(C),
    istanbul_getSignersFromBlock: () => ({ Number: 3, Hash: '0x00', Author: written(A), Committers: [A, C] }),
    eth_blockNumber: () => '0x3',
  })
  const voting = await openVoting(ask)
  assert.equal(voting.consensus, 'istanbul')
  assert.deepEqual(await voting.validators(), [A, B, C])
  assert.equal((await voting.proposals()).size, 0)
  assert.equal(await voting.self(), C)
  assert.deepEqual(await voting.active(2), new Set([A, C]))
  await voting.propose(B, false)
  assert.deepEqual(asked.at(-1), ['istanbul_propose', B, false])
  assert.deepEqual([1, 2, 3, 4, 5].map(voting.needed), [1, 2, 2, 3, 4])
})

test('a node without either is told what to switch on; one that is away is away', async () => {
  await assert.rejects(openVoting(nodeWith({}).ask), {
    code: 'unsupported',
    message: /switch its API clique or istanbul on/,
  })
  const away = nodeWith({
    clique_getSigners: () => {
      throw new Error('connect ECONNREFUSED')
    },
  })
  await assert.rejects(openVoting(away.ask), { code: 'unreachable' })
})

test('a node that seals with nothing has no address of its own', async () => {
  const { ask } = nodeWith({
    clique_getSigners: () => [A],
    eth_coinbase: () => {
      throw new RpcError(-32000, 'etherbase must be explicitly specified')
    },
  })
  assert.equal(await (await openVoting(ask)).self(), undefined)
})

test('answers that are no addresses are refused', async () => {
  for (const answer of [null, {}, 'x', ['0x12'], [7], Array.from({ length: 513 }, () => A)]) {
    const { ask } = nodeWith({ clique_getSigners: () => answer, clique_proposals: () => ({ no: true }) })
    const voting = await openVoting(ask)
    await assert.rejects(voting.validators(), { name: 'LedgerError', code: 'corrupt' })
    await assert.rejects(voting.proposals(), { name: 'LedgerError', code: 'corrupt' })
  }
})
