import { hash } from 'node:crypto'
import { hashLeaf } from '@entente/verify/tlog'
import { type Derived, deriveRow } from './derive.ts'
import type { RepairOptions, RepairSource } from './repair.ts'
import { createHeadsReplay, type SettledLog } from './repair-log.ts'
import { type Found, type Names, NONE, TEXT } from './repair-read.ts'

/** What is to be done, by log index. What is not named is fine. */
export type Plan = {
  /** Good text, wrong columns. */
  columns: number[]
  /** Texts that lie at another log index of the store: where. */
  moved: Map<number, number>
  /** Texts that a source has. */
  brought: Map<number, Brought>
  /** Erased: log index of the `deleted` record. */
  erased: Map<number, number>
  /** What a text that was found of them says; it is not brought back. */
  erasedTexts: Map<number, Derived>
  /** Without a text that matches, wherever one looks; and those that are {@link Plan.heldBack}. */
  unknown: number[]
  /** A source has the text, but it may have been erased. */
  heldBack: Set<number>
  /** Rows that are no part of the log. */
  foreign: number[]
  /** Heads entries that only the collections could tell. */
  heads: Map<number, Buffer>
  /** Log indexes of each collection's records, by `seq`; holes where none is known. */
  places: Map<number, number[]>
  /** Number of the collection of the record at a log index; undefined where nothing says it. */
  collectionOf: (leaf: number) => number | undefined
}
/** Its text is read again when it is written: of a whole store there would be too many. */
export type Brought = { source: RepairSource; derived: Derived; commitment: Buffer }

export const leafHashAt = (log: SettledLog, leaf: number): Buffer => log.leaves.subarray(leaf * 32, leaf * 32 + 32)
export const isEntry = (log: SettledLog, leaf: number, entry: Uint8Array): boolean =>
  Buffer.from(hashLeaf(entry)).equals(leafHashAt(log, leaf))

/** Decides what every entry of the log needs. Reads only. */
export async function planRows(
  { sources, evenIfErased = false, store }: RepairOptions,
  log: SettledLog,
  found: Found,
  names: Names,
): Promise<Plan> {
  const { size } = log
  const isPlaced = new Uint8Array(size) // its collection and seq are those of a text
  const place = (leaf: number, { apiRoot, collectionId, row }: Derived) => {
    found.collection[leaf] = names.numberOf(apiRoot, collectionId) ?? 0
    found.seq[leaf] = row.seq
    found.added[leaf] = row.added
    isPlaced[leaf] = 1
    log.kinds[leaf] = 1
  }
  const plan: Plan = {
    columns: [],
    moved: new Map(),
    brought: new Map(),
    erased: new Map(),
    erasedTexts: new Map(),
    unknown: [],
    heldBack: new Set(),
    foreign: [],
    heads: log.heads,
    places: new Map(names.list.map(({ number }) => [number, []])),
    collectionOf: leaf => (log.kinds[leaf] === 1 && found.seq[leaf] !== -1 ? found.collection[leaf] : undefined),
  }

  // 1. What is where it belongs, and what lies elsewhere.
  const open: number[] = []
  const astray = new Map<string, number>()
  for (let leaf = 0; leaf < size; leaf++) {
    const commitment = found.commitments.subarray(leaf * 32, leaf * 32 + 32)
    const hasText = found.state[leaf] === TEXT
    if (hasText && isEntry(log, leaf, commitment)) {
      log.kinds[leaf] = 1
      isPlaced[leaf] = 1
      if (!found.isDerived[leaf]) plan.columns.push(leaf)
      continue
    }
    if (hasText) astray.set(hexOf(hashLeaf(commitment)), leaf)
    if (log.kinds[leaf] !== 2) open.push(leaf)
    else if (found.state[leaf] !== NONE) plan.foreign.push(leaf)
  }
  for (const leaf of found.beyond) {
    const text = (await store.recordAt(leaf))?.text
    if (text) astray.set(hexOf(hashLeaf(hash('sha256', text, 'buffer'))), leaf)
  }

  // 2. Texts for what is not: from the store first, then from the sources.
  const deletions = new Map<string, number>()
  const isGood = (leaf: number) => isPlaced[leaf] === 1
  for (const { by, collection, seq } of found.deletes) if (isGood(by)) deletions.set(`${collection} ${seq}`, by)
  const noteDeletion = (leaf: number, { deletes }: Derived) => {
    if (deletes !== undefined) deletions.set(`${found.collection[leaf]} ${deletes}`, leaf)
  }
  const left: number[] = []
  for (const leaf of open) {
    const at = astray.get(hexOf(leafHashAt(log, leaf)))
    const text = at === undefined ? undefined : (await store.recordAt(at))?.text
    const derived = text ? deriveRow(text) : undefined
    const brought = derived ? undefined : await findIn(sources, log, leaf)
    if (derived) plan.moved.set(leaf, at as number)
    else if (brought) plan.brought.set(leaf, brought)
    else {
      left.push(leaf)
      continue
    }
    place(leaf, derived ?? (brought as Brought).derived)
    noteDeletion(leaf, derived ?? (brought as Brought).derived)
  }
  for (const leaf of found.beyond) {
    const text = (await store.recordAt(leaf))?.text
    // What could be a newer record than the log's end is not thrown away: perhaps it is the head that is wrong.
    const derived = text && ![...plan.moved.values()].includes(leaf) ? deriveRow(text) : undefined
    const newest = found.newest.get(names.numberOf(derived?.apiRoot ?? '', derived?.collectionId ?? '') ?? 0) ?? -1
    if (!derived || derived.row.seq <= newest) plan.foreign.push(leaf)
    else plan.unknown.push(leaf)
  }

  // 3. An entry that nobody has, and no row: one of heads, if the collections give it.
  const hasRecord = (leaf: number) => log.kinds[leaf] === 1 || (log.kinds[leaf] === 0 && found.collection[leaf] !== 0)
  const replay = createHeadsReplay(names.list, leaf => (hasRecord(leaf) ? (found.collection[leaf] as number) : 0))
  for (const leaf of left) {
    if (log.kinds[leaf] !== 0 || found.state[leaf] !== NONE) continue
    const entry = replay(leaf, log.leaves).find(text => isEntry(log, leaf, Buffer.from(text)))
    if (entry === undefined) continue
    plan.heads.set(leaf, Buffer.from(entry))
    log.kinds[leaf] = 2
  }
  const lost = left.filter(leaf => log.kinds[leaf] !== 2)
  for (const leaf of lost) log.kinds[leaf] = 1

  // 4. Which record of which collection each entry is of, also where its text is gone.
  placeAll(plan, found, size, log, isGood, lost, names)

  // 5. What a logged deletion names stays away, wherever its text still lies.
  for (const [key, by] of deletions) {
    const [collection, seq] = key.split(' ').map(Number) as [number, number]
    const leaf = plan.places.get(collection)?.[seq]
    if (leaf === undefined) continue
    plan.erased.set(leaf, by)
    const derived = plan.brought.get(leaf)?.derived
    if (derived) plan.erasedTexts.set(leaf, derived)
    plan.moved.delete(leaf)
    plan.brought.delete(leaf)
  }
  plan.columns = plan.columns.filter(leaf => !plan.erased.has(leaf))
  const unknown = lost.filter(leaf => !plan.erased.has(leaf))
  const last = unknown.at(-1) ?? -1
  for (const leaf of evenIfErased ? [] : [...plan.brought.keys()]) {
    if (leaf > last) continue
    plan.brought.delete(leaf)
    plan.heldBack.add(leaf)
  }
  plan.unknown = [...plan.unknown, ...unknown, ...plan.heldBack].sort((a, b) => a - b)
  return plan
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

async function findIn(sources: RepairSource[], log: SettledLog, leaf: number): Promise<Brought | undefined> {
  for (const source of sources) {
    for (const text of await source.texts(leaf, leafHashAt(log, leaf))) {
      const commitment = hash('sha256', text, 'buffer')
      const derived = isEntry(log, leaf, commitment) ? deriveRow(text) : undefined
      if (derived) return { source, derived: { ...derived, row: { ...derived.row, text: null } }, commitment }
    }
  }
  return undefined
}

/** First by texts; then as rows say that lost theirs; then a run of holes that has just as many entries without a place between its neighbours. */
function placeAll(
  { places }: Plan,
  found: Found,
  size: number,
  log: SettledLog,
  isGood: (leaf: number) => boolean,
  lost: number[],
  { stored }: Names,
): void {
  for (let leaf = 0; leaf < size; leaf++) {
    if (log.kinds[leaf] !== 1 || !isGood(leaf)) continue
    const list = places.get(found.collection[leaf] as number)
    if (list) list[found.seq[leaf] as number] = leaf
  }
  const counts = new Map(stored.map(c => [c.number, c.count]))
  const rest: number[] = []
  for (const leaf of lost) {
    const [collection, seq] = [found.collection[leaf] as number, found.seq[leaf] as number]
    const list = places.get(collection)
    const isFree = list !== undefined && found.state[leaf] !== NONE && seq >= 0 && list[seq] === undefined
    if (isFree && seq < Math.max(counts.get(collection) ?? 0, list.length)) list[seq] = leaf
    else rest.push(leaf)
  }
  for (const [collection, list] of places) {
    const count = Math.max(counts.get(collection) ?? 0, list.length)
    for (let seq = 0; seq < count; seq++) {
      if (list[seq] !== undefined) continue
      let end = seq
      while (end < count && list[end] === undefined) end++
      const after = seq === 0 ? -1 : (list[seq - 1] as number)
      const before = end < count ? (list[end] as number) : size
      const between = rest.filter(leaf => leaf > after && leaf < before)
      if (between.length === end - seq) {
        between.forEach((leaf, i) => {
          list[seq + i] = leaf
          found.collection[leaf] = collection
          found.seq[leaf] = seq + i
          rest.splice(rest.indexOf(leaf), 1)
        })
      }
      seq = end
    }
  }
  for (const leaf of rest) found.seq[leaf] = -1
}
