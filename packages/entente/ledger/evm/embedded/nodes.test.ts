import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMPT } from '@ethereumjs/mpt'
import fc from 'fast-check'
import { keccak256, toRlp } from 'viem'
import { type NodeKey, childrenOf, nodeChanges } from './nodes.ts'

const EMPTY: NodeKey = '56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421'
const CODE = 'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'
const KEEP = 3

type Row = { references: number; died: number | undefined; data: Uint8Array }
const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'))
const hex = (data: Uint8Array) => Buffer.from(data).toString('hex')
const word = (n: number) => bytes(keccak256(Uint8Array.of(n)).slice(2))

/** An account trie and its storage tries over a table of nodes that is pruned as the store does it. */
function model() {
  const table = new Map<NodeKey, Row>()
  const roots: NodeKey[] = [EMPTY]

  const trieOf = (root: NodeKey, written: Map<NodeKey, Uint8Array>) => {
    const db = {
      get: async (key: string) => written.get(key) ?? table.get(key)?.data,
      put: async (key: string, value: Uint8Array) => void written.set(key, value),
      del: async () => undefined,
      batch: async (ops: { key: string; value?: Uint8Array }[]) =>
        ops.forEach(op => op.value !== undefined && written.set(op.key, op.value)),
      shallowCopy: () => db,
      open: async () => undefined,
    }
    return createMPT({ db: db as never, root: bytes(root), valueEncoding: 'view' })
  }

  return {
    table,
    roots,
    /** One block: sets storage values of accounts (0 deletes), all within one write. */
    async block(writes: readonly (readonly [account: number, slot: number, value: number])[]) {
      const oldRoot = roots.at(-1) ?? EMPTY
      const written = new Map<NodeKey, Uint8Array>()
      const accounts = await trieOf(oldRoot, written)
      for (const [account, slot, value] of writes) {
        const rlp = await accounts.get(word(account))
        const storageRoot = rlp === null ? EMPTY : hex(rlp.subarray(rlp.length - 65, rlp.length - 33))
        const storage = await trieOf(storageRoot, written)
        if (value === 0) await storage.del(word(slot))
        else await storage.put(word(slot), toRlp(word(value), 'bytes'))
        await accounts.put(
          word(account),
          toRlp([Uint8Array.of(account), new Uint8Array(0), storage.root(), bytes(CODE)], 'bytes'),
        )
      }
      const newRoot = hex(accounts.root())
      const changes = nodeChanges(oldRoot, newRoot, written, {
        data: key => table.get(key)?.data ?? assert.fail(`node ${key} is missing`),
        references: key => table.get(key)?.references ?? 0,
      })
      const number = roots.push(newRoot) - 1
      for (const [key, { references, data }] of changes.born) table.set(key, { references, data, died: undefined })
      for (const [key, references] of changes.counted) Object.assign(table.get(key) ?? assert.fail(key), { references })
      for (const key of changes.died) Object.assign(table.get(key) ?? assert.fail(key), { references: 0, died: number })
      for (const [key, { died }] of table) if (died !== undefined && died <= number - KEEP + 1) table.delete(key)
    },
  }
}

/** Every node under a root is there; gives the count of references to each. */
function walk(table: ReadonlyMap<NodeKey, Row>, root: NodeKey): Map<NodeKey, number> {
  const counts = new Map<NodeKey, number>()
  const open = root === EMPTY ? [] : [root]
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    counts.set(key, (counts.get(key) ?? 0) + 1)
    if (counts.get(key) !== 1) continue
    open.push(...childrenOf(key, table.get(key)?.data ?? assert.fail(`node ${key} was pruned too early`)))
  }
  return counts
}

function assertWhole({ table, roots }: ReturnType<typeof model>): void {
  for (const root of roots.slice(-KEEP)) walk(table, root)
  const counts = walk(table, roots.at(-1) ?? EMPTY)
  for (const [key, { references, died }] of table) {
    assert.equal(references, counts.get(key) ?? 0)
    assert.equal(died === undefined, references > 0)
  }
  for (const key of counts.keys()) assert.ok(table.has(key))
}

test('the newest states are whole and nothing else is kept, whatever is written', async () => {
  // Few accounts, slots and values: nodes are shared between accounts, die and come back.
  const write = fc.tuple(fc.nat(3), fc.nat(20), fc.nat(3))
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(write, { minLength: 1, maxLength: 6 }), { maxLength: 12 }), async blocks => {
      const state = model()
      for (const writes of blocks) {
        await state.block(writes)
        assertWhole(state)
      }
    }),
    { seed: 20, numRuns: 150 },
  )
})

test('two accounts with the same storage share its nodes; dropping one keeps the other', async () => {
  const state = model()
  const fill = (account: number) => Array.from({ length: 20 }, (_, slot) => [account, slot, 1] as const)
  await state.block(fill(1))
  await state.block(fill(2))
  assert.ok([...state.table.values()].some(({ references }) => references === 2))
  for (let i = 0; i <= KEEP; i++) {
    await state.block(fill(1).map(([account, slot]) => [account, slot, 0] as const))
    assertWhole(state)
  }
  const before = state.table.size
  await state.block(fill(1)) // the same content is born again
  assertWhole(state)
  assert.ok(state.table.size >= before)
})
