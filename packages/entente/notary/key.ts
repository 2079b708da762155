import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { type LogKeys, ProofError, readLogKeys, verifyContinuation, verifySuccession } from '@entente/verify/proof'
import { createVerifierKey, ED25519, formatVkey, type NoteSigner, parseVkey } from '@entente/verify/tlog'
import { NotaryError } from './errors.ts'

/** The log's key as the server uses it: signs notes under the origin's name. */
export type LogKey = {
  /** Has the key before this one sign as well, while that one is kept (notary/rotate.ts). */
  signer: NoteSigner
  /** The verifier key of the key that signs now. */
  vkey: string
  /** All keys that the log has had. */
  keys: LogKeys
  /** What the log's names are derived from where nobody chose them: the first of its keys, whichever signs now, or of those of the log that it went on from. */
  first: string
  /** The statements by which it went on from logs that had ended (notary/continue.ts), the oldest first. */
  continuations: readonly string[]
}

/**
 * Reads an Ed25519 private key (PKCS#8 PEM), and makes it where `create` is set and there is none. A key is never made for a
 * log that exists: losing the key is something to say, not to repair.
 *
 * Behind the key the file has the statements by which it followed those before it (docs/formats.md 16), and by which its log went on from others (18): key and history
 * are never apart.
 *
 * @param origin name of the log and of its key (C2SP signed-note), or how it follows from the public key
 * @throws NotaryError `integrity` where the file is missing or holds no Ed25519 key, or statements of other keys
 */
export function openLogKey(
  file: string,
  origin: string | ((publicKey: Uint8Array) => string),
  create: boolean,
): LogKey {
  const missing = "the log's key is missing. Restore it from your backup; a new key would be a new log"
  const key = openPrivateKey(file, create, missing)
  const text = readFileSync(file, 'utf8')
  try {
    const log = toLogKey(origin, key, readStatements(text, 'SUCCESSION'), readStatements(text, 'CONTINUATION'))
    if (!existsSync(oldKeyFile(file))) return log
    const old = toLogKey(log.signer.name, openPrivateKey(oldKeyFile(file), false, missing))
    // The same key is there while a rotation is under way.
    return old.vkey === log.keys.vkeys.at(-2) ? { ...log, signer: { ...log.signer, also: old.signer } } : log
  } catch (cause) {
    if (!(cause instanceof ProofError)) throw cause
    throw new NotaryError('integrity', `${file}: the statements behind the key are not of it: ${cause.message}`, {
      cause,
    })
  }
}

/** Where the key before the log's own is, while it signs as well. */
export const oldKeyFile = (file: string): string => `${file}.old`

const BLOCK = /-----BEGIN ENTENTE ([A-Z]{1,16})-----\n([A-Za-z0-9+/=\n]{1,32768})-----END ENTENTE [A-Z]{1,16}-----\n/g

/** The statements by which the log's key followed others, the oldest first; none where the file is not there. */
export const historyOf = (file: string): string[] =>
  existsSync(file) ? readStatements(readFileSync(file, 'utf8'), 'SUCCESSION') : []

type Kind = 'SUCCESSION' | 'CONTINUATION'

const readStatements = (text: string, kind: Kind): string[] =>
  [...text.matchAll(BLOCK)].flatMap(([, of, base64 = '']) =>
    of === kind ? [Buffer.from(base64, 'base64').toString()] : [],
  )

/** A key with the statements that lead to it, and those of logs that its own went on from, as its file has them. */
export function formatKeyFile(
  key: KeyObject,
  successions: readonly string[],
  continuations: readonly string[] = [],
): string {
  const toBlock = (kind: Kind) => (note: string) => {
    const lines =
      Buffer.from(note)
        .toString('base64')
        .match(/.{1,64}/g) ?? []
    return `-----BEGIN ENTENTE ${kind}-----\n${lines.join('\n')}\n-----END ENTENTE ${kind}-----\n`
  }
  const blocks = [...continuations.map(toBlock('CONTINUATION')), ...successions.map(toBlock('SUCCESSION'))]
  return (key.export({ type: 'pkcs8', format: 'pem' }) as string) + blocks.join('')
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

/**
 * @param notes the statements that lead to this key, the oldest first
 * @param continuations those by which its log went on from others, the oldest first: its name is what the last one says, or follows from its first key
 * @throws ProofError where they don't
 */
export function toLogKey(
  name: string | ((publicKey: Uint8Array) => string),
  key: KeyObject,
  notes: readonly string[] = [],
  continuations: readonly string[] = [],
): LogKey {
  const { x } = createPublicKey(key).export({ format: 'jwk' })
  const publicKey = Buffer.from(x as string, 'base64url')
  const went = continuations.map(verifyContinuation)
  const own = went.at(-1)?.to ?? (notes[0] === undefined ? undefined : verifySuccession(notes[0]).from)
  const named = own === undefined ? undefined : parseVkey(own).name
  const origin = typeof name === 'string' ? name : (named ?? name(publicKey))
  if (went.length > 0 && origin !== named)
    throw new ProofError('continuation', `it is the key of the log ${named}, and "log.origin" is ${origin}`)
  const verifier = createVerifierKey(origin, ED25519, publicKey)
  const signer: NoteSigner = { name: origin, keyId: verifier.keyId, sign: message => sign(null, message, key) }
  const vkey = formatVkey(verifier)
  const keys = readLogKeys(vkey, notes)
  if (keys.vkeys.at(-1) !== vkey)
    throw new ProofError('succession', `${keys.vkeys.at(-1)} has followed this key, ${vkey}: use that one`)
  const [oldest] = keys.vkeys as [string]
  if (went.length > 0 && went.at(-1)?.to !== oldest)
    throw new ProofError(
      'continuation',
      `the log went on with the key ${went.at(-1)?.to}, which does not lead to this one, ${vkey}`,
    )
  return { signer, vkey, keys, first: went[0]?.first ?? oldest, continuations }
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
