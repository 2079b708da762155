import { createCipheriv, createDecipheriv, hash } from 'node:crypto'
import { NotaryError } from './errors.ts'

/**
 * Port: the keys under which records lie on ledgers (`record: full`), one for each record, outside of the store. To destroy a key is to erase the
 * record from every ledger. Followers walk the records of a collection in order and keep their places here, so that keys, places and what was
 * erased meanwhile belong together also after a restore.
 */
export interface RecordKeys {
  /** The `seq` that a follower looks at next in a collection; 0 at first. */
  place(follower: string, collection: string): number
  /**
   * Atomic and durable: keys of new records are kept (one that is there for the same commitment stays), those in `gone` are destroyed and MUST be
   * overwritten, and {@link FOLLOWER} stands at `place`.
   *
   * @throws StoreError `corrupt` where a record has a key for another commitment
   */
  follow(collection: string, made: readonly RecordKey[], gone: readonly number[], place: number): void
  move(follower: string, collection: string, place: number): void
  /** Collections that were ever followed. */
  collections(): string[]
  /** How many keys there are of a collection. */
  count(collection: string): number
  /** Keys of a collection from a `seq` on, ascending, at most `limit`. */
  list(collection: string, from: number, limit: number): RecordKey[]
  close(): void
}

/** Who makes and destroys the keys. */
export const FOLLOWER = ''

export type RecordKey = {
  seq: number
  /** 32 bytes: SHA-256 of the record's text, its id on ledgers. */
  commitment: Uint8Array
  /** 32 random bytes. */
  key: Uint8Array
}

/** How a collection is called here. */
export const collectionName = ({ apiRoot, id }: { apiRoot: string; id: string }): string => `${apiRoot} ${id}`

const CIPHER = 'aes-256-gcm'
const VERSION = 1
const TAG_BYTES = 16
/** A key encrypts one text, ever: its nonce needs not differ from any other. */
const NONCE = Buffer.alloc(12)

/**
 * A record as it lies on a ledger: a version byte, then AES-256-GCM of its text (docs/formats.md 1) with the commitment as additional data and the
 * tag at the end. The same record gives the same bytes.
 */
export function sealRecord({ commitment, key }: RecordKey, text: Uint8Array): Buffer {
  const cipher = createCipheriv(CIPHER, key, NONCE).setAAD(commitment)
  return Buffer.concat([Buffer.of(VERSION), cipher.update(text), cipher.final(), cipher.getAuthTag()])
}

/** @throws NotaryError `integrity` where the bytes are not that record under that key */
export function openSealedRecord({ seq, commitment, key }: RecordKey, sealed: Uint8Array): Buffer {
  const wrong = (what: string, cause?: unknown) =>
    new NotaryError('integrity', `what the ledger has of record ${seq} ${what}`, { cause })
  if (sealed.length < 1 + TAG_BYTES || sealed[0] !== VERSION) throw wrong(`is no sealed record of version ${VERSION}`)
  const decipher = createDecipheriv(CIPHER, key, NONCE)
    .setAAD(commitment)
    .setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
  let text: Buffer
  try {
    text = Buffer.concat([decipher.update(sealed.subarray(1, sealed.length - TAG_BYTES)), decipher.final()])
  } catch (cause) {
    throw wrong('does not open with its key', cause)
  }
  if (!hash('sha256', text, 'buffer').equals(commitment)) throw wrong('is not what was logged')
  return text
}
