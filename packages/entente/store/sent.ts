/** What went to one subscriber, or was confirmed by a broker, as channel/sent.ts has it. Microseconds since 1970. */
export type SentRange = {
  connection: string
  via: string
  kind: 'channel' | 'feed'
  topic: string
  subscriber: string
  address: string
  collections: readonly string[]
  first: number
  last: number
  whole: number
  references: number
  withheld: readonly (readonly [first: number, last: number])[]
  from: number
  until: number
}

/** Ranges that cover one of these places, or of any place; of one subscriber, or of any; that ended at `since` or later. */
export type SentQuery = {
  places?: readonly { kind: 'channel' | 'feed'; topic: string; position: number }[] | undefined
  subscriber?: string | undefined
  since?: number | undefined
  limit: number
}

/** Where it is kept who was sent what: in a file of this server, or in a database of all servers. Its suite is `disclosed-conformance.ts`. */
export type SentStore = {
  /**
   * Writes them. A range that was given before (the same object) replaces what was written of it, also where that call has rejected.
   */
  put(ranges: readonly SentRange[]): Promise<void>
  /** Forgets ranges that ended before this. @returns how many */
  purge(before: number): Promise<number>
  /** Ascending by when they began. */
  find(query: SentQuery): Promise<SentRange[]>
  close(): Promise<void>
}
