import type { Batch, RecordRow, Sought, StatusItem, StatusRow, Store } from '#store/store.ts'
import type { ErasedTags } from './erased.ts'
import { formatMicros } from './time.ts'

/** Which object goes. `versions` picks the rows among all that the object has; what it throws is the answer to the request. */
export type Erase = {
  id: string
  /** All of the object was asked for, whichever versions there are. */
  whole?: boolean
  versions: (rows: RecordRow[]) => RecordRow[] | Promise<RecordRow[]>
}

/** Rows that go: versions of the object, and what was logged of contents that were refused for them. `left` stays. */
export type Erasure = { rows: RecordRow[]; left: RecordRow[] }

export const NOTHING_ERASED: Erasure = { rows: [], left: [] }

/**
 * An equivocation record has the id, and the hash of a content without a salt: it goes with the version that it is about, and with
 * the last version all that there are of the object.
 */
export async function findErasure(store: Store, collection: number, erase: Erase): Promise<Erasure> {
  const all = await store.versions(collection, erase.id)
  const picked = await erase.versions(all)
  if (picked.length === 0) return { rows: [], left: all }
  const gone = new Set(picked.map(r => r.leaf))
  const left = all.filter(r => !gone.has(r.leaf))
  const stays = new Set(left.map(toWritten))
  const goes = new Set(picked.map(toWritten))
  const refused = (await store.equivocations(collection, erase.id)).filter(
    r => left.length === 0 || (goes.has(toWritten(r)) && !stays.has(toWritten(r))),
  )
  return { rows: [...picked, ...refused], left }
}

const toWritten = (row: RecordRow): string => `${row.version} ${row.versionDigits}`

/** What an erased version superseded is superseded by the newest that is left, and that one by none. */
export function revive({ rows, left }: Erasure): Batch['supersede'] {
  const gone = new Set(rows.map(r => r.leaf))
  const newest = [...left].sort((a, b) => compare(a.version ?? '', b.version ?? '') || a.leaf - b.leaf).at(-1)
  return left
    .filter(r => r.superseded !== null && gone.has(r.superseded))
    .map(({ leaf }) => ({ leaf, by: leaf === newest?.leaf ? null : (newest as RecordRow).leaf }))
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/**
 * Tags by which a collection that refuses re-posting knows again what went: of the object where all of it was asked for, else of each version. An
 * object without a version of its own has a new one each time it is added: its id is tagged.
 */
export function toTags(tags: ErasedTags, collection: Uint8Array, erase: Erase, { rows, left }: Erasure): Uint8Array[] {
  if (rows.length === 0) return []
  const isWhole = erase.whole === true && left.length === 0
  const made = rows.map(({ added, version }) =>
    isWhole || version === null || version === formatMicros(added)
      ? tags.tag(collection, erase.id)
      : tags.tag(collection, erase.id, version),
  )
  return [tags.check, ...made]
}

/** Which of these were erased: known by the id where all of it went, else by the version. */
export async function erasedOf<T extends Sought>(
  store: Pick<Store, 'wereErased'>,
  tags: ErasedTags,
  collection: Uint8Array,
  objects: readonly T[],
): Promise<Set<T>> {
  const made = objects.flatMap(object => {
    const { id, version } = object
    const versions = version === undefined ? [undefined] : [undefined, version]
    return versions.map(v => ({ object, tag: tags.tag(collection, id, v) }))
  })
  const kept = await store.wereErased(made.map(m => m.tag))
  return new Set(made.filter((_, i) => kept[i]).map(m => m.object))
}

/** A status without what it says of an object: the counts stay, the details go (TAXII 2.1 section 4.3.1: they are optional). */
export function redactStatus(row: StatusRow, id: string): StatusRow {
  const keep = (items: StatusItem[]) => items.filter(item => item.id !== id).map(item => withoutMention(item, id))
  const [accepted, failed] = [keep(row.accepted), keep(row.failed)]
  const gone = {
    accepted: (row.gone?.accepted ?? 0) + row.accepted.length - accepted.length,
    failed: (row.gone?.failed ?? 0) + row.failed.length - failed.length,
  }
  return { ...row, accepted, failed, ...(gone.accepted + gone.failed > 0 ? { gone } : {}) }
}

function withoutMention(item: StatusItem, id: string): StatusItem {
  if (!item.message?.includes(id)) return item
  return { id: item.id, version: item.version, message: 'the details named an object that was erased' }
}
