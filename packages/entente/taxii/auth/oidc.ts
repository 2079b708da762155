import { errors, type JWTPayload, jwtVerify } from 'jose'
import { TaxiiError } from '../errors.ts'
import { createTurns } from '../turns.ts'
import type { Authenticate, Principal } from './auth.ts'
import { type Algorithm, type ClaimNames, toPrincipal } from './claims.ts'
import { type Checked, createRemembered, parseBasic, parseCredentials } from './credentials.ts'
import type { Provider } from './provider.ts'

/** How long what was verified holds, at most: where the token ends sooner, until then. */
export const REMEMBER_MS = 60_000
/** Questions to the provider at a time, and that wait for it: for passwords, and for tokens. */
const ASKING = 8
const MAX_WAITING = 100
const MOST_CHARACTERS = 12_288

export type OidcRules = {
  issuer: string
  audience: string
  algorithms: readonly Algorithm[]
  /** Seconds that our clock and the provider's may be apart. */
  clockSkewS: number
  claims: ClaimNames
  adminRoles: readonly string[]
  /** What is asked for where Basic is exchanged by the password grant; undefined: Basic is not taken. */
  passwordScope: string | undefined
  /** Whether tokens are revoked is asked, and holds for so many milliseconds; undefined: it isn't asked. */
  introspectionMs: number | undefined
}

export type OidcClock = { /** Milliseconds since 1970. */ now(): number /** Milliseconds. */; elapsed(): number }

/**
 * Takes access tokens of an OpenID provider as `Bearer` or `Token`, and Basic where the provider may be asked with a password. Passwords
 * and tokens are never reported.
 *
 * @param refused told why a token was not taken
 */
export function oidcAuthenticate(
  rules: OidcRules,
  provider: Provider,
  clock: OidcClock,
  refused: (reason: string) => void,
): Authenticate {
  const remembered = createRemembered<Principal | undefined>(clock.elapsed)
  const forPassword = createTurns(ASKING, MAX_WAITING, 'too many are logging in')
  const forToken = createTurns(ASKING, MAX_WAITING, 'too many are logging in')

  async function bearer(token: string): Promise<Checked<Principal | undefined>> {
    const verified = await verify(token)
    if (!verified) return undefined
    const { introspectionMs } = rules
    if (introspectionMs === undefined) return verified
    const holdsMs = Math.min(verified.holdsMs, introspectionMs)
    if (await forToken(() => provider.isActive(token))) return { ...verified, holdsMs }
    refused('it was revoked')
    return { value: undefined, holdsMs }
  }

  async function basic(
    encoded: string,
    scope: string,
    attempt: (name: string) => void,
  ): Promise<Checked<Principal | undefined>> {
    const given = parseBasic(encoded)
    if (!given || given.name === '' || /\p{Cc}/u.test(given.name)) return undefined
    // Providers take a name in any case: it is one user, whose password is being guessed.
    attempt(given.name.toLowerCase())
    const token = await forPassword(() => provider.token(given.name, given.password, scope))
    return token === undefined ? undefined : verify(token)
  }

  async function verify(token: string): Promise<Checked<Principal>> {
    if (token.length > MOST_CHARACTERS) return undefined
    let payload: JWTPayload
    try {
      payload = await verifyAccessToken(token, rules, provider, clock.now())
    } catch (error) {
      if (error instanceof TaxiiError) throw error
      refused(toReason(error as Error))
      return undefined
    }
    const principal = toPrincipal(payload, rules.claims, rules.adminRoles)
    if (!principal) {
      refused(`its claim ${[rules.claims.name].flat().join('.')} does not say who it is`)
      return undefined
    }
    const left = ((payload.exp as number) + rules.clockSkewS) * 1000 - clock.now()
    return { value: principal, holdsMs: Math.min(left, REMEMBER_MS) }
  }

  return async (authorization, attempt = () => {}) => {
    const credentials = parseCredentials(authorization)
    if (!credentials) return undefined
    const { scheme, value } = credentials
    const { passwordScope } = rules
    if (scheme === 'bearer') return remembered.get(`bearer ${value}`, () => bearer(value))
    if (passwordScope === undefined) return undefined
    return remembered.get(`basic ${value}`, () => basic(value, passwordScope, attempt))
  }
}

/** Signed by the provider, for us, now (RFC 9068 section 4, RFC 8725); and no token for another use: an ID token, or one that is bound to a key. */
async function verifyAccessToken(token: string, rules: OidcRules, provider: Provider, now: number) {
  const { payload, protectedHeader } = await jwtVerify(token, provider.key, {
    issuer: rules.issuer,
    audience: rules.audience,
    algorithms: [...rules.algorithms],
    clockTolerance: rules.clockSkewS,
    currentDate: new Date(now),
    requiredClaims: ['exp'],
  })
  const type = protectedHeader.typ?.toLowerCase().replace(/^application\//, '')
  if (type !== undefined && type !== 'jwt' && type !== 'at+jwt')
    throw new errors.JWTInvalid(`its type is ${show(type)}, not that of an access token`)
  // Keycloak says in `typ` what a token is for; only ID tokens have hashes of others (OpenID Connect Core 1.0 section 3.1.3.6).
  const use = payload['typ']
  if ((use !== undefined && use !== 'Bearer') || payload['at_hash'] !== undefined || payload['c_hash'] !== undefined)
    throw new errors.JWTInvalid(`it is no access token: typ is ${show(use)}`)
  // RFC 7800 section 3: good only for who proves to have the key, which is not asked here.
  if (payload['cnf'] !== undefined) throw new errors.JWTInvalid('it is bound to a key (cnf), which Bearer cannot show')
  return payload
}

function toReason(error: Error): string {
  if (!(error instanceof errors.JWTClaimValidationFailed) && !(error instanceof errors.JWTExpired))
    return error instanceof errors.JOSEError ? `${error.code}: ${error.message}`.slice(0, 400) : 'its key is not usable'
  // The signature was verified before the claims were looked at.
  return `${error.message}: ${error.claim} is ${show(error.payload[error.claim])}`
}

const show = (value: unknown): string => String(JSON.stringify(value)).slice(0, 200)
