import type { CreateIndexesOptions, Db, Document, IndexSpecification } from 'mongodb'
import { StoreError } from '#store/store.ts'
import { bundleId, checkpointId, openingId, type Part, parts } from './parts.ts'

export type Index = { key: IndexSpecification & Document; name: string } & Pick<
  CreateIndexesOptions,
  'unique' | 'partialFilterExpression'
>

/** Only rows that filters of TAXII find. */
const FOUND = { partialFilterExpression: { type: { $exists: true } } }

/** The indexes of each collection beside `_id`; docs/decisions/0025-mongodb.md says which query each is for. */
export const INDEXES: Record<string, Index[]> = {
  meta: [],
  records: [
    { name: 'seq', key: { coll: 1, seq: 1 }, unique: true },
    // Ends on what orders versions, so that the newest of an id is the last of its entries.
    { name: 'id', key: { coll: 1, kind: 1, id: 1, version: 1, _id: 1 } },
    { name: 'type', key: { coll: 1, type: 1, spec: 1, seq: 1 }, ...FOUND },
    { name: 'spec', key: { coll: 1, spec: 1, seq: 1 }, ...FOUND },
    { name: 'version', key: { coll: 1, version: 1, seq: 1 }, ...FOUND },
  ],
  parts: [
    {
      name: 'collection',
      key: { apiRoot: 1, id: 1 },
      unique: true,
      partialFilterExpression: { apiRoot: { $exists: true } },
    },
  ],
  cosignatures: [{ name: 'size', key: { size: 1, witness: 1 }, unique: true }],
  statuses: [
    { name: 'requested', key: { requested: 1 } },
    { name: 'coll', key: { coll: 1 } },
  ],
  erased: [],
  routes: [{ name: 'channel', key: { channel: 1, leaf: 1 }, unique: true }],
  cursors: [],
  anchors: [{ name: 'size', key: { ledger: 1, size: 1 }, unique: true }],
}

/** Of what is kept beside the log: who was given what. No commit writes these, and none waits for them. */
export const DISCLOSED: Record<'reads' | 'sent', Index[]> = {
  reads: [
    { name: 'begun', key: { from: 1, _id: 1 } },
    { name: 'ended', key: { until: 1 } },
    { name: 'place', key: { collection: 1, last: 1 } },
    { name: 'user', key: { user: 1, until: 1 } },
  ],
  sent: [
    { name: 'begun', key: { from: 1, _id: 1 } },
    { name: 'ended', key: { until: 1 } },
    { name: 'place', key: { kind: 1, topic: 1, last: 1 } },
    { name: 'subscriber', key: { subscriber: 1, until: 1 } },
  ],
}

/** The migrations, oldest first; the version in `meta` counts how many a database has had. Each can be begun again. One that has landed never changes. */
const MIGRATIONS: ((db: Db) => Promise<void>)[] = [
  async db => {
    await createAll(db)
    await meta(db).updateOne({ _id: 'head' }, { $setOnInsert: { size: 0, note: null, writes: 0 } }, { upsert: true })
  },
  // One command of a commit writes all kinds.
  moveIntoParts,
]

/** Made at once, because a transaction that makes a collection fails where another one does. */
async function createAll(db: Db): Promise<void> {
  for (const [name, indexes] of Object.entries(INDEXES)) {
    await db.createCollection(name).catch((error: { code?: number }) => {
      if (error.code !== 48) throw error // NamespaceExists
    })
    if (indexes.length > 0) await db.collection(name).createIndexes(indexes)
  }
}

/** What had a collection of its own, by the `_id` that it has in `parts`. */
const MOVED: Record<string, (id: unknown) => string> = {
  tiles: id => `tile/${String(id)}`,
  bundles: id => bundleId(Number(id)),
  checkpoints: id => checkpointId(Number(id)),
  collections: id => `collection/${String(id)}`,
  openings: id => openingId(String(id)),
}
const MOVED_AT_ONCE = 500

async function moveIntoParts(db: Db): Promise<void> {
  await createAll(db)
  const there = (await db.listCollections({}, { nameOnly: true }).toArray()).map(c => c.name)
  for (const [name, toId] of Object.entries(MOVED)) {
    if (!there.includes(name)) continue
    let some: Part[] = []
    const write = async () => {
      const operations = some.map(part => ({
        replaceOne: { filter: { _id: part._id }, replacement: part, upsert: true },
      }))
      if (operations.length > 0) await parts(db).bulkWrite(operations)
      some = []
    }
    for await (const document of db.collection(name).find()) {
      some.push({ ...document, _id: toId(document._id) })
      if (some.length === MOVED_AT_ONCE) await write()
    }
    await write()
    await db.collection(name).drop()
  }
}

/** The document `schema` has a version, and `head` the rest: `note` is null in an empty store, and each commit counts `writes`, also one that does not move the head. */
export type Meta = { _id: 'schema' | 'head'; version?: number; size?: number; note?: string | null; writes?: number }

export const meta = (db: Db) => db.collection<Meta>('meta')

/**
 * Brings the database to the newest schema.
 *
 * @throws StoreError `newer` for a database from the future, `io` where there is none and `create` is not set, or where it belongs to somebody else
 */
export async function migrate(db: Db, name: string, create: boolean): Promise<void> {
  const version = await readVersion(db, name)
  if (version === 0) {
    const names = (await db.listCollections({}, { nameOnly: true }).toArray()).map(c => c.name)
    const stranger = names.find(n => !(n in INDEXES) && !(n in DISCLOSED) && !n.startsWith('system.'))
    if (stranger !== undefined)
      throw new StoreError('io', `${name} holds "${stranger}", which is not of Entente: name a database of its own`)
    if (!create) throw new StoreError('io', `${name} holds no store: is this the database of a server that ran before?`)
  }
  for (let next = version; next < MIGRATIONS.length; next++) {
    await MIGRATIONS[next]?.(db)
    await meta(db).updateOne({ _id: 'schema' }, { $max: { version: next + 1 } }, { upsert: true })
  }
}

/** How many migrations a database has had. */
export async function readVersion(db: Db, name: string): Promise<number> {
  const schema = await meta(db).findOne({ _id: 'schema' })
  const version = schema?.version ?? 0
  if (version > MIGRATIONS.length)
    throw new StoreError(
      'newer',
      `${name} has schema ${version}, this program knows ${MIGRATIONS.length}: run the newer version of Entente that wrote it`,
    )
  return version
}

/** A sentence for each index that is not there, or is another. */
export async function wrongIndexes(db: Db): Promise<string[]> {
  const wrong: string[] = []
  for (const [collection, indexes] of Object.entries(INDEXES)) {
    const found = indexes.length > 0 ? await db.collection(collection).indexes() : []
    for (const index of indexes) {
      const there = found.find(i => i.name === index.name)
      const isSame = there && describe(there as Index) === describe(index)
      if (!isSame)
        wrong.push(
          `the index "${index.name}" of ${collection} ${there ? 'is another' : 'is missing'}: "entente repair" builds it`,
        )
    }
  }
  return wrong
}

const describe = ({ key, unique = false, partialFilterExpression = {} }: Index) =>
  JSON.stringify([Object.entries(key), unique, partialFilterExpression])

/** Builds every index anew. */
export async function rebuild(db: Db): Promise<void> {
  for (const [collection, indexes] of Object.entries(INDEXES)) {
    if (indexes.length === 0) continue
    await db.collection(collection).dropIndexes()
    await db.collection(collection).createIndexes(indexes)
  }
}
