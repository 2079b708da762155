import {
  type Delivery,
  type EventDelivery,
  openInclusion,
  readDeliveries,
  serverLog,
  type SubscribeVerify,
  type TaxiiClient,
  toDeliveryOptions,
} from '@entente/client'
import type { Trust } from '@entente/verify/proof'
import { type BrokerMessage, readBroker, readBrokerMessages } from '../broker-messages.ts'
import type { Args } from '../commands.ts'
import { withClient } from '../connect.ts'
import { CliError, EXIT } from '../errors.ts'
import { createHandler, type Handler } from '../handler.ts'
import { openWatch } from '../memory.ts'
import { openOutput } from '../output.ts'
import { counted, note } from '../print.ts'
import { untilAsked } from '../signals.ts'
import { openSubscriptionState, type SubscriptionState } from '../subscription-state.ts'
import { readTrustOptions } from '../trust.ts'
import { integerOf, isSet, textOf } from '../values.ts'

type Values = Record<string, unknown>
type Deliveries = AsyncIterable<Delivery<Partial<BrokerMessage>>>

const USAGE = 'subscribe CHANNEL|COLLECTION [URL] [--from PLACE] [--verify] [--exec CMD]'
/** Where `entente serve` listens by itself. */
const DEFAULT_URL = 'http://127.0.0.1:6100/'
const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z$/
/** Records of a feed that did not come, and that are looked out for. */
const MAX_MISSING = 100_000

/** Reads events as they come, and deals with one after the other: prints it, or runs a program with it. */
export async function run({ values, positionals: given }: Args): Promise<number> {
  const [what, url, more] = given
  if (what === undefined || more !== undefined)
    throw new CliError(
      'usage',
      `${what === undefined ? 'CHANNEL or COLLECTION is missing' : `"${more}" is too much`}\nUsage: entente ${USAGE}`,
    )
  const options = readOptions(values)
  const ending = new AbortController()
  const timer = options.forMs === undefined ? undefined : setTimeout(() => ending.abort(), options.forMs)
  try {
    if (options.broker !== undefined) return await fromBroker(what, url, options, ending, values)
    return await fromServer(what, url, options, ending, values)
  } finally {
    clearTimeout(timer)
  }
}

type Options = ReturnType<typeof readOptions>

function readOptions(values: Values) {
  const from = textOf(values, 'from')
  if (from !== undefined && !/^(?:now|start|\d{1,15})$/.test(from) && !TIMESTAMP.test(from))
    throw new CliError(
      'usage',
      `--from is "${from}": now, start, the id of an event, or a time such as 2026-01-31T12:00:00Z is wanted`,
    )
  const isVerified = isSet(values, 'verify')
  const trust = readTrustOptions(values)
  if (trust && !isVerified)
    throw new CliError('usage', '--key says whose log is believed, and nothing is verified: add --verify')
  const broker = textOf(values, 'broker')
  for (const name of ['durable', 'prefix', 'broker-ca'])
    if (broker === undefined && textOf(values, name) !== undefined)
      throw new CliError('usage', `--${name} is of a broker: name it with --broker`)
  if (broker !== undefined && (isSet(values, 'catch-up') || (from !== undefined && from !== 'now' && from !== 'start')))
    throw new CliError('usage', 'a broker has what it kept: --from is now or start there, and there is no --catch-up')
  const command = textOf(values, 'exec')
  for (const name of ['shell', 'keep-going'])
    if (command === undefined && isSet(values, name)) throw new CliError('usage', `--${name} is about --exec CMD`)
  return {
    from,
    isVerified,
    trust,
    broker,
    isJson: isSet(values, 'json'),
    count: integerOf(values, 'count', 1),
    forMs: readDuration(textOf(values, 'for')),
    catchUp: isSet(values, 'catch-up'),
    references: isSet(values, 'fetch'),
    state: textOf(values, 'state'),
    keepsGoing: isSet(values, 'keep-going'),
    handler:
      command === undefined
        ? undefined
        : createHandler({ command, isShell: isSet(values, 'shell'), isJson: isSet(values, 'json') }),
  }
}

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
/** Of a timer (Node: 2^31 - 1). */
const MAX_TIMER_MS = 2_147_483_647

function readDuration(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const [, number, unit = 's'] = /^(\d{1,9})(ms|s|m|h|d)?$/.exec(text) ?? []
  const ms = Number(number) * (UNITS[unit] as number)
  if (!(ms >= 1 && ms <= MAX_TIMER_MS))
    throw new CliError('usage', `--for is "${text}": a time such as 30s, 5m, 2h or 1d is wanted, up to 24d`)
  return ms
}

async function fromServer(
  what: string,
  url: string | undefined,
  options: Options,
  ending: AbortController,
  values: Values,
) {
  const isUrl = what.includes('://')
  if (isUrl && url !== undefined) throw new CliError('usage', `${what} is the URL already: leave out ${url}`)
  const address = isUrl ? what : (url ?? DEFAULT_URL)
  return withClient(address, 'that of a channel, a collection or a server', values, async client => {
    const target = isUrl ? what : await findByName(client, what, address)
    const state = openSubscriptionState(options.state, target)
    const from = state.id ?? options.from ?? 'now'
    if (/\/channels\/[^/]+\/?$/.test(target) && TIMESTAMP.test(from))
      throw new CliError('usage', 'a channel has no times: --from is now, start or the id of an event there')
    const deliveries = client.subscribe(target, {
      from,
      ...(options.isVerified ? { verify: toVerify(client, options.trust, values) } : {}),
      catchUp: options.catchUp,
      references: options.references,
      signal: ending.signal,
      onAway: (error, pauseMs) => {
        if (!options.isJson) note(`${error.message}; trying again in ${(pauseMs / 1000).toFixed(1)} s`)
      },
    })
    return deal(deliveries, options, state, ending)
  })
}

/** A channel by its name, or a collection by id, alias or title. */
async function findByName(client: TaxiiClient, name: string, address: string): Promise<string> {
  const root = new URL(address).pathname === '/' ? (await client.apiRoot()).url : address
  const channels = await client.channels(root)
  if (channels.some(c => c.name === name)) return new URL(`channels/${encodeURIComponent(name)}/`, withSlash(root)).href
  const collections = await client.collections(root)
  const found = collections.find(c => c.id === name || c.alias === name || c.title === name)
  if (found) return `${found.url}feed/`
  const names = [
    ...channels.map(c => `  ${c.name}  (channel)`),
    ...collections.map(c => `  ${c.alias ?? c.id}  ${c.title} (collection)`),
  ]
  throw new CliError('no', `${root} has no channel or collection "${name}" for you. There are:\n${names.join('\n')}`)
}

const withSlash = (url: string): string => (url.endsWith('/') ? url : `${url}/`)

async function fromBroker(
  channel: string,
  url: string | undefined,
  options: Options,
  ending: AbortController,
  values: Values,
) {
  const broker = readBroker(options.broker as string, textOf(values, 'broker-ca'))
  const durable = textOf(values, 'durable')
  const from = options.from === 'start' ? 'start' : 'now'
  const receive = async (client: TaxiiClient | undefined) => {
    const prefix = textOf(values, 'prefix') ?? (client && (await findPrefix(client, broker.kind, channel))) ?? ''
    const state = openSubscriptionState(options.state, `${broker.name} ${prefix}${channel}`)
    const messages = readBrokerMessages(await broker.open(prefix), channel, { durable, from, signal: ending.signal })
    const verify = client && options.isVerified ? toVerify(client, options.trust, values) : undefined
    const deliveries = readDeliveries(messages, {
      ...(client ? toDeliveryOptions(client, 'channel', { references: options.references }) : {}),
      kind: 'channel',
      inclusion: verify && openInclusion(client as TaxiiClient, verify),
      after: state.id === undefined || state.id === 'start' ? undefined : Number(state.id),
      signal: ending.signal,
    })
    return deal(deliveries, options, state, ending)
  }
  // What a broker says is held against the log of a server, where that is asked for: nothing else needs one.
  if (!options.isVerified && !options.references) return receive(undefined)
  return withClient(url ?? DEFAULT_URL, 'that of the server whose channel this is', values, receive)
}

/** What the server puts before the name of a channel, where it says so. */
async function findPrefix(client: TaxiiClient, kind: string, channel: string): Promise<string | undefined> {
  const channels = await client.channels().catch(() => [])
  const address = channels.find(c => c.name === channel)?.brokers?.find(b => b.kind === kind)?.address
  return address?.endsWith(channel) ? address.slice(0, -channel.length) : undefined
}

function toVerify(client: TaxiiClient, trust: Trust | undefined, values: Values): SubscribeVerify {
  return { ...(trust ? { trust } : {}), watch: openWatch(values, serverLog(client), trust?.vkeys) }
}

/** One after the other: dealt with, then remembered, then acknowledged. */
async function deal(
  deliveries: Deliveries,
  options: Options,
  state: SubscriptionState,
  ending: AbortController,
): Promise<number> {
  // Not before: what asks the server who is who may be ended at once.
  void untilAsked().then(() => ending.abort())
  const { signal } = ending
  const { isJson, handler, count = Number.POSITIVE_INFINITY } = options
  const output = openOutput(undefined)
  const missing = new Set<number>()
  const damaged = new Set<string>()
  const seen = { events: 0, failed: 0, gaps: 0 }
  try {
    for await (const delivery of deliveries) {
      if (signal.aborted) break
      if (delivery.kind === 'event') {
        state.check(delivery.event.origin)
        const isDone = await dealWith(delivery, options, handler, signal)
        if (!isDone && signal.aborted) break // whoever ended this ended the handler as well
        if (!isDone) seen.failed++
        if (isJson) await output.write(`${delivery.text}\n`)
        else if (!handler) await output.write(`${inWords(delivery)}\n`)
        if (delivery.id !== undefined) state.reach(delivery.id, handler !== undefined)
        await delivery.raw?.acknowledge?.()
        const { event } = delivery
        // An alert comes at once, and again in its turn.
        if (event.event === 'integrity') damaged.add(`${event.collection} ${event.seq}`)
        if ('record' in event && 'deleted' in event.record) missing.delete(event.record.deleted.seq)
        if (++seen.events >= count) break
      } else if (delivery.kind === 'gap') {
        if (!delivery.isCaughtUp) seen.gaps++
        await sayGap(delivery, isJson, output.write)
        if (delivery.id !== undefined) state.reach(delivery.id, true)
      } else if (delivery.kind === 'skipped') {
        for (let seq = delivery.from; seq <= delivery.to && missing.size < MAX_MISSING; seq++) missing.add(seq)
        if (isJson) await output.write(`${JSON.stringify({ skipped: { from: delivery.from, to: delivery.to } })}\n`)
      } else if (delivery.kind === 'place') {
        state.reach(delivery.id, false)
      } else if (delivery.kind === 'repeated') {
        await delivery.raw.acknowledge?.()
      }
    }
  } finally {
    state.end()
  }
  if (!isJson) for (const line of summary({ ...seen, damaged: damaged.size }, missing.size, state.id)) note(line)
  if (damaged.size > 0) return EXIT.evidence
  return seen.failed > 0 || seen.gaps > 0 ? EXIT.no : EXIT.yes
}

/** @returns whether the handler succeeded; without one, or where it was ended from outside, there is nothing to fail */
async function dealWith(
  delivery: EventDelivery<unknown>,
  options: Options,
  handler: Handler | undefined,
  signal: AbortSignal,
) {
  if (!handler) return true
  const handled = await handler(delivery)
  if (handled.isDone) return true
  if (signal.aborted) return false
  const which = `the handler of event ${delivery.id ?? delivery.event.log_index} ended with ${handled.how}`
  if (!options.keepsGoing)
    throw new CliError(
      'no',
      `${which}: stopped there. It comes again with --state FILE or --from of the event before it; --keep-going passes over it`,
    )
  if (!options.isJson) note(which)
  return false
}

type Gap = Extract<Delivery, { kind: 'gap' }>

async function sayGap(
  { after, next, catchUp, isCaughtUp }: Gap,
  isJson: boolean,
  write: (text: string) => Promise<void>,
) {
  if (isJson) return write(`${JSON.stringify({ gap: { after, next, catch_up: catchUp, caught_up: isCaughtUp } })}\n`)
  const what = `the server no longer keeps what came after ${after}, up to ${next}, as events`
  if (isCaughtUp) note(`${what}: it was fetched from the collections`)
  else
    note(
      [
        `${what}. --catch-up fetches it; or read it by yourself:`,
        ...catchUp.map(path => `  GET ${printable(path)}`),
      ].join('\n'),
    )
}

function summary(
  seen: { events: number; damaged: number; failed: number; gaps: number },
  missing: number,
  id?: string,
): string[] {
  const lines = [`${counted(seen.events, 'event')}${id === undefined ? '' : `, up to ${id}`}`]
  if (seen.failed > 0) lines.push(`${counted(seen.failed, 'event')} of them failed in the handler`)
  if (seen.damaged > 0)
    lines.push(
      `${counted(seen.damaged, 'record')} of the server ${seen.damaged === 1 ? 'does' : 'do'} not match its log`,
    )
  if (missing > 0)
    lines.push(
      `${counted(missing, 'record')} of the feed did not come, and no event said (yet) that ${missing === 1 ? 'it was' : 'they were'} erased`,
    )
  return lines
}

/** Time, event, id and name. */
function inWords({ event }: EventDelivery<unknown>): string {
  const place = `record ${event.seq} of ${event.api_root}collections/${event.collection}/`
  const words = (() => {
    if (event.event === 'integrity') return ['-', `${place}: ${event.reason}, it does not match the log`]
    if (event.event === 'reference') return ['-', `${place}: not for everybody here; --fetch reads it where you may`]
    const { record } = event
    if ('deleted' in record) return [record.date_added, `record ${record.deleted.seq}`]
    if ('equivocation' in record) return [record.date_added, record.id, `another content of version ${record.version}`]
    const { name } = record.object
    return [record.date_added, record.id, typeof name === 'string' ? name : '']
  })()
  const [time = '', ...rest] = words
  return printable([time, event.event.padEnd(9), ...rest].join('  ')).trimEnd()
}

/** What others wrote must not move a terminal's cursor, nor turn its direction of writing. */
const printable = (text: string): string => text.replaceAll(CONTROLS, '\ufffd')
const CONTROLS = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu
