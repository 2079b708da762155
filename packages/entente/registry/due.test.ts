import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commit } from '@entente/rules'
import { subjectId } from '#product/ids.ts'
import { readClocks } from './due.ts'
import { CATEGORY, createCountry, DAY, hash, party, SCHEME, START } from './test/country.ts'

test('accreditations, certificates, their monitoring and suspensions, support', async () => {
  const fr = await createCountry('FR')
  const version = await fr.version('router', 'router 1')
  const id = await fr.certify('EUCC-1', [version])
  const clocks = async (chain: 'artifact' | 'certification') =>
    (await readClocks(`FR/${chain}`, fr.as(chain, ''), fr.clock.now)).map(c => [
      c.what,
      c.subject,
      c.at - START,
      c.isOverdue,
    ])
  const cab = party('FR CAB')
  assert.deepEqual(await clocks('artifact'), [['support ends', subjectId('artifact', 'router'), 1000 * DAY, false]])
  assert.deepEqual(await clocks('certification'), [
    ['monitoring is due', id, 100 * DAY, false],
    ['certificate ends', id, 365 * DAY, false],
    ['accreditation ends', cab, 1000 * DAY, false],
  ])
  await fr.as('certification', 'cab').run('suspend', id, START + 30 * DAY, hash('reason'), hash('actions'))
  await fr
    .as('certification', 'ncca')
    .run('approve', cab, { commitment: hash('next'), until: START + 20 * DAY, mayBeLonger: false })
  const scope = { schemes: [SCHEME], categories: [CATEGORY], until: START + 500 * DAY }
  await fr.as('certification', 'ncca').run('authorise', cab, { ...scope, van: 3 })
  assert.deepEqual((await clocks('certification')).slice(0, 2), [
    ['approval ends', hash('next'), 20 * DAY, false],
    ['suspension ends', id, 30 * DAY, false],
  ])
  fr.clock.now += 110 * DAY
  assert.deepEqual(
    (await clocks('certification')).map(c => [c[0], c[3]]),
    [
      ['monitoring is due', true],
      ['certificate ends', false],
      ['authorisation ends', false],
      ['accreditation ends', false],
    ],
  )
  await fr.as('certification', 'cab').run('withdraw', id, hash('reason'))
  assert.deepEqual(
    (await clocks('certification')).map(c => c[0]),
    ['authorisation ends', 'accreditation ends'],
  )
})

test('embargoes, and what the Cyber Resilience Act asks for once a vulnerability is exploited', async () => {
  const fr = await createCountry('FR')
  const id = subjectId('vulnerability', 'CVE-1')
  const finder = fr.as('vulnerability', 'finder')
  const clocks = async () =>
    (await readClocks('FR/vulnerability', finder, fr.clock.now)).map(c => [
      c.what.split(' (')[0],
      c.at - START,
      c.isOverdue,
    ])
  await finder.run('announce', id, {
    commitment: commit('report', hash('salt'), hash('report')),
    artifact: { sealed: hash('sealed') },
    coordinator: party('FR coordinator'),
    proposedEnd: START + 60 * DAY,
  })
  assert.deepEqual(await clocks(), [['embargo must be accepted', 14 * DAY, false]])
  const coordinator = fr.as('vulnerability', 'coordinator')
  await coordinator.run('invite', id, party('ACME'))
  await coordinator.run('acceptEmbargo', id)
  await fr.as('vulnerability', 'acme').run('acceptEmbargo', id)
  assert.deepEqual(await clocks(), [['embargo ends', 60 * DAY, false]])
  fr.clock.now += DAY
  await coordinator.run('advance', id, 'X', hash('exploit'))
  assert.deepEqual(await clocks(), [
    ['early warning', 2 * DAY, false],
    ['notification', 4 * DAY, false],
  ])
  fr.clock.now += 2 * DAY
  await fr.as('vulnerability', 'acme').run('advance', id, 'F', hash('fix'))
  assert.deepEqual(await clocks(), [
    ['early warning', 2 * DAY, true],
    ['notification', 4 * DAY, false],
    ['final report', 17 * DAY, false],
  ])
})
