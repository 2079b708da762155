import { sha256 } from '#sha256'
import { ProofError } from './error.ts'

/** What of a Bitcoin transaction is looked at. Hashes lie as in the bytes; {@link displayHash} turns them as people write them. */
export type BitcoinTransaction = {
  /** SHA-256 twice, of the serialisation without witness */
  txid: Uint8Array
  /** the serialisation without witness */
  stripped: Uint8Array
  inputs: { txid: Uint8Array; index: number; script: Uint8Array }[]
  /** `value` in satoshis */
  outputs: { value: bigint; script: Uint8Array }[]
}

/** A block has at most 4,000,000 weight units, so no transaction has more bytes. */
const MAX_TRANSACTION = 4_000_000
/** An input has 41 bytes at least, an output 9. */
const MIN_INPUT = 41
const MIN_OUTPUT = 9

/** SHA-256 twice: what Bitcoin hashes blocks, transactions and Merkle nodes with. */
export const doubleSha256 = (bytes: Uint8Array): Uint8Array => sha256(sha256(bytes))

/** A hash as explorers and RPCs show it: hex of the bytes in reverse order. */
export function displayHash(hash: Uint8Array): string {
  return Array.from(hash, byte => byte.toString(16).padStart(2, '0'))
    .reverse()
    .join('')
}

/**
 * Parse a transaction, with or without its witness (BIP 144); the bytes must be used up.
 *
 * A transaction whose serialisation without witness has 64 bytes is refused: it could as well be an inner node of the Merkle tree (CVE-2017-12842).
 *
 * @throws ProofError `seal`
 */
export function parseBitcoinTransaction(bytes: Uint8Array): BitcoinTransaction {
  if (bytes.length > MAX_TRANSACTION) throw broken(`${bytes.length} bytes`)
  const reader = createReader(bytes)
  reader.take(4)
  const hasWitness = bytes[4] === 0
  if (hasWitness && reader.take(2)[1] !== 1) throw broken('an unknown flag')
  const body = reader.at()
  const inputs = Array.from({ length: reader.count(MIN_INPUT) }, () => {
    const txid = reader.take(32)
    const index = reader.uint32()
    const script = reader.take(reader.count(1))
    reader.take(4)
    return { txid, index, script }
  })
  const outputs = Array.from({ length: reader.count(MIN_OUTPUT) }, () => {
    const value = reader.uint64()
    return { value, script: reader.take(reader.count(1)) }
  })
  const bodyEnd = reader.at()
  if (hasWitness)
    for (const _ of inputs) for (let items = reader.count(1); items > 0; items--) reader.take(reader.count(1))
  reader.take(4)
  if (reader.at() !== bytes.length) throw broken(`${bytes.length - reader.at()} bytes behind its end`)
  if (inputs.length === 0 || outputs.length === 0) throw broken('no input or no output')
  const stripped = new Uint8Array(8 + bodyEnd - body)
  stripped.set(bytes.subarray(0, 4))
  stripped.set(bytes.subarray(body, bodyEnd), 4)
  stripped.set(bytes.subarray(-4), 4 + bodyEnd - body)
  if (stripped.length === 64) throw broken('64 bytes, as an inner node of the Merkle tree has')
  return { txid: doubleSha256(stripped), stripped, inputs, outputs }
}

function createReader(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  function take(size: number): Uint8Array {
    if (size > bytes.length - at) throw broken('it ends too early')
    at += size
    return bytes.slice(at - size, at)
  }
  const skip = (size: number): number => {
    take(size)
    return at - size
  }
  /** CompactSize, the shortest encoding only. */
  function compactSize(): number {
    const first = view.getUint8(skip(1))
    if (first < 0xfd) return first
    const value =
      first === 0xfd ? view.getUint16(skip(2), true) : first === 0xfe ? view.getUint32(skip(4), true) : Number.NaN
    if (!(value >= (first === 0xfd ? 0xfd : 0x10000))) throw broken('a length that is too large or not the shortest')
    return value
  }
  return {
    at: () => at,
    take,
    uint32: () => view.getUint32(skip(4), true),
    uint64: () => view.getBigUint64(skip(8), true),
    /** How many elements follow, of `least` bytes each at the least. */
    count(least: number): number {
      const count = compactSize()
      if (count * least > bytes.length - at) throw broken('more elements than bytes')
      return count
    },
  }
}

const broken = (what: string) => new ProofError('seal', `the Bitcoin transaction has ${what}`)
