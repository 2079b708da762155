import { TlogError } from './error.ts'
import type { NoteSigner } from './note.ts'

const MAX_TIMESTAMP = 2n ** 63n - 1n
const encoder = new TextEncoder()

/**
 * tlog-cosignature, "Ed25519 signed message": what a witness signs at `timestamp` (POSIX seconds) for the text of a checkpoint.
 */
export function cosignedMessage(text: Uint8Array, timestamp: bigint): Uint8Array {
  const head = encoder.encode(`cosignature/v1\ntime ${timestamp}\n`)
  const message = new Uint8Array(head.length + text.length)
  message.set(head)
  message.set(text, head.length)
  return message
}

/**
 * A signer of cosignature/v1 from one of Ed25519 whose key id is that of algorithm 0x04: what `signNote` makes with it is a
 * cosignature (8 bytes of time, then the signature).
 *
 * @param timestamp POSIX seconds
 * @throws TlogError `argument`
 */
export function createCosigner(signer: NoteSigner, timestamp: bigint): NoteSigner {
  if (timestamp < 0n || timestamp > MAX_TIMESTAMP)
    throw new TlogError('argument', `no time of a cosignature: ${timestamp}`)
  return {
    name: signer.name,
    keyId: signer.keyId,
    sign(message) {
      const signature = signer.sign(cosignedMessage(message, timestamp))
      const cosignature = new Uint8Array(8 + signature.length)
      new DataView(cosignature.buffer).setBigUint64(0, timestamp)
      cosignature.set(signature, 8)
      return cosignature
    },
  }
}
