import { setTimeout as sleep } from 'node:timers/promises'
import type { KafkaRecord } from '@platformatic/kafka'
import { POSITION_HEADER, type Received, REDELIVERED_HEADER, type SubscribeOptions } from '../channel.ts'
import { ChannelError } from '../error.ts'
import { type KafkaConnection, toChannelError } from './client.ts'
import { Group } from './group.ts'
import { type Fetched, isOutOfRange, MadeAnew, type Offsets, Reader } from './reader.ts'

export type Subscription = {
  messages: AsyncIterableIterator<Received>
  /** Aborts when it has ended, however. */
  ended: AbortSignal
  end(): Promise<void>
}

const RETRY_MS = 200

/** Reads one topic for as long as somebody asks for the next message: no more than one answer of each leader (1 MiB, or one larger message) is held. */
export async function openSubscription(
  connection: KafkaConnection,
  topic: string,
  { durable, from = 'now', signal }: SubscribeOptions,
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
    await Promise.all([reader.close(), group?.close()])
  }
  const pause = () => sleep(RETRY_MS, undefined, { signal: ended }).catch(() => {})

  /** What this iteration has handed out already is not handed out by it again: it may still be acknowledged. */
  async function takeGroup(group: Group): Promise<void> {
    const taken = await group.take(reader, from)
    next = new Map([...taken.next].map(([partition, offset]) => [partition, max(offset, next.get(partition))]))
    seen = taken.seen
  }

  /** To the oldest that is there, where retention has passed us, or where the broker has lost what we have read, or all of it. */
  async function moveIntoRange(isAnew: boolean): Promise<void> {
    const oldest = await reader.list('start')
    const newest = await reader.list('now')
    if (isAnew) group?.forget()
    for (const [partition, offset] of next) {
      const [start = 0n, end = 0n] = [oldest.get(partition), newest.get(partition)]
      if (!isAnew && offset > end) seen.set(partition, end)
      if (isAnew || offset < start || offset > end) next.set(partition, start)
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
    /** Why `next` has to be brought to what is there. */
    let moved: 'range' | 'anew' | undefined
    while (!ended.aborted) {
      let fetched: Fetched[]
      try {
        if (moved) {
          await moveIntoRange(moved === 'anew')
          moved = undefined
        }
        if (group?.isChanged) await takeGroup(group)
        if (next.size === 0) await pause()
        fetched = next.size === 0 ? [] : await reader.fetch(next, ended)
      } catch (error) {
        if (ended.aborted) return
        const failure = toChannelError(error, connection)
        if (failure.code === 'refused') throw failure
        if (error instanceof MadeAnew) moved = 'anew'
        else if (isOutOfRange(error)) moved = 'range'
        else await pause()
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
  return { messages, ended, end }
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
