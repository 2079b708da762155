import { type Authenticate, LOCAL_LOGIN, type Login } from '#taxii/auth/auth.ts'
import { ALGORITHMS, DEFAULT_CLOCK_SKEW_S } from '#taxii/auth/claims.ts'
import type { Exchange } from '#taxii/auth/exchange.ts'
import { localAuthenticate } from '#taxii/auth/local.ts'
import { type AuthConfig, claimsOf, DEFAULT_SCOPE, DEFAULT_TIMEOUT_MS, issuerOf } from './auth-config.ts'
import type { Paths } from './config.ts'
import { readConfigured } from './configured-file.ts'
import { CliError } from './errors.ts'
import type { Logger } from './open-log.ts'

/**
 * Who may log in, as `auth` has it.
 *
 * @throws CliError `usage`
 */
export async function openAuth(
  auth: AuthConfig,
  paths: Pick<Paths, 'base' | 'users'>,
  env: NodeJS.ProcessEnv,
  log: Logger,
): Promise<{ authenticate: Authenticate; login: Login }> {
  const local = () =>
    localAuthenticate(paths.users, Date.now, error =>
      log('error', 'the file of users was changed and cannot be read: the users before the change hold', {
        error: error.message,
      }),
    )
  if (auth.kind === 'local') return { authenticate: local(), login: LOCAL_LOGIN }
  const oidc = await openOidc(auth, paths, env, log)
  const words = `a token of ${issuerOf(auth)} as Bearer`
  return {
    authenticate: auth.local ? withTokens(local(), oidc) : oidc,
    login: auth.passwordGrant
      ? { basic: true, words: `${words}, or HTTP Basic` }
      : { basic: false, words: auth.local ? `${words}, or an API token` : words },
  }
}

/** API tokens go to whoever makes them; all else, passwords above all, only to the provider. */
function withTokens(local: Authenticate, oidc: Authenticate): Authenticate {
  return (authorization, attempt) =>
    (/^(bearer|token) +ent_/i.test(authorization ?? '') ? local : oidc)(authorization, attempt)
}

async function openOidc(
  auth: AuthConfig,
  paths: Pick<Paths, 'base'>,
  env: NodeJS.ProcessEnv,
  log: Logger,
): Promise<Authenticate> {
  // Only who has a provider loads what checks its tokens.
  const { oidcAuthenticate } = await import('#taxii/auth/oidc.ts')
  const { createProvider, DEFAULT_KEEP_KEYS_MS } = await import('#taxii/auth/provider.ts')
  const issuer = issuerOf(auth)
  const clientId = auth.clientId as string
  const clientSecret = readSecret(auth, paths, env)
  if (auth.introspection && clientSecret === undefined)
    throw new CliError('usage', 'auth.introspection needs the secret of the client: auth.clientSecretFile')
  if (auth.passwordGrant)
    log('warn', "auth.passwordGrant is on: this server sees people's passwords, and a second factor is not asked for", {
      issuer,
    })
  const elapsed = () => performance.now()
  const provider = createProvider(
    {
      issuer,
      clientId,
      clientSecret,
      allowPlainHttp: auth.allowPlainHttp ?? false,
      keepKeysMs: auth.keepKeysMs ?? DEFAULT_KEEP_KEYS_MS,
    },
    await openExchange(auth, paths),
    elapsed,
    failure =>
      failure
        ? log('error', 'the identity provider does not answer as it should', { issuer, error: failure.message })
        : log('info', 'the identity provider answers again', { issuer }),
  )
  void provider.refresh()
  return oidcAuthenticate(
    {
      issuer,
      audience: auth.audience ?? clientId,
      algorithms: auth.algorithms ?? ALGORITHMS,
      clockSkewS: auth.clockSkewS ?? DEFAULT_CLOCK_SKEW_S,
      claims: claimsOf(auth),
      adminRoles: auth.adminRoles ?? [],
      passwordScope: auth.passwordGrant ? (auth.scope ?? DEFAULT_SCOPE) : undefined,
      introspectionMs: auth.introspection?.cacheMs,
    },
    provider,
    { now: Date.now, elapsed },
    reason => log('info', 'a token was refused', { reason }),
  )
}

/** How the provider is asked. @throws CliError `usage` */
export async function openExchange(auth: AuthConfig, paths: Pick<Paths, 'base'>): Promise<Exchange> {
  const { createExchange } = await import('#taxii/auth/exchange.ts')
  const ca = auth.caFile === undefined ? undefined : readConfigured(paths, auth.caFile, 'auth.caFile')
  return createExchange({ timeoutMs: auth.timeoutMs ?? DEFAULT_TIMEOUT_MS, ca })
}

/** The secret of this server as a client of the provider. @throws CliError `usage` */
export function readSecret(auth: AuthConfig, paths: Pick<Paths, 'base'>, env: NodeJS.ProcessEnv): string | undefined {
  const given = env['ENTENTE_AUTH_CLIENT_SECRET']
  const { clientSecretFile } = auth
  if (given !== undefined && clientSecretFile !== undefined)
    throw new CliError('usage', 'both auth.clientSecretFile and ENTENTE_AUTH_CLIENT_SECRET are set: leave one out')
  if (clientSecretFile === undefined) return given
  const secret = readConfigured(paths, clientSecretFile, 'auth.clientSecretFile').toString().trim()
  if (secret === '') throw new CliError('usage', `auth.clientSecretFile: ${clientSecretFile} is empty`)
  return secret
}
