// What was imported from medallion, OASIS's reference TAXII server, is answered as medallion answers it: the same requests go to both, over
// the same data file. Where the answers differ, the list below says why, and everything else must be equal.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { spreadDates } from '../../packages/entente/notary/import.ts'
import { parseMicros } from '../../packages/entente/notary/time.ts'
import { entente } from '../../packages/entente/cli/commands/test/script.ts'
import { installMedallion } from '../support/medallion.ts'
import { COLLECTIONS, medallionData, STATUS } from '../support/medallion-data.ts'
import { freePort } from '../support/mongod.ts'
import { root, startEntente, TAXII, temporaryFolder } from '../support/server.ts'

const SHARED = join(root, '../shared/data/medallion/default_data.json')

type Answer = { status: number; type: string; json: any; first: string | null; last: string | null }
type Both = { theirs: Answer; ours: Answer }
type Pair = { askTheirs(path: string): Promise<Answer>; askOurs(path: string): Promise<Answer> }

/** Both servers over one data file; undefined where there is no medallion here, which the test then says. */
async function startBoth(t: TestContext, data: unknown): Promise<Pair | undefined> {
  const medallion = installMedallion()
  if ('reason' in medallion) {
    t.skip(`there is no medallion to compare with: ${medallion.reason}`)
    return undefined
  }
  const folder = temporaryFolder(t)
  const file = join(folder, 'medallion-data.json')
  writeFileSync(file, JSON.stringify(data))
  const imported = await entente(['import', 'medallion', file, '--data', 'data', '--json'], { cwd: folder })
  assert.equal(imported.code, 0, imported.out + imported.err)
  const theirs = await startMedallion(medallion.python, folder, file)
  t.after(() => theirs.child.kill())
  const server = await startEntente(join(folder, 'data'), { args: ['--config', join(folder, 'data', 'entente.yaml')] })
  t.after(() => server.stop())
  const password = readFileSync(join(folder, 'data', 'admin-password'), 'utf8').trim()
  return {
    askTheirs: path => ask(theirs.url + path, PASSWORD),
    askOurs: path => ask(server.url + path, password),
  }
}

const PASSWORD = 'a-test-password'

/** Its own command and its memory backend, which reads the data file itself. */
async function startMedallion(
  python: string,
  folder: string,
  filename: string,
): Promise<{ url: string; child: ChildProcess }> {
  const config = join(folder, 'medallion.json')
  const backend = { module: 'medallion.backends.memory_backend', module_class: 'MemoryBackend', filename }
  writeFileSync(config, JSON.stringify({ backend, users: { admin: PASSWORD }, taxii: { max_page_size: 1000 } }))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const child = spawn(python, ['-m', 'medallion.scripts.run', config, '--port', String(port)], { stdio: 'ignore' })
  for (let tries = 0; ; tries++) {
    const isUp = await fetch(`${url}/taxii2/`).then(
      () => true,
      () => false,
    )
    if (isUp) return { url, child }
    assert.ok(tries < 300 && child.exitCode === null, 'medallion did not start')
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

async function ask(url: string, password: string): Promise<Answer> {
  const authorization = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`
  const response = await fetch(url, { headers: { authorization, accept: TAXII } })
  const date = (which: string) => response.headers.get(`x-taxii-date-added-${which}`)
  return {
    status: response.status,
    type: response.headers.get('content-type') ?? '',
    json: parse(await response.text()),
    first: date('first'),
    last: date('last'),
  }
}

/** medallion answers some requests with a page of HTML. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * Where medallion, or the standard's freedom, makes answers differ. Each is applied to both sides before they are compared; nothing else is.
 *
 * - T37: medallion says `more: false`, which is what the absence of `more` means (section 3.7).
 * - T22, B10: the words of errors are each server's own; status, `title` and `http_status` are the standard's (section 3.6.1).
 * - T26: medallion's API roots are the absolute URLs of its file; here they are relative, the default first (section 4.1.1).
 * - T32: the order of `media_types` means nothing (section 5.2.1).
 * - T35: medallion gives several objects one `date_added`; here dates strictly ascend, by a microsecond (notary/import.ts).
 * - T54: medallion lists versions newest first; the section asks for no order.
 * - Members named `x_…` are ours (section 3.8).
 */
function normalize({ status, json, first, last }: Answer, toTheirs: (date: string) => string): unknown {
  if (status >= 400) {
    assert.equal(typeof json.title, 'string')
    return { status, http_status: json.http_status }
  }
  const clean = (value: any): any => {
    if (Array.isArray(value)) return value.map(clean)
    if (typeof value !== 'object' || value === null) return value
    const members = Object.entries(value).filter(([name]) => !name.startsWith('x_'))
    return Object.fromEntries(members.map(([name, member]) => [name, clean(member)]))
  }
  const body = json.objects?.[0]?.type === undefined ? clean(json) : { ...json }
  if (body.more === false) delete body.more
  if (body.next !== undefined) body.next = 'opaque (T38)'
  if (Array.isArray(body.versions) && json.max_content_length === undefined) body.versions = body.versions.toSorted()
  if (body.api_roots) {
    const path = (address: string) => new URL(address, 'http://localhost').pathname
    body.api_roots = body.api_roots.map(path).toSorted()
    body.default = path(body.default)
  }
  for (const collection of body.collections ?? [body]) collection.media_types?.sort()
  for (const item of body.objects ?? []) if (item.date_added !== undefined) item.date_added = toTheirs(item.date_added)
  return { status, body, first: first && toTheirs(first), last: last && toTheirs(last) }
}

/** Our date of a record to the one that it has in the data file. */
function datesOf(data: any): (collection: string | undefined) => (date: string) => string {
  const tables = new Map<string, Map<number, string>>()
  for (const { collections = [] } of Object.values<any>(data)) {
    for (const { id, manifest } of collections) {
      const dates = manifest.map((m: any) => m.date_added as string).toSorted()
      const ours = spreadDates(dates.map((d: string) => parseMicros(d) as number))
      tables.set(id, new Map(ours.map((micros, i) => [micros, dates[i] as string])))
    }
  }
  return collection => date => tables.get(collection ?? '')?.get(parseMicros(date) as number) ?? date
}

/** Asks both, and holds the answers against each other. */
function compare({ askTheirs, askOurs }: Pair, data: unknown) {
  const dates = datesOf(data)
  return async (path: string): Promise<Both> => {
    const both = { theirs: await askTheirs(path), ours: await askOurs(path) }
    const toTheirs = dates(/collections\/([0-9a-f-]{36})/.exec(path)?.[1])
    assert.deepEqual(
      normalize(both.ours, toTheirs),
      normalize(both.theirs, date => date),
      path,
    )
    assert.equal(both.ours.type.replaceAll(' ', ''), both.theirs.type.replaceAll(' ', ''), path)
    return both
  }
}

const query = (parameters: Record<string, string>) => `?${new URLSearchParams(parameters)}`
const FILTERS: Record<string, string>[] = [
  {},
  { 'match[version]': 'last' },
  { 'match[version]': 'first' },
  { 'match[version]': 'all' },
  { 'match[version]': 'first,last' },
  { 'match[version]': '2026-01-01T00:00:00.000Z' },
  { 'match[version]': '2026-01-06T10:00:00.000Z,first' },
  { 'match[version]': '2019-02-01T00:00:00.000Z', 'match[spec_version]': '2.0' },
  { 'match[type]': 'indicator' },
  { 'match[type]': 'malware,domain-name', 'match[version]': 'all' },
  { 'match[type]': 'no-such-type' },
  { 'match[id]': 'indicator--00000000-0000-4000-8000-000000000005' },
  { 'match[id]': 'indicator--00000000-0000-4000-8000-000000000005,malware--00000000-0000-4000-8000-000000000001' },
  {
    'match[id]': 'indicator--00000000-0000-4000-8000-000000000005',
    'match[version]': 'all',
    'match[type]': 'indicator',
  },
  { 'match[spec_version]': '2.0' },
  { 'match[spec_version]': '2.1' },
  { 'match[spec_version]': '2.0,2.1' },
  { 'match[spec_version]': '2.0,2.1', 'match[version]': 'all' },
  { 'match[spec_version]': '2.0', 'match[version]': 'first' },
  { added_after: '2020-01-01T00:00:00.000000Z' },
  { added_after: '2024-03-01T12:00:00.001014Z' },
  { added_after: '2024-03-01T12:00:00.001035Z' },
  { added_after: '2024-03-01T12:00:00.001035Z', 'match[version]': 'all', 'match[type]': 'indicator' },
  { added_after: '2030-01-01T00:00:00.000000Z' },
]

const COLLECTIONS_OF_GROUP = '/trustgroup1/collections/'
const PAGED: Record<string, string>[] = [
  {},
  { 'match[version]': 'all' },
  { added_after: '2024-03-01T12:00:00.001035Z' },
]

describe('entente import medallion', () => {
  test('a data file with every kind of collection and object', async t => {
    const data = medallionData(new Date().toISOString().replace('Z', '000Z'))
    const pair = await startBoth(t, data)
    if (!pair) return
    await t.test('every resource and filter is answered as medallion answers it', () => checkResources(pair, data))
    await t.test('the same objects on the same pages, by limit and next', () => checkPages(pair, data))
    await t.test('where medallion does not follow the standard', () => checkDeviations(pair))
  })

  test("medallion's own example data", async t => {
    if (!existsSync(SHARED)) return t.skip(`no medallion data at ${SHARED}`)
    const data = JSON.parse(readFileSync(SHARED, 'utf8'))
    const pair = await startBoth(t, data)
    if (!pair) return
    const same = compare(pair, data)
    const base = '/trustgroup1/collections/91a7b528-80eb-42ed-a74d-c6fbd5a26116/'
    for (const path of ['/taxii2/', '/api1/', '/api1/collections/', '/trustgroup1/', base]) await same(path)
    // T04: a collection that one may neither read nor write is not shown here; medallion lists it.
    const [theirs, ours] = [await pair.askTheirs(COLLECTIONS_OF_GROUP), await pair.askOurs(COLLECTIONS_OF_GROUP)]
    assert.deepEqual(
      ours.json.collections.map((c: any) => c.id),
      theirs.json.collections.filter((c: any) => c.can_read || c.can_write).map((c: any) => c.id),
    )
    const ids = [...new Set(data.trustgroup1.collections[2].objects.map((o: any) => o.id as string))]
    const versions = ['last', 'first', 'all', 'first,last']
    const specs = ['2.0', '2.1', '2.0,2.1']
    for (const filter of [
      {},
      ...versions.map(v => ({ 'match[version]': v })),
      ...specs.flatMap(s => versions.map(v => ({ 'match[spec_version]': s, 'match[version]': v }))),
      ...ids.map(id => ({ 'match[id]': id as string, 'match[version]': 'all' })),
      { 'match[type]': 'indicator' },
      { added_after: '2016-11-03T12:30:59.001Z' },
      { added_after: '2017-01-27T13:49:59.997000Z', 'match[version]': 'all' },
    ] as Record<string, string>[]) {
      await same(`${base}objects/${query(filter)}`)
      await same(`${base}manifest/${query(filter)}`)
    }
    for (const id of ids) {
      await same(`${base}objects/${id}/`)
      await same(`${base}objects/${id}/versions/`)
    }
  })
})

async function checkResources(pair: Pair, data: unknown): Promise<void> {
  const same = compare(pair, data)
  for (const path of ['/taxii2/', '/first/', '/empty/', '/empty/collections/', '/first/collections/']) await same(path)
  await same(`/first/status/${STATUS}/`)
  for (const id of Object.values(COLLECTIONS)) await same(`/first/collections/${id}/`)
  let answered = 0
  for (const collection of [COLLECTIONS.pages, COLLECTIONS.mixed, COLLECTIONS.readOnly]) {
    for (const filter of FILTERS) {
      for (const resource of ['objects', 'manifest']) {
        const { ours } = await same(`/first/collections/${collection}/${resource}/${query(filter)}`)
        answered += ours.json.objects?.length ?? 0
      }
    }
  }
  assert.ok(answered > 500, `${answered} objects and records`)
  for (const [collection, ids] of [
    [COLLECTIONS.pages, [0, 1, 5].map(n => `indicator--00000000-0000-4000-8000-00000000000${n}`)],
    [
      COLLECTIONS.mixed,
      [
        'malware--00000000-0000-4000-8000-000000000001',
        'domain-name--3c10e93f-798e-5a26-a0c1-08156efab7f5',
        'marking-definition--00000000-0000-4000-8000-000000000002',
        'x-test-custom--00000000-0000-4000-8000-000000000003',
      ],
    ],
  ] as const) {
    for (const id of ids) {
      const object = `/first/collections/${collection}/objects/${id}/`
      for (const filter of FILTERS.filter(f => !('match[id]' in f || 'match[type]' in f)))
        await same(object + query(filter))
      for (const filter of [{}, { 'match[spec_version]': '2.0' }, { 'match[spec_version]': '2.0,2.1' }])
        await same(`${object}versions/${query(filter as Record<string, string>)}`)
    }
  }
  // What is not there, and what is not for reading
  const missing = `/first/collections/${COLLECTIONS.pages}/objects/indicator--00000000-0000-4000-8000-00000000ffff/`
  for (const path of [
    missing,
    `${missing}versions/`,
    `/first/collections/${COLLECTIONS.writeOnly}/objects/`,
    `/first/collections/${COLLECTIONS.writeOnly}/manifest/`,
    `/first/collections/99999999-9999-4999-8999-999999999999/`,
    `/first/status/99999999-9999-4999-8999-999999999999/`,
    '/no-such-root/',
    '/no-such-root/collections/',
  ])
    assert.ok((await same(path)).ours.status >= 403, path)
}

async function checkPages(pair: Pair, data: unknown): Promise<void> {
  const dates = datesOf(data)(COLLECTIONS.pages)
  for (const limit of [1, 7, 25]) {
    for (const resource of ['objects', 'manifest']) {
      for (const filter of PAGED) {
        const path = `/first/collections/${COLLECTIONS.pages}/${resource}/`
        // B5: medallion takes `next` only together with `limit`; so both get both.
        const of = (cursor: string | undefined) =>
          path + query({ ...filter, limit: String(limit), ...(cursor === undefined ? {} : { next: cursor }) })
        let next: { theirs?: string; ours?: string } = {}
        for (let page = 0; page < 40; page++) {
          const theirs: Answer = await pair.askTheirs(of(next.theirs))
          const ours: Answer = await pair.askOurs(of(next.ours))
          const where = `${resource} ${JSON.stringify(filter)} limit ${limit} page ${page}`
          assert.deepEqual(
            normalize(ours, dates),
            normalize(theirs, date => date),
            where,
          )
          next = { theirs: theirs.json.next, ours: ours.json.next }
          if (next.ours === undefined) break
        }
        assert.deepEqual(next, { theirs: undefined, ours: undefined })
      }
    }
  }
}

/** Ours first: what the standard asks for, and what medallion does. */
async function checkDeviations({ askTheirs, askOurs }: Pair): Promise<void> {
  const objects = `/first/collections/${COLLECTIONS.mixed}/objects/`
  const statuses = async (path: string) => [(await askOurs(path)).status, (await askTheirs(path)).status]
  // T23, B4: what is no timestamp is a bad request, no failure of the server
  assert.deepEqual(await statuses(objects + query({ added_after: 'yesterday' })), [400, 500])
  // B5: `next` without `limit`
  const { ours, theirs } = { ours: await askOurs(`${objects}?limit=1`), theirs: await askTheirs(`${objects}?limit=1`) }
  assert.equal((await askOurs(objects + query({ next: ours.json.next }))).status, 200)
  assert.equal((await askTheirs(objects + query({ next: theirs.json.next }))).status, 500)
  // T44: the latest version of STIX among what matches the rest; medallion looks at all versions of the object, and finds none
  const old =
    objects +
    query({
      'match[id]': 'malware--00000000-0000-4000-8000-000000000001',
      'match[version]': '2019-02-01T00:00:00.000Z',
    })
  assert.equal((await askOurs(old)).json.objects.length, 1)
  assert.deepEqual((await askTheirs(old)).json, {})
}
