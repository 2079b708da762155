import { hash } from 'node:crypto'
import type { CollectionHead, RecordRow, Store } from '#store/store.ts'
import { type Derived, deriveRow } from './derive.ts'
import type { RepairOptions, RepairSource } from './repair.ts'

/** Rows read at a time. */
const CHUNK = 500

export type Names = {
  list: { number: number; apiRoot: string; id: string }[]
  numberOf: (apiRoot: string, id: string) => number | undefined
  stored: CollectionHead[]
}

/** Which collection has which number: as the store says, then its copies. Whether it is true is seen by the heads entry. */
export async function readCollections({ store, sources }: Pick<RepairOptions, 'store' | 'sources'>): Promise<Names> {
  const stored = await store.collections()
  const byName = new Map<string, { number: number; apiRoot: string; id: string }>()
  const numbers = new Set<number>()
  const lists = [stored, ...(await Promise.all(sources.map(async s => (await s.log?.collections()) ?? [])))]
  // The copies first: who changed a name in the store did not change it there.
  for (const { number, apiRoot, id } of [...lists.slice(1), stored].flat()) {
    const key = `${apiRoot} ${id}`
    if (byName.has(key) || numbers.has(number)) continue
    byName.set(key, { number, apiRoot, id })
    numbers.add(number)
  }
  const list = [...byName.values()].sort((a, b) => a.number - b.number)
  return { list, stored, numberOf: (apiRoot, id) => byName.get(`${apiRoot} ${id}`)?.number }
}

export const NONE = 0 // no row
export const TEXT = 1 // a row with a text
export const BARE = 2 // a row without

/** What lies at each log index, in little room: of a million rows 60 MB. */
export type Found = {
  commitments: Buffer
  /** The text is a record by its form. */
  isRecord: Uint8Array
  /** {@link NONE}, {@link TEXT} or {@link BARE}. */
  state: Uint8Array
  /** The columns of the row are those of its text. */
  isDerived: Uint8Array
  /** Its number; 0 where nothing says it. */
  collection: Int32Array
  seq: Float64Array
  added: Float64Array
  /** What `deleted` records name, true or not. */
  deletes: { by: number; collection: number; seq: number }[]
  /** Rows beyond the end of the log. */
  beyond: number[]
  /** The largest `seq` that a record within the log says, by collection. */
  newest: Map<number, number>
}

export async function readRows(
  store: Store,
  size: number,
  names: Names,
  progress: RepairOptions['progress'],
): Promise<Found> {
  const found: Found = {
    commitments: Buffer.alloc(size * 32),
    state: new Uint8Array(size),
    isRecord: new Uint8Array(size),
    isDerived: new Uint8Array(size),
    collection: new Int32Array(size),
    seq: new Float64Array(size).fill(-1),
    added: new Float64Array(size),
    deletes: [],
    beyond: [],
    newest: new Map(),
  }
  for (let from = Number.MIN_SAFE_INTEGER; ; ) {
    const rows = await store.scan(from, CHUNK)
    const misfiled = await misfiledIn(store, rows)
    for (const row of rows) {
      const { leaf } = row
      if (leaf < 0 || leaf >= size) {
        found.beyond.push(leaf)
        continue
      }
      found.state[leaf] = row.text === null ? BARE : TEXT
      found.collection[leaf] = row.collection
      found.seq[leaf] = row.seq
      found.added[leaf] = row.added
      if (row.text === null) continue
      hash('sha256', row.text, 'buffer').copy(found.commitments, leaf * 32)
      const derived = deriveRow(row.text)
      const number = derived && names.numberOf(derived.apiRoot, derived.collectionId)
      if (!derived || number === undefined) continue
      found.isRecord[leaf] = 1
      found.isDerived[leaf] = Number(
        row.collection === number && isSame(row, derived) && !misfiled.has(`${row.collection} ${row.seq}`),
      )
      found.collection[leaf] = number
      found.seq[leaf] = derived.row.seq
      found.added[leaf] = derived.row.added
      found.newest.set(number, Math.max(derived.row.seq, found.newest.get(number) ?? -1))
      if (derived.deletes !== undefined) found.deletes.push({ by: leaf, collection: number, seq: derived.deletes })
    }
    const last = rows.at(-1)
    if (!last || rows.length < CHUNK) return found
    progress?.(Math.min(last.leaf, size), size, 'rows read')
    from = last.leaf + 1
  }
}

/** `collection seq` of those rows that their store does not find where they belong. */
async function misfiledIn(store: Store, rows: RecordRow[]): Promise<Set<string>> {
  const ranges = new Map<number, { from: number; to: number }>()
  for (const { collection, seq } of rows) {
    const range = ranges.get(collection) ?? { from: seq, to: seq }
    ranges.set(collection, { from: Math.min(range.from, seq), to: Math.max(range.to, seq) })
  }
  const misfiled = new Set<string>()
  for (const [collection, { from, to }] of ranges)
    for (const seq of await store.misfiled(collection, { from, limit: to - from + 1 }))
      misfiled.add(`${collection} ${seq}`)
  return misfiled
}

function isSame(row: RecordRow, { row: derived }: Derived): boolean {
  return (
    row.seq === derived.seq &&
    row.kind === derived.kind &&
    row.added === derived.added &&
    row.imported === derived.imported &&
    row.id === derived.id &&
    row.version === derived.version &&
    row.versionDigits === derived.versionDigits &&
    row.refused === derived.refused &&
    // An equivocation's text does not say it.
    (row.kind === 'equivocation' || row.spec === derived.spec)
  )
}

/** What copies of a store have where it has no row: guesses, until the log is settled. */
export async function guessFrom(sources: RepairSource[], found: Found, names: Names): Promise<void> {
  for (const source of sources.filter(s => s.log)) {
    for (let leaf = 0; leaf < found.state.length; leaf++) {
      if (found.state[leaf] !== NONE || found.collection[leaf] !== 0) continue
      const [text] = await source.texts(leaf, NO_HASH)
      const derived = text && deriveRow(text)
      if (!derived) continue
      hash('sha256', text, 'buffer').copy(found.commitments, leaf * 32)
      found.isRecord[leaf] = 1
      found.collection[leaf] = names.numberOf(derived.apiRoot, derived.collectionId) ?? 0
    }
  }
}

const NO_HASH = new Uint8Array(32)
