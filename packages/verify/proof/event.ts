import { type JsonLimits, parseStrict } from '#json/index.ts'
import { decodeBase64, encodeBase64, HASH_SIZE, isKeyName } from '#tlog/index.ts'
import { asProofError, ProofError } from './error.ts'
import { PROOF_LIMITS } from './evidence.ts'
import { readCount, readMembers, readObject, readText } from './fields.ts'
import { API_ROOT, formatRecord, type LogRecord, readRecord, recordCommitment, UUID } from './record.ts'

type Place = {
  /** of the log */
  origin: string
  api_root: string
  collection: string
  /** of the record, in the log */
  log_index: number
  /** of the record, in its collection */
  seq: number
  /** path or URL of the proof of the record, as the sender says: no reader need ask there */
  proof: string
}

/** There is a record, and here it is. */
export type RecordEvent = Place & {
  event: 'added' | 'version' | 'revoked' | 'withdrawn' | 'equivocation'
  /** base64 of 32 bytes */
  commitment: string
  record: LogRecord
}
/** There is an object that not everybody here may read. */
export type ReferenceEvent = Place & { event: 'reference'; commitment: string }
/** What is stored there is not what was logged. */
export type IntegrityEvent = Omit<Place, 'log_index'> & {
  event: 'integrity'
  /** not there where the store does not even know where in the log it was */
  log_index?: number
  reason: 'missing' | 'hash' | 'columns'
}

/**
 * docs/formats.md 15, before anything of it is believed. What each proves once `commitment` was found in the log at `log_index`
 * ({@link verifyEventContent} comes first):
 *
 * - `added`, `version`, `revoked`: the record, every member of it. `revoked` is what the object says; `added` or `version` is the sender's word.
 * - `withdrawn`: the log says that the record which it names went. Whether it is gone everywhere, nothing can prove.
 * - `equivocation`: the log says that another content of this version was refused, by hashes. That somebody sent it is the word of the log.
 * - `reference`: the log has this commitment there. That it is of this collection and `seq`, only the record shows.
 * - `integrity`: nothing. It is the sender's word that something of its own does not verify.
 */
export type LogEvent = RecordEvent | ReferenceEvent | IntegrityEvent

const PLACE = ['event', 'origin', 'api_root', 'collection', 'seq', 'proof'] as const
/** 128 MiB: the largest object that a server takes by default, and what stands around it. */
const MAX_EVENT_BYTES = 134_217_728
const PROOF_PATH = /^[!-~]{1,4096}$/
const REASON = /^(?:missing|hash|columns)$/
const KINDS: Record<string, 'object' | 'deleted' | 'equivocation' | undefined> = {
  added: 'object',
  version: 'object',
  revoked: 'object',
  withdrawn: 'deleted',
  equivocation: 'equivocation',
}

/**
 * Parse an event in its form. Unknown members and events are refused.
 *
 * @throws ProofError `malformed`, `record`
 */
export function parseEvent(text: string | Uint8Array, limits: Partial<JsonLimits> = {}): LogEvent {
  const value = asProofError(() => parseStrict(text, { ...PROOF_LIMITS, maxBytes: MAX_EVENT_BYTES, ...limits }))
  const { event } = readObject(value, 'the event')
  if (event === 'integrity') {
    const members = readPlace(value, ['reason'], ['log_index'])
    readText(members['reason'], 'reason', REASON)
    return members as IntegrityEvent
  }
  if (event === 'reference') return readCommitment(readPlace(value, ['log_index', 'commitment'])) as ReferenceEvent
  if (typeof event !== 'string' || !Object.hasOwn(KINDS, event))
    throw new ProofError('malformed', `there is no event ${JSON.stringify(event)?.slice(0, 80)}`)
  const members = readCommitment(readPlace(value, ['log_index', 'commitment', 'record']))
  readRecord(members['record'])
  return members as RecordEvent
}

function readPlace(value: unknown, required: string[], optional: string[] = []): Record<string, unknown> {
  const members = readMembers(value, 'the event', [...PLACE, ...required], optional)
  const origin = readText(members['origin'], 'origin of the event')
  if (!isKeyName(origin))
    throw new ProofError('malformed', `${JSON.stringify(origin.slice(0, 80))} is no origin of a log`)
  readText(members['api_root'], 'api_root of the event', API_ROOT)
  readText(members['collection'], 'collection of the event', UUID)
  if (Object.hasOwn(members, 'log_index')) readCount(members['log_index'], 'log_index of the event')
  readCount(members['seq'], 'seq of the event')
  readText(members['proof'], 'proof of the event', PROOF_PATH)
  return members
}

function readCommitment(members: Record<string, unknown>): Record<string, unknown> {
  const text = readText(members['commitment'], 'commitment of the event')
  asProofError(() => decodeBase64(text, HASH_SIZE), 'malformed')
  return members
}

/**
 * Verify that an event carries what it names: the record hashes to the commitment, lies where the event says, and is of the event's kind. Whoever
 * sends events can make up both, record and commitment: that the log has it, only the log's entry at `log_index` under a signed checkpoint
 * tells.
 *
 * @returns the record
 * @throws ProofError `event`
 * @example
 * const event = parseEvent(message)
 * if ('record' in event) take(verifyEventContent(event))
 */
export function verifyEventContent(event: RecordEvent): LogRecord {
  const { record } = event
  const commitment = encodeBase64(recordCommitment(formatRecord(record)))
  const which = `the event of log index ${event.log_index}`
  if (commitment !== event.commitment)
    throw new ProofError(
      'event',
      `${which} names the commitment ${event.commitment}, and the record in it has ${commitment}: it was changed on the way`,
    )
  for (const name of ['api_root', 'collection', 'seq'] as const) {
    if (record[name] !== event[name])
      throw new ProofError('event', `${which} says ${name} ${event[name]}, and the record in it ${record[name]}`)
  }
  const kind = KINDS[event.event] as string
  if (!Object.hasOwn(record, kind))
    throw new ProofError('event', `${which} is called ${event.event}, and carries another kind of record`)
  const isRevoked = 'object' in record && record.object['revoked'] === true
  if (isRevoked !== (event.event === 'revoked'))
    throw new ProofError('event', `${which} is called ${event.event}, and its object is revoked: ${isRevoked}`)
  return record
}
