import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { StoreError } from '#store/store.ts'
import { freePort } from '../../../test/support/mongod.ts'
import { loadConfig } from './config.ts'
import { openStore } from './stores.ts'

test('a store is a file, or a database with a URL', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'entente-store-config-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const load = (text: string) => {
    const file = join(folder, 'entente.yaml')
    writeFileSync(file, text)
    return loadConfig({ file, data: join(folder, 'data'), env: {} })
  }
  assert.deepEqual(load('').config.store, { kind: 'sqlite', database: 'entente' })
  const url = 'mongodb://db.example/?replicaSet=rs0'
  assert.equal(load(`store: { kind: mongodb, url: "${url}" }`).config.store.url, url)
  for (const [text, message] of [
    ['store: { kind: mongodb }', /either store.url or store.urlFile/],
    [`store: { kind: mongodb, url: "${url}", urlFile: url }`, /either store.url or store.urlFile/],
    [`store: { url: "${url}" }`, /are for store.kind mongodb/],
    ['store: { kind: mongodb, url: "http://db.example" }', /store\/url/],
    [`store: { kind: mongodb, url: "${url}", database: "a.b" }`, /store\/database/],
    [`store: { kind: mongodb, url: "${url}", tls: { cert: a.pem } }`, /cert and key/],
    [`store: { kind: mongodb, url: "${url}" }\nserver: { maxContentLength: 20000000 }`, /maxContentLength is 20000000/],
  ] as const)
    assert.throws(() => load(text), message)

  const { config, paths } = load('store: { kind: mongodb, urlFile: database-url }')
  await assert.rejects(openStore(config, paths, {}), /store.urlFile: .*database-url cannot be read/)
  writeFileSync(join(folder, 'database-url'), `mongodb://me:s3cret@127.0.0.1:${await freePort()}/?replicaSet=rs0\n`)
  await assert.rejects(
    openStore(config, paths, {}),
    (error: StoreError) => error instanceof StoreError && error.code === 'io' && !error.message.includes('s3cret'),
  )
})
