import type { Document } from 'mongodb'
import {
  type Batch,
  type Journal,
  type RecordRow,
  type Store,
  StoreError,
  type StoredHead,
  type StoreErrorCode,
} from '#store/store.ts'
import { connect, type MongoOptions, toStoreError } from './connection.ts'
import { createLookups } from './lookups.ts'
import {
  allOf,
  bundleId,
  checkpointId,
  openingId,
  parts,
  tileId,
  toCheckpoint,
  toCollection,
  toOpening,
} from './parts.ts'
import { createPieces } from './pieces.ts'
import { createRoutes } from './routes.ts'
import {
  COLUMNS,
  EQUIVOCATION,
  fromStatusRow,
  OBJECT,
  type StatusDocument,
  toAnchorRow,
  toRecordRow,
  toStatusRow,
  typeOf,
} from './rows.ts'
import { INDEXES, meta, migrate, readVersion, rebuild, wrongIndexes } from './schema.ts'
import { MOST_VALUES, pieces, records, selectRecords } from './selection.ts'
import { toTagId, writeBatch, writeMending } from './write.ts'

export type { MongoOptions }

/** Each may hold details of a thousand objects and more. */
const STATUSES_AT_ONCE = 50
/** How long the outcome of a commit is asked for when its answer is lost: an election and a restart are over by then. */
const ASK_MS = 30_000
const ASK_EVERY_MS = 250

/** How often {@link Store.foreignWrites} changes where other servers write. */
const RECOUNT_MS = 60_000

// MongoDB's error codes for who came second.
const WRITE_CONFLICT = 112
const DUPLICATE_KEY = 11_000
/** Of a commit that meets others of which none commits. */
const MOST_TRIES = 5

/**
 * A store in a database of a MongoDB replica set (docs/decisions/0025-mongodb.md). Everything is read from the primary, and what a majority has kept; several reads
 * that belong together see one moment.
 *
 * It can't overwrite what is deleted: that stays in the database's files, its journal and the oplog until they are used anew (docs/security.md).
 *
 * @throws StoreError `newer`, `readonly`, `io`
 */
export async function openMongoStore(options: MongoOptions): Promise<Store & Journal> {
  const { create = false, readOnly = false, fault } = options
  const connection = await connect(options)
  const { db, name, reads, together, snapshot, transact } = connection

  const reading = async <T>(read: () => Promise<T>): Promise<T> => {
    try {
      return await read()
    } catch (error) {
      throw toStoreError(error, name)
    }
  }
  const writing = <T>(write: () => Promise<T>): Promise<T> =>
    reading(() => {
      if (readOnly) throw new StoreError('readonly', `${name} was opened to read only`)
      return write()
    })
  try {
    if (!readOnly) await migrate(db, name, create)
    else if ((await readVersion(db, name)) === 0) throw new StoreError('io', `${name} holds no store`)
  } catch (error) {
    await connection.close()
    throw toStoreError(error, name)
  }

  const head = async (): Promise<StoredHead | undefined> => {
    if (connection.isUnsettled) await connection.settle()
    const found = await meta(db).findOne({ _id: 'head' }, reads)
    return typeof found?.note === 'string' ? { size: found.size ?? 0, note: found.note } : undefined
  }

  /** @throws StoreError `conflict` where the head is another than `expected` */
  async function change(
    expected: StoredHead | undefined,
    isMending: boolean,
    run: Parameters<typeof transact>[0],
  ): Promise<void> {
    for (let tries = 1; ; tries++) {
      if (connection.isUnsettled) await connection.settle()
      try {
        return await transact(run)
      } catch (error) {
        if (connection.isUnsettled) await settled()
        else if (isSecond(error)) {
          // Whoever holds what this transaction wanted commits or ends first; then the head tells.
          await connection.settle()
          const now = await head()
          if (!(isMending && expected === undefined) && now?.note !== expected?.note)
            throw new StoreError(
              'conflict',
              `${name}: the head is at size ${now?.size ?? 0}, this commit builds on ${expected?.size ?? 0}: another process writes here`,
              { cause: error },
            )
          // Nobody won: the other one ended without a commit, be it that settling above, here or there, was in its way.
          if (isWriteConflict(error) && tries < MOST_TRIES) continue
        }
        throw error
      }
    }
  }

  /** Waits until it is known what became of a commit: from then on {@link head} says it. */
  async function settled(): Promise<void> {
    const until = performance.now() + ASK_MS
    while (performance.now() < until) {
      try {
        return await connection.settle()
      } catch {
        await new Promise(resolve => setTimeout(resolve, ASK_EVERY_MS))
      }
    }
  }

  const statuses = db.collection<StatusDocument>('statuses')
  const cosignatures = db.collection<{ size: number; witness: string; line: string }>('cosignatures')
  const anchors = db.collection('anchors')
  const keyed = (collection: string) => db.collection<Document & { _id: number | string }>(collection)
  const binary = async (_id: string): Promise<Uint8Array | undefined> => {
    const data: unknown = (await parts(db).findOne({ _id }, reads))?.['data']
    return data instanceof Uint8Array ? data : undefined
  }
  const ofId = (collection: number, id: string, kind: number) =>
    reading(async () => {
      const rows = await records(db)
        .find({ coll: collection, kind, id }, { ...reads, hint: 'id' })
        .toArray()
      return rows.map(toRecordRow).sort((a, b) => a.seq - b.seq)
    })
  /** Rows that were written by us: with what the database counts, it tells of rows that others added or took. */
  let written = 0

  return {
    kind: 'mongodb',
    head: () => reading(head),
    commit: (expected, batch: Batch) =>
      writing(async () => {
        fault?.('before-commit')
        await change(expected, false, options => writeBatch(db, expected, batch, options))
        written += batch.records.length
        fault?.('after-commit')
      }),
    collections: () =>
      reading(async () => (await parts(db).find(allOf('collection'), reads).toArray()).map(toCollection)),
    recordAt: leaf =>
      reading(async () => {
        const row = await records(db).findOne({ _id: leaf }, reads)
        return row ? toRecordRow(row) : undefined
      }),
    records: (collection, selection) =>
      reading(() => together(options => selectRecords(db, collection, selection, options))),
    versions: (collection, id) => ofId(collection, id, OBJECT),
    versionsOf: (collection, ids) =>
      reading(() =>
        together(async options => {
          const rows: RecordRow[] = []
          for (const some of pieces([...new Set(ids)], MOST_VALUES)) {
            const filter = { coll: collection, kind: OBJECT, id: { $in: some } }
            const found = records(db).find(filter, {
              ...options,
              hint: 'id',
              projection: COLUMNS,
              batchSize: MOST_VALUES + 1,
            })
            for await (const document of found) rows.push(toRecordRow(document))
          }
          return rows
        }),
      ),
    equivocations: (collection, id) => ofId(collection, id, EQUIVOCATION),
    known: (collection, ids) =>
      reading(async () => {
        const found = new Set<string>()
        for (const some of pieces([...new Set(ids)], MOST_VALUES)) {
          const filter = { coll: collection, kind: OBJECT, id: { $in: some } }
          for (const id of await records(db).distinct('id', filter, reads)) found.add(String(id))
        }
        return found
      }),
    wereErased: tags =>
      reading(async () => {
        const ids = tags.map(toTagId)
        const found = new Set<unknown>()
        for (const some of pieces([...new Set(ids)], MOST_VALUES)) {
          const kept = keyed('erased').find({ _id: { $in: some } }, { ...reads, batchSize: MOST_VALUES })
          for await (const { _id } of kept) found.add(_id)
        }
        return ids.map(id => found.has(id))
      }),
    hasErased: () => reading(async () => (await keyed('erased').findOne({}, reads)) !== null),
    misfiled: (collection, { from, limit }) =>
      reading(async () => {
        // That an index has an entry for each document is the database's to keep; `integrity` asks for it.
        const filter = { coll: collection, seq: { $gte: from, $lt: from + limit } }
        const projection = { seq: 1, kind: 1, id: 1, type: 1 } as const
        const misfiled: number[] = []
        for await (const d of records(db).find(filter, { ...reads, hint: 'seq', sort: { seq: 1 }, projection })) {
          const { seq, kind, id } = toRecordRow(d)
          if (typeOf({ kind, id }) !== d.type) misfiled.push(seq)
        }
        return misfiled
      }),
    gaps: (collection, count) =>
      reading(() =>
        together(async options => {
          const present = await records(db).countDocuments(
            { coll: collection, seq: { $lt: count } },
            { ...options, hint: 'seq' },
          )
          if (present === count) return { present, firstMissing: undefined }
          let expected = 0
          const all = { coll: collection, seq: { $gte: 0 } }
          const seqs = records(db).find(all, {
            ...options,
            hint: 'seq',
            sort: { seq: 1 },
            projection: { seq: 1, _id: 0 },
          })
          for await (const { seq } of seqs) {
            if (seq !== expected) break
            expected++
          }
          return { present, firstMissing: expected }
        }),
      ),
    ...createLookups({ db, snapshot, reading }),
    ...createRoutes({ db, reads, together, reading, writing }),
    ...createPieces({ db, reads, reading, writing }),
    tile: (tree, level, index) => reading(() => binary(tileId(tree, level, index))),
    entryBundle: index => reading(() => binary(bundleId(index))),
    checkpoint: size =>
      reading(async () => {
        const found = await parts(db).findOne({ _id: checkpointId(size) }, reads)
        return found ? toCheckpoint(found).note : undefined
      }),
    checkpointFrom: size =>
      reading(async () => {
        const from = { _id: { ...allOf('checkpoint')._id, $gte: checkpointId(size) } }
        const found = await parts(db).findOne(from, { ...reads, sort: { _id: 1 } })
        return found ? toCheckpoint(found) : undefined
      }),
    cosignatures: size =>
      reading(() => cosignatures.find({ size }, { ...reads, sort: { witness: 1 }, projection: { _id: 0 } }).toArray()),
    putCosignature: ({ size, witness, line }) =>
      writing(async () => {
        await cosignatures.updateOne({ size, witness }, { $set: { line } }, { upsert: true })
      }),
    cosignedSize: (witnesses, quorum) =>
      reading(async () => {
        const filter = { witness: { $in: [...witnesses] } }
        const newest = { sort: { size: -1 }, hint: 'size', projection: { size: 1, _id: 0 } } as const
        let [at, count] = [0, 0]
        for await (const { size } of cosignatures.find(filter, { ...reads, ...newest })) {
          count = size === at ? count + 1 : 1
          at = size
          if (count >= quorum) return at
        }
        return 0
      }),
    status: id =>
      reading(async () => {
        const row = await statuses.findOne({ _id: id }, reads)
        return row ? toStatusRow(row) : undefined
      }),
    rewriteStatuses: (collection, naming, rewrite) =>
      writing(async () => {
        const names = (field: string) => ({ $gte: [{ $indexOfBytes: [{ $ifNull: [`$${field}`, ''] }, naming] }, 0] })
        const isPacked = { $eq: [{ $type: '$packed' }, 'binData'] }
        const filter = { coll: collection, $expr: { $or: [names('accepted'), names('failed'), isPacked] } }
        const found = await statuses.find(filter, { projection: { _id: 1 } }).toArray()
        for (const some of pieces(found, STATUSES_AT_ONCE)) {
          const ids = some.map(s => s._id)
          const changes = []
          for await (const document of statuses.find({ _id: { $in: ids } })) {
            const row = toStatusRow(document)
            if (document.packed && !JSON.stringify([row.accepted, row.failed]).includes(naming)) continue
            const { accepted, failed, gone } = rewrite(row)
            const replacement = fromStatusRow({ ...row, accepted, failed, ...(gone ? { gone } : {}) })
            changes.push({ replaceOne: { filter: { _id: document._id }, replacement } })
          }
          if (changes.length > 0) await statuses.bulkWrite(changes)
        }
      }),
    purgeStatuses: (before, sizes, limit) =>
      writing(async () => {
        const old: string[] = []
        const oldest = { sort: { requested: 1 }, projection: { coll: 1, size: 1 } } as const
        for await (const { _id, coll, size } of statuses.find({ requested: { $lte: before } }, oldest)) {
          if (old.length === limit) break
          if (size <= (sizes.get(coll) ?? -1)) old.push(_id)
        }
        if (old.length === 0) return 0
        await transact(async options => {
          for (const _id of pieces(old, MOST_VALUES)) await statuses.deleteMany({ _id: { $in: _id } }, options)
        })
        return old.length
      }),
    opening: submitter =>
      reading(async () => {
        const found = await parts(db).findOne({ _id: openingId(submitter) }, reads)
        if (!found) return undefined
        const { opening, name } = toOpening(found)
        return { opening, name }
      }),
    scan: (from, limit) =>
      reading(() =>
        together(async options => {
          const rows = records(db).find(
            { _id: { $gte: from } },
            { ...options, sort: { _id: 1 }, limit, batchSize: limit },
          )
          return (await rows.toArray()).map(toRecordRow)
        }),
      ),
    mend: (expected, mending) =>
      writing(() => change(expected, true, options => writeMending(db, expected, mending, options))),
    integrity: (isQuick = false) =>
      reading(async () => {
        const found = await wrongIndexes(db)
        if (isQuick) return found
        for (const collection of Object.keys(INDEXES)) {
          const { valid, errors } = await db.command({ validate: collection })
          if (valid !== true) found.push(`${collection}: ${(errors as string[]).join('; ')}`)
        }
        return found
      }),
    rebuildIndexes: () => writing(() => rebuild(db)),
    // Who changes a document where it lies isn't seen by this: the auditor reads all of them.
    // Beside other servers it is not told whose a row is: all are counted again from time to time.
    foreignWrites: () =>
      options.isShared
        ? Promise.resolve(Math.floor(performance.now() / RECOUNT_MS))
        : reading(async () => (await records(db).estimatedDocumentCount()) - written),

    anchors: query =>
      reading(async () => {
        const { ledger, final, limit = 0 } = query ?? {}
        const filter = { ...(ledger === undefined ? {} : { ledger }), ...(final ? { final } : {}) }
        const found = anchors.find(filter, {
          ...reads,
          hint: 'size',
          sort: query ? { size: -1 } : { ledger: 1, size: 1 },
          limit,
        })
        return (await found.toArray()).map(toAnchorRow)
      }),
    putAnchor: row =>
      writing(async () => {
        const { ledger, size } = row
        await anchors.replaceOne({ ledger, size }, row, { upsert: true })
      }),
    anchorCovering: (ledger, size, final) =>
      reading(async () => {
        const filter = { ledger, size: { $gte: size }, ...(final ? { final } : {}) }
        const row = await anchors.findOne(filter, { ...reads, hint: 'size', sort: { size: 1 } })
        return row ? toAnchorRow(row) : undefined
      }),
    finalSizeAt: (ledger, at) =>
      reading(async () => {
        const filter = { ledger, final: true, at: { $lte: at } }
        const row = await anchors.findOne(filter, { ...reads, hint: 'size', sort: { size: -1 } })
        return row ? toAnchorRow(row).size : 0
      }),
    label: (leaf, invalid) =>
      writing(async () => {
        await records(db).updateOne({ _id: leaf }, { $set: { invalid } })
      }),
    close: () => connection.close(),
  }
}

/** Whether it may have failed because somebody else wrote before. */
function isSecond(error: unknown): boolean {
  if (error instanceof StoreError) return error.code === ('conflict' satisfies StoreErrorCode)
  return isWriteConflict(error) || (error as { code?: number | string }).code === DUPLICATE_KEY
}

const isWriteConflict = (error: unknown) => (error as { code?: number | string }).code === WRITE_CONFLICT
