// A million objects (ENTENTE_TEST_LONG=1; else five thousand): published, audited, and read in full with the proof that nothing was left out.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { OBJECTS, root, sampleObjects, startEntente, temporaryFolder, type TestServer } from '../support/server.ts'

const LONG = process.env['ENTENTE_TEST_LONG'] !== undefined
const COUNT = LONG ? 1_000_000 : 5_000
const A_POST = 500

type Ended = { code: number | null; output: string; seconds: number }

/** Runs an `entente` command beside or without the server. */
function entente(...args: string[]): Promise<Ended> {
  const started = performance.now()
  const child = spawn(process.execPath, [join(root, 'packages/entente/cli/main.ts'), ...args, '--json'], { cwd: root })
  let output = ''
  let errors = ''
  child.stdout.on('data', d => (output += d))
  child.stderr.on('data', d => (errors += d))
  return new Promise(resolve =>
    child.once('close', code =>
      resolve({ code, output: code === 0 ? output : output + errors, seconds: (performance.now() - started) / 1000 }),
    ),
  )
}

async function publish(server: TestServer): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < COUNT) {
      const from = next
      next += A_POST
      const { status, json } = await server.request('POST', OBJECTS, { objects: sampleObjects(A_POST, from) })
      assert.deepEqual([status, json.failure_count], [202, 0])
    }
  }
  await Promise.all([lane(), lane(), lane()])
}

const memoryOf = (server: TestServer): number =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))?.[1]) / 1000

test(`${COUNT.toLocaleString('en-US')} objects: published, audited, read in full with proof`, async t => {
  if (process.platform !== 'linux') return t.skip('memory is read from /proc')
  const folder = temporaryFolder(t)
  const data = join(folder, 'data')
  const first = await startEntente(data)
  const began = performance.now()
  await publish(first)
  const rate = COUNT / ((performance.now() - began) / 1000)
  const published = memoryOf(first)
  await first.stop()

  const audit = await entente('audit', '--data', data)
  assert.equal(audit.code, 0, audit.output)
  const report = JSON.parse(audit.output) as { ok: boolean; collections: { objects: number }[] }
  assert.deepEqual([report.ok, report.collections[0]?.objects], [true, COUNT])

  const restarted = performance.now()
  const server = await startEntente(data)
  const ready = (performance.now() - restarted) / 1000
  t.after(() => server.stop())
  const out = join(folder, 'read.json')
  const login = ['--user', 'admin', '--password', readFileSync(join(data, 'admin-password'), 'utf8').trim()]
  const read = await entente(
    'get',
    `${server.url}/api/collections/default/`,
    '--records',
    '--out',
    out,
    '--no-memory',
    ...login,
  )
  assert.equal(read.code, 0, read.output)
  const summary = JSON.parse(read.output) as { records: number; verified: boolean; withheld: number }
  assert.deepEqual([summary.records, summary.verified, summary.withheld], [COUNT, true, 0])
  const served = memoryOf(server)

  const key = (await (await fetch(`${server.url}/log/key`)).text()).trim()
  const verify = (file: string) => entente('verify', file, '--key', key, '--no-memory')
  const verified = await verify(out)
  assert.equal(verified.code, 0, verified.output)
  assert.equal((JSON.parse(verified.output) as { results: { objects: number }[] }).results[0]?.objects, COUNT)

  if (!LONG) {
    const lines = readFileSync(out, 'utf8').split('\n')
    for (const [what, changed] of [
      ['a record left out', lines.toSpliced(2000, 1)],
      ['the last record left out', [...lines.slice(0, -3), (lines.at(-3) as string).replace(/,$/, ']}'), '']],
      ['two records swapped', lines.with(100, lines[101] as string).with(101, lines[100] as string)],
      ['a character changed', lines.with(300, (lines[300] as string).replace('test indicator', 'test indicatot'))],
    ] as const) {
      const file = join(folder, 'changed.json')
      writeFileSync(file, changed.join('\n'))
      assert.notDeepEqual(changed, lines, what)
      assert.equal((await verify(file)).code, 4, what)
    }
  }
  console.log(
    `measured ${COUNT} objects: published at ${rate.toFixed(0)}/s, audited in ${audit.seconds.toFixed(1)} s, ready after ${ready.toFixed(1)} s, read with proof in ${read.seconds.toFixed(0)} s, verified offline in ${verified.seconds.toFixed(0)} s; memory ${published.toFixed(0)} MB publishing, ${served.toFixed(0)} MB serving`,
  )
  assert.ok(Math.max(published, served) < 600, 'memory')
  if (LONG) assert.ok(audit.seconds < 60 && ready < 5, 'audit in less than a minute, ready in five seconds')
})
