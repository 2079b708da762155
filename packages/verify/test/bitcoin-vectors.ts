// Writes the vectors of docs/formats.md for Bitcoin: node packages/verify/test/bitcoin-vectors.ts > test/vectors/bitcoin.json
import { bytesToHex, concatBytes } from '@noble/hashes/utils.js'
import {
  bitcoinMerkleBranch,
  bitcoinMerkleRoot,
  displayHash,
  formatBitcoinAnchor,
  verifyBitcoinHeader,
} from '../proof/index.ts'
import { doubleSha256, parseBitcoinTransaction } from '../proof/bitcoin-transaction.ts'
import { parseCheckpoint, parseNote, parseTlogProof } from '../tlog/index.ts'
import { createSample, testSeed } from './sample.ts'

const BITS = 0x1f0fffff // a header in 4096 meets it
const HEIGHT = 500
const ON_TOP = 6
/** Where the anchor lies among the transactions of its block. */
const INDEX = 4
const COUNT = 7

const le32 = (n: number) => Uint8Array.of(n & 255, (n >>> 8) & 255, (n >>> 16) & 255, n >>> 24)
const le64 = (n: number) => concatBytes(le32(n), le32(0))
const sized = (bytes: Uint8Array) => concatBytes(Uint8Array.of(bytes.length), bytes)
/** OP_0 and 20 bytes: pays a key hash (P2WPKH). */
const payment = (name: string) => concatBytes(Uint8Array.of(0, 20), testSeed(name).subarray(0, 20))

/** A transaction of one input, without witness. */
export function testTransaction(
  input: { txid: Uint8Array; index: number; script?: Uint8Array },
  outputs: { value: number; script: Uint8Array }[],
): Uint8Array {
  const written = outputs.map(({ value, script }) => concatBytes(le64(value), sized(script)))
  const { txid, index, script = new Uint8Array(0) } = input
  const spent = concatBytes(txid, le32(index), sized(script), le32(0xfffffffd))
  return concatBytes(le32(2), Uint8Array.of(1), spent, Uint8Array.of(outputs.length), ...written, le32(0))
}

/** A header with proof of work. */
export function testHeader(previous: Uint8Array, merkleRoot: Uint8Array, time: number): Uint8Array {
  const header = concatBytes(le32(0x20000000), previous, merkleRoot, le32(time), le32(BITS), le32(0))
  for (let nonce = 1; ; nonce++) {
    const hash = doubleSha256(header)
    if (hash[31] === 0 && (hash[30] as number) < 0x0f) return header
    header.set(le32(nonce), 76)
  }
}

/** The transactions of a block with an anchor. */
export function createTestBlock(script: Uint8Array) {
  const coinbase = testTransaction(
    { txid: new Uint8Array(32), index: 0xffffffff, script: Uint8Array.of(2, HEIGHT & 255, HEIGHT >> 8) },
    [{ value: 312_500_000, script: payment('miner') }],
  )
  const anchor = testTransaction({ txid: testSeed('coin'), index: 1 }, [
    { value: 0, script },
    { value: 1_000_000, script: payment('change') },
  ])
  const transactions = Array.from({ length: COUNT }, (_, i) =>
    testTransaction({ txid: testSeed(`spent ${i}`), index: 0 }, [{ value: 1000 + i, script: payment('somebody') }]),
  )
    .with(0, coinbase)
    .with(INDEX, anchor)
  const txids = transactions.map(bytes => parseBitcoinTransaction(bytes).txid)
  return { transactions, txids, index: INDEX, height: HEIGHT }
}

/** The headers of a block and of those on top of it. */
function createTestHeaders(root: Uint8Array): Uint8Array[] {
  const headers = [testHeader(testSeed('block before'), root, 1_780_000_000)]
  for (let i = 1; i <= ON_TOP; i++)
    headers.push(
      testHeader(doubleSha256(headers.at(-1) as Uint8Array), testSeed(`later block ${i}`), 1_780_000_000 + 600 * i),
    )
  return headers
}

/** The file `test/vectors/bitcoin.json`, every byte of it. */
export function bitcoinVectors(): string {
  const sample = createSample()
  const { origin, size, root } = parseCheckpoint(parseNote(parseTlogProof(sample.objectProof.log).checkpoint).text)
  const script = formatBitcoinAnchor(origin, { size, root })
  const { transactions, txids, index, height } = createTestBlock(script)
  const headers = createTestHeaders(
    bitcoinMerkleRoot(txids[index] as Uint8Array, index, bitcoinMerkleBranch(txids, index)),
  )
  const branch = (i: number) => bitcoinMerkleBranch(txids, i).map(bytesToHex)
  const work = headers.reduce((sum, header) => sum + verifyBitcoinHeader(header).work, 0n)
  const vectors = {
    about:
      'Vectors for docs/formats.md, section 8, Bitcoin. Written by packages/verify/test/bitcoin-vectors.ts; the blocks are made up.',
    payload: { origin, size, root: bytesToHex(root), script: bytesToHex(script) },
    object_proof: {
      ...sample.objectProof,
      anchors: [
        {
          ledger: 'btc',
          kind: 'bitcoin',
          chain_id: 'simnet',
          size,
          root: Buffer.from(root).toString('base64'),
          transaction: displayHash(txids[index] as Uint8Array),
          block: height,
          block_hash: displayHash(doubleSha256(headers[0] as Uint8Array)),
          bitcoin: {
            transaction: bytesToHex(transactions[index] as Uint8Array),
            index,
            branch: branch(index),
            coinbase: { transaction: bytesToHex(transactions[0] as Uint8Array), branch: branch(0) },
            headers: headers.map(bytesToHex).join(''),
          },
        },
      ],
    },
    trust: {
      vkeys: sample.trust.vkeys,
      pin: { kind: 'bitcoin', chain_id: 'simnet', depth: ON_TOP, min_work: `0x${work.toString(16)}` },
    },
  }
  return `${JSON.stringify(vectors, null, 2)}\n`
}

if (import.meta.main) process.stdout.write(bitcoinVectors())
