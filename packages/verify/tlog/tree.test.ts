import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  consistencyProof,
  EMPTY_ROOT,
  hashChildren,
  hashLeaf,
  hashLeafInto,
  HASH_SIZE,
  inclusionProof,
  TILE_WIDTH,
  type Tile,
  tileHashReader,
  TreeEdge,
  treeRoot,
  verifiedTileReader,
  verifyConsistency,
  verifyInclusion,
} from './index.ts'

const SEED = 20261122

/** RFC 9162 section 2.1.1, word for word. */
function definedRoot(leaves: Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return EMPTY_ROOT
  if (leaves.length === 1) return leaves[0]!
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return hashChildren(definedRoot(leaves.slice(0, k)), definedRoot(leaves.slice(k)))
}

function leaf(i: number): Uint8Array {
  return hashLeaf(new TextEncoder().encode(`leaf ${i}`))
}

function leaves(from: number, to: number): Uint8Array {
  const all = new Uint8Array((to - from) * HASH_SIZE)
  for (let i = from; i < to; i++) all.set(leaf(i), (i - from) * HASH_SIZE)
  return all
}

/** Tiles as a store would keep them: the latest state of each. */
class Tiles {
  readonly byName = new Map<string, Uint8Array>()
  add(tiles: Tile[]): void {
    for (const { level, index, data } of tiles) this.byName.set(`${level}/${index}`, data.slice())
  }
  readonly read = (level: number, index: number, width: number): Uint8Array => {
    const tile = this.byName.get(`${level}/${index}`)
    assert.ok(
      tile !== undefined && tile.length >= width * HASH_SIZE,
      `tile ${level}/${index} of width ${width} is missing`,
    )
    return tile
  }
}

test('the root of the growing edge is the defined one, at every size up to 300', () => {
  const edge = TreeEdge.empty()
  const all: Uint8Array[] = []
  assert.deepEqual(edge.root(), EMPTY_ROOT)
  for (let size = 1; size <= 300; size++) {
    all.push(leaf(size - 1))
    edge.append(leaves(size - 1, size))
    assert.deepEqual(edge.root(), definedRoot(all), `size ${size}`)
  }
})

test('every inclusion and consistency proof of sizes up to 300 verifies', () => {
  const tiles = new Tiles()
  const edge = TreeEdge.empty()
  const roots = [EMPTY_ROOT]
  for (let size = 1; size <= 300; size++) {
    tiles.add(edge.append(leaves(size - 1, size)))
    roots.push(edge.root())
    const reader = tileHashReader(size, tiles.read)
    assert.deepEqual(treeRoot(size, reader), edge.root())
    // all of the small trees, and every seventeenth pair of the others with both ends
    const step = size <= 40 || size === 300 ? 1 : 17
    for (let i = size % step; i < size; i += step) {
      verifyInclusion(i, size, leaf(i), inclusionProof(i, size, reader), edge.root())
    }
    for (let old = size % step; old <= size; old += step) {
      verifyConsistency(old, size, consistencyProof(old, size, reader), roots[old]!, edge.root())
    }
  }
})

test('a flipped bit anywhere in a proof, a leaf or a root is refused, as is a neighbouring index or size', () => {
  const tiles = new Tiles()
  const edge = TreeEdge.empty()
  const refused = { name: 'TlogError', code: /inconsistent|argument/ }
  const roots: Uint8Array[] = [EMPTY_ROOT]
  for (let size = 1; size <= 21; size++) {
    tiles.add(edge.append(leaves(size - 1, size)))
    roots.push(edge.root())
  }
  const flips = function* (hashes: Uint8Array[]): Generator<void> {
    for (const hash of hashes) {
      for (let bit = 0; bit < hash.length * 8; bit++) {
        hash[bit >> 3]! ^= 1 << (bit & 7)
        yield
        hash[bit >> 3]! ^= 1 << (bit & 7)
      }
    }
  }
  for (const size of [1, 2, 7, 8, 21]) {
    const reader = tileHashReader(size, tiles.read)
    for (const index of [0, size >> 1, size - 1]) {
      const [hash, proof, root] = [leaf(index), inclusionProof(index, size, reader), roots[size]!.slice()]
      for (const _ of flips([hash, ...proof, root])) {
        assert.throws(() => verifyInclusion(index, size, hash, proof, root), refused)
      }
      verifyInclusion(index, size, hash, proof, root)
      assert.throws(() => verifyInclusion(index + 1, size, hash, proof, root), refused)
      assert.throws(() => verifyInclusion(index, size, hash, [...proof, root], root), refused)
      if (proof.length > 0) assert.throws(() => verifyInclusion(index, size, hash, proof.slice(1), root), refused)
    }
    for (let old = 1; old <= size; old++) {
      const [proof, oldRoot, root] = [consistencyProof(old, size, reader), roots[old]!.slice(), roots[size]!.slice()]
      for (const _ of flips([...proof, oldRoot, root])) {
        assert.throws(() => verifyConsistency(old, size, proof, oldRoot, root), refused)
      }
      verifyConsistency(old, size, proof, oldRoot, root)
      assert.throws(() => verifyConsistency(old, size, [...proof, root], oldRoot, root), refused)
      if (old < size) assert.throws(() => verifyConsistency(old, size, proof.slice(1), oldRoot, root), refused)
    }
  }
})

test('random batches: tiles, root and a reopened edge agree, and a dropped clone leaves no trace', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 700 }), { minLength: 1, maxLength: 8 }), fc.boolean(), (batches, reopen) => {
      const tiles = new Tiles()
      let edge = TreeEdge.empty()
      for (const batch of batches) {
        const failed = edge.clone()
        failed.append(new Uint8Array(300 * HASH_SIZE).fill(0xee))
        const staged = edge.clone()
        const before = edge.root()
        const touched = staged.append(leaves(edge.size, edge.size + batch))
        assert.deepEqual(edge.root(), before)
        tiles.add(touched)
        edge = reopen ? TreeEdge.open(staged.size, tiles.read) : staged
      }
      const reader = tileHashReader(edge.size, tiles.read)
      assert.deepEqual(edge.root(), treeRoot(edge.size, reader))
      const whole = TreeEdge.empty()
      const atOnce = new Tiles()
      atOnce.add(whole.append(leaves(0, edge.size)))
      assert.deepEqual(whole.root(), edge.root())
      assert.deepEqual(new Map([...atOnce.byName].sort()), new Map([...tiles.byName].sort()))
    }),
    { seed: SEED, numRuns: 40 },
  )
})

test('tlog-tiles: a tree of 70,000 has these tiles, one of 256 has a full one and its parent', () => {
  const edge = TreeEdge.empty()
  const widths = (tiles: Tile[], level: number) =>
    tiles.filter(tile => tile.level === level).map(tile => tile.data.length / HASH_SIZE)
  const small = edge.append(leaves(0, 256))
  assert.deepEqual([widths(small, 0), widths(small, 1), small.length], [[256], [1], 2])
  const all = edge.append(leaves(256, 70_000))
  assert.deepEqual(widths(all, 0), [...Array.from({ length: 272 }, () => 256), 112])
  assert.deepEqual(widths(all, 1), [256, 17])
  assert.deepEqual(widths(all, 2), [1])
  assert.deepEqual(edge.append(new Uint8Array(0)), [])
})

test('a clone shares tiles until one of the two writes: the bytes handed out never change', () => {
  const edge = TreeEdge.empty()
  edge.append(leaves(0, 100))
  const clone = edge.clone()
  const [ours] = edge.append(leaves(100, 101))
  const [theirs] = clone.append(leaves(200, 201))
  assert.deepEqual(ours!.data.slice(-HASH_SIZE), leaf(100))
  assert.deepEqual(theirs!.data.slice(-HASH_SIZE), leaf(200))
  const kept = ours!.data.slice()
  edge.append(leaves(101, 400))
  assert.deepEqual(ours!.data, kept)
})

test('tiles from an untrusted store are checked against the root', () => {
  const size = 70_000
  const tiles = new Tiles()
  const edge = TreeEdge.empty()
  tiles.add(edge.append(leaves(0, size)))
  const root = edge.root()
  const read = verifiedTileReader(size, root, tiles.read)
  for (const [level, index] of [
    [0, 0],
    [0, 272],
    [0, 273],
    [1, 0],
    [1, 1],
    [2, 0],
  ] as const) {
    const data = read(level, index, 1)
    assert.deepEqual(data, tiles.read(level, index, 1).slice(0, HASH_SIZE))
  }
  assert.throws(() => read(0, 274, 1), { code: 'argument' })
  assert.throws(() => verifiedTileReader(size, leaf(0), tiles.read), { code: 'tile' })
  for (const name of ['0/0', '1/0', '0/200']) {
    const tile = tiles.byName.get(name)!
    tile[5]! ^= 1
    const lazily = verifiedTileReader(size, root, tiles.read)
    const [level, index] = name.split('/').map(Number) as [number, number]
    assert.throws(() => lazily(level, index, TILE_WIDTH), { code: 'tile' }, name)
    tile[5]! ^= 1
  }
  for (const name of ['0/273', '1/1', '2/0']) {
    const tile = tiles.byName.get(name)!
    tile[5]! ^= 1
    assert.throws(() => verifiedTileReader(size, root, tiles.read), { code: 'tile' }, name)
    tile[5]! ^= 1
  }
})

test('hashLeafInto is hashLeaf, whatever the length', () => {
  for (const length of [0, 1, 31, 32, 33, 1000]) {
    const entry = new Uint8Array(length).fill(length)
    const target = new Uint8Array(40)
    hashLeafInto(entry, target, 5)
    assert.deepEqual(target.slice(5, 37), hashLeaf(entry))
    assert.deepEqual([...target.slice(0, 5), ...target.slice(37)], [0, 0, 0, 0, 0, 0, 0, 0])
  }
})

test('sizes, indexes and lengths that make no sense are refused', () => {
  const edge = TreeEdge.empty()
  const reader = tileHashReader(10, () => new Uint8Array(0))
  assert.throws(() => edge.append(new Uint8Array(33)), { code: 'argument' })
  assert.throws(() => TreeEdge.open(-1, () => new Uint8Array(0)), { code: 'argument' })
  assert.throws(() => TreeEdge.open(3, () => new Uint8Array(64)), { code: 'tile' })
  assert.throws(() => inclusionProof(10, 10, reader), { code: 'argument' })
  assert.throws(() => consistencyProof(11, 10, reader), { code: 'argument' })
  assert.throws(() => inclusionProof(1, 10, reader), { code: 'tile' })
  assert.throws(() => verifyInclusion(1, 1, EMPTY_ROOT, [], EMPTY_ROOT), { code: 'argument' })
  assert.throws(() => verifyInclusion(0, 2n ** 64n, EMPTY_ROOT, [], EMPTY_ROOT), { code: 'argument' })
  assert.throws(() => verifyConsistency(2, 1, [], EMPTY_ROOT, EMPTY_ROOT), { code: 'argument' })
})
