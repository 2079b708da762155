import { setTimeout as sleep } from 'node:timers/promises'
import {
  checkArguments,
  type Entities,
  type Kind,
  Refusal,
  type RefusalCode,
  type RuleArguments,
  type RuleName,
} from '@entente/rules'
import { LedgerError } from '../error.ts'
import { createMemoryJournal, type SubmitJournal } from '../journal.ts'
import type { HistoryFilter, Reading, RuleChain, RuleEvent, RuleReceipt } from '../rule-chain.ts'
import { parseAnswer } from './answer.ts'
import { parseBlock, parseHeight } from './block.ts'
import { type FabricConnectionOptions, openFabricConnection } from './connection.ts'
import { ChaincodeRefusal } from './refusal.ts'
import { parseRuleBlock, type RuleBlock } from './rule-block.ts'
import { createSubmitter } from './submit.ts'

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

/** Readings between which a block came: after so many the blocks are read instead. */
const TRIES = 3
/** Blocks that are asked for at once. */
const AT_ONCE = 8

/**
 * Opens a chain of the federation: one chaincode (chaincode/federation.ts) on a channel. It is founded by `run('found', genesis)`, once. What is read is
 * `asked`: a peer says so. Fabric's blocks have no time; theirs is that of the transaction, by which its rule went.
 *
 * @throws LedgerError `unreachable`, `refused`; `invalid` where the key is none
 */
export async function openFabricRuleChain(options: FabricRuleChainOptions): Promise<RuleChain> {
  const { fabricChannel, chaincode, timeoutMs = 60_000, pollMs = 200, wait = sleep } = options
  const { journal = createMemoryJournal(), now = () => performance.now() } = options
  const connection = openFabricConnection({
    ...options,
    callTimeoutMs: Math.min(options.callTimeoutMs ?? 15_000, timeoutMs),
  })
  const submitter = createSubmitter({ connection, journal, timeoutMs, pollMs, wait, now })
  const system = (name: string, ...args: string[]) => connection.evaluate(name, [fabricChannel, ...args], 'qscc')
  const blocks: RuleBlock[] = []
  let closing: Promise<void> | undefined
  let queue: Promise<unknown> = Promise.resolve()

  const inTurn = <T>(run: () => Promise<T>): Promise<T> => {
    const ran = queue.then(run)
    queue = ran.catch(() => undefined)
    return ran
  }
  const height = async () => parseHeight(await system('GetChainInfo'))

  const read = async (number: number): Promise<RuleBlock> =>
    parseRuleBlock(await system('GetBlockByNumber', String(number)), chaincode)

  /** Blocks up to one, each of which names the one before it. */
  const readTo = (last: number): Promise<readonly RuleBlock[]> =>
    reading.then(async () => {
      while (blocks.length <= last) {
        const count = Math.min(AT_ONCE, last + 1 - blocks.length)
        for (const block of await Promise.all(Array.from({ length: count }, (_, i) => read(blocks.length + i)))) {
          const before = blocks.at(-1)
          if (block.number !== blocks.length || (before !== undefined && !isAfter(block, before)))
            throw new LedgerError(
              'corrupt',
              `block ${block.number} of ${fabricChannel} does not follow block ${before?.number} ${before?.hash}: the peer is of another channel, or lies`,
            )
          blocks.push(block)
        }
      }
      return blocks
    })
  let reading: Promise<unknown> = Promise.resolve()
  const blocksTo = async (last: number): Promise<readonly RuleBlock[]> => {
    const read = readTo(last)
    reading = read.catch(() => undefined)
    return (await read).slice(0, last + 1)
  }

  async function run(rule: RuleName, args: readonly unknown[]): Promise<RuleReceipt> {
    checkArguments(rule, args)
    await submitter.settle()
    const call = [rule, JSON.stringify(args)]
    for (const end = now() + timeoutMs; ; await wait(pollMs)) {
      const { outcome, transaction } = await submitter.submit('rule', call)
      if (outcome === 'valid') return receiptOf(transaction)
      if (now() >= end)
        throw new LedgerError('busy', `others were faster for ${timeoutMs} ms: call again`, { transaction })
    }
  }

  async function receiptOf(transaction: string): Promise<RuleReceipt> {
    const { number, hash, transactions } = parseRuleBlock(await system('GetBlockByTxID', transaction), chaincode)
    const found = transactions.find(one => one.id === transaction)
    if (found === undefined)
      throw new LedgerError('corrupt', `block ${number} is said to hold ${transaction}, and does not`, { transaction })
    const at = { transaction, block: number, blockHash: hash, time: found.time }
    return { ...at, events: found.events.map(event => ({ ...event, ...at, level: 'asked' as const })) }
  }

  async function getAt<K extends Kind>(kind: K, id: string, last: number): Promise<Reading<Entities[K] | undefined>> {
    const known = await blocksTo(last)
    const key = `federation/${kind}/${id}`
    const text = known
      .flatMap(block => block.transactions)
      .findLast(one => one.writes.has(key))
      ?.writes.get(key)
    const value = text === undefined ? undefined : (parseAnswer(text) as Entities[K])
    return { value, level: 'asked', ...placeOf(known, last) }
  }

  const placeOf = (known: readonly RuleBlock[], last: number) => {
    const { number, hash } = known[last] as RuleBlock
    return { block: number, blockHash: hash, time: timeOf(known, last) }
  }

  let account: string
  let genesis: string
  try {
    account = parseAnswer(await connection.evaluate('caller', [])) as string
    genesis = parseBlock(await system('GetBlockByNumber', '0')).blockHash
  } catch (error) {
    connection.close()
    throw error
  }

  return {
    ledger: 'fabric',
    account,
    identity: async () => ({ ledger: 'fabric', chainId: fabricChannel, genesis, contracts: { chaincode } }),
    async preview<N extends RuleName>(rule: N, ...args: RuleArguments<N>): Promise<void> {
      checkArguments(rule, args)
      await connection.evaluate('rule', [rule, JSON.stringify(args)]).catch(throwRefusal)
    },
    run: <N extends RuleName>(rule: N, ...args: RuleArguments<N>): Promise<RuleReceipt> =>
      inTurn(() => run(rule, args).catch(throwRefusal)),
    async get(kind, id, block) {
      const newest = (await height()) - 1
      if (block !== undefined) {
        if (block <= newest) return getAt(kind, id, block)
        throw new LedgerError('invalid', `block ${block} does not exist yet, the newest is ${newest}`)
      }
      for (let last = newest, tries = 0; tries < TRIES; tries++) {
        const answer = await connection.evaluate('entity', [kind, id])
        const then = (await height()) - 1
        if (then === last) {
          const { number, hash, transactions } = await read(last)
          const time = transactions.at(-1)?.time ?? timeOf(await blocksTo(last), last)
          return { value: parseAnswer(answer) as never, level: 'asked', block: number, blockHash: hash, time }
        }
        last = then
      }
      return getAt(kind, id, (await height()) - 1)
    },
    async history({ subject, about, fromBlock = 0, toBlock }: HistoryFilter = {}): Promise<RuleEvent[]> {
      const last = Math.min(toBlock ?? Number.MAX_SAFE_INTEGER, (await height()) - 1)
      const known = await blocksTo(last)
      return known.slice(fromBlock).flatMap(({ number, hash, transactions }) =>
        transactions.flatMap(({ id, time, events }) =>
          events
            .filter(event => subject === undefined || event.subject === subject)
            .filter(event => about === undefined || event.about === about)
            .map(event => ({ ...event, transaction: id, block: number, blockHash: hash, time, level: 'asked' as const })),
        ),
      )
    },
    async head() {
      const last = (await height()) - 1
      return { block: last, time: timeOf(await blocksTo(last), last), final: last }
    },
    close() {
      closing ??= queue.then(() => connection.close())
      return closing
    },
  }
}

/** Of the newest transaction in a block or before it: they have clients' times, and never go back here. */
const timeOf = (known: readonly RuleBlock[], last: number): number =>
  Math.max(0, ...known.slice(0, last + 1).map(block => Math.max(0, ...block.transactions.map(one => one.time))))

const isAfter = (block: RuleBlock, before: RuleBlock): boolean => block.previous === before.hash

/** What the chaincode refused by the rules, as they do; anything else as it came. */
function throwRefusal(error: unknown): never {
  if (error instanceof LedgerError && error.cause instanceof ChaincodeRefusal) {
    const { code, details } = error.cause
    const { row = 0, ...rest } = details
    throw new Refusal(code as RefusalCode, Number(row), rest)
  }
  throw error
}
