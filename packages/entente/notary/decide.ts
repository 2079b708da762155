import { hash } from 'node:crypto'
import { sameMeaning } from '@entente/stix'
import type { Store } from '#store/store.ts'
import type { Reader } from './reader.ts'
import type { SubmittedObject } from './sequence.ts'

/**
 * What happens to one object of a request. Duplicates and equivocation are decided here and only here, by the one
 * sequencer, so two requests can't both be first (docs/life-of-an-object.md, "Duplicates").
 */
export type Plan = { object: SubmittedObject } & (
  | { do: 'store'; superseded: Plan | number | null; leaf: number; commitment: Uint8Array }
  | { do: 'duplicate'; of: Stored | Plan; message?: string }
  | { do: 'refuse'; message: string; log?: { stored: string; refused: string }; leaf: number }
)
export type Stored = { leaf: number; commitment: Uint8Array }

/** What this batch has decided so far in a collection; a later object of the batch meets it as if it were stored. */
export type Decided = {
  /** Newest version of an id: where it is, and which version (undefined: an object without one, newer than all before). */
  newest: Map<string, { at: Plan | number; version: string | undefined }>
  /** Plans that store, by id and version. */
  stored: Map<string, Plan>
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

type Context = { store: Store; reader: Reader }

/** Decides on one object, and enters what it decided in `decided`. */
export async function decide(
  context: Context,
  collection: number,
  object: SubmittedObject,
  decided: Decided,
): Promise<Plan> {
  const { id, version } = object
  const key = `${id} ${version ?? ''}`
  const found = await context.store.lookup(collection, id, version)
  const staged = decided.stored.get(key)
  if (staged) {
    const plan = compare(object, staged, staged.object.canonical, decided, found.refused)
    if (version !== undefined || plan.do === 'duplicate') return plan
  }

  const same = found.same
  if (same && !staged) {
    const opened = await context.reader.open(same)
    // What is stored under this version can't be trusted to compare with: neither a duplicate nor an equivocation can be proven.
    if (!opened.ok)
      return {
        object,
        do: 'refuse',
        leaf: -1,
        message: `integrity: the stored copy of this version fails verification (${opened.reason})`,
      }
    // (An object without a version of its own has the date it was added as its version: other content is a newer one.)
    const plan = compare(
      object,
      { leaf: same.leaf, commitment: opened.commitment },
      opened.object.toString(),
      decided,
      found.refused,
    )
    if (version !== undefined || plan.do === 'duplicate') return plan
  }

  const before = decided.newest.get(id) ?? (found.newest && { at: found.newest.leaf, version: found.newest.version })
  const plan: Plan = { object, do: 'store', superseded: null, leaf: -1, commitment: NONE }
  if (before && version !== undefined && before.version !== undefined && before.version > version)
    plan.superseded = before.at
  else {
    if (typeof before?.at === 'number') decided.supersede.set(before.at, plan)
    else if (before && before.at.do === 'store') before.at.superseded = plan
    decided.newest.set(id, { at: plan, version })
  }
  decided.stored.set(key, plan)
  return plan
}

const NONE = new Uint8Array(0)

function compare(
  object: SubmittedObject,
  of: Stored | Plan,
  stored: string,
  decided: Decided,
  refusedBefore: string[],
): Plan {
  if (stored === object.canonical) return { object, do: 'duplicate', of }
  if (sameMeaning(JSON.parse(stored), object.value)) return { object, do: 'duplicate', of, message: SAME_MEANING }
  const hashes = { stored: contentHash(stored), refused: contentHash(object.canonical) }
  const message =
    `equivocation: this version is stored with other content (SHA-256 of the canonical object: stored ${hashes.stored}, ` +
    `refused ${hashes.refused}); publish a new version with a later "modified" instead`
  if (object.version === undefined) return { object, do: 'refuse', message, leaf: -1 }
  // The same refused content is logged once, however often it is sent.
  const known = refusedBefore.includes(hashes.refused) || decided.refused.has(hashes.refused)
  decided.refused.add(hashes.refused)
  return { object, do: 'refuse', message, leaf: -1, ...(known ? {} : { log: hashes }) }
}
