import type { Invalid, Opened } from '#notary/reader.ts'
import type { RecordRow } from '#store/store.ts'
import type { Target, TaxiiContext } from './context.ts'
import { TaxiiError } from './errors.ts'
import type { Query, VersionFilter } from './query.ts'

/** A page of verified objects, ascending by `date_added`. */
export type Page = {
  items: { row: RecordRow; object: Buffer }[]
  /** `seq` that the next page begins with, if there is one. */
  next: number | undefined
  /** Rows in this range that are missing or fail verification. */
  withheld: number
}

/** Rows read at a time: what a page does not take of them was read for nothing. */
const CHUNK = 257
/** Rows that a page passes over at most because the caller may not see them: it ends then, and the next one goes on. */
export const MOST_PASSED_OVER = 20_000

/**
 * The objects of a collection that a query selects, in pages. Every row is verified as it is read; what fails is withheld and
 * counted, or fails the request, as the collection says. Without a filter on id or type the page also shows holes in the sequence.
 *
 * What the caller may not see is passed over once the versions are chosen, so that no older version takes the place of a newer one that is hidden. A page
 * of what is hidden has no objects, and a `next`.
 *
 * @throws TaxiiError 500 `integrity`
 */
export async function readPage(context: TaxiiContext, target: Target, query: Query): Promise<Page> {
  const from = Math.max(
    query.next ?? 0,
    query.addedAfter === undefined ? 0 : await seekAdded(context, target, query.addedAfter),
  )
  const page = query.ids ? await readByIds(context, target, query, from) : await scan(context, target, query, from)
  if (page.withheld > 0 && target.config.onInvalid === 'fail') {
    throw new TaxiiError(
      500,
      'integrity',
      `${page.withheld} stored records on this page fail verification: they are not served. The operator has been alerted`,
    )
  }
  return page
}

/** All versions of an object are verified before one is chosen: which is the newest can't be told while one of them may lie. */
async function readByIds(context: TaxiiContext, target: Target, query: Query, from: number): Promise<Page> {
  const { notary } = context
  const collector = createCollector(context, query.limit)
  const selected: RecordRow[] = []
  const verified = new Map<RecordRow, Opened>()
  for (const id of query.ids ?? []) {
    if (query.types && !query.types.includes(id.slice(0, id.indexOf('--')))) continue
    const rows = (await notary.store.versions(target.number, id)).filter(r => isPublished(context, r))
    const opened = await notary.reader.openAll(rows)
    rows.forEach((row, i) => {
      const result = opened[i] as Opened | Invalid
      if (result.ok) verified.set(row, result)
      else collector.bad(row, result.reason)
    })
    const good = rows.filter(r => verified.has(r))
    await checkNewest(context, selectVersions(good, NEWEST)[0], collector)
    selected.push(...selectVersions(good, query.versions, query.specs))
  }
  const rows = selected
    .filter(r => r.seq >= from && r.added > (query.addedAfter ?? -1))
    .filter(r => target.sees?.(r, verified.get(r) as Opened) ?? true)
    .sort((a, b) => a.seq - b.seq)
  for (const row of rows) if (!collector.take(row, verified.get(row) as Opened)) break
  return collector.page()
}

/** All published versions of an object that the caller may see. */
export async function findVisible(context: TaxiiContext, target: Target, id: string): Promise<RecordRow[]> {
  const rows = await context.notary.store.versions(target.number, id)
  return keepVisible(
    context,
    target,
    rows.filter(r => isPublished(context, r)),
  )
}

/** Rows that the caller may see; where a marking may hide something, only of those that are verified that is known. */
export async function keepVisible({ notary }: TaxiiContext, { sees }: Target, rows: RecordRow[]): Promise<RecordRow[]> {
  if (!sees) return rows
  const opened = await notary.reader.openAll(rows)
  return rows.filter((row, i) => {
    const one = opened[i] as Opened | Invalid
    return one.ok && sees(row, one)
  })
}

const NEWEST: VersionFilter = { last: true, first: false, all: false, exact: [] }

/**
 * The newest version that is found by its id may say that a newer one superseded it: then that one lost its id, its kind or its row, or the
 * newest was flagged to hide it. What stands at the place that it names tells.
 */
async function checkNewest(context: TaxiiContext, newest: RecordRow | undefined, collector: Collector): Promise<void> {
  if (!newest || newest.superseded === null) return
  const { store, reader } = context.notary
  const newer = await store.recordAt(newest.superseded)
  if (!newer) return collector.missing(1)
  // Stored by now, and not published to this process: until then this one is the newest.
  if (!isPublished(context, newer)) return
  if (newer.text === null && (await reader.isErased(newer))) return
  const opened = await reader.open(newer)
  if (!opened.ok) collector.bad(newer, opened.reason)
}

async function scan(context: TaxiiContext, target: Target, query: Query, from: number): Promise<Page> {
  const { notary } = context
  const { versions, specs, types } = query
  // What a row says of itself is enough for one kind of version; for several, all versions of the object are compared.
  // Where objects of STIX 2.0 may be, which versions count depends on the others (latestSpec).
  const isMixed = target.config.validation === 'permissive'
  const simple = !isMixed && !specs && !versions.first && !(versions.last && versions.exact.length > 0)
  const text = simple ? (versions.last ? 'last' : 'versions') : 'all'
  const isExact = !versions.last && !versions.first && !versions.all
  const isWhole = !types && !specs && !isExact
  // All of the page is as of one head: what is stored while it is read belongs to the next one.
  const { size } = notary.log
  const count = notary.log.collections.get(target.number)?.count ?? 0
  const collector = createCollector(context, query.limit)
  const chosen = new Map<string, Set<number>>() // id -> log indexes that the version filter selects
  let most = Math.min(query.limit + 1, CHUNK)
  let passedOver = 0
  const maxBytes = context.memory.pageBytes()
  let expected = from
  for (let at = from; at < count; ) {
    const rows = await notary.store.records(target.number, {
      from: at,
      limit: most,
      maxBytes,
      types,
      specs,
      versions: isExact ? versions.exact : undefined,
      text,
    })
    const published = rows.filter(r => r.leaf < size)
    const opened = await notary.reader.openAll(published.filter(r => r.text !== null))
    if (!simple) await choose(context, target, published, query, { chosen, size })
    let o = 0
    for (const row of published) {
      const verified = row.text === null ? undefined : opened[o++]
      if (isWhole) {
        collector.missing(row.seq - expected)
        expected = row.seq + 1
      }
      // Before anything that a row says is used to pass over it.
      if (verified && !verified.ok) {
        collector.bad(row, verified.reason)
        continue
      }
      if (row.id === null && !verified) {
        if (!(await notary.reader.isErased(row))) collector.bad(row, 'erased without a record of it')
        continue
      }
      if (row.kind !== 'object') {
        if (!verified) collector.bad(row, 'missing')
        continue
      }
      if (row.added <= (query.addedAfter ?? -1)) continue
      // What superseded it came after that head: the store left out its text too soon.
      const isAhead = row.text === null && row.superseded !== null && row.superseded >= size
      const isWanted =
        simple && !isAhead ? matchesSimply(row, versions) : await matches(context, target, row, query, { chosen, size })
      if (!isWanted) continue
      const whole = isAhead ? ((await notary.store.recordAt(row.leaf)) ?? row) : row
      if (isAhead && whole.text === null && (await notary.reader.isErased(whole))) continue
      const found = verified ?? (await notary.reader.open(whole))
      if (target.sees && found.ok && !target.sees(row, found)) passedOver++
      else if (!collector.take(row, found)) return collector.page()
    }
    if (rows.length < most && textBytes(rows) <= maxBytes) break
    at = (rows.at(-1) as RecordRow).seq + 1
    if (passedOver >= (context.config.mostPassedOver ?? MOST_PASSED_OVER) && at < count) return collector.page(at)
    if (passedOver > 0) most = CHUNK
  }
  if (isWhole) collector.missing(count - expected)
  return collector.page()
}

/** By how much a selection of the store is held against its `maxBytes`. */
export const textBytes = (rows: RecordRow[]): number => rows.reduce((sum, row) => sum + (row.text?.length ?? 0), 0)

/** Whoever has its text although it is superseded was read so: no newer version, or no later content of this one, vouches for that. */
function matchesSimply(row: RecordRow, versions: VersionFilter): boolean {
  if (row.superseded !== null && row.text === null) return false
  return versions.all || versions.last || versions.exact.includes(row.version as string)
}

async function matches(
  context: TaxiiContext,
  target: Target,
  row: RecordRow,
  query: Query,
  seen: Seen,
): Promise<boolean> {
  if (!seen.chosen.has(row.id as string)) await choose(context, target, [row], query, seen)
  return seen.chosen.get(row.id as string)?.has(row.leaf) === true
}

/** Log indexes that the version filter selects, by id; of the log as it was when the read began, at this size. */
type Seen = { chosen: Map<string, Set<number>>; size: number }

/** Objects whose versions are held at a time; each may have many. */
const CHOSEN_AT_ONCE = 100

/** Enters of each object among these rows which of its versions the query selects. */
async function choose(
  context: TaxiiContext,
  target: Target,
  rows: RecordRow[],
  query: Query,
  { chosen, size }: Seen,
): Promise<void> {
  const isNew = (row: RecordRow) => row.kind === 'object' && row.id !== null && !chosen.has(row.id)
  const ids = [...new Set(rows.filter(isNew).map(row => row.id as string))]
  for (let at = 0; at < ids.length; at += CHOSEN_AT_ONCE) {
    const some = ids.slice(at, at + CHOSEN_AT_ONCE)
    const all = (await context.notary.store.versionsOf(target.number, some)).filter(r => r.leaf < size)
    const byId = Map.groupBy(all, r => r.id as string)
    for (const id of some) {
      const selected = selectVersions(byId.get(id) ?? [], query.versions, query.specs)
      chosen.set(id, new Set(selected.map(r => r.leaf)))
    }
  }
}

/**
 * TAXII 2.1 section 3.4.1 on all versions of one object. Where a version has several contents (`onConflict: keepBoth`) it is the one that was added
 * last: lists, manifest and versions have each version once (sections 5.3.1 and 5.8).
 */
export function selectVersions(rows: RecordRow[], versions: VersionFilter, specs?: string[]): RecordRow[] {
  const served = new Map<string, RecordRow>()
  for (const row of rows) {
    const other = served.get(toWritten(row))
    if (!other || other.seq < row.seq) served.set(toWritten(row), row)
  }
  const current = rows.filter(r => served.get(toWritten(r)) === r)
  const candidates = specs ? current.filter(r => specs.includes(toSpec(r))) : latestSpec(current, versions)
  if (versions.all) return candidates
  const sorted = [...candidates].sort(byVersion)
  const picked = new Set<RecordRow>()
  if (versions.last && sorted.length > 0) picked.add(sorted.at(-1) as RecordRow)
  if (versions.first && sorted.length > 0) picked.add(sorted[0] as RecordRow)
  for (const row of sorted) if (versions.exact.includes(row.version as string)) picked.add(row)
  return candidates.filter(r => picked.has(r))
}

/** What goes with these rows: the contents that they took the place of. */
export function withReplaced(rows: RecordRow[], selected: RecordRow[]): RecordRow[] {
  const versions = new Set(selected.map(toWritten))
  return rows.filter(r => versions.has(toWritten(r)))
}

/**
 * Without `match[spec_version]` only the latest version of STIX counts in which an object is there (section 3.4.1: of what matches the remainder of
 * the request, so that an exact version of an older one is found).
 */
function latestSpec(rows: RecordRow[], { exact, last, first, all }: VersionFilter): RecordRow[] {
  const isNamed = (row: RecordRow) => last || first || all || exact.includes(row.version as string)
  const latest = rows.filter(isNamed).reduce((spec, row) => (toSpec(row) > spec ? toSpec(row) : spec), '')
  return rows.filter(row => toSpec(row) === latest)
}

const toSpec = (row: RecordRow): string => row.spec ?? '2.1'
const toWritten = (row: RecordRow): string => `${row.version} ${row.versionDigits}`

/** Oldest version first; of one instant the one that was added first. */
const byVersion = (a: RecordRow, b: RecordRow): number => {
  if (a.version === b.version) return a.seq - b.seq
  return (a.version as string) < (b.version as string) ? -1 : 1
}

/** Rows of a batch that is durable but whose checkpoint isn't out yet are not there. */
const isPublished = (context: TaxiiContext, row: RecordRow): boolean => row.leaf < context.notary.log.size

type Collector = ReturnType<typeof createCollector>
function createCollector(context: TaxiiContext, limit: number) {
  const items: Page['items'] = []
  let next: number | undefined
  let withheld = 0
  let bytes = 0
  const maxBytes = context.memory.pageBytes()
  const bad = (row: RecordRow, reason: string) => {
    withheld++
    context.damage.note(row, reason)
  }
  return {
    bad,
    missing: (count: number) => {
      withheld += Math.max(0, count)
    },
    /** Not a promise: this is called for every row of a page. @returns false when the page was full before */
    take: (row: RecordRow, opened: Opened | Invalid): boolean => {
      if (items.length >= limit || bytes > maxBytes) {
        next = row.seq
        return false
      }
      if (!opened.ok) {
        bad(row, opened.reason)
        return true
      }
      if (row.invalid) context.damage.cleared(row)
      items.push({ row, object: opened.object })
      bytes += opened.object.length
      return true
    },
    page: (goOn?: number): Page => ({ items, next: next ?? goOn, withheld }),
  }
}

/** First `seq` whose `date_added` is after `micros`. */
export const seekAdded = (context: TaxiiContext, target: Target, micros: number): Promise<number> =>
  seekRow(context, target, row => row.added <= micros)

/**
 * First `seq` whose row is not before a place; `isBefore` holds for all rows up to it and for none after. Found by bisection on index columns that
 * may lie, and so checked: the row before it must be verified and before that place.
 */
export async function seekRow(
  context: TaxiiContext,
  target: Pick<Target, 'number'>,
  isBefore: (row: RecordRow) => boolean,
): Promise<number> {
  const { notary } = context
  const at = async (seq: number, text: 'none' | 'all') =>
    (await notary.store.records(target.number, { from: seq, limit: 1, text }))[0]
  let low = 0
  let high = notary.log.collections.get(target.number)?.count ?? 0
  while (low < high) {
    const middle = (low + high) >>> 1
    const row = await at(middle, 'none')
    if (!row || !isBefore(row)) high = middle
    else low = row.seq + 1
  }
  while (low > 0) {
    const row = await at(low - 1, 'all')
    if (
      row?.seq === low - 1 &&
      isBefore(row) &&
      isPublished(context, row) &&
      (row.text === null || (await notary.reader.open(row)).ok)
    )
      break
    low--
  }
  return low
}
