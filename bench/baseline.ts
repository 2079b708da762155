import { EMPTY_ROOT, TreeEdge } from '@entente/verify/tlog'
import { decideAll, nothingDecided } from '../packages/entente/notary/decide.ts'
import type { Collection, Log } from '../packages/entente/notary/log.ts'
import { BATCH_OBJECTS, type Notary } from '../packages/entente/notary/notary.ts'
import type { Opened, Reader } from '../packages/entente/notary/reader.ts'
import { objectRecord, recordFrame, writtenVersion } from '../packages/entente/notary/record.ts'
import type { Request } from '../packages/entente/notary/sequence.ts'
import { formatMicros, systemClock } from '../packages/entente/notary/time.ts'
import type { Batch, Journal, RecordRow, StatusRow, Store, StoredHead } from '../packages/entente/store/store.ts'

const BEFORE_OBJECT = Buffer.from('"object":')
const NONE = Buffer.alloc(0)
/** In place of random salts, so that rows are as long as those of the log. */
const FILLER = { salt: '0'.repeat(43), submitter: '0'.repeat(43) }

/** Cuts the object out of its row as it is: nothing is hashed, and nothing compared. */
export function unverifiedReader(): Reader {
  const slice = (row: RecordRow): Opened => {
    const stored = row.text as Uint8Array
    const text = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength)
    const versionLength = writtenVersion({ version: row.version as string, versionDigits: row.versionDigits }).length
    const end =
      text.length - `,"salt":"${FILLER.salt}","seq":${row.seq},"submitter":"${FILLER.submitter}","version":""}`.length
    const start = text.indexOf(BEFORE_OBJECT) + BEFORE_OBJECT.length
    return { ok: true, object: text.subarray(start, end - versionLength), text, commitment: NONE }
  }
  return {
    open: async row => slice(row),
    openAll: async rows => rows.map(slice),
    isErased: async () => false,
  }
}

/**
 * What the notary would be without a log: the same decisions on duplicates, the same rows in the same store, one durable commit
 * for everything that waited; no record is hashed, no tree grows, nothing is signed and no ledger is told.
 */
export function openBaseline(store: Store & Journal, wanted: { apiRoot: string; id: string }[]): Notary {
  const collections = new Map<number, Collection>()
  for (const [i, { apiRoot, id }] of wanted.entries()) {
    const own = { number: i + 1, apiRoot, id, count: 0, lastAdded: 0, root: EMPTY_ROOT }
    collections.set(i + 1, { ...own, key: NONE, frame: recordFrame(apiRoot, id), edge: TreeEdge.empty() })
  }
  let size = 0
  let head: StoredHead | undefined
  const log = {
    origin: 'baseline',
    collections,
    get size() {
      return size
    },
  } as Partial<Log> as Log // no more of it is asked for by the TAXII server
  const reader = unverifiedReader()

  async function store_(requests: Request[]): Promise<StatusRow[]> {
    const records: RecordRow[] = []
    const supersede: Batch['supersede'] = []
    const grown = new Map<number, Collection>()
    const statuses: StatusRow[] = []
    const decided = nothingDecided()
    for (const request of requests) {
      const c = grown.get(request.collection) ?? { ...(collections.get(request.collection) as Collection) }
      grown.set(c.number, c)
      const accepted: StatusRow['accepted'] = []
      const asked = request.objects.map(object => ({ object, rules: {} }))
      for (const plan of await decideAll({ store, reader }, c.number, asked, decided)) {
        const { object } = plan
        if (plan.do !== 'store') throw new Error('the bench publishes new objects only')
        const at = { leaf: size + records.length, seq: c.count++, added: Math.max(systemClock(), c.lastAdded + 1) }
        c.lastAdded = at.added
        plan.leaf = at.leaf
        const { id, versionDigits, spec } = object
        const version = object.version ?? formatMicros(at.added)
        const rest = { superseded: null, refused: null, invalid: false, imported: false, text: null }
        const row: RecordRow = {
          ...at,
          ...rest,
          collection: c.number,
          kind: 'object',
          id,
          version,
          versionDigits,
          spec,
        }
        row.text = objectRecord(c.frame, row, object.canonical, FILLER)
        records.push(row)
        accepted.push({ id, version: writtenVersion({ version, versionDigits }) })
      }
      const { statusId, apiRoot, submitter, requested, failed } = request
      const own = { id: statusId, apiRoot, collection: c.number, submitter, requested, accepted, failed }
      statuses.push({ ...own, size: size + records.length, receipt: '' })
    }
    for (const [leaf, plan] of decided.supersede) supersede.push({ leaf, by: (plan as { leaf: number }).leaf })
    const next = { size: size + records.length, note: String(size + records.length) }
    const nothing = { erase: [], erasedTags: [], tiles: [], entryBundles: [], openings: [], routes: [] }
    await store.commit(head, { head: next, records, supersede, statuses, collections: [...grown.values()], ...nothing })
    for (const c of grown.values()) collections.set(c.number, c)
    head = next
    size = next.size
    return statuses
  }

  type Waiting = { request: Request; resolve: (s: StatusRow) => void; reject: (e: unknown) => void }
  const waiting: Waiting[] = []
  let running: Promise<void> | undefined
  // As notary/notary.ts does: what arrives while a batch is written shares the next one.
  async function run(): Promise<void> {
    await new Promise(resolve => setImmediate(resolve))
    while (waiting.length > 0) {
      let count = 0
      let n = 0
      for (; n < waiting.length && (n === 0 || count < BATCH_OBJECTS); n++)
        count += (waiting[n] as Waiting).request.objects.length
      const batch = waiting.splice(0, n)
      try {
        const statuses = await store_(batch.map(w => w.request))
        for (const [i, w] of batch.entries()) w.resolve(statuses[i] as StatusRow)
      } catch (error) {
        for (const w of batch) w.reject(error)
      }
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  return {
    log,
    reader,
    store,
    clock: systemClock,
    clockGuard: { witness: () => {}, look: () => undefined, check: () => undefined },
    halted: undefined,
    submit: request =>
      new Promise((resolve, reject) => {
        waiting.push({ request, resolve, reject })
        running ??= run().finally(() => {
          running = undefined
        })
      }),
    found: async () => {},
    collection: (apiRoot, id) => [...collections.values()].find(c => c.apiRoot === apiRoot && c.id === id),
    halt: () => {},
    lead: async () => {},
    follow: async () => {},
    advance: async () => false,
    extend: () => {},
    onCheckpoint: () => () => {},
    onErased: () => {},
    close: async () => running,
  }
}
