import { readFileSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import Type, { type Static, type TSchema } from 'typebox'
import { parse } from 'yaml'
import { DEFAULT_MEMORY } from '#taxii/memory.ts'
import { DEFAULT_RATE } from '#taxii/rate.ts'
import { DEFAULT_CONNECTIONS, DEFAULT_CONNECTIONS_PER_CLIENT, DEFAULT_TIMEOUTS } from '#taxii/connection.ts'
import { DEFAULT_CLOCK_BOUNDS } from '#notary/clock.ts'
import { parseMicros } from '#notary/time.ts'
import type { Hold } from '#taxii/context.ts'
import { AuthSchema, CertificatesSchema, checkAuth, checkCertificates } from './auth-config.ts'
import { checkCluster, ClusterSchema } from './cluster-config.ts'
import { CliError } from './errors.ts'
import { toValid } from './problem.ts'
import { checkWitnesses, WitnessSchema, witnessKeys } from './witness-config.ts'
import { ChannelsSchema, checkChannels, ForwardSchema } from './channel-config.ts'
import { LedgerSchema } from './ledger-config.ts'
import { checkMarkings, MarkingsSchema, UnmarkedSchema } from './markings-config.ts'
import { checkStore, StoreSchema } from './store-config.ts'
import { ValidatorSchema } from './validator-config.ts'

/** Names of logs. */
export const ORIGIN = /^[A-Za-z0-9][A-Za-z0-9._/:-]{0,199}$/

const strict = { additionalProperties: false }
const object = <T extends Record<string, TSchema>>(properties: T) => Type.Object(properties, strict)
const UUID = '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'

const Roles = (standard: string) =>
  Type.Array(Type.String({ minLength: 1 }), { default: [standard], description: 'Roles of which a caller needs one' })
const REQUIRED = [Type.Literal('all'), Type.Literal('any'), Type.Integer({ minimum: 1 })]

const CollectionSchema = object({
  id: Type.Optional(
    Type.String({ pattern: UUID, description: 'UUID, lower case; a new one of version 4 (TAXII 2.1 section 2)' }),
  ),
  alias: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$' })),
  title: Type.String({ minLength: 1, maxLength: 1000 }),
  description: Type.Optional(Type.String({ maxLength: 10_000 })),
  read: Roles('taxii-read'),
  write: Roles('taxii-write'),
  ledgers: Type.Optional(
    Type.Array(Type.String(), { description: 'Ids of ledgers; all of them where it is left out' }),
  ),
  require: Type.Optional(
    Type.Union(REQUIRED, {
      description: 'How many of its ledgers must be final; anchoring.require where it is left out',
    }),
  ),
  intervalMs: Type.Optional(
    Type.Integer({
      minimum: 0,
      description: 'How long its records may wait for an anchor on a ledger that could take it',
    }),
  ),
  record: Type.Union([Type.Literal('checkpoint'), Type.Literal('full')], {
    default: 'checkpoint',
    description: 'full: ledgers with records: true get the objects as well, encrypted under keys that erasure destroys',
  }),
  onInvalid: Type.Union([Type.Literal('withhold'), Type.Literal('fail')], { default: 'withhold' }),
  validation: Type.Union([Type.Literal('strict'), Type.Literal('standard'), Type.Literal('permissive')], {
    default: 'standard',
    description: 'Which breaches of STIX 2.1 refuse an object',
  }),
  onConflict: Type.Union([Type.Literal('fail'), Type.Literal('keepBoth')], {
    default: 'fail',
    description: 'Another content under a stored version: refuse it, or store both and serve the one added last',
  }),
  hold: Type.Optional(
    Type.String({
      description: 'Objects are not deleted before this: a timestamp, or days from date_added such as 30d',
    }),
  ),
  repost: Type.Union([Type.Literal('allow'), Type.Literal('refuse')], {
    default: 'allow',
    description: 'Whether what was erased may be added again',
  }),
  forward: ForwardSchema,
  unmarked: Type.Optional(UnmarkedSchema),
})

const ApiRootSchema = object({
  path: Type.String({ pattern: '^/[A-Za-z0-9._~-]{1,100}(/[A-Za-z0-9._~-]{1,100}){0,5}/$' }),
  title: Type.String({ minLength: 1 }),
  description: Type.Optional(Type.String()),
  collections: Type.Array(CollectionSchema, { default: [] }),
})

/** The configuration file (docs/operating.md has an example of everything). */
export const ConfigSchema = object({
  server: Type.Object(
    {
      host: Type.String({ default: '127.0.0.1' }),
      port: Type.Integer({ minimum: 0, maximum: 65535, default: 6100 }),
      publicUrl: Type.Optional(Type.String({ pattern: '^https?://' })),
      tls: Type.Optional(
        object({
          cert: Type.String({ description: 'PEM file, with the chain' }),
          key: Type.String(),
          clientCa: Type.Optional(
            Type.String({ description: 'PEM file: only clients with a certificate of these may connect' }),
          ),
          clients: CertificatesSchema,
        }),
      ),
      allowPlainHttp: Type.Boolean({
        default: false,
        description: 'HTTP on an address that others reach: for a proxy in front that ends TLS',
      }),
      trustProxy: Type.Optional(
        Type.String({
          minLength: 1,
          description: 'Addresses of proxies whose X-Forwarded-For is believed: a list with commas, CIDR, loopback',
        }),
      ),
      rateLimit: Type.Object(
        {
          failures: Type.Integer({ minimum: 0, default: DEFAULT_RATE.failures }),
          anonymous: Type.Integer({ minimum: 0, default: DEFAULT_RATE.anonymous }),
        },
        { ...strict, default: {}, description: 'A minute, for each client; 0: no limit' },
      ),
      maxConnections: Type.Integer({ minimum: 1, default: DEFAULT_CONNECTIONS }),
      maxConnectionsPerClient: Type.Integer({
        minimum: 0,
        default: DEFAULT_CONNECTIONS_PER_CLIENT,
        description: 'Of an IPv4 address, or the /64 of an IPv6 address; 0: no limit. Not counted behind trustProxy',
      }),
      timeouts: Type.Object(
        {
          headersMs: Type.Integer({ minimum: 100, default: DEFAULT_TIMEOUTS.headersMs }),
          requestMs: Type.Integer({ minimum: 100, default: DEFAULT_TIMEOUTS.requestMs }),
          keepAliveMs: Type.Integer({ minimum: 100, default: DEFAULT_TIMEOUTS.keepAliveMs }),
          graceMs: Type.Integer({
            minimum: 100,
            default: DEFAULT_TIMEOUTS.graceMs,
            description: 'From when on minRate is asked of a body',
          }),
          minRate: Type.Integer({
            minimum: 0,
            default: DEFAULT_TIMEOUTS.minRate,
            description: 'Bytes a second of a body, on average; 0: no limit',
          }),
        },
        { ...strict, default: {} },
      ),
      memory: Type.Object(
        {
          bodies: Type.Integer({ minimum: 1_048_576, default: DEFAULT_MEMORY.bodies }),
          answers: Type.Integer({ minimum: 1_048_576, default: DEFAULT_MEMORY.answers }),
        },
        { ...strict, default: {}, description: 'Bytes of requests and of answers under way, all clients together' },
      ),
      maxContentLength: Type.Integer({ minimum: 1024, default: 8_388_608 }),
      page: Type.Integer({ minimum: 1, default: 1000, description: 'Objects in a page when the client does not say' }),
      maxPage: Type.Integer({ minimum: 1, default: 10_000 }),
      statusHours: Type.Integer({
        minimum: 24,
        maximum: 87_600,
        default: 48,
        description: 'How long a status is kept once it is complete (TAXII 2.1 section 4.3: at least 24 hours)',
      }),
      readDays: Type.Integer({
        minimum: 0,
        maximum: 3650,
        default: 30,
        description: 'How long it is kept who read which objects; 0: not at all',
      }),
      metrics: Type.Optional(
        object({ host: Type.String({ default: '127.0.0.1' }), port: Type.Integer({ minimum: 0, maximum: 65535 }) }),
      ),
    },
    { ...strict, default: {} },
  ),
  log: Type.Object(
    {
      origin: Type.Optional(
        Type.String({
          pattern: ORIGIN.source,
          description: 'Name of the log: a host and path of yours, for ever',
        }),
      ),
      keyFile: Type.String({ default: 'log.key' }),
      ...witnessKeys,
    },
    { ...strict, default: {} },
  ),
  witness: Type.Optional(WitnessSchema),
  validator: Type.Optional(ValidatorSchema),
  store: StoreSchema,
  cluster: Type.Optional(ClusterSchema),
  ledgers: Type.Array(LedgerSchema, { default: [{ id: 'local', kind: 'embedded' }] }),
  anchoring: Type.Object(
    { intervalMs: Type.Integer({ minimum: 10, default: 500 }), require: Type.Union(REQUIRED, { default: 'all' }) },
    { ...strict, default: {} },
  ),
  clock: Type.Object(
    {
      behindMs: Type.Integer({
        minimum: 1000,
        default: DEFAULT_CLOCK_BOUNDS.behindMs,
        description: 'Nothing is stored while the clock is further behind the newest record or ledger than this',
      }),
      aheadMs: Type.Integer({
        minimum: 60_000,
        default: DEFAULT_CLOCK_BOUNDS.aheadMs,
        description: 'Nor while it is further ahead of when the ledgers, or this server, last knew the time',
      }),
      accept: Type.Boolean({
        default: false,
        description: 'The clock is right, whatever records and ledgers say: rather --accept-clock, once',
      }),
    },
    { ...strict, default: {} },
  ),
  audit: Type.Object(
    {
      share: Type.Number({
        minimum: 0,
        maximum: 1,
        default: 0.05,
        description: 'Part of a core that reads everything again and again; 0: nothing does',
      }),
      pauseMs: Type.Integer({ minimum: 10, default: 600_000, description: 'From the end of a round to the next' }),
    },
    { ...strict, default: {} },
  ),
  channels: ChannelsSchema,
  markings: Type.Optional(MarkingsSchema),
  auth: AuthSchema,
  discovery: Type.Object(
    {
      title: Type.String({ default: 'Entente' }),
      description: Type.Optional(Type.String()),
      contact: Type.Optional(Type.String()),
    },
    { ...strict, default: {} },
  ),
  apiRoots: Type.Array(ApiRootSchema, {
    default: [
      { path: '/api/', title: 'Default API root', collections: [{ alias: 'default', title: 'Default collection' }] },
    ],
  }),
})
export type Config = Static<typeof ConfigSchema>

/** Where everything of a server lives, absolute. */
export type Paths = {
  data: string
  logKey: string
  erasedKey: string
  recordKeys: string
  sent: string
  reads: string
  store: string
  users: string
  adminPassword: string
  base: string
}

/**
 * The configuration: defaults, the file, `ENTENTE_…` variables for single keys, then the command line.
 *
 * @throws CliError `usage` that names the key that is wrong
 */
export function loadConfig(options: {
  file?: string | undefined
  data: string
  host?: string | undefined
  port?: string | undefined
  env: NodeJS.ProcessEnv
}): { config: Config; paths: Paths } {
  const { file, env } = options
  let given: unknown = {}
  if (file !== undefined) {
    try {
      given = parse(readFileSync(file, 'utf8'), { maxAliasCount: 100 }) ?? {}
    } catch (cause) {
      throw new CliError('usage', `${file}: ${(cause as Error).message}`, { cause })
    }
  }
  if (typeof given !== 'object' || Array.isArray(given))
    throw new CliError('usage', `${file}: a configuration is a mapping of keys`)
  const merged = structuredClone(given) as Record<string, Record<string, unknown>>
  applyEnvironment(merged, env)
  if (options.host !== undefined) merged['server'] = { ...merged['server'], host: options.host }
  if (options.port !== undefined) merged['server'] = { ...merged['server'], port: Number(options.port) }
  const config = toValid(ConfigSchema, merged, file ?? 'the configuration')
  checkTransport(config.server)
  checkReferences(config)
  checkWitnesses(config.log)
  checkChannels(config)
  checkMarkings(config)
  checkStore(config)
  checkCluster(config)
  checkAuth(config.auth)
  checkCertificates(config.server.tls)
  const data = resolve(options.data)
  const base = file === undefined ? data : dirname(resolve(file))
  const at = (path: string) => (isAbsolute(path) ? path : join(base, path))
  const inData = (name: string) => join(data, name)
  return {
    config,
    paths: {
      data,
      base,
      logKey: config.log.keyFile === 'log.key' ? inData('log.key') : at(config.log.keyFile),
      erasedKey: inData('erased.key'),
      recordKeys: inData('record-keys.db'),
      sent: inData('sent.db'),
      reads: inData('reads.db'),
      store: inData('store.db'),
      users: inData('users.json'),
      adminPassword: inData('admin-password'),
    },
  }
}

/** `server.publicUrl` is `ENTENTE_SERVER_PUBLIC_URL`: single values of the top-level sections. */
function applyEnvironment(merged: Record<string, Record<string, unknown>>, env: NodeJS.ProcessEnv): void {
  for (const [section, schema] of Object.entries(ConfigSchema.properties)) {
    const properties = (schema as { properties?: Record<string, { type?: string }> }).properties ?? {}
    for (const [key, property] of Object.entries(properties)) {
      const name = `ENTENTE_${section}_${key.replaceAll(/[A-Z]/g, c => `_${c}`)}`.toUpperCase()
      const text = env[name]
      if (text === undefined || property.type === 'object') continue
      merged[section] = { ...merged[section], [key]: fromText(text, property.type) }
    }
  }
}

function fromText(text: string, type: string | undefined): unknown {
  if (type === 'integer' || type === 'number') return Number(text)
  return type === 'boolean' && (text === 'true' || text === 'false') ? text === 'true' : text
}

/** Passwords go over the wire as they are: plain HTTP is for this machine, or for who says that it is meant. */
function checkTransport({ host, tls, allowPlainHttp, timeouts }: Config['server']): void {
  const isLocal = host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
  if (!tls && !allowPlainHttp && !isLocal)
    throw new CliError(
      'usage',
      `server.host ${host} can be reached from elsewhere, and without TLS passwords travel as they are: set server.tls to a certificate and its key, or server.allowPlainHttp to true where a proxy in front ends TLS`,
    )
  if (timeouts.headersMs > timeouts.requestMs)
    throw new CliError(
      'usage',
      `server.timeouts: headersMs is ${timeouts.headersMs} and requestMs ${timeouts.requestMs}, but the head is part of the request`,
    )
}

const DAY = 86_400_000_000

/** `30d`, counted from `date_added`, or a timestamp in UTC; undefined where it is neither. */
export function parseHold(text: string): Hold | undefined {
  const days = /^(\d{1,5})d$/.exec(text)?.[1]
  if (days !== undefined) return { for: Number(days) * DAY }
  const until = parseMicros(text)
  return until === undefined ? undefined : { until }
}

function checkReferences(config: Config): void {
  const ledgers = new Set<string>()
  for (const { id } of config.ledgers) {
    if (ledgers.has(id)) throw new CliError('usage', `two ledgers are called "${id}"`)
    ledgers.add(id)
  }
  const paths = new Set<string>()
  for (const root of config.apiRoots) {
    if (paths.has(root.path)) throw new CliError('usage', `two API roots have the path ${root.path}`)
    if (['/taxii2/', '/log/', '/witness/', '/healthz/', '/readyz/', '/metrics/', '/openapi.json/'].includes(root.path))
      throw new CliError('usage', `the path ${root.path} is taken: choose another for the API root`)
    paths.add(root.path)
    const names = new Set<string>()
    for (const c of root.collections) {
      for (const name of [c.id, c.alias]) {
        if (name === undefined) continue
        if (names.has(name)) throw new CliError('usage', `in ${root.path} two collections are called "${name}"`)
        names.add(name)
      }
      if (c.id === undefined && c.alias === undefined)
        throw new CliError('usage', `in ${root.path} the collection "${c.title}" needs an id or an alias`)
      if (c.hold !== undefined && parseHold(c.hold) === undefined)
        throw new CliError(
          'usage',
          `hold of the collection "${c.title}" is "${c.hold}": a timestamp such as 2027-01-31T12:00:00Z, or days such as 30d`,
        )
      const takers = config.ledgers.filter(l => 'records' in l && l.records && (c.ledgers?.includes(l.id) ?? true))
      if (c.record === 'full' && takers.length === 0)
        throw new CliError(
          'usage',
          `record of the collection "${c.title}" is full, and none of its ledgers has records: true: set it on a private ledger, or leave record out`,
        )
      const unknown = c.ledgers?.find(l => !ledgers.has(l))
      if (unknown !== undefined)
        throw new CliError(
          'usage',
          `the collection "${c.title}" names the ledger "${unknown}", which is not configured`,
        )
    }
  }
}
