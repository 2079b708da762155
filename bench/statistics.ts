/** The value below which the share `q` of the values lies. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** Runs both sides in turn, `rounds` times: the machine may change its pace, and does so for both. */
export const alternate = <T>(
  rounds: number,
  a: (round: number) => Promise<T>,
  b: (round: number) => Promise<T>,
): Promise<[T, T][]> => takeTurns(rounds, [a, b]) as Promise<[T, T][]>

/** Runs all sides in turn, `rounds` times. @returns by round, what each gave */
export async function takeTurns<T>(rounds: number, sides: ((round: number) => Promise<T>)[]): Promise<T[][]> {
  const results: T[][] = []
  for (let round = 0; round < rounds; round++) {
    const given: T[] = []
    // Who goes first changes too.
    for (let turn = 0; turn < sides.length; turn++) {
      const side = (round + turn) % sides.length
      given[side] = await (sides[side] as (typeof sides)[number])(round)
    }
    results.push(given)
  }
  return results
}
