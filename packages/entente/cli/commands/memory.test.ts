import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createTaxiiClient } from '@entente/client'
import { runScript } from './test/script.ts'
import { adminPassword, indicators, type Site, startSite } from './test/site.ts'

const OTHER = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'

async function setUp(t: TestContext) {
  const site = await startSite(t)
  const collection = collectionOf(site)
  await collection.add(indicators(3))
  writeFileSync(join(site.folder, 'log.vkey'), site.server.context.vkey)
  const variables = { URL: site.url, SERVER: site.server.url, ORIGIN: site.server.notary.log.origin, OTHER }
  return { ...site, collection, run: (script: string) => runScript(script, { cwd: site.folder, variables }) }
}
const collectionOf = (site: Site) =>
  createTaxiiClient({
    url: site.url,
    auth: { kind: 'basic', user: 'admin', password: adminPassword(site) },
  }).collection(site.url)

test('the first sight of a log is said, and no other; the memory is where it is asked for', async t => {
  const { run, folder, collection } = await setUp(t)
  await run(`
    $ entente get $URL --type identity --format envelope --memory seen
    {}
    note: first sight of the log $ORIGIN: its key, which the server itself gave, is believed from now on; --key pins one that came another way
    $ ENTENTE_MEMORY=seen entente get $URL --type identity --format envelope
    {}
    $ entente get $URL --type identity --format envelope --memory pinned --key log.vkey
    {}
    $ entente get $URL --type identity --format envelope --memory seen --no-memory
    entente get: either --memory DIR or --no-memory
    [exit 2]
    $ entente audit --url $SERVER --memory seen
    $ORIGIN: size 5, key remembered
      memory: agrees with the checkpoint of size 5 that is remembered from …Z
    no problem found
    $ entente audit --url $SERVER --json
    {"ok":true,"url":"$SERVER/","origin":"$ORIGIN","size":5,"key":"first-use","problems":[]}
  `)
  await collection.add(indicators(2, 10))
  await run(`
    $ entente audit --url $SERVER --memory seen --key log.vkey
    $ORIGIN: size 8, key pinned
      memory: continues the checkpoint of size 5 that is remembered from …Z
    no problem found
    $ entente audit --url $SERVER --memory seen --key $OTHER
    entente audit: …
    [exit 4]
  `)
  assert.deepEqual(readdirSync(folder).filter(f => f === 'seen' || f === 'pinned').length, 2)
  assert.equal(readdirSync(join(folder, 'seen')).length, 1)
})

test('verify compares with what is remembered: at one size by itself, at another with --url', async t => {
  const { run, collection } = await setUp(t)
  await run(`
    $ entente get $URL --id indicator--00000000-0000-4000-8000-000000000001 --proof --out old.json --memory seen --key log.vkey
    proof of …
    $ entente verify old.json --key log.vkey --memory seen
    old.json: logged
      …
      agrees with the checkpoint of size 5 that is remembered from …Z
  `)
  await collection.add(indicators(2, 10))
  await run(`
    $ entente get $URL --id indicator--00000000-0000-4000-8000-000000000001 --proof --out new.json --no-memory
    proof of …
    $ entente verify new.json --key log.vkey --memory seen
    new.json: logged
      …
      not compared with size 5, which is remembered from …Z: --url SERVER asks for the proof
    $ entente verify old.json new.json --key log.vkey --memory seen --url $SERVER
    old.json: logged
      …
      is the beginning of the checkpoint of size 8 that is remembered from …Z
    new.json: logged
      …
      agrees with the checkpoint of size 8 that is remembered from …Z
  `)
})

test('what is remembered and damaged stops; what can not be remembered is said', async t => {
  const { run, folder } = await setUp(t)
  await run(`
    $ entente audit --url $SERVER --memory seen
    …
  `)
  const [name] = readdirSync(join(folder, 'seen'))
  const file = join(folder, 'seen', name as string)
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, 40))
  await run(`
    $ entente get $URL --memory seen
    entente get: …/seen/…json is not what was remembered there: …
    [exit 1]
  `)
  writeFileSync(join(folder, 'no-folder'), '')
  await run(`
    $ entente get $URL --type identity --format envelope --memory no-folder
    {}
    warning: what was seen of the log is not remembered: …no-folder: …(--memory DIR, --no-memory)
    note: first sight of …
  `)
})

test('a server that shows another log than before, or none, is asked about; one that never had one is left alone', async t => {
  const { run, folder, server } = await setUp(t)
  const plain = createServer((request, response) => {
    const isCollection = request.url?.endsWith('/collections/one/')
    response.writeHead(isCollection ? 200 : 404, { 'content-type': 'application/taxii+json;version=2.1' })
    response.end(
      isCollection ? JSON.stringify({ id: 'one', title: 'One', can_read: true, can_write: true }) : '{"title":"no"}',
    )
  })
  await new Promise<void>(resolve => plain.listen(0, '127.0.0.1', resolve))
  t.after(() => plain.close())
  const address = `http://127.0.0.1:${(plain.address() as AddressInfo).port}/`
  await run(`
    $ entente audit --url ${address} --memory seen
    entente audit: ${address} shows no log
    [exit 1]
    $ entente audit --url $SERVER --memory seen
    …
  `)
  const seen = join(folder, 'seen')
  const [name] = readdirSync(seen)
  const entry = readFileSync(join(seen, name as string), 'utf8')
  writeFileSync(join(seen, name as string), entry.replace(`${server.url}/`, address))
  await run(`
    $ entente audit --url ${address} --memory seen
    note: ${address} showed the log $ORIGIN before (…Z), and now no log: ask its operator why
    entente audit: ${address} shows no log
    [exit 1]
  `)
})
