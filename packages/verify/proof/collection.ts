import { canonicalize, parseObjects } from '#json/index.ts'
import { decodeBase64, equalHashes, HASH_SIZE, hashLeafInto, TreeEdge } from '#tlog/index.ts'
import { asProofError, ProofError } from './error.ts'
import { type EntryEvidence, PROOF_LIMITS, verifyEntry } from './evidence.ts'
import { readCount, readList, readMembers, readObject, readText } from './fields.ts'
import { parseHeadsEntry } from './heads.ts'
import { collectionKey, verifyHeadsMapPath } from './headsmap.ts'
import { readFile } from './object.ts'
import { type LogRecord, RECORD_PREFIX, readRecord, recordCommitment } from './record.ts'
import type { Trust } from './trust.ts'
import { readWithheld, type WithheldRecord } from './withheld.ts'

/** A record of a saved read: itself, or what stands for it. `commitment` has 32 bytes. */
export type ReadRecord = { seq: number; commitment: Uint8Array; record: LogRecord } | WithheldRecord

/** A collection at a checkpoint: how many records it has, and the root over their commitments. */
export type VerifiedHead = EntryEvidence & { apiRoot: string; collection: string; count: number; root: Uint8Array }

/** A collection, complete up to a checkpoint: `records[i]` has seq i. */
export type VerifiedCollection = VerifiedHead & { records: ReadRecord[] }

const MAX_RECORDS = 100_000_000
const encoder = new TextEncoder()

/**
 * Verify the proof of a collection (docs/formats.md 9): its count and root are in the heads map, the heads entry is the last one
 * under a signed checkpoint.
 *
 * @throws ProofError
 */
export function verifyCollectionProof(proof: string | Uint8Array | object, trust: Trust): VerifiedHead {
  const names = ['format', 'kind', 'api_root', 'collection', 'count', 'root', 'map_path', 'heads', 'log', 'anchors']
  const members = readMembers(readFile(proof), 'the proof', names)
  readText(members['format'], 'format', /^entente\/proof\/v1$/)
  readText(members['kind'], 'kind', /^collection$/)
  const hash = (value: unknown, what: string) =>
    asProofError(() => decodeBase64(readText(value, what), HASH_SIZE), 'malformed')
  const apiRoot = readText(members['api_root'], 'api_root')
  const collection = readText(members['collection'], 'collection')
  const count = readCount(members['count'], 'count')
  const root = hash(members['root'], 'root')
  const path = readList(members['map_path'], 'map_path', 256).map(item => hash(item, 'a hash of map_path'))
  const heads = readText(members['heads'], 'heads')

  const evidence = verifyEntry(encoder.encode(heads), readText(members['log'], 'log'), members['anchors'], trust)
  if (evidence.index !== evidence.checkpoint.size - 1) {
    throw new ProofError(
      'heads',
      `the heads entry is at ${evidence.index}, the last entry at ${evidence.checkpoint.size - 1}`,
    )
  }
  verifyHeadsMapPath({ key: collectionKey(apiRoot, collection), count, root }, path, parseHeadsEntry(heads).root)
  return { ...evidence, apiRoot, collection, count, root }
}

/** A saved read that is verified record by record, in the memory of one. */
export type CollectionReading = {
  /** What the proof says of the collection: believed already. */
  readonly head: VerifiedHead
  /**
   * The next record, in order of `seq`: well-formed, of this collection, later than the one before. That it is the collection's is known
   * only once {@link CollectionReading.end} returns.
   *
   * @param canonical its RFC 8785 text, where the caller has it
   * @throws ProofError
   */
  take(item: unknown, canonical?: string): ReadRecord
  /**
   * Nothing was changed, moved, added or left out.
   *
   * @throws ProofError `collection`
   */
  end(): void
}

/** Leaf hashes that are gathered before they are appended. */
const GATHERED = 256

/**
 * Begin to verify a saved read (docs/formats.md 10) with its proof.
 *
 * @throws ProofError
 */
export function readCollection(proof: string | Uint8Array | object, trust: Trust): CollectionReading {
  const head = verifyCollectionProof(proof, trust)
  const tree = TreeEdge.empty()
  const leaves = new Uint8Array(GATHERED * HASH_SIZE)
  const deletions = createDeletions()
  let taken = 0
  let last = ''
  const append = () => void tree.append(leaves.subarray(0, (taken % GATHERED || GATHERED) * HASH_SIZE))
  return {
    head,
    take: (item, canonical) => {
      const record = readItem(item, canonical, taken, head)
      if ('record' in record) {
        // docs/formats.md 1: `date_added` strictly increases with `seq`.
        const date = record.record.date_added
        if (date <= last)
          throw new ProofError('collection', `record ${record.seq} is dated ${date}, an earlier one ${last}`)
        last = date
      }
      deletions.see(record)
      hashLeafInto(record.commitment, leaves, (taken % GATHERED) * HASH_SIZE)
      taken++
      if (taken % GATHERED === 0) append()
      return record
    },
    end: () => {
      if (taken !== head.count)
        throw new ProofError('collection', `the saved read has ${taken} records, the collection ${head.count}`)
      if (taken % GATHERED > 0) append()
      if (!equalHashes(tree.root(), head.root))
        throw new ProofError('collection', 'the records are not those of the collection: their root is another one')
      deletions.check()
    },
  }
}

/**
 * Verify a saved read (docs/formats.md 10): nothing was changed, moved, added or left out, the end included. What the reader may not
 * have is there with its commitment and a reason; `deleted` must be backed by a later record of the deletion, unless
 * that one is withheld too. All of it is held in memory: {@link readCollection} does the same record by record.
 *
 * @param read the file as text or bytes, or its JSON already parsed
 * @throws ProofError; `collection` where the records are not those of the proof
 */
export function verifyCollection(read: string | Uint8Array | object, trust: Trust): VerifiedCollection {
  const { envelope, canonical } = readSaved(read)
  const members = readMembers(envelope, 'the saved read', ['format', 'proof', 'records'])
  readText(members['format'], 'format', /^entente\/read\/v1$/)
  const reading = readCollection(members['proof'] as object, trust)
  const records = readList(members['records'], 'records', MAX_RECORDS).map((item, i) =>
    reading.take(item, canonical[i]),
  )
  reading.end()
  return { ...reading.head, records }
}

/** Of a text each record is parsed and canonicalised once. */
function readSaved(read: string | Uint8Array | object): { envelope: unknown; canonical: string[] } {
  return asProofError(() => {
    if (typeof read === 'string') return parseObjects(encoder.encode(read), 'records', PROOF_LIMITS)
    if (read instanceof Uint8Array) return parseObjects(read, 'records', PROOF_LIMITS)
    const { records } = readObject(read, 'the saved read')
    return { envelope: read, canonical: Array.isArray(records) ? records.map(record => canonicalize(record)) : [] }
  })
}

function readItem(item: unknown, canonical: string | undefined, seq: number, head: VerifiedHead): ReadRecord {
  const isWithheld = typeof item === 'object' && item !== null && Object.hasOwn(item, 'reason')
  if (isWithheld) {
    const record = readWithheld(item, `record ${seq}`)
    checkSeq(record.seq, seq)
    return record
  }
  const record = readRecord(item)
  checkSeq(record.seq, seq)
  if (record.api_root !== head.apiRoot || record.collection !== head.collection) {
    throw new ProofError(
      'collection',
      `record ${seq} is of ${record.api_root}${record.collection}, not of this collection`,
    )
  }
  return { seq, commitment: recordCommitment(RECORD_PREFIX + (canonical ?? canonicalize(item))), record }
}

function checkSeq(found: number, expected: number): void {
  if (found !== expected)
    throw new ProofError('collection', `at place ${expected} of the saved read stands record ${found}`)
}

/** What is withheld as deleted is named by a `deleted` record; one that is itself withheld, and comes later, may be that. */
function createDeletions() {
  const named = new Set<number>()
  const gone: number[] = []
  let lastHidden = -1
  return {
    see: (item: ReadRecord): void => {
      if ('record' in item) {
        if ('deleted' in item.record) named.add(item.record.deleted.seq)
      } else if (item.withheld === 'deleted') gone.push(item.seq)
      else lastHidden = item.seq
    },
    check: (): void => {
      const unexplained = gone.find(seq => !named.has(seq) && seq > lastHidden)
      if (unexplained !== undefined)
        throw new ProofError('collection', `record ${unexplained} is said to be deleted, and no record says so`)
    },
  }
}
