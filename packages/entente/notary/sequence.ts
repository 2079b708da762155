import { hash, randomBytes } from 'node:crypto'
import { signReceipt, submitterCommitment } from '@entente/verify/proof'
import { statementChannels } from '@entente/stix'
import type { NoteSigner } from '@entente/verify/tlog'
import type { Batch, RecordRow, StatusItem, StatusRow, Store, StoredHead } from '#store/store.ts'
import { StoreError } from '#store/store.ts'
import { decideAll, type Decided, nothingDecided, type Plan, type Rules, type Stored } from './decide.ts'
import {
  type Erase,
  type Erasure,
  erasedOf,
  findErasure,
  NOTHING_ERASED,
  redactStatus,
  revive,
  toTags,
} from './erase.ts'
import type { ErasedTags } from './erased.ts'
import { NotaryError } from './errors.ts'
import type { Log, Stage } from './log.ts'
import type { Others } from './notary.ts'
import type { Reader } from './reader.ts'
import { deletedRecord, equivocationRecord, objectRecord, writtenVersion } from './record.ts'
import { describeUnknown, type Forward, type Markings, routeObject } from './route.ts'
import { type Clock, formatMicros } from './time.ts'

/** An object that passed validation. `version`: `modified`, else `created`, with six digits; undefined where it has neither. */
export type SubmittedObject = {
  id: string
  version: string | undefined
  versionDigits: number
  spec: string
  value: Record<string, unknown>
  /** RFC 8785 text. */
  canonical: string
  warning?: string
  /** `date_added` that it had on another server, microseconds since 1970: after that of every record of the collection (notary/import.ts). */
  imported?: number
}

/** A request: objects to add, or (with `erase`) one whose versions go. */
export type Request = {
  statusId: string
  collection: number
  apiRoot: string
  submitter: string
  /** The submitter may see what is stored. */
  mayRead: boolean
  /** Microseconds since 1970. */
  requested: number
  objects: SubmittedObject[]
  /** What validation refused. */
  failed: StatusItem[]
  erase?: Erase
  /** Default: `fail` (notary/decide.ts). */
  onConflict?: Rules['onConflict']
  /** What was erased may come back (the default), or not. */
  repost?: Rules['repost']
  /** Channels that marking definitions in the envelope name. */
  channels?: readonly string[]
  /** Where objects go that no marking sends anywhere. */
  forward?: Forward | undefined
}

export type Sequencer = {
  store: Store
  log: Log
  reader: Reader
  signer: NoteSigner
  clock: Clock
  random: (bytes: number) => Buffer
  /** Needed where a collection refuses re-posting. */
  erased?: ErasedTags | undefined
  /** The channels that there are, and which marking definitions name any. */
  routing: { known: ReadonlySet<string>; markings: Markings }
  /** Told what an operator should look at, once it is durable. */
  alert?: ((message: string, details: Record<string, unknown>) => void) | undefined
  /** Where other servers show this log as well. */
  show?: Others['show']
}

/**
 * THE flow: batch -> log -> checkpoint -> durable -> answer. Ledgers, statuses and channels follow from the log
 * (notary/anchoring.ts).
 *
 * It is called with everything that waited while the previous batch was written, so concurrent requests share one
 * commit, one checkpoint and one signature. Nothing that anybody can see changes before the one durable write; after it, everything has.
 *
 * Crash points; a test kills the process at each (test/crash):
 *   C0 of a deletion, between its statuses and its commit: they have lost details of an object that is still there
 *   C1 before the commit        nothing happened, and nobody was answered
 *   C2 after the commit         all of it is there, the answers are lost: who posts again gets duplicates, which are successes
 *   C3 before an anchor is sent the journal knows of none: the next round anchors the newest checkpoint
 *   C4 after an anchor was sent the ledger has it, the journal doesn't: the next round finds it there
 *   C5 after the journal        complete
 *
 * @returns the status of each request, in order, and the channels that something new goes to
 * @throws NotaryError `unavailable` where the store did not take the batch; StoreError `conflict` where another process writes
 */
export async function sequence(
  sequencer: Sequencer,
  requests: Request[],
): Promise<{ statuses: StatusRow[]; channels: ReadonlySet<string> }> {
  const { store, log, clock } = sequencer
  const stage = log.stage()
  const draft: Draft = { records: [], supersede: [], erase: [], erasedTags: [], openings: [], routes: [] }

  // 1. Decide on every object against what is stored and what this batch holds so far. Reads only.
  const byCollection = new Map<number, Decided>()
  const plans = await decideRequests(sequencer, requests, byCollection)
  const erasures: Erasure[] = []
  for (const { erase, collection } of requests)
    erasures.push(erase ? await findErasure(store, collection, erase) : NOTHING_ERASED)

  // 2. Give every record its place: index in the log, seq and date in its collection.
  const counts = new Map<number, number>()
  requests.forEach((r, i) =>
    counts.set(
      r.collection,
      (counts.get(r.collection) ?? 0) +
        (plans[i] as Plan[]).filter(isLogged).length +
        (erasures[i] as Erasure).rows.length,
    ),
  )
  for (const [collection, count] of counts) if (count > 0) stage.reserve(collection, count, clock())
  const placed = requests.map((r, i) => place(stage, r, plans[i] as Plan[], erasures[i] as Erasure))

  // 3. Write the records and their commitments, and what changes around them.
  placed.forEach(p => write(sequencer, stage, draft, p))
  for (const decided of byCollection.values())
    for (const [leaf, plan] of decided.supersede) draft.supersede.push({ leaf, by: leafOf(plan) })
  for (const { erasure } of placed) draft.supersede.push(...revive(erasure))
  for (const p of placed) draft.erasedTags.push(...tagsOf(sequencer, p))
  routeAll(sequencer, placed, draft)

  // 4. Close the batch: heads entry, signed checkpoint, and a receipt for each request.
  const head = stage.empty ? stage.base : stage.seal(sequencer.signer)
  if (!head) throw new NotaryError('unavailable', 'the log has no checkpoint yet')
  const statuses = placed.map(p => toStatus(sequencer, head.size, p))

  // What was said about an object goes before the object: afterwards nobody would come back for it.
  for (const { request, erasure } of placed) {
    const { collection, erase } = request
    if (erase && erasure.rows.length > 0)
      await store.rewriteStatuses(collection, erase.id, row => redactStatus(row, erase.id))
  }
  // C0: a crash here has cost some statuses details, nothing else.

  // C1: a crash here loses nothing that was acknowledged.
  await commit(store, stage.base, {
    head,
    ...draft,
    ...stage.writes(),
    statuses: statuses.filter((_, i) => !requests[i]?.erase),
  })
  // C2: a crash here loses answers, nothing else. From here on this is the log.

  const publish = () => log.publish(stage)
  if (!stage.empty) await (sequencer.show ? sequencer.show(publish) : publish())
  for (const p of placed) {
    await noteMarkings(sequencer, p)
    alertConflicts(sequencer, p)
  }
  return { statuses, channels: new Set(draft.routes.map(route => route.channel)) }
}

type Draft = Pick<Batch, 'records' | 'supersede' | 'erase' | 'erasedTags' | 'openings' | 'routes'>
type Placed = {
  request: Request
  plans: Plan[]
  /** Channels that were asked for and are not there. */
  unknown: Map<Plan, string[]>
  erasure: Erasure
  rows: { row: RecordRow; plan?: Plan; erases?: RecordRow }[]
}

/** Of each request what becomes of its objects; each collection is asked about once, in the order of the requests. */
async function decideRequests(
  sequencer: Sequencer,
  requests: Request[],
  byCollection: Map<number, Decided>,
): Promise<Plan[][]> {
  const { store, reader, log, erased } = sequencer
  const context = {
    store,
    reader,
    erasedOf: async (collection: number, objects: readonly SubmittedObject[]) =>
      erasedOf(store, ...needTags(erased, log, collection), objects),
  }
  const plans = requests.map((): Plan[] => [])
  for (const [collection, own] of Map.groupBy(requests.entries(), ([, request]) => request.collection)) {
    const asked = own.flatMap(([, request]) => request.objects.map(object => ({ object, rules: request })))
    if (asked.length === 0) continue
    const decided = nothingDecided()
    byCollection.set(collection, decided)
    const all = await decideAll(context, collection, asked, decided)
    let at = 0
    for (const [i, { objects }] of own) plans[i] = all.slice(at, (at += objects.length))
  }
  return plans
}

/** What is refused of an import happened elsewhere, if at all: it is no event of this log. */
const isLogged = (plan: Plan): boolean =>
  plan.do === 'store' || (plan.do === 'refuse' && plan.log !== undefined && plan.object.imported === undefined)
const leafOf = (of: Plan | Stored | number): number => (typeof of === 'number' ? of : (of as { leaf: number }).leaf)

function place(stage: Stage, request: Request, plans: Plan[], erasure: Erasure): Placed {
  const rows: Placed['rows'] = []
  const base = {
    collection: request.collection,
    imported: false,
    superseded: null,
    refused: null,
    invalid: false,
    text: null,
  }
  for (const plan of plans) {
    if (!isLogged(plan)) continue
    const { id, spec, imported } = plan.object
    const at = stage.place(request.collection, imported)
    const version = plan.object.version ?? formatMicros(at.added)
    const versionDigits = plan.object.version === undefined ? 6 : plan.object.versionDigits
    if (plan.do !== 'duplicate') plan.leaf = at.leaf
    if (plan.do === 'store') plan.version = version
    rows.push({
      plan,
      row: {
        ...base,
        ...at,
        imported: imported !== undefined,
        kind: plan.do === 'store' ? 'object' : 'equivocation',
        id,
        version,
        versionDigits,
        spec,
      },
    })
  }
  for (const erases of erasure.rows) {
    rows.push({
      erases,
      row: {
        ...base,
        ...stage.place(request.collection),
        kind: 'deleted',
        id: null,
        version: null,
        versionDigits: 0,
        spec: null,
      },
    })
  }
  return { request, plans, unknown: new Map(), erasure, rows }
}

function write({ log, random }: Sequencer, stage: Stage, draft: Draft, { request, rows }: Placed): void {
  if (rows.length === 0) return
  const { frame } = log.collections.get(request.collection) as { frame: { start: string } }
  // One opening for all records of a request (docs/formats.md 2); a salt for each.
  const opening = random(32)
  const submitter = submitterCommitment(opening, request.submitter)
  draft.openings.push({ submitter, opening, name: request.submitter })
  const salts = random(32 * rows.length)
  rows.forEach(({ row, plan, erases }, i) => {
    const sealed = { salt: salts.toString('base64url', 32 * i, 32 * i + 32), submitter }
    if (plan?.do === 'store') {
      row.superseded = plan.superseded === null ? null : leafOf(plan.superseded)
      row.text = objectRecord(frame, row, plan.object.canonical, sealed)
    } else if (plan?.do === 'refuse' && plan.log) {
      row.refused = plan.log.refused
      row.text = equivocationRecord(frame, row, plan.log.stored, plan.log.refused, sealed)
    } else if (erases) {
      row.text = deletedRecord(frame, row, erases.seq, sealed)
      draft.erase.push({ leaf: erases.leaf, by: row.leaf })
    }
    const commitment = hash('sha256', row.text as Uint8Array, 'buffer')
    if (plan?.do === 'store') plan.commitment = commitment
    stage.enter(request.collection, commitment)
    draft.records.push(row)
  })
}

/**
 * Enters where the new objects go, in the same commit as they are: what is delivered is what was stored. A duplicate was sent when it was new, and what is
 * imported is history elsewhere.
 */
function routeAll({ routing }: Sequencer, placed: Placed[], draft: Draft): void {
  const { known, markings } = routing
  /** Of this batch, by collection and id: what came in an earlier request is stored for a later one. */
  const staged = new Map<string, string[]>()
  for (const { request, plans, unknown } of placed) {
    const { collection } = request
    const channelsOf = (id: string) =>
      (staged.size > 0 && staged.get(`${collection} ${id}`)) || markings.channelsOf(collection, id)
    for (const plan of plans) {
      const { object } = plan
      if (plan.do === 'refuse' || object.imported !== undefined) continue
      const own = statementChannels(object.value)
      if (own.length > 0 && plan.do === 'store') staged.set(`${collection} ${object.id}`, own)
      // What the envelope names and nobody has is told once, where it is named.
      const route = routeObject(object, request.channels ?? [], channelsOf, request.forward, known)
      const missing = route.unknown.filter(name => own.includes(name) || !request.channels?.includes(name))
      if (missing.length > 0) unknown.set(plan, missing)
      if (plan.do === 'store') for (const channel of route.channels) draft.routes.push({ leaf: plan.leaf, channel })
    }
  }
}

/** What is stored now decides where later objects go. */
async function noteMarkings({ routing }: Sequencer, { request, plans, erasure }: Placed): Promise<void> {
  for (const plan of plans) if (plan.do === 'store') routing.markings.note(request.collection, plan.object)
  for (const id of new Set(erasure.rows.map(row => row.id)))
    if (id !== null) await routing.markings.forget(request.collection, id)
}

/** Tags and key of a collection that refuses re-posting. */
function needTags(erased: ErasedTags | undefined, log: Log, collection: number): [ErasedTags, Uint8Array] {
  if (!erased) throw new TypeError('a collection that refuses re-posting needs the key of erased objects')
  return [erased, (log.collections.get(collection) as { key: Uint8Array }).key]
}

function tagsOf({ log, erased }: Sequencer, { request, erasure }: Placed): Uint8Array[] {
  const { erase, repost, collection } = request
  return erase && repost === 'refuse' ? toTags(...needTags(erased, log, collection), erase, erasure) : []
}

function alertConflicts({ log, alert }: Sequencer, { request, rows }: Placed): void {
  for (const { row, plan } of rows) {
    if (plan?.do !== 'store' || plan.message === undefined) continue
    alert?.('another content came under a stored version: both are kept, the new one is served', {
      collection: log.collections.get(request.collection)?.id,
      seq: row.seq,
      log_index: row.leaf,
      submitter: request.submitter,
    })
  }
}

function toStatus({ log, signer, routing }: Sequencer, size: number, { request, plans, unknown }: Placed): StatusRow {
  const accepted: StatusItem[] = []
  const failed = [...request.failed]
  const receipt: { index: number; commitment: Uint8Array }[] = []
  for (const plan of plans) {
    const { object } = plan
    const at = plan.do === 'duplicate' ? plan.of : plan
    // TAXII 2.1 section 4.3.1: of an object without a version, the value that the manifest gives it.
    const version =
      object.version === undefined
        ? ((at as Partial<Stored>).version ?? formatMicros(request.requested))
        : writtenVersion({ version: object.version, versionDigits: object.versionDigits })
    const details = plan.do !== 'duplicate' && request.mayRead && plan.details !== undefined ? ` (${plan.details})` : ''
    if (plan.do === 'refuse') {
      failed.push({ id: object.id, version, message: plan.message + details })
      continue
    }
    const missing = unknown.get(plan)
    const notes = [object.warning, missing && describeUnknown(missing, routing.known)]
    const message = [plan.message === undefined ? undefined : plan.message + details, ...notes]
      .filter(m => m !== undefined)
      .join('; ')
    accepted.push({ id: object.id, version, ...(message === '' ? {} : { message }) })
    receipt.push({ index: leafOf(at), commitment: (at as Stored).commitment })
  }
  return {
    id: request.statusId,
    apiRoot: request.apiRoot,
    collection: request.collection,
    submitter: request.submitter,
    requested: request.requested,
    size,
    accepted,
    failed,
    receipt: signReceipt({ origin: log.origin, status: request.statusId, entries: receipt }, signer),
  }
}

/** The one durable write. When it fails without saying how, the store's head tells what became of it. */
async function commit(store: Store, before: StoredHead | undefined, batch: Batch): Promise<void> {
  try {
    await store.commit(before, batch)
  } catch (error) {
    if (error instanceof StoreError && error.code === 'conflict') throw error
    const now = await store.head().catch(() => undefined)
    const moved = batch.head.note !== before?.note
    if (moved && now?.note === batch.head.note) return // it was written, only the answer was lost
    throw new NotaryError('unavailable', `the batch was not stored: ${(error as Error).message}`, { cause: error })
  }
}

export const systemRandom = (bytes: number): Buffer => randomBytes(bytes)
