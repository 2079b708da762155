import { keccak_256 } from '@noble/hashes/sha3.js'
import { equalHashes } from '#tlog/index.ts'
import { ProofError } from './error.ts'
import { HEADER, readHeader, recoverSigner, type SealedHeader } from './qbft.ts'
import { encodeRlp, type RlpItem, rlpBytes, rlpNumber } from './rlp.ts'

/** EIP-225: extraData = 32 bytes of vanity, the signers in some blocks, and the seal of 65 bytes. */
const VANITY = 32
const SEAL = 65
const MAX_FOLLOWING = 512

/** How many signers must have sealed on top of a block: more than half of them. */
export function cliqueQuorum(signers: number): number {
  return Math.floor(signers / 2) + 1
}

/**
 * Verify a block header of a Clique network (EIP-225, go-ethereum). One signer seals a block, and may have sealed it on a branch that was left; so it counts
 * only under blocks that more than half of the pinned signers sealed on top of it, each of which checked the state that the header names.
 * That they did not seal another branch as well nobody can know offline: a majority that lies is believed.
 *
 * @param header RLP with the seal
 * @param following RLP of the headers on top of it, the next first
 * @param signers addresses, 0x and lower-case hex, distinct
 * @throws ProofError `seal`
 */
export function verifyCliqueHeader(
  header: Uint8Array,
  following: readonly Uint8Array[],
  signers: readonly string[],
): SealedHeader {
  if (following.length > MAX_FOLLOWING) throw new ProofError('seal', `${following.length} headers on top of one`)
  const items = readHeader(header)
  signerOf(items, signers)
  const hash = keccak_256(header)
  const number = rlpNumber(items[HEADER.number], 'the block number')
  const sealed = new Set<string>()
  let parent = hash
  for (const [i, next] of following.entries()) {
    const above = readHeader(next)
    if (
      !equalHashes(rlpBytes(above[HEADER.parent], 'the parent', 32), parent) ||
      rlpNumber(above[HEADER.number], 'the block number') !== number + 1 + i
    )
      throw new ProofError('seal', `header ${i + 1} on top of block ${number} does not follow the one before`)
    sealed.add(signerOf(above, signers))
    parent = keccak_256(next)
  }
  const quorum = cliqueQuorum(signers.length)
  if (signers.length === 0 || sealed.size < quorum)
    throw new ProofError(
      'seal',
      `${sealed.size} of ${signers.length} pinned signers sealed on top of block ${number}, ${quorum} are needed`,
    )
  return {
    number,
    timestamp: rlpNumber(items[HEADER.timestamp], 'the timestamp'),
    hash,
    stateRoot: rlpBytes(items[HEADER.stateRoot], 'the state root', 32),
    signers: signers.filter(signer => sealed.has(signer)),
  }
}

/** Who sealed a header: the seal is over the keccak-256 of the header without it. */
function signerOf(items: RlpItem[], signers: readonly string[]): string {
  const extra = rlpBytes(items[HEADER.extraData], 'extraData')
  if (extra.length < VANITY + SEAL) throw new ProofError('seal', 'the extraData of the header holds no seal')
  const unsealed = items.with(HEADER.extraData, extra.slice(0, -SEAL))
  const signer = recoverSigner(keccak_256(encodeRlp(unsealed)), extra.slice(-SEAL))
  if (signers.includes(signer)) return signer
  throw new ProofError('seal', `${signer}, who sealed a header, is none of the pinned signers`)
}
