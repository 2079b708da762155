/**
 * Channels: what was stored goes to whoever listens, at once. Two ports, by what they promise:
 *
 * {@link Publisher}, what the server has of a broker:
 * - `publish` resolves when the broker has confirmed every message; what it confirmed, it MUST deliver to each queue, group or subscriber that was
 *   there, also after a restart of the broker, as far as that one asked for it to be kept.
 * - Messages of one channel arrive in the order of their positions, but for repetitions. The caller has one `publish` under way for each channel.
 * - After a rejection nobody knows what arrived: the caller sends the same again, with `redelivered` set, until it is confirmed. An adapter MUST NOT
 *   send anything again by itself that a consumer could not tell from the first sending.
 * - `publish` MUST reject, not wait for ever, while the broker is away; the adapter connects again by itself.
 * - What a channel needs on the broker is made where it is missing, and never changed where it is there.
 *
 * {@link Subscriber}, what a reader of a broker has:
 * - at least once, in order; what was not acknowledged comes again, `redelivered`, to the next of the same `durable` name. A broker that does not know
 *   what it has handed out (Kafka) marks everything that was there when somebody took up the name again.
 * - no more than a bounded number of messages is held for a consumer that does not ask for the next.
 *
 * `conformance.ts` tests all of it on every adapter. Server-sent events, which no broker is needed for, are `stream.ts`.
 */
export interface Publisher {
  readonly kind: string
  publish(channel: string, messages: readonly Message[]): Promise<void>
  /** Where a consumer of the broker finds a channel: the name of its exchange or topic. */
  address(channel: string): string
  state(): BrokerState
  /** Lets go of everything; a `publish` under way rejects with `closed`. Closing again does nothing. */
  close(): Promise<void>
}

export interface Subscriber {
  readonly kind: string
  /**
   * The messages of a channel, until the iteration is left or `signal` aborts. The subscription exists once the promise resolves: what is published from
   * then on arrives. A lost connection is made again; with a `durable` name nothing is lost by that, without one what was published meanwhile is.
   *
   * @throws ChannelError `unreachable`, `refused`, `mismatch`
   */
  subscribe(channel: string, options?: SubscribeOptions): Promise<AsyncIterableIterator<Received>>
  close(): Promise<void>
}

export type SubscribeOptions = {
  /** Name under which the broker keeps what this subscriber has not acknowledged yet; without one it keeps nothing. */
  durable?: string | undefined
  /** Where a subscriber begins that the broker does not know: with what is published from now on, or (Kafka) with the oldest that is there. */
  from?: 'now' | 'start' | undefined
  signal?: AbortSignal | undefined
}

/** One event for one object. `body` is its JSON (docs/formats.md 15), the same for every adapter. */
export type Message = {
  /** Log index of the record: ascends in each channel. */
  position: number
  /** Number of its collection in the log: who may see it. */
  collection: number
  /** STIX id of the object; of a reference, the commitment in base64, which tells nothing of the object; of `integrity`, the position. */
  key: string
  event: EventName
  body: Uint8Array
  /** It may have been sent before. */
  redelivered: boolean
}

/** `added`, `version` (a newer one of a known id) and `revoked` carry an object; `reference` says where there is one (docs/formats.md 15). */
export type EventName = 'added' | 'version' | 'revoked' | 'withdrawn' | 'equivocation' | 'integrity' | 'reference'

export type Received = {
  body: Uint8Array
  /** As the broker has it; undefined where somebody else sent the message. */
  position: number | undefined
  /** The publisher or the broker may have sent it before. */
  redelivered: boolean
  /** It need not come again. What came before it is acknowledged with it. */
  acknowledge(): Promise<void>
}

export type BrokerState = {
  connected: boolean
  /** Why it is not connected. */
  error: string | undefined
  /** Milliseconds since 1970 of the last change. */
  since: number
}

/** What a broker has of a channel: its exchange or topic can be used, is made when a publisher opens, or can't be used as it is. */
export type ChannelState =
  | { channel: string; address: string; is: 'ready' | 'missing' }
  | { channel: string; address: string; is: 'refused'; error: string }

/** Header of a message on a broker that holds its position: decimal. */
export const POSITION_HEADER = 'x-entente-position'
/** Header that marks what may have been sent before: `1`. */
export const REDELIVERED_HEADER = 'x-entente-redelivered'
/** Header that holds the {@link EventName}. */
export const EVENT_HEADER = 'x-entente-event'
export const EVENT_MEDIA_TYPE = 'application/vnd.entente.event+json;version=1'
