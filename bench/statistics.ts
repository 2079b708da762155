/** The value below which the share `q` of the values lies. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** Runs both sides in turn, `rounds` times: the machine may change its pace, and does so for both. */
export async function alternate<T>(
  rounds: number,
  a: (round: number) => Promise<T>,
  b: (round: number) => Promise<T>,
): Promise<[T, T][]> {
  const results: [T, T][] = []
  for (let round = 0; round < rounds; round++) {
    // Who goes first changes too.
    if (round % 2 === 0) {
      const first = await a(round)
      results.push([first, await b(round)])
    } else {
      const first = await b(round)
      results.push([await a(round), first])
    }
  }
  return results
}
