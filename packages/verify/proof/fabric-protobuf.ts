import { ProofError } from './error.ts'

/** A message of Protocol Buffers taken apart: what each field number came with, in order. Numbers as varints, everything else as bytes. */
export type ProtobufMessage = ReadonlyMap<number, readonly (bigint | Uint8Array)[]>

const MAX_FIELDS = 100_000

/**
 * Take a message of the Protocol Buffers wire format apart, without knowing its fields.
 *
 * @throws ProofError `malformed`
 */
export function decodeProtobuf(bytes: Uint8Array, what: string): ProtobufMessage {
  const fields = new Map<number, (bigint | Uint8Array)[]>()
  let at = 0
  let count = 0
  const broken = (why: string) => new ProofError('malformed', `${what} is no protobuf message: ${why} at byte ${at}`)
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined) throw broken('it ends early')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw broken('a number is too long')
  }
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) throw broken('it ends early')
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    if (++count > MAX_FIELDS) throw broken('it has too many fields')
    const tag = varint()
    const field = Number(tag >> 3n)
    const type = Number(tag & 7n)
    if (field < 1 || field > 0x1fffffff) throw broken(`field number ${field}`)
    let value: bigint | Uint8Array
    if (type === 0) value = varint()
    else if (type === 1) value = take(8)
    else if (type === 2) value = take(Number(varint()))
    else if (type === 5) value = take(4)
    else throw broken(`wire type ${type}`)
    const known = fields.get(field)
    if (known === undefined) fields.set(field, [value])
    else known.push(value)
  }
  return fields
}

/** All values of a field of bytes, strings or messages. @throws ProofError `malformed` */
export function protobufList(message: ProtobufMessage, field: number, what: string): readonly Uint8Array[] {
  const values = message.get(field) ?? []
  return values.map(value => {
    if (typeof value === 'bigint') throw new ProofError('malformed', `${what} is a number`)
    return value
  })
}

/** The one value of such a field; empty where it is absent, as Protocol Buffers have it. @throws ProofError `malformed` where there are several */
export function protobufBytes(message: ProtobufMessage, field: number, what: string): Uint8Array {
  const values = protobufList(message, field, what)
  if (values.length > 1) throw new ProofError('malformed', `${what} is there ${values.length} times`)
  return values[0] ?? new Uint8Array()
}

/** The one number of a field; 0 where it is absent. @throws ProofError `malformed` */
export function protobufNumber(message: ProtobufMessage, field: number, what: string): number {
  const values = message.get(field) ?? []
  const [value = 0n] = values
  if (values.length > 1 || typeof value !== 'bigint' || value > BigInt(Number.MAX_SAFE_INTEGER))
    throw new ProofError('malformed', `${what} is no number up to 2^53 - 1`)
  return Number(value)
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Bytes as text. @throws ProofError `malformed` */
export function protobufText(message: ProtobufMessage, field: number, what: string): string {
  try {
    return utf8.decode(protobufBytes(message, field, what))
  } catch (cause) {
    if (cause instanceof ProofError) throw cause
    throw new ProofError('malformed', `${what} is no UTF-8`, { cause })
  }
}
