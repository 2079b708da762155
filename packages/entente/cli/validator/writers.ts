import type { Writers } from '#ledger/evm/writers.ts'
import type { SubmitJournal } from '#ledger/journal.ts'
import { createRounds } from '#notary/rounds.ts'
import type { Logger } from '../open-log.ts'
import { recallWriters, type RegistrySet } from './registry.ts'

export type FollowedWriters = {
  /** As the registry said last. */
  now(): Writers
  /** Ends, and waits for a look that is under way. */
  close(): Promise<void>
}

export type FollowWritersOptions = {
  read(): Promise<Pick<RegistrySet, 'writers' | 'block'>>
  /** That of `read`. */
  readonly memory: SubmitJournal
  readonly log: Logger
  readonly intervalMs: number
}

/**
 * Follows who may write to a chain, and has looked once when it resolves. A registry that is away, or is not what it was, changes nothing: who was a writer still is, and
 * before it was ever seen nobody is.
 */
export async function followWriters({ read, memory, log, intervalMs }: FollowWritersOptions): Promise<FollowedWriters> {
  let list: readonly string[] | undefined
  let writers: Writers
  let failure: string | undefined
  const take = (found: readonly string[]) => {
    list = found
    // Members who name none leave the chain open to all keys: its contracts refuse those that they don't know.
    writers = found.length === 0 ? 'anyone' : new Set(found)
  }
  const failed = ({ message }: Error) => {
    if (message !== failure) log('error', message, { writers: list?.length ?? null })
    failure = message
  }
  const look = async () => {
    const { writers: found, block } = await read()
    if (list === undefined || list.join() !== found.join())
      log('info', 'the registry says who writes', { writers: found.length, registry_block: block })
    take(found)
    failure = undefined
  }
  try {
    const recalled = await recallWriters(memory)
    if (recalled !== undefined) take(recalled)
    await look()
  } catch (error) {
    failed(error as Error)
  }
  const rounds = createRounds(look, intervalMs, failed)
  rounds.start()
  return { now: () => writers, close: rounds.close }
}
