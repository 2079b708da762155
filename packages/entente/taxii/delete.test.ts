import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { audit } from '#notary/audit.ts'
import { TAXII } from './media.ts'
import { assertTaxiiError, indicator, newId, startTestServer, type TestServer, url } from './test/server.ts'

const month = (n: number) => `2026-0${n}-01T00:00:00.000Z`

let server: TestServer
before(async () => {
  server = await startTestServer()
})
after(() => server.stop())

const remove = (id: string, query = '') => server.ask('DELETE', `/api/collections/default/objects/${id}/${query}`)
const versions = async (id: string): Promise<string[]> =>
  (await server.get(`objects/${id}/?match[version]=all`)).json.objects?.map((o: any) => o.modified) ?? []
const newest = async (id: string): Promise<string[]> => {
  const listed = (await server.get(`objects/?match[id]=${id}`)).json.objects
  const scanned = (await server.get('objects/?limit=1000')).json.objects.filter((o: any) => o.id === id)
  assert.deepEqual(scanned, listed ?? [])
  return scanned.map((o: any) => o.modified)
}
/** An indicator with one version a month. */
async function add(months: number[]): Promise<string> {
  const id = newId('indicator')
  for (const n of months) await server.add([indicator({ id, modified: month(n) })])
  return id
}
async function assertSound(): Promise<void> {
  const report = await audit({ store: server.notary.store, vkey: server.context.vkey, anchors: [] })
  assert.deepEqual(report.problems, [])
}

test('T64 without match[version] only the newest version goes; 200, typed, without a body', async () => {
  const id = await add([1, 2, 3])
  const { status, headers, text } = await remove(id)
  assert.deepEqual([status, headers['content-type'], text], [200, TAXII, ''])
  assert.deepEqual(await versions(id), [month(1), month(2)])
  assert.deepEqual(await newest(id), [month(2)], 'the one before it is the newest again')
  await assertSound()
})

test('T64 match[version]: first, all, exact ones', async () => {
  const id = await add([1, 2, 3, 4])
  assert.equal((await remove(id, '?match[version]=first')).status, 200)
  assert.deepEqual(await versions(id), [month(2), month(3), month(4)])
  assert.equal((await remove(id, `?match[version]=${month(3)},${month(9)}`)).status, 200)
  assert.deepEqual(await versions(id), [month(2), month(4)])
  assert.deepEqual(await newest(id), [month(4)])
  assertTaxiiError(await remove(id, `?match[version]=${month(3)}`), 404, 'not-found')
  assert.equal((await remove(id, '?match[version]=all')).status, 200)
  assert.deepEqual(await newest(id), [])
  assertTaxiiError(await remove(id, '?match[version]=all'), 404, 'not-found')
  await assertSound()
})

test('deleting in any order leaves one newest version, also where versions came out of order', async () => {
  for (const order of ['314', '4321', '1234', '2431', '342']) {
    const id = await add([3, 1, 4, 2])
    const left = new Set([1, 2, 3, 4])
    for (const n of order) {
      assert.equal((await remove(id, `?match[version]=${month(Number(n))}`)).status, 200)
      left.delete(Number(n))
      assert.deepEqual(await newest(id), left.size === 0 ? [] : [month(Math.max(...left))], `${order} at ${n}`)
    }
  }
  await assertSound()
})

test('T63 what is deleted is 404 and in no list, no manifest, no versions', async () => {
  const id = await add([1])
  assert.equal((await remove(id)).status, 200)
  assertTaxiiError(await server.get(`objects/${id}/`), 404, 'not-found')
  assertTaxiiError(await server.get(`objects/${id}/versions/`), 404, 'not-found')
  assertTaxiiError(await server.get(`objects/${id}/proof/`), 404, 'not-found')
  for (const path of ['objects/', 'manifest/']) {
    for (const query of [`match[id]=${id}`, 'match[version]=all', 'match[type]=indicator&match[version]=all'])
      assert.doesNotMatch((await server.get(`${path}?${query}`)).text, new RegExp(id))
  }
  assertTaxiiError(await remove(id), 404, 'not-found')
})

test('a tombstone keeps place and commitment, and says neither id nor content', async () => {
  const id = await add([1])
  const from = (await server.get('records/?limit=10000')).json.records.length
  assert.equal((await remove(id)).status, 200)
  const { records } = (await server.get('records/?limit=10000')).json
  assert.equal(records.length, from + 1)
  const gone = records[from - 1]
  assert.deepEqual(Object.keys(gone).sort(), ['commitment', 'reason', 'seq'])
  assert.equal(gone.reason, 'deleted')
  const tombstone = records[from]
  assert.deepEqual(tombstone.deleted, { seq: gone.seq })
  assert.equal('id' in tombstone || 'object' in tombstone || 'version' in tombstone, false)
})

test('paging walks over holes: nothing withheld, nothing lost or repeated', async () => {
  const ids = []
  for (let i = 0; i < 30; i++) ids.push(newId('url'))
  await server.add(ids.map(id => url({ id })))
  for (let i = 0; i < 30; i += 1) if (i % 3 !== 0) await remove(ids[i] as string)
  for (const limit of [1, 2, 7]) {
    const seen: string[] = []
    for (let next: string | undefined; ; ) {
      const q = `objects/?match[type]=url&limit=${limit}${next === undefined ? '' : `&next=${next}`}`
      const { json, headers } = await server.get(q)
      assert.equal(headers['x-entente-withheld'], undefined)
      seen.push(...(json.objects ?? []).map((o: any) => o.id))
      if (!json.more) break
      next = json.next
    }
    assert.deepEqual(
      seen,
      ids.filter((_, i) => i % 3 === 0),
    )
  }
  await assertSound()
})

test('what was deleted can be posted again', async () => {
  const id = await add([1])
  await remove(id)
  assert.equal((await server.add([indicator({ id, modified: month(1), name: 'other content' })])).success_count, 1)
  assert.deepEqual(await newest(id), [month(1)])
})

test('T45 an unknown object is 404, a malformed query 400', async () => {
  assertTaxiiError(await remove(newId('indicator')), 404, 'not-found')
  assertTaxiiError(await remove(newId('indicator'), '?match[version]=all,last'), 400, 'query')
  const id = await add([1])
  assertTaxiiError(await remove(id, '?match[spec_version]=2.0'), 404, 'not-found')
  assert.deepEqual(await newest(id), [month(1)])
})

test('a deletion at the same time as a new version or another deletion leaves one newest version', async () => {
  const id = await add([1, 2])
  await Promise.all([server.add([indicator({ id, modified: month(3) })]), remove(id)])
  const left = await versions(id)
  assert.equal(left.length, 2)
  assert.deepEqual(await newest(id), [left.at(-1)])
  const other = await add([1, 2, 3])
  const answers = await Promise.all([remove(other), remove(other)])
  assert.deepEqual(
    answers.map(a => a.status),
    [200, 200],
  )
  assert.deepEqual(await versions(other), [month(1)])
  await assertSound()
})
