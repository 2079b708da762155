import { type LogKeys, readLogKeys, verifyLogCheckpoint } from '@entente/verify/proof'
import { parseVkey } from '@entente/verify/tlog'
import type { Mending, Store, StoredHead } from '#store/store.ts'
import { NotaryError } from './errors.ts'
import { isOfNewerKey } from './log.ts'
import { planRows } from './repair-plan.ts'
import { createHeadsReplay, type LogCopy, settleLog } from './repair-log.ts'
import { planTrees } from './repair-trees.ts'
import { writeRows } from './repair-rows.ts'
import { guessFrom, readCollections, readRows } from './repair-read.ts'

/** A copy that records are brought back from. Nothing of it is believed: what it gives must match the log. */
export type RepairSource = {
  name: string
  /** Texts that may be the record at this log index, which has this leaf hash. */
  texts(leaf: number, leafHash: Uint8Array): Promise<Uint8Array[]>
  /** Of a copy of a store. */
  log?: LogCopy & Pick<Store, 'collections' | 'head'>
}

export type RepairOptions = {
  store: Store
  vkey: string
  /** Statements by which that key followed others, the oldest first. */
  successions?: readonly string[]
  sources: RepairSource[]
  /** Nothing is written. */
  isDry?: boolean
  /** Brings a record back also where a later one is lost for good, which may have been its deletion. */
  evenIfErased?: boolean
  progress?: (done: number, total: number, what: string) => void
}

type Place = { collection: string; seq: number; logIndex: number }
export type RepairReport = {
  origin: string
  size: number
  /** Records that came back, and from where; `store`: the text lay elsewhere in the store. */
  restored: (Place & { from: string })[]
  /** Rows whose text is good and whose columns were not. */
  columns: Place[]
  /** Rows that a logged deletion names and that still held something. */
  erased: Place[]
  /** Log indexes of rows that were no part of the log, and went. */
  removed: number[]
  tiles: number
  entryBundles: number
  /** Heads of collections that were written again, and the log's own. */
  heads: number
  /** What is still wrong. */
  lost: { logIndex?: number; collection?: string; seq?: number; reason: string }[]
}

/** Tiles written at a time. */
const CHUNK = 500

/**
 * Puts a store right by its log: whatever the signed checkpoint does not vouch for is not written. Every row is derived anew from its record's text,
 * which must hash to its leaf; tiles, entry bundles and heads of collections follow from the leaves. Records whose text is nowhere in the store
 * come from the sources; one that a logged deletion names is not brought back. What is fine is left alone.
 *
 * A crash in between leaves a store that is mended in part: repairing again goes on.
 *
 * @throws NotaryError `integrity` where no checkpoint of this log is left, or what is left does not give its root; StoreError
 */
export async function repair(options: RepairOptions): Promise<RepairReport> {
  const { store, sources, isDry = false, progress } = options
  const { head, root, isStored } = await findHead(options)
  const { size } = head
  const copies: LogCopy[] = [store, ...sources.flatMap(s => s.log ?? [])]
  const names = await readCollections(options)

  // 1. What lies in the store, by log index.
  const found = await readRows(store, size, names, progress)

  await guessFrom(sources, found, names)

  // 2. What the log is.
  const replay = createHeadsReplay(names.list, leaf => found.collection[leaf] as number)
  const commitments = Buffer.from(found.commitments)
  for (let leaf = 0; leaf < size; leaf++) if (!found.isRecord[leaf]) commitments.fill(0, leaf * 32, leaf * 32 + 32)
  const log = await settleLog(copies, { size, root }, commitments, replay)
  if (!log)
    throw new NotaryError(
      'integrity',
      `what is left of the log does not give the root of its checkpoint at size ${size}: name more copies with --from, or restore a backup`,
    )
  const report: RepairReport = {
    origin: parseVkey(options.vkey).name,
    size,
    restored: [],
    columns: [],
    erased: [],
    removed: [],
    tiles: 0,
    entryBundles: 0,
    heads: 0,
    lost: [],
  }

  // 3. What each entry of the log needs.
  const plan = await planRows(options, log, found, names)
  const nameOf = (number: number | undefined) => names.list.find(n => n.number === number)?.id
  for (const leaf of plan.unknown) {
    const collection = nameOf(plan.collectionOf(leaf))
    report.lost.push({
      logIndex: leaf,
      ...(collection === undefined ? {} : { collection, seq: found.seq[leaf] as number }),
      reason: plan.heldBack.has(leaf)
        ? `a source has its text, but record ${plan.unknown.findLast(l => !plan.heldBack.has(l))} of the log is lost, and may have been its deletion: name a newer source, or bring it back with --even-if-erased`
        : 'its text is neither in the store nor in a source',
    })
  }

  // 4. Tiles, bundles and heads follow from the leaves.
  const trees = await planTrees(store, copies, log, plan, found, names, report)

  // 5. Written in an order in which no text is overwritten before it is where it belongs.
  const write = async (mending: Partial<Mending>) => {
    if (!isDry) await store.mend(undefined, { ...NOTHING, ...mending })
  }
  report.heads = trees.heads.length + (isStored ? 0 : 1)
  if (report.heads > 0) await write({ ...(isStored ? {} : { head }), collections: trees.heads })
  await writeRows(options, plan, found, names, report, write)
  const { tiles, entryBundles } = trees
  for (let at = 0; at < Math.max(tiles.length, entryBundles.length); at += CHUNK) {
    await write({ tiles: tiles.slice(at, at + CHUNK), entryBundles: entryBundles.slice(at, at + CHUNK) })
    progress?.(at, Math.max(tiles.length, entryBundles.length), 'tiles written')
  }
  report.tiles = tiles.length
  report.entryBundles = entryBundles.length
  return report
}

const NOTHING: Mending = { rows: [], remove: [], supersede: [], tiles: [], entryBundles: [], collections: [] }

/** What a later key has signed would be passed over, as if it were not there. */
function requireKnown(note: string, keys: LogKeys, name: string): void {
  let isNewer = false
  try {
    isNewer = isOfNewerKey(note, keys)
  } catch {
    return // no note: nothing that could be gone on to
  }
  if (isNewer)
    throw new NotaryError(
      'key',
      `the checkpoint of ${name} is signed by a newer key, which has followed ${keys.vkeys.at(-1)}: put that key's file (log.key of where the copy is from) in the place of this one, or leave the copy out`,
    )
}

type FoundHead = { head: StoredHead; root: Uint8Array; isStored: boolean }

/** The largest checkpoint that the log's key has signed, of all that are left in the store, and of the sources: one of them may be newer than what was put back. */
async function findHead({ store, sources, vkey, successions }: RepairOptions): Promise<FoundHead> {
  const keys = readLogKeys(vkey, successions)
  const check = (note: string | undefined): Omit<FoundHead, 'isStored'> | undefined => {
    if (note === undefined) return undefined
    try {
      const { size, root } = verifyLogCheckpoint(note, keys)
      return { head: { size, note }, root }
    } catch {
      return undefined
    }
  }
  const stored = await store.head()
  let best = check(stored?.note)
  for (let from = (best?.head.size ?? 0) + 1; ; ) {
    const next = await store.checkpointFrom(from)
    if (!next) break
    const checked = check(next.note)
    if (checked && checked.head.size > (best?.head.size ?? 0)) best = checked
    from = next.size + 1
  }
  for (const { log, name } of sources) {
    const note = (await log?.head())?.note
    const own = check(note)
    if (note !== undefined) requireKnown(note, keys, name)
    if (own && own.head.size > (best?.head.size ?? 0)) best = own
  }
  if (!best)
    throw new NotaryError(
      'integrity',
      'neither the store nor a source has a checkpoint that the log signed: restore a backup ("entente restore")',
    )
  return { ...best, isStored: stored?.note === best.head.note && stored.size === best.head.size }
}
