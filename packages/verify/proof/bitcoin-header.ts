import { doubleSha256, displayHash } from './bitcoin-transaction.ts'
import { ProofError } from './error.ts'

/** A block header whose hash meets the target that it states. Hashes lie as in the bytes. */
export type BitcoinHeader = {
  hash: Uint8Array
  previous: Uint8Array
  merkleRoot: Uint8Array
  /** POSIX seconds, as the miner set it: up to two hours ahead, and later than the median of the eleven blocks before */
  timestamp: number
  /** expected number of hashes that were tried for it: 2^256 / (target + 1) */
  work: bigint
}

export const BITCOIN_HEADER_SIZE = 80
/** The tree of a block of 4,000,000 weight units is no deeper. */
export const MAX_BITCOIN_BRANCH = 17

/**
 * Parse a header and check its proof of work. How much work that is, is for the caller to judge: a header of little work costs nothing.
 *
 * @throws ProofError `seal`
 */
export function verifyBitcoinHeader(bytes: Uint8Array): BitcoinHeader {
  if (bytes.length !== BITCOIN_HEADER_SIZE)
    throw new ProofError('seal', `a Bitcoin header of ${bytes.length} bytes, it has 80`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const target = toTarget(view.getUint32(72, true))
  const hash = doubleSha256(bytes)
  if (BigInt(`0x${displayHash(hash)}`) > target)
    throw new ProofError(
      'seal',
      `the header hashes to ${displayHash(hash)}, which is above the target that it states: no proof of work`,
    )
  return {
    hash,
    previous: bytes.slice(4, 36),
    merkleRoot: bytes.slice(36, 68),
    timestamp: view.getUint32(68, true),
    work: 2n ** 256n / (target + 1n),
  }
}

/** The compact form of a target (`nBits`): a mantissa of 23 bits and a sign, and an exponent in bytes. */
function toTarget(bits: number): bigint {
  const exponent = bits >>> 24
  const mantissa = BigInt(bits & 0x7fffff)
  const target = exponent <= 3 ? mantissa >> BigInt(8 * (3 - exponent)) : mantissa << BigInt(8 * (exponent - 3))
  if ((bits & 0x800000) !== 0 || target === 0n || target >= 2n ** 256n)
    throw new ProofError('seal', `0x${bits.toString(16)} is no target of a block`)
  return target
}

/**
 * The Merkle root of a block over a transaction at `index`, by the hashes beside its way up.
 *
 * @throws ProofError `seal` where the way is not one of a leaf at that index
 */
export function bitcoinMerkleRoot(txid: Uint8Array, index: number, branch: readonly Uint8Array[]): Uint8Array {
  if (branch.length > MAX_BITCOIN_BRANCH || index >= 2 ** branch.length)
    throw new ProofError('seal', `no place ${index} in a Merkle tree of depth ${branch.length}`)
  let node = txid
  let place = index
  for (const sibling of branch) {
    const isRight = place % 2 === 1
    // An odd last node is hashed with itself (CVE-2012-2459): the copy is no place
    if (isRight && displayHash(sibling) === displayHash(node))
      throw new ProofError('seal', `place ${index} is the copy of another in the Merkle tree`)
    node = isRight ? hashPair(sibling, node) : hashPair(node, sibling)
    place = Math.floor(place / 2)
  }
  return node
}

/** The hashes beside the way from a leaf to the root, for {@link bitcoinMerkleRoot}. */
export function bitcoinMerkleBranch(txids: readonly Uint8Array[], index: number): Uint8Array[] {
  const branch: Uint8Array[] = []
  let [row, place] = [txids, index]
  while (row.length > 1) {
    const nodes = row
    branch.push((nodes[place % 2 === 1 ? place - 1 : place + 1] ?? nodes[place]) as Uint8Array)
    row = Array.from({ length: Math.ceil(nodes.length / 2) }, (_, i) => {
      const left = nodes[2 * i] as Uint8Array
      return hashPair(left, nodes[2 * i + 1] ?? left)
    })
    place = Math.floor(place / 2)
  }
  return branch
}

function hashPair(left: Uint8Array, right: Uint8Array): Uint8Array {
  const both = new Uint8Array(64)
  both.set(left)
  both.set(right, 32)
  return doubleSha256(both)
}
