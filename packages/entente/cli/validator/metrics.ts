import { Counter, Gauge, Registry } from 'prom-client'
import { serveMetrics } from '../metrics-server.ts'
import type { Round } from './follow.ts'

export type ValidatorMetrics = {
  /** After a round, or a failure of one. */
  round(outcome: Round | Error): void
  /** After a call through the guard. */
  call(method: string, isPassed: boolean): void
  listen(at: { host: string; port: number }): Promise<{ url: string; close(): Promise<void> }>
}

export function createValidatorMetrics(now: () => number): ValidatorMetrics {
  const registry = new Registry()
  const registers = [registry]
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers })
  const validators = gauge('entente_validators', 'Validators that the chain has')
  const differing = gauge('entente_validators_differing', 'Changes until the chain has the validators of the registry')
  const isValidator = gauge('entente_validator', '1 while this node is a validator')
  const block = gauge('entente_validator_registry_block', 'Newest final block of the registry that was followed')
  const looked = gauge('entente_validator_looked_timestamp_seconds', 'When registry and chain were last compared')
  const error = gauge('entente_validator_error', '1 while registry or node are away, or not what they should be')
  const votes = new Counter({
    name: 'entente_validator_proposals_total',
    help: 'Proposals made and withdrawn, since the start',
    labelNames: ['what'],
    registers,
  })
  const calls = new Counter({
    name: 'entente_guard_calls_total',
    help: 'Calls through the guard, since the start',
    labelNames: ['what', 'passed'],
    registers,
  })
  return {
    round(outcome) {
      error.set(outcome instanceof Error ? 1 : 0)
      if (outcome instanceof Error) return
      validators.set(outcome.validators.length)
      differing.set(outcome.waiting.length + (outcome.vote === undefined ? 0 : 1))
      isValidator.set(outcome.isValidator ? 1 : 0)
      block.set(outcome.registry.block)
      looked.set(now() / 1000)
      votes.inc({ what: 'proposed' }, outcome.proposed.length)
      votes.inc({ what: 'withdrawn' }, outcome.withdrawn.length)
    },
    // Methods come from outside, so they are no labels.
    call: (method, isPassed) =>
      calls.inc({ what: method === 'eth_sendRawTransaction' ? 'transaction' : 'read', passed: String(isPassed) }),
    listen: at => serveMetrics(registry, at),
  }
}
