import { parseCheckpoint, parseNote } from '@entente/verify/tlog'

/** The checkpoint of a log that a reader has seen and believed. */
export type Remembered = {
  origin: string
  /** The verifier key under which it was believed; `pinned` came another way than from the server, `first-use` from it. */
  vkey: string
  key: 'pinned' | 'first-use'
  /** Statements by which that key followed others, the oldest first, each seen in the log. */
  successions?: readonly string[]
  /** A signed note. */
  checkpoint: string
  /** Who showed it: URL of a server, or a data folder. */
  server: string
  /** When it was seen: a timestamp (RFC 3339). */
  seen: string
}

/**
 * What a reader remembers of logs, kept where no server can change it: a rollback or fork is seen only by who remembers.
 *
 * - `recall` MUST give every entry of the log that was kept and not superseded since. Mostly that is one; there are several where readers
 *   kept theirs at the same time, and then nobody has compared these with each other.
 * - `keep` MUST be durable when it resolves, and MUST NOT lose any entry but those of `compared`. It MAY be called by several processes.
 * - `ofServer` gives what this server has shown, of any log.
 *
 * Adapters throw ClientError `memory`.
 */
export type CheckpointMemory = {
  recall(origin: string): Promise<Remembered[]>
  keep(entry: Remembered, compared: readonly Remembered[]): Promise<void>
  ofServer(server: string): Promise<Remembered[]>
}

/** A memory for the life of this object: for a browser page, for tests, or for who wants nothing kept. */
export function createMemory(start: readonly Remembered[] = []): CheckpointMemory {
  let entries = [...start]
  return {
    recall: async origin => entries.filter(e => e.origin === origin),
    ofServer: async server => entries.filter(e => e.server === server),
    async keep(entry, compared) {
      const gone = new Set(compared.map(e => e.checkpoint))
      entries = [...entries.filter(e => e.origin !== entry.origin || !gone.has(e.checkpoint)), entry]
    },
  }
}

/** Size and root of a checkpoint that was verified before. */
export const sizeOf = (entry: Remembered): number => parseCheckpoint(parseNote(entry.checkpoint).text).size
