// A federation on real technologies: the EU chain embedded, the national chains of France on Hyperledger Fabric, those of Germany on GoQuorum. The same is
// done in both countries, facts are copied between their chains, and what stands on them at the end is the same. Skipped where there are no binaries.
import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Genesis, NewParty, SchemeInput } from '@entente/rules'
import { parse, stringify } from 'yaml'
import { entente, runScript } from '../../packages/entente/cli/commands/test/script.ts'
import { loadCountry } from '../../packages/entente/cli/federation/config.ts'
import { createFacts } from '../../packages/entente/cli/federation/facts.ts'
import { initFederation } from '../../packages/entente/cli/federation/init.ts'
import { startFederation } from '../../packages/entente/cli/federation/up.ts'
import { testAccount } from '../../packages/entente/ledger/conformance/evm.ts'
import { createEmbeddedProvider } from '../../packages/entente/ledger/evm/embedded/provider.ts'
import { createHttpProvider } from '../../packages/entente/ledger/evm/http.ts'
import type { Eip1193Provider } from '../../packages/entente/ledger/evm/provider.ts'
import { openEvmRuleChain } from '../../packages/entente/ledger/evm/rules/chain.ts'
import { deployRuleChain } from '../../packages/entente/ledger/evm/rules/deploy.ts'
import { openFabricRuleChain } from '../../packages/entente/ledger/fabric/rules.ts'
import type { RuleChain } from '../../packages/entente/ledger/rule-chain.ts'
import { subjectId } from '../../packages/entente/product/ids.ts'
import { EUCC } from '../../packages/entente/registry/eucc.ts'
import { findFabric, startFabric } from '../support/fabric.ts'
import { cveOf, sbomOf } from '../support/product-files.ts'
import { findQuorum, startQuorum } from '../support/quorum.ts'
import { temporaryFolder } from '../support/server.ts'
import { id } from './evm.ts'

const KINDS = ['artifact', 'certification', 'vulnerability'] as const
type Kind = (typeof KINDS)[number]
const ROLES = ['ncca', 'nab', 'coordinator', 'cab', 'manufacturer', 'holder'] as const
type Role = (typeof ROLES)[number]
const idOf = (role: Role) => id(0x100 + ROLES.indexOf(role))
/** A country's chains, as whoever has a role there signs on them. */
type Country = { code: string; key(role: Role): string; as(kind: Kind, role: Role): Promise<RuleChain> }

const DAY = 86_400
const YEAR = 365 * DAY
const NOW = Math.floor(Date.now() / 1000)
const [SCHEME, CATEGORY, ARTIFACT, VERSION, CERTIFICATE, ACT] = [0x71, 0xc1, 0xa1, 0xb1, 0xce, 0xac].map(id) as [
  string,
  string,
  string,
  string,
  string,
  string,
]
const SCHEME_TERMS: SchemeInput = { ...EUCC.terms, document: id(1), scope: id(2), adopted: NOW - YEAR }

const partyOf = ({ code, key }: Pick<Country, 'code' | 'key'>, role: Role): NewParty => ({
  id: idOf(role),
  kind: role,
  country: code,
  key: key(role),
  act: ACT,
})
const genesisOf = (country: Pick<Country, 'code' | 'key'>, kind: Kind): Genesis => ({
  chain: { kind, country: country.code },
  parties: (['ncca', 'nab', 'coordinator'] as const).map(role => partyOf(country, role)),
  ...(kind === 'vulnerability'
    ? {
        disclosure: {
          maxEmbargo: 90 * DAY,
          maxTotal: 180 * DAY,
          acceptWithin: 14 * DAY,
          announcements: 9,
          per: DAY,
        },
      }
    : {}),
})

/** Of six users of two organisations; a chain is a name of the chaincode. */
async function onFabric(t: TestContext, bin: string): Promise<Country> {
  const network = await startFabric(bin, temporaryFolder(t), 'etcdraft', { users: 3, chaincodes: KINDS })
  t.after(() => network.stop())
  const text = (file: string) => readFileSync(file, 'utf8')
  const open = async (kind: Kind, role: Role) => {
    const n = ROLES.indexOf(role)
    const { mspId, users } = network.organizations[n % 2]!
    const { cert, key } = users[n >> 1]!
    const chain = await openFabricRuleChain({
      endpoints: network.organizations.flatMap(({ peers }) =>
        peers.map(({ endpoint }) => endpoint.replace('127.0.0.1', 'localhost')),
      ),
      tlsCert: network.organizations.map(({ tlsCert }) => text(tlsCert)).join(''),
      mspId,
      cert: text(cert),
      key: text(key),
      fabricChannel: network.fabricChannel,
      chaincode: kind,
      pollMs: 50,
    })
    t.after(() => chain.close())
    return chain
  }
  const named = await Promise.all(ROLES.map(async role => [role, (await open('artifact', role)).account] as const))
  const accounts = new Map<Role, string>(named)
  const country = { code: 'FR', key: (role: Role) => accounts.get(role) ?? assert.fail(role), as: open }
  for (const kind of KINDS) await (await open(kind, 'ncca')).run('found', genesisOf(country, kind))
  return country
}

async function onQuorum(t: TestContext, path: string): Promise<Country> {
  const network = await startQuorum(path, join(temporaryFolder(t), 'quorum'), 'qbft')
  t.after(() => network.stop())
  const provider = createHttpProvider({ urls: network.nodes.map(({ url }) => url) })
  t.after(() => provider.close())
  const accountOf = (role: Role) => testAccount(900 + ROLES.indexOf(role))
  const country = { code: 'DE', key: (role: Role) => accountOf(role).address }
  const { chainId } = network
  const validators = network.nodes.map(({ address }) => address)
  const contracts = new Map<Kind, Readonly<Record<string, string>>>()
  for (const [n, kind] of KINDS.entries())
    contracts.set(
      kind,
      await deployRuleChain({ provider, chainId, deployer: testAccount(990 + n), genesis: genesisOf(country, kind) }),
    )
  return {
    ...country,
    as: async (kind, role) =>
      openEvmRuleChain({
        provider,
        chainId,
        kind,
        contracts: contracts.get(kind) ?? {},
        account: accountOf(role),
        finality: 'instant',
        validators,
        pollMs: 50,
      }),
  }
}

/** The EU chain, on which the Commission has adopted the scheme. */
async function startEu(t: TestContext): Promise<RuleChain> {
  const provider = await createEmbeddedProvider({ folder: temporaryFolder(t), chainId: 6190, now: Date.now })
  t.after(() => provider.close())
  const asked: Eip1193Provider = { request: request => provider.request(request) }
  const commission = testAccount(980)
  const genesis: Genesis = {
    chain: { kind: 'eu', country: 'EU' },
    parties: [{ id: id(1), kind: 'commission', country: 'EU', key: commission.address, act: ACT }],
    consortium: { numerator: 2, denominator: 3, period: DAY },
  }
  const contracts = await deployRuleChain({ provider: asked, chainId: 6190, deployer: testAccount(981), genesis })
  const eu = await openEvmRuleChain({
    provider: asked,
    chainId: 6190,
    kind: 'eu',
    contracts,
    account: commission,
    finality: 'instant',
  })
  await eu.run('adoptScheme', SCHEME, SCHEME_TERMS)
  return eu
}

/** From a manufacturer's registration to a certificate, with facts of the EU chain and of the artifact chain. */
async function certify(t: TestContext, country: Country, eu: RuleChain) {
  const chains = new Map(await Promise.all(KINDS.map(async kind => [kind, await country.as(kind, 'ncca')] as const)))
  const on = (kind: Kind) => chains.get(kind) ?? assert.fail(kind)
  const facts = createFacts({
    country: country.code,
    from: kind => (kind === 'eu' ? eu : on(kind)),
    to: kind => (kind === 'eu' ? undefined : on(kind)),
    file: join(temporaryFolder(t), 'facts.json'),
    log: (_, message, details) => assert.fail(`${message} ${JSON.stringify(details)}`),
  })
  const [maker, accreditor, body] = await Promise.all([
    country.as('artifact', 'manufacturer'),
    country.as('certification', 'nab'),
    country.as('certification', 'cab'),
  ])
  await on('artifact').run('registerParty', partyOf(country, 'manufacturer'))
  await maker.run('registerArtifact', ARTIFACT, id(5))
  await maker.run('setSupport', ARTIFACT, { guidance: id(6), until: NOW + YEAR, contact: id(7), repository: id(8) })
  await maker.run('registerVersion', ARTIFACT, VERSION, { firmware: id(9), sbom: id(10), mud: id(0) })
  const entered = await facts.copy()
  assert.equal(await facts.copy(), 0)
  const scope = { schemes: [SCHEME], categories: [CATEGORY], until: NOW + 3 * YEAR }
  await accreditor.run('registerParty', partyOf(country, 'cab'))
  await accreditor.run('accredit', idOf('cab'), scope)
  await on('certification').run('notifyBody', idOf('cab'), '0123', false)
  await on('certification').run('registerParty', partyOf(country, 'holder'))
  const input = {
    scheme: SCHEME,
    level: 'substantial' as const,
    holder: idOf('holder'),
    versions: [VERSION],
    components: [],
    categories: [CATEGORY],
    document: id(11),
    report: id(12),
    van: 2,
    since: NOW - DAY,
    until: NOW + YEAR,
    due: [NOW + 100 * DAY],
  }
  await assert.rejects(body.run('issue', CERTIFICATE, { ...input, versions: [id(0xbad)] }), {
    name: 'Refusal',
    row: 18,
  })
  const issued = await body.run('issue', CERTIFICATE, input)
  const certified = await on('certification').history({ about: VERSION, fromBlock: issued.block })
  const { value, level } = await on('certification').get('certificate', CERTIFICATE)
  const version = (await on('certification').get('version', VERSION)).value
  return {
    entered,
    level,
    certified: certified.map(({ name, subject }) => [name, subject]),
    certificate: value,
    version,
  }
}

test('France on Fabric, Germany on GoQuorum, the EU chain embedded: the same rules, the same end', async t => {
  const [fabric, quorum] = [findFabric(), findQuorum()]
  if ('reason' in fabric) return t.skip(fabric.reason)
  if ('reason' in quorum) return t.skip(quorum.reason)
  const [eu, ...countries] = await Promise.all([startEu(t), onFabric(t, fabric.bin), onQuorum(t, quorum.path)])
  const began = performance.now()
  const [france, germany] = await Promise.all(countries.map(country => certify(t, country, eu)))
  t.diagnostic(
    `measured: certified in both countries ${((performance.now() - began) / 1000).toFixed(1)} s after their chains were there`,
  )
  assert.deepEqual([france?.level, germany?.level], ['asked', 'proven'])
  // What is undefined and what is left out are the same to the rules.
  const plain = (end: typeof france) => JSON.parse(JSON.stringify({ ...end, level: '' })) as object
  assert.deepEqual(plain(france), plain(germany))
  assert.deepEqual(france?.certified, [['VersionCertified', CERTIFICATE]])
  assert.equal(france?.version?.from, 'attested')
})

// The same by the commands, as people have them.
const FILES = ['ncca', 'nab', 'coordinator', 'acme', 'certifier-1', 'finder', 'reader'] as const

/** federation.yaml and what its chains begin with, with every chain elsewhere. */
function moveChains(
  dir: string,
  code: string,
  entry: (kind: Kind) => object,
  key?: (authority: string) => string,
): void {
  const file = join(dir, code, 'federation.yaml')
  const config = parse(readFileSync(file, 'utf8')) as { chains: Record<string, object> }
  for (const kind of KINDS) {
    const genesis = join('genesis', `${kind}.json`)
    config.chains[kind] = { ...entry(kind), genesis }
    const begins = JSON.parse(readFileSync(join(dir, code, genesis), 'utf8')) as Genesis
    for (const party of begins.parties) party.key = key?.(party.kind) ?? party.key
    writeFileSync(join(dir, code, genesis), JSON.stringify(begins))
  }
  writeFileSync(file, stringify(config))
}

test('commands on a federation with France on Fabric, Germany on GoQuorum, the EU chain embedded', async t => {
  const [fabric, quorum] = [findFabric(), findQuorum()]
  if ('reason' in fabric) return t.skip(fabric.reason)
  if ('reason' in quorum) return t.skip(quorum.reason)
  const cwd = temporaryFolder(t)
  const dir = join(cwd, 'federation')
  const chaincodeOf = (kind: Kind) => `fr-${kind}`
  const [a, b, c] = KINDS.map(chaincodeOf)
  const [onFabric, onQuorum] = await Promise.all([
    startFabric(fabric.bin, temporaryFolder(t), 'etcdraft', {
      users: FILES.length,
      chaincodes: [a ?? assert.fail(), b ?? assert.fail(), c ?? assert.fail()],
    }),
    startQuorum(quorum.path, join(temporaryFolder(t), 'quorum'), 'qbft'),
  ])
  t.after(() => Promise.all([onFabric.stop(), onQuorum.stop()]))
  const run = async (...args: string[]) => {
    const { code, out, err } = await entente(args, { cwd })
    assert.equal(code, 0, `entente ${args.join(' ')}\n${out}${err}`)
    return out.trim()
  }
  const script = (text: string) => runScript(text, { cwd })
  initFederation({ dir, members: ['FR', 'DE'], port: 0, testSeed: 'entente test technologies' })

  // Germany: three chains on one network, each with a deployer of its own.
  const deployers = new Map<Kind, string>()
  for (const [n, kind] of KINDS.entries()) {
    const file = join(dir, 'DE/keys', `deployer-${kind}.key`)
    writeFileSync(file, (0xde00 + n).toString(16).padStart(64, '0'), { mode: 0o600 }) // TEST KEY
  }
  const ofQuorum = (kind: Kind) => ({
    kind: 'evm',
    urls: onQuorum.nodes.map(({ url }) => url),
    chainId: onQuorum.chainId,
    finality: 'instant',
    validators: onQuorum.nodes.map(({ address }) => address.toLowerCase()),
    ...(deployers.has(kind) ? { deployer: deployers.get(kind) } : {}),
  })
  moveChains(dir, 'DE', ofQuorum)
  for (const kind of KINDS)
    deployers.set(kind, await run('federation', 'key', `DE/${kind}`, '--as', `DE/deployer-${kind}`))
  moveChains(dir, 'DE', ofQuorum)

  // France: identities of the organisation's CA, whose names its chains begin with.
  const [org] = onFabric.organizations
  const own = org ?? assert.fail()
  mkdirSync(join(dir, 'FR/keys/fabric'), { mode: 0o700 })
  for (const [n, name] of FILES.entries()) {
    const to = (end: string) => join(dir, 'FR/keys/fabric', `${name}.${end}`)
    copyFileSync(own.users[n]?.cert ?? assert.fail(), to('crt'))
    copyFileSync(own.users[n]?.key ?? assert.fail(), to('key'))
    chmodSync(to('key'), 0o600)
  }
  const cas = onFabric.organizations.map(({ tlsCert }) => readFileSync(tlsCert, 'utf8')).join('')
  writeFileSync(join(dir, 'FR/tls-ca.pem'), cas)
  const peers = own.peers.map(({ endpoint }) => endpoint.replace('127.0.0.1', 'localhost'))
  const ofFabric = (kind: Kind) => ({
    kind: 'fabric',
    endpoints: peers,
    tlsCert: 'tls-ca.pem',
    mspId: own.mspId,
    cert: 'keys/fabric/reader.crt',
    key: 'keys/fabric/reader.key',
    fabricChannel: onFabric.fabricChannel,
    chaincode: chaincodeOf(kind),
  })
  moveChains(dir, 'FR', ofFabric)
  const countries = () => ['EU', 'FR', 'DE'].map(country => loadCountry(dir, country))
  const start = () => startFederation(dir, countries(), { demo: false, log: () => {}, now: Date.now })
  await assert.rejects(start(), { code: 'usage', message: /keys of ncca, nab, coordinator.*federation key FR\// })
  const names = new Map<string, string>()
  for (const kind of ['ncca', 'nab', 'coordinator'])
    names.set(kind, await run('federation', 'key', 'FR/artifact', '--as', `FR/${kind}`))
  assert.match(names.get('ncca') ?? '', /^Org1MSP:x509::/)
  moveChains(dir, 'FR', ofFabric, kind => names.get(kind) ?? assert.fail(kind))

  // What is wrong with an entry is said by its name.
  const wrong = async (change: object, message: RegExp, exit: number, ...args: string[]) => {
    moveChains(dir, 'FR', kind => ({ ...ofFabric(kind), ...change }))
    const { code, err } = await entente(args, { cwd })
    assert.match(err, message)
    assert.equal(code, exit, err)
  }
  const head = ['federation', 'history', 'FR/artifact']
  const missing = ['federation', 'party', 'FR/artifact', 'manufacturer', 'Nobody', '--as', 'FR/ncca']
  await wrong({}, /the private key .*fabric\/nobody\.key .*the CA of its organisation/, 2, ...missing)
  await wrong({ cert: 'keys/fabric/none.crt' }, /the certificate .*none\.crt/, 2, ...head)
  await wrong(
    { cert: 'keys/fabric/ncca.crt' },
    /reader\.key is not the private key of the certificate .*ncca\.crt/,
    2,
    ...head,
  )
  await wrong({ tlsCert: 'none.pem' }, /CAs of the peers' TLS certificates, .*none\.pem/, 2, ...head)
  await wrong({ fabricChannel: 'another' }, /FR\/artifact, chaincode fr-artifact on channel another/, 3, ...head)
  await wrong({ chaincode: 'none' }, /FR\/artifact, chaincode none on channel/, 3, ...head)
  await wrong({ mspId: 'Org9MSP' }, /FR\/artifact, .*asked as Org9MSP: .*creator org unknown/, 3, ...head)
  await wrong({ endpoints: ['localhost:1'] }, /FR\/artifact, .*localhost:1/, 3, ...head)
  moveChains(dir, 'FR', ofFabric)

  const federation = await start()
  t.after(() => federation.close())
  assert.equal(federation.chains.length, 7)
  const files = { 'firmware.bin': 'firmware', 'report.txt': 'a report', 'advisory.json': cveOf('openssl') }
  for (const [name, content] of Object.entries(files)) writeFileSync(join(cwd, name), content)
  for (const country of ['FR', 'DE']) writeFileSync(join(cwd, `${country}.cdx.json`), sbomOf(`${country} 1`))
  await run('federation', 'call', 'EU', 'adoptScheme', JSON.stringify([EUCC.id, EUCC.terms]), '--as', 'EU/commission')
  const until = async (what: string, is: () => Promise<boolean>) => {
    for (const end = performance.now() + 60_000; !(await is()); ) assert.ok(performance.now() < end, what)
  }
  const knows = (chain: string, kind: string, id: string) =>
    until(
      `${chain} to know ${kind} ${id}`,
      async () => (await entente(['federation', 'get', chain, kind, id], { cwd })).code === 0,
    )

  const certifyIn = async (country: string) => {
    const artifact = `${country}/artifact`
    const signed = (name: string) => `--as ${country}/${name}`
    await script(`
    $ entente federation party ${artifact} manufacturer ACME ${signed('ncca')}
    ${artifact}: PartyRegistered in block …
    …
    $ entente artifact register "router ${country}" --manufacturer ACME ${signed('acme')}
    ${artifact}: ArtifactRegistered in block …
    …
    $ entente artifact support "router ${country}" --guidance guide --until 900d --contact psirt --repository csaf ${signed('acme')}
    ${artifact}: SupportSet in block …
    $ entente artifact version "router ${country}" 1 --firmware firmware.bin --sbom ${country}.cdx.json ${signed('acme')}
    ${artifact}: VersionRegistered in block …
    …
    $ entente federation party ${country}/certification cab "Certifier 1" ${signed('nab')}
    ${country}/certification: PartyRegistered in block …
    …
    $ entente certificate accredit "Certifier 1" --schemes EUCC --categories routers --until 365d ${signed('nab')}
    ${country}/certification: BodyAccredited in block …
    $ entente certificate notify "Certifier 1" 0799 ${signed('ncca')}
    ${country}/certification: BodyNotified in block …
    $ entente federation party ${country}/vulnerability provider finder ${signed('coordinator')}
    ${country}/vulnerability: PartyRegistered in block …
    …
    `)
    await knows(`${country}/certification`, 'version', subjectId('version', `router ${country} 1`))
    await knows(`${country}/certification`, 'scheme', EUCC.id)
    await script(`
    $ entente certificate issue EUCC-${country} --level high --holder ACME --versions "router ${country} 1" --categories routers --report report.txt ${signed('certifier-1')}
    entente certificate: refused by row 20 …
    [exit 1]
    $ entente certificate issue EUCC-${country} --level substantial --holder ACME --versions "router ${country} 1" --categories routers --report report.txt --issuer "Certifier 1" ${signed('certifier-1')}
    ${country}/certification: CertificateIssued, VersionCertified in block …
    …
    $ entente vulnerability announce CVE-${country} --report report.txt --version "router ${country} 1" --until 60d --secret ${country}.json ${signed('finder')}
    ${country}/vulnerability: VulnerabilityAnnounced in block …
    …
    $ entente vulnerability embargo reject CVE-${country} ${signed('coordinator')}
    …
    $ entente vulnerability disclose CVE-${country} --secret ${country}.json ${signed('finder')}
    …
    $ entente certificate show EUCC-${country} --country ${country}
    EUCC-${country} (0x…): inForce
    …
      public part 0x… matches the chain
      ${country === 'FR' ? 'asked' : 'proven'} at block …
    `)
    const about = subjectId('vulnerability', `CVE-${country}`)
    await until(`${artifact} to know that it is disclosed`, async () =>
      (await entente(['federation', 'get', artifact, 'foreignCase', about], { cwd })).out.includes('disclosed'),
    )
    await script(`
    $ entente artifact label "router ${country}" 1 CVE-${country} affected ${signed('acme')}
    ${artifact}: VersionLabelled in block …
    $ entente artifact affected advisory.json --country ${country}
    router ${country} 1: affected by CVE-2022-3602
      openssl 3.0.1 (purl, versions >=3.0.0 <3.0.7)
    1 finding in 1 version with an SBOM here; 0 versions without one, …
    [exit 1]
    $ entente due --country ${country}
    …
    …  certificate ends …EUCC-${country} …
    …
    `)
  }
  await Promise.all([certifyIn('FR'), certifyIn('DE')])

  // What was verified, and on whose word the rest is.
  await script(`
    $ entente check "router DE 1" --country DE --require level=substantial,proven
    …
      certified  YES, exactly this version
    …
        CVE-DE: affected, says ACME on …
    …
      rests on … readings, … of them proven; that histories are whole is what the chains' processes say
    $ entente check "router FR 1" --country FR --require level=substantial
    …
      certified  YES, exactly this version
    …
        CVE-FR: affected, says ACME on …
    …
      rests on … readings, 0 of them proven; that histories are whole is what the chains' processes say
      on the word of the peer that answered of ${peers.join(', ')} (Fabric): all that FR/artifact says
      on the word of the peer that answered of ${peers.join(', ')} (Fabric): all that FR/certification says
    …
    $ entente check "router FR 1" --country FR --require proven
    …
      NOT MET: not every reading is proven
    [exit 1]
    $ entente federation status
    CHAIN             LEDGER    BLOCK …
    EU                embedded …
    DE/artifact       evm …
    DE/certification  evm …
    DE/vulnerability  evm …
    FR/artifact       fabric …
    FR/certification  fabric …
    FR/vulnerability  fabric …
  `)
  // For others' tools; and what was certified before there were chains.
  mkdirSync(join(cwd, 'sec-certs'))
  const references =
    "cert_id,scheme,refs\nANSSI-1,FR,{'BSI-1'}\nANSSI-2,FR,set()\nBSI-1,DE,set()\nKECS-1,KR,{'ANSSI-2'}\n"
  writeFileSync(join(cwd, 'sec-certs/references.csv'), references)
  const dated = 'cert_id,dgst,manufacturer,not_valid_before,not_valid_after\nANSSI-1,12ab,ACME,2024-01-01,2034-01-01\n'
  writeFileSync(join(cwd, 'sec-certs/certificates.csv'), dated)
  await script(`
    $ entente certificate import sec-certs
    COUNTRY  CERTIFICATES  FOREIGN  IMPORTED  HOLDERS  SECONDS
    DE       1 …
    FR       3 …
    …
    $ entente check ANSSI-1 --require certified
    ANSSI-1 (0x…) at …
      certificate on the chain of FR, imported: inForce, from 2024-01-01T00:00:00Z, until 2034-01-01T00:00:00Z
    …
  `)
  for (const country of ['FR', 'DE']) {
    const from = ['vulnerability', 'export', `CVE-${country}`, '--country', country]
    const as = ['--publisher', 'ACME', '--namespace', 'https://acme.example', '--format', 'csaf']
    const advisory = JSON.parse(await run(...from, ...as)) as Record<string, any>
    const status = { known_affected: [subjectId('version', `router ${country} 1`)] }
    assert.deepEqual(advisory['vulnerabilities'][0].product_status, status)
  }
  // The documents that the chains have commitments of are in each country's collections.
  for (const country of ['FR', 'DE']) {
    const documents = join(dir, country, 'documents')
    renameSync(documents, `${documents}.aside`)
    await until(`the documents of ${country}`, async () => {
      const { out } = await entente(['certificate', 'show', `EUCC-${country}`, '--country', country], { cwd })
      return /public part 0x[0-9a-f]{64} matches the chain/.test(out)
    })
    renameSync(`${documents}.aside`, documents)
  }

  // A start finds all again, and refuses a channel whose chain began otherwise.
  await federation.close()
  const again = await start()
  await again.close()
  moveChains(dir, 'FR', ofFabric, kind => `${names.get(kind)} of somebody else`)
  await assert.rejects(start(), { code: 'usage', message: /fr-\w+ on channel \w+ began otherwise than genesis/ })
})
