/** How an object was given: the resource that was asked. */
export type ReadVia = 'objects' | 'object' | 'records' | 'proof'

/** What one reader was given of one collection. Microseconds since 1970. */
export type ReadEntry = {
  user: string
  /** Where the reader is connected from. */
  address: string
  /** Its id. */
  collection: string
  via: ReadVia
  from: number
  until: number
  /** `seq` of the records, from the first to the last of each pair, ascending and apart. */
  runs: readonly (readonly [first: number, last: number])[]
}

/** Entries of a collection, or of any; with one of these records, or any; of one user, or of any; that ended at `since` or later. */
export type ReadQuery = {
  collection?: string | undefined
  seqs?: readonly number[] | undefined
  user?: string | undefined
  since?: number | undefined
  limit: number
}

/** Where it is kept who read what: in a file of this server, or in a database of all servers. Its suite is `disclosed-conformance.ts`. */
export type ReadStore = {
  /**
   * Keeps them; durable enough that only a power cut loses them. After a call that rejects, the same entries may be given again, and none is there twice.
   */
  add(entries: readonly ReadEntry[]): Promise<void>
  /** Forgets what was read before this time. @returns how many entries */
  purge(before: number): Promise<number>
  /** Ascending by when they began. */
  find(query: ReadQuery): Promise<ReadEntry[]>
  close(): Promise<void>
}
