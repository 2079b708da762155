// Ethereum block headers as RLP lists, and the QBFT form of them: what is hashed, what validators seal (Besu's QbftExtraDataCodec,
// GoQuorum's qbft engine). A header is kept as its list of fields, so one with more fields than we know stays whole.
import type { Hex } from 'viem'
import { bytesToHex, bytesToNumber, fromRlp, keccak256, recoverAddress, toRlp } from 'viem/utils'
import { LedgerError } from '../error.ts'

/** Digest that marks the Istanbul family in `mixHash`. */
export const BFT_MIX_HASH: Hex = '0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365'

/** Positions in the RLP list of a header. */
export const FIELD = { parent: 0, stateRoot: 3, number: 8, time: 11, extra: 12, mixHash: 13 } as const

export type HeaderFields = readonly Uint8Array[]

/** The parts of QBFT extraData: RLP [vanity, validators, vote, round, seals]. */
export interface QbftExtra {
  readonly validators: readonly Uint8Array[]
  readonly seals: readonly Uint8Array[]
  readonly round: number
}

type RlpList = readonly (Uint8Array | RlpList)[]
const EMPTY = new Uint8Array(0)
const VANITY = new Uint8Array(32)
const MAX_HEADER = 64 * 1024
const MAX_VALIDATORS = 512

export const encodeHeader = (fields: HeaderFields): Uint8Array => toRlp([...fields], 'bytes')

/** Parses the RLP of a header. Throws LedgerError `corrupt`. */
export function parseHeader(bytes: Uint8Array): HeaderFields {
  if (bytes.length > MAX_HEADER)
    throw new LedgerError('corrupt', `a header of ${bytes.length} bytes: at most ${MAX_HEADER} are read`)
  let list: unknown
  try {
    list = fromRlp(bytes, 'bytes')
  } catch (cause) {
    throw new LedgerError('corrupt', 'a block header is no RLP', { cause })
  }
  if (!Array.isArray(list) || list.length < 15 || !list.every(item => item instanceof Uint8Array)) {
    throw new LedgerError('corrupt', 'a block header is no list of at least 15 byte strings')
  }
  return list
}

/** One field as a number. Throws LedgerError `corrupt` beyond 2^53. */
export function headerNumber(fields: HeaderFields, field: number): number {
  const bytes = fields[field] ?? EMPTY
  const value = bytes.length > 7 ? Number.NaN : bytes.length === 0 ? 0 : bytesToNumber(bytes)
  if (!Number.isSafeInteger(value))
    throw new LedgerError('corrupt', `header field ${field} is out of range: ${bytesToHex(bytes)}`)
  return value
}

export const formatExtra = ({ validators, seals, round }: QbftExtra, vanity: Uint8Array = VANITY): Uint8Array =>
  toRlp([vanity, [...validators], [], scalar(round), [...seals]], 'bytes')

/** Parses extraData; undefined when it is not QBFT's. A vote is allowed and ignored. */
export function parseExtra(extra: Uint8Array): QbftExtra | undefined {
  const list = decodeExtra(extra)
  if (list === undefined) return undefined
  const [, validators, , round, seals] = list
  if (!isBytesList(validators, 20) || !isBytesList(seals, 65) || !(round instanceof Uint8Array) || round.length > 4)
    return undefined
  return { validators, seals, round: round.length === 0 ? 0 : bytesToNumber(round) }
}

/** What validators seal: the hash of the header without seals, its round kept. */
export const sealMessage = (fields: HeaderFields): Hex =>
  hashWith(fields, (vanity, validators, vote, round) => [vanity, validators, vote, round, []])

/** Hash of a QBFT block: its header without seals and with round 0. */
export const qbftHash = (fields: HeaderFields): Hex =>
  hashWith(fields, (vanity, validators, vote) => [vanity, validators, vote, EMPTY, []])

/** Hash of a header of any other kind. */
export const plainHash = (fields: HeaderFields): Hex => keccak256(encodeHeader(fields))

/** Seals that a block needs: ceil(2N/3). */
export const quorum = (validators: number): number => Math.ceil((2 * validators) / 3)

/**
 * Checks that at least ceil(2N/3) distinct validators sealed a header; gives its hash.
 * @param validators Addresses, 0x and lower case. Throws LedgerError `corrupt`.
 */
export async function checkSeals(fields: HeaderFields, validators: readonly string[]): Promise<Hex> {
  const extra = parseExtra(fields[FIELD.extra] ?? EMPTY)
  if (extra === undefined) throw new LedgerError('corrupt', 'a block header has no QBFT seals')
  const hash = sealMessage(fields)
  const sealers = new Set<string>()
  for (const seal of extra.seals) {
    const sealer = await recoverAddress({ hash, signature: bytesToHex(seal) }).catch(() => '')
    if (validators.includes(sealer.toLowerCase())) sealers.add(sealer)
  }
  if (sealers.size < quorum(validators.length)) {
    const number = headerNumber(fields, FIELD.number)
    throw new LedgerError(
      'corrupt',
      `block ${number} has ${sealers.size} seals of its ${validators.length} validators, ${quorum(validators.length)} are needed`,
    )
  }
  return qbftHash(fields)
}

/** An integer as RLP writes it: big-endian without leading zeros. */
export function scalar(value: number | bigint): Uint8Array {
  const hex = BigInt(value).toString(16)
  return value === 0 || value === 0n
    ? EMPTY
    : Uint8Array.from(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex'))
}

function hashWith(fields: HeaderFields, rewrite: (...extra: (Uint8Array | RlpList)[]) => RlpList): Hex {
  const list = decodeExtra(fields[FIELD.extra] ?? EMPTY)
  if (list === undefined) throw new LedgerError('corrupt', 'the extraData of a block is not that of QBFT')
  const extra = toRlp(rewrite(...list) as Uint8Array[], 'bytes')
  return plainHash(fields.map((field, i) => (i === FIELD.extra ? extra : field)))
}

function decodeExtra(extra: Uint8Array): RlpList | undefined {
  try {
    const list = fromRlp(extra, 'bytes') as RlpList | Uint8Array
    return Array.isArray(list) && list.length === 5 ? list : undefined
  } catch {
    return undefined
  }
}

const isBytesList = (value: Uint8Array | RlpList | undefined, length: number): value is readonly Uint8Array[] =>
  Array.isArray(value) &&
  value.length <= MAX_VALIDATORS &&
  value.every(item => item instanceof Uint8Array && item.length === length)
