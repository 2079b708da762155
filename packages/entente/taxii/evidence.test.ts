import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { verifyCollection, verifyObject } from '@entente/verify/proof'
import { PROOF, RECORDS } from './media.ts'
import { assertTaxiiError, indicator, newId, startTestServer, type TestServer, url } from './test/server.ts'

let server: TestServer
const object = indicator()
const gone = url()
const trust = () => ({ vkeys: [server.context.vkey] })
before(async () => {
  server = await startTestServer()
  await server.add([object, gone, ...Array.from({ length: 300 }, () => url())])
  await server.add([{ ...object, name: 'another content' }])
  await server.ask('DELETE', `/api/collections/default/objects/${gone.id}/`)
})
after(() => server.stop())

const allRecords = async (limit: number): Promise<any[]> => {
  const records: any[] = []
  for (let next: number | undefined = 0; next !== undefined; ) {
    const { json } = await server.get(`records/?from=${next}&limit=${limit}`)
    assert.ok(json.records.length <= limit)
    records.push(...json.records)
    assert.equal(json.more === true, json.next !== undefined)
    next = json.next
  }
  return records
}

describe('the public log', () => {
  test('checkpoint, key, tiles and entries need no credentials', async () => {
    for (const path of [
      '/log/checkpoint',
      '/log/key',
      '/log/tile/0/000',
      '/log/tile/entries/000',
      '/log/tile/1/000.p/1',
    ])
      assert.equal((await server.ask('GET', path, { user: null })).status, 200, path)
  })

  test('nothing of any content is in it', async () => {
    const data = Buffer.from(await (await fetch(`${server.url}/log/tile/entries/000`)).arrayBuffer())
    for (const secret of [object.id, 'http://example.org', 'indicator']) assert.ok(!data.includes(secret))
  })

  test('a tile that is not there, not yet so wide, or no tile path is 404', async () => {
    const { size } = server.notary.log
    assert.ok(size > 256 && size < 512)
    const paths = [
      '0/001',
      `0/001.p/${(size % 256) + 1}`,
      '1/000',
      '0/000.p/0',
      '0/000.p/256',
      '0/0',
      'entries/1',
      '64/000',
    ]
    for (const path of [...paths, '-1/000', '0/x000', 'entries/001', '..%2f..', ''])
      assertTaxiiError(await server.ask('GET', `/log/tile/${path}`), 404, 'not-found')
  })

  test('a part of a tile is the beginning of it', async () => {
    const read = async (path: string) =>
      Buffer.from(await (await fetch(`${server.url}/log/tile/${path}`)).arrayBuffer())
    const whole = await read('0/000')
    assert.equal(whole.length, 8192)
    assert.ok((await read('0/000.p/7')).equals(whole.subarray(0, 224)))
    const entries = await read('entries/000')
    assert.equal(entries.indexOf(await read('entries/000.p/3')), 0)
  })
})

describe('proof of an object', () => {
  test('verifies against the pinned key, and is of what is served', async () => {
    const { status, headers, text } = await server.get(`objects/${object.id}/proof/`)
    assert.equal(status, 200)
    assert.equal(headers['content-type'], PROOF)
    const { record, level } = verifyObject(text, trust())
    assert.equal(level, 'logged')
    assert.deepEqual('object' in record && record.object, object)
  })

  test('takes its own media type and that of TAXII, needs the right to read', async () => {
    const path = `objects/${object.id}/proof/`
    for (const accept of [PROOF, 'application/taxii+json', '*/*', 'application/json'])
      assert.equal((await server.get(path, { headers: { accept } })).status, 200)
    assertTaxiiError(await server.get(path, { headers: { accept: 'text/html' } }), 406, 'accept')
    assertTaxiiError(await server.get(path, { user: 'writer' }), 403, 'forbidden')
    assertTaxiiError(await server.get(path, { user: 'nobody' }), 404, 'not-found')
    assertTaxiiError(await server.get(path, { user: null }), 401, 'credentials')
    assertTaxiiError(await server.get(`objects/${newId('url')}/proof/`), 404, 'not-found')
  })
})

describe('records and proof of a collection', () => {
  test('page by page they make a saved read that verifies, deletion and equivocation included', async () => {
    const proof = (await server.get('proof/')).json
    for (const limit of [7, 256, 1000]) {
      const records = await allRecords(limit)
      const { count, records: verified } = verifyCollection({ format: 'entente/read/v1', proof, records }, trust())
      assert.equal(count, 304)
      assert.equal(verified.length, 304)
      assert.equal(records.filter(r => r.reason === 'deleted').length, 1)
      assert.equal(records.filter(r => r.equivocation).length, 1)
    }
  })

  test('a record that is left out, or another in its place, is refused', async () => {
    const proof = (await server.get('proof/')).json
    const records = await allRecords(1000)
    const refused = (changed: unknown[]) =>
      assert.throws(() => verifyCollection({ format: 'entente/read/v1', proof, records: changed }, trust()))
    refused(records.slice(0, -1))
    refused(records.slice(1))
    refused([...records.slice(0, 5), records[6], records[5], ...records.slice(7)])
    refused(
      records.map((r, i) =>
        i === 3 ? { seq: 3, commitment: createHash('sha256').digest('base64'), reason: 'access' } : r,
      ),
    )
  })

  test('rights, media type, limits', async () => {
    const { headers } = await server.get('records/?limit=1')
    assert.equal(headers['content-type'], RECORDS)
    for (const path of ['records/', 'proof/']) {
      assertTaxiiError(await server.get(path, { user: 'writer' }), 403, 'forbidden')
      assertTaxiiError(await server.get(path, { user: 'nobody' }), 404, 'not-found')
      assertTaxiiError(await server.get(path, { user: null }), 401, 'credentials')
    }
    for (const q of ['from=-1', 'from=x', 'limit=0', 'limit=-5', 'limit=1.5', 'from=1&from=2', 'limit='])
      assertTaxiiError(await server.get(`records/?${q}`), 400, 'query')
    assert.equal((await server.get('records/?from=99999')).text, '{"records":[]}')
  })

  test('of an empty collection: no records, and a proof that says so', async () => {
    const get = async (path: string) => (await server.ask('GET', `/api/collections/strict/${path}`)).json
    const read = { format: 'entente/read/v1', proof: await get('proof/'), records: (await get('records/')).records }
    assert.equal(verifyCollection(read, trust()).count, 0)
  })
})
