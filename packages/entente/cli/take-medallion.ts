import { canonicalize } from '@entente/verify/json'
import { type ImportedObject, importObjects, importStatuses, planImport, spreadDates } from '#notary/import.ts'
import type { Notary } from '#notary/notary.ts'
import type { StatusRow } from '#store/store.ts'
import type { CollectionConfig } from '#taxii/context.ts'
import { readEnvelope } from '#taxii/intake.ts'
import type { MedallionCollection, MedallionRoot, Refused } from './medallion.ts'
import type { Progress } from './progress.ts'

/** An import under way. */
export type Taking = {
  notary: Notary
  policy: CollectionConfig['validation']
  /** Nothing is stored. */
  isDry: boolean
  /** Grows by what can't be taken. */
  refused: Refused[]
  progress: Progress
}

/** What became of a collection's objects. */
export type Taken = {
  api_root: string
  id: string
  title: string
  objects: number
  imported: number
  present: number
  refused: number
}

const MAX_OBJECT_BYTES = 104_857_600
/** Who submitted the records, as far as this log knows. */
const SUBMITTER = 'import'

/** Stores the objects of a collection that are new and valid, under the rules of the collection here. */
export async function takeCollection(
  taking: Taking,
  root: MedallionRoot,
  collection: MedallionCollection,
  { onConflict, repost }: Pick<CollectionConfig, 'onConflict' | 'repost'>,
): Promise<Taken> {
  const { notary, isDry, refused, progress } = taking
  const where = `${root.path}collections/${collection.id}/`
  const before = refused.length
  const found = notary.collection(root.path, collection.id)
  const objects = await judge(taking, found?.number, collection, where)
  const plan = await planImport(notary, found?.number, objects)
  refused.push(
    ...plan.refused.map(({ object, reason }) => ({ where, id: object.id, version: object.version ?? 'none', reason })),
  )
  if (!isDry && found) {
    const target = { collection: found.number, apiRoot: root.path, submitter: SUBMITTER, onConflict, repost }
    const failed = await importObjects(notary, target, plan.store, done =>
      progress.update(done, plan.store.length, `objects of ${collection.title}`),
    )
    refused.push(...failed.map(({ id, version, message = 'refused' }) => ({ where, id, version, reason: message })))
  }
  const counts = { objects: collection.objects.length, present: plan.present, refused: refused.length - before }
  const imported = counts.objects - counts.present - counts.refused
  return { api_root: root.path, id: collection.id, title: collection.title, ...counts, imported }
}

/** Holds every object against STIX as an envelope of one; what it refers to may be anything in the file or the store. */
async function judge(
  { notary, policy, refused, progress }: Taking,
  number: number | undefined,
  collection: MedallionCollection,
  where: string,
): Promise<ImportedObject[]> {
  const own = new Set(collection.objects.map(({ object }) => object['id']))
  const known = async (ids: string[]) => {
    const there = new Set<string>()
    for (const id of ids) {
      const isThere = own.has(id) || (number !== undefined && (await notary.store.versions(number, id)).length > 0)
      if (isThere) there.add(id)
    }
    return there
  }
  const dates = spreadDates(collection.objects.map(o => o.added))
  const objects: ImportedObject[] = []
  for (const [i, { object }] of collection.objects.entries()) {
    progress.update(i, collection.objects.length, `objects of ${collection.title} checked`)
    const body = Buffer.from(`{"objects":[${canonicalize(object)}]}`)
    const {
      objects: [one],
      failed,
    } = await readEnvelope(body, { maxBytes: MAX_OBJECT_BYTES, policy, isStix: false, known })
    if (one) objects.push({ ...one, imported: dates[i] as number })
    else
      refused.push(...failed.map(({ id, version, message = 'refused' }) => ({ where, id, version, reason: message })))
  }
  return objects
}

/** A status is of an API root there, and of a collection here: of the one that has what it names. */
export async function takeStatuses(
  { notary, isDry, refused }: Taking,
  root: MedallionRoot,
): Promise<{ imported: number; present: number }> {
  const rows: Omit<StatusRow, 'size' | 'receipt'>[] = []
  for (const { id, requested, successes, failures, pendings } of root.statuses) {
    const details = [...successes, ...pendings]
    const collection = await findCollection(
      notary,
      root,
      details.map(d => d.id),
    )
    if (collection === undefined) {
      refused.push({ where: `${root.path}status/`, id, reason: 'its API root has no collection to keep it in' })
      continue
    }
    const accepted = [...successes]
    const failed = [...failures]
    for (const pending of pendings) {
      const isThere = (await notary.store.versions(collection, pending.id)).length > 0
      if (isThere) accepted.push(pending)
      else failed.push({ ...pending, message: 'it was pending on the server that it came from, and was not there' })
    }
    rows.push({ id, apiRoot: root.path, collection, submitter: SUBMITTER, requested, accepted, failed })
  }
  let present = 0
  for (const row of rows) if (await notary.store.status(row.id)) present++
  if (!isDry) await importStatuses(notary, rows)
  return { imported: rows.length - present, present }
}

async function findCollection(notary: Notary, root: MedallionRoot, ids: string[]): Promise<number | undefined> {
  const numbers = root.collections.flatMap(c => notary.collection(root.path, c.id)?.number ?? [])
  for (const id of ids) {
    for (const number of numbers) if ((await notary.store.versions(number, id)).length > 0) return number
  }
  return numbers[0] ?? (root.collections.length > 0 ? NOT_YET : undefined)
}

/** In a dry run: a collection that the log does not know, and in which nothing is found. */
const NOT_YET = -1
