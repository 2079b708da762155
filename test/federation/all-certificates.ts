// Every real certificate on the chains of its country: counted, compared with the data, and there after kill -9 of whoever imports and of whoever
// keeps the chains. It takes minutes: certificates.test.ts runs it with ENTENTE_TEST_LONG=1 alone. A slice of the same goes through the commands in cli/commands/federation.test.ts.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { folderSize } from '../../bench/folder-size.ts'
import { connectChain } from '../../packages/entente/cli/federation/connect.ts'
import { openDocuments } from '../../packages/entente/cli/federation/documents.ts'
import { planImport } from '../../packages/entente/cli/federation/import-plan.ts'
import { readCertificate } from '../../packages/entente/product/documents.ts'
import { readSecCerts } from '../../packages/entente/product/sec-certs.ts'
import type { CertificateCheck } from '../../packages/entente/registry/check-certificate.ts'
import { root, temporaryFolder } from '../support/server.ts'

export const SEED = Number(process.env['ENTENTE_TEST_SEED'] ?? 20260106)
const DATA = join(root, '../shared/data/sec-certs')
const BINARY = join(root, 'packages/entente/cli/entente.js')
const MEMBERS = ['DE', 'ES', 'FR', 'IT', 'NL', 'SE']

type Command = { child: ChildProcess; written: { out: string; err: string }; ended: Promise<number> }

function start(t: TestContext, cwd: string, ...args: string[]): Command {
  const child = spawn(process.execPath, [BINARY, ...args], { cwd, env: { ...process.env, ENTENTE_MEMORY: '' } })
  t.after(() => child.kill('SIGKILL'))
  const written = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', text => (written.out += text))
  child.stderr.setEncoding('utf8').on('data', text => (written.err += text))
  return { child, written, ended: new Promise(resolve => child.once('close', code => resolve(code ?? -1))) }
}
async function run(t: TestContext, cwd: string, ...args: string[]): Promise<string> {
  const { written, ended } = start(t, cwd, ...args)
  assert.equal(await ended, 0, `${args.join(' ')}\n${written.out}${written.err}`)
  return written.out
}
async function startDemo(t: TestContext, cwd: string): Promise<Command> {
  const demo = start(t, cwd, 'federation', 'up', '--demo', '--quiet')
  while (!demo.written.out.includes('ready')) {
    assert.equal(demo.child.exitCode, null, demo.written.err)
    await sleep(100)
  }
  return demo
}
async function kill({ child, ended }: Command): Promise<void> {
  child.kill('SIGKILL')
  await ended
}
/** The most that a process had in memory, megabytes, where the system says it. */
const peakOf = ({ child }: Command): string => {
  const file = `/proc/${child.pid}/status`
  const kilobytes = existsSync(file) ? /VmHWM:\s*(\d+)/.exec(readFileSync(file, 'utf8'))?.[1] : undefined
  return kilobytes === undefined ? 'unknown' : `${Math.round(Number(kilobytes) / 1024)} MB`
}

/** Of each chain the certificates that it has, in their order. */
async function importedOn(cwd: string): Promise<Map<string, string[]>> {
  const list = MEMBERS.map(async country => {
    const open = await connectChain(join(cwd, 'federation'), { country, kind: 'certification' })
    const events = await (await open.as()).history()
    await open.close()
    const subjects = events.filter(event => event.name === 'CertificateImported').map(event => event.subject)
    return [country, subjects] as const
  })
  return new Map(await Promise.all(list))
}
const countOf = (imported: Map<string, string[]>) => [...imported.values()].reduce((sum, one) => sum + one.length, 0)

export async function allCertificates(t: TestContext): Promise<void> {
  if (!existsSync(DATA)) return t.skip('the data of sec-certs is not here')
  const [references, certificates] = ['references.csv', 'certificates.csv'].map(name => readFileSync(join(DATA, name)))
  assert.ok(references !== undefined && certificates !== undefined)
  const data = readSecCerts(
    { references, certificates },
    { salt: name => createHash('sha256').update(name).digest(), at: '2026-11-22T00:00:00.000Z' },
  )
  const plans = planImport(data)
  assert.deepEqual(
    plans.map(({ country, certificates: all }) => [country, all.filter(one => one.isMember).length]),
    [
      ['DE', 482],
      ['ES', 24],
      ['FR', 761],
      ['IT', 30],
      ['NL', 126],
      ['SE', 2],
    ],
  )

  const cwd = temporaryFolder(t)
  const federation = join(cwd, 'federation')
  await run(t, cwd, 'federation', 'init', '--members', MEMBERS.join(), '--port', '0', '--test-seed', 'entente long')
  const first = await startDemo(t, cwd)
  const before = folderSize(federation)

  // Killed while it imports, then run again.
  const killed = start(t, cwd, 'certificate', 'import', DATA, '--json')
  while (countOf(await importedOn(cwd)) < 200) {
    assert.equal(killed.child.exitCode, null, killed.written.err)
    await sleep(100)
  }
  await kill(killed)
  const had = countOf(await importedOn(cwd))
  assert.ok(had < data.certificates.length, `${had} were there when it was killed`)
  const { loaded, foreign, seconds, megabytes } = JSON.parse(
    await run(t, cwd, 'certificate', 'import', DATA, '--json'),
  ) as {
    loaded: { country: string; certificates: number; foreign: number; imported: number }[]
    foreign: { country: string; certificates: number; recognised: number }[]
    seconds: number
    megabytes: number
  }
  assert.deepEqual(
    loaded.map(one => [one.country, one.certificates, one.foreign]),
    plans.map(({ country, certificates: all }) => [country, all.length, all.filter(one => !one.isMember).length]),
  )
  const added = loaded.reduce((sum, one) => sum + one.imported, 0)
  // What was under way when it was killed may have come into a block after that.
  assert.ok(added <= data.certificates.length - had, `${added} after ${had}`)
  const size = (folderSize(federation) - before) / 1e6
  console.log(
    `measured: ${added} of ${data.certificates.length} certificates in ${seconds.toFixed(1)} s (${(added / seconds).toFixed(1)}/s); importer ${megabytes} MB, process of the chains ${peakOf(first)} at most; ${size.toFixed(1)} MB on disk for all, chains, documents and collections`,
  )
  assert.equal(
    foreign.reduce((sum, one) => sum + one.certificates, 0),
    98,
  )
  assert.ok(foreign.every(one => one.recognised === 0))

  const expected = new Map(plans.map(plan => [plan.country, plan.certificates.map(one => one.id).sort()]))
  const sorted = (found: Map<string, string[]>) =>
    new Map([...found].map(([country, ids]) => [country, ids.toSorted()]))
  assert.deepEqual(sorted(await importedOn(cwd)), expected)

  // Some of each country, read with proof: dates, parties and references as in the data, and the document that was committed to.
  const order = (name: string) => createHash('sha256').update(`${SEED} ${name}`).digest('hex')
  for (const { country, certificates: all } of plans) {
    const open = await connectChain(federation, { country, kind: 'certification' })
    const reader = await open.reader()
    const some = all.toSorted((a, b) => (order(a.name) < order(b.name) ? -1 : 1)).slice(0, 8)
    for (const { id, name, legacy } of some) {
      const { value, level } = await reader.get('certificate', id)
      assert.equal(level, 'proven')
      assert.ok(value !== undefined, name)
      const { components, since, until, holder, issuer, scheme, isImported, level: given } = value
      assert.deepEqual(
        { components, since, until, holder, issuer, scheme, isImported, given },
        {
          components: legacy.components,
          since: legacy.since,
          until: legacy.until,
          holder: legacy.holder,
          issuer: legacy.issuer,
          scheme: legacy.scheme,
          isImported: true,
          given: undefined,
        },
        name,
      )
      const document = openDocuments(federation, country).read(value.document)
      assert.ok(document !== undefined, name)
      assert.equal(readCertificate(document).certificate_id, name)
    }
    await open.close()
  }

  const check = async (name: string) => {
    const { written, ended } = start(t, cwd, 'check', name, '--json')
    assert.equal(await ended, 0, written.err)
    const [result] = (JSON.parse(written.out) as { results: { certificate: CertificateCheck }[] }).results
    const [one] = result?.certificate.found ?? []
    return one ?? assert.fail(`${name}: ${written.out}`)
  }
  const composite = await check('ANSSI-CC-2023/42')
  assert.deepEqual([composite.country, composite.state, composite.counts], ['FR', 'inForce', true])
  assert.ok(composite.components.length > 0 && composite.components.every(one => one.state !== undefined))
  const korean = await check('KECS-ISIS-1140-2021')
  assert.deepEqual([korean.foreign?.issuedIn, korean.foreign?.recognition], ['KR', 'noAgreement'])
  assert.deepEqual([korean.state, korean.counts], ['unknown', false])

  // The chains' process killed, and started anew: all there, and nothing left to import.
  await kill(first)
  const again = await startDemo(t, cwd)
  assert.deepEqual(sorted(await importedOn(cwd)), expected)
  const repeated = JSON.parse(await run(t, cwd, 'certificate', 'import', DATA, '--json')) as {
    loaded: { imported: number; holders: number }[]
  }
  assert.ok(repeated.loaded.every(one => one.imported === 0 && one.holders === 0))
  assert.equal((await check('ANSSI-CC-2023/42')).state, 'inForce')
  console.log(`measured: ${peakOf(again)} at most after a new start`)
  await kill(again)
}
