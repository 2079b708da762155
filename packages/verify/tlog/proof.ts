import { TlogError } from './error.ts'
import { EMPTY_ROOT, equalHashes, HASH_SIZE, hashChildren } from './hash.ts'

/**
 * Hash of the complete subtree of 2^`level` leaves that begins at leaf `index` * 2^`level`. It is only asked for subtrees
 * that are complete in the tree at hand.
 */
export type HashReader = (level: number, index: number) => Uint8Array

/** A size or index: published vectors go beyond 2^53. */
export type Size = number | bigint

/** More hashes than any tree of less than 2^64 leaves needs in a proof. */
const MAX_PROOF_LENGTH = 128

/** RFC 9162 section 2.1.1: MTH(D_size). */
export function treeRoot(size: number, reader: HashReader): Uint8Array {
  checkSize(size)
  return size === 0 ? EMPTY_ROOT.slice() : rangeHash(0, size, reader)
}

/**
 * RFC 9162 section 2.1.3.1: PATH(index, D_size), from the leaf's sibling up.
 *
 * @throws TlogError `argument`
 */
export function inclusionProof(index: number, size: number, reader: HashReader): Uint8Array[] {
  checkSize(size)
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
    throw new TlogError('argument', `no leaf ${index} in a tree of ${size}`)
  }
  const proof: Uint8Array[] = []
  let from = 0
  let to = size
  while (to - from > 1) {
    const middle = from + splitPoint(to - from)
    if (index < middle) {
      proof.push(rangeHash(middle, to, reader))
      to = middle
    } else {
      proof.push(rangeHash(from, middle, reader))
      from = middle
    }
  }
  return proof.reverse()
}

/**
 * RFC 9162 section 2.1.4.1: PROOF(oldSize, D_size). Empty where the sizes are equal or `oldSize` is 0.
 *
 * @throws TlogError `argument`
 */
export function consistencyProof(oldSize: number, size: number, reader: HashReader): Uint8Array[] {
  checkSize(size)
  checkSize(oldSize)
  if (oldSize > size) throw new TlogError('argument', `the old size ${oldSize} is beyond the size ${size}`)
  if (oldSize === 0 || oldSize === size) return []
  const proof: Uint8Array[] = []
  let from = 0
  let to = size
  // SUBPROOF walks down to where the old tree ends
  while (to !== oldSize) {
    const middle = from + splitPoint(to - from)
    if (oldSize <= middle) {
      proof.push(rangeHash(middle, to, reader))
      to = middle
    } else {
      proof.push(rangeHash(from, middle, reader))
      from = middle
    }
  }
  // ... and names that subtree unless it is the old tree itself
  if (from > 0) proof.push(rangeHash(from, to, reader))
  return proof.reverse()
}

/**
 * RFC 9162 section 2.1.3.2: the root to which a leaf and its inclusion proof lead in a tree of `size`.
 *
 * @throws TlogError `argument`; `inconsistent` where the proof has too many or too few hashes
 */
export function rootFromInclusion(
  index: Size,
  size: Size,
  leafHash: Uint8Array,
  proof: readonly Uint8Array[],
): Uint8Array {
  checkHashes(proof, leafHash)
  let node = toSize(index)
  let last = toSize(size) - 1n
  if (node > last) throw new TlogError('argument', `no leaf ${index} in a tree of ${size}`)
  let hash = leafHash
  for (const sibling of proof) {
    if (last === 0n) throw new TlogError('inconsistent', 'the inclusion proof has too many hashes')
    if (node % 2n === 1n || node === last) {
      hash = hashChildren(sibling, hash)
      while (node % 2n === 0n && node !== 0n) {
        node /= 2n
        last /= 2n
      }
    } else {
      hash = hashChildren(hash, sibling)
    }
    node /= 2n
    last /= 2n
  }
  if (last !== 0n) throw new TlogError('inconsistent', 'the inclusion proof has too few hashes')
  return hash
}

/**
 * RFC 9162 section 2.1.3.2: is the leaf at `index` of the tree with this size and root?
 *
 * @throws TlogError `argument`, `inconsistent`
 */
export function verifyInclusion(
  index: Size,
  size: Size,
  leafHash: Uint8Array,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): void {
  if (!equalHashes(rootFromInclusion(index, size, leafHash, proof), root)) {
    throw new TlogError(
      'inconsistent',
      `the inclusion proof of leaf ${index} does not lead to the root of size ${size}`,
    )
  }
}

/**
 * RFC 9162 section 2.1.4.2: does the tree of `size` begin with that of `oldSize`?
 *
 * Everything begins with the empty tree: `oldSize` 0 with its root (that of the empty tree) and an empty proof is valid, as
 * tlog-witness has it; with any other root or proof it is not (docs/decisions/0001-consistency-from-zero.md).
 *
 * @throws TlogError `argument`, `inconsistent`
 */
export function verifyConsistency(
  oldSize: Size,
  size: Size,
  proof: readonly Uint8Array[],
  oldRoot: Uint8Array,
  root: Uint8Array,
): void {
  const first = toSize(oldSize)
  const second = toSize(size)
  if (first > second) throw new TlogError('argument', `the old size ${oldSize} is beyond the size ${size}`)
  if (first === 0n && !equalHashes(oldRoot, EMPTY_ROOT)) {
    throw new TlogError('inconsistent', 'the old root is not that of the empty tree')
  }
  if (first === second || first === 0n) {
    if (proof.length > 0) throw new TlogError('inconsistent', 'a consistency proof where none is needed')
    if (first !== second) checkHashes(proof, root)
    else if (!equalHashes(oldRoot, root)) throw new TlogError('inconsistent', `two roots for the size ${size}`)
    return
  }
  checkHashes(proof, root)
  const found = rootsFromConsistency(first, oldRoot, second, proof)
  if (!equalHashes(found.oldRoot, oldRoot)) {
    throw new TlogError('inconsistent', `the consistency proof does not lead to the root of size ${oldSize}`)
  }
  if (!equalHashes(found.root, root)) {
    throw new TlogError('inconsistent', `the consistency proof does not lead to the root of size ${size}`)
  }
}

/**
 * RFC 9162 section 2.1.4.2: the two roots to which a consistency proof leads, 0 < `oldSize` < `size`. Where the old tree is complete its
 * root starts the proof, and comes back as it is.
 *
 * @throws TlogError `argument`; `inconsistent` where the proof has too many or too few hashes
 */
export function rootsFromConsistency(
  oldSize: Size,
  oldRoot: Uint8Array,
  size: Size,
  proof: readonly Uint8Array[],
): { oldRoot: Uint8Array; root: Uint8Array } {
  checkHashes(proof, oldRoot)
  const first = toSize(oldSize)
  const second = toSize(size)
  if (first === 0n || first >= second)
    throw new TlogError('argument', `no consistency proof leads from ${oldSize} to ${size}`)
  let node = first - 1n
  let last = second - 1n
  while (node % 2n === 1n) {
    node /= 2n
    last /= 2n
  }
  // A complete old tree is a node of the new one, and its root starts the proof without being in it
  const start = node === 0n ? oldRoot : proof[0]
  if (start === undefined) throw new TlogError('inconsistent', 'the consistency proof is empty')
  let oldHash = start
  let hash = start
  for (const sibling of node === 0n ? proof : proof.slice(1)) {
    if (last === 0n) throw new TlogError('inconsistent', 'the consistency proof has too many hashes')
    if (node % 2n === 1n || node === last) {
      oldHash = hashChildren(sibling, oldHash)
      hash = hashChildren(sibling, hash)
      while (node % 2n === 0n && node !== 0n) {
        node /= 2n
        last /= 2n
      }
    } else {
      hash = hashChildren(hash, sibling)
    }
    node /= 2n
    last /= 2n
  }
  if (last !== 0n) throw new TlogError('inconsistent', 'the consistency proof has too few hashes')
  return { oldRoot: oldHash, root: hash }
}

/** Hash of the leaves from `from` to `to`, where `from` is a place at which a subtree of that length may begin. */
function rangeHash(from: number, to: number, reader: HashReader): Uint8Array {
  const length = to - from
  const left = splitPoint(length)
  if (length === 1 || left * 2 === length) return reader(Math.log2(length), from / length)
  return hashChildren(rangeHash(from, from + left, reader), rangeHash(from + left, to, reader))
}

/** RFC 9162 section 2.1.1: the largest power of two smaller than `n`; 1 for n = 1. */
function splitPoint(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

function checkSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 0) throw new TlogError('argument', `no tree size: ${size}`)
}

function toSize(size: Size): bigint {
  if (typeof size === 'number' && !Number.isSafeInteger(size)) throw new TlogError('argument', `no tree size: ${size}`)
  const big = BigInt(size)
  if (big < 0n || big >= 2n ** 64n) throw new TlogError('argument', `no tree size: ${size}`)
  return big
}

function checkHashes(proof: readonly Uint8Array[], ...others: Uint8Array[]): void {
  if (proof.length > MAX_PROOF_LENGTH) throw new TlogError('inconsistent', `a proof of ${proof.length} hashes`)
  for (const hash of [...proof, ...others]) {
    if (hash.length !== HASH_SIZE) throw new TlogError('argument', `a hash of ${hash.length} bytes`)
  }
}
