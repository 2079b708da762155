import { collectionKey, formatHeadsEntry, type Head, headsMapRoot } from '@entente/verify/proof'
import { EMPTY_ROOT, HASH_SIZE, hashLeafInto, type Tile, TreeEdge } from '@entente/verify/tlog'
import type { CollectionHead, StoredHead, TileWrite } from '#store/store.ts'
import type { Collection, State } from './log.ts'
import { recordFrame } from './record.ts'
import type { Edge } from './tiles.ts'

/** What is added to a log: all that a new head commits to and the one before did not, and the dates. */
export type Growth = {
  /** Size of the log before. */
  from: number
  /** The heads entry is the last. */
  entries: Uint8Array[]
  /** Those that are new, or have new records. */
  collections: GrownCollection[]
}
/** `at`: where in {@link Growth.entries} its new records are. */
export type GrownCollection = Pick<CollectionHead, 'number' | 'apiRoot' | 'id' | 'lastAdded'> & { at: number[] }

type Bundle = { index: number; data: Uint8Array }

/** What a log becomes, and what of it a store does not have. */
export type Grown = Omit<State, 'head'> & {
  /** The heads entry. */
  heads: Uint8Array
  tiles: TileWrite[]
  bundles: Bundle[]
  written: CollectionHead[]
  /** Of the log, and never to change again. */
  fullTiles: Tile[]
  fullBundles: Bundle[]
}

/**
 * A log with entries at its end, and the heads entry behind them.
 *
 * @param entries without that
 */
export function grow(base: State, entries: readonly Uint8Array[], changed: readonly GrownCollection[]): Grown {
  // A commitment is a leaf of two trees, its collection's and the log's, and hashed once for both.
  const hashes = new Uint8Array((entries.length + 1) * HASH_SIZE)
  entries.forEach((entry, i) => hashLeafInto(entry, hashes, i * HASH_SIZE))
  const collections = new Map(base.collections)
  const tiles: TileWrite[] = []
  const written: CollectionHead[] = []
  for (const { at, lastAdded, ...named } of changed) {
    const before = collections.get(named.number) ?? emptyCollection(named)
    const edge = before.edge.clone()
    if (at.length > 0) for (const t of edge.append(pick(hashes, at))) tiles.push({ tree: named.number, ...t })
    const grown = { ...before, edge, count: edge.size, lastAdded, root: edge.root() }
    collections.set(named.number, grown)
    written.push(grown)
  }
  const heads = Buffer.from(headsEntry(collections))
  hashLeafInto(heads, hashes, entries.length * HASH_SIZE)
  const tree = base.tree.clone()
  const own = tree.append(hashes)
  for (const t of own) tiles.push({ tree: 0, ...t })
  const bundles = fillBundles(base.edge, [...entries, heads])
  return {
    root: tree.root(),
    tree,
    edge: nextEdge(base.edge, tree.size, own, bundles),
    collections,
    heads,
    tiles,
    bundles,
    written,
    fullTiles: own.filter(t => t.data.length === 256 * HASH_SIZE),
    fullBundles: bundles.filter(b => (b.index + 1) * 256 <= tree.size),
  }
}

const emptyCollection = (named: Pick<CollectionHead, 'number' | 'apiRoot' | 'id'>): Collection => ({
  ...named,
  count: 0,
  lastAdded: 0,
  root: EMPTY_ROOT,
  key: collectionKey(named.apiRoot, named.id),
  frame: recordFrame(named.apiRoot, named.id),
  edge: TreeEdge.empty(),
})

/** All collections as the heads map takes them (docs/formats.md 4). */
export const toHeads = (collections: ReadonlyMap<number, Collection>): Head[] =>
  [...collections.values()].map(({ key, count, root }) => ({ key, count, root }))

export const headsEntry = (collections: ReadonlyMap<number, Collection>): string =>
  formatHeadsEntry({ collections: collections.size, root: headsMapRoot(toHeads(collections)) })

/** The hashes at these places, one after the other. */
function pick(hashes: Uint8Array, places: readonly number[]): Uint8Array {
  const picked = new Uint8Array(places.length * HASH_SIZE)
  places.forEach((place, i) => picked.set(hashes.subarray(place * HASH_SIZE, (place + 1) * HASH_SIZE), i * HASH_SIZE))
  return picked
}

/** C2SP tlog-tiles, "Log Entries": each entry behind its length; the bundle at the edge goes on where it stood. */
function fillBundles(edge: Edge, entries: readonly Uint8Array[]): Bundle[] {
  const bundles: Bundle[] = []
  let parts: Uint8Array[] = [edge.lastBundle]
  for (let i = 0; i < entries.length; i++) {
    parts.push(...toEntry(entries[i] as Uint8Array))
    const size = edge.size + i + 1
    if (size % 256 === 0 || i === entries.length - 1) {
      bundles.push({ index: Math.floor((size - 1) / 256), data: Buffer.concat(parts) })
      parts = []
    }
  }
  return bundles
}

const toEntry = (entry: Uint8Array): [Uint8Array, Uint8Array] => [
  Uint8Array.of(entry.length >> 8, entry.length & 0xff),
  entry,
]

function nextEdge(old: Edge, size: number, touched: Tile[], bundles: Bundle[]): Edge {
  const tiles: Edge['tiles'] = new Map()
  for (let level = 0, rest = size; rest > 0; level++, rest = Math.floor(rest / 256)) {
    if (rest % 256 === 0) continue
    const index = Math.floor(rest / 256)
    const tile = touched.find(t => t.level === level && t.index === index) ?? old.tiles.get(level)
    if (tile) tiles.set(level, { index, data: tile.data })
  }
  const lastBundle = size % 256 === 0 ? new Uint8Array(0) : (bundles.at(-1)?.data ?? old.lastBundle)
  return { size, tiles, lastBundle }
}

/** Entries that {@link createRecent} keeps. */
const KEPT_ENTRIES = 4096

/** What was added to a log lately, batch by batch, for those who want no more than what they have not got yet. */
export function createRecent() {
  let batches: Growth[] = []
  let kept = 0
  return {
    add: (growth: Growth): void => {
      const last = batches.at(-1)
      if (last && last.from + last.entries.length !== growth.from) {
        batches = []
        kept = 0
      }
      batches.push(growth)
      kept += growth.entries.length
      while (kept > KEPT_ENTRIES) kept -= batches.shift()?.entries.length ?? kept
    },
    /** @param size of the log now */
    since: (from: number, size: number): Growth | undefined => {
      const first = batches.findIndex(b => b.from === from)
      const last = batches.at(-1)
      if (first < 0 || !last || last.from + last.entries.length !== size) return undefined
      return join(batches.slice(first))
    },
  }
}

function join(batches: readonly Growth[]): Growth {
  if (batches.length === 1) return batches[0] as Growth
  const entries: Uint8Array[] = []
  const collections = new Map<number, GrownCollection>()
  for (const batch of batches) {
    for (const { at, ...rest } of batch.collections) {
      const moved = at.map(i => i + entries.length)
      collections.set(rest.number, { ...rest, at: [...(collections.get(rest.number)?.at ?? []), ...moved] })
    }
    entries.push(...batch.entries)
  }
  return { from: (batches[0] as Growth).from, entries, collections: [...collections.values()] }
}

/** A growth and its head on their way to another server: a line of JSON, and the entries as in a bundle. */
export function formatGrowth({ from, entries, collections }: Growth, head: StoredHead): Buffer {
  const about = Buffer.from(`${JSON.stringify({ from, head, collections })}\n`)
  return Buffer.concat([about, ...entries.flatMap(toEntry)])
}

/** @throws RangeError, SyntaxError for what is none */
export function parseGrowth(body: Buffer): { growth: Growth; head: StoredHead } {
  const end = body.indexOf(0x0a)
  const { from, head, collections } = JSON.parse(body.toString('utf8', 0, end)) as Omit<Growth, 'entries'> & {
    head: StoredHead
  }
  const entries: Uint8Array[] = []
  for (let at = end + 1; at < body.length; ) {
    const next = at + 2 + body.readUInt16BE(at)
    if (next > body.length) throw new RangeError(`entry ${entries.length} of ${body.length} bytes ends at ${next}`)
    entries.push(body.subarray(at + 2, next))
    at = next
  }
  return { growth: { from, entries, collections }, head }
}
