// Clients that mean harm, or are broken: whatever they send, the server answers with the right TAXII error, stays small, stores nothing in part and
// goes on serving the others. ENTENTE_TEST_SEED chooses another run.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type RawAnswer, sendRaw } from '../../packages/entente/taxii/test/raw.ts'
import { createRandom } from '../support/random.ts'
import { OBJECTS, sampleObjects, startEntente, TAXII, type TestServer } from '../support/server.ts'
import { createHostile, type Hostile } from './hostile-requests.ts'

const SEED = Number(process.env['ENTENTE_TEST_SEED'] ?? 20260401)
// Measured: 262 to 291, of which 165 are there before the first request.
const MAX_RSS_MB = 300
const AT_ONCE = 4

let server: TestServer
let authorization: string
let data: string
before(async () => {
  data = mkdtempSync(join(tmpdir(), 'entente-hostile-'))
  const config = join(data, 'entente.yaml')
  // Without limits on failed logins, so that every request gets the answer that is its own.
  writeFileSync(config, 'server: { rateLimit: { failures: 0, anonymous: 0 } }\n')
  server = await startEntente(data, { args: ['--config', config] })
  const password = readFileSync(join(data, 'admin-password'), 'utf8').trim()
  authorization = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`
})
after(async () => {
  await server.stop()
  rmSync(data, { recursive: true, force: true, maxRetries: 5 })
})

/** Memory of the server process, MB: now, and the most it ever had. */
function memory(): { now: number; most: number } {
  const status = readFileSync(`/proc/${server.child.pid}/status`, 'utf8')
  const of = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024
  return { now: of('VmRSS'), most: of('VmHWM') }
}

/** What was said to be stored: `id version`. */
const stored = new Set<string>()

function check(request: Hostile, answers: RawAnswer[]): void {
  const where = `${request.kind}: ${request.name}`
  if (answers.length < (request.answers ?? 1)) assert.ok(request.expected.includes('cut'), `${where}: no answer`)
  for (const { status, headers, json, text } of answers) {
    assert.ok(
      request.expected.includes(status),
      `${where}: ${status} ${text.slice(0, 300)}, expected ${request.expected.join()}`,
    )
    assert.ok(status < 500, where)
    if (status >= 400) {
      assert.equal(headers['content-type'], TAXII, where)
      assert.equal(typeof json?.title, 'string', where)
      assert.equal(json.http_status, String(status), where)
      assert.ok(text.length < 3000, `${where}: an error of ${text.length} characters`)
    }
    if (status === 202)
      for (const { id, version } of json.successes ?? json.pendings ?? []) stored.add(`${id} ${version}`)
  }
}

test('2,000 and more hostile requests', async t => {
  if (process.platform !== 'linux') return t.skip('memory is read from /proc')
  console.log(`seed ${SEED}`)
  const started = performance.now()
  const atStart = memory()
  const { max_content_length } = (await server.request('GET', '/api/')).json
  const honest = sampleObjects(50)
  const remember = ({ status, json }: { status: number; json: any }) => {
    assert.equal(status, 202)
    for (const { id, version } of json.successes ?? json.pendings) stored.add(`${id} ${version}`)
  }
  remember(await server.request('POST', OBJECTS, { objects: honest }))

  const makers = createHostile(createRandom(SEED), authorization, max_content_length)
  assert.ok(makers.length >= 2000)
  const counts = new Map<string, number>()
  const problems: string[] = []
  let next = 0
  const worker = async () => {
    for (let maker = makers[next++]; maker; maker = makers[next++]) {
      const request = maker()
      const answers = await sendRaw(server.url, request.parts, {
        answers: request.answers ?? 1,
        end: request.end ?? false,
      })
      try {
        check(request, answers)
      } catch (error) {
        problems.push((error as Error).message)
      }
      const key = `${request.kind} ${answers[0]?.status ?? 'cut'}`
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))

  const { most } = memory()
  const seconds = (performance.now() - started) / 1000
  console.log(
    `measured ${makers.length} hostile requests in ${seconds.toFixed(0)} s; memory ${atStart.now.toFixed(0)} MB at the start, ${most.toFixed(0)} MB at most`,
  )
  console.log(
    `  ${[...counts]
      .sort()
      .map(([k, v]) => `${k}: ${v}`)
      .join(', ')}`,
  )

  assert.deepEqual(problems, [])

  // Nothing in part: what is there is what was said to be there, and the log proves all of it.
  const there = new Set<string>()
  for (let query = 'match[version]=all&limit=5000'; ; ) {
    const { json } = await server.request('GET', `/api/collections/default/manifest/?${query}`)
    for (const { id, version } of json.objects ?? []) there.add(`${id} ${version}`)
    if (!json.more) break
    query = `match[version]=all&limit=5000&next=${json.next}`
  }
  assert.deepEqual([...there].sort(), [...stored].sort())

  // Others are served as before.
  assert.equal((await server.request('GET', '/healthz')).status, 200)
  remember(await server.request('POST', OBJECTS, { objects: sampleObjects(5, 50) }))
  const { json } = await server.request('GET', `${OBJECTS}?limit=50`)
  assert.deepEqual(json.objects, honest)
  assert.ok(most < MAX_RSS_MB, `${most.toFixed(0)} MB, at most ${MAX_RSS_MB}`)
})
