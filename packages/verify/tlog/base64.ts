import { TlogError } from './error.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const INVALID = 0xff
const VALUES = new Uint8Array(128).fill(INVALID)
for (let i = 0; i < ALPHABET.length; i++) VALUES[ALPHABET.charCodeAt(i)] = i

/** Standard base64 with padding (RFC 4648 section 4). */
export function encodeBase64(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i
    const bits = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    text += ALPHABET[bits >> 18]! + ALPHABET[(bits >> 12) & 63]!
    text += left > 1 ? ALPHABET[(bits >> 6) & 63]! : '='
    text += left > 2 ? ALPHABET[bits & 63]! : '='
  }
  return text
}

/**
 * Standard base64 with padding (RFC 4648 section 4), and only what {@link encodeBase64} writes: no line breaks, and unused bits
 * must be zero (section 3.5). Otherwise two texts were one signature, and a flipped bit went unnoticed.
 *
 * @param bytes how many bytes it must hold, where that is known
 * @throws TlogError `malformed`
 */
export function decodeBase64(text: string, bytes?: number): Uint8Array {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const size = (text.length / 4) * 3 - padding
  if (text.length % 4 !== 0 || (bytes !== undefined && size !== bytes)) {
    const wanted = bytes === undefined ? 'base64' : `base64 of ${bytes} bytes`
    throw new TlogError('malformed', `expected ${wanted}, got ${text.length} characters`)
  }
  const out = new Uint8Array(size)
  for (let i = 0, at = 0; i < text.length; i += 4) {
    let bits = 0
    for (let k = 0; k < 4; k++) {
      const isPadding = i + k >= text.length - padding
      const value = isPadding ? 0 : (VALUES[text.charCodeAt(i + k)] ?? INVALID)
      if (value === INVALID) throw new TlogError('malformed', `not base64 at character ${i + k}`)
      bits = (bits << 6) | value
    }
    if (i + 4 === text.length && padding > 0 && (bits & (padding === 2 ? 0xffff : 0xff)) !== 0) {
      throw new TlogError('malformed', 'the last character of the base64 has bits that nothing uses')
    }
    for (let shift = 16; shift >= 0 && at < size; shift -= 8) out[at++] = (bits >> shift) & 0xff
  }
  return out
}
