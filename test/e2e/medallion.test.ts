// What was imported from medallion, OASIS's reference TAXII server, is answered as medallion answers it: the same requests go to both, over
// the same data file. Where the answers differ, the list below says why, and everything else must be equal.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { Long, MongoClient } from 'mongodb'
import { spreadDates } from '../../packages/entente/notary/import.ts'
import { parseMicros } from '../../packages/entente/notary/time.ts'
import { entente } from '../../packages/entente/cli/commands/test/script.ts'
import { installMedallion } from '../support/medallion.ts'
import { COLLECTIONS, medallionData, STATUS } from '../support/medallion-data.ts'
import { freePort, installMongod, startMongod } from '../support/mongod.ts'
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
  const theirs = await startMedallion(medallion.python, folder, memoryBackend(file))
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

/** The one that reads the data file itself. */
const memoryBackend = (filename: string) => ({
  module: 'medallion.backends.memory_backend',
  module_class: 'MemoryBackend',
  filename,
})
const mongodbBackend = (uri: string) => ({
  module: 'medallion.backends.mongodb_backend',
  module_class: 'MongoBackend',
  uri,
})

/** Its own command. */
async function startMedallion(
  python: string,
  folder: string,
  backend: Record<string, string>,
): Promise<{ url: string; child: ChildProcess }> {
  const config = join(folder, 'medallion.json')
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
  // That of an object without a version of its own is its date.
  for (const item of body.objects ?? []) if (/\.[0-9]{6}Z$/.test(item.version)) item.version = toTheirs(item.version)
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

/** Asks both, and holds the answers against each other. `order`: what medallion gives in no order of its own is brought into one. */
function compare({ askTheirs, askOurs }: Pair, data: unknown, order: (answer: Answer) => void = () => {}) {
  const dates = datesOf(data)
  return async (path: string): Promise<Both> => {
    const both = { theirs: await askTheirs(path), ours: await askOurs(path) }
    for (const answer of Object.values(both)) order(answer)
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

describe('entente import medallion, from its MongoDB', () => {
  test('what a real medallion wrote there is answered as it answers it', async t => {
    const [medallion, installed] = [installMedallion(), installMongod()]
    if ('reason' in medallion) return t.skip(`there is no medallion to take over: ${medallion.reason}`)
    if ('reason' in installed) return t.skip(installed.reason)
    const folder = temporaryFolder(t)
    const mongod = await startMongod(installed.path, temporaryFolder(t))
    t.after(() => mongod.stop())
    const databases = new MongoClient(mongod.url)
    t.after(() => databases.close())
    const data: any = medallionData(new Date().toISOString().replace('Z', '000Z'))
    await layOut(databases, data)
    const theirs = await startMedallion(medallion.python, folder, mongodbBackend(mongod.url))
    t.after(() => theirs.child.kill())
    const askTheirs = (path: string) => ask(theirs.url + path, PASSWORD)
    // Three requests a collection: objects of one request have one date.
    const { pages, mixed } = COLLECTIONS
    for (const { id, objects } of data.first.collections) {
      for (const some of Object.values(Object.groupBy<any, number>(objects, (_: any, i: number) => i % 3))) {
        const posted = some!.map(({ _date_added, ...object }: any) => object)
        await post(`${theirs.url}/first/collections/${id}/objects/`, posted)
      }
    }
    const finer = { ...data.first.collections[0].objects[0], modified: '2026-03-01T00:00:00.123456Z', x_count: 1.0 }
    await post(`${theirs.url}/first/collections/${pages}/objects/`, [finer])
    const counts = {
      [pages]: data.first.collections[0].objects.length + 1,
      [mixed]: data.first.collections[1].objects.length,
    }

    // A URL with a password rather lies in a file.
    writeFileSync(join(folder, 'url'), `${mongod.url}\n`)
    const run = async (...args: string[]) => {
      const { code, out, err } = await entente(['import', 'medallion', ...args, '--data', 'data', '--json'], {
        cwd: folder,
      })
      const { collections, refused, statuses } = JSON.parse(out || '{}')
      const totals = (what: string) =>
        Object.fromEntries(collections.filter((c: any) => c.objects > 0).map((c: any) => [c.id, c[what]]))
      return { code, err, refused, statuses, imported: totals('imported'), present: totals('present') }
    }
    const none = { [pages]: 0, [mixed]: 0 }
    const first = await run(mongod.url)
    assert.deepEqual([first.code, first.imported, first.present], [0, counts, none], JSON.stringify(first))

    // Each version of each object, with the date that medallion has of it.
    const every = { 'match[version]': 'all', 'match[spec_version]': '2.0,2.1' }
    for (const collection of data.first.collections.slice(0, 2))
      collection.manifest = (
        await askTheirs(`/first/collections/${collection.id}/manifest/${query(every)}`)
      ).json.objects
    const server = await startEntente(join(folder, 'data'), {
      args: ['--config', join(folder, 'data', 'entente.yaml')],
    })
    t.after(() => server.stop())
    const password = readFileSync(join(folder, 'data', 'admin-password'), 'utf8').trim()
    // Its MongoDB backend sorts by date_added alone, which all objects of a request share.
    const order = ({ json }: Answer) =>
      json.objects?.sort((a: any, b: any) =>
        JSON.stringify([a.id, a.modified ?? a.version]) < JSON.stringify([b.id, b.modified ?? b.version]) ? -1 : 1,
      )
    const same = compare({ askTheirs, askOurs: path => ask(server.url + path, password) }, data, order)
    for (const path of ['/taxii2/', '/first/', '/empty/', '/first/collections/', `/first/status/${STATUS}/`])
      await same(path)
    let answered = 0
    for (const id of [pages, mixed])
      for (const filter of [{}, every, { ...every, 'match[type]': 'indicator' }])
        for (const resource of ['objects', 'manifest']) {
          const { ours } = await same(`/first/collections/${id}/${resource}/${query(filter)}`)
          answered += ours.json.objects.length
        }
    assert.ok(answered > 200, `${answered} objects and records`)
    await server.stop()

    // What was added meanwhile comes after what is there; what is none of medallion's is refused with its reason.
    await post(`${theirs.url}/first/collections/${pages}/objects/`, [
      { ...finer, modified: '2026-04-01T00:00:00.000Z' },
    ])
    const object = { type: 'indicator', _collection_id: pages, ...finer }
    await databases
      .db('first')
      .collection('objects')
      .insertMany([
        { ...object, id: 'indicator--00000000-0000-4000-8000-0000000000aa' },
        {
          ...object,
          id: 'indicator--00000000-0000-4000-8000-0000000000bb',
          x_n: new Long(1, 1 << 30),
          _manifest: { date_added: 1 },
        },
      ])
    const last = await run('url')
    assert.deepEqual(
      [last.code, last.imported, last.present],
      [1, { ...none, [pages]: 1 }, counts],
      JSON.stringify(last),
    )
    const reasons = last.refused.map((r: any) => `${r.id.slice(-2)}: ${r.reason}`)
    assert.equal(reasons.length, 2, reasons.join('\n'))
    assert.match(reasons.join('\n'), /aa: its manifest has the date_added undefined.*|bb: .*Long/)
  })
})

/** Discovery, API roots, collections and statuses as documents of medallion's MongoDB backend: it has no requests that make these. */
async function layOut(databases: MongoClient, data: any): Promise<void> {
  const { api_roots, ...discovery } = data['/discovery']
  const information = databases.db('discovery_database')
  const names = Object.keys(data).filter(name => name !== '/discovery')
  await information.collection('discovery_information').insertOne({ ...discovery, api_roots: names })
  for (const name of names) {
    const { information: members, collections, status } = data[name]
    const url = api_roots.find((address: string) => address.endsWith(`/${name}/`))
    await information.collection('api_root_info').insertOne({ ...members, _url: url, _name: name })
    await databases.db(name).createCollection('collections') // a database exists once it has something
    for (const { objects: _, manifest: __, ...collection } of collections)
      await databases.db(name).collection('collections').insertOne(collection)
    for (const one of status)
      await databases
        .db(name)
        .collection('status')
        .insertOne({ ...one })
  }
}

async function post(url: string, objects: unknown[]): Promise<void> {
  const authorization = `Basic ${Buffer.from(`admin:${PASSWORD}`).toString('base64')}`
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization, accept: TAXII, 'content-type': TAXII },
    body: JSON.stringify({ objects }),
  })
  const status: any = await response.json()
  assert.deepEqual([response.status, status.failure_count], [202, 0], JSON.stringify(status))
}

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
