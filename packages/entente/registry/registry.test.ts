// The services over chains in memory: what each tells is what the rules made of what was done, and as strong as what it was read by.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commit, type Genesis, type NewParty, type PartyKind, Refusal, type SchemeInput } from '@entente/rules'
import type { RuleChain } from '#ledger/rule-chain.ts'
import { createMemoryChain } from '../ledger/memory/rule-chain.ts'
import { commitDocument, withSalt } from '../product/commitment.ts'
import { ProductError } from '../product/error.ts'
import { createArtifactRegistry } from './artifact.ts'
import { createCertificateRegistry } from './certificate.ts'
import { createConsortium } from './consortium.ts'
import { createVulnerabilityRegistry } from './vulnerability.ts'

const DAY = 86_400
const NOW = 1_800_000_000
const id = (n: number) => `0x${n.toString(16).padStart(64, '0')}`
const party = (n: number, kind: PartyKind, country = 'FR'): NewParty => ({
  id: id(n),
  kind,
  country,
  key: kind,
  act: id(9),
})
const refused = (code: string, row: number) => (error: unknown) =>
  error instanceof Refusal && error.code === code && error.row === row

async function found(kind: Genesis['chain']['kind'], more: Partial<Genesis> = {}) {
  const clock = { now: NOW }
  const parties = [party(1, 'ncca'), party(2, 'nab'), party(3, 'coordinator')]
  const genesis = { chain: { kind, country: kind === 'eu' ? 'EU' : 'FR' }, parties, ...more }
  const chain = await createMemoryChain({ genesis, now: () => clock.now })
  return { clock, as: (key: string) => chain.as(key) }
}

/** The same chain, whose readings are shown to be so strong. */
const proven = (chain: RuleChain): RuleChain => ({
  ...chain,
  get: async (kind, entity, block) => ({ ...(await chain.get(kind, entity, block)), level: 'proven' }),
})

test('consortium: a preview leaves no trace; votes are counted as they stand', async () => {
  const members = [party(1, 'commission', 'EU'), party(2, 'state'), party(3, 'enisa', 'EU')]
  const { as, clock } = await found('eu', {
    parties: members,
    consortium: { numerator: 2, denominator: 3, period: DAY },
    chains: [{ id: id(7), validators: ['v1'], writers: [], minimum: 1 }],
  })
  const consortium = createConsortium(as('state'))
  const change = { do: 'validators', chain: id(7), add: ['v2'], remove: [] } as const
  const proposal = consortium.propose({ ...change, add: [...change.add], remove: [] })
  await proposal.preview()
  assert.equal((await consortium.openProposals()).value.length, 0)
  await proposal.run()
  const [open] = (await consortium.openProposals()).value
  assert.deepEqual([open?.number, open?.agreed, open?.needed, open?.isOpen], ['1', 1, 2, true])
  await assert.rejects(consortium.vote('1').preview(), refused('VotedAlready', 2))
  await createConsortium(as('commission')).vote('1').run()
  assert.equal((await consortium.proposal('1')).value?.isOpen, false)
  assert.deepEqual((await consortium.chainSet(id(7))).value?.validators, ['v1', 'v2'])
  assert.equal((await consortium.proposal('2')).value, undefined)
  clock.now += 2 * DAY
  assert.deepEqual(
    (await consortium.historyOf('1')).map(event => event.name),
    ['ChangeProposed', 'ChangeConfirmed', 'ChangeMade'],
  )
})

test('artifacts: versions, Article 55 and labels with their histories; a document that the chain has not is refused', async () => {
  const { as } = await found('artifact')
  const [ncca, artifacts] = [createArtifactRegistry(as('ncca')), createArtifactRegistry(as('manufacturer'))]
  await ncca.registerParty(party(4, 'manufacturer')).run()
  const document = withSalt(
    { type: 'infrastructure', id: 'infrastructure--1', name: 'router' },
    new Uint8Array(32).fill(7),
  )
  await artifacts.register(id(0xa1), commitDocument(document)).run()
  const support = { guidance: id(1), until: NOW + 9 * DAY, contact: id(2), repository: id(3) }
  await artifacts.setSupport(id(0xa1), support).run()
  const early = (await artifacts.artifact(id(0xa1))).block
  await artifacts.setSupport(id(0xa1), { ...support, until: NOW + 99 * DAY }).run()
  const version = { firmware: id(6), sbom: id(7), mud: id(8) }
  await artifacts.registerVersion(id(0xa1), id(0xb1), version).run()
  await artifacts.registerVersion(id(0xa1), id(0xb2), { ...version, patches: id(0xb1), fixes: [id(0xe1)] }).run()
  await artifacts.label(id(0xb1), id(0xe1), 'affected').run()
  await artifacts.label(id(0xb1), id(0xe1), 'not_affected', id(5)).run()

  assert.deepEqual(
    (await artifacts.versionsOf(id(0xa1))).value.map(one => [one.id, one.patches]),
    [
      [id(0xb1), undefined],
      [id(0xb2), id(0xb1)],
    ],
  )
  assert.deepEqual(
    (await artifacts.supportOf(id(0xa1))).value.map(one => one.until),
    [NOW + 9 * DAY, NOW + 99 * DAY],
  )
  assert.deepEqual(
    (await artifacts.supportOf(id(0xa1), early)).value.map(one => one.until),
    [NOW + 9 * DAY],
  )
  assert.deepEqual((await artifacts.versionsOf(id(0xa1), early)).value, [])
  const [said] = (await artifacts.labelsOf(id(0xb1))).value
  assert.deepEqual(
    [said?.by, said?.now.status, said?.before.map(one => one.status)],
    [id(4), 'not_affected', ['affected']],
  )
  await assert.rejects(artifacts.label(id(0xb1), id(0xe1), 'not_affected').preview(), refused('Missing', 16))

  assert.equal((await artifacts.describe(id(0xa1), document)).value?.['name'], 'router')
  await assert.rejects(
    artifacts.describe(id(0xa1), { ...document, name: 'rooter' }),
    (error: unknown) => error instanceof ProductError && error.code === 'commitment',
  )
  const strong = createArtifactRegistry(proven(as('manufacturer')))
  assert.equal((await strong.supportOf(id(0xa1))).level, 'proven')
  assert.equal((await strong.versionsOf(id(0xa1))).level, 'asked') // that there are no more, nobody proves
})

const scheme: SchemeInput = {
  document: id(10),
  scope: id(11),
  adopted: NOW - DAY,
  endsAt: undefined,
  levels: ['basic', 'substantial'],
  maxValidity: 999 * DAY,
  allowsDeclaration: true,
  isPublicOnly: false,
  authorisedLevels: [],
  van: {},
  maxSuspension: 42 * DAY,
  maxSuspended: 365 * DAY,
  maxAccreditation: 999 * DAY,
  allowsProfiles: true,
}

test('certificates: what a body may do, what a certificate is at a time, and which name a version', async () => {
  const { as, clock } = await found('certification')
  const [ncca, nab, cab] = ['ncca', 'nab', 'cab'].map(key => createCertificateRegistry(as(key))) as [
    ReturnType<typeof createCertificateRegistry>,
    ReturnType<typeof createCertificateRegistry>,
    ReturnType<typeof createCertificateRegistry>,
  ]
  const version = {
    artifact: id(0xa1),
    manufacturer: id(4),
    firmware: id(6),
    sbom: id(7),
    mud: id(8),
    fixes: [],
    hasSupport: true,
  }
  await ncca.attest({ kind: 'version', id: id(0xb1), value: version }).run()
  await ncca.registerScheme(id(0x51), scheme, []).run()
  await ncca.registerParty(party(4, 'manufacturer')).run()
  await nab.registerParty(party(5, 'cab')).run()
  await nab.accredit(id(5), { schemes: [id(0x51)], categories: [], until: NOW + 99 * DAY }).run()
  const input = {
    scheme: id(0x51),
    level: 'substantial' as const,
    holder: id(4),
    versions: [id(0xb1)],
    components: [],
    categories: [],
    document: id(0xd1),
    report: id(0xd2),
    van: 0,
    since: NOW - DAY,
    until: NOW + 50 * DAY,
    due: [],
  }
  await assert.rejects(cab.issue(id(0xc1), input).preview(), refused('NotNotified', 18))
  await ncca.notify(id(5), '0344', false).run()
  await cab.issue(id(0xc1), input).run()
  const body = await cab.body(id(5))
  assert.deepEqual([body.value?.notification?.number, body.value?.accreditation?.standing], ['0344', 'live'])
  assert.equal((await cab.body(id(0x99))).value, undefined)

  await cab.suspend(id(0xc1), NOW + 10 * DAY, id(1), id(2)).run()
  const stateAt = async (now?: number) => (await cab.certificate(id(0xc1), now)).value?.state
  assert.deepEqual(
    [await stateAt(), await stateAt(NOW + 20 * DAY), await stateAt(NOW + 60 * DAY)],
    ['suspended', 'inForce', 'expired'],
  )
  clock.now = NOW + DAY
  await cab.lift(id(0xc1)).run()
  const [named] = (await cab.certificatesOf(id(0xb1))).value
  assert.deepEqual([named?.id, named?.state], [id(0xc1), 'inForce'])
  assert.deepEqual((await cab.certificatesOf(id(0xb2))).value, [])
  await cab.withdraw(id(0xc1), id(3)).run()
  assert.equal(await stateAt(), 'withdrawn')
  assert.equal((await cab.scheme(id(0x51), 1)).value?.owner, 'FR')
})

test('vulnerabilities: a case with what has come true for each manufacturer, and whether it may be disclosed', async () => {
  const disclosure = { maxEmbargo: 90 * DAY, maxTotal: 99 * DAY, acceptWithin: 7 * DAY, announcements: 5, per: DAY }
  const { as } = await found('vulnerability', { disclosure })
  const [ncca, coordinator, provider, maker] = ['ncca', 'coordinator', 'provider', 'manufacturer'].map(key =>
    createVulnerabilityRegistry(as(key)),
  ) as [VulnerabilityOf, VulnerabilityOf, VulnerabilityOf, VulnerabilityOf]
  await ncca.registerParty(party(4, 'manufacturer')).run()
  await coordinator.registerParty(party(6, 'provider')).run()
  const announcement = {
    commitment: commit('report', id(1), id(2)),
    artifact: { sealed: commit('artifact', id(1), id(0xb1)) },
    coordinator: id(3),
    proposedEnd: NOW + 30 * DAY,
  }
  await provider.announce(id(0xe1), announcement).run()
  await coordinator.invite(id(0xe1), id(4)).run()
  await maker.advance(id(0xe1), 'V', id(8)).run()
  await coordinator.acceptEmbargo(id(0xe1)).run()
  await maker.acceptEmbargo(id(0xe1)).run()
  const { value } = await provider.case(id(0xe1))
  assert.deepEqual([value?.embargo, value?.isEmbargoed], ['active', true])
  assert.deepEqual(
    value?.manufacturers.map(one => [one.id, one.bits.vendorAware]),
    [[id(4), true]],
  )
  assert.equal((await provider.case(id(0xe1), NOW + 31 * DAY)).value?.isEmbargoed, false)
  assert.equal((await provider.case(id(0xe9))).value, undefined)
  const shown = { salt: id(1), content: id(2), artifact: { salt: id(1), version: id(0xb1) } }
  await assert.rejects(provider.disclose(id(0xe1), shown).preview(), refused('Embargoed', 34))
  assert.deepEqual((await provider.casesOf(id(0xb1))).value, [])
  await maker.leaveEmbargo(id(0xe1), id(7)).run()
  await provider.disclose(id(0xe1), shown).run()
  assert.deepEqual(
    (await provider.casesOf(id(0xb1))).value.map(one => [one.id, one.disclosed]),
    [[id(0xe1), NOW]],
  )
  assert.equal((await provider.policy()).value?.announcements, 5)
})
type VulnerabilityOf = ReturnType<typeof createVulnerabilityRegistry>
