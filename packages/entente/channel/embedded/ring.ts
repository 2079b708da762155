import type { Label, Runs, Sight } from '../stream.ts'

export type Entry = {
  position: number
  collection: number
  frame: Buffer
  /** Who is not cleared for it gets the other frame, or none. */
  label: Label | undefined
  reference: Buffer | undefined
}

/** Frames from a place on, in one piece. */
export type Chunk = {
  /** None where nothing of them may be seen. */
  bytes: Buffer | undefined
  /** The place behind it. */
  next: number
  count: number
  /** How many of them are references. */
  references: number
  /** Places of the first and the last of the frames. */
  first: number
  last: number
  /** Where there is something that this sight is not cleared for. */
  withheld: Runs
}

/** Chunks that are kept for others who stand at the same place. */
const MAX_SHARED = 64

/** The newest frames of a topic, as they are written: all there are from `start` up to `end`. They are on their way out: whoever is elsewhere reads for itself. */
export type Ring = ReturnType<typeof createRing>

/** @param end the place with which it begins, empty */
export function createRing(end: number) {
  let entries: Entry[] = []
  let bytes = 0
  const ring = { start: end, end }
  const shared = new Map<string, Chunk>()

  /** Index of the first entry at or behind a place. */
  function find(position: number): number {
    let low = 0
    let high = entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((entries[middle] as Entry).position < position) low = middle + 1
      else high = middle
    }
    return low
  }

  function drop(count: number, start: number): void {
    for (let i = 0; i < count; i++) bytes -= (entries[i] as Entry).frame.length
    entries = entries.slice(count)
    ring.start = start
    shared.clear()
  }

  return {
    get start() {
      return ring.start
    },
    get end() {
      return ring.end
    },
    /** What was read from `end` on, up to `next`. The oldest go while there are more than `most` bytes. */
    append: (added: readonly Entry[], next: number, most: number): void => {
      shared.clear()
      for (const entry of added) {
        entries.push(entry)
        bytes += entry.frame.length
      }
      ring.end = next
      let gone = 0
      for (let left = bytes; left > most; gone++) left -= (entries[gone] as Entry).frame.length
      if (gone > 0) drop(gone, (entries[gone - 1] as Entry).position + 1)
    },
    /** Lets go of what lies before a place. */
    trim: (position: number): void => {
      const start = Math.min(position, ring.end)
      if (start > ring.start) drop(find(start), start)
    },
    /** Entries at or behind a place of this ring. */
    count: (position: number): number => entries.length - find(position),
    /** @param position from `start` to before `end` */
    chunk: (position: number, sight: Sight, most: number): Chunk => {
      const key = `${position} ${sight.key}`
      const known = shared.get(key)
      if (known) return known
      const chunk = joinFrames(entries, find(position), sight, most) ?? nothing(ring.end)
      if (chunk.next === (entries.at(-1)?.position ?? -1) + 1) chunk.next = ring.end
      if (shared.size >= MAX_SHARED) shared.clear()
      shared.set(key, chunk)
      return chunk
    },
  }
}

const nothing = (next: number, withheld: Runs = []): Chunk => ({
  bytes: undefined,
  next,
  count: 0,
  references: 0,
  first: next,
  last: next,
  withheld,
})

/** Joins what may be seen of the entries from an index on, up to about `most` bytes and at least one; undefined where there is nothing. */
export function joinFrames(entries: readonly Entry[], from: number, sight: Sight, most: number): Chunk | undefined {
  const frames: Buffer[] = []
  const withheld: [number, number][] = []
  let isWithheld = false // the one before, of those that this sight has
  let length = 0
  let references = 0
  let first = -1
  let last = -1
  let next = -1
  for (let i = from; i < entries.length; i++) {
    const { position, collection, label, ...entry } = entries[i] as Entry
    if (sight.has(collection)) {
      const isCleared = label === undefined || sight.clears(label)
      const frame = isCleared ? entry.frame : entry.reference
      if (frame) {
        if (length > 0 && length + frame.length > most) break
        if (first === -1) first = position
        last = position
        length += frame.length
        frames.push(frame)
        if (!isCleared) references++
      }
      if (!isCleared && isWithheld) (withheld.at(-1) as [number, number])[1] = position
      else if (!isCleared) withheld.push([position, position])
      isWithheld = !isCleared
    }
    next = position + 1
  }
  if (next === -1) return undefined
  if (frames.length === 0) return nothing(next, withheld)
  const bytes = frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames, length)
  return { bytes, next, count: frames.length, references, first, last, withheld }
}
