import type { Message } from './channel.ts'

/**
 * Streams of events to whoever is connected, without a broker: what a server answers `GET …/channels/{name}/` and `…/feed/` with.
 *
 * - A subscriber gets every message of its topic from its place on that it may see, in order, once for each connection. Nothing is dropped for being late.
 * - A subscriber that takes nothing costs a bounded number of bytes: what it has not taken is read again when it does.
 * - A topic without subscribers costs nothing when something is published.
 * - Where what a subscriber would get next is no longer kept, it is told so before anything else (`gap`).
 */
export interface Streams {
  /** Begins to send. The head of the answer has been written. */
  subscribe(topic: Topic, subscriber: Subscriber): Stream
  /** Something may have been published. Cheap, and never waits. */
  wake(): void
  /** Something was erased: lets go of every copy that is held, so that it goes to nobody any more. */
  forget(): void
  /** Sends a message without a place to all who are subscribed to this topic. */
  alert(kind: Topic['kind'], name: string, message: Pick<Message, 'event' | 'body'>): void
  /** How many there are. */
  readonly count: number
  states(): StreamState[]
  readonly totals: StreamTotals
  /** Ends all streams, and begins no more. */
  close(): void
}

/** Messages by place: of a channel the log index, of a feed the `seq`. */
export type Topic = {
  kind: 'channel' | 'feed'
  /** Of the channel; the id of the collection. With the kind, tells it from all others. */
  name: string
  /**
   * Messages from a place on, ascending, at most `limit`, verified as they are read.
   *
   * @returns besides them, the place behind all that was looked at
   */
  read(from: number, limit: number): Promise<{ messages: Labelled[]; next: number }>
  /** The place behind the newest. */
  end(): number
  /** The first place from which on everything is still kept. */
  start(): Promise<number>
  /** How many messages there are from a place on; counts to `most`. */
  count(from: number, most: number): Promise<number>
}

export type Subscriber = {
  user: string
  /** Where it is connected from. */
  address: string
  /** The place that it begins with. */
  from: number
  sight: Sight
  sink: Sink
  /** The data of a `gap` event: what was behind `after` is gone up to `next` (docs/formats.md 15). */
  gap(after: number, next: number): Promise<string>
}

/** Nobody looks into it but who made it. */
export type Label = object
/** A message, and what it takes to see it besides the right to its collection; where that is nothing, there is no label. */
export type Labelled = Message & {
  label?: Label | undefined
  /** What goes out instead to who is not cleared for it; without this, nothing does. */
  reference?: Pick<Message, 'event' | 'body'> | undefined
}

/** What a subscriber may see. `key` is the same where it is the same; `collections` are the ids. */
export type Sight = {
  key: string
  collections: readonly string[]
  has(collection: number): boolean
  /** Of a message with a label. Asked once for all subscribers of the same key at the same place. */
  clears(label: Label): boolean
}

/** Places from the first to the last of each pair, ascending. */
export type Runs = readonly (readonly [first: number, last: number])[]

/** A connection. */
export type Sink = {
  /** @returns whether it takes more now; if not, {@link Stream.drained} is called when it does */
  write(bytes: Buffer): boolean
  end(): void
}

export type Stream = {
  /** A number that no other stream of this process has. */
  readonly connection: number
  drained(): void
  /** Another sight, from here on. */
  look(sight: Sight): void
  /** A sign of life, which also says how far it has come: nothing before that need be sent again. */
  beat(): void
  /** The connection is gone, or is to go. */
  close(): void
  /** Milliseconds for which it has taken nothing although something waits; 0 while it does. */
  readonly stalledMs: number
}

export type StreamState = {
  kind: Topic['kind']
  topic: string
  user: string
  connection: number
  /** Messages of the topic that it has not been sent yet; counts to {@link MOST_BEHIND}. */
  behind(): Promise<number>
}
export const MOST_BEHIND = 1_000_000

/** Since the start. */
export type StreamTotals = {
  /** Messages that were handed to connections. */
  deliveries: number
  gaps: number
  /** Reads for subscribers that were too far behind for what is held in memory. */
  catchUps: number
  /** Messages that were to be sent and were not, for whatever reason; must be none. */
  drops: number
}
