import type { EventName, Message } from '#channel/channel.ts'
import type { RecordRow, Store } from '#store/store.ts'
import type { Collection } from './log.ts'
import type { Invalid, Opened } from './reader.ts'
import { RECORD_PREFIX } from '@entente/verify/proof'

/** What every event of a server says of where it comes from. */
export type EventSource = {
  origin: string
  /** What paths are put behind: `https://taxii.example`, or nothing. */
  publicUrl: string
}

const CLOSE = Buffer.from('}')

/** Names of events that carry a record. */
export type RecordEvent = Exclude<EventName, 'integrity' | 'reference'>

/**
 * An event in the format of docs/formats.md 15, written by concatenation: the record goes out as the bytes that were hashed.
 *
 * @param opened what the reader has verified; anything else becomes an `integrity` event, which carries nothing
 * @param name of the record's event, or `reference`, which carries where it is and no content
 */
export function formatEvent(
  source: EventSource,
  collection: Collection,
  row: RecordRow,
  opened: Opened | Invalid,
  name: RecordEvent | 'reference',
): Pick<Message, 'event' | 'body'> {
  if (!opened.ok) return formatIntegrity(source, collection, row, opened.reason)
  const commitment = `"commitment":"${opened.commitment.toString('base64')}",`
  const head = formatHead(source, collection, name, row.leaf, row.seq, commitment)
  if (name === 'reference') return { event: name, body: Buffer.from(`${head}}`) }
  const record = opened.text.subarray(RECORD_PREFIX.length)
  return {
    event: name,
    body: Buffer.concat([Buffer.from(`${head},"record":`), record, CLOSE]),
  }
}

/**
 * The event about a record that is not what was logged; it carries nothing of it.
 *
 * @param leaf its log index; undefined of a row that the store does not have
 */
export function formatIntegrity(
  source: EventSource,
  collection: Collection,
  { leaf, seq }: { leaf?: number | undefined; seq: number },
  reason: Invalid['reason'],
): Pick<Message, 'event' | 'body'> {
  const head = formatHead(source, collection, 'integrity', leaf, seq, '')
  return { event: 'integrity', body: Buffer.from(`${head},"reason":"${reason}"}`) }
}

function formatHead(
  { origin, publicUrl }: EventSource,
  { apiRoot, id }: Collection,
  event: EventName,
  leaf: number | undefined,
  seq: number,
  commitment: string,
): string {
  const proof = `${publicUrl}${apiRoot}collections/${id}/records/${seq}/proof/`
  const index = leaf === undefined ? '' : `"log_index":${leaf},`
  return `{"event":"${event}","origin":${JSON.stringify(origin)},"api_root":"${apiRoot}","collection":"${id}",${index}"seq":${seq},${commitment}"proof":${JSON.stringify(proof)}`
}

/**
 * What the event of each row is called. Rows that the reader did not verify are told from others by {@link formatEvent}.
 *
 * @param opened in the order of `rows`
 */
export async function nameEvents(
  store: Store,
  rows: readonly RecordRow[],
  opened: readonly (Opened | Invalid)[],
): Promise<RecordEvent[]> {
  const continued = await store.continued(rows.filter(r => r.kind === 'object'))
  return rows.map((row, i) => {
    if (row.kind === 'deleted') return 'withdrawn'
    if (row.kind === 'equivocation') return 'equivocation'
    if (isRevoked(opened[i] as Opened | Invalid)) return 'revoked'
    return continued.has(row.leaf) ? 'version' : 'added'
  })
}

/** The canonical text is searched first: nearly no object says so, and parsing each would cost more than hashing it. */
const isRevoked = (opened: Opened | Invalid): boolean =>
  opened.ok &&
  opened.object.includes('"revoked":true') &&
  (JSON.parse(opened.object.toString()) as { revoked?: unknown }).revoked === true
