import { hash } from 'node:crypto'
import { hashLeaf } from '@entente/verify/tlog'
import type { Mending, RecordRow, Store } from '#store/store.ts'
import { type Derived, deriveRow } from './derive.ts'
import { redactStatus } from './erase.ts'
import { NotaryError } from './errors.ts'
import type { RepairOptions, RepairReport } from './repair.ts'
import type { Plan } from './repair-plan.ts'
import type { Found, Names } from './repair-read.ts'

/** Rows written at a time. */
const CHUNK = 500

/** Writes the rows of a plan, each derived from its text, and lists them in the report. */
export async function writeRows(
  { store, progress, isDry = false }: RepairOptions,
  plan: Plan,
  found: Found,
  names: Names,
  report: RepairReport,
  write: (mending: Partial<Mending>) => Promise<void>,
): Promise<void> {
  const placeOf = (leaf: number) => ({
    collection: names.list.find(n => n.number === found.collection[leaf])?.id ?? '',
    seq: found.seq[leaf] as number,
    logIndex: leaf,
  })
  const toRow = (leaf: number, { row }: Derived): RecordRow => ({
    ...row,
    leaf,
    collection: found.collection[leaf] as number,
    superseded: null,
    invalid: false,
  })
  /** Rows with what supersedes them and what they supersede, in one transaction. */
  const writeLinked = async (rows: RecordRow[], remove: number[] = []) => {
    if (!isDry) await write({ rows, remove, supersede: await relink(store, rows, remove) })
  }

  // Texts that only lie elsewhere in the store, all at once: where one is put another may lie.
  const moved: RecordRow[] = []
  for (const [leaf, at] of plan.moved) {
    const text = (await store.recordAt(at))?.text as Uint8Array
    moved.push(toRow(leaf, deriveRow(text) as Derived))
    report.restored.push({ ...placeOf(leaf), from: 'store' })
  }
  const isTarget = new Set(plan.moved.keys())
  const emptied = plan.foreign.filter(leaf => !isTarget.has(leaf))
  report.removed.push(...emptied)
  if (moved.length + emptied.length > 0) await writeLinked(moved, emptied)

  const total = plan.columns.length + plan.brought.size + plan.erased.size
  let done = 0
  const inChunks = async <T>(items: T[], make: (item: T) => Promise<RecordRow | undefined>) => {
    for (let at = 0; at < items.length; at += CHUNK) {
      const rows = (await Promise.all(items.slice(at, at + CHUNK).map(make))).filter(r => r !== undefined)
      if (rows.length > 0) await writeLinked(rows)
      progress?.((done += rows.length), total, 'rows written')
    }
  }
  await inChunks(plan.columns, async leaf => {
    report.columns.push(placeOf(leaf))
    const before = (await store.recordAt(leaf)) as RecordRow
    const row = toRow(leaf, deriveRow(before.text as Uint8Array) as Derived)
    return row.kind === 'equivocation' ? { ...row, spec: before.spec } : row // its text does not say it
  })
  await inChunks([...plan.brought], async ([leaf, { source, derived, commitment }]) => {
    report.restored.push({ ...placeOf(leaf), from: source.name })
    const texts = await source.texts(leaf, hashLeaf(commitment))
    const text = texts.find(t => hash('sha256', t, 'buffer').equals(commitment))
    if (!text) throw new NotaryError('integrity', `${source.name} changed while it was read`)
    return toRow(leaf, { ...derived, row: { ...derived.row, text } })
  })
  const gone = new Map<string, { collection: number; id: string }>()
  await inChunks([...plan.erased], async ([leaf, by]) => {
    const before = await store.recordAt(leaf)
    const row = erasedRow(leaf, by, before ?? plan.erasedTexts.get(leaf)?.row, found)
    if (before && isErasedRow(before, row)) return undefined
    report.erased.push(placeOf(leaf))
    if (before?.id != null)
      gone.set(`${before.collection} ${before.id}`, { collection: before.collection, id: before.id })
    return row
  })
  // What statuses say of it went with it.
  if (!isDry)
    for (const { collection, id } of gone.values())
      await store.rewriteStatuses(collection, id, s => redactStatus(s, id))
}

/** What an erasure leaves of a row. Its kind, date and digits are the store's word: nothing in the log says them any more. */
const erasedRow = (leaf: number, by: number, before: Derived['row'] | undefined, found: Found): RecordRow => ({
  leaf,
  collection: found.collection[leaf] as number,
  seq: found.seq[leaf] as number,
  kind: before?.kind ?? 'object',
  added: found.added[leaf] || neighbour(leaf, found),
  imported: before?.imported ?? false,
  id: null,
  version: null,
  versionDigits: before?.versionDigits ?? 0,
  spec: before?.spec ?? null,
  superseded: by,
  refused: null,
  invalid: false,
  text: null,
})

/** Just after the record before it in the collection: dates ascend. */
function neighbour(leaf: number, found: Found): number {
  for (let before = leaf - 1; before >= 0; before--)
    if (found.collection[before] === found.collection[leaf] && found.seq[before] === (found.seq[leaf] as number) - 1)
      return (found.added[before] as number) + 1
  return 1
}

const isErasedRow = (row: RecordRow, erased: RecordRow): boolean =>
  row.text === null &&
  row.id === null &&
  row.version === null &&
  row.refused === null &&
  row.superseded === erased.superseded &&
  row.collection === erased.collection &&
  row.seq === erased.seq

/**
 * What supersedes the rows that are written and those of the same id, where it is not so already: another content of the same version that was added
 * later, else the newest version (notary/decide.ts).
 */
async function relink(store: Store, rows: RecordRow[], gone: number[]): Promise<Mending['supersede']> {
  const supersede: Mending['supersede'] = []
  const written = new Map<number, RecordRow | undefined>(rows.map(r => [r.leaf, r]))
  for (const leaf of gone) written.set(leaf, undefined)
  const ids = new Map<string, { collection: number; id: string }>()
  for (const { kind, collection, id } of rows)
    if (kind === 'object' && id !== null) ids.set(`${collection} ${id}`, { collection, id })
  for (const { collection, id } of ids.values()) {
    const all = (await store.versions(collection, id)).filter(r => !written.has(r.leaf) && r.text !== null)
    for (const row of rows) if (row.kind === 'object' && row.collection === collection && row.id === id) all.push(row)
    for (const row of all) {
      const newer = all.filter(o => isNewer(o, row))
      const alike = newer.filter(o => o.version === row.version && o.versionDigits === row.versionDigits)
      const allowed = alike.length > 0 ? alike : newer
      if (row.superseded === null ? allowed.length === 0 : allowed.some(o => o.leaf === row.superseded)) continue
      const by = allowed.reduce<RecordRow | undefined>((best, o) => (!best || isNewer(o, best) ? o : best), undefined)
      supersede.push({ leaf: row.leaf, by: by?.leaf ?? null })
    }
  }
  return supersede
}

const isNewer = (a: RecordRow, b: RecordRow): boolean =>
  (a.version as string) > (b.version as string) || (a.version === b.version && a.leaf > b.leaf)
