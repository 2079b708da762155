// A log that a test can grow, fork and sign for: entry i of history h is a text that says so.
import { createHash } from 'node:crypto'
import {
  consistencyProof,
  createVerifierKey,
  ED25519,
  formatAddCheckpoint,
  formatCheckpoint,
  formatVkey,
  type HashReader,
  hashChildren,
  hashLeaf,
  type NoteSigner,
  signNote,
  treeRoot,
} from '@entente/verify/tlog'
import { ed25519 } from '@noble/curves/ed25519.js'

export type TestLog = {
  origin: string
  vkey: string
  signer: NoteSigner
  root(size: number, fork?: number): Uint8Array
  /** A signed checkpoint; beyond entry `fork` the history is another one. */
  checkpoint(size: number, fork?: number): string
  /** The body of add-checkpoint. */
  request(oldSize: number, size: number, fork?: number): string
}

/** A test key: its seed is the SHA-256 of its name, so anybody can sign with it. */
export function testSeed(name: string): Uint8Array {
  return createHash('sha256').update(`entente test key ${name}`).digest()
}

export function createTestLog(origin: string): TestLog {
  const seed = testSeed(origin)
  const key = createVerifierKey(origin, ED25519, ed25519.getPublicKey(seed))
  const signer = { name: origin, keyId: key.keyId, sign: (message: Uint8Array) => ed25519.sign(message, seed) }
  const readerOf =
    (fork: number): HashReader =>
    (level, index) => {
      if (level > 0) return hashChildren(readerOf(fork)(level - 1, index * 2), readerOf(fork)(level - 1, index * 2 + 1))
      return hashLeaf(Buffer.from(`entry ${index}${index >= fork ? ' of another history' : ''}`))
    }
  const root = (size: number, fork = Infinity) => treeRoot(size, readerOf(fork))
  const checkpoint = (size: number, fork = Infinity) =>
    signNote(formatCheckpoint({ origin, size, root: root(size, fork), extensions: [] }), signer)
  return {
    origin,
    vkey: formatVkey(key),
    signer,
    root,
    checkpoint,
    request: (oldSize, size, fork = Infinity) =>
      formatAddCheckpoint({
        oldSize,
        proof: consistencyProof(oldSize, size, readerOf(fork)),
        checkpoint: checkpoint(size, fork),
      }),
  }
}
