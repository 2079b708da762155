import type { Hex } from 'viem'
import { numberToHex } from 'viem/utils'
import { ContractRefusal } from '../chain.ts'
import { LedgerError } from '../error.ts'
import type { SubmitJournal } from '../journal.ts'
import type { Account } from './account.ts'
import { type Fees, marketFees, priceOf, raisedFees } from './fees.ts'
import { type Attempt, type Call, type Pending, decodePending, encodePending } from './pending.ts'
import { type Said, meaningOf, throwExplained } from './refusals.ts'
import { type Ask, type RpcReceipt, isIndexing, isNoMethod } from './rpc.ts'

export interface SubmitterOptions {
  readonly ask: Ask
  readonly isClosed: () => boolean
  readonly account: Account
  readonly chainId: number
  readonly journal: SubmitJournal
  readonly gasLimit: number | undefined
  readonly timeoutMs: number
  readonly pollMs: number
  readonly replaceAfterMs: number
  readonly wait: (milliseconds: number) => Promise<unknown>
  readonly now: () => number
}

/** Brings calls into blocks, one at a time, each at most once. MUST NOT be called again before the last call has ended. */
export interface Submitter {
  /** The receipt, whether the call did what it should or was reverted. */
  submit(call: Call): Promise<RpcReceipt>
  /** Ends what an earlier call, or a process that was killed, left under way. Throws `unreachable` where its outcome stays unknown, or the node catches up. */
  settle(): Promise<void>
}

/** Times that a transaction is signed anew because another process took its nonce. */
const MAX_NONCE_RACES = 20
/** Replacements by a higher price. */
const MAX_REPLACEMENTS = 8
/** A node that was restarted has forgotten what waits: the same bytes are sent again, every so often. */
const RESEND_POLLS = 12

/** Another transaction took the nonce: nothing of the call took effect, and nothing can. */
const TAKEN = 'taken'

export function createSubmitter(options: SubmitterOptions): Submitter {
  const { ask, account, chainId, journal, gasLimit, timeoutMs, pollMs, replaceAfterMs, wait, now } = options
  /** What the journal holds. */
  let pending: Pending | undefined
  let isRead = false
  /** When the last attempt was first sent by this process. */
  let since = 0

  async function keep(value: Pending | undefined): Promise<void> {
    try {
      await journal.write(value === undefined ? undefined : encodePending(value))
    } catch (cause) {
      throw new LedgerError(
        'busy',
        `the journal of transactions cannot be written, so nothing more is sent: ${(cause as Error).message}`,
        { cause },
      )
    }
    pending = value
  }

  async function recall(): Promise<void> {
    if (isRead) return
    const bytes = await journal.read()
    const found = bytes === undefined ? undefined : decodePending(bytes)
    if (found !== undefined && (found.chainId !== chainId || found.account !== account.address))
      throw new LedgerError(
        'mismatch',
        `a transaction of account ${found.account} on chain ${found.chainId} is under way, configured are ${account.address} and ${chainId}: start once more as before, so that it comes to an end`,
      )
    pending = found
    since = now()
    isRead = true
  }

  async function settle(): Promise<{ call: Call; mined: RpcReceipt | undefined } | undefined> {
    await notSyncing()
    await recall()
    if (pending === undefined) return undefined
    const call = pending
    const mined = await drive(false)
    return { call, mined: mined === TAKEN ? undefined : mined }
  }

  async function submit(call: Call): Promise<RpcReceipt> {
    const before = await settle()
    // The same call again, after an answer that was lost: it is the one that was under way.
    if (before?.mined !== undefined && isSame(before.call, call)) return before.mined
    const fees = await marketFees(ask)
    for (let race = 0; race < MAX_NONCE_RACES; race++) {
      // Asked before it is signed, so that what the contract refuses costs no transaction.
      const gas = gasLimit === undefined ? await estimate(call) : BigInt(gasLimit)
      const [nonce, block] = [await count('pending'), Number(await ask<Hex>('eth_blockNumber'))]
      const first = await sign({ ...call, nonce, gas }, fees)
      await keep({ ...call, chainId, account: account.address, nonce, gas, block, attempts: [first] })
      since = now()
      // A crash here, or anywhere below, leaves the journal: whoever opens it drives the same transaction on.
      const mined = await drive(true)
      if (mined !== TAKEN) return mined
      await wait(pollMs)
    }
    throw new LedgerError(
      'busy',
      `other processes used the nonces of ${account.address} ${MAX_NONCE_RACES} times: give each an account of its own`,
    )
  }

  /** A node that catches up shows the past: what is signed by it would be refused, or worse, come too late. */
  async function notSyncing(): Promise<void> {
    const syncing = await ask<false | Record<string, unknown>>('eth_syncing').catch(error => {
      if (isNoMethod(error)) return false as const
      throw error
    })
    if (typeof syncing !== 'object' || syncing === null) return
    const [at, of] = [syncing['currentBlock'], syncing['highestBlock']].map(Number)
    throw new LedgerError(
      'unreachable',
      `the node is at block ${at} of ${of} and still catching up: wait, or use another node`,
    )
  }

  const estimate = async ({ contract, data }: Call) =>
    (BigInt(
      await ask<Hex>('eth_estimateGas', {
        from: account.address,
        ...(contract === undefined ? {} : { to: contract }),
        data,
      }).catch(error => throwExplained(error, account.address)),
    ) *
      5n) /
    4n
  const count = async (block: string) => Number(await ask<Hex>('eth_getTransactionCount', account.address, block))

  async function sign(tx: Call & { nonce: number; gas: bigint }, fees: Fees): Promise<Attempt> {
    if (account.sign === 'node') return { fees }
    const { nonce, gas, data, contract: to } = tx
    return { fees, ...(await account.sign({ chainId, nonce, gas, to, data, fees })) }
  }

  /**
   * Sends what is pending until it is in a block, or never can be. The journal is empty afterwards, unless it throws `unreachable`.
   * @param isFresh signed just now: nobody has seen it yet
   */
  async function drive(isFresh: boolean): Promise<RpcReceipt | typeof TAKEN> {
    const until = now() + timeoutMs
    let isUnseen = isFresh
    let polls = isFresh ? 0 : -1 // what may be mined already is looked for before it is sent again
    let cause: unknown
    for (;;) {
      try {
        const said = polls >= 0 && polls % RESEND_POLLS === 0 ? await send() : 'sent'
        if (said === 'sent') isUnseen = false
        const mined = await find()
        if (mined !== undefined) return await done(mined)
        if (said === 'taken' || (said === 'contested' && isUnseen && attempts() === 1)) return await done(TAKEN)
        if (said === 'cheap' || (said === 'contested' && attempts() > 1) || now() - since >= replaceAfterMs) {
          if (await replace()) {
            polls = 0
            continue
          }
          if (said === 'cheap' && isUnseen) throw tooCheap()
        }
      } catch (error) {
        if (!(error instanceof LedgerError) || options.isClosed()) throw error
        if (error.code === 'refused' || error.code === 'unsupported') {
          // The node takes none of it. Should another one have it: whatever is signed next has the same nonce.
          await keep(undefined)
          throw error
        }
        if (error.code !== 'unreachable') throw error
        cause = error
        isUnseen = false
        polls = RESEND_POLLS - 1 // unknown: the same bytes again do no harm
      }
      if (now() >= until) throw unknown(cause)
      await wait(pollMs)
      polls++
    }
  }

  const attempts = () => pending?.attempts.length ?? 0

  async function done<T>(outcome: T): Promise<T> {
    await keep(undefined)
    return outcome
  }

  async function send(): Promise<Said> {
    const { contract, data, nonce, gas, attempts: all } = pending as Pending
    const last = all.at(-1) as Attempt
    try {
      if (last.raw !== undefined) await ask('eth_sendRawTransaction', last.raw)
      else {
        const fees = Object.fromEntries(Object.entries(last.fees).map(([name, price]) => [name, numberToHex(price)]))
        const to = contract === undefined ? {} : { to: contract }
        const from = account.address
        const common = { from, ...to, data, nonce: numberToHex(nonce), gas: numberToHex(gas), ...fees }
        const hash = await ask<Hex>('eth_sendTransaction', common)
        await keep({ ...(pending as Pending), attempts: [...all.slice(0, -1), { ...last, hash }] })
      }
      return 'sent'
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code !== 'refused' || error.cause instanceof ContractRefusal)
        throw error
      return meaningOf(error.message) ?? throwExplained(error, account.address)
    }
  }

  /** Its receipt, by the hash of any attempt; where the node signed and its answer was lost, by the nonce. */
  async function find(): Promise<RpcReceipt | undefined> {
    const { attempts: all, nonce, block } = pending as Pending
    for (const { hash } of all.toReversed()) {
      if (hash === undefined) continue
      const mined = await receiptOf(hash)
      if (mined !== undefined) return mined
    }
    if (all.every(({ hash }) => hash !== undefined) || (await count('latest')) <= nonce) return undefined
    const hash = await findByNonce(nonce, block)
    if (hash === undefined) {
      await keep(undefined)
      throw new LedgerError(
        'busy',
        `nonce ${nonce} of ${account.address} was used, and the node no longer knows by which transaction: see on the ledger what it did, and call again`,
      )
    }
    return receiptOf(hash)
  }

  async function receiptOf(hash: Hex): Promise<RpcReceipt | undefined> {
    try {
      const found = await ask<RpcReceipt | null>('eth_getTransactionReceipt', hash)
      return found === null || found.blockHash === null ? undefined : found
    } catch (error) {
      if (!isIndexing(error)) throw error
      throw new LedgerError('unreachable', (error as Error).message, { cause: error }) // not yet known is not no
    }
  }

  /** The transaction of the account that has a nonce, in a block after `from`: by bisection, then in the block. */
  async function findByNonce(nonce: number, from: number): Promise<Hex | undefined> {
    let [before, at] = [from, Number(await ask<Hex>('eth_blockNumber'))]
    try {
      while (at - before > 1) {
        const middle = Math.floor((before + at) / 2)
        if ((await count(numberToHex(middle))) > nonce) at = middle
        else before = middle
      }
    } catch (error) {
      if (error instanceof LedgerError && error.code !== 'unreachable') return undefined // that state is gone
      throw error
    }
    type Transaction = { hash: Hex; from: string; nonce: Hex; to: string | null; input: Hex }
    const block = await ask<{ transactions: Transaction[] } | null>('eth_getBlockByNumber', numberToHex(at), true)
    return block?.transactions.find(tx => tx.from.toLowerCase() === account.address && Number(tx.nonce) === nonce)?.hash
  }

  /** Signs it again with the same nonce and a higher price. False where that is not allowed any more, or nothing is paid on this chain. */
  async function replace(): Promise<boolean> {
    const before = pending as Pending
    const [first, last] = [before.attempts[0], before.attempts.at(-1)] as [Attempt, Attempt]
    since = now()
    if (before.attempts.length > MAX_REPLACEMENTS) return false
    const fees = raisedFees(first.fees, last.fees, await marketFees(ask))
    if (fees === undefined) return false
    await keep({ ...before, attempts: [...before.attempts, await sign(before, fees)] })
    return true
  }

  function tooCheap(): LedgerError {
    const { attempts: all } = pending as Pending
    const [first, last] = [all[0], all.at(-1)] as [Attempt, Attempt]
    return new LedgerError(
      'refused',
      `${priceOf(last.fees)} wei for a unit of gas is too little for the node, ${priceOf(first.fees)} was the first price, and more than ten times of that is not paid: wait until the price falls`,
    )
  }

  function unknown(cause: unknown): LedgerError {
    const { attempts: all, nonce } = pending as Pending
    const last = all.at(-1) as Attempt
    const price = priceOf(last.fees)
    const paid = price === 0n ? '' : `, at ${price} wei for a unit of gas after ${all.length - 1} raises`
    const what = last.hash === undefined ? `the transaction with nonce ${nonce}` : `transaction ${last.hash}`
    return new LedgerError(
      'unreachable',
      `${what} is in no block after ${timeoutMs} ms${paid}: it may still come; ask again`,
      {
        cause,
        ...(last.hash === undefined ? {} : { transaction: last.hash }),
      },
    )
  }

  return { submit, settle: async () => void (await settle()) }
}

const isSame = (a: Call, b: Call): boolean => a.contract === b.contract && a.data === b.data
