import { hash, randomBytes } from 'node:crypto'

/** Longer than this is no credential: what Node takes of a head at most. */
const MOST_CHARACTERS = 16_384
/** Checked credentials that are remembered; beyond that all are forgotten, and checked again. */
const MAX_REMEMBERED = 10_000

export type Credentials = { scheme: 'basic' | 'bearer'; value: string }

/**
 * What an `Authorization` header holds (RFC 9110 section 11.6.2), its scheme in any case; `Token` is another name for `Bearer`.
 *
 * @returns undefined where it is absent, empty, too long or of another scheme
 */
export function parseCredentials(authorization: string | undefined): Credentials | undefined {
  if (authorization === undefined || authorization.length > MOST_CHARACTERS) return undefined
  const space = authorization.indexOf(' ')
  const scheme = authorization.slice(0, space).toLowerCase()
  const value = authorization.slice(space + 1).trim()
  if (space < 0 || value === '') return undefined
  if (scheme === 'bearer' || scheme === 'token') return { scheme: 'bearer', value }
  return scheme === 'basic' ? { scheme, value } : undefined
}

/** User and password of HTTP Basic (RFC 7617 section 2); undefined where there is no colon. */
export function parseBasic(value: string): { name: string; password: string } | undefined {
  const text = Buffer.from(value, 'base64').toString()
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) }
}

/** What a check came to, and for how many milliseconds it holds; undefined: not at all. */
export type Checked<T> = { value: T; holdsMs: number } | undefined

/**
 * Remembers what credentials came to, under a hash keyed for this process; and checks once for all requests that come with the same ones at the
 * same moment.
 *
 * @param elapsed milliseconds
 */
export function createRemembered<T>(elapsed: () => number) {
  // Never leaves this process, so a secret prefix is all the keying it needs: an HMAC costs 19 us of every request, this 1 us.
  const secret = randomBytes(32).toString('base64')
  const remembered = new Map<string, { value: T; until: number }>()
  const underWay = new Map<string, Promise<T | undefined>>()
  let generation = 0

  async function look(key: string, check: () => Promise<Checked<T>>): Promise<T | undefined> {
    const begun = generation
    const checked = await check()
    // What was being checked while everything was forgotten may rest on what is no longer so.
    if (checked && checked.holdsMs > 0 && begun === generation) {
      if (remembered.size >= MAX_REMEMBERED) remembered.clear()
      remembered.set(key, { value: checked.value, until: elapsed() + checked.holdsMs })
    }
    return checked?.value
  }

  return {
    get: async (credentials: string, check: () => Promise<Checked<T>>): Promise<T | undefined> => {
      const key = hash('sha256', secret + credentials, 'base64')
      const known = remembered.get(key)
      if (known && known.until > elapsed()) return known.value
      const same = underWay.get(key)
      if (same) return same
      const looking = look(key, check).finally(() => underWay.delete(key))
      underWay.set(key, looking)
      return looking
    },
    forget: (): void => {
      generation++
      remembered.clear()
    },
  }
}
