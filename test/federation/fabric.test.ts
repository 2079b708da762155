// Every row of docs/rules.md on a real Fabric network (test/support/fabric.ts): a call that obeys it and one that breaks it, with two organisations that
// must come to the same. Four chains are four names of our chaincode. Skipped where there are no binaries.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import {
  type CertificateInput,
  type ChainKind,
  CHAIN_KINDS,
  commit,
  createMemory,
  type Genesis,
  invokeRule,
  type Memory,
  type PartyKind,
  Refusal,
  type RefusalCode,
  type RuleArguments,
  type RuleName,
} from '@entente/rules'
import { ROWS } from '../../packages/rules/rows.ts'
import { openFabricRuleChain } from '../../packages/entente/ledger/fabric/rules.ts'
import type { RuleChain } from '../../packages/entente/ledger/rule-chain.ts'
import { type FabricNetwork, findFabric, startFabric } from '../support/fabric.ts'
import { id } from './evm.ts'

const folder = mkdtempSync(join(tmpdir(), 'entente-federation-fabric-'))
let network: FabricNetwork | undefined
const opened = new Map<string, Promise<RuleChain>>()
after(async () => {
  for (const chain of opened.values()) await chain.then(one => one.close()).catch(() => undefined)
  await network?.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** Whose user is whose key: of each chain of its own. */
const WHO = ['ncca', 'nab', 'coordinator', 'cab', 'itsef', 'body', 'public', 'maker', 'holder', 'provider'] as const
type Who = (typeof WHO)[number]
/** Of the EU chain. */
const [COMMISSION, FRANCE, GERMANY]: Who[] = ['ncca', 'nab', 'coordinator']
const idOf = (who: Who) => id(1 + WHO.indexOf(who))

const NOW = Math.floor(Date.now() / 1000) - 60
const DAY = 86_400
const YEAR = 365 * DAY
const [UNION, PUBLIC, NATIONAL] = [id(0x71), id(0x72), id(0x73)]
const [ARTIFACT, VERSION, CATEGORY, COMPONENT] = [id(0xa1), id(0xb1), id(0xc1), id(0xc0)]
const [HASH, SALT] = [id(0xd0), id(0x5a)]
const terms = {
  document: HASH,
  scope: id(0x51),
  adopted: NOW - YEAR,
  levels: ['basic' as const, 'substantial' as const, 'high' as const],
  maxValidity: YEAR,
  allowsDeclaration: true,
  isPublicOnly: false,
  authorisedLevels: [],
  van: { high: 5 },
  maxSuspension: 42 * DAY,
  maxSuspended: 100 * DAY,
  maxAccreditation: 5 * YEAR,
  allowsProfiles: true,
}
const input = (more: Partial<CertificateInput> = {}): CertificateInput => ({
  scheme: UNION,
  level: 'substantial',
  holder: idOf('holder'),
  versions: [VERSION],
  components: [COMPONENT],
  categories: [CATEGORY],
  document: HASH,
  report: HASH,
  van: 0,
  since: NOW,
  until: NOW + YEAR / 2,
  due: [NOW + DAY],
  ...more,
})
const scope = { schemes: [UNION, PUBLIC], categories: [CATEGORY], until: NOW + 2 * YEAR }
const [FIRST, HIGH, NEXT] = [id(0xe1), id(0xe2), id(0xe3)]

test('every row on a real network: obeyed, broken, and told as the rules tell it', { timeout: 600_000 }, async t => {
  const found = findFabric()
  if ('reason' in found) return t.skip(found.reason)
  network = await startFabric(found.bin, folder, 'etcdraft', { users: WHO.length, chaincodes: CHAIN_KINDS })
  const { organizations, fabricChannel } = network
  const text = (file: string) => readFileSync(file, 'utf8')
  const [own] = organizations
  const as = (kind: ChainKind, who: Who): Promise<RuleChain> => {
    const name = `${kind} ${who}`
    const user = own!.users[WHO.indexOf(who)]!
    const chain =
      opened.get(name) ??
      openFabricRuleChain({
        endpoints: own!.peers.map(({ endpoint }) => endpoint.replace('127.0.0.1', 'localhost')),
        tlsCert: organizations.map(({ tlsCert }) => text(tlsCert)).join(''),
        mspId: own!.mspId,
        cert: text(user.cert),
        key: text(user.key),
        fabricChannel,
        chaincode: kind,
        pollMs: 50,
      })
    opened.set(name, chain)
    return chain
  }
  const accounts = new Map<Who, string>()
  for (const who of WHO) accounts.set(who, (await as('eu', who)).account)
  const keyOf = (who: Who) => accounts.get(who) as string

  /** The same calls on the rules alone. */
  const memories = new Map<ChainKind, Memory>(CHAIN_KINDS.map(kind => [kind, createMemory()]))
  const obeyed = new Set<number>()
  const broken = new Set<number>()
  async function obeys<N extends RuleName>(row: number, kind: ChainKind, who: Who, rule: N, ...args: RuleArguments<N>) {
    const receipt = await (await as(kind, who)).run(rule, ...args)
    const memory = memories.get(kind) as Memory
    const before = memory.events.length
    await memory.run(keyOf(who), receipt.time, call => invokeRule(call, rule, args))
    const told = receipt.events.map(({ name, subject, by, status }) => ({ name, subject, by, status }))
    const expected = memory.events.slice(before).map(({ name, subject, by, status }) => ({ name, subject, by, status }))
    assert.deepEqual(told, expected, `${rule} of row ${row}`)
    obeyed.add(row)
  }
  async function refuses<N extends RuleName>(
    row: number,
    code: RefusalCode,
    kind: ChainKind,
    who: Who,
    rule: N,
    ...args: RuleArguments<N>
  ) {
    await assert.rejects((await as(kind, who)).run(rule, ...args), (error: unknown) => {
      assert.ok(error instanceof Refusal, `${rule}: ${String(error)}`)
      assert.deepEqual([error.code, error.row], [code, row], rule)
      return true
    })
    broken.add(row)
  }
  const party = (who: Who, kind: PartyKind, country = 'FR') => ({
    id: idOf(who),
    kind,
    country,
    key: keyOf(who),
    act: HASH,
  })
  const founding = async (kind: ChainKind, genesis: Omit<Genesis, 'chain'>) =>
    obeys(0, kind, 'ncca', 'found', { chain: { kind, country: kind === 'eu' ? 'EU' : 'FR' }, ...genesis })

  await t.test('the EU chain: rows 1, 2, 3 and 5', async () => {
    await founding('eu', {
      parties: [party(COMMISSION!, 'commission', 'EU'), party(FRANCE!, 'state'), party(GERMANY!, 'state', 'DE')],
      consortium: { numerator: 2, denominator: 3, period: DAY },
      chains: [{ id: id(0xfa), validators: ['a', 'b'], writers: [], minimum: 2 }],
    })
    const authority = { id: id(0x20), kind: 'ncca' as const, country: 'FR', key: keyOf('holder') }
    await refuses(1, 'WrongCountry', 'eu', GERMANY!, 'propose', { do: 'seat', authority, act: HASH })
    await obeys(1, 'eu', FRANCE!, 'propose', { do: 'seat', authority, act: HASH })
    await refuses(1, 'VotedAlready', 'eu', FRANCE!, 'vote', '1')
    await obeys(1, 'eu', GERMANY!, 'vote', '1')
    const less = { do: 'validators' as const, chain: id(0xfa), add: [], remove: ['a'] }
    await refuses(2, 'BelowMinimum', 'eu', GERMANY!, 'propose', less)
    await obeys(2, 'eu', GERMANY!, 'propose', { ...less, add: ['c'] })
    await obeys(2, 'eu', COMMISSION!, 'vote', '2')
    await refuses(3, 'WrongRole', 'eu', FRANCE!, 'adoptScheme', UNION, terms)
    await obeys(3, 'eu', COMMISSION!, 'adoptScheme', UNION, terms)
    const recognition = { agreement: HASH, levels: ['high' as const], since: NOW, until: NOW + YEAR, isEea: true }
    await refuses(5, 'Unknown', 'eu', COMMISSION!, 'recogniseCountry', 'NO', PUBLIC, recognition)
    await obeys(5, 'eu', COMMISSION!, 'recogniseCountry', 'NO', UNION, recognition)
  })

  await t.test('who is who on a certification chain: rows 4 and 6 to 13', async () => {
    const on = 'certification'
    await founding(on, { parties: [party('ncca', 'ncca'), party('nab', 'nab')] })
    await obeys(0, on, 'ncca', 'attest', { kind: 'scheme', id: UNION, value: { ...terms, version: 1 } })
    const forPublic = { ...terms, scope: id(0x52), isPublicOnly: true, version: 1 }
    await obeys(0, on, 'ncca', 'attest', { kind: 'scheme', id: PUBLIC, value: forPublic })
    await refuses(4, 'Covered', on, 'ncca', 'registerNationalScheme', NATIONAL, terms, [])
    await obeys(4, on, 'ncca', 'registerNationalScheme', NATIONAL, { ...terms, scope: id(0x53) }, [])
    await refuses(6, 'WrongRole', on, 'nab', 'registerParty', party('body', 'certificationBody'))
    await obeys(6, on, 'ncca', 'registerParty', party('body', 'certificationBody'))
    for (const [who, kind] of [
      ['cab', 'cab'],
      ['itsef', 'itsef'],
      ['public', 'publicBody'],
    ] as const)
      await obeys(6, on, 'nab', 'registerParty', party(who, kind))
    for (const who of ['cab', 'itsef', 'body', 'public'] as const)
      await obeys(6, on, 'nab', 'accredit', idOf(who), scope)
    await refuses(7, 'WrongRole', on, 'ncca', 'changeAccreditation', idOf('cab'), { do: 'suspend' }, HASH)
    await obeys(7, on, 'nab', 'changeAccreditation', idOf('cab'), { do: 'restrict', ...scope }, HASH)
    await refuses(8, 'WrongRole', on, 'nab', 'authorise', idOf('cab'), { ...scope, van: 5 })
    for (const who of ['cab', 'itsef'] as const)
      await obeys(8, on, 'ncca', 'authorise', idOf(who), { ...scope, van: 5 })
    await refuses(9, 'WrongState', on, 'ncca', 'changeAuthorisation', idOf('cab'), { do: 'resume' }, HASH)
    await obeys(9, on, 'ncca', 'changeAuthorisation', idOf('cab'), { do: 'restrict', ...scope }, HASH)
    await refuses(10, 'Missing', on, 'ncca', 'notifyBody', idOf('cab'), '1', true)
    for (const [who, number] of [
      ['cab', '0123'],
      ['public', '0124'],
    ] as const)
      await obeys(10, on, 'ncca', 'notifyBody', idOf(who), number, false)
    await refuses(11, 'WrongRole', on, 'ncca', 'delegateHigh', idOf('itsef'), NOW + DAY)
    await obeys(11, on, 'ncca', 'delegateHigh', idOf('cab'), NOW + DAY)
    const approval = { commitment: id(0xd1), until: NOW + DAY, mayBeLonger: true }
    await obeys(12, on, 'ncca', 'approve', idOf('cab'), approval)
    await refuses(12, 'Exists', on, 'ncca', 'approve', idOf('cab'), approval)
    await refuses(13, 'WrongRole', on, 'ncca', 'registerParty', party('provider', 'provider'))
    await obeys(13, on, 'ncca', 'registerParty', party('maker', 'manufacturer'))
    await obeys(13, on, 'ncca', 'registerParty', party('holder', 'holder'))
  })

  await t.test('certificates: rows 17 to 30', async () => {
    const on = 'certification'
    const version = { artifact: ARTIFACT, manufacturer: idOf('maker'), firmware: HASH, sbom: HASH, mud: HASH }
    const value = { ...version, fixes: [], hasSupport: true }
    await obeys(0, on, 'ncca', 'attest', { kind: 'version', id: VERSION, value })
    const legacy = { scheme: UNION, issuer: idOf('cab'), holder: idOf('holder'), components: [], document: HASH }
    await refuses(17, 'WrongRole', on, 'nab', 'importLegacy', id(0xe9), { ...legacy, since: NOW - YEAR })
    await obeys(17, on, 'ncca', 'importLegacy', id(0xe9), { ...legacy, since: NOW - YEAR })
    await refuses(18, 'WrongRole', on, 'maker', 'issue', FIRST, input())
    await obeys(18, on, 'cab', 'issue', FIRST, input())
    await refuses(19, 'WrongRole', on, 'cab', 'issue', id(0xe8), input({ scheme: PUBLIC }))
    await obeys(19, on, 'public', 'issue', id(0xe8), input({ scheme: PUBLIC }))
    const high = input({ level: 'high', itsef: idOf('itsef') })
    await refuses(20, 'WrongRole', on, 'public', 'issue', HIGH, high)
    await obeys(20, on, 'body', 'issue', HIGH, high)
    const long = input({ until: NOW + 2 * YEAR })
    await refuses(21, 'OutOfBounds', on, 'cab', 'issue', id(0xe7), long)
    await obeys(21, on, 'cab', 'issue', id(0xe7), { ...long, document: id(0xd1) })
    const profile = input({ versions: [] })
    await refuses(22, 'NotApproved', on, 'cab', 'certifyProfile', id(0xe6), profile)
    await obeys(22, on, 'body', 'certifyProfile', id(0xe6), profile)
    const dates = { since: NOW, until: NOW + DAY }
    const declaration = { scheme: UNION, versions: [VERSION], document: HASH, report: HASH, ...dates }
    await refuses(23, 'WrongRole', on, 'holder', 'declare', id(0xe5), declaration)
    await obeys(23, on, 'maker', 'declare', id(0xe5), declaration)
    await refuses(24, 'NotYours', on, 'body', 'openReview', FIRST)
    await obeys(24, on, 'cab', 'openReview', FIRST)
    await obeys(25, on, 'cab', 'closeReview', FIRST, { do: 'confirm' })
    await refuses(25, 'WrongState', on, 'cab', 'closeReview', FIRST, { do: 'confirm' })
    await refuses(26, 'OutOfBounds', on, 'cab', 'maintain', FIRST, NEXT, input({ until: NOW + YEAR }))
    await obeys(26, on, 'cab', 'maintain', FIRST, NEXT, input())
    await refuses(27, 'OutOfBounds', on, 'cab', 'suspend', FIRST, NOW + 50 * DAY, HASH, HASH)
    await obeys(27, on, 'cab', 'suspend', FIRST, NOW + 40 * DAY, HASH, HASH)
    await refuses(28, 'WrongRole', on, 'cab', 'extendSuspension', FIRST, NOW + 50 * DAY, HASH)
    await obeys(28, on, 'ncca', 'extendSuspension', FIRST, NOW + 50 * DAY, HASH)
    await obeys(27, on, 'cab', 'lift', FIRST)
    await refuses(29, 'NotYours', on, 'ncca', 'withdraw', FIRST, HASH)
    await obeys(29, on, 'ncca', 'withdraw', HIGH, HASH)
    await refuses(30, 'OutOfScope', on, 'ncca', 'notifyComponent', FIRST, id(0xc9), id(0xbad))
    await obeys(30, on, 'ncca', 'notifyComponent', FIRST, COMPONENT, id(0xbad))
    await obeys(30, on, 'cab', 'clearNotification', FIRST, id(0xbad))
  })

  await t.test('an artifact chain: rows 14 to 16', async () => {
    const on = 'artifact'
    await founding(on, { parties: [party('ncca', 'ncca'), party('coordinator', 'coordinator')] })
    await obeys(13, on, 'ncca', 'registerParty', party('maker', 'manufacturer'))
    await refuses(14, 'WrongRole', on, 'ncca', 'registerArtifact', ARTIFACT, HASH)
    await obeys(14, on, 'maker', 'registerArtifact', ARTIFACT, HASH)
    const support = { guidance: HASH, until: NOW + YEAR, contact: HASH, repository: HASH }
    await refuses(15, 'OutOfBounds', on, 'maker', 'setSupport', ARTIFACT, { ...support, until: NOW })
    await obeys(15, on, 'maker', 'setSupport', ARTIFACT, support)
    await obeys(14, on, 'maker', 'registerVersion', ARTIFACT, VERSION, { firmware: HASH, sbom: HASH, mud: HASH })
    await refuses(16, 'Unknown', on, 'coordinator', 'label', VERSION, id(0xca), 'affected')
    await obeys(16, on, 'maker', 'label', VERSION, id(0xca), 'affected')
    await refuses(0, 'WrongChain', on, 'maker', 'openReview', FIRST)
  })

  await t.test('a vulnerability chain: rows 31 to 35', async () => {
    const on = 'vulnerability'
    const disclosure = { maxEmbargo: 90 * DAY, maxTotal: 180 * DAY, acceptWithin: DAY, announcements: 9, per: DAY }
    await founding(on, { parties: [party('ncca', 'ncca'), party('coordinator', 'coordinator')], disclosure })
    await obeys(13, on, 'ncca', 'registerParty', party('maker', 'manufacturer'))
    await obeys(13, on, 'coordinator', 'registerParty', party('provider', 'provider'))
    const announcement = {
      commitment: commit('report', SALT, HASH),
      artifact: { sealed: commit('artifact', SALT, VERSION) },
      coordinator: idOf('coordinator'),
      proposedEnd: NOW + 30 * DAY,
    }
    await refuses(31, 'WrongRole', on, 'maker', 'announce', id(0xca), announcement)
    await obeys(31, on, 'provider', 'announce', id(0xca), announcement)
    await obeys(31, on, 'coordinator', 'invite', id(0xca), idOf('maker'))
    await refuses(32, 'VotedAlready', on, 'provider', 'acceptEmbargo', id(0xca))
    await obeys(32, on, 'coordinator', 'acceptEmbargo', id(0xca))
    await obeys(32, on, 'maker', 'acceptEmbargo', id(0xca))
    await refuses(33, 'WrongState', on, 'maker', 'advance', id(0xca), 'D', HASH)
    await obeys(33, on, 'maker', 'advance', id(0xca), 'V', HASH)
    const shown = { salt: SALT, content: HASH, artifact: { salt: SALT, version: VERSION } }
    await refuses(34, 'Embargoed', on, 'provider', 'disclose', id(0xca), shown)
    await obeys(32, on, 'maker', 'leaveEmbargo', id(0xca), HASH)
    await obeys(34, on, 'provider', 'disclose', id(0xca), shown)
    await obeys(31, on, 'provider', 'announce', id(0xcb), announcement)
    await refuses(35, 'NotYours', on, 'maker', 'close', id(0xcb), 'invalid', HASH)
    await obeys(35, on, 'coordinator', 'close', id(0xcb), 'invalid', HASH)
    await obeys(35, on, 'provider', 'reopen', id(0xcb), HASH)
  })

  const all = Object.keys(ROWS).map(Number)
  assert.deepEqual([all.filter(row => !obeyed.has(row)), all.filter(row => !broken.has(row))], [[], []])
  const said = await (await as('certification', 'holder')).get('certificate', FIRST)
  assert.deepEqual(said.value, JSON.parse(JSON.stringify(memories.get('certification')?.get('certificate', FIRST))))
})
