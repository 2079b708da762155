// The package as a browser gets it: its sources with the types stripped, an import map, and nothing of Node.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRequire, stripTypeScriptTypes } from 'node:module'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const executablePath = process.env['ENTENTE_TEST_CHROMIUM'] ?? '/usr/bin/chromium'
const skip = existsSync(executablePath) ? false : `no Chromium at ${executablePath} (ENTENTE_TEST_CHROMIUM)`
const ARGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

const root = import.meta.dirname
const vectors = path.join(root, '../../test/vectors/formats.json')
const resolve = createRequire(import.meta.url).resolve
/** Where URLs lead: the package itself and its dependencies. */
const FOLDERS: Record<string, string> = {
  '/verify/': root,
  '/curves/': path.dirname(resolve('@noble/curves/ed25519.js')),
  '/hashes/': path.dirname(resolve('@noble/hashes/sha2.js')),
  '/cborg/': path.dirname(fileURLToPath(import.meta.resolve('cborg'))),
}
const IMPORTS = {
  '#sha256': '/verify/sha256/web.ts',
  '#ed25519': '/verify/ed25519/web.ts',
  '#json/': '/verify/json/',
  '#tlog/': '/verify/tlog/',
  '#proof/': '/verify/proof/',
  '@entente/verify/cose': '/verify/cose/index.ts',
  '@entente/verify/proof': '/verify/proof/index.ts',
  '@noble/curves/': '/curves/',
  cborg: '/cborg/cborg.js',
  '@noble/hashes/': '/hashes/',
}
const PAGE = `<!doctype html><title>verify</title><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>`

function respond(url: string): { type: string; body: string } | undefined {
  if (url === '/') return { type: 'text/html', body: PAGE }
  if (url === '/formats.json') return { type: 'application/json', body: readFileSync(vectors, 'utf8') }
  const mount = Object.keys(FOLDERS).find(prefix => url.startsWith(prefix))
  if (mount === undefined || url.includes('..')) return undefined
  const file = path.join(FOLDERS[mount]!, url.slice(mount.length))
  if (!existsSync(file)) return undefined
  const source = readFileSync(file, 'utf8')
  return { type: 'text/javascript', body: file.endsWith('.ts') ? stripTypeScriptTypes(source) : source }
}

test('the vectors verify in a browser, and a change is refused there', { skip, timeout: 60_000 }, async t => {
  const served: string[] = []
  const missing: string[] = []
  const server = createServer((request, response) => {
    const url = request.url ?? ''
    const answer = respond(url)
    ;(answer === undefined ? missing : served).push(url)
    response.writeHead(answer === undefined ? 404 : 200, { 'content-type': answer?.type ?? 'text/plain' })
    response.end(answer?.body)
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  t.after(() => server.close())
  const browser = await chromium.launch({ executablePath, args: ARGS })
  t.after(() => browser.close())
  const page = await browser.newPage()
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)

  // A text, because this function runs in the page, where other globals are
  const results: unknown = await page.evaluate(`(async () => {
    const { verifyObject, verifyCollection } = await import('@entente/verify/proof')
    const { verifyCoseReceipt } = await import('@entente/verify/cose')
    const { decodeBase64, parseVkey } = await import('#tlog/index.ts')
    const v = await (await fetch('/formats.json')).json()
    const entry = i => decodeBase64(v.records[i].commitment)
    const verifyCose = i => verifyCoseReceipt(decodeBase64(v.cose_receipt), entry(i), [parseVkey(v.trust.vkeys[0])])
    const members = v.trust.witnesses.map((_, i) => 'w' + i)
    const witnessPolicy = [
      ...v.trust.witnesses.map((vkey, i) => 'witness w' + i + ' ' + vkey),
      'group all all ' + members.join(' '),
      'quorum all',
    ].join('\\n')
    const policy = { vkeys: v.trust.vkeys, witnessPolicy }
    const codes = []
    const refused = f => { try { f(); codes.push('valid') } catch (error) { codes.push(error.name + ' ' + error.code) } }
    const record = { ...v.object_proof.record, submitter: v.object_proof.record.salt }
    refused(() => verifyObject({ ...v.object_proof, record }, v.trust))
    refused(() => verifyObject({ ...v.object_proof, log: v.object_proof.log.slice(0, -8) + 'AAAA==' + '\\n' }, v.trust))
    refused(() => verifyCose(1))
    refused(() => verifyObject(v.object_proof, policy))
    refused(() => verifyCollection({ ...v.saved_read, records: v.saved_read.records.slice(1) }, v.trust))
    return {
      codes,
      object: verifyObject(JSON.stringify(v.object_proof), v.trust).level,
      claimed: verifyObject(v.object_proof_claimed, v.trust).level,
      sealed: verifyObject(v.object_proof_sealed, v.trust).level,
      policy: verifyObject(v.object_proof_claimed, policy).level,
      cose: verifyCose(0).index,
      records: verifyCollection(JSON.stringify(v.saved_read), v.trust).records.length,
    }
  })()`)
  assert.deepEqual(results, {
    codes: ['ProofError log', 'ProofError log', 'ProofError log', 'ProofError log', 'ProofError collection'],
    object: 'logged',
    claimed: 'witnessed',
    sealed: 'sealed',
    policy: 'witnessed',
    cose: 3,
    records: 5,
  })
  assert.deepEqual(missing, [])
  for (const room of ['sha256', 'ed25519'])
    assert.ok(served.includes(`/verify/${room}/web.ts`) && !served.includes(`/verify/${room}/node.ts`))
})

test('no source of the package imports Node but sha256/node.ts and ed25519/node.ts', async () => {
  const { glob } = await import('node:fs/promises')
  const sources: string[] = []
  for await (const file of glob('{json,tlog,proof,cose,sha256,ed25519}/*.ts', { cwd: root })) sources.push(file)
  const outside = sources.filter(file => !file.endsWith('.test.ts') && path.basename(file) !== 'node.ts')
  assert.equal(sources.filter(file => path.basename(file) === 'node.ts').length, 2)
  assert.ok(outside.length > 30)
  for (const file of outside) {
    const text = readFileSync(path.join(root, file), 'utf8')
    assert.ok(!/from '(?:node:|\.\.\/)|import\('|\bprocess\b|\bBuffer\.|\brequire\b/.test(text), file)
  }
})
