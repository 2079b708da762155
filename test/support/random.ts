/** Numbers from a seed, the same on every run (mulberry32). */
export type Random = {
  /** From 0 up to 1. */
  next(): number
  /** From 0 up to `below`. */
  int(below: number): number
  pick<T>(from: readonly T[]): T
  /** `length` characters of `alphabet`. */
  text(length: number, alphabet: string): string
  bytes(length: number): Buffer
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const int = (below: number) => Math.floor(next() * below)
  return {
    next,
    int,
    pick: from => from[int(from.length)] as (typeof from)[number],
    text: (length, alphabet) => Array.from({ length }, () => alphabet[int(alphabet.length)]).join(''),
    bytes: length => Buffer.from(Array.from({ length }, () => int(256))),
  }
}
