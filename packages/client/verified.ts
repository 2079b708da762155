import {
  ProofError,
  readCollection,
  type ReadRecord,
  type Trust,
  type VerifiedCollection,
  type VerifiedHead,
  verifyCollectionProof,
} from '@entente/verify/proof'
import { parseTlogProof } from '@entente/verify/tlog'
import type { TaxiiCollection } from './collection.ts'
import { ClientError } from './error.ts'
import type { Watch } from './watch.ts'

/** docs/formats.md 10. */
export type SavedRead = { format: 'entente/read/v1'; proof: object; records: unknown[] }

/** A saved read, and what was proven about it. */
export type VerifiedRead = { read: SavedRead; verified: VerifiedCollection }

/** A collection that changes under the reader more often than this is not read. */
const MAX_ATTEMPTS = 5

/** Where the records of a verified read go. What it got counts only once the read has returned. */
export type RecordSink = {
  /** The read begins, or begins again: what came before is void. */
  begin(proof: object): void | Promise<void>
  /** `records` as they came, and what they are. */
  page(records: unknown[], read: ReadRecord[]): void | Promise<void>
}

export type ReadOptions = {
  page?: number
  onProgress?: (done: number, total: number) => void
  /** Compares every checkpoint with what is remembered of the log, before a record is read. */
  watch?: Watch
}

/**
 * Reads every record of a collection and verifies that nothing was changed or left out up to a checkpoint: the proof first,
 * then exactly as many records as it counts, so records that come meanwhile do not matter. Where one of these was deleted
 * meanwhile, its deletion is not among them: it begins again with a newer proof. Needs the memory of a page.
 *
 * @param trust what the reader believes, the log's verifier key before all; a key that the same server gave proves nothing against it
 * @throws ClientError; `changed` where the collection changes faster than it can be read; what the watch and the sink throw
 * @throws ProofError where the server's evidence does not verify
 */
export async function streamVerified(
  collection: TaxiiCollection,
  trust: Trust,
  sink: RecordSink,
  options: ReadOptions = {},
): Promise<VerifiedHead> {
  for (let attempt = 1; ; attempt++) {
    const proof = await collection.collectionProof()
    const reading = readCollection(proof, trust)
    const { count, checkpoint } = reading.head
    await options.watch?.check(checkpointIn(proof))
    await sink.begin(proof)
    try {
      let done = 0
      const pages = collection.records(0, {
        end: count,
        ...(options.page === undefined ? {} : { limit: options.page }),
      })
      for await (const page of pages) {
        const read = page.map(record => reading.take(record))
        await sink.page(page, read)
        done += page.length
        options.onProgress?.(done, count)
      }
      reading.end()
      return reading.head
    } catch (error) {
      if (!(error instanceof ProofError) || error.code !== 'collection') throw error
      const now = verifyCollectionProof(await collection.collectionProof(), trust)
      if (now.checkpoint.size === checkpoint.size) throw error
      if (attempt >= MAX_ATTEMPTS)
        throw new ClientError(
          'changed',
          `${collection.url} changed ${attempt} times while it was read: try again later (${error.message})`,
          { url: collection.url, cause: error },
        )
    }
  }
}

/** {@link streamVerified} with everything in memory. */
export async function readVerified(
  collection: TaxiiCollection,
  trust: Trust,
  options: ReadOptions = {},
): Promise<VerifiedRead> {
  let read: SavedRead = { format: 'entente/read/v1', proof: {}, records: [] }
  let records: ReadRecord[] = []
  const sink: RecordSink = {
    begin: proof => {
      read = { ...read, proof, records: [] }
      records = []
    },
    page: (items, found) => {
      for (const item of items) read.records.push(item)
      for (const record of found) records.push(record)
    },
  }
  const head = await streamVerified(collection, trust, sink, options)
  return { read, verified: { ...head, records } }
}

/**
 * The checkpoint inside a proof (docs/formats.md 7 and 9), a signed note, unverified.
 *
 * @throws ProofError `malformed`
 */
export function checkpointIn(proof: unknown): string {
  const { log } = (proof ?? {}) as { log?: unknown }
  try {
    return parseTlogProof(String(log)).checkpoint
  } catch (cause) {
    throw new ProofError('malformed', `this proof has no tlog-proof: ${(cause as Error).message}`, { cause })
  }
}
