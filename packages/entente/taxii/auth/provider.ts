import { createLocalJWKSet, errors, type JWTVerifyGetKey } from 'jose'
import { TaxiiError } from '../errors.ts'
import { type Answer, type Exchange, type Form, isConfidential } from './exchange.ts'

/** Metadata and keys are asked for again after this, while requests go on with those that are there. */
export const REFRESH_MS = 300_000
/** How long keys hold that could not be asked for again. */
export const DEFAULT_KEEP_KEYS_MS = 3_600_000
/** Between two times that the provider is asked for keys, whatever tokens come. */
export const COOLDOWN_MS = 10_000
/** For how long nobody asks for tokens where the last one who did got no answer. */
export const QUIET_MS = 2000
const MOST_KEYS = 100
/** Of OpenID Connect Discovery 1.0 section 3. */
type Endpoints = { jwks_uri: string; token_endpoint?: string; introspection_endpoint?: string }

export type ProviderOptions = {
  issuer: string
  clientId: string
  clientSecret?: string | undefined
  allowPlainHttp: boolean
  keepKeysMs: number
}

/** An OpenID provider, as much of it as a resource server asks. All throw TaxiiError 503 `provider` where it doesn't answer, or not as it should. */
export type Provider = {
  /** Asks for metadata and keys now. Never rejects. */
  refresh(): Promise<void>
  /** The key of a token (RFC 7515 section 4.1.4); throws JWKSNoMatchingKey where it is none of the provider's. */
  key: JWTVerifyGetKey
  /** Exchanges a password for an access token (RFC 6749 section 4.3); undefined where it is wrong. */
  token(username: string, password: string, scope: string): Promise<string | undefined>
  /** Whether a token that verifies still holds (RFC 7662). */
  isActive(token: string): Promise<boolean>
}

/**
 * Knows the provider by discovery, and keeps its keys: asked for again when they are old or a token names another, never more often than once in
 * `COOLDOWN_MS`. Where the provider is away, they hold for `keepKeysMs`. A key that it has withdrawn holds for `REFRESH_MS` at most while it answers.
 *
 * @param elapsed milliseconds of a clock that never goes back
 * @param report told when the provider stops answering as it should, and when it does so again
 */
export function createProvider(
  options: ProviderOptions,
  exchange: Exchange,
  elapsed: () => number,
  report: (failure: Error | undefined) => void,
): Provider {
  let known: { endpoints: Endpoints; keys: JWTVerifyGetKey; at: number } | undefined
  /** Why the last question of each kind had no answer. */
  const failures: { keys?: Error | undefined; tokens?: Error | undefined } = {}
  let asked = Number.NEGATIVE_INFINITY
  let silentSince = Number.NEGATIVE_INFINITY
  let underWay: Promise<void> | undefined

  function settle(kind: 'keys' | 'tokens', found: Error | undefined): void {
    if ((found === undefined) !== (failures[kind] === undefined)) report(found)
    failures[kind] = found
  }

  /** Never rejects: what went wrong is in `failures.keys`. */
  function refresh(): Promise<void> {
    underWay ??= load()
      .then(
        loaded => {
          known = { ...loaded, at: elapsed() }
          settle('keys', undefined)
        },
        (error: Error) => settle('keys', error),
      )
      .finally(() => {
        asked = elapsed()
        underWay = undefined
      })
    return underWay
  }
  const mayAsk = () => underWay !== undefined || elapsed() - asked >= COOLDOWN_MS

  async function load() {
    const { issuer } = options
    const { body } = await succeed(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
    // Section 4.3: or it speaks for somebody else.
    if (body['issuer'] !== issuer)
      throw new Error(`the provider calls itself ${show(body['issuer'])}, and auth has ${issuer}`)
    const endpoints = { jwks_uri: addressOf(body, 'jwks_uri') } as Endpoints
    for (const name of ['token_endpoint', 'introspection_endpoint'] as const)
      if (body[name] !== undefined) endpoints[name] = addressOf(body, name)
    const { body: set } = await succeed(endpoints.jwks_uri)
    return { endpoints, keys: toKeys(set, endpoints.jwks_uri) }
  }

  async function succeed(url: string): Promise<Answer> {
    const answer = await exchange(url)
    if (answer.status !== 200) throw new Error(`${url} answers with the status ${answer.status}`)
    return answer
  }

  function addressOf(metadata: Record<string, unknown>, name: keyof Endpoints): string {
    const url = metadata[name]
    if (typeof url !== 'string' || !/^https?:/.test(url) || !URL.canParse(url))
      throw new Error(`the provider has no ${name}: ${show(url)}`)
    if (!options.allowPlainHttp && !isConfidential(url))
      throw new Error(`the provider's ${name} is ${url.slice(0, 200)}: only HTTPS is taken, or auth.allowPlainHttp`)
    return url
  }

  async function current() {
    const age = known ? elapsed() - known.at : Number.POSITIVE_INFINITY
    if (age > Math.min(REFRESH_MS, options.keepKeysMs) && mayAsk()) {
      const refreshing = refresh()
      if (age > options.keepKeysMs) await refreshing
    }
    if (!known || elapsed() - known.at > options.keepKeysMs) throw unavailable(failures.keys)
    return known
  }

  async function post(name: 'token_endpoint' | 'introspection_endpoint', fields: Record<string, string>) {
    const { endpoints } = await current()
    const url = endpoints[name]
    if (url === undefined) throw unavailable(new Error(`the provider's metadata has no ${name}`))
    // While it is away, it isn't asked for everybody who waits.
    if (elapsed() - silentSince < QUIET_MS) throw unavailable(failures.tokens)
    try {
      return await exchange(url, asClient(options, fields))
    } catch (error) {
      silentSince = elapsed()
      settle('tokens', error as Error)
      throw unavailable(error as Error)
    }
  }

  return {
    refresh,
    key: async (header, token) => {
      const { keys } = await current()
      try {
        return await keys(header, token)
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
        // A key that came since: whoever makes up names for keys makes us ask no more often for it.
        if (mayAsk()) await refresh()
        // Whether it is one can't be told while the provider is away.
        if (failures.keys || !known) throw unavailable(failures.keys)
        return known.keys(header, token)
      }
    },
    token: async (username, password, scope) => {
      const { status, body } = await post('token_endpoint', { grant_type: 'password', username, password, scope })
      if (status === 200 && typeof body['access_token'] === 'string') return answers(body['access_token'])
      // RFC 6749 section 5.2.
      if (body['error'] === 'invalid_grant') return answers(undefined)
      return refuses('exchange a password', status, body)
    },
    isActive: async token => {
      const { status, body } = await post('introspection_endpoint', { token, token_type_hint: 'access_token' })
      if (status === 200 && typeof body['active'] === 'boolean') return answers(body['active'])
      return refuses('say whether a token is revoked', status, body)
    },
  }

  function answers<T>(value: T): T {
    settle('tokens', undefined)
    return value
  }
  function refuses(what: string, status: number, body: Record<string, unknown>): never {
    const said = [body['error'], body['error_description']].filter(text => text !== undefined).map(show)
    const error = new Error(`the provider does not ${what}: ${[status, ...said].join(' ')}`)
    settle('tokens', error)
    throw unavailable(error)
  }
}

const show = (value: unknown): string => String(JSON.stringify(value)).slice(0, 200)

const unavailable = (cause: Error | undefined): TaxiiError =>
  new TaxiiError(503, 'provider', 'the identity provider does not answer as it should: try again later', {
    cause,
    headers: { 'retry-after': '5' },
  })

/** RFC 6749 section 2.3.1: name and secret form-encoded, then as Basic; a client without a secret says its name only. */
function asClient({ clientId, clientSecret }: ProviderOptions, fields: Record<string, string>): Form {
  if (clientSecret === undefined) return { fields: { ...fields, client_id: clientId }, authorization: undefined }
  const encode = (text: string) => new URLSearchParams({ '': text }).toString().slice(1)
  const pair = Buffer.from(`${encode(clientId)}:${encode(clientSecret)}`).toString('base64')
  return { fields, authorization: `Basic ${pair}` }
}

/** RFC 7517 section 5. Only keys that sign, with a public half. */
function toKeys(set: Record<string, unknown>, url: string): JWTVerifyGetKey {
  const { keys } = set
  if (!Array.isArray(keys)) throw new Error(`${url} has no list of keys`)
  if (keys.length > MOST_KEYS) throw new Error(`${url} has ${keys.length} keys, more than ${MOST_KEYS}`)
  const usable = keys.filter(k => ['RSA', 'EC', 'OKP'].includes(k?.kty) && (k.use === undefined || k.use === 'sig'))
  if (usable.length === 0) throw new Error(`${url} has no key that signs`)
  return createLocalJWKSet({ keys: usable })
}
