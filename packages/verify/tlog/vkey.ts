import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { sha256 } from '#sha256'
import { decodeBase64, encodeBase64 } from './base64.ts'
import { TlogError } from './error.ts'
import { equalHashes } from './hash.ts'

/** signed-note, "Signature types": Ed25519 over the text. */
export const ED25519 = 0x01
/** signed-note, "Signature types": timestamped Ed25519 cosignature of a checkpoint (tlog-cosignature). */
export const COSIGNATURE_V1 = 0x04

/** The signature types that this library verifies. */
export type NoteAlgorithm = typeof ED25519 | typeof COSIGNATURE_V1

/** A key that verifies notes: name and id are what its signature line begins with. */
export type VerifierKey = {
  readonly name: string
  /** 4 bytes, see {@link noteKeyId} */
  readonly keyId: Uint8Array
  readonly algorithm: NoteAlgorithm
  /** 32 bytes, Ed25519 (RFC 8032) */
  readonly publicKey: Uint8Array
}

const PUBLIC_KEY_SIZE = 32
const MAX_NAME_LENGTH = 1024

/** signed-note, "Format": not empty, no Unicode space, no plus, no control character. */
export function isKeyName(name: string): boolean {
  return (
    name.length > 0 &&
    name.length <= MAX_NAME_LENGTH &&
    name.isWellFormed() &&
    !/[\p{White_Space}+]|[^!-\u{10ffff}]/u.test(name)
  )
}

/** signed-note, "Signatures": SHA-256(name || LF || algorithm || public key), the first 4 bytes. */
export function noteKeyId(name: string, algorithm: NoteAlgorithm, publicKey: Uint8Array): Uint8Array {
  const head = new TextEncoder().encode(`${name}\n`)
  const text = new Uint8Array(head.length + 1 + publicKey.length)
  text.set(head)
  text[head.length] = algorithm
  text.set(publicKey, head.length + 1)
  return sha256(text).slice(0, 4)
}

/**
 * A verifier key from its parts.
 *
 * @throws TlogError `malformed`
 */
export function createVerifierKey(name: string, algorithm: NoteAlgorithm, publicKey: Uint8Array): VerifierKey {
  if (!isKeyName(name)) throw new TlogError('malformed', `not a key name: ${JSON.stringify(name.slice(0, 80))}`)
  if (publicKey.length !== PUBLIC_KEY_SIZE) {
    throw new TlogError('malformed', `an Ed25519 public key has ${PUBLIC_KEY_SIZE} bytes, not ${publicKey.length}`)
  }
  return { name, keyId: noteKeyId(name, algorithm, publicKey), algorithm, publicKey: new Uint8Array(publicKey) }
}

/** signed-note, "Verifier keys": `name+hex(key id)+base64(algorithm || public key)`. */
export function formatVkey(key: VerifierKey): string {
  const material = new Uint8Array(1 + key.publicKey.length)
  material[0] = key.algorithm
  material.set(key.publicKey, 1)
  return `${key.name}+${bytesToHex(key.keyId)}+${encodeBase64(material)}`
}

/**
 * The inverse of {@link formatVkey}.
 *
 * @throws TlogError `malformed` (also where the id is not that of the key), `unsupported` for other algorithms
 * @example
 * parseVkey('example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k').name // 'example.com/foo'
 */
export function parseVkey(vkey: string): VerifierKey {
  const nameEnd = vkey.indexOf('+')
  const idEnd = vkey.indexOf('+', nameEnd + 1)
  const id = vkey.slice(nameEnd + 1, idEnd)
  if (nameEnd < 0 || idEnd < 0 || !/^[0-9a-f]{8}$/.test(id)) {
    throw new TlogError('malformed', `not a verifier key, expected name+id+key: ${vkey.slice(0, 80)}`)
  }
  const material = decodeBase64(vkey.slice(idEnd + 1))
  const algorithm = material[0]
  if (algorithm !== ED25519 && algorithm !== COSIGNATURE_V1) {
    throw new TlogError('unsupported', `the key ${vkey.slice(0, nameEnd)} is of type ${algorithm}: 1 and 4 are known`)
  }
  const key = createVerifierKey(vkey.slice(0, nameEnd), algorithm, material.slice(1))
  if (!equalHashes(key.keyId, hexToBytes(id))) {
    throw new TlogError('malformed', `the verifier key says id ${id}, its parts say ${bytesToHex(key.keyId)}`)
  }
  return key
}
