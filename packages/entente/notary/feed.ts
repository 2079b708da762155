import type { Labelled } from '#channel/stream.ts'
import type { RecordRow } from '#store/store.ts'
import { type EventSource, formatEvent, formatIntegrity, nameEvents } from './event.ts'
import type { Notary } from './notary.ts'
import type { Invalid, Opened } from './reader.ts'
import type { RoutedOptions } from './routed.ts'

/** Texts of about this many bytes are read at a time: messages of one read are held in memory together. */
const MAX_BYTES = 4_194_304

/**
 * All that happened in a collection, from a `seq` on, as messages: objects, deletions and refused contents. Each row is read from the store now and verified.
 * What was erased meanwhile is not among them; what is damaged or missing is an `integrity` event in its place.
 *
 * @param collection its number
 * @param options.label what it takes to see a record; who may not gets a `reference` in its place, so that a feed is whole for everybody
 * @param options.onInvalid told of each row that is not what was logged
 * @returns the messages, ascending by `position`, which is the `seq`, and the `seq` behind all that was looked at
 */
export async function readFeed(
  notary: Pick<Notary, 'log' | 'store' | 'reader'>,
  source: EventSource,
  collection: number,
  { from, limit }: { from: number; limit: number },
  { label, onInvalid = () => {} }: Omit<RoutedOptions, 'isWhole'> = {},
): Promise<{ messages: Labelled[]; next: number }> {
  const { log, store, reader } = notary
  const head = log.collections.get(collection)
  const end = Math.min(head?.count ?? 0, from + limit) // before the read: what is committed meanwhile comes next time
  if (!head || from >= end) return { messages: [], next: from }
  const found = await store.records(collection, { from, limit, maxBytes: MAX_BYTES, text: 'all' })
  const rows = found.filter(r => r.seq < end && r.leaf < log.size)
  const isCut = found.length > 0 && found.length < limit && bytesOf(found) > MAX_BYTES
  const next = isCut ? Math.min(end, (found.at(-1) as RecordRow).seq + 1) : end
  const opened = await reader.openAll(rows)
  const names = await nameEvents(store, rows, opened)

  const messages: Labelled[] = []
  let expected = from
  const missing = (until: number) => {
    for (; expected < until; expected++)
      messages.push({
        ...toMessage(collection, expected),
        ...formatIntegrity(source, head, { seq: expected }, 'missing'),
      })
  }
  for (const [i, row] of rows.entries()) {
    missing(row.seq)
    expected = row.seq + 1
    const one = opened[i] as Opened | Invalid
    if (!one.ok) {
      if (row.text === null && (await reader.isErased(row))) continue
      onInvalid(row, one.reason)
    }
    const name = names[i] as (typeof names)[number]
    const needs = one.ok ? label?.(row, one) : undefined
    messages.push({
      ...toMessage(collection, row.seq),
      ...formatEvent(source, head, row, one, name),
      ...(needs ? { label: needs, reference: formatEvent(source, head, row, one, 'reference') } : {}),
    })
  }
  missing(next)
  return { messages, next }
}

const bytesOf = (rows: RecordRow[]): number => rows.reduce((sum, row) => sum + (row.text?.length ?? 0), 0)
const toMessage = (collection: number, seq: number) => ({
  position: seq,
  collection,
  key: String(seq),
  redelivered: false,
})
