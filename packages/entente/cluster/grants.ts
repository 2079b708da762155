import type { News } from './link.ts'

/** For so long a server answers from what it has, counted from before it asked whether that is all. */
export const GRANT_MS = 200
/** For so long who granted that counts on it, counted from its answer: longer, for clocks that don't run alike. */
export const HELD_MS = 250

/** A connection of a server that may be granted something. */
export type Grantee = { tell(news: News): void }

/**
 * Grants of the server that writes: who has one reads without a question, because nothing is shown or acknowledged here before each of them was given back or has
 * run out. Given only with a sure lease, so who takes over after {@link HELD_MS} meets none.
 */
export type Grants = {
  /** @returns its number; undefined while the log changes */
  give(to: Grantee): number | undefined
  /** Nobody relies on what was given on this connection up to this number any more. */
  takeBack(from: Grantee, number: number): void
  /**
   * Shows what is stored by now: takes every grant back first, and gives none meanwhile.
   *
   * @param show what makes it visible here
   */
  show<T>(show: () => T | Promise<T>): Promise<T>
}

/** @param now milliseconds of a clock that never goes back */
export function createGrants(now: () => number): Grants {
  const given = new Map<Grantee, { number: number; until: number }>()
  const waiting = new Set<() => void>()
  let count = 0
  let showing = 0

  /** Resolves once nobody has a grant. */
  async function revoke(): Promise<void> {
    if (given.size === 0) return
    for (const [to, { number }] of given) to.tell({ revoke: number })
    await new Promise<void>(resolve => {
      let timer: NodeJS.Timeout | undefined
      const look = () => {
        clearTimeout(timer)
        for (const [to, { until }] of given) if (until <= now()) given.delete(to)
        if (given.size > 0) {
          timer = setTimeout(look, Math.max(1, Math.min(...[...given.values()].map(g => g.until)) - now()))
          return
        }
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
    })
  }

  return {
    give: to => {
      if (showing > 0) return undefined
      given.set(to, { number: ++count, until: now() + HELD_MS })
      return count
    },
    takeBack: (from, number) => {
      const one = given.get(from)
      if (!one || one.number > number) return
      given.delete(from)
      for (const look of waiting) look()
    },
    show: async show => {
      showing++
      try {
        await revoke()
        return await show()
      } finally {
        showing--
      }
    },
  }
}
