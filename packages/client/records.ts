import {
  formatRecord,
  type ObjectProof,
  type ObjectRecord,
  ProofError,
  readRecord,
  readWithheld,
  type RecordEvent,
  recordCommitment,
  type ReferenceEvent,
  verifyEventContent,
  type WithheldProof,
} from '@entente/verify/proof'
import { encodeBase64, parseCheckpoint, parseNote, parseTlogProof } from '@entente/verify/tlog'
import type { TaxiiClient } from './client.ts'
import type { TaxiiCollection } from './collection.ts'
import { ClientError } from './error.ts'

/** Proofs that are asked for at a time. */
const IN_FLIGHT = 8

/**
 * The record that a reference is about, under the rights of the client: the answer has the commitment that the reference names.
 *
 * @returns undefined where the reader may not have it, or it is gone
 * @throws ProofError `event` where the server gives another record; ClientError
 */
export async function fetchReference(client: TaxiiClient, event: ReferenceEvent): Promise<RecordEvent | undefined> {
  const collection = client.collection(`${origin(client)}${event.api_root}collections/${event.collection}/`)
  const proof = await orNothing(collection.recordProof(event.seq))
  if (!proof || isWithheld(proof, event)) return undefined
  const record = readRecord(proof.record)
  if ('deleted' in record)
    throw new ProofError(
      'event',
      `record ${event.seq} of ${event.collection} is referred to, and says that another went`,
    )
  const found: RecordEvent = { ...event, event: 'object' in record ? nameOf(record) : 'equivocation', record }
  verifyEventContent(found)
  return found
}

/** @throws ProofError `event` where it stands for another record than the reference does */
function isWithheld(proof: ObjectProof | WithheldProof, event: ReferenceEvent): proof is WithheldProof {
  if (proof.kind !== 'withheld') return false
  const { seq, commitment } = readWithheld(proof.record, 'the record')
  if (seq !== event.seq || encodeBase64(commitment) !== event.commitment)
    throw new ProofError(
      'event',
      `record ${event.seq} of ${event.collection} has another commitment than its reference`,
    )
  return true
}

/**
 * The objects of lists that a `gap` names, as events, in groups: each with its record and its place in the log, as its proof says it. What has
 * gone meanwhile, and what the subscription goes on with, is not among them.
 *
 * @param paths of lists of objects
 * @param isWanted by the place of the record
 * @throws ClientError
 */
export async function* fetchMissed(
  client: TaxiiClient,
  paths: readonly string[],
  isWanted: (place: { logIndex: number; seq: number }) => boolean,
): AsyncGenerator<RecordEvent[], void, void> {
  for (const path of paths) {
    const { collection, addedAfter } = readListPath(client, path)
    const query = { versions: ['all'], ...(addedAfter === undefined ? {} : { addedAfter }) }
    for await (const { items } of collection.manifest(query)) {
      for (let at = 0; at < items.length; at += IN_FLIGHT) {
        const group = items.slice(at, at + IN_FLIGHT).map(async ({ id, version }) => {
          const proof = await orNothing(collection.proof(id, version))
          return proof && toEvent(proof)
        })
        const events = (await Promise.all(group)).filter(event => event !== undefined)
        const wanted = events.filter(e => isWanted({ logIndex: e.log_index, seq: e.seq }))
        if (wanted.length > 0) yield wanted
      }
    }
  }
}

/** A path is taken at the server that the client has its credentials for, whatever it names before. */
function readListPath(
  client: TaxiiClient,
  path: string,
): { collection: TaxiiCollection; addedAfter: string | undefined } {
  const { pathname, searchParams } = new URL(path, client.url)
  const match = /^(\/.{1,2000}\/)objects\/$/.exec(pathname)
  if (!match)
    throw new ClientError(
      'malformed',
      `a gap is to be caught up with by ${JSON.stringify(path.slice(0, 200))}, which is no list of objects`,
    )
  return {
    collection: client.collection(`${origin(client)}${match[1]}`),
    addedAfter: searchParams.get('added_after') ?? undefined,
  }
}

/** Path and origin put together as text: a path that begins with two slashes would name another host. */
const origin = (client: TaxiiClient): string => client.url.slice(0, -1)

/** Unverified but for the commitment, which is computed here. */
function toEvent(proof: ObjectProof): RecordEvent {
  const record = readRecord(proof.record) as ObjectRecord
  const { index, checkpoint } = parseTlogProof(proof.log)
  const { api_root, collection, seq } = record
  return {
    event: nameOf(record),
    origin: parseCheckpoint(parseNote(checkpoint).text).origin,
    api_root,
    collection,
    log_index: index,
    seq,
    commitment: encodeBase64(recordCommitment(formatRecord(record))),
    proof: `${api_root}collections/${collection}/records/${seq}/proof/`,
    record,
  }
}

/** As far as the object itself tells: a version is a newer one of something. */
function nameOf({ object }: ObjectRecord): RecordEvent['event'] {
  if (object['revoked'] === true) return 'revoked'
  return object['modified'] === object['created'] ? 'added' : 'version'
}

/** What one may not read, or is gone, is no failure. */
async function orNothing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof ClientError && (error.code === 'not-found' || error.code === 'forbidden')) return undefined
    throw error
  }
}
