// Somebody else's client reads everything that was published: OASIS's own `taxii2-client` from PyPI.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { canonicalize } from '@entente/verify/json'
import { OBJECTS, root, startEntente, type TestServer } from '../support/server.ts'

const VERSION = '2.3.0'
const DATA = join(root, '../shared/data/attack/ics-attack-18.1.json')
const VENV = join(root, `.cache/taxii2-client-${VERSION}`)

/** The Python that has the client, installed once into the cache, or why there is none. */
function installClient(): { python: string } | { reason: string } {
  const python = join(VENV, 'bin/python')
  const has = () => spawnSync(python, ['-c', 'import taxii2client.v21']).status === 0
  if (existsSync(python) && has()) return { python }
  mkdirSync(join(root, '.cache'), { recursive: true })
  const venv = spawnSync('python3', ['-m', 'venv', '--clear', VENV], { encoding: 'utf8', timeout: 60_000 })
  if (venv.status !== 0) return { reason: `no python3 with venv: ${venv.error?.message ?? venv.stderr.slice(0, 200)}` }
  const pip = spawnSync(python, ['-m', 'pip', 'install', '--quiet', `taxii2-client==${VERSION}`], {
    encoding: 'utf8',
    timeout: 120_000,
  })
  if (pip.status !== 0 || !has())
    return { reason: `pip can't install taxii2-client ${VERSION}: ${pip.stderr.slice(-200)}` }
  return { python }
}

// Prints one line of JSON for what each argument asks; credentials come by the environment.
const SCRIPT = `
import json, os, sys
from taxii2client.v21 import Server, as_pages
server = Server(os.environ['TAXII_URL'] + '/taxii2/', user='admin', password=os.environ['TAXII_PASSWORD'])
root = server.default
[collection] = root.collections
what, limit = sys.argv[1], int(sys.argv[2])
if what == 'about':
    print(json.dumps({'title': server.title, 'can_read': collection.can_read, 'can_write': collection.can_write,
        'versions': root.versions, 'max': root.max_content_length}))
else:
    for page in as_pages(collection.get_objects if what == 'objects' else collection.get_manifest, per_request=limit):
        print(json.dumps(page))
`

describe('taxii2-client', () => {
  let server: TestServer | undefined
  let skip: string | undefined
  let folder = ''
  let python = ''
  let objects: Record<string, unknown>[] = []

  before(async () => {
    if (!existsSync(DATA)) skip = `no ATT&CK data at ${DATA}`
    const client = skip === undefined ? installClient() : { reason: skip }
    if ('reason' in client) {
      skip = client.reason
      return
    }
    python = client.python
    objects = (JSON.parse(readFileSync(DATA, 'utf8')) as { objects: Record<string, unknown>[] }).objects
    folder = mkdtempSync(join(tmpdir(), 'entente-test-'))
    const running = await startEntente(folder)
    server = running
    const statuses: string[] = []
    for (let i = 0; i < objects.length; i += 200) {
      const { status, json, text } = await running.request('POST', OBJECTS, { objects: objects.slice(i, i + 200) })
      assert.equal(status, 202, text)
      assert.equal(json.failure_count, 0, text)
      statuses.push(json.id)
    }
    const deadline = Date.now() + 20_000
    for (const id of statuses) {
      for (;;) {
        const state: string = (await running.request('GET', `/api/status/${id}/`)).json.status
        if (state === 'complete') break
        assert.ok(Date.now() < deadline, `status ${id} is still ${state}`)
        await new Promise(resolve => setTimeout(resolve, 100))
      }
    }
  })
  after(async () => {
    await server?.stop()
    if (folder !== '') rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  const ask = async (what: string, limit: number): Promise<any[]> => {
    const running = server as TestServer
    const password = readFileSync(join(running.data, 'admin-password'), 'utf8').trim()
    const env = { ...process.env, TAXII_URL: running.url, TAXII_PASSWORD: password, NO_PROXY: '*' }
    const child = spawn(python, ['-c', SCRIPT, what, String(limit)], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let [out, err] = ['', '']
    child.stdout.setEncoding('utf8').on('data', d => (out += d))
    child.stderr.setEncoding('utf8').on('data', d => (err += d))
    const code = await new Promise(resolve => child.once('close', resolve))
    assert.equal(code, 0, err)
    return out
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line))
  }

  test('finds the collection by discovery', async t => {
    if (skip !== undefined) return t.skip(skip)
    const [about] = await ask('about', 0)
    assert.deepEqual(about, {
      title: 'Entente',
      can_read: true,
      can_write: true,
      versions: ['application/taxii+json;version=2.1'],
      max: 8_388_608,
    })
  })

  for (const limit of [100, 1000]) {
    test(`reads all objects of ATT&CK for ICS 18.1 in pages of ${limit}: nothing lost, repeated or changed`, async t => {
      if (skip !== undefined) return t.skip(skip)
      const read = await ask('objects', limit)
      assert.equal(read.length, Math.ceil(objects.length / limit), 'pages')
      for (const page of read.slice(0, -1)) assert.equal(page.objects.length, limit)
      const got = read.flatMap(page => page.objects as unknown[]).map(o => canonicalize(o))
      assert.equal(got.length, 1826)
      assert.equal(new Set(got).size, got.length, 'none twice')
      assert.deepEqual(got.sort(), objects.map(o => canonicalize(o)).sort())
    })
  }

  test('reads the manifest: one record for each object, ascending by date_added', async t => {
    if (skip !== undefined) return t.skip(skip)
    const entries = (await ask('manifest', 500)).flatMap(page => page.objects)
    assert.equal(entries.length, objects.length)
    const dates = entries.map(e => e.date_added)
    assert.deepEqual(dates, [...new Set(dates)].sort())
    assert.deepEqual(entries.map(e => e.id).sort(), objects.map(o => o['id']).sort())
  })
})
