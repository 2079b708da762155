// Our tries against those of @ethereumjs/mpt: the same root after whatever changes, the same values, no node missing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMPT } from '@ethereumjs/mpt'
import fc from 'fast-check'
import { keccak256 } from './crypto.ts'
import { EMPTY_ROOT, type NodeKey } from './nodes.ts'
import { type Change, readTrie, updateTrie } from './trie.ts'

const hex = (data: Uint8Array) => Buffer.from(data).toString('hex')

/** Few keys, many of which begin alike: so that leaves, branches and extensions are split and joined again. */
const key = fc
  .tuple(
    fc.constantFrom(0, 0x10, 0x11, 0xff),
    fc.constantFrom(0, 1),
    fc.constantFrom(0, 3, 0x30),
    fc.constantFrom(0, 7),
  )
  .map(([a, b, c, last]) =>
    Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? a : i === 1 ? b : i === 20 ? c : i === 31 ? last : 0)),
  )
/** Values of a byte lie in their parents, longer ones do not. */
const value = fc.oneof(
  fc.constant(undefined),
  fc.uint8Array({ minLength: 1, maxLength: 3 }),
  fc.uint8Array({ minLength: 33, maxLength: 40 }),
)
const changes = fc.uniqueArray(fc.record({ key, value }), { maxLength: 12, selector: change => hex(change.key) })

async function compare(blocks: readonly (readonly Change[])[]): Promise<number> {
  const theirs = await createMPT()
  const nodes = new Map<NodeKey, Uint8Array>()
  const read = (node: NodeKey) => nodes.get(node) ?? assert.fail(`node ${node} is missing`)
  const expected = new Map<string, Uint8Array>()
  let root = EMPTY_ROOT
  for (const block of blocks) {
    const written = new Map<NodeKey, Uint8Array>()
    root = updateTrie(root, block, read, (node, data) => written.set(node, data))
    for (const [node, data] of written) {
      assert.equal(node, hex(keccak256(data)))
      nodes.set(node, data)
    }
    for (const { key, value } of block) {
      if (value === undefined) expected.delete(hex(key))
      else expected.set(hex(key), value)
      await (value === undefined ? theirs.del(key) : theirs.put(key, value))
    }
    assert.equal(root, hex(theirs.root()))
    for (const { key } of blocks.flat()) assert.deepEqual(readTrie(root, key, read), expected.get(hex(key)))
  }
  return expected.size
}

test('the roots and values of any blocks of changes are those of the other library', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(changes, { maxLength: 8 }), async blocks => void (await compare(blocks))),
    { seed: 38, numRuns: 150 },
  )
})

test('a large trie, filled, changed and emptied', async () => {
  const keys = Array.from({ length: 300 }, (_, n) => keccak256(Buffer.from(`key ${n}`)))
  const some = (from: number, to: number, value: Uint8Array | undefined) =>
    keys.slice(from, to).map(key => ({ key, value }))
  const blocks = [some(0, 200, Uint8Array.of(1)), some(180, 300, new Uint8Array(32).fill(7)), some(20, 280, undefined)]
  assert.equal(await compare(blocks), 40)
  assert.equal(await compare([...blocks, some(0, 300, undefined)]), 0)
})

test('a node that is missing or none is an error', () => {
  const key = keccak256(Uint8Array.of(1))
  const missing = () => {
    throw new Error('it is missing')
  }
  assert.throws(() => readTrie('00'.repeat(32), key, missing), /missing/)
  assert.throws(() => updateTrie('00'.repeat(32), [{ key, value: key }], missing, () => {}), /missing/)
  assert.throws(() => readTrie('00'.repeat(32), key, () => Uint8Array.of(0x80)), /no list/)
  assert.throws(() => readTrie('00'.repeat(32), key, () => Uint8Array.of(0xc1, 0x80)), /1 items/)
})
