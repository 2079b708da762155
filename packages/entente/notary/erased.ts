import { createHmac, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import type { Store } from '#store/store.ts'
import { NotaryError } from './errors.ts'
import { writeSecret } from './key.ts'

/**
 * Recognises what was erased when it comes back, without keeping it: a tag is an HMAC-SHA256 under a key that lies beside the store, not in it.
 * Whoever has the store alone learns nothing from its tags; whoever has both can test an id that he guesses, and no more.
 */
export type ErasedTags = {
  /**
   * @param collection 32 bytes that name the collection (docs/formats.md 4): a tag says nothing in another one
   * @param version six digits; without one, the tag is that of every version
   */
  tag(collection: Uint8Array, id: string, version?: string): Uint8Array
  /** Kept with every tag: with another key it isn't found. */
  readonly check: Uint8Array
}

const DOMAIN = 'entente/erased/v1\n'
const KEY_BYTES = 32

export function createErasedTags(key: Uint8Array): ErasedTags {
  const hmac = () => createHmac('sha256', key).update(DOMAIN)
  return {
    tag: (collection, id, version = '') => hmac().update(collection).update(`${id}\n${version}`).digest(),
    check: hmac().digest(),
  }
}

/**
 * Reads the key of the tags, and makes it where the store has no tags yet.
 *
 * @throws NotaryError `integrity` where the key is missing, is none, or is not the one that the store's tags were made with
 */
export async function openErasedTags(file: string, store: Store): Promise<ErasedTags> {
  const isUsed = await store.hasErased()
  if (!existsSync(file)) {
    if (isUsed)
      throw new NotaryError(
        'integrity',
        `${file}: the key is missing by which erased objects are known again. Restore it from your backup; without it they could be posted again. With "repost: allow" on every collection the server starts without it`,
      )
    writeSecret(file, `${randomBytes(KEY_BYTES).toString('base64url')}\n`)
  }
  const text = readFileSync(file, 'utf8').trim()
  const key = Buffer.from(text, 'base64url')
  if (key.length !== KEY_BYTES || key.toString('base64url') !== text)
    throw new NotaryError('integrity', `${file}: not a key of ${KEY_BYTES} bytes in base64url`)
  const tags = createErasedTags(key)
  if (isUsed && !(await store.wereErased([tags.check]))[0])
    throw new NotaryError(
      'integrity',
      `${file}: not the key that the store's tags of erased objects were made with. Restore the right one from your backup`,
    )
  return tags
}
