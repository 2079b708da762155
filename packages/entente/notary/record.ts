import { RECORD_PREFIX } from '@entente/verify/proof'
import type { RecordRow } from '#store/store.ts'
import { formatMicros } from './time.ts'

/**
 * The text of a record (docs/formats.md 1), written by concatenation around the canonical object and taken apart again by
 * comparing bytes. This is the hot path of every write and read: no JSON is built or parsed here.
 * packages/verify/proof has the same format for everybody else; notary/record.test.ts holds the two together.
 */
export type RecordFrame = {
  /** Everything up to the `date_added`'s value. */
  readonly start: string
}

/** @param apiRoot ASCII path without characters that JSON escapes @param collection UUID */
export function recordFrame(apiRoot: string, collection: string): RecordFrame {
  return { start: `${RECORD_PREFIX}{"api_root":"${apiRoot}","collection":"${collection}","date_added":"` }
}

/** A version as it was written: `version` cut to the digits that the object gave. */
export function writtenVersion(row: { version: string; versionDigits: number }): string {
  const seconds = row.version.slice(0, 19)
  return row.versionDigits === 0 ? `${seconds}Z` : `${seconds}.${row.version.slice(20, 20 + row.versionDigits)}Z`
}

type Sealed = { salt: string; submitter: string }

/** Text before the object. `id` is a checked STIX id: none of its characters is escaped in JSON. */
function objectHead(frame: RecordFrame, row: RecordRow): string {
  return `${frame.start}${formatMicros(row.added)}","id":"${row.id}",${row.imported ? '"imported":true,' : ''}"object":`
}

const SALT = ',"salt":"'
const ENCODED = 43 // characters of base64url of 32 bytes

function tail(row: RecordRow, { salt, submitter }: Sealed): string {
  const version =
    row.version === null ? '' : `,"version":"${writtenVersion(row as { version: string; versionDigits: number })}"`
  return `${SALT}${salt}","seq":${row.seq},"submitter":"${submitter}"${version}}`
}

/** @param canonical RFC 8785 text of the object */
export function objectRecord(frame: RecordFrame, row: RecordRow, canonical: string, sealed: Sealed): Buffer {
  return Buffer.from(objectHead(frame, row) + canonical + tail(row, sealed))
}

export function deletedRecord(frame: RecordFrame, row: RecordRow, deletedSeq: number, sealed: Sealed): Buffer {
  return Buffer.from(`${frame.start}${formatMicros(row.added)}","deleted":{"seq":${deletedSeq}}${tail(row, sealed)}`)
}

/** @param stored @param refused lower-case hex SHA-256 of the canonical objects */
export function equivocationRecord(
  frame: RecordFrame,
  row: RecordRow,
  stored: string,
  refused: string,
  sealed: Sealed,
): Buffer {
  const event = `"equivocation":{"refused":"${refused}","stored":"${stored}"},"id":"${row.id}"`
  return Buffer.from(`${frame.start}${formatMicros(row.added)}",${event}${tail(row, sealed)}`)
}

/**
 * Where the object lies in a record's text, after comparing everything around it with the row's own index columns; that is
 * what catches rows that were swapped or re-dated. Undefined where they differ. Salt and submitter are
 * covered by the hash alone.
 *
 * @returns offsets into `row.text`; for events without an object, an empty span at the end
 */
export function objectSpan(
  frame: RecordFrame,
  row: RecordRow,
  text: Buffer,
): { start: number; end: number } | undefined {
  if (row.kind !== 'object')
    return eventMatches(frame, row, text) ? { start: text.length, end: text.length } : undefined
  if (row.id === null || row.version === null) return undefined
  const head = objectHead(frame, row)
  const start = head.length
  if (text.toString('latin1', 0, start) !== head) return undefined
  const between = `","seq":${row.seq},"submitter":"`
  const last = `","version":"${writtenVersion(row as { version: string; versionDigits: number })}"}`
  const end = text.length - (SALT.length + ENCODED + between.length + ENCODED + last.length)
  if (end <= start) return undefined
  const rest = text.toString('latin1', end)
  const afterSalt = SALT.length + ENCODED
  const same =
    rest.startsWith(SALT) &&
    rest.startsWith(between, afterSalt) &&
    rest.startsWith(last, afterSalt + between.length + ENCODED)
  return same ? { start, end } : undefined
}

/** The canonical JSON of a record, which follows the prefix. */
export const recordJson = (text: Buffer): string => text.toString('utf8', RECORD_PREFIX.length)

/** The `seq` that a `deleted` record names. The text must be one that was verified. */
export const deletedSeq = (text: Buffer): number =>
  (JSON.parse(recordJson(text)) as { deleted: { seq: number } }).deleted.seq

/** Events are few and small: rebuild the whole text from the columns and what it says itself of salt and submitter. */
function eventMatches(frame: RecordFrame, row: RecordRow, text: Buffer): boolean {
  let json: {
    salt: string
    submitter: string
    deleted?: { seq: number }
    equivocation?: { stored: string; refused: string }
  }
  try {
    json = JSON.parse(recordJson(text))
  } catch {
    return false
  }
  const sealed = { salt: json.salt, submitter: json.submitter }
  if (row.kind === 'deleted')
    return json.deleted !== undefined && deletedRecord(frame, row, json.deleted.seq, sealed).equals(text)
  const { equivocation } = json
  if (!equivocation || row.id === null || equivocation.refused !== row.refused) return false
  return equivocationRecord(frame, row, equivocation.stored, equivocation.refused, sealed).equals(text)
}
