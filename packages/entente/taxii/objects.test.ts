import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { TAXII } from './media.ts'
import {
  type Answer,
  assertTaxiiError,
  indicator,
  newId,
  startTestServer,
  type TestServer,
  url,
} from './test/server.ts'

const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/
const month = (n: number) => `2026-0${n}-01T00:00:00.000Z`

let server: TestServer
before(async () => {
  server = await startTestServer({ server: { page: 50, maxPage: 100, maxContentLength: 67_108_864 } })
})
after(() => server.stop())

type Entry = { id: string; date_added: string; version: string; media_type: string }
const query = (parameters: Record<string, string | number | undefined>) => {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined)
  return given.length === 0
    ? ''
    : `?${new URLSearchParams(given.map(([k, v]): [string, string] => [k, String(v)])).toString()}`
}

/** All pages of a list, each checked by itself. */
async function pages(path: string, parameters: Record<string, string | number | undefined> = {}): Promise<any[]> {
  const items: any[] = []
  let next: string | undefined
  for (let n = 0; n < 1000; n++) {
    const answer = await server.ask('GET', `/api/collections/${path}${query({ ...parameters, next })}`)
    assert.equal(answer.status, 200, answer.text)
    const { json, headers } = answer
    const page = json.objects ?? json.versions ?? []
    for (const list of [json.objects, json.versions]) assert.notEqual(list?.length, 0, 'T20 no empty list')
    if (parameters['limit'] !== undefined) assert.ok(page.length <= Number(parameters['limit']), 'T36')
    assert.equal(headers['x-taxii-date-added-first'] !== undefined, page.length > 0)
    items.push(...page)
    if (json.more === undefined) {
      assert.equal(json.next, undefined)
      return items
    }
    assert.equal(json.more, true)
    assert.equal(typeof json.next, 'string', 'B13 T53: more comes with next')
    next = json.next
  }
  return assert.fail('paging does not end')
}

describe('an empty collection', () => {
  test('T48 T20 objects and manifest are {}', async () => {
    for (const path of ['objects/', 'manifest/', 'objects/?limit=1', 'objects/?added_after=2020-01-01T00:00:00Z']) {
      const { status, text, headers } = await server.ask('GET', `/api/collections/strict/${path}`)
      assert.deepEqual([status, text, headers['content-type']], [200, '{}', TAXII])
      assert.equal(headers['x-taxii-date-added-first'], undefined)
    }
  })

  test('T49 an object is 404, and so are its versions', async () => {
    const id = newId('indicator')
    for (const path of [`objects/${id}/`, `objects/${id}/versions/`])
      assertTaxiiError(await server.ask('GET', `/api/collections/strict/${path}`), 404, 'not-found')
  })
})

describe('filters and paging, against the manifest of everything', () => {
  const base = 'default/'
  let all: (Entry & { type: string })[]
  const ids = { a: newId('indicator'), b: newId('indicator'), old: newId('indicator') }

  before(async () => {
    const batches = [
      [indicator({ id: ids.a, modified: month(2) }), url(), indicator({ id: ids.b })],
      [
        indicator({ id: ids.a, modified: month(4) }),
        { ...tool(), modified: month(3) },
        indicator({ id: ids.old, modified: month(5) }),
      ],
      [indicator({ id: ids.a, modified: month(3) }), url(), tool()],
      [
        indicator({ id: ids.old, modified: month(1) }),
        indicator({ id: ids.b, modified: '2026-02-01T00:00:00.123456Z' }),
      ],
    ]
    for (const objects of batches) await server.add(objects)
    const manifest = (await pages(`${base}manifest/`, { 'match[version]': 'all' })) as Entry[]
    all = manifest.map(e => ({ ...e, type: e.id.slice(0, e.id.indexOf('--')) }))
    assert.equal(all.length, 11)
  })
  const tool = () => ({
    type: 'tool',
    spec_version: '2.1',
    id: newId('tool'),
    created: month(1),
    modified: month(1),
    name: 'A tool',
  })

  test('T17 T35 T51 one record for each version, ascending by a date_added with microseconds that is never the same', () => {
    for (const e of all) {
      assert.match(e.date_added, TIMESTAMP)
      assert.deepEqual(Object.keys(e).sort(), ['date_added', 'id', 'media_type', 'type', 'version'])
      assert.equal(e.media_type, 'application/stix+json;version=2.1')
    }
    const dates = all.map(e => e.date_added)
    assert.deepEqual(dates, [...new Set(dates)].sort())
  })

  /** TAXII 2.1 section 3.4.1, written down as simply as can be. */
  function expected(filter: Record<string, string | undefined>): Entry[] {
    const id = filter['match[id]']?.split(',')
    const type = filter['match[type]']?.split(',')
    const versions = (filter['match[version]'] ?? 'last').split(',')
    return all.filter(e => {
      const own = all.filter(o => o.id === e.id).sort((x, y) => Date.parse(x.version) - Date.parse(y.version))
      const chosen = versions.some(
        v =>
          v === 'all' ||
          (v === 'last' && own.at(-1) === e) ||
          (v === 'first' && own[0] === e) ||
          (/^\d/.test(v) && sameInstant(v, e.version)),
      )
      const after = filter['added_after']
      return (
        chosen && (!id || id.includes(e.id)) && (!type || type.includes(e.type)) && (!after || e.date_added > after)
      )
    })
  }
  const sameInstant = (a: string, b: string) => padded(a) === padded(b)
  const padded = (text: string) => {
    const [seconds = '', fraction = ''] = text.slice(0, -1).split('.')
    return `${seconds}.${fraction.padEnd(6, '0')}`
  }

  test('T34 to T42 T45 every combination of id, type, version, added_after and limit, in objects and manifest', async () => {
    const some = {
      'match[id]': [undefined, ids.a, `${ids.b},${ids.old},indicator--none`],
      'match[type]': [undefined, 'indicator', 'tool,url', 'x-none'],
      'match[version]': [undefined, 'first', 'all', 'first,last', month(2), `2026-02-01T00:00:00.123456Z,last`],
      added_after: [undefined, all[4]?.date_added, all.at(-1)?.date_added],
      limit: [undefined, 2],
    }
    let count = 0
    for (const id of some['match[id]'])
      for (const type of some['match[type]'])
        for (const version of some['match[version]'])
          for (const added_after of some.added_after)
            for (const limit of some.limit) {
              const filter = { 'match[id]': id, 'match[type]': type, 'match[version]': version, added_after }
              const want = expected(filter).map(e => `${e.id} ${e.version}`)
              const manifest = (await pages(`${base}manifest/`, { ...filter, limit })) as Entry[]
              assert.deepEqual(
                manifest.map(e => `${e.id} ${e.version}`),
                want,
                query(filter),
              )
              const objects = await pages(`${base}objects/`, { ...filter, limit })
              assert.deepEqual(
                objects.map(o => o.id),
                manifest.map(e => e.id),
                query(filter),
              )
              objects.forEach((o, i) =>
                assert.equal(o.modified ?? o.created ?? manifest[i]?.version, manifest[i]?.version),
              )
              count++
            }
    assert.equal(count, 432)
  })

  test('T45 Get an Object: match[version], added_after and paging', async () => {
    const read = async (parameters: Record<string, string | number | undefined>) =>
      (await pages(`${base}objects/${ids.a}/`, parameters)).map(o => o.modified)
    assert.deepEqual(await read({}), [month(4)])
    assert.deepEqual(await read({ 'match[version]': 'first' }), [month(2)])
    assert.deepEqual(await read({ 'match[version]': 'all' }), [month(2), month(4), month(3)], 'in order of date_added')
    assert.deepEqual(await read({ 'match[version]': 'all', limit: 1 }), [month(2), month(4), month(3)])
    assert.deepEqual(await read({ 'match[version]': `${month(3)},${month(9)}` }), [month(3)])
    const date = all.find(e => e.id === ids.a)?.date_added
    assert.deepEqual(await read({ 'match[version]': 'all', added_after: date }), [month(4), month(3)])
    assert.deepEqual(
      await read({ 'match[id]': ids.b, 'match[type]': 'tool' }),
      [month(4)],
      'not fields of this resource',
    )
  })

  test('T49 a filter that matches nothing of an object that is there gives {}', async () => {
    for (const parameters of [{ 'match[version]': month(9) }, { 'match[spec_version]': '2.0' }]) {
      const { status, text } = await server.get(`objects/${ids.a}/${query(parameters)}`)
      assert.deepEqual([status, text], [200, '{}'])
    }
  })

  test('T54 T45 versions: as the objects write them, in order of date_added, with paging', async () => {
    const path = `${base}objects/${ids.a}/versions/`
    assert.deepEqual(await pages(path), [month(2), month(4), month(3)])
    assert.deepEqual(await pages(path, { limit: 2 }), [month(2), month(4), month(3)])
    assert.deepEqual(await pages(path, { 'match[version]': 'first' }), [month(2), month(4), month(3)])
    assert.deepEqual(await pages(path, { 'match[spec_version]': '2.0' }), [])
    assert.deepEqual(await pages(`${base}objects/${ids.b}/versions/`), [month(1), '2026-02-01T00:00:00.123456Z'])
    const sco = all.find(e => e.type === 'url') as Entry
    assert.deepEqual(await pages(`${base}objects/${sco.id}/versions/`), [sco.date_added], 'T43')
  })

  test('T44 match[spec_version] leaves out the others', async () => {
    assert.equal((await pages(`${base}objects/`, { 'match[spec_version]': '2.1', 'match[version]': 'all' })).length, 11)
    assert.equal((await pages(`${base}objects/`, { 'match[spec_version]': '2.0,2.1' })).length, 7)
    assert.deepEqual(await pages(`${base}manifest/`, { 'match[spec_version]': '2.0' }), [])
  })

  test('T52 filters apply to the object, not to its manifest record', async () => {
    const entries = (await pages(`${base}manifest/`, { 'match[type]': 'tool' })) as Entry[]
    assert.equal(entries.length, 2)
    assert.ok(entries.every(e => e.id.startsWith('tool--')))
  })

  test('T46 T47 X-TAXII-Date-Added headers on every 2xx with content: date_added of its first and last object', async () => {
    const check = async (path: string, entries: Entry[]) => {
      const { status, headers } = await server.get(path)
      assert.equal(status, 200)
      const dates = [headers['x-taxii-date-added-first'], headers['x-taxii-date-added-last']]
      assert.deepEqual(dates, [entries[0]?.date_added, entries.at(-1)?.date_added], path)
    }
    const versions = all.filter(e => e.id === ids.a)
    for (const resource of ['objects/', 'manifest/']) {
      await check(`${resource}?match[version]=all`, all)
      await check(`${resource}?match[version]=all&limit=3`, all.slice(0, 3))
      await check(
        `${resource}?match[type]=tool`,
        all.filter(e => e.type === 'tool'),
      )
    }
    await check(`objects/${ids.a}/`, versions.slice(1, 2))
    await check(`objects/${ids.a}/?match[version]=all`, versions)
    await check(`objects/${ids.a}/versions/`, versions)
  })

  test('T37 no `more` on the last page, also where it is full', async () => {
    const full = await server.get('objects/?limit=7')
    assert.equal(full.json.objects.length, 7)
    assert.equal('more' in full.json || 'next' in full.json, false)
    const cut = await server.get('objects/?limit=6')
    assert.equal(cut.json.more, true)
  })

  test('B5 the same page asked for twice is the same page', async () => {
    const { next } = (await server.get('objects/?limit=2')).json
    const twice = [1, 2].map(() => server.get(`objects/?limit=2&next=${next}`))
    const [one, two] = (await Promise.all(twice)) as [Answer, Answer]
    assert.equal(one.text, two.text)
    assert.equal((await server.get(`objects/?next=${next}`)).json.objects.length, 5, 'next without limit')
  })

  test('T38 next gives nothing that the caller may not see', async () => {
    const { next } = (await server.get('objects/?limit=2')).json
    assertTaxiiError(await server.get(`objects/?next=${next}`, { user: 'writer' }), 403, 'forbidden')
    assert.equal((await server.ask('GET', `/api/collections/strict/objects/?next=${next}`)).text, '{}')
  })

  test('T34 added_after is exclusive, and goes on without loss where a client remembers only the last date', async () => {
    const seen: string[] = []
    for (let after: string | undefined; ; ) {
      const path = `manifest/${query({ added_after: after, limit: 2, 'match[version]': 'all' })}`
      const { headers, json } = await server.get(path)
      if (!json.objects) break
      seen.push(...json.objects.map((e: Entry) => e.date_added))
      after = headers['x-taxii-date-added-last'] as string
    }
    assert.deepEqual(
      seen,
      all.map(e => e.date_added),
    )
  })

  test('T35 the last date of a request falls on a whole millisecond: who cuts dates to milliseconds loses nothing', async () => {
    const status = await server.add([url(), url(), url()])
    const entries = status.successes.map((s: { version: string }) => s.version)
    assert.match(entries.at(-1), /\.\d{3}000Z$/)
    const cut = `${entries.at(-1).slice(0, 23)}Z`
    assert.equal((await server.get(`objects/?added_after=${cut}`)).text, '{}')
  })
})

describe('limits', () => {
  test('T36 without limit the standard page, never more than the greatest page', async () => {
    await server.add(
      Array.from({ length: 120 }, () => url()),
      '3e4d4a5c-8f0f-4a3b-9d8e-2b6c1f0a7d11',
    )
    const path = '/api/collections/3e4d4a5c-8f0f-4a3b-9d8e-2b6c1f0a7d11/objects/'
    const count = async (q: string) => {
      const { json } = await server.ask('GET', path + q)
      return [json.objects.length, json.more]
    }
    assert.deepEqual(await count(''), [50, true])
    assert.deepEqual(await count('?limit=99'), [99, true])
    assert.deepEqual(await count('?limit=100000'), [100, true])
    assert.equal((await pages(path.slice('/api/collections/'.length))).length, 120)
  })

  test('T36 T37 a page of very large objects ends early, and goes on with the next', async () => {
    const big = Array.from({ length: 40 }, () => url({ x_text: 'x'.repeat(1_000_000) }))
    await server.add(big, 'strict')
    const first = await server.ask('GET', '/api/collections/strict/objects/?limit=40')
    assert.ok(first.json.objects.length < 40 && first.text.length < 6_000_000)
    assert.equal(first.json.more, true)
    const ids = (await pages('strict/objects/', { limit: 40 })).map((o: { id: string }) => o.id)
    assert.deepEqual(
      ids,
      big.map(o => o.id),
    )
  })

  test('T23 B4 B11 malformed parameters are 400 on every list', async () => {
    for (const path of ['objects/', 'manifest/', `objects/${newId('url')}/`, `objects/${newId('url')}/versions/`]) {
      for (const q of ['limit=0', 'limit=-1', 'limit=x', 'added_after=yesterday', 'next=x', 'limit=1&limit=2'])
        assertTaxiiError(await server.get(`${path}?${q}`), 400, 'query')
    }
    for (const q of ['match[version]=all,last', 'match[version]=x', 'match[id]=', 'match[type]=a&match[type]=b'])
      assertTaxiiError(await server.get(`objects/?${q}`), 400, 'query')
  })

  test('a page that starts beyond the end is empty', async () => {
    const { formatNext } = await import('./query.ts')
    assert.equal((await server.get(`objects/?next=${formatNext(99_999)}`)).text, '{}')
  })
})

test('an id that is no STIX id is 404, and finds nothing by chance', async () => {
  for (const id of ['x', '%25', "indicator--' or 1=1", '%00', 'a%2Fb', '..', 'INDICATOR--X', '__proto__'])
    assertTaxiiError(await server.get(`objects/${encodeURI(id).replaceAll('%25', '%')}/`), 404)
})
