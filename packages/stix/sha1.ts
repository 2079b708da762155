/** SHA-1 (FIPS 180-4), for UUIDs of version 5 only: it is broken for everything that an attacker may choose. */

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits))

/** The digest of `octets`, 20 octets. */
export function sha1(octets: Uint8Array): Uint8Array {
  const padded = new Uint8Array((((octets.length + 8) >> 6) + 1) << 6)
  padded.set(octets)
  padded[octets.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 8, Math.floor(octets.length / 0x2000_0000))
  view.setUint32(padded.length - 4, octets.length << 3)
  const state = new Int32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0])
  const words = new Int32Array(80)
  for (let block = 0; block < padded.length; block += 64) {
    for (let at = 0; at < 16; at++) words[at] = view.getInt32(block + at * 4)
    for (let at = 16; at < 80; at++) {
      words[at] = rotate(
        (words[at - 3] as number) ^ (words[at - 8] as number) ^ (words[at - 14] as number) ^ (words[at - 16] as number),
        1,
      )
    }
    let [a = 0, b = 0, c = 0, d = 0, e = 0] = state
    for (let at = 0; at < 80; at++) {
      const [mixed, constant] =
        at < 20
          ? [(b & c) | (~b & d), 0x5a827999]
          : at < 40
            ? [b ^ c ^ d, 0x6ed9eba1]
            : at < 60
              ? [(b & c) | (b & d) | (c & d), 0x8f1bbcdc]
              : [b ^ c ^ d, 0xca62c1d6]
      const next = (rotate(a, 5) + mixed + e + constant + (words[at] as number)) | 0
      e = d
      d = c
      c = rotate(b, 30)
      b = a
      a = next
    }
    for (const [at, word] of [a, b, c, d, e].entries()) state[at] = ((state[at] as number) + word) | 0
  }
  const digest = new Uint8Array(20)
  const out = new DataView(digest.buffer)
  for (const [at, word] of state.entries()) out.setInt32(at * 4, word)
  return digest
}
