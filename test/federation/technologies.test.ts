// A federation on real technologies: the EU chain embedded, the national chains of France on Hyperledger Fabric, those of Germany on GoQuorum. The same is
// done in both countries, facts are copied between their chains, and what stands on them at the end is the same. Skipped where there are no binaries.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Genesis, NewParty, SchemeInput } from '@entente/rules'
import { createFacts } from '../../packages/entente/cli/federation/facts.ts'
import { testAccount } from '../../packages/entente/ledger/conformance/evm.ts'
import { createEmbeddedProvider } from '../../packages/entente/ledger/evm/embedded/provider.ts'
import { createHttpProvider } from '../../packages/entente/ledger/evm/http.ts'
import type { Eip1193Provider } from '../../packages/entente/ledger/evm/provider.ts'
import { openEvmRuleChain } from '../../packages/entente/ledger/evm/rules/chain.ts'
import { deployRuleChain } from '../../packages/entente/ledger/evm/rules/deploy.ts'
import { openFabricRuleChain } from '../../packages/entente/ledger/fabric/rules.ts'
import type { RuleChain } from '../../packages/entente/ledger/rule-chain.ts'
import { EUCC } from '../../packages/entente/registry/eucc.ts'
import { findFabric, startFabric } from '../support/fabric.ts'
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
