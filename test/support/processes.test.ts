import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { end, isRunning } from './processes.ts'

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
