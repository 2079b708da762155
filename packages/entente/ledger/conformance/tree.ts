import { createHash } from 'node:crypto'

const sha256 = (...parts: (Uint8Array | string)[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return Uint8Array.from(hash.digest())
}
const node = (left: Uint8Array, right: Uint8Array) => sha256(Uint8Array.of(1), left, right)

/** A Merkle tree of made-up leaves, by the recursive definitions of RFC 9162 (sections 2.1.1 and 2.1.4.1). Trees of one seed are one log. */
export class TestTree {
  readonly #seed: string
  readonly #known = new Map<string, Uint8Array>()

  constructor(seed: string) {
    this.#seed = seed
  }

  root(size: number): Uint8Array {
    return this.#mth(0, size)
  }

  consistency(oldSize: number, size: number): Uint8Array[] {
    return this.#subproof(oldSize, 0, size, true)
  }

  #mth(from: number, to: number): Uint8Array {
    const key = `${from}-${to}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const k = from + split(to - from)
    const hash =
      to - from === 1 ? sha256(Uint8Array.of(0), `${this.#seed} ${from}`) : node(this.#mth(from, k), this.#mth(k, to))
    this.#known.set(key, hash)
    return hash
  }

  #subproof(m: number, from: number, to: number, whole: boolean): Uint8Array[] {
    if (m === to - from) return whole ? [] : [this.#mth(from, to)]
    const k = split(to - from)
    return m <= k
      ? [...this.#subproof(m, from, from + k, whole), this.#mth(from + k, to)]
      : [...this.#subproof(m - k, from + k, to, false), this.#mth(from, from + k)]
  }
}

/** Largest power of two smaller than n. */
function split(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}
