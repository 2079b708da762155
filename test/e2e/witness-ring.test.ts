// Three servers that are each other's witnesses: one away delays levels and nothing else, and a whole data folder that was put back, or that
// went another way, is found by what the others remember.
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { verifyObject } from '@entente/verify/proof'
import { parseVkey, verifyCheckpoint } from '@entente/verify/tlog'
import { stringify } from 'yaml'
import { entente } from '../../packages/entente/cli/commands/test/script.ts'
import { loadConfig } from '../../packages/entente/cli/config.ts'
import { openWitness, type OpenWitness } from '../../packages/entente/cli/witness.ts'
import { freePort } from '../support/mongod.ts'
import { complete, OBJECTS, sampleObjects, startEntente, type TestServer } from '../support/server.ts'

const NAMES = ['at', 'be', 'cy'] as const
type Name = (typeof NAMES)[number]

describe('a ring of three', () => {
  const folder = mkdtempSync(join(tmpdir(), 'entente-ring-'))
  const servers = {} as Record<Name, TestServer>
  const ports = {} as Record<Name, number>
  const vkeys = {} as Record<Name, string>
  const logKeys = {} as Record<Name, string>
  const dataOf = (name: Name) => join(folder, name)
  const configOf = (name: Name) => join(folder, `${name}.yaml`)

  /** Alone: as an operator who hides would run it. */
  const configure = (name: Name, isAlone = false) => {
    const others = NAMES.filter(other => other !== name)
    const witnesses = others.map(o => ({ vkey: vkeys[o] ?? '', url: `http://127.0.0.1:${ports[o]}/witness` }))
    const asked = isAlone || Object.keys(vkeys).length < 3 ? {} : { witnesses, witnessQuorum: 2, witnessIntervalMs: 50 }
    const config = {
      log: { origin: `${name}.example/log`, ...asked },
      witness: { name: `${name}.example/witness` },
      // The embedded ledger is in the data folder: it is put back with it, and notices nothing.
      ...(name === 'at' ? {} : { ledgers: [] }),
    }
    writeFileSync(configOf(name), stringify(config))
  }
  const useWitness = <T>(name: Name, use: (witness: OpenWitness) => T): T => {
    const { config, paths } = loadConfig({ file: configOf(name), data: dataOf(name), env: {} })
    const witness = openWitness(config, paths, () => {})
    try {
      return use(witness)
    } finally {
      witness.close()
    }
  }
  const start = async (name: Name) => {
    servers[name] = await startEntente(dataOf(name), {
      args: ['--config', configOf(name), '--port', String(ports[name])],
    })
    return servers[name]
  }
  const publish = async (name: Name, count: number, from: number): Promise<string> => {
    const { status, json, text } = await servers[name].request('POST', OBJECTS, { objects: sampleObjects(count, from) })
    assert.equal(status, 202, text)
    return json.id
  }
  const statusOf = async (name: Name, id: string) => (await servers[name].request('GET', `/api/status/${id}/`)).json
  const ready = async (name: Name) => (await servers[name].request('GET', '/readyz')).json
  const until = async (what: string, is: () => Promise<boolean>) => {
    for (let i = 0; i < 200; i++) {
      if (await is()) return
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    assert.fail(`not within 10 s: ${what}`)
  }

  before(async () => {
    for (const name of NAMES) {
      ports[name] = await freePort()
      configure(name)
    }
    for (const name of NAMES) vkeys[name] = useWitness(name, witness => witness.vkey)
    for (const name of NAMES) configure(name)
    await Promise.all(NAMES.map(start))
    for (const name of NAMES) logKeys[name] = (await servers[name].request('GET', '/log/key')).text.trim()
  })
  after(async () => {
    await Promise.allSettled(NAMES.map(name => servers[name]?.stop()))
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  const verifyWitnessed = async (name: Name) => {
    const { text } = await servers[name].request('GET', '/log/checkpoint?witnessed')
    const witnesses = NAMES.filter(other => other !== name).map(other => parseVkey(vkeys[other]))
    return verifyCheckpoint(text, { logs: [parseVkey(logKeys[name])], witnesses, quorum: 2 })
  }

  test('who is not known yet is told what to do; then each log is cosigned by both others, and anchored after that', async () => {
    const id = await publish('at', 5, 0)
    await until('the others say that they do not know the log', async () =>
      (await ready('at')).witnesses.witnesses.every((w: any) => /entente witness add-log/.test(w.error ?? '')),
    )
    const waiting = await statusOf('at', id)
    assert.deepEqual([waiting.status, waiting.x_entente.level], ['pending', 'logged'])
    assert.deepEqual(waiting.x_entente.witnesses, { have: 0, need: 2, of: 2 })
    assert.equal((await servers.at.request('GET', '/log/checkpoint?witnessed')).status, 404)

    for (const name of NAMES)
      for (const other of NAMES)
        if (other !== name)
          useWitness(name, witness => witness.addLog({ origin: parseVkey(logKeys[other]).name, vkey: logKeys[other] }))
    await complete(servers.at, id)
    const done = await statusOf('at', id)
    assert.deepEqual([done.status, done.x_entente.level], ['complete', 'final'])
    assert.deepEqual(done.x_entente.witnesses, { have: 2, need: 2, of: 2 })
    assert.ok((await verifyWitnessed('at')).size >= done.x_entente.size)

    const { json: proof } = await servers.at.request('GET', `${OBJECTS}${sampleObjects(1)[0]?.['id']}/proof/`)
    const policy = `witness b ${vkeys.be}\nwitness c ${vkeys.cy}\ngroup both all b c\nquorum both\n`
    const verified = verifyObject(proof, { vkeys: [logKeys.at], witnessPolicy: policy })
    assert.deepEqual(verified.witnesses, { cosigned: 2, known: 2 })
    assert.equal(verified.anchors.length, 1, 'and the same checkpoint is anchored')

    // As readers do it, from files alone.
    const save = (file: string, text: string) => writeFileSync(join(folder, file), text)
    save('object.json', JSON.stringify(proof))
    save('both.policy', `log ${logKeys.at}\n${policy}`)
    save('self.policy', `log ${logKeys.at}\nwitness a ${vkeys.at}\nquorum a\n`)
    const check = (file: string) => entente(['verify', 'object.json', '--witness-policy', file], { cwd: folder })
    const ok = await check('both.policy')
    assert.deepEqual([ok.code, ok.out.split('\n')[0]], [0, 'object.json: witnessed 2/2'], ok.err)
    const refused = await check('self.policy')
    assert.equal(refused.code, 4, refused.err)
    assert.match(refused.out, /NOT PROVEN: 0 of 1 witnesses cosigned: none. That is not the quorum of the policy/)
    for (const name of ['be', 'cy'] as const)
      await until(`${name} is witnessed`, async () => (await ready(name)).witnesses.witnessed_size > 0)
  })

  test('one of three stopped: publishing goes on, levels wait, and follow when it is back', async () => {
    await servers.cy.stop()
    const before = (await verifyWitnessed('at')).size
    const ids = []
    for (let i = 0; i < 5; i++) {
      const started = performance.now()
      ids.push(await publish('at', 2, 100 + 2 * i))
      assert.ok(performance.now() - started < 2000, 'the answer does not wait for a witness')
    }
    const last = ids.at(-1) as string
    await until('the other one has cosigned', async () => (await statusOf('at', last)).x_entente.witnesses.have === 1)
    const waiting = await statusOf('at', last)
    assert.deepEqual([waiting.status, waiting.x_entente.level], ['pending', 'logged'])
    assert.equal((await verifyWitnessed('at')).size, before)
    const behind = await entente(['witness', 'status', '--data', dataOf('at'), '--config', configOf('at'), '--json'], {
      cwd: folder,
    })
    const { log_size: size, witnessed_size: witnessed, witnesses } = JSON.parse(behind.out)
    assert.deepEqual([behind.code, witnessed, witnesses.map((w: any) => w.size === size)], [1, before, [true, false]])
    const { text } = await servers.at.request('GET', '/log/checkpoint')
    assert.ok(
      verifyCheckpoint(text, { logs: [parseVkey(logKeys.at)] }).size >= waiting.x_entente.size,
      'the newest is shown',
    )
    const { json: proof } = await servers.at.request('GET', `${OBJECTS}${sampleObjects(1, 108)[0]?.['id']}/proof/`)
    assert.equal(
      verifyObject(proof, { vkeys: [logKeys.at], witnesses: [vkeys.be] }).level,
      'witnessed',
      'by one of two',
    )

    await start('cy')
    for (const id of ids) await complete(servers.at, id)
    assert.deepEqual((await statusOf('at', last)).x_entente.witnesses, { have: 2, need: 2, of: 2 })
    assert.ok((await verifyWitnessed('at')).size > before)
    const args = ['witness', 'status', '--data', dataOf('at'), '--config', configOf('at')]
    await until('the quorum is not behind', async () => (await entente(args, { cwd: folder })).code === 0)
  })

  test('a whole data folder put back, its ledger with it: the witnesses show what its own key signed, and it stops', async () => {
    await servers.at.stop()
    cpSync(dataOf('at'), join(folder, 'yesterday'), { recursive: true })
    await start('at')
    await complete(servers.at, await publish('at', 5, 200))
    await servers.at.stop()
    cpSync(dataOf('at'), join(folder, 'today'), { recursive: true })
    rmSync(dataOf('at'), { recursive: true })
    cpSync(join(folder, 'yesterday'), dataOf('at'), { recursive: true })

    await start('at')
    const { status, json } = await servers.at.request('GET', '/readyz')
    assert.deepEqual([status, json.code], [503, 'rolled-back'])
    assert.match(json.reason, /witness (be|cy).example\/witness has this log at size \d+, signed by its own key/)
    assert.equal((await servers.at.request('POST', OBJECTS, { objects: sampleObjects(1, 300) })).status, 503)
    assert.equal((await servers.at.request('GET', OBJECTS)).status, 503)
  })

  test('an older copy that went another way is refused by the witnesses, and stops once it meets them', async () => {
    await servers.at.stop()
    configure('at', true)
    await start('at')
    // As long as it is alone nobody notices, its own ledger neither.
    await complete(servers.at, await publish('at', 9, 400))
    await servers.at.stop()
    configure('at')
    await start('at')
    const { status, json } = await servers.at.request('GET', '/readyz')
    assert.deepEqual([status, json.code], [503, 'forked'])
    assert.match(json.reason, /a checkpoint that this log's own key signed with another root/)
    for (const name of ['be', 'cy'] as const) {
      const { text } = await servers[name].request('GET', '/log/checkpoint')
      assert.equal((await ready(name)).status, 'ready', `${name} goes on: ${text}`)
    }

    // With the newest folder put back all is well again.
    await servers.at.stop()
    rmSync(dataOf('at'), { recursive: true })
    cpSync(join(folder, 'today'), dataOf('at'), { recursive: true })
    await start('at')
    await complete(servers.at, await publish('at', 1, 500))
    assert.equal((await ready('at')).status, 'ready')
  })
})
