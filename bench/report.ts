import { execFileSync } from 'node:child_process'
import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'
import { root } from '../test/support/server.ts'
import { median } from './statistics.ts'

/** A line of the table. `goal`: what `value` may be at most or must be at least, in `unit`. */
export type Figure = {
  figure: string
  what: string
  value: number
  unit: string
  goal?: { most: number } | { least: number }
  /** What it was made of. */
  details: string
}

export function meetsGoal({ value, goal }: Figure): boolean | undefined {
  if (!goal) return undefined
  return 'most' in goal ? value <= goal.most : value >= goal.least
}

const number = (n: number) =>
  n >= 1000 ? Math.round(n).toLocaleString('en-US') : n >= 100 ? n.toFixed(0) : n.toFixed(n >= 10 ? 1 : 2)

/** A Markdown table. */
export function formatTable(figures: readonly Figure[]): string {
  const rows = figures.map(f => {
    const goal = !f.goal ? '' : 'most' in f.goal ? `≤ ${number(f.goal.most)}` : `≥ ${number(f.goal.least)}`
    const met = meetsGoal(f)
    return [
      f.figure,
      f.what,
      `${number(f.value)} ${f.unit}`,
      goal,
      met === undefined ? '' : met ? 'yes' : 'NO',
      f.details,
    ]
  })
  const table = [['', 'what', 'measured', 'goal', 'met', 'from'], ...rows]
  const widths = (table[0] as string[]).map((_, i) => Math.max(...table.map(row => (row[i] as string).length)))
  const line = (row: string[]) => `| ${row.map((cell, i) => cell.padEnd(widths[i] as number)).join(' | ')} |`
  const [head, ...body] = table.map(line)
  return [head, `|${widths.map(w => '-'.repeat(w + 2)).join('|')}|`, ...body].join('\n')
}

export type Machine = {
  cpu: string
  cores: number
  memoryGiB: number
  load: number
  node: string
  commit: string
  /** Median of 200 writes of 4 KiB, each with fdatasync, where the data folders of the run lie; milliseconds. */
  fsyncMs: number
}

export function describeMachine(folder: string): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    load: loadavg()[0] as number,
    node: process.version,
    commit: readCommit(),
    fsyncMs: measureFsync(folder),
  }
}

function readCommit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' }).trim()
  try {
    const isChanged = git('status', '--porcelain', '--untracked-files=no') !== ''
    return `${git('rev-parse', '--short', 'HEAD')}${isChanged ? ' and changes' : ''}`
  } catch {
    return 'unknown'
  }
}

export function formatMachine(m: Machine): string {
  const cores = `${m.cores} × ${m.cpu}, ${m.memoryGiB} GiB, load ${m.load.toFixed(2)} at the start`
  return `${cores}; Node ${m.node}; commit ${m.commit}; fdatasync of 4 KiB: ${m.fsyncMs.toFixed(2)} ms (median of 200)`
}

function measureFsync(folder: string): number {
  const fd = openSync(join(folder, 'fsync'), 'w')
  const block = Buffer.alloc(4096, 1)
  const times: number[] = []
  for (let i = 0; i < 200; i++) {
    const started = performance.now()
    writeSync(fd, block)
    fdatasyncSync(fd)
    times.push(performance.now() - started)
  }
  closeSync(fd)
  return median(times)
}

/** Load of the machine by others, where the system tells. */
export function readLoad(): string {
  try {
    return readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(' ')
  } catch {
    return loadavg().join(' ')
  }
}
