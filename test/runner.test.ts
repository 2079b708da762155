import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { root } from '../tools/files.ts'

const run = promisify(execFile)

test('a test file that never ends is ended with what it started, fails, and is said what held it open', async t => {
  if (process.platform !== 'linux') return t.skip('what runs is read from /proc')
  const dir = await mkdtemp(join(tmpdir(), 'entente-runner-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  const file = async (name: string, body: string) => {
    await writeFile(
      join(dir, `${name}.test.ts`),
      `import { spawn } from 'node:child_process'\nimport { createServer } from 'node:net'\nimport { test } from 'node:test'\n${body}\n`,
    )
    return relative(root, join(dir, `${name}.test.ts`))
  }
  const names = await Promise.all([
    file('well', `test('ends', () => {})`),
    file(
      'listens',
      `test('leaves a server open', (_, done) => void createServer().listen(0, '127.0.0.1', () => done()))`,
    ),
    file('starts', `test('leaves a process behind', () => void spawn('sleep', ['987'], { stdio: 'inherit' }))`),
    file('computes', `process.on('SIGTERM', () => {})\ntest('computes', () => { for (;;); })`),
    file('waits', `test('waits', () => new Promise(() => setInterval(() => {}, 1000)))`),
  ])
  const env = { ...process.env, ENTENTE_TEST_FILE_MS: '2000', NODE_TEST_CONTEXT: undefined }
  const child = run(process.execPath, [join(root, 'tools', 'test.ts'), '--files', ...names], { env, timeout: 60_000 })
  const { code, stdout } = await child.then(
    () => assert.fail('files that hang were let pass'),
    (error: { code: number; stdout: string }) => error,
  )
  assert.equal(code, 1, stdout)
  assert.match(stdout, /3 passed, 4 failed, 0 skipped/)
  const told = (name: string) =>
    stdout
      .split('\nFAILED ')
      .slice(1)
      .find(part => part.includes(`${name}.test.ts`)) ?? ''
  assert.match(told('listens'), /its tests have ended, and it did not for 1 s[^]*open: .*"type":"tcp".*"port":\d+/)
  assert.match(told('starts'), /process \d+: sleep 987[^]*open: .*"type":"process"/)
  assert.match(told('computes'), /begun, not ended: [^]*computes without end/)
  assert.match(told('waits'), /begun, not ended: .*; waits/)
  assert.doesNotMatch((await run('ps', ['-eo', 'args'])).stdout, /^sleep 987/m)
})
