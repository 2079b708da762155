import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { Document } from 'mongodb'
import {
  type AnchorRow,
  type CollectionHead,
  type RecordKind,
  type RecordRow,
  type StatusItem,
  type StatusRow,
  StoreError,
} from '#store/store.ts'

/**
 * A row in `records`. A column that is null is left out, so that partial indexes pass over it. `type` is that of an object row's id, as what
 * filters look for; `packed` takes the place of a text that is too large for a document.
 */
export type RecordDocument = {
  _id: number
  coll: number
  seq: number
  kind: number
  added: number
  imported: boolean
  id?: string
  type?: string
  version?: string
  digits: number
  spec?: string
  superseded?: number
  refused?: string
  invalid: boolean
  text?: Uint8Array
  packed?: Uint8Array
}

export type StatusDocument = {
  _id: string
  apiRoot: string
  coll: number
  submitter: string
  requested: number
  size: number
  /** JSON, as its names are searched for; `packed` takes the place of both where they are too large for a document. */
  accepted?: string
  failed?: string
  packed?: Uint8Array
  receipt: string
  gone?: { accepted: number; failed: number }
}

const KINDS: RecordKind[] = ['object', 'deleted', 'equivocation']
export const OBJECT = 0
export const EQUIVOCATION = 2

/** What a row without its text is made of. */
export const COLUMNS = {
  coll: 1,
  seq: 1,
  kind: 1,
  added: 1,
  imported: 1,
  id: 1,
  version: 1,
  digits: 1,
  spec: 1,
  superseded: 1,
  refused: 1,
  invalid: 1,
} as const

/** A document may have 16 MiB (`maxBsonObjectSize`); what is larger than this is packed. */
export const PACK_FROM = 12 * 1024 * 1024
const MOST = 15.5 * 1024 * 1024
/** What somebody put there need not unpack to what fits into memory. */
const MOST_UNPACKED = 512 * 1024 * 1024

/** @throws StoreError `io` where it is too large even so */
function pack(bytes: Uint8Array, what: string): Uint8Array {
  const packed = deflateRawSync(bytes, { level: 1 })
  if (packed.length <= MOST) return packed
  throw new StoreError(
    'io',
    `${what} has ${bytes.length} bytes, ${packed.length} packed, and a document of MongoDB at most 16777216: lower server.maxContentLength`,
  )
}

function unpack(packed: unknown): Uint8Array | undefined {
  const bytes = bytesOf(packed)
  if (!bytes) return undefined
  try {
    return inflateRawSync(bytes, { maxOutputLength: MOST_UNPACKED })
  } catch {
    return new Uint8Array(0) // never what was logged
  }
}

// The documents come from a database that others may write to: every value may be anything, and what is of another type is no value.
const numberOf = (value: unknown): number => (typeof value === 'number' ? value : Number.NaN)
const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null)
const bytesOf = (value: unknown): Uint8Array | undefined => (value instanceof Uint8Array ? value : undefined)

export function toRecordRow(d: Document): RecordRow {
  return {
    leaf: numberOf(d['_id']),
    collection: numberOf(d['coll']),
    seq: numberOf(d['seq']),
    kind: KINDS[numberOf(d['kind'])] ?? 'object',
    added: numberOf(d['added']),
    imported: d['imported'] === true,
    id: textOf(d['id']),
    version: textOf(d['version']),
    versionDigits: numberOf(d['digits']),
    spec: textOf(d['spec']),
    superseded: typeof d['superseded'] === 'number' ? d['superseded'] : null,
    refused: textOf(d['refused']),
    invalid: d['invalid'] === true,
    text: toText(d),
  }
}

export const toText = (d: Document): Uint8Array | null => bytesOf(d['text']) ?? unpack(d['packed']) ?? null

export function fromRecordRow(r: RecordRow): RecordDocument {
  const type = typeOf(r)
  return {
    _id: r.leaf,
    coll: r.collection,
    seq: r.seq,
    kind: KINDS.indexOf(r.kind),
    added: r.added,
    imported: r.imported,
    ...(r.id === null ? {} : { id: r.id }),
    ...(type === undefined ? {} : { type }),
    ...(r.version === null ? {} : { version: r.version }),
    digits: r.versionDigits,
    ...(r.spec === null ? {} : { spec: r.spec }),
    ...(r.superseded === null ? {} : { superseded: r.superseded }),
    ...(r.refused === null ? {} : { refused: r.refused }),
    invalid: r.invalid,
    ...(r.text === null ? {} : r.text.length <= PACK_FROM ? { text: r.text } : packedText(r.text, r.leaf)),
  }
}

const packedText = (text: Uint8Array, leaf: number) => ({ packed: pack(text, `the record at entry ${leaf}`) })

/** The STIX type that filters find an object row by. */
export function typeOf({ kind, id }: Pick<RecordRow, 'kind' | 'id'>): string | undefined {
  if (kind !== 'object' || id === null) return undefined
  const end = id.indexOf('--')
  return end < 0 ? id : id.slice(0, end)
}

export function toStatusRow(d: Document): StatusRow {
  const [accepted, failed] = toItems(d)
  const gone = d['gone'] as StatusRow['gone'] | undefined
  return {
    id: String(d['_id']),
    apiRoot: String(d['apiRoot']),
    collection: numberOf(d['coll']),
    submitter: String(d['submitter']),
    requested: numberOf(d['requested']),
    size: numberOf(d['size']),
    accepted,
    failed,
    receipt: String(d['receipt']),
    ...(gone ? { gone: { accepted: numberOf(gone.accepted), failed: numberOf(gone.failed) } } : {}),
  }
}

function toItems(d: Document): [StatusItem[], StatusItem[]] {
  const packed = unpack(d['packed'])
  if (packed) return JSON.parse(Buffer.from(packed).toString()) as [StatusItem[], StatusItem[]]
  return [JSON.parse(String(d['accepted'])) as StatusItem[], JSON.parse(String(d['failed'])) as StatusItem[]]
}

export const fromStatusRow = (s: StatusRow): StatusDocument => ({
  _id: s.id,
  apiRoot: s.apiRoot,
  coll: s.collection,
  submitter: s.submitter,
  requested: s.requested,
  size: s.size,
  ...fromItems(s),
  receipt: s.receipt,
  ...(s.gone ? { gone: s.gone } : {}),
})

function fromItems({ id, accepted, failed }: StatusRow): Pick<StatusDocument, 'accepted' | 'failed' | 'packed'> {
  const texts = [JSON.stringify(accepted), JSON.stringify(failed)] as const
  if (Buffer.byteLength(texts[0]) + Buffer.byteLength(texts[1]) <= PACK_FROM)
    return { accepted: texts[0], failed: texts[1] }
  return { packed: pack(Buffer.from(`[${texts[0]},${texts[1]}]`), `the status ${id}`) }
}

export const toCollectionHead = (d: Document): CollectionHead => ({
  number: numberOf(d['_id']),
  apiRoot: String(d['apiRoot']),
  id: String(d['id']),
  count: numberOf(d['count']),
  lastAdded: numberOf(d['lastAdded']),
  root: bytesOf(d['root']) ?? new Uint8Array(0),
})

export const fromCollectionHead = ({ number, ...rest }: CollectionHead) => ({ _id: number, ...rest })

export const toAnchorRow = (d: Document): AnchorRow => ({
  ledger: String(d['ledger']),
  size: numberOf(d['size']),
  root: bytesOf(d['root']) ?? new Uint8Array(0),
  transaction: String(d['transaction']),
  block: numberOf(d['block']),
  blockHash: String(d['blockHash']),
  final: d['final'] === true,
  at: numberOf(d['at']),
})
