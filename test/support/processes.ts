import type { ChildProcess } from 'node:child_process'

/** How long a process that was asked to end may take: a broker, a database or a server has done it in seconds. */
export const END_MS = 60_000

export const isRunning = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null

/**
 * A process that ends with this one, and does not keep it from ending: what a test that failed has left running would hold its file up for ever.
 *
 * @returns the same process
 */
export function own(child: ChildProcess): ChildProcess {
  const kill = () => void child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('exit', () => process.off('exit', kill))
  child.unref()
  return child
}

/**
 * Ends a process; resolves once it has ended. One that was asked to and does not is killed: a test that waited for it would wait for ever.
 *
 * @returns whether it had to be killed
 */
export async function end(
  child: ChildProcess,
  signal: NodeJS.Signals = 'SIGTERM',
  patienceMs = END_MS,
): Promise<boolean> {
  // Nothing was ever started where the file can't be executed: there is no exit to wait for.
  if (child.pid === undefined || !isRunning(child)) return false
  let isKilled = false
  child.ref()
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
  const timer = setTimeout(() => {
    isKilled = signal !== 'SIGKILL'
    child.kill('SIGKILL')
  }, patienceMs)
  child.kill(signal)
  await exited
  clearTimeout(timer)
  return isKilled
}
