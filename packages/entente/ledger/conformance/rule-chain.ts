// What every adapter of the RuleChain port has to do, as tests: call `ruleChainConformance` in a test file of the adapter. What is run is run on a
// chain in memory as well, at the same time: entities, events and refusals must be the same.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  commit,
  CONSORTIUM,
  type Genesis,
  type Kind,
  labelId,
  type NewParty,
  POLICY,
  type PartyKind,
  Refusal,
  type RefusalCode,
  type RuleArguments,
  type RuleName,
  type SchemeInput,
} from '@entente/rules'
import type { Finality } from '../chain.ts'
import { LedgerError } from '../error.ts'
import { onLedger } from './again.ts'
import { createMemoryChain, type MemoryChain } from '../memory/rule-chain.ts'
import type { ReadingLevel, RuleCall, RuleChain, RuleEvent, RuleReceipt } from '../rule-chain.ts'

export interface RuleChainSubject {
  /** The chain as party `n` signs on it; each call opens it anew. */
  as(n: number): Promise<RuleChain>
  /** How readings are shown. */
  readonly level: ReadingLevel
  readonly finality: Finality
  dispose(): Promise<void>
}
/** Founds a chain; `key(n)` is that of party `n`, 0 to 7. */
export type FoundChain = (genesis: (key: (n: number) => string) => Genesis) => Promise<RuleChainSubject | string>

const DAY = 86_400
const YEAR = 365 * DAY
const id = (n: number) => `0x${n.toString(16).padStart(64, '0')}`
const COUNTRY = 'FR'
const SCHEME = id(0x5c4e)
const SCOPE = id(0x5c09)
const CATEGORY = id(0xca7)
const terms: SchemeInput = {
  document: id(10),
  scope: SCOPE,
  adopted: 1_700_000_000,
  endsAt: undefined,
  levels: ['substantial', 'high'],
  maxValidity: 5 * YEAR,
  allowsDeclaration: false,
  isPublicOnly: false,
  authorisedLevels: [],
  van: { substantial: 2, high: 5 },
  maxSuspension: 42 * DAY,
  maxSuspended: YEAR,
  maxAccreditation: 5 * YEAR,
  allowsProfiles: true,
}

/** A chain and its twin in memory. */
interface Play {
  readonly chains: RuleChain[]
  readonly level: ReadingLevel
  key(n: number): string
  party(n: number, kind: PartyKind, country?: string): NewParty
  /** The block's time, as near as can be known before. */
  now(): Promise<number>
  run<N extends RuleName>(by: number, rule: N, ...args: RuleArguments<N>): Promise<RuleReceipt>
  /** Independent of each other, in one go. @returns how each ended: names of its events, or the code by which it was refused */
  runAll(by: number, calls: readonly RuleCall[]): Promise<string[]>
  refuses<N extends RuleName>(
    by: number,
    row: number,
    code: RefusalCode,
    rule: N,
    ...args: RuleArguments<N>
  ): Promise<void>
  /** It is what the rules make of it, with what shows it; by another reader too. */
  agrees(kind: Kind, ...ids: string[]): Promise<void>
}

/** @param concurrency chains at once, for a ledger on which each waits for blocks */
export function ruleChainConformance(name: string, found: FoundChain, concurrency = 1): void {
  const conforms = (
    title: string,
    genesis: (party: Play['party'], key: Play['key']) => Genesis,
    run: (play: Play) => Promise<void>,
  ) =>
    test(title, async t => {
      let keys: string[] = []
      const begin = () => genesis(partyOf(keys), n => keys[n] as string)
      const create = () =>
        found(key => {
          keys = Array.from({ length: 8 }, (_, n) => key(n))
          return begin()
        })
      await onLedger(
        t,
        create,
        async ({ finality }) => finality,
        async subject => {
          let time = 0
          const chains = await Promise.all(keys.map((_, n) => subject.as(n)))
          const [first] = chains as [RuleChain]
          time = (await first.get('key', keys[0] as string)).value?.since ?? assert.fail('the chain was not founded')
          const twin = await createMemoryChain({ genesis: begin(), now: () => time })
          await run(createPlay(subject, chains, keys, twin, at => (time = at)))
          for (const chain of chains) await chain.close()
          await assert.rejects(
            async () => first.head(),
            (error: unknown) => error instanceof LedgerError && error.code === 'unreachable',
          )
        },
      )
    })

  describe(`RuleChain: ${name}`, { concurrency }, () => {
    conforms('EU chain: votes, authorities, schemes', euGenesis, eu)
    conforms('artifact chain: versions, Article 55, labels', artifactGenesis, artifacts)
    conforms('certification chain: bodies, certificates', certificationGenesis, certificates)
    conforms('vulnerability chain: embargo and disclosure', vulnerabilityGenesis, vulnerabilities)
  })
}

const partyOf =
  (keys: readonly string[]) =>
  (n: number, kind: PartyKind, country = COUNTRY): NewParty => ({
    id: id(0x100 + n),
    kind,
    country,
    key: keys[n] as string,
    act: id(9),
  })

function createPlay(
  subject: RuleChainSubject,
  chains: RuleChain[],
  keys: readonly string[],
  twin: MemoryChain,
  setTime: (time: number) => void,
): Play {
  const [reader] = chains as [RuleChain]
  const chainOf = (n: number) => chains[n] as RuleChain
  let newest = 0
  // One after the other in memory, in the order of the calls: what is called at once does not depend on each other.
  let queue: Promise<unknown> = Promise.resolve()
  return {
    chains,
    level: subject.level,
    key: n => keys[n] as string,
    party: partyOf(keys),
    now: async () => (await reader.head()).time,
    async run(by, rule, ...args) {
      await chainOf(by).preview(rule, ...args)
      const receipt = await chainOf(by).run(rule, ...args)
      newest = Math.max(newest, receipt.block)
      assert.match(receipt.transaction, /^(?:0x)?[0-9a-f]{64}$/)
      const same = queue.then(async () => {
        setTime(receipt.time)
        return twin.as(keys[by] as string).run(rule, ...args)
      })
      queue = same
      assert.deepEqual(receipt.events.map(plain), (await same).events.map(plain), rule)
      return receipt
    },
    async runAll(by, calls) {
      const outcomes = await chainOf(by).runAll(calls)
      for (const outcome of outcomes) {
        if (outcome instanceof Error) continue
        newest = Math.max(newest, outcome.block)
        setTime(outcome.time)
      }
      const ends = (list: typeof outcomes) =>
        list.map(one => {
          if (one instanceof LedgerError) throw one
          return one instanceof Refusal ? `${one.code} ${one.row}` : names(one.events).join()
        })
      assert.deepEqual(ends(outcomes), ends(await twin.as(keys[by] as string).runAll(calls)))
      return ends(outcomes)
    },
    async refuses(by, row, code, rule, ...args) {
      const isSo = (error: unknown) => {
        if (!(error instanceof Refusal)) throw error
        assert.deepEqual([error.code, error.row], [code, row], error.message)
        return true
      }
      setTime((await reader.head()).time)
      await assert.rejects(twin.as(keys[by] as string).preview(rule, ...args), isSo)
      await assert.rejects(chainOf(by).preview(rule, ...args), isSo)
      await assert.rejects(chainOf(by).run(rule, ...args), isSo)
    },
    async agrees(kind, ...ids) {
      for (const one of ids) {
        const reading = await reader.get(kind, one, newest)
        const expected = await twin.as('').get(kind, one)
        assert.deepEqual(normal(reading.value), normal(expected.value), `${kind} ${one}`)
        assert.equal(reading.level, subject.level)
        assert.equal(reading.block, newest)
      }
    },
  }
}

/** Without what another chain has otherwise. */
const plain = ({ name, subject, by, about, status, until }: RuleEvent) =>
  normal({ name, subject, by, about, status, until })
/** What is undefined and what is left out are the same to the rules. */
const normal = (value: unknown): unknown => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)))

const names = (events: readonly RuleEvent[]) => events.map(event => event.name)

// --- EU chain

const CHAIN = id(0xc4a1)
const euGenesis = (party: Play['party'], key: Play['key']): Genesis => ({
  chain: { kind: 'eu', country: 'EU' },
  parties: [party(0, 'commission', 'EU'), party(1, 'state'), party(2, 'state', 'DE')],
  consortium: { numerator: 2, denominator: 3, period: 10 * DAY },
  chains: [{ id: CHAIN, validators: [key(0), key(1)], writers: [key(2)], minimum: 1 }],
})

async function eu({ chains, key, party, run, refuses, agrees }: Play): Promise<void> {
  const seat = {
    do: 'seat' as const,
    authority: { id: id(0x200), kind: 'ncca' as const, country: COUNTRY, key: key(3) },
    act: id(8),
  }
  const [proposed] = await Promise.all([run(1, 'propose', seat), run(0, 'adoptScheme', SCHEME, terms)])
  assert.equal(proposed.events[0]?.subject, '1')
  await refuses(2, 1, 'WrongCountry', 'propose', {
    ...seat,
    authority: { ...seat.authority, country: 'FR', id: id(0x201), key: key(5) },
  })
  await refuses(1, 1, 'VotedAlready', 'vote', '1')
  await refuses(5, 2, 'UnknownKey', 'vote', '7')
  await refuses(1, 3, 'WrongRole', 'adoptScheme', SCHEME, terms)
  await refuses(1, 0, 'WrongChain', 'registerArtifact', id(1), id(2))
  await refuses(1, 0, 'Invalid', 'vote', 'one')
  await refuses(1, 0, 'Exists', 'found', euGenesis(party, key))
  const validators = { do: 'validators' as const, chain: CHAIN, add: [key(4)], remove: [key(0)] }
  await Promise.all([run(0, 'vote', '1'), run(2, 'propose', validators)])
  await Promise.all([
    run(0, 'recogniseCountry', 'NO', SCHEME, {
      agreement: id(7),
      levels: ['high'],
      since: 1,
      until: 2 ** 31,
      isEea: true,
    }),
    run(1, 'vote', '2'),
  ])
  await refuses(0, 2, 'Closed', 'vote', '2')
  await run(1, 'propose', { do: 'replaceKey', party: id(0x200), lost: key(3), key: key(6), act: id(8) })
  await run(2, 'vote', '3')
  await agrees('proposal', '1', '2', '3', '4')
  await agrees('party', id(0x100), id(0x200), id(0x201))
  await agrees('key', key(0), key(3), key(6), key(7))
  await agrees('chainSet', CHAIN, id(1))
  await agrees('scheme', SCHEME, `${SCHEME}@1`, `${SCHEME}@2`)
  await agrees('coverage', SCOPE, id(1))
  await agrees('recognition', `NO@${SCHEME}`, `CH@${SCHEME}`)
  await agrees('consortium', CONSORTIUM)
  await agrees('chain', 'self')
  await agrees('artifact', id(1))
  const [one] = chains as [RuleChain]
  assert.deepEqual(names(await one.history({ subject: '3' })), ['ChangeProposed', 'ChangeConfirmed', 'ChangeMade'])
}

// --- artifact chain

const artifactGenesis = (party: Play['party']): Genesis => ({
  chain: { kind: 'artifact', country: COUNTRY },
  parties: [party(0, 'ncca'), party(1, 'coordinator')],
})

async function artifacts({ chains, key, party, now, run, refuses, agrees }: Play): Promise<void> {
  const [A, V1, V2, CVE, SEALED] = [id(0xa1), id(0xb1), id(0xb2), id(0xe1), id(0xe2)]
  await Promise.all([
    run(0, 'registerParty', party(2, 'manufacturer')),
    run(1, 'registerParty', party(3, 'provider', 'US')),
  ])
  const registered = await run(2, 'registerArtifact', A, id(5))
  const support = { guidance: id(1), until: (await now()) + YEAR, contact: id(2), repository: id(3) }
  const fact = { provider: party(3, 'provider').id, coordinator: party(1, 'coordinator').id }
  await Promise.all([
    run(2, 'setSupport', A, support),
    run(0, 'attest', { kind: 'case', id: CVE, value: { ...fact, disclosed: 1_700_000_000 } }),
  ])
  const version = { firmware: id(6), sbom: id(7), mud: id(0) }
  await Promise.all([
    run(2, 'registerVersion', A, V1, version),
    run(0, 'attest', { kind: 'case', id: SEALED, value: fact }),
  ])
  await refuses(0, 14, 'WrongRole', 'registerArtifact', id(0xa2), id(5))
  await refuses(2, 14, 'Exists', 'registerVersion', A, V1, version)
  await refuses(2, 14, 'Unknown', 'registerVersion', id(0xaa), V2, version)
  await refuses(2, 16, 'Sealed', 'label', V1, SEALED, 'affected')
  await refuses(5, 14, 'UnknownKey', 'registerArtifact', id(0xa2), id(5))
  await Promise.all([run(2, 'label', V1, CVE, 'affected'), run(3, 'label', V1, CVE, 'not_affected', id(0xdd))])
  const patched = await run(2, 'registerVersion', A, V2, { ...version, patches: V1, fixes: [CVE] })
  const again = await run(2, 'label', V1, CVE, 'fixed')
  await run(2, 'setSupport', A, { ...support, until: support.until + YEAR })
  const [maker, provider] = [party(2, 'manufacturer').id, party(3, 'provider').id]
  await agrees('artifact', A, `${A}#0`, `${A}#1`, id(0xaa))
  await agrees('version', V1, V2, id(0xb3))
  await agrees('label', labelId(V1, CVE, maker), `${labelId(V1, CVE, maker)}#1`, labelId(V1, CVE, provider))
  await agrees('foreignCase', CVE, SEALED, id(0xe3))
  await agrees('party', maker, provider, id(1))
  await agrees('key', key(2), key(6))
  await agrees('chain', 'self', 'other')

  const [reader, other] = chains as [RuleChain, RuleChain]
  const before = await reader.get('artifact', A, registered.block)
  assert.deepEqual(
    [before.block, before.blockHash, before.time],
    [registered.block, registered.blockHash, registered.time],
  )
  assert.equal(before.value?.support, undefined)
  assert.equal((await other.get('version', V2, patched.block)).value?.patches, V1)
  assert.equal((await other.get('version', V2, patched.block - 1)).value, undefined)
  await assert.rejects(
    reader.get('artifact', A, again.block + 100_000),
    (error: unknown) => error instanceof LedgerError && ['invalid', 'unsupported', 'pending'].includes(error.code),
  )
  const labels = await other.history({ subject: V1, toBlock: again.block })
  assert.deepEqual(names(labels).toSorted(), [
    'VersionLabelled',
    'VersionLabelled',
    'VersionLabelled',
    'VersionRegistered',
  ])
  assert.deepEqual(names(await other.history({ about: CVE, fromBlock: again.block })), ['VersionLabelled'])
  assert.deepEqual(await other.history({ about: id(1) }), [])
  const all = await reader.history({ fromBlock: registered.block })
  assert.deepEqual(all[0], registered.events[0])
  assert.ok(all.every((event, i) => i === 0 || event.block >= (all[i - 1]?.block ?? 0)))
  assert.equal(all.length, 10)
}

// --- certification chain

const certificationGenesis = (party: Play['party']): Genesis => ({
  chain: { kind: 'certification', country: COUNTRY },
  parties: [party(0, 'ncca'), party(1, 'nab')],
})

async function certificates({ chains, key, party, now, run, runAll, refuses, agrees }: Play): Promise<void> {
  const [C1, C2, OLD, V1] = [id(0xc1), id(0xc2), id(0xc9), id(0xb1)]
  const [cab, holder] = [party(2, 'cab').id, party(4, 'holder').id]
  const start = await now()
  const value = {
    artifact: id(0xa1),
    manufacturer: holder,
    firmware: id(6),
    sbom: id(7),
    mud: id(0),
    fixes: [],
    hasSupport: true,
  }
  await Promise.all([
    run(1, 'registerParty', party(2, 'cab')),
    run(0, 'attest', { kind: 'scheme', id: SCHEME, value: { ...terms, version: 2 } }),
  ])
  const scope = { schemes: [SCHEME], categories: [CATEGORY], until: start + 3 * YEAR }
  await Promise.all([run(1, 'accredit', cab, scope), run(0, 'attest', { kind: 'version', id: V1, value })])
  await Promise.all([
    run(0, 'registerParty', party(4, 'holder')),
    run(1, 'changeAccreditation', cab, { do: 'suspend' }, id(3)),
  ])
  await refuses(0, 10, 'NotAccredited', 'notifyBody', cab, '0123', false)
  await run(1, 'changeAccreditation', cab, { do: 'resume' }, id(3))
  await run(0, 'notifyBody', cab, '0123', false)
  const input = {
    scheme: SCHEME,
    level: 'substantial' as const,
    holder,
    versions: [V1],
    components: [id(0xcc)],
    categories: [CATEGORY],
    document: id(0xd1),
    report: id(0xd2),
    van: 2,
    since: start - DAY,
    until: start + YEAR,
    due: [start + 100 * DAY],
  }
  await Promise.all([run(2, 'issue', C1, input), run(0, 'authorise', cab, { ...scope, van: 3 })])
  await refuses(2, 18, 'Exists', 'issue', C1, input)
  await refuses(2, 21, 'OutOfBounds', 'issue', C2, { ...input, until: start + 9 * YEAR })
  await refuses(2, 20, 'Missing', 'issue', C2, { ...input, level: 'high' })
  await refuses(1, 18, 'WrongRole', 'issue', C2, input)
  const legacy = { scheme: SCHEME, issuer: id(0x77), holder, components: [], document: id(0xd3), since: 1_600_000_000 }
  const importOf = (one: string): RuleCall => ({ rule: 'importLegacy', args: [one, legacy] })
  await Promise.all([run(2, 'openReview', C1), run(0, 'importLegacy', OLD, legacy)])
  const many = Array.from({ length: 40 }, (_, n) => importOf(n === 7 ? OLD : id(0xf00 + n)))
  const ends = await runAll(0, [...many, importOf('none')])
  const expected = many.map((_, n) => (n === 7 ? 'Exists 17' : 'CertificateImported'))
  assert.deepEqual(ends, [...expected, 'Invalid 0'])
  await agrees('certificate', id(0xf06), id(0xf08), id(0xf27))
  const closed = await run(2, 'closeReview', C1, {
    do: 'replace',
    reason: id(4),
    id: C2,
    certificate: input,
    sameScope: true,
  })
  assert.deepEqual(names(closed.events), [
    'ReviewClosed',
    'CertificateWithdrawn',
    'CertificateIssued',
    'VersionCertified',
  ])
  await Promise.all([
    run(2, 'suspend', C2, (await now()) + 10 * DAY, id(5), id(6)),
    run(0, 'approve', cab, { commitment: id(0xdd), until: start + DAY, mayBeLonger: true }),
  ])
  await Promise.all([run(2, 'lift', C2), run(0, 'notifyComponent', C2, id(0xcc), id(0xe1))])
  await run(2, 'withdraw', C2, id(7))
  await refuses(2, 29, 'Withdrawn', 'withdraw', C2, id(7))
  await agrees('certificate', C1, C2, OLD, id(0xcf))
  await agrees('accreditation', cab, holder)
  await agrees('authorisation', cab, holder)
  await agrees('notification', cab, holder)
  await agrees('delegation', cab)
  await agrees('approval', `${id(0xdd)}@${cab}`, `${id(0xde)}@${cab}`)
  await agrees('scheme', SCHEME, `${SCHEME}@2`, `${SCHEME}@1`)
  await agrees('coverage', SCOPE)
  await agrees('version', V1, id(0xb9))
  await agrees('recognition', `NO@${SCHEME}`)
  await agrees('party', cab, holder)
  await agrees('key', key(2))
  await agrees('chain', 'self')
  const [reader] = chains as [RuleChain]
  const certified = await reader.history({ about: V1 })
  assert.deepEqual(
    certified.map(event => [event.name, event.subject]),
    [C1, C2].map(one => ['VersionCertified', one]),
  )
}

// --- vulnerability chain

const vulnerabilityGenesis = (party: Play['party']): Genesis => ({
  chain: { kind: 'vulnerability', country: COUNTRY },
  parties: [party(0, 'ncca'), party(1, 'coordinator')],
  disclosure: { maxEmbargo: 90 * DAY, maxTotal: 180 * DAY, acceptWithin: 14 * DAY, announcements: 2, per: DAY },
})

async function vulnerabilities({ chains, party, now, run, refuses, agrees }: Play): Promise<void> {
  const [CVE, OTHER, SALT, CONTENT, VERSION] = [id(0xe1), id(0xe2), id(0x5a), id(0xc0), id(0xb1)]
  const [coordinator, provider, maker] = [
    party(1, 'coordinator').id,
    party(2, 'provider').id,
    party(3, 'manufacturer').id,
  ]
  await Promise.all([run(1, 'registerParty', party(2, 'provider')), run(0, 'registerParty', party(3, 'manufacturer'))])
  const announcement = {
    commitment: commit('report', SALT, CONTENT),
    artifact: { sealed: commit('artifact', SALT, VERSION) },
    coordinator,
    proposedEnd: (await now()) + 30 * DAY,
  }
  await Promise.all([
    run(2, 'announce', CVE, announcement),
    run(1, 'announce', OTHER, { ...announcement, artifact: { open: VERSION } }),
  ])
  await refuses(3, 31, 'WrongRole', 'announce', id(0xe3), announcement)
  await refuses(2, 31, 'Exists', 'announce', CVE, announcement)
  await run(1, 'invite', CVE, maker)
  await Promise.all([run(1, 'acceptEmbargo', CVE), run(3, 'advance', CVE, 'V', id(8))])
  await run(3, 'acceptEmbargo', CVE)
  await agrees('case', CVE)
  const disclosure = { salt: SALT, content: CONTENT, artifact: { salt: SALT, version: VERSION } }
  await refuses(2, 34, 'Embargoed', 'disclose', CVE, disclosure)
  await refuses(2, 33, 'NotYours', 'advance', CVE, 'F', id(8), maker)
  await Promise.all([run(3, 'advance', CVE, 'F', id(8)), run(1, 'close', OTHER, 'duplicate', id(9))])
  await run(2, 'leaveEmbargo', CVE, id(7))
  await refuses(2, 34, 'Mismatch', 'disclose', CVE, { ...disclosure, content: id(0xc1) })
  await run(2, 'disclose', CVE, disclosure)
  await refuses(3, 33, 'WrongState', 'advance', CVE, 'P', id(8))
  await agrees('case', CVE, OTHER, id(0xe3))
  await agrees('participation', `${CVE}@${maker}`, `${CVE}@${provider}`)
  await agrees('announced', provider, coordinator, maker)
  await agrees('disclosurePolicy', POLICY)
  await agrees('chain', 'self')
  const [reader] = chains as [RuleChain]
  const about = await reader.history({ about: VERSION })
  assert.deepEqual(names(about), ['VulnerabilityAnnounced', 'VulnerabilityDisclosed'])
}
