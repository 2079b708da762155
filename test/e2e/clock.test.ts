// A machine whose clock is a year ahead, and back: docs/operating.md, "The clock was wrong", step by step on a real server.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  complete,
  OBJECTS,
  root,
  said,
  sampleObjects,
  startEntente,
  temporaryFolder,
  type TestServer,
} from '../support/server.ts'

const YEAR_MS = 365 * 86_400_000
const objects = sampleObjects(5)

async function publish(server: TestServer, i: number) {
  const answer = await server.request('POST', OBJECTS, { objects: [objects[i]] })
  if (answer.status === 202) await complete(server, answer.json.id)
  return answer
}
const added = async (server: TestServer): Promise<string[]> =>
  (await server.request('GET', '/api/collections/default/manifest/')).json.objects.map((o: any) => o.date_added)

test('a clock one year ahead and back: nothing is dated by it, unless the operator says that it is right', async t => {
  const folder = temporaryFolder(t)
  const data = join(folder, 'data')
  // Every Date of the process, its worker's included, is moved.
  const preload = join(folder, 'clock.mjs')
  writeFileSync(
    preload,
    `const real = Date.now, ahead = ${YEAR_MS}
     globalThis.Date = class extends Date { constructor(...a) { a.length ? super(...a) : super(real() + ahead) } static now() { return real() + ahead } }`,
  )
  const ahead = { NODE_OPTIONS: `--import file://${preload}` }
  const run = async (options: Parameters<typeof startEntente>[1], use: (server: TestServer) => Promise<void>) => {
    const server = await startEntente(data, options)
    try {
      await use(server)
    } finally {
      await server.stop()
    }
  }

  await run({}, async server => {
    assert.equal((await publish(server, 0)).status, 202)
  })

  // A year ahead: it says so, refuses to store, and still reads.
  await run({ env: ahead }, async server => {
    await said(server, /WRITING HAS STOPPED: this machine's clock says .* long after ledger "local"/)
    const refused = await publish(server, 1)
    assert.equal(refused.status, 503)
    assert.match(refused.json.description, /nothing is stored until the clock is right/)
    assert.equal((await server.request('GET', '/readyz')).status, 503)
    assert.equal((await added(server)).length, 1)
  })

  // Set right: goes on as if nothing had been.
  await run({}, async server => {
    assert.doesNotMatch(server.output(), /STOPPED/)
    assert.equal((await publish(server, 1)).status, 202)
  })

  // The operator insisted on the wrong clock, then set it right: it can't be undone, and that is said.
  await run({ env: ahead, args: ['--accept-clock'] }, async server => {
    assert.equal((await publish(server, 2)).status, 202)
  })
  await run({}, async server => {
    await said(server, /WRITING HAS STOPPED: this machine's clock says .* before the newest record/)
    assert.equal((await publish(server, 3)).status, 503)
  })
  // The way out: go on behind the last date, strictly ascending all the same.
  await run({ args: ['--accept-clock'] }, async server => {
    assert.equal((await publish(server, 3)).status, 202)
    assert.equal((await publish(server, 4)).status, 202)
    const dates = await added(server)
    assert.equal(dates.length, 5)
    assert.deepEqual([...new Set(dates)].sort(), dates)
    assert.equal(Number(dates[4]?.slice(0, 4)), new Date(Date.now() + YEAR_MS).getUTCFullYear())
  })
  const audit = spawnSync(process.execPath, [join(root, 'packages/entente/cli/main.ts'), 'audit', '--data', data])
  assert.equal(audit.status, 0, audit.stdout.toString() + audit.stderr.toString())
})
