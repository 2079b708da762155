import type { SentEntry, SentLog } from '../sent.ts'
import {
  type Labelled,
  MOST_BEHIND,
  type Runs,
  type Stream,
  type Streams,
  type StreamTotals,
  type Subscriber,
  type Topic,
} from '../stream.ts'
import { eventFrame, gapFrame, openingFrame, placeFrame } from './frame.ts'
import { type Chunk, createRing, type Entry, joinFrames, type Ring } from './ring.ts'
import { createSlices } from './slices.ts'

export type HubOptions = {
  /** Milliseconds of a clock that never goes back. */
  now: () => number
  log: (level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown>) => void
  /** Told what was sent to whom. */
  sent?: Pick<SentLog, 'note' | 'end'> | undefined
  /** Bytes of frames that all topics together hold. */
  ringBytes?: number
}

/** What one subscriber is given at a time: fills a socket's buffer, and no more. */
const CHUNK_BYTES = 65_536
const DEFAULT_RING_BYTES = 16_777_216
/** From one read to the next, milliseconds, at least and at most: so long a message may wait so that more go out with it. The first after a pause waits for nothing. */
const MIN_PAUSE_MS = 5
const MAX_PAUSE_MS = 20
/** Messages read at a time for all subscribers of a topic. */
const PAGE = 256
/** Reads at a time for those who are behind. */
const CATCHING = 2
const RETRY_MS = 1000
/** For so long what a subscriber has not taken is held for it, as far as there is room. */
const LAGGING_MS = 1000
const MAX_ALERTS = 100

type Subscription = {
  connection: number
  topic: OpenTopic
  subscriber: Subscriber
  position: number
  /** Since when it takes nothing; undefined while it does. */
  blockedAt: number | undefined
  /** What came out of turn while it took nothing. */
  alerts: Buffer[]
  isQueued: boolean
  isCatching: boolean
  isClosed: boolean
  /** Places that it was sent nothing of because of their labels, since it was last sent something. */
  passedOver: Runs
  /** Messages that one read for it alone asks for: as many as {@link CHUNK_BYTES} held the last time. */
  page: number
}
type OpenTopic = { topic: Topic; ring: Ring; subscriptions: Set<Subscription>; isReading: boolean }

/**
 * Streams, by pulling: a topic with subscribers reads on where it stopped when it is woken, makes a frame of each message once, and gives every
 * subscriber what is new in one write. Who doesn't keep up stands still at its place; when it takes more, and its place is no longer held in
 * memory, it reads for itself until it has caught up. So a slow subscriber costs a socket's buffer, and nobody else's time.
 *
 * Subscribers are served in slices, and what arrives while many are served waits a moment and goes out together: requests get their turn.
 */
export function createHub({ now, log, sent, ringBytes = DEFAULT_RING_BYTES }: HubOptions): Streams {
  const topics = new Map<string, OpenTopic>()
  const subscriptions = new Set<Subscription>()
  const totals: StreamTotals = { deliveries: 0, gaps: 0, catchUps: 0, drops: 0 }
  /** Who may have something to get. */
  const slices = createSlices(now, serve)
  /** Who waits for a read of its own. */
  const waiting: Subscription[] = []
  let catching = 0
  let timer: NodeJS.Timeout | undefined
  let isWoken = false
  let advancedAt = Number.NEGATIVE_INFINITY
  let connections = 0
  /** Rises when something was erased: what was read before may hold it. */
  let erasures = 0
  let isClosed = false

  function wake(): void {
    if (isWoken || isClosed || subscriptions.size === 0) return
    isWoken = true
    // With n subscribers a round takes n times as long as one: no more than half of the time goes into rounds.
    const pause = Math.min(MAX_PAUSE_MS, Math.max(MIN_PAUSE_MS, 2 * slices.averageMs * subscriptions.size))
    const rest = advancedAt + pause - now()
    if (rest < 1) setImmediate(advanceAll)
    else timer = setTimeout(advanceAll, rest)
  }

  function advanceAll(): void {
    isWoken = false
    advancedAt = now()
    for (const open of topics.values()) void advance(open)
  }

  /** Reads on at the end of the ring. */
  async function advance(open: OpenTopic): Promise<void> {
    const { topic, ring } = open
    if (open.isReading) return
    open.isReading = true
    try {
      while (!isClosed && open.subscriptions.size > 0 && ring.end < topic.end()) {
        const before = erasures
        const { messages, next } = await topic.read(ring.end, PAGE)
        if (before !== erasures) continue
        trim(open)
        ring.append(messages.map(toEntry), next, ringBytes / topics.size)
        for (const s of open.subscriptions) enqueue(s)
        // Nobody who keeps up is overtaken by the ring: reading for each of them would cost more than waiting does.
        do await slices.round()
        while (hasQueued(open))
      }
      open.isReading = false
    } catch (error) {
      retry(topic, error as Error, () => {
        open.isReading = false
        wake()
      })
    }
  }

  /** Nobody is sent anything that could not be read and verified; nobody loses it either. */
  function retry({ kind, name }: Topic, error: Error, again: () => void): void {
    if (isClosed) return
    log('error', 'events could not be read for subscribers; it is tried again', { [kind]: name, error: error.message })
    setTimeout(again, RETRY_MS).unref()
  }

  /** What all who keep up have taken need not be held; who takes nothing for a while reads for itself when it does. */
  function trim({ ring, subscriptions: own }: OpenTopic): void {
    let least = ring.end
    const longAgo = now() - LAGGING_MS
    for (const s of own) if (s.position < least && (s.blockedAt ?? Infinity) > longAgo) least = s.position
    ring.trim(least)
  }

  const hasQueued = ({ subscriptions: own }: OpenTopic): boolean => {
    for (const s of own) if (s.isQueued) return true
    return false
  }

  function enqueue(s: Subscription): void {
    if (s.isQueued || s.isCatching || s.isClosed || s.blockedAt !== undefined || s.position >= s.topic.ring.end) return
    s.isQueued = true
    slices.queue(s)
  }

  function serve(s: Subscription): void {
    s.isQueued = false
    if (s.isClosed || s.blockedAt !== undefined) return
    const { ring } = s.topic
    if (s.position < ring.start) return askForRead(s)
    const chunk = ring.chunk(s.position, s.subscriber.sight, CHUNK_BYTES)
    give(s, chunk)
    enqueue(s)
  }

  function give(s: Subscription, chunk: Chunk): void {
    s.position = chunk.next
    const withheld = joinRuns(s.passedOver, chunk)
    s.passedOver = chunk.bytes ? [] : withheld
    if (!chunk.bytes) return
    totals.deliveries += chunk.count
    sent?.note(toSentEntry(s, chunk, withheld))
    write(s, chunk.bytes)
  }

  function write(s: Subscription, bytes: Buffer): void {
    if (!s.subscriber.sink.write(bytes)) s.blockedAt ??= now()
  }

  function askForRead(s: Subscription): void {
    s.isCatching = true
    waiting.push(s)
    nextRead()
  }

  function nextRead(): void {
    while (catching < CATCHING && waiting.length > 0) {
      const s = waiting.shift() as Subscription
      if (s.isClosed) continue
      const goOn = () => {
        s.isCatching = false
        enqueue(s)
      }
      catching++
      catchUp(s)
        .then(goOn, (error: Error) => retry(s.topic.topic, error, goOn))
        .finally(() => {
          catching--
          setImmediate(nextRead) // others have their turn between two reads
        })
    }
  }

  /** A page for a subscriber that stands before the ring. */
  async function catchUp(s: Subscription): Promise<void> {
    const { topic } = s.topic
    const from = s.position
    if (from > topic.end()) return sendGap(s, topic.end())
    totals.catchUps++
    const before = erasures
    const { messages, next } = await topic.read(from, s.page)
    const start = await topic.start() // after the read: what was forgotten meanwhile is not passed over
    if (before !== erasures) return // it is asked again
    if (from < start) return sendGap(s, start)
    if (s.isClosed) return
    const entries = messages.map(toEntry)
    const bytes = entries.reduce((sum, e) => sum + e.frame.length, 0)
    if (bytes > 0) s.page = Math.max(1, Math.min(PAGE, Math.ceil((CHUNK_BYTES * entries.length) / bytes)))
    const chunk = joinFrames(entries, 0, s.subscriber.sight, CHUNK_BYTES)
    const last = entries.at(-1)?.position
    if (!chunk) s.position = next
    else give(s, { ...chunk, next: chunk.next === (last as number) + 1 ? next : chunk.next })
  }

  async function sendGap(s: Subscription, next: number): Promise<void> {
    const data = await s.subscriber.gap(s.position - 1, next)
    if (s.isClosed) return
    totals.gaps++
    sent?.end(connectionName(s))
    s.position = next
    write(s, gapFrame(data, next))
  }

  function toOpenTopic(topic: Topic): OpenTopic {
    const key = `${topic.kind} ${topic.name}`
    const known = topics.get(key)
    if (known) return known
    const open = { topic, ring: createRing(topic.end()), subscriptions: new Set<Subscription>(), isReading: false }
    topics.set(key, open)
    return open
  }

  function close(s: Subscription): void {
    if (s.isClosed) return
    s.isClosed = true
    sent?.end(connectionName(s))
    subscriptions.delete(s)
    s.topic.subscriptions.delete(s)
    if (s.topic.subscriptions.size === 0) topics.delete(`${s.topic.topic.kind} ${s.topic.topic.name}`)
  }

  function subscribe(topic: Topic, subscriber: Subscriber): Stream {
    const open = toOpenTopic(topic)
    trim(open)
    const s: Subscription = {
      connection: ++connections,
      topic: open,
      subscriber,
      position: subscriber.from,
      blockedAt: undefined,
      alerts: [],
      isQueued: false,
      isCatching: false,
      isClosed: false,
      passedOver: [],
      page: 32,
    }
    open.subscriptions.add(s)
    subscriptions.add(s)
    if (isClosed) {
      close(s)
      subscriber.sink.end()
    } else write(s, openingFrame(s.position))
    if (s.position > topic.end()) askForRead(s)
    else enqueue(s)
    if (open.ring.end < topic.end()) wake()
    return {
      connection: s.connection,
      drained: () => {
        s.blockedAt = undefined
        for (const frame of s.alerts.splice(0)) write(s, frame)
        enqueue(s)
      },
      look: sight => {
        s.subscriber = { ...s.subscriber, sight }
      },
      beat: () => {
        if (!s.isClosed && s.blockedAt === undefined) write(s, placeFrame(s.position))
      },
      close: () => close(s),
      get stalledMs() {
        return s.blockedAt === undefined ? 0 : now() - s.blockedAt
      },
    }
  }

  return {
    subscribe,
    wake,
    forget: () => {
      erasures++
      for (const { ring } of topics.values()) ring.trim(ring.end)
    },
    alert: (kind, name, message) => {
      const frame = eventFrame(message)
      for (const s of topics.get(`${kind} ${name}`)?.subscriptions ?? []) {
        if (s.blockedAt === undefined) write(s, frame)
        else if (s.alerts.length < MAX_ALERTS) s.alerts.push(frame)
        else totals.drops++ // the one place where something is not kept for who takes nothing
      }
    },
    get count() {
      return subscriptions.size
    },
    totals,
    states: () =>
      [...subscriptions].map(s => ({
        kind: s.topic.topic.kind,
        topic: s.topic.topic.name,
        user: s.subscriber.user,
        connection: s.connection,
        behind: async () =>
          s.position >= s.topic.ring.start
            ? s.topic.ring.count(s.position)
            : s.topic.topic.count(s.position, MOST_BEHIND),
      })),
    close: () => {
      isClosed = true
      clearTimeout(timer)
      for (const s of subscriptions) {
        close(s)
        s.subscriber.sink.end()
      }
    },
  }
}

const toEntry = (message: Labelled): Entry => ({
  position: message.position,
  collection: message.collection,
  label: message.label,
  frame: eventFrame(message, message.position),
  reference: message.reference && eventFrame(message.reference, message.position),
})

/** What was passed over before, and what of a chunk: as one run, where nothing was sent between them. */
function joinRuns(before: Runs, { withheld, first }: Chunk): Runs {
  const [last, next] = [before.at(-1), withheld[0]]
  if (!last || !next || next[0] > first) return [...before, ...withheld]
  return [...before.slice(0, -1), [last[0], next[1]], ...withheld.slice(1)]
}

const connectionName = (s: Subscription): string => `sse ${s.connection}`
const toSentEntry = (s: Subscription, { first, last, count, references }: Chunk, withheld: Runs): SentEntry => ({
  connection: connectionName(s),
  via: 'sse',
  kind: s.topic.topic.kind,
  topic: s.topic.topic.name,
  subscriber: s.subscriber.user,
  address: s.subscriber.address,
  collections: s.subscriber.sight.collections,
  first,
  last,
  whole: count - references,
  references,
  withheld,
})
