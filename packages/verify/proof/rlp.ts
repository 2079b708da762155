import { ProofError } from './error.ts'

/** Recursive Length Prefix (Ethereum Yellow Paper, appendix B): bytes, or a list of items. */
export type RlpItem = Uint8Array | RlpItem[]

const MAX_DEPTH = 8

/**
 * Decode one item that fills `bytes`. Only the shortest encoding is taken, so encoding gives the same bytes again.
 *
 * @throws ProofError `seal`
 */
export function decodeRlp(bytes: Uint8Array): RlpItem {
  const { item, end } = decodeItem(bytes, 0, MAX_DEPTH)
  if (end !== bytes.length) throw new ProofError('seal', `${bytes.length - end} bytes behind the RLP item`)
  return item
}

/** The inverse of {@link decodeRlp}. */
export function encodeRlp(item: RlpItem): Uint8Array {
  if (item instanceof Uint8Array) {
    return item.length === 1 && item[0]! < 0x80 ? new Uint8Array(item) : join(lengthPrefix(0x80, item.length), [item])
  }
  const items = item.map(encodeRlp)
  return join(
    lengthPrefix(
      0xc0,
      items.reduce((sum, part) => sum + part.length, 0),
    ),
    items,
  )
}

/** The item as bytes; `size`: how many, where that is fixed. */
export function rlpBytes(item: RlpItem | undefined, what: string, size?: number): Uint8Array {
  if (!(item instanceof Uint8Array) || (size !== undefined && item.length !== size)) {
    throw new ProofError('seal', `${what} is not ${size === undefined ? 'bytes' : `${size} bytes`}`)
  }
  return item
}

/** The item as a list; `size`: how long, where that is fixed. */
export function rlpList(item: RlpItem | undefined, what: string, size?: number): RlpItem[] {
  if (!Array.isArray(item) || (size !== undefined && item.length !== size)) {
    throw new ProofError('seal', `${what} is not a list${size === undefined ? '' : ` of ${size}`}`)
  }
  return item
}

/** The item as a number from 0 to 2^53 - 1: big-endian, without leading zeros. */
export function rlpNumber(item: RlpItem | undefined, what: string): number {
  const bytes = rlpBytes(item, what)
  const value = bytes.length > 7 ? Number.NaN : bytes.reduce((sum, byte) => sum * 256 + byte, 0)
  if (!Number.isSafeInteger(value) || bytes[0] === 0) throw new ProofError('seal', `${what} is no number`)
  return value
}

function decodeItem(bytes: Uint8Array, start: number, depth: number): { item: RlpItem; end: number } {
  const first = bytes[start]
  if (first === undefined) throw new ProofError('seal', 'the RLP ends too early')
  if (first < 0x80) return { item: bytes.slice(start, start + 1), end: start + 1 }
  const isList = first >= 0xc0
  const short = first - (isList ? 0xc0 : 0x80)
  let from = start + 1
  let size = short
  if (short > 55) {
    const digits = short - 55
    size = 0
    for (const byte of bytes.subarray(from, from + digits)) size = size * 256 + byte
    if (digits > 4 || bytes[from] === 0 || size < 56)
      throw new ProofError('seal', 'a length in the RLP is not the shortest')
    from += digits
  }
  const end = from + size
  if (end > bytes.length) throw new ProofError('seal', 'the RLP ends too early')
  if (!isList) {
    if (size === 1 && bytes[from]! < 0x80) throw new ProofError('seal', 'a byte in the RLP is not encoded as itself')
    return { item: new Uint8Array(bytes.subarray(from, end)), end }
  }
  if (depth === 0) throw new ProofError('seal', 'the RLP is nested too deep')
  const list: RlpItem[] = []
  for (let at = from; at < end; ) {
    const next = decodeItem(bytes.subarray(0, end), at, depth - 1)
    list.push(next.item)
    at = next.end
  }
  return { item: list, end }
}

function lengthPrefix(offset: number, size: number): Uint8Array {
  if (size < 56) return Uint8Array.of(offset + size)
  const digits: number[] = []
  for (let rest = size; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256)
  return Uint8Array.of(offset + 55 + digits.length, ...digits)
}

function join(head: Uint8Array, parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, head.length))
  whole.set(head)
  let at = head.length
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
