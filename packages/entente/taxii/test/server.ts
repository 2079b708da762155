// A server for the tests of this room: real HTTP, a store of its own, no ledgers, users with each kind of right.
import assert from 'node:assert/strict'
import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from 'node:http'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { loadConfig } from '#cli/config.ts'
import { type Logger, type RunningServer, startServer } from '#cli/serve.ts'
import type { Clock } from '#notary/time.ts'
import { createUser, type LocalUser, readUsers, writeUsers } from '../auth/local.ts'
import { TAXII } from '../media.ts'

/** User name -> roles. A user's password is `<name>-password`. */
export const USERS = {
  admin: ['taxii-read', 'taxii-write', 'admin'],
  both: ['taxii-read', 'taxii-write'],
  other: ['taxii-read', 'taxii-write'],
  reader: ['taxii-read'],
  writer: ['taxii-write'],
  nobody: [],
} satisfies Record<string, string[]>
export type User = keyof typeof USERS

const COLLECTIONS = [
  { alias: 'default', title: 'Default collection', description: 'For everybody' },
  { alias: 'strict', title: 'Fails rather than withholds', onInvalid: 'fail' },
  { id: '3e4d4a5c-8f0f-4a3b-9d8e-2b6c1f0a7d11', title: 'By id only' },
  { alias: 'secret', title: 'For nobody', read: ['secret'], write: ['secret'] },
]

export type Answer = { status: number; headers: IncomingHttpHeaders; text: string; json: any }
export type Asked = {
  headers?: Record<string, string | undefined>
  body?: unknown
  /** Whose credentials; none where null. */
  user?: User | (string & {}) | null
  /** Sends the body in chunks, without Content-Length. */
  chunked?: boolean
}

export type TestServer = RunningServer & {
  data: string
  logged: { level: string; message: string; details: Record<string, unknown> }[]
  ask(method: string, path: string, asked?: Asked): Promise<Answer>
  /** GET as `both`, of a path below the default collection; asserts nothing. */
  get(path: string, asked?: Asked): Promise<Answer>
  /** POST of an envelope to the default collection, or to another; returns the status resource. Throws unless 202. */
  add(objects: unknown[], collection?: string): Promise<any>
  stop(): Promise<void>
}

/** Made once in a process: each costs a scrypt. */
let users: Promise<LocalUser[]> | undefined
const createUsers = (roles: Record<string, string[]>) =>
  Promise.all(Object.entries(roles).map(([name, own]) => createUser(name, `${name}-password`, own)))

export type TestOptions = {
  clock?: Clock
  /** Of a server that was closed: this one goes on with it. */
  data?: string
  /** More users than {@link USERS}, with their roles. */
  users?: Record<string, string[]>
}

export async function startTestServer(
  config: Record<string, unknown> = {},
  options: TestOptions = {},
): Promise<TestServer> {
  const data = options.data ?? mkdtempSync(join(tmpdir(), 'entente-taxii-'))
  const file = join(data, 'entente.yaml')
  const apiRoots = [{ path: '/api/', title: 'Test root', collections: COLLECTIONS }]
  // Tests come without credentials, or with wrong ones, more often than any client.
  const limits = { rateLimit: { failures: 0, anonymous: 0 }, ...(config['server'] as Record<string, unknown>) }
  writeFileSync(file, stringify({ ledgers: [], apiRoots, ...config, server: limits }))
  const loaded = loadConfig({ file, data, port: '0', env: {} })
  const more = await createUsers(options.users ?? {})
  const all = [...(await (users ??= createUsers(USERS))), ...more]
  writeUsers(loaded.paths.users, { ...readUsers(loaded.paths.users), users: all })
  const logged: TestServer['logged'] = []
  const log: Logger = (level, message, details) => {
    if (message !== 'request') logged.push({ level, message, details })
  }
  const server = await startServer(loaded.config, loaded.paths, log, undefined, options.clock)
  const ask: TestServer['ask'] = (method, path, asked = {}) => send(server.url, method, path, asked)
  return {
    ...server,
    data,
    logged,
    ask,
    get: (path, asked) => ask('GET', `/api/collections/default/${path}`, asked),
    add: async (objects, collection = 'default') => {
      const answer = await ask('POST', `/api/collections/${collection}/objects/`, { body: { objects } })
      if (answer.status !== 202) throw new Error(`${answer.status} ${answer.text}`)
      return answer.json
    },
    stop: async () => {
      await server.close()
      rmSync(data, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

export const basic = (name: string, password: string): string =>
  `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`

/** Reads a password that a server wrote for its operator. */
export const adminPassword = (data: string): string => readFileSync(join(data, 'admin-password'), 'utf8').trim()

/** node:http and not fetch: that adds headers of its own, and these tests are about headers. A header given as undefined is left out. */
function send(url: string, method: string, path: string, asked: Asked): Promise<Answer> {
  const { user = 'both', chunked = false } = asked
  const body =
    asked.body === undefined || asked.body instanceof Uint8Array || typeof asked.body === 'string'
      ? asked.body
      : JSON.stringify(asked.body)
  const headers: Record<string, string> = {}
  const wanted = {
    accept: TAXII,
    ...(user === null ? {} : { authorization: basic(user, `${user}-password`) }),
    ...(body === undefined ? {} : { 'content-type': TAXII }),
    ...(body === undefined || chunked ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
    ...(chunked ? { 'transfer-encoding': 'chunked' } : {}),
    ...asked.headers,
  }
  for (const [name, value] of Object.entries(wanted)) if (value !== undefined) headers[name] = value
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url)
    const request: ClientRequest = httpRequest({ hostname, port, method, path, headers }, response =>
      collect(response).then(resolve, reject),
    )
    request.on('error', reject)
    if (body !== undefined) request.write(body)
    request.end()
  })
}

async function collect(response: IncomingMessage): Promise<Answer> {
  const parts: Buffer[] = []
  for await (const part of response) parts.push(part as Buffer)
  const text = Buffer.concat(parts).toString()
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {}
  return { status: response.statusCode as number, headers: response.headers, text, json }
}

let made = 0
/** An identifier that is new in this process, and the same in every run. */
export function newId(type: string): string {
  return `${type}--00000000-0000-4000-8000-${String(++made).padStart(12, '0')}`
}

/** A valid indicator. Each call makes a new one, unless `values` says which. */
export function indicator(values: Record<string, unknown> = {}): Record<string, unknown> & { id: string } {
  return {
    type: 'indicator',
    spec_version: '2.1',
    id: newId('indicator'),
    created: '2026-01-01T00:00:00.000Z',
    modified: '2026-01-01T00:00:00.000Z',
    pattern: "[url:value = 'http://example.org/']",
    pattern_type: 'stix',
    valid_from: '2026-01-01T00:00:00Z',
    ...values,
  }
}

/** A cyber-observable: it has no version of its own. */
export function url(values: Record<string, unknown> = {}): Record<string, unknown> & { id: string } {
  return { type: 'url', spec_version: '2.1', id: newId('url'), value: 'https://example.org/', ...values }
}

/** An error is a TAXII error message (TAXII 2.1 section 3.6.1) under its exact media type, and says nothing of the inside. */
export function assertTaxiiError(answer: Answer, status: number, code?: string): void {
  assert.equal(answer.status, status, answer.text)
  assert.equal(answer.headers['content-type'], TAXII)
  assert.equal(typeof answer.json?.title, 'string', answer.text)
  assert.equal(answer.json.http_status, String(status))
  if (code !== undefined) assert.equal(answer.json.error_code, code)
  const known = ['title', 'description', 'error_id', 'error_code', 'http_status']
  assert.deepEqual(
    Object.keys(answer.json).filter(key => !known.includes(key)),
    [],
  )
  assert.match(answer.json.error_id, /^[0-9a-f-]{36}$/)
  assert.doesNotMatch(answer.text, /node_modules|\.ts\b|sqlite|FST_|ERR_|at \w+ \(|\/tmp\//i)
}
