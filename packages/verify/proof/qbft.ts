import { secp256k1 } from '@noble/curves/secp256k1.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { ProofError } from './error.ts'
import { decodeRlp, encodeRlp, type RlpItem, rlpBytes, rlpList, rlpNumber } from './rlp.ts'

/** A block whose seals were checked. `hash` is the block hash, `signers` the pinned validators that sealed it. */
export type SealedHeader = {
  number: number
  /** POSIX seconds */
  timestamp: number
  hash: Uint8Array
  stateRoot: Uint8Array
  signers: string[]
}

const MAX_HEADER_SIZE = 65_536
const MAX_SEALS = 256
/** Where the items of a header are. */
export const HEADER = { parent: 0, stateRoot: 3, number: 8, timestamp: 11, extraData: 12, mixHash: 13 } as const
/** Headers have 15 items before London, more since; which ones does not matter here. */
const MIN_ITEMS = 15
/** What all headers of the Istanbul family have as their mixHash. */
const BFT_DIGEST = '63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365'

/** How many of `validators` must seal a block: ceil(2N/3). */
export function sealQuorum(validators: number): number {
  return Math.ceil((2 * validators) / 3)
}

/**
 * Verify a block header in QBFT format (Besu and GoQuorum): extraData = RLP [vanity, validators, vote, round, seals]. A seal is over
 * the keccak-256 of the header with an empty list of seals, the round kept; the block hash is that with round 0.
 *
 * The validators that the header itself lists count for nothing: only distinct seals of the pinned ones do.
 *
 * @param header RLP with the seals
 * @param validators addresses, 0x and lower-case hex, distinct
 * @throws ProofError `seal`
 */
export function verifySealedHeader(header: Uint8Array, validators: readonly string[]): SealedHeader {
  const items = readHeader(header)
  if (bytesToHex(rlpBytes(items[HEADER.mixHash], 'mixHash')) !== BFT_DIGEST) {
    throw new ProofError('seal', 'the header is not of the Istanbul family: another mixHash')
  }
  const extra = rlpList(decodeRlp(rlpBytes(items[HEADER.extraData], 'extraData')), 'extraData', 5)
  rlpBytes(extra[0], 'the vanity', 32)
  rlpList(extra[1], 'the validators').forEach(address => rlpBytes(address, 'a validator', 20))
  rlpNumber(extra[3], 'the round')
  const seals = rlpList(extra[4], 'the seals').map(seal => rlpBytes(seal, 'a seal', 65))
  if (seals.length > MAX_SEALS) throw new ProofError('seal', `${seals.length} seals`)

  const digest = hashWith(items, [...extra.slice(0, 4), []])
  const sealed = new Set(seals.map(seal => recoverSigner(digest, seal)))
  const signers = validators.filter(validator => sealed.has(validator))
  const quorum = sealQuorum(validators.length)
  if (validators.length === 0 || signers.length < quorum) {
    throw new ProofError(
      'seal',
      `${signers.length} of ${validators.length} pinned validators sealed the block, ${quorum} are needed`,
    )
  }
  return {
    number: rlpNumber(items[HEADER.number], 'the block number'),
    timestamp: rlpNumber(items[HEADER.timestamp], 'the timestamp'),
    hash: hashWith(items, [...extra.slice(0, 3), new Uint8Array(0), []]),
    stateRoot: rlpBytes(items[HEADER.stateRoot], 'the state root', 32),
    signers,
  }
}

/**
 * The items of a header, however many its chain has.
 *
 * @throws ProofError `seal`
 */
export function readHeader(header: Uint8Array): RlpItem[] {
  if (header.length > MAX_HEADER_SIZE) throw new ProofError('seal', `a header of ${header.length} bytes`)
  const items = rlpList(decodeRlp(header), 'the header')
  if (items.length < MIN_ITEMS) throw new ProofError('seal', `a header of ${items.length} items`)
  for (const item of items) rlpBytes(item, 'an item of the header')
  return items
}

/** keccak-256 of the header with only extraData replaced, however many items it has. */
function hashWith(items: RlpItem[], extra: RlpItem[]): Uint8Array {
  return keccak_256(encodeRlp(items.with(HEADER.extraData, encodeRlp(extra))))
}

/** Address that made a seal: r || s || recovery id (0 or 1), s in the lower half (or two seals would be one). */
export function recoverSigner(digest: Uint8Array, seal: Uint8Array): string {
  try {
    const recovery = seal[64]!
    if (recovery > 1) throw new RangeError(`recovery id ${recovery}`)
    const signature = secp256k1.Signature.fromBytes(seal.slice(0, 64), 'compact').addRecoveryBit(recovery)
    if (signature.hasHighS()) throw new RangeError('s is in the upper half')
    const key = signature.recoverPublicKey(digest).toBytes(false)
    return `0x${bytesToHex(keccak_256(key.subarray(1)).subarray(12))}`
  } catch (cause) {
    throw new ProofError('seal', `a seal is no signature: ${(cause as Error).message}`, { cause })
  }
}
