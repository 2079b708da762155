import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Round } from './follow.ts'
import { createValidatorMetrics } from './metrics.ts'

test('the metrics say what was found and done, and who called', async t => {
  const metrics = createValidatorMetrics(() => 1_800_000_000_000)
  const { url, close } = await metrics.listen({ host: '127.0.0.1', port: 0 })
  t.after(close)
  const lines = async () =>
    (await (await fetch(url)).text()).split('\n').filter(line => line !== '' && !line.startsWith('#'))
  const change = { address: '0xa', isValidator: true }
  const round = {
    registry: { block: 7 },
    validators: ['0xb', '0xc'],
    isValidator: true,
    vote: change,
    waiting: [{ ...change, reason: 'turn' }],
    proposed: [change],
    withdrawn: [],
  } as unknown as Round
  metrics.round(round)
  metrics.call('eth_sendRawTransaction', false)
  metrics.call('a method that somebody made up', false)
  metrics.call('eth_call', true)
  assert.deepEqual(await lines(), [
    'entente_validators 2',
    'entente_validators_differing 2',
    'entente_validator 1',
    'entente_validator_registry_block 7',
    'entente_validator_looked_timestamp_seconds 1800000000',
    'entente_validator_error 0',
    'entente_validator_proposals_total{what="proposed"} 1',
    'entente_validator_proposals_total{what="withdrawn"} 0',
    'entente_guard_calls_total{what="transaction",passed="false"} 1',
    'entente_guard_calls_total{what="read",passed="false"} 1',
    'entente_guard_calls_total{what="read",passed="true"} 1',
  ])
  metrics.round(new Error('away'))
  assert.ok((await lines()).includes('entente_validator_error 1'))
})
