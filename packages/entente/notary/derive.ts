import { specVersion, parseTimestamp } from '@entente/stix'
import { type LogRecord, parseRecord } from '@entente/verify/proof'
import type { RecordRow } from '#store/store.ts'
import { parseMicros } from './time.ts'

/** What a record's text says of its row: all columns but `leaf`, `collection`, `superseded` and `invalid`, and whose it is. */
export type Derived = {
  apiRoot: string
  collectionId: string
  /** The `seq` that a `deleted` record names. */
  deletes: number | undefined
  row: Omit<RecordRow, 'leaf' | 'collection' | 'superseded' | 'invalid'>
}

/**
 * The row of a record, from its text alone. Undefined where the text is none: whoever asks has compared its hash with the log, or will.
 * Of an equivocation the version of STIX is not in the record: `spec` is null.
 */
export function deriveRow(text: Uint8Array): Derived | undefined {
  let record: LogRecord
  try {
    record = parseRecord(text)
  } catch {
    return undefined
  }
  const added = parseMicros(record.date_added)
  if (added === undefined) return undefined
  const base = { seq: record.seq, added, imported: false, refused: null, text }
  const of = { apiRoot: record.api_root, collectionId: record.collection, deletes: undefined }
  if ('deleted' in record) {
    const row = { ...base, kind: 'deleted' as const, id: null, version: null, versionDigits: 0, spec: null }
    return { ...of, deletes: record.deleted.seq, row }
  }
  const version = parseTimestamp(record.version)
  if (!version) return undefined
  const named = { ...base, id: record.id, version: version.normalized, versionDigits: version.fractionDigits }
  if ('equivocation' in record)
    return { ...of, row: { ...named, kind: 'equivocation', spec: null, refused: record.equivocation.refused } }
  const spec = specOf(record.object)
  return { ...of, row: { ...named, kind: 'object', imported: record.imported === true, spec } }
}

const specOf = (object: Record<string, unknown>): string => specVersion(object) ?? '2.1'

/** The version of STIX that filters go by is the one that the object says. `object`: verified canonical JSON. */
export const isSpec = (row: RecordRow, object: Buffer): boolean =>
  row.kind !== 'object' || row.spec === specOf(JSON.parse(object.toString()) as Record<string, unknown>)
