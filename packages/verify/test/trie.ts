// A Merkle-Patricia trie with hashed keys, for tests: built at once from all entries, no database.
import { keccak_256 } from '@noble/hashes/sha3.js'
import { encodeRlp, type RlpItem } from '../proof/rlp.ts'

type Entry = { nibbles: number[]; value: Uint8Array }

/** The root of the trie, and for a key the nodes from the root down, as `eth_getProof` gives them. */
export function buildTrie(entries: readonly (readonly [key: Uint8Array, value: Uint8Array])[]): {
  root: Uint8Array
  prove(key: Uint8Array): Uint8Array[]
} {
  const all = entries.map(([key, value]) => ({ nibbles: nibblesOf(key), value }))
  const root = buildNode(all)
  return {
    root: keccak_256(encodeRlp(root)),
    prove(key) {
      const proof = [encodeRlp(root)]
      let rest = nibblesOf(key)
      let group = all
      for (;;) {
        const shared = group.length === 1 ? rest.length : sharedLength(group)
        if (shared === rest.length) return proof
        if (shared > 0) {
          rest = rest.slice(shared)
          group = group.map(entry => ({ ...entry, nibbles: entry.nibbles.slice(shared) }))
          addHashed(proof, buildNode(group))
        }
        const first = rest[0]!
        rest = rest.slice(1)
        group = childrenOf(group, first)
        addHashed(proof, buildNode(group))
      }
    },
  }
}

/** A node of less than 32 bytes is part of its parent and not in the proof. */
function addHashed(proof: Uint8Array[], node: RlpItem): void {
  const bytes = encodeRlp(node)
  if (bytes.length >= 32) proof.push(bytes)
}

function buildNode(entries: Entry[]): RlpItem {
  const [first] = entries
  if (entries.length === 1) return [hexPrefix(first!.nibbles, true), first!.value]
  const shared = sharedLength(entries)
  if (shared > 0) {
    const rest = entries.map(entry => ({ ...entry, nibbles: entry.nibbles.slice(shared) }))
    return [hexPrefix(first!.nibbles.slice(0, shared), false), reference(buildNode(rest))]
  }
  const branch: RlpItem[] = []
  for (let nibble = 0; nibble < 16; nibble++) {
    const children = childrenOf(entries, nibble)
    branch.push(children.length === 0 ? new Uint8Array(0) : reference(buildNode(children)))
  }
  return [...branch, new Uint8Array(0)]
}

function childrenOf(entries: Entry[], nibble: number): Entry[] {
  return entries
    .filter(entry => entry.nibbles[0] === nibble)
    .map(entry => ({ nibbles: entry.nibbles.slice(1), value: entry.value }))
}

function reference(node: RlpItem): RlpItem {
  const bytes = encodeRlp(node)
  return bytes.length < 32 ? node : keccak_256(bytes)
}

function sharedLength(entries: Entry[]): number {
  const [first] = entries
  let length = 0
  while (length < first!.nibbles.length && entries.every(entry => entry.nibbles[length] === first!.nibbles[length]))
    length++
  return length
}

function hexPrefix(nibbles: number[], isLeaf: boolean): Uint8Array {
  const flag = (isLeaf ? 2 : 0) + (nibbles.length % 2)
  const padded = nibbles.length % 2 === 1 ? [flag, ...nibbles] : [flag, 0, ...nibbles]
  return Uint8Array.from({ length: padded.length / 2 }, (_, i) => padded[2 * i]! * 16 + padded[2 * i + 1]!)
}

function nibblesOf(key: Uint8Array): number[] {
  return [...keccak_256(key)].flatMap(byte => [byte >> 4, byte & 15])
}
