// A whole server whose log gets another key: who reads it, who audits it, and what its ledger has.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import {
  believe,
  checkReceipts,
  createMemory,
  createTaxiiClient,
  createWatch,
  type LogSource,
  readVerified,
  type Remembered,
  serverLog,
} from '@entente/client'
import { verifyObject } from '@entente/verify/proof'
import { parseNote } from '@entente/verify/tlog'
import { retireKey } from '#notary/rotate.ts'
import { root, temporaryFolder } from '../../../../test/support/server.ts'
import { loadConfig } from '../config.ts'
import { startServer } from '../serve.ts'
import { until } from '../../../../test/support/until.ts'

async function serve(t: TestContext, data: string) {
  const { config, paths } = loadConfig({ data, port: '0', env: {} })
  const server = await startServer(config, paths, () => {})
  let isOpen = true
  const close = async () => {
    if (isOpen) await server.close()
    isOpen = false
  }
  t.after(close)
  const password = readFileSync(join(data, 'admin-password'), 'utf8').trim()
  const client = createTaxiiClient({ url: server.url, auth: { kind: 'basic', user: 'admin', password } })
  return {
    ...server,
    close,
    client,
    source: serverLog(client),
    collection: client.collection('/api/collections/default/'),
  }
}

async function entente(...args: string[]) {
  const child = spawn(process.execPath, [join(root, 'packages/entente/cli/entente.js'), ...args])
  let [text, errors] = ['', '']
  child.stdout.on('data', part => (text += part))
  child.stderr.on('data', part => (errors += part))
  const [code] = await once(child, 'close')
  return { code, text, errors, json: () => JSON.parse(text) }
}

let count = 0
function indicator() {
  const n = String(++count).padStart(12, '0')
  const date = '2026-11-22T12:00:00.000Z'
  return {
    type: 'indicator',
    spec_version: '2.1',
    id: `indicator--00000000-0000-4000-8000-${n}`,
    created: date,
    modified: date,
    pattern: "[domain-name:value = 'evil.example']",
    pattern_type: 'stix',
    valid_from: date,
  }
}

test('after a rotation readers follow by proof, ledgers and audits go on, and names stay', async t => {
  const data = temporaryFolder(t)
  let server = await serve(t, data)
  const [added] = await server.collection.add([indicator()])
  const receipt = (added as { x_entente_receipt?: string }).x_entente_receipt ?? ''
  const info = await server.collection.info()
  const old = (await server.client.logKey()).trim()
  /** Readers: one who was told the key, one who remembers, and one who comes back only when the old key is gone. */
  const pinned = { vkeys: [old] }
  const [memory, late] = [createMemory(), createMemory()]
  for (const kept of [memory, late]) await createWatch({ source: server.source, memory: kept }).head()
  const proof = await server.collection.proof(indicatorId(1))
  await server.close()

  const rotated = (await entente('log', 'rotate-key', '--data', data, '--json')).json()
  assert.equal(rotated.from, old)
  assert.ok(existsSync(join(data, 'log.key.old')))
  server = await serve(t, data)
  assert.deepEqual(
    await server.collection.info(),
    info,
    'ids and titles that come from the key come from the first one',
  )
  await server.collection.add([indicator()])
  assert.equal(parseNote((await server.source.checkpoint()) ?? '').signatures.length, 2)

  // A program that knows nothing of statements goes on with the old key for now.
  const silent: LogSource = { ...server.source, successions: async () => [] }
  assert.equal((await createWatch({ source: silent, memory: createMemory(), ...pinned }).head())?.vkey, old)
  const seen = await createWatch({ source: server.source, memory, ...pinned }).head()
  assert.equal(seen?.vkey, rotated.to)
  assert.equal(seen?.successions.length, 1)
  const [entry] = await memory.recall(rotated.origin)
  assert.deepEqual([entry?.vkey, entry?.successions?.length], [rotated.to, 1])
  if (!seen) throw new TypeError('it has a log')
  const read = await readVerified(server.collection, believe(seen, pinned))
  assert.equal(read.verified.checkpoint.size, seen.size)
  assert.equal((await checkReceipts(server.source, seen, [receipt])).broken.length, 0, 'what the old key promised')
  await until(() => server.notary.log.size === server.context.ledgers()[0]?.finalSize)
  await server.close()

  assert.equal(retireKey(join(data, 'log.key'), rotated.origin), old)
  const audit = await entente('audit', '--data', data, '--key', old, '--no-memory')
  assert.match(audit.text, /ledger local: agrees up to size .*no problem found/s)
  assert.equal(audit.code, 0, audit.errors)

  server = await serve(t, data)
  await server.collection.add([indicator()])
  const found = await createWatch({ source: server.source, memory: late }).head()
  assert.equal(found?.vkey, rotated.to, 'who was away follows from what he remembers')
  const hidden: LogSource = { ...server.source, successions: async () => [] }
  await assert.rejects(createWatch({ source: hidden, memory: createMemory(), ...pinned }).head(), {
    code: 'unverified',
  })
  const before = createMemory([await remembered(old, server)])
  await assert.rejects(createWatch({ source: hidden, memory: before }).head(), { code: 'disagreement' })

  // Files: a proof of before, and one of now, with the old key and what the server says of its keys.
  const newer = await server.collection.proof(indicatorId(3))
  assert.throws(() => verifyObject(newer, pinned), { code: 'log' }, 'the old key alone does not sign it')
  const [keys, ...files] = ['keys.json', 'old.json', 'new.json'].map(name => join(data, name)) as [
    string,
    string,
    string,
  ]
  writeFileSync(keys, await (await fetch(`${server.url}/log/keys`)).text())
  for (const [i, value] of [proof, newer].entries()) writeFileSync(files[i] ?? '', JSON.stringify(value))
  const verified = await entente('verify', ...files, '--key', old, '--no-memory', '--successions', keys)
  assert.equal(verified.code, 0, verified.text + verified.errors)
  await server.close()
})

const indicatorId = (n: number) => `indicator--00000000-0000-4000-8000-${String(n).padStart(12, '0')}`

/** What a reader remembers who saw the log only before its key changed. */
async function remembered(vkey: string, { source, notary }: Awaited<ReturnType<typeof serve>>): Promise<Remembered> {
  const checkpoint = (await notary.store.checkpointFrom(1))?.note ?? ''
  const seen = '2026-11-22T12:00:00.000Z'
  return { origin: notary.log.origin, vkey, key: 'first-use', checkpoint, server: source.name, seen }
}
