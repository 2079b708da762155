import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { canonicalize } from '@entente/verify/json'
import { verifyCollection, verifyObject } from '@entente/verify/proof'
import { audit } from '#notary/audit.ts'
import {
  assertTaxiiError,
  indicator,
  newId,
  startTestServer,
  type TestOptions,
  type TestServer,
  url,
} from './test/server.ts'

const COLLECTIONS = [
  { alias: 'default', title: 'Default collection' },
  { alias: 'once', title: 'Takes nothing twice', repost: 'refuse' },
  { alias: 'days', title: 'Holds for 30 days', hold: '30d' },
  { alias: 'until', title: 'Holds until a date', hold: '2026-03-01T12:00:00Z' },
  { alias: 'strict', title: 'Takes nothing that refers to nothing', validation: 'strict' },
  { alias: 'mirror', title: 'Mirrors another server', onConflict: 'keepBoth' },
]
const month = (n: number) => `2026-0${n}-01T00:00:00.000Z`
const CONFIG = { apiRoots: [{ path: '/api/', title: 'Test root', collections: COLLECTIONS }] }
const DAY = 86_400_000_000

async function start(t: TestContext, options?: TestOptions, config: Record<string, unknown> = CONFIG) {
  const server = await startTestServer(config, options)
  t.after(() => server.stop())
  return server
}
const remove = (server: TestServer, id: string, query = '', collection = 'default') =>
  server.ask('DELETE', `/api/collections/${collection}/objects/${id}/${query}`)
const stored = async (server: TestServer, id: string, collection = 'default', query = '?match[version]=all') =>
  (await server.ask('GET', `/api/collections/${collection}/objects/${id}/${query}`)).json.objects
const status = async (server: TestServer, { id }: { id: string }) =>
  (await server.ask('GET', `/api/status/${id}/`)).json
const sha256 = (value: unknown) => createHash('sha256').update(canonicalize(value)).digest('hex')

async function assertSound(server: TestServer, collection = 'default'): Promise<any[]> {
  const report = await audit({ store: server.notary.store, vkey: server.context.vkey, anchors: [] })
  assert.deepEqual(report.problems, [])
  const base = `/api/collections/${collection}`
  const { records } = (await server.ask('GET', `${base}/records/?limit=10000`)).json
  const proof = (await server.ask('GET', `${base}/proof/`)).json
  verifyCollection({ format: 'entente/read/v1', proof, records: records ?? [] }, { vkeys: [server.context.vkey] })
  return records
}

/** Files of the data folder, on disk as they are now, that hold one of these. */
function filesWith(server: TestServer, texts: string[]): string[] {
  const found: string[] = []
  for (const name of readdirSync(server.data, { recursive: true }) as string[]) {
    const path = join(server.data, name)
    if (!statSync(path).isFile()) continue
    const bytes = readFileSync(path)
    for (const text of texts) if (bytes.includes(text)) found.push(`${name}: ${text.slice(0, 20)}`)
  }
  return found
}

test('with a version go the refusals of it, each by a deletion of its own; others stay', async t => {
  const server = await start(t)
  const id = newId('indicator')
  const [one, two] = [indicator({ id, modified: month(1) }), indicator({ id, modified: month(2) })]
  await server.add([one, two])
  const others = [1, 2].flatMap(n => ['a', 'b'].map(name => indicator({ id, modified: month(n), name })))
  assert.equal((await server.add(others)).failure_count, 4)
  assert.equal((await remove(server, id, `?match[version]=${month(1)}`)).status, 200)
  const records = await assertSound(server)
  assert.deepEqual(
    records.map(r => r.reason ?? (r.object ? 'object' : r.deleted ? `deleted ${r.deleted.seq}` : 'equivocation')),
    ['deleted', 'object', 'deleted', 'deleted', 'equivocation', 'equivocation', 'deleted 0', 'deleted 2', 'deleted 3'],
  )
  assert.deepEqual(filesWith(server, [sha256(one), sha256(others[0]), sha256(others[1])]), [])
  assert.deepEqual(await stored(server, id), [two])
  assert.equal((await server.get('objects/?match[version]=all')).headers['x-entente-withheld'], undefined)
  assert.equal((await remove(server, id)).status, 200)
  await assertSound(server)
  assert.deepEqual(filesWith(server, [id, sha256(two), sha256(others[3])]), [], 'nothing of it is left anywhere')
  assert.equal(server.context.damage.failures, 0)
})

test('an equivocation record that is gone without a deletion is damage', async t => {
  const server = await start(t)
  const object = indicator()
  await server.add([object])
  await server.add([{ ...object, name: 'other' }])
  const db = new DatabaseSync(join(server.data, 'store.db'))
  db.exec('update record set text = null, id = null, version = null, refused = null where kind = 2')
  db.close()
  assert.equal((await server.get('objects/')).headers['x-entente-withheld'], '1')
})

test('statuses forget what was erased: counts stay, and so do the details of other objects', async t => {
  const server = await start(t)
  const [gone, kept, id] = [indicator(), indicator(), newId('note')]
  const note = {
    type: 'note',
    spec_version: '2.1',
    id,
    created: month(1),
    modified: month(1),
    content: 'see there',
    object_refs: [gone.id, newId('malware')],
  }
  const first = await server.add([kept, note], 'strict')
  assert.match(first.failures[0].message, new RegExp(gone.id))
  await server.add([gone], 'strict')
  assert.equal((await remove(server, gone.id, '', 'strict')).status, 200)
  const second = await server.add([gone, kept, { ...gone, name: 'other' }, { ...gone, confidence: 101 }])
  assert.deepEqual([second.success_count, second.failure_count], [2, 2])
  assert.equal((await remove(server, gone.id)).status, 200)
  const [one, two] = [await status(server, first), await status(server, second)]
  assert.deepEqual([one.total_count, one.success_count, one.failure_count], [2, 1, 1])
  assert.deepEqual(
    one.failures.map((f: any) => [f.id, f.message]),
    [[id, 'the details named an object that was erased']],
  )
  assert.deepEqual([two.total_count, two.success_count, two.failure_count], [4, 2, 2])
  assert.deepEqual(
    two.successes.map((s: any) => s.id),
    [kept.id],
  )
  assert.equal('failures' in two, false)
  assert.equal(two.x_entente_receipt, second.x_entente_receipt, 'the receipt names commitments only')
  assert.deepEqual(filesWith(server, [gone.id]), [])
  assert.deepEqual(filesWith(server, [kept.id]).length > 0, true, 'the search finds what is there')
})

test('a deletion that is refused, or finds nothing, leaves the statuses as they are', async t => {
  const server = await start(t)
  const [object, refused] = [indicator(), { ...indicator(), confidence: 101 }]
  const held = await server.add([object], 'days')
  const failed = await server.add([refused])
  assertTaxiiError(await remove(server, object.id, '', 'days'), 403, 'held')
  assertTaxiiError(await remove(server, refused.id), 404, 'not-found')
  assert.deepEqual(await status(server, held), held)
  assert.deepEqual(await status(server, failed), failed)
})

test('hold: days count from date_added of each version, a date is for all; 403 says until when', async t => {
  let now = Date.UTC(2026, 0, 31) * 1000
  const server = await start(t, { clock: () => now })
  const [first, later] = [indicator({ modified: month(1) }), indicator()]
  await server.add([first], 'days')
  now += 10 * DAY
  await server.add([{ ...first, modified: month(2) }, later], 'days')
  await server.add([later], 'until')
  const answer = await remove(server, first.id, '?match[version]=all', 'days')
  assertTaxiiError(answer, 403, 'held')
  assert.match(answer.json.description, /deleted from 2026-03-1(?:1T23:59:59\.99|2T00:00:00\.00)\d{4}Z on/)
  assertTaxiiError(await remove(server, first.id, '?match[version]=first', 'days'), 403, 'held')
  const fixed = await remove(server, later.id, '', 'until')
  assertTaxiiError(fixed, 403, 'held')
  assert.match(fixed.json.description, /from 2026-03-01T12:00:00\.000000Z on/)
  assert.equal((await stored(server, first.id, 'days')).length, 2)

  now = Date.UTC(2026, 2, 2, 1) * 1000
  assertTaxiiError(await remove(server, first.id, '?match[version]=all', 'days'), 403, 'held')
  assert.equal((await remove(server, first.id, '?match[version]=first', 'days')).status, 200)
  assertTaxiiError(await remove(server, first.id, '', 'days'), 403, 'held')
  assert.equal((await remove(server, later.id, '', 'until')).status, 200)
  assertTaxiiError(await remove(server, newId('indicator'), '', 'days'), 404, 'not-found')
})

test('hold: a row that was re-dated behind our back is not believed', async t => {
  let now = Date.UTC(2026, 0, 31) * 1000
  const server = await start(t, { clock: () => now })
  const object = indicator()
  await server.add([object], 'days')
  now += DAY
  const db = new DatabaseSync(join(server.data, 'store.db'))
  db.exec(`update record set added = added - ${40 * DAY} where id is not null`)
  db.close()
  assertTaxiiError(await remove(server, object.id, '', 'days'), 500, 'integrity')
})

test('repost: refuse: a version that was erased is refused, another is taken; after all of it, its id', async t => {
  const server = await start(t)
  const id = newId('indicator')
  const versions = [1, 2, 3, 4].map(n => indicator({ id, modified: month(n) }))
  await server.add(versions.slice(0, 3), 'once')
  await remove(server, id, `?match[version]=${month(2)}`, 'once')
  for (const again of [
    versions[1],
    { ...versions[1], name: 'other' },
    { ...versions[1], modified: month(2).replace('000Z', '000000Z') },
  ]) {
    const { failures } = await server.add([again], 'once')
    assert.match(failures[0].message, /erased here, and the collection refuses/)
  }
  assert.equal((await server.add([versions[0], versions[3]], 'once')).success_count, 2)
  await remove(server, id, '?match[version]=all', 'once')
  const five = indicator({ id, modified: month(5) })
  assert.equal((await server.add([five, ...versions], 'once')).failure_count, 5)
  assert.equal((await server.add([five])).success_count, 1, 'another collection takes it')
  await remove(server, id)
  assert.equal((await server.add([five])).success_count, 1, 'and takes it again')
})

test('repost: refuse: an object without a version is known by its id; the last version alone is not all of it', async t => {
  const server = await start(t)
  const [observable, single] = [url(), indicator()]
  await server.add([observable, single], 'once')
  await remove(server, observable.id, '', 'once')
  await remove(server, single.id, '', 'once')
  assert.equal(
    (await server.add([observable, { ...observable, value: 'https://example.net/' }], 'once')).failure_count,
    2,
  )
  const newer = { ...single, modified: month(2) }
  const answer = await server.add([single, newer], 'once')
  assert.deepEqual([answer.failure_count, answer.successes[0].version], [1, month(2)])
})

test('repost: refuse: it holds after a restart, the folder does not know the id, and the key is not made again', async t => {
  const first = await startTestServer(CONFIG)
  const object = indicator()
  await first.add([object], 'once')
  await remove(first, object.id, '?match[version]=all', 'once')
  assert.deepEqual(filesWith(first, [object.id]), [])
  const key = join(first.data, 'erased.key')
  assert.equal(statSync(key).mode & 0o777, 0o600)
  const text = readFileSync(key, 'utf8')
  await first.close()
  assert.deepEqual(filesWith(first, [object.id]), [])

  const second = await startTestServer(CONFIG, { data: first.data })
  assert.equal((await second.add([object], 'once')).failure_count, 1)
  // What was refused now stands in a status for a while, as everything that is refused does.
  await second.close()
  for (const [content, message] of [
    [undefined, /the key is missing/],
    [`${'A'.repeat(43)}\n`, /not the key that the store's tags/],
    ['', /not a key of 32 bytes/],
  ] as const) {
    rmSync(key, { force: true })
    if (content !== undefined) writeFileSync(key, content)
    await assert.rejects(startTestServer(CONFIG, { data: first.data }), message)
  }
  writeFileSync(key, text)
  await (await start(t, { data: first.data })).close()
})

test('without a collection that refuses re-posting there is no key', async t => {
  const server = await start(t, {}, {})
  assert.equal(readdirSync(server.data).includes('erased.key'), false)
})

test('keepBoth: another content of a version is stored, served, told, and alerted', async t => {
  const server = await start(t)
  const id = newId('indicator')
  const of = (n: number, name: string) => indicator({ id, modified: month(n), name })
  await server.add([of(1, 'a'), of(2, 'a')], 'mirror')
  const answer = await server.add([of(1, 'b'), of(1, 'c')], 'mirror')
  assert.deepEqual([answer.success_count, answer.failure_count], [2, 0])
  assert.match(
    answer.successes[0].message,
    /^conflict: .* both are kept.*SHA-256 .*: before [0-9a-f]{64}, now [0-9a-f]{64}/,
  )
  const alerts = server.logged.filter(l => /both are kept/.test(l.message))
  assert.equal(alerts.length, 2)
  assert.equal(JSON.stringify(alerts).includes(id), false)

  assert.deepEqual(await stored(server, id, 'mirror'), [of(2, 'a'), of(1, 'c')])
  assert.deepEqual(await stored(server, id, 'mirror', `?match[version]=${month(1)}`), [of(1, 'c')])
  assert.deepEqual(await stored(server, id, 'mirror', '?match[version]=first'), [of(1, 'c')])
  assert.deepEqual(await stored(server, id, 'mirror', ''), [of(2, 'a')])
  const ask = async (path: string) => (await server.ask('GET', `/api/collections/mirror/${path}`)).json
  for (const query of [
    'match[version]=all',
    `match[version]=all&match[id]=${id}`,
    'match[version]=all&match[type]=indicator',
  ])
    assert.deepEqual((await ask(`objects/?${query}`)).objects, [of(2, 'a'), of(1, 'c')], query)
  assert.deepEqual((await ask(`objects/?match[version]=${month(1)}`)).objects, [of(1, 'c')])
  assert.deepEqual((await ask('objects/')).objects, [of(2, 'a')])
  assert.equal((await ask('manifest/?match[version]=all')).objects.length, 2, 'T51: one record a version')
  assert.deepEqual((await ask(`objects/${id}/versions/`)).versions, [month(2), month(1)])

  for (const same of ['a', 'b', 'c']) {
    const duplicate = await server.add([of(1, same)], 'mirror')
    assert.deepEqual([duplicate.success_count, duplicate.successes[0].message], [1, undefined])
  }
  assert.deepEqual(
    await stored(server, id, 'mirror', `?match[version]=${month(1)}`),
    [of(1, 'c')],
    'a duplicate changes nothing',
  )
  const newest = await server.add([of(2, 'b')], 'mirror')
  assert.match(newest.successes[0].message, /^conflict/)
  assert.deepEqual(await stored(server, id, 'mirror', ''), [of(2, 'b')])
  const records = await assertSound(server, 'mirror')
  assert.deepEqual(
    records.map(r => `${r.version} ${r.object.name}`),
    [of(1, 'a'), of(2, 'a'), of(1, 'b'), of(1, 'c'), of(2, 'b')].map(o => `${o['modified']} ${o['name']}`),
  )
})

test('keepBoth: all contents of a version are erased together, in any order of versions', async t => {
  const server = await start(t)
  for (const order of [
    [1, 2],
    [2, 1],
  ]) {
    const id = newId('indicator')
    for (const name of ['a', 'b', 'c'])
      for (const n of [2, 1])
        await server.add([indicator({ id, modified: month(n), name: `only here: ${name} ${n}` })], 'mirror')
    const [first, second] = order as [number, number]
    assert.equal((await remove(server, id, `?match[version]=${month(first)}`, 'mirror')).status, 200)
    assert.deepEqual(
      (await stored(server, id, 'mirror')).map((o: any) => o.name),
      [`only here: c ${second}`],
    )
    assert.deepEqual(
      (await server.ask('GET', `/api/collections/mirror/objects/?match[id]=${id}`)).json.objects.length,
      1,
    )
    assert.equal((await remove(server, id, '', 'mirror')).status, 200)
    assertTaxiiError(await server.ask('GET', `/api/collections/mirror/objects/${id}/`), 404)
    assert.deepEqual(filesWith(server, [id, 'only here']), [])
    await assertSound(server, 'mirror')
  }
})

test('keepBoth: whatever comes and goes in whatever order, the last content of each version is served', async t => {
  const server = await start(t)
  const base = '/api/collections/mirror'
  const post = fc.array(fc.record({ version: fc.integer({ min: 1, max: 3 }), name: fc.constantFrom('a', 'b', 'c') }), {
    minLength: 1,
    maxLength: 4,
  })
  const step = fc.oneof({ weight: 3, arbitrary: post }, fc.constantFrom('last', 'first', 'all', month(1), month(2)))
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async steps => {
      const id = newId('tool')
      const of = (n: number, name: string) => {
        const [created, modified] = [month(1), month(n)]
        return { type: 'tool', spec_version: '2.1', id, created, modified, name }
      }
      const model = new Map<number, string[]>() // contents of each version, in the order in which they came
      for (const s of steps) {
        const kept = [...model.keys()].sort()
        if (typeof s !== 'string') {
          await server.add(
            s.map(o => of(o.version, o.name)),
            'mirror',
          )
          for (const { version, name } of s) {
            const contents = model.get(version) ?? []
            if (!contents.includes(name)) model.set(version, [...contents, name])
          }
        } else {
          const wanted: Record<string, (number | undefined)[]> = {
            last: kept.slice(-1),
            first: kept.slice(0, 1),
            all: kept,
          }
          const gone = (wanted[s] ?? [Number(s.slice(5, 7))]).filter(n => n !== undefined && model.delete(n))
          const { status: got } = await remove(server, id, `?match[version]=${s}`, 'mirror')
          assert.equal(got, gone.length > 0 ? 200 : 404)
        }
        const all = [...model].map(([n, names]) => of(n, names.at(-1) as string)).sort(byVersion)
        for (const query of [`match[id]=${id}`, 'match[type]=tool', 'limit=1000']) {
          const read = async (versions: string) => {
            const { json } = await server.ask('GET', `${base}/objects/?${query}${versions}`)
            return ((json.objects ?? []) as any[]).filter(o => o.id === id).sort(byVersion)
          }
          assert.deepEqual(await read('&match[version]=all'), all, query)
          assert.deepEqual(await read(''), all.slice(-1), query)
        }
      }
      await remove(server, id, '?match[version]=all', 'mirror')
    }),
    { seed: 11, numRuns: 20 },
  )
  await assertSound(server, 'mirror')
})
const byVersion = (a: { modified: string }, b: { modified: string }) => (a.modified < b.modified ? -1 : 1)

test('keepBoth: beyond a number of contents the version refuses more', async t => {
  const server = await start(t)
  const id = newId('indicator')
  const many = Array.from({ length: 20 }, (_, i) => indicator({ id, name: `content ${i}` }))
  const answer = await server.add(many, 'mirror')
  assert.deepEqual([answer.success_count, answer.failure_count], [16, 4])
  assert.match(answer.failures[0].message, /^equivocation/)
  await assertSound(server, 'mirror')
})

test('T59 a status is 404 once it was complete for long enough', async t => {
  let now = Date.UTC(2026, 0, 31) * 1000
  const server = await start(t, { clock: () => now })
  const old = await server.add([indicator()])
  now += 30 * DAY
  const young = await server.add([indicator()])
  await server.close()
  const again = await start(t, { clock: () => now, data: server.data })
  for (let tries = 0; tries < 100 && (await again.notary.store.status(old.id)); tries++)
    await new Promise(resolve => setTimeout(resolve, 20))
  assertTaxiiError(await again.ask('GET', `/api/status/${old.id}/`), 404, 'not-found')
  assert.equal((await status(again, young)).id, young.id)
})

test('every record has a proof by its place, that of a deletion too; one that is gone has none', async t => {
  const server = await start(t)
  const object = indicator()
  await server.add([object, indicator()])
  await remove(server, object.id)
  const trust = { vkeys: [server.context.vkey] }
  const proof = async (seq: number | string) => server.get(`records/${seq}/proof/`)
  const { record } = verifyObject((await proof(2)).text, trust)
  assert.ok('deleted' in record)
  assert.deepEqual(record.deleted, { seq: 0 })
  assert.ok('object' in verifyObject((await proof(1)).text, trust).record)
  assert.equal((await proof(1)).headers['content-type'], 'application/vnd.entente.proof+json;version=1')
  assertTaxiiError(await proof(0), 404, 'not-found')
  assertTaxiiError(await proof(3), 404, 'not-found')
  for (const odd of ['-1', 'x', '1.5', '9'.repeat(20)]) assertTaxiiError(await proof(odd), 400, 'query')
  assertTaxiiError(await server.get('records/1/proof/', { user: 'writer' }), 403, 'forbidden')
  assertTaxiiError(await server.get('records/1/proof/', { user: 'nobody' }), 404, 'not-found')
})
