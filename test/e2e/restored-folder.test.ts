// A whole data folder put back, ledger included, is a consistent older server: only who remembers what it showed can tell.
import assert from 'node:assert/strict'
import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { entente, type Ran } from '../../packages/entente/cli/commands/test/script.ts'
import { said, sampleObjects, startEntente, temporaryFolder, type TestServer } from '../support/server.ts'

test('a whole data folder put back is refused by those who remember, and proven by receipts and once it grows again', async t => {
  const folder = temporaryFolder(t)
  const data = join(folder, 'data')
  const memory = join(folder, 'memory')
  const run = (args: string[], env: Record<string, string> = { ENTENTE_MEMORY: memory }): Promise<Ran> =>
    entente(args, { cwd: folder, env })
  let server = await startEntente(data)
  t.after(() => server.kill())
  const url = () => `${server.url}/api/collections/default/`
  const publish = (count: number, from: number, ...more: string[]) => {
    writeFileSync(join(folder, 'objects.json'), JSON.stringify(sampleObjects(count, from)))
    return run(['publish', 'objects.json', '--to', url(), '--data', data, ...more])
  }
  const succeed = async (what: Promise<Ran>) => {
    const ran = await what
    assert.equal(ran.code, 0, ran.out + ran.err)
    return ran
  }
  const restart = async (between: () => void) => {
    await server.stop()
    between()
    server = await startEntente(data)
  }
  const verifyEvidence = async (file: string) => {
    const { out } = await succeed(run(['verify', file, '--key', 'log.vkey', '--json'], {}))
    return JSON.parse(out).results[0] as Record<string, unknown>
  }
  const evidenceOf = ({ out }: Ran) => (JSON.parse(out) as { evidence: string }).evidence

  // One reader publishes and remembers; the folder is copied while the server stands; the reader publishes more.
  await succeed(publish(3, 0, '--wait'))
  writeFileSync(join(folder, 'log.vkey'), await (await fetch(`${server.url}/log/key`)).text())
  await restart(() => cpSync(data, join(folder, 'old'), { recursive: true }))
  await succeed(publish(4, 10, '--wait', '--receipts', 'receipts.json'))
  await succeed(
    run([
      'get',
      url(),
      '--data',
      data,
      '--id',
      sampleObjects(1, 12)[0]?.['id'] as string,
      '--proof',
      '--out',
      'proof.json',
    ]),
  )
  await succeed(run(['audit', '--url', server.url, '--receipts', 'receipts.json']))
  await restart(() => {
    rmSync(data, { recursive: true })
    renameSync(join(folder, 'old'), data)
  })

  // (a) The restored server is in good order by itself …
  assert.equal((await fetch(`${server.url}/readyz`)).status, 200)
  const stranger = await succeed(run(['get', url(), '--data', data, '--records', '--out', 'read.json'], {}))
  assert.match(stranger.out, /nothing left out/)
  // … and refused by who remembers it: for objects, for proofs, for publishing.
  const got = await run(['get', url(), '--data', data, '--json'])
  assert.equal(got.code, 4, got.out + got.err)
  assert.match(
    got.out,
    /rolled back.*remembered of entente\.local.*size (\d+) with root .*now shown: size \d+ with root/,
  )
  const rollback = await verifyEvidence(evidenceOf(got))
  assert.deepEqual([rollback['kind'], rollback['conclusive']], ['evidence of rollback', false])
  assert.equal((await run(['verify', 'proof.json', '--key', 'log.vkey', '--url', server.url])).code, 4)
  assert.equal((await publish(1, 50)).code, 4)
  // The proof of a dropped object stays what it is.
  await succeed(run(['verify', 'proof.json', '--key', 'log.vkey']))

  // (b) Receipts name what was dropped, over HTTP and in the folder; nobody else's memory is needed.
  for (const where of [
    ['--url', server.url, '--key', 'log.vkey'],
    ['--data', data],
  ]) {
    const audited = await run(['audit', ...where, '--receipts', 'receipts.json', '--json'], {})
    assert.equal(audited.code, 4, audited.out + audited.err)
    const { receipts, problems } = JSON.parse(audited.out)
    assert.deepEqual([receipts.entries, receipts.broken], [4, 4])
    assert.match(problems[0].message, /beyond the end of the log/)
  }

  // (c) It goes on with other objects, beyond the size of before: now the log is forked, and the reader can prove it to anybody.
  writeFileSync(join(folder, 'objects.json'), JSON.stringify(sampleObjects(20, 100)))
  await succeed(run(['publish', 'objects.json', '--to', url(), '--data', data], {}))
  const grown = await run(['get', url(), '--data', data, '--json'])
  assert.equal(grown.code, 4, grown.out + grown.err)
  assert.match(grown.out, /forked: its key signed two histories/)
  const fork = await verifyEvidence(evidenceOf(grown))
  assert.deepEqual([fork['kind'], fork['level'], fork['conclusive']], ['evidence of fork', 'proven', true])
  const audited = await run(['audit', '--url', server.url, '--receipts', 'receipts.json', '--json'])
  assert.equal(audited.code, 4)
  const { problems } = JSON.parse(audited.out) as { problems: { kind: string; evidence?: string }[] }
  assert.deepEqual(
    problems.map(p => p.kind),
    ['memory', 'receipt', 'receipt', 'receipt', 'receipt'],
  )
  const receipt = await verifyEvidence(problems[1]?.evidence as string)
  assert.deepEqual([receipt['kind'], receipt['conclusive']], ['evidence of receipt', true])
  // The evidence holds up without the server, the memory and the network; one changed byte and it does not.
  await server.stop()
  const file = evidenceOf(grown)
  writeFileSync(join(folder, 'changed.json'), readFileSync(file, 'utf8').replace(/"root": "./, '"root": "_'))
  const { code, out } = await run(['verify', file, 'changed.json', '--key', 'log.vkey'], {})
  assert.equal(code, 4)
  assert.match(out, /FORK: the key of .* signed two checkpoints/)
  assert.match(out, /changed\.json: NOT PROVEN/)
})

test('a whole data folder put back while its ledger is elsewhere: the server stops', async t => {
  const folder = temporaryFolder(t)
  const data = join(folder, 'data')
  const config = join(folder, 'entente.yaml')
  writeFileSync(config, `ledgers: [{ id: local, kind: embedded, path: ${join(folder, 'elsewhere')} }]\n`)
  const start = async () => {
    const server = await startEntente(data, { args: ['--config', config] })
    t.after(() => server.kill())
    return server
  }
  const objects = '/api/collections/default/objects/'
  const publish = async (server: TestServer, count: number, from: number) => {
    const { json } = await server.request('POST', objects, { objects: sampleObjects(count, from) })
    for (let status = json.status; status !== 'complete'; await sleep(50))
      status = (await server.request('GET', `/api/status/${json.id}/`)).json.status
  }

  let server = await start()
  await publish(server, 2, 0)
  await server.stop()
  cpSync(data, join(folder, 'old'), { recursive: true })
  server = await start()
  await publish(server, 3, 10)
  await server.stop()
  rmSync(data, { recursive: true })
  renameSync(join(folder, 'old'), data)

  server = await start()
  await said(server, /WRITING HAS STOPPED: ledger "local" has this log at size \d+, the store only at \d+/)
  assert.equal((await server.request('POST', objects, { objects: sampleObjects(1, 20) })).status, 503)
  assert.equal((await server.request('GET', objects)).json.error_code, 'rolled-back')
  await server.stop()
})
