/** Encodings of octets: hex (section 2.8), binary (section 2.1, RFC 4648 base64), and hash values (section 2.7). */

const lowerHex = (code: number): boolean => (code >= 48 && code <= 57) || (code >= 97 && code <= 102)

/** An even number, not 0, of `0`-`9` and lower-case `a`-`f`. */
export function isHex(text: string): boolean {
  if (text.length === 0 || text.length % 2 !== 0) return false
  for (let at = 0; at < text.length; at++) if (!lowerHex(text.charCodeAt(at))) return false
  return true
}

/** Standard base64 with padding (RFC 4648 section 4), not empty, no line breaks. */
export function isBase64(text: string): boolean {
  if (text.length === 0 || text.length % 4 !== 0) return false
  const end = text.endsWith('==') ? text.length - 2 : text.endsWith('=') ? text.length - 1 : text.length
  for (let at = 0; at < end; at++) {
    const code = text.charCodeAt(at)
    const letter = (code | 32) >= 97 && (code | 32) <= 122 && code >= 65
    if (!letter && !(code >= 47 && code <= 57) && code !== 43) return false
  }
  return true
}

/** Hexadecimal digits in the value of each hash of hash-algorithm-ov (section 10.7) that has a fixed length. */
const HASH_DIGITS: ReadonlyMap<string, number> = new Map([
  ['MD5', 32],
  ['SHA-1', 40],
  ['SHA-256', 64],
  ['SHA-512', 128],
  ['SHA3-256', 64],
  ['SHA3-512', 128],
])

/**
 * What is wrong with the value of a hash, in words; `undefined` if nothing that we know. Fixed-length hashes are
 * hexadecimal in either case; SSDEEP and TLSH must only be there; of other algorithms nothing is known.
 */
export function hashFault(algorithm: string, value: string): string | undefined {
  const digits = HASH_DIGITS.get(algorithm)
  if (digits === undefined) return value.length === 0 ? 'it is empty' : undefined
  if (value.length !== digits)
    return `${algorithm} has ${digits} hexadecimal digits, this has ${value.length} characters`
  for (let at = 0; at < digits; at++) {
    const code = value.charCodeAt(at)
    if (!lowerHex(code < 65 ? code : code | 32)) return `${algorithm} is hexadecimal, character ${at} is not`
  }
  return undefined
}
