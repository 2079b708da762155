import type { LogEvent } from '@entente/verify/proof'
import { ClientError } from './error.ts'

/** Records of a feed, by `seq`, that did not come. */
type Skipped = { kind: 'skipped'; from: number; to: number }
type Taken = { isNew: boolean; skipped: Skipped[] }

/** The order of the events of one channel or feed: which came before, and which are missing. */
export type Order = {
  /** An event at its place: log index on a channel, `seq` on a feed. */
  take(place: number, event: LogEvent): Taken
  /** Everything up to this id has come. */
  place(id: string): Skipped[]
  /** What comes next is at this place, whatever came before. */
  jump(next: number): void
}

/** Log indexes that are known again: at least once means that some come twice, soon after each other. */
const REMEMBERED = 4096

export const createOrder = (kind: 'channel' | 'feed', after?: number): Order =>
  kind === 'channel' ? createChannelOrder(after) : createFeedOrder()

/** Nothing shows what does not belong to a channel: only repetitions are known. */
function createChannelOrder(after = -1): Order {
  let floor = after
  const seen = new Set<number>()
  return {
    take(place) {
      if (place <= floor || seen.has(place)) return { isNew: false, skipped: [] }
      seen.add(place)
      if (seen.size > REMEMBERED) for (const oldest of seen) if (seen.delete(oldest)) break
      return { isNew: true, skipped: [] }
    },
    place: () => [],
    jump(next) {
      floor = Math.min(floor, next - 1)
      for (const place of seen) if (place >= next) seen.delete(place)
    },
  }
}

/** A feed has everything of one collection, by `seq`, without gaps but for what was erased. */
function createFeedOrder(): Order {
  let expected: number | undefined
  let collection: string | undefined
  const reach = (next: number): Skipped[] => {
    const from = expected ?? next
    expected = Math.max(from, next)
    return next > from ? [{ kind: 'skipped', from, to: next - 1 }] : []
  }
  return {
    take(place, event) {
      collection ??= event.collection
      if (event.collection !== collection)
        throw new ClientError('malformed', `a feed of ${collection} has an event of the collection ${event.collection}`)
      if (expected !== undefined && place < expected) return { isNew: false, skipped: [] }
      const skipped = reach(place)
      expected = place + 1
      return { isNew: true, skipped }
    },
    place(id) {
      if (id === 'start') return reach(0)
      const last = /^\d{1,15}$/.test(id) ? Number(id) : undefined
      return last === undefined ? [] : reach(last + 1)
    },
    jump(next) {
      expected = next
    },
  }
}
