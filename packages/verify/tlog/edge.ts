import { TlogError } from './error.ts'
import { EMPTY_ROOT, HASH_SIZE, hashChildrenInto } from './hash.ts'
import { subtreeRootInto, TILE_HEIGHT, TILE_WIDTH, type Tile, tileWidth } from './tile.ts'

/** 2^53 leaves fill 53 levels; one more is written and never read. */
const MAX_LEVELS = 54
const TILE_BYTES = TILE_WIDTH * HASH_SIZE

// Only used within one synchronous call.
const carry = new Uint8Array(HASH_SIZE)

/**
 * One level's last tile, which edges of one tree share: each reads the hashes up to its own size. `filled` hashes were written by
 * whoever came furthest; only an edge that ends just there may write the next one in place.
 */
type EdgeTile = { data: Uint8Array; filled: number }

/**
 * The right edge of a Merkle tree (RFC 9162 section 2.1), all that is needed to grow it: for every level of tiles the partial
 * one, and for every bit of the size the root of that complete subtree. Appending costs one hash call a leaf, amortised (the
 * leaf hash is the caller's), the root one for each level.
 *
 * To *stage*: append to a {@link TreeEdge.clone}, write what it returns, and keep the clone once that is durable, or drop it. A
 * clone costs 2 KB and shares the tiles: the first of the two to append goes on in them, the other copies what it needs.
 */
export class TreeEdge {
  #size: number
  /** At 32 * level: root of the complete subtree of 2^level leaves at the edge; meaningful where the size has that bit. */
  #frontier: Uint8Array
  #tiles: (EdgeTile | undefined)[]

  private constructor(size: number, frontier: Uint8Array, tiles: (EdgeTile | undefined)[]) {
    this.#size = size
    this.#frontier = frontier
    this.#tiles = tiles
  }

  /** The edge of the empty tree. */
  static empty(): TreeEdge {
    return new TreeEdge(0, new Uint8Array(MAX_LEVELS * HASH_SIZE), [])
  }

  /**
   * The edge of a tree of `size` leaves from its partial tiles.
   *
   * @param readTile gives the hashes of a partial tile: at least `width` (1 to 255) of them, further ones are ignored
   * @throws TlogError `argument` for a size, `tile` for a tile that is too short
   */
  static open(size: number, readTile: (level: number, index: number, width: number) => Uint8Array): TreeEdge {
    if (!Number.isSafeInteger(size) || size < 0) throw new TlogError('argument', `no tree size: ${size}`)
    const edge = TreeEdge.empty()
    edge.#size = size
    for (let level = 0; Math.floor(size / TILE_WIDTH ** level) > 0; level++) {
      const index = Math.floor(size / TILE_WIDTH ** (level + 1))
      const width = tileWidth(level, index, size)
      if (width === 0) continue
      const data = readTile(level, index, width)
      if (data.length < width * HASH_SIZE || data.length > TILE_BYTES) {
        throw new TlogError('tile', `tile ${level}/${index} has ${data.length} bytes, expected ${width * HASH_SIZE}`)
      }
      const own = new Uint8Array(TILE_BYTES)
      own.set(data.subarray(0, width * HASH_SIZE))
      edge.#tiles[level] = { data: own, filled: width }
      for (let height = 0, rest = width; height < TILE_HEIGHT; height++) {
        const count = 2 ** height
        if ((rest & count) === 0) continue
        rest -= count
        subtreeRootInto(own, rest, count, edge.#frontier, (level * TILE_HEIGHT + height) * HASH_SIZE)
      }
    }
    return edge
  }

  /** Leaves in the tree. */
  get size(): number {
    return this.#size
  }

  /** A second edge of the same tree. What either of the two appends is not seen by the other. */
  clone(): TreeEdge {
    return new TreeEdge(this.#size, this.#frontier.slice(), this.#tiles.slice())
  }

  /**
   * Append leaves.
   *
   * @param leafHashes hashes of the leaves (`hashLeaf`), one after the other
   * @returns every tile that got a hash, in order of level and index, with all its hashes so far. The bytes are not written
   *   to again, and are not the caller's to change.
   * @throws TlogError `argument`
   */
  append(leafHashes: Uint8Array): Tile[] {
    const count = leafHashes.length / HASH_SIZE
    if (!Number.isInteger(count) || !Number.isSafeInteger(this.#size + count)) {
      throw new TlogError('argument', `${leafHashes.length} bytes are no list of hashes`)
    }
    const touched: Tile[] = []
    for (let i = 0; i < count; i++) {
      this.#appendLeaf(leafHashes, i * HASH_SIZE, touched)
    }
    this.#partialTiles(count, touched)
    return touched.sort((a, b) => a.level - b.level || a.index - b.index)
  }

  /** RFC 9162 section 2.1.1: the hash of the tree. */
  root(): Uint8Array {
    if (this.#size === 0) return EMPTY_ROOT.slice()
    let root: Uint8Array | undefined
    for (let level = 0, rest = this.#size; rest > 0; level++, rest = Math.floor(rest / 2)) {
      if (rest % 2 === 0) continue
      const at = level * HASH_SIZE
      if (root === undefined) root = this.#frontier.slice(at, at + HASH_SIZE)
      else hashChildrenInto(this.#frontier, at, root, 0, root, 0)
    }
    return root!
  }

  /** A binary counter: the new subtree swallows those of its own size to the left of it, one carry a level. */
  #appendLeaf(leafHashes: Uint8Array, at: number, full: Tile[]): void {
    const frontier = this.#frontier
    for (let i = 0; i < HASH_SIZE; i++) carry[i] = leafHashes[at + i]!
    let level = 0
    this.#appendToTile(0, carry, full)
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
      hashChildrenInto(frontier, level * HASH_SIZE, carry, 0, carry, 0)
      level++
      if (level % TILE_HEIGHT === 0) this.#appendToTile(level / TILE_HEIGHT, carry, full)
    }
    frontier.set(carry, level * HASH_SIZE)
    this.#size++
  }

  /** Called before the size moves on, with the tile level's next hash. */
  #appendToTile(level: number, hash: Uint8Array, full: Tile[]): void {
    const position = Math.floor(this.#size / TILE_WIDTH ** level)
    const at = position % TILE_WIDTH
    let tile = this.#tiles[level]
    if (at === 0 || tile === undefined) {
      tile = { data: new Uint8Array(TILE_BYTES), filled: 0 }
      this.#tiles[level] = tile
    } else if (tile.filled !== at) {
      const data = new Uint8Array(TILE_BYTES)
      data.set(tile.data.subarray(0, at * HASH_SIZE))
      tile = { data, filled: at }
      this.#tiles[level] = tile
    }
    tile.data.set(hash, at * HASH_SIZE)
    tile.filled = at + 1
    if (at === TILE_WIDTH - 1) {
      full.push({ level, index: Math.floor(position / TILE_WIDTH), data: tile.data })
      this.#tiles[level] = undefined
    }
  }

  /** The tiles that the last `count` leaves reached and did not fill. */
  #partialTiles(count: number, touched: Tile[]): void {
    for (let level = 0; ; level++) {
      const span = TILE_WIDTH ** level
      const hashes = Math.floor(this.#size / span)
      if (hashes === Math.floor((this.#size - count) / span)) return
      const width = hashes % TILE_WIDTH
      if (width === 0) continue
      const data = this.#tiles[level]!.data.subarray(0, width * HASH_SIZE)
      touched.push({ level, index: Math.floor(hashes / TILE_WIDTH), data })
    }
  }
}
