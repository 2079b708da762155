import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RuleChain } from '#ledger/rule-chain.ts'
import { LedgerError } from '#ledger/error.ts'
import { createCountry, DAY, hash } from '../../registry/test/country.ts'
import { createDueMetrics } from './due-metrics.ts'
import { until } from '../../../../test/support/until.ts'

const ROUND = 5

test('how many clocks run, which are past due, and how long until the next, as time and the chain go on', async t => {
  const fr = await createCountry('FR')
  const version = await fr.version('router', 'router 1')
  const id = await fr.certify('EUCC-1', [version])
  const real = fr.as('certification', 'cab')
  let isAway = false
  let read = 0
  const chain: RuleChain = {
    ...real,
    head: async () => {
      if (isAway) throw new LedgerError('unreachable', 'away')
      return real.head()
    },
    history: async filter => {
      if (filter === undefined) read++
      return real.history(filter)
    },
  }
  const failures: string[] = []
  const { url, close } = await createDueMetrics({
    chains: [{ name: { country: 'FR', kind: 'certification' }, chain }],
    now: () => fr.clock.now * 1000,
    failed: (name, error) => failures.push(`${name}: ${error.message}`),
    lookMs: ROUND,
  }).listen({ host: '127.0.0.1', port: 0 })
  t.after(close)
  const metrics = async () => {
    const lines = (await (await fetch(url)).text()).split('\n').filter(line => line !== '' && !line.startsWith('#'))
    return new Map(lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
  }
  const of = (name: string, clock: string) => `entente_due_${name}{chain="FR/certification",clock="${clock}"}`
  const shown = async (clock: string) => {
    const all = await metrics()
    return ['clocks', 'overdue', 'next_seconds'].map(name => all.get(of(name, clock)))
  }
  assert.deepEqual(await shown('monitoring is due'), [1, 0, 100 * DAY])
  assert.deepEqual(await shown('certificate ends'), [1, 0, 365 * DAY])
  assert.deepEqual(await shown('suspension ends'), [0, 0, undefined])
  assert.equal((await metrics()).get('entente_due_error{chain="FR/certification"}'), 0)

  // Time alone changes what is told: nothing is read for it.
  fr.clock.now += 101 * DAY
  const before = read
  assert.deepEqual(await shown('monitoring is due'), [0, 1, undefined])
  assert.deepEqual(await shown('certificate ends'), [1, 0, 264 * DAY])
  assert.ok(read <= before + 1, 'at most the reading of each hour')

  // A new event is found.
  const until30 = fr.clock.now + 30 * DAY
  await fr.as('certification', 'cab').run('suspend', id, until30, hash('reason'), hash('actions'))
  await until(async () => (await shown('suspension ends'))[0] === 1, undefined, { ms: 10_000 })
  assert.deepEqual(await shown('suspension ends'), [1, 0, 30 * DAY])
  assert.equal(failures.length, 0)

  // A chain that is away is told; what is known of it stays.
  isAway = true
  await until(async () => (await metrics()).get('entente_due_error{chain="FR/certification"}') === 1, undefined, {
    ms: 10_000,
  })
  assert.deepEqual(await shown('suspension ends'), [1, 0, 30 * DAY])
  assert.equal(failures[0], 'FR/certification: away')
  isAway = false
  await until(async () => (await metrics()).get('entente_due_error{chain="FR/certification"}') === 0, undefined, {
    ms: 10_000,
  })
})
