import { keccak_256 } from '@noble/hashes/sha3.js'
import { equalHashes } from '#tlog/index.ts'
import { ProofError } from './error.ts'
import { decodeRlp, type RlpItem, rlpBytes, rlpList } from './rlp.ts'

/** A path of 64 nibbles, and the root. */
const MAX_NODES = 65
/** The largest node is a branch: 16 hashes and a value. */
const MAX_NODE_SIZE = 2048

/** keccak-256 of the RLP of nothing: the root of a trie that holds nothing. */
const EMPTY_ROOT = keccak_256(Uint8Array.of(0x80))

/**
 * The value under `key` in a Merkle-Patricia trie (Ethereum Yellow Paper, appendix D) whose keys are hashed, as in the state and
 * storage tries of `eth_getProof`; undefined where the nodes show that there is none.
 *
 * @param root 32 bytes
 * @param key before hashing: an address, or a storage slot
 * @param nodeOf the node that has this hash, decoded: whoever gives it has checked that
 * @throws ProofError `seal` where a node is none of such a trie
 */
export function readTrie(
  root: Uint8Array,
  key: Uint8Array,
  nodeOf: (hash: Uint8Array) => RlpItem,
): Uint8Array | undefined {
  if (equalHashes(root, EMPTY_ROOT)) return undefined
  const path = toNibbles(keccak_256(key))
  let node = nodeOf(root)
  for (let at = 0; ; ) {
    const items = rlpList(node, 'a node of the state proof')
    let child: RlpItem | undefined
    if (items.length === 17) {
      if (at === path.length) return valueOf(items[16], 'the value of a branch')
      child = items[path[at]!]
      at++
    } else {
      rlpList(node, 'a node of the state proof', 2)
      const { nibbles, isLeaf } = decodePath(rlpBytes(items[0], 'the path of a node'))
      if (!nibbles.every((nibble, i) => path[at + i] === nibble)) return undefined
      at += nibbles.length
      if (isLeaf) return at === path.length ? valueOf(items[1], 'the value of a leaf') : undefined
      child = items[1]
    }
    // A node of less than 32 bytes lies in its parent itself, another one is named by its hash
    if (Array.isArray(child)) node = child
    else if (child?.length === 32) node = nodeOf(child)
    else if (child?.length === 0 && items.length === 17) return undefined
    else throw new ProofError('seal', 'a node of the state proof names no other')
  }
}

/**
 * {@link readTrie} of a key that must be there.
 *
 * @param nodes RLP of the nodes from the root down, all of them used
 * @throws ProofError `seal`, also where the key is proven to be absent
 */
export function verifyTrieProof(root: Uint8Array, key: Uint8Array, nodes: readonly Uint8Array[]): Uint8Array {
  let used = 0
  const value = readTrie(root, key, hash => decodeTrieNode(hash, nodes[used++], used - 1))
  if (used !== nodes.length) throw new ProofError('seal', `${nodes.length - used} nodes too many in the state proof`)
  if (value === undefined) throw new ProofError('seal', 'the state does not hold the key')
  return value
}

/**
 * A node, held against the hash by which its parent names it.
 *
 * @param depth how many nodes are above it, for the message
 * @throws ProofError `seal`
 */
export function decodeTrieNode(hash: Uint8Array, node: Uint8Array | undefined, depth: number): RlpItem {
  if (node === undefined || depth >= MAX_NODES || node.length > MAX_NODE_SIZE || !equalHashes(keccak_256(node), hash))
    throw new ProofError('seal', `node ${depth} of the state proof is not the one that its parent names`)
  return decodeRlp(node)
}

function valueOf(item: RlpItem | undefined, what: string): Uint8Array | undefined {
  const value = rlpBytes(item, what)
  return value.length === 0 ? undefined : value
}

/** Hex-prefix encoding: a flag nibble (1: odd, 2: leaf), then the path. */
function decodePath(bytes: Uint8Array): { nibbles: number[]; isLeaf: boolean } {
  const [flag, ...nibbles] = toNibbles(bytes)
  if (flag === undefined || flag > 3) throw new ProofError('seal', 'a node of the state proof has no valid path')
  if (flag % 2 === 0 && nibbles.shift() !== 0)
    throw new ProofError('seal', 'a path of even length is not padded with 0')
  return { nibbles, isLeaf: flag >= 2 }
}

function toNibbles(bytes: Uint8Array): number[] {
  return [...bytes].flatMap(byte => [byte >> 4, byte & 15])
}
