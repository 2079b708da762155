import { keccak_256 } from '@noble/hashes/sha3.js'
import { equalHashes } from '#tlog/index.ts'
import { ProofError } from './error.ts'
import { decodeRlp, type RlpItem, rlpBytes, rlpList } from './rlp.ts'

/** A path of 64 nibbles, and the root. */
const MAX_NODES = 65
/** The largest node is a branch: 16 hashes and a value. */
const MAX_NODE_SIZE = 2048

/**
 * The value under `key` in a Merkle-Patricia trie (Ethereum Yellow Paper, appendix D) whose keys are hashed, as in the state and
 * storage tries of `eth_getProof`.
 *
 * @param root 32 bytes
 * @param key before hashing: an address, or a storage slot
 * @param nodes RLP of the nodes from the root down, all of them used
 * @throws ProofError `seal`, also where the key is proven to be absent
 */
export function verifyTrieProof(root: Uint8Array, key: Uint8Array, nodes: readonly Uint8Array[]): Uint8Array {
  if (nodes.length > MAX_NODES) throw new ProofError('seal', `a state proof of ${nodes.length} nodes`)
  const path = toNibbles(keccak_256(key))
  let used = 0
  const byHash = (hash: Uint8Array): RlpItem => {
    const node = nodes[used++]
    if (node === undefined || node.length > MAX_NODE_SIZE || !equalHashes(keccak_256(node), hash)) {
      throw new ProofError('seal', `node ${used - 1} of the state proof is not the one that its parent names`)
    }
    return decodeRlp(node)
  }
  let node = byHash(root)
  for (let at = 0; ; ) {
    const items = rlpList(node, 'a node of the state proof')
    let child: RlpItem | undefined
    if (items.length === 17) {
      if (at === path.length) return end(rlpBytes(items[16], 'the value of a branch'), used, nodes)
      child = items[path[at]!]
      at++
    } else {
      rlpList(node, 'a node of the state proof', 2)
      const { nibbles, isLeaf } = decodePath(rlpBytes(items[0], 'the path of a node'))
      const matches = nibbles.every((nibble, i) => path[at + i] === nibble)
      at += nibbles.length
      if (!matches || (isLeaf && at !== path.length))
        throw new ProofError('seal', 'the state proof leads to another key')
      if (isLeaf) return end(rlpBytes(items[1], 'the value of a leaf'), used, nodes)
      child = items[1]
    }
    // A node of less than 32 bytes lies in its parent itself, another one is named by its hash
    if (Array.isArray(child)) node = child
    else if (child?.length === 32) node = byHash(child)
    else throw new ProofError('seal', 'the state does not hold the key')
  }
}

function end(value: Uint8Array, used: number, nodes: readonly Uint8Array[]): Uint8Array {
  if (used !== nodes.length) throw new ProofError('seal', `${nodes.length - used} nodes too many in the state proof`)
  if (value.length === 0) throw new ProofError('seal', 'the state does not hold the key')
  return value
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
