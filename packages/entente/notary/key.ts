import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { createVerifierKey, ED25519, formatVkey, type NoteSigner } from '@entente/verify/tlog'
import { NotaryError } from './errors.ts'

/** The log's key as the server uses it: signs notes under the origin's name. */
export type LogKey = { signer: NoteSigner; vkey: string }

/**
 * Reads an Ed25519 private key (PKCS#8 PEM), and makes it where `create` is set and there is none. A key is never made for a
 * log that exists: losing the key is something to say, not to repair.
 *
 * @param origin name of the log and of its key (C2SP signed-note), or how it follows from the public key
 * @throws NotaryError `integrity` where the file is missing or holds no Ed25519 key
 */
export function openLogKey(
  file: string,
  origin: string | ((publicKey: Uint8Array) => string),
  create: boolean,
): LogKey {
  const missing = "the log's key is missing. Restore it from your backup; a new key would be a new log"
  return toLogKey(origin, openPrivateKey(file, create, missing))
}

/**
 * An Ed25519 private key of a file (PKCS#8 PEM), made where `create` is set and there is none.
 *
 * @param missing what to say where there is none
 * @throws NotaryError `integrity`
 */
export function openPrivateKey(file: string, create: boolean, missing: string): KeyObject {
  if (!existsSync(file)) {
    if (!create) throw new NotaryError('integrity', `${file}: ${missing}`)
    const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
    writeSecret(file, pem)
  }
  let key: KeyObject
  try {
    key = createPrivateKey(readFileSync(file))
  } catch (cause) {
    throw new NotaryError('integrity', `${file}: not a private key in PEM: ${(cause as Error).message}`, { cause })
  }
  if (key.asymmetricKeyType !== 'ed25519')
    throw new NotaryError('integrity', `${file}: an ${key.asymmetricKeyType} key, Ed25519 is needed`)
  return key
}

export function toLogKey(name: string | ((publicKey: Uint8Array) => string), key: KeyObject): LogKey {
  const { x } = createPublicKey(key).export({ format: 'jwk' })
  const publicKey = Buffer.from(x as string, 'base64url')
  const origin = typeof name === 'string' ? name : name(publicKey)
  const verifier = createVerifierKey(origin, ED25519, publicKey)
  const signer: NoteSigner = { name: origin, keyId: verifier.keyId, sign: message => sign(null, message, key) }
  return { signer, vkey: formatVkey(verifier) }
}

/** Writes a file that only its owner may read, durably. Fails if it exists. */
export function writeSecret(file: string, text: string): void {
  const fd = openSync(file, 'wx', 0o600)
  try {
    writeSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
