import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryJournal } from '#ledger/journal.ts'
import { createRegistryReader, type RegistryOptions } from './registry.ts'

const ID = `0x${'c4'.repeat(32)}`
const [A, B, C] = ['a1', 'b2', 'c3'].map(byte => `0x${byte.repeat(20)}`) as [string, string, string]

/** A registry whose blocks a test makes. */
function createRegistry() {
  const state = {
    block: 10,
    final: 10,
    hash: (block: number) => `0x${String(block).padStart(64, '0')}`,
    genesis: '0x01',
    value: { validators: [A, B], writers: [C], minimum: 2 } as
      | { validators: string[]; writers: string[]; minimum: number }
      | undefined,
    asked: [] as (number | undefined)[],
  }
  const chain = {
    identity: async () => ({
      ledger: 'evm',
      chainId: '7',
      genesis: state.genesis,
      contracts: { ConsortiumRegistry: '0x99' },
    }),
    head: async () => ({ block: state.block, time: state.block, final: state.final }),
    get: async (_kind: string, id: string, block?: number) => {
      assert.equal(id, ID)
      state.asked.push(block)
      const at = block ?? state.block
      return { value: state.value, level: 'proven', block: at, blockHash: state.hash(at), time: 1_800_000_000 + at }
    },
  } as unknown as Awaited<ReturnType<RegistryOptions['open']>>
  return { state, open: async () => chain }
}

test('it is read at its newest final block, and what is no address is told apart', async () => {
  const { state, open } = createRegistry()
  const hash = `0x${'ff'.repeat(32)}`
  state.value = { validators: [A, hash, A], writers: [C], minimum: 2 }
  Object.assign(state, { block: 10, final: 7 })
  const read = createRegistryReader({ open, id: ID, memory: createMemoryJournal() })
  const { validators, writers, strangers, block, level, minimum } = await read()
  assert.deepEqual(
    { validators, writers, strangers, block, level, minimum },
    { validators: [A], writers: [C], strangers: [hash], block: 7, level: 'proven', minimum: 2 },
  )
  assert.deepEqual(state.asked, [7])
})

test('a registry that goes back is not followed, in this process or the next', async () => {
  const { state, open } = createRegistry()
  const memory = createMemoryJournal()
  const read = createRegistryReader({ open, id: ID, memory })
  await read()
  Object.assign(state, { block: 20, final: 20 })
  state.value = { validators: [A], writers: [], minimum: 1 }
  await read()
  state.final = 19
  const evidence = { name: 'CliError', code: 'evidence' }
  await assert.rejects(read(), { ...evidence, message: /went back: block 19 of .*, and block 20 of/ })
  const again = createRegistryReader({ open, id: ID, memory })
  await assert.rejects(again(), { ...evidence, message: /went back: block 19/ })
  state.final = 20
  assert.equal((await read()).block, 20)
  assert.equal((await again()).block, 20)
  const hash = state.hash
  state.hash = block => hash(block).replace('0x0', '0x1')
  await assert.rejects(read(), { ...evidence, message: /block 20 is 0x1.*, and it was 0x0/ })
})

test('another registry under the same address is not followed', async () => {
  const { state, open } = createRegistry()
  const memory = createMemoryJournal()
  await createRegistryReader({ open, id: ID, memory })()
  state.genesis = '0x02'
  Object.assign(state, { block: 99, final: 99 })
  const read = createRegistryReader({ open, id: ID, memory })
  await assert.rejects(read(), { code: 'evidence', message: /0x02 .*so far chain 7 0x01 0x99 was followed/ })
})

test('only a change of the set is written down', async () => {
  const { state, open } = createRegistry()
  const cell = createMemoryJournal()
  let writes = 0
  const memory = { ...cell, write: async (bytes: Uint8Array | undefined) => (writes++, cell.write(bytes)) }
  const read = createRegistryReader({ open, id: ID, memory })
  for (const block of [10, 11, 12]) {
    Object.assign(state, { block, final: block })
    await read()
  }
  assert.equal(writes, 1)
  state.value = { validators: [A, B, C], writers: [C], minimum: 2 }
  await read()
  assert.equal(writes, 2)
})

test('a chain that the registry does not know, and a state that is none', async () => {
  const { state, open } = createRegistry()
  state.value = undefined
  const read = createRegistryReader({ open, id: ID, memory: createMemoryJournal() })
  await assert.rejects(read(), { code: 'no', message: /knows no chain 0xc4/ })
  const memory = createMemoryJournal(new TextEncoder().encode('{"format":"other"}'))
  await assert.rejects(createRegistryReader({ open, id: ID, memory })(), {
    code: 'evidence',
    message: /remove the file/,
  })
})
