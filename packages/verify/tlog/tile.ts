import { TlogError } from './error.ts'
import { HASH_SIZE, hashChildrenInto } from './hash.ts'

/** tlog-tiles: a tile is 256 hashes wide and spans 8 levels of the tree. */
export const TILE_WIDTH = 256
/** log2 of {@link TILE_WIDTH}. */
export const TILE_HEIGHT = 8

/** A tile of tlog-tiles: `level` and `index` of its URL, `data` all its hashes so far (1 to 256 times 32 bytes). */
export type Tile = { level: number; index: number; data: Uint8Array }

/** How many hashes the tile has in a tree of `size` leaves: 0 (there is none) to 256. */
export function tileWidth(level: number, index: number, size: number): number {
  const hashes = Math.floor(size / TILE_WIDTH ** level)
  return Math.max(0, Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH))
}

/**
 * Root of the complete subtree over `count` (a power of two) hashes of `data`, the first one at `from`, written to `out` at `offset`.
 * Costs `count - 1` hash calls.
 */
export function subtreeRootInto(
  data: Uint8Array,
  from: number,
  count: number,
  out: Uint8Array = new Uint8Array(HASH_SIZE),
  offset: number = 0,
): Uint8Array {
  // not slice: that of a Buffer would be a view, and this is written to
  const level = new Uint8Array(data.subarray(from * HASH_SIZE, (from + count) * HASH_SIZE))
  for (let width = count; width > 1; width /= 2) {
    for (let i = 0; i < width; i += 2) {
      hashChildrenInto(level, i * HASH_SIZE, level, (i + 1) * HASH_SIZE, level, (i / 2) * HASH_SIZE)
    }
  }
  out.set(level.subarray(0, HASH_SIZE), offset)
  return out
}

/** What a path under a log's prefix names: a Merkle tile or an entry bundle, `width` 256 or that of a partial one. */
export type TilePath = { level: number | 'entries'; index: number; width: number }

/**
 * tlog-tiles, "Merkle Tree": path of a tile below the prefix of the log.
 *
 * @example
 * formatTilePath({ level: 0, index: 1234067, width: 8 }) // 'tile/0/x001/x234/067.p/8'
 */
export function formatTilePath(path: TilePath): string {
  const { level, index, width } = path
  if (level !== 'entries' && !(Number.isInteger(level) && level >= 0 && level <= 63)) {
    throw new TlogError('argument', `no tile level: ${level}`)
  }
  if (!Number.isSafeInteger(index) || index < 0) throw new TlogError('argument', `no tile index: ${index}`)
  if (!Number.isInteger(width) || width < 1 || width > TILE_WIDTH) {
    throw new TlogError('argument', `a tile is 1 to ${TILE_WIDTH} wide, not ${width}`)
  }
  let name = String(index % 1000).padStart(3, '0')
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    name = `x${String(rest % 1000).padStart(3, '0')}/${name}`
  }
  return `tile/${level}/${name}${width === TILE_WIDTH ? '' : `.p/${width}`}`
}

/**
 * The inverse of {@link formatTilePath}; every tile has one path only, any other is refused.
 *
 * @throws TlogError `malformed`
 */
export function parseTilePath(path: string): TilePath {
  const match =
    path.length > 64
      ? null
      : /^tile\/(entries|[0-9]{1,2})\/((?:x[0-9]{3}\/)*)([0-9]{3})(?:\.p\/([0-9]{1,3}))?$/.exec(path)
  if (match === null) throw new TlogError('malformed', `not a path of tlog-tiles: ${path.slice(0, 80)}`)
  const level = match[1] === 'entries' ? 'entries' : Number(match[1])
  const index = Number(match[2]!.replaceAll(/[x/]/g, '') + match[3]!)
  const width = match[4] === undefined ? TILE_WIDTH : Number(match[4])
  const parsed: TilePath = { level, index, width }
  const exists = (level === 'entries' || level <= 63) && Number.isSafeInteger(index)
  if (!exists || width < 1 || width > TILE_WIDTH || formatTilePath(parsed) !== path) {
    throw new TlogError('malformed', `not the path of a tile: ${path}`)
  }
  return parsed
}
