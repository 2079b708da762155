import { setTimeout as sleep } from 'node:timers/promises'
import {
  checkArguments,
  type Entities,
  type Event,
  type Kind,
  Refusal,
  type RefusalCode,
  type RuleName,
} from '@entente/rules'
import { LedgerError } from '../error.ts'
import { createMemoryJournal, type SubmitJournal } from '../journal.ts'
import type { HistoryFilter, Reading, RuleChain, RuleEvent, RuleReceipt } from '../rule-chain.ts'
import { runEach } from '../run-each.ts'
import { parseAnswer } from './answer.ts'
import { type FabricBlock, type FabricTransaction, parseBlock, parseHeight, parseTransactions } from './block.ts'
import { type FabricConnectionOptions, openFabricConnection } from './connection.ts'
import { ChaincodeRefusal, isOutOfStep } from './refusal.ts'
import { createSubmitter, type Submitter } from './submit.ts'

export interface FabricRuleChainOptions extends FabricConnectionOptions {
  /** What was endorsed is written there before it is sent to the orderers. Left out: only this process knows. */
  readonly journal?: SubmitJournal
  /** How long a method may try. Default: 60 s. */
  readonly timeoutMs?: number
  /** How often it tries. Default: 200 ms. */
  readonly pollMs?: number
  readonly wait?: (milliseconds: number) => Promise<unknown>
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number
}

/** Chaincode event and keys of the state, as chaincode/federation.ts has them. */
const EVENT = 'federation'
const PREFIX = 'federation/'
const keyOf = (kind: Kind, id: string): string => `${PREFIX}${kind}/${id}`

/** What a block did to this chain. */
interface Done extends FabricBlock {
  /** The latest of its proposals, whole seconds since 1970. */
  readonly time: number
  /** Entities as they were after it, by their keys: JSON. */
  readonly written: ReadonlyMap<string, Uint8Array>
  /** Of each valid transaction, by its id. */
  readonly transactions: ReadonlyMap<string, { readonly time: number; readonly events: readonly RuleEvent[] }>
}
/** Blocks that are asked for at once. */
const AT_ONCE = 16
/** Transactions under way at once, where they do not depend on each other. */
const LANES = 32

/**
 * A chain of the federation in our chaincode on a Fabric channel: one chaincode, by its name, is one chain. Who signs is the identity of the
 * connection. Fabric's blocks carry no time: that of a transaction is its proposal's, by which the rules went, and that of a block the latest of these.
 *
 * What a block has is held against its hash; which of its transactions count, and that there is no newer block, is the peer's word: level `asked`.
 *
 * @throws LedgerError `unreachable`; `refused` where the identity is not taken; `invalid` where the key is none
 */
export async function openFabricRuleChain(options: FabricRuleChainOptions): Promise<RuleChain> {
  const { fabricChannel, chaincode, timeoutMs = 60_000, pollMs = 200, wait = sleep } = options
  const { journal = createMemoryJournal(), now = () => performance.now() } = options
  const connection = openFabricConnection({
    ...options,
    callTimeoutMs: Math.min(options.callTimeoutMs ?? 15_000, timeoutMs),
  })
  const timing = { timeoutMs, pollMs, wait, now }
  const submitter = createSubmitter({ connection, journal, ...timing })
  const query = (name: string, ...args: string[]) => connection.evaluate(name, [fabricChannel, ...args], 'qscc')
  const newest = async () => parseHeight(await query('GetChainInfo')) - 1

  let queue: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(run: () => Promise<T>): Promise<T> => {
    const ran = queue.then(run)
    queue = ran.catch(() => undefined)
    return ran
  }

  let account: string
  let genesis: string
  try {
    account = String(parseAnswer(await connection.evaluate('caller', [])))
    genesis = parseBlock(await query('GetBlockByNumber', '0')).blockHash
  } catch (error) {
    connection.close()
    throw error
  }

  // A block of Fabric is final: what was read of one stays so.
  const blocks = new Map<number, Done>()
  async function blockAt(number: number): Promise<Done> {
    const known = blocks.get(number)
    if (known !== undefined) return known
    const found = toDone(parseTransactions(await query('GetBlockByNumber', String(number)), chaincode))
    if (found.block !== number)
      throw new LedgerError('corrupt', `the peer was asked for block ${number}, and answered block ${found.block}`)
    blocks.set(number, found)
    return found
  }
  async function blocksOf(first: number, last: number): Promise<Done[]> {
    const list: Done[] = []
    for (let next = first; next <= last; next += AT_ONCE) {
      const count = Math.min(AT_ONCE, last - next + 1)
      list.push(...(await Promise.all(Array.from({ length: count }, (_, i) => blockAt(next + i)))))
    }
    return list
  }

  async function submit(by: Submitter, name: RuleName, args: string): Promise<string> {
    const call = ['rule', name, args]
    const ended = await by.settle()
    // This call itself was under way, from before or from an earlier process.
    if (ended !== undefined && ended.call.join('\n') === call.join('\n')) return ended.transaction
    for (const end = now() + timeoutMs; ; await wait(pollMs)) {
      try {
        const { is, transaction } = await by.submit('rule', [name, args])
        if (is === 'valid' && transaction !== undefined) return transaction
      } catch (error) {
        if (!isOutOfStep(error)) throw error
      }
      if (now() >= end)
        throw new LedgerError('unreachable', `${name} did not come through in ${timeoutMs} ms: others write the same`)
    }
  }

  /** The peer that is asked may hear of a block a little later than the one that committed it. */
  async function receiptOf(transaction: string): Promise<RuleReceipt> {
    for (const end = now() + timeoutMs; ; await wait(pollMs)) {
      try {
        const { block, blockHash, transactions } = await blockAt(
          parseBlock(await query('GetBlockByTxID', transaction)).block,
        )
        const found = transactions.get(transaction)
        if (found === undefined)
          throw new LedgerError('corrupt', `block ${block} does not have transaction ${transaction} as valid`)
        return { transaction, block, blockHash, ...found }
      } catch (error) {
        if (!(error instanceof LedgerError) || error.code !== 'unreachable' || now() >= end) throw error
      }
    }
  }

  const runBy =
    (by: Submitter): RuleChain['run'] =>
    async (rule, ...args) => {
      checkArguments(rule, args)
      return receiptOf(await submit(by, rule, JSON.stringify(args)).catch(throwRefusal))
    }

  return {
    ledger: 'fabric',
    account,
    identity: async () => {
      await newest()
      return { ledger: 'fabric', chainId: fabricChannel, genesis, contracts: { chaincode } }
    },

    async preview(rule, ...args) {
      checkArguments(rule, args)
      await connection.evaluate('rule', [rule, JSON.stringify(args)]).catch(throwRefusal)
    },

    run: (rule, ...args) => inTurn(() => runBy(submitter)(rule, ...args)),

    runAll: calls =>
      inTurn(async () => {
        await submitter.settle()
        // Each of them knows what it has under way, and only until this process ends.
        const lanes = Array.from({ length: Math.min(LANES, calls.length) }, () =>
          runBy(createSubmitter({ connection, journal: createMemoryJournal(), ...timing })),
        )
        return runEach(calls, ...lanes)
      }),

    async get<K extends Kind>(kind: K, id: string, at?: number): Promise<Reading<Entities[K] | undefined>> {
      const head = await newest()
      if (at !== undefined && at > head)
        throw new LedgerError('invalid', `block ${at} does not exist yet, the newest is ${head}`)
      const list = await blocksOf(0, at ?? head)
      const { block, blockHash, time } = list.at(-1) as Done
      const key = keyOf(kind, id)
      const written = list.findLast(one => one.written.has(key))?.written.get(key)
      const value = written && (parseAnswer(written) as Entities[K])
      return { value, level: 'asked', block, blockHash, time }
    },

    async history({ subject, about, fromBlock = 0, toBlock }: HistoryFilter = {}) {
      const list = await blocksOf(fromBlock, Math.min(toBlock ?? Number.MAX_SAFE_INTEGER, await newest()))
      return list
        .flatMap(({ transactions }) => [...transactions.values()].flatMap(({ events }) => events))
        .filter(
          event =>
            (subject === undefined || event.subject === subject) && (about === undefined || event.about === about),
        )
    },

    async head() {
      const { block, time } = await blockAt(await newest())
      return { block, time, final: block }
    },

    async close() {
      await queue
      connection.close()
    },
  }
}

function toDone({ block, blockHash, time, transactions }: ReturnType<typeof parseTransactions>): Done {
  const written = new Map<string, Uint8Array>()
  for (const { writes = new Map() } of transactions)
    for (const [key, value] of writes) if (key.startsWith(PREFIX)) written.set(key, value)
  const eventsOf = ({ transaction, time, event }: FabricTransaction): RuleEvent[] => {
    const payload = event(EVENT)
    const events = payload === undefined ? [] : (parseAnswer(payload) as Event[])
    return events.map(one => ({ ...one, transaction, block, blockHash, time, level: 'asked' }))
  }
  const all = transactions.map(one => [one.transaction, { time: one.time, events: eventsOf(one) }] as const)
  return { block, blockHash, time, written, transactions: new Map(all) }
}

/** The chaincode's no, where it is that of a rule. */
function throwRefusal(error: unknown): never {
  if (!(error instanceof LedgerError) || !(error.cause instanceof ChaincodeRefusal)) throw error
  const { code, details } = error.cause
  const { row, ...rest } = details
  if (typeof row !== 'number') throw error
  throw new Refusal(code as RefusalCode, row, rest)
}
