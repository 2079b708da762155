import { hashLeaf, type HashReader, runOnTiles, subtreeRootInto, tileHashReader } from '@entente/verify/tlog'
import type { Store } from '#store/store.ts'
import { NotaryError } from './errors.ts'

/** Full tiles and bundles that are kept, each about 8 KB: 64 MiB in all, the path to 2 million records. */
const KEPT = 4096

/** What the tiles are checked up to: the right edge of the log under the head that this process published. */
export type Edge = { size: number; tiles: Map<number, { index: number; data: Uint8Array }>; lastBundle: Uint8Array }

/**
 * Entries of 256 neighbours in the log; `offsets[i]` is where entry i begins, its 2 bytes of length skipped. `unchecked`: those that are still
 * to be compared with their leaves, the first time that they are asked for.
 */
export type EntryBundle = {
  bytes: Buffer
  offsets: Uint32Array
  count: number
  unchecked?: { index: number; leaves: Uint8Array; isChecked: Uint8Array; isBroken: boolean }
}

/**
 * Tiles and entry bundles of the log, each checked against its parent tile and so on up to the published head before anybody sees
 * it. Only what has been checked is cached, and nothing that could change: no partial tile, no record, no verdict.
 */
export type VerifiedTiles = {
  /** @throws NotaryError `integrity` */
  bundle(index: number): Promise<EntryBundle>
  /** Run a proof of `verify/tlog` on checked tiles. */
  prove<T>(proof: (reader: HashReader) => T): Promise<T>
  /** The log grew: a new edge, and tiles and bundles that are full now. */
  advance(
    edge: Edge,
    full: { level: number; index: number; data: Uint8Array }[],
    bundles: { index: number; data: Uint8Array }[],
  ): void
}

export function createVerifiedTiles(store: Store, tree: number, start: Edge): VerifiedTiles {
  let edge = start
  let last = decodeBundle(edge.lastBundle)
  const tiles = createCache<Uint8Array>(KEPT)
  const bundles = createCache<EntryBundle>(KEPT)

  async function tile(level: number, index: number): Promise<Uint8Array> {
    const partial = edge.tiles.get(level)
    if (partial?.index === index) return partial.data
    const key = `${level}/${index}`
    const known = tiles.get(key)
    if (known) return known
    if ((index + 1) * 256 ** (level + 1) > edge.size) throw broken(`tile ${key} lies beyond the head at ${edge.size}`)
    const data = await store.tile(tree, level, index)
    if (data?.length !== 8192) throw broken(`tile ${key} is missing or not whole`)
    const parent = await tile(level + 1, Math.floor(index / 256))
    const at = (index % 256) * 32
    if (!sameBytes(subtreeRootInto(data, 0, 256), 0, parent, at)) throw broken(`tile ${key} does not match its parent`)
    tiles.set(key, data)
    return data
  }

  return {
    bundle: async index => {
      if (index === Math.floor(edge.size / 256)) return last
      const known = bundles.get(String(index))
      if (known && !known.unchecked?.isBroken) return known // it may have been mended since
      if ((index + 1) * 256 > edge.size) throw broken(`entry bundle ${index} lies beyond the head at ${edge.size}`)
      const data = await store.entryBundle(index)
      if (!data) throw broken(`entry bundle ${index} is missing`)
      const bundle = decodeBundle(data)
      if (bundle.count !== 256) throw broken(`entry bundle ${index} holds ${bundle.count} entries instead of 256`)
      bundle.unchecked = { index, leaves: await tile(0, index), isChecked: new Uint8Array(256), isBroken: false }
      bundles.set(String(index), bundle)
      return bundle
    },
    prove: proof => runOnTiles(tile, read => proof(tileHashReader(edge.size, read))),
    advance: (next, full, fullBundles) => {
      edge = next
      last = decodeBundle(edge.lastBundle)
      for (const t of full) tiles.set(`${t.level}/${t.index}`, t.data)
      for (const b of fullBundles) bundles.set(String(b.index), decodeBundle(b.data))
    },
  }
}

/** C2SP tlog-tiles, entry bundles: each entry behind its length in 2 bytes, big-endian. A broken tail is not counted. */
export function decodeBundle(data: Uint8Array): EntryBundle {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const offsets = new Uint32Array(257)
  let at = 0
  let count = 0
  while (count < 256 && at + 2 <= bytes.length) {
    const end = at + 2 + bytes.readUInt16BE(at)
    if (end > bytes.length) break
    offsets[count++] = at + 2
    at = end
  }
  offsets[count] = at + 2
  return { bytes, offsets, count }
}

/**
 * Entry `i` of a bundle. Of one from {@link VerifiedTiles.bundle} it is what the log has there.
 *
 * @throws NotaryError `integrity`
 */
export function entryOf(bundle: EntryBundle, i: number): Buffer {
  const entry = bundle.bytes.subarray(bundle.offsets[i], (bundle.offsets[i + 1] as number) - 2)
  const { unchecked } = bundle
  if (unchecked && unchecked.isChecked[i] === 0) {
    if (!sameBytes(hashLeaf(entry), 0, unchecked.leaves, i * 32)) {
      unchecked.isBroken = true
      throw broken(`entry ${unchecked.index * 256 + i} does not match its leaf`)
    }
    unchecked.isChecked[i] = 1
  }
  return entry
}

function sameBytes(a: Uint8Array, atA: number, b: Uint8Array, atB: number): boolean {
  if (b.length < atB + 32) return false
  for (let i = 0; i < 32; i++) if (a[atA + i] !== b[atB + i]) return false
  return true
}

const broken = (what: string) => new NotaryError('integrity', `the stored log does not verify: ${what}`)

/** Keeps what was used last. */
function createCache<V>(capacity: number) {
  const entries = new Map<string, V>()
  return {
    get(key: string): V | undefined {
      const value = entries.get(key)
      if (value !== undefined) {
        entries.delete(key)
        entries.set(key, value)
      }
      return value
    },
    set(key: string, value: V): void {
      entries.delete(key)
      entries.set(key, value)
      if (entries.size > capacity) entries.delete(entries.keys().next().value as string)
    },
  }
}
