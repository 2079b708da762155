import { collectionKey, formatHeadsEntry, headsMapRoot } from '@entente/verify/proof'
import { EMPTY_ROOT, hashLeaf, subtreeRootInto, TreeEdge } from '@entente/verify/tlog'
import { decodeBundle } from './tiles.ts'

/** What can be read of a log's trees: of the store that is mended, or of a copy. Nothing of it is believed. */
export type LogCopy = {
  tile(tree: number, level: number, index: number): Promise<Uint8Array | undefined>
  entryBundle(index: number): Promise<Uint8Array | undefined>
}

/** The log as its checkpoint has it, put together from what is left of it. */
export type SettledLog = {
  size: number
  /** Hashes of all leaves, 32 bytes each. */
  leaves: Buffer
  /** Entries that some bundle had and that match their leaf are of a record (1) or of heads (2); of the others it isn't known (0). */
  kinds: Uint8Array
  /** Heads entries that nobody had. */
  heads: Map<number, Buffer>
}

/** How entries begin that are texts (docs/formats.md 4, 16, 18); every other entry has 32 bytes. */
const TEXTS = ['entente/heads/v1\n', 'entente/succession/v1\n', 'entente/continuation/v1\n']

/** Guesses that are tried for one tile where copies disagree: half a second's work. */
const MAX_GUESSES = 4096
/** Leaves that are hashed for guesses at the whole tree: some ten seconds of work. */
const MAX_HASHES = 10_000_000

/**
 * Finds the hash of every leaf. Entry bundle, tile and records say the same thing three times, copies again; where they disagree, the tile above
 * tells who is right, and at the end the root that the log's key has signed.
 *
 * @param commitments SHA-256 of the texts that lie at each log index, zeros where there is none
 * @param heads what a heads entry could be that nobody has
 * @returns undefined where no choice gives the root
 */
export async function settleLog(
  copies: LogCopy[],
  { size, root }: { size: number; root: Uint8Array },
  commitments: Buffer,
  heads: HeadsReplay,
): Promise<SettledLog | undefined> {
  const leaves = Buffer.alloc(size * 32)
  const kinds = new Uint8Array(size)
  const made = new Map<number, Buffer[]>()
  let tree = TreeEdge.empty()
  const unsure: { index: number; candidates: Buffer[][] }[] = []
  const isRoot = (guess: Uint8Array) => {
    const whole = tree.clone()
    whole.append(guess)
    return Buffer.from(whole.root()).equals(root)
  }
  for (let index = 0; index * 256 < size; index++) {
    const width = Math.min(256, size - index * 256)
    const isLast = (index + 1) * 256 >= size
    const bundles = await Promise.all(copies.map(c => c.entryBundle(index)))
    const tiles = await Promise.all(copies.map(c => c.tile(0, 0, index)))
    const above = await Promise.all(copies.map(c => c.tile(0, 1, Math.floor(index / 256))))
    const at = (index % 256) * 32
    const hints = above.flatMap(t => (t && t.length >= at + 32 ? [Buffer.from(t.subarray(at, at + 32))] : []))
    const isRight = (guess: Uint8Array): boolean => {
      if (isLast) return isRoot(guess)
      if (hints.length === 0) return true
      const own = subtreeRootInto(guess, 0, 256)
      return hints.some(hint => hint.equals(own))
    }
    const decoded = bundles.map(b => (b ? decodeBundle(b) : undefined))
    const candidates: Buffer[][] = []
    const kindOf: Map<string, number>[] = []
    for (let i = 0; i < width; i++) {
      const votes = new Map<string, number>()
      const kind = new Map<string, number>()
      const vote = (hash: Uint8Array, of = 0, weight = 1) => {
        const hex = Buffer.from(hash).toString('hex')
        votes.set(hex, (votes.get(hex) ?? 0) + weight)
        if (of > 0) kind.set(hex, of)
      }
      for (const b of decoded) {
        if (!b || i >= b.count) continue
        const entry = b.bytes.subarray(b.offsets[i], (b.offsets[i + 1] as number) - 2)
        if (entry.length === 32) vote(hashLeaf(entry), 1, 2)
        else if (TEXTS.some(start => entry.toString('latin1', 0, start.length) === start)) vote(hashLeaf(entry), 2, 2)
      }
      for (const t of tiles) if (t && t.length >= i * 32 + 32) vote(t.subarray(i * 32, i * 32 + 32))
      const leaf = index * 256 + i
      const commitment = commitments.subarray(leaf * 32, leaf * 32 + 32)
      // A record or heads entry that can be read is likelier than a hash that came from anywhere.
      if (!isZero(commitment)) vote(hashLeaf(commitment), 1, 1.5)
      else if (kind.size === 0) {
        made.set(
          leaf,
          heads(leaf, leaves).map(text => Buffer.from(text)),
        )
        for (const entry of made.get(leaf) ?? []) vote(hashLeaf(entry), 2, 1.5)
      }
      const best = [...votes].sort((a, b) => b[1] - a[1]).map(([hex]) => Buffer.from(hex, 'hex'))
      best[0]?.copy(leaves, leaf * 32)
      candidates.push(best)
      kindOf.push(kind)
    }
    // One that is whole is likelier than a mixture.
    const whole = tiles.flatMap(t => (t && t.length >= width * 32 ? [Buffer.from(t.subarray(0, width * 32))] : []))
    let settled = whole.find(isRight) ?? choose(candidates, isRight)
    if (!settled && isLast && unsure.length > 0) {
      // No tile above said who is right in one before: the root does, for what there is to choose from in all of them.
      const earlier = unsure.flatMap(u => u.candidates)
      const all = choose(
        [...earlier, ...candidates],
        guess => {
          for (const [n, u] of unsure.entries()) leaves.set(guess.subarray(n * 8192, (n + 1) * 8192), u.index * 8192)
          leaves.set(guess.subarray(unsure.length * 8192), index * 8192)
          const again = TreeEdge.empty()
          again.append(leaves)
          return Buffer.from(again.root()).equals(root)
        },
        Math.min(MAX_GUESSES, Math.ceil(MAX_HASHES / size)),
      )
      if (!all) return undefined
      tree = TreeEdge.empty()
      tree.append(leaves.subarray(0, index * 8192))
      settled = all.subarray(unsure.length * 8192)
    }
    if (!settled) return undefined
    if (hints.length === 0 && !isLast && candidates.some(c => c.length > 1)) unsure.push({ index, candidates })
    tree.append(settled)
    settled.copy(leaves, index * 8192)
    for (const [i, kind] of kindOf.entries())
      kinds[index * 256 + i] = kind.get(settled.toString('hex', i * 32, i * 32 + 32)) ?? 0
  }
  if (!Buffer.from(tree.root()).equals(root)) return undefined
  const chosen = new Map<number, Buffer>()
  for (const [leaf, entries] of made) {
    const entry = entries.find(e => leaves.subarray(leaf * 32, leaf * 32 + 32).equals(hashLeaf(e)))
    if (entry) chosen.set(leaf, entry)
  }
  return { size, leaves, kinds, heads: chosen }
}

/** What a heads entry (docs/formats.md 4) can be at a log index, given all leaves before it. To be asked in ascending order. */
export type HeadsReplay = (leaf: number, leaves: Buffer) => string[]

/**
 * @param collections in the order in which they were founded, which is that of their numbers
 * @param collectionAt number of the collection that the record at a log index is of; 0 where that isn't known, or there is a heads entry
 */
export function createHeadsReplay(
  collections: { number: number; apiRoot: string; id: string }[],
  collectionAt: (leaf: number) => number,
): HeadsReplay {
  const trees = collections.map(c => ({ ...c, key: collectionKey(c.apiRoot, c.id), tree: TreeEdge.empty() }))
  let next = 0
  return (leaf, leaves) => {
    for (; next < leaf; next++) {
      const of = collectionAt(next)
      if (of > 0) trees.find(t => t.number === of)?.tree.append(leaves.subarray(next * 32, next * 32 + 32))
    }
    // A collection without a record may have been founded by then, or later.
    const least = trees.findLastIndex(t => t.tree.size > 0) + 1
    return trees.slice(Math.max(least, 1) - 1).map((_, i) => {
      const founded = trees.slice(0, Math.max(least, 1) + i)
      const heads = founded.map(({ key, tree }) => ({
        key,
        count: tree.size,
        root: tree.size === 0 ? EMPTY_ROOT : tree.root(),
      }))
      return formatHeadsEntry({ collections: founded.length, root: headsMapRoot(heads) })
    })
  }
}

/** The first choice, most likely first, that is right. */
function choose(
  candidates: Buffer[][],
  isRight: (guess: Uint8Array) => boolean,
  most = MAX_GUESSES,
): Buffer | undefined {
  if (candidates.some(c => c.length === 0)) return undefined
  const guess = Buffer.concat(candidates.map(c => c[0] as Buffer))
  if (isRight(guess)) return guess
  const open = candidates.flatMap((c, i) => (c.length > 1 ? [i] : []))
  const turn = open.map(() => 0)
  for (let tried = 0; tried < most; tried++) {
    let digit = 0
    for (; digit < open.length; digit++) {
      const place = open[digit] as number
      const of = candidates[place] as Buffer[]
      turn[digit] = ((turn[digit] as number) + 1) % of.length
      ;(of[turn[digit] as number] as Buffer).copy(guess, place * 32)
      if (turn[digit] !== 0) break
    }
    if (digit === open.length) return undefined // every combination was tried
    if (isRight(guess)) return guess
  }
  return undefined
}

export function isZero(bytes: Uint8Array): boolean {
  for (const b of bytes) if (b !== 0) return false
  return true
}
