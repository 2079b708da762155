// Five releases of ATT&CK for ICS one after the other: real content with real duplicates, and real equivocation (objects that changed
// between releases without a new `modified`).
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { canonicalize } from '@entente/verify/json'
import { OBJECTS, root, startEntente, temporaryFolder } from '../support/server.ts'

const FOLDER = join(root, '../shared/data/attack')
const RELEASES = ['8.2', '10.1', '14.1', '17.1', '18.1']
/** What happens to objects of different ids does not depend on their order; those of one id (10.1 has such) are posted in turn. */
const CONCURRENCY = 50

type StixObject = { id: string; modified?: string; created?: string }
const hashOf = (object: unknown) => createHash('sha256').update(canonicalize(object)).digest('hex')

test('of 6,784 posts 5,059 are stored, 1,597 are duplicates, 128 are equivocations that name both hashes', async t => {
  const files = RELEASES.map(r => join(FOLDER, `ics-attack-${r}.json`))
  const absent = files.find(f => !existsSync(f))
  if (absent !== undefined) return t.skip(`no ATT&CK data at ${absent}`)
  const folder = temporaryFolder(t)
  const config = join(folder, 'entente.yaml')
  writeFileSync(config, 'ledgers: []\n')
  const server = await startEntente(folder, { args: ['--config', config] })
  t.after(() => server.stop())

  const first = new Map<string, StixObject>() // by id and version as written: what was posted first
  const counts = { posts: 0, successes: 0, equivocations: 0 }
  const pairs = new Set<string>()
  for (const file of files) {
    const { objects } = JSON.parse(readFileSync(file, 'utf8')) as { objects: StixObject[] }
    const waiting = [...Map.groupBy(objects, o => o.id).values()]
    const post = async () => {
      for (let own = waiting.pop(); own; own = waiting.pop())
        for (const object of own) {
          const { status, json, text } = await server.request('POST', OBJECTS, { objects: [object] })
          assert.equal(status, 202, text)
          assert.equal(json.status, 'complete')
          assert.equal(json.total_count, 1)
          counts.posts++
          const key = `${object.id} ${object.modified ?? object.created}`
          if (json.success_count === 1) {
            counts.successes++
            if (!first.has(key)) first.set(key, object)
            continue
          }
          const { id, message } = json.failures[0] as { id: string; message: string }
          assert.equal(id, object.id)
          assert.match(message, /^equivocation: /)
          const stored = first.get(key)
          assert.ok(stored, `${key} is refused although it was never stored`)
          assert.ok(message.includes(hashOf(stored)) && message.includes(hashOf(object)), message)
          counts.equivocations++
          pairs.add(key)
        }
    }
    await Promise.all(Array.from({ length: CONCURRENCY }, post))
  }

  // What is stored is counted in the manifest, not from the answers.
  const versions = new Set<string>()
  for (let next: string | undefined; ; ) {
    const path = `/api/collections/default/manifest/?match[version]=all&limit=2000${next === undefined ? '' : `&next=${next}`}`
    const { json } = await server.request('GET', path)
    for (const e of json.objects) versions.add(`${e.id} ${e.version}`)
    if (!json.more) break
    next = json.next
  }
  const { posts, successes, equivocations } = counts
  assert.deepEqual(
    { posts, stored: versions.size, duplicates: successes - versions.size, equivocations, pairs: pairs.size },
    { posts: 6784, stored: 5059, duplicates: 1597, equivocations: 128, pairs: 103 },
  )
})
