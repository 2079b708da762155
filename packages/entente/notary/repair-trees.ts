import { collectionKey, formatHeadsEntry, headsMapRoot } from '@entente/verify/proof'
import { EMPTY_ROOT, encodeEntryBundle, TreeEdge, type Tile } from '@entente/verify/tlog'
import type { Batch, CollectionHead, Store, TileWrite } from '#store/store.ts'
import type { RepairReport } from './repair.ts'
import type { LogCopy, SettledLog } from './repair-log.ts'
import { isEntry, leafHashAt, type Plan } from './repair-plan.ts'
import type { Found, Names } from './repair-read.ts'
import { decodeBundle } from './tiles.ts'

type TreesToWrite = Pick<Batch, 'tiles' | 'entryBundles'> & {
  /** All heads of collections where one differs, else none. */
  heads: CollectionHead[]
}

/** Compares tiles, entry bundles and heads of collections with what the leaves give. */
export async function planTrees(
  store: Store,
  copies: LogCopy[],
  log: SettledLog,
  plan: Plan,
  found: Found,
  names: Names,
  report: RepairReport,
): Promise<TreesToWrite> {
  const tiles: TileWrite[] = []
  const compare = async (tree: number, { level, index, data }: Tile) => {
    const stored = await store.tile(tree, level, index)
    if (!stored || !Buffer.from(stored).equals(data)) tiles.push({ tree, level, index, data })
  }
  await tilesOf(
    log.size,
    leaf => leafHashAt(log, leaf),
    t => compare(0, t),
  )

  const heads: CollectionHead[] = []
  for (const { number, apiRoot, id } of names.list) {
    const leaves = plan.places.get(number) as number[]
    if (leaves.includes(undefined as never)) continue // a hole: no root can be given
    const tree = await tilesOf(
      leaves.length,
      seq => leafHashAt(log, leaves[seq] as number),
      t => compare(number, t),
    )
    const last = leaves.at(-1)
    const stored = names.stored.find(c => c.number === number)
    const lastAdded = last === undefined ? 0 : found.added[last] || (stored?.lastAdded ?? 0)
    heads.push({
      number,
      apiRoot,
      id,
      count: leaves.length,
      lastAdded,
      root: leaves.length > 0 ? tree.root() : EMPTY_ROOT,
    })
  }
  const right = [heads, names.stored].find(list => isHeads(log, list))
  if (!right)
    report.lost.push({
      reason:
        'the records of the collections do not give the heads that the log ends with: some have lost their places',
    })
  const isRight = right === undefined || right === names.stored || sameHeads(heads, names.stored)
  return { tiles, entryBundles: await bundlesOf(store, copies, log, plan, found, report), heads: isRight ? [] : heads }
}

const isHeads = (log: SettledLog, list: CollectionHead[]): boolean => {
  const root = headsMapRoot(list.map(h => ({ key: collectionKey(h.apiRoot, h.id), count: h.count, root: h.root })))
  return isEntry(log, log.size - 1, Buffer.from(formatHeadsEntry({ collections: list.length, root })))
}

function sameHeads(a: CollectionHead[], b: CollectionHead[]): boolean {
  const text = (list: CollectionHead[]) =>
    list
      .map(h => `${h.number} ${h.apiRoot} ${h.id} ${h.count} ${h.lastAdded} ${Buffer.from(h.root).toString('hex')}`)
      .sort()
      .join('\n')
  return text(a) === text(b)
}

/** Gives every tile of a tree, each once. */
async function tilesOf(
  size: number,
  leafAt: (place: number) => Uint8Array,
  each: (tile: Tile) => Promise<void>,
): Promise<TreeEdge> {
  const tree = TreeEdge.empty()
  const partial = new Map<number, Tile>()
  for (let from = 0; from < size; from += 256) {
    const width = Math.min(256, size - from)
    const hashes = new Uint8Array(width * 32)
    for (let i = 0; i < width; i++) hashes.set(leafAt(from + i), i * 32)
    for (const tile of tree.append(hashes)) {
      if (tile.data.length < 8192) partial.set(tile.level, tile)
      else {
        partial.delete(tile.level)
        await each(tile)
      }
    }
  }
  for (const tile of partial.values()) await each(tile)
  return tree
}

/** Entry bundles that are not what the leaves say, made anew of commitments and heads entries. */
async function bundlesOf(
  store: Store,
  copies: LogCopy[],
  log: SettledLog,
  plan: Plan,
  found: Found,
  report: RepairReport,
): Promise<Batch['entryBundles']> {
  const written: Batch['entryBundles'] = []
  for (let index = 0; index * 256 < log.size; index++) {
    const width = Math.min(256, log.size - index * 256)
    const decoded = decodeAll(await Promise.all(copies.map(c => c.entryBundle(index))))
    const own = (await store.entryBundle(index)) && decoded[0]
    const entries: Buffer[] = []
    for (let i = 0; i < width; i++) {
      const leaf = index * 256 + i
      const given = [
        ...decoded.flatMap(list => list[i] ?? []),
        found.commitments.subarray(leaf * 32, leaf * 32 + 32),
        commitmentOf(plan, found, leaf),
        plan.heads.get(leaf),
      ]
      const entry = given.find(e => e !== undefined && isEntry(log, leaf, e))
      if (entry) entries.push(entry)
      else if (!report.lost.some(l => l.logIndex === leaf))
        report.lost.push({ logIndex: leaf, reason: 'the entry is nowhere' })
    }
    if (entries.length < width) continue
    const data = Buffer.from(encodeEntryBundle(entries))
    const stored = own && (await store.entryBundle(index))
    if (!stored || !data.equals(stored)) written.push({ index, data })
  }
  return written
}

function commitmentOf(plan: Plan, found: Found, leaf: number): Buffer | undefined {
  const at = plan.moved.get(leaf)
  if (at !== undefined) return found.commitments.subarray(at * 32, at * 32 + 32)
  return plan.brought.get(leaf)?.commitment
}

const decodeAll = (bundles: (Uint8Array | undefined)[]): Buffer[][] =>
  bundles.map(data => {
    if (!data) return []
    const { bytes, offsets, count } = decodeBundle(data)
    return Array.from({ length: count }, (_, i) => bytes.subarray(offsets[i], (offsets[i + 1] as number) - 2))
  })
