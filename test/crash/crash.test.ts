// Promise 1: nothing acknowledged is lost. The server is killed at every numbered crash point of notary/sequence.ts and at random
// under load; after each, everything that was answered with 202 is there, no seq or log index twice, and the audit is clean.
import assert from 'node:assert/strict'
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, suite, test } from 'node:test'
import { auditClean, postUntilDeath } from '../support/killed.ts'
import { OBJECTS, root, sampleObjects, startEntente, temporaryFolder, type TestServer } from '../support/server.ts'
import { createRandom } from '../support/random.ts'

const LONG = process.env['ENTENTE_TEST_LONG'] !== undefined
const KILLS = LONG ? 200 : 8
const SEED = Number(process.env['ENTENTE_TEST_SEED'] ?? 20260101)
const crashing = join(root, 'test/support/crashing-server.ts')

/** Everything acknowledged is served once; what was not acknowledged may be posted again, and is a success. */
async function checkServed(
  server: TestServer,
  acknowledged: Set<string>,
  unknown: Map<string, unknown>,
): Promise<void> {
  if (unknown.size > 0) {
    const { status, json } = await server.request('POST', OBJECTS, { objects: [...unknown.values()] })
    assert.equal(status, 202)
    assert.equal(json.failure_count, 0)
    for (const id of unknown.keys()) acknowledged.add(id)
    unknown.clear()
  }
  const served = new Map<string, number>()
  for (let next = ''; ; ) {
    const { status, json, headers } = await server.request(
      'GET',
      `${OBJECTS}?limit=1000${next === '' ? '' : `&next=${next}`}`,
    )
    assert.equal(status, 200)
    assert.equal(headers.get('x-entente-withheld'), null)
    for (const o of json.objects ?? []) served.set(o.id, (served.get(o.id) ?? 0) + 1)
    if (!json.more) break
    next = json.next
  }
  for (const id of acknowledged)
    assert.equal(served.get(id), 1, `${id} was acknowledged and is served ${served.get(id) ?? 0} times`)
  assert.equal(served.size, acknowledged.size)
}

async function checkAfterRestart(
  data: string,
  acknowledged: Set<string>,
  unknown: Map<string, unknown>,
): Promise<void> {
  const server = await startEntente(data)
  try {
    await checkServed(server, acknowledged, unknown)
  } finally {
    await server.stop()
  }
  await auditClean(data)
}

/** Files below a folder in which a text stands. */
function filesWith(folder: string, text: string): string[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(f => f.isFile())
  return files.map(f => join(f.parentPath, f.name)).filter(file => readFileSync(file).includes(text))
}

suite('kill -9 at each crash point', { concurrency: false }, () => {
  let prepared: string
  // Keys, users and the empty collection are there; their commits don't count.
  before(async () => {
    prepared = join(temporaryFolder({ after: f => process.once('exit', f) }), 'data')
    const server = await startEntente(prepared)
    await server.stop()
  })
  // C1 and C2 are around the commit, C3 to C5 around the anchor. The first commit of a new folder enters the collections.
  for (const [name, point, times] of [
    ['C1 before the commit', 'before-commit', [1, 3]],
    ['C2 after the commit', 'after-commit', [1, 3]],
    ['C3 before the anchor', 'before-anchor', [1, 2]],
    ['C4 after the anchor', 'after-anchor', [1, 2]],
    ['C5 after the journal', 'after-journal', [1]],
  ] as const) {
    for (const nth of times) {
      test(`${name}, time ${nth}`, async t => {
        const data = join(temporaryFolder(t), 'data')
        const acknowledged = new Set<string>()
        const unknown = new Map<string, unknown>()
        cpSync(prepared, data, { recursive: true })
        const server = await startEntente(data, {
          script: crashing,
          env: { ENTENTE_TEST_CRASH: `${point}:${nth}` },
        }).catch(() => undefined)
        if (server) {
          await postUntilDeath(server, 0, acknowledged, unknown)
          await server.exited
          assert.equal(server.child.signalCode, 'SIGKILL')
        }
        await checkAfterRestart(data, acknowledged, unknown)
      })
    }
  }

  // C0 is where the statuses of the object have lost their details and nothing else has happened.
  for (const [name, point, isGone] of [
    ['C0, before the commit', 'before-commit', false],
    ['C2, after the commit, before the write-ahead log is emptied', 'after-commit', true],
  ] as const) {
    test(`a deletion, killed at ${name}: all of it is there, or none of it anywhere`, async t => {
      // No ledger has a part in it.
      const folder = temporaryFolder(t)
      const [data, file] = [join(folder, 'data'), join(folder, 'entente.yaml')]
      writeFileSync(file, 'ledgers: []\n')
      const args = ['--config', file]
      cpSync(prepared, data, { recursive: true })
      const [object, other] = sampleObjects(2, 900) as [Record<string, unknown>, Record<string, unknown>]
      const path = `${OBJECTS}${object['id']}/`
      const post = { objects: [object, other, { ...object, name: 'another content' }] }
      const first = await startEntente(data, { args })
      const { json } = await first.request('POST', OBJECTS, post)
      assert.deepEqual([json.success_count + json.pending_count, json.failure_count], [2, 1])
      await first.stop()

      const crashed = await startEntente(data, { args, script: crashing, env: { ENTENTE_TEST_CRASH: `${point}:1` } })
      await assert.rejects(crashed.request('DELETE', path))
      await crashed.exited
      assert.equal(crashed.child.signalCode, 'SIGKILL')
      await auditClean(data, file)

      const again = await startEntente(data, { args })
      const { status } = await again.request('GET', path)
      assert.equal(status, isGone ? 404 : 200)
      if (!isGone) assert.equal((await again.request('DELETE', path)).status, 200)
      const { json: left } = await again.request('GET', `/api/status/${json.id}/`)
      assert.deepEqual([left.total_count, left.failure_count, left.failures], [3, 1, undefined])
      assert.deepEqual(filesWith(data, object['id'] as string), [])
      assert.ok(filesWith(data, other['id'] as string).length > 0)
      await again.stop()
      assert.deepEqual(filesWith(data, object['id'] as string), [])
      await auditClean(data, file)
    })
  }

  test('C1 and C2 in the very first commit of a new folder', async t => {
    for (const point of ['before-commit', 'after-commit']) {
      const data = join(temporaryFolder(t), 'data')
      await assert.rejects(startEntente(data, { script: crashing, env: { ENTENTE_TEST_CRASH: `${point}:1` } }))
      await checkAfterRestart(data, new Set(), new Map(sampleObjects(2).map(o => [o['id'] as string, o])))
    }
  })
})

test(`${KILLS} kills at random under load (seed ${SEED})`, async t => {
  const data = join(temporaryFolder(t), 'data')
  const { next: random } = createRandom(SEED)
  const acknowledged = new Set<string>()
  const unknown = new Map<string, unknown>()
  let next = 0
  for (let i = 0; i < KILLS; i++) {
    const server = await startEntente(data)
    // In the long run there are soon too many to read them all after every kill.
    if (!LONG || i % 10 === 0) await checkServed(server, acknowledged, unknown)
    const timer = setTimeout(() => void server.kill(), 50 + random() * 1000)
    next = await postUntilDeath(server, next, acknowledged, unknown)
    clearTimeout(timer)
    await server.exited
    if (i % 10 === 0) await auditClean(data) // as the kill left it
  }
  await checkAfterRestart(data, acknowledged, unknown)
  console.log(`measured: ${KILLS} kills, ${acknowledged.size} objects acknowledged, none missing, none twice`)
})
