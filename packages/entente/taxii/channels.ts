import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Sight, Topic } from '#channel/stream.ts'
import { readFeed } from '#notary/feed.ts'
import type { Opened } from '#notary/reader.ts'
import { readRouted } from '#notary/routed.ts'
import { formatMicros, parseMicros } from '#notary/time.ts'
import type { RecordRow } from '#store/store.ts'
import { canRead, type Principal } from './auth/auth.ts'
import {
  type ApiRootConfig,
  type ChannelConfig,
  type CollectionConfig,
  refuseWhenUntrusted,
  requireRead,
  type Target,
  type TaxiiContext,
  toLabel,
  toSees,
} from './context.ts'
import { TaxiiError } from './errors.ts'
import { FOR_ALL, type Label } from './markings.ts'
import { checkAccept, EVENT_STREAM, isAccepted, sendJson, TAXII } from './media.ts'
import { queryString, type Resolve } from './objects.ts'
import { OPERATIONS } from './operations.ts'
import { seekAdded, seekRow } from './pages.ts'
import { sendStream } from './sse.ts'

/** The channels of an API root: which there are, and each as a stream of what the caller may read of this API root. */
export function channelRoutes(app: FastifyInstance, context: TaxiiContext, root: ApiRootConfig): void {
  const list = { config: { operation: OPERATIONS.channels } }
  app.get(`${root.path}channels/`, list, async (request, reply) => {
    checkAccept(request.headers.accept)
    const channels = mayListen(context, root, request.principal)
      ? context.channels.list.map(c => toChannel(context, root, c, request.principal))
      : []
    return sendJson(reply, TAXII, channels.length > 0 ? { channels } : {})
  })

  app.get<{ Params: { channel: string } }>(
    `${root.path}channels/:channel/`,
    { config: { operation: OPERATIONS.channel } },
    async (request, reply) => {
      refuseWhenUntrusted(context.notary)
      const { accept } = request.headers
      const isStream = isAccepted(accept, EVENT_STREAM)
      if (!isStream) checkAccept(accept, [EVENT_STREAM, TAXII])
      const channel = context.channels.list.find(c => c.name === request.params.channel)
      if (!channel || !mayListen(context, root, request.principal))
        throw new TaxiiError(404, 'not-found', 'there is no such channel, or nothing of this API root is for you')
      if (!isStream) return sendJson(reply, TAXII, toChannel(context, root, channel, request.principal))
      const topic = channelTopic(context, channel.name)
      return sendStream(context, request, reply, {
        topic,
        from: await parseFrom(request, topic),
        sight: principal => toSight(context, root, principal),
        gap: (principal, after, next) => {
          const isKnown = after < context.notary.log.size // or the log was put back to an older copy, and that place is another's
          return formatGap(context, readable(context, root, principal), after, next, isKnown)
        },
      })
    },
  )
}

/** Everything that happens in one collection, as a stream. */
export function feedRoute(app: FastifyInstance, context: TaxiiContext, base: string, resolve: Resolve): void {
  app.get(`${base}feed/`, { config: { operation: OPERATIONS.feed } }, async (request, reply) => {
    const { accept } = request.headers
    if (!isAccepted(accept, EVENT_STREAM))
      throw new TaxiiError(
        406,
        'accept',
        `this resource is served as ${EVENT_STREAM}; the request accepts ${accept?.slice(0, 200)}`,
      )
    const target = resolve(request)
    requireRead(target)
    const topic = feedTopic(context, target)
    return sendStream(context, request, reply, {
      topic,
      from: await parseFrom(request, topic, micros => seekAdded(context, target, micros)),
      sight: principal => wholeOf(context, target, principal),
      // A feed has all its places: a client that was further has read another log.
      gap: (_principal, after, next) => formatGap(context, [target], after, next, false),
    })
  })
}

/** What no marking hides from a caller. @param key of what it may read */
function toClears({ markings }: TaxiiContext, { roles }: Principal, key: string): Pick<Sight, 'key' | 'clears'> {
  const clearance = markings?.clearance(roles)
  if (!clearance) return { key, clears: () => true }
  return { key: `${key} ${clearance.key}`, clears: label => clearance.clears(label as Label) }
}

function wholeOf(context: TaxiiContext, { config }: Target, principal: Principal): Sight | undefined {
  if (!canRead(principal, config)) return undefined
  return { ...toClears(context, principal, ''), collections: [config.id], has: () => true }
}

function channelTopic({ notary, source, damage, markings, config }: TaxiiContext, name: string): Topic {
  /** Found when it is asked for: the log may not have it yet. */
  const configOf = (number: number): CollectionConfig | undefined => {
    const known = notary.log.collections.get(number)
    const root = known && config.apiRoots.find(r => r.path === known.apiRoot)
    return root?.collections.find(c => c.id === known?.id)
  }
  const label =
    markings &&
    ((row: RecordRow, opened: Opened) => {
      const own = configOf(row.collection)
      return own ? toLabel(row, opened, markings, own) : FOR_ALL
    })
  return {
    kind: 'channel',
    name,
    read: (from, limit) => readRouted(notary, source, name, { from, limit }, { label, onInvalid: damage.note }),
    end: () => notary.log.size,
    start: () => notary.store.routesFrom(),
    count: (from, most) => notary.store.countRouted(name, from, most),
  }
}

function feedTopic({ notary, source, damage, markings }: TaxiiContext, { number, config }: Target): Topic {
  const label = markings && ((row: RecordRow, opened: Opened) => toLabel(row, opened, markings, config))
  const end = () => notary.log.collections.get(number)?.count ?? 0
  return {
    kind: 'feed',
    name: config.id,
    read: (from, limit) => readFeed(notary, source, number, { from, limit }, { label, onInvalid: damage.note }),
    end,
    start: async () => 0,
    count: async (from, most) => Math.min(most, end() - from),
  }
}

/**
 * The place that a subscriber begins with: behind `Last-Event-ID` (WHATWG HTML section 9.2.4), which a client sends when it connects again, or behind
 * `from`: an id, `now` (the default), or `start`, the oldest that is kept.
 *
 * @param seek for a `from` that is a timestamp: the first place after it
 * @throws TaxiiError 400
 */
async function parseFrom(
  request: FastifyRequest,
  topic: Topic,
  seek?: (micros: number) => Promise<number>,
): Promise<number> {
  const last = request.headers['last-event-id']
  const given = new URLSearchParams(queryString(request)).getAll('from')
  if (given.length > 1) throw new TaxiiError(400, 'query', `from is given ${given.length} times: give it once`)
  const name = last === undefined || last === '' ? 'from' : 'Last-Event-ID'
  const text = name === 'from' ? (given[0] ?? 'now') : String(last)
  if (text === 'now') return topic.end()
  if (text === 'start') return topic.start()
  if (/^\d{1,15}$/.test(text)) return Number(text) + 1
  const micros = seek && name === 'from' ? parseMicros(text) : undefined
  if (seek && micros !== undefined) return seek(micros)
  const wayOut = `it is the id of an event, now${seek ? ', start, or a timestamp such as 2026-01-31T12:00:00.000000Z' : ' or start'}`
  throw new TaxiiError(400, 'query', `${name} is ${JSON.stringify(text.slice(0, 80))}: ${wayOut}`)
}

const readable = (context: TaxiiContext, root: ApiRootConfig, principal: Principal): Target[] =>
  root.collections.flatMap(config => {
    const collection = context.notary.collection(root.path, config.id)
    return collection && canRead(principal, config)
      ? [
          {
            root,
            config,
            number: collection.number,
            read: true,
            write: false,
            sees: toSees(context, config, principal),
          },
        ]
      : []
  })

const mayListen = (context: TaxiiContext, root: ApiRootConfig, principal: Principal): boolean =>
  readable(context, root, principal).length > 0

function toSight(context: TaxiiContext, root: ApiRootConfig, principal: Principal): Sight | undefined {
  const targets = readable(context, root, principal)
  if (targets.length === 0) return undefined
  const numbers = new Set(targets.map(t => t.number))
  const clears = toClears(context, principal, [...numbers].join())
  return { ...clears, collections: targets.map(t => t.config.id), has: number => numbers.has(number) }
}

/**
 * How a client that missed something catches up (docs/formats.md 15): by the lists of each collection that it may read.
 *
 * @param isKnown whether `after` is a log index of this log: then from there, else from the beginning
 */
async function formatGap(
  context: TaxiiContext,
  targets: Target[],
  after: number,
  next: number,
  isKnown: boolean,
): Promise<string> {
  const paths: string[] = []
  for (const target of targets) {
    const path = `${context.source.publicUrl}${target.root.path}collections/${target.config.id}/objects/`
    const added = isKnown ? await lastAdded(context, target, after) : undefined
    paths.push(added === undefined ? path : `${path}?added_after=${formatMicros(added)}`)
  }
  return JSON.stringify({ after, next, catch_up: paths })
}

/** `date_added` of the newest record of a collection at or before a log index; undefined where it has none. */
async function lastAdded(context: TaxiiContext, target: Target, leaf: number): Promise<number | undefined> {
  const seq = await seekRow(context, target, row => row.leaf <= leaf)
  const before =
    seq === 0 ? [] : await context.notary.store.records(target.number, { from: seq - 1, limit: 1, text: 'none' })
  return before[0]?.added
}

/** Channel resource: ours, in the manner of the collection resource (TAXII 2.1 section 5.2.1), which has left channels open. */
function toChannel(context: TaxiiContext, root: ApiRootConfig, { name, title }: ChannelConfig, principal: Principal) {
  const brokers = context.channels.brokers(name)
  return {
    name,
    ...(title === undefined ? {} : { title }),
    url: `${root.path}channels/${name}/`,
    media_types: ['text/event-stream'],
    collections: readable(context, root, principal).map(t => t.config.id),
    ...(brokers.length > 0 ? { brokers } : {}),
  }
}
