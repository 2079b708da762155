#!/usr/bin/env node
// Finds a Node that runs TypeScript as it stands (24 or later), and runs the command in it.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import * as module from 'node:module' // Node 20 has no enableCompileCache to import by name
import { dirname, join } from 'node:path'

const main = join(import.meta.dirname, 'main.ts')
/**
 * A server lives long, and most of what it reads is garbage a moment later. To collect that early, not to scatter it over many arenas and to give
 * large pieces back to the system at once halves its memory (`npm run bench -- --only million`, test/e2e/hostile.test.ts) for the same speed.
 */
const SMALL_NURSERY = '--max-semi-space-size=2'
const THRIFTY_MALLOC = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '65536',
  MALLOC_TRIM_THRESHOLD_: '65536',
}
if (Number(process.versions.node.split('.')[0]) >= 24) {
  if (process.argv[2] === 'serve' && process.execve && !process.execArgv.includes(SMALL_NURSERY)) {
    const args = [process.execPath, SMALL_NURSERY, ...process.execArgv, ...process.argv.slice(1)]
    process.execve(process.execPath, args, { ...THRIFTY_MALLOC, ...process.env })
  }
  module.enableCompileCache() // keeps compiled code in the temporary folder: the second start takes half the time
  await import(main)
} else {
  const name = join('node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  let folder = import.meta.dirname
  while (!existsSync(join(folder, name)) && dirname(folder) !== folder) folder = dirname(folder)
  const node = join(folder, name)
  if (!existsSync(node)) {
    console.error(
      `entente needs Node 24 or later; this is ${process.version}. Install it, or run "npm install" in the project, which brings its own.`,
    )
    process.exit(2)
  }
  const child = spawn(node, [import.meta.filename, ...process.argv.slice(2)], { stdio: 'inherit' })
  const signals = ['SIGTERM', 'SIGHUP']
  // A terminal sends its interrupts to both: sent on, they would come twice, and the second ends a server that is finishing.
  if (process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY) process.on('SIGINT', () => undefined)
  else signals.push('SIGINT')
  for (const signal of signals) process.on(signal, () => child.kill(signal))
  child.on('exit', (status, signal) => {
    if (signal === null) process.exit(status)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}
