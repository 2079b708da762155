import { sha256 } from '#sha256'
import { equalHashes, HASH_SIZE, hashChildren } from '#tlog/index.ts'
import { ProofError } from './error.ts'

/** The head of a collection: how many records it has, and the RFC 9162 root over their commitments. `key`: {@link collectionKey}. */
export type Head = { key: Uint8Array; count: number; root: Uint8Array }

const KEY_BITS = 256
const EMPTY = new Uint8Array(HASH_SIZE)
const encoder = new TextEncoder()

/** docs/formats.md 4: SHA-256(`entente/collection/v1` LF, API root, LF, UUID of the collection, LF). */
export function collectionKey(apiRoot: string, collection: string): Uint8Array {
  return sha256(encoder.encode(`entente/collection/v1\n${apiRoot}\n${collection}\n`))
}

/**
 * docs/formats.md 4: root of the heads map, a binary trie over the keys.
 *
 * @throws ProofError `heads` for a key that is there twice
 */
export function headsMapRoot(heads: readonly Head[]): Uint8Array {
  return hashRange(sorted(heads), 0)
}

/**
 * The map path of a collection: sibling hashes from its leaf up.
 *
 * @throws ProofError `heads` where no head has the key
 */
export function headsMapPath(heads: readonly Head[], key: Uint8Array): Uint8Array[] {
  let range = sorted(heads)
  if (!range.some(head => equalHashes(head.key, key))) throw new ProofError('heads', 'the map has no such collection')
  const path: Uint8Array[] = []
  for (let depth = 0; range.length > 1; depth++) {
    const middle = split(range, depth)
    const [left, right] = [range.slice(0, middle), range.slice(middle)]
    const goRight = bit(key, depth) === 1
    path.push(hashRange(goRight ? left : right, depth + 1))
    range = goRight ? right : left
  }
  return path.reverse()
}

/**
 * The map root to which a head and its path lead. A key has one place only, so one root holds at most one head for it.
 *
 * @throws ProofError `heads` where that is not `root`
 */
export function verifyHeadsMapPath(head: Head, path: readonly Uint8Array[], root: Uint8Array): void {
  if (path.length > KEY_BITS) throw new ProofError('heads', `a map path of ${path.length} hashes`)
  let hash = hashHead(head)
  for (let depth = path.length - 1; depth >= 0; depth--) {
    const sibling = path[path.length - 1 - depth]!
    hash = bit(head.key, depth) === 1 ? hashChildren(sibling, hash) : hashChildren(hash, sibling)
  }
  if (!equalHashes(hash, root))
    throw new ProofError('heads', 'the map path of the collection does not lead to the map root')
}

function hashHead(head: Head): Uint8Array {
  const text = new Uint8Array(1 + HASH_SIZE + 8 + HASH_SIZE)
  text.set(head.key, 1)
  new DataView(text.buffer).setBigUint64(1 + HASH_SIZE, BigInt(head.count))
  text.set(head.root, 1 + HASH_SIZE + 8)
  return sha256(text)
}

/** The hash of a set at a depth: `heads` in order of their keys, all with the same first `depth` bits. */
function hashRange(heads: readonly Head[], depth: number): Uint8Array {
  const [only] = heads
  if (only === undefined) return EMPTY
  if (heads.length === 1) return hashHead(only)
  const middle = split(heads, depth)
  return hashChildren(hashRange(heads.slice(0, middle), depth + 1), hashRange(heads.slice(middle), depth + 1))
}

/** Where those with bit `depth` set begin. */
function split(heads: readonly Head[], depth: number): number {
  const middle = heads.findIndex(head => bit(head.key, depth) === 1)
  return middle < 0 ? heads.length : middle
}

/** Bit 0 is the most significant bit of the first byte. */
function bit(key: Uint8Array, index: number): number {
  return (key[index >> 3]! >> (7 - (index & 7))) & 1
}

function sorted(heads: readonly Head[]): Head[] {
  const inOrder = [...heads].sort((a, b) => compare(a.key, b.key))
  for (const [i, head] of inOrder.entries()) {
    if (head.key.length !== HASH_SIZE || head.root.length !== HASH_SIZE) {
      throw new ProofError('heads', 'a key and a root have 32 bytes each')
    }
    if (i > 0 && equalHashes(inOrder[i - 1]!.key, head.key))
      throw new ProofError('heads', 'one collection has two heads')
  }
  return inOrder
}

function compare(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - (b[i] ?? -1)
  return 0
}
