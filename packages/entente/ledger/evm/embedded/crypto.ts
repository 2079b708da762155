// What the chain computes most, by libraries in WebAssembly: see docs/decisions/0038-crypto-of-the-embedded-chain.md. They answer as those in
// JavaScript do, which crypto.test.ts holds them to.
import type { Common } from '@ethereumjs/common'
import { createKeccak } from 'hash-wasm'
import { recover, signRecoverable } from 'tiny-secp256k1'

const hasher = await createKeccak(256)

/** Keccak-256. */
export const keccak256 = (message: Uint8Array): Uint8Array => hasher.init().update(message).digest('binary')

/**
 * Public key (64 bytes) of who signed a hash. `v`: 0 or 1, 27 or 28 where no chain is named, otherwise that of EIP-155. Throws where there is none.
 */
export const ecrecover: NonNullable<Common['customCrypto']['ecrecover']> = (hash, v, r, s, chainId) => {
  const recovery = v < 2n ? v : v - (chainId === undefined ? 27n : 35n + 2n * chainId)
  if (recovery !== 0n && recovery !== 1n) throw new Error(`the signature's v is ${v}`)
  const signature = new Uint8Array(64)
  signature.set(r, 32 - r.length)
  signature.set(s, 64 - s.length)
  const key = recover(hash, signature, recovery === 0n ? 0 : 1, false)
  if (key === null) throw new Error('the signature is of no key')
  return key.subarray(1)
}

/** Signs a hash: r, s (the lower one) and 0 or 1, with the nonce of RFC 6979, so always the same 65 bytes. */
export function sign(hash: Uint8Array, privateKey: Uint8Array): Uint8Array {
  const { signature, recoveryId } = signRecoverable(hash, privateKey)
  const seal = new Uint8Array(65)
  seal.set(signature)
  seal[64] = recoveryId
  return seal
}
