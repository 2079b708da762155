// Somebody else's witness cosigns our checkpoints, and somebody else's verifier takes our proofs: litewitness and torchwood, as published.
// And ours answers as litewitness does.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { formatRecord, recordCommitment, verifyObject } from '@entente/verify/proof'
import {
  formatAddCheckpoint,
  formatNote,
  hashLeaf,
  parseNote,
  parseVkey,
  readCosignature,
  verifyCheckpoint,
} from '@entente/verify/tlog'
import { stringify } from 'yaml'
import { openWitnessState } from '../../packages/entente/witness/state.ts'
import { createTestLog, testSeed } from '../../packages/entente/witness/test/log.ts'
import { createWitness } from '../../packages/entente/witness/witness.ts'
import { installTorchwood, type Litewitness, startLitewitness, type Torchwood } from '../support/litewitness.ts'
import { complete, OBJECTS, sampleObjects, startEntente, type TestServer } from '../support/server.ts'
import { ed25519 } from '@noble/curves/ed25519.js'

describe('litewitness and torchwood', () => {
  let skip: string | undefined
  let folder = ''
  let tools: Torchwood
  let litewitness: Litewitness
  let server: TestServer | undefined

  before(async () => {
    const found = installTorchwood()
    if ('reason' in found) {
      skip = found.reason
      return
    }
    tools = found
    folder = mkdtempSync(join(tmpdir(), 'lw-')) // short: a socket is in it
    litewitness = await startLitewitness(tools, folder, 'litewitness.example/w')
  })
  after(async () => {
    await server?.stop()
    await litewitness?.stop()
    if (folder !== '') rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  test('litewitness cosigns what we publish; torchwood verifies the proof under a policy of log and witness', async t => {
    if (skip !== undefined) return t.skip(skip)
    const data = join(folder, 'data')
    const config = join(folder, 'entente.yaml')
    const witnesses = [{ vkey: litewitness.vkey, url: litewitness.url }]
    writeFileSync(config, stringify({ log: { origin: 'taxii.example/log', witnesses, witnessIntervalMs: 50 } }))
    server = await startEntente(data, { args: ['--config', config] })
    const vkey = (await server.request('GET', '/log/key')).text.trim()
    litewitness.addLog('taxii.example/log', vkey)

    const posted = await server.request('POST', OBJECTS, { objects: sampleObjects(20) })
    assert.equal(posted.status, 202, posted.text)
    await complete(server, posted.json.id)
    const { json: status } = await server.request('GET', `/api/status/${posted.json.id}/`)
    assert.deepEqual(status.x_entente.witnesses, { have: 1, need: 1, of: 1 })
    const keys = { logs: [parseVkey(vkey)], witnesses: [parseVkey(litewitness.vkey)], quorum: 1 }
    for (const path of ['/log/checkpoint', '/log/checkpoint?witnessed']) {
      const { text } = await server.request('GET', path)
      assert.equal(verifyCheckpoint(text, keys).size, status.x_entente.size)
    }

    const id = sampleObjects(1)[0]?.['id']
    const { json: proof } = await server.request('GET', `${OBJECTS}${id}/proof/`)
    const policy = `log ${vkey}\nwitness lite ${litewitness.vkey}\nquorum lite\n`
    const verified = verifyObject(proof, { vkeys: [], witnessPolicy: policy })
    assert.deepEqual([verified.level, verified.witnesses], ['witnessed', { cosigned: 1, known: 1 }])

    // The same file for somebody else's program: nothing of ours runs here.
    const entry = Buffer.from(recordCommitment(formatRecord(proof.record)))
    const torchwood = (policyText: string, proofText: string, hex: string) => {
      const files = [join(folder, 'policy'), join(folder, 'object.tlog-proof')] as const
      writeFileSync(files[0], policyText)
      writeFileSync(files[1], proofText)
      const { status: code, stdout, stderr } = spawnSync(tools.verifyProof, [...files, hex], { encoding: 'utf8' })
      return { isVerified: code === 0 && stdout === 'verified\n', stderr }
    }
    const hex = entry.toString('hex')
    assert.deepEqual(torchwood(policy, proof.log, hex), { isVerified: true, stderr: '' })
    entry[0]! ^= 1
    assert.equal(torchwood(policy, proof.log, entry.toString('hex')).isVerified, false, 'another entry')
    const other = createTestLog('other.example/log').vkey
    assert.equal(torchwood(policy.replace(vkey, other), proof.log, hex).isVerified, false, 'another log')
    const bare = proof.log.replace(/\u2014 litewitness.example\/w .*\n/, '')
    assert.equal(torchwood(policy, bare, hex).isVerified, false, 'without the witness')
    assert.equal(torchwood(policy.replace('quorum lite', 'quorum none'), bare, hex).isVerified, true)
  })

  test('our witness answers a sequence of requests as litewitness does', async t => {
    if (skip !== undefined) return t.skip(skip)
    const log = createTestLog('log.example/sequence')
    litewitness.addLog(log.origin, log.vkey)
    const state = openWitnessState(join(folder, 'own'), true)
    t.after(() => state.close())
    const seed = testSeed('own.example/w')
    const own = createWitness({
      name: 'own.example/w',
      publicKey: ed25519.getPublicKey(seed),
      sign: message => ed25519.sign(message, seed),
      state,
      logs: [{ origin: log.origin, vkey: log.vkey }],
    })
    const broken = parseNote(log.checkpoint(3))
    broken.signatures[0]!.signature[9]! ^= 1
    const good = log.request(1, 3)
    const head = good.slice(0, good.indexOf('\n\n') + 2)
    const wrong = [hashLeaf(Buffer.from('a')), hashLeaf(Buffer.from('b'))]
    const checkpoint = log.checkpoint(3)
    const sequence: [string, string, number][] = [
      ['the first', log.request(0, 1), 200],
      ['a bad signature', head + formatNote(broken), 403],
      ['no proof', formatAddCheckpoint({ oldSize: 1, proof: [], checkpoint }), 422],
      ['a wrong proof', formatAddCheckpoint({ oldSize: 1, proof: wrong, checkpoint }), 422],
      ['another history', log.request(1, 3, 0), 422],
      ['the right proof', good, 200],
      ['an old size that is passed', log.request(1, 5), 409],
      ['a jump', log.request(3, 300), 200],
      ['from the beginning', log.request(0, 300), 409],
      ['the same again', log.request(300, 300), 200],
      ['the same size, another history', log.request(300, 300, 299), 422],
      ['backwards', formatAddCheckpoint({ oldSize: 300, proof: [], checkpoint }), 400],
      ['nonsense', 'nonsense', 400],
      ['a signature of somebody else', head + createTestLog('x.example/y').checkpoint(3), 404],
    ]
    for (const [what, body, expected] of sequence) {
      const ours = own.add(Buffer.from(body))
      const theirs = await fetch(`${litewitness.url}/add-checkpoint`, { method: 'POST', body })
      const text = await theirs.text()
      assert.equal(ours.status, expected, `${what}: ${ours.body}`)
      // C2SP tlog-witness asks for 404; litewitness says 403 to what it does not know.
      assert.equal(expected === 404 && theirs.status === 403 ? 404 : theirs.status, expected, `${what}: ${text}`)
      if (expected === 409) {
        assert.equal(ours.body, text, what)
        assert.equal(theirs.headers.get('content-type'), ours.type)
      }
      if (expected === 200) {
        const note = body.slice(body.indexOf('\n\n') + 2)
        readCosignature(note, text, parseVkey(litewitness.vkey))
        readCosignature(note, ours.body, parseVkey(own.vkey))
      }
    }
  })
})
