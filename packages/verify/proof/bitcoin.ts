import { sha256 } from '#sha256'
import { hexToBytes } from '@noble/hashes/utils.js'
import { equalHashes } from '#tlog/index.ts'
import {
  BITCOIN_HEADER_SIZE,
  type BitcoinHeader,
  bitcoinMerkleRoot,
  MAX_BITCOIN_BRANCH,
  verifyBitcoinHeader,
} from './bitcoin-header.ts'
import { displayHash, parseBitcoinTransaction, type BitcoinTransaction } from './bitcoin-transaction.ts'
import { ProofError } from './error.ts'
import { readCount, readList, readMembers, readText } from './fields.ts'

/** A network of Bitcoin whose work the reader believes. */
export type PinnedBitcoin = {
  /** name of the network, as `chain_id` of its anchors */
  chainId: string
  /** least number of blocks on top of the one with the anchor */
  depth: number
  /** least work of that block and those on top, together: what a forger would have to spend */
  minWork: bigint
}

/** docs/formats.md 8: `bitcoin` of an anchor, in lower-case hex; hashes in the order of the bytes. */
export type BitcoinProof = {
  /** without witness */
  transaction: string
  /** place in the block */
  index: number
  branch: string[]
  /** of place 0, which shows the depth of the tree and the height of the block */
  coinbase: { transaction: string; branch: string[] }
  /** 80 bytes each: of the block, and of those on top of it */
  headers: string
}

/** The block that holds an anchor, and what lies on top of it. */
export type MinedBlock = {
  height: number
  /** POSIX seconds, as its miner set it */
  timestamp: number
  hash: Uint8Array
  /** blocks on top */
  depth: number
  work: bigint
}

/** What an anchor's first output carries behind OP_RETURN: 4 bytes, 16 of SHA-256(origin), size, root. */
export const BITCOIN_ANCHOR_SIZE = 60
const MAGIC = Uint8Array.of(0x45, 0x4e, 0x54, 0x01) // "ENT", version 1
const ORIGIN_HASH = 16
const OP_RETURN = 0x6a
const MAX_HEADERS = 2016
const HEX = /^(?:[0-9a-f]{2})+$/
const HASH = /^[0-9a-f]{64}$/

/** The script `OP_RETURN <60 bytes>` of a checkpoint (docs/formats.md 8). `size`: a safe integer of at least 1. */
export function formatBitcoinAnchor(origin: string, { size, root }: { size: number; root: Uint8Array }): Uint8Array {
  const script = new Uint8Array(2 + BITCOIN_ANCHOR_SIZE)
  script.set([OP_RETURN, BITCOIN_ANCHOR_SIZE])
  script.set(MAGIC, 2)
  script.set(originHash(origin), 6)
  new DataView(script.buffer).setBigUint64(22, BigInt(size))
  script.set(root, 30)
  return script
}

/** A checkpoint as a transaction carries it. `originHash`: the first 16 bytes of SHA-256(origin). */
export type BitcoinAnchor = { originHash: Uint8Array; size: number; root: Uint8Array }

/** The checkpoint of any log in a transaction: in its first output and nowhere else; undefined where it carries none. */
export function readBitcoinAnchor({ outputs }: Pick<BitcoinTransaction, 'outputs'>): BitcoinAnchor | undefined {
  const script = outputs[0]?.script
  if (script?.length !== 2 + BITCOIN_ANCHOR_SIZE) return undefined
  const size = Number(new DataView(script.buffer, script.byteOffset).getBigUint64(22))
  const isAnchor =
    script[0] === OP_RETURN && script[1] === BITCOIN_ANCHOR_SIZE && equalHashes(script.subarray(2, 6), MAGIC)
  if (!isAnchor || !Number.isSafeInteger(size) || size < 1) return undefined
  return { originHash: script.slice(6, 22), size, root: script.slice(30) }
}

/** The checkpoint of this log in a transaction. */
export function findBitcoinAnchor(
  transaction: Pick<BitcoinTransaction, 'outputs'>,
  origin: string,
): { size: number; root: Uint8Array } | undefined {
  const found = readBitcoinAnchor(transaction)
  return found && equalHashes(found.originHash, originHash(origin)) ? { size: found.size, root: found.root } : undefined
}

function originHash(origin: string): Uint8Array {
  return sha256(new TextEncoder().encode(origin)).subarray(0, ORIGIN_HASH)
}

/** @throws ProofError `malformed` */
export function readBitcoinProof(value: unknown): BitcoinProof {
  const proof = readMembers(value, 'bitcoin', ['transaction', 'index', 'branch', 'coinbase', 'headers'])
  const coinbase = readMembers(proof['coinbase'], 'coinbase', ['transaction', 'branch'])
  for (const { transaction, branch } of [proof, coinbase]) {
    readText(transaction, 'a Bitcoin transaction', HEX)
    for (const hash of readList(branch, 'a branch', MAX_BITCOIN_BRANCH)) readText(hash, 'a hash of a branch', HASH)
  }
  readCount(proof['index'], 'index in a block')
  const { length } = readText(proof['headers'], 'headers', HEX)
  if (length % (2 * BITCOIN_HEADER_SIZE) !== 0 || length > 2 * BITCOIN_HEADER_SIZE * MAX_HEADERS)
    throw new ProofError(
      'malformed',
      `headers are ${length / 2} bytes: 80 for each are wanted, at most ${MAX_HEADERS} of them`,
    )
  return proof as BitcoinProof
}

/**
 * Verify that a transaction with the checkpoint is in a block, under as many blocks and as much work as the reader asks for. It
 * shows when the checkpoint existed at the latest; not that there is no other of the same size: Bitcoin refuses no fork.
 *
 * @throws ProofError `seal`
 */
export function verifyBitcoinProof(
  proof: BitcoinProof,
  checkpoint: { origin: string; size: number; root: Uint8Array },
  { depth, minWork }: Pick<PinnedBitcoin, 'depth' | 'minWork'>,
): MinedBlock & { transaction: Uint8Array } {
  const headers = verifyHeaders(hexToBytes(proof.headers))
  const block = headers[0] as BitcoinHeader
  const transaction = parseStripped(proof.transaction)
  const coinbase = parseStripped(proof.coinbase.transaction)
  const branches = [proof.branch, proof.coinbase.branch].map(branch => branch.map(hexToBytes))
  const [branch = [], coinbaseBranch = []] = branches
  // The coinbase can't be taken for an inner node (its first 36 bytes are fixed), so its branch is as deep as the tree is.
  if (branch.length !== coinbaseBranch.length)
    throw new ProofError(
      'seal',
      `branches of ${branch.length} and ${coinbaseBranch.length} hashes: all leaves of a block are equally deep`,
    )
  for (const [txid, index, hashes] of [
    [transaction.txid, proof.index, branch],
    [coinbase.txid, 0, coinbaseBranch],
  ] as const) {
    if (!equalHashes(bitcoinMerkleRoot(txid, index, hashes), block.merkleRoot))
      throw new ProofError('seal', `transaction ${displayHash(txid)} is not in block ${displayHash(block.hash)}`)
  }
  const anchored = findBitcoinAnchor(transaction, checkpoint.origin)
  if (anchored?.size !== checkpoint.size || !equalHashes(anchored.root, checkpoint.root))
    throw new ProofError(
      'seal',
      `transaction ${displayHash(transaction.txid)} does not carry the checkpoint of size ${checkpoint.size}`,
    )
  const work = headers.reduce((sum, header) => sum + header.work, 0n)
  if (headers.length - 1 < depth || work < minWork)
    throw new ProofError(
      'seal',
      `${headers.length - 1} blocks on top and work of 0x${work.toString(16)} in all, pinned are ${depth} and 0x${minWork.toString(16)}`,
    )
  const { hash, timestamp } = block
  return {
    height: coinbaseHeight(coinbase),
    timestamp,
    hash,
    depth: headers.length - 1,
    work,
    transaction: transaction.txid,
  }
}

/** Headers that follow each other. @throws ProofError `seal` */
function verifyHeaders(bytes: Uint8Array): BitcoinHeader[] {
  const headers: BitcoinHeader[] = []
  for (let at = 0; at < bytes.length; at += BITCOIN_HEADER_SIZE) {
    const header = verifyBitcoinHeader(bytes.subarray(at, at + BITCOIN_HEADER_SIZE))
    const before = headers.at(-1)
    if (before !== undefined && !equalHashes(header.previous, before.hash))
      throw new ProofError('seal', `block ${displayHash(header.hash)} does not follow ${displayHash(before.hash)}`)
    headers.push(header)
  }
  return headers
}

function parseStripped(hex: string): BitcoinTransaction {
  const bytes = hexToBytes(hex)
  const transaction = parseBitcoinTransaction(bytes)
  if (transaction.stripped.length !== bytes.length)
    throw new ProofError('seal', 'a transaction with its witness: leave it out')
  return transaction
}

/** The height that a coinbase begins its script with (BIP 34). @throws ProofError `seal` */
export function coinbaseHeight({ inputs }: Pick<BitcoinTransaction, 'inputs'>): number {
  const [input] = inputs
  const isCoinbase = inputs.length === 1 && input?.index === 0xffffffff && input.txid.every(byte => byte === 0)
  const [first = 0, ...rest] = input?.script ?? []
  if (isCoinbase && first >= 0x51 && first <= 0x60) return first - 0x50 // OP_1 to OP_16
  if (!isCoinbase || first < 1 || first > 4 || rest.length < first)
    throw new ProofError('seal', 'the first transaction is no coinbase that states its height')
  return rest.slice(0, first).reduceRight((height, byte) => height * 256 + byte, 0)
}
