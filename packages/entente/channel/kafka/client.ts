import {
  Consumer,
  Admin,
  type API,
  type Base,
  type BaseOptions,
  type ConnectionPool,
  kGetApi,
} from '@platformatic/kafka'
import { isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { ChannelError, type ChannelErrorCode } from '../error.ts'

/** How a cluster is reached. */
export type KafkaConnection = {
  /** `host:port` of some brokers; they name the others. */
  brokers: readonly string[]
  /** What the names of topics begin with. */
  prefix?: string | undefined
  /** PEM. `{}` is TLS with the certificate authorities that Node.js knows. */
  tls?: Pick<ConnectionOptions, 'ca' | 'cert' | 'key'> | undefined
  sasl?: { mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'; username: string; password: string } | undefined
  /** What a broker has in its logs of this client. */
  clientId?: string | undefined
}

const CONNECT_MS = 3_000
const REQUEST_MS = 6_000

/** The library's own retries are off where we have to know what was sent again (producer.ts). */
const toOptions = ({ brokers, tls, sasl, clientId }: KafkaConnection, retries: number): BaseOptions => ({
  clientId: clientId ?? 'entente',
  bootstrapBrokers: [...brokers],
  retries,
  retryDelay: 250,
  connectTimeout: CONNECT_MS,
  requestTimeout: REQUEST_MS,
  autocreateTopics: false,
  // RFC 6066 section 3: a server's name is never an address.
  ...(tls && {
    tls: { ...tls },
    tlsServerName: brokers.every(b => isIP(b.slice(0, b.lastIndexOf(':'))) === 0),
  }),
  ...(sasl && { sasl: { ...sasl } }),
})

export const createAdmin = (connection: KafkaConnection): Admin => guarded(new Admin(toOptions(connection, 0)))

/** Of a group that it has not joined: it reads, and the broker keeps nothing of it. */
export function createReader(connection: KafkaConnection, topic: string): Consumer {
  const reader = guarded(new Consumer({ ...toOptions(connection, 0), groupId: 'none' }))
  reader.topics.track(topic)
  return reader
}

const SESSION_MS = 10_000
const HEARTBEAT_MS = 1_000
/** A coordinator that starts, or moves, is not there for some seconds. */
const COORDINATOR_RETRIES = 20

export function createMember(connection: KafkaConnection, topic: string, groupId: string): Consumer {
  const times = { sessionTimeout: SESSION_MS, rebalanceTimeout: SESSION_MS, heartbeatInterval: HEARTBEAT_MS }
  // Whoever joins waits until all members have.
  const requestTimeout = SESSION_MS + REQUEST_MS
  const member = guarded(
    new Consumer({ ...toOptions(connection, COORDINATOR_RETRIES), ...times, requestTimeout, groupId }),
  )
  member.topics.track(topic)
  return member
}

/** The library emits the errors of connections as events, too, and an `error` that nobody hears ends the process. */
function guarded<T extends Base>(client: T): T {
  const pool: ConnectionPool = client.connections
  pool.on('connecting', ({ connection }) => connection.on('error', () => {}))
  return client
}

/** How one calls `name` of the protocol in the highest version that both sides have. */
export const getApi = <Request extends unknown[], Response>(
  client: Base,
  name: string,
): Promise<API<Request, Response>> =>
  new Promise((resolve, reject) => {
    client[kGetApi]<Request, Response>(name, (error, api) => (api ? resolve(api) : reject(error as Error)))
  })

/** Answers that do not change by asking again (Kafka protocol, error codes). What else goes wrong may be better in a while. */
const REFUSALS = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_TOPIC_EXCEPTION',
  'INVALID_GROUP_ID',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'INVALID_CONFIG',
  'INVALID_PARTITIONS',
  'POLICY_VIOLATION',
  'INCONSISTENT_GROUP_PROTOCOL',
  'GROUP_MAX_SIZE_REACHED',
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'UNSUPPORTED_VERSION',
  'UNSUPPORTED_SASL_MECHANISM',
  'ILLEGAL_SASL_STATE',
  'SASL_AUTHENTICATION_FAILED',
])

/** What OpenSSL and Node.js call a certificate that does not hold, or a broker that speaks no TLS. */
const TLS_CODE = /^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/

type Part = { message?: unknown; apiId?: unknown; code?: unknown; errors?: unknown; cause?: unknown }

/** An error with all that it was made of, the outermost first. */
function* partsOf(error: unknown, depth = 0): Generator<Part> {
  if (typeof error !== 'object' || error === null || depth > 8) return
  const part = error as Part
  yield part
  if (Array.isArray(part.errors)) for (const inner of part.errors) yield* partsOf(inner, depth + 1)
  yield* partsOf(part.cause, depth + 1)
}

/** Whether the broker answered with one of these codes. */
export const answered = (error: unknown, ...codes: readonly string[]): boolean =>
  [...partsOf(error)].some(({ apiId }) => codes.includes(apiId as string))

/** Whether the broker answered no. */
export const isRefusal = (error: unknown): boolean => answered(error, ...REFUSALS)

/** What the caller can do about it. */
export function toChannelError(error: unknown, { brokers }: KafkaConnection): ChannelError {
  if (error instanceof ChannelError) return error
  const parts = [...partsOf(error)]
  const refusal = parts.find(({ apiId }) => REFUSALS.has(apiId as string))
  const code = (part: Part) => String(part.code ?? '')
  const distrust = parts.find(
    p => TLS_CODE.test(code(p)) || (code(p) === 'PLT_KFK_USER' && /TLS/.test(String(p.message))),
  )
  const denied = parts.some(part => code(part) === 'PLT_KFK_AUTHENTICATION')
  const because = String((refusal ?? distrust ?? parts.at(-1) ?? { message: error }).message)
  const say = (kind: ChannelErrorCode, rest: string) =>
    new ChannelError(kind, `Kafka at ${brokers.join(', ')}: ${because}${rest}`, { cause: error })
  if (denied || answered(error, 'SASL_AUTHENTICATION_FAILED'))
    return say('refused', ' (see channels.sasl: mechanism, user name, password)')
  if (refusal) return say('refused', ` (${String(refusal.apiId)})`)
  if (distrust) return say('refused', ' (see channels.tls)')
  return say('unreachable', '')
}

/** Lets go of a client; one that can't say goodbye is left without. */
export async function closeClient(client: Base | undefined): Promise<void> {
  if (client === undefined) return
  const closing = client instanceof Consumer ? client.close(true) : client.close()
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error('not closed')), CLOSE_MS)
  await Promise.race([closing, late.promise]).catch(() => {
    client.connections.close().catch(() => {})
  })
  clearTimeout(timer)
}
const CLOSE_MS = 2_000
