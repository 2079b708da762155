import type { Label, Labelled } from '#channel/stream.ts'
import type { RecordRow } from '#store/store.ts'
import { type EventSource, formatEvent, nameEvents } from './event.ts'
import type { Collection } from './log.ts'
import type { Notary } from './notary.ts'
import type { Opened } from './reader.ts'

export type RoutedOptions = {
  isWhole?: ((collection: number, object: Buffer) => boolean) | undefined
  label?: ((row: RecordRow, opened: Opened) => Label | undefined) | undefined
  onInvalid?: ((row: RecordRow, reason: string) => void) | undefined
}

/** Texts of about this many bytes are read at a time: messages of one read are held in memory together. */
const MAX_BYTES = 4_194_304

/**
 * What of the log goes to a channel, from a log index on, as messages: each row is read from the store now and verified, as for every other
 * reader. What was erased is not among them.
 *
 * @param options.isWhole whether an object goes out as it is, or as a reference: by the number of its collection and its canonical JSON
 * @param options.label what it takes to see it
 * @param options.onInvalid told of each row that is not what was logged
 * @returns the messages, ascending, and the log index behind all that was looked at: where the next read goes on
 */
export async function readRouted(
  notary: Pick<Notary, 'log' | 'store' | 'reader'>,
  source: EventSource,
  channel: string,
  { from, limit }: { from: number; limit: number },
  { isWhole = () => true, label, onInvalid = () => {} }: RoutedOptions = {},
): Promise<{ messages: Labelled[]; next: number }> {
  const { log, store, reader } = notary
  const size = log.size // before the read: what is committed meanwhile comes next time
  const found = await store.routed(channel, { from, limit, maxBytes: MAX_BYTES })
  const rows = found.filter(r => r.kind === 'object' && r.leaf < size && log.collections.has(r.collection))
  const opened = await reader.openAll(rows)
  const names = await nameEvents(store, rows, opened)
  const messages = rows.map((row, i): Labelled => {
    const one = opened[i] as (typeof opened)[number]
    const whole = one.ok && isWhole(row.collection, one.object)
    const name = whole ? (names[i] as (typeof names)[number]) : 'reference'
    if (!one.ok) onInvalid(row, one.reason)
    const { event, body } = formatEvent(source, log.collections.get(row.collection) as Collection, row, one, name)
    const key = !one.ok ? `${row.leaf}` : whole ? (row.id as string) : one.commitment.toString('base64')
    const message = { position: row.leaf, collection: row.collection, key, event, body, redelivered: false }
    return one.ok && label ? { ...message, label: label(row, one) } : message
  })
  const isCut = found.length >= limit || found.reduce((sum, row) => sum + (row.text?.length ?? 0), 0) > MAX_BYTES
  const last = found.findLast(r => r.leaf < size)
  return { messages, next: isCut && last ? last.leaf + 1 : Math.max(from, size) }
}
