import { hash } from 'node:crypto'
import { sameMeaning } from '@entente/stix'
import type { Lookup, Store } from '#store/store.ts'
import type { Reader } from './reader.ts'
import type { SubmittedObject } from './sequence.ts'

/**
 * What happens to one object of a request. Duplicates and equivocation are decided here and only here, by the one
 * sequencer, so two requests can't both be first (docs/life-of-an-object.md, "Duplicates").
 */
export type Plan = { object: SubmittedObject } & (
  | {
      do: 'store'
      superseded: Plan | number | null
      leaf: number
      commitment: Uint8Array
      version: string
      /** Set where it is another content of a version that is stored. */
      message?: string
      details?: string
    }
  | { do: 'duplicate'; of: Stored | Plan; message?: string }
  | {
      do: 'refuse'
      message: string /** For those who may read what is stored. */
      details?: string
      log?: { stored: string; refused: string }
      leaf: number
    }
)
/** `version`: six digits; of an object without one, its `date_added`. */
export type Stored = { leaf: number; commitment: Uint8Array; version: string }

/** What this batch has decided so far in a collection; a later object of the batch meets it as if it were stored. */
export type Decided = {
  /** Newest version of an id: where it is, and which version (undefined: an object without one, newer than all before). */
  newest: Map<string, { at: Plan | number; version: string | undefined }>
  /** Plans that store, by id and instant of the version. */
  stored: Map<string, Plan[]>
  refused: Set<string>
  /** Stored rows that a plan supersedes. */
  supersede: Map<number, Plan>
}

export const nothingDecided = (): Decided => ({
  newest: new Map(),
  stored: new Map(),
  refused: new Set(),
  supersede: new Map(),
})

export const contentHash = (canonical: string | Uint8Array): string => hash('sha256', canonical, 'hex')

const SAME_MEANING = 'differs from the stored object only in the precision of a timestamp or in an explicit default'

/** What a collection does with what it takes in. */
export type Rules = {
  /** Another content under a stored version. `fail` (the default): it is refused. `keepBoth`: both are stored, the one added last is served. */
  onConflict?: 'fail' | 'keepBoth' | undefined
  /** What was erased may come back (the default), or not. */
  repost?: 'allow' | 'refuse' | undefined
}

/** Contents of one version that are kept; each is compared with what comes. */
export const MAX_KEPT = 16

/** Texts of stored objects that are held at a time, to compare with. */
const LOOKUP_BYTES = 8 * 1024 * 1024

export type Context = {
  store: Pick<Store, 'lookups'>
  reader: Pick<Reader, 'open'>
  /** Which of these objects were erased in the collection, and must not come back. */
  erasedOf?: (collection: number, objects: readonly SubmittedObject[]) => Promise<ReadonlySet<SubmittedObject>>
}

/** Decides on objects of a collection in their order. The store is asked about all of them at once, or as many as fit into memory. */
export async function decideAll(
  context: Context,
  collection: number,
  asked: readonly { object: SubmittedObject; rules: Rules }[],
  decided: Decided,
): Promise<Plan[]> {
  const plans: Plan[] = []
  const objects = asked.map(a => a.object)
  for await (const found of context.store.lookups(collection, objects, LOOKUP_BYTES)) {
    const some = asked.slice(plans.length, plans.length + found.length)
    const refusing = some.filter(a => a.rules.repost === 'refuse').map(a => a.object)
    const erased = refusing.length > 0 ? await context.erasedOf?.(collection, refusing) : undefined
    for (const [i, { object, rules }] of some.entries())
      plans.push(await decide(context.reader, object, found[i] as Lookup, decided, rules, erased?.has(object)))
  }
  return plans
}

/**
 * Decides on one object, and enters what it decided in `decided`.
 *
 * The same version with the same meaning is a duplicate; with another meaning it is equivocation. Versions are the same when
 * they are written the same: one instant in another precision and with other content is another version. An object without a version has
 * the date it was added as its version, so other content is a newer one.
 */
async function decide(
  reader: Context['reader'],
  object: SubmittedObject,
  found: Lookup,
  decided: Decided,
  rules: Rules,
  wasErased = false,
): Promise<Plan> {
  const { id, version } = object
  const key = `${id} ${version ?? ''}`
  const staged = decided.stored.get(key) ?? []

  const candidates: { of: Stored | Plan; digits: number; canonical: string }[] = []
  for (const row of staged.length > 0 && version === undefined ? [] : found.same) {
    const opened = await reader.open(row)
    // With what can't be trusted nothing can be compared: neither a duplicate nor equivocation could be proven.
    if (!opened.ok) {
      const message = `integrity: the stored copy of this version fails verification (${opened.reason})`
      return { object, do: 'refuse', leaf: -1, message }
    }
    candidates.push({
      of: { leaf: row.leaf, commitment: opened.commitment, version: row.version as string },
      digits: row.versionDigits,
      canonical: opened.object.toString(),
    })
  }
  for (const plan of staged)
    candidates.push({ of: plan, digits: plan.object.versionDigits, canonical: plan.object.canonical })

  const equal = candidates.find(c => c.canonical === object.canonical)
  if (equal) return { object, do: 'duplicate', of: equal.of }
  const alike = candidates.find(c => sameMeaning(JSON.parse(c.canonical), object.value))
  if (alike) return { object, do: 'duplicate', of: alike.of, message: SAME_MEANING }
  // The one that was added last: rows of one version come in their order, and this batch after them.
  const other = version === undefined ? undefined : candidates.findLast(c => c.digits === object.versionDigits)
  if (other && (rules.onConflict !== 'keepBoth' || candidates.length >= MAX_KEPT))
    return refuse(object, other.canonical, decided, found.refused)
  if (wasErased) return { object, do: 'refuse', leaf: -1, message: ERASED }

  const before = decided.newest.get(id) ?? (found.newest && { at: found.newest.leaf, version: found.newest.version })
  const plan: Plan = { object, do: 'store', superseded: null, leaf: -1, commitment: NONE, version: version ?? '' }
  // An object of this batch without a version has the date it is added as its version, and nothing is dated after that.
  if (before && version !== undefined && (before.version === undefined || before.version > version))
    plan.superseded = before.at
  else {
    if (typeof before?.at === 'number') decided.supersede.set(before.at, plan)
    else if (before && before.at.do === 'store') before.at.superseded = plan
    decided.newest.set(id, { at: plan, version })
  }
  if (other) replace(other, plan, decided)
  decided.stored.set(key, version === undefined ? [plan] : [...staged, plan])
  return plan
}

const NONE = new Uint8Array(0)

const KEPT = 'conflict: this version was stored with other content; both are kept, and this one is served from now on'

/** `keepBoth`: the content that was served makes way, also where a later version has superseded both. */
function replace(
  other: { of: Stored | Plan; canonical: string },
  plan: Plan & { do: 'store' },
  decided: Decided,
): void {
  plan.message = KEPT
  plan.details = `SHA-256 of the canonical object: before ${contentHash(other.canonical)}, now ${contentHash(plan.object.canonical)}`
  if (!('do' in other.of)) decided.supersede.set(other.of.leaf, plan)
  else if (other.of.do === 'store') other.of.superseded = plan
}

const ERASED = 'this object was erased here, and the collection refuses to take it again'

function refuse(object: SubmittedObject, stored: string, decided: Decided, refusedBefore: string[]): Plan {
  const hashes = { stored: contentHash(stored), refused: contentHash(object.canonical) }
  const message =
    'equivocation: this version is stored with other content; publish a new version with a later "modified" instead'
  const details = `SHA-256 of the canonical object: stored ${hashes.stored}, refused ${hashes.refused}`
  // The same refused content is logged once, however often it is sent.
  const known = refusedBefore.includes(hashes.refused) || decided.refused.has(hashes.refused)
  decided.refused.add(hashes.refused)
  return { object, do: 'refuse', message, details, leaf: -1, ...(known ? {} : { log: hashes }) }
}
