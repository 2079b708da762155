import type { AnchorPolicy, LedgerReach } from './finality.ts'
import { isFinal } from './finality.ts'
import type { Notary } from './notary.ts'
import { createRounds } from './rounds.ts'

export type PurgeOptions = {
  notary: Notary
  /** A status is kept for so long after it was complete (TAXII 2.1 section 4.3: at least 24 hours). */
  hours: number
  /** Of the configured collections, by their number in the log; statuses of others are asked for by nobody. */
  policies: ReadonlyMap<number, AnchorPolicy>
  log: (level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown>) => void
  intervalMs?: number
}

/** Forgets statuses once they are old. */
export type Purge = {
  /** @returns how many statuses went */
  run(): Promise<number>
  /** Now and from time to time. */
  start(): void
  close(): Promise<void>
}

const HOUR_MICROS = 3_600_000_000
export const DEFAULT_PURGE_INTERVAL_MS = 600_000
/** Statuses that go in one transaction: others get their turn between two. */
const AT_ONCE = 200

export function createPurge(options: PurgeOptions): Purge {
  const { notary, hours, policies, log, intervalMs = DEFAULT_PURGE_INTERVAL_MS } = options

  async function run(): Promise<number> {
    const before = notary.clock() - hours * HOUR_MICROS
    const sizes = await completeSizes(before)
    let gone = 0
    for (let count = AT_ONCE; count === AT_ONCE && !rounds.isClosed; gone += count) {
      count = await notary.store.purgeStatuses(before, sizes, AT_ONCE)
      await new Promise(resolve => setImmediate(resolve))
    }
    return gone
  }

  /** By collection, the log size up to which its statuses were complete at `before`. */
  async function completeSizes(before: number): Promise<Map<number, number>> {
    const ledgers = new Set([...policies.values()].flatMap(p => p.ledgers))
    const states: LedgerReach[] = []
    for (const ledger of ledgers) states.push({ ledger, finalSize: await notary.store.finalSizeAt(ledger, before) })
    const sizes = new Map<number, number>()
    for (const number of notary.log.collections.keys()) {
      const policy = policies.get(number)
      const complete = [0, ...states.map(s => s.finalSize)].filter(size => policy && isFinal(policy, size, states))
      const isFree = !policy || isFinal(policy, Number.POSITIVE_INFINITY, states)
      sizes.set(number, isFree ? Number.POSITIVE_INFINITY : Math.max(...complete))
    }
    return sizes
  }

  const rounds = createRounds(run, intervalMs, error =>
    log('warn', 'old statuses could not be purged; they are tried again', { error: error.message }),
  )
  return { run, start: rounds.start, close: rounds.close }
}
