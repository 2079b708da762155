import { parseStrict } from '@entente/verify/json'
import {
  type EvidenceLevel,
  type LogEvent,
  parseEvent,
  type RecordEvent,
  type ReferenceEvent,
  verifyEventContent,
} from '@entente/verify/proof'
import { ClientError } from './error.ts'
import type { Inclusion } from './inclusion.ts'
import { createOrder } from './order.ts'

/** A message as it came from a server or a broker. */
export type RawEvent = {
  /** Of a server: the name of the event. */
  type?: string | undefined
  /** JSON of docs/formats.md 15; undefined where there is only an id. */
  data: string | Uint8Array | undefined
  /** Of a server: what a later subscription resumes behind. */
  id?: string | undefined
  /** It may have come before. */
  redelivered?: boolean
}

/** An event whose content is what it names. */
export type EventDelivery<R = RawEvent> = {
  kind: 'event'
  /** To resume behind it; undefined where it came out of turn. */
  id: string | undefined
  event: LogEvent
  /** Its JSON, as it came. */
  text: string
  /** `logged` or `witnessed` where the log was found to have it; `stored`: the sender's word. */
  level: EvidenceLevel
  isRedelivered: boolean
  /** It was fetched, since the server no longer had it as an event. */
  isCaughtUp: boolean
  /** The message; undefined where it was fetched. */
  raw: R | undefined
}

/**
 * What a subscription gives.
 *
 * - `place`: everything up to `id` has been given; resume behind it.
 * - `repeated`: the event of this id came again, and is not given again. A broker wants it acknowledged.
 * - `gap`: what followed `after` is no longer kept as events, up to but not with `next`. `catchUp` has paths of lists that hold it; `isCaughtUp` says that it was
 *   fetched from there and given before.
 * - `skipped` (feeds): these records did not come. They were erased, if the server is honest, and `withdrawn` events that name them follow.
 * - `proven` (early): the log has everything that was given so far.
 */
export type Delivery<R = RawEvent> =
  | EventDelivery<R>
  | { kind: 'place'; id: string; raw: R }
  | { kind: 'repeated'; id: string; raw: R }
  | { kind: 'gap'; id: string | undefined; after: number; next: number; catchUp: string[]; isCaughtUp: boolean }
  | { kind: 'skipped'; from: number; to: number }
  | { kind: 'proven'; id: string | undefined; level: EvidenceLevel; size: number }

export type DeliveryOptions = {
  kind: 'channel' | 'feed'
  /** Nothing is given before this has verified it, but for `integrity` events, which claim nothing; or right after it was given, where `isEarly`. */
  inclusion?: Inclusion | undefined
  isEarly?: boolean
  /** The record that a reference is about; undefined where the reader may not have it. */
  fetchReference?: ((event: ReferenceEvent) => Promise<RecordEvent | undefined>) | undefined
  /** What a gap left out, in groups. */
  catchUp?: ((gap: { paths: string[]; next: number }) => AsyncIterable<RecordEvent[]>) | undefined
  /** Log index: events of a channel up to it were given before. */
  after?: number | undefined
  signal?: AbortSignal | undefined
}

/** Events that are verified together. */
const MAX_GROUP = 256
const MAX_PATHS = 10_000

/**
 * What became of messages: parsed, each content held against what it names, repetitions dropped, the log asked whether it has them. Holds one group
 * of messages and no more.
 *
 * @param groups messages as they arrive
 * @throws ProofError, TlogError where something does not hold: nothing of its group is given then
 * @throws ClientError
 */
export async function* readDeliveries<R extends RawEvent>(
  groups: AsyncIterable<readonly R[]>,
  options: DeliveryOptions,
): AsyncGenerator<Delivery<R>, void, void> {
  const { inclusion, isEarly = false, fetchReference, signal } = options
  const order = createOrder(options.kind, options.after)
  const isChannel = options.kind === 'channel'

  /** The events of `held` under one checkpoint, then all of it in order. */
  async function* release(held: Delivery<R>[]): AsyncGenerator<Delivery<R>, void, void> {
    const events = held.filter(d => d.kind === 'event')
    const claims = events.flatMap(({ event }) => ('commitment' in event ? [event] : []))
    const verified = () => (inclusion && claims.length > 0 ? inclusion.verify(claims, signal) : undefined)
    const before = isEarly ? undefined : await verified()
    for (const delivery of held) {
      if (delivery.kind === 'event' && before && 'commitment' in delivery.event) delivery.level = before.level
      yield delivery
    }
    const after = isEarly ? await verified() : undefined
    if (after) yield { kind: 'proven', id: events.at(-1)?.id, level: after.level, size: after.size }
  }

  async function* passGap(raw: R): AsyncGenerator<Delivery<R>, void, void> {
    const gap = readGap(raw)
    if (options.catchUp)
      for await (const found of options.catchUp({ paths: gap.catchUp, next: gap.next }))
        yield* release(found.map(event => toCaughtUp<R>(event)))
    order.jump(gap.next)
    yield { kind: 'gap', id: raw.id, ...gap, isCaughtUp: options.catchUp !== undefined }
  }

  async function read(raw: R): Promise<Delivery<R>[]> {
    if (raw.data === undefined) {
      const skipped = order.place(raw.id as string)
      return [...skipped, { kind: 'place', id: raw.id as string, raw }]
    }
    let event: LogEvent = parseEvent(raw.data)
    const place = isChannel ? event.log_index : event.seq
    checkFrame(raw, event, place)
    if ('record' in event) verifyEventContent(event)
    // An alert about a record long past has no place in the order.
    const isAlert = event.event === 'integrity' && raw.id === undefined && raw.type !== undefined
    const { isNew, skipped } = isAlert || place === undefined ? { isNew: true, skipped: [] } : order.take(place, event)
    if (!isNew) return [{ kind: 'repeated', id: String(place), raw }]
    let text = typeof raw.data === 'string' ? raw.data : new TextDecoder().decode(raw.data)
    if (event.event === 'reference' && fetchReference) {
      const found = await fetchReference(event)
      if (found) {
        event = found
        text = JSON.stringify(found)
      }
    }
    const id = isAlert || place === undefined ? undefined : String(place)
    const common = { isRedelivered: raw.redelivered ?? false, isCaughtUp: false, raw }
    return [...skipped, { kind: 'event', id, event, text, level: 'stored', ...common }]
  }

  try {
    for await (const group of groups) {
      let held: Delivery<R>[] = []
      for (const raw of group) {
        if (raw.type === 'gap' && raw.data !== undefined) {
          yield* release(held)
          held = []
          yield* passGap(raw)
          continue
        }
        held.push(...(await read(raw)))
        if (held.length < MAX_GROUP) continue
        yield* release(held)
        held = []
      }
      yield* release(held)
    }
  } catch (error) {
    if (!signal?.aborted) throw error
  }
}

const toCaughtUp = <R>(event: RecordEvent): EventDelivery<R> => ({
  kind: 'event',
  id: undefined,
  event,
  text: JSON.stringify(event),
  level: 'stored',
  isRedelivered: false,
  isCaughtUp: true,
  raw: undefined,
})

/** What stands around an event says the same as the event. */
function checkFrame({ type, id }: RawEvent, event: LogEvent, place: number | undefined): void {
  if (type !== undefined && type !== event.event)
    throw new ClientError('malformed', `a message called ${JSON.stringify(type)} holds an event called ${event.event}`)
  if (id !== undefined && place !== undefined && id !== String(place))
    throw new ClientError(
      'malformed',
      `a message with the id ${JSON.stringify(id.slice(0, 40))} holds the event ${place}`,
    )
}

/** docs/formats.md 15. */
function readGap({ data }: RawEvent): { after: number; next: number; catchUp: string[] } {
  let value: unknown
  try {
    value = parseStrict(data as string | Uint8Array)
  } catch (cause) {
    throw new ClientError('malformed', 'a gap that is no JSON', { cause })
  }
  const { after, next, catch_up: paths } = (value ?? {}) as Record<string, unknown>
  const isPlace = (n: unknown, least: number) => Number.isSafeInteger(n) && (n as number) >= least
  const isList = Array.isArray(paths) && paths.length <= MAX_PATHS && paths.every(p => typeof p === 'string')
  if (!isPlace(after, -1) || !isPlace(next, 0) || !isList)
    throw new ClientError('malformed', `a gap without "after", "next" and "catch_up": ${String(data).slice(0, 200)}`)
  return { after: after as number, next: next as number, catchUp: paths as string[] }
}
