import { invokeRule, type Kind, type State } from '@entente/rules'
import type { RuleCall, RuleChain } from '#ledger/rule-chain.ts'
import { readTogether } from './action.ts'

/**
 * Runs rules one after the other on what a chain has at one block, in memory: what would be refused is known before anything is sent. Each entity is read
 * once, with whatever shows it.
 *
 * @param fresh ids that are there only once these calls have run, which are not asked for
 * @throws Refusal of the first call that is refused
 */
export async function rehearse(
  chain: RuleChain,
  caller: string,
  calls: readonly RuleCall[],
  fresh: ReadonlySet<string>,
): Promise<void> {
  await readTogether(chain, undefined, async ({ get, time }) => {
    const rows = new Map<string, unknown>()
    const keyOf = (kind: Kind, id: string) => `${kind} ${id}`
    for (const { rule, args } of calls) {
      const written = new Map<string, unknown>()
      const state: State = {
        async get(kind, id) {
          const key = keyOf(kind, id)
          if (!rows.has(key)) rows.set(key, fresh.has(id) ? undefined : await get(kind, id))
          return rows.get(key) as Awaited<ReturnType<typeof get<typeof kind>>>
        },
        put: (kind, id, value) => void written.set(keyOf(kind, id), value),
        emit: () => {},
      }
      await invokeRule({ state, caller, now: time }, rule, args)
      for (const [key, value] of written) rows.set(key, value)
    }
  })
}
