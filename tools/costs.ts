// Which test files run beside which: a table of what each took the last time, and a plan that keeps the cores busy without asking too much of them.

/** What a test file took: seconds from start to end, and of CPU with all processes that it started. */
export type Cost = { file: string; seconds: number; cpu: number }

export interface Plan {
  /** Files that begin now. */
  start(): string[]
  end(file: string): void
  isDone(): boolean
}

/** Files shorter than this are in no table: in which order they run makes no difference. */
const LONG_S = 4
/** Of a file that is in no table. */
const UNKNOWN = { seconds: 0, cpu: 0, share: 1 }
/** Files at once for each core: those that wait for blocks and brokers need memory, too. */
const MOST_PER_CORE = 2

/** A line a file: seconds, seconds of CPU, name; `#` begins a comment. */
export function parseCosts(text: string): Cost[] {
  return text
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
    .map(line => {
      const [seconds, cpu, file, ...rest] = line.trim().split(/\s+/)
      if (file === undefined || rest.length > 0 || !(Number(seconds) > 0) || !(Number(cpu) >= 0))
        throw new Error(`"${line}" is not: seconds, seconds of CPU, file`)
      return { file, seconds: Number(seconds), cpu: Number(cpu) }
    })
}

/** The same, longest first. */
export const formatCosts = (costs: readonly Cost[]): string =>
  costs
    .filter(({ seconds }) => seconds >= LONG_S)
    .toSorted((a, b) => b.seconds - a.seconds)
    .map(({ file, seconds, cpu }) => `${seconds.toFixed(0).padStart(4)} ${cpu.toFixed(0).padStart(4)} ${file}\n`)
    .join('')

/**
 * Longest first, so that no long file is left over at the end; as many at once as the cores have time for. One that mostly waits runs beside two that compute,
 * and one that takes both cores, which is one with bounds on time as a rule, runs alone or beside one that waits.
 */
export function createPlan(files: readonly string[], costs: readonly Cost[], cores: number): Plan {
  const known = new Map(costs.map(c => [c.file, { ...c, share: Math.min(c.cpu / c.seconds, cores) }]))
  const costOf = (file: string) => known.get(file) ?? UNKNOWN
  const waiting = files.toSorted((a, b) => costOf(b).seconds - costOf(a).seconds)
  const running = new Set<string>()
  const busy = () => [...running].reduce((sum, file) => sum + costOf(file).share, 0)
  return {
    start() {
      const started: string[] = []
      while (running.size < MOST_PER_CORE * cores) {
        const next = waiting.findIndex(file => running.size === 0 || busy() + costOf(file).share <= cores)
        if (next < 0) break
        const [file] = waiting.splice(next, 1) as [string]
        running.add(file)
        started.push(file)
      }
      return started
    },
    end: file => void running.delete(file),
    isDone: () => waiting.length === 0 && running.size === 0,
  }
}
