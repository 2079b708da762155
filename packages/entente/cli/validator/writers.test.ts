import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { LedgerError } from '#ledger/error.ts'
import { createMemoryJournal } from '#ledger/journal.ts'
import { waitFor } from '../../../../test/support/evm-network.ts'
import { followWriters } from './writers.ts'

const [A, B] = ['a1', 'b2'].map(byte => `0x${byte.repeat(20)}`) as [string, string]

/** What a registry answers, or that it is away. */
function setUp(t: TestContext, answer: string[] | Error, memory = createMemoryJournal()) {
  const state = { answer, lines: [] as string[] }
  const follow = async () => {
    const followed = await followWriters({
      read: async () => {
        if (state.answer instanceof Error) throw state.answer
        return { writers: state.answer, block: 5 }
      },
      memory,
      log: (level, message) => void state.lines.push(`${level} ${message}`),
      intervalMs: 10,
    })
    t.after(() => followed.close())
    return followed
  }
  return { state, follow }
}
const away = new LedgerError('unreachable', 'the registry is away')

test('who writes is what the registry says, and goes on while it is away', async t => {
  const { state, follow } = setUp(t, [A])
  const followed = await follow()
  assert.deepEqual(followed.now(), new Set([A]))
  state.answer = away
  await waitFor('a failure', async () => state.lines.length === 2)
  assert.deepEqual(followed.now(), new Set([A]))
  state.answer = [B]
  await waitFor('the others', async () => (followed.now() as Set<string>).has(B))
  assert.deepEqual(state.lines, [
    'info the registry says who writes',
    'error the registry is away',
    'info the registry says who writes',
  ])
})

test('nobody writes before the registry was ever seen; none named is anyone', async t => {
  const { state, follow } = setUp(t, away)
  const followed = await follow()
  assert.equal(followed.now(), undefined)
  state.answer = []
  await waitFor('an answer', async () => followed.now() === 'anyone')
})

test('a start while the registry is away goes on with what an earlier process saw', async t => {
  const set = JSON.stringify([[], [A, 'no address'], 1])
  const seen = { format: 'entente/validator/v1', registry: 'r', id: 'i', block: 3, block_hash: 'h', time: 1, set }
  const { follow } = setUp(t, away, createMemoryJournal(new TextEncoder().encode(JSON.stringify(seen))))
  assert.deepEqual((await follow()).now(), new Set([A]))
})
