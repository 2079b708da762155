import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadKey } from '#ledger/evm/embedded/keys.ts'
import { subjectId } from '#product/ids.ts'
import type { CertificateCheck } from '#registry/check-certificate.ts'
import type { RuleArguments, RuleName } from '@entente/rules'
import { cveOf, sbomOf } from '../../../../test/support/product-files.ts'
import { chainOf } from '../federation/act.ts'
import { readKey } from '../federation/chains.ts'
import { connectChain } from '../federation/connect.ts'
import { run as runCertificate } from './certificate.ts'
import { entente, runScript, startCommand } from './test/script.ts'
import { until } from '../../../../test/support/until.ts'

const cwd = mkdtempSync(join(tmpdir(), 'entente-federation-'))
let running: ChildProcess | undefined
after(() => void running?.kill('SIGKILL'))
after(() => rmSync(cwd, { recursive: true, force: true, maxRetries: 5 }))
const run = async (...args: string[]) => {
  const { code, out, err } = await entente(args, { cwd })
  assert.equal(code, 0, `entente ${args.join(' ')}\n${out}${err}`)
  return out
}

/** TEST KEYS: from a fixed text. */
const INIT = ['federation', 'init', '--members', 'FR,DE', '--port', '0', '--test-seed', 'entente test federation']

/** A rule, without a process of its own. */
async function rule<N extends RuleName>(chain: string, key: string, name: N, ...args: RuleArguments<N>): Promise<void> {
  const dir = join(cwd, 'federation')
  const [country = '', file = ''] = key.split('/')
  const open = await connectChain(dir, chainOf(chain))
  try {
    await (await open.as(readKey(join(dir, country, 'keys', `${file}.key`)))).run(name, ...args)
  } finally {
    await open.close()
  }
}

/** `entente federation up --demo`, ready. */
async function startDemo() {
  const demo = startCommand(['federation', 'up', '--demo', '--quiet'], { cwd })
  running = demo.child
  await until(
    () => {
      assert.equal(demo.child.exitCode, null, demo.written.err)
      return demo.written.out.includes('ready')
    },
    undefined,
    { ms: 60_000 },
  )
  return demo
}

const party = (name: string) => subjectId('party', name)
const DATA = join(import.meta.dirname, '../../../../../shared/data/sec-certs/references.csv')
/** Rows of real certificates of Germany and France, chosen by a fixed seed; undefined where the data is not here. */
function realSlice(most: number) {
  if (!existsSync(DATA)) return undefined
  const order = (row: string) => createHash('sha256').update(`entente slice ${row}`).digest('hex')
  const rows = readFileSync(DATA, 'utf8')
    .split(/\r?\n/)
    .filter(row => /^[^,]+,(?:DE|FR),/.test(row))
  const chosen = rows.sort((a, b) => (order(a) < order(b) ? -1 : 1)).slice(0, most)
  const count = (country: string) => chosen.filter(row => row.includes(`,${country},`)).length
  return { references: `${chosen.join('\n')}\n`, counts: { DE: count('DE'), FR: count('FR') } }
}

/** A new key in the folder of a country. @returns its address */
function keyOf(name: string): string {
  const [country = '', file = ''] = name.split('/')
  const seed = (length: number) => createHash('sha256').update(`TEST KEY ${name}`).digest().subarray(0, length)
  return loadKey(join(cwd, 'federation', country, 'keys'), file, seed).address
}

const stop = async (t: TestContext, { child, ended }: Awaited<ReturnType<typeof startDemo>>) => {
  child.kill()
  const { code, err } = await ended
  assert.equal(code, 0, err)
  t.diagnostic('it ends in order')
}

test('init makes a folder for each country, with keys that nobody else may read; nothing is made twice', async () => {
  const out = await run(...INIT)
  assert.match(out, /EU, FR, DE/)
  const keys = readdirSync(join(cwd, 'federation/FR/keys')).sort()
  assert.deepEqual(keys, ['coordinator.key', 'deployer.key', 'nab.key', 'ncca.key', 'state.key'])
  for (const name of keys) assert.equal(statSync(join(cwd, 'federation/FR/keys', name)).mode & 0o777, 0o600)
  await runScript(
    `
    $ entente federation init --members FR
    entente federation: federation/EU is there already: choose another --dir, or remove it
    [exit 2]
    $ entente federation init --members France --dir other
    entente federation: "France" is no member state: …
    [exit 2]
    $ entente check router
    entente check: …
    [exit 3]
    `,
    { cwd },
  )
})

test('from an artifact to its certificate and its vulnerability; killed while it is written, all is found again', async t => {
  writeFileSync(join(cwd, 'firmware.bin'), 'firmware')
  writeFileSync(join(cwd, 'bom.json'), sbomOf('2.1'))
  writeFileSync(join(cwd, 'report.txt'), 'a report')
  const demo = await startDemo()
  assert.match(demo.written.out, /7 chains of EU, DE, FR ready/)
  assert.match(demo.written.out, /DEMO: everything is in one process/)
  const [act, end] = [subjectId('party', 'act'), Math.floor(Date.now() / 1000) + 365 * 86_400]
  const scope = { schemes: [subjectId('scheme', 'EUCC')], categories: [], until: end }
  const certifier = keyOf('FR/certifier-1')
  await rule('FR/certification', 'FR/nab', 'registerParty', {
    id: party('Certifier 1'),
    kind: 'cab',
    country: 'FR',
    key: certifier,
    act,
  })
  await runScript(
    `
    $ entente federation party FR/artifact manufacturer ACME --as FR/ncca
    FR/artifact: PartyRegistered in block …
    …
    $ entente artifact register router --manufacturer ACME --as FR/acme
    FR/artifact: ArtifactRegistered in block …
    …
    $ entente artifact version router 2.1 --firmware firmware.bin --sbom firmware.bin --as FR/acme
    entente artifact: …
    [exit 1]
    $ entente artifact support router --guidance https://acme.example/guide --until 900d --contact psirt --repository https://acme.example/csaf --as FR/acme
    FR/artifact: SupportSet in block …
    $ entente artifact version router 2.1 --firmware firmware.bin --sbom bom.json --as FR/acme
    FR/artifact: VersionRegistered in block …
    …
    $ entente certificate issue EUCC-1 --level substantial --holder ACME --versions "router 2.1" --report report.txt --as FR/certifier-1
    entente certificate: refused by row 18 (issue basic or substantial): NotAccredited (body 0x…); the accreditation body accredits it first: entente certificate accredit. docs/rules.md has the table
    [exit 1]
    `,
    { cwd },
  )
  await rule('FR/certification', 'FR/nab', 'accredit', party('Certifier 1'), scope)
  await rule('FR/certification', 'FR/ncca', 'notifyBody', party('Certifier 1'), '0799', false)
  await runScript(
    `
    $ entente certificate issue EUCC-1 --level basic --holder ACME --versions "router 2.1" --report report.txt --as FR/certifier-1 --preview
    entente certificate: refused by row 18 (issue basic or substantial): OutOfScope …
    [exit 1]
    $ entente certificate issue EUCC-1 --level substantial --holder ACME --versions "router 2.1" --report report.txt --issuer "Certifier 1" --as FR/certifier-1
    FR/certification: CertificateIssued, VersionCertified in block …
    …
    $ entente check "router 2.1" --require level=substantial,no-open-vulns,proven
    router 2.1 (0x…) at …
      registered in FR by ACME, firmware 0x…
      certified  YES, exactly this version
        EUCC-1 (FR): inForce, substantial, by Certifier 1, until …
      affected   nothing was said, which is no statement
      patched    nothing to patch
      guidance   https://acme.example/guide, supported until …
      contact    psirt, advisories at https://acme.example/csaf
      rests on … of them proven; that histories are whole is what the chains' processes say
    DEMO: …
    $ entente check --sbom bom.json --require level=high
    …
      NOT MET: no certificate in force of level high or higher names exactly this version
    1 component of the SBOM that no chain knows
    DEMO: …
    [exit 1]
    $ entente due --country FR
    WHEN                  IN      WHAT                OF           WHOSE        CHAIN
    …  364 d   accreditation ends  Certifier 1  Certifier 1  FR/certification
    …  899 d   support ends        router       ACME         FR/artifact
    …  1824 d  certificate ends    EUCC-1       ACME         FR/certification
    `,
    { cwd },
  )

  // Killed while parties are registered one after the other: what was answered is there, and what is there is whole.
  const answered: string[] = []
  const open = await connectChain(join(cwd, 'federation'), chainOf('DE/artifact'))
  const ncca = await open.as(readKey(join(cwd, 'federation/DE/keys/ncca.key')))
  const writing = (async () => {
    for (let n = 0; ; n++) {
      const id = party(`manufacturer ${n}`)
      await ncca.run('registerParty', {
        id,
        kind: 'manufacturer',
        country: 'DE',
        key: `0x${(n + 1).toString(16).padStart(40, '0')}`,
        act,
      })
      answered.push(id)
    }
  })()
  const isDead = assert.rejects(writing, (error: { code?: string }) => error.code === 'unreachable')
  await until(() => answered.length >= 20)
  demo.child.kill('SIGKILL')
  await demo.ended
  await Promise.race([isDead, sleep(30_000).then(() => assert.fail('a call to a process that is gone does not end'))])
  await open.close()
  const again = await startDemo()
  const after = await connectChain(join(cwd, 'federation'), chainOf('DE/artifact'))
  const subjects = new Set((await (await after.as()).history()).map(event => event.subject))
  await after.close()
  for (const party of answered) assert.ok(subjects.has(party), `${party} was answered and is not there`)
  const status = JSON.parse(await run('federation', 'status', '--json')) as {
    demo: boolean
    chains: { name: string; problem?: string; validators: string[]; entities: Record<string, number> }[]
  }
  assert.equal(status.demo, true)
  assert.deepEqual(
    status.chains.map(c => [c.name, c.problem, c.validators.length]),
    [
      ['EU', undefined, 4],
      ...['DE', 'FR'].flatMap(country =>
        ['artifact', 'certification', 'vulnerability'].map(kind => [`${country}/${kind}`, undefined, 4]),
      ),
    ],
  )
  assert.equal(status.chains.find(c => c.name === 'FR/certification')?.entities['certificates'], 1)

  const about = subjectId('vulnerability', 'CVE-1')
  const finder = { id: party('finder'), kind: 'provider' as const, country: 'FR', key: keyOf('FR/finder'), act }
  await rule('FR/vulnerability', 'FR/coordinator', 'registerParty', finder)
  await runScript(
    `
    $ entente vulnerability announce CVE-1 --report report.txt --version "router 2.1" --until 60d --secret secret.json --as FR/finder
    FR/vulnerability: VulnerabilityAnnounced in block …
      CVE-1 is 0x…
      secret.json opens the commitment: keep it, and to yourself
    $ entente vulnerability disclose CVE-1 --secret secret.json --as FR/finder
    entente vulnerability: refused by row 34 (disclose): Embargoed …
    [exit 1]
    `,
    { cwd },
  )
  await rule('FR/vulnerability', 'FR/coordinator', 'rejectEmbargo', about)
  await run('vulnerability', 'disclose', 'CVE-1', '--secret', 'secret.json', '--as', 'FR/finder')
  // The artifact chain is told of it.
  const told = await connectChain(join(cwd, 'federation'), chainOf('FR/artifact'))
  const artifacts = await told.as()
  await until(async () => (await artifacts.get('foreignCase', about)).value?.disclosed !== undefined)
  await told.close()
  await runScript(
    `
    $ entente artifact label router 2.1 CVE-1 affected --as FR/acme
    FR/artifact: VersionLabelled in block …
    $ entente artifact version router 2.2 --firmware report.txt --patches 2.1 --fixes CVE-1 --as FR/acme
    FR/artifact: VersionRegistered in block …
    …
    $ entente check "router 2.1" --require no-open-vulns
    …
      certified  YES, exactly this version
    …
      affected   YES
        CVE-1: affected, says ACME on …
      patched    YES, for all of them
        router 2.2 fixes CVE-1, not certified
    …
      NOT MET: 1 open vulnerability
    DEMO: …
    [exit 1]
    $ entente certificate show EUCC-1 --country FR
    EUCC-1 (0x…): inForce
    …
      public part 0x… matches the chain
      proven at block …
    `,
    { cwd },
  )

  const exported = (format: string) =>
    run(
      'vulnerability',
      'export',
      'CVE-1',
      '--country',
      'FR',
      '--publisher',
      'ACME',
      '--namespace',
      'https://acme.example',
      '--format',
      format,
    )
  const csaf = JSON.parse(await exported('csaf')) as Record<string, any>
  assert.equal(csaf['document'].publisher.category, 'vendor')
  assert.deepEqual(csaf['vulnerabilities'][0].product_status, { known_affected: [subjectId('version', 'router 2.1')] })
  const stix = JSON.parse(await exported('stix')) as { objects: { type: string }[] }
  assert.deepEqual([...new Set(stix.objects.map(({ type }) => type))].sort(), [
    'note',
    'relationship',
    'report',
    'vulnerability',
  ])

  // Which versions contain what an advisory is about, by the SBOMs that are here.
  writeFileSync(join(cwd, 'advisory.json'), cveOf('openssl'))
  writeFileSync(join(cwd, 'other.json'), cveOf('zlib'))
  await runScript(
    `
    $ entente artifact affected advisory.json --country FR
    router 2.1: affected by CVE-2022-3602
      openssl 3.0.1 (purl, versions >=3.0.0 <3.0.7)
    1 finding in 1 version with an SBOM here; 1 version without one, …
    [exit 1]
    $ entente artifact affected other.json --country FR
    0 findings in 1 version with an SBOM here; …
    $ entente artifact affected bom.json --country FR
    entente artifact: this is no advisory: …
    [exit 1]
    `,
    { cwd },
  )

  // Whoever has none of the country's files reads its documents from its TAXII server.
  const documents = join(cwd, 'federation/FR/documents')
  renameSync(documents, `${documents}.aside`)
  const shown = await run('artifact', 'show', 'router', '2.1', '--country', 'FR')
  assert.match(shown, /document +0x[0-9a-f]{64} matches the chain/)
  assert.match(shown, /its document is the one that follows from the chain/)
  renameSync(`${documents}.aside`, documents)

  // Certificates from before, as sec-certs publishes them: each to its country's chain, once; of third countries where they are related to most.
  mkdirSync(join(cwd, 'sec-certs'))
  const slice = realSlice(20)
  if (slice === undefined) t.diagnostic('without real certificates: the data of sec-certs is not here')
  writeFileSync(
    join(cwd, 'sec-certs/references.csv'),
    `cert_id,scheme,refs\nANSSI-1,FR,"{'BSI-1'}"\nANSSI-2,FR,set()\nBSI-1,DE,set()\nNIAP-1,US,{'BSI-1'}\nKECS-1,KR,{'ANSSI-2'}\n${slice?.references ?? ''}`,
  )
  writeFileSync(
    join(cwd, 'sec-certs/certificates.csv'),
    'cert_id,dgst,manufacturer,not_valid_before,not_valid_after\nANSSI-1,12ab,ACME,2024-01-01,2034-01-01\n',
  )
  const { DE = 0, FR = 0 } = slice?.counts ?? {}
  type Loaded = { country: string; certificates: number; imported: number; holders: number }
  const { loaded, foreign } = JSON.parse(await run('certificate', 'import', 'sec-certs', '--json')) as {
    loaded: Loaded[]
    foreign: object[]
  }
  assert.deepEqual(
    loaded.map(({ country, certificates, imported }) => [country, certificates, imported]),
    [
      ['DE', DE + 2, DE + 2],
      ['FR', FR + 3, FR + 3],
    ],
  )
  const no = { certificates: 1, recognition: 'noAgreement', recognised: 0 }
  assert.deepEqual(foreign, [
    { country: 'US', on: 'DE', ...no },
    { country: 'KR', on: 'FR', ...no },
  ])
  await runScript(
    `
    $ entente certificate import sec-certs
    COUNTRY  CERTIFICATES  FOREIGN  IMPORTED  HOLDERS  SECONDS
    DE       …1        0         0        …
    FR       …1        0         0        …
    1 certificate of US, a third country, on the chain of DE: 0 recognised (no agreement is in the framework)
    1 certificate of KR, a third country, on the chain of FR: 0 recognised (no agreement is in the framework)
    …
    $ entente certificate show ANSSI-1 --country FR
    ANSSI-1 (0x…): inForce
      certificate under … version 1, imported
      issued by … to ACME
      from 2024-01-01T00:00:00Z until 2034-01-01T00:00:00Z
      …  CertificateImported by FR ncca
      public part 0x… matches the chain
      proven at block …
    $ entente check ANSSI-1 --require certified,proven
    ANSSI-1 (0x…) at …
      certificate on the chain of FR, imported: inForce, from 2024-01-01T00:00:00Z, until 2034-01-01T00:00:00Z
      level      none in the CSA's words, under Common Criteria FR version 1
      issued     by Agence nationale de la sécurité des systèmes d'information to ACME
      built on   BSI-1 (DE): unknown
      rests on …
    DEMO: …
    $ entente check KECS-1 --require certified
    …
      recognised NO: issued in KR, and no agreement is in the framework
      built on   ANSSI-2 (FR): unknown
    …
      NOT MET: it is not in force, or not recognised
    DEMO: …
    [exit 1]
    `,
    { cwd },
  )
  // The Commission recognises one third country, and not the other (row 5): the facts bring it to the certification chains.
  const eucc = subjectId('scheme', 'EUCC')
  const agreement = { agreement: act, levels: ['substantial', 'high'], since: 1, until: end, isEea: false }
  await run(
    'federation',
    'call',
    'EU',
    'recogniseCountry',
    JSON.stringify(['US', eucc, agreement]),
    '--as',
    'EU/commission',
  )
  const german = await connectChain(join(cwd, 'federation'), chainOf('DE/certification'))
  const heard = await german.as()
  await until(async () => (await heard.get('recognition', `US@${eucc}`)).value !== undefined)
  await german.close()
  const { out } = await entente(['check', 'NIAP-1', '--json'], { cwd })
  const [{ certificate }] = (JSON.parse(out) as { results: [{ certificate: CertificateCheck }] }).results
  assert.deepEqual(
    certificate.found.map(({ country, state, foreign: of }) => [country, state, of?.issuedIn, of?.recognition]),
    [['DE', 'unknown', 'US', 'recognised']],
  )

  // A component's vulnerability, noted and cleared; what is taken from a body (rows 7, 9, 30): here, as each process takes a second.
  const onCertification = (signer: string, values: Record<string, unknown>, ...positionals: string[]) =>
    runCertificate({ values: { dir: join(cwd, 'federation'), as: signer, ...values }, positionals })
  const scoped = { schemes: ['EUCC'], reason: 'a reason' }
  const body = 'Certifier 1'
  for (const [signer, values, ...positionals] of [
    ['FR/ncca', { ...scoped, until: '300d', van: '3' }, 'authorise', body],
    ['FR/ncca', { ...scoped, until: '200d' }, 'restrict', 'authorisation', body, 'restrict'],
    ['FR/ncca', scoped, 'restrict', 'authorisation', body, 'suspend'],
    ['FR/ncca', scoped, 'restrict', 'authorisation', body, 'resume'],
    ['FR/nab', { ...scoped, until: '250d' }, 'restrict', 'accreditation', body, 'restrict'],
    [
      'FR/certifier-1',
      {
        level: 'substantial',
        holder: 'ACME',
        versions: ['router 2.2'],
        components: ['EUCC-1'],
        report: 'report',
        until: '90d',
      },
      'issue',
      'EUCC-2',
    ],
    ['FR/ncca', {}, 'component', 'EUCC-2', 'EUCC-1', 'CVE-1'],
    ['FR/certifier-1', { clear: 'CVE-1' }, 'component', 'EUCC-2'],
    ['FR/ncca', scoped, 'restrict', 'authorisation', body, 'end'],
  ] as [string, Record<string, unknown>, ...string[]][])
    assert.equal(await onCertification(signer, values, ...positionals), 0, positionals.join(' '))
  const twice = onCertification('FR/certifier-1', { clear: 'CVE-1' }, 'component', 'EUCC-2')
  await assert.rejects(twice, { code: 'no', message: /refused by row 30 .*Unknown/ })
  const both = onCertification('FR/certifier-1', { clear: 'CVE-1' }, 'component', 'EUCC-2', 'EUCC-1')
  await assert.rejects(both, { code: 'usage' })

  // A document that was changed is refused, whatever else is right.
  const { document } = JSON.parse(await run('certificate', 'show', 'EUCC-1', '--country', 'FR', '--json')) as {
    document: string
  }
  const file = join(cwd, 'federation/FR/documents', document.slice(2))
  assert.ok(existsSync(file))
  writeFileSync(file, readFileSync(file, 'utf8').replace('EUCC-1', 'EUCC-2'))
  const { code, err } = await entente(['certificate', 'show', 'EUCC-1', '--country', 'FR'], { cwd })
  assert.match(err, /is not what the chain has/)
  assert.equal(code, 4)
  await stop(t, again)
})
