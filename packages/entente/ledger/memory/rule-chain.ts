import { createHash } from 'node:crypto'
import {
  type Call,
  createMemory,
  type Entities,
  found,
  type Genesis,
  invokeRule,
  type Kind,
  type Memory,
} from '@entente/rules'
import { LedgerError } from '../error.ts'
import { runEach } from '../run-each.ts'
import type { HistoryFilter, Reading, RuleChain, RuleEvent } from '../rule-chain.ts'

export interface MemoryChainOptions {
  readonly genesis: Genesis
  /** Name of the chain. Default: `memory`. */
  readonly chainId?: string
  /** Clock, whole seconds since 1970: of every block. Blocks never go back in time, whatever it says. */
  readonly now: () => number
}

/** A chain in memory, for previews and tests: a block for each transaction, and all states of it. */
export interface MemoryChain {
  /** The chain as one that signs with this key sees it. */
  as(account: string): RuleChain
}

type State = Pick<Memory, 'get'>

/** Founds a chain in memory. Throws Refusal where the genesis is none. */
export async function createMemoryChain({
  genesis,
  chainId = 'memory',
  now,
}: MemoryChainOptions): Promise<MemoryChain> {
  const memory = createMemory()
  const rows = new Map<string, { block: number; value: unknown }[]>()
  const events: RuleEvent[] = []
  const blocks: { hash: string; time: number }[] = []
  let queue: Promise<unknown> = Promise.resolve()

  /** A call, and what it would write: `memory.run` keeps that to itself. */
  async function execute(account: string, time: number, rule: (call: Call) => Promise<unknown>) {
    const written: [string, unknown][] = []
    await memory.run(account, time, call =>
      rule({
        ...call,
        state: {
          get: call.state.get,
          emit: call.state.emit,
          put: (kind, id, value) => {
            written.push([keyOf(kind, id), value])
            call.state.put(kind, id, value)
          },
        },
      }),
    )
    return written
  }

  const timeNow = () => Math.max(Math.floor(now()), blocks.at(-1)?.time ?? 0)

  async function seal(account: string, name: string, rule: (call: Call) => Promise<unknown>) {
    const time = timeNow()
    const before = memory.events.length
    const written = await execute(account, time, rule)
    const block = blocks.length
    const hash = digest(`${blocks.at(-1)?.hash ?? chainId} ${account} ${name} ${JSON.stringify(written)}`)
    blocks.push({ hash, time })
    for (const [key, value] of written) rows.set(key, [...(rows.get(key) ?? []), { block, value }])
    const transaction = digest(`transaction ${hash}`)
    const at = { transaction, block, blockHash: hash, time, level: 'asked' as const }
    const emitted = memory.events.slice(before).map(event => ({ ...event, ...at }))
    events.push(...emitted)
    return { transaction, block, blockHash: hash, time, events: emitted }
  }

  const founded = await seal('', 'found', call => found(call, genesis))

  function blockOf(number = blocks.length - 1) {
    const block = blocks[number]
    if (block) return { block: number, blockHash: block.hash, time: block.time }
    throw new LedgerError('invalid', `block ${number} does not exist yet, the newest is ${blocks.length - 1}`)
  }

  const inTurn = <T>(run: () => Promise<T>): Promise<T> => {
    const ran = queue.then(run)
    queue = ran.catch(() => undefined)
    return ran
  }

  function as(account: string): RuleChain {
    let isClosed = false
    const run: RuleChain['run'] = (name, ...args) =>
      open(() => inTurn(() => seal(account, name, call => invokeRule(call, name, args))))
    const open = <T>(run: () => Promise<T>): Promise<T> =>
      isClosed ? Promise.reject(new LedgerError('unreachable', 'the chain was closed; open it again')) : run()
    return {
      ledger: 'memory',
      account,
      identity: () => open(async () => ({ ledger: 'memory', chainId, genesis: founded.blockHash, contracts: {} })),
      preview: (name, ...args) =>
        open(async () => {
          const trial = overlay(memory)
          await trial.run(account, timeNow(), call => invokeRule(call, name, args))
        }),
      run,
      runAll: calls => runEach(calls, run),
      get: <K extends Kind>(kind: K, id: string, block?: number) =>
        open(async (): Promise<Reading<Entities[K] | undefined>> => {
          const at = blockOf(block)
          const value = rows.get(keyOf(kind, id))?.findLast(row => row.block <= at.block)?.value
          return { value: value as Entities[K] | undefined, level: 'asked', ...at }
        }),
      history: (filter: HistoryFilter = {}) =>
        open(async () => {
          const { subject, about, fromBlock = 0, toBlock = Number.MAX_SAFE_INTEGER } = filter
          return events.filter(
            event =>
              event.block >= fromBlock &&
              event.block <= toBlock &&
              (subject === undefined || event.subject === subject) &&
              (about === undefined || event.about === about),
          )
        }),
      head: () =>
        open(async () => {
          const { block, time } = blockOf()
          return { block, time, final: block }
        }),
      close: async () => {
        isClosed = true
        await queue
      },
    }
  }
  return { as }
}

/** What runs on it leaves no trace on what is below. */
function overlay(below: State): Memory {
  const memory = createMemory()
  return {
    ...memory,
    run: (caller, now, rule) =>
      memory.run(caller, now, call =>
        rule({ ...call, state: { ...call.state, get: async (kind, id) => below.get(kind, id) } }),
      ),
  }
}

const keyOf = (kind: Kind, id: string) => `${kind} ${id}`
const digest = (text: string) => `0x${createHash('sha256').update(text).digest('hex')}`
