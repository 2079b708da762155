import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commit } from '@entente/rules'
import { subjectId } from '#product/ids.ts'
import { checkVersion } from './check.ts'
import { recommend } from './recommend.ts'
import { createCountry, DAY, hash, party, START, type TestCountry } from './test/country.ts'

const check = async (countries: TestCountry[], version: string, at?: number) => {
  const now = countries[0]?.clock.now ?? START
  return checkVersion(
    countries.map(c => c.chains),
    version,
    { now, at },
  )
}

/** Announces, and discloses once nobody has accepted in time, a vulnerability of a version. */
async function disclose(fr: TestCountry, name: string, version: string): Promise<string> {
  const id = subjectId('vulnerability', name)
  const finder = fr.as('vulnerability', 'finder')
  const salt = hash('salt')
  await finder.run('announce', id, {
    commitment: commit('report', salt, hash('report')),
    artifact: { sealed: commit('artifact', salt, version) },
    coordinator: party('FR coordinator'),
    proposedEnd: fr.clock.now + 30 * DAY,
  })
  fr.clock.now += 15 * DAY
  await finder.run('disclose', id, { salt, content: hash('report'), artifact: { salt, version } })
  const value = { provider: party('finder'), coordinator: party('FR coordinator'), disclosed: fr.clock.now }
  await fr.as('artifact', 'ncca').run('attest', { kind: 'case', id, value })
  return id
}

test('an unknown version is neither certified, nor affected, nor patched', async () => {
  const fr = await createCountry('FR')
  const { home, certified, affected, patched, level, evidence } = await check([fr], subjectId('version', 'nothing'))
  assert.deepEqual([home, certified.is, affected.is, patched.is], [undefined, false, 'unknown', 'notNeeded'])
  assert.equal(level, 'asked')
  assert.ok(evidence.length > 0)
})

test('exactly this version: a certificate of one says nothing of the next', async () => {
  const fr = await createCountry('FR')
  const first = await fr.version('router', 'router 1')
  const second = await fr.version('router', 'router 2')
  const id = await fr.certify('EUCC-1', [first])
  const { certified, home, support } = await check([fr], first)
  assert.equal(certified.is, true)
  assert.deepEqual(
    certified.certificates.map(c => [c.id, c.country, c.state, c.level, c.isIdentical, c.issuer]),
    [[id, 'FR', 'inForce', 'substantial', true, party('FR CAB')]],
  )
  assert.equal(home?.country, 'FR')
  assert.equal(support?.guidance, hash('guidance'))
  assert.equal((await check([fr], second)).certified.is, false)
})

test('a certificate of another country counts; what somebody else has registered under the same id does not', async () => {
  const fr = await createCountry('FR')
  const de = await createCountry('DE', fr.clock)
  const version = await fr.version('router', 'router 1')
  const { from: _, ...value } = (await fr.chains.artifact?.get('version', version))?.value ?? ({} as never)
  await de.as('certification', 'ncca').run('attest', { kind: 'version', id: version, value })
  await de.certify('EUCC-DE-1', [version])
  // Somebody in Germany takes the same id for another firmware.
  const squatter = de.as('artifact', 'acme')
  await squatter.run('registerArtifact', subjectId('artifact', 'router'), hash('x'))
  const fake = { firmware: hash('other firmware'), sbom: hash('s'), mud: hash('m') }
  await squatter.run('registerVersion', subjectId('artifact', 'router'), version, fake)
  for (const order of [
    [fr, de],
    [de, fr],
  ]) {
    const { certified, home, alsoIn } = await check(order, version)
    assert.deepEqual([certified.is, home?.country, alsoIn], [true, 'FR', ['DE']])
    assert.equal(certified.certificates[0]?.country, 'DE')
  }
  // Without the chain on which it was registered, the certificate is of something else than what can be seen.
  const { certified } = await check([de], version)
  assert.deepEqual([certified.is, certified.certificates[0]?.isIdentical], [false, false])
})

test('suspended, lifted, withdrawn, expired: now, and at each time before', async () => {
  const fr = await createCountry('FR')
  const version = await fr.version('router', 'router 1')
  const registered = fr.clock.now
  fr.clock.now += DAY
  const id = await fr.certify('EUCC-1', [version])
  const cab = fr.as('certification', 'cab')
  const states: [number, string][] = [[fr.clock.now, 'inForce']]
  const step = async (days: number, run: () => Promise<unknown>, state: string) => {
    fr.clock.now += days * DAY
    await run()
    states.push([fr.clock.now, state])
  }
  await step(10, () => cab.run('suspend', id, fr.clock.now + 40 * DAY, hash('reason'), hash('actions')), 'suspended')
  states.push([fr.clock.now + 39 * DAY, 'suspended'])
  await step(50, () => cab.run('openReview', id), 'inForce') // it has ended by itself
  await step(1, () => cab.run('suspend', id, fr.clock.now + 20 * DAY, hash('reason'), hash('actions')), 'suspended')
  await step(1, () => cab.run('lift', id), 'inForce')
  await step(1, () => cab.run('withdraw', id, hash('reason')), 'withdrawn')
  const stateOf = async (at?: number) => (await check([fr], version, at)).certified.certificates[0]?.state
  assert.equal(await stateOf(), 'withdrawn')
  fr.clock.now += DAY
  for (const [at, state] of states) assert.equal(await stateOf(at), state, `at ${(at - START) / DAY} days`)
  const before = await check([fr], version, registered)
  assert.deepEqual([before.certified.certificates.length, before.home?.country], [0, 'FR'])
  assert.equal((await check([fr], version, registered - 1)).home, undefined)

  const other = await fr.version('router', 'router 2')
  await fr.certify('EUCC-2', [other])
  fr.clock.now += 366 * DAY // no block says so: the clock does
  const expired = await check([fr], other)
  assert.deepEqual([expired.certified.is, expired.certified.certificates[0]?.state], [false, 'expired'])
})

test('affected and patched: by what each has said, and not by silence', async () => {
  const fr = await createCountry('FR')
  const version = await fr.version('router', 'router 1')
  const vulnerability = await disclose(fr, 'CVE-1', version)
  const disclosed = fr.clock.now
  const acme = fr.as('artifact', 'acme')
  const affected = async (at?: number) => {
    const { affected, patched } = await check([fr], version, at)
    return [affected.is, patched.is]
  }
  assert.deepEqual(await affected(), ['reported', 'none'])
  fr.clock.now += DAY
  await acme.run('label', version, vulnerability, 'under_investigation')
  assert.deepEqual(await affected(), ['under_investigation', 'none'])
  fr.clock.now += DAY
  await acme.run('label', version, vulnerability, 'affected')
  const said = fr.clock.now
  fr.clock.now += DAY
  const patch = await fr.version('router', 'router 1.1', { patches: version, fixes: [vulnerability] })
  assert.deepEqual(await affected(), ['affected', 'all'])
  const { patched, affected: answer } = await check([fr], version)
  assert.deepEqual(patched.patches, [{ version: patch, fixes: [vulnerability], at: fr.clock.now, isCertified: false }])
  assert.deepEqual(answer.open, [vulnerability])
  assert.deepEqual(
    answer.statements.map(s => [s.by, s.status]),
    [[party('ACME'), 'affected']],
  )
  await fr.certify('EUCC-1', [patch])
  assert.equal((await check([fr], version)).patched.patches[0]?.isCertified, true)

  // One who says that it is not affected does not take back what another says.
  await fr.as('artifact', 'acme').run('label', version, vulnerability, 'not_affected', hash('why'))
  assert.deepEqual(await affected(), ['not_affected', 'notNeeded'])
  const coordinator = fr.as('artifact', 'coordinator')
  await coordinator.run('label', version, vulnerability, 'affected')
  assert.deepEqual(await affected(), ['affected', 'all'])

  fr.clock.now += DAY
  assert.deepEqual(await affected(disclosed), ['reported', 'none'])
  assert.deepEqual(await affected(said), ['affected', 'none'])
  assert.deepEqual(await affected(disclosed - 1), ['unknown', 'notNeeded'])
})

test('Article 55: what holds now, and what held then', async () => {
  const fr = await createCountry('FR')
  const version = await fr.version('router', 'router 1')
  const first = fr.clock.now
  fr.clock.now += DAY
  const guidance = hash('new guidance')
  await fr.as('artifact', 'acme').run('setSupport', subjectId('artifact', 'router'), {
    guidance,
    until: fr.clock.now + DAY,
    contact: hash('contact'),
    repository: hash('repository'),
  })
  fr.clock.now += DAY
  assert.equal((await check([fr], version)).support?.guidance, guidance)
  assert.equal((await check([fr], version, first)).support?.guidance, hash('guidance'))
})

test('what to do follows from the answers: identify, mitigate, update, replace, watch', async () => {
  const fr = await createCountry('FR')
  const [unknown] = recommend(await check([fr], subjectId('version', 'nothing')))
  assert.deepEqual(unknown, { do: 'identify' })
  const first = await fr.version('router', 'router 1')
  assert.deepEqual(recommend(await check([fr], first)), [])
  const certificate = await fr.certify('EUCC-1', [first])
  const cve = await disclose(fr, 'CVE-1', first)
  await fr.as('artifact', 'acme').run('label', first, cve, 'affected')
  assert.deepEqual(recommend(await check([fr], first)), [{ do: 'mitigate', open: [cve] }])
  const second = await fr.version('router', 'router 2', { patches: first, fixes: [cve] })
  const update = { do: 'update', to: second, fixes: [cve], isCertified: false }
  assert.deepEqual(recommend(await check([fr], first)), [update])
  await fr.as('certification', 'cab').run('openReview', certificate)
  const watch = { do: 'watch', certificate, why: 'underReview' }
  assert.deepEqual(recommend(await check([fr], first)), [update, watch])
  const { support } = await check([fr], first)
  assert.ok(support)
  const replace = { do: 'replace', since: support.until }
  assert.deepEqual(recommend({ ...(await check([fr], first)), at: support.until }), [update, replace, watch])
})
