import { setTimeout as sleep } from 'node:timers/promises'
import type { Message, Publisher } from '#channel/channel.ts'
import { ChannelError } from '#channel/error.ts'
import { backoff } from './backoff.ts'
import type { EventSource } from './event.ts'
import type { Notary } from './notary.ts'
import { readRouted } from './routed.ts'

export type OutboxOptions = {
  notary: Notary
  publisher: Publisher
  source: EventSource
  /** `isWhole`: everybody in the channel's audience may read this object (canonical JSON) of this collection (by its number), so it goes out as it is. */
  channels: { name: string; isWhole: (collection: number, object: Buffer) => boolean }[]
  log: (level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown>) => void
  /** Told of everything that the broker has confirmed. */
  confirmed?: ((channel: string, messages: readonly Message[]) => void) | undefined
  /** For tests: called at the numbered points. */
  fault?: ((point: 'before-publish' | 'after-publish') => void) | undefined
  /** The first pause after a failure, milliseconds; longer each time. */
  retryMs?: number
}

/**
 * Brings what goes to channels from the log to a broker. The log itself is the outbox: what was stored, in the commit that stored it, with its routes, is
 * read on from a cursor that moves when the broker has confirmed; nothing else is ever sent.
 *
 * Crash points (test/crash):
 *   O1 after a commit, before anything is sent       the next start sends it
 *   O2 sent, not confirmed                           the next start sends it again, marked
 *   O3 confirmed, the cursor not written yet         the next start sends it again, marked
 *
 * A publisher is never waited for by a request: a broker that is away costs nothing but the pause until it is back.
 */
export type Outbox = {
  /** Finds where each channel goes on, durably: call it before anything new is taken in. */
  start(): Promise<void>
  states(): Promise<OutboxState[]>
  /** Stops sending, and writes the cursors. The publisher stays open. */
  close(): Promise<void>
}

export type OutboxState = {
  channel: string
  /** Log index up to which the broker has confirmed everything. */
  position: number
  /** Objects that wait; counted to {@link MOST_COUNTED}. */
  pending: number
  /** Since the start of this process: messages that were confirmed, and of those which were marked as sent before. */
  delivered: number
  redelivered: number
  /** Why the broker took nothing at the last try. */
  error: string | undefined
}

const AT_ONCE = 500
export const MOST_COUNTED = 1_000_000
const DEFAULT_RETRY_MS = 200
/** To ask again costs next to nothing, and what waits is to be there soon after the broker is. */
const MAX_RETRY_MS = 1000
/** Cursors are written so often: each is a durable write, and what a crash loses of them is sent again. */
const CURSOR_MS = 250
/** Between two publishes of a channel: what is stored meanwhile goes out together, which costs the server and the broker a fraction. Who comes first waits for nothing. */
const PACE_MS = 20

/** The name of the cursor of a channel, in the store. */
export const outboxCursor = (kind: string, channel: string): string => `outbox:${kind}:${channel}`

export function createOutbox(options: OutboxOptions): Outbox {
  const { notary, publisher, log } = options
  const abort = new AbortController()
  const lines = options.channels.map(channel => createLine(options, channel, abort.signal))
  const byName = new Map(options.channels.map((channel, i) => [channel.name, lines[i] as Line]))
  let running: Promise<unknown> | undefined
  let timer: NodeJS.Timeout | undefined
  let unlisten = () => {}

  const save = () => Promise.all(lines.map(line => line.save()))
  return {
    start: async () => {
      for (const line of lines) await line.open()
      unlisten = notary.onCheckpoint(channels => {
        for (const name of channels) byName.get(name)?.wake()
      })
      running = Promise.all(lines.map(line => line.run()))
      const fail = (error: Error) =>
        log('warn', 'the cursors of channels were not written: what they stand for may be sent again', {
          broker: publisher.kind,
          error: error.message,
        })
      timer = setInterval(() => void save().catch(fail), CURSOR_MS)
      timer.unref()
    },
    states: () => Promise.all(lines.map(line => line.state())),
    close: async () => {
      abort.abort()
      unlisten()
      clearInterval(timer)
      for (const line of lines) line.wake()
      await running
      await save()
    },
  }
}

/** One channel on its way to the broker. */
type Line = {
  open(): Promise<void>
  run(): Promise<void>
  wake(): void
  save(): Promise<void>
  state(): Promise<OutboxState>
}

function createLine(
  { notary, publisher, source, log, confirmed, fault, retryMs = DEFAULT_RETRY_MS }: OutboxOptions,
  { name, isWhole }: OutboxOptions['channels'][number],
  signal: AbortSignal,
): Line {
  const { store } = notary
  const cursor = outboxCursor(publisher.kind, name)
  let position = 0
  let saved = 0
  /** Below this log index something may have been sent before. */
  let unsure = 0
  /** One at a time while a message is too large: to find out which it is. */
  let limit = AT_ONCE
  let failures = 0
  let error: string | undefined
  let delivered = 0
  let redelivered = 0
  let isAwake = true
  /** When something was last given to the broker. */
  let sent = -PACE_MS
  let rouse: (() => void) | undefined

  async function send(messages: Message[], next: number): Promise<void> {
    for (const message of messages) message.redelivered = message.position < unsure
    fault?.('before-publish') // O1
    try {
      await publisher.publish(name, messages) // O2
    } catch (cause) {
      unsure = Math.max(unsure, next)
      throw cause
    }
    fault?.('after-publish') // O3
    position = next
    delivered += messages.length
    redelivered += messages.filter(m => m.redelivered).length
    confirmed?.(name, messages)
    if (failures > 0) log('info', 'the broker takes messages again', { channel: name, broker: publisher.kind })
    failures = 0
    error = undefined
  }

  /** @returns whether there was more already when this was read */
  async function step(): Promise<boolean> {
    const size = notary.log.size
    const { messages, next } = await readRouted(notary, source, name, { from: position, limit }, { isWhole })
    if (messages.length === 0) {
      position = next
      return next < size
    }
    sent = performance.now()
    try {
      await send(messages, next)
      limit = AT_ONCE
      return next < size
    } catch (cause) {
      if (!(cause instanceof ChannelError && cause.code === 'too-large')) throw cause
      if (messages.length > 1) {
        limit = 1
        return true
      }
      await refer(messages[0] as Message, cause)
    }
    return true
  }

  /** Nothing may stand in the way of what follows, and nothing may be lost. */
  async function refer(message: Message, cause: ChannelError): Promise<void> {
    const at = { from: message.position, limit: 1 }
    const { messages, next } = await readRouted(notary, source, name, at, { isWhole: () => false })
    if (message.event === 'reference' || messages[0]?.position !== message.position) throw cause
    await send(messages, next)
    log('error', 'an object is too large for the broker: its channel got a reference to it instead', {
      channel: name,
      broker: publisher.kind,
      log_index: message.position,
      error: cause.message,
    })
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      isAwake = false
      try {
        while (!signal.aborted && (await step()));
      } catch (cause) {
        if (signal.aborted) return
        error = (cause as Error).message
        if (failures++ === 0)
          log('warn', 'the broker took nothing; what is stored waits, and is sent when it can be', {
            channel: name,
            broker: publisher.kind,
            error,
          })
        await sleep(Math.min(backoff(retryMs, failures - 1), MAX_RETRY_MS), undefined, { signal }).catch(() => {})
        continue
      }
      if (!isAwake && !signal.aborted)
        await new Promise<void>(resolve => {
          rouse = resolve
        })
      const pause = sent + PACE_MS - performance.now()
      if (pause > 0) await sleep(pause, undefined, { signal }).catch(() => {})
    }
  }

  return {
    open: async () => {
      const found = await store.cursor(cursor)
      // A broker that is new here gets what comes from now on: subscribers of yesterday there are none.
      position = found ?? notary.log.size
      unsure = notary.log.size
      saved = position
      if (found === undefined) await store.putCursor(cursor, position)
    },
    run,
    wake: () => {
      isAwake = true
      rouse?.()
    },
    save: async () => {
      if (position === saved) return
      const at = position
      await store.putCursor(cursor, at)
      saved = at
    },
    state: async () => ({
      channel: name,
      position,
      pending: await store.countRouted(name, position, MOST_COUNTED),
      delivered,
      redelivered,
      error,
    }),
  }
}
