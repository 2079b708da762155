import { TlogError } from './error.ts'
import { equalHashes, HASH_SIZE } from './hash.ts'
import { type HashReader, treeRoot } from './proof.ts'
import { subtreeRootInto, TILE_HEIGHT, TILE_WIDTH, tileWidth } from './tile.ts'

/** The hashes of a tile: at least `width` of them (a tile that has grown since is as good), 32 bytes each. */
export type TileReader = (level: number, index: number, width: number) => Uint8Array

/** {@link TileReader} for tiles that have to be fetched. */
export type TileFetcher = (level: number, index: number, width: number) => Promise<Uint8Array>

/**
 * Runs what reads tiles on tiles that have to be fetched. A proof asks for hashes one by one and synchronously: what is missing is fetched,
 * and `run` starts again, about once a level of the tree. It must not change anything outside itself.
 *
 * @throws whatever `fetchTile` and `run` throw
 */
export async function runOnTiles<T>(fetchTile: TileFetcher, run: (readTile: TileReader) => T): Promise<T> {
  const tiles = new Map<string, Uint8Array>()
  for (;;) {
    let missing: [level: number, index: number, width: number] | undefined
    try {
      return run((...tile) => {
        const known = tiles.get(tile.join('/'))
        if (known !== undefined) return known
        missing = tile
        throw MISSING
      })
    } catch (error) {
      if (missing === undefined) throw error
    }
    tiles.set(missing.join('/'), await fetchTile(...missing))
  }
}

const MISSING = new TlogError('tile', 'a tile is not loaded yet')

/**
 * A {@link HashReader} on the tiles of a tree of `size`. It believes the tiles: a proof made from a wrong one does not verify.
 * Each tile is read once in the life of the reader.
 *
 * @throws TlogError (when read) `argument` for a hash that the tree does not have; `tile` for a tile that is too short
 */
export function tileHashReader(size: number, readTile: TileReader): HashReader {
  const tiles = new Map<string, Uint8Array>()
  return (level, index) => {
    const tileLevel = Math.floor(level / TILE_HEIGHT)
    const count = 2 ** (level % TILE_HEIGHT)
    const first = index * count
    const tileIndex = Math.floor(first / TILE_WIDTH)
    const at = first % TILE_WIDTH
    const width = tileWidth(tileLevel, tileIndex, size)
    if (at + count > width) throw new TlogError('argument', `no hash ${index} at level ${level} in a tree of ${size}`)
    const name = `${tileLevel}/${tileIndex}`
    let data = tiles.get(name)
    if (data === undefined) {
      data = readTile(tileLevel, tileIndex, width)
      checkTile(data, width, name)
      tiles.set(name, data)
    }
    return count === 1
      ? new Uint8Array(data.subarray(at * HASH_SIZE, (at + 1) * HASH_SIZE))
      : subtreeRootInto(data, at, count)
  }
}

/**
 * A {@link TileReader} that checks what `readTile` gives against the root of the tree, and so may be used on tiles from anybody.
 * The partial tiles at the right edge must hash to the root; a full tile to its hash in the tile above it.
 *
 * @param cache verified full tiles by "level/index"; one map serves one tree, which may grow; its owner bounds it
 * @throws TlogError (at once and when read) `tile` where a tile is not that of the tree; `argument` where the tree has no such tile
 */
export function verifiedTileReader(
  size: number,
  root: Uint8Array,
  readTile: TileReader,
  cache: Map<string, Uint8Array> = new Map(),
): TileReader {
  const edge = new Map<string, Uint8Array>()
  const found = treeRoot(
    size,
    tileHashReader(size, (level, index, width) => {
      // The root is made of partial tiles only: a full one has its hash in the tile above.
      const data = new Uint8Array(readTile(level, index, width).subarray(0, width * HASH_SIZE))
      edge.set(`${level}/${index}`, data)
      return data
    }),
  )
  if (!equalHashes(found, root))
    throw new TlogError('tile', `the tiles at the edge do not hash to the root of size ${size}`)

  const read: TileReader = (level, index, width) => {
    const most = tileWidth(level, index, size)
    if (width < 1 || width > most) throw new TlogError('argument', `no tile ${level}/${index} of width ${width}`)
    const last = edge.get(`${level}/${index}`)
    if (last !== undefined) return last.subarray(0, width * HASH_SIZE)
    const name = `${level}/${index}`
    const known = cache.get(name)
    if (known !== undefined) return known.subarray(0, width * HASH_SIZE)
    const data = readTile(level, index, most)
    checkTile(data, most, name)
    const own = new Uint8Array(data.subarray(0, most * HASH_SIZE))
    const at = index % TILE_WIDTH
    const parent = read(level + 1, Math.floor(index / TILE_WIDTH), at + 1)
    if (!equalHashes(subtreeRootInto(own, 0, TILE_WIDTH), parent.subarray(at * HASH_SIZE, (at + 1) * HASH_SIZE))) {
      throw new TlogError('tile', `tile ${name} does not hash to its place in the tree of ${size}`)
    }
    cache.set(name, own)
    return own.subarray(0, width * HASH_SIZE)
  }
  return read
}

function checkTile(data: Uint8Array, width: number, name: string): void {
  if (data.length < width * HASH_SIZE || data.length % HASH_SIZE !== 0) {
    throw new TlogError('tile', `tile ${name} has ${data.length} bytes, expected ${width * HASH_SIZE}`)
  }
}
