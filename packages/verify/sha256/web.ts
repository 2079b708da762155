import { sha256 as noble } from '@noble/hashes/sha2.js'

/**
 * SHA-256 (FIPS 180-4) without the host's help: browsers only offer it as a promise, and a Merkle tree of
 * promises is slower than one in JavaScript.
 *
 * @returns 32 bytes of their own
 */
export function sha256(data: Uint8Array): Uint8Array {
  return noble(data)
}

/** SHA-256 of `data`, written to `target` at `offset`. `data` may overlap `target`. */
export function sha256Into(data: Uint8Array, target: Uint8Array, offset: number): void {
  target.set(noble(data), offset)
}
