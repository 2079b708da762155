import type { Entities, Event, Kind, Refusal, RuleArguments, RuleName } from '@entente/rules'
import type { LedgerError } from './error.ts'

/**
 * Port: one chain of the federation, whatever it runs on. Whoever uses it speaks the words of packages/rules; the adapter knows how its
 * contracts or its chaincode say them.
 *
 * - Every method MUST throw only LedgerError and Refusal (of packages/rules): Refusal where the rules say no, by the same code and row on every adapter.
 * - A method that only reads MAY be repeated by anybody. `run` MUST take effect at most once, as `submit` of {@link Chain} does.
 */
export interface RuleChain {
  readonly ledger: 'evm' | 'fabric' | 'memory'

  /** Which chain it is. MUST NOT change while the object lives. */
  identity(): Promise<RuleChainIdentity>

  /** The key that `run` signs with, as the rules know it (EVM: address, lower case). */
  readonly account: string

  /** What `run` would do now, without a trace. */
  preview<N extends RuleName>(rule: N, ...args: RuleArguments<N>): Promise<void>

  /** Runs a rule as a transaction. MUST resolve only once it is in a block. */
  run<N extends RuleName>(rule: N, ...args: RuleArguments<N>): Promise<RuleReceipt>

  /**
   * Runs rules that do not depend on each other, each as a transaction of its own, many of them under way at a time; in which order they take effect is not
   * said. MUST resolve once each is in a block or has failed, with what `run` would have answered or thrown, in the order of `calls`: what
   * becomes of one MUST NOT change what becomes of the others. Each takes effect at most once, and MAY be in no journal: whoever is killed meanwhile asks the
   * chain what it has, so this is for rules that are refused the second time.
   */
  runAll(calls: readonly RuleCall[]): Promise<(RuleReceipt | Refusal | LedgerError)[]>

  /** An entity as it is at a block (the newest when left out), with what shows it. Undefined where there is none, which is shown as well. */
  get<K extends Kind>(kind: K, id: string, block?: number): Promise<Reading<Entities[K] | undefined>>

  /** What happened, in order. MUST be complete in the range, or throw. */
  history(filter?: HistoryFilter): Promise<RuleEvent[]>

  /** Number and time of the newest block, and the number of the newest one that is final (0 before the first). */
  head(): Promise<{ readonly block: number; readonly time: number; readonly final: number }>

  /** Waits for what runs. After it every method throws `unreachable`. MAY be called twice. */
  close(): Promise<void>
}

/** A rule with its arguments. */
export type RuleCall = { [N in RuleName]: { readonly rule: N; readonly args: RuleArguments<N> } }[RuleName]

export interface RuleChainIdentity {
  readonly ledger: RuleChain['ledger']
  /** EVM chain id, or name of the Fabric channel. */
  readonly chainId: string
  readonly genesis: string
  /** Where the rules are: addresses by the contracts' names, or the chaincode. */
  readonly contracts: Readonly<Record<string, string>>
}

/**
 * How strong a reading is. `proven`: every value that it depends on was proven under the state root of a header with the seals of pinned
 * validators. `attested`: signed by organisations. `asked`: a server said so.
 */
export type ReadingLevel = 'proven' | 'attested' | 'asked'

export interface Reading<T> {
  readonly value: T
  readonly level: ReadingLevel
  readonly block: number
  readonly blockHash: string
  /** Of the block, whole seconds since 1970. */
  readonly time: number
}

export interface RuleReceipt {
  readonly transaction: string
  readonly block: number
  readonly blockHash: string
  /** Of the block, whole seconds since 1970. */
  readonly time: number
  readonly events: readonly RuleEvent[]
}

export interface HistoryFilter {
  /** Events about it alone. */
  readonly subject?: string
  /** Events that name it as the second thing they are about ({@link Event}). */
  readonly about?: string
  readonly fromBlock?: number
  readonly toBlock?: number
  /** Show of each event that it happened, where that can be shown: some milliseconds a block. That nothing is left out no chain shows. */
  readonly prove?: boolean
}

export interface RuleEvent extends Event {
  readonly transaction: string
  readonly block: number
  readonly blockHash: string
  /** Of the block, whole seconds since 1970. */
  readonly time: number
  readonly level: ReadingLevel
}
