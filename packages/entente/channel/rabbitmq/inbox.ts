import type { Received } from '../channel.ts'
import type { ChannelError } from '../error.ts'

/** What has come in and was not asked for yet; the broker's bound on what is not acknowledged bounds it. */
export type Inbox = {
  put(received: Received): void
  /** Lets go of what nobody asked for: it comes again. */
  empty(): void
  /** Nothing comes any more: what is there is not given out either. */
  end(error?: ChannelError): void
  iterator: AsyncIterableIterator<Received>
}

/**
 * @param given called with each message that somebody gets
 * @param left called once, when the iteration is left: it ends when that is done
 */
export function createInbox(given: (received: Received) => void, left: () => Promise<void>): Inbox {
  type Waiting = { resolve: (result: IteratorResult<Received>) => void; reject: (error: ChannelError) => void }
  const there: Received[] = []
  const waiting: Waiting[] = []
  const DONE = { value: undefined, done: true } as const
  let isEnded = false
  let failure: ChannelError | undefined
  let leaving: Promise<void> | undefined

  const end = (error?: ChannelError) => {
    if (isEnded) return
    isEnded = true
    there.length = 0
    // An error is thrown once, to whoever asks first.
    const first = error && waiting.shift()
    if (first) first.reject(error)
    else failure = error
    for (const { resolve } of waiting.splice(0)) resolve(DONE)
  }
  const leave = async (): Promise<IteratorResult<Received>> => {
    end()
    leaving ??= left()
    await leaving
    return DONE
  }
  const iterator: AsyncIterableIterator<Received> = {
    [Symbol.asyncIterator]: () => iterator,
    next: () => {
      const value = there.shift()
      if (value) {
        given(value)
        return Promise.resolve({ value, done: false })
      }
      if (failure) {
        const error = failure
        failure = undefined
        return Promise.reject(error)
      }
      if (isEnded) return Promise.resolve(DONE)
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
    },
    return: leave,
    throw: leave,
  }
  return {
    put: received => {
      if (isEnded) return
      const first = waiting.shift()
      if (!first) return void there.push(received)
      given(received)
      first.resolve({ value: received, done: false })
    },
    empty: () => {
      there.length = 0
    },
    end,
    iterator,
  }
}
