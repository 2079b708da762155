import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js'
import { type Checkpoint, decodeBase64, equalHashes, verifyConsistency } from '#tlog/index.ts'
import {
  type BitcoinProof,
  type MinedBlock,
  type PinnedBitcoin,
  readBitcoinProof,
  verifyBitcoinProof,
} from './bitcoin.ts'
import { displayHash } from './bitcoin-transaction.ts'
import { verifyCliqueHeader } from './clique.ts'
import { asProofError, ProofError } from './error.ts'
import {
  type EndorsedProof,
  type EndorsedRoot,
  type PinnedFabric,
  readEndorsedProof,
  verifyEndorsedProof,
} from './fabric.ts'
import { readCount, readList, readMembers, readObject, readText } from './fields.ts'
import { type SealedHeader, verifySealedHeader } from './qbft.ts'
import { decodeRlp, rlpBytes, rlpList } from './rlp.ts'
import { verifyTrieProof } from './trie.ts'
import type { PinnedLedger } from './trust.ts'

/** docs/formats.md 8: header and state proofs in 0x and lower-case hex, as `eth_getProof` gives the nodes. */
export type SealedProof = {
  header: string
  account_proof: string[]
  storage_proof: string[]
  /** Clique: the headers on top of it */
  following?: string[]
}

/** docs/formats.md 8: a checkpoint on a ledger, as a claim. Names as on the wire. */
export type Anchor = {
  ledger: string
  kind: string
  size: number
  root: string
  /** where the anchor is of a larger size: consistency proof from the checkpoint to it (RFC 9162, section 2.1.4), base64 */
  consistency?: string[]
  /** a number; the name of the network where `kind` is bitcoin, of the channel where it is fabric */
  chain_id?: number | string
  contract?: string
  log_id?: string
  transaction?: string
  block?: number
  block_hash?: string
  sealed?: SealedProof
  bitcoin?: BitcoinProof
  endorsed?: EndorsedProof
}

/** What a ledger holds. */
type Anchored = Pick<Checkpoint, 'size' | 'root'>

/** An anchor that agrees with the checkpoint; `sealed`, `mined` or `endorsed` where it was proven offline, otherwise it is a claim still. */
export type CheckedAnchor = { anchor: Anchor; sealed?: SealedHeader; mined?: MinedBlock; endorsed?: EndorsedRoot }

/** Where the contract CheckpointAnchor keeps `rootAt` (mapping logId -> mapping size -> root). */
export const ROOT_AT_SLOT = 0n

const MAX_ANCHORS = 64
const MAX_NODES = 65
const MAX_HEADERS = 512
const HEX = /^0x(?:[0-9a-f]{2})*$/
const ADDRESS = /^0x[0-9a-fA-F]{40}$/
const BYTES_32 = /^0x[0-9a-f]{64}$/
const PLAIN_HASH = /^[0-9a-f]{64}$/

/**
 * Check the anchors of a proof against its verified checkpoint, and prove those that can be: with `sealed`, on a ledger that the
 * reader has pinned. An anchor without `sealed`, or on another ledger, is a claim that raises no level. One of a larger size has the
 * proof that its tree continues the checkpoint's.
 *
 * @throws ProofError `malformed`; `anchor` where one is of another checkpoint; `seal` where the proof of a pinned ledger fails
 */
export function checkAnchors(
  value: unknown,
  checkpoint: Checkpoint,
  ledgers: readonly PinnedLedger[],
  networks: readonly PinnedBitcoin[] = [],
  channels: readonly PinnedFabric[] = [],
): CheckedAnchor[] {
  return readList(value, 'anchors', MAX_ANCHORS).map(item => {
    const anchor = readAnchor(item)
    const anchored = continues(anchor, checkpoint)
    if (anchor.kind === 'bitcoin') {
      const network = networks.find(({ chainId }) => chainId === anchor.chain_id)
      if (network === undefined || anchor.bitcoin === undefined) return { anchor }
      return {
        anchor,
        mined: verifyMinedAnchor(anchor, anchor.bitcoin, { ...anchored, origin: checkpoint.origin }, network),
      }
    }
    if (anchor.kind === 'fabric') {
      const channel = channels.find(
        ({ chainId, contract, logId }) =>
          chainId === anchor.chain_id && contract === anchor.contract && logId === anchor.log_id,
      )
      if (channel === undefined || anchor.endorsed === undefined) return { anchor }
      return { anchor, endorsed: verifyEndorsedAnchor(anchor, anchor.endorsed, anchored, channel) }
    }
    const pinned = ledgers.find(
      ledger =>
        ledger.chainId === anchor.chain_id &&
        ledger.contract === anchor.contract?.toLowerCase() &&
        ledger.logId === anchor.log_id,
    )
    if (pinned === undefined || anchor.sealed === undefined) return { anchor }
    return { anchor, sealed: verifySealedAnchor(anchor, anchor.sealed, anchored, pinned) }
  })
}

/**
 * The checkpoint that was anchored: the one of the proof, or a later one of the same log.
 *
 * @throws ProofError `malformed`, `anchor`
 */
function continues({ ledger, size, root: text, consistency }: Anchor, checkpoint: Anchored): Anchored {
  const root = asProofError(() => decodeBase64(text, 32), 'malformed')
  if (consistency === undefined) {
    if (size !== checkpoint.size || !equalHashes(root, checkpoint.root))
      throw new ProofError(
        'anchor',
        `the anchor on ${ledger} is of size ${size} or of another root, the checkpoint of size ${checkpoint.size}`,
      )
    return { size, root }
  }
  const path = asProofError(() => consistency.map(hash => decodeBase64(hash, 32)), 'malformed')
  asProofError(() => verifyConsistency(checkpoint.size, size, path, checkpoint.root, root), 'anchor')
  return { size, root }
}

/**
 * Verify that the checkpoint is in a block of Bitcoin, and that this is where the anchor says.
 *
 * @throws ProofError `seal`
 */
function verifyMinedAnchor(
  { transaction, block, block_hash: blockHash }: Anchor,
  proof: BitcoinProof,
  anchored: Anchored & Pick<Checkpoint, 'origin'>,
  pinned: PinnedBitcoin,
): MinedBlock {
  const { transaction: txid, ...mined } = verifyBitcoinProof(proof, anchored, pinned)
  if (mined.height !== block || displayHash(mined.hash) !== blockHash || displayHash(txid) !== transaction)
    throw new ProofError(
      'seal',
      `proven is transaction ${displayHash(txid)} in block ${mined.height}, the anchor names ${transaction} in block ${block}`,
    )
  return mined
}

/**
 * Verify that organisations signed that their peers hold the checkpoint, and that this is where the anchor says.
 *
 * @throws ProofError `seal`
 */
function verifyEndorsedAnchor(
  { transaction, block }: Anchor,
  proof: EndorsedProof,
  anchored: Anchored,
  pinned: PinnedFabric,
): EndorsedRoot {
  const endorsed = verifyEndorsedProof(proof, anchored, pinned)
  if (endorsed.transaction !== transaction || endorsed.block !== block)
    throw new ProofError(
      'seal',
      `signed is transaction ${endorsed.transaction} in block ${endorsed.block}, the anchor names ${transaction} in block ${block}`,
    )
  return endorsed
}

/**
 * Verify that the contract holds the checkpoint, in the state of a block that the pinned validators sealed.
 *
 * @throws ProofError `seal`
 */
function verifySealedAnchor(
  anchor: Anchor,
  proof: SealedProof,
  checkpoint: Anchored,
  pinned: PinnedLedger,
): SealedHeader {
  const header =
    pinned.consensus === 'clique'
      ? verifyCliqueHeader(fromHex(proof.header), (proof.following ?? []).map(fromHex), pinned.validators)
      : verifySealedHeader(fromHex(proof.header), pinned.validators)
  // The evidence is of the newest block when it was asked for; the anchor's own block may be older, never younger.
  const block = anchor.block as number // there in every anchor of kind evm
  const isSameBlock = header.number === block
  if (block > header.number || (isSameBlock && `0x${bytesToHex(header.hash)}` !== anchor.block_hash)) {
    throw new ProofError(
      'seal',
      `the header is of block ${header.number}, the anchor of the later block ${block} or of another hash`,
    )
  }
  const account = verifyTrieProof(header.stateRoot, fromHex(pinned.contract), proof.account_proof.map(fromHex))
  const storageRoot = rlpBytes(rlpList(decodeRlp(account), 'the account', 4)[2], 'the storage root', 32)
  const slot = rootAtSlot(fromHex(pinned.logId), checkpoint.size)
  const value = rlpBytes(
    decodeRlp(verifyTrieProof(storageRoot, slot, proof.storage_proof.map(fromHex))),
    'the stored root',
  )
  // Storage drops leading zeros
  const stored = new Uint8Array(32)
  if (value.length <= 32) stored.set(value, 32 - value.length)
  if (!equalHashes(stored, checkpoint.root)) {
    throw new ProofError('seal', `the contract holds another root at size ${checkpoint.size}`)
  }
  return header
}

/** Storage slot of `rootAt[logId][size]`: keccak(pad(size) || keccak(logId || pad(slot))), Solidity's layout of mappings. */
export function rootAtSlot(logId: Uint8Array, size: number): Uint8Array {
  const outer = keccak_256(concatBytes(logId, toWord(ROOT_AT_SLOT)))
  return keccak_256(concatBytes(toWord(BigInt(size)), outer))
}

function readAnchor(value: unknown): Anchor {
  const common = readObject(value, 'an anchor')
  const kind = readText(common['kind'], 'kind of an anchor', /^[a-z]{1,32}$/)
  readText(common['ledger'], 'ledger of an anchor', /^.{1,200}$/u)
  readCount(common['size'], 'size of an anchor')
  readText(common['root'], 'root of an anchor')
  if (kind === 'bitcoin') return readMinedAnchor(value)
  if (kind === 'fabric') return readFabricAnchor(value)
  // Anchors of other kinds are claims in any case; whoever can ask their ledgers knows their members
  if (kind !== 'evm') {
    const { ledger, size, root } = common as Anchor
    return { ledger, kind, size, root, ...readConsistency(common) }
  }
  const required = [
    'ledger',
    'kind',
    'chain_id',
    'contract',
    'log_id',
    'size',
    'root',
    'transaction',
    'block',
    'block_hash',
  ]
  const anchor = readMembers(value, 'an anchor', required, ['sealed', 'consistency'])
  readConsistency(anchor)
  readCount(anchor['chain_id'], 'chain_id of an anchor')
  readCount(anchor['block'], 'block of an anchor')
  readText(anchor['contract'], 'contract of an anchor', ADDRESS)
  for (const name of ['log_id', 'transaction', 'block_hash']) readText(anchor[name], `${name} of an anchor`, BYTES_32)
  if (Object.hasOwn(anchor, 'sealed')) {
    const sealed = readMembers(anchor['sealed'], 'sealed', ['header', 'account_proof', 'storage_proof'], ['following'])
    readText(sealed['header'], 'header', HEX)
    for (const header of readList(sealed['following'] ?? [], 'following', MAX_HEADERS))
      readText(header, 'a header of following', HEX)
    for (const name of ['account_proof', 'storage_proof']) {
      for (const node of readList(sealed[name], name, MAX_NODES)) readText(node, `a node of ${name}`, HEX)
    }
  }
  return anchor as Anchor
}

function readMinedAnchor(value: unknown): Anchor {
  const required = ['ledger', 'kind', 'chain_id', 'size', 'root', 'transaction', 'block', 'block_hash']
  const anchor = readMembers(value, 'an anchor', required, ['bitcoin', 'consistency'])
  readConsistency(anchor)
  readText(anchor['chain_id'], 'chain_id of an anchor', /^[a-z0-9]{1,32}$/)
  readCount(anchor['block'], 'block of an anchor')
  for (const name of ['transaction', 'block_hash']) readText(anchor[name], `${name} of an anchor`, PLAIN_HASH)
  if (Object.hasOwn(anchor, 'bitcoin')) readBitcoinProof(anchor['bitcoin'])
  return anchor as Anchor
}

function readFabricAnchor(value: unknown): Anchor {
  const hashes = ['log_id', 'transaction', 'block_hash']
  const required = ['ledger', 'kind', 'chain_id', 'contract', 'size', 'root', 'block', ...hashes]
  const anchor = readMembers(value, 'an anchor', required, ['endorsed', 'consistency'])
  readConsistency(anchor)
  readCount(anchor['block'], 'block of an anchor')
  for (const name of ['chain_id', 'contract']) readText(anchor[name], `${name} of an anchor`, /^[A-Za-z0-9._-]{1,249}$/)
  for (const name of hashes) readText(anchor[name], `${name} of an anchor`, PLAIN_HASH)
  if (Object.hasOwn(anchor, 'endorsed')) readEndorsedProof(anchor['endorsed'])
  return anchor as Anchor
}

/** @throws ProofError `malformed` */
function readConsistency(anchor: Record<string, unknown>): Pick<Anchor, 'consistency'> {
  if (!Object.hasOwn(anchor, 'consistency')) return {}
  const hashes = readList(anchor['consistency'], 'consistency of an anchor', MAX_NODES)
  return { consistency: hashes.map(hash => readText(hash, 'a hash of consistency')) }
}

function toWord(value: bigint): Uint8Array {
  return hexToBytes(value.toString(16).padStart(64, '0'))
}

function fromHex(text: string): Uint8Array {
  return hexToBytes(text.slice(2))
}
