import { canonicalize, JsonError } from '@entente/verify/json'
import { type ImportedObject, importObjects, importStatuses, planImport, spreadDates } from '#notary/import.ts'
import type { Notary } from '#notary/notary.ts'
import type { SubmittedObject } from '#notary/sequence.ts'
import type { StatusItem, StatusRow } from '#store/store.ts'
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

/** What became of a collection's objects: `objects` is how many were read, each of which is one of the others. */
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
  const taken: Taken = {
    api_root: root.path,
    id: collection.id,
    title: collection.title,
    objects: 0,
    imported: 0,
    present: 0,
    refused: 0,
  }
  const { count, ids, chunks } = collection.objects
  const find = () => notary.collection(root.path, collection.id)
  const [total, own, start, before] = [await count(), await ids(), refused.length, find()?.count ?? 0]
  const refuse = (id: string, version: string | undefined, reason: string) =>
    refused.push({ where, id, ...(version === undefined ? {} : { version }), reason })
  let read = 0
  let last = 0
  for await (const dated of chunks()) {
    const first = refused.length
    const objects: ImportedObject[] = []
    const dates = spreadDates(
      dated.map(d => d.added),
      last,
    )
    last = dates.at(-1) ?? last
    for (const [i, { object }] of dated.entries()) {
      progress.update(read + i, total, `objects of ${collection.title} checked`)
      const { valid, failed } = await judge(taking, find()?.number, own, object)
      if (valid) objects.push({ ...valid, imported: dates[i] as number })
      for (const { id, version, message = 'refused' } of failed) refuse(id, version, message)
    }
    const plan = await planImport(notary, find()?.number, objects)
    for (const { object, reason } of plan.refused) refuse(object.id, object.version ?? 'none', reason)
    const found = find()
    if (!isDry && found) {
      const target = { collection: found.number, apiRoot: root.path, submitter: SUBMITTER, onConflict, repost }
      const failed = await importObjects(notary, target, plan.store, done =>
        progress.update(read + done, total, `objects of ${collection.title}`),
      )
      for (const { id, version, message = 'refused' } of failed) refuse(id, version, message)
    }
    read += dated.length
    taken.present += plan.present
    taken.imported += dated.length - plan.present - (refused.length - first)
  }
  taken.refused = refused.length - start
  // Those without a date were refused before they came here.
  taken.objects = taken.imported + taken.present + taken.refused
  const grown = (find()?.count ?? 0) - before
  if (!isDry && grown !== taken.imported)
    refuse(collection.id, undefined, `the log has ${grown} records more, and ${taken.imported} objects were imported`)
  if ((await count()) !== total)
    refuse(
      collection.id,
      undefined,
      `it had ${total} objects, and now has ${await count()}: stop who writes there, and import again`,
    )
  return taken
}

/** Holds an object against STIX as an envelope of one; what it refers to may be anything that is imported with it, or in the store. */
async function judge(
  { notary, policy }: Taking,
  number: number | undefined,
  own: ReadonlySet<unknown>,
  object: Record<string, unknown>,
): Promise<{ valid?: SubmittedObject | undefined; failed: StatusItem[] }> {
  let text: string
  try {
    text = canonicalize(object)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    const [id, version] = [object['id'], object['modified'] ?? object['created']].map(v => String(v ?? 'unknown'))
    return { failed: [{ id: id as string, version: version as string, message: error.message }] }
  }
  const known = async (ids: string[]) => {
    const others = ids.filter(id => !own.has(id))
    const there = number === undefined ? new Set<string>() : await notary.store.known(number, others)
    return new Set(ids.filter(id => own.has(id) || there.has(id)))
  }
  const body = Buffer.from(`{"objects":[${text}]}`)
  const { objects, failed } = await readEnvelope(body, { maxBytes: MAX_OBJECT_BYTES, policy, isStix: false, known })
  return { valid: objects[0], failed: objects[0] ? [] : failed }
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
