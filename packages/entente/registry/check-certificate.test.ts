import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Country, Level, RuleArguments } from '@entente/rules'
import { subjectId } from '#product/ids.ts'
import { checkCertificate } from './check-certificate.ts'
import { rehearse } from './rehearse.ts'
import { createCountry, DAY, hash, party, SCHEME, START, type TestCountry, TERMS } from './test/country.ts'

const [OWN, KOREAN] = ['Common Criteria FR', 'Common Criteria KR'].map(name => subjectId('scheme', name)) as [
  string,
  string,
]
/** What the public parts of the schemes say; one is not here. */
const ownerOf = async (_: Country, id: string) => (id === OWN ? 'FR' : id === KOREAN ? 'KR' : undefined)
const certificate = (name: string) => subjectId('certificate', name)

const check = (countries: TestCountry[], name: string, at?: number) =>
  checkCertificate(
    countries.map(c => c.chains),
    certificate(name),
    { now: countries[0]?.clock.now ?? START, at, ownerOf },
  )

async function importOne(to: TestCountry, name: string, more: Partial<RuleArguments<'importLegacy'>[1]> = {}) {
  const legacy = { scheme: OWN, issuer: party('CB'), holder: party('ACME'), components: [], document: hash(name) }
  await to.as('certification', 'ncca').run('importLegacy', certificate(name), {
    ...legacy,
    since: START - 100 * DAY,
    until: START + 100 * DAY,
    ...more,
  })
}

async function schemes(to: TestCountry, ...ids: string[]) {
  for (const id of ids)
    await to
      .as('certification', 'ncca')
      .run('registerNationalScheme', id, { ...TERMS, document: hash(id), scope: hash(`scope ${id}`) }, [])
}

const agree = (to: TestCountry, levels: Level[], since = START - DAY, until = START + DAY) =>
  to.as('certification', 'ncca').run('attest', {
    kind: 'recognition',
    country: 'KR',
    scheme: SCHEME,
    value: { agreement: hash('agreement'), levels, since, until, isEea: false },
  })

test('a state of its own, and what it is built on, across countries', async () => {
  const [fr, de] = await Promise.all([createCountry('FR'), createCountry('DE')])
  await schemes(fr, OWN)
  await schemes(de, OWN)
  await importOne(de, 'BSI-1', { until: START - DAY })
  await importOne(fr, 'ANSSI-1', { components: [certificate('BSI-1'), certificate('nowhere')] })
  await importOne(fr, 'ANSSI-2', { until: undefined })
  const { found, evidence } = await check([fr, de], 'ANSSI-1')
  assert.deepEqual(
    found.map(({ country, state, isImported, foreign, counts, components }) => ({
      country,
      state,
      isImported,
      foreign,
      counts,
      components,
    })),
    [
      {
        country: 'FR',
        state: 'inForce',
        isImported: true,
        foreign: undefined,
        counts: true,
        components: [
          { id: certificate('BSI-1'), country: 'DE', state: 'expired' },
          { id: certificate('nowhere'), country: undefined, state: undefined },
        ],
      },
    ],
  )
  assert.ok(evidence.some(e => e.chain === 'DE/certification'))
  const [endless] = (await check([fr, de], 'ANSSI-2')).found
  assert.deepEqual([endless?.state, endless?.counts], ['unknown', false])
  assert.deepEqual((await check([fr, de], 'nothing')).found, [])
  // Before it was entered it was not there.
  const was = fr.clock.now
  fr.clock.now += 10 * DAY
  await fr
    .as('certification', 'ncca')
    .run('withdraw', certificate('ANSSI-1'), hash('reason'))
    .catch(() => {})
  assert.deepEqual((await check([fr, de], 'ANSSI-1', was - 1)).found, [])
})

test("a third country's certificate is recognised by an agreement that is in force, for its level; else it does not count", async () => {
  const fr = await createCountry('FR')
  await schemes(fr, KOREAN)
  await importOne(fr, 'KECS-1', { scheme: KOREAN, level: 'substantial' })
  await importOne(fr, 'KECS-2', { scheme: KOREAN })
  const answers = async () =>
    Promise.all(
      ['KECS-1', 'KECS-2'].map(async name => {
        const [one] = (await check([fr], name)).found
        return [one?.state, one?.foreign?.issuedIn, one?.foreign?.recognition, one?.counts]
      }),
    )
  const no = (why: string) => ['inForce', 'KR', why, false]
  const yes = ['inForce', 'KR', 'recognised', true]
  assert.deepEqual(await answers(), [no('noAgreement'), no('noAgreement')])
  await agree(fr, ['high'])
  assert.deepEqual(await answers(), [no('notCovered'), no('notCovered')])
  await agree(fr, ['substantial', 'high'], START + DAY, START + 2 * DAY)
  assert.deepEqual(await answers(), [no('notInForce'), no('notInForce')])
  await agree(fr, ['substantial', 'high'])
  assert.deepEqual(await answers(), [yes, no('notCovered')])
  // Of one without a level only an agreement for all levels can say it.
  await agree(fr, ['basic', 'substantial', 'high'])
  assert.deepEqual(await answers(), [yes, yes])
  fr.clock.now = START + DAY
  assert.deepEqual(await answers(), [no('notInForce'), no('notInForce')])
})

test('whose scheme it is nobody can tell without its public part', async () => {
  const fr = await createCountry('FR')
  const other = subjectId('scheme', 'another')
  await schemes(fr, other)
  await importOne(fr, 'X-1', { scheme: other })
  const [one] = (await check([fr], 'X-1')).found
  assert.deepEqual([one?.foreign?.issuedIn, one?.counts], [undefined, false])
})

test('a rehearsal refuses what the chain would, in the order of the calls, and changes nothing', async () => {
  const fr = await createCountry('FR')
  const chain = fr.as('certification', 'ncca')
  const terms = { ...TERMS, document: hash('s'), scope: hash('scope') }
  const legacy = { scheme: OWN, issuer: party('CB'), document: hash('d'), components: [], since: 0 }
  const holder = { id: party('new'), kind: 'holder' as const, country: 'KR', key: 'new key', act: hash('act') }
  const calls = [
    { rule: 'registerNationalScheme' as const, args: [OWN, terms, []] as RuleArguments<'registerNationalScheme'> },
    { rule: 'registerParty' as const, args: [holder] as RuleArguments<'registerParty'> },
    {
      rule: 'importLegacy' as const,
      args: [certificate('a'), { ...legacy, holder: holder.id }] as RuleArguments<'importLegacy'>,
    },
  ]
  const fresh = new Set([OWN, holder.id, holder.key, certificate('a')])
  await rehearse(fr.chains.certification ?? assert.fail(), 'ncca', calls, fresh)
  assert.equal((await chain.get('scheme', OWN)).value, undefined)
  const [, ...withoutScheme] = calls
  await assert.rejects(rehearse(chain, 'ncca', withoutScheme, fresh), { code: 'Unknown', row: 17 })
  await assert.rejects(rehearse(chain, 'cab', calls, fresh), { code: 'WrongRole', row: 4 })
})
