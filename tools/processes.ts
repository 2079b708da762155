// What runs below a process, what holds it open, and its end with all that it started. Of Linux (proc(5)); elsewhere there is nothing to see.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export type Process = { pid: number; parent: number; command: string }

/** Longest that a process has to write its report: one that computes without end never does. */
const REPORT_MS = 5000

/** All processes that can be seen; none where there is no /proc. */
function all(): Process[] {
  try {
    return readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .flatMap(name => {
        try {
          const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
          const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
          const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
          return [{ pid: Number(name), parent, command }]
        } catch {
          return [] // ended meanwhile
        }
      })
  } catch {
    return []
  }
}

export const childrenOf = (pid: number): Process[] => all().filter(p => p.parent === pid)

/** A process and all below it, each before those that it started. */
export function tree(pid: number, processes: readonly Process[] = all()): Process[] {
  return [
    ...processes.filter(p => p.pid === pid),
    ...processes.filter(p => p.parent === pid).flatMap(p => tree(p.pid, processes)),
  ]
}

/** Ends a process and all below it, by SIGKILL. */
export function endTree(pid: number): void {
  for (const p of tree(pid)) {
    try {
      process.kill(p.pid, 'SIGKILL')
    } catch {} // ended meanwhile
  }
}

type Report = {
  javascriptStack?: { stack?: string[] }
  libuv: ({ type: string; is_active: boolean; is_referenced: boolean } & Record<string, unknown>)[]
}

/**
 * What keeps a Node process from ending, a line each: its open handles, and what it executes. By Node's diagnostic report: the process must have been started
 * with --report-on-signal and --report-directory=FOLDER.
 */
export async function handlesIn(pid: number, folder: string): Promise<string[]> {
  process.kill(pid, 'SIGUSR2')
  for (const end = performance.now() + REPORT_MS; performance.now() < end; ) {
    await new Promise(resolve => setTimeout(resolve, 100))
    const name = readdirSync(folder).find(n => n.includes(`.${pid}.`))
    if (name === undefined) continue
    let report: Report
    try {
      report = JSON.parse(readFileSync(join(folder, name), 'utf8'))
    } catch {
      continue // not written whole yet
    }
    return linesOf(report)
  }
  return [`no report within ${REPORT_MS / 1000} s: it computes without end, or it waits in a call of the system`]
}

function linesOf({ javascriptStack, libuv }: Report): string[] {
  const handles = libuv
    .filter(h => h.is_active && h.is_referenced && h.type !== 'loop')
    .map(h => JSON.stringify({ ...h, address: undefined, is_active: undefined, is_referenced: undefined }))
  const executed = javascriptStack?.stack?.map(line => `executes: ${line}`) ?? []
  return [...new Set(handles), ...executed]
}
