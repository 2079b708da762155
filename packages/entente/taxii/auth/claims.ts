import type { Principal } from './auth.ts'

/** The way to a claim: the name of a member, or the names of members in members. */
export type ClaimPath = string | readonly string[]
export type ClaimNames = {
  /** Who it is: unique at the provider, and never given to another. */
  name: ClaimPath
  /** Words with spaces between (RFC 8693 section 4.2), or a list of them. */
  scope: ClaimPath
  /** Each a list of strings, or one string. */
  roles: readonly ClaimPath[]
}

/** Asymmetric signatures (RFC 7518 section 3.1, RFC 8037, RFC 9864) only: with HMAC our copy of a key could sign, and `none` signs nothing. */
export const ALGORITHMS = [
  ...(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'] as const),
  ...(['EdDSA', 'Ed25519'] as const),
]
export type Algorithm = (typeof ALGORITHMS)[number]
/** Seconds that our clock and the provider's may be apart. */
export const DEFAULT_CLOCK_SKEW_S = 30

/** As Keycloak names them; another provider promises only `sub` (OpenID Connect Core 1.0 section 5.7). */
export const DEFAULT_CLAIMS = (clientId: string, isKeycloak: boolean): ClaimNames => ({
  name: isKeycloak ? 'preferred_username' : 'sub',
  scope: 'scope',
  roles: isKeycloak
    ? [['realm_access', 'roles'], ['resource_access', clientId, 'roles'], 'groups']
    : ['roles', 'groups'],
})

const MOST_CHARACTERS = 255
const MOST_ROLES = 1000

/**
 * Name and roles of verified claims. What has another type than it should gives no role. A provider's own `admin` is not ours:
 * `admin` is who has one of `adminRoles`.
 *
 * @returns undefined where the claims don't say who it is
 */
export function toPrincipal(
  claims: Record<string, unknown>,
  names: ClaimNames,
  adminRoles: readonly string[],
): Principal | undefined {
  const name = claimAt(claims, names.name)
  if (typeof name !== 'string' || !/^[^\p{Cc}]{1,255}$/u.test(name)) return undefined
  const scope = claimAt(claims, names.scope)
  const given = new Set([
    ...(typeof scope === 'string' ? scope.split(' ') : toStrings(scope)),
    ...names.roles.flatMap(path => toStrings(claimAt(claims, path))),
  ])
  const isAdmin = adminRoles.some(role => given.has(role))
  given.delete('admin')
  const roles = [...given].filter(r => r !== '' && r.length <= MOST_CHARACTERS).slice(0, MOST_ROLES)
  return { name, roles: isAdmin ? [...roles, 'admin'] : roles }
}

function claimAt(claims: unknown, path: ClaimPath): unknown {
  let value = claims
  for (const name of [path].flat()) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

function toStrings(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : []
}
