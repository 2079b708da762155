import { hash } from 'node:crypto'
import {
  collectionKey,
  formatHeadsEntry,
  headsMapRoot,
  type LogKeys,
  readLogKeys,
  CONTINUATION_ORIGIN_PREFIX as CONTINUATION_PREFIX,
  SUCCESSION_ORIGIN_PREFIX as SUCCESSION_PREFIX,
  verifyContinuation,
  verifyLogCheckpoint,
  verifySuccession,
} from '@entente/verify/proof'
import {
  EMPTY_ROOT,
  hashLeaf,
  parseCheckpoint,
  parseVkey,
  type Tile,
  TreeEdge,
  type VerifierKey,
  verifyNote,
} from '@entente/verify/tlog'
import type { Anchor, Checkpoint } from '#ledger/anchor.ts'
import type { Journal, RecordRow, Store } from '#store/store.ts'
import { isSpec } from './derive.ts'
import { deletedSeq, objectSpan, recordFrame } from './record.ts'
import { decodeBundle, entryOf } from './tiles.ts'

/** Something that is not as it must be, with where it is; `id` only where the damaged row still says one. */
export type Problem = {
  kind:
    | 'file'
    | 'checkpoint'
    | 'log'
    | 'collection'
    | 'missing'
    | 'record'
    | 'columns'
    | 'duplicate'
    | 'erased'
    | 'extra'
    | 'ledger'
    | 'witness'
  message: string
  collection?: string
  seq?: number
  logIndex?: number
  id?: string
}

export type AuditReport = {
  origin: string
  size: number
  collections: { apiRoot: string; id: string; count: number; objects: number; deleted: number; equivocations: number }[]
  ledgers: { ledger: string; size: number; ok: boolean }[]
  witnesses: { witness: string; size: number; ok: boolean }[]
  problems: Problem[]
}

export type AuditOptions = {
  store: Store & Journal
  /** One of the keys that the log has had: the others it states itself (docs/formats.md 16). */
  vkey: string
  anchors: Anchor[]
  /** Verifier keys of the log's witnesses. */
  witnesses?: readonly string[]
  /** Called now and then with how many of `total` log entries were looked at. */
  progress?: (done: number, total: number) => void
}

/** Rows read at a time. */
const CHUNK = 1000

/**
 * Checks everything that a store holds, believing only the log's key, the ledgers and the witnesses: the checkpoint's signature, every entry up to its root, every
 * record against its entry and its own index columns, the sequence of every collection without a hole, its root and head, and
 * what the ledgers have, and the witnesses have cosigned. It looks at all of it however much is wrong.
 */
export async function audit(options: AuditOptions): Promise<AuditReport> {
  const { store, vkey } = options
  const problems: Problem[] = []
  const origin = parseVkey(vkey).name
  // The ledgers first: beside a running server they may move on, and must not be ahead of what is read here.
  const anchored = await Promise.all(options.anchors.map(askLedger))
  const head = await store.head()
  const size = head?.size ?? 0
  const report: AuditReport = { origin, size, collections: [], ledgers: [], witnesses: [], problems }
  const witnessed = await Promise.all((options.witnesses ?? []).map(witness => readWitnessed(store, origin, witness)))
  for (const message of await store.integrity(true)) problems.push({ kind: 'file', message })
  const rootAt = new Map<number, Uint8Array>()
  for (const { latest } of [...anchored, ...witnessed]) if (latest) rootAt.set(latest.size, EMPTY_ROOT)
  if (head) {
    const log: Problem[] = []
    const entries = await checkLog(options, head.size, rootAt, log)
    const began = checkContinuations(entries, log)
    const keys = readKeys(vkey, entries.statements, began, log)
    const root = checkNote(head, keys, problems)
    problems.push(...log)
    checkRoot(entries.root, root, problems)
    await checkCollections(options, head.size, entries, report)
  }
  for (const answer of anchored)
    report.ledgers.push({ ledger: answer.name, ...compare('ledger', answer, size, rootAt, problems) })
  for (const answer of witnessed)
    report.witnesses.push({ witness: answer.name, ...compare('witness', answer, size, rootAt, problems) })
  return report
}

function checkNote(head: { size: number; note: string }, keys: LogKeys, problems: Problem[]): Uint8Array | undefined {
  try {
    const { size, root } = verifyLogCheckpoint(head.note, keys)
    if (size === head.size) return root
    problems.push({ kind: 'checkpoint', message: `the stored head is at size ${head.size}, its checkpoint at ${size}` })
  } catch (error) {
    problems.push({
      kind: 'checkpoint',
      message: `the checkpoint is not signed by the log's key: ${(error as Error).message}`,
    })
  }
  return undefined
}

/** Where the log went on from another one (docs/formats.md 18), that one's entries are its first. @returns the index of the last statement; -1 without any */
function checkContinuations({ continuations }: Entries, problems: Problem[]): number {
  let began = -1
  for (const [logIndex, { note, root }] of continuations) {
    began = logIndex
    try {
      const stated = verifyContinuation(note)
      if (stated.size !== logIndex) throw new Error(`it says that the log that ended had ${stated.size} entries`)
      if (!Buffer.from(stated.root).equals(root)) throw new Error('the entries before it are not those that it says')
    } catch (error) {
      const message = `the statement of the log that this one went on from does not hold: ${(error as Error).message}`
      problems.push({ kind: 'log', logIndex, message })
    }
  }
  return began
}

/**
 * The keys that the log has had, by what it states itself: a statement that is not where it says it is, or follows no other, states nothing.
 *
 * @param began what stands before is of the log that this one went on from
 */
function readKeys(vkey: string, statements: ReadonlyMap<number, string>, began: number, problems: Problem[]): LogKeys {
  const notes: string[] = []
  for (const [logIndex, note] of statements) {
    if (logIndex < began) continue
    try {
      const { index } = verifySuccession(note)
      if (index !== logIndex) throw new Error(`it says that it is entry ${index}`)
      readLogKeys(verifySuccession(notes[0] ?? note).from, [...notes, note])
      notes.push(note)
    } catch (error) {
      problems.push({
        kind: 'log',
        logIndex,
        message: `the statement of a new key does not hold: ${(error as Error).message}`,
      })
    }
  }
  try {
    return readLogKeys(vkey, notes)
  } catch (error) {
    problems.push({ kind: 'checkpoint', message: `the keys that the log states: ${(error as Error).message}` })
    return readLogKeys(vkey)
  }
}

function checkRoot(found: Uint8Array, root: Uint8Array | undefined, problems: Problem[]): void {
  if (!root || Buffer.from(found).equals(root)) return
  const [have, want] = [found, root].map(r => Buffer.from(r).toString('base64'))
  problems.push({ kind: 'log', message: `the entries give the root ${have}, the checkpoint says ${want}` })
}

/** Holds stored tiles against those that a tree gave as it grew: of each only what it was in the end. */
function createTileCheck(store: Store, tree: number) {
  const last = new Map<string, Tile>()
  return {
    add: (tile: Tile) => void last.set(`${tile.level}/${tile.index}`, tile),
    async wrong(): Promise<Tile[]> {
      const wrong: Tile[] = []
      for (const tile of last.values()) {
        const stored = await store.tile(tree, tile.level, tile.index)
        if (!stored || !Buffer.from(stored).equals(tile.data)) wrong.push(tile)
      }
      return wrong
    },
  }
}

/** Commitments in order of the log, 32 bytes each; of an entry that is a text, or of one that is missing, zeros. `statements` are those of new keys, `continuations` those of logs that ended there, with the root before them. */
type Entries = {
  root: Uint8Array
  commitments: Buffer
  lastHeads: string
  heads: Set<number>
  statements: Map<number, string>
  continuations: Map<number, { note: string; root: Uint8Array }>
}

/** Rebuilds the tree from the entry bundles. Where its root is not the checkpoint's, the tiles tell which entries are wrong. */
async function checkLog(
  { store, progress }: AuditOptions,
  size: number,
  rootAt: Map<number, Uint8Array>,
  problems: Problem[],
): Promise<Entries> {
  const tree = TreeEdge.empty()
  const commitments = Buffer.alloc(size * 32)
  const heads = new Set<number>()
  const statements = new Map<number, string>()
  const continuations = new Map<number, { note: string; root: Uint8Array }>()
  let lastHeads = ''
  const above = createTileCheck(store, 0)
  for (let index = 0; index * 256 < size; index++) {
    const width = Math.min(256, size - index * 256)
    const data = await store.entryBundle(index)
    const bundle = data && decodeBundle(data)
    const tile = await store.tile(0, 0, index)
    const leaves = Buffer.alloc(width * 32)
    for (let i = 0; i < width; i++) {
      const at = index * 256 + i
      const entry = bundle && i < bundle.count ? entryOf(bundle, i) : undefined
      const leaf = entry && hashLeaf(entry)
      if (leaf) leaves.set(leaf, i * 32)
      if (entry?.length === 32) commitments.set(entry, at * 32)
      else if (entry) {
        heads.add(at)
        const text = entry.toString()
        if (text.startsWith(SUCCESSION_PREFIX)) statements.set(at, text)
        else if (text.startsWith(CONTINUATION_PREFIX)) {
          const before = tree.clone()
          before.append(leaves.subarray(0, i * 32))
          continuations.set(at, { note: text, root: before.root() })
        } else lastHeads = text
      }
      const stored = tile?.subarray(i * 32, i * 32 + 32)
      if (!leaf || !stored || !Buffer.from(leaf).equals(stored)) {
        problems.push({
          kind: 'log',
          logIndex: at,
          message: `entry ${at} of the log ${entry ? 'is not the one in its tile' : 'is missing'}`,
        })
      }
    }
    const touched: Tile[] = []
    let appended = 0
    for (const at of [...rootAt.keys()].sort((a, b) => a - b)) {
      const within = at - index * 256
      if (within <= appended || within > width) continue
      touched.push(...tree.append(leaves.subarray(appended * 32, within * 32)))
      rootAt.set(at, tree.root())
      appended = within
    }
    touched.push(...tree.append(leaves.subarray(appended * 32)))
    for (const t of touched) if (t.level > 0) above.add(t)
    if (index % 64 === 0) progress?.(Math.floor(index * 256 * 0.3), size)
  }
  for (const { level, index } of await above.wrong())
    problems.push({ kind: 'log', message: `tile ${level}/${index} of the log is not what its entries give` })
  return { root: tree.root(), commitments, lastHeads, heads, statements, continuations }
}

async function checkCollections(
  { store, progress }: AuditOptions,
  size: number,
  entries: Entries,
  report: AuditReport,
): Promise<void> {
  const { problems } = report
  const seen = new Uint8Array(size) // log indexes that a record was found for
  const heads = await store.collections()
  let done = 0
  for (const c of heads) {
    const frame = recordFrame(c.apiRoot, c.id)
    const tree = TreeEdge.empty()
    const tiles = createTileCheck(store, c.number)
    const counts = { object: 0, deleted: 0, equivocation: 0 }
    const erased = new Map<number, number>() // seq -> log index of the `deleted` record
    const deletions = new Map<number, number>()
    let expected = 0
    let lastAdded = 0
    for (let from = 0; ; ) {
      const rows = await store.records(c.number, { from, limit: CHUNK, text: 'all' })
      const [first, last] = [rows[0]?.seq ?? 0, rows.at(-1)?.seq ?? 0]
      const misfiled = new Set(await store.misfiled(c.number, { from: first, limit: last - first + 1 }))
      const leaves: Uint8Array[] = []
      for (const row of rows) {
        const where = { collection: c.id, seq: row.seq, logIndex: row.leaf, ...(row.id === null ? {} : { id: row.id }) }
        for (; expected < row.seq && expected < c.count; expected++)
          problems.push({
            kind: 'missing',
            collection: c.id,
            seq: expected,
            message: `record ${expected} of collection ${c.id} is missing`,
          })
        expected = row.seq + 1
        if (row.seq >= c.count || row.leaf >= size) {
          problems.push({
            kind: 'extra',
            ...where,
            message: `row ${row.seq} of collection ${c.id} lies beyond its head (${c.count} records)`,
          })
          continue
        }
        if (seen[row.leaf])
          problems.push({ kind: 'duplicate', ...where, message: `two rows claim entry ${row.leaf} of the log` })
        seen[row.leaf] = 1
        const commitment = entries.commitments.subarray(row.leaf * 32, row.leaf * 32 + 32)
        leaves.push(hashLeaf(commitment))
        if (row.text !== null) counts[row.kind]++
        if (row.added <= lastAdded)
          problems.push({
            kind: 'columns',
            ...where,
            message: `the date_added of record ${row.seq} is not after the one before it`,
          })
        lastAdded = row.added
        if (row.text === null) erased.set(row.seq, row.superseded ?? -1)
        else {
          if (misfiled.has(row.seq))
            problems.push({
              kind: 'columns',
              ...where,
              message: `record ${row.seq} is not found where it belongs: its type, or an entry of an index, is another`,
            })
          checkRecord(row, frame, commitment, where, problems, deletions)
        }
      }
      for (const t of tree.append(Buffer.concat(leaves))) tiles.add(t)
      done += rows.length
      progress?.(Math.floor(size * 0.3 + done * 0.7), size)
      if (rows.length < CHUNK) break
      from = (rows.at(-1) as RecordRow).seq + 1
    }
    for (; expected < c.count; expected++)
      problems.push({
        kind: 'missing',
        collection: c.id,
        seq: expected,
        message: `record ${expected} of collection ${c.id} is missing`,
      })
    for (const [seq, by] of erased) {
      if (deletions.get(by) !== seq)
        problems.push({
          kind: 'erased',
          collection: c.id,
          seq,
          message: `record ${seq} of collection ${c.id} has no content, and no deletion of it is logged`,
        })
    }
    for (const [by, seq] of deletions) {
      if (seq < c.count && !erased.has(seq) && (await hasText(store, c.number, seq)))
        problems.push({
          kind: 'erased',
          collection: c.id,
          seq,
          message: `record ${seq} of collection ${c.id} has content, and record at entry ${by} of the log says that it was deleted`,
        })
    }
    const holes = problems.some(p => p.kind === 'missing' && p.collection === c.id)
    if (!holes && !Buffer.from(c.count === 0 ? EMPTY_ROOT : tree.root()).equals(c.root)) {
      problems.push({
        kind: 'collection',
        collection: c.id,
        message: `the records of collection ${c.id} do not give the root of its head: entries are missing or out of order`,
      })
    }
    if (!holes)
      for (const { level, index } of await tiles.wrong())
        problems.push({
          kind: 'collection',
          collection: c.id,
          message: `tile ${level}/${index} of collection ${c.id} is not what its records give`,
        })
    report.collections.push({
      apiRoot: c.apiRoot,
      id: c.id,
      count: c.count,
      objects: counts.object,
      deleted: erased.size,
      equivocations: counts.equivocation,
    })
  }
  const entry = formatHeadsEntry({
    collections: heads.length,
    root: headsMapRoot(heads.map(h => ({ key: collectionKey(h.apiRoot, h.id), count: h.count, root: h.root }))),
  })
  if (entry !== entries.lastHeads)
    problems.push({
      kind: 'collection',
      message: 'the heads of the collections are not those that the last entry of the log commits to',
    })
  const isExplained = problems.some(p => p.kind === 'missing')
  for (let at = 0; at < size && !isExplained; at++) {
    if (!seen[at] && !entries.heads.has(at))
      problems.push({ kind: 'missing', logIndex: at, message: `entry ${at} of the log has no record` })
  }
}

async function hasText(store: Store, collection: number, seq: number): Promise<boolean> {
  const [row] = await store.records(collection, { from: seq, limit: 1, text: 'all' })
  return row?.seq === seq && row.text !== null
}

function checkRecord(
  row: RecordRow,
  frame: ReturnType<typeof recordFrame>,
  commitment: Buffer,
  where: Partial<Problem>,
  problems: Problem[],
  deletions: Map<number, number>,
): void {
  const text = Buffer.from(row.text as Uint8Array)
  if (!hash('sha256', text, 'buffer').equals(commitment)) {
    problems.push({
      kind: 'record',
      ...where,
      message: `the content of record ${row.seq}${row.id === null ? '' : ` (${row.id})`} is not what was logged`,
    })
    return
  }
  const span = objectSpan(frame, row, text)
  if (!span || !isSpec(row, text.subarray(span.start, span.end))) {
    problems.push({
      kind: 'columns',
      ...where,
      message: `the index columns of record ${row.seq} (id, version, spec_version, date_added or place) are not those of its content`,
    })
    return
  }
  if (row.kind === 'deleted') deletions.set(row.leaf, deletedSeq(text))
}

type Answer = { name: string; latest?: Pick<Checkpoint, 'size' | 'root'> | undefined; error?: Error }

const askLedger = async (anchor: Anchor): Promise<Answer> => {
  try {
    return { name: anchor.ledger, latest: await anchor.latest() }
  } catch (error) {
    return { name: anchor.ledger, error: error as Error }
  }
}

/** The newest cosignature of a witness in the store: nobody but the witness can have made it. */
async function readWitnessed(store: Store, origin: string, witness: string): Promise<Answer> {
  const key = parseVkey(witness)
  const size = await store.cosignedSize([witness], 1)
  if (size === 0) return { name: key.name }
  try {
    const note = await store.checkpoint(size)
    if (note === undefined) throw new Error(`the checkpoint of size ${size} that it cosigned is missing`)
    const line = (await store.cosignatures(size)).find(row => row.witness === witness)?.line ?? ''
    const latest = parseCheckpoint(readCosigned(note + line, key))
    if (latest.origin !== origin) throw new Error(`it cosigned a checkpoint of ${latest.origin}`)
    return { name: key.name, latest }
  } catch (error) {
    return { name: key.name, error: error as Error }
  }
}

/** The text under a signature of the witness: the log's own is not needed here. */
function readCosigned(note: string, key: VerifierKey): string {
  try {
    return verifyNote(note, [key]).text
  } catch (cause) {
    throw new Error(`what is kept as its cosignature is none: ${(cause as Error).message}`, { cause })
  }
}

/** The newest checkpoint that a ledger has, or a witness has cosigned, must be a prefix of the log. */
function compare(
  kind: 'ledger' | 'witness',
  { name, latest, error }: Answer,
  size: number,
  rootAt: Map<number, Uint8Array>,
  problems: Problem[],
): { size: number; ok: boolean } {
  const who = `${kind} "${name}"`
  const problem = (message: string) => problems.push({ kind, message })
  if (error) {
    problem(`${who} can't be compared: ${error.message}`)
    return { size: 0, ok: false }
  }
  if (!latest) return { size: 0, ok: true }
  if (latest.size > size) {
    problem(
      `${who} has this log at size ${latest.size}, the store only at ${size}: the store is an older copy, or lost its end`,
    )
    return { size: latest.size, ok: false }
  }
  const root = Buffer.from(rootAt.get(latest.size) as Uint8Array)
  const ok = root.equals(latest.root)
  if (!ok) {
    const [ours, theirs] = [root, Buffer.from(latest.root)].map(r => r.toString('base64'))
    problem(
      `at size ${latest.size} ${who} has the root ${theirs}, the store gives ${ours}: this is not the log that was ${kind === 'ledger' ? 'anchored' : 'witnessed'}`,
    )
  }
  return { size: latest.size, ok }
}
