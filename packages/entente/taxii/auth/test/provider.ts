// An identity provider on loopback for tests, which can be made to misbehave. TEST KEYS, made anew in each process: RSA can't be had from a seed.
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, SignJWT } from 'jose'

export type SigningKey = { kid: string; alg: string; secret: KeyObject; jwk: Record<string, unknown> }

export async function createKey(kid: string, alg: 'RS256' | 'ES256' = 'ES256'): Promise<SigningKey> {
  const { privateKey, publicKey } =
    alg === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { kid, alg, secret: privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }
}

export type Handler = (request: IncomingMessage, response: ServerResponse, form: URLSearchParams) => unknown

export type FakeProvider = {
  issuer: string
  /** What is at `/keys`. */
  keys: Record<string, unknown>[]
  /** More members of the metadata, or others in their place. */
  metadata: Record<string, unknown>
  /** Instead of what it answers by itself: by path below the issuer. */
  answers: Record<string, Handler>
  /** User -> password, and the token that it is exchanged for. */
  users: Map<string, { password: string; token: string }>
  revoked: Set<string>
  /** Paths that were asked, in order. */
  asked: string[]
  /** The last form, and the `Authorization` that it came with. */
  form: URLSearchParams
  authorization: string | undefined
  stop(): Promise<void>
  start(): Promise<void>
}

export async function startProvider(): Promise<FakeProvider> {
  let port = 0
  const server = createServer((request, response) => void serve(request, response))
  const own: Record<string, Handler> = {
    '/.well-known/openid-configuration': () => ({
      issuer: provider.issuer,
      jwks_uri: `${provider.issuer}/keys`,
      token_endpoint: `${provider.issuer}/token`,
      introspection_endpoint: `${provider.issuer}/introspect`,
      ...provider.metadata,
    }),
    '/keys': () => ({ keys: provider.keys }),
    '/token': (_request, response, form) => {
      const user = provider.users.get(form.get('username') ?? '')
      if (user?.password === form.get('password')) return { access_token: user?.token, token_type: 'Bearer' }
      response.statusCode = 400
      return { error: 'invalid_grant', error_description: 'Invalid user credentials' }
    },
    '/introspect': (_request, _response, form) => ({ active: !provider.revoked.has(form.get('token') ?? '') }),
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').replace(/^\/realms\/test/, '')
    provider.asked.push(path)
    let text = ''
    for await (const part of request) text += part
    if (request.method === 'POST') {
      provider.form = new URLSearchParams(text)
      provider.authorization = request.headers.authorization
    }
    const answer = await (provider.answers[path] ?? own[path])?.(request, response, provider.form)
    if (answer === undefined || response.writableEnded || response.destroyed) return
    response.setHeader('content-type', 'application/json')
    response.end(typeof answer === 'string' ? answer : JSON.stringify(answer))
  }
  const provider: FakeProvider = {
    issuer: '',
    keys: [],
    metadata: {},
    answers: {},
    users: new Map(),
    revoked: new Set(),
    asked: [],
    form: new URLSearchParams(),
    authorization: undefined,
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
    start: () => new Promise(resolve => server.listen(port, '127.0.0.1', () => resolve())),
  }
  await provider.start()
  port = (server.address() as AddressInfo).port
  provider.issuer = `http://127.0.0.1:${port}/realms/test`
  return provider
}

export type TokenOptions = {
  claims?: Record<string, unknown>
  header?: Record<string, unknown>
  /** Seconds since 1970. */
  now: number
}

/** A token as it should be, but for what `options` says; a claim that is undefined there is left out. */
export function signToken(provider: { issuer: string }, key: SigningKey, options: TokenOptions): Promise<string> {
  const { now, claims, header } = options
  const payload = {
    iss: provider.issuer,
    aud: 'taxii-server',
    sub: '4f5c',
    preferred_username: 'alice',
    typ: 'Bearer',
    iat: now,
    exp: now + 300,
    scope: 'taxii-read taxii-write',
    ...claims,
  }
  return new SignJWT(JSON.parse(JSON.stringify(payload)))
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'JWT', ...header })
    .sign(key.secret)
}
