import Type, { type Static, type TSchema } from 'typebox'
import { ALGORITHMS, type ClaimNames, DEFAULT_CLAIMS } from '#taxii/auth/claims.ts'
import { isConfidential } from '#taxii/auth/exchange.ts'
import { CliError } from './errors.ts'

const strict = { additionalProperties: false }
const object = <T extends Record<string, TSchema>>(properties: T) => Type.Object(properties, strict)
const Text = (description: string) => Type.Optional(Type.String({ minLength: 1, description }))
const Flag = (description: string) => Type.Optional(Type.Boolean({ description }))
const Path = Type.Union([
  Type.String({ minLength: 1 }),
  Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: 10 }),
])

const MAX_CLOCK_SKEW_S = 300
const DEFAULT_INTROSPECTION_MS = 10_000
export const DEFAULT_TIMEOUT_MS = 5000
export const DEFAULT_SCOPE = 'taxii-read taxii-write'

/** `auth`: who may log in. All but `kind` is for `oidc`. */
export const AuthSchema = Type.Object(
  {
    kind: Type.Union([Type.Literal('local'), Type.Literal('oidc')], {
      default: 'local',
      description: 'local: users and API tokens of this server; oidc: those of an OpenID provider',
    }),
    url: Type.Optional(Type.String({ pattern: '^https?://', description: 'Of Keycloak; with realm' })),
    realm: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9._~-]{1,200}$', description: 'Of Keycloak' })),
    issuer: Type.Optional(
      Type.String({ pattern: '^https?://', description: 'Of another provider, in place of url and realm' }),
    ),
    clientId: Text('What the provider calls this server'),
    clientSecretFile: Text('File that holds its secret; or the variable ENTENTE_AUTH_CLIENT_SECRET'),
    audience: Text('Who a token must be for; clientId where it is left out'),
    passwordGrant: Flag("Takes Basic and exchanges it at the provider: this server then sees people's passwords"),
    scope: Text('Asked for with a password'),
    introspection: Type.Optional(
      object({
        cacheMs: Type.Integer({
          minimum: 0,
          maximum: 60_000,
          default: DEFAULT_INTROSPECTION_MS,
          description: 'How long the answer holds whether a token is revoked',
        }),
      }),
    ),
    claims: Type.Optional(
      object({
        name: Type.Optional(Path),
        scope: Type.Optional(Path),
        roles: Type.Optional(Type.Array(Path, { maxItems: 20 })),
      }),
    ),
    adminRoles: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), { description: 'Who has one of these has the role admin here' }),
    ),
    algorithms: Type.Optional(
      Type.Array(Type.Union(ALGORITHMS.map(name => Type.Literal(name))), {
        minItems: 1,
        description: 'Of signatures; all that are asymmetric where it is left out',
      }),
    ),
    clockSkewS: Type.Optional(
      Type.Integer({ minimum: 0, maximum: MAX_CLOCK_SKEW_S, description: "From our clock to the provider's" }),
    ),
    keepKeysMs: Type.Optional(
      Type.Integer({ minimum: 60_000, description: 'How long its keys hold while the provider does not answer' }),
    ),
    timeoutMs: Type.Optional(Type.Integer({ minimum: 100, maximum: 60_000, description: 'For its answer' })),
    caFile: Text('PEM file of who signs its certificate, where that is an authority of your own'),
    allowPlainHttp: Flag('HTTP to a provider on another machine'),
    local: Flag('API tokens of local users are taken as well'),
  },
  { ...strict, default: {} },
)
export type AuthConfig = Static<typeof AuthSchema>

/** `server.tls.clients`: who needs no password. */
export const CertificatesSchema = Type.Optional(
  Type.Array(
    object({
      subject: Type.Array(Type.String({ pattern: '^[A-Za-z0-9.]+=[^\\n]+$' }), {
        minItems: 1,
        description: 'Of the certificate, its parts in their order: [O=Example, CN=feed]',
      }),
      name: Type.String({ minLength: 1, maxLength: 255 }),
      roles: Type.Array(Type.String({ minLength: 1 })),
    }),
    { description: 'Users who are known by their certificate, and need no other credentials' },
  ),
)

/** @throws CliError `usage` */
export function checkCertificates(
  tls: { clientCa?: string | undefined; clients?: Static<typeof CertificatesSchema> } | undefined,
): void {
  if (tls?.clients && tls.clientCa === undefined)
    throw usage('server.tls.clients needs server.tls.clientCa: whose certificates are believed')
  const subjects = new Set<string>()
  for (const { subject } of tls?.clients ?? []) {
    const text = subject.join(', ')
    if (subjects.has(text)) throw usage(`server.tls.clients has the subject ${text} twice`)
    subjects.add(text)
  }
}

/** Keycloak has the issuer of a realm below its own address. */
export const issuerOf = ({ url, realm, issuer }: AuthConfig): string =>
  issuer ?? `${(url as string).replace(/\/$/, '')}/realms/${realm}`

/** What the claims are called, as far as `auth.claims` doesn't say so. */
export function claimsOf({ claims, clientId, issuer }: AuthConfig): ClaimNames {
  const defaults = DEFAULT_CLAIMS(clientId as string, issuer === undefined)
  return {
    name: claims?.name ?? defaults.name,
    scope: claims?.scope ?? defaults.scope,
    roles: claims?.roles ?? defaults.roles,
  }
}

/** @throws CliError `usage` */
export function checkAuth(auth: AuthConfig): void {
  const { kind, url, realm, issuer, clientId, passwordGrant, scope } = auth
  if (kind === 'local') {
    const idle = Object.entries(auth).find(([key, value]) => key !== 'kind' && value !== undefined)
    if (idle) throw usage(`auth.${idle[0]} means nothing for the kind local: leave it out, or set auth.kind to oidc`)
    return
  }
  if ((issuer === undefined) === (url === undefined && realm === undefined))
    throw usage('auth of the kind oidc needs url and realm (Keycloak), or issuer (any other provider)')
  if (issuer === undefined && (url === undefined || realm === undefined))
    throw usage(`auth.${url === undefined ? 'url' : 'realm'} is missing: of Keycloak both url and realm are wanted`)
  if (clientId === undefined) throw usage('auth of the kind oidc needs clientId: what the provider calls this server')
  if (!auth.allowPlainHttp && !isConfidential(issuerOf(auth)))
    throw usage(
      `auth: ${issuerOf(auth)} is on another machine and not HTTPS: whoever is on the way could let anybody in. Use https://, or set auth.allowPlainHttp where that is meant`,
    )
  if (!passwordGrant && scope !== undefined)
    throw usage('auth.scope is asked for with a password, and auth.passwordGrant is not set')
}

const usage = (message: string): CliError => new CliError('usage', message)
