import type { Trust } from '@entente/verify/proof'
import type { TaxiiClient } from './client.ts'
import { type Delivery, type DeliveryOptions, readDeliveries } from './deliveries.ts'
import { ClientError } from './error.ts'
import type { StreamMessage } from './eventstream.ts'
import type { Http } from './http.ts'
import { createInclusion, type Inclusion } from './inclusion.ts'
import { type CheckpointMemory, createMemory } from './memory.ts'
import { fetchMissed, fetchReference } from './records.ts'
import type { Clock } from './status.ts'
import { sleepFor } from './retry.ts'
import { readEventStream } from './stream.ts'
import { parseEndpoint } from './url.ts'
import { createWatch, serverLog, type Watch } from './watch.ts'

/** A channel, by name, of an API root (default: the one that discovery names); everything of a collection, by its URL; or the URL of either. */
export type SubscribeTarget = string | { channel: string; apiRoot?: string } | { collection: string }

export type SubscribeVerify = {
  /** Whose log is believed. Default: the key that is remembered of the log, or at first sight the one that the server gives. */
  trust?: Trust
  /** Where the largest checkpoint is remembered. Default: for this subscription only. */
  memory?: CheckpointMemory
  /** In place of `memory`, one that the caller has already. */
  watch?: Watch
  /** Give events before the log was asked; a `proven` follows. What the log does not have ends the subscription after it was given. */
  isEarly?: boolean
  /** How long witnesses, where the trust asks for a quorum, may be behind an event. */
  coverMs?: number
}

export type SubscribeOptions = {
  /** The id of an event, to go on behind it; `now` (the default); `start`, the oldest that is kept; of a collection also a timestamp. */
  from?: string
  /** Whether the log is asked for each event. Without it an event is the server's word, whose content is what it names. */
  verify?: SubscribeVerify
  /** Fetch what a `gap` left out, by the lists that it names. */
  catchUp?: boolean
  /** Fetch the object of a `reference`, where the client may read it. */
  references?: boolean
  /** No sign of life for so long means that the connection is dead. Default: {@link DEFAULT_IDLE_MS}. */
  idleMs?: number
  /** The connection is gone, and why; the next try is in `pauseMs`. */
  onAway?: (error: ClientError, pauseMs: number) => void
  /** Ends the iteration. */
  signal?: AbortSignal
}

export type Subscription = AsyncGenerator<Delivery<StreamMessage>, void, void>

/** Three of the signs of life that a server gives by default. */
export const DEFAULT_IDLE_MS = 45_000

/** What a subscription takes from the client. */
export type SubscribeContext = {
  client: TaxiiClient
  http: Http
  clock: Clock
  random: () => number
  maxLength: number
}

/**
 * Reads the events of a channel or a collection as they come, for as long as the consumer asks for the next (docs/formats.md 15).
 *
 * @throws ClientError, when iterated; ProofError and TlogError where something does not hold
 */
export async function* subscribe(
  context: SubscribeContext,
  target: SubscribeTarget,
  options: SubscribeOptions,
): Subscription {
  const { client, http, clock, random, maxLength } = context
  const { from, signal, idleMs = DEFAULT_IDLE_MS, onAway } = options
  const { kind, url } = await findTarget(client, target)
  const messages = readEventStream(http, url, clock, { from, idleMs, maxLength, random, onAway, signal })
  const { verify } = options
  yield* readDeliveries(messages, {
    ...toDeliveryOptions(client, kind, options),
    inclusion: verify && openInclusion(client, verify, clock),
    isEarly: verify?.isEarly ?? false,
    signal,
  })
}

/** What of the options a subscription to a server and one to a broker have in common. */
export const toDeliveryOptions = (
  client: TaxiiClient,
  kind: 'channel' | 'feed',
  options: Pick<SubscribeOptions, 'catchUp' | 'references'>,
): Pick<DeliveryOptions, 'kind' | 'fetchReference' | 'catchUp'> => ({
  kind,
  fetchReference: options.references ? event => fetchReference(client, event) : undefined,
  catchUp: options.catchUp
    ? ({ paths, next }) => fetchMissed(client, paths, at => (kind === 'channel' ? at.logIndex : at.seq) < next)
    : undefined,
})

/** The log of a server, to hold events against: of that server, or of a broker that it sends to. */
export function openInclusion(
  client: TaxiiClient,
  { trust, memory = createMemory(), watch, coverMs }: SubscribeVerify,
  clock: Clock = { now: Date.now, sleep: sleepFor },
): Inclusion {
  const source = serverLog(client)
  return createInclusion({
    source,
    watch:
      watch ?? createWatch({ source, memory, vkeys: trust?.vkeys, successions: trust?.successions, now: clock.now }),
    trust,
    witnessed: () => client.checkpoint({ isWitnessed: true }),
    coverMs,
    clock,
  })
}

async function findTarget(
  client: TaxiiClient,
  target: SubscribeTarget,
): Promise<{ kind: 'channel' | 'feed'; url: string }> {
  if (typeof target !== 'string') {
    if ('collection' in target) return { kind: 'feed', url: `${client.collection(target.collection).url}feed/` }
    const root = target.apiRoot ?? (await client.apiRoot()).url
    const { href } = parseEndpoint(new URL(root, client.url).href, 'the API root')
    return { kind: 'channel', url: `${href}channels/${encodeURIComponent(target.channel)}/` }
  }
  const { href, pathname } = parseEndpoint(new URL(target, client.url).href, 'what is subscribed to')
  if (/\/channels\/[^/]+\/$/.test(pathname)) return { kind: 'channel', url: href }
  if (/\/collections\/[^/]+\/feed\/$/.test(pathname)) return { kind: 'feed', url: href }
  if (/\/collections\/[^/]+\/$/.test(pathname)) return { kind: 'feed', url: `${href}feed/` }
  throw new ClientError('usage', `${href} is neither a channel, …/channels/NAME/, nor a collection, …/collections/ID/`)
}
