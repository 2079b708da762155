import { hash } from 'node:crypto'
import { isIPv6 } from 'node:net'
import type { Authenticate, Principal } from './auth/auth.ts'
import { TaxiiError } from './errors.ts'

/** A minute, for each client: failed logins, and requests of nobody. 0: no limit. */
export type RateLimits = { failures: number; anonymous: number }
export const DEFAULT_RATE: RateLimits = { failures: 20, anonymous: 1200 }

/** Clients and users that are remembered; beyond that the one seen longest ago is forgotten. */
const MOST_KEYS = 10_000
const MINUTE_MS = 60_000

/** Lets clients in, and slows down those who guess passwords or come without credentials (docs/decisions/0007-rate-limit.md). */
export type Gate = {
  /**
   * Who has these credentials; undefined where they are wrong or absent.
   *
   * @throws TaxiiError 429 `rate`; what `authenticate` throws
   */
  principal(authorization: string | undefined, address: string): Promise<Principal | undefined>
  /** @throws TaxiiError 429 `rate` */
  anonymous(address: string): void
}

/**
 * Token buckets over `authenticate`: failures count by client and by user name, requests without credentials by client, and what comes with good
 * credentials is never counted. Where a client has used its failures up, no password of it is derived until the bucket has filled again.
 *
 * @param now milliseconds of a clock that never goes back
 */
export function createGate(authenticate: Authenticate, limits: RateLimits, now: () => number): Gate {
  const failures = createBuckets(limits.failures, now)
  const anonymous = createBuckets(limits.anonymous, now)
  // A stranger who guesses at somebody's password must not lock them out where they always log in from.
  const trusted = rememberKeys()

  return {
    principal: async (authorization, address) => {
      if (authorization === undefined) return undefined
      const client = clientKey(address)
      const charged: string[] = []
      let pair = ''
      const attempt = (name: string) => {
        const user = `user ${hash('sha256', name, 'base64')}`
        pair = `${client} ${user}`
        // Taken before the password is looked at and given back when it is right, so that attempts at the same moment count too.
        const keys = trusted.has(pair) ? [client] : [client, user]
        for (const key of keys) {
          refuse(failures.take(key), 'too many failed logins')
          charged.push(key)
        }
      }
      const giveBack = () => {
        for (const key of charged) failures.giveBack(key)
      }
      const principal = await authenticate(authorization, attempt).catch(error => {
        // Nobody learnt whether the password was right, and who comes again is answered at once for a while.
        if (error instanceof TaxiiError && error.code === 'provider') giveBack()
        throw error
      })
      if (principal) {
        giveBack()
        if (pair !== '') trusted.add(pair)
      } else if (charged.length === 0) {
        refuse(failures.take(client), 'too many failed logins')
      }
      return principal
    },
    anonymous: address => refuse(anonymous.take(clientKey(address)), 'too many requests without credentials'),
  }
}

function refuse(seconds: number, what: string): void {
  if (seconds === 0) return
  throw new TaxiiError(429, 'rate', `${what} from here: wait ${seconds} s, or use valid credentials`, {
    headers: { 'retry-after': String(seconds) },
  })
}

/** Buckets by key: `perMinute` tokens at most, and as many again in a minute. */
export function createBuckets(perMinute: number, now: () => number, most: number = MOST_KEYS) {
  const buckets = new Map<string, { tokens: number; at: number }>()
  const put = (key: string, change: number) => {
    const at = now()
    const known = buckets.get(key) ?? { tokens: perMinute, at }
    const tokens = Math.min(perMinute, known.tokens + ((at - known.at) * perMinute) / MINUTE_MS)
    // Deleted and set again: a Map keeps its keys in the order in which they came, so the first is the one used longest ago.
    buckets.delete(key)
    const taken = tokens + change < 0 ? 0 : change
    buckets.set(key, { tokens: Math.min(perMinute, tokens + taken), at })
    if (buckets.size > most) buckets.delete(buckets.keys().next().value as string)
    return { tokens, taken }
  }
  return {
    /** @returns seconds until there is a token; 0 where one was taken */
    take: (key: string): number => {
      if (perMinute === 0) return 0
      const { tokens, taken } = put(key, -1)
      return taken < 0 ? 0 : Math.max(1, Math.ceil(((1 - tokens) * 60) / perMinute))
    },
    giveBack: (key: string): void => void (perMinute > 0 && put(key, 1)),
    size: (): number => buckets.size,
  }
}

function rememberKeys() {
  const keys = new Set<string>()
  return {
    has: (key: string) => keys.has(key),
    add: (key: string) => {
      keys.delete(key)
      keys.add(key)
      if (keys.size > MOST_KEYS) keys.delete(keys.keys().next().value as string)
    },
  }
}

/** A client: an IPv4 address, or the /64 of an IPv6 address, of which whoever has one has all. */
export function clientKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address
  const [head = '', tail] = (address.split('%')[0] as string).toLowerCase().split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups = [...front, ...Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0'), ...back]
  return `${groups
    .slice(0, 4)
    .map(g => Number.parseInt(g, 16).toString(16))
    .join(':')}::/64`
}
