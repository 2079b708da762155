import { Refusal } from '@entente/rules'
import { LedgerError } from './error.ts'
import type { RuleCall, RuleChain } from './rule-chain.ts'

/**
 * `runAll` of a chain by way of its `run`.
 *
 * @param lanes as many of `run` as may be under way at once
 */
export async function runEach(
  calls: readonly RuleCall[],
  ...lanes: readonly RuleChain['run'][]
): ReturnType<RuleChain['runAll']> {
  const outcomes: Awaited<ReturnType<RuleChain['runAll']>> = []
  let next = 0
  const work = lanes.map(async run => {
    for (let at = next++; at < calls.length; at = next++) {
      const { rule, args } = calls[at] as RuleCall
      outcomes[at] = await run(rule, ...(args as never)).catch((error: unknown) => {
        if (error instanceof Refusal || error instanceof LedgerError) return error
        throw error
      })
    }
  })
  await Promise.all(work)
  return outcomes
}
