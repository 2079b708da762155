import type { Hex } from 'viem'
import { ContractRefusal } from '../chain.ts'
import { LedgerError } from '../error.ts'
import type { Account } from './account.ts'
import { marketFees } from './fees.ts'
import type { Call } from './pending.ts'
import { meaningOf } from './refusals.ts'
import type { Ask, AskAll, RpcReceipt } from './rpc.ts'

export interface SubmitAllOptions {
  readonly ask: Ask
  readonly askAll: AskAll
  readonly account: Account
  readonly chainId: number
  /** Transactions under way at a time. */
  readonly atOnce: number
  readonly timeoutMs: number
  readonly pollMs: number
  readonly wait: (milliseconds: number) => Promise<unknown>
  readonly now: () => number
}

/**
 * How a call ended. `done`: in a block, and it did what it should. `alone`: nothing of it took effect or can; it is to be submitted by
 * itself, which says what is wrong with it. `unknown`: it may still come.
 */
export type Ended =
  | { readonly is: 'done'; readonly receipt: RpcReceipt }
  | { readonly is: 'alone' }
  | { readonly is: 'unknown'; readonly error: LedgerError }

/** About as many of ours as a block of 30 million gas holds. */
export const AT_ONCE = 64
/** Times that nothing of what was sent got into a block, because others use the account's nonces. */
const MAX_FRUITLESS = 20
/** As of a single transaction: a node that was restarted has forgotten what waits. */
const RESEND_POLLS = 12

type Signed = { readonly at: number; readonly raw: Hex; readonly hash: Hex; isUnseen: boolean }

/**
 * Brings calls that do not depend on each other into blocks, with consecutive nonces and `atOnce` under way. One is signed anew only if
 * its bytes are void: their nonce was used by another, or the node says that it is not due, and then has them nowhere. What is refused in the
 * middle leaves such a gap on a chain that takes no refused transaction into a block.
 *
 * Nothing of it is in a journal: a process that is killed does not know which of `atOnce` calls were taken, and has to ask the chain.
 */
export async function submitAll(calls: readonly Call[], options: SubmitAllOptions): Promise<Ended[]> {
  const { ask, askAll, account, chainId, atOnce, timeoutMs, pollMs, wait, now } = options
  const ended = new Map<number, Ended>()
  const end = (at: number, how: Ended) => void ended.set(at, how)
  const { sign } = account
  if (sign === 'node') return calls.map(() => ({ is: 'alone' }))

  const gasOf = await estimates(calls, ask, account.address)

  const signTogether = async (some: readonly number[]): Promise<Signed[]> => {
    const [fees, nonce] = await Promise.all([
      marketFees(ask),
      ask<Hex>('eth_getTransactionCount', account.address, 'pending').then(Number),
    ])
    const signed = some.map(async (at, i) => {
      const { contract: to, data } = calls[at] as Call
      return { at, isUnseen: true, ...(await sign({ chainId, nonce: nonce + i, gas: gasOf(at), to, data, fees })) }
    })
    return Promise.all(signed)
  }

  let fruitless = 0
  for (let open = calls.map((_, at) => at); open.length > 0; open = open.filter(at => !ended.has(at))) {
    const before = ended.size
    try {
      await drive(await signTogether(open.slice(0, atOnce)))
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error
      // Of what was sent before nothing is forgotten, and nothing more is sent to who does not answer.
      for (const at of open) if (!ended.has(at)) end(at, { is: 'unknown', error })
    }
    if (ended.size > before) fruitless = 0
    else if (++fruitless < MAX_FRUITLESS) await wait(pollMs)
    else for (const at of open) end(at, { is: 'alone' })
  }
  return calls.map((_, at) => ended.get(at) ?? { is: 'alone' })

  /** Sends them until each is in a block, or void, or to be submitted alone. Throws `unreachable` where some are none of it in time. */
  async function drive(signed: readonly Signed[]): Promise<void> {
    let waiting = signed
    const until = now() + timeoutMs
    let cause: LedgerError | undefined
    for (let polls = 0; ; polls++) {
      const said = polls % RESEND_POLLS === 0 ? await send(waiting) : undefined
      const receipts = await askAll<RpcReceipt | null>(
        'eth_getTransactionReceipt',
        waiting.map(({ hash }) => [hash]),
      )
      waiting = waiting.filter((one, i) => {
        const receipt = receipts[i]
        if (receipt instanceof LedgerError) cause = receipt
        else if (receipt && receipt.blockHash !== null) {
          end(one.at, Number(receipt.status) === 1 ? { is: 'done', receipt } : { is: 'alone' })
          return false
        } else if (said?.[i] === 'alone') end(one.at, { is: 'alone' })
        return said?.[i] !== 'alone' && said?.[i] !== 'void'
      })
      if (waiting.length === 0) return
      if (now() >= until) break
      await wait(pollMs)
    }
    const unknown = waiting.map(({ at, hash }) => {
      const text = `transaction ${hash} is in no block after ${timeoutMs} ms: it may still come; ask again`
      const more = { transaction: hash, ...(cause === undefined ? {} : { cause }) }
      const error = new LedgerError('unreachable', text, more)
      end(at, { is: 'unknown', error })
      return error
    })
    throw unknown[0] as LedgerError
  }

  /** `void`: nothing of it is under way, and its nonce was another's or not yet due. */
  async function send(waiting: readonly Signed[]): Promise<('sent' | 'void' | 'alone')[]> {
    const answers = await askAll<Hex>(
      'eth_sendRawTransaction',
      waiting.map(({ raw }) => [raw]),
    )
    return answers.map((answer, i) => {
      const one = waiting[i] as Signed
      const { isUnseen } = one
      if (!(answer instanceof LedgerError) || answer.code === 'unreachable') {
        one.isUnseen = false
        return 'sent'
      }
      const meaning = meaningOf(answer.message)
      if (answer.cause instanceof ContractRefusal) return 'alone'
      if (meaning === 'sent') return 'sent'
      // Used, in a block, by another; or not yet due, and this node has it nowhere.
      if (meaning === 'taken' || (meaning === undefined && /nonce/i.test(answer.message))) return 'void'
      if (!isUnseen) return 'sent'
      return meaning === 'contested' || answer.code === 'busy' ? 'void' : 'alone'
    })
  }
}

/**
 * Gas of each call: of those of one function the one with the most data is tried, and the others get as much. One trial for each would be
 * as much work for a node as the calls themselves.
 */
async function estimates(calls: readonly Call[], ask: Ask, from: string): Promise<(at: number) => bigint> {
  const kindOf = ({ contract, data }: Call) => `${contract} ${data.slice(0, 10)}`
  const longest = new Map<string, Call>()
  for (const call of calls) {
    const known = longest.get(kindOf(call))
    if (known === undefined || known.data.length < call.data.length) longest.set(kindOf(call), call)
  }
  const gas = new Map<string, bigint>()
  for (const [kind, { contract, data }] of longest) {
    const call = { from, ...(contract === undefined ? {} : { to: contract }), data }
    const used = await ask<Hex>('eth_estimateGas', call).then(BigInt, (error: unknown) => {
      if (error instanceof LedgerError && error.code === 'refused') return undefined
      throw error
    })
    gas.set(kind, used === undefined ? MOST_GAS : (used * 3n) / 2n)
  }
  return at => gas.get(kindOf(calls[at] as Call)) ?? MOST_GAS
}
/** Where the trial was refused: more than any of our rules needs. */
const MOST_GAS = 3_000_000n
