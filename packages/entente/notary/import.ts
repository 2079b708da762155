import { randomUUID } from 'node:crypto'
import { emptyBatch, type StatusItem, type StatusRow } from '#store/store.ts'
import { decideAll, nothingDecided, type Plan } from './decide.ts'
import type { Notary } from './notary.ts'
import type { Request, SubmittedObject } from './sequence.ts'
import { formatMicros } from './time.ts'

/** An object of another server, with the date that it had there. */
export type ImportedObject = SubmittedObject & { imported: number }

/** What an import would do: objects that are to be stored, in order; how many are there already; and what can't be taken, with the reason. */
export type ImportPlan = {
  store: ImportedObject[]
  present: number
  refused: { object: ImportedObject; reason: string }[]
}

/** Objects in a request of an import: half a second's work at most, between two looks at the progress. */
const BATCH = 500

/**
 * Dates of another server, ascending, made strictly ascending as a collection's are (docs/formats.md 1): of equal ones the last keeps the date and
 * the others go before it, a microsecond each, where there is room. So whoever asks for what was added after a date that he had from the
 * other server gets what he has not seen, and nothing else.
 *
 * @param after the last of those before them
 */
export function spreadDates(dates: readonly number[], after = 0): number[] {
  const spread: number[] = []
  for (let at = 0; at < dates.length; ) {
    const date = dates[at] as number
    let end = at + 1
    while (dates[end] === date) end++
    for (; at < end; at++) spread.push(Math.max((spread.at(-1) ?? after) + 1, date - (end - 1 - at)))
  }
  return spread
}

/**
 * Decides on objects as the sequencer would, and stores nothing. To be there already is no error, so an import that was interrupted goes on.
 *
 * @param collection its number, or undefined while the log does not know it
 * @param objects ascending by `imported`
 */
export async function planImport(
  notary: Pick<Notary, 'store' | 'reader' | 'log' | 'clock'>,
  collection: number | undefined,
  objects: readonly ImportedObject[],
): Promise<ImportPlan> {
  const plan: ImportPlan = { store: [], present: 0, refused: [] }
  const last = (collection !== undefined && notary.log.collections.get(collection)?.lastAdded) || 0
  const now = notary.clock()
  const past = objects.filter(o => o.imported <= now)
  const asked = past.map(object => ({ object, rules: {} }))
  const decisions = await decideAll(notary, collection ?? NO_COLLECTION, asked, nothingDecided())
  for (const object of objects.slice(past.length))
    plan.refused.push({ object, reason: `its date_added ${formatMicros(object.imported)} lies in the future` })
  for (const [i, object] of past.entries()) {
    const decision = decisions[i] as Plan
    const refuse = (reason: string) => plan.refused.push({ object, reason })
    if (decision.do === 'duplicate') plan.present++
    else if (decision.do === 'refuse')
      refuse(decision.details === undefined ? decision.message : `${decision.message} (${decision.details})`)
    else if (object.imported <= last)
      refuse(
        `it was added ${formatMicros(object.imported)}, the newest record of the collection ${formatMicros(last)}: what is older can't be put before it`,
      )
    else plan.store.push(object)
  }
  return plan
}

/** No collection has it: nothing is found there. */
const NO_COLLECTION = -1

/**
 * Stores what {@link planImport} found. Every batch is durable by itself.
 *
 * @returns what the collection's own rules refused, such as objects that were erased there
 * @throws NotaryError
 */
export async function importObjects(
  notary: Notary,
  target: Pick<Request, 'collection' | 'apiRoot' | 'submitter' | 'onConflict' | 'repost'>,
  objects: readonly ImportedObject[],
  onProgress?: (done: number) => void,
): Promise<StatusItem[]> {
  const failed: StatusItem[] = []
  for (let at = 0; at < objects.length; at += BATCH) {
    const status = await notary.submit({
      ...target,
      statusId: randomUUID(),
      mayRead: true,
      requested: notary.clock(),
      objects: objects.slice(at, at + BATCH),
      failed: [],
    })
    failed.push(...status.failed)
    onProgress?.(Math.min(at + BATCH, objects.length))
  }
  return failed
}

/**
 * Keeps statuses of another server under their ids. They name no receipt: the log promised nothing in them.
 *
 * @returns how many of them were not there
 * @throws StoreError
 */
export async function importStatuses(
  { store, log }: Pick<Notary, 'store' | 'log'>,
  statuses: readonly Omit<StatusRow, 'size' | 'receipt'>[],
): Promise<number> {
  const { head } = log
  const missing = []
  for (const status of statuses) if (!(await store.status(status.id))) missing.push(status)
  if (!head || missing.length === 0) return 0
  await store.commit(head, {
    ...emptyBatch(head),
    statuses: missing.map(status => ({ ...status, size: head.size, receipt: '' })),
  })
  return missing.length
}
