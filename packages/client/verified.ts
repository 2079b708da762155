import {
  ProofError,
  type Trust,
  type VerifiedCollection,
  verifyCollection,
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

/**
 * Reads every record of a collection and verifies that nothing was changed or left out up to a checkpoint: the proof first,
 * then exactly as many records as it counts, so records that come meanwhile do not matter. Where one of these was deleted
 * meanwhile, its deletion is not among them: it begins again with a newer proof.
 *
 * @param trust what the reader believes, the log's verifier key before all; a key that the same server gave proves nothing against it
 * @param options.watch compares every checkpoint with what is remembered of the log, before a record is read
 * @throws ClientError; `changed` where the collection changes faster than it can be read; what the watch throws
 * @throws ProofError where the server's evidence does not verify
 */
export async function readVerified(
  collection: TaxiiCollection,
  trust: Trust,
  options: { page?: number; onProgress?: (done: number, total: number) => void; watch?: Watch } = {},
): Promise<VerifiedRead> {
  for (let attempt = 1; ; attempt++) {
    const proof = await collection.collectionProof()
    const { count, checkpoint } = verifyCollectionProof(proof, trust)
    await options.watch?.check(checkpointIn(proof))
    const records: unknown[] = []
    for await (const page of collection.records(0, {
      end: count,
      ...(options.page === undefined ? {} : { limit: options.page }),
    })) {
      for (const record of page) records.push(record)
      options.onProgress?.(records.length, count)
    }
    const read: SavedRead = { format: 'entente/read/v1', proof, records }
    try {
      return { read, verified: verifyCollection(read, trust) }
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
