import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { entente, runScript } from './test/script.ts'
import { adminPassword, indicators, type Site, startSite } from './test/site.ts'

async function setUp(t: TestContext): Promise<Site & { run: (script: string) => Promise<void> }> {
  const site = await startSite(t)
  const { folder: cwd } = site
  const write = (name: string, text: string) => writeFileSync(join(cwd, name), text)
  const bundle = (objects: object[]) => JSON.stringify({ type: 'bundle', id: 'bundle--1', objects }, null, 2)
  write('bundle.json', bundle(indicators(3)))
  write('envelope.json', JSON.stringify({ objects: indicators(2, 10) }))
  write('list.json', `${JSON.stringify(indicators(2, 20))}\n`)
  write('one.json', `${JSON.stringify(indicators(1, 30)[0])}\n`)
  write(
    'lines.jsonl',
    `${indicators(3, 40)
      .map(o => JSON.stringify(o))
      .join('\n')}\n`,
  )
  write(
    'two-bundles.jsonl',
    `${[indicators(2, 50), indicators(2, 60)].map(o => JSON.stringify({ objects: o })).join('\r\n')}`,
  )
  write(
    'mixed.json',
    bundle([...indicators(1, 70), { type: 'indicator', id: 'indicator--x' }, { ...indicators(1)[0], name: 'other' }]),
  )
  write('not-json.json', '{"objects": [')
  write('duplicate-key.json', '{"type":"indicator","type":"malware"}')
  write('bad-line.jsonl', `${JSON.stringify(indicators(1)[0])}\n{"type":\n`)
  write('not-stix.json', '{"hello":"world"}')
  const variables = {
    URL: site.url,
    SERVER: site.server.url,
    PASSWORD: adminPassword(site),
    VKEY: site.server.context.vkey,
    ORIGIN: site.server.notary.log.origin,
  }
  return { ...site, run: script => runScript(script, { cwd, variables }) }
}

test('every form of file; the same again is no error; standard input', async t => {
  const { run } = await setUp(t)
  await run(`
    $ entente publish bundle.json --to $URL
    $URL
      3 objects in 1 request: 3 accepted, 0 refused
      3 objects stored, 0 there before
      all 3 accepted objects complete
    $ entente publish bundle.json envelope.json list.json one.json lines.jsonl two-bundles.jsonl --to $URL --batch 4
    $URL
      15 objects in 4 requests: 15 accepted, 0 refused
      12 objects stored, 3 there before
      all 15 accepted objects complete
    $ entente publish - --to $URL --json < lines.jsonl
    {"url":"$URL","objects":3,"requests":1,"accepted":3,"refused":0,"duplicates":3,"complete":true,"completed":3,"ledgers":[],"failures":[],"remarks":[]}
  `)
})

test('what is refused is named with its reason, the rest is stored', async t => {
  const { run } = await setUp(t)
  await run(`
    $ entente publish bundle.json --to $URL
    …
    $ entente publish mixed.json --to $URL
    $URL
      3 objects in 1 request: 1 accepted, 2 refused
      1 object stored, 0 there before
      refused: indicator--x unknown: …(id, STIX 2.1 section …
      refused: indicator--00000000-0000-4000-8000-000000000000 2026-01-01T00:00:00.000Z: equivocation: …
      all 1 accepted object complete
    [exit 1]
    $ entente publish mixed.json --to $URL --json
    {"url":…"accepted":1,"refused":2,"duplicates":1,…"failures":[{"id":"indicator--x",…
    [exit 1]
  `)
})

test('files that are not what they should be send nothing, and say where', async t => {
  const { run, server } = await setUp(t)
  await run(`
    $ entente publish bundle.json
    entente publish: --to is missing: …
    [exit 2]
    $ entente publish --to $URL
    entente publish: FILE is missing: …
    [exit 2]
    $ entente publish nothing.json --to $URL
    entente publish: there is no file nothing.json
    [exit 2]
    $ entente publish not-json.json --to $URL
    entente publish: not-json.json: not JSON: …
    [exit 2]
    $ entente publish duplicate-key.json --to $URL
    entente publish: duplicate-key.json: the key "type" is there twice…
    [exit 2]
    $ entente publish bad-line.jsonl --to $URL --json
    {"error":"bad-line.jsonl, line 2: not JSON: …","code":"usage","exit":2}
    [exit 2]
    $ entente publish not-stix.json --to $URL
    entente publish: not-stix.json: this is no STIX: …
    [exit 2]
    $ entente publish bundle.json --to $URL --batch 0
    entente publish: --batch is "0": a whole number of at least 1 is wanted
    [exit 2]
    $ entente publish bundle.json --to $SERVER/api/
    entente publish: $SERVER/api/ is not the URL of a collection: …
    [exit 2]
    $ entente publish bundle.json --to nowhere
    entente publish: "nowhere" is no URL: …
    [exit 2]
    $ entente publish bundle.json --to $URL --nonsense
    entente publish: Unknown option '--nonsense'…
    Usage: entente publish FILE… --to COLLECTION_URL [--wait]
    [exit 2]
  `)
  assert.equal(server.notary.log.size, 1)
})

test('the login: of the data folder on this machine, of options, of the environment', async t => {
  const { run, folder } = await setUp(t)
  writeFileSync(join(folder, 'password.txt'), `${readFileSync(join(folder, 'data/admin-password'), 'utf8').trim()}\n`)
  await run(`
    $ entente publish bundle.json --to $URL --user admin --password - < password.txt
    …
    $ entente publish bundle.json --to $URL --data elsewhere
    entente publish: Authentication is required: …(401, $URL)
    The login was not given, and elsewhere has no admin-password. Give --user NAME --password P, --token TOKEN, …
    [exit 1]
    $ entente publish bundle.json --to $URL --user admin --password wrong
    entente publish: Authentication is required: …
    The login was "admin" with a password. Give …
    [exit 1]
    $ entente publish bundle.json --to $URL --user admin
    entente publish: the password of admin is missing: --password P, --password -, or ENTENTE_PASSWORD
    [exit 2]
    $ ENTENTE_USER=admin ENTENTE_PASSWORD=$PASSWORD entente publish bundle.json --to $URL --data elsewhere
    …
    $ ENTENTE_TOKEN=ent_a_b entente publish bundle.json --to $URL
    entente publish: Authentication is required: …
    The login was ENTENTE_TOKEN. Give …
    [exit 1]
    $ entente publish bundle.json --to $URL --token a --user b
    entente publish: either --token, or --user and --password
    [exit 2]
  `)
})

test('collections that are not there, or not for writing', async t => {
  const { run } = await setUp(t)
  await run(`
    $ entente publish bundle.json --to $SERVER/api/collections/nope/
    entente publish: Not found: there is no such collection, or it is not for you (404, $SERVER/api/collections/nope/)
    There are these collections:
      $SERVER/api/collections/…/  Default collection (alias default)
      $SERVER/api/collections/…/  Other collection (alias other)
      …
    [exit 1]
    $ entente publish bundle.json --to $SERVER/api/collections/feed/
    entente publish: you may not write to $SERVER/api/collections/feed/ ("Read only")
    [exit 1]
    $ entente publish bundle.json --to $SERVER/api/collections/inbox/
    …
      3 objects in 1 request: 3 accepted, 0 refused
      …
  `)
})

test('receipts are kept, added to, and verify', async t => {
  const { run, folder } = await setUp(t)
  await run(`
    $ entente publish bundle.json --to $URL --receipts receipts.json
    …
      receipts in receipts.json
    $ entente publish lines.jsonl --to $URL --batch 2 --receipts receipts.json
    …
      receipts in receipts.json
    $ entente verify receipts.json --key $VKEY
    receipts.json: stored
      3 receipts for 6 objects, signed by the log $ORIGIN
      the log has promised them at entries up to …
    $ entente publish one.json --to $URL --receipts one.json
    entente publish: one.json is there and holds no receipts: name another file
    [exit 2]
  `)
  assert.match(readFileSync(join(folder, 'one.json'), 'utf8'), /^\{"type":"indicator"/)
})

test('a server that is not there, or goes away in between', async t => {
  const { run, folder, server } = await setUp(t)
  await run(`
    $ entente publish bundle.json --to http://127.0.0.1:1/api/collections/default/ --json
    {"error":"can't reach 127.0.0.1:1: …","code":"unreachable","exit":3}
    [exit 3]
  `)
  // In front of the real server: everything passes until the second request with objects, from which on it is away.
  let posts = 0
  const proxy = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      if (request.method === 'POST' && ++posts > 1) return void request.socket.destroy()
      const answer = await fetch(new URL(request.url ?? '/', server.url), {
        method: request.method ?? 'GET',
        headers: Object.entries(request.headers).filter(
          ([n]) => !['host', 'connection', 'content-length'].includes(n),
        ) as [string, string][],
        ...(chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}),
      })
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
      response.end(Buffer.from(await answer.arrayBuffer()))
    })()
  })
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
  t.after(() => proxy.close())
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/api/collections/default/`
  const { code, out } = await entente(['publish', 'bundle.json', '--to', url, '--batch', '2'], { cwd: folder })
  assert.equal(code, 3, out)
  assert.match(out, /2 objects in 1 request: 2 accepted, 0 refused/)
  assert.match(out, /stopped: can't reach .*\n.*To run the same again is safe/)
})

test('with an embedded ledger --wait ends when it is final there', async t => {
  const site = await startSite(t, 'server: { port: 0 }\nanchoring: { intervalMs: 50 }\n')
  writeFileSync(join(site.folder, 'bundle.json'), JSON.stringify({ objects: indicators(3) }))
  await runScript(
    `
    $ entente publish bundle.json --to $URL --wait
    $URL
      3 objects in 1 request: 3 accepted, 0 refused
      3 objects stored, 0 there before
      all 3 accepted objects complete
      ledger local: final, block …, transaction 0x…
    $ entente publish bundle.json --to $URL --wait --json
    {"url":…"duplicates":3,"complete":true,"completed":3,"ledgers":[{"ledger":"local","level":"final","final":true,"transaction":"0x…","block":…}],"failures":[],"remarks":[]}
  `,
    { cwd: site.folder, variables: { URL: site.url } },
  )
})

test('--wait says in time that a ledger is away', async t => {
  const site = await startSite(
    t,
    `
server: { port: 0 }
anchoring: { intervalMs: 50 }
ledgers: [{ id: away, kind: evm, urls: ["http://127.0.0.1:1"], chainId: 1, keyFile: account.key }]
`,
    { 'account.key': '01'.repeat(32) }, // a key for tests
  )
  writeFileSync(join(site.folder, 'bundle.json'), JSON.stringify({ objects: indicators(2) }))
  await runScript(
    `
    $ entente publish bundle.json --to $URL --wait --timeout 1
    $URL
      2 objects in 1 request: 2 accepted, 0 refused
      2 objects stored, 0 there before
      0 of 2 accepted objects complete, the others stored and logged
      ledger away: not yet…
      stopped: status … has 2 objects pending after …
      To run the same again is safe: what is stored already is no error.
    [exit 3]
  `,
    { cwd: site.folder, variables: { URL: site.url } },
  )
})

test('ATT&CK for ICS as MITRE publishes it', async t => {
  const file = join(import.meta.dirname, '../../../../../shared/data/attack/ics-attack-18.1.json')
  if (!existsSync(file)) return t.skip('the ATT&CK data is not here')
  const { url, folder } = await startSite(t, 'server: { port: 0 }\nanchoring: { intervalMs: 50 }\n')
  const { code, out } = await entente(['publish', file, '--to', url, '--wait'], { cwd: folder })
  assert.equal(code, 0, out)
  assert.match(out, /1,826 objects in 4 requests: 1,826 accepted, 0 refused\n  1,826 objects stored/)
  assert.match(out, /all 1,826 accepted objects complete\n  ledger local: final, block /)
})
