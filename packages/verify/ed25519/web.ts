import { ed25519 } from '@noble/curves/ed25519.js'

/**
 * Whether this is a signature by this key: Ed25519 (RFC 8032 section 5.1.7) and nothing laxer. The equation is the one with the cofactor, both points and S are encoded
 * canonically, and a key of small order, for which one signature is good for many messages, has signed nothing.
 *
 * Node has the same verdicts at a tenth of the time (`node.ts`).
 *
 * @param signature 64 bytes
 * @param publicKey 32 bytes
 */
export function verifyEd25519(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean {
  return ed25519.verify(signature, message, publicKey, { zip215: false })
}
