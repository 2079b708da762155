import type { Db, Document } from 'mongodb'
import type { Lookup, Sought, Store } from '#store/store.ts'
import type { Connection, Snapshot } from './connection.ts'
import { COLUMNS, EQUIVOCATION, OBJECT, PACK_FROM, toRecordRow } from './rows.ts'
import { byPlace, MOST_VALUES, pieces, records } from './selection.ts'

type Access = Pick<Connection, 'db' | 'snapshot'> & { reading: <T>(read: () => Promise<T>) => Promise<T> }

/** Ids and versions in one condition, which finds what any of the ids has of any of the versions. */
const MOST_PAIRS = 250

/** What new objects would meet. All of it is of one moment. */
export function createLookups({ db, snapshot, reading }: Access): Pick<Store, 'lookups'> {
  return {
    async *lookups(collection, objects, maxBytes) {
      const { options, end } = snapshot()
      try {
        for (const some of pieces(objects, MOST_VALUES)) {
          const found = await reading(() => find(db, collection, some, options))
          for (let at = 0; at < found.length; ) {
            const part: Found[] = []
            for (let bytes = 0; at < found.length && bytes <= maxBytes; at++) {
              const one = found[at] as Found
              for (const row of one.same) bytes += row['size'] as number
              part.push(one)
            }
            yield await reading(() => withTexts(db, part, options))
          }
        }
      } finally {
        await end()
      }
    },
  }
}

/** Rows without their texts. */
type Found = Omit<Lookup, 'same'> & { same: Document[] }

/** How much a text will be; a packed one, or what is none, counts as the least that is packed. */
const SIZE = { $cond: [{ $eq: [{ $type: '$text' }, 'binData'] }, { $binarySize: '$text' }, PACK_FROM] }

async function find(db: Db, collection: number, objects: readonly Sought[], options: Snapshot): Promise<Found[]> {
  const newest = await newestOf(
    db,
    collection,
    objects.map(o => o.id),
    options,
  )
  // Nothing has a version that is later than the newest; what is no version tells nothing.
  const pairs = objects.filter(({ id, version }) => {
    const last = newest.get(id)
    return last && version !== undefined && (last.version === '' || last.version >= version)
  })
  const at = await placesOf(db, collection, pairs, options)
  const placed = objects.map(({ id, version }) => {
    const last = newest.get(id)
    if (version === undefined) return { last, same: last ? [last.leaf] : [], refused: [] }
    const places = at.get(toKey(id, version))
    if (!places || places.same.size === 0) return { last, same: [], refused: [] }
    return { last, same: [...places.same].sort((a, b) => a - b), refused: [...places.refused] }
  })
  const leaves = (of: 'same' | 'refused') => placed.flatMap(p => p[of])
  const rows = await byPlace(db, leaves('same'), { ...COLUMNS, size: SIZE }, options)
  const refused = await byPlace(db, leaves('refused'), { refused: 1 }, options)
  return placed.map(p => ({
    ...(p.last ? { newest: p.last } : {}),
    same: p.same.flatMap(leaf => rows.get(leaf) ?? []),
    refused: p.refused.map(leaf => String(refused.get(leaf)?.['refused'])),
  }))
}

type Newest = NonNullable<Lookup['newest']>

/** A step in the index for each id, however many versions it has. */
async function newestOf(
  db: Db,
  collection: number,
  ids: readonly string[],
  options: Snapshot,
): Promise<Map<string, Newest>> {
  const newest = new Map<string, Newest>()
  const found = records(db).aggregate(
    [
      { $match: { coll: collection, kind: OBJECT, id: { $in: [...new Set(ids)] } } },
      { $sort: { id: -1, version: -1, _id: -1 } },
      { $group: { _id: '$id', leaf: { $first: '$_id' }, version: { $first: '$version' } } },
    ],
    { ...options, hint: 'id', batchSize: MOST_VALUES + 1 },
  )
  for await (const { _id, leaf, version } of found)
    newest.set(String(_id), { leaf: Number(leaf), version: typeof version === 'string' ? version : '' })
  return newest
}

/** Log indexes. Several conditions may find the same. */
type Places = { same: Set<number>; refused: Set<number> }

/** Where in the log are the objects of these versions, and what was refused for them; read from the index alone. */
async function placesOf(
  db: Db,
  collection: number,
  pairs: readonly Sought[],
  options: Snapshot,
): Promise<Map<string, Places>> {
  const places = new Map(
    pairs.map((p): [string, Places] => [toKey(p.id, p.version as string), { same: new Set(), refused: new Set() }]),
  )
  for (const some of pieces(pairs, MOST_PAIRS)) {
    const found = records(db).find(
      {
        coll: collection,
        kind: { $in: [OBJECT, EQUIVOCATION] },
        id: { $in: [...new Set(some.map(p => p.id))] },
        version: { $in: [...new Set(some.map(p => p.version as string))] },
      },
      { ...options, hint: 'id', projection: { kind: 1, id: 1, version: 1 }, batchSize: MOST_VALUES + 1 },
    )
    for await (const { _id, kind, id, version } of found) {
      const place = places.get(toKey(String(id), String(version)))
      place?.[kind === OBJECT ? 'same' : 'refused'].add(_id)
    }
  }
  return places
}

const toKey = (id: string, version: string): string => `${id} ${version}`

async function withTexts(db: Db, found: Found[], options: Snapshot): Promise<Lookup[]> {
  const leaves = found.flatMap(f => f.same.map(d => d['_id'] as number))
  const texts = await byPlace(db, leaves, { text: 1, packed: 1 }, options)
  return found.map(f => ({ ...f, same: f.same.map(d => toRecordRow({ ...d, ...texts.get(d['_id'] as number) })) }))
}
