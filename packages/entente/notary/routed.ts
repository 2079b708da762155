import type { Message } from '#channel/channel.ts'
import type { RecordRow } from '#store/store.ts'
import { type EventSource, formatEvent, nameEvents } from './event.ts'
import type { Collection } from './log.ts'
import type { Notary } from './notary.ts'

/** Texts of about this many bytes are read at a time: messages of one read are held in memory together. */
const MAX_BYTES = 4_194_304

/**
 * What of the log goes to a channel, from a log index on, as messages: each row is read from the store now and verified, as for every other
 * reader. What was erased is not among them.
 *
 * @param isWhole whether an object of this collection goes out as it is, or as a reference; by the number of the collection
 * @param onInvalid told of each row that is not what was logged
 * @returns the messages, ascending, and the log index behind all that was looked at: where the next read goes on
 */
export async function readRouted(
  notary: Pick<Notary, 'log' | 'store' | 'reader'>,
  source: EventSource,
  channel: string,
  { from, limit }: { from: number; limit: number },
  isWhole: (collection: number) => boolean = () => true,
  onInvalid: (row: RecordRow, reason: string) => void = () => {},
): Promise<{ messages: Message[]; next: number }> {
  const { log, store, reader } = notary
  const size = log.size // before the read: what is committed meanwhile comes next time
  const found = await store.routed(channel, { from, limit, maxBytes: MAX_BYTES })
  const rows = found.filter(r => r.kind === 'object' && r.leaf < size && log.collections.has(r.collection))
  const opened = await reader.openAll(rows)
  const names = await nameEvents(store, rows, opened)
  const messages = rows.map((row, i): Message => {
    const whole = isWhole(row.collection)
    const one = opened[i] as (typeof opened)[number]
    const name = whole ? (names[i] as (typeof names)[number]) : 'reference'
    if (!one.ok) onInvalid(row, one.reason)
    const { event, body } = formatEvent(source, log.collections.get(row.collection) as Collection, row, one, name)
    const key = !one.ok ? `${row.leaf}` : whole ? (row.id as string) : one.commitment.toString('base64')
    return { position: row.leaf, collection: row.collection, key, event, body, redelivered: false }
  })
  const isCut = found.length >= limit || found.reduce((sum, row) => sum + (row.text?.length ?? 0), 0) > MAX_BYTES
  const last = found.findLast(r => r.leaf < size)
  return { messages, next: isCut && last ? last.leaf + 1 : Math.max(from, size) }
}
