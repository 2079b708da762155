import { sha256, sha256Into } from '#sha256'

/** Bytes of a hash (SHA-256). */
export const HASH_SIZE = 32

/** RFC 9162 section 2.1.1: the hash of an empty list is the hash of an empty string. Do not write to it. */
export const EMPTY_ROOT: Uint8Array = sha256(new Uint8Array(0))

// One node at a time is hashed, from start to end, so one scratch buffer is enough.
const node = new Uint8Array(1 + 2 * HASH_SIZE)
node[0] = 0x01

/** RFC 9162 section 2.1.1: SHA-256(0x00 || entry). */
export function hashLeaf(entry: Uint8Array): Uint8Array {
  const leaf = new Uint8Array(1 + entry.length)
  leaf.set(entry, 1)
  return sha256(leaf)
}

// What Entente's logs are made of: commitments of 32 bytes.
const shortLeaf = new Uint8Array(1 + HASH_SIZE)

/** As {@link hashLeaf}, written to `target` at `targetAt`: to fill what `TreeEdge.append` takes. */
export function hashLeafInto(entry: Uint8Array, target: Uint8Array, targetAt: number): void {
  const leaf = entry.length === HASH_SIZE ? shortLeaf : new Uint8Array(1 + entry.length)
  leaf.set(entry, 1)
  sha256Into(leaf, target, targetAt)
}

/** RFC 9162 section 2.1.1: SHA-256(0x01 || left || right), of two hashes of 32 bytes. */
export function hashChildren(left: Uint8Array, right: Uint8Array): Uint8Array {
  node.set(left, 1)
  node.set(right, 1 + HASH_SIZE)
  return sha256(node)
}

/**
 * As {@link hashChildren}, of the hashes at `leftAt` in `left` and `rightAt` in `right`, written to `target` at `targetAt` (which may be where
 * one of them lies). For trees of many leaves: views of arrays cost as much as the hash.
 */
export function hashChildrenInto(
  left: Uint8Array,
  leftAt: number,
  right: Uint8Array,
  rightAt: number,
  target: Uint8Array,
  targetAt: number,
): void {
  for (let i = 0; i < HASH_SIZE; i++) {
    node[1 + i] = left[leftAt + i]!
    node[1 + HASH_SIZE + i] = right[rightAt + i]!
  }
  sha256Into(node, target, targetAt)
}

/** Are two hashes the same bytes? They are public, so the time that this takes tells nothing. */
export function equalHashes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
