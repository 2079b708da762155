import type { Socket } from 'node:net'

/** Who makes a request, and what it may do. Roles come from configuration or signed tokens, never from the store. */
export type Principal = { name: string; roles: readonly string[] }

/**
 * Port: turns an `Authorization` header into a principal.
 *
 * MUST resolve undefined for credentials that are absent, unknown, malformed, expired or of a scheme that it doesn't
 * take, and MUST take as long for an unknown user as for a wrong password. MUST NOT throw for anything that a client sends, but TaxiiError
 * `overloaded` where too many wait and `provider` where whoever knows does not answer.
 *
 * MUST call `attempt` with the name that is claimed before it does anything costly (deriving a key, asking a provider), and let through what
 * that throws: this is where guessing is slowed down.
 */
export type Authenticate = (
  authorization: string | undefined,
  attempt?: (name: string) => void,
) => Promise<Principal | undefined>

/** Port: who is known by the connection itself, where a request comes without credentials. MUST NOT throw; asked with each request. */
export type Identify = (socket: Socket) => Principal | undefined

export type Rights = { read: readonly string[]; write: readonly string[] }

/** Relative to the caller (TAXII 2.1 section 5.2.1). */
export const canRead = (principal: Principal, rights: Rights): boolean =>
  rights.read.some(r => principal.roles.includes(r))
export const canWrite = (principal: Principal, rights: Rights): boolean =>
  rights.write.some(r => principal.roles.includes(r))
export const isAdmin = (principal: Principal): boolean => principal.roles.includes('admin')

/** How somebody logs in here: what a 401 says. */
export type Login = { basic: boolean; words: string }
export const LOCAL_LOGIN: Login = { basic: true, words: 'HTTP Basic, or an API token as Bearer' }

/** `WWW-Authenticate` (RFC 7617 section 2; RFC 6750 section 3, also of what error it is where a token came). */
export function challenge(login: Login, authorization: string | undefined): string {
  const came = /^(bearer|token) /i.test(authorization ?? '')
  const bearer = `Bearer realm="taxii"${came ? ', error="invalid_token"' : ''}`
  return login.basic ? `Basic realm="taxii", charset="UTF-8", ${bearer}` : bearer
}
