/** Places from the first to the last of each pair. */
type Runs = readonly (readonly [first: number, last: number])[]

/** Runs as text, short where they are: `3-9,12`. */
export const formatRuns = (runs: Runs): string =>
  runs.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join()

/** The inverse of {@link formatRuns}. */
export function parseRuns(text: string): [first: number, last: number][] {
  if (text === '') return []
  return text.split(',').map(run => {
    const [first = '', last = first] = run.split('-')
    return [Number(first), Number(last)]
  })
}

/** Whether one of these places is in one of the runs. */
export const holdsOneOf = (runs: Runs, places: readonly number[]): boolean =>
  places.some(place => runs.some(([first, last]) => first <= place && place <= last))
