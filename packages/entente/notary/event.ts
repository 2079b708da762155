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
  const { apiRoot, id } = collection
  const proof = `${source.publicUrl}${apiRoot}collections/${id}/records/${row.seq}/proof/`
  const head = (event: EventName, commitment: string) =>
    `{"event":"${event}","origin":${JSON.stringify(source.origin)},"api_root":"${apiRoot}","collection":"${id}","log_index":${row.leaf},"seq":${row.seq},${commitment}"proof":${JSON.stringify(proof)}`
  if (!opened.ok)
    return { event: 'integrity', body: Buffer.from(`${head('integrity', '')},"reason":"${opened.reason}"}`) }
  const commitment = `"commitment":"${opened.commitment.toString('base64')}",`
  if (name === 'reference') return { event: name, body: Buffer.from(`${head(name, commitment)}}`) }
  const record = opened.text.subarray(RECORD_PREFIX.length)
  return {
    event: name,
    body: Buffer.concat([Buffer.from(`${head(name, commitment)},"record":`), record, CLOSE]),
  }
}

/** The event in place of a row that the store does not have. */
export function formatMissing(
  source: EventSource,
  { apiRoot, id }: Collection,
  seq: number,
): Pick<Message, 'event' | 'body'> {
  const proof = `${source.publicUrl}${apiRoot}collections/${id}/records/${seq}/proof/`
  const text = `{"event":"integrity","origin":${JSON.stringify(source.origin)},"api_root":"${apiRoot}","collection":"${id}","seq":${seq},"proof":${JSON.stringify(proof)},"reason":"missing"}`
  return { event: 'integrity', body: Buffer.from(text) }
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
