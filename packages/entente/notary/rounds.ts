/** Work that is done again and again while a server runs, one round at a time. */
export type Rounds = {
  /** One round, now. */
  start(): void
  /** Begins none any more, and waits for the one under way: it should end soon once {@link Rounds.isClosed}. */
  close(): Promise<void>
  readonly isClosed: boolean
}

/**
 * Rounds at the start and every `intervalMs` from then on; one that takes longer is not joined by another.
 *
 * @param failed told of a round that failed; the next one comes in its time
 */
export function createRounds(run: () => Promise<unknown>, intervalMs: number, failed: (error: Error) => void): Rounds {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<unknown> | undefined
  let isClosed = false
  const round = () => {
    running ??= run()
      .catch(failed)
      .finally(() => {
        running = undefined
      })
  }
  return {
    get isClosed() {
      return isClosed
    },
    start: () => {
      round()
      timer = setInterval(round, intervalMs)
      timer.unref()
    },
    close: async () => {
      isClosed = true
      clearInterval(timer)
      await running
    },
  }
}
