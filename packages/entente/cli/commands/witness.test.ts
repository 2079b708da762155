import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parseVkey, readCosignature } from '@entente/verify/tlog'
import { createTestLog } from '#witness/test/log.ts'
import { originHash } from '#witness/http.ts'
import { entente, runScript } from './test/script.ts'

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'entente-witness-'))
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

/** `entente witness serve`, in a process of its own. */
async function startWitness(t: TestContext, folder: string): Promise<string> {
  const binary = join(import.meta.dirname, '../entente.js')
  const args = ['witness', 'serve', '--data', 'data', '--config', 'w.yaml', '--port', '0', '--quiet']
  const child = spawn(process.execPath, [binary, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = new Promise(resolve => child.once('exit', resolve))
  t.after(async () => {
    child.kill()
    assert.equal(await exited, 0, 'it ends in order')
  })
  let output = ''
  child.stderr.on('data', d => (output += d))
  return new Promise((resolve, reject) => {
    child.stdout.on('data', d => {
      output += d
      const url = /ready at (\S+)\/witness\//.exec(output)?.[1]
      if (url !== undefined) resolve(url)
    })
    void exited.then(code => reject(new Error(`it ended with ${code}: ${output}`)))
  })
}

const log = createTestLog('log.example/one')
const post = (url: string, body: string | Uint8Array<ArrayBuffer>) =>
  fetch(`${url}/witness/add-checkpoint`, { method: 'POST', body })

test('key, add-log, list: state and key are made together, and missed alone', async t => {
  const folder = newFolder(t)
  writeFileSync(join(folder, 'w.yaml'), 'witness: { name: witness.example/w }\n')
  writeFileSync(join(folder, 'none.yaml'), 'ledgers: []\n')
  writeFileSync(join(folder, 'log.vkey'), `${log.vkey}\n`)
  const { out } = await entente(['witness', 'key', '--data', 'data', '--config', 'w.yaml'], { cwd: folder })
  const vkey = out.trim()
  assert.equal(parseVkey(vkey).name, 'witness.example/w')
  const two = createTestLog('log.example/two')
  const variables = { WITNESS: vkey, LOG: log.vkey, TWO: two.vkey }
  await runScript(
    `
    $ entente witness key --data data --config w.yaml --json
    {"name":"witness.example/w","vkey":"$WITNESS"}
    $ entente witness list --data data --config w.yaml
    LOG  SIZE  COSIGNED  KEY
    $ entente witness add-log log.vkey --data data --config w.yaml
    log.example/one is witnessed, under its key
    its operator adds to log.witnesses: { vkey: "$WITNESS", url: <address of this server>/witness }
    $ entente witness add-log $TWO --origin log.example/one --data data --config w.yaml --json
    {"origin":"log.example/one","vkey":"$TWO","keys":2}
    $ entente witness list --data data --config w.yaml
    LOG              SIZE  COSIGNED  KEY
    log.example/one  -     never     …
    log.example/one  -     never     …
    $ entente witness add-log $WITNESS --data data --config w.yaml
    entente witness: not the key of a log: witness.example/w is a key of type 4, a log has 1
    [exit 1]
    $ entente witness add-log --data data --config w.yaml
    entente witness: VKEY|FILE is missing
    Usage: entente witness add-log VKEY|FILE
    [exit 2]
    $ entente witness forget --data data --config w.yaml
    entente witness: "forget" is nothing to do with witnesses
    Usage: entente …
    [exit 2]
    $ entente witness key --data data --config none.yaml
    entente witness: the configuration has no "witness:" with a name (docs/operating.md)
    [exit 2]
  `,
    { cwd: folder, variables },
  )
  // The state lost while the key is there: it would cosign another history.
  const database = join(folder, 'data/witness/witness.db')
  for (const end of ['', '-wal', '-shm']) rmSync(database + end, { force: true })
  await runScript(
    `
    $ entente witness list --data data --config w.yaml
    entente witness: …witness.db is missing: without it this witness would cosign another history …
    [exit 1]
    $ entente witness key --new-state --data data --config w.yaml
    $WITNESS
  `,
    { cwd: folder, variables },
  )
})

test('a witness alone: it cosigns over HTTP, shows what it cosigned, and takes a log up while it runs', async t => {
  const folder = newFolder(t)
  writeFileSync(
    join(folder, 'w.yaml'),
    'witness: { name: witness.example/w }\nserver: { rateLimit: { anonymous: 40 } }\n',
  )
  const url = await startWitness(t, folder)
  const vkey = (await (await fetch(`${url}/witness/key`)).text()).trim()
  assert.equal((await post(url, log.request(0, 3))).status, 404)
  const added = await entente(['witness', 'add-log', log.vkey, '--data', 'data', '--config', 'w.yaml'], { cwd: folder })
  assert.equal(added.code, 0, added.err)

  const answer = await post(url, log.request(0, 3))
  assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, 'text/plain; charset=utf-8'])
  readCosignature(log.checkpoint(3), await answer.text(), parseVkey(vkey))
  const stale = await post(url, log.request(0, 5))
  assert.deepEqual([stale.status, stale.headers.get('content-type')], [409, 'text/x.tlog.size'])
  assert.equal(await stale.text(), '3\n')

  const shown = await fetch(`${url}/witness/${originHash(log.origin)}/checkpoint`)
  assert.equal(shown.headers.get('content-type'), 'text/plain; charset=utf-8')
  assert.match(await shown.text(), /^log.example\/one\n3\n/)
  assert.equal((await fetch(`${url}/witness/${originHash('log.example/none')}/checkpoint`)).status, 404)
  assert.equal((await fetch(`${url}/witness/..%2f..%2fetc/checkpoint`)).status, 404)
  assert.equal((await fetch(`${url}/healthz`)).status, 200)

  // Bounded: what is too large is refused before it is read, and who asks too often waits.
  assert.equal((await post(url, Buffer.alloc(131_073, 'a'))).status, 413)
  assert.equal((await post(url, Buffer.alloc(131_072, 'a'))).status, 400)
  assert.equal((await fetch(`${url}/witness/add-checkpoint`, { method: 'POST' })).status, 400)
  assert.equal((await fetch(`${url}/witness/add-checkpoint`)).status, 401, 'nothing that anybody may know of')
  const many = await Promise.all(Array.from({ length: 60 }, () => post(url, 'old 0\n\nx')))
  assert.ok(many.some(a => a.status === 429 && a.headers.get('retry-after') !== null))
})

test('a log that forks is convicted: the evidence is for anybody', async t => {
  const folder = newFolder(t)
  writeFileSync(
    join(folder, 'w.yaml'),
    `witness: { name: witness.example/w, logs: [{ vkey: "${log.vkey}" }] }\nledgers: []\n`,
  )
  const url = await startWitness(t, folder)
  assert.equal((await post(url, log.request(0, 6))).status, 200)
  const answer = await post(url, log.request(6, 9, 4))
  assert.equal(answer.status, 422)
  assert.match(await answer.text(), /consistency proof/)
  await runScript(
    `
    $ entente verify data/witness/evidence/fork-….json --key $LOG
    …: proven
      FORK: the key of log.example/one signed two checkpoints of which the smaller is not the beginning of the larger:
        size 6, root …
        size 9, root …
      this convinces anybody who believes the key; nothing else needs to be believed
      found …
  `.replace('fork-….json', readdirSync(join(folder, 'data/witness/evidence'))[0] as string),
    { cwd: folder, variables: { LOG: log.vkey } },
  )
})
