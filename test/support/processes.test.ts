import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { end, isRunning } from './processes.ts'
import { until } from './until.ts'

const start = async (script: string) => {
  const child = spawn(process.execPath, ['-e', `${script}; console.log('runs'); setInterval(() => {}, 1000)`])
  await once(child.stdout, 'data')
  return child
}

test('a process is asked to end, and killed where it does not', async () => {
  const [willing, deaf] = await Promise.all([start(''), start(`process.on('SIGTERM', () => {})`)])
  assert.equal(await end(willing), false)
  assert.equal(willing.signalCode, 'SIGTERM')
  assert.equal(await end(willing), false, 'it has ended before')
  assert.equal(await end(deaf, 'SIGTERM', 200), true)
  assert.equal(deaf.signalCode, 'SIGKILL')
})

test('a stopped process is killed, too; one that never began is waited for by nobody', async () => {
  const stopped = await start('')
  stopped.kill('SIGSTOP')
  assert.equal(await end(stopped, 'SIGTERM', 200), true)
  const never = spawn('/nonexistent/command')
  never.on('error', () => {})
  assert.equal(await end(never), false)
  assert.equal(isRunning(stopped), false)
})

test('a process of ours neither keeps us from ending nor stays behind', async () => {
  const script = `
    import { spawn } from 'node:child_process'
    import { own } from '${pathToFileURL(join(import.meta.dirname, 'processes.ts'))}'
    console.log(own(spawn('sleep', ['600'], { stdio: 'ignore' })).pid)`
  const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000 })
  assert.equal(signal, null, 'it ended by itself')
  const isGone = () => {
    try {
      return !process.kill(Number(stdout), 0)
    } catch {
      return true
    }
  }
  await until(isGone, () => `${stdout} runs`, { ms: 5000 })
})
