import type { LeaseStore } from '#store/lease.ts'

/** A lease in memory, for tests: several servers may share it. */
export type MemoryLease = LeaseStore & { text: string | undefined; settled: number; isAway: boolean }

export function createMemoryLease(): MemoryLease {
  const lease: MemoryLease = {
    text: undefined,
    settled: 0,
    isAway: false,
    read: async () => {
      if (lease.isAway) throw new Error('the database is away')
      return lease.text
    },
    swap: async (expected, next) => {
      if (lease.isAway) throw new Error('the database is away')
      if (lease.text !== expected) return false
      lease.text = next
      return true
    },
    settle: async () => void lease.settled++,
    barrier: async () => {},
    close: async () => {},
  }
  return lease
}
