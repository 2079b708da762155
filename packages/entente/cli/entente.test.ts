// What `entente` does on a Node that can't run the sources: it finds one that can, and is it for whoever started it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

/** The launcher alone is told that it runs on Node 20; the process that it starts sees what is true. */
const AS_NODE_20 = `data:text/javascript,${encodeURIComponent(
  "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.0.0' } })",
)}`

/** A server without a ledger, which no launcher is about, in a folder of its own. */
function serveIn(t: TestContext): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'entente-launch-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const config = join(folder, 'entente.yaml')
  writeFileSync(config, 'ledgers: []\n')
  return ['serve', '--quiet', '--data', join(folder, 'data'), '--port', '0', '--config', config]
}

function start(t: TestContext, ...args: string[]) {
  const launcher = join(import.meta.dirname, 'entente.js')
  const child = spawn(process.execPath, ['--import', AS_NODE_20, launcher, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  return child
}

test('exit codes are passed on', async t => {
  assert.deepEqual(await once(start(t, '--version'), 'exit'), [0, null])
  assert.deepEqual(await once(start(t, 'no-such-command'), 'exit'), [2, null])
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} reaches the server, which finishes and lets go of its store`, async t => {
    const serve = serveIn(t)
    for (let nth = 0; nth < 2; nth++) {
      const child = start(t, ...serve)
      let said = ''
      for await (const text of child.stdout.iterator({ destroyOnReturn: false })) {
        said += text
        if (said.includes('is ready')) break
      }
      assert.match(said, /Entente is ready/, 'the second one too: the first has given the lock back')
      const exit = once(child, 'exit')
      child.kill(signal)
      assert.deepEqual(await exit, [0, null])
    }
  })
}

test('who dies of a signal is seen to have died of it', async t => {
  const child = start(t, ...serveIn(t))
  await once(child.stdout, 'data')
  const exit = once(child, 'exit')
  child.kill('SIGHUP') // without TLS there is nothing to read again, and nobody who takes it
  assert.deepEqual(await exit, [null, 'SIGHUP'])
})
