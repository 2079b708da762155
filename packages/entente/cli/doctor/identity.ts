import { createProvider, DEFAULT_KEEP_KEYS_MS } from '#taxii/auth/provider.ts'
import type { Answer } from '#taxii/auth/exchange.ts'
import { DEFAULT_CLOCK_SKEW_S } from '#taxii/auth/claims.ts'
import { DEFAULT_SCOPE, issuerOf } from '../auth-config.ts'
import type { Config } from '../config.ts'
import { openExchange, readSecret } from '../open-auth.ts'
import { type Check, ok, type Patient, problem, type Seen, warning } from './check.ts'
import { comparedWith } from './clocks.ts'

export const identityChecks = ({ auth }: Config): Check[] =>
  auth.kind === 'local' ? [] : [{ name: 'identity provider', group: 'identity', run: look }]

const SUBJECT = 'identity provider'

async function look(patient: Patient): Promise<Seen[]> {
  const { config, paths, machine } = patient
  const { auth } = config
  const issuer = issuerOf(auth)
  const clientId = auth.clientId as string
  const clientSecret = readSecret(auth, paths, machine.env)
  const ask = await openExchange(auth, paths)
  const answers: Answer[] = []
  let failure: Error | undefined
  const provider = createProvider(
    {
      issuer,
      clientId,
      clientSecret,
      allowPlainHttp: auth.allowPlainHttp ?? false,
      keepKeysMs: auth.keepKeysMs ?? DEFAULT_KEEP_KEYS_MS,
    },
    async (url, form) => {
      const answer = await ask(url, form)
      answers.push(answer)
      return answer
    },
    () => performance.now(),
    found => {
      failure = found
    },
  )
  await provider.refresh()
  const seen: Seen[] = []
  const date = Date.parse(answers.at(-1)?.date ?? '')
  if (!Number.isNaN(date))
    seen.push(comparedWith(SUBJECT, date * 1000, (auth.clockSkewS ?? DEFAULT_CLOCK_SKEW_S) * 1_000_000, patient))
  if (failure)
    return [
      ...seen,
      problem(
        SUBJECT,
        failure.message,
        'Start the provider, or correct auth.url, realm or issuer, and caFile, to what it calls itself.',
      ),
    ]
  const [metadata, keys] = answers.map(a => a.body)
  seen.push(ok(SUBJECT, `${issuer} answers, with ${(keys?.['keys'] as unknown[] | undefined)?.length} keys`))
  seen.push(ok('audience', `tokens must be for ${auth.audience ?? clientId}`))
  seen.push(...scopes(metadata, auth.scope ?? DEFAULT_SCOPE))
  if (auth.introspection) seen.push(await introspection(provider))
  if (auth.passwordGrant)
    seen.push(
      warning(
        'auth.passwordGrant',
        "it is on: this server sees people's passwords",
        'Have clients bring tokens, and turn it off.',
      ),
    )
  return seen
}

/** A provider that lists its scopes should know those by which people read and write here. */
function scopes(metadata: Record<string, unknown> | undefined, wanted: string): Seen[] {
  const supported = metadata?.['scopes_supported']
  if (!Array.isArray(supported)) return []
  const missing = wanted.split(' ').filter(scope => !supported.includes(scope))
  if (missing.length === 0) return [ok('scopes', `it knows ${wanted}`)]
  return [
    warning(
      'scopes',
      `it does not list ${missing.join(', ')} among those that it supports`,
      'Make these client scopes at the provider, unless roles or groups give people their rights.',
    ),
  ]
}

/** Asked about a token that nobody has: the answer tells whether this server may ask at all. */
async function introspection(provider: ReturnType<typeof createProvider>): Promise<Seen> {
  try {
    await provider.isActive('none')
    return ok('introspection', 'this server may ask whether a token is revoked')
  } catch (error) {
    const why = ((error as Error).cause as Error | undefined)?.message ?? (error as Error).message
    return problem('introspection', why, 'Correct auth.clientId and the client secret, and let the client introspect.')
  }
}
