import { canonicalize, parseStrict } from '#json/index.ts'
import { sha256 } from '#sha256'
import { encodeBase64 } from '#tlog/index.ts'
import { asProofError, ProofError } from './error.ts'
import { readCount, readMembers, readObject, readText } from './fields.ts'

/** docs/formats.md 1: what stands before the canonical JSON, so that a record is nothing else. */
export const RECORD_PREFIX = 'entente/record/v1:'

/** What every record has. Names as on the wire (docs/formats.md 1). */
export type RecordBase = {
  /** path of the API root, begins and ends with a slash */
  api_root: string
  /** UUID, lower case */
  collection: string
  /** `YYYY-MM-DDTHH:MM:SS.ssssssZ`, strictly increasing with `seq` */
  date_added: string
  /** base64url of 32 random bytes */
  salt: string
  /** number in the collection, from 0, without gaps */
  seq: number
  /** base64url of 32 bytes, see {@link submitterCommitment} */
  submitter: string
}

/** A STIX object was added. */
export type ObjectRecord = RecordBase & {
  id: string
  imported?: true
  object: Record<string, unknown>
  version: string
}
/** The object of an earlier record was deleted. */
export type DeletedRecord = RecordBase & { deleted: { seq: number } }
/** Another object of the same id and version was refused; hashes in lower-case hex. */
export type EquivocationRecord = RecordBase & {
  equivocation: { refused: string; stored: string }
  id: string
  version: string
}
/** docs/formats.md 1. */
export type LogRecord = ObjectRecord | DeletedRecord | EquivocationRecord

const BASE = ['api_root', 'collection', 'date_added', 'salt', 'seq', 'submitter']
/** Forms of the members that events name as well. */
export const API_ROOT = /^\/(?:[!-~]{0,1022}\/)?$/
export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const DATE = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$/
// The last character has two bits that nothing uses: they are zero, or two texts would be one value
const BASE64URL_32 = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/
const HEX_32 = /^[0-9a-f]{64}$/
const encoder = new TextEncoder()

/**
 * The text of a record: what is stored and hashed.
 *
 * @throws ProofError `record` where a member is missing, unknown or in another form; `malformed` where JSON cannot say it
 */
export function formatRecord(record: LogRecord): string {
  return RECORD_PREFIX + asProofError(() => canonicalize(readRecord(record)))
}

/**
 * The inverse of {@link formatRecord}; a record has one text only, every other one is refused.
 *
 * @param text UTF-8 where it is bytes
 * @throws ProofError `malformed`, `record`
 */
export function parseRecord(text: string | Uint8Array): LogRecord {
  const whole = typeof text === 'string' ? text : decodeUtf8(text)
  if (!whole.startsWith(RECORD_PREFIX)) throw new ProofError('malformed', `a record begins with ${RECORD_PREFIX}`)
  const json = whole.slice(RECORD_PREFIX.length)
  const value = asProofError(() => parseStrict(json))
  if (canonicalize(value) !== json)
    throw new ProofError('malformed', 'the JSON of the record is not canonical (RFC 8785)')
  return readRecord(value)
}

/**
 * Check a parsed record. It is the same value, believed in its form only.
 *
 * @throws ProofError `record`
 */
export function readRecord(value: unknown): LogRecord {
  const record = readObject(value, 'the record', 'record')
  const isObject = Object.hasOwn(record, 'object')
  const isDeleted = Object.hasOwn(record, 'deleted')
  const what = isObject
    ? 'the record of an object'
    : isDeleted
      ? 'the record of a deletion'
      : 'the record of an equivocation'
  if (isObject) readMembers(record, what, [...BASE, 'id', 'object', 'version'], ['imported'], 'record')
  else if (isDeleted) readMembers(record, what, [...BASE, 'deleted'], [], 'record')
  else readMembers(record, what, [...BASE, 'equivocation', 'id', 'version'], [], 'record')

  const text = (name: string, form?: RegExp) => readText(record[name], `${name} of ${what}`, form, 'record')
  text('api_root', API_ROOT)
  text('collection', UUID)
  checkDate(text('date_added', DATE))
  text('salt', BASE64URL_32)
  text('submitter', BASE64URL_32)
  const seq = readCount(record['seq'], `seq of ${what}`, 'record')
  if (isDeleted) {
    const deleted = readMembers(record['deleted'], 'deleted', ['seq'], [], 'record')
    const gone = readCount(deleted['seq'], 'deleted.seq', 'record')
    if (gone >= seq) throw new ProofError('record', `record ${seq} says that the later record ${gone} was deleted`)
    return record as DeletedRecord
  }
  text('id')
  text('version')
  if (isObject) {
    if (Object.hasOwn(record, 'imported') && record['imported'] !== true) {
      throw new ProofError('record', 'imported is true or not there')
    }
    checkObject(record as ObjectRecord)
    return record as ObjectRecord
  }
  const hashes = readMembers(record['equivocation'], 'equivocation', ['refused', 'stored'], [], 'record')
  readText(hashes['refused'], 'equivocation.refused', HEX_32, 'record')
  readText(hashes['stored'], 'equivocation.stored', HEX_32, 'record')
  return record as EquivocationRecord
}

/** docs/formats.md 3: SHA-256 of the text of a record. It is the record's entry in the log. */
export function recordCommitment(text: string | Uint8Array): Uint8Array {
  return sha256(typeof text === 'string' ? encoder.encode(text) : text)
}

/**
 * docs/formats.md 2: what `submitter` says of a user.
 *
 * @param opening 32 random bytes, one for all records of a request
 * @returns base64url of 32 bytes
 */
export function submitterCommitment(opening: Uint8Array, name: string): string {
  if (opening.length !== 32) throw new ProofError('malformed', `an opening has 32 bytes, not ${opening.length}`)
  const head = encoder.encode('entente/submitter/v1\n')
  const tail = encoder.encode(name)
  const text = new Uint8Array(head.length + 32 + tail.length)
  text.set(head)
  text.set(opening, head.length)
  text.set(tail, head.length + 32)
  return encodeBase64url(sha256(text))
}

function encodeBase64url(bytes: Uint8Array): string {
  return encodeBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** `id` and `version` are those of the object itself; without a version it is the record's date. */
function checkObject(record: ObjectRecord): void {
  const object = readObject(record.object, 'object', 'record')
  if (object['id'] !== record.id) {
    throw new ProofError('record', `the record is of ${record.id}, its object of ${JSON.stringify(object['id'])}`)
  }
  const version = object['modified'] ?? object['created'] ?? record.date_added
  if (version !== record.version) {
    throw new ProofError(
      'record',
      `the record is of version ${record.version}, its object of ${JSON.stringify(version)}`,
    )
  }
}

function checkDate(text: string): void {
  const milliseconds = `${text.slice(0, 23)}Z`
  const date = new Date(milliseconds)
  if (Number.isNaN(date.getTime()) || date.toISOString() !== milliseconds) {
    throw new ProofError('record', `there is no such time: ${text}`)
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new ProofError('malformed', 'the record is not UTF-8', { cause })
  }
}
