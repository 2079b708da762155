import type { Entities, Kind, RuleArguments, RuleName } from '@entente/rules'
import type { HistoryFilter, Reading, ReadingLevel, RuleChain, RuleEvent, RuleReceipt } from '#ledger/rule-chain.ts'

/** Something that may be done on a chain: asked for first, or done at once. Throws Refusal where the rules say no, by the row that does. */
export interface Action {
  /** Whether it would be taken now; leaves no trace. */
  preview(): Promise<void>
  run(): Promise<RuleReceipt>
}

export const actionOf = <N extends RuleName>(chain: RuleChain, rule: N, ...args: RuleArguments<N>): Action => ({
  preview: () => chain.preview(rule, ...args),
  run: () => chain.run(rule, ...args),
})

/** Reads at one block; what is read through it decides how strong the whole is. */
export interface Snapshot {
  readonly block: number
  /** Of the block, whole seconds since 1970. */
  readonly time: number
  get<K extends Kind>(kind: K, id: string): Promise<Entities[K] | undefined>
  /** What happened until then; that it was all is `asked`, whatever shows what there was. */
  history(filter: HistoryFilter): Promise<RuleEvent[]>
}

const STRENGTH: readonly ReadingLevel[] = ['asked', 'attested', 'proven']
const weaker = (a: ReadingLevel, b: ReadingLevel): ReadingLevel => (STRENGTH.indexOf(a) < STRENGTH.indexOf(b) ? a : b)

/**
 * Reads what belongs together at one block of a chain, the newest unless one is named.
 *
 * @throws LedgerError, as the chain's adapter does
 */
export async function readTogether<T>(
  chain: RuleChain,
  block: number | undefined,
  read: (snapshot: Snapshot) => Promise<T>,
): Promise<Reading<T>> {
  const self = await chain.get('chain', 'self', block)
  let { level } = self
  const value = await read({
    block: self.block,
    time: self.time,
    async get(kind, id) {
      const reading = await chain.get(kind, id, self.block)
      level = weaker(level, reading.level)
      return reading.value
    },
    async history(filter) {
      const events = await chain.history({ ...filter, toBlock: Math.min(filter.toBlock ?? self.block, self.block) })
      level = 'asked'
      return events
    },
  })
  return { value, level, block: self.block, blockHash: self.blockHash, time: self.time }
}
