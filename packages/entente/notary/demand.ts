import type { Log } from './log.ts'

/** How often checkpoints go to the ledgers, milliseconds. */
export type Schedule = {
  /** Least time between two anchors on a ledger. */
  intervalMs: number
  /** By ledger, where it is another. */
  ledgers?: ReadonlyMap<string, number>
  /** What each collection asks for; left out: every checkpoint is anchored everywhere. */
  collections?: readonly CollectionDemand[]
}
export type CollectionDemand = {
  apiRoot: string
  id: string
  ledgers: readonly string[]
  /** How long its records may wait for an anchor. */
  intervalMs?: number | undefined
}

/** Who waits for an anchor: a ledger gets a checkpoint when a collection that asks for it has something new, and not before it asks. */
export type Demand = {
  /** The log has grown. */
  note(): void
  /** Least time after the last anchor until one that covers what came after `size`; undefined while nobody asks for it. */
  intervalOf(ledger: string, size: number): number | undefined
  /** Least time between two anchors on a ledger. */
  leastOf(ledger: string): number
}

export function createDemand(log: Log, schedule: Schedule): Demand {
  const { collections } = schedule
  /** Of each collection, by API root and id: its records as last noted, and the size of the log that covers them. */
  const newest = new Map<string, { count: number; size: number }>()
  const leastOf = (ledger: string) => schedule.ledgers?.get(ledger) ?? schedule.intervalMs

  const note = () => {
    for (const { apiRoot, id, count } of log.collections.values())
      if (count > (newest.get(`${apiRoot} ${id}`)?.count ?? 0))
        newest.set(`${apiRoot} ${id}`, { count, size: log.size })
  }
  note()

  return {
    note,
    leastOf,
    intervalOf: (ledger, size) => {
      // The first checkpoint goes everywhere: a ledger that can't be written to is to be noticed before somebody needs it.
      if (!collections || size === 0) return leastOf(ledger)
      let interval: number | undefined
      for (const { apiRoot, id, ledgers, intervalMs = 0 } of collections) {
        if (!ledgers.includes(ledger) || (newest.get(`${apiRoot} ${id}`)?.size ?? 0) <= size) continue
        interval = Math.min(interval ?? Infinity, intervalMs)
      }
      return interval === undefined ? undefined : Math.max(interval, leastOf(ledger))
    },
  }
}
