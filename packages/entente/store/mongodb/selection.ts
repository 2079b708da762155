import type { Db, Document, Filter } from 'mongodb'
import type { RecordRow, RecordSelection } from '#store/store.ts'
import type { Snapshot } from './connection.ts'
import { COLUMNS, OBJECT, type RecordDocument, toRecordRow, toText } from './rows.ts'

/** Values in one condition. An answer of so many documents comes at once where one more is allowed: else the end is asked for. */
export const MOST_VALUES = 1000
/** Walks of one index that the server merges by `seq`; above 200 (`internalQueryMaxScansToExplode`) it would read all of them and sort. */
const MOST_WALKS = 100

export const records = (db: Db) => db.collection<RecordDocument>('records')

/** As `Store.records`; all reads of it in one session, which shows one moment. */
export async function selectRecords(
  db: Db,
  collection: number,
  selection: RecordSelection,
  options: Snapshot,
): Promise<RecordRow[]> {
  const { limit, maxBytes = Number.POSITIVE_INFINITY, text } = selection
  if (limit < 1) return []
  const filters = await toFilters(db, collection, selection, options)
  const [first] = filters
  if (!first) return []
  const documents = await readTo(
    db,
    filters.length === 1 ? first : await merge(db, collection, filters, limit, options),
    {
      ...options,
      limit,
      maxBytes,
      text,
    },
  )
  if (text === 'none') return documents.map(toRecordRow)
  if (text !== 'all') await completeTexts(db, documents, text, options)
  const rows: RecordRow[] = []
  let bytes = 0
  for (const document of documents) {
    const row = toRecordRow(document)
    bytes += row.text?.length ?? 0
    rows.push(row)
    if (bytes > maxBytes) break
  }
  return rows
}

type Where = { filter: Filter<RecordDocument>; hint: string }

/** Conditions that an index answers in the order of `seq` each; of several the rows are merged. */
async function toFilters(
  db: Db,
  collection: number,
  { from, types, specs, versions }: RecordSelection,
  options: Snapshot,
): Promise<Where[]> {
  const place = { coll: collection, seq: { $gte: from } }
  if (!types && !specs && !versions) return [{ filter: place, hint: 'seq' }]
  const found = { ...place, type: { $exists: true } }
  const wantedTypes = types && [...new Set(types)]
  const wantedSpecs = specs && [...new Set(specs)]
  if (wantedTypes?.length === 0 || wantedSpecs?.length === 0) return []
  if (versions) {
    // Few rows share a version, so those of other types are passed over one by one.
    const among = {
      ...(wantedTypes ? { type: { $in: wantedTypes } } : {}),
      ...(wantedSpecs ? { spec: { $in: wantedSpecs } } : {}),
    }
    return pieces([...new Set(versions)], MOST_WALKS).map(some => ({
      filter: { ...found, ...among, version: { $in: some } },
      hint: 'version',
    }))
  }
  const inSpecs = wantedSpecs ?? (await specsOf(db, collection, options))
  if (inSpecs.length === 0) return []
  return pieces(inSpecs, MOST_WALKS).flatMap((some): Where[] =>
    wantedTypes
      ? pieces(wantedTypes, Math.max(1, Math.floor(MOST_WALKS / some.length))).map(names => ({
          filter: { ...place, type: { $in: names }, spec: { $in: some } },
          hint: 'type',
        }))
      : [{ filter: { ...found, spec: { $in: some } }, hint: 'spec' }],
  )
}

/** The versions of STIX that a collection holds: a step in the index for each. */
async function specsOf(db: Db, collection: number, options: Snapshot): Promise<string[]> {
  const specs: string[] = []
  for (;;) {
    const filter = { coll: collection, spec: { $gt: specs.at(-1) ?? '' }, type: { $exists: true } }
    const next = await records(db).findOne(filter, {
      ...options,
      hint: 'spec',
      sort: { spec: 1 },
      projection: { spec: 1 },
    })
    if (typeof next?.spec !== 'string') return specs
    specs.push(next.spec)
  }
}

/** The rows that several conditions select together, by their places in the collection. */
async function merge(db: Db, collection: number, filters: Where[], limit: number, options: Snapshot): Promise<Where> {
  const places: number[] = []
  for (const { filter, hint } of filters) {
    const found = records(db).find(filter, { ...options, hint, sort: { seq: 1 }, limit, projection: { seq: 1 } })
    for await (const { seq } of found) places.push(seq)
  }
  places.sort((a, b) => a - b)
  return { filter: { coll: collection, seq: { $in: places.slice(0, limit) } }, hint: 'seq' }
}

/** What a superseded row has in place of its text, where that is left out as a rule. */
const NEWEST = { $cond: [{ $eq: [{ $ifNull: ['$superseded', null] }, null] }, true, false] }
const only = (field: string) => ({ $cond: [NEWEST, `$${field}`, '$$REMOVE'] })
const PROJECTIONS: Record<RecordSelection['text'], Document> = {
  none: COLUMNS,
  all: { ...COLUMNS, text: 1, packed: 1 },
  last: { ...COLUMNS, text: only('text'), packed: only('packed') },
  versions: { ...COLUMNS, text: only('text'), packed: only('packed') },
}

/** Documents in order of `seq`, until their texts have more than `maxBytes`. */
async function readTo(
  db: Db,
  { filter, hint }: Where,
  { limit, maxBytes, text, ...snapshot }: Snapshot & { limit: number; maxBytes: number; text: RecordSelection['text'] },
): Promise<Document[]> {
  const sort = { seq: 1 } as const
  const cursor = records(db).find(filter, {
    ...snapshot,
    hint,
    sort,
    limit,
    batchSize: limit,
    projection: PROJECTIONS[text],
  })
  const documents: Document[] = []
  let bytes = 0
  for await (const document of cursor) {
    documents.push(document)
    bytes += document.text?.length ?? document.packed?.length ?? 0
    if (bytes > maxBytes) break
  }
  return documents
}

/**
 * Fetches the texts of superseded rows, but where a newer row of the same object stands at the place that they name; that order is
 * strict, so that rows can't vouch for each other in a circle. A text that is gone without that is given as empty: what isn't there
 * can't verify.
 */
async function completeTexts(
  db: Db,
  documents: Document[],
  text: 'last' | 'versions',
  options: Snapshot,
): Promise<void> {
  const isSuperseded = (d: Document) => typeof d['superseded'] === 'number'
  const by = await byPlace(
    db,
    documents.filter(isSuperseded).map(d => d['superseded'] as number),
    COLUMNS,
    options,
  )
  const kept = documents.filter(d => !isSuperseded(d) || !vouches(by.get(d['superseded'] as number), d, text))
  const missing = kept.filter(isSuperseded)
  const texts = await byPlace(
    db,
    missing.map(d => d['_id'] as number),
    { text: 1, packed: 1 },
    options,
  )
  for (const document of missing) Object.assign(document, texts.get(document['_id'] as number))
  for (const document of kept) {
    if (typeof document['id'] === 'string' && toText(document) === null) document['text'] = new Uint8Array(0)
  }
}

function vouches(newer: Document | undefined, row: Document, text: 'last' | 'versions'): boolean {
  if (!newer || newer['kind'] !== OBJECT || row['kind'] !== OBJECT) return false
  if (typeof row['id'] !== 'string' || newer['id'] !== row['id'] || newer['coll'] !== row['coll']) return false
  const isLater = newer['_id'] > row['_id']
  if (text === 'versions') return isLater && newer['version'] === row['version'] && newer['digits'] === row['digits']
  return newer['version'] > row['version'] || (newer['version'] === row['version'] && isLater)
}

/** Of the documents at these places what the projection names. */
export async function byPlace(
  db: Db,
  leaves: number[],
  projection: Document,
  options: Snapshot,
): Promise<Map<number, Document>> {
  const found = new Map<number, Document>()
  for (const some of pieces([...new Set(leaves)], MOST_VALUES)) {
    const cursor = records(db).find({ _id: { $in: some } }, { ...options, projection, batchSize: MOST_VALUES + 1 })
    for await (const document of cursor) found.set(document._id, document)
  }
  return found
}

/** A list in parts of at most `size`. */
export function pieces<T>(list: readonly T[], size: number): T[][] {
  const parts: T[][] = []
  for (let at = 0; at < list.length; at += size) parts.push(list.slice(at, at + size))
  return parts
}
