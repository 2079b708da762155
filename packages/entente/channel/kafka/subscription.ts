import { setTimeout as sleep } from 'node:timers/promises'
import type { KafkaRecord } from '@platformatic/kafka'
import { POSITION_HEADER, type Received, REDELIVERED_HEADER, type SubscribeOptions } from '../channel.ts'
import { ChannelError } from '../error.ts'
import { type KafkaConnection, toChannelError } from './client.ts'
import { Group } from './group.ts'
import { type Fetched, isOutOfRange, type Offsets, Reader } from './reader.ts'

export type Subscription = {
  messages: AsyncIterableIterator<Received>
  end(): Promise<void>
}

const RETRY_MS = 200

/**
 * Reads one topic for as long as somebody asks for the next message: no more than one answer of each leader (1 MiB, or one larger message) is held.
 *
 * @param onEnd called once, however it ended
 */
export async function openSubscription(
  connection: KafkaConnection,
  topic: string,
  { durable, from = 'now', signal }: SubscribeOptions,
  onEnd: () => void,
): Promise<Subscription> {
  const ending = new AbortController()
  const ended = ending.signal
  const reader = new Reader(connection, topic)
  const group = durable === undefined ? undefined : new Group(connection, topic, durable, ended)
  /** What comes next of each partition, and up to where it may have been delivered before. */
  let next: Offsets = new Map()
  let seen: Offsets = new Map()

  const end = async () => {
    if (ended.aborted) return
    ending.abort(new ChannelError('closed', 'this subscription was ended'))
    onEnd()
    await Promise.all([reader.close(), group?.close()])
  }
  const pause = () => sleep(RETRY_MS, undefined, { signal: ended }).catch(() => {})

  /** What this iteration has handed out already is not handed out by it again: it may still be acknowledged. */
  async function takeGroup(group: Group): Promise<void> {
    const taken = await group.take(reader, from)
    next = new Map([...taken.next].map(([partition, offset]) => [partition, max(offset, next.get(partition))]))
    seen = taken.seen
  }

  /** Retention has passed us, or the topic was made anew: all there is, marked where it cannot be what is behind us. */
  async function moveIntoRange(): Promise<void> {
    const start = await reader.list('start')
    const stop = await reader.list('now')
    for (const [partition, offset] of next) {
      const [oldest = 0n, behind = 0n] = [start.get(partition), stop.get(partition)]
      if (offset >= oldest && offset <= behind) continue
      if (offset > behind) seen.set(partition, behind)
      next.set(partition, oldest)
    }
  }

  /** Once the subscription has ended nothing is acknowledged any more: it comes again. */
  async function acknowledge(handedOut: Offsets): Promise<void> {
    try {
      if (!ended.aborted) await group?.commit(handedOut)
    } catch (error) {
      if (!ended.aborted) throw toChannelError(error, connection)
    }
  }

  async function* read(): AsyncGenerator<Received> {
    while (!ended.aborted) {
      let fetched: Fetched[]
      try {
        if (group?.isChanged) await takeGroup(group)
        if (next.size === 0) await pause()
        fetched = next.size === 0 ? [] : await reader.fetch(next, ended)
      } catch (error) {
        if (ended.aborted) return
        const failure = toChannelError(error, connection)
        if (failure.code === 'refused') throw failure
        if (isOutOfRange(error)) await moveIntoRange().catch(() => {})
        await pause()
        continue
      }
      for (const { partition, offset, record } of fetched) {
        if (ended.aborted) return
        next.set(partition, offset + 1n)
        const handedOut = new Map(next)
        yield {
          ...toReceived(record, offset < (seen.get(partition) ?? 0n)),
          acknowledge: () => acknowledge(handedOut),
        }
      }
    }
  }

  try {
    if (group) {
      await group.join()
      await takeGroup(group)
    } else next = await reader.list(from)
  } catch (error) {
    await end()
    throw error
  }

  signal?.addEventListener('abort', () => void end(), { signal: ended })
  if (signal?.aborted) await end()
  const iteration = read()
  const messages: AsyncIterableIterator<Received> = {
    next: async () => {
      try {
        return await iteration.next()
      } catch (error) {
        await end()
        throw error
      }
    },
    return: async () => {
      await end()
      return await iteration.return(undefined)
    },
    [Symbol.asyncIterator]: () => messages,
  }
  return { messages, end }
}

const max = (a: bigint, b: bigint | undefined) => (b !== undefined && b > a ? b : a)

function toReceived({ value, headers }: KafkaRecord, seen: boolean): Omit<Received, 'acknowledge'> {
  const header = (name: string) => headers.find(([key]) => key?.toString() === name)?.[1]?.toString()
  const position = header(POSITION_HEADER) ?? ''
  return {
    body: value ?? Buffer.alloc(0),
    position: /^[0-9]{1,16}$/.test(position) && Number.isSafeInteger(Number(position)) ? Number(position) : undefined,
    redelivered: seen || header(REDELIVERED_HEADER) === '1',
  }
}
